//! Calls of the Docker Engine's API, as data. They go to the engine's socket on the host, over the connection to it:
//! neither a port nor a docker program is needed there. What is secret in them reaches no report and no journal.

mod condition;
mod line;
mod secret;

pub use condition::Condition;
pub use line::layout;
pub use secret::{MASK, in_address, in_body, in_labels, in_words, is_secret, secrets, veiled, without};

use super::{Error, Look, Output, Result, Step};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Where the engine listens, if nothing else is said.
pub const SOCKET: &str = "/var/run/docker.sock";

/// Filters by name, as the API knows them: `label`, `name`, `status`, `until`, `dangling`, ...
pub type Filters = BTreeMap<String, Vec<String>>;

/// One call. Its answer is an [`Output`]: JSON on standard output and the code 0, or what the engine complained of on
/// standard error and its status as the code. 404 is an answer like any other: there is no such thing. Of
/// [`Verb::Exec`] the code and both streams are those of the command, of [`Verb::Logs`] the streams are those of the
/// container, and [`Verb::Await`] answers 1 with the reason when it was in vain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Call {
    /// The engine's socket on the host; [`SOCKET`] without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
    /// What is asked or told.
    pub verb: Verb,
}

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A network.
    Network,
    /// A volume.
    Volume,
    /// What builds keep for the next one; can only be pruned.
    Builder,
}

/// What a container is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Until {
    /// It runs, and has not ended at once.
    Running,
    /// Its health check says so; without one, it runs.
    Healthy,
    /// The same, or it has ended well and nothing starts it again: it was there to do something once.
    Well,
    /// It has ended, whatever its exit code.
    Exited,
}

/// Who we are to a registry. It is never written down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Auth {
    /// The registry, such as `ghcr.io`.
    pub server: String,
    /// The user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The password or access token.
    #[serde(skip)]
    pub password: Option<String>,
    /// A token in place of user and password, as a registry gives it.
    #[serde(skip)]
    pub token: Option<String>,
}

/// A command in a container that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Exec {
    /// The container.
    pub name: String,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// As whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    /// Environment variables added to the container's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", serialize_with = "secret::masked_map")]
    pub env: BTreeMap<String, String>,
    /// What it reads from standard input; nothing means an empty input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// With a terminal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tty: bool,
    /// With all privileges.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub privileged: bool,
    /// Without waiting for its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub detach: bool,
}

/// What is asked of the engine, or told. Bodies are JSON as the API has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// The engine's and its API's version.
    Version,
    /// All about the engine.
    Info,
    /// What builds keep for the next one, and how large it is.
    BuilderUsage,
    /// One thing, by name or id.
    Inspect {
        /// What it is.
        kind: Kind,
        /// Its name or id.
        name: String,
    },
    /// All things of a kind.
    List {
        /// What they are.
        kind: Kind,
        /// Stopped containers and intermediate images, too.
        all: bool,
        /// Only those.
        filters: Filters,
    },
    /// An image as the registry has it now, asked by the engine: `Descriptor.digest` is what a pull would bring.
    Distribution {
        /// The image with its tag.
        image: String,
        /// Who asks.
        auth: Option<Auth>,
    },
    /// What a container has printed.
    Logs {
        /// The container.
        name: String,
        /// Only the last lines.
        tail: Option<u64>,
        /// Only since then, in seconds since 1970.
        since: Option<i64>,
        /// Only until then, in seconds since 1970.
        until: Option<i64>,
        /// Each line with its time.
        timestamps: bool,
    },
    /// Wait for a container. It changes nothing, and may be a step too.
    Await {
        /// The container.
        name: String,
        /// What for.
        until: Until,
        /// The longest to wait.
        timeout: Duration,
    },
    /// Make a container, a network or a volume.
    Create {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: String,
        /// What the API takes; the name comes from above.
        #[serde(serialize_with = "secret::masked_body")]
        body: Value,
        /// Of a container, the platform of its image, such as `linux/arm64`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        platform: Option<String>,
    },
    /// Remove something.
    Remove {
        /// What it is.
        kind: Kind,
        /// Its name or id.
        name: String,
        /// A container that runs, an image that has several names, a volume whose driver is gone.
        force: bool,
        /// Of a container, its volumes without a name, too.
        volumes: bool,
    },
    /// Start a container.
    Start {
        /// The container.
        name: String,
    },
    /// Stop a container.
    Stop {
        /// The container.
        name: String,
        /// How long it may take before it is killed.
        timeout: Option<Duration>,
        /// What it is sent first.
        signal: Option<String>,
    },
    /// Stop and start a container.
    Restart {
        /// The container.
        name: String,
        /// How long stopping may take before it is killed.
        timeout: Option<Duration>,
    },
    /// Send a container a signal.
    Kill {
        /// The container.
        name: String,
        /// The signal, such as `SIGHUP`.
        signal: String,
    },
    /// Freeze a container.
    Pause {
        /// The container.
        name: String,
    },
    /// Let a frozen container go on.
    Unpause {
        /// The container.
        name: String,
    },
    /// Give a container another name.
    Rename {
        /// The container.
        name: String,
        /// Its new name.
        to: String,
    },
    /// Change what can be changed of a container that exists: its limits and restart policy.
    Update {
        /// The container.
        name: String,
        /// What the API takes.
        body: Value,
    },
    /// Fetch an image from its registry.
    Pull {
        /// The image with its tag or digest.
        image: String,
        /// The platform, if not the engine's own.
        platform: Option<String>,
        /// Who asks.
        auth: Option<Auth>,
    },
    /// Give an image another name.
    Tag {
        /// The image.
        image: String,
        /// Its further name, with a tag.
        to: String,
    },
    /// Connect a container to a network.
    Connect {
        /// The network.
        network: String,
        /// The container.
        container: String,
        /// What the API takes as `EndpointConfig`.
        endpoint: Value,
    },
    /// Disconnect a container from a network.
    Disconnect {
        /// The network.
        network: String,
        /// The container.
        container: String,
        /// Even if the container is gone.
        force: bool,
    },
    /// Run a command in a container.
    Exec(Exec),
    /// Remove what nothing uses.
    Prune {
        /// What.
        kind: Kind,
        /// Only those. Without `dangling=false`, only images without a name; without `all=true`, only volumes
        /// without one.
        filters: Filters,
    },
    /// Ask the registry whether it knows us.
    Login {
        /// Who we are.
        auth: Auth,
    },
}

impl Verb {
    /// The call to an engine that listens elsewhere.
    pub fn at(self, socket: Option<&String>) -> Call {
        Call { socket: socket.cloned(), verb: self }
    }
    /// A question about one thing.
    pub fn inspect(kind: Kind, name: impl Into<String>) -> Verb {
        Verb::Inspect { kind, name: name.into() }
    }
    /// A question about all things of a kind.
    pub fn list(kind: Kind, all: bool, filters: Filters) -> Verb {
        Verb::List { kind, all, filters }
    }
}

impl From<Verb> for Call {
    fn from(verb: Verb) -> Call {
        Call { socket: None, verb }
    }
}

impl From<Call> for Step {
    fn from(call: Call) -> Step {
        Step::Docker(call)
    }
}

impl Call {
    /// Whether it changes nothing.
    pub fn reads(&self) -> bool {
        use Verb::{Await, BuilderUsage, Distribution, Info, Inspect, List, Login, Logs, Version};
        matches!(
            self.verb,
            Version
                | Info
                | BuilderUsage
                | Inspect { .. }
                | List { .. }
                | Distribution { .. }
                | Logs { .. }
                | Await { .. }
                | Login { .. }
        )
    }
    /// The socket it goes to.
    pub fn socket(&self) -> &str {
        self.socket.as_deref().unwrap_or(SOCKET)
    }
    /// Whether an answer means success. What is already so (304) is as good.
    pub fn accepts(&self, code: i32) -> bool {
        match self.verb {
            Verb::Exec(_) => code == 0,
            // What is gone is removed.
            Verb::Remove { .. } => [0, 304, 404].contains(&code),
            _ => code == 0 || code == 304,
        }
    }
    /// How long it may take by itself, beyond what any answer may.
    pub fn patience(&self) -> Option<Duration> {
        match &self.verb {
            Verb::Await { timeout, .. } => Some(*timeout),
            _ => None,
        }
    }
}

impl dyn Look + '_ {
    /// The engine's answer to a question; nothing if there is no such thing. Any other refusal is an error.
    pub async fn docker_json(&self, call: &Call) -> Result<Option<Value>> {
        let output = self.docker(call).await?;
        match output.code {
            0 => {
                let answer = serde_json::from_slice(&output.stdout);
                answer.map(Some).map_err(|e| Error::bug(format!("`{}` answered no JSON: {e}", call.line())))
            }
            404 => Ok(None),
            _ => Err(refused(call, &output)),
        }
    }
}

/// The error of a call whose answer is not a success.
pub fn refused(call: &Call, output: &Output) -> Error {
    let stderr = output.stderr_text();
    let said = stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    let message = match (&call.verb, said) {
        // What is larger is no exit code, but a status of the engine.
        (Verb::Exec(exec), said) if output.code < 300 => {
            let said = if said.is_empty() { String::new() } else { format!(": {said}") };
            format!("{} in {} exited with {}{said}", exec.program(), exec.name, output.code)
        }
        (_, "") => format!("docker answered {}", output.code),
        (_, said) => said.to_owned(),
    };
    let error = Error::host(message).with_output(output).with_command(call.line());
    let has = |text: &str| said.contains(text);
    if has("port is already allocated") || has("address already in use") {
        return error.hint("docker::containers() and `ss -tlnp` on the host tell who has the port");
    }
    if has("unauthorized") || has("denied: ") || has("no basic auth credentials") || has("pull access denied") {
        return error.hint("if it is a private image: docker::login(registry, #{ user, password }) before it");
    }
    if has("network ") && has("not found") {
        return error.hint("docker::network(name) before it makes the network");
    }
    if has("No such container") {
        return error.hint("docker::containers(#{ all: true }) lists those that there are");
    }
    if has("toomanyrequests") {
        return error.hint("the registry counts pulls: docker::login(...) raises its limit, or wait");
    }
    error
}

impl Exec {
    fn program(&self) -> &str {
        self.argv.first().map_or("", String::as_str)
    }
}
