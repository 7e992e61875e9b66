//! A host as modules see it: something to look at, and a stronger handle that changes it.

use super::{Command, Dial, Error, Foretold, Keepsake, Request, Result, Step, docker};
use crate::bail;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a command printed, and how it ended. Bytes, because hosts print bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The exit code; 128 + n for a command ended by signal n.
    pub code: i32,
    /// Standard output.
    #[serde(with = "super::bytes")]
    pub stdout: Vec<u8>,
    /// Standard error.
    #[serde(with = "super::bytes")]
    pub stderr: Vec<u8>,
    /// Of an answer over HTTP, its headers, names in lower case; its status is the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
}

impl Output {
    /// Whether the exit code is 0.
    pub fn success(&self) -> bool {
        self.code == 0
    }
    /// Standard output as text; bytes that are not UTF-8 become the replacement character.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
    /// Standard error as text.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
    /// The lines of standard output.
    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }
}

/// A file on the controller, as a playbook names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    /// The path it was found at; in a tree, the path below the root.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the content, in hex; empty for a directory or link.
    pub sha256: String,
    /// Octal permissions such as `0644`.
    pub mode: String,
    /// Whether it is a directory.
    pub directory: bool,
    /// Where it points, if it is a symbolic link.
    pub link: Option<String>,
    /// The content, of files up to 1 MiB.
    pub content: Option<Vec<u8>>,
}

/// What may be asked of a host. Nothing here changes it.
#[async_trait]
pub trait Look: Send + Sync {
    /// The host's name in the inventory.
    fn name(&self) -> &str;
    /// Run a command that only reads. Any exit code is an answer; an error means that there was none.
    async fn run(&self, command: &Command) -> Result<Output>;
    /// A file on the controller, found beside the playbook, in its `files` or `templates`, or in the
    /// project. Nothing if there is none.
    async fn asset(&self, path: &str) -> Result<Option<Asset>>;
    /// Everything below a directory on the controller, sorted by path, without contents.
    async fn asset_tree(&self, path: &str) -> Result<Vec<Asset>>;
    /// The body of a document on the web, fetched by the controller (GET, status 200 expected).
    async fn http_get(&self, url: &str) -> Result<Vec<u8>>;
    /// The answer to a request that only reads (GET, HEAD, OPTIONS), made from the host's point of view. Any
    /// status is an answer.
    async fn http(&self, request: &Request) -> Result<Output>;
    /// The answer to a question over TCP that only reads, asked from the host's point of view.
    async fn dial(&self, dial: &Dial) -> Result<Output>;
    /// How the project reaches people by a channel of this name, all that is to be filled in filled in; its secrets
    /// are hidden from then on.
    async fn channel(&self, name: &str) -> Result<Value>;
    /// The answer of the host's Docker engine to a call that only reads. Any code is an answer.
    async fn docker(&self, call: &docker::Call) -> Result<Output>;
    /// A Jinja template rendered with the host's variables and these.
    async fn render(&self, name: &str, template: &str, vars: &BTreeMap<String, Value>) -> Result<String>;
    /// What check mode has foretold above of a path, if anything.
    fn foretold_at(&self, _path: &str) -> Option<Foretold> {
        None
    }
    /// Whether check mode has only predicted a change above of this: of a path, also if it is of one below or above it, or
    /// of something that has a name only.
    fn foretold(&self, _subject: &str) -> bool {
        false
    }
    /// From now on, this is hidden in every report and in the journal.
    fn hide(&self, _secret: &str) {}
    /// A text without what is hidden.
    fn redacted(&self, text: &str) -> String {
        text.to_owned()
    }
}

impl dyn Look + '_ {
    /// From now on, these are hidden in every report and in the journal.
    pub fn hide_all(&self, secrets: impl IntoIterator<Item = String>) {
        secrets.into_iter().for_each(|secret| self.hide(&secret));
    }
    /// What a command printed; an exit code that it does not accept is an error with its words.
    pub async fn expect(&self, command: &Command) -> Result<Output> {
        let output = self.run(command).await?;
        if command.accepts(output.code) { Ok(output) } else { Err(refusal(command, &output)) }
    }
    /// What a command printed on standard output, without the last newline; failure is an error.
    pub async fn text(&self, command: &Command) -> Result<String> {
        let text = self.expect(command).await?.text();
        Ok(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
    }
    /// Whether check mode has foretold above that nothing would be at a path; where it cannot be known what would be,
    /// that is an error.
    pub fn gone(&self, path: &str) -> Result<bool> {
        match self.foretold_at(path) {
            None | Some(Foretold::Directory { empty: false }) => Ok(false),
            Some(Foretold::Nothing) => Ok(true),
            Some(_) => bail!("what would be at {path} by then is not known"),
        }
    }
    /// Whether a command exits with 0.
    pub async fn succeeds(&self, command: &Command) -> Result<bool> {
        Ok(self.run(command).await?.success())
    }
}

/// The error of a command that ended with an exit code it does not accept.
pub fn refusal(command: &Command, output: &Output) -> Error {
    let stderr = output.stderr_text();
    let text = output.text();
    let last = |text: &str| text.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned);
    let said = last(&stderr).or_else(|| last(&text));
    let shell = command.program == "sh" || command.program.ends_with("/sh") || command.program.ends_with("bash");
    let message = match (output.code, said) {
        (127, _) if !shell => format!("{} is not installed", command.program),
        // A script of ours says itself what went wrong.
        (_, Some(said)) if command.program == "sh" => said.to_owned(),
        (code, Some(said)) => format!("{} exited with {code}: {said}", command.program),
        (code, None) => format!("{} exited with {code}", command.program),
    };
    Error::host(message).with_output(output).with_command(command.line())
}

/// The error of a request whose answer has a status that it does not accept.
pub fn refused(request: &Request, output: &Output) -> Error {
    let text = output.text();
    let said = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('<')).unwrap_or_default();
    let said: String = said.chars().take(200).collect();
    let said = if said.is_empty() { said } else { format!(": {said}") };
    let error = Error::host(format!("{} {} answered {}{said}", request.method, request.url, output.code));
    let error = match output.code {
        401 | 403 => error.hint("give `user` and `password`, or the `headers` that it wants"),
        301 | 302 | 303 | 307 | 308 => {
            error.hint(format!("it points to {}", output.header("location").unwrap_or("nowhere")))
        }
        _ => error.hint(format!("if that is right, say so: status: [{}]", output.code)),
    };
    error.with_output(output).with_command(request.line())
}

/// A host that may be changed. Only the engine holds one.
#[async_trait]
pub trait Host: Look {
    /// Carry out one step. Any exit code is an answer; an error means that it is not known to be done.
    async fn change(&self, step: &Step) -> Result<Output>;
    /// Keep something that the next steps take away. Where that cannot be done, undo says so: it is no reason
    /// not to take the steps.
    async fn keep(&self, _keepsake: &Keepsake) {}
    /// The same host, to look at.
    fn look(&self) -> &dyn Look;
}
