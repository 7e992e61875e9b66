//! Values that would like to be code, bytes that are no text, and a lot of them: every byte arrives, none
//! is run.

use super::lab::{HOSTS, Promise, Room, inside, literal};
use std::process::Command;

pub const PROMISES: &[Promise] = &[
    ("hostile: names of files are only names", names),
    ("hostile: contents, arguments, environment and input are only data", values),
    ("hostile: a tree of hostile names goes up and comes down", tree),
    ("hostile: output that is no text", no_text),
    ("hostile: 50 MB of output, nothing lost", much),
    ("hostile: ten hosts print at once, and every last byte arrives", at_once),
    ("hostile: 20 MB of bytes up and down, and none at all", bytes),
];

const VALUES: [&str; 28] = [
    "plain",
    "with space",
    " around ",
    "-rf",
    "--help",
    "q'uo\"te",
    "''",
    "new\nline",
    "newline at the end\n",
    "carriage\rreturn",
    "tab\ttab",
    "$(touch $CANARY /srv/canary)",
    "`touch /srv/canary`",
    "; touch /srv/canary #",
    "'; touch /srv/canary; '",
    "\"; touch /srv/canary; \"",
    "| touch /srv/canary &",
    "$HOME ${PATH} $1 $@",
    "~root",
    "*?[a-z]{a,b}",
    "back\\slash\\n\\",
    "%s %n %%",
    "{{ 7 * 7 }} {% raw %}",
    "!history ^caret",
    "ünï 日本 😀",
    "\u{1b}[31mred",
    "\u{7f}\u{1}",
    "...",
];

fn canary(host: &str) {
    inside(host, "test ! -e /srv/canary; test -z \"$(find / -xdev -name srvcanary)\"");
}

/// The values as a list of the language.
fn list(values: &[String]) -> String {
    format!("[{}]", values.iter().map(|value| literal(value)).collect::<Vec<_>>().join(", "))
}

/// The values that a file may be called.
fn file_names() -> Vec<String> {
    VALUES.iter().map(|value| value.replace('/', "")).collect()
}

fn names() {
    let room = Room::with(&["host01"]);
    inside("host01", "rm -rf /srv/hostile /srv/canary; mkdir /srv/hostile");
    let play = format!(
        r#"play("p", "all", |host| {{
            for v in {} {{
                file::directory(`/srv/hostile/${{v}}`);
                file::file(`/srv/hostile/${{v}}/${{v}}`, #{{ content: v }});
                file::line(`/srv/hostile/${{v}}/${{v}}`, #{{ line: "more" }});
                file::link(`/srv/hostile/${{v}}/l`, #{{ target: v }});
                if !file::stat(`/srv/hostile/${{v}}/${{v}}`).exists {{ print("not there"); }}
                shell::run(["true"], #{{ creates: `/srv/hostile/${{v}}` }});
            }}
        }});"#,
        list(&file_names())
    );
    let first = room.play(&play, &["--json"]).exits(0);
    assert_eq!(first.prints(), Vec::<String>::new());
    canary("host01");
    let found = inside("host01", "cd /srv/hostile; find . -mindepth 1 -printf '%P|%y|%l\\0' | sort -z");
    let mut expected: Vec<String> =
        file_names().iter().flat_map(|v| [format!("{v}|d|"), format!("{v}/{v}|f|"), format!("{v}/l|l|{v}")]).collect();
    let mut found: Vec<_> = found.split_terminator('\0').map(str::to_owned).collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    for v in file_names() {
        let end = if v.ends_with('\n') { "" } else { "\n" };
        assert!(first.records().iter().any(|r| r["subject"] == format!("/srv/hostile/{v}/{v}")), "{v:?}");
        let quoted = v.replace('\'', "'\\''");
        let content = inside("host01", &format!("cat -- '/srv/hostile/{quoted}/{quoted}'"));
        assert_eq!(content, format!("{v}{end}more\n"));
    }
    let gone = format!(
        "play(\"p\", \"all\", |host| {{ for v in {} {{ file::absent(`/srv/hostile/${{v}}`); }} }});",
        list(&file_names())
    );
    room.play(&gone, &["--json"]).exits(0);
    assert_eq!(inside("host01", "ls -A /srv/hostile"), "");
    canary("host01");
}

fn values() {
    let room = Room::with(&["host01"]);
    inside("host01", "rm -rf /srv/hostile /srv/canary; mkdir /srv/hostile");
    room.write("echo.sh", "printf '%s|' \"$@\" \"$V\"\n");
    let play = format!(
        r#"play("p", "all", |host| {{
            let n = 0;
            for v in {} {{
                n += 1;
                shell::run(["printf", "%s", v]);
                shell::run("printf %s \"$V\"", #{{ env: #{{ V: v }} }});
                shell::run(["cat"], #{{ stdin: v }});
                shell::run("cat", #{{ stdin: v, cwd: "/srv" }});
                shell::script("echo.sh", #{{ args: [v, v], env: #{{ V: v }} }});
                within(#{{ become: "admin", env: #{{ V: v }} }}, || shell::run(["sh", "-c", "printf %s \"$V\""]));
                file::file(`/srv/hostile/${{n}}`, #{{ template: "t.j2", vars: #{{ v: v }} }});
            }}
        }});"#,
        list(&VALUES.map(str::to_owned))
    );
    room.write("t.j2", "{{ v }}");
    let done = room.play(&play, &["--json"]).exits(0);
    let records = done.records();
    for (v, records) in VALUES.iter().zip(records.chunks(7)) {
        for (what, record) in ["argument", "env", "stdin", "stdin of a line"].iter().zip(records) {
            assert_eq!(record["stdout"].as_str().unwrap_or_default(), *v, "{what}");
        }
        assert_eq!(records[4]["stdout"], format!("{v}|{v}|{v}|"), "script");
        assert_eq!(records[5]["stdout"], *v, "env as another user");
    }
    for (n, v) in (1..).zip(VALUES) {
        assert_eq!(inside("host01", &format!("cat /srv/hostile/{n}")), v, "template");
    }
    canary("host01");
}

fn tree() {
    let room = Room::with(&["host01"]);
    inside("host01", "rm -rf /srv/hostile /srv/canary; mkdir /srv/hostile");
    for v in file_names() {
        room.write(&format!("site/{v}/{v}"), &v);
    }
    let play = format!(
        r#"play("p", "all", |host| {{
            file::tree("/srv/hostile/t", #{{ src: "site", delete: true }});
            for v in {} {{ file::fetched(`/srv/hostile/t/${{v}}/${{v}}`, #{{ dest: `down/${{v}}/` }}); }}
        }});"#,
        list(&file_names())
    );
    room.play(&play, &["--json"]).exits(0);
    for v in file_names() {
        assert_eq!(std::fs::read(room.path(&format!("down/{v}/{v}"))).expect("what came down"), v.as_bytes(), "{v:?}");
    }
    canary("host01");
    let again = room.play(&play, &["--json"]).exits(0);
    assert_eq!(again.stat("host01", "changed"), 0);
}

fn no_text() {
    let room = Room::with(&["host01"]);
    let done = room.play(
        r#"play("p", "all", |host| {
            let r = shell::run(["printf", "a\\377\\376b\\000c\\n\\303"]);
            print(r.stdout.len() > 4);
            shell::run("printf 'err\\377' >&2; exit 3", #{ ok_codes: [3] });
            shell::run("head -c 100000 /dev/urandom; head -c 100000 /dev/urandom >&2");
            shell::run(["printf", "no newline"]);
            shell::run("exec >&- 2>&-; true");
        });"#,
        &["--json"],
    );
    let done = done.exits(0);
    assert_eq!(done.records()[0]["stdout"], "a\u{fffd}\u{fffd}b\0c\n\u{fffd}");
    assert_eq!(done.records()[1]["stderr"], "err\u{fffd}");
    assert_eq!(done.records()[3]["stdout"], "no newline");
    room.hlrun(&["show", "last"]).exits(0);
}

fn much() {
    let room = Room::with(&["host01"]);
    let done = room.play(
        r#"play("p", "all", |host| {
            let r = shell::run("yes 0123456789012345678901234567890123456789012345678 | head -n 1000000");
            print(`${r.stdout.len()} ${r.lines.len()}`);
            let one = shell::run("head -c 50000000 /dev/zero | tr '\\0' x");
            print(`one ${one.stdout.len()}`);
            let both = shell::run("yes err | head -c 20000000 >&2; yes out | head -c 20000000");
            print(`${both.stdout.len()} ${both.stderr.len()}`);
        });"#,
        &[],
    );
    let done = done.exits(0).says("49999999 1000000").says("one 50000000").says("19999999 19999999");
    assert!(done.peak_kb < 1_500_000, "hlrun took {} MB for 50 MB of output", done.peak_kb / 1024);
    let mut bytes = [0; 2];
    for line in room.kept().lines().filter(|line| line.contains("\"event\":\"task.output\"")) {
        let event: serde_json::Value = serde_json::from_str(line).expect("an event");
        bytes[usize::from(event["stream"] == "stderr")] += event["text"].as_str().expect("text").len() + 1;
    }
    assert!(bytes[0].abs_diff(120_000_000) < 10 && bytes[1].abs_diff(20_000_000) < 10, "in the journal: {bytes:?}");
}

fn at_once() {
    let room = Room::with(&HOSTS);
    let play = r#"play("p", "all", |host| {
        for round in 0..5 {
            let long = shell::run("yes 0123456789012345678901234567890123456789012345678 | head -n 100000");
            if long.stdout.len() != 4999999 { throw `only ${long.stdout.len()} bytes in round ${round}`; }
            if shell::run("printf x").stdout != "x" { throw `nothing in round ${round}`; }
        }
    });"#;
    room.play(play, &["--json", "--forks", "10"]).exits(0);
}

fn bytes() {
    let room = Room::with(&["host01"]);
    inside("host01", "rm -rf /srv/hostile; mkdir /srv/hostile");
    let sum = |path: &std::path::Path| {
        let out = Command::new("sha256sum").arg("-b").arg(path).output().expect("sha256sum");
        String::from_utf8_lossy(&out.stdout).split(' ').next().expect("a digest").to_owned()
    };
    let made = Command::new("dd")
        .args(["if=/dev/urandom", "of=big", "bs=1M", "count=20", "status=none"])
        .current_dir(room.path("."))
        .status();
    assert!(made.expect("dd").success());
    room.write("none", "");
    let play = r#"play("p", "all", |host| {
        for name in ["big", "none"] {
            file::file(`/srv/hostile/${name}`, #{ src: name, mode: "0600" });
            file::fetched(`/srv/hostile/${name}`, #{ dest: "down/" });
        }
        file::file("/srv/hostile/empty", #{ content: "" });
    });"#;
    let done = room.play(play, &["--json"]).exits(0);
    assert_eq!(done.stat("host01", "changed"), 5);
    assert!(done.peak_kb < 300_000, "hlrun took {} MB for a file of 20 MB", done.peak_kb / 1024);
    let there = inside(
        "host01",
        "sha256sum </srv/hostile/big; stat -c %s%a /srv/hostile/none /srv/hostile/empty; ls -A /srv/hostile",
    );
    assert_eq!(there, format!("{}  -\n0600\n0644\nbig\nempty\nnone\n", sum(&room.path("big"))));
    assert_eq!(sum(&room.path("big")), sum(&room.path("down/big")));
    assert_eq!(std::fs::read(room.path("down/none")).expect("an empty file"), b"");
    assert_eq!(room.play(play, &["--json"]).exits(0).stat("host01", "changed"), 0);
}
