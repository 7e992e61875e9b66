//! What the words of a playbook and the flags of the command line mean.

use super::lab::{Done, Promise, Room, inside};
use serde_json::{Value, json};
use std::time::Duration;

pub const PROMISES: &[Promise] = &[
    ("semantics: batches: sizes, percentages, lists; a failed batch is the last", batches),
    ("semantics: max_fail_percentage", max_fail),
    ("semantics: any_errors_fatal", any_errors_fatal),
    ("semantics: two plays are a rendezvous; a failed host is left out of the second", rendezvous),
    ("semantics: --limit", limit),
    ("semantics: check mode builds upon what it has foretold of paths", foretold),
    ("semantics: what nobody can foretell is unknown, not as it is now", unforeseen),
    ("semantics: --tags, --skip-tags, --start-at-task, --list-*", tags),
    ("semantics: handlers run once per host, at the end or at flush()", handlers),
    ("semantics: a handler that was not reached is owed, paid by the next run, once", owed),
    ("semantics: on() acts elsewhere and brings results back", delegation),
    ("semantics: try/catch rescues, ignore_errors ignores, and the recap says so", failures),
    ("semantics: retries and until", retries),
    ("semantics: within() sets environment, directory and time", scopes),
    ("semantics: creates, removes, ok_codes, unchanged_codes", needs),
    ("semantics: parameters are flags", parameters),
    ("semantics: exit codes", exit_codes),
    ("semantics: what is written wrong touches no host, and all of it is said", written_wrong),
    ("semantics: --json is what the journal keeps, and runs and show know it", journal),
    ("semantics: exec", exec),
    ("semantics: variables and facts in templates", templates),
];

/// Six names for three hosts.
fn six() -> Room {
    let room = Room::with(&["host08", "host09", "host10"]);
    let names = [("a", "host08"), ("b", "host08"), ("c", "host09"), ("d", "host09"), ("e", "host10"), ("f", "host10")];
    room.inventory(&names.map(|(name, host)| (name, host, "root")));
    room
}

fn one() -> Room {
    Room::with(&["host08"])
}

fn batch_hosts(done: &Done) -> Vec<Value> {
    done.named("batch.start").into_iter().map(|event| event["hosts"].clone()).collect()
}

fn batches() {
    let room = six();
    let play = |serial: &str, body: &str| {
        room.play(&format!("play(\"p\", \"all\", #{{ serial: {serial} }}, |host| {{ {body} }});"), &["--json"])
    };
    let all = |serial: &str| batch_hosts(&play(serial, "print(host.name);").exits(0));
    assert_eq!(all("2"), [json!(["a", "b"]), json!(["c", "d"]), json!(["e", "f"])]);
    assert_eq!(all("\"50%\""), [json!(["a", "b", "c"]), json!(["d", "e", "f"])]);
    assert_eq!(all("[1, \"50%\"]"), [json!(["a"]), json!(["b", "c", "d"]), json!(["e", "f"])]);
    assert_eq!(all("[1, 10]"), [json!(["a"]), json!(["b", "c", "d", "e", "f"])]);
    let fail = |hosts: &str| {
        batch_hosts(&play("2", &format!("if {hosts}.contains(host.name) {{ shell::run(\"exit 1\"); }}")).exits(2))
    };
    assert_eq!(fail("[\"a\", \"b\"]").len(), 1, "all of the first batch failed");
    assert_eq!(fail("[\"a\", \"c\"]").len(), 3, "one of each batch may fail");
}

fn max_fail() {
    let room = six();
    let batches = |percent: &str, failing: &str| {
        let play = format!(
            "play(\"p\", \"all\", #{{ serial: 3, max_fail_percentage: {percent} }}, |host| {{
                if {failing}.contains(host.name) {{ shell::run(\"exit 1\"); }} }});
             play(\"q\", \"all\", |host| {{ print(\"second\"); }});"
        );
        let done = room.play(&play, &["--json"]).exits(2);
        (batch_hosts(&done).len(), done.prints().len())
    };
    assert_eq!(batches("30", "[\"a\"]"), (1, 0), "a third is more than 30 %");
    assert_eq!(batches("34", "[\"a\"]").1, 5, "a third is not more than 34 %");
    assert_eq!(batches("0", "[\"d\"]").1, 0, "none may fail");
}

fn any_errors_fatal() {
    let room = six();
    let play = r#"
        play("p", "all", #{ any_errors_fatal: true, serial: 3 }, |host| { if host.name == "b" { shell::run("exit 1"); } });
        play("q", "all", |host| { print("second"); });"#;
    let done = room.play(play, &["--json"]).exits(2);
    assert_eq!(batch_hosts(&done), [json!(["a", "b", "c"])]);
    assert!(done.prints().is_empty());
}

fn rendezvous() {
    let room = six();
    let play = r#"
        play("p", "all", |host| { if host.name == "b" { shell::run("exit 1"); } shell::run("true"); });
        play("q", "all:!f", |host| { print(host.name); shell::run("true"); });"#;
    let done = room.play(play, &["--json"]).exits(2);
    assert_eq!(done.prints(), ["a", "c", "d", "e"]);
    let at = |name: &str, play: &str| {
        let of = |event: &&Value| event["event"] == name && event["play"] == play;
        done.events().iter().filter(of).map(|event| event["seq"].as_u64().expect("seq")).max().expect("an event")
    };
    assert!(at("host.end", "p") < at("play.start", "q"));
}

fn limit() {
    let room = six();
    let play = r#"play("p", "all", |host| { print(host.name); });"#;
    let hosts = |limit: &str| room.play(play, &["--json", "-l", limit]).exits(0).prints();
    assert_eq!(hosts("a,c"), ["a", "c"]);
    assert_eq!(hosts("all:!a:!b"), ["c", "d", "e", "f"]);
    assert_eq!(hosts("~[ef]"), ["e", "f"]);
    assert_eq!(hosts("all[1:2]"), ["b", "c"]);
    room.play(play, &["-l", "hostt"]).exits(1).says("hostt");
}

fn foretold() {
    let edits = r#"
        for name in ["old", "new"] {
            let path = `/srv/built/${name}`;
            file::file(path, #{ content: "one\n", mode: "0600" });
            file::line(path, #{ line: "two" });
            file::replaced(path, #{ regexp: "^one$", replacement: "1" });
            file::line(path, #{ line: "three", mode: "0640" });
            file::file(path, #{ mode: "0644" });
            file::block(path, #{ block: "four" });
        }"#;
    let again = r#"
        let path = "/srv/built/old";
        file::absent(path);
        file::absent(path);
        file::link(path, #{ target: "/srv/built/dir/kept" });
        file::absent("/srv/built/dir");
        file::directory("/srv/built/dir/below", #{ mode: "0750" });
        file::directory("/srv/built/dir");
        file::directory("/srv/built/dir/more");
        file::file("/srv/built/dir/kept", #{ content: "kept\n" });
        file::file("/srv/built/dir/below/kept", #{ content: "kept\n" });
        file::absent("/srv/built/other");
        file::line("/srv/built/other", #{ line: "two", create: true });
        file::file("/srv/built/other", #{ mode: "0644" });"#;
    let facts = r#"
        file::file("/srv/built/new", #{ content: "one\n", mode: "0600" });
        let found = file::stat("/srv/built/new", #{ checksum: true });
        print([found.exists, found.kind, found.size, found.mode, found.checksum, file::read("/srv/built/new")]);
        file::absent("/srv/built/old");
        print(file::stat("/srv/built/old").exists);
        file::absent("/srv/built/dir");
        print(file::stat("/srv/built/dir/kept").exists);"#;
    for (tasks, changes) in [(edits, 12), (again, 9), (facts, 3)] {
        let room = one();
        let files =
            || inside("host08", "cd /srv/built && find . -printf '%p %m\\n' | sort && find . -type f -exec cat {} +");
        inside(
            "host08",
            "rm -rf /srv/built; mkdir -p /srv/built/dir/below; cd /srv/built; echo two | tee old >other; chmod 600 other; echo kept | tee dir/kept >dir/below/kept",
        );
        let before = files();
        let play = format!("play(\"p\", \"all\", |host| {{{tasks}\n}});");
        let told = |args: &[&str]| {
            let done = room.play(&play, args).exits(0);
            let told = |record: Value| json!([record["operation"], record["subject"], record["diff"]]);
            (done.records().into_iter().map(told).collect::<Vec<_>>(), done.prints())
        };
        let predicted = told(&["--json", "--check"]);
        assert_eq!(files(), before, "check mode changed something");
        assert_eq!(predicted, told(&["--json"]));
        let changed = predicted.0.iter().filter(|record| !record[2].is_null()).count();
        assert_eq!(changed, changes, "{predicted:?}");
    }
}

fn unforeseen() {
    let room = one();
    inside(
        "host08",
        "rm -rf /srv/built; mkdir -p /srv/built/app /srv/built/mnt; cd /srv/built; echo two | tee app/conf >mnt/conf; tar -cf app.tar app",
    );
    let play = r#"play("p", "all", |host| {
        archive::unpacked("/srv/built/app", #{ remote_src: "/srv/built/app.tar", creates: "/srv/built/app/made" });
        file::line("/srv/built/app/conf", #{ line: "two" });
        mount::mounted("/srv/built/mnt", #{ src: "tmpfs", fstype: "tmpfs" });
        file::line("/srv/built/mnt/conf", #{ line: "two" });
        file::file("/srv/built/app/conf", #{ content: "three\n" });
        file::line("/srv/built/app/conf", #{ line: "three" });
        file::file("/srv/built/copy", #{ src: "/srv/built/app/conf", remote_src: true });
        file::file("/srv/built/new", #{ content: "x" });
        file::absent("/srv/built/new");
    });"#;
    let records = room.play(play, &["--json", "--check"]).exits(0).records();
    let told: Vec<_> = records.iter().map(|record| format!("{} {}", record["status"], record["reason"])).collect();
    let known: Vec<_> = told.iter().map(|told| !told.contains("unknown")).collect();
    assert_eq!(known, [true, false, true, false, false, false, false, true, false], "{told:#?}");
}

fn tags() {
    let room = one();
    let play = r#"play("Base", "all", |host| {
        task("First", #{ tags: ["one", "both"] }, || { print("1"); shell::run("true"); });
        task("Second", #{ tags: ["two", "both"] }, || { print("2"); shell::run("true"); });
        task("Third", || { print("3"); shell::run("true"); });
        task("Fourth", #{ tags: "never" }, || { print("4"); shell::run("true"); });
        task("Fifth", #{ tags: "always" }, || { print("5"); shell::run("true"); });
    });"#;
    let ran = |args: &[&str]| {
        let done = room.play(play, &[&["--json"], args].concat()).exits(0);
        let ran = done.records().into_iter().filter(|record| record["status"] == "changed");
        ran.map(|record| record["task"].as_str().expect("a task")[..2].to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ran(&[]), "Fi Se Th Fi");
    assert_eq!(ran(&["--tags", "one"]), "Fi Fi");
    assert_eq!(ran(&["--tags", "both"]), "Fi Se Fi");
    assert_eq!(ran(&["-t", "one,never"]), "Fi Fo Fi");
    assert_eq!(ran(&["--skip-tags", "two"]), "Fi Th Fi");
    assert_eq!(ran(&["--tags", "both", "--skip-tags", "one"]), "Se Fi");
    assert_eq!(ran(&["--start-at-task", "Third"]), "Th Fi");
    room.play(play, &["--tags", "onne"]).exits(1).says("onne").says("did you mean");
    room.play(play, &["--start-at-task", "Thrid"]).exits(1).says("Third");
    let none = room.play(play, &["--list-tasks"]).exits(0).says("First").says("Third");
    assert!(!none.stdout.contains("RECAP"));
    room.play(play, &["--list-tags"]).exits(0).says("both").says("two");
    room.play(play, &["--list-hosts"]).exits(0).says("host08");
    room.play(play, &["--syntax-check"]).exits(0);
}

fn handlers() {
    let room = six();
    let play = r#"play("p", "a,c", |host| {
        for i in 0..3 { defer("h", || { print(`${host.name} h`); }); }
        defer("late", || { print(`${host.name} late`); });
        print(`${host.name} before`);
        flush();
        print(`${host.name} after`);
        defer("h", || { print(`${host.name} h again`); });
    });"#;
    let done = room.play(play, &["--json"]).exits(0);
    let of = |host: &str| -> Vec<String> {
        let said = done.named("print").into_iter().filter(|p| p["host"] == host);
        said.map(|p| p["text"].as_str().expect("text")[2..].to_owned()).collect()
    };
    for host in ["a", "c"] {
        assert_eq!(of(host), ["before", "h", "late", "after", "h again"]);
    }
    let check = r#"play("p", "a", |host| { let r = file::file("/srv/none", #{ content: "x" });
        if r.changed { defer("h", || { systemd::restarted("cron"); }); } });"#;
    let done = room.play(check, &["--json", "--check"]).exits(0);
    assert_eq!(done.records().iter().map(|r| r["status"].clone()).collect::<Vec<_>>(), ["would_change", "unknown"]);
    inside("host08", "test ! -e /srv/none");
}

fn owed() {
    let room = six();
    inside("host08", "rm -f /srv/owed-*");
    let play = r#"
    let fail = param("fail", false, "fail in the middle");
    play("p", "a,c", |host| {
        let f = file::file(`/srv/owed-${host.name}`, #{ content: "x" });
        if f.changed { let why = "changed"; defer("restart it", || { print(`${host.name} restarts: ${why}`); }); }
        if fail && host.name == "a" { shell::run("exit 1"); }
    });"#;
    inside("host09", "rm -f /srv/owed-*");
    let first = room.play(play, &["--json", "--fail"]).exits(2);
    assert_eq!(first.prints(), ["c restarts: changed"]);
    let owed = &first.named("run.end")[0]["owed"];
    assert_eq!((owed[0]["host"].as_str(), owed[0]["handler"].as_str()), (Some("a"), Some("restart it")), "{owed}");
    room.play(play, &["--fail"]).exits(2).says("restart it");
    room.play(play, &["--json", "--check"]).exits(0);
    let other = room.play(play, &["--json", "-l", "c"]).exits(0);
    assert!(other.prints().is_empty(), "another host's debt");
    assert!(room.play(play, &["--json", "--skip-owed"]).exits(0).prints().is_empty(), "left alone");
    let paid = room.play(play, &["--json"]).exits(0);
    assert_eq!(paid.prints(), ["a restarts: changed"]);
    assert!(room.play(play, &["--json"]).exits(0).prints().is_empty(), "paid once");
    inside("host08", "rm -f /srv/owed-*");
    inside("host09", "rm -f /srv/owed-*");
}

fn delegation() {
    let room = six();
    let play = r#"let all = play("p", "a,c", |host| {
        let here = on("localhost", || shell::query("id -u; pwd").lines[0]);
        let there = on("e", |other| `${other.name} ${facts::hostname()}`);
        let two = on("e,f", || 1);
        `${host.name} ${here["localhost"]} ${there["e"]} ${two.len()}`
    });
    print(all["a"]); print(all["c"]);"#;
    let done = room.play(play, &["--json"]).exits(0);
    let e = inside("host10", "hostname").trim().to_owned();
    assert_eq!(done.prints(), [format!("a 0 e {e} 2"), format!("c 0 e {e} 2")]);
    let fails = r#"play("p", "a", |host| { try { on("e", || shell::run("exit 4")); } catch (e) { print(`${e.host} ${e.rc}`); } });"#;
    assert_eq!(room.play(fails, &["--json"]).exits(0).prints(), ["e 4"]);
}

fn failures() {
    let room = one();
    let play = r#"play("p", "all", |host| {
        try { shell::run("echo out; echo err >&2; exit 3"); } catch (e) {
            print(`${e.kind} ${e.host} ${e.operation} ${e.rc} ${e.stdout} ${e.stderr}`);
        }
        within(#{ ignore_errors: true }, || { let r = shell::run("exit 4"); print(`${r.failed} ${r.rc}`); });
        try { file::file("/srv/none/none", #{ content: "x" }); } catch (e) { print(e.kind); }
        try { throw "mine"; } catch (e) { print(e); }
        shell::run("true");
    });"#;
    let done = room.play(play, &["--json"]).exits(0);
    assert_eq!(done.prints(), ["host", "host host08 shell::run 3 out err", "mine", "true 4"]);
    let stat = |what| done.stat("host08", what);
    assert_eq!((stat("rescued"), stat("ignored"), stat("failures"), stat("ok")), (2, 1, 0, 2));
    let uncaught = room.play(
        r#"play("p", "all", |host| { shell::run("echo why >&2; exit 3"); shell::run("touch /srv/never"); });"#,
        &[],
    );
    uncaught.exits(2).says("why").says("play.rhai:1").says("failed=1");
    inside("host08", "test ! -e /srv/never");
}

fn retries() {
    let room = one();
    inside("host08", "rm -f /run/tries");
    let tries = "echo x >>/run/tries; test $(wc -l </run/tries) -ge 3";
    let play = format!(
        r#"play("p", "all", |host| {{
            within(#{{ retries: 5, delay: "100ms" }}, || {{ shell::run("{tries}"); }});
            let r = within(#{{ until: |r| r.stdout == "4", retries: 5, delay: "100ms" }}, || shell::run("echo x >>/run/tries; wc -l </run/tries"));
            print(r.stdout);
            try {{ within(#{{ retries: 2, delay: "100ms" }}, || {{ shell::run("echo x >>/run/tries; exit 1"); }}); }} catch (e) {{ print(e.rc); }}
        }});"#
    );
    let done = room.play(&play, &["--json"]).exits(0).within(Duration::from_secs(18));
    assert_eq!(done.prints(), ["1", "4"]);
    assert_eq!(inside("host08", "wc -l </run/tries").trim(), "7");
    assert_eq!(done.named("task.retry").len(), 4);
}

fn scopes() {
    let room = one();
    let play = r#"play("p", "all", #{ env: #{ P: "play" } }, |host| {
        within(#{ env: #{ A: "a b", B: "$(id)" }, cwd: "/usr" }, || {
            print(shell::run("echo \"$P $A $B $PWD\"").stdout);
            within(#{ env: #{ A: "inner" }, cwd: "/" }, || { print(shell::run(["sh", "-c", "echo $P $A $PWD"]).stdout); });
        });
        print(shell::run("echo \"[$A] $PWD\"").stdout);
    });"#;
    let prints = room.play(play, &["--json"]).exits(0).prints();
    assert_eq!(prints, ["[] /root", "play a b $(id) /usr", "play inner /"]);
}

fn needs() {
    let room = one();
    let play = r#"play("p", "all", |host| {
        shell::run("false", #{ creates: "/etc/passwd" });
        shell::run("false", #{ removes: "/srv/no such" });
        shell::run("exit 2", #{ ok_codes: [0, 2] });
        shell::run("exit 0", #{ unchanged_codes: [0] });
    });"#;
    let done = room.play(play, &["--json"]).exits(0);
    let statuses: Vec<_> = done.records().iter().map(|record| record["status"].clone()).collect();
    assert_eq!(statuses[2..], ["changed", "ok"]);
    assert!(statuses[..2].iter().all(|status| status != "changed"), "{statuses:?}");
}

fn parameters() {
    let room = one();
    let play = r#"
        let name = param("name", "nas", "whose");
        let count = param("count", 2, "how many");
        let drain = param("drain", true, "drain first");
        let list = param("list", ["a"], "some");
        play("p", "all", |host| { print(`${name} ${count + 1} ${drain} ${list}`); });"#;
    let prints = |args: &[&str]| room.play(play, &[&["--json"], args].concat()).exits(0).prints().concat();
    assert_eq!(prints(&[]), "nas 3 true [\"a\"]");
    assert_eq!(
        prints(&["--name", "$(id) 'x'", "--count=4", "--drain=false", "--list=b,c"]),
        "$(id) 'x' 5 false [\"b\", \"c\"]"
    );
    room.play(play, &["--help"]).exits(0).says("--drain").says("how many");
    room.play(play, &["--nmae=x"]).exits(64).says("--name");
    room.play(play, &["-e", "count=4"]).exits(64).says("`count` is a parameter of the playbook").says("--count");
    let wrong = room.play(play, &["--count=many"]);
    assert!(matches!(wrong.code, Some(1 | 64)), "{wrong:?}");
}

fn exit_codes() {
    let room = one();
    let change = r#"play("p", "all", |host| { file::file("/srv/exit-code", #{ content: "x" }); });"#;
    inside("host08", "rm -f /srv/exit-code");
    room.play(change, &["--check"]).exits(0);
    room.play(change, &["--check", "--detailed-exitcode"]).exits(10);
    room.play(change, &["--detailed-exitcode"]).exits(10);
    room.play(change, &["--detailed-exitcode"]).exits(0);
    inside("host08", "rm -f /srv/exit-code");
    room.hlrun(&["play.rhai", "--no-such-flag"]).exits(64);
    room.hlrun(&["no-such.rhai"]).exits(1).says("no-such.rhai");
    room.hlrun(&["play.rhai", "-i", "no-such.yaml"]).exits(1).says("no-such.yaml");
    room.play("play(\"p\", \"all\", |host| { ", &[]).exits(1).says("play.rhai:1");
}

fn written_wrong() {
    let room = one();
    inside("host08", "rm -f /srv/touched");
    let wrong = r#"
        play("p", "all", |host| {
            file::file("/srv/touched", #{ content: "x" });
            file::flie("/srv/a");
            file::file("/srv/b", #{ contnet: "x" });
            systemctl::running("x");
            shel("x");
        });
        play("q", "hots08", |host| { });"#;
    let done = room.play(wrong, &[]).exits(1);
    let said = done.stdout + &done.stderr;
    for what in [
        "flie",
        "file::file",
        "contnet",
        "`content`",
        "systemctl",
        "shel",
        "hots08",
        "host08",
        "play.rhai:4",
        "play.rhai:5",
        "play.rhai:6",
        "play.rhai:9",
    ] {
        assert!(said.contains(what), "nothing about {what}:\n{said}");
    }
    inside("host08", "test ! -e /srv/touched");
    room.hlrun(&["check", "play.rhai"]).exits(1);
}

fn journal() {
    let room = six();
    let play = r#"play("p", "a,c", |host| { file::file("/srv/journal", #{ content: `of ${host.name}\n` }); shell::run("echo hello"); });"#;
    let done = room.play(play, &["--json"]).exits(0);
    let kept: Vec<Value> = room.kept().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(done.events(), kept.into_iter().filter(|event| event["event"].is_string()).collect::<Vec<_>>());
    let run = done.events()[0]["run"].as_str().expect("a run").to_owned();
    room.hlrun(&["runs"]).exits(0).says(&run).says("play.rhai");
    room.hlrun(&["show", &run]).exits(0).says("/srv/journal").says("shell::run");
    room.hlrun(&["show", "last", "--host", "a", "--diff"]).exits(0).says("of a");
    let one = room.hlrun(&["show", "last", "--host", "a", "--diff"]).exits(0);
    assert!(!one.stdout.contains("of c"), "{}", one.stdout);
    room.hlrun(&["show", "nothing"]).exits(1).says("hlrun runs");
    inside("host08", "rm -f /srv/journal");
    inside("host09", "rm -f /srv/journal");
}

fn exec() {
    let room = six();
    room.hlrun(&["exec", "a,c", "--", "hostname; exit 0"]).exits(0).says(inside("host09", "hostname").trim());
    room.hlrun(&["exec", "a", "--", "printf", "%s", "$(id) 'x'"]).exits(0).says("$(id) 'x'");
    room.hlrun(&["exec", "a", "--", "exit 3"]).exits(2);
    room.hlrun(&["exec", "zz", "--", "true"]).exits(1).says("zz");
}

fn templates() {
    let room = one();
    room.write(
        "inventory.yaml",
        "all:\n  vars:\n    web_port: 80\n    url: 'http://{{ inventory_hostname }}:{{ web_port }}/'\n  hosts:\n",
    );
    room.also("web", &super::lab::address("host08"), "root", "      web_port: 8080\n      names: [b, a]\n");
    room.write("t.j2", "{{ url }} {{ names | sort | join(',') }} {% if extra is defined %}{{ ansible_os_family }}{% endif %} {{ extra }}\n");
    let play = r#"play("p", "all", |host| {
        file::file("/srv/template", #{ template: "t.j2", vars: #{ extra: "x" } });
        print(host.vars.url);
    });"#;
    let play = play.replace("host.vars.url", "host.vars[\"url\"]");
    assert_eq!(room.play(&play, &["--json"]).exits(0).prints(), ["http://web:8080/"]);
    assert_eq!(inside("host08", "cat /srv/template"), "http://web:8080/ a,b Debian x\n");
    room.play(&play, &["--json", "-e", "web_port=1"]).exits(0);
    assert_eq!(inside("host08", "cat /srv/template; rm /srv/template"), "http://web:1/ a,b Debian x\n");
    room.write("t.j2", "{{ no_such }}\n");
    room.play(&play, &[]).exits(2).says("no_such").says("t.j2");
}
