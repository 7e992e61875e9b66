//! Lookups in whole runs on this machine: what a template asks of the controller, dry and for real.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // an integration test is no `cfg(test)` to clippy

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const PLAYBOOK: &str =
    r#"play("Lookups", "all", |host| { file::file(param("out", "/dev/null"), #{ template: "all.j2" }); });"#;

/// A homelab of one machine with these files, and a template `all.j2` with this text.
fn lab(template: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let own =
        [("site.rhai", PLAYBOOK), ("templates/all.j2", template), ("hosts.ini", "here ansible_connection=local\n")];
    for (name, text) in own.iter().chain(files) {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

/// Runs the playbook from another directory; what it wrote, or what it said where it failed.
fn run(dir: &Path, options: &[&str]) -> Result<Option<String>, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hlrun"));
    command.current_dir("/").stdin(Stdio::null()).env("LOOKED_UP", "from the environment").env_remove("NOT_SET");
    for name in ["HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"] {
        command.env(name, dir);
    }
    let out = dir.join("out");
    command.arg(dir.join("site.rhai")).arg("-i").arg(dir.join("hosts.ini")).arg(format!("--out={}", out.display()));
    let output = command.args(options).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(fs::read_to_string(out).ok()) } else { Err(text) }
}

#[test]
fn a_template_asks_the_controller() {
    for (template, want) in [
        (
            "{{ lookup('env', 'LOOKED_UP') }}|{{ lookup('env', 'NOT_SET', default='d') }}|{{ lookup('env', 'NOT_SET') }}",
            "from the environment|d|",
        ),
        (
            "{{ lookup('pipe', 'echo a; echo b') }}|{{ lookup('pipe', 'basename $PWD') == (playbook_dir | basename) }}",
            "a\nb|True",
        ),
        ("{{ query('lines', 'printf \"a\\nb\\n\"') }}", "['a', 'b']"),
        (
            "{{ lookup('file', 'motd') }}|{{ lookup('file', 'motd', rstrip=false) }}|{{ lookup('file', playbook_dir ~ '/files/motd') }}",
            "hello|hello\n|hello",
        ),
        (
            "{{ query('fileglob', 'keys/*.pub') | map('basename') | list }}{{ query('fileglob', 'keys/*.none') }}",
            "['a.pub', 'b.pub'][]",
        ),
        ("{{ lookup('fileglob', 'keys/a*') == playbook_dir ~ '/files/keys/a.pub' }}", "True"),
        ("{{ lookup('first_found', ['none', 'motd', 'keys/a.pub']) | basename }}", "motd"),
        (
            "{{ lookup('first_found', {'files': ['b.pub', 'a.pub'], 'paths': ['nowhere', 'keys']}) | basename }}",
            "b.pub",
        ),
        ("{{ query('first_found', ['none'], skip=true) }}", "[]"),
        (
            "{{ lookup('template', 'part.j2') }}{{ lookup('template', 'part.j2', template_vars={'who': 'ann'}) }}",
            "part of here\npart of ann\n",
        ),
        ("{{ from_group }}", "key a"),
    ] {
        let dir = lab(
            template,
            &[
                ("files/motd", "hello\n"),
                ("files/keys/a.pub", "key a\n"),
                ("files/keys/b.pub", "key b\n"),
                ("templates/part.j2", "#jinja2: trim_blocks: False\npart of {{ who | default(inventory_hostname) }}\n"),
                ("group_vars/all.yaml", "from_group: \"{{ lookup('file', 'keys/a.pub') }}\"\n"),
            ],
        );
        assert_eq!(run(dir.path(), &["--check"]), Ok(None), "{template}: check mode writes nothing");
        assert_eq!(run(dir.path(), &[]), Ok(Some(want.to_owned())), "{template}");
    }
}

#[test]
fn what_cannot_be_looked_up_fails_the_host_and_says_why() {
    for (template, want) in [
        ("{{ lookup('pipe', 'echo no luck >&2; exit 3') }}", "no luck"),
        ("{{ lookup('file', 'modt') }}", "did you mean `motd`?"),
        ("{{ lookup('first_found', ['x', 'y']) }}", "there is none of x, y"),
        ("{{ lookup('template', 'none.j2') }}", "no template `none.j2`"),
        ("{{ lookup('pip', 'ls') }}", "did you mean 'pipe'?"),
        ("{{ lookup('env', 'X', defalt=1) }}", "did you mean `default`?"),
    ] {
        let dir = lab(template, &[("files/motd", "hello\n")]);
        for options in [&["--check"][..], &[]] {
            let said = run(dir.path(), options).unwrap_err();
            assert!(said.contains(want), "{template}: {said}");
            assert!(!dir.path().join("out").exists(), "{template}");
        }
    }
}

#[test]
fn a_password_is_made_in_a_run_and_kept_but_not_in_check_mode() {
    let dir = lab("{{ lookup('password', 'secrets/db length=12 chars=ascii_letters') }}", &[]);
    assert_eq!(run(dir.path(), &["--check"]), Ok(None));
    assert!(!dir.path().join("secrets").exists(), "check mode keeps no password");
    let made = run(dir.path(), &[]).unwrap().unwrap();
    assert!(made.len() == 12 && made.bytes().all(|b| b.is_ascii_alphabetic()), "{made}");
    assert_eq!(fs::read_to_string(dir.path().join("secrets/db")).unwrap(), format!("{made}\n"));
    assert_eq!(run(dir.path(), &["--check"]), Ok(Some(made.clone())));
    assert_eq!(run(dir.path(), &[]), Ok(Some(made)), "the next run finds it again");
}

#[test]
fn variables_of_a_file_are_those_of_a_play_or_a_map() {
    let files = [
        ("vars/ports.yml", "web: 80\nurl: \"http://{{ inventory_hostname }}:{{ web }}\"\n"),
        ("more/a.yml", "one: 1\ntwo: a\n"),
        ("more/b.json", "{\"two\": \"b\"}"),
    ];
    for (playbook, want) in [
        (
            r#"play("p", "all", #{ vars: include_vars("ports.yml") }, |host| { OUT(host.vars.url); });"#,
            "http://here:80",
        ),
        (r#"play("p", "all", |host| { OUT(include_vars("ports.yml").url); });"#, "http://here:80"),
        (r#"let m = include_vars("more"); play("p", "all", |host| { OUT(`${m.one}${m.two}`); });"#, "1b"),
        (r#"play("p", "all", |host| { OUT(include_vars("port.yml").url); });"#, "did you mean `ports.yml`?"),
    ] {
        let dir = lab("{{ text }}", &files);
        let out = r#"file::file(param("out", "/dev/null"), #{ template: "all.j2", vars: #{ text: "#;
        let text = playbook.replace("OUT(", out).replace("); });", " } }); });");
        fs::write(dir.path().join("site.rhai"), text).unwrap();
        match run(dir.path(), &[]) {
            Ok(made) => assert_eq!(made.as_deref(), Some(want), "{playbook}"),
            Err(said) => assert!(said.contains(want), "{playbook}: {said}"),
        }
    }
}
