//! apt when it does not go well.

use super::lab::{Promise, Room, Undo, inside, toys, until};
use std::time::Duration;

pub const PROMISES: &[Promise] = &[
    ("packages: a lock that is held is waited for, and its holder named", locked),
    ("packages: one that cannot be configured fails, and repair mends it", broken),
    ("packages: a changed conffile is kept, without a question", conffile),
    ("packages: a name that there is not", unknown),
];

const HOST: [&str; 1] = ["host07"];

fn room() -> (Room, Undo<impl FnMut()>) {
    let room = Room::with(&HOST);
    toys(&HOST);
    (room, Undo(|| toys(&HOST)))
}

fn locked() {
    let (room, _clean) = room();
    let hold =
        "TOYSLOW=6 DEBIAN_FRONTEND=noninteractive setsid apt-get install -qy toyslow=2.0 >/dev/null 2>&1 </dev/null &";
    inside("host07", hold);
    until("host07", "pgrep -f 'toyslow.postins[t]'");
    let call = |timeout: &str| {
        format!(r#"play("p", "all", |host| {{ apt::installed("toydep", #{{ lock_timeout: "{timeout}" }}); }});"#)
    };
    room.play(&call("1s"), &[]).exits(2).says("lock").says("apt-get").within(Duration::from_secs(6));
    room.play(&call("60s"), &[]).exits(0);
    inside("host07", "dpkg -s toydep | grep -q 'ok installed'");
}

fn broken() {
    let (room, _clean) = room();
    let call = |options: &str| format!(r#"play("p", "all", |host| {{ apt::installed("toyfail=2.0"{options}); }});"#);
    room.play(&call(""), &[]).exits(2).says("toyfail: cannot configure");
    inside("host07", "touch /etc/toyfail-ok");
    room.play(&call(", #{ repair: true }"), &[]).exits(0);
    assert_eq!(room.play(&call(", #{ repair: true }"), &["--json"]).exits(0).stat("host07", "changed"), 0);
}

fn conffile() {
    let (room, _clean) = room();
    inside("host07", "echo mine >/etc/toyconf.conf");
    room.play(r#"play("p", "all", |host| { apt::latest("toyconf"); });"#, &[]).exits(0).says("1.0").says("2.0");
    assert_eq!(inside("host07", "cat /etc/toyconf.conf /etc/toyconf.conf.dpkg-dist"), "mine\nsetting = 2.0\n");
}

fn unknown() {
    let (room, _clean) = room();
    let play = r#"play("p", "all", |host| { apt::installed(["toy", "no-such-package"]); });"#;
    room.play(play, &[]).exits(2).says("no-such-package").says("hint:");
    room.play(play, &["--check"]).exits(2).says("no-such-package");
}
