//! `compose::pulled`.

use super::cli::{explain, of_a_stack, sources};
use super::project::Held;
use crate::bail;
use crate::contract::docker::Auth;
use crate::contract::{Error, Look, Operation, Result, Step};
use crate::shared::Many;
use crate::shared::docker::{auth, digest, digests, image, offered, pull, repository};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

of_a_stack! {
/// Make sure that the images of a stack are those that their registries have now. Nothing that runs is touched:
/// `compose::up` brings them into use.
///
/// Check mode asks the registries what a pull would bring. Images that the file builds are left out.
///
/// ```rhai
/// compose::pulled("/srv/blog");
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
/// ? docker image inspect nginx:1
/// = {"Id":"sha256:1111","RepoDigests":["nginx@sha256:aaaa"]}
/// ? sh -c '(credentials of docker)' sh
/// = /root/.docker/config.json
/// ? docker distribution inspect nginx:1
/// = {"Descriptor":{"digest":"sha256:bbbb"}}
/// ! docker pull nginx:1
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
/// ? docker image inspect nginx:1
/// = {"Id":"sha256:2222","RepoDigests":["nginx@sha256:bbbb"]}
/// ? sh -c '(credentials of docker)' sh
/// = /root/.docker/config.json
/// ? docker distribution inspect nginx:1
/// = {"Descriptor":{"digest":"sha256:bbbb"}}
/// ```
pub struct Pulled {
    /// Only the images of these services.
    #[serde(default)]
    pub services: Many<String>,
    /// Leave images alone that are there, whatever the registry has: `"missing"`; or `"always"`.
    #[serde(default)]
    pub policy: Policy,
    #[serde(skip)]
    project: Held,
}
}

/// Which images are pulled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Those that the registry has another one of.
    #[default]
    Always,
    /// Those that are not there.
    Missing,
}

/// The images of a stack.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PulledState {
    /// By name: the digest, or the id of what no registry knows.
    images: BTreeMap<String, Option<String>>,
    #[serde(skip)]
    offers: BTreeMap<String, Offer>,
}

/// What a registry has.
#[derive(Debug, Clone)]
struct Offer {
    image: String,
    platform: Option<String>,
    auth: Option<Auth>,
}

impl Operation for Pulled {
    type State = PulledState;
    const REVERSIBLE: bool = false;

    async fn read(&self, host: &dyn Look) -> Result<PulledState> {
        let project = self.project.hold(self.resolve(host).await?);
        let mut state = PulledState::default();
        for name in project.named(self.services.as_slice())? {
            let service = &project.services[name];
            let left_out = service.built || matches!(service.pull_policy.as_deref(), Some("never" | "build"));
            if left_out || state.images.contains_key(&service.image) {
                continue;
            }
            let local = image(host, None, &service.image).await?;
            let by = |digest: &str| format!("{}@{digest}", repository(&service.image));
            let mut here = local.as_ref().and_then(|local| {
                let known = digest(&service.image, local).map(|digest| by(&digest));
                known.or_else(|| local["Id"].as_str().map(str::to_owned))
            });
            if local.is_none() || self.policy == Policy::Always {
                let auth = auth(host, &service.image).await?;
                let Some(digest) = offered(host, None, &service.image, auth.clone()).await? else {
                    bail!("no registry has the image {} of {name}", service.image; hint: "is the tag right?");
                };
                if local.is_some_and(|local| digests(&service.image, &local).any(|known| known == digest)) {
                    here = Some(by(&digest));
                } else {
                    let offer = Offer { image: by(&digest), platform: service.platform.clone(), auth };
                    state.offers.insert(service.image.clone(), offer);
                }
            }
            state.images.insert(service.image.clone(), here);
        }
        Ok(state)
    }

    fn want(&self, now: &PulledState) -> Result<PulledState> {
        let mut want = now.clone();
        want.images.extend(now.offers.iter().map(|(name, offer)| (name.clone(), Some(offer.image.clone()))));
        Ok(want)
    }

    fn steps(&self, now: &PulledState, _want: &PulledState) -> Result<Vec<Step>> {
        let calls =
            now.offers.iter().map(|(name, offer)| pull(None, name, offer.platform.as_ref(), offer.auth.clone()));
        Ok(calls.map(Step::Docker).collect())
    }

    fn remark(&self) -> Option<String> {
        self.project.get().ok().and_then(|project| project.remark())
    }

    fn depends(&self) -> Vec<String> {
        sources(&self.path, &self.files, &self.env_files)
    }

    fn explain(&self, error: Error) -> Error {
        explain(error, &self.path)
    }
}
