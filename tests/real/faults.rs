//! What breaks is said, soon and clearly, and breaks nothing else.

use super::lab::{Fault, Promise, Room, Undo, address, inside, on_all, try_inside, until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

pub const PROMISES: &[Promise] = &[
    ("faults: hosts that cannot be reached: six reasons, six messages, the others finish", unreachable),
    ("faults: a dead host does not hold the others up", dead),
    ("faults: exit codes tell failed from unreachable", codes),
    ("faults: sshd killed in mid-command", || lost("sshd-kill")),
    ("faults: connection cut in mid-command", || lost("cut")),
    ("faults: a frozen host is given up, the other finishes", frozen),
    ("faults: a command that takes too long is ended", too_long),
    ("faults: the disk of the host is full", full),
    ("faults: a directory that is read-only", readonly),
    ("faults: sshd killed in mid-write", half),
    ("faults: Ctrl-C stops at once, here and there", interrupted),
    ("faults: a warm connection that died is replaced", warm),
];

const HELLO: &str = r#"play("p", "all", |host| { shell::run("echo hello"); });"#;

fn error<'a>(events: &'a [Value], host: &str) -> &'a Value {
    let end = events.iter().find(|event| event["event"] == "host.end" && event["host"] == host);
    &end.unwrap_or_else(|| panic!("{host} has no end"))["error"]
}

fn unreachable() {
    let room = Room::with(&["host03", "host04"]);
    let here = address("host04");
    room.write("inventory.yaml", "all:\n  hosts:\n");
    room.also("silent", &address("host03"), "root", "");
    room.also("refused", &here, "root", "      ansible_port: 2299\n");
    room.also("denied", &here, "nobody-such", "");
    room.also("nameless", "no-such-name.invalid", "root", "");
    let known =
        |file: &str| format!("      ansible_ssh_common_args: -o UserKnownHostsFile={}\n", room.path(file).display());
    let inventory = std::fs::read_to_string(room.path("inventory.yaml")).expect("the inventory");
    room.write("unknown_hosts", "");
    let key = "AAAAC3NzaC1lZDI1NTE5AAAAIJjmvGVT4wHdHCYBLn2JBJsVZyyaXq0ATc5XEBTsAgQl";
    room.write("changed_hosts", format!("{here} ssh-ed25519 {key}\n"));
    let entry = |name: &str, file: &str| {
        let key = std::env::var("HLRUN_LAB").expect("HLRUN_LAB") + "/id_ed25519";
        format!(
            "    {name}:\n      ansible_host: {here}\n      ansible_user: root\n      ansible_ssh_private_key_file: {key}\n{}",
            known(file)
        )
    };
    room.write("inventory.yaml", inventory + &entry("unknown", "unknown_hosts") + &entry("changed", "changed_hosts"));
    room.also("well", &here, "root", "");

    let _fault = Fault::on("host03", &["drop"]);
    let done = room.play(HELLO, &["--json", "-T", "3s"]).exits(4).within(Duration::from_secs(60));
    let events = done.events();
    let expected = [
        ("silent", "does not answer"),
        ("refused", "refuses connections on port 2299"),
        ("denied", "refused the login as nobody-such"),
        ("nameless", "does not resolve"),
        ("unknown", "is not known yet"),
        ("changed", "has changed"),
    ];
    let mut messages = BTreeSet::new();
    for (host, says) in expected {
        let error = error(&events, host);
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains(says), "{host}: {message:?}");
        assert_eq!(error["kind"], "unreachable", "{host}");
        assert!(error["hints"].as_array().is_some_and(|hints| !hints.is_empty()), "{host}: no hint");
        assert_eq!(done.stat(host, "unreachable"), 1, "{host}");
        messages.insert(message.replace(host, ""));
    }
    assert_eq!(messages.len(), expected.len(), "{messages:#?}");
    assert_eq!(done.stat("well", "ok"), 1);

    let text = room.play(HELLO, &["-T", "3s"]).exits(4);
    assert!(
        text.stdout.matches("hint:").count() + text.stderr.matches("hint:").count() >= 6,
        "{}{}",
        text.stdout,
        text.stderr
    );
    room.hlrun(&["play.rhai", "--host-keys", "accept-new", "-l", "unknown"]).exits(0);
    room.hlrun(&["play.rhai", "--host-keys", "accept-new", "-l", "changed"]).exits(4).says("has changed");
}

fn dead() {
    let room = Room::with(&["host03", "host04"]);
    let _fault = Fault::on("host03", &["drop"]);
    let done = room.play(HELLO, &["--json", "-T", "6s"]).exits(4);
    let ends = done.named("host.end");
    assert_eq!(ends.iter().map(|end| &end["host"]).collect::<Vec<_>>(), ["host04", "host03"], "who ended first");
    let next = room.play(&(HELLO.to_owned() + &HELLO.replace("\"p\"", "\"q\"")), &["--json", "-T", "2s"]).exits(4);
    assert_eq!(next.stat("host04", "ok"), 2, "the second play goes on without the dead host");
}

fn codes() {
    let room = Room::with(&["host04"]);
    room.also("nameless", "no-such-name.invalid", "root", "");
    let fails = HELLO.replace("echo hello", "exit 7");
    room.play(HELLO, &["-l", "host04"]).exits(0);
    room.play(&fails, &["-l", "host04"]).exits(2);
    room.play(HELLO, &["-l", "nameless"]).exits(4);
    room.play(HELLO, &[]).exits(4);
    room.play(&fails, &[]).exits(6);
}

fn lost(fault: &str) {
    let room = Room::with(&["host05", "host04"]);
    inside("host05", "rm -f /srv/began");
    room.write(
        "play.rhai",
        r#"play("p", "all", |host| {
        if host.name == "host05" { shell::run("echo once >>/srv/began; sleep 100"); } else { shell::run("true"); }
    });"#,
    );
    let running = room.start(&["play.rhai", "--json", "-T", "3s"]);
    until("host05", "test -e /srv/began");
    let broken = Instant::now();
    let _fault = Fault::on("host05", &[fault]);
    let done = running.done().exits(4);
    assert!(broken.elapsed() < Duration::from_secs(60), "{fault} was noticed after {:?}", broken.elapsed());
    let events = done.events();
    let error = error(&events, "host05");
    assert_eq!(error["kind"], "unreachable");
    assert!(error["message"].as_str().is_some_and(|m| m.contains("connection was lost")), "{error}");
    assert!(error["hints"].as_array().is_some_and(|hints| !hints.is_empty()), "no hint");
    assert_eq!(done.stat("host04", "ok"), 1);
    assert_eq!(inside("host05", "cat /srv/began; rm /srv/began"), "once\n", "a change is never repeated blindly");
}

fn frozen() {
    let room = Room::with(&["host06", "host04"]);
    inside("host06", "rm -f /run/began");
    room.write(
        "play.rhai",
        r#"play("p", "all", |host| {
        if host.name == "host06" { shell::run("touch /run/began; sleep 3; echo"); }
        shell::run("echo after");
    });"#,
    );
    let running = room.start(&["play.rhai", "--json", "-T", "3s"]);
    until("host06", "test -e /run/began");
    let _fault = Fault::on("host06", &["freeze"]);
    let done = running.done().exits(4).within(Duration::from_secs(90));
    assert_eq!(done.stat("host04", "ok"), 1);
    assert_eq!(done.stat("host06", "unreachable"), 1);
}

fn too_long() {
    let room = Room::with(&["host06"]);
    let play = r#"play("p", "all", |host| {
        try { shell::run("sleep 4321", #{ timeout: "1s" }); } catch (e) { print(e.kind); }
        try { within(#{ timeout: "1s" }, || { shell::run("trap '' TERM; sleep 4321; sleep 4321"); }); } catch (e) { print(e.kind); }
        shell::run(["sleep", "4321"], #{ timeout: "1s" });
    });"#;
    let done = room.play(play, &["--json"]).exits(2).within(Duration::from_secs(60));
    assert_eq!(done.prints(), ["timeout", "timeout"]);
    let events = done.events();
    assert_eq!(error(&events, "host06")["kind"], "timeout");
    assert!(error(&events, "host06")["hints"].as_array().is_some_and(|hints| !hints.is_empty()), "no hint");
    until("host06", "! pgrep -f 'slee[p] 4321'");
}

fn full() {
    let room = Room::with(&["host05"]);
    let _fault = Fault::on("host05", &["full", "/srv"]);
    inside(
        "host05",
        "cd /srv; rm fill; echo old >file; mkdir tree; echo old >tree/f; cat /dev/zero >fill 2>/dev/null; true",
    );
    room.write("big", vec![b'x'; 3_000_000]);
    room.write("site/f", vec![b'y'; 100_000]);
    for call in [
        r#"file::file("/srv/file", #{ src: "big" })"#,
        r#"file::file("/srv/file", #{ content: "n".repeat(20000) })"#,
        r#"file::file("/srv/new", #{ src: "big" })"#,
        r#"file::file("/srv/file", #{ src: "big", backup: true })"#,
        r#"file::tree("/srv/tree", #{ src: "site" })"#,
        r#"file::block("/srv/file", #{ block: "x".repeat(20000) })"#,
    ] {
        let call = call.replace("\"n\".repeat(20000)", "long").replace("\"x\".repeat(20000)", "long");
        let play = format!("play(\"p\", \"all\", |host| {{ let long = \"\"; long.pad(20000, 'n'); {call}; }});");
        room.play(&play, &[]).exits(2).says("No space left").says("hint:");
        assert_eq!(
            inside("host05", "cd /srv; cat file tree/f; find . -mindepth 1 | sort"),
            "old\nold\n./file\n./fill\n./tree\n./tree/f\n",
            "after {call}"
        );
    }
}

fn readonly() {
    let room = Room::with(&["host05"]);
    let _fault = Fault::on("host05", &["readonly", "/etc"]);
    let play = r#"play("p", "all", |host| { file::file("/etc/motd", #{ content: "x" }); });"#;
    room.play(play, &[]).exits(2).says("Read-only file system");
}

fn half() {
    let room = Room::with(&["host05"]);
    let new = 300_000_000;
    room.write("big", vec![b'n'; new]);
    inside("host05", "rm -rf /srv/mid; mkdir /srv/mid; echo old >/srv/mid/file");
    let _clean = Undo(|| drop(inside("host05", "rm -rf /srv/mid")));
    room.write("play.rhai", r#"play("p", "all", |host| { file::file("/srv/mid/file", #{ src: "big" }); });"#);
    let running = room.start(&["play.rhai", "-T", "3s"]);
    until("host05", "[ $(ls -A /srv/mid | wc -l) -gt 1 ] || [ $(stat -c %s /srv/mid/file) -gt 4 ]");
    let fault = Fault::on("host05", &["sshd-kill"]);
    let caught = inside("host05", "ls -la /srv/mid; stat -c %s /srv/mid/file");
    let size: usize = caught.lines().last().and_then(|size| size.parse().ok()).expect("a size");
    assert!(size == 4 || size == new, "half a file: {caught}");
    if size == 4 {
        running.done().exits(4).says("connection was lost");
    }
    drop(fault);
    room.hlrun(&["play.rhai"]).exits(0);
    assert_eq!(inside("host05", "ls -A /srv/mid; stat -c %s /srv/mid/file"), format!("file\n{new}\n"));
}

fn interrupted() {
    for (name, call) in [
        ("line", r#"shell::run("sleep 98765; true")"#),
        ("become", r#"within(#{ become: "admin" }, || shell::run(["sleep", "98765"]))"#),
        ("script", r#"shell::script("s.sh")"#),
    ] {
        let room = Room::with(&["host06", "host04"]);
        room.write("s.sh", "trap '' INT\nsleep 98765\n");
        on_all(&["host06", "host04"], |host| inside(host, "pkill -KILL -f 'slee[p] 98765' || :"));
        room.write("play.rhai", format!("play(\"p\", \"all\", |host| {{ {call}; file::file(\"/srv/never\"); }});"));
        let running = room.start(&["play.rhai"]);
        on_all(&["host06", "host04"], |host| until(host, "pgrep -f 'slee[p] 98765'"));
        let begun = Instant::now();
        running.interrupt();
        let done = running.done().exits(130).says("interrupted");
        assert!(begun.elapsed() < Duration::from_secs(20), "{name}: it took {:?}", begun.elapsed());
        assert!(done.stdout.contains("PLAY RECAP"), "{}", done.stdout);
        on_all(&["host06", "host04"], |host| {
            until(host, "! pgrep -f 'slee[p] 98765'");
            assert!(try_inside(host, "test -e /srv/never").is_err());
        });
    }
}

fn warm() {
    let room = Room::with(&["host05"]);
    room.play(HELLO, &[]).exits(0);
    for fault in ["cut", "power"] {
        drop(Fault::on("host05", &[fault]));
        room.play(HELLO, &[]).exits(0).within(Duration::from_secs(20));
    }
}
