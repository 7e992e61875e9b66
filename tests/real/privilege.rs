//! Becoming somebody else, and keeping passwords to oneself.

use super::lab::{Done, Promise, Room, inside, until};
use std::time::Duration;

pub const PROMISES: &[Promise] = &[
    ("privilege: sudo without a password", without),
    ("privilege: sudo with a password from a file, a program, the inventory", with),
    ("privilege: sudo with a password that was asked for", asked),
    ("privilege: five ways to be refused, each said, none a hang", refused),
    ("privilege: a password shows up nowhere", nowhere),
    ("privilege: other users than root, and su", others),
    ("privilege: what is sensitive stays out of the report and the journal", sensitive),
];

const WHO: &str = r#"play("p", "all", #{ become: "root" }, |host| { print(shell::query("id -un").stdout); });"#;

fn room(user: &str) -> Room {
    let room = Room::with(&["host02"]);
    room.inventory(&[("host02", "host02", user)]);
    room
}

fn without() {
    let room = room("admin");
    assert_eq!(room.play(WHO, &["--json"]).exits(0).prints(), ["root"]);
    let bare = WHO.replace(", #{ become: \"root\" }", "");
    assert_eq!(room.play(&bare, &["--json"]).exits(0).prints(), ["admin"]);
    assert_eq!(room.play(&bare, &["--json", "-b"]).exits(0).prints(), ["root"]);
    assert_eq!(room.play(&bare, &["--json", "-b", "--become-user", "nosudo"]).exits(0).prints(), ["nosudo"]);
}

fn with() {
    let room = room("pw");
    room.write("password", "lab-pw-1\n");
    room.executable("password.sh", "#!/bin/sh\necho lab-pw-1\n");
    let by = |file: &str| room.play(WHO, &["--json", "--become-password-file", file]);
    assert_eq!(by("password").exits(0).prints(), ["root"]);
    assert_eq!(by("./password.sh").exits(0).prints(), ["root"]);
    room.write("inventory.yaml", "all:\n  hosts:\n");
    room.also("host02", &super::lab::address("host02"), "pw", "      ansible_become_password: lab-pw-1\n");
    assert_eq!(room.play(WHO, &["--json"]).exits(0).prints(), ["root"]);
    assert!(!room.kept().contains("lab-pw-1"));
    inside("host02", "! grep -r 'sudo.*lab-pw' /var/log 2>/dev/null");
}

fn asked() {
    let room = room("pw");
    let (screen, code) = room.converse(WHO, "-K", &[("BECOME password: ", "lab-pw-1\n")]);
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("root") && !screen.contains("lab-pw"), "{screen}");
    assert!(!room.kept().contains("lab-pw-1"));
}

fn refused() {
    let try_as = |user: &str, password: &str, args: &[&str]| -> Done {
        let room = room(user);
        room.write("password", password);
        let file = ["--become-password-file", "password"];
        room.play(WHO, &[args, if password.is_empty() { &[] } else { &file }].concat()).exits(2)
    };
    let soon = Duration::from_secs(60);
    try_as("pw", "", &[]).says("wants a password").says("hint:").says("-K").within(soon);
    try_as("pw", "wrong", &[]).says("refused the password").says("hint:").within(soon);
    try_as("nosudo", "lab-pw-2", &[]).says("may not become root").says("hint:").within(soon);
    try_as("admin", "", &["--become-method", "doas"]).says("doas is not installed").says("hint:").within(soon);
    try_as("admin", "", &["--become-method", "su"]).says("su wants a password").says("hint:").within(soon);
    let unknown = room("admin");
    let play = WHO.replace("\"root\"", "\"nobody-such\"");
    unknown.play(&play, &[]).exits(2).says("nobody-such").within(soon);
}

fn nowhere() {
    let room = room("pw");
    let secret = "lab-pw-1";
    room.write("password", secret);
    inside("host02", "rm -f /srv/holding /srv/go");
    room.write(
        "play.rhai",
        r#"play("p", "all", #{ become: "root" }, |host| {
        file::file("/srv/holding", #{ content: "x" });
        shell::run("while [ ! -e /srv/go ]; do sleep 0.1; done; env; ps axww");
    });"#,
    );
    let running = room.start(&["play.rhai", "-vv", "--diff", "--become-password-file", "password"]);
    until("host02", "test -e /srv/holding && pgrep -f 'while . ! -e /srv/go'");
    let seen =
        inside("host02", "ps axwwe; cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; ls -la /tmp /dev/shm");
    let here = std::process::Command::new("ps").arg("axwwe").output().expect("ps");
    inside("host02", "touch /srv/go");
    let done = running.done().exits(0);
    for (what, text) in [
        ("ps on the host", seen.as_str()),
        ("ps here", &String::from_utf8_lossy(&here.stdout)),
        ("standard output", &done.stdout),
        ("standard error", &done.stderr),
        ("the state directory", &room.kept()),
    ] {
        assert!(!text.contains(secret), "the password shows up in {what}");
    }
    inside("host02", "rm -f /srv/holding /srv/go");
}

/// Files are read and written as another user too, wherever the login's home is.
fn others() {
    for (login, whom, how) in [("root", "admin", "sudo"), ("admin", "nosudo", "sudo"), ("root", "pw", "su")] {
        let room = room(login);
        inside(
            "host02",
            &format!("rm -rf /home/{whom}/of-hlrun; echo old >/home/{whom}/mine; chown {whom}: /home/{whom}/mine"),
        );
        let play = format!(
            r#"play("p", "all", #{{ become: "{whom}", become_method: "{how}" }}, |host| {{
                print(facts::home());
                file::directory("/home/{whom}/of-hlrun", #{{ mode: "0700" }});
                file::file("/home/{whom}/of-hlrun/a", #{{ content: "new\n" }});
                file::file("/home/{whom}/mine", #{{ content: "new\n" }});
                file::line("/home/{whom}/mine", #{{ line: "more" }});
            }});"#
        );
        assert_eq!(room.play(&play, &["--json"]).exits(0).prints(), [format!("/home/{whom}")]);
        assert_eq!(
            room.play(
                &play.replace("file::file(\"/home/", "file::stat(\"/home/").replace(", #{ content: \"new\\n\" }", ""),
                &["--json"]
            )
            .exits(0)
            .stat("host02", "changed"),
            0
        );
        let found = inside(
            "host02",
            &format!("cd /home/{whom}; cat mine; stat -c '%U %a' mine of-hlrun; rm -rf mine of-hlrun"),
        );
        assert_eq!(found, format!("new\nmore\n{whom} 644\n{whom} 700\n"), "{login} as {whom} by {how}");
    }
}

/// `sensitive` hides contents and output, `no_log` all that a call is.
fn sensitive() {
    let room = room("root");
    let play = r#"play("p", "all", |host| {
        file::file("/srv/secret", #{ content: "s3cr3t-a\n", sensitive: true });
        shell::run("cat; echo error >&2", #{ stdin: "s3cr3t-c", sensitive: true });
        try { shell::run("cat; cat /srv/secret >&2; exit 1", #{ stdin: "s3cr3t-c", sensitive: true }); } catch (e) { print(e.kind); }
        within(#{ no_log: true }, || {
            shell::run(["echo", "s3cr3t-d"]);
            file::line("/srv/secret", #{ line: "s3cr3t-e" });
        });
        try { within(#{ no_log: true }, || { shell::run("echo s3cr3t-f >&2; exit 1"); }); } catch (e) { print(e.kind); }
    });"#;
    inside("host02", "echo s3cr3t-old >/srv/secret");
    for args in [&["--json", "--check"][..], &["-vv", "--diff"], &["--json"]] {
        let done = room.play(play, args).exits(0);
        for (what, text) in [("stdout", &done.stdout), ("stderr", &done.stderr), ("journal", &room.kept())] {
            let shown: Vec<_> = text.lines().filter(|line| line.contains("s3cr3t")).collect();
            assert!(shown.is_empty(), "{args:?}: {what}: {shown:#?}");
        }
    }
    inside("host02", "rm /srv/secret");
}
