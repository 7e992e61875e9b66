//! Machines that reboot, mounts that hang, work that must not be lost.

use super::lab::{Promise, Room, Undo, address, inside, try_inside, until};
use std::time::Duration;

pub const PROMISES: &[Promise] = &[
    ("machine: a reboot is proven, over a warm connection and as another user", rebooted),
    ("machine: another boot id is proof enough", proven),
    ("machine: a host that does not come back is unreachable after its reboot", gone),
    ("machine: a reboot that did not happen has failed", stayed),
    ("machine: a mount that hangs is named, and nothing waits for it", hanging),
    ("machine: what is mounted below is not deleted", mounted),
    ("machine: local changes in a checkout are protected", protected),
    ("machine: a name server, a server's certificate and a file system are asked, and gates shut", gates),
];

const BOOT: &str = "cat /proc/sys/kernel/random/boot_id";

fn rebooted() {
    let room = Room::with(&["host07"]);
    room.inventory(&[("host07", "host07", "admin")]);
    let before = inside("host07", BOOT);
    // The first run leaves a warm connection: after the reboot it answers nothing and proves nothing.
    room.play(r#"play("p", "all", |host| { facts::boot_id(); });"#, &[]).exits(0);
    let done = room.play(
        r#"play("p", "all", #{ become: "root" }, |host| {
            let old = facts::boot_id();
            let r = system::rebooted(#{ timeout: "60s", delay: "1s", post_delay: "1s" });
            shell::run("true");
            print(`${old} ${facts::boot_id()}`);
        });"#,
        &["--json"],
    );
    let done = done.exits(0);
    let after = inside("host07", BOOT);
    assert_ne!(before, after, "it was not rebooted");
    assert_eq!(done.prints(), [format!("{} {}", before.trim(), after.trim())]);
    assert_eq!(done.records()[0]["status"], "changed");
}

/// Process 1 often starts in the same tick after the boot as the time before. What changes the id here and leaves process
/// 1 alone is that the lab's own id is taken away.
fn proven() {
    let room = Room::with(&["host07"]);
    let rebooted = |how: &str| {
        let play = format!("play(\"p\", \"all\", |host| {{ system::rebooted(#{{ {how} }}); }});");
        room.play(&play, &[]).exits(0);
    };
    rebooted(r#"timeout: "10s", command: "umount /proc/sys/kernel/random/boot_id""#);
    rebooted(r#"timeout: "60s""#);
}

fn gone() {
    let room = Room::with(&["host07", "host08"]);
    let _back = Undo(|| {
        until("host07", "systemctl enable --now ssh");
        until("host07", "ss -Hltn sport = :22 | grep -q .");
    });
    let before = inside("host07", BOOT);
    let done = room.play(
        r#"play("p", "all", |host| {
            if host.name == "host07" {
                system::rebooted(#{ timeout: "6s", command: "systemctl -q disable ssh; systemctl reboot" });
            }
            shell::run("true");
        });"#,
        &["--json"],
    );
    let done = done.exits(4).within(Duration::from_secs(40));
    let ends = done.named("host.end");
    let lost = ends.iter().find(|end| end["host"] == "host07").expect("an end");
    let message = lost["error"]["message"].as_str().expect("a message");
    assert_eq!(lost["error"]["kind"], "unreachable");
    assert!(message.starts_with("unreachable 6 s after its reboot: "), "{message}");
    assert!(done.stdout.contains("waiting after its reboot: "), "nothing is said of what it waits for");
    assert_eq!(done.stat("host08", "ok"), 1, "the other host goes on");
    assert_ne!(inside("host07", BOOT), before, "it did reboot");
}

fn stayed() {
    let room = Room::with(&["host07"]);
    let play = r#"play("p", "all", |host| { system::rebooted(#{ timeout: "2s", command: COMMAND }); });"#;
    room.play(&play.replace("COMMAND", "\"true\""), &[])
        .exits(2)
        .says("it still runs the boot from before (2 s after its reboot)");
    room.play(&play.replace("COMMAND", "[\"sh\", \"-c\", \"echo held >&2; exit 3\"]"), &[]).exits(2).says("held");
    room.write("inventory.yaml", "all:\n  hosts:\n    me:\n      ansible_connection: local\n");
    room.play(&play.replace("COMMAND", "\"true\""), &[]).exits(2).says("this is the machine that hlrun runs on");
}

/// A file system whose server never answers: nobody reads what the kernel asks of it.
const HANG: &str = "set -e; [ -e /dev/fuse ] || mknod /dev/fuse c 10 229; mkdir -p /mnt/hang; exec 5<>/dev/fuse
mount -i -t fuse.dead -o fd=5,rootmode=40000,user_id=0,group_id=0,allow_other dead /mnt/hang
setsid sleep 600 <&5 >/dev/null 2>&1 & echo $! >/run/hang.pid";

fn hanging() {
    let room = Room::with(&["host08"]);
    let _heal = Undo(|| drop(try_inside("host08", "umount -lf /mnt/hang; kill $(cat /run/hang.pid); rmdir /mnt/hang")));
    inside("host08", HANG);
    let hangs = try_inside("host08", "timeout -s KILL 1 stat -f /mnt/hang");
    assert!(hangs.is_err(), "the mount answers, so nothing is proven");
    room.write("mounts.j2", "{{ ansible_mounts | length }} {{ ansible_os_family }}\n");
    let done = room.play(
        r#"play("p", "all", |host| {
            for mount in facts::mounts() { if mount.hangs { print(mount.path); } }
            mount::unmounted("/mnt/hang");
            file::file("/etc/real-mounts", #{ template: "mounts.j2" });
            facts::disks(); facts::services(); facts::packages(); facts::listening(); facts::interfaces();
        });"#,
        &["--json", "--check"],
    );
    let done = done.exits(0).within(Duration::from_secs(20));
    assert_eq!(done.prints(), ["/mnt/hang"]);
    let records = done.records();
    assert_eq!(records[0]["diff"][0]["before"]["fstype"], "fuse", "{}", records[0]);
}

fn mounted() {
    let room = Room::with(&["host08"]);
    let _heal = Undo(|| drop(try_inside("host08", "umount '/srv/below/a b'; rm -rf /srv/below")));
    inside(
        "host08",
        "mkdir -p '/srv/below/a b' && mount -t tmpfs none '/srv/below/a b' && echo x >'/srv/below/a b/kept'",
    );
    let play = r#"play("p", "all", |host| { file::absent("/srv/below"); });"#;
    room.play(play, &["--check"]).exits(2).says("something is mounted at /srv/below/a b");
    room.play(play, &[]).exits(2).says("mount::unmounted(\"/srv/below/a b\")");
    inside("host08", "cat '/srv/below/a b/kept'");
}

fn protected() {
    let room = Room::with(&["host08"]);
    let _heal = Undo(|| drop(try_inside("host08", "rm -rf /srv/git")));
    inside(
        "host08",
        "mkdir -p /srv/git; cd /srv/git; export GIT_AUTHOR_NAME=me GIT_AUTHOR_EMAIL=me GIT_COMMITTER_NAME=me GIT_COMMITTER_EMAIL=me
        git init -q -b main work; cd work; echo 1 >a; git add a; git commit -qm 1; git clone -q . ../app; echo 2 >a; git commit -qam 2
        echo mine >../app/a",
    );
    let play = |more: &str| {
        let call = format!("git::checkout(\"/srv/git/app\", #{{ repo: \"/srv/git/work\", version: \"main\"{more} }})");
        format!("play(\"p\", \"all\", |host| {{ {call}; }});")
    };
    room.play(&play(""), &["--check"]).exits(2).says("/srv/git/app has local changes: a");
    room.play(&play(""), &[]).exits(2).says("force: true throws them away");
    assert_eq!(inside("host08", "cat /srv/git/app/a"), "mine\n");
    let done = room.play(&play(", force: true"), &["--json"]).exits(0);
    let diff = done.records()[0]["diff"].to_string();
    assert!(diff.contains(r#""path":"local","before":{"a":"modified"}"#), "{diff}");
    assert!(diff.contains(r#""path":"behind""#), "{diff}");
    room.play(&play("").replace("work", "nowhere"), &[]).exits(2).says("nowhere");
}

fn gates() {
    let room = Room::with(&["host08"]);
    let _clean = Undo(|| drop(try_inside("host08", "pkill -f 'openssl s_serve[r]'; rm -rf /srv/tls")));
    inside(
        "host08",
        "mkdir -p /srv/tls; cd /srv/tls; openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 10 \
         -subj /CN=nas -addext subjectAltName=DNS:nas.home.arpa 2>/dev/null
         setsid openssl s_server -accept 4433 -key key -cert cert -www >/dev/null 2>&1 </dev/null &",
    );
    until("host08", "ss -Hltn sport = :4433 | grep -q .");
    // The engine of the lab resolves the names of its hosts.
    let told = room.play(
        r#"play("p", "all", |host| {
            print(dns::resolves("host09"));
            let shown = certificate::info("127.0.0.1:4433", #{ name: "nas.home.arpa" });
            print(`${shown.subject} ${shown.names} ${shown.days} ${shown.sha256 == certificate::info("/srv/tls/cert").sha256}`);
            print(disk::usage("/").used_percent);
            for gate in [
                || dns::resolves("host09", #{ expect: "192.0.2.1" }), || dns::resolves("no-such.home.arpa", #{ server: "127.0.0.11" }),
                || certificate::valid("127.0.0.1:4433", #{ name: "nas.home.arpa", days: 30 }), || disk::free("/", #{ at_least: "100%" }),
            ] {
                try { gate.call(); print("open"); } catch (e) { print(`shut: ${e.message}`); }
            }
        });"#,
        &["--json"],
    );
    let told = told.exits(0).named("print");
    let told: Vec<&str> = told.iter().map(|print| print["text"].as_str().expect("text")).collect();
    assert_eq!(told[0], format!("[\"{}\"]", address("host09")));
    // Whole days are left: ten of them within the second in which it was made.
    assert!(
        [9, 10].map(|days| format!(r#"nas ["nas.home.arpa"] {days} true"#)).contains(&told[1].to_owned()),
        "{told:?}"
    );
    let df = inside("host08", "df --output=pcent / | tail -n 1");
    assert_eq!(told[2], df.trim().trim_end_matches('%'));
    let shut = told[3..].iter().filter(|text| text.starts_with("shut: ")).count();
    assert_eq!((shut, told.len()), (4, 7), "{told:?}");
}
