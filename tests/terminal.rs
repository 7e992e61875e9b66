//! What a person at a terminal is asked, and what the answers do.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // an integration test is no `cfg(test)` to clippy

mod pty;

use pty::{converse, on_a_terminal};

#[test]
fn step_asks_before_each_task_and_does_what_is_answered() {
    let cases: [(&[&str], &str, i32); 6] = [
        (&["y\n", "y\n", "yes\n"], "abc", 0),
        (&["y\n", "n\n", "y\n"], "ac", 0),
        (&["\n", "\n", "y\n"], "c", 0),
        (&["n\n", "c\n"], "bc", 0),
        (&["y\n", "q\n"], "a", 130),
        (&["y\n", "\x03"], "a", 130),
    ];
    for (answers, expected, code) in cases {
        let room = tempfile::tempdir().unwrap();
        let dir = room.path();
        let task = |name: &str| {
            let path = dir.join(name);
            format!("task(\"make {name}\", || {{ file::file(\"{}\"); }});\n", path.display())
        };
        let tasks = ["a", "b", "c"].map(task).concat();
        std::fs::write(dir.join("x.rhai"), format!("play(\"p\", \"localhost\", |host| {{\n{tasks}}});\n")).unwrap();

        let question = ["a", "b", "c"].map(|name| format!("task: make {name} (N)o/(y)es/(c)ontinue/(q)uit: "));
        let talk: Vec<_> = question.iter().map(String::as_str).zip(answers.iter().copied()).collect();
        let mut command = on_a_terminal(env!("CARGO_BIN_EXE_hlrun"), "x.rhai --step");
        command.current_dir(dir).env("HOME", dir).env("XDG_STATE_HOME", dir).env("XDG_RUNTIME_DIR", dir);
        let (screen, exit) = converse(&mut command, &talk);
        let made = ["a", "b", "c"].into_iter().filter(|name| dir.join(name).exists()).collect::<String>();
        assert_eq!((made.as_str(), exit), (expected, code), "{answers:?}\n{screen}");
    }
}

#[test]
fn a_password_without_a_terminal_is_not_asked_for() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hlrun"));
    let out = command.args(["exec", "localhost", "-K", "--", "true"]).stdin(std::process::Stdio::null());
    let out = out.output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("no terminal to ask on") && said.contains("--become-password-file"), "{said}");
}

#[test]
fn pause_asks_once_for_all_hosts_and_hides_what_must_not_be_seen() {
    let room = tempfile::tempdir().unwrap();
    let dir = room.path();
    let text = "play(\"p\", \"a,b\", |host| {
        let name = pause(#{ prompt: \"Name\" });
        let pin = pause(#{ prompt: \"Pin\", echo: false });
        print(`${host.name} ${name} ${pin.len()} ${pin}`);
    });\n";
    std::fs::write(dir.join("x.rhai"), text).unwrap();
    std::fs::write(
        dir.join("hosts.yaml"),
        "all: { hosts: { a: { ansible_connection: local }, b: { ansible_connection: local } } }\n",
    )
    .unwrap();
    let at_home = |command: &mut std::process::Command| {
        command.current_dir(dir).env("HOME", dir).env("XDG_STATE_HOME", dir).env("XDG_RUNTIME_DIR", dir);
    };

    let mut command = on_a_terminal(env!("CARGO_BIN_EXE_hlrun"), "x.rhai -i hosts.yaml");
    at_home(&mut command);
    let (screen, code) = converse(&mut command, &[("Name: ", "anna\n"), ("Pin: ", "hush-hush\n")]);
    assert_eq!(code, 0, "{screen}");
    assert!(["a", "b"].iter().all(|host| screen.contains(&format!("{host} anna 9 ‹secret›"))), "{screen}");
    assert_eq!(screen.matches("Name: ").count(), 1, "{screen}");

    for (flags, code, expected) in [(&[][..], 2, "no terminal to ask on"), (&["--check"][..], 0, "it would ask: Name")]
    {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hlrun"));
        at_home(command.args(["x.rhai", "-i", "hosts.yaml"]).args(flags).stdin(std::process::Stdio::null()));
        let out = command.output().unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn what_was_answered_before_a_failure_is_not_asked_again_on_resume() {
    let room = tempfile::tempdir().unwrap();
    let dir = room.path();
    let text = "let greeting = pause(#{ prompt: \"Greeting\" });
    play(\"p\", \"localhost\", |host| {
        let pin = pause(#{ prompt: \"Pin\", echo: false });
        shell::run([\"test\", \"-e\", \"mended\"]);
        print(`${greeting} ${pin.len()} ${pin}`);
        print(pause(#{ prompt: \"And now\" }));
    });\n";
    std::fs::write(
        dir.join("x.rhai"),
        text.replace("[\"test\"", &format!("[\"env\", \"-C\", \"{}\", \"test\"", dir.display())),
    )
    .unwrap();
    let talk = |line: &str, talk: &[(&str, &str)]| {
        let mut command = on_a_terminal(env!("CARGO_BIN_EXE_hlrun"), line);
        command.current_dir(dir).env("HOME", dir).env("XDG_STATE_HOME", dir).env("XDG_RUNTIME_DIR", dir);
        converse(&mut command, talk)
    };
    let (screen, code) = talk("x.rhai", &[("Greeting: ", "good day\n"), ("Pin: ", "hush-hush\n")]);
    assert_eq!(code, 2, "{screen}");
    std::fs::write(dir.join("mended"), "").unwrap();
    let (screen, code) = talk("resume", &[("And now: ", "well\n")]);
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("good day 9 ‹secret›") && screen.contains("well"), "{screen}");
    assert!(!screen.contains("Greeting: ") && !screen.contains("Pin: "), "{screen}");
}
