//! Commands and scripts that the playbook brings itself.
//!
//! A list of arguments reaches the program as it is; one line goes through `sh -c`, because a line is
//! what a shell is for. Values never need quoting: pass them in a list, in `env` or on `stdin`.

use crate::bail;
use crate::contract::{Action, Command, Fact, Look, Module, Need, Output, Result, Step};
use crate::shared::{Many, Span};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.action::<Run>().action::<Script>().fact::<Query>();
}

/// Run a command.
///
/// The command is a list of arguments, or one line for the shell. It counts as a change unless
/// `changed_when` says otherwise; `creates` and `removes` make it run only when it is needed. In check
/// mode it does not run, and its record is unknown.
///
/// ```rhai
/// shell::run(["git", "-C", "/srv/app", "gc"], #{ creates: "/srv/app/.git/gc.log" });
/// ```
/// ```transcript
/// ? test -e /srv/app/.git/gc.log
/// * 1
/// ! git -C /srv/app gc
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The program and its arguments as a list, or one line for the shell.
    pub command: Many<String>,
    /// Do nothing if this path exists already.
    pub creates: Option<String>,
    /// Do nothing if this path does not exist.
    pub removes: Option<String>,
    /// What the command reads from standard input.
    pub stdin: Option<String>,
    /// Environment variables for the command.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The directory to run in.
    pub cwd: Option<String>,
    /// Exit codes that mean success, instead of just 0.
    #[serde(default)]
    pub ok_codes: Vec<i32>,
    /// Exit codes that mean success without a change, such as 0 in `[0]` when 2 means changed.
    #[serde(default)]
    pub unchanged_codes: Vec<i32>,
    /// The longest it may take; it is ended after that.
    pub timeout: Option<Span>,
    /// The shell for a command that is one line.
    #[serde(default = "sh")]
    pub executable: String,
    /// Keep what it prints out of the report and the journal.
    #[serde(default)]
    pub sensitive: bool,
}

fn sh() -> String {
    "/bin/sh".to_owned()
}

impl Action for Run {
    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        reject_empty("shell::run", &self.command)
    }
    async fn need(&self, host: &dyn Look) -> Result<Need> {
        needed(host, self.creates.as_deref(), self.removes.as_deref()).await
    }
    fn steps(&self) -> Result<Vec<Step>> {
        let command = command(&self.command, &self.executable);
        let command = Command { stdin: self.stdin.clone(), env: self.env.clone(), ..command };
        let codes = self.ok_codes.iter().chain(&self.unchanged_codes).copied();
        let command = command.cwd(self.cwd.clone()).ok_codes(codes).timeout(self.timeout.map(|t| t.0));
        Ok(command.long().into())
    }
    fn changed(&self, output: &Output) -> bool {
        !self.unchanged_codes.contains(&output.code)
    }
    fn sensitive(&self) -> bool {
        self.sensitive
    }
}

/// Run a script that lies beside the playbook: it is sent through standard input and leaves no file.
///
/// ```rhai
/// shell::script("scripts/rebuild-index.sh", #{ args: ["--full"], cwd: "/srv/media" });
/// ```
/// ```transcript
/// ? asset scripts/rebuild-index.sh
/// = updatedb "$@"
/// ! cd /srv/media && /bin/sh -s -- --full
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The script on the controller, looked for beside the playbook.
    pub path: String,
    /// Arguments for the script.
    #[serde(default)]
    pub args: Vec<String>,
    /// The interpreter; it reads the script from standard input.
    #[serde(default = "sh")]
    pub executable: String,
    /// Do nothing if this path exists already.
    pub creates: Option<String>,
    /// Do nothing if this path does not exist.
    pub removes: Option<String>,
    /// Environment variables for the script.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The directory to run in.
    pub cwd: Option<String>,
    /// Exit codes that mean success, instead of just 0.
    #[serde(default)]
    pub ok_codes: Vec<i32>,
    /// The longest it may take; it is ended after that.
    pub timeout: Option<Span>,
    /// The script itself, once loaded.
    #[serde(skip)]
    text: String,
}

impl Action for Script {
    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        let Some(content) = host.asset(&self.path).await?.and_then(|asset| asset.content) else {
            bail!(playbook: "no script `{}` on the controller", self.path;
                hint: "scripts are looked for beside the playbook, in its `files`, and in the project");
        };
        match String::from_utf8(content) {
            Ok(text) => self.text = text,
            Err(_) => bail!(playbook: "the script `{}` is not UTF-8 text", self.path;
                hint: "copy a binary with file::file(path, #{{ src, mode: \"0755\" }}) and run it with shell::run"),
        }
        Ok(())
    }
    async fn need(&self, host: &dyn Look) -> Result<Need> {
        needed(host, self.creates.as_deref(), self.removes.as_deref()).await
    }
    fn steps(&self) -> Result<Vec<Step>> {
        let command = Command::new(&self.executable).args(["-s", "--"]).args(&self.args);
        let command = Command { stdin: Some(self.text.clone()), env: self.env.clone(), ..command };
        let command = command.cwd(self.cwd.clone()).ok_codes(self.ok_codes.iter().copied());
        Ok(command.timeout(self.timeout.map(|t| t.0)).long().into())
    }
}

/// Ask a command that only reads; it runs in check mode too.
///
/// You promise that it changes nothing. The answer has `.stdout`, `.stderr`, `.rc`, `.lines` and
/// `.json()`.
///
/// ```rhai
/// shell::query(["findmnt", "--json", "/srv"], #{ ok_codes: [0, 1] });
/// ```
/// ```transcript
/// ? findmnt --json /srv
/// * 1
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// The program and its arguments as a list, or one line for the shell.
    pub command: Many<String>,
    /// What the command reads from standard input.
    pub stdin: Option<String>,
    /// Environment variables for the command.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The directory to run in.
    pub cwd: Option<String>,
    /// Exit codes that are an answer, instead of just 0; any other is an error.
    #[serde(default)]
    pub ok_codes: Vec<i32>,
    /// The longest it may take; it is ended after that.
    pub timeout: Option<Span>,
    /// The shell for a command that is one line.
    #[serde(default = "sh")]
    pub executable: String,
}

impl Fact for Query {
    type Answer = Value;

    async fn ask(&self, host: &dyn Look) -> Result<Value> {
        reject_empty("shell::query", &self.command)?;
        let command = command(&self.command, &self.executable);
        let command = Command { stdin: self.stdin.clone(), env: self.env.clone(), ..command };
        let command = command.cwd(self.cwd.clone()).ok_codes(self.ok_codes.iter().copied());
        let output = host.expect(&command.timeout(self.timeout.map(|t| t.0))).await?;
        Ok(json!({ "rc": output.code, "stdout": output.text(), "stderr": output.stderr_text() }))
    }
}

fn reject_empty(operation: &str, command: &Many<String>) -> Result<()> {
    match command.as_slice().first() {
        Some(program) if !program.trim().is_empty() => Ok(()),
        _ => bail!(playbook: "{operation}: the command is empty"),
    }
}

fn command(command: &Many<String>, executable: &str) -> Command {
    match command {
        Many::One(line) => Command::new(executable).arg("-c").arg(line),
        Many::Several(words) => Command::new(words.first().cloned().unwrap_or_default()).args(words.iter().skip(1)),
    }
}

async fn needed(host: &dyn Look, creates: Option<&str>, removes: Option<&str>) -> Result<Need> {
    let exists = |path: &str| Command::new("test").arg("-e").arg(path);
    if let Some(path) = creates
        && host.succeeds(&exists(path)).await?
    {
        return Ok(Need::Skip(format!("{path} exists")));
    }
    if let Some(path) = removes
        && !host.succeeds(&exists(path)).await?
    {
        return Ok(Need::Skip(format!("{path} does not exist")));
    }
    Ok(Need::Run)
}
