//! What just happens to containers.

use crate::bail;
use crate::contract::docker::{Exec as Command, Until, Verb};
use crate::contract::{Action, Output, Result, Step};
use crate::shared::{Span, words};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Run a command in a container that runs.
///
/// Its output is shown while it comes. An exit code other than 0 is an error, unless `failed_when` says otherwise. A line
/// is split into words and given to no shell: for pipes, `["sh", "-c", "..."]`.
///
/// ```rhai
/// docker::exec("db", #{ command: ["pg_dump", "-U", "app", "app"], user: "postgres" });
/// ```
/// ```transcript
/// ! docker exec --user postgres db pg_dump -U app app
/// = -- PostgreSQL database dump
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exec {
    /// The container.
    pub name: String,
    /// The command: a line that is split into words, or a list of words.
    pub command: Value,
    /// As whom: a name or number.
    pub user: Option<Value>,
    /// The directory to run in.
    #[serde(alias = "chdir")]
    pub workdir: Option<String>,
    /// Environment variables added to the container's own.
    #[serde(default)]
    pub env: BTreeMap<String, Value>,
    /// What it reads from standard input.
    pub stdin: Option<String>,
    /// With a terminal.
    #[serde(default)]
    pub tty: bool,
    /// With all privileges.
    #[serde(default)]
    pub privileged: bool,
    /// Do not wait for its end.
    #[serde(default)]
    pub detach: bool,
    /// Keep all of it out of the report and the journal.
    #[serde(default)]
    pub sensitive: bool,
    /// The engine's socket on the host; `/var/run/docker.sock` without it.
    pub socket: Option<String>,
}

impl Action for Exec {
    fn steps(&self) -> Result<Vec<Step>> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let argv = match &self.command {
            Value::String(line) => words(line),
            Value::Array(items) => Some(items.iter().map(text).collect()),
            _ => None,
        };
        let Some(argv) = argv.filter(|argv| !argv.is_empty()) else {
            bail!(playbook: "`command` is a line or a list of words"; hint: "its quotes must be closed");
        };
        let exec = Command {
            name: self.name.clone(),
            argv,
            user: self.user.as_ref().map(text),
            workdir: self.workdir.clone(),
            env: self.env.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            stdin: self.stdin.clone(),
            tty: self.tty,
            privileged: self.privileged,
            detach: self.detach,
        };
        Ok(vec![Verb::Exec(exec).at(self.socket.as_ref()).into()])
    }
    fn sensitive(&self) -> bool {
        self.sensitive
    }
}

/// Restart a container, or start it if it does not run.
///
/// ```rhai
/// docker::restarted("web", #{ wait: "1m" });
/// ```
/// ```transcript
/// ! docker restart web
/// ! docker await healthy --timeout 60 web
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restarted {
    /// The container.
    pub name: String,
    /// Wait until it is healthy, for no longer than this; one without a health check until it runs.
    pub wait: Option<Span>,
    /// How long it may take to stop before it is killed.
    pub stop_timeout: Option<Span>,
    /// The engine's socket on the host; `/var/run/docker.sock` without it.
    pub socket: Option<String>,
}

impl Action for Restarted {
    fn steps(&self) -> Result<Vec<Step>> {
        let timeout = self.stop_timeout.map(|span| span.0);
        let mut verbs = vec![Verb::Restart { name: self.name.clone(), timeout }];
        if let Some(wait) = self.wait {
            verbs.push(Verb::Await { name: self.name.clone(), until: Until::Healthy, timeout: wait.0 });
        }
        Ok(verbs.into_iter().map(|verb| verb.at(self.socket.as_ref()).into()).collect())
    }
}

/// Wait until a container is healthy; one without a health check until it runs.
///
/// One that is unhealthy or has ended is an error at once, with its last words. In check mode nothing is waited for.
///
/// ```rhai
/// docker::healthy("web", #{ timeout: "2m" });
/// ```
/// ```transcript
/// ! docker await healthy --timeout 120 web
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Healthy {
    /// The container.
    pub name: String,
    /// The longest to wait.
    #[serde(default = "minute")]
    pub timeout: Span,
    /// The engine's socket on the host; `/var/run/docker.sock` without it.
    pub socket: Option<String>,
}

fn minute() -> Span {
    Span(Duration::from_secs(60))
}

impl Action for Healthy {
    fn steps(&self) -> Result<Vec<Step>> {
        let wait = Verb::Await { name: self.name.clone(), until: Until::Healthy, timeout: self.timeout.0 };
        Ok(vec![wait.at(self.socket.as_ref()).into()])
    }
    fn foretold(&self) -> &str {
        "it waits, and changes nothing"
    }
    fn changed(&self, _output: &Output) -> bool {
        false
    }
}
