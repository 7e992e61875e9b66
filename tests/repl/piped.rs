//! What a script that pipes lines into the prompt can rely on, and what `hlrun record` prints.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use stdlib::contract::replay::{Exchange, parse};

pub const PROMISES: &[(&str, fn())] = &[
    ("the exit code says how the first bad line ended", || {
        for (args, lines, code) in [
            ("", "1 + 1\n\n// nothing\n", 0),
            ("", "shell::query(\"false\")\n1", 2),
            ("", "nonsense\n1", 1),
            ("", "fn f() {", 1),
            ("", ":nonsense", 1),
            ("", ":quit\nnonsense", 0),
            ("-i gone, -e ansible_host=127.0.0.1 -e ansible_port=1 --on gone", "shell::query(\"true\")", 4),
            ("-i a, --on b", "1", 1),
        ] {
            let dir = tempfile::tempdir().unwrap();
            assert_eq!(piped(dir.path(), args, lines).1, code, "{args} {lines}");
        }
    }),
    ("nothing runs after a line that failed", || {
        let dir = tempfile::tempdir().unwrap();
        let (text, code) = piped(dir.path(), "", "print(\"one\")\nthrow \"no\"\nprint(\"two\")");
        assert_eq!((text.contains("one"), text.contains("two"), code), (true, false, 2), "{text}");
    }),
    ("check changes nothing, and apply is kept as a run", || {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let line = format!("file::file({file:?}, #{{ content: `a\nb\n` }})");
        let runs = || {
            let all = std::fs::read_dir(dir.path().join("state/hlrun/runs")).into_iter().flatten().flatten();
            all.filter(|file| file.path().extension().is_some_and(|e| e == "jsonl")).count()
        };
        let (text, code) = piped(dir.path(), "", &line);
        assert!(code == 0 && text.contains("would change") && !file.exists() && runs() == 0, "{code} {text}");
        let (text, code) = piped(dir.path(), "--apply", &format!("shell::query(\"true\")\n{line}\n1 + 1"));
        assert!(code == 0 && text.contains("changed ") && runs() == 1, "{code} {text}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "a\nb\n");
        let shown = hlrun(dir.path()).args(["show", "last"]).output().unwrap();
        assert!(String::from_utf8_lossy(&shown.stdout).contains("changed=1"));
    }),
    ("with --json it prints events that fit the published schema, values too", || {
        let dir = tempfile::tempdir().unwrap();
        let (text, code) = piped(dir.path(), "--json", "#{ a: [1] }\nhost.name\n:hosts");
        assert_eq!(code, 0);
        let validator = jsonschema::validator_for(&hlrun::report::schema()).unwrap();
        let events: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(events.iter().all(|event| validator.is_valid(event)), "{text}");
        let values = events.iter().filter(|event| event["event"] == "value").map(|event| event["value"].to_string());
        assert_eq!(values.collect::<Vec<_>>(), [r#"{"a":[1]}"#, r#""localhost""#]);
    }),
    ("a session is saved as a playbook that is fine, and loaded again", || {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("saved.rhai");
        let lines = format!("let x = 41\nfn more(n) {{\n n + 1\n}}\nmore(x)\n:save {}\n:save {0}", file.display());
        assert_eq!(piped(dir.path(), "", &lines).1, 1, "what is there is not overwritten");
        let check = hlrun(dir.path()).arg("check").arg(&file).output().unwrap();
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
        let (text, code) = piped(dir.path(), "", &format!(":load {}\nmore(x)", file.display()));
        assert_eq!((text.trim(), code), ("42", 0));
    }),
    ("a record is a transcript as documentation has it, without secrets", || {
        let dir = tempfile::tempdir().unwrap();
        let call = format!("file::file({:?}, #{{ content: \"pw hunter22\\n\" }})", dir.path().join("f"));
        let record = |more: &[&str]| {
            let mut command = hlrun(dir.path());
            let output = command.args(["record", "localhost", &call, "-e", "db_password=hunter22"]).args(more).output();
            let output = output.unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let changes = |text: &str| {
            let exchanges = parse(text).unwrap().into_iter();
            exchanges.filter(|exchange| matches!(exchange, Exchange::Change(..))).collect::<Vec<_>>()
        };
        let predicted = record(&[]);
        assert!(!dir.path().join("f").exists());
        let made = record(&["--apply"]);
        assert_eq!(std::fs::read_to_string(dir.path().join("f")).unwrap(), "pw hunter22\n");
        assert_eq!(changes(&predicted), changes(&made));
        assert!(matches!(&changes(&made)[..], [Exchange::Change(_, lines, _)] if lines == &["pw ‹secret›"]), "{made}");
        assert!(!made.contains("hunter22") && made.trim_end().lines().last().unwrap().starts_with("= "), "{made}");
        assert_eq!(changes(&record(&["--apply"])), []);
    }),
];

fn hlrun(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hlrun"));
    command.env("HOME", dir).env("XDG_STATE_HOME", dir.join("state")).env("XDG_CONFIG_HOME", dir);
    command
}

/// What lines that are piped in print, and the exit code.
fn piped(dir: &Path, args: &str, lines: &str) -> (String, i32) {
    let mut command = hlrun(dir);
    command.arg("repl").args(args.split_whitespace()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    // Who has heard enough reads no more.
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    let output = child.wait_with_output().unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code().unwrap())
}
