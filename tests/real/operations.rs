//! Every operation, on one host (`HLRUN_LAB_HOSTS` says how many, up to ten): checked, applied, applied again. Check
//! mode changes nothing and predicts exactly what is changed; what is applied stays applied; what is undone is as it
//! was, and an undo can be undone.

use super::lab::{
    DNF, DOCKER, HOSTS, PACMAN, PYTHON, Promise, Room, Undo, docker, fedoras, flavoured, inside_all, toys,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use stdlib::contract::Role;

pub const PROMISES: &[Promise] = &[("operations: none is left out here", complete)];

/// One promise for each file of rows.
pub fn promises() -> Vec<(String, impl Fn() + Send + 'static)> {
    let promise = |script: Script| {
        let name = format!("operations: {} end as check mode predicts, and stay", script.title);
        (name, move || perform(&script))
    };
    scripts().into_iter().map(promise).collect()
}

/// A file `rows/NAME.rows`. Its head says, one line each and as often as need be: `title:` what it is about;
/// `uses: toys` if it needs the packages of the toy repository; `on: KIND` for one host that has python, dnf, pacman or docker instead
/// of the ten, or `on: four` of them where the work is the hosts' own and slow; `clean:` a line of the script that takes back
/// on a host what its rows leave there; `print:` a line of the script that prints what they could change, where
/// [`FINGERPRINT`] does not; `noise: PATTERN (WHY)` lines that no way back restores, as a regular expression, and why that breaks
/// no promise; `undo:` why going back is left out. Scenes are parted by `---`: rows that depend on each other are in scenes apart.
struct Script {
    module: String,
    title: String,
    toys: bool,
    hosts: &'static [&'static str],
    clean: String,
    print: String,
    noise: Vec<regex::Regex>,
    /// Whether what was done is undone, and that too.
    undone: bool,
    scenes: Vec<Vec<Row>>,
}

/// One use of an operation: `## name`, `$ what makes the host ready` (in `/srv/real/NAME`, which is `d` in
/// the playbook), the playbook.
struct Row {
    name: String,
    before: String,
    does: String,
}

fn scripts() -> Vec<Script> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/rows");
    let mut files: Vec<_> = std::fs::read_dir(dir).expect(dir).map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let groups: Vec<_> = HOSTS.chunks_exact(width()).collect();
    files.iter().zip(groups.iter().cycle()).map(|(path, hosts)| script(path, hosts)).collect()
}

/// `hosts` are those to take where it names none.
fn script(path: &Path, hosts: &'static [&'static str]) -> Script {
    let text = std::fs::read_to_string(path).unwrap();
    let (head, scenes) = text.split_once("\n\n").expect("a head and an empty line");
    let all = |key: &str| -> Vec<&str> {
        head.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(": ")).collect()
    };
    let known = ["title", "uses", "on", "clean", "print", "noise", "undo"];
    let odd = head.lines().find(|line| known.iter().all(|key| !line.starts_with(&format!("{key}: "))));
    assert_eq!(odd, None, "{}: unknown in its head", path.display());
    Script {
        module: path.file_stem().unwrap().to_string_lossy().into_owned(),
        title: all("title").join(" "),
        toys: all("uses").contains(&"toys"),
        hosts: match all("on")[..] {
            [] => hosts,
            ["python"] => &PYTHON,
            ["dnf"] => &DNF,
            ["pacman"] => &PACMAN,
            ["docker"] => &DOCKER[..1],
            ref other => panic!("{}: there is no host `{other:?}`", path.display()),
        },
        clean: all("clean").join("\n"),
        print: all("print").join("\n"),
        noise: all("noise").iter().map(|line| noise(line)).collect(),
        undone: all("undo").is_empty(),
        scenes: scenes.split("---\n").map(rows).collect(),
    }
}

/// On how many of the plain hosts an operation is tried: they are alike, and each costs as much as the first.
fn width() -> usize {
    let wanted = std::env::var("HLRUN_LAB_HOSTS").map(|text| text.parse().expect("HLRUN_LAB_HOSTS: a number"));
    wanted.unwrap_or(1).clamp(1, HOSTS.len())
}

fn noise(line: &str) -> regex::Regex {
    let (pattern, why) = line.split_once(" (").expect("a pattern and, in parentheses, why");
    assert!(why.ends_with(')') && why.len() > 20, "why is {pattern} noise?");
    regex::Regex::new(pattern).expect("a pattern")
}

fn rows(text: &str) -> Vec<Row> {
    let row = |text: &str| {
        let (name, rest) = text.split_once('\n').expect("a row");
        let (before, does): (Vec<_>, Vec<_>) = rest.lines().partition(|line| line.starts_with("$ "));
        let before = before.iter().map(|line| format!("{}\n", &line[2..])).collect();
        Row { name: name.to_owned(), before, does: does.join("\n") }
    };
    text.split("## ").skip(1).map(row).collect()
}

const UNIT: &str = r#"
unit_in() { mkdir -p $1; printf '[Service]\nExecStart=/bin/sleep inf\nExecReload=/bin/true\n[Install]\nWantedBy=multi-user.target\n' >$1/real-$2.service; }
unit() { unit_in /etc/systemd/system $1; }
wheels() { # toy 1.0 needs nothing, toy 2.0 needs helper
    python3 - <<'PY'
import zipfile
for name, version, needs in ("toy", "1.0", ""), ("toy", "2.0", "Requires-Dist: helper\n"), ("helper", "0.5", ""):
    with zipfile.ZipFile(f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        info, say = f"{name}-{version}.dist-info", wheel.writestr
        say(f"{name}.py", f"version = '{version}'\n")
        say(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
        say(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: me\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        say(f"{info}/RECORD", "")
PY
}
environment() { # a virtual environment: made once, as that takes long
    [ -d /srv/real/made ] || python3 -m venv /srv/real/made
    cp -a /srv/real/made venv; sed -i "1s|.*|#!$PWD/venv/bin/python3|" venv/bin/pip*
}
stack() { # of two services, from an image without a registry
    [ -n "$(docker images -q toy:1)" ] || { mkdir -p /tmp/toy/bin; cp /bin/busybox /tmp/toy/bin; tar -C /tmp/toy -c . | docker import -c 'CMD ["/bin/busybox","sleep","inf"]' - toy:1; rm -rf /tmp/toy; }
    printf 'name: %s\nservices:\n  web: { image: "toy:1", environment: { A: one }, init: true, volumes: ["data:/data"], stop_grace_period: 1s }\n  db: { image: "toy:1", init: true, stop_grace_period: 1s }\n  more: { image: "toy:1", init: true, profiles: [extra], stop_grace_period: 1s }\nvolumes: { data: }\n' "$1" >compose.yaml
}
commit() { echo $1 >>work/file; git -C work add file; git -C work commit -qm $1; git -C work push -q ../app.git main; }
repository() {
    export GIT_AUTHOR_NAME=me GIT_AUTHOR_EMAIL=me GIT_COMMITTER_NAME=me GIT_COMMITTER_EMAIL=me
    rm -rf work; git init -q --bare -b main app.git; git init -q -b main work
    commit one; git -C work tag v1; commit two; git -C work push -q ../app.git main:next v1
}
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
    grep -v '^/tmp/systemd-private\|^/tmp/runc-process\|^/tmp|' | sort
LC_ALL=C find /srv /etc -xdev -type f -exec sha256sum {} + | sort
dpkg -l; apt-mark showhold; apt-mark showauto
systemctl list-unit-files --no-legend --plain | grep -v '^docker-.*scope'
systemctl list-units --all --no-legend --plain 'real-*' 'toy*'
"#;

/// The same, without what no way back restores: times, what apt keeps for itself, backups that a playbook asked
/// for, a user's directory of settings that was made for the first of them, that a unit had failed, the order of
/// lines and members in the files of accounts and the copies that their tools keep, and what actions have started (`real-a1`...).
const STATE: &str = r#"
LC_ALL=C find /srv /etc /root /home /tmp /usr/local -xdev -printf '%p|%y%m|%u:%g|%l\n' |
    grep -v '^/tmp/systemd-private\|^/tmp/runc-process\|^/tmp|\|^/tmp/crontab[.]\|~|f\|^/home/admin/.config|\|^/etc/[a-z]*-|' | sort
LC_ALL=C find /srv /etc -xdev -type f ! -name '*~' ! -path '/etc/[a-z]*-' ! -regex '/etc/\(passwd\|shadow\|g\(roup\|shadow\)\|sub[ug]id\)' -exec sha256sum {} + | sort
for f in passwd shadow subuid subgid; do sort /etc/$f | sed "s/^/$f: /"; done
awk -F: '{ f = substr(FILENAME, 6); print f, $1, $2, $3; for (n = split($4, m, ","); n; n--) print f, "with", $1, m[n] }' /etc/group /etc/gshadow | sort
dpkg -l; apt-mark showhold; apt-mark showauto
systemctl list-unit-files --no-legend --plain | grep -v '^docker-.*scope'
systemctl list-units --all --no-legend --plain 'real-*' 'toy*' | grep -v ' failed \|^real-a[0-9]' | awk '{ print $1, $3 }'
"#;

/// Check, apply, apply again, undo, undo that, scene by scene, on all hosts.
fn perform(script: &Script) {
    if script.hosts == PYTHON {
        flavoured(PYTHON[0], "python");
    } else if script.hosts == DNF {
        fedoras();
    } else if script.hosts == PACMAN {
        flavoured(PACMAN[0], "pacman");
    }
    let room = Room::with(script.hosts);
    if script.hosts == &DOCKER[..1] {
        docker("one");
    }
    let clean = || {
        inside_all(script.hosts, &format!("{CLEAN}{}", script.clean));
        if script.toys {
            toys(script.hosts);
            inside_all(script.hosts, "echo 1 >/etc/toyslow");
        }
    };
    let _clean = Undo(clean);
    for rows in &script.scenes {
        clean();
        rehearse(&room, script, rows);
    }
}

fn rehearse(room: &Room, script: &Script, rows: &[Row]) {
    let Script { module, print, hosts, .. } = script;
    let before = rows.iter().map(|row| format!("mkdir -p /srv/real/{0}; cd /srv/real/{0}\n{1}", row.name, row.before));
    inside_all(hosts, &format!("set -e\n{UNIT}{}", before.collect::<String>()));
    stock(room);
    let tasks = rows.iter().map(|Row { name, does, .. }| {
        format!("    task(\"{name}\", || {{ let d = \"/srv/real/{name}\"; {does} }});\n")
    });
    room.write("scene.rhai", format!("play(\"{module}\", \"all\", |host| {{\n{}}});\n", tasks.collect::<String>()));

    let print = || inside_all(hosts, &format!("{FINGERPRINT}{print}"));
    // What only runs, and rows that are marked, have no way back: what is theirs may stay.
    let actions = offered(Role::Action);
    let entries = stdlib::modules().iter().flat_map(|module| &module.entries);
    let no_return: Vec<String> =
        entries.filter(|e| e.role != Role::Fact && !e.reversible).map(|e| format!("{}(", e.path())).collect();
    let one_way = |row: &&Row| row.name.ends_with("-oneway") || no_return.iter().any(|call| row.does.contains(call));
    let stays: Vec<String> = rows.iter().filter(one_way).map(|row| format!("/srv/real/{}", row.name)).collect();
    let other = |line: &&str| {
        !stays.iter().any(|s| line.contains(s.as_str())) && !script.noise.iter().any(|noise| noise.is_match(line))
    };
    let kept = |text: &str| text.lines().filter(other).map(|l| format!("{l}\n")).collect();
    let state = || {
        inside_all(hosts, &format!("{STATE}{}", script.print)).iter().map(|text| kept(text)).collect::<Vec<String>>()
    };
    let untouched = state();
    let (before, here) = (print(), fetched(room));
    let check = room.hlrun(&["scene.rhai", "--json", "--check"]).exits(0);
    for ((host, before), after) in hosts.iter().zip(&before).zip(print()) {
        assert_eq!(difference(before, &after), "", "check mode changed {host}");
    }
    assert_eq!(here, fetched(room), "check mode changed the controller");

    let is_action = |record: &Value| actions.contains(record["operation"].as_str().expect("an operation"));
    let apply = room.hlrun(&["scene.rhai", "--json"]).exits(0);
    let (predicted, made) = (check.records(), apply.records());
    assert_eq!(made.len(), rows.len() * hosts.len(), "records");
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

    if !script.undone {
        return;
    }
    let run = apply.events()[0]["run"].as_str().expect("a run").to_owned();
    let applied = state();
    room.hlrun(&["undo", &run, "--yes", "--json"]).exits(0);
    same("undone", &untouched, &state());
    room.hlrun(&["undo", "last", "--yes", "--json"]).exits(0);
    same("the undo undone", &applied, &state());
}

#[track_caller]
fn same(what: &str, wanted: &[String], found: &[String]) {
    for (host, (wanted, found)) in wanted.iter().zip(found).enumerate() {
        assert_eq!(difference(wanted, found), "", "{what}: host {} is not as it was", host + 1);
    }
}

fn brief(record: &Value) -> String {
    let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
    format!("{} {} {} {} at {}", text("host"), text("task"), text("operation"), text("subject"), record["at"])
}

/// The controller's files that the rows name.
fn stock(room: &Room) {
    room.write("text.txt", "some text: ü\n");
    room.write(
        "keys.pub",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g me@laptop\n",
    );
    room.write("binary", (0..=255).collect::<Vec<u8>>());
    room.write("facts.j2", "{{ ansible_facts.hostname }} {{ ansible_os_family }} {{ inventory_hostname }}\n{% for n in names | sort %}\n- {{ n }}\n{% endfor %}\n");
    room.write("timer.j2", "[Timer]\nOnCalendar={{ when }}\n[Install]\nWantedBy=timers.target\n");
    room.write("tree/top", "top\n");
    room.write("tree/empty", "");
    room.write("some.tar", some_tar());
    room.write("tree/a b/ü'\"$(x)", "hostile name\n");
    room.write("tree/a b/binary", [0, 255, 10, 13]);
    room.executable("tree/bin/run", "#!/bin/sh\n");
    for host in HOSTS {
        room.write(&format!("fetched/{host}/old"), "of the controller\n");
    }
}

/// A tar archive of one file, `top`.
fn some_tar() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    header.set_mode(0o644);
    tar.append_data(&mut header, "top", &b"top\n"[..]).expect("a tar archive");
    tar.into_inner().expect("a tar archive")
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

/// What hlrun has of a kind.
fn offered(role: Role) -> BTreeSet<String> {
    let entries = stdlib::modules().iter().flat_map(|module| &module.entries);
    entries.filter(|entry| entry.role == role).map(|entry| entry.path()).collect()
}

fn complete() {
    let rows: Vec<Row> = scripts().into_iter().flat_map(|script| script.scenes).flatten().collect();
    let left_out = |operation: &String| !rows.iter().any(|row| row.does.contains(&format!("{operation}(")));
    let left_out: Vec<_> = offered(Role::Operation).into_iter().filter(left_out).collect();
    assert!(left_out.is_empty(), "without a row: {left_out:?}");
}
