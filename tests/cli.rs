//! Sessions at the command line, as a person has them: each file below `tests/cli` is a transcript that is
//! run again and compared.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // an integration test is no `cfg(test)` to clippy

use std::io::Write;

#[test]
fn sessions() {
    session("tests/cli/*.md");
}

/// What was done last must be what this one did.
#[test]
fn a_session_that_goes_back() {
    session("tests/cli/undo/*.md");
}

fn session(files: &str) {
    let state = tempfile::tempdir().unwrap();
    let cases = trycmd::TestCases::new();
    cases.env("XDG_STATE_HOME", state.path().to_string_lossy());
    cases.env("XDG_CONFIG_HOME", state.path().to_string_lossy());
    cases.env("HOME", state.path().to_string_lossy());
    cases.env("COLUMNS", "80");
    cases.case(files);
}

/// The lines of `--json` of a run of the first playbook on this machine.
fn events(args: &[&str]) -> Vec<serde_json::Value> {
    let state = tempfile::tempdir().unwrap();
    let work = state.path().join("work");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hlrun"));
    command.args(["playbooks/hello.rhai", "--json"]).arg(format!("--dir={}", work.display())).args(args);
    let output = command.env("XDG_STATE_HOME", state.path()).output().unwrap();
    std::io::stderr().write_all(&output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let runs = state.path().join("hlrun/runs");
    let mut files = std::fs::read_dir(runs).unwrap().map(|entry| entry.unwrap().path());
    let journal = files.find(|path| path.extension().is_some_and(|e| e == "jsonl")).unwrap();
    let journal = std::fs::read_to_string(journal).unwrap();
    assert_eq!(journal, text, "the journal is what --json prints");
    lines
}

#[test]
fn every_event_fits_the_published_schema() {
    let published = std::fs::read_to_string("src/report/events.schema.json").unwrap();
    let published: serde_json::Value = serde_json::from_str(&published).unwrap();
    let schema = hlrun::report::schema();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write("src/report/events.schema.json", serde_json::to_string_pretty(&schema).unwrap() + "\n").unwrap();
    } else {
        assert_eq!(published, schema, "the schema changed: run this test with UPDATE=1 and look at the difference");
    }
    let validator = jsonschema::validator_for(&schema).unwrap();
    for args in [&["--check"][..], &[]] {
        for event in events(args) {
            let wrong: Vec<String> = validator.iter_errors(&event).map(|e| e.to_string()).collect();
            assert!(wrong.is_empty(), "{event}\n{}", wrong.join("\n"));
        }
    }
}

#[test]
fn a_dry_run_predicts_what_is_done_and_does_nothing() {
    let told = |events: &[serde_json::Value], status: &str| {
        let ends = events.iter().filter(|e| e["event"] == "task.end" && e["status"] == status);
        ends.map(|e| (e["operation"].to_string(), e["at"].to_string())).collect::<Vec<_>>()
    };
    let (predicted, made) = (events(&["--check"]), events(&[]));
    assert_eq!(told(&predicted, "would_change"), told(&made, "changed"));
    assert!(told(&predicted, "changed").is_empty());
    assert_eq!(told(&made, "changed").len(), 2);
}

#[test]
fn the_index_of_the_standard_library_is_up_to_date() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_hlrun")).args(["docs", "--index"]).output().unwrap();
    let index = String::from_utf8(output.stdout).unwrap();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write("stdlib/README.md", &index).unwrap();
    }
    assert_eq!(std::fs::read_to_string("stdlib/README.md").unwrap(), index, "hlrun docs --index > stdlib/README.md");
}

#[test]
fn the_hosts_of_a_play_run_at_the_same_time() {
    let dir = tempfile::tempdir().unwrap();
    let playbook = dir.path().join("meet.rhai");
    // Each host waits until the other has come.
    let text = r#"
        let dir = param("dir", "", "where to meet");
        play("Meet", "all", |host| {
            let other = if host.name == "a" { "b" } else { "a" };
            shell::run(["touch", `${dir}/${host.name}`]);
            shell::query(`until [ -e ${dir}/${other} ]; do sleep 0.02; done`, #{ timeout: "20s" });
        });
    "#;
    std::fs::write(&playbook, text).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_hlrun"))
        .arg(&playbook)
        .args(["-i", "a,b,", "-e", "ansible_connection=local"])
        .arg(format!("--dir={}", dir.path().display()))
        .env("XDG_STATE_HOME", dir.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
