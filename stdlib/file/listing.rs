//! Many paths at once: reading what `find`, `stat` and `sha256sum` print, whatever the names contain.
//!
//! Every path is asked for as `ROOT/./BELOW`. `/./` occurs in no other place of an answer, because no
//! name contains a slash and no command makes one up; so it marks where a name begins, and a name may
//! contain spaces, quotes and newlines.

use crate::bail;
use crate::contract::{Command, Output, Result};
use crate::shared::stat::{self, FORMAT, Stat};
use std::collections::BTreeMap;

/// Asks for everything below a directory.
pub fn all(root: &str) -> Command {
    let format = format!("{FORMAT}:%n");
    let find = Command::new("find").args([&format!("{root}/."), "-mindepth", "1", "-exec"]);
    find.args(["stat", "-c", &format, "{}", "+"]).env("LC_ALL", "C")
}

/// Asks for these paths below a directory, in as many commands as it takes.
pub fn some<'a>(root: &str, below: impl Iterator<Item = &'a str>) -> Vec<Command> {
    let command = Command::new("stat").args(["-c".to_owned(), format!("{FORMAT}:%n"), "--".to_owned()]);
    chunks(command.env("LC_ALL", "C"), below.map(|below| format!("{root}/./{below}")))
}

/// Asks for the digests of the regular files among these paths.
pub fn digests<'a>(root: &str, below: impl Iterator<Item = &'a str>) -> Vec<Command> {
    let commands = chunks(Command::new("find"), below.map(|below| format!("{root}/./{below}")));
    let rest = ["-maxdepth", "0", "-type", "f", "-exec", "sha256sum", "{}", "+"];
    commands.into_iter().map(|command| command.args(rest)).collect()
}

/// Where a link points, then the link itself, in one line each.
const LINKS: &str = r#"for link; do at=$(readlink "$link") && printf '%s %s\n' "$at" "$link"; done"#;

/// Asks where these links point.
pub fn links<'a>(root: &str, below: impl Iterator<Item = &'a str>) -> Vec<Command> {
    chunks(Command::sh(LINKS), below.map(|below| format!("{root}/./{below}")))
}

/// One command with all of these arguments, or several of at most 96 KiB each.
pub fn chunks(command: Command, args: impl Iterator<Item = String>) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut room = 0;
    for arg in args {
        match commands.last_mut().filter(|_| arg.len() < room) {
            Some(last) => last.args.push(arg.clone()),
            None => {
                commands.push(command.clone().arg(arg.clone()));
                room = 96 << 10;
            }
        }
        room = room.saturating_sub(arg.len() + 1);
    }
    commands
}

/// What `stat` said about each path; those that do not exist are left out.
pub fn stats(root: &str, output: &Output) -> Result<BTreeMap<String, Stat>> {
    let complaints = output.stderr_text();
    let mut complaints = complaints.lines().filter(|line| !line.trim().is_empty());
    let missing = |line: &str| ["No such file or directory", "Not a directory"].iter().any(|end| line.ends_with(end));
    if let Some(said) = complaints.find(|line| !missing(line)) {
        bail!("{root} cannot be read: {said}"; hint: "within(#{{ become: \"root\" }}, || ...) reads as root");
    }
    let Ok(text) = std::str::from_utf8(&output.stdout) else {
        bail!("a name below {root} is not UTF-8, so it cannot be managed";
            hint: "find {root} | LC_ALL=C grep -a '[^ -~]' shows the suspects");
    };
    let mut found = BTreeMap::new();
    for (head, name) in records(root, text) {
        match stat::parse(head.trim_end_matches(':')) {
            Some(stat) => drop(found.insert(name.to_owned(), stat)),
            None => bail!("stat answered in words that hlrun does not know: {head}"),
        }
    }
    Ok(found)
}

/// What stands before each path: its digest, or what a link points to.
pub fn heads(root: &str, output: &Output) -> BTreeMap<String, String> {
    let text = output.text();
    let text: String = text.split_inclusive('\n').map(unescape).collect();
    records(root, &text).map(|(head, name)| (name.to_owned(), head.trim_end().to_owned())).collect()
}

/// GNU's `sha256sum` writes a name with a newline or backslash escaped, and says so by a backslash before
/// the digest; busybox writes names as they are.
fn unescape(line: &str) -> String {
    match line.strip_prefix('\\') {
        Some(rest) if rest.get(..64).is_some_and(|hex| hex.chars().all(|c| c.is_ascii_hexdigit())) => {
            let parts = rest.split(r"\\");
            parts.map(|part| part.replace(r"\n", "\n").replace(r"\r", "\r")).collect::<Vec<_>>().join("\\")
        }
        _ => line.to_owned(),
    }
}

/// Pairs of what stands before a path in its line, and the path below the root.
fn records<'a>(root: &str, text: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let marker = format!("{root}/./");
    let parts: Vec<&str> = text.split(&marker).collect();
    let pairs: Vec<_> = parts
        .windows(2)
        .enumerate()
        .map(|(at, pair)| {
            // What follows a marker is its name, a newline, and the head of the next.
            let head = if at == 0 { pair[0] } else { pair[0].rsplit_once('\n').map_or("", |(_, head)| head) };
            (head, pair[1].rsplit_once('\n').map_or(pair[1], |(name, _)| name))
        })
        .collect();
    pairs.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_contain_anything() {
        let line = |name: &str| format!("644:root:root:0:0:1:2:regular file:/srv/x/./{name}\n");
        let names = ["a b", "new\nline", "end\n", "644:root:root:0:0:1:2:regular file:/srv", "-rf", "it's $(x)"];
        let output = Output { stdout: names.map(line).concat().into_bytes(), ..Output::default() };
        let found = stats("/srv/x", &output).unwrap();
        let mut sorted = names.to_vec();
        sorted.sort_unstable();
        assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), sorted);
    }

    #[test]
    fn digests_are_read_from_gnu_and_busybox() {
        let hex = "a".repeat(64);
        let text = format!("\\{hex}  /x/./new\\nline\\\\\n{hex}  /x/./plain\n{hex}  /x/./new\nline2\n");
        let found = heads("/x", &Output { stdout: text.into_bytes(), ..Output::default() });
        assert_eq!(found.keys().collect::<Vec<_>>(), ["new\nline2", "new\nline\\", "plain"]);
        assert!(found.values().all(|digest| *digest == hex));
    }

    #[test]
    fn many_arguments_become_several_commands() {
        let commands = chunks(Command::new("rm"), (0..3).map(|_| "x".repeat(50 << 10)));
        assert_eq!(commands.iter().map(|c| c.args.len()).collect::<Vec<_>>(), [1, 1, 1]);
        assert_eq!(chunks(Command::new("rm"), (0..3).map(|i| i.to_string())).len(), 1);
        assert!(chunks(Command::new("rm"), std::iter::empty()).is_empty());
    }
}
