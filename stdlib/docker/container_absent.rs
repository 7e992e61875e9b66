//! A container that is not there.

use super::container::{Back, ContainerState, Way, back, inspected};
use crate::contract::docker::{Kind, Verb};
use crate::contract::{Look, Operation, Result, Step};
use crate::shared::Span;
use crate::shared::docker::pull;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// Make sure a container is not there.
///
/// One that runs is stopped first. Its volumes stay, and undo makes it again as it was, of the same image.
///
/// ```rhai
/// docker::container_absent("old");
/// ```
/// ```transcript
/// ? docker container inspect old
/// = {"Id":"77aa","Name":"/old","Image":"sha256:1a2b","State":{"Status":"running"},"Config":{"Image":"nginx:1.27"},
/// = "HostConfig":{"NetworkMode":"bridge"}}
/// ? docker image inspect sha256:1a2b
/// = {"Id":"sha256:1a2b","RepoDigests":["nginx@sha256:0123456789abcdef"],"Config":{}}
/// ! docker stop old
/// ! docker container rm --force old
/// ? docker container inspect old
/// - No such container: old
/// * 404
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContainerAbsent {
    /// Its name.
    pub name: String,
    /// How long it may take to stop before it is killed.
    pub stop_timeout: Option<Span>,
    /// The engine's socket on the host; `/var/run/docker.sock` without it.
    pub socket: Option<String>,
    /// What there is to go back to, on the way back.
    #[serde(skip)]
    back: Option<Back>,
}

impl Operation for ContainerAbsent {
    type State = ContainerState;

    async fn read(&self, host: &dyn Look) -> Result<ContainerState> {
        let Some((found, image)) = inspected(host, self.socket.as_ref(), &self.name).await? else {
            return Ok(ContainerState::default());
        };
        let id = found["Image"].as_str().unwrap_or_default();
        let mut now = ContainerState { health: None, ..ContainerState::of(&found, &image, &json!({})) };
        // What it has none of is no news.
        now.settings.retain(|_, value| value.as_object().is_none_or(|entries| !entries.is_empty()));
        if let Some(shown) = self.back.as_ref().and_then(|back| back.shown(id)) {
            now.image = Some(shown);
        }
        Ok(now)
    }
    fn want(&self, _now: &ContainerState) -> Result<ContainerState> {
        Ok(ContainerState::default())
    }
    fn steps(&self, now: &ContainerState, want: &ContainerState) -> Result<Vec<Step>> {
        let socket = self.socket.as_ref();
        if want.status.is_some() {
            let fetch = self.back.as_ref().and_then(|back| back.pull.clone());
            let pull = fetch.map(|(image, auth)| pull(socket, &image, None, auth).verb);
            let stop_timeout = self.stop_timeout.map(|span| span.0);
            return Way { name: &self.name, socket, platform: None, stop_timeout, wait: None, pull }.steps(now, want);
        }
        let name = self.name.clone();
        let mut steps: Vec<Step> = Vec::new();
        if now.status.as_deref() != Some("stopped") {
            let timeout = self.stop_timeout.map(|span| span.0);
            steps.push(Verb::Stop { name: name.clone(), timeout, signal: None }.at(socket).into());
        }
        steps.push(Verb::Remove { kind: Kind::Container, name, force: true, volumes: false }.at(socket).into());
        Ok(steps)
    }
    async fn recall(
        &mut self,
        host: &dyn Look,
        before: ContainerState,
        after: &ContainerState,
    ) -> Result<ContainerState> {
        let (before, back) = back(host, self.socket.as_ref(), before, after).await?;
        self.back = Some(back);
        Ok(before)
    }
}
