//! `compose::up`.

mod back;
mod premise;
mod state;
mod steps;

use super::cli::{explain, of_a_stack, sources};
use super::project::{Held, Service};
use crate::contract::{Error, Look, Operation, Refresh, Rescue, Result, Step};
use crate::shared::docker::image;
use crate::shared::{Many, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use state::Seen;
pub use state::{ServiceState, UpState};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// When images are pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pull {
    /// Whenever the registry has another image under the same name.
    Always,
    /// What is not there.
    Missing,
    /// Never.
    Never,
    /// As the file says of each service, and what is not there.
    Policy,
}

/// When images are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Build {
    /// Each time.
    Always,
    /// Never.
    Never,
    /// What is not there.
    Policy,
}

/// What is made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Recreate {
    /// What differs from what it was made from.
    Auto,
    /// Every container.
    Always,
    /// None: what is missing is made, what is stopped is started.
    Never,
}

fn policy() -> Pull {
    Pull::Policy
}
fn missing() -> Build {
    Build::Policy
}
fn auto() -> Recreate {
    Recreate::Auto
}
fn yes() -> bool {
    true
}

of_a_stack! {
/// Make sure a stack is up, as its files describe it.
///
/// Only those services are touched that are not as they should be: their resolved configuration is another, the
/// image under their name is another, or a mounted file is. The change says which service, and why. Of files, those
/// below the stack's directory count, up to 1 MiB each: every file that is mounted by itself, and all in directories
/// that are mounted read-only, so also those that came or went; `content` of `configs` counts, too. A file that the
/// container may write to is its own: only another file in its place counts. A service in the network of another follows
/// it, as does one that depends on another with `restart: true`. With `pull: "always"`, check mode asks the registry what
/// a pull would bring, and pulls nothing; what `build: "always"` would make is not known before. What compose itself does
/// not notice is not noticed: another definition of a network that is there, and secrets from variables (`environment`). A
/// service that has ended and that no other waits for is started again, as by compose.
///
/// With `wait`, it is not done before every service is healthy (or runs, without a health check). If one with a new
/// image is not in time, the image that it had comes back, by its digest, and the call fails and says so.
///
/// ```rhai
/// compose::up("/srv/blog", #{ pull: "always" });
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
/// = {"Id":"c1","Name":"/blog-web-1","Image":"sha256:1111","Config":{"Labels":{"com.docker.compose.service":"web","com.docker.compose.config-hash":"5c1f"}},"State":{"Status":"running","StartedAt":"2026-11-20T08:00:00Z"}}
/// ? sh -c '(cat, stat, sha256sum)' sh /root/.local/state/hlrun/compose/blog.json --
/// =
/// = --hlrun--
/// ? docker image inspect nginx:1
/// = {"Id":"sha256:1111","RepoDigests":["nginx@sha256:aaaa"]}
/// ? sh -c '(credentials of docker)' sh
/// = /root/.docker/config.json
/// ? docker distribution inspect nginx:1
/// = {"Descriptor":{"digest":"sha256:bbbb"}}
/// ! docker tag sha256:1111 hlrun-previous/blog-web-1:latest
/// ! docker pull nginx:1
/// ! cd /srv/blog && docker compose up -d --no-build --pull never --force-recreate web
/// ! mkdir -p -m 700 /root/.local/state/hlrun/compose
/// ! write /root/.local/state/hlrun/compose/blog.json mode=0600
/// + {"services":{"web":{"hash":"5c1f","config":{"image":"nginx:1"},"files":{}}}}
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
/// = [{"Id":"c2","Labels":{"com.docker.compose.service":"web"}}]
/// ? docker container inspect c2
/// = {"Id":"c2","Name":"/blog-web-1","Image":"sha256:2222","Config":{"Labels":{"com.docker.compose.service":"web","com.docker.compose.config-hash":"5c1f"}},"State":{"Status":"running","StartedAt":"2026-11-21T08:00:00Z"}}
/// ? sh -c '(cat, stat, sha256sum)' sh /root/.local/state/hlrun/compose/blog.json --
/// = {"services":{"web":{"hash":"5c1f","config":{"image":"nginx:1"},"files":{}}}}
/// =
/// = --hlrun--
/// ? docker image inspect nginx:1
/// = {"Id":"sha256:2222","RepoDigests":["nginx@sha256:bbbb"]}
/// ? sh -c '(credentials of docker)' sh
/// = /root/.docker/config.json
/// ? docker distribution inspect nginx:1
/// = {"Descriptor":{"digest":"sha256:bbbb"}}
/// ```
pub struct Up {
    /// Only these services, and what they need.
    #[serde(default)]
    pub services: Many<String>,
    /// When images are pulled: `"always"` whenever the registry has another one, `"missing"` what is not there,
    /// `"never"`, or `"policy"` as the file says of each service, and what is not there.
    #[serde(default = "policy")]
    pub pull: Pull,
    /// When images are built that the file has a `build` for: `"always"`, `"never"`, or `"policy"` if they are not there.
    #[serde(default = "missing")]
    pub build: Build,
    /// What is made anew: `"auto"` what differs, `"always"` everything, each time, `"never"` nothing.
    #[serde(default = "auto")]
    pub recreate: Recreate,
    /// Remove containers of services that the files no longer have.
    #[serde(default)]
    pub remove_orphans: bool,
    /// Wait so long for every service to be healthy.
    pub wait: Option<Span>,
    /// With `wait`: bring the old image back where the new one is not healthy in time.
    #[serde(default = "yes")]
    pub rollback: bool,
    /// How long stopping a container may take before it is killed; without it, as the file says, or 10 s.
    pub timeout: Option<Span>,
    #[serde(skip)]
    seen: Mutex<Option<Seen>>,
    #[serde(skip)]
    project: Held,
}
}

impl Operation for Up {
    type State = UpState;

    async fn refresh(&self, host: &dyn Look) -> Result<Refresh> {
        let project = self.project.hold(self.resolve(host).await?);
        let mut unbuilt = Vec::new();
        for name in project.selected(self.services.as_slice())? {
            let service = &project.services[name];
            let due = match self.build {
                _ if !service.built => false,
                Build::Always => true,
                Build::Policy => image(host, None, &service.image).await?.is_none(),
                Build::Never => false,
            };
            if due {
                unbuilt.push(name);
            }
        }
        if unbuilt.is_empty() {
            return Ok(Refresh::default());
        }
        // Nobody knows beforehand whether a build makes the image that is there.
        let decides = self.build == Build::Always;
        let names = unbuilt.join(", ");
        let instead = match decides {
            true => format!("what building {names} makes decides what there is to do"),
            false => format!("predicted without building {names}"),
        };
        let build = project.cli.command(["build"].into_iter().chain(unbuilt)).long();
        Ok(Refresh { steps: build.into(), instead: Some(instead), decides })
    }

    async fn read(&self, host: &dyn Look) -> Result<UpState> {
        self.look(host).await
    }

    fn want(&self, now: &UpState) -> Result<UpState> {
        self.wanted(now)
    }

    fn steps(&self, now: &UpState, want: &UpState) -> Result<Vec<Step>> {
        self.way(now, want)
    }

    async fn premise(&self, host: &dyn Look, now: &UpState) -> Result<()> {
        self.possible(host, now).await
    }

    fn remark(&self) -> Option<String> {
        self.project.get().ok().and_then(|project| project.remark())
    }

    fn rescue(&self, now: &UpState, want: &UpState, failed: &Step) -> Option<Rescue> {
        self.rolled_back(now, want, failed)
    }

    async fn recall(&mut self, _host: &dyn Look, before: UpState, after: &UpState) -> Result<UpState> {
        (self.pull, self.recreate, self.wait) = (Pull::Never, Recreate::Auto, None);
        self.recalled(before, after)
    }

    fn depends(&self) -> Vec<String> {
        sources(&self.path, &self.files, &self.env_files)
    }

    fn explain(&self, error: Error) -> Error {
        explain(error, &self.path)
    }
}

impl Up {
    /// What the first look saw.
    fn seen(&self) -> MutexGuard<'_, Option<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Whether an image is to be asked for at its registry, if it is here or is not.
    fn asks(&self, service: &Service, here: bool) -> bool {
        let asked = match (self.pull, service.pull_policy.as_deref()) {
            (Pull::Always, _) | (Pull::Policy, Some("always")) => true,
            (Pull::Never, _) | (Pull::Policy, Some("never" | "build")) => false,
            _ => !here,
        };
        asked && !service.built
    }
}

/// The error of an image that is nowhere.
fn nowhere(name: &str, service: &str) -> Error {
    Error::host(format!("no registry has the image {name} of {service}")).hint("is the tag right?")
}
