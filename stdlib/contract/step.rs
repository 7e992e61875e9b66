//! Commands and steps: what is asked of a machine, as data.

use super::{Delivery, Download, Request, docker};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A program with its arguments. Nothing in it is ever interpreted by a shell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Command {
    /// The program, found in the host's PATH.
    pub program: String,
    /// Its arguments, passed as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// What it reads from standard input; nothing means an empty input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Environment variables added to the host's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The directory to run in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Exit codes that mean success; empty means just 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ok_codes: Vec<i32>,
    /// The longest it may take; nothing means what the scope allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Whether it may take long: it gets a channel of its own and its output is shown live.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub long: bool,
    /// Whether it may end the connection it came over, as a reboot does: then no answer is no failure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_disconnect: bool,
    /// Of a script of ours that is too long to be read in a line: what it does. Whatever shows the command shows this
    /// in the script's place, in parentheses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gist: Option<String>,
}

impl Command {
    /// A program without arguments.
    pub fn new(program: impl Into<String>) -> Command {
        Command { program: program.into(), ..Command::default() }
    }
    /// `sh -c SCRIPT` with arguments `$1`, `$2`...: for reads that need a loop or a pipe. The script is a
    /// constant of ours (or the user's own shell line); values go in as arguments, never into the text.
    pub fn sh(script: impl Into<String>) -> Command {
        Command::new("sh").arg("-c").arg(script).arg("sh")
    }
    /// The same, shown as `sh -c '(GIST)'`: the gist names the programs that a long script runs.
    pub fn gist(gist: impl Into<String>, script: impl Into<String>) -> Command {
        Command { gist: Some(gist.into()), ..Command::sh(script) }
    }
    /// One more argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Command {
        self.args.push(arg.into());
        self
    }
    /// More arguments.
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Command {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }
    /// With an environment variable.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Command {
        self.env.insert(name.into(), value.into());
        self
    }
    /// With something on standard input.
    pub fn stdin(mut self, text: impl Into<String>) -> Command {
        self.stdin = Some(text.into());
        self
    }
    /// In a directory.
    pub fn cwd(mut self, path: Option<impl Into<String>>) -> Command {
        self.cwd = path.map(Into::into);
        self
    }
    /// Exit codes that mean success.
    pub fn ok_codes(mut self, codes: impl IntoIterator<Item = i32>) -> Command {
        self.ok_codes = codes.into_iter().collect();
        self
    }
    /// With a time limit.
    pub fn timeout(mut self, limit: Option<Duration>) -> Command {
        self.timeout = limit;
        self
    }
    /// Shown live, on a channel of its own.
    pub fn long(mut self) -> Command {
        self.long = true;
        self
    }
    /// It may end the connection it came over.
    pub fn may_disconnect(mut self) -> Command {
        self.may_disconnect = true;
        self
    }
    /// Whether an exit code means success.
    pub fn accepts(&self, code: i32) -> bool {
        if self.ok_codes.is_empty() { code == 0 } else { self.ok_codes.contains(&code) }
    }
    /// As an operator would type it: quoted where a shell would need it. Of a script that has one, the gist.
    pub fn line(&self) -> String {
        let env = self.env.iter().map(|(k, v)| format!("{k}={}", quote(v)));
        let gist = |at: usize| self.gist.as_ref().filter(|_| at == 1).map(|gist| quote(&format!("({gist})")));
        let args = self.args.iter().enumerate().map(|(at, arg)| gist(at).unwrap_or_else(|| quote(arg)));
        let words = std::iter::once(quote(&self.program)).chain(args);
        let mut line = env.chain(words).collect::<Vec<_>>().join(" ");
        if let Some(dir) = &self.cwd {
            line = format!("cd {} && {line}", quote(dir));
        }
        line
    }
}

/// A word as a POSIX shell needs it to mean exactly these characters.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// What a written file contains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// This text.
    Text(String),
    /// These bytes.
    Bytes(Vec<u8>),
    /// The bytes of a file on the controller, streamed.
    Asset(String),
    /// What was kept of this digest before it was taken away.
    Kept(String),
}

impl Source {
    /// The text, if it is at hand.
    pub fn text(&self) -> Option<&str> {
        if let Source::Text(text) = self { Some(text) } else { None }
    }
}

/// A file to be written whole and at once: beside its place, then renamed over it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Write {
    /// Where.
    pub path: String,
    /// What.
    pub source: Source,
    /// Octal permissions such as `0644`; nothing keeps what is there, or 0644 for a new file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The owner; nothing keeps what is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The group; nothing keeps what is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Keep a copy of the old file under this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// A command that must accept the new file before it takes the old one's place; `%s` is its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate: Option<Command>,
    /// Never show or journal the content.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
}

impl Write {
    /// A file with this content, and of what is there its permissions and owner.
    pub fn new(path: impl Into<String>, source: Source) -> Self {
        Self {
            path: path.into(),
            source,
            mode: None,
            owner: None,
            group: None,
            backup: None,
            validate: None,
            sensitive: false,
        }
    }

    /// A file that only its owner may read and nobody is shown.
    pub fn private(path: impl Into<String>, source: Source) -> Self {
        Self { mode: Some("0600".to_owned()), sensitive: true, ..Self::new(path, source) }
    }
}

/// Files of the controller to be put below a directory of the host: all in one stream, each whole and at
/// once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Upload {
    /// The directory on the host; it exists, and so do those below it that the files lie in.
    pub dest: String,
    /// The directory on the controller.
    pub src: String,
    /// What is copied: paths below both directories, and the octal permissions of each.
    pub files: BTreeMap<String, String>,
    /// The owner; nothing keeps what is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The group; nothing keeps what is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// A file or tree to be brought to the controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Fetch {
    /// The file or directory on the host.
    pub path: String,
    /// The file or directory on the controller.
    pub dest: String,
    /// Of a directory, the files below it that are brought.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

/// Something to wait for: a question that is asked over fresh connections until the answer is yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Await {
    /// After what it is waited, as a person would say it: `its reboot`.
    pub after: String,
    /// The question; it only reads. An exit code that it accepts is a yes.
    pub until: Command,
    /// The longest to wait.
    pub timeout: Duration,
}

/// One effect, as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Run a command.
    Run(Command),
    /// Write a file.
    Write(Write),
    /// Write many files.
    Upload(Upload),
    /// Bring files to the controller.
    Fetch(Fetch),
    /// Make a request over HTTP.
    Http(Request),
    /// Fetch a file over HTTP.
    Download(Download),
    /// Call the Docker engine.
    Docker(docker::Call),
    /// Wait until the host answers again, and as it should.
    Await(Await),
    /// Tell people something, or a service that watches: from the controller.
    Send(Delivery),
}

impl Step {
    /// The step in one line, as a transcript shows it after `! `.
    pub fn line(&self) -> String {
        match self {
            Step::Run(command) => command.line(),
            Step::Write(write) => {
                let mut line = format!("write {}", quote(&write.path));
                if let Some(mode) = &write.mode {
                    line += &format!(" mode={mode}");
                }
                if let Some(owner) = &write.owner {
                    line += &format!(" owner={owner}");
                }
                if let Some(group) = &write.group {
                    line += &format!(" group={group}");
                }
                match &write.source {
                    Source::Asset(path) => line += &format!(" from={}", quote(path)),
                    Source::Kept(sha256) => line += &format!(" kept={}", sha256.get(..12).unwrap_or(sha256)),
                    Source::Text(_) | Source::Bytes(_) => {}
                }
                if let Some(backup) = &write.backup {
                    line += &format!(" backup={}", quote(backup));
                }
                if let Some(validate) = &write.validate {
                    line += &format!(" validate={}", quote(&validate.line()));
                }
                line
            }
            Step::Upload(upload) => {
                let mut line = format!("upload {} from={}", quote(&upload.dest), quote(&upload.src));
                if let Some(owner) = &upload.owner {
                    line += &format!(" owner={owner}");
                }
                if let Some(group) = &upload.group {
                    line += &format!(" group={group}");
                }
                line
            }
            Step::Http(request) => request.line(),
            Step::Download(download) => download.line(),
            Step::Send(delivery) => delivery.line(),
            Step::Docker(call) => call.line(),
            Step::Fetch(fetch) => format!("fetch {} to={}", quote(&fetch.path), quote(&fetch.dest)),
            Step::Await(wait) => format!("await within={}s {}", wait.timeout.as_secs(), wait.until.line()),
        }
    }
}

impl From<Command> for Step {
    fn from(command: Command) -> Step {
        Step::Run(command)
    }
}

impl From<Await> for Step {
    fn from(wait: Await) -> Step {
        Step::Await(wait)
    }
}

impl From<Write> for Step {
    fn from(write: Write) -> Step {
        Step::Write(write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_quoted_as_a_shell_needs_it() {
        let command = Command::new("touch").args(["-x", "a b", "$(reboot)", "it's", ""]);
        assert_eq!(command.line(), r"touch -x 'a b' '$(reboot)' 'it'\''s' ''");
        let script = Command::gist("git status", "git() { :; }").arg("/srv/a b");
        assert_eq!(script.line(), "sh -c '(git status)' sh '/srv/a b'");
        assert_eq!(script.args[1], "git() { :; }");
    }
}
