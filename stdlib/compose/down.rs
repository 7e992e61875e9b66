//! `compose::down`.

use super::actions::stop_timeout;
use super::cli::{explain, of_a_stack, sources};
use super::engine::{containers, names};
use super::project::Held;
use crate::bail;
use crate::contract::docker::Kind;
use crate::contract::{Error, Look, Operation, Result, Step};
use crate::shared::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Which images go too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Images {
    /// All that the services use.
    All,
    /// Those that were built here and have no name of their own.
    Local,
}

of_a_stack! {
/// Make sure a stack is gone: its containers and networks. Its volumes stay, unless `volumes: true` says otherwise.
///
/// ```rhai
/// compose::down("/srv/blog");
/// ```
/// ```transcript
/// ? sh -c '(docker compose config)' sh /srv/blog ''
/// = docker
/// = /root/.local/state/hlrun/compose
/// = compose.yaml
/// = {"name":"blog","services":{"web":{"image":"nginx:1"}}}
/// =
/// = --hlrun--
/// = web 5c1f
/// = --hlrun--
/// = web
/// ? docker container ls --all --filter label=com.docker.compose.project=blog
/// = [{"Id":"c1","Labels":{"com.docker.compose.service":"web"}}]
/// ? docker container inspect c1
/// = {"Id":"c1","Name":"/blog-web-1","Config":{"Labels":{"com.docker.compose.service":"web"}},"State":{"Status":"running"}}
/// ? docker network ls --filter label=com.docker.compose.project=blog
/// = [{"Name":"blog_default"}]
/// ! cd /srv/blog && docker compose --profile '*' down
/// ? sh -c '(docker compose config)' sh /srv/blog ''
/// = docker
/// = /root/.local/state/hlrun/compose
/// = compose.yaml
/// = {"name":"blog","services":{"web":{"image":"nginx:1"}}}
/// =
/// = --hlrun--
/// = web 5c1f
/// = --hlrun--
/// = web
/// ? docker container ls --all --filter label=com.docker.compose.project=blog
/// = []
/// ? docker network ls --filter label=com.docker.compose.project=blog
/// = []
/// ```
pub struct Down {
    /// Remove the volumes too, with everything in them. Nothing brings them back.
    #[serde(default)]
    pub volumes: bool,
    /// Remove containers of services too that the files no longer have.
    #[serde(default)]
    pub remove_orphans: bool,
    /// Remove images too: `"all"` that the services use, or `"local"`, those built here without a name of their own.
    pub images: Option<Images>,
    /// How long stopping a container may take before it is killed; without it, as the file says, or 10 s.
    pub timeout: Option<Span>,
    #[serde(skip)]
    project: Held,
}
}

/// What there is of a stack.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DownState {
    /// Services by name, and whether they run.
    #[serde(default)]
    services: BTreeMap<String, String>,
    #[serde(default)]
    networks: BTreeSet<String>,
    #[serde(default)]
    volumes: BTreeSet<String>,
}

impl Operation for Down {
    type State = DownState;

    async fn read(&self, host: &dyn Look) -> Result<DownState> {
        let project = self.project.hold(self.resolve(host).await?);
        let mut services: BTreeMap<String, String> = BTreeMap::new();
        for container in containers(host, &project.name).await? {
            if self.remove_orphans || project.known.contains(&container.service) {
                let word = if container.runs() { "up" } else { "stopped" };
                services.insert(container.service, word.to_owned());
            }
        }
        let networks = names(host, Kind::Network, &project.name).await?.into_iter().collect();
        let volumes = if self.volumes { names(host, Kind::Volume, &project.name).await? } else { Vec::new() };
        Ok(DownState { services, networks, volumes: volumes.into_iter().collect() })
    }

    fn want(&self, _now: &DownState) -> Result<DownState> {
        Ok(DownState::default())
    }

    fn steps(&self, now: &DownState, want: &DownState) -> Result<Vec<Step>> {
        let project = self.project.get()?;
        if let Some(volume) = want.volumes.difference(&now.volumes).next() {
            bail!("the volume {volume} was removed with everything in it, and cannot come back");
        }
        if let Some(orphan) = want.services.keys().find(|name| !project.known.contains(*name)) {
            bail!("no file describes the service {orphan} any longer, so it cannot come back");
        }
        let words = |words: &[&str], services: Vec<String>| -> Step {
            let words = words.iter().map(|word| (*word).to_owned());
            project.cli.command(words.chain(services).collect::<Vec<_>>()).long().into()
        };
        if !want.services.is_empty() {
            let that = |word: &str| -> Vec<String> {
                let these = want.services.iter().filter(|(_, state)| *state == word);
                these.map(|(name, _)| name.clone()).collect()
            };
            let (up, stopped) = (that("up"), that("stopped"));
            let mut steps = Vec::new();
            if !stopped.is_empty() {
                steps.push(words(&["up", "-d", "--no-start", "--no-build", "--pull", "never"], stopped));
            }
            if !up.is_empty() {
                steps.push(words(&["up", "-d", "--no-build", "--pull", "never"], up));
            }
            return Ok(steps);
        }
        // Those of profiles that are not enabled now may run, too.
        let mut down = vec!["--profile", "*", "down"];
        if self.volumes {
            down.push("--volumes");
        }
        if self.remove_orphans {
            down.push("--remove-orphans");
        }
        match self.images {
            Some(Images::All) => down.extend(["--rmi", "all"]),
            Some(Images::Local) => down.extend(["--rmi", "local"]),
            None => {}
        }
        Ok(vec![words(&down, stop_timeout(self.timeout))])
    }

    fn depends(&self) -> Vec<String> {
        sources(&self.path, &self.files, &self.env_files)
    }

    fn explain(&self, error: Error) -> Error {
        explain(error, &self.path)
    }
}
