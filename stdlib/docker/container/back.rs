//! A container as it was before, as far as it can come back.

use super::state::ContainerState;
use crate::bail;
use crate::contract::docker::{Auth, Kind, Verb, in_body};
use crate::contract::{Look, Result};
use crate::shared::docker::{auth, image, offered};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What there is to know of images on the way back.
#[derive(Debug, Clone, Default)]
pub struct Back {
    /// The images before and after, by their ids, as they were shown: their names may be others' now.
    known: BTreeMap<String, String>,
    /// What has to be fetched, and who asks.
    pub pull: Option<(String, Option<Auth>)>,
}

impl Back {
    /// An image as it was shown.
    pub fn shown(&self, id: &str) -> Option<String> {
        self.known.get(id).cloned()
    }
}

/// What the engine says of a container and of its image, if there is such a container. What its environment calls a secret
/// is hidden from here on.
pub async fn inspected(host: &dyn Look, socket: Option<&String>, name: &str) -> Result<Option<(Value, Value)>> {
    let Some(found) = host.docker_json(&Verb::inspect(Kind::Container, name).at(socket)).await? else {
        return Ok(None);
    };
    host.hide_all(in_body(&found["Config"]));
    let id = found["Image"].as_str().unwrap_or_default();
    let image = host.docker_json(&Verb::inspect(Kind::Image, id).at(socket)).await?.unwrap_or_default();
    Ok(Some((found, image)))
}

/// A container that comes back, as near as can be, and its image, which the host has still, or its registry.
pub async fn back(
    host: &dyn Look,
    socket: Option<&String>,
    before: ContainerState,
    after: &ContainerState,
) -> Result<(ContainerState, Back)> {
    let mut before = ContainerState { health: None, ..before };
    if before.status.as_deref().is_some_and(|status| status != "stopped") {
        before.status = Some("running".to_owned());
    }
    host.hide_all(in_body(&before.made.body));
    let known = |state: &ContainerState| Some((state.made.id.clone()?, state.image.clone()?));
    let known = [known(after), known(&before)].into_iter().flatten().collect();
    let mut back = Back { known, pull: None };
    let Some(id) = &before.made.id else { return Ok((before, back)) };
    // By its name, where that is still its own.
    let name = before.made.body["Image"].as_str().filter(|name| !name.starts_with("sha256:"));
    if let Some(name) = name
        && image(host, socket, name).await?.is_some_and(|image| image["Id"] == json!(id))
    {
        before.made.id = Some(name.to_owned());
        return Ok((before, back));
    }
    if host.docker_json(&Verb::inspect(Kind::Image, id).at(socket)).await?.is_some() {
        return Ok((before, back));
    }
    let Some(pinned) = before.made.pinned.clone() else {
        bail!("the image it was made of, {id}, is not on the host any more, and from no registry");
    };
    let auth = auth(host, &pinned).await?;
    if offered(host, socket, &pinned, auth.clone()).await?.is_none() {
        bail!("the image it was made of, {pinned}, is neither on the host nor in its registry any more");
    }
    before.made.id = Some(pinned.clone());
    back.pull = Some((pinned, auth));
    Ok((before, back))
}
