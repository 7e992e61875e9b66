//! hlrun on a terminal of its own, and a person who answers what is asked.

#![allow(dead_code, clippy::unwrap_used, clippy::disallowed_methods)] // shared by tests; no `cfg(test)` to clippy

use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// A command on a terminal (of util-linux's `script`).
pub fn on_a_terminal(program: &str, args: &str) -> Command {
    let mut command = Command::new("script");
    command.args(["-qefc", &format!("{program} {args}"), "/dev/null"]);
    command
}

/// Run it: wait for each question in turn, and type its answer. Comes back with everything that was on the
/// screen, and with the exit code.
#[track_caller]
pub fn converse(command: &mut Command, talk: &[(&str, &str)]) -> (String, i32) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script, of bsdutils");
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut seen, mut answered, mut chunk) = (String::new(), 0, [0; 4096]);
    let mut talk = talk.iter().peekable();
    while let Ok(count @ 1..) = screen.read(&mut chunk) {
        seen += &String::from_utf8_lossy(&chunk[..count]);
        while let Some((question, answer)) = talk.peek()
            && let Some(at) = seen[answered..].find(question)
        {
            answered += at + question.len();
            keys.write_all(answer.as_bytes()).unwrap();
            talk.next();
        }
    }
    assert_eq!(talk.next(), None, "never asked; the screen:\n{seen}");
    (seen.replace("\r\n", "\n"), child.wait().unwrap().code().unwrap())
}
