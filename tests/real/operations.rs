//! Every operation on ten hosts: checked, applied, applied again. Check mode changes nothing and predicts
//! exactly what is changed; what is applied stays applied.

use super::lab::{HOSTS, Promise, Room, Undo, inside_all, toys};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub const PROMISES: &[Promise] = &[
    ("operations: files end as check mode predicts, and stay", || scene("file", FILES)),
    ("operations: units end as check mode predicts, and stay", || scene("systemd", UNITS)),
    ("operations: units of a user end as check mode predicts, and stay", || scene("user", USER)),
    ("operations: packages end as check mode predicts, and stay", packages),
    ("operations: none is left out here", complete),
];

/// One use of an operation: `## name`, `$ what makes the host ready` (in `/srv/real/NAME`, which is `d` in
/// the playbook), the playbook. Rows that depend on each other are in scenes apart, with `---` between them.
#[derive(Clone)]
struct Row {
    name: &'static str,
    before: String,
    does: String,
}

const FILES: &str = include_str!("file.rows");
const UNITS: &str = include_str!("systemd.rows");
const USER: &str = include_str!("user.rows");
const PACKAGES: &str = include_str!("apt.rows");

fn rows(text: &'static str) -> Vec<Row> {
    let row = |text: &'static str| {
        let (name, rest) = text.split_once('\n').expect("a row");
        let lines = rest.lines().filter(|line| *line != "---");
        let (before, does): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with("$ "));
        let before = before.iter().map(|line| format!("{}\n", &line[2..])).collect();
        Row { name, before, does: does.join("\n") }
    };
    text.split("## ").skip(1).map(row).collect()
}

const UNIT: &str = r#"
unit_in() { mkdir -p $1; printf '[Service]\nExecStart=/bin/sleep inf\nExecReload=/bin/true\n[Install]\nWantedBy=multi-user.target\n' >$1/real-$2.service; }
unit() { unit_in /etc/systemd/system $1; }
"#;

const CLEAN: &str = r#"
systemctl -q stop 'real-*' "user@$(id -u admin)" 2>/dev/null; systemctl reset-failed 'real-*' 2>/dev/null
rm -rf /srv/real /etc/systemd/system/real-* /etc/systemd/system/*/real-* /usr/local/lib/systemd /home/admin/.config
rm -f /etc/apt/sources.list.d/real* /etc/apt/keyrings/real*
systemctl daemon-reload
"#;

/// Everything of a host that an operation could change.
const FINGERPRINT: &str = r#"
LC_ALL=C find /srv /etc /root /home /tmp /usr/local /var/lib/dpkg/info /var/lib/apt/lists -xdev -printf '%p|%y%m|%u:%g|%s|%T@|%l\n' |
    grep -v '^/tmp/systemd-private\|^/tmp|' | sort
LC_ALL=C find /srv /etc -xdev -type f -exec sha256sum {} + | sort
dpkg -l; apt-mark showhold; apt-mark showauto
systemctl list-unit-files --no-legend --plain
systemctl list-units --all --no-legend --plain 'real-*' 'toy*'
"#;

/// Check, apply, apply again, on all hosts.
fn scene(module: &str, text: &'static str) {
    let room = Room::with(&HOSTS);
    let _clean = Undo(|| drop(inside_all(&HOSTS, CLEAN)));
    for text in text.split("---\n") {
        inside_all(&HOSTS, CLEAN);
        rehearse(&room, module, &rows(text));
    }
}

fn rehearse(room: &Room, module: &str, rows: &[Row]) {
    let before = rows.iter().map(|row| format!("mkdir -p /srv/real/{0}; cd /srv/real/{0}\n{1}", row.name, row.before));
    inside_all(&HOSTS, &format!("set -e\n{UNIT}{}", before.collect::<String>()));
    stock(room);
    let tasks = rows.iter().map(|Row { name, does, .. }| {
        format!("    task(\"{name}\", || {{ let d = \"/srv/real/{name}\"; {does} }});\n")
    });
    room.write("scene.rhai", format!("play(\"{module}\", \"all\", |host| {{\n{}}});\n", tasks.collect::<String>()));

    let print = || inside_all(&HOSTS, FINGERPRINT);
    let (before, here) = (print(), fetched(room));
    let check = room.hlrun(&["scene.rhai", "--json", "--check"]).exits(0);
    for ((host, before), after) in HOSTS.iter().zip(&before).zip(print()) {
        assert_eq!(difference(before, &after), "", "check mode changed {host}");
    }
    assert_eq!(here, fetched(room), "check mode changed the controller");

    let actions = actions(room);
    let is_action = |record: &Value| actions.contains(record["operation"].as_str().expect("an operation"));
    let apply = room.hlrun(&["scene.rhai", "--json"]).exits(0);
    let (predicted, made) = (check.records(), apply.records());
    assert_eq!(made.len(), rows.len() * HOSTS.len(), "records");
    let unknown = predicted.iter().filter(|r| r["status"] == "unknown" && !is_action(r)).map(brief).collect::<Vec<_>>();
    assert!(unknown.is_empty(), "operations that check mode does not know: {unknown:#?}");
    let only = |records: &[Value], status: &str| -> BTreeMap<String, String> {
        let chosen = records.iter().filter(|r| r["status"] == status && !is_action(r));
        chosen.map(|r| (brief(r), r["diff"].to_string())).collect()
    };
    let (predicted, made) = (only(&predicted, "would_change"), only(&made, "changed"));
    let differ: Vec<_> = predicted
        .keys()
        .chain(made.keys())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .filter(|key| predicted.get(*key) != made.get(*key))
        .map(|key| format!("{key}\n  predicted {:?}\n  made      {:?}", predicted.get(key), made.get(key)))
        .collect();
    assert!(
        differ.is_empty(),
        "{} of {} differ:\n{}",
        differ.len(),
        made.len(),
        differ[..differ.len().min(4)].join("\n")
    );

    let again = room.hlrun(&["scene.rhai", "--json"]).exits(0).records();
    let changed: Vec<_> = again.iter().filter(|r| r["status"] == "changed" && !is_action(r)).map(brief).collect();
    assert!(changed.is_empty(), "changed a second time: {changed:#?}");
}

fn brief(record: &Value) -> String {
    let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
    format!("{} {} {} {} at {}", text("host"), text("task"), text("operation"), text("subject"), record["at"])
}

fn packages() {
    let room = Room::with(&HOSTS);
    let _clean = Undo(|| {
        inside_all(&HOSTS, CLEAN);
        toys(&HOSTS);
    });
    for text in PACKAGES.split("---\n") {
        inside_all(&HOSTS, CLEAN);
        toys(&HOSTS);
        rehearse(&room, "apt", &rows(text));
    }
}

/// The controller's files that the rows name.
fn stock(room: &Room) {
    room.write("text.txt", "some text: ü\n");
    room.write("binary", (0..=255).collect::<Vec<u8>>());
    room.write("facts.j2", "{{ ansible_facts.hostname }} {{ ansible_os_family }} {{ inventory_hostname }}\n{% for n in names | sort %}\n- {{ n }}\n{% endfor %}\n");
    room.write("timer.j2", "[Timer]\nOnCalendar={{ when }}\n[Install]\nWantedBy=timers.target\n");
    room.write("tree/top", "top\n");
    room.write("tree/empty", "");
    room.write("tree/a b/ü'\"$(x)", "hostile name\n");
    room.write("tree/a b/binary", [0, 255, 10, 13]);
    room.executable("tree/bin/run", "#!/bin/sh\n");
    for host in HOSTS {
        room.write(&format!("fetched/{host}/old"), "of the controller\n");
    }
}

fn fetched(room: &Room) -> Vec<(String, Vec<u8>)> {
    let files = HOSTS.iter().flat_map(|host| ["a", "old"].map(|name| format!("fetched/{host}/{name}")));
    files
        .map(|name| {
            let content = std::fs::read(room.path(&name)).unwrap_or_default();
            (name, content)
        })
        .collect()
}

fn difference(a: &str, b: &str) -> String {
    let (a, b): (BTreeSet<_>, BTreeSet<_>) = (a.lines().collect(), b.lines().collect());
    let gone = a.difference(&b).map(|line| format!("- {line}\n"));
    gone.chain(b.difference(&a).map(|line| format!("+ {line}\n"))).collect()
}

/// What hlrun has, by what its documentation says of it.
fn documented(room: &Room, role: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for module in ["file", "apt", "systemd", "shell"] {
        let list = room.hlrun(&["docs", module]).exits(0).stdout;
        let names =
            list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).filter(|w| w.contains("::"));
        for name in names {
            if room.hlrun(&["docs", name]).exits(0).stdout.contains(role) {
                found.insert(name.to_owned());
            }
        }
    }
    found
}

fn actions(room: &Room) -> BTreeSet<String> {
    documented(room, "\n(action: ")
}

fn complete() {
    let room = Room::with(&[]);
    let rows: Vec<Row> = [FILES, UNITS, PACKAGES].into_iter().flat_map(rows).collect();
    for operation in documented(&room, "\n(operation: ") {
        assert!(rows.iter().any(|row| row.does.contains(&format!("{operation}("))), "no row for {operation}");
    }
}
