//! Going back, and going on after a failure.

use super::lab::{Fault, Promise, Room, Undo, inside, on_all, toys, until};

pub const PROMISES: &[Promise] = &[
    ("undo: what somebody has changed since is left alone", drift),
    ("undo: steps on one thing go back in turn, one host alone, and secrets are nowhere to be read", chain),
    ("undo: what has no way back is said before, and handlers run again", stays),
    ("undo: what cannot come back is refused in the plan, with its line, and nothing is done by half", refused),
    ("undo: what failed on its way is told as far as it came, and goes back from there", halfway),
    ("undo: a made home that is in use stays, as the plan says, and is his again when he comes back", busy),
    ("undo: a password in fstab comes back, and is nowhere to be read", fstab),
    ("resume: after a failure, the host goes on at the call that failed", failure),
    ("resume: a host that was unreachable gets what it missed, and owed --pay is how", missed),
    ("resume: after Ctrl-C", || killed("-INT", 130)),
    ("resume: after hlrun was killed", || killed("-KILL", -1)),
    ("resume: what differs is said, and nothing is done", differs),
    ("owed: a reboot that a run has left due is listed, and paid with proof", due),
];

const CLEAN: &str = "rm -rf /srv/undo /srv/undo-flag";

fn fresh(hosts: &[&'static str]) -> (Room, Undo<impl FnMut() + use<>>) {
    let hosts = hosts.to_vec();
    let clean = {
        let hosts = hosts.clone();
        move || drop(on_all(&hosts, |host| inside(host, CLEAN)))
    };
    let room = Room::with(&hosts);
    on_all(&hosts, |host| inside(host, &format!("{CLEAN}; mkdir /srv/undo; echo old >/srv/undo/file")));
    (room, Undo(clean))
}

fn drift() {
    let (room, _clean) = fresh(&["host01"]);
    room.play(r#"play("p", "all", |host| { file::file("/srv/undo/file", #{ content: "new\n" }); });"#, &[]).exits(0);
    inside("host01", "echo mine >/srv/undo/file");
    let plan = room.hlrun(&["undo", "--yes"]).exits(0).says("has changed since").says("-mine");
    assert!(plan.stdout.contains("nothing can go back"), "{}", plan.stdout);
    assert_eq!(inside("host01", "cat /srv/undo/file"), "mine\n");
    room.hlrun(&["undo", "--yes", "--force"]).exits(0);
    assert_eq!(inside("host01", "cat /srv/undo/file"), "old\n");
    room.hlrun(&["undo", "--yes"]).exits(0);
    assert_eq!(inside("host01", "cat /srv/undo/file"), "mine\n");
}

fn chain() {
    let (room, _clean) = fresh(&["host01", "host02"]);
    let play = r#"play("p", "all", #{ become: "admin" }, |host| {
        within(#{ become: "root" }, || {
            file::file("/srv/undo/file", #{ content: "hunter2\n", sensitive: true });
            within(#{ no_log: true }, || {
                file::line("/srv/undo/file", #{ line: "more" });
                file::line("/srv/undo/file", #{ line: "swordfish" });
            });
            file::file("/srv/undo/big", #{ content: "x" });
            file::absent("/srv/undo/big");
        });
    });"#;
    room.play(play, &[]).exits(0);
    let kept = room.kept();
    assert!(!kept.contains("hunter2") && !kept.contains("swordfish"), "a secret is kept");
    let before = inside("host01", "cat /srv/undo/file");
    assert_eq!(before, "hunter2\nmore\nswordfish\n");
    // Without what came after it, a step is not what the run left behind.
    room.hlrun(&["undo", "--yes", "--step", "1"]).exits(0).says("nothing can go back");
    room.hlrun(&["undo", "--yes", "--host", "host01"]).exits(0);
    assert_eq!(inside("host01", "cat /srv/undo/file; ls /srv/undo"), "old\nfile\n");
    assert_eq!(inside("host02", "cat /srv/undo/file"), before);
}

fn stays() {
    let (room, _clean) = fresh(&["host01"]);
    let play = r#"play("p", "all", |host| {
        shell::run("echo ran >>/srv/undo/log");
        file::file("/srv/undo/file", #{ content: "new\n" });
        defer("note", || shell::run("cat /srv/undo/file >>/srv/undo/log"));
    });"#;
    room.play(play, &[]).exits(0);
    let done = room.hlrun(&["undo", "--yes"]).exits(0).says("it ran, and what it did is not known");
    let (plan, _) = done.stdout.split_once("PLAY [").expect("a plan before the work");
    assert!(plan.contains("runs again after that"), "{plan}");
    assert_eq!(inside("host01", "cat /srv/undo/log"), "ran\nnew\nold\n");
}

/// What the trials about accounts and mounts leave.
const TIDY: &str = "for u in real-big real-busy; do userdel -rf $u; done; rm -rf /home/real-b*; \
                    umount /srv/undo/t; sed -i '/srv.undo/d' /etc/fstab; true";

fn tidied() -> Undo<impl FnMut()> {
    inside("host01", TIDY);
    Undo(|| drop(inside("host01", TIDY)))
}

fn refused() {
    let (room, _clean) = fresh(&["host01"]);
    let _tidy = tidied();
    let large = "useradd -m real-big; head -c 17M /dev/urandom >/home/real-big/large";
    let memory = "mkdir /srv/undo/t; mount -t tmpfs tmpfs /srv/undo/t; echo x >/srv/undo/t/x";
    inside("host01", &format!("{large}; {memory}"));
    let play = r#"play("p", "all", |host| {
        file::file("/srv/undo/file", #{ content: "new\n" });
        user::absent("real-big", #{ remove: true });
        mount::unmounted("/srv/undo/t");
    });"#;
    room.play(play, &[]).exits(0);
    let left =
        "cat /srv/undo/file; getent passwd real-big; ls -d /home/real-big; grep -c undo/t /proc/self/mountinfo; true";
    for code in [0, 1] {
        let plan = room.hlrun(if code == 0 { &["undo", "--check"] } else { &["undo"] }).exits(code);
        let (stays, goes) = plan.stdout.split_once("goes back\n").expect("what stays comes first");
        let home = "/home/real-big was a directory, and what it contained was not kept (play.rhai:3:";
        assert!(stays.contains(home) && stays.contains("was a tmpfs with files in it"), "{stays}");
        assert!(stays.contains("(play.rhai:4:") && goes.contains("file::file /srv/undo/file"), "{goes}");
        assert_eq!(inside("host01", left), "new\n0\n");
    }
    room.hlrun(&["undo", "--yes"]).exits(0);
    assert_eq!(inside("host01", left), "old\n0\n");
}

fn halfway() {
    let (room, _clean) = fresh(&["host01"]);
    let unit = "/etc/systemd/system/real-half.service";
    let gone = format!("systemctl -q disable real-half; rm -f {unit}; systemctl daemon-reload; systemctl reset-failed");
    let _gone = Undo(|| drop(inside("host01", &gone)));
    let text = r"[Service]\nExecStartPre=/bin/false\nExecStart=/bin/sleep inf\n[Install]\nWantedBy=multi-user.target\n";
    inside("host01", &format!("printf '{text}' >{unit}; systemctl daemon-reload"));
    let play = r#"play("p", "all", |host| { systemd::running("real-half", #{ enabled: true }); });"#;
    room.play(play, &[]).exits(2).says("what it had changed by then:").says("~ enabled no -> yes");
    room.hlrun(&["undo", "--check"]).exits(0).says("~ enabled yes -> no");
    room.hlrun(&["undo", "--yes"]).exits(0);
    assert_eq!(inside("host01", "systemctl is-enabled real-half || true"), "disabled\n");
    // Where nothing was changed, that is known too.
    inside("host01", "systemctl start real-half || true");
    room.play(&play.replace(", #{ enabled: true }", ""), &[]).exits(2);
    room.hlrun(&["undo", "--check"]).exits(0).says("is back already");
    // Of what only ran it is not.
    room.play(r#"play("p", "all", |host| { shell::run("true", #{ failed_when: |r| r.rc == 0 }); });"#, &[]).exits(2);
    room.hlrun(&["undo", "--check"]).exits(0).says("what it had done by then is not known");
}

fn busy() {
    let (room, _clean) = fresh(&["host01"]);
    let _tidy = tidied();
    let key = |middle: &str, name: &str| format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{middle} {name}\n");
    room.write("one.pub", key("AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g", "one"));
    room.write("two.pub", key("P//////////////////////////////////////////", "two"));
    let play = r#"play("p", "all", |host| {
        user::present("real-busy");
        authorized_key::present("one.pub", #{ user: "real-busy" });
        authorized_key::present("two.pub", #{ user: "real-busy" });
    });"#;
    room.play(play, &[]).exits(0);
    inside("host01", "echo mine >/home/real-busy/mine; chown real-busy: /home/real-busy/mine");
    // What it takes is remembered: the keys may be gone from here.
    std::fs::remove_file(room.path("one.pub")).expect("a key");
    room.hlrun(&["undo", "--check"]).exits(0).says("/home/real-busy stays while it contains more").says("mine");
    room.hlrun(&["undo", "--yes"]).exits(0);
    assert_eq!(inside("host01", "getent passwd real-busy; ls -A /home/real-busy | grep -v '^[.][bp]'"), "mine\n");
    inside("host01", "useradd -M real-big");
    let plan = room.hlrun(&["undo", "--check"]).exits(0);
    assert!(plan.stdout.contains("that real-busy had is real-big's by now"), "{}", plan.stdout);
    inside("host01", "userdel real-big");
    room.hlrun(&["undo", "--yes"]).exits(0);
    let his = "cd /home/real-busy; stat -c %U mine .ssh; cut -d' ' -f3 .ssh/authorized_keys";
    assert_eq!(inside("host01", his), "real-busy\nreal-busy\none\ntwo\n");
}

fn fstab() {
    let (room, _clean) = fresh(&["host01"]);
    let _tidy = tidied();
    inside("host01", r"printf '//nas/g\t/srv/undo/g cifs  noauto,password=geheim 0 0\n' >>/etc/fstab");
    let before = inside("host01", "cat /etc/fstab");
    room.play(r#"play("p", "all", |host| { mount::absent("/srv/undo/g"); });"#, &[]).exits(0);
    assert_ne!(inside("host01", "cat /etc/fstab"), before);
    room.hlrun(&["undo", "--yes"]).exits(0);
    assert_eq!(inside("host01", "cat /etc/fstab"), before);
    assert!(before.contains("geheim") && !room.kept().contains("geheim"), "a secret is kept");
}

const LONG: &str = r#"play("First", "all", |host| {
    shell::run("echo one >>/srv/undo/log");
    let n = shell::query("wc -l </srv/undo/log").stdout;
    file::file("/srv/undo/file", #{ content: n + "\n" });
    try { shell::run("false"); } catch (e) { print(e.kind); }
    within(#{ become: "root" }, || { shell::run("CALL"); });
    if n == "1" { shell::run("echo two >>/srv/undo/log"); }
});
play("Second", "all", |host| { shell::run("echo three >>/srv/undo/log"); });
"#;

const DONE: &str = "one\ntwo\nthree\n";

fn failure() {
    let (room, _clean) = fresh(&["host01", "host02"]);
    inside("host02", "touch /srv/undo-flag");
    room.play(&LONG.replace("CALL", "test -e /srv/undo-flag"), &[]).exits(2).says("hlrun resume goes on");
    assert_eq!(inside("host02", "cat /srv/undo/log"), DONE);
    inside("host01", "touch /srv/undo-flag; echo noise >>/srv/undo/noise");
    let done = room.hlrun(&["resume"]).exits(0).says("resumes").says("after 3 finished calls");
    assert!(!done.stdout.contains("echo one"), "{}", done.stdout);
    on_all(&["host01", "host02"], |host| assert_eq!(inside(host, "cat /srv/undo/log"), DONE, "{host}"));
    room.hlrun(&["resume"]).exits(1);
}

fn missed() {
    let (room, _clean) = fresh(&["host01", "host02"]);
    let fault = Fault::on("host02", &["drop"]);
    room.play(&LONG.replace("CALL", "true"), &["-T", "3s"]).exits(4);
    room.hlrun(&["owed"]).exits(0).says("host02 was unreachable: it missed play.rhai from play \"First\" on");
    drop(fault);
    room.hlrun(&["owed", "--pay"]).exits(0);
    on_all(&["host01", "host02"], |host| assert_eq!(inside(host, "cat /srv/undo/log"), DONE, "{host}"));
    room.hlrun(&["owed"]).exits(0).says("nothing is owed");
}

fn killed(signal: &str, code: i32) {
    let (room, _clean) = fresh(&["host01", "host02"]);
    let call = "touch /srv/undo/begun; [ -e /srv/undo-flag ] || exec sleep 4321";
    room.write("play.rhai", LONG.replace("CALL", call));
    let running = room.start(&["play.rhai"]);
    on_all(&["host01", "host02"], |host| until(host, "test -e /srv/undo/begun"));
    running.signal(signal);
    let done = running.done();
    assert!(code < 0 || done.code == Some(code), "{done:?}");
    on_all(&["host01", "host02"], |host| inside(host, "touch /srv/undo-flag; pkill -f 'slee[p] 4321'; true"));
    room.hlrun(&["resume"]).exits(0).says("after 3 finished calls");
    on_all(&["host01", "host02"], |host| assert_eq!(inside(host, "cat /srv/undo/log"), DONE, "{host}"));
}

fn differs() {
    let (room, _clean) = fresh(&["host01"]);
    room.write("t.j2", "{{ inventory_hostname }}\n");
    let play = r#"play("p", "all", |host| {
        file::file("/srv/undo/file", #{ template: "t.j2" });
        shell::run("test -e /srv/undo-flag");
    });"#;
    room.play(play, &["-e", "colour=red"]).exits(2);
    room.write("t.j2", "other\n");
    room.also("host09", "192.0.2.1", "root", "");
    let said = room.hlrun(&["resume"]).exits(1).says("t.j2 has changed").says("host09 is new");
    assert!(said.stderr.contains("no host was touched"), "{}", said.stderr);
    room.write("play.rhai", play.replace("test", "true"));
    room.hlrun(&["resume"]).exits(1).says("play.rhai has changed");
}

const BOOT: &str = "cat /proc/sys/kernel/random/boot_id; cut -d' ' -f22 /proc/1/stat";

fn due() {
    let hosts = ["host07", "host08"];
    let room = Room::with(&hosts);
    toys(&hosts);
    let _clean = Undo(|| {
        drop(on_all(&hosts, |host| inside(host, "rm -f /run/reboot-required*")));
        toys(&hosts);
    });
    on_all(&hosts, |host| inside(host, "touch /run/reboot-required; echo toy >/run/reboot-required.pkgs"));
    let play = r#"play("p", "all", |host| { apt::latest("toyconf"); });"#;
    room.play(play, &["--check"]).exits(0);
    room.hlrun(&["owed"]).exits(0).says("nothing is owed");
    room.play(play, &[]).exits(0).says("owed: a reboot on host07");
    room.hlrun(&["owed"]).exits(0).says("host07 waits for a reboot: toy was updated (since run ").says("host08 waits");
    room.hlrun(&["owed", "--pay"]).exits(1).says("nobody is there to ask").says("nothing was rebooted");

    // One that was rebooted by hand meanwhile is not rebooted again.
    let by_hand = r#"play("p", "host08", |host| { system::rebooted(#{ timeout: "60s" }); });"#;
    // A state directory of its own; the hosts are ours already.
    let other = Room::with(&[]);
    other.inventory(&hosts.map(|host| (host, host, "root")));
    other.play(by_hand, &[]).exits(0);
    let before = hosts.map(|host| inside(host, BOOT));
    room.hlrun(&["owed", "--pay", "--yes"]).exits(0).says("paid: a reboot on host07").says("paid: a reboot on host08");
    let after = hosts.map(|host| inside(host, BOOT));
    assert_ne!(before[0], after[0], "it was not rebooted");
    assert_eq!(before[1], after[1], "it was rebooted again");
    room.hlrun(&["owed"]).exits(0).says("nothing is owed");
}
