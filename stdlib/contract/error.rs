//! One error type: who must act, what happened, where, and the next command to try.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// A result whose error is an hlrun [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who must act on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The playbook, inventory or configuration is written wrong.
    Playbook,
    /// The machine said no.
    Host,
    /// The machine could not be reached, or the connection to it was lost.
    Unreachable,
    /// It took longer than it was allowed to.
    Timeout,
    /// The run was interrupted before this could be done.
    Interrupted,
    /// hlrun itself is at fault.
    Bug,
}

impl Kind {
    /// The word a playbook sees in `e.kind`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Playbook => "playbook",
            Kind::Host => "host",
            Kind::Unreachable => "unreachable",
            Kind::Timeout => "timeout",
            Kind::Interrupted => "interrupted",
            Kind::Bug => "bug",
        }
    }
}

/// A place in a user's file; line and column count from 1, 0 means unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Site {
    /// The file as the user would name it.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(f, "{}", self.file),
            (line, 0) => write!(f, "{}:{line}", self.file),
            (line, column) => write!(f, "{}:{line}:{column}", self.file),
        }
    }
}

/// What went wrong. Boxed, so that a `Result` stays small.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Error(Box<Details>);

/// The parts of an [`Error`].
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Details {
    /// Who must act.
    pub kind: Kind,
    /// What happened, one sentence without a full stop.
    pub message: String,
    /// What to try next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// The host it happened on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The operation that failed, such as `zfs::snapshot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Where in the user's files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Site>,
    /// What the machine wrote to standard error, or the lines of a transcript.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// What the machine wrote to standard output before it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    /// The exit code of the command that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rc: Option<i32>,
    /// The command that failed, as an operator would type it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What had been changed by then, where that is known: the engine's business, in the record of the call.
    #[serde(skip)]
    pub halfway: Option<Halfway>,
}

/// How far an operation came that failed on its way.
#[derive(Debug, Clone)]
pub struct Halfway {
    /// What it had changed; nothing where that is withheld.
    pub diff: Vec<super::Change>,
    /// The states before it, and after it had failed.
    pub past: super::Past,
}

impl Halfway {
    /// From one state to another; `withheld` says that nobody may see what differs.
    pub fn between(before: Value, after: Value, withheld: bool) -> Halfway {
        let diff = if withheld { Vec::new() } else { super::diff(&before, &after) };
        Halfway { diff, past: super::Past { before, after } }
    }
}

impl Error {
    /// An error of a kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error(Box::new(Details {
            kind,
            message: message.into(),
            hints: Vec::new(),
            host: None,
            operation: None,
            at: None,
            stderr: String::new(),
            stdout: String::new(),
            rc: None,
            command: None,
            halfway: None,
        }))
    }
    /// Written wrong: the user's files must change.
    pub fn playbook(message: impl Into<String>) -> Error {
        Error::new(Kind::Playbook, message)
    }
    /// The machine said no.
    pub fn host(message: impl Into<String>) -> Error {
        Error::new(Kind::Host, message)
    }
    /// hlrun is at fault.
    pub fn bug(message: impl Into<String>) -> Error {
        Error::new(Kind::Bug, message)
    }
    /// The same error with a hint more.
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hints.push(hint.into());
        self
    }
    /// The same error at a place, unless it has one.
    pub fn at(mut self, site: Site) -> Error {
        self.0.at.get_or_insert(site);
        self
    }
    /// The same error on a host, unless it has one.
    pub fn on(mut self, host: &str) -> Error {
        self.0.host.get_or_insert_with(|| host.to_owned());
        self
    }
    /// The same error of an operation, unless it has one.
    pub fn of(mut self, operation: &str) -> Error {
        self.0.operation.get_or_insert_with(|| operation.to_owned());
        self
    }
    /// The same error with what a command printed.
    pub fn with_output(mut self, output: &super::Output) -> Error {
        self.0.stderr = output.stderr_text();
        self.0.stdout = output.text();
        self.0.rc = Some(output.code);
        self
    }
    /// The same error with the command that failed.
    pub fn with_command(mut self, command: impl Into<String>) -> Error {
        self.0.command = Some(command.into());
        self
    }
}

impl std::ops::Deref for Error {
    type Target = Details;
    fn deref(&self) -> &Details {
        &self.0
    }
}

impl std::ops::DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Details {
        &mut self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The name nearest to `wrong`, if one is near enough to be meant.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (wrong.chars().count() / 3).max(1) + 1;
    names
        .into_iter()
        .map(|name| (strsim::osa_distance(&wrong.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= limit && *distance < name.chars().count().max(2))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Leave a function with an error of kind `host` (or `playbook:` first); hints follow after semicolons.
///
/// ```ignore
/// bail!("no pool named {name}"; hint: "zpool list shows the pools");
/// bail!(playbook: "`mode` is a quoted octal string"; hint: "write mode: \"0644\"");
/// ```
#[macro_export]
macro_rules! bail {
    (playbook: $fmt:literal $(, $arg:expr)* $(; hint: $hint:literal $(, $harg:expr)*)*) => {
        return Err($crate::contract::Error::playbook(format!($fmt $(, $arg)*))$(.hint(format!($hint $(, $harg)*)))*)
    };
    ($fmt:literal $(, $arg:expr)* $(; hint: $hint:literal $(, $harg:expr)*)*) => {
        return Err($crate::contract::Error::host(format!($fmt $(, $arg)*))$(.hint(format!($hint $(, $harg)*)))*)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near_or_none() {
        let names = ["upgraded", "installed", "absent"];
        assert_eq!(nearest("upgrad", names), Some("upgraded"));
        assert_eq!(nearest("instaled", names), Some("installed"));
        assert_eq!(nearest("reboot", names), None);
    }
}
