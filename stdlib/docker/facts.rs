//! Questions to an engine.

use crate::bail;
use crate::contract::docker::{Filters, Kind, Verb, in_body, refused};
use crate::contract::{Fact, Look, Result};
use crate::shared::{Many, Span};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Ask about the engine, as `docker info` does.
///
/// The answer has `ServerVersion`, `Containers`, `ContainersRunning`, `Images`, `Driver`, `DockerRootDir`,
/// `OperatingSystem`, `MemTotal`, `NCPU`, ...
///
/// ```rhai
/// docker::info().ServerVersion;
/// ```
/// ```transcript
/// ? docker info
/// = {"Containers":7,"ContainersRunning":6,"ServerVersion":"26.1.5"}
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Info {
    /// The engine's socket on the host; `/var/run/docker.sock` without it.
    pub socket: Option<String>,
}

impl Fact for Info {
    type Answer = Value;

    async fn ask(&self, host: &dyn Look) -> Result<Value> {
        Ok(host.docker_json(&Verb::Info.at(self.socket.as_ref())).await?.unwrap_or_default())
    }
}

/// Filters as playbooks write them: `#{ label: "a=b", status: ["exited", "dead"] }`.
fn filters(given: &BTreeMap<String, Many<String>>) -> Filters {
    given.iter().map(|(name, values)| (name.clone(), values.as_slice().to_vec())).collect()
}

async fn list(host: &dyn Look, kind: Kind, all: bool, filters: Filters, socket: Option<&String>) -> Result<Vec<Value>> {
    let answer = host.docker_json(&Verb::list(kind, all, filters).at(socket)).await?;
    Ok(answer.and_then(|answer| answer.as_array().cloned()).unwrap_or_default())
}

/// Ask which containers there are.
///
/// Each has `name`, `id`, `image`, `state` (`running`, `exited`, ...), `status` (as `docker ps` has it), `health`
/// (`healthy`, `unhealthy`, `starting`, or nothing), `labels`, `networks` (names) and `created` (seconds since 1970).
///
/// ```rhai
/// docker::containers(#{ all: true }).filter(|c| c.health == "unhealthy");
/// ```
/// ```transcript
/// ? docker container ls --all
/// = [{"Id":"5d41","Names":["/web"],"Image":"nginx:1.27","State":"running","Status":"Up 2 hours (healthy)",
/// = "Labels":{},"NetworkSettings":{"Networks":{"bridge":{}}},"Created":1763700000}]
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Containers {
    /// Those that do not run, too.
    #[serde(default)]
    pub all: bool,
    /// Only those: `#{ label: "app=web", status: ["exited"], name: "web", health: "unhealthy" }`.
    #[serde(default)]
    pub filters: BTreeMap<String, Many<String>>,
    /// The engine's socket on the host; `/var/run/docker.sock` without it.
    pub socket: Option<String>,
}

impl Fact for Containers {
    type Answer = Vec<Value>;

    async fn ask(&self, host: &dyn Look) -> Result<Vec<Value>> {
        let found = list(host, Kind::Container, self.all, filters(&self.filters), self.socket.as_ref()).await?;
        let tidy = |container: &Value| {
            let status = container["Status"].as_str().unwrap_or_default();
            let health = ["(healthy)", "(unhealthy)", "(health: starting)"].into_iter().find(|h| status.contains(h));
            let health = health.map(|health| health.trim_matches(['(', ')']).trim_start_matches("health: "));
            let networks = container["NetworkSettings"]["Networks"].as_object();
            json!({
                "name": container["Names"][0].as_str().unwrap_or_default().trim_start_matches('/'),
                "id": container["Id"], "image": container["Image"], "image_id": container["ImageID"],
                "state": container["State"], "status": status, "health": health, "labels": container["Labels"],
                "networks": networks.map(|map| map.keys().collect::<Vec<_>>()).unwrap_or_default(),
                "created": container["Created"],
            })
        };
        Ok(found.iter().map(tidy).collect())
    }
}

/// Ask which images there are.
///
/// Each has `id`, `tags`, `digests`, `size` in bytes, `labels` and `created` (seconds since 1970).
///
/// ```rhai
/// docker::images();
/// ```
/// ```transcript
/// ? docker image ls
/// = [{"Id":"sha256:1a2b","RepoTags":["nginx:1.27"],"RepoDigests":["nginx@sha256:0123"],"Size":187000000,
/// = "Labels":{},"Created":1763000000}]
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Images {
    /// Only those: `#{ dangling: "true", reference: "nginx*" }`.
    #[serde(default)]
    pub filters: BTreeMap<String, Many<String>>,
    /// The engine's socket on the host; `/var/run/docker.sock` without it.
    pub socket: Option<String>,
}

impl Fact for Images {
    type Answer = Vec<Value>;

    async fn ask(&self, host: &dyn Look) -> Result<Vec<Value>> {
        let found = list(host, Kind::Image, false, filters(&self.filters), self.socket.as_ref()).await?;
        let tidy = |image: &Value| {
            json!({
                "id": image["Id"], "tags": image["RepoTags"], "digests": image["RepoDigests"],
                "size": image["Size"], "labels": image["Labels"], "created": image["Created"],
            })
        };
        Ok(found.iter().map(tidy).collect())
    }
}

macro_rules! listed {
    ($(#[$docs:meta])* $name:ident, $kind:expr) => {
        $(#[$docs])*
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// Only those, such as `#{ driver: "bridge", label: "app" }`.
            #[serde(default)]
            pub filters: BTreeMap<String, Many<String>>,
            /// The engine's socket on the host; `/var/run/docker.sock` without it.
            pub socket: Option<String>,
        }

        impl Fact for $name {
            type Answer = Vec<Value>;

            async fn ask(&self, host: &dyn Look) -> Result<Vec<Value>> {
                list(host, $kind, false, filters(&self.filters), self.socket.as_ref()).await
            }
        }
    };
}

listed! {
    /// Ask which networks there are, each as the API has it: `Name`, `Id`, `Driver`, `IPAM`, `Labels`, ...
    ///
    /// ```rhai
    /// docker::networks();
    /// ```
    /// ```transcript
    /// ? docker network ls
    /// = [{"Name":"bridge","Id":"0a1b","Driver":"bridge","Internal":false}]
    /// ```
    Networks, Kind::Network
}

listed! {
    /// Ask which volumes there are, each as the API has it: `Name`, `Driver`, `Mountpoint`, `Labels`, ...
    ///
    /// ```rhai
    /// docker::volumes(#{ filters: #{ dangling: "true" } });
    /// ```
    /// ```transcript
    /// ? docker volume ls --filter dangling=true
    /// = [{"Name":"old","Driver":"local","Mountpoint":"/var/lib/docker/volumes/old/_data"}]
    /// ```
    Volumes, Kind::Volume
}

/// Ask all about a container, an image, a network or a volume, as the API has it; nothing if there is none.
///
/// ```rhai
/// docker::inspect("web").State.Status;
/// ```
/// ```transcript
/// ? docker container inspect web
/// = {"Id":"5d41","Name":"/web","State":{"Status":"running"},"Config":{"Image":"nginx:1.27"}}
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inspect {
    /// Its name or id.
    pub name: String,
    /// What it is.
    #[serde(default)]
    pub kind: What,
    /// The engine's socket on the host; `/var/run/docker.sock` without it.
    pub socket: Option<String>,
}

/// What is inspected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A container.
    #[default]
    Container,
    /// An image.
    Image,
    /// A network.
    Network,
    /// A volume.
    Volume,
}

impl Fact for Inspect {
    type Answer = Option<Value>;

    async fn ask(&self, host: &dyn Look) -> Result<Option<Value>> {
        let kind = match self.kind {
            What::Container => Kind::Container,
            What::Image => Kind::Image,
            What::Network => Kind::Network,
            What::Volume => Kind::Volume,
        };
        let found = host.docker_json(&Verb::inspect(kind, &self.name).at(self.socket.as_ref())).await?;
        host.hide_all(found.iter().flat_map(|found| in_body(found).into_iter().chain(in_body(&found["Config"]))));
        Ok(found)
    }
}

/// Ask what a container has printed.
///
/// The answer has `stdout`, `stderr` and `lines` of both.
///
/// ```rhai
/// docker::logs("web", #{ tail: 2 }).lines;
/// ```
/// ```transcript
/// ? docker logs --tail 2 web
/// = ready
/// - one warning
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// The container.
    pub name: String,
    /// Only the last lines.
    #[serde(default = "hundred")]
    pub tail: u64,
    /// Only those of this time until now, such as `"10m"`.
    pub since: Option<Span>,
    /// Each line with its time.
    #[serde(default)]
    pub timestamps: bool,
    /// The engine's socket on the host; `/var/run/docker.sock` without it.
    pub socket: Option<String>,
}

fn hundred() -> u64 {
    100
}

impl Fact for Logs {
    type Answer = Value;

    async fn ask(&self, host: &dyn Look) -> Result<Value> {
        let socket = self.socket.as_ref();
        let since = match self.since {
            None => None,
            Some(span) => {
                Some(super::prune::clock(host, socket).await? - i64::try_from(span.0.as_secs()).unwrap_or(i64::MAX))
            }
        };
        let call = Verb::Logs {
            name: self.name.clone(),
            tail: Some(self.tail),
            since,
            until: None,
            timestamps: self.timestamps,
        };
        let call = call.at(socket);
        let output = host.docker(&call).await?;
        match output.code {
            0 => {}
            404 => {
                bail!("there is no container {}", self.name; hint: "docker::containers(#{{ all: true }}) lists them")
            }
            _ => return Err(refused(&call, &output)),
        }
        let (stdout, stderr) = (output.text(), output.stderr_text());
        let lines: Vec<&str> = stdout.lines().chain(stderr.lines()).collect();
        Ok(json!({ "stdout": stdout, "stderr": stderr, "lines": lines }))
    }
}
