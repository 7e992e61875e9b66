//! What just happens to a stack.

use super::cli::{explain, of_a_stack};
use super::project::Held;
use crate::contract::{Action, Error, Look, Result, Step};
use crate::shared::{Many, Span};

of_a_stack! {
/// Restart a stack, or some of its services: the same containers, stopped and started.
///
/// They read their mounted files again, and keep the configuration that they were made from; `compose::up` gives them
/// another.
///
/// ```rhai
/// compose::restarted("/srv/blog", #{ services: "web" });
/// ```
/// ```transcript
/// ? sh -c '(docker compose config)' sh /srv/blog ''
/// = docker
/// = /root/.local/state/hlrun/compose
/// = compose.yaml
/// = {"name":"blog","services":{"db":{"image":"postgres:17"},"web":{"image":"nginx:1"}}}
/// =
/// = --hlrun--
/// = web 5c1f
/// = --hlrun--
/// = web
/// ! cd /srv/blog && docker compose restart web
/// ```
pub struct Restarted {
    /// Only these services.
    #[serde(default)]
    pub services: Many<String>,
    /// How long stopping may take before a container is killed; without it, as the file says, or 10 s.
    pub timeout: Option<Span>,
    #[serde(skip)]
    project: Held,
}
}

impl Action for Restarted {
    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        let project = self.project.hold(self.resolve(host).await?);
        project.named(self.services.as_slice()).map(drop)
    }
    fn steps(&self) -> Result<Vec<Step>> {
        let mut words = vec!["restart".to_owned()];
        words.extend(stop_timeout(self.timeout));
        words.extend(self.services.as_slice().iter().cloned());
        Ok(self.project.get()?.cli.command(words).long().into())
    }
    fn explain(&self, error: Error) -> Error {
        explain(error, &self.path)
    }
}

of_a_stack! {
/// Make the containers of a stack, or of some of its services, anew from the images that are here.
///
/// ```rhai
/// compose::recreated("/srv/blog", #{ services: "web" });
/// ```
/// ```transcript
/// ? sh -c '(docker compose config)' sh /srv/blog ''
/// = docker
/// = /root/.local/state/hlrun/compose
/// = compose.yaml
/// = {"name":"blog","services":{"db":{"image":"postgres:17"},"web":{"image":"nginx:1"}}}
/// =
/// = --hlrun--
/// = web 5c1f
/// = --hlrun--
/// = web
/// ! cd /srv/blog && docker compose up -d --no-build --pull never --force-recreate web
/// ! cd /srv/blog && docker compose up -d --no-build --pull never
/// ```
pub struct Recreated {
    /// Only these services, and what shares a network with them.
    #[serde(default)]
    pub services: Many<String>,
    /// How long stopping may take before a container is killed; without it, as the file says, or 10 s.
    pub timeout: Option<Span>,
    #[serde(skip)]
    project: Held,
}
}

impl Action for Recreated {
    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        let project = self.project.hold(self.resolve(host).await?);
        project.named(self.services.as_slice()).map(drop)
    }
    fn steps(&self) -> Result<Vec<Step>> {
        let project = self.project.get()?;
        let cli = &project.cli;
        let up = |more: Vec<String>| -> Step {
            let fixed = ["up", "-d", "--no-build", "--pull", "never"].map(str::to_owned);
            cli.command(fixed.into_iter().chain(stop_timeout(self.timeout)).chain(more)).long().into()
        };
        let chosen = self.services.as_slice().iter().cloned();
        let mut steps = vec![up(["--force-recreate".to_owned()].into_iter().chain(chosen).collect())];
        if !self.services.as_slice().is_empty() {
            // Whoever shares a network with them follows them.
            steps.push(up(Vec::new()));
        }
        Ok(steps)
    }
    fn explain(&self, error: Error) -> Error {
        explain(error, &self.path)
    }
}

of_a_stack! {
/// Build the images of a stack, or of some of its services. `compose::up` brings them into use.
///
/// ```rhai
/// compose::built("/srv/blog", #{ pull: true });
/// ```
/// ```transcript
/// ? sh -c '(docker compose config)' sh /srv/blog ''
/// = docker
/// = /root/.local/state/hlrun/compose
/// = compose.yaml
/// = {"name":"blog","services":{"web":{"build":{"context":"/srv/blog"}}}}
/// =
/// = --hlrun--
/// = web 5c1f
/// = --hlrun--
/// = web
/// ! cd /srv/blog && docker compose build --pull
/// ```
pub struct Built {
    /// Only these services.
    #[serde(default)]
    pub services: Many<String>,
    /// Ask registries for newer images to build from.
    #[serde(default)]
    pub pull: bool,
    /// Keep nothing of earlier builds.
    #[serde(default)]
    pub no_cache: bool,
    #[serde(skip)]
    project: Held,
}
}

impl Action for Built {
    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        let project = self.project.hold(self.resolve(host).await?);
        project.named(self.services.as_slice()).map(drop)
    }
    fn steps(&self) -> Result<Vec<Step>> {
        let options = [("--pull", self.pull), ("--no-cache", self.no_cache)];
        let options = options.iter().filter(|(_, on)| *on).map(|(option, _)| *option);
        let services = self.services.as_slice().iter().map(String::as_str);
        let words: Vec<&str> = ["build"].into_iter().chain(options).chain(services).collect();
        Ok(self.project.get()?.cli.command(words).long().into())
    }
    fn explain(&self, error: Error) -> Error {
        explain(error, &self.path)
    }
}

/// The option that says how long stopping may take.
pub(super) fn stop_timeout(timeout: Option<Span>) -> Vec<String> {
    timeout.map(|timeout| vec!["--timeout".to_owned(), timeout.0.as_secs().to_string()]).unwrap_or_default()
}
