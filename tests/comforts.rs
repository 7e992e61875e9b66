//! The comforts of the command line that need more than one session: a new homelab, runs followed and compared,
//! shells that ask, the manual.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stderr)] // an integration test is no `cfg(test)` to clippy

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

fn hlrun(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hlrun"));
    command.current_dir(dir).stdin(Stdio::null());
    for name in ["HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"] {
        command.env(name, dir);
    }
    command
}

#[track_caller]
fn said(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

#[test]
fn a_new_homelab_works_and_is_never_written_over() {
    let dir = tempfile::tempdir().unwrap();
    said(hlrun(dir.path()).args(["init", "lab"]), 0);
    let lab = dir.path().join("lab");
    let playbooks = ["playbooks/hello.rhai", "playbooks/base.rhai", "playbooks/services.rhai"];
    said(hlrun(&lab).arg("check").args(playbooks), 0);
    said(hlrun(&lab).arg("check").args(playbooks).args(["-i", "inventory.yaml"]), 0);
    assert!(said(hlrun(&lab).arg(playbooks[0]), 0).contains("localhost: "));
    for playbook in playbooks {
        said(hlrun(&lab).args([playbook, "--check"]), 0);
    }
    said(hlrun(&lab).args(["host", "add", "nas", "root@192.0.2.1", "--group", "servers", "--no-test"]), 0);
    assert!(said(hlrun(&lab).args(["hosts", "servers", "--vars"]), 0).contains("journal_days = 14"));
    let definitions = std::fs::read_to_string(lab.join(".rhai/hlrun.d.rhai")).unwrap();
    assert_eq!(definitions, said(hlrun(&lab).args(["docs", "--definitions"]), 0));
    std::fs::remove_file(lab.join("README.md")).unwrap();
    assert!(said(hlrun(dir.path()).args(["init", "lab"]), 1).contains("nothing was written"));
    assert!(!lab.join("README.md").exists());
}

/// A playbook that waits until `go` is there.
const WAITS: &str = r#"let dir = param("dir", "", "");
play("Wait", "all", |host| { shell::run(`until [ -e ${dir}/go ]; do sleep 0.02; done; echo gone`); });"#;

/// A run under way, and someone who reads along and has seen it begin.
fn followed(dir: &Path) -> (std::process::Child, std::process::Child, impl Iterator<Item = String>) {
    std::fs::write(dir.join("wait.rhai"), WAITS).unwrap();
    let mut run = hlrun(dir);
    let mut run = run.args(["wait.rhai", "--json", "--dir=."]).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(run.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let mut logs = hlrun(dir).args(["logs", "-f", "--color=never"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(logs.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("begins       shell::run")));
    (run, logs, lines)
}

#[test]
fn a_run_is_followed_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let (mut run, mut logs, lines) = followed(dir.path());
    assert!(said(hlrun(dir.path()).arg("runs"), 0).contains("  running  "));
    std::fs::write(dir.path().join("go"), "").unwrap();
    let rest: Vec<String> = lines.collect();
    assert!(rest.iter().any(|line| line.ends_with("| gone")), "{rest:?}");
    assert!(rest.last().unwrap().contains("ended with 0 after"), "{rest:?}");
    assert!(logs.wait().unwrap().success() && run.wait().unwrap().code().is_some());
}

#[test]
fn who_follows_a_run_that_is_killed_is_not_left_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let (mut run, mut logs, lines) = followed(dir.path());
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(lines.count(), 0);
    assert!(logs.wait().unwrap().success());
    assert!(said(hlrun(dir.path()).arg("runs"), 0).contains("did not end"));
    std::fs::write(dir.path().join("go"), "").unwrap();
}

#[test]
fn two_runs_are_compared_call_by_call() {
    let dir = tempfile::tempdir().unwrap();
    let made = dir.path().join("d").display().to_string();
    let play = |text: &str| {
        let text = format!("play(\"P\", \"all\", |h| {{ file::directory({made:?}); {text} }});");
        std::fs::write(dir.path().join("p.rhai"), text).unwrap();
    };
    let run = || said(hlrun(dir.path()).arg("p.rhai"), 0);
    play(r#"shell::run("echo one");"#);
    run();
    let runs = || {
        let entries = std::fs::read_dir(dir.path().join("hlrun/runs")).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let first = runs().remove(0);
    play(r#"shell::run("echo two");"#);
    run();
    // Both may have begun in the same second: they are named.
    let second = runs().into_iter().find(|run| *run != first).unwrap();
    let diff = |args: &[&str], code| said(hlrun(dir.path()).args(["diff", &first]).args(args), code);
    let text = diff(&[&second], 0);
    for line in [
        "text of the playbook: ",
        "localhost\n",
        "/d  changed -> ok",
        "  - shell::run echo one  changed",
        "  + shell::run echo two  changed",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    let json: serde_json::Value = serde_json::from_str(&diff(&[&second, "--json"], 0)).unwrap();
    assert_eq!(json["calls"].as_array().unwrap().len(), 3);
    diff(&[&second, "--detailed-exitcode"], 10);
    assert!(diff(&[&first, "--detailed-exitcode"], 0).contains("no difference"));
}

/// A homelab with an inventory of two hosts in two groups, and hlrun in the PATH.
fn homelab() -> (tempfile::TempDir, std::ffi::OsString) {
    let dir = tempfile::tempdir().unwrap();
    let inventory = "all: { children: { web: { hosts: { alpha: , beta: } }, db: { hosts: { alpha: } } } }\n";
    std::fs::write(dir.path().join("inventory.yaml"), inventory).unwrap();
    std::fs::write(dir.path().join("hlrun.yaml"), "inventory: inventory.yaml\n").unwrap();
    let text = r#"let size = param("size", 1, "how big"); play("P", "all", #{ tags: "one" }, |h| { task("Two", #{ tags: "two" }, || ()); });"#;
    std::fs::write(dir.path().join("p.rhai"), text).unwrap();
    let bin = Path::new(env!("CARGO_BIN_EXE_hlrun")).parent().unwrap().to_path_buf();
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path))).unwrap();
    (dir, path)
}

/// What is typed, and what is offered.
const TYPED: &[(&[&str], &[&str])] = &[
    (&["own"], &[]),
    (&["owe"], &["owed"]),
    (&["exec", "a"], &["alpha", "all"]),
    (&["exec", "web:!al"], &["web:!alpha", "web:!all"]),
    (&["p.rhai", "--limit", "we"], &["web"]),
    (&["p.rhai", "--tags", "one,t"], &["one,two"]),
    (&["run", "p.rhai", "--start-at-task", "T"], &["Two"]),
    (&["p.rhai", "--si"], &["--size"]),
    (&["show", "l"], &["last"]),
    (&["check", "p"], &["p.rhai"]),
    (&["host", "add", "x", "root@y", "--group", "d"], &["db"]),
];

/// A shell that is installed, asked by a script that prints an offer per line and `---` after each question.
fn asked(shell: &str, args: &[&str], script: &str) {
    if Command::new(shell).arg("--version").output().is_err() {
        eprintln!("{shell} is not installed: not asked");
        return;
    }
    let (dir, path) = homelab();
    let output = Command::new(shell)
        .args(args)
        .args(["-c", script])
        .current_dir(dir.path())
        .env("PATH", path)
        .env("HOME", dir.path())
        .env("XDG_STATE_HOME", dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answers: Vec<Vec<&str>> =
        text.split("---\n").map(|part| part.lines().filter(|l| !l.is_empty()).collect()).collect();
    for ((typed, offered), answer) in TYPED.iter().zip(&answers) {
        let mut answer: Vec<&str> =
            answer.iter().map(|line| line.split(['\t', ' ']).next().unwrap_or_default()).collect();
        let mut offered = offered.to_vec();
        answer.sort_unstable();
        offered.sort_unstable();
        assert_eq!(answer, offered, "{shell} at {typed:?}: {text}\n{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(answers.len(), TYPED.len() + 1, "{text}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn bash_completes_live_names() {
    let questions = TYPED.iter().map(|(typed, _)| format!("ask hlrun '{}'\n", typed.join("' '")));
    let script = format!(
        "source <(hlrun completions bash)\nask() {{ COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9; COMPREPLY=()\n\
         _clap_complete_hlrun hlrun \"${{COMP_WORDS[COMP_CWORD]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\"; echo ---; }}\n{}",
        questions.collect::<String>()
    );
    asked("bash", &["--norc"], &script);
}

#[test]
fn zsh_completes_live_names() {
    let questions = TYPED.iter().map(|(typed, _)| format!("ask hlrun '{}'\n", typed.join("' '")));
    // `_describe` works in zsh's line editor only; what it is given is what it would show.
    let script = format!(
        "compdef() {{ :; }}\nsource <(hlrun completions zsh)\n\
         _describe() {{ for name in $@; do case $name in other | dirs) for offer in ${{(P)name}}; do offer=${{offer//\\\\:/\u{1}}}; print -r -- ${{${{offer%%:*}}//\u{1}/:}}; done;; esac; done }}\n\
         ask() {{ words=(\"$@\"); CURRENT=$#; _clap_dynamic_completer_hlrun; echo ---; }}\n{}",
        questions.collect::<String>()
    );
    asked("zsh", &["-f"], &script);
}

#[test]
fn fish_completes_live_names() {
    let questions = TYPED.iter().map(|(typed, _)| format!("complete -C 'hlrun {}'; echo ---\n", typed.join(" ")));
    let script = format!("hlrun completions fish | source\n{}", questions.collect::<String>());
    asked("fish", &["--no-config"], &script);
}

/// Nushell is no package of Debian: it is asked for in its own form, which is JSON.
#[test]
fn nushell_is_answered_in_json() {
    let (dir, _) = homelab();
    for (typed, offered) in TYPED {
        let mut command = hlrun(dir.path());
        let text = said(command.env("HLRUN_COMPLETE", "nushell").args(["--", "hlrun"]).args(*typed), 0);
        let answer: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        let mut answer: Vec<&str> = answer.iter().map(|offer| offer["value"].as_str().unwrap()).collect();
        let mut offered = offered.to_vec();
        answer.sort_unstable();
        offered.sort_unstable();
        assert_eq!(answer, offered, "{typed:?}");
    }
    assert!(said(hlrun(dir.path()).args(["completions", "nushell"]), 0).contains("from json"));
}

#[test]
fn every_command_has_a_page_in_the_manual() {
    let dir = tempfile::tempdir().unwrap();
    said(hlrun(dir.path()).args(["man", "--dir", "man"]), 0);
    let help = said(hlrun(dir.path()).arg("--help"), 0);
    let commands = help.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
    // What a command is for may take two lines.
    let commands = commands.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() > 10, "{help}");
    for command in commands.iter().filter(|command| **command != "help") {
        let page = dir.path().join(format!("man/hlrun-{command}.1"));
        let text = std::fs::read_to_string(&page).unwrap_or_default();
        assert!(text.contains(".SH SYNOPSIS"), "{}", page.display());
        assert_eq!(text, said(hlrun(dir.path()).args(["man", command]), 0));
    }
    assert!(said(hlrun(dir.path()).args(["man", "rnu"]), 1).contains("did you mean `run"));
}

#[test]
fn what_comes_last_comes_however_the_playbook_ended() {
    for (work, code, want) in [
        ("", 0, "✓ last: nothing to do"),
        (r#"shell::run("true");"#, 0, "✓ last: 1 change on 1 host"),
        (r#"shell::run("false");"#, 2, "✗ last: FAILED on localhost"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let playbook = format!(
            r#"finally(|run| {{ print(`${{run.title}}|${{run.ok}}|${{run.failed}}`); }});
            play("Work", "all", |host| {{ {work} }});
            play("More", "all", |host| {{}});"#
        );
        std::fs::write(dir.path().join("last.rhai"), playbook).unwrap();
        let said = said(hlrun(dir.path()).arg("last.rhai"), code);
        let failed = if code == 0 { "[]" } else { r#"["localhost"]"# };
        assert!(said.contains(&format!("{want}|{}|{failed}\n", code == 0)), "{said}");
    }
}
