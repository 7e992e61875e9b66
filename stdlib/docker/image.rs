//! Images.

use crate::bail;
use crate::contract::docker::{Auth, Kind, Verb};
use crate::contract::{Error, Look, Operation, Result, Step};
use crate::shared::docker::{auth, digest, digests, image, offered, pull, repository, tagged, unanswered};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An image, as far as an operation decides about it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ImageState {
    /// Its digest, or its id if it is from no registry; nothing if the host does not have it.
    #[serde(default)]
    digest: Option<String>,
    /// What has to be fetched, and who asks.
    #[serde(skip)]
    fetch: Option<(String, Option<Auth>)>,
    /// What it should be.
    #[serde(skip)]
    offer: Option<String>,
}

fn version(name: &str, found: &Value) -> Option<String> {
    digest(name, found).or_else(|| found["Id"].as_str().map(str::to_owned))
}

/// The way back to an image that had another digest: it is fetched again, and gets its name.
fn again(name: &str, socket: Option<&String>, want: &str, auth: Option<Auth>) -> Vec<Step> {
    let pinned = format!("{}@{want}", repository(name));
    let tag = Verb::Tag { image: pinned.clone(), to: tagged(name) };
    vec![pull(socket, &pinned, None, auth).into(), tag.at(socket).into()]
}

fn remove(name: &str, socket: Option<&String>, force: bool) -> Step {
    Verb::Remove { kind: Kind::Image, name: tagged(name), force, volumes: false }.at(socket).into()
}

/// What undo needs: that the registry has the image still, and who we are to it.
async fn returns(host: &dyn Look, socket: Option<&String>, name: &str, before: &ImageState) -> Result<Option<Auth>> {
    let Some(was) = before.digest.as_deref() else { return Ok(None) };
    let pinned = format!("{}@{was}", repository(name));
    let auth = auth(host, name).await?;
    if image(host, socket, &pinned).await?.is_none() && offered(host, socket, &pinned, auth.clone()).await?.is_none() {
        bail!("the image {pinned} is neither on the host nor in its registry any more");
    }
    Ok(auth)
}

/// Make sure the host has an image; with `pull: "always"`, the one that its registry has now.
///
/// The difference tells the digests. Check mode asks the registry through the engine, and fetches nothing. Containers keep the
/// image they were made of; `docker::container` makes them anew.
///
/// ```rhai
/// docker::image("ghcr.io/home/app:2", #{ pull: "always" });
/// ```
/// ```transcript
/// ? docker image inspect ghcr.io/home/app:2
/// = {"Id":"sha256:1a2b","RepoDigests":["ghcr.io/home/app@sha256:0123"]}
/// ? sh -c '(credentials of docker)' sh
/// = /root/.docker/config.json
/// ? docker distribution inspect ghcr.io/home/app:2
/// = {"Descriptor":{"digest":"sha256:4567"}}
/// ! docker pull ghcr.io/home/app:2
/// = Digest: sha256:4567
/// = Status: Downloaded newer image for ghcr.io/home/app:2
/// ? docker image inspect ghcr.io/home/app:2
/// = {"Id":"sha256:3c4d","RepoDigests":["ghcr.io/home/app@sha256:4567"]}
/// ? sh -c '(credentials of docker)' sh
/// = /root/.docker/config.json
/// ? docker distribution inspect ghcr.io/home/app:2
/// = {"Descriptor":{"digest":"sha256:4567"}}
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Its name, with its tag or digest.
    pub name: String,
    /// When it is fetched.
    #[serde(default)]
    pub pull: When,
    /// The platform, such as `linux/arm64`, if not the engine's own.
    pub platform: Option<String>,
    /// The engine's socket on the host; `/var/run/docker.sock` without it.
    pub socket: Option<String>,
    /// On the way back: who asks.
    #[serde(skip)]
    back: Option<Option<Auth>>,
}

/// When an image is fetched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// When the host has none of that name.
    #[default]
    Missing,
    /// When the registry has another one.
    Always,
}

impl Operation for Image {
    type State = ImageState;

    async fn read(&self, host: &dyn Look) -> Result<ImageState> {
        let (socket, name) = (self.socket.as_ref(), &self.name);
        let found = image(host, socket, name).await?;
        let digest = found.as_ref().and_then(|found| version(name, found));
        let now = ImageState { digest, ..ImageState::default() };
        if self.back.is_some() || found.is_some() && (self.pull == When::Missing || name.contains('@')) {
            return Ok(now);
        }
        let auth = auth(host, name).await?;
        let Some(offer) = offered(host, socket, name, auth.clone()).await? else {
            bail!("the registry has no image {name}, or does not show it to us"; hint: "is the tag right? a private one needs docker::login(registry, #{{ user, password }}) before it");
        };
        if found.as_ref().is_some_and(|found| digests(name, found).any(|digest| digest == offer)) {
            return Ok(ImageState { digest: Some(offer), ..now });
        }
        Ok(ImageState { fetch: Some((name.clone(), auth)), offer: Some(offer), ..now })
    }
    fn want(&self, now: &ImageState) -> Result<ImageState> {
        Ok(ImageState { digest: now.offer.clone().or_else(|| now.digest.clone()), ..ImageState::default() })
    }
    fn steps(&self, now: &ImageState, want: &ImageState) -> Result<Vec<Step>> {
        let socket = self.socket.as_ref();
        match (&want.digest, &self.back) {
            (None, _) => Ok(vec![remove(&self.name, socket, false)]),
            (Some(was), Some(auth)) => Ok(again(&self.name, socket, was, auth.clone())),
            (Some(_), None) => {
                let fetch = now.fetch.iter();
                let pull = |(image, auth): &(String, Option<Auth>)| {
                    Step::from(pull(socket, image, self.platform.as_ref(), auth.clone()))
                };
                Ok(fetch.map(pull).collect())
            }
        }
    }
    async fn recall(&mut self, host: &dyn Look, before: ImageState, _after: &ImageState) -> Result<ImageState> {
        self.back = Some(returns(host, self.socket.as_ref(), &self.name, &before).await?);
        Ok(before)
    }
    fn explain(&self, error: Error) -> Error {
        unanswered(error, &self.name)
    }
}

/// Make sure the host does not have an image of that name.
///
/// Undo fetches it again, by its digest.
///
/// ```rhai
/// docker::image_absent("nginx:1.25");
/// ```
/// ```transcript
/// ? docker image inspect nginx:1.25
/// = {"Id":"sha256:1a2b","RepoDigests":["nginx@sha256:0123"]}
/// ! docker image rm nginx:1.25
/// = [{"Untagged":"nginx:1.25"}]
/// ? docker image inspect nginx:1.25
/// - No such image: nginx:1.25
/// * 404
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageAbsent {
    /// Its name, with its tag or digest.
    pub name: String,
    /// Remove it even if a container that is stopped uses it.
    #[serde(default)]
    pub force: bool,
    /// The engine's socket on the host; `/var/run/docker.sock` without it.
    pub socket: Option<String>,
    /// On the way back: who asks.
    #[serde(skip)]
    back: Option<Auth>,
}

impl Operation for ImageAbsent {
    type State = ImageState;

    async fn read(&self, host: &dyn Look) -> Result<ImageState> {
        let found = image(host, self.socket.as_ref(), &self.name).await?;
        let digest = found.as_ref().and_then(|found| version(&self.name, found));
        Ok(ImageState { digest, ..ImageState::default() })
    }
    fn want(&self, _now: &ImageState) -> Result<ImageState> {
        Ok(ImageState::default())
    }
    fn steps(&self, _now: &ImageState, want: &ImageState) -> Result<Vec<Step>> {
        let socket = self.socket.as_ref();
        Ok(match &want.digest {
            Some(was) => again(&self.name, socket, was, self.back.clone()),
            None => vec![remove(&self.name, socket, self.force)],
        })
    }
    async fn recall(&mut self, host: &dyn Look, before: ImageState, _after: &ImageState) -> Result<ImageState> {
        self.back = returns(host, self.socket.as_ref(), &self.name, &before).await?;
        Ok(before)
    }
    fn explain(&self, error: Error) -> Error {
        if error.message.contains("is using") || error.message.contains("conflict") {
            return error.hint("docker::containers(#{ all: true }) tells who uses it");
        }
        unanswered(error, &self.name)
    }
}
