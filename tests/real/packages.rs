//! apt and dnf when it does not go well.

use super::lab::{DNF, PACMAN, Promise, Room, Undo, fedoras, flavoured, inside, toys, until};

pub const PROMISES: &[Promise] = &[
    ("packages: a lock that is held is waited for, and its holder named", locked),
    ("packages: one that cannot be configured fails, and is repaired only when asked", broken),
    ("packages: an interrupted dpkg is named by every operation, and repaired only when asked", interrupted),
    ("packages: a mirror that is down is one line", mirror),
    ("packages: a disk that fills up in the middle of an upgrade", full),
    ("packages: what is held or phased in is reported, and what wants a restart is known", reported),
    ("packages: a changed conffile is kept, without a question", conffile),
    ("packages: a name that there is not", unknown),
    ("packages: only what is asked for is touched, and what came for others stays so until it is asked for", beside),
    ("packages: check mode doubts what a hold, a pin or a removal above would change", doubted),
    ("packages: a repository that does not go with the others is refused, and apt goes on working", clashing),
    ("packages: dnf waits for a lock, and names its holder", dnf_locked),
    ("packages: dnf's failures are told in a line, and nothing is called done that is not", dnf_fails),
    ("packages: dnf's mirror that is down is one line", dnf_mirror),
    ("packages: dnf reports what is held, kept beside, or wants a restart", dnf_reported),
    ("packages: pacman waits for a lock and names its holder, and one that is left behind", pacman_locked),
    ("packages: pacman reports what is held, kept beside, failed or wants a restart, and goes back", pacman_reported),
];

const HOST: [&str; 1] = ["host07"];

fn room() -> (Room, Undo<impl FnMut()>) {
    let room = Room::with(&HOST);
    toys(&HOST);
    (room, Undo(|| toys(&HOST)))
}

/// A playbook of these calls.
fn play(calls: &str) -> String {
    format!(r#"play("p", "all", |host| {{ {calls} }});"#)
}

fn locked() {
    let (room, _clean) = room();
    let hold = "TOYSLOW=600 DEBIAN_FRONTEND=noninteractive setsid apt-get install -qy toyslow=2.0 >/dev/null 2>&1 </dev/null &";
    inside("host07", hold);
    until("host07", "pgrep -f 'toyslow.postins[t]'");
    let call = |timeout: &str| play(&format!(r#"apt::installed("toydep", #{{ lock_timeout: "{timeout}" }});"#));
    let pid = inside("host07", "pgrep -x apt-get");
    let holder = format!("apt is locked by process {} (apt-get", pid.trim());
    room.play(&call("1s"), &[]).exits(2).says(&holder);
    room.waits(&call("60s"), "it waits for the lock", "host07", "pkill -f 'slee[p] 600'").exits(0);
    inside("host07", "dpkg -s toydep | grep -q 'ok installed'");
}

fn broken() {
    let (room, _clean) = room();
    let installed = play(r#"apt::installed("toyfail=2.0");"#);
    let failed = room.play(&installed, &[]).exits(2).says("toyfail: cannot configure").says("apt::repaired()");
    failed.says("what it had changed by then:").says("~ toyfail 1.0 -> 2.0 (not configured)");
    room.hlrun(&["undo", "--yes"]).exits(0).says("~ toyfail 2.0 (not configured) -> 1.0");
    inside("host07", "dpkg-query -W -f '${Version} ${db:Status-Abbrev}' toyfail | grep -qx '1.0 ii '");
    room.play(&installed, &[]).exits(2);
    inside("host07", "touch /etc/toyfail-ok");
    room.play(&installed, &[]).exits(2).says("left toyfail 2.0 (not configured)");
    room.play(&play("apt::repaired();"), &[]).exits(0).says("2.0 (half-configured) -> 2.0");
    assert_eq!(room.play(&installed, &["--json"]).exits(0).stat("host07", "changed"), 0);
}

fn interrupted() {
    let (room, _clean) = room();
    let begin = "echo 60 >/etc/toyslow; DEBIAN_FRONTEND=noninteractive setsid apt-get install -qy toyslow=2.0 >/dev/null 2>&1 </dev/null &";
    inside("host07", begin);
    until("host07", "pgrep -f 'toyslow.postins[t]'");
    inside(
        "host07",
        "kill -9 $(pgrep -x apt-get) $(pgrep -x dpkg); pkill -f 'toyslow.postins[t]'; echo 0 >/etc/toyslow",
    );
    for call in ["apt::installed(\"toydep\");", "apt::upgraded();", "apt::absent(\"toy\");", "apt::upgradable();"] {
        let told = room.play(&play(call), &[]).exits(2).says("left toyslow 2.0").says("apt::repaired()");
        assert!(told.stdout.contains("changed=0"), "{}", told.stdout);
    }
    let repaired = play(r#"apt::repaired(); apt::installed("toydep");"#);
    room.play(&repaired, &["--check"]).exits(0).says("toyslow");
    room.play(&repaired, &[]).exits(0);
    assert_eq!(room.play(&repaired, &["--json"]).exits(0).stat("host07", "changed"), 0);
}

fn mirror() {
    let (room, _clean) = room();
    let _proxy = Undo(|| drop(inside("host07", "rm -f /etc/apt/apt.conf.d/99real")));
    inside("host07", "apt-get clean");
    inside("host07", r#"echo 'Acquire::http::Proxy "http://172.30.0.1:9";' >/etc/apt/apt.conf.d/99real"#);
    for call in [r#"apt::installed("toydep");"#, "apt::updated();", "apt::upgraded(#{ update_cache: true });"] {
        let told = room.play(&play(call), &[]).exits(2).says("on host07: unreachable mirror http://172.30.0.1:8099: ");
        assert!(!told.stdout.contains("Err:") && !told.stdout.contains("E: "), "a wall of text:\n{}", told.stdout);
    }
    assert_eq!(inside("host07", "dpkg-query -W -f '${Version}' toy"), "1.0");
}

fn full() {
    let (room, _clean) = room();
    let _mount = Undo(|| drop(inside("host07", "umount -q /usr/share/toy; true")));
    inside(
        "host07",
        "cp -a /usr/share/toy /run/toy; mount -t tmpfs -o size=64k none /usr/share/toy; cp -a /run/toy/. /usr/share/toy; rm -r /run/toy; dd if=/dev/zero of=/usr/share/toy/full bs=4k 2>/dev/null; touch /etc/toyfail-ok; echo 0 >/etc/toyslow",
    );
    room.play(&play("apt::upgraded();"), &[]).exits(2).says("the disk is full").says("No space left on device");
    inside("host07", "rm /usr/share/toy/full");
    room.play(&play("apt::repaired(); apt::upgraded();"), &[]).exits(0);
    let versions = inside("host07", "dpkg-query -W -f '${Version} ${db:Status-Abbrev}\n' toy toyd toynew | sort -u");
    assert_eq!(versions, "2.0 ii \n");
}

fn reported() {
    let (room, _clean) = room();
    inside("host07", "touch /etc/toyfail-ok; echo 0 >/etc/toyslow; apt-mark -qq hold toyhold >/dev/null");
    let upgraded = play("apt::upgraded(); print(packages::restarts_needed()); print(apt::holds());");
    for mode in [&["--check"][..], &[]] {
        room.play(&upgraded, mode)
            .exits(0)
            .says("toy 1.0 -> 2.0")
            .says("held: toyhold (1.0 => 2.0)")
            .says("deferred: toyphase (1.0 => 2.0)");
    }
    // Told again, although there is nothing left to do.
    let again = room.play(&upgraded, &[]).exits(0).says("held: toyhold").says(r#"["toyd.service"]"#);
    assert!(again.stdout.contains(r#"["toyhold"]"#) && again.stdout.contains("changed=0"), "{}", again.stdout);
    inside("host07", "systemctl restart toyd");
    assert_eq!(room.play(&play("print(packages::restarts_needed());"), &["--json"]).exits(0).prints(), ["[]"]);
}

fn conffile() {
    let (room, _clean) = room();
    inside("host07", "echo mine >/etc/toyconf.conf");
    let done = room.play(&play(r#"apt::latest("toyconf");"#), &[]).exits(0).says("1.0").says("2.0");
    done.says("/etc/toyconf.conf is kept as it was changed here");
    assert_eq!(inside("host07", "cat /etc/toyconf.conf /etc/toyconf.conf.dpkg-dist"), "mine\nsetting = 2.0\n");
}

fn unknown() {
    let (room, _clean) = room();
    let play = play(r#"apt::installed(["toy", "no-such-package"]);"#);
    room.play(&play, &[]).exits(2).says("no-such-package").says("hint:");
    room.play(&play, &["--check"]).exits(2).says("no-such-package");
}

fn beside() {
    let (room, _clean) = room();
    let versions =
        || inside("host07", "dpkg-query -W -f '${Package} ${Version} ' toy toyd; apt-mark showauto toy toyd");
    inside("host07", "apt-mark -qq auto toy toyd");
    let all = play(r#"apt::installed(["toydep", "toy", "toyd"]);"#);
    for mode in [&["--check"][..], &[]] {
        room.play(&all, mode).exits(0).says("toydep").says("toy 1.0 (automatic) -> 1.0");
    }
    assert_eq!(versions(), "toy 1.0 toyd 1.0 ", "what is there is there, and wanted");
    room.hlrun(&["undo", "last", "--yes"]).exits(0);
    assert_eq!(versions(), "toy 1.0 toyd 1.0 toy\ntoyd\n", "the marks are back");
    room.play(&play(r#"apt::upgraded(#{ only: ["toyd"] });"#), &[]).exits(0).says("toyd 1.0 -> 2.0");
    assert_eq!(versions(), "toy 1.0 toyd 2.0 toy\ntoyd\n");
    room.hlrun(&["undo", "last", "--yes"]).exits(0);
    assert_eq!(versions(), "toy 1.0 toyd 1.0 toy\ntoyd\n");
    // What goes comes back as it was.
    room.play(&play(r#"apt::absent("toyd");"#), &[]).exits(0).says("toyd 1.0 (automatic)");
    room.hlrun(&["undo", "last", "--yes"]).exits(0);
    assert_eq!(versions(), "toy 1.0 toyd 1.0 toy\ntoyd\n");
    inside("host07", "apt-mark -qq hold toyd");
    room.play(&play(r#"apt::latest(["toy", "toyd"]);"#), &[]).exits(2).says("it would change toyd, which is held");
    inside("host07", "apt-mark -qq unhold toyd");
    room.play(&play(r#"apt::installed("toy-");"#), &[]).exits(2).says("`toy-` is no package's name");
}

fn doubted() {
    let (room, _clean) = room();
    for (calls, last) in [
        (r#"apt::held("toy"); apt::latest("toy");"#, "unknown"),
        (r#"apt::held("toy"); apt::upgraded();"#, "unknown"),
        (r#"apt::held("bash"); apt::upgraded();"#, "would_change"),
        (r#"apt::absent("toy"); apt::installed("toy");"#, "unknown"),
        (r#"apt::absent("toy"); apt::upgraded();"#, "unknown"),
        (r#"file::file("/etc/apt/preferences.d/pin", #{ content: "Package: toy" }); apt::latest("toyd");"#, "unknown"),
        (r#"apt::held("toyd"); apt::latest("toy");"#, "would_change"),
        (r#"apt::absent("toyhold"); apt::installed("toy");"#, "ok"),
        (r#"apt::installed("toydep"); apt::upgraded(#{ except: "toynew" });"#, "would_change"),
        (r#"apt::absent("toydep"); apt::autoremoved();"#, "ok"),
        (r#"apt::absent("toy"); apt::autoremoved();"#, "unknown"),
        (r#"apt::latest("toy"); apt::upgraded(#{ only: "toy" });"#, "ok"),
        (r#"apt::latest("toy"); apt::installed("toy=1.0", #{ allow_downgrade: true });"#, "unknown"),
        (r#"apt::installed("toydep"); apt::installed("toydep");"#, "ok"),
        (r#"apt::installed("toy:amd64"); apt::held("nosuch");"#, "failed"),
    ] {
        let told = room.play(&play(calls), &["--check", "--json"]);
        let records = told.exits(if last == "failed" { 2 } else { 0 }).records();
        assert_eq!(records[1]["status"], last, "{calls}: {}", records[1]);
    }
}

fn clashing() {
    let (room, _clean) = room();
    let other = "echo 'deb [trusted=yes signed-by=/etc/apt/mine.gpg] http://172.30.0.1:8099 ./' >/etc/apt/sources.list.d/toy.list";
    inside("host07", other);
    let call = r#"apt::repository("real", #{ uris: "http://172.30.0.1:8099", suites: "./", trusted: true, signed_by: "/etc/apt/other.gpg" });"#;
    room.play(&play(call), &[]).exits(2).says("Conflicting values set for option Signed-By");
    inside("host07", "test ! -e /etc/apt/sources.list.d/real.sources && apt-get -qs upgrade");
}

/// A room with a host of another kind, which has dnf or pacman.
fn other_room(host: &'static str) -> (Room, Undo<impl FnMut()>) {
    if PACMAN.contains(&host) {
        flavoured(host, "pacman")
    } else {
        fedoras()
    }
    let room = Room::with(&[host]);
    room.inventory(&[(host, host, "root")]);
    toys(&[host]);
    (room, Undo(move || toys(&[host])))
}

fn dnf_locked() {
    DNF.into_iter().for_each(locked_with_dnf);
}

fn locked_with_dnf(host: &'static str) {
    let (room, _clean) = other_room(host);
    inside(host, "echo 600 >/etc/toyslow; setsid dnf -y upgrade toyslow >/dev/null 2>&1 </dev/null &");
    until(host, "pgrep -f 'slee[p] 600'");
    let call = |timeout: &str| play(&format!(r#"dnf::installed("toydep", #{{ lock_timeout: "{timeout}" }});"#));
    room.play(&call("1s"), &[]).exits(2).says("dnf is locked by process ").says("dnf -y upgrade toyslow");
    room.waits(&call("60s"), "it waits for", host, "pkill -f 'slee[p] 600'").exits(0);
    assert_eq!(inside(host, "rpm -q toydep toyslow"), "toydep-2-1.noarch\ntoyslow-2-1.noarch\n");
}

fn dnf_fails() {
    DNF.into_iter().for_each(fails_with_dnf);
}

fn fails_with_dnf(host: &'static str) {
    let (room, _clean) = other_room(host);
    room.play(&play(r#"dnf::latest("toyfail");"#), &[])
        .exits(2)
        .says("the transaction failed at toyfail: toyfail: refused");
    assert_eq!(inside(host, "rpm -q toyfail"), "toyfail-1-1.noarch\n");
    room.play(&play(r#"packages::installed(["toy", "no-such-package"]);"#), &["--check"])
        .exits(2)
        .says("no package no-such-package in any repository");
    // dnf 5 calls that failed, though the package is there.
    let code = if host == DNF[0] { 0 } else { 2 };
    room.play(&play(r#"dnf::latest("toypost");"#), &[])
        .exits(code)
        .says("installed, but %post(toypost-2-1.noarch) scriptlet failed");
    assert_eq!(inside(host, "rpm -q toypost"), "toypost-2-1.noarch\n");
}

fn dnf_mirror() {
    DNF.into_iter().for_each(mirror_with_dnf);
}

fn mirror_with_dnf(host: &'static str) {
    let (room, _clean) = other_room(host);
    let down = "sed -i 's#file:///srv/rpm/cur#http://127.0.0.1:9/x#' /etc/yum.repos.d/toy.repo";
    inside(host, down);
    for call in [r#"dnf::installed("toydep");"#, "dnf::updated();", "dnf::upgraded(#{ update_cache: true });"] {
        let told =
            room.play(&play(call), &[]).exits(2).says(&format!("on {host}: unreachable mirror http://127.0.0.1:9: "));
        assert!(!told.stdout.contains("Curl error"), "a wall of text:\n{}", told.stdout);
    }
}

fn dnf_reported() {
    DNF.into_iter().for_each(reported_with_dnf);
}

fn reported_with_dnf(host: &'static str) {
    let (room, _clean) = other_room(host);
    for args in [&["--check"][..], &[]] {
        room.play(&play(r#"dnf::held("nosuch");"#), args).exits(2).says("no package nosuch");
    }
    inside(
        host,
        "touch /etc/toyfail-ok /etc/toypost-ok; echo 0 >/etc/toyslow; echo mine >>/etc/toyconf-rpm.conf; dnf -q versionlock add toyhold",
    );
    // A unit that no package brought, and a job that runs once; both start in the second of the upgrade.
    let own = "printf '[Service]\\nExecStart=/usr/lib/toyd/toyd-sleep 100000\\n' >/etc/systemd/system/toyown.service";
    let once = "systemd-run -q --collect --unit toyonce /usr/lib/toyd/toyd-sleep 100000";
    inside(host, &format!("{own}; systemctl daemon-reload; systemctl start toyown; {once}"));
    let gone = "systemctl stop toyown toyonce; rm /etc/systemd/system/toyown.service; systemctl daemon-reload";
    let _gone = Undo(|| drop(inside(host, gone)));
    let upgraded = play("packages::upgraded(); print(packages::restarts_needed()); print(system::reboot_required());");
    let told = room.play(&upgraded, &[]).exits(0).says("toy 1-1 -> 2-1").says("kernel-core 1-1 -> 1-1, 2-1");
    let told = told.says("held: toyhold").says("the new one is /etc/toyconf-rpm.conf.rpmnew");
    assert!(
        told.stdout.contains(r#"["toyd.service", "toyown.service"]"#) && told.stdout.contains("true"),
        "{}",
        told.stdout
    );
    room.play(&upgraded, &[]).exits(0).says("changed=0");
}

fn pacman_locked() {
    let (room, _clean) = other_room(PACMAN[0]);
    let host = PACMAN[0];
    inside(host, "echo 600 >/etc/toyslow; setsid pacman -S --noconfirm toyslow >/dev/null 2>&1 </dev/null &");
    until(host, "pgrep -f 'slee[p] 600'");
    let call = |timeout: &str| play(&format!(r#"packages::installed("toydep", #{{ lock_timeout: "{timeout}" }});"#));
    room.play(&call("1s"), &[]).exits(2).says("pacman is locked by process ").says("pacman -S --noconfirm toyslow");
    room.waits(&call("60s"), "it waits for", host, "pkill -f 'slee[p] 600'").exits(0);
    assert_eq!(inside(host, "pacman -Q toydep toyslow"), "toydep 2-1\ntoyslow 2-1\n");
    inside(host, "touch /var/lib/pacman/db.lck");
    let left = room.play(&play(r#"packages::absent("toydep");"#), &[]).exits(2).says("its lock is left");
    left.says(r#"file::absent("/var/lib/pacman/db.lck")"#);
}

fn pacman_reported() {
    let (room, _clean) = other_room(PACMAN[0]);
    let host = PACMAN[0];
    for call in [r#"packages::installed(["toy", "nosuch"]);"#, r#"packages::latest("nosuch");"#] {
        room.play(&play(call), &["--check"]).exits(2).says("no package nosuch in any repository");
    }
    let secure = play("packages::upgraded(#{ security: true });");
    room.play(&secure, &["--check"]).exits(2).says("do not say what mends a security hole");
    let ready = "echo 0 >/etc/toyslow; echo mine >>/etc/toyconf-pac.conf; sed -i 's/^.options.$/&\\nIgnorePkg = toyhold/' /etc/pacman.conf";
    inside(host, ready);
    let upgraded = play("packages::upgraded(); print(packages::restarts_needed()); print(packages::manager());");
    room.play(&upgraded, &["--check"]).exits(0).says("toy 1-1 -> 2-1").says("held: toyhold (1-1 => 2-1)");
    room.play(&upgraded, &[])
        .exits(0)
        .says("toy 1-1 -> 2-1")
        .says("+ toydep 2-1")
        .says("held: toyhold (1-1 => 2-1)")
        .says("the new one is /etc/toyconf-pac.conf.pacnew")
        .says("installed, but a script of toyscript failed: toyscript: cannot set up")
        .says(r#"["toyd.service"]"#)
        .says("host-pm01: pacman");
    room.hlrun(&["undo", "--yes"]).exits(0).says("toy 2-1 -> 1-1");
    assert_eq!(inside(host, "pacman -Q toy toyslow; pacman -Qq toydep || true"), "toy 1-1\ntoyslow 1-1\n");
    room.play(&upgraded, &[]).exits(0);
    room.play(&upgraded, &[]).exits(0).says("changed=0");
    let breaks = play(r#"packages::absent("toydep");"#);
    room.play(&breaks, &["--check"]).exits(2).says("breaks dependency 'toydep' required by toynew");
    let down = "sed -i 's#file:///srv/pac/cur#http://127.0.0.1:9/x#' /etc/pacman.conf";
    inside(host, down);
    let fresh = play("packages::upgraded(#{ update_cache: true });");
    room.play(&fresh, &[]).exits(2).says(&format!("on {host}: unreachable mirror https://127.0.0.1:9: "));
}
