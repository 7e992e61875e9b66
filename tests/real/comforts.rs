//! The comforts: what a call waits for, the doctor, new hosts.

use super::lab::{Fault, Promise, Room, Undo, address, inside, toys, until};

pub const PROMISES: &[Promise] = &[
    ("comforts: who waits for a package lock is told who holds it", locked),
    ("comforts: what a slow call waits for is told while it waits", stuck),
    ("comforts: what withholds its content names programs only", quiet),
    ("comforts: a host that does not answer is told of", silent),
    ("comforts: the doctor tells each trouble with its remedy", doctor),
    ("comforts: a new host is looked at, pinned and written", newcomer),
];

fn locked() {
    let room = Room::with(&["host07"]);
    toys(&["host07"]);
    let _clean = Undo(|| toys(&["host07"]));
    let hold = "TOYSLOW=600 DEBIAN_FRONTEND=noninteractive setsid apt-get install -qy toyslow=2.0 >/dev/null 2>&1 </dev/null &";
    inside("host07", hold);
    until("host07", "pgrep -f 'toyslow.postins[t]'");
    let play = r#"play("p", "all", |host| { apt::installed("toydep", #{ lock_timeout: "60s" }); });"#;
    let done = room.waits(play, "it waits for the lock", "host07", "pkill -f 'slee[p] 600'").exits(0);
    done.says("it waits for the lock /var/lib/dpkg/lock").says("`apt-get install -qy toyslow=2.0`").says("ps -fp");
}

/// Each call waits until the test, which has read why, lets it go.
fn stuck() {
    let room = Room::with(&["host08"]);
    inside(
        "host08",
        "rm -rf /srv/wait; mkdir /srv/wait; mkfifo /srv/wait/pipe; flock /srv/wait/lock sleep 600 & exit 0",
    );
    let _clean = Undo(|| drop(inside("host08", "pkill -f '^sleep 60[0]'; rm -rf /srv/wait")));
    let cases = [
        ("sleep 601", "`sleep 601`", "pkill -f '^sleep 60[1]'"),
        ("sh -c 'kill -STOP $$'", "which is stopped", "pkill -CONT -f 'kill -STO[P]'"),
        (
            "exec 3<>/srv/wait/pipe; cat <&3 | head -c 1",
            "waits for its standard input",
            "echo x >/srv/wait/pipe; pkill cat",
        ),
        (
            "flock /srv/wait/lock true",
            "which `flock /srv/wait/lock sleep 600`",
            "pkill -f '^sleep 60[0]'; pkill -f 'flock /srv/wai[t]'; true",
        ),
    ];
    for (command, waits, release) in cases {
        room.write(
            "play.rhai",
            format!("play(\"p\", \"all\", |host| {{ shell::run({command:?}, #{{ ok_codes: [0, 1, 143] }}); }});"),
        );
        let running = room.start(&["play.rhai", "--stuck-after", "1s"]);
        running.says("it waits for");
        inside("host08", release);
        let done = running.done().exits(0).says(waits);
        assert_eq!(done.stderr.matches("it waits for").count(), 1, "once: {}", done.stderr);
    }
}

fn quiet() {
    let room = Room::with(&["host08"]);
    let play = r#"play("p", "all", |host| {
        within(#{ no_log: true }, || shell::run("sh -c 'sleep 3; : s3cr3t'"));
    });"#;
    let done = room.play(play, &["--stuck-after", "1s"]).exits(0).says("it waits for");
    assert!(!format!("{}{}{}", done.stdout, done.stderr, room.kept()).contains("s3cr3t"));
}

fn silent() {
    let room = Room::with(&["host09"]);
    room.write("play.rhai", r#"play("p", "all", |host| { shell::run("sleep 3"); });"#);
    let running = room.start(&["play.rhai", "--stuck-after", "2s"]);
    until("host09", "pgrep -f 'sleep [3]'");
    let frozen = Fault::on("host09", &["freeze"]);
    running.says("it waits for an answer from the host");
    drop(frozen);
    running.done().exits(0);
}

fn doctor() {
    let room = Room::with(&["host05", "host06"]);
    let at = address("host05");
    room.inventory(&[("well", "host05", "root"), ("sudo", "host05", "pw"), ("none", "host05", "nosudo")]);
    room.also("port", &at, "root", "      ansible_port: 2222\n");
    room.also("name", "no-such-name.invalid", "root", "");
    room.also("login", &at, "nobody", "");
    let full = Fault::on("host06", &["full"]);
    room.also("full", &address("host06"), "root", "");
    inside(
        "host06",
        "systemd-run --unit lab-broken false; touch /run/reboot-required; until systemctl is-failed -q lab-broken; do :; done",
    );
    let _clean = Undo(|| drop(inside("host06", "systemctl reset-failed; rm /run/reboot-required")));
    let done = room.hlrun(&["doctor", "-T", "3s", "--forks", "2"]).exits(6);
    for said in [
        "✓ well",
        "sudo wants a password to become root",
        "give it with -K",
        "refuses connections on port 2222",
        "no-such-name.invalid does not resolve",
        "refused the login as nobody",
        "ssh-copy-id",
        "/srv is 100 % full",
        "lab-broken.service has failed",
        "it waits for a reboot",
    ] {
        assert!(done.stdout.contains(said), "nothing about {said:?} in\n{}", done.stdout);
    }
    room.hlrun(&["doctor", "full"]).exits(2);
    drop(full);
    room.hlrun(&["doctor", "full", "--json"]).exits(0).says(r#""check":"units","health":"warning""#);
    let private = room.path("state/hlrun");
    std::fs::create_dir_all(&private).expect("a directory");
    std::fs::set_permissions(&private, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    room.hlrun(&["doctor", "well"]).exits(1).says("chmod 700");
    room.hlrun(&["doctor", "well", "--fix"]).exits(0).says("had mode 0755, now 0700");
}

fn newcomer() {
    let room = Room::with(&["host06"]);
    let known = room.path("known").display().to_string();
    let key = std::path::PathBuf::from(std::env::var_os("HLRUN_LAB").expect("HLRUN_LAB")).join("id_ed25519");
    let vars = format!(
        "all:\n  vars:\n    ansible_ssh_private_key_file: {}\n    ansible_ssh_common_args: -o UserKnownHostsFile={known} -o IdentitiesOnly=yes\n",
        key.display()
    );
    let before = format!("# ours\n{vars}  children:\n    web:\n      hosts:  # none yet\n");
    room.write("inventory.yaml", &before);
    let at = address("host06");
    let add = |args: &[&str]| room.hlrun(&[&["host", "add", "new"], args].concat());
    let login = format!("admin@{at}");
    add(&[&login, "--group", "wbe"]).exits(1).says("did you mean `web`?");
    // Nobody is there to say that the key is right.
    add(&[&login, "--group", "web"]).exits(4).says("SHA256:").says("--accept-key");
    add(&[&format!("nobody@{at}"), "--accept-key"]).exits(4).says("refused the login").says("is not written");
    assert_eq!(std::fs::read_to_string(room.path("inventory.yaml")).expect("the inventory"), before);
    add(&[&login, "--group", "web", "--accept-key"]).exits(0).says("admin becomes root with sudo");
    let after = format!("{before}        new:\n          ansible_host: {at}\n          ansible_user: admin\n");
    assert_eq!(std::fs::read_to_string(room.path("inventory.yaml")).expect("the inventory"), after);
    add(&[&login]).exits(1).says("there is a host `new` already");
    room.hlrun(&["exec", "web", "--", "id -un"]).exits(0).says("admin");
    // A host key that changed is never pinned over the old one.
    let other = "AAAAC3NzaC1lZDI1NTE5AAAAIFCWsPPihLAmeLlF93eWESVXs2C3Ddvl5JjK8OSnR+kl";
    room.write("known", format!("{at} ssh-ed25519 {other}\n"));
    room.hlrun(&["disconnect"]).exits(0);
    room.hlrun(&["doctor", "new", "--fix", "--accept-key"]).exits(4).says("has changed").says("ssh-keygen -R");
    assert_eq!(
        std::fs::read_to_string(room.path("known")).expect("known hosts"),
        format!("{at} ssh-ed25519 {other}\n")
    );
}
