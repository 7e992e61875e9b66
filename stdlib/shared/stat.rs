//! What a host says about a path: one command for GNU and busybox alike.

use super::{HostPath, Id};
use crate::bail;
use crate::contract::{Command, Look, Output, Result, Step};
use serde::{Deserialize, Serialize};

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, pipe or socket.
    Other,
}

impl Kind {
    /// As a person would say it.
    pub fn words(self) -> &'static str {
        match self {
            Kind::File => "a file",
            Kind::Directory => "a directory",
            Kind::Link => "a symbolic link",
            Kind::Other => "a device, pipe or socket",
        }
    }
}

/// The answer of `stat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Permissions.
    pub mode: u32,
    /// The owner's name.
    pub owner: String,
    /// The group's name.
    pub group: String,
    /// The owner's number.
    pub uid: String,
    /// The group's number.
    pub gid: String,
    /// Size in bytes.
    pub size: u64,
    /// When it was last written, in seconds since 1970.
    pub mtime: i64,
}

impl Stat {
    /// The owner, as a name or number like the one it is compared with.
    pub fn owner_like(&self, id: &Id) -> String {
        id.like(&self.owner, &self.uid).to_owned()
    }
    /// The group likewise.
    pub fn group_like(&self, id: &Id) -> String {
        id.like(&self.group, &self.gid).to_owned()
    }
}

/// What [`parse`] understands: names cannot contain a colon, and the words come last.
pub const FORMAT: &str = "%a:%U:%G:%u:%g:%s:%Y:%F";

/// Asks about a path itself, not what a link points to.
pub fn command(path: &str) -> Command {
    Command::new("stat").args(["-c", FORMAT, "--", path]).env("LC_ALL", "C")
}

/// The same command about what a link points to.
pub fn following(command: Command) -> Command {
    let mut command = command;
    command.args.insert(0, "-L".to_owned());
    command
}

/// What a path leads to, through links; nothing if there is nothing, or would be nothing by then in check mode.
pub async fn reached(host: &dyn Look, path: &str) -> Result<Option<Stat>> {
    if host.gone(path)? {
        return Ok(None);
    }
    answer(path, &host.run(&following(command(path))).await?)
}

/// What `stat` said; nothing if there is nothing at that path.
pub fn answer(path: &str, output: &Output) -> Result<Option<Stat>> {
    if output.success() {
        let text = output.text();
        return match parse(text.trim_end()) {
            Some(stat) => Ok(Some(stat)),
            None => bail!("stat answered in words that hlrun does not know: {}", text.trim_end()),
        };
    }
    let said = output.stderr_text();
    let said = said.trim_end();
    if said.ends_with("No such file or directory") {
        Ok(None)
    } else if said.ends_with("Not a directory") {
        let parent = HostPath::parse(path).map(|p| p.parent().to_owned()).unwrap_or_default();
        bail!("{path} cannot exist: something above it is no directory"; hint: "look at {parent}")
    } else if said.ends_with("Permission denied") {
        bail!("{path} may not be looked at"; hint: "within(#{{ become: \"root\" }}, || ...) looks as root")
    } else {
        bail!("stat exited with {}: {said}", output.code)
    }
}

/// One line in the [`FORMAT`] above.
pub fn parse(line: &str) -> Option<Stat> {
    let mut fields = line.splitn(8, ':');
    let mut next = || fields.next();
    Some(Stat {
        mode: u32::from_str_radix(next()?, 8).ok()?,
        owner: next()?.to_owned(),
        group: next()?.to_owned(),
        uid: next()?.to_owned(),
        gid: next()?.to_owned(),
        size: next()?.parse().ok()?,
        mtime: next()?.parse().ok()?,
        kind: match next()? {
            "regular file" | "regular empty file" => Kind::File,
            "directory" => Kind::Directory,
            "symbolic link" => Kind::Link,
            _ => Kind::Other,
        },
    })
}

/// Asks for the SHA-256 of a path, if it is a regular file: a pipe would never end.
pub fn digest(path: &str) -> Command {
    sum(path, "sha256sum")
}

/// The same by another program, such as `md5sum`.
pub fn sum(path: &str, program: &str) -> Command {
    Command::new("find").args([path, "-maxdepth", "0", "-type", "f", "-exec", program, "{}", ";"])
}

/// The SHA-256 in the answer; nothing if it was no regular file.
pub fn digest_answer(output: &Output) -> Option<String> {
    sum_answer(output).filter(|hex| hex.len() == 64)
}

/// The checksum in the answer; nothing if it was no regular file.
pub fn sum_answer(output: &Output) -> Option<String> {
    // A backslash before the checksum means that the name after it is escaped.
    let text = output.text();
    let hex = text.trim_start_matches('\\').split(' ').next()?;
    (hex.len() >= 32 && hex.chars().all(|c| c.is_ascii_hexdigit())).then(|| hex.to_owned())
}

/// Asks for the content of a path, if it is a regular file.
pub fn content(path: &str) -> Command {
    Command::new("find").args([path, "-maxdepth", "0", "-type", "f", "-exec", "cat", "{}", ";"])
}

/// `chown` to what is given.
pub fn chown(path: &str, owner: Option<&str>, group: Option<&str>) -> Command {
    let command = match (owner, group) {
        (owner, None) => Command::new("chown").args(["-h", owner.unwrap_or_default()]),
        (None, Some(group)) => Command::new("chgrp").args(["-h", group]),
        (Some(owner), Some(group)) => Command::new("chown").args(["-h".to_owned(), format!("{owner}:{group}")]),
    };
    command.args(["--", path])
}

/// What gives a file these attributes (mode, owner, group) where they differ, through a link.
pub fn attributes(path: &str, now: [&Option<String>; 3], want: [&Option<String>; 3]) -> Vec<Step> {
    let [mode, owner, group] = want.map(|value| value.as_deref());
    let (owner, group) = (owner.filter(|_| now[1] != want[1]), group.filter(|_| now[2] != want[2]));
    let moved = owner.is_some() || group.is_some();
    let mut steps: Vec<Step> = Vec::new();
    if moved {
        let command = chown(path, owner, group);
        steps.push(Command { args: command.args.into_iter().filter(|arg| arg != "-h").collect(), ..command }.into());
    }
    // A change of the owner clears special bits.
    if let Some(mode) = mode.filter(|_| moved || now[0] != want[0]) {
        steps.push(chmod(path, mode, false).into());
    }
    steps
}

/// `chmod` to exactly these four octal digits; the fifth makes it clear special bits of a directory too.
pub fn chmod(path: &str, mode: &str, directory: bool) -> Command {
    let mode = if directory { format!("0{mode}") } else { mode.to_owned() };
    Command::new("chmod").args([mode, "--".to_owned(), path.to_owned()])
}
