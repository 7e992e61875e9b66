//! Ten hosts at once.

use super::lab::{HOSTS, Promise, Room, Undo, inside_all, on_all, toys, try_inside};

pub const PROMISES: &[Promise] = &[
    ("fleet: hosts work at the same time", at_once),
    ("fleet: events come in the order of their numbers", ordered),
    ("fleet: one base playbook, ten hosts, the same result", base),
];

fn at_once() {
    let room = Room::with(&HOSTS);
    room.write(
        "play.rhai",
        r#"play("p", "all", |host| { shell::run("touch /run/began; until [ -e /run/go ]; do sleep 0.1; done"); });"#,
    );
    let begun =
        || on_all(&HOSTS, |host| try_inside(host, "test -e /run/began").is_ok()).iter().filter(|it| **it).count();
    for (forks, at_once) in [("10", 10), ("5", 5)] {
        let clean = || drop(inside_all(&HOSTS, "rm -f /run/began /run/go"));
        clean();
        let _clean = Undo(clean);
        let running = room.start(&["play.rhai", "--forks", forks]);
        running.until("too few at a time", || begun() >= at_once);
        assert_eq!(begun(), at_once);
        inside_all(&HOSTS, "touch /run/go");
        running.done().exits(0);
    }
}

fn ordered() {
    let room = Room::with(&HOSTS);
    let play = r#"play("p", "all", |host| { for i in 0..100 { file::stat("/etc/passwd"); shell::query("true"); print(i); } });"#;
    let events = room.play(play, &["--json"]).exits(0).events();
    let counts: Vec<_> = events.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert!(counts.is_sorted(), "first out of order: {:?}", counts.windows(2).find(|pair| pair[0] > pair[1]));
}

const CLEAN: &str = "systemctl -q disable --now base-demo.timer base-demo.service 2>/dev/null
rm -rf /srv/base /etc/systemd/system/base-demo.* /run/base-restarts; systemctl daemon-reload";

fn base() {
    let room = Room::with(&HOSTS);
    toys(&HOSTS);
    inside_all(&HOSTS, CLEAN);
    let _clean = Undo(|| drop(inside_all(&HOSTS, CLEAN)));
    inside_all(&HOSTS, "mkdir -p /srv/base; printf 'a=1\\nb=2\\n' >/srv/base/settings");
    room.write("base.rhai", include_str!("base.rhai"));
    room.write(
        "motd.j2",
        "{{ inventory_hostname }} {{ ansible_distribution }} {{ ansible_processor_vcpus | int > 0 }}\n",
    );

    let check = room.hlrun(&["base.rhai", "--check", "--diff"]).exits(0);
    assert!(check.stdout.lines().all(|line| line.starts_with("[check]")), "{}", check.stdout);
    inside_all(&HOSTS, "test ! -e /srv/base/motd; test ! -e /etc/systemd/system/base-demo.timer");

    let first = room.hlrun(&["base.rhai"]).exits(0);
    let recap = first.stdout.lines().skip_while(|line| !line.starts_with("PLAY RECAP")).skip(1);
    let recap: Vec<_> = recap.take(10).map(|line| line.split_once(':').expect("a recap line")).collect();
    assert_eq!(recap.iter().map(|(host, _)| host.trim()).collect::<Vec<_>>(), HOSTS);
    assert!(recap.iter().all(|(_, counts)| *counts == recap[0].1), "{recap:#?}");
    assert!(recap[0].1.contains("unreachable=0    failed=0    skipped=0    rescued=0    ignored=0"), "{recap:?}");
    let marks = |text: &str| text.matches("/srv/base/settings").count();
    assert!(marks(&first.stdout) <= 3, "the same on ten hosts is shown once:\n{}", super::lab::tail(&first.stdout));

    let found = inside_all(
        &HOSTS,
        "cd /srv/base; cat settings banner; cat /run/base-restarts; dpkg-query -W toy toydep;
        systemctl is-enabled base-demo.timer; systemctl is-active base-demo.timer; stat -c '%a %U %n' * | sort",
    );
    assert!(found.iter().all(|text| *text == found[0]), "{found:#?}");
    assert!(found[0].starts_with("a=1\nb=3\n# BEGIN"), "{}", found[0]);
    for (host, motd) in HOSTS.iter().zip(inside_all(&HOSTS, "cat /srv/base/motd")) {
        assert_eq!(motd, format!("{host} Debian True\n"));
    }

    let again = room.hlrun(&["base.rhai", "--json", "--detailed-exitcode"]).exits(0);
    assert!(again.records().iter().all(|record| record["status"] == "ok"), "{:#?}", again.records());
    inside_all(&HOSTS, "[ $(wc -l </run/base-restarts) = 1 ]");
}
