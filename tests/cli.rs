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

/// `hlrun vault` with the password `secret`, in an empty directory.
fn vault_in(dir: &std::path::Path, args: &[&str], editor: &str) -> (bool, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hlrun"));
    command.arg("vault").args(args).current_dir(dir).env("EDITOR", editor).env_remove("VISUAL");
    command.env("HLRUN_VAULT_PASSWORD_FILE", "password").stdin(std::process::Stdio::null());
    let output = command.output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.success(), said)
}

#[test]
fn vault_files_are_replaced_whole_and_keep_their_mode() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let text = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    std::fs::write(path("password"), "secret\n").unwrap();
    std::fs::write(path("other"), "other\n").unwrap();
    for name in ["a.yml", "b.yml"] {
        std::fs::write(path(name), format!("name: {name}\n")).unwrap();
        std::fs::set_permissions(path(name), std::fs::Permissions::from_mode(0o640)).unwrap();
    }
    std::os::unix::fs::symlink("b.yml", path("link.yml")).unwrap();
    let ok = |args: &[&str]| {
        let (ok, said) = vault_in(dir.path(), args, "false");
        assert!(ok, "{args:?}: {said}");
        said
    };
    ok(&["encrypt", "a.yml", "link.yml"]);
    for name in ["a.yml", "b.yml"] {
        assert!(text(name).starts_with("$ANSIBLE_VAULT;1.1;AES256\n"));
        assert_eq!(path(name).metadata().unwrap().permissions().mode() & 0o777, 0o640);
    }
    assert!(path("link.yml").is_symlink());
    assert_eq!(ok(&["view", "a.yml", "b.yml"]), "name: a.yml\nname: b.yml\n");

    // Rekeyed: with a label, so in format 1.2; the old password opens it no more.
    ok(&["rekey", "a.yml", "--new-vault-id", "prod@other"]);
    assert!(text("a.yml").starts_with("$ANSIBLE_VAULT;1.2;AES256;prod\n"));
    let before = (text("a.yml"), text("b.yml"));
    let (fine, said) = vault_in(dir.path(), &["decrypt", "b.yml", "a.yml"], "false");
    assert!(!fine && said.contains("the vault password does not fit (vault id `prod`)"), "{said}");
    assert_eq!(before, (text("a.yml"), text("b.yml")), "nothing is written where one cannot be opened");
    ok(&["decrypt", "b.yml", "a.yml", "--vault-id", "prod@other"]);
    assert_eq!((text("a.yml"), text("b.yml")), ("name: a.yml\n".to_owned(), "name: b.yml\n".to_owned()));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 5, "nothing is left behind");
}

#[test]
fn a_vault_file_is_edited_in_place_and_stays_encrypted() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("password"), "secret\n").unwrap();
    let text = || std::fs::read_to_string(dir.path().join("new.yml")).unwrap();
    let edit = |editor: &str| vault_in(dir.path(), &["edit", "new.yml"], editor);
    // An editor with arguments, on a file that is not there yet.
    assert_eq!(edit("sh -c 'echo one: 1 >> \"$1\"' sh"), (true, String::new()));
    let first = text();
    assert!(first.starts_with("$ANSIBLE_VAULT;1.1"));
    assert_eq!(edit("true"), (true, "nothing changed\n".to_owned()));
    assert!(!edit("false").0);
    assert_eq!(first, text());
    // One that replaces the file instead of writing into it.
    assert!(edit("sed -i s/one/two/").0);
    assert_eq!(vault_in(dir.path(), &["view", "new.yml"], "true").1, "two: 1\n");
    // What encrypt-string prints is read as a value.
    let (ok, value) = vault_in(dir.path(), &["encrypt-string", "hunter2", "--name", "word"], "true");
    assert!(ok && value.starts_with("word: !vault |\n          $ANSIBLE_VAULT;1.1;AES256\n"), "{value}");
    std::fs::create_dir(dir.path().join("host_vars")).unwrap();
    std::fs::write(dir.path().join("host_vars/nas.yml"), value).unwrap();
    std::fs::write(dir.path().join("hosts"), "nas\n").unwrap();
    let mut why = std::process::Command::new(env!("CARGO_BIN_EXE_hlrun"));
    why.args(["why", "nas", "word", "-i", "hosts", "--reveal", "--json"]).current_dir(dir.path());
    let said = why.env("HLRUN_VAULT_PASSWORD_FILE", "password").output().unwrap().stdout;
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&said).unwrap()["value"], "hunter2");
}

#[test]
fn a_project_names_its_inventory_and_its_vault_passwords() {
    let dir = tempfile::tempdir().unwrap();
    let root = env!("CARGO_MANIFEST_DIR");
    let lab = std::path::Path::new(root).join("tests/cli/vault");
    let config = format!(
        "inventory: {}\nvault_id: [lab@keys/lab]\nvault_password_file: keys/other\n",
        lab.join("hosts.ini").display()
    );
    std::fs::write(dir.path().join("hlrun.yaml"), config).unwrap();
    std::fs::create_dir_all(dir.path().join("keys")).unwrap();
    std::fs::create_dir_all(dir.path().join("deep/er")).unwrap();
    std::fs::write(dir.path().join("keys/lab"), "nothing of these\n").unwrap();
    std::fs::copy(lab.join("password"), dir.path().join("keys/other")).unwrap();
    let storage = lab.join("group_vars/storage.yml").display().to_string();
    for args in [&["why", "nas", "pool_key", "--reveal"][..], &["vault", "view", &storage]] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hlrun"));
        let output = command.args(args).current_dir(dir.path().join("deep/er")).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains("abcdef"), "{said}");
    }
}

#[test]
fn a_run_shows_and_keeps_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let root = env!("CARGO_MANIFEST_DIR");
    let text = r#"
        play("Secrets", "all", |host| {
            print(`it is ${host.vars.secret}`);
            shell::run(["sh", "-c", "echo it says $1; exit 3", "sh", host.vars.secret], #{ ok_codes: [3] });
            shell::run(`echo '${host.vars.secret}' >&2; false`);
        });
    "#;
    std::fs::write(path("tell.rhai"), text).unwrap();
    let run = |more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hlrun"));
        command.arg(path("tell.rhai")).args(["-e", "ansible_connection=local", "-vv"]).args(more);
        command.args(["-i", &format!("{root}/tests/cli/inline.yml")]);
        command.args(["--vault-password-file", &format!("{root}/tests/cli/vault/password")]);
        let output = command.env("XDG_STATE_HOME", dir.path()).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let mut said = [run(&[]), run(&["--json"])].concat();
    let mut folders = vec![path("hlrun")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path)
            } else {
                said += &String::from_utf8_lossy(&std::fs::read(path).unwrap())
            }
        }
    }
    assert!(said.contains("it is ‹secret›") && said.contains("it says ‹secret›"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}
