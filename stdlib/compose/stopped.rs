//! `compose::stopped`.

use super::actions::stop_timeout;
use super::cli::{explain, of_a_stack, sources};
use super::engine::{by_service, containers};
use super::project::Held;
use crate::contract::{Error, Look, Operation, Result, Step};
use crate::shared::{Many, Span};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

of_a_stack! {
/// Make sure a stack, or some of its services, does not run. The containers stay.
///
/// ```rhai
/// compose::stopped("/srv/blog");
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
/// ! cd /srv/blog && docker compose stop web
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
/// = {"Id":"c1","Name":"/blog-web-1","Config":{"Labels":{"com.docker.compose.service":"web"}},"State":{"Status":"exited"}}
/// ```
pub struct Stopped {
    /// Only these services.
    #[serde(default)]
    pub services: Many<String>,
    /// How long it may take before a container is killed; without it, as the file says, or 10 s.
    pub timeout: Option<Span>,
    #[serde(skip)]
    project: Held,
}
}

/// Whether services run, those that have containers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StoppedState {
    services: BTreeMap<String, String>,
}

impl Operation for Stopped {
    type State = StoppedState;

    async fn read(&self, host: &dyn Look) -> Result<StoppedState> {
        let project = self.project.hold(self.resolve(host).await?);
        let there = by_service(containers(host, &project.name).await?);
        let alive = ["running", "paused", "restarting"];
        let runs = |name: &str| {
            let own = there.get(name)?;
            let any = own.iter().any(|container| alive.contains(&container.condition.status.as_str()));
            Some((name.to_owned(), if any { "up" } else { "stopped" }.to_owned()))
        };
        let services = project.named(self.services.as_slice())?.into_iter().filter_map(runs).collect();
        Ok(StoppedState { services })
    }

    fn want(&self, now: &StoppedState) -> Result<StoppedState> {
        let services = now.services.keys().map(|name| (name.clone(), "stopped".to_owned())).collect();
        Ok(StoppedState { services })
    }

    fn steps(&self, now: &StoppedState, want: &StoppedState) -> Result<Vec<Step>> {
        let project = self.project.get()?;
        let cli = &project.cli;
        let to = |state: &str| -> Vec<String> {
            let other =
                want.services.iter().filter(|(name, one)| *one == state && now.services.get(*name) != Some(one));
            other.map(|(name, _)| name.clone()).collect()
        };
        let (stop, start) = (to("stopped"), to("up"));
        let mut steps: Vec<Step> = Vec::new();
        if !stop.is_empty() {
            steps.push(
                cli.command(["stop".to_owned()].into_iter().chain(stop_timeout(self.timeout)).chain(stop))
                    .long()
                    .into(),
            );
        }
        if !start.is_empty() {
            steps.push(cli.command(["start".to_owned()].into_iter().chain(start)).long().into());
        }
        Ok(steps)
    }

    fn depends(&self) -> Vec<String> {
        sources(&self.path, &self.files, &self.env_files)
    }

    fn explain(&self, error: Error) -> Error {
        explain(error, &self.path)
    }
}
