//! The maintenance that ships, on a house in small: a Debian host, one with dnf, one with docker; a registry, a repository
//! for each, and ntfy for the message.

use super::docker::EMPTY;
use super::lab::{
    DNF, Done, PACMAN, Promise, Room, Undo, ZFS, address, docker, fedoras, flavoured, inside, lab, machine, on_all,
    toys, until,
};
use serde_json::Value;

pub const PROMISES: &[Promise] = &[
    ("weekly: a fleet is brought up to date, one host at a time, and a second run changes nothing", whole),
    ("weekly: a host that had better be left alone is, unless --force says otherwise", alone),
    ("weekly: a package that fails stops it, and the hosts that follow are untouched", fails),
    ("weekly: a host that is not well afterwards gets its old versions back, and nothing else is touched", unwell),
    ("weekly: a host with pacman goes the same way, and back to what it has downloaded", arch),
    ("weekly: a host that does not come back from its reboot stops it, after the time it has", gone),
    (
        "virtual machine: before it upgrades a root on ZFS, weekly takes a snapshot of it; the newest four stay",
        snapshot,
    ),
    ("daily: only what mends security holes, without a reboot", daily),
    ("health: what is wrong is in a table and in the exit code, and nothing is changed", health),
];

/// What trials that need a virtual machine are called.
pub const MACHINE: &str = "virtual machine: ";

const DEBIAN: &str = "host07";
const FEDORA: &str = DNF[1];
const STACK: &str = "dk01";
const SERVER: &str = "rg01";

const BOOT: &str = "cat /proc/sys/kernel/random/boot_id; cut -d' ' -f22 /proc/1/stat";

struct House(Room);

impl House {
    /// Versions 1 everywhere and 2 offered; Debian before Fedora.
    fn new() -> House {
        fedoras();
        let room = Room::with(&[DEBIAN, FEDORA, STACK, SERVER]);
        docker("one");
        room.inventory(&[]);
        let order = |order: u8| format!("      update_order: {order}\n");
        room.also(DEBIAN, &address(DEBIAN), "admin", &order(10));
        room.also(FEDORA, &address(FEDORA), "root", &order(20));
        room.write("hlrun.yaml", format!(
            "channels:\n  phone: {{ kind: ntfy, url: \"http://{}:2586\", topic: weekly, user: ann, password: lab-pw-3 }}\n",
            address(SERVER)
        ));
        until(SERVER, "curl -sf http://127.0.0.1:2586/v1/health");
        toys(&[DEBIAN]);
        toys(&[FEDORA]);
        House(room)
    }
    /// Run a playbook of maintenance, with a message at the end. The load of the hosts is that of the machine they share.
    fn run(&self, playbook: &str, more: &[&str]) -> Done {
        let given = playbook != "weekly" || more.iter().any(|flag| flag.starts_with("--load="));
        let load = if given { &[][..] } else { &["--load=1000"] };
        let playbook = format!("{}/playbooks/maintenance/{playbook}.rhai", env!("CARGO_MANIFEST_DIR"));
        self.0.hlrun(&[&[&playbook, "--channel=phone"], load, more].concat())
    }
    /// The title and the text of the last message.
    fn told(&self) -> (String, String) {
        let poll = "curl -sf -u ann:lab-pw-3 'http://127.0.0.1:2586/weekly/json?poll=1' | tail -n 1";
        let message: Value = serde_json::from_str(&inside(SERVER, poll)).expect("a message");
        let text = |key: &str| message[key].as_str().expect("text").to_owned();
        (text("title"), text("message"))
    }
    /// Nothing was done on Fedora.
    fn untouched(&self) {
        assert_eq!(inside(FEDORA, "rpm -q toy toyd"), "toy-1-1.noarch\ntoyd-1-1.x86_64\n");
    }
}

impl Drop for House {
    fn drop(&mut self) {
        toys(&[DEBIAN]);
        toys(&[FEDORA]);
    }
}

/// What else could go wrong does not, and nothing takes long.
fn ready() {
    inside(DEBIAN, "touch /etc/toyfail-ok; echo 0 >/etc/toyslow");
    inside(
        FEDORA,
        "touch /etc/toyfail-ok /etc/toypost-ok; echo 0 >/etc/toyslow; systemctl -q add-wants multi-user.target toyd.service",
    );
}

const VERSIONS: &str = "dpkg-query -W -f '${Package} ${Version}\n' toy toyd toyboot toynew | sort";

fn whole() {
    let house = House::new();
    house.0.also(STACK, &address(STACK), "root", "      update_order: 30\n");
    toys(&[STACK]);
    ready();
    inside(STACK, EMPTY);
    inside(STACK, "touch /etc/toyfail-ok; echo 0 >/etc/toyslow; rm -rf /opt/stacks; mkdir -p /opt/stacks/web");
    inside(
        STACK,
        "cat >/opt/stacks/web/compose.yaml <<'E'\nservices:\n  web: { image: \"registry:5000/toy:latest\", restart: always }\nE\ncd /opt/stacks/web && docker compose up -d --wait --quiet-pull 2>&1",
    );
    // Nobody starts these again.
    inside(STACK, "docker run -d --name alone -p 8081:80 registry:5000/toy:1 2>&1");
    inside(
        DEBIAN,
        "printf '[Service]\nExecStart=/bin/sleep inf\n' >/etc/systemd/system/real-alone.service; systemctl daemon-reload; systemctl start real-alone",
    );
    // These come when they are wanted, and are gone after the reboot: that is as it should be.
    let port = "use IO::Socket::INET; $s = IO::Socket::INET->new(LocalPort => 5555, Proto => \"udp\"); sleep";
    inside(DEBIAN, &format!("systemctl start systemd-hostnamed; systemd-run -q --unit real-once perl -e '{port}'"));
    let _down = Undo(|| {
        inside(DEBIAN, "systemctl stop real-alone; rm /etc/systemd/system/real-alone.service; systemctl daemon-reload");
        inside(STACK, "docker rm -f alone; cd /opt/stacks/web && docker compose down 2>&1; rm -rf /opt/stacks");
        toys(&[STACK]);
        lab(&["images", "publish", "one"]);
    });
    lab(&["images", "publish", "two"]);
    let page = || {
        inside(STACK, "cd /opt/stacks/web && docker compose exec -T web /bin/busybox wget -qO- http://127.0.0.1/ 2>&1")
    };
    let boots = || on_all(&[DEBIAN, FEDORA, STACK], |host| inside(host, BOOT));
    let before = boots();

    let foretold = house.run("weekly", &["--check"]).exits(0).says("toy 1.0 -> 2.0").says("toy 1-1 -> 2-1").says("web");
    assert!(page().contains("I am one") && boots() == before, "{}", foretold.stdout);
    house.untouched();

    house.run("weekly", &[]).exits(0).says("real-alone.service ran before and is not enabled: started again");
    inside(DEBIAN, "systemctl -q is-active real-alone");
    assert_eq!(inside(DEBIAN, VERSIONS), "toy 2.0\ntoyboot 2.0\ntoyd 2.0\ntoynew 2.0\n");
    assert_eq!(inside(FEDORA, "rpm -q toy toydep"), "toy-2-1.noarch\ntoydep-2-1.noarch\n");
    assert!(page().contains("I am two"));
    assert_eq!(inside(STACK, "docker inspect -f '{{.State.Running}}' alone"), "true\n");
    let after = boots();
    assert!(after.iter().zip(&before).all(|(a, b)| a != b), "all three wanted a reboot");
    let (title, body) = house.told();
    assert!(title.starts_with("✓ weekly: ") && body.contains(DEBIAN) && body.contains(FEDORA), "{title}\n{body}");

    let again = house.run("weekly", &["--json"]).exits(0);
    for host in [DEBIAN, FEDORA, STACK] {
        assert_eq!(again.stat(host, "changed"), 0, "{host}: {:?}", again.records());
    }
    assert_eq!(boots(), after);
    assert_eq!(house.told().0, "✓ weekly: nothing to do");
}

fn alone() {
    let house = House::new();
    ready();
    let _ended = Undo(|| drop(inside(DEBIAN, "pkill -x restic; rm -f /run/restic; umount -q /boot; true")));
    inside(DEBIAN, "cp /bin/sleep /run/restic; setsid /run/restic 600 >/dev/null 2>&1 </dev/null &");
    inside(DEBIAN, "mkdir -p /boot; mount -t tmpfs -o size=64M none /boot");
    // As coreutils tell it where there is a utmp, in two languages.
    let who = "ann pts/0 Nov 21 00:05 00:59 1234 (10.0.0.1)\nbob pts/1 2026-11-21 18:00 . 1235\neve pts/2 Nov 21 00:05 old 1236\nmax pts/3 2026-11-21 00:05 01:00 1237 (tmux(1).%0)\nzoe pts/4 Nov 21 00:05 ? 1238";
    let _alone = Undo(|| drop(inside(DEBIAN, "rm -f /usr/local/bin/who")));
    inside(
        DEBIAN,
        &format!("printf '#!/bin/sh\ncat <<E\n{who}\nE\n' >/usr/local/bin/who; chmod 755 /usr/local/bin/who"),
    );
    let reasons = [
        "a backup is running (restic)",
        "its load is",
        "/ has",
        "/boot has 64 MB left",
        r#""ann is logged in", "bob is logged in"]"#,
    ];
    let limits = ["--load=-1", "--free-mb=100000000", "--check"];
    let told = house.run("weekly", &limits).exits(2);
    reasons.iter().for_each(|reason| assert!(told.stdout.contains(reason), "{reason}: {}", told.stdout));
    let forced = [&limits[..], &["--force"]].concat();
    house.run("weekly", &forced).exits(0).says("toy 1.0 -> 2.0");
}

fn fails() {
    let house = House::new();
    house
        .run("weekly", &[])
        .exits(2)
        .says("toyfail: cannot configure")
        .says("what it had changed by then:")
        .says("~ toy 1.0 -> 2.0");
    house.untouched();
    let (title, body) = house.told();
    assert!(title == "✗ weekly: FAILED on host07" && body.contains("toyfail"), "{title}\n{body}");
}

fn unwell() {
    let house = House::new();
    ready();
    let _heal = Undo(|| drop(inside(DEBIAN, "rm -rf /etc/systemd/system/toyd.service.d; systemctl daemon-reload")));
    // A version that no repository has.
    let local = "d=$(mktemp -d); mkdir $d/DEBIAN; printf 'Package: toyhold\\nVersion: 0.9\\nArchitecture: all\\nMaintainer: me <me@localhost>\\nDescription: x\\n' >$d/DEBIAN/control; dpkg-deb -b $d $d.deb; dpkg -i --force-downgrade $d.deb; rm -r $d $d.deb";
    inside(DEBIAN, local);
    // toyd 2.0 does not start.
    inside(
        DEBIAN,
        "mkdir -p /etc/systemd/system/toyd.service.d; printf '[Service]\\nExecStartPre=/bin/grep -q 1.0 /usr/share/toy/toyd\\n' >/etc/systemd/system/toyd.service.d/real.conf; systemctl daemon-reload; systemctl restart toyd",
    );
    house
        .run("weekly", &["--reboots=false", "--wait=6"])
        .exits(2)
        .says("toyd.service")
        .says("going back to")
        .says("toyhold stays at 2.0: no repository has 0.9 any more");
    assert_eq!(inside(DEBIAN, "dpkg-query -W -f '${Version} ' toy toyd; systemctl is-active toyd"), "1.0 1.0 active\n");
    house.untouched();
    assert_eq!(house.told().0, "✗ weekly: FAILED on host07");
}

fn arch() {
    let host = PACMAN[0];
    flavoured(host, "pacman");
    let room = Room::with(&PACMAN);
    room.inventory(&[(host, host, "root")]);
    toys(&PACMAN);
    let heal = "rm -rf /etc/systemd/system/toyd.service.d; systemctl daemon-reload; toys reset";
    let _heal = Undo(|| drop(inside(host, heal)));
    let ready = "echo 0 >/etc/toyslow; touch /etc/toyscript-ok";
    // toyd 2 does not start.
    let broken = "mkdir -p /etc/systemd/system/toyd.service.d; printf '[Service]\nExecStartPre=/bin/sh -c \"pacman -Q toyd | grep -q 1-1\"\n' >/etc/systemd/system/toyd.service.d/real.conf; systemctl daemon-reload; systemctl restart toyd";
    inside(host, &format!("{ready}; {broken}"));
    let run = |playbook: &str, more: &[&str]| {
        let playbook = format!("{}/playbooks/maintenance/{playbook}.rhai", env!("CARGO_MANIFEST_DIR"));
        room.hlrun(&[&[playbook.as_str()], more].concat())
    };
    let weekly = ["--load=1000", "--reboots=false", "--wait=6"];
    let told = run("weekly", &weekly).exits(2).says("toyd.service").says("going back to");
    told.says("/var/cache/pacman/pkg/toyd-1-1-any.pkg.tar");
    assert_eq!(inside(host, "pacman -Q toy toyd; systemctl is-active toyd"), "toy 1-1\ntoyd 1-1\nactive\n");
    inside(host, &format!("{heal}; {ready}"));
    run("daily", &[]).exits(0).says("the weekly maintenance brings them").says("changed=0");
    run("weekly", &weekly).exits(0).says("toyd 1-1 -> 2-1").says("systemd::restarted toyd.service");
    run("weekly", &weekly).exits(0).says("changed=0");
}

fn gone() {
    let house = House::new();
    ready();
    let _back = Undo(|| {
        until(DEBIAN, "systemctl enable --now ssh");
        until(DEBIAN, "ss -Hltn sport = :22 | grep -q .");
    });
    inside(DEBIAN, "systemctl -q disable ssh");
    let before = inside(DEBIAN, BOOT);
    house.run("weekly", &["--reboot-wait=8"]).exits(4).says("unreachable 8 s after its reboot");
    assert_ne!(inside(DEBIAN, BOOT), before, "it did reboot");
    house.untouched();
    assert!(house.told().0.starts_with("✗ weekly: "), "{:?}", house.told());
}

fn snapshot() {
    let host = ZFS[0];
    machine(host);
    let room = Room::with(&[host]);
    room.inventory(&[(host, host, "admin")]);
    toys(&[host]);
    inside(host, "touch /etc/toyfail-ok; echo 0 >/etc/toyslow");
    let old = "for it in mine hlrun-1 hlrun-2 hlrun-3 hlrun-4; do zfs snapshot rpool/ROOT/debian@$it; done";
    inside(host, &format!("zfs destroy rpool/ROOT/debian@% 2>/dev/null; {old}"));
    let all = || inside(host, "zfs list -H -t snapshot -o name -s creation rpool/ROOT/debian | cut -d@ -f2");
    let before = (all(), inside(host, BOOT));

    let weekly = concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks/maintenance/weekly.rhai");
    room.hlrun(&[weekly, "--check"]).exits(0);
    assert_eq!((all(), inside(host, BOOT)), before);

    room.hlrun(&[weekly]).exits(0);
    let after = all();
    let names: Vec<&str> = after.lines().collect();
    assert_eq!(names[..4], ["mine", "hlrun-2", "hlrun-3", "hlrun-4"], "{after}");
    let [new] = names[4..] else { panic!("{after}") };
    let toy = |dir: &str| inside(host, &format!("dpkg-query --admindir={dir} -W -f '${{Version}}' toy"));
    assert_eq!(toy(&format!("/.zfs/snapshot/{new}/var/lib/dpkg")), "1.0");
    assert_eq!(toy("/var/lib/dpkg"), "2.0");
    assert_ne!(inside(host, BOOT), before.1, "toyboot wanted a reboot");

    let again = room.hlrun(&[weekly, "--json"]).exits(0);
    assert_eq!((again.stat(host, "changed"), all()), (0, after), "{:?}", again.records());
}

fn daily() {
    let house = House::new();
    ready();
    let before = on_all(&[DEBIAN, FEDORA], |host| inside(host, BOOT));
    let security = "echo 'deb [trusted=yes] http://172.30.0.1:8099/security ./' >>/etc/apt/sources.list.d/toy.list";
    inside(DEBIAN, security);
    house.run("daily", &[]).exits(0);
    assert_eq!(inside(DEBIAN, "dpkg-query -W -f '${Version} ' toy toyd"), "1.5 1.0 ");
    assert_eq!(inside(FEDORA, "rpm -q toylib toy"), "toylib-2-1.noarch\ntoy-1-1.noarch\n");
    assert_eq!(on_all(&[DEBIAN, FEDORA], |host| inside(host, BOOT)), before);
    let again = house.run("daily", &["--json"]).exits(0);
    assert_eq!((again.stat(DEBIAN, "changed"), again.stat(FEDORA, "changed")), (0, 0), "{:?}", again.records());
}

fn health() {
    let house = House::new();
    let _heal = Undo(|| drop(inside(DEBIAN, "systemctl reset-failed; rm -f /run/reboot-required*")));
    inside(DEBIAN, "systemd-run -q --unit=real-broken false; touch /run/reboot-required");
    until(DEBIAN, "systemctl is-failed real-broken");
    let done = house.run("health", &[]).exits(2).says("real-broken.service has failed").says("wants a reboot");
    assert!(done.stdout.contains(FEDORA) && done.stdout.contains("changed=0"), "{}", done.stdout);
    let (title, body) = house.told();
    assert!(title.starts_with("✗ health: ") && body.contains("real-broken"), "{title}\n{body}");
}
