//! Containers, images, networks and volumes of a Docker engine.
//!
//! Calls go to the engine's socket on the host, over the connection to it: the host needs no docker program, no
//! Python, and no open port. The user who is logged in needs the right to open the socket: the group `docker`, or
//! `within(#{ become: "root" }, || ...)`. `socket: "/run/user/1000/docker.sock"` is an engine without root, or podman's. What compose
//! files describe is `compose`'s; these are for containers that a playbook describes itself.

mod actions;
mod container;
mod container_absent;
mod facts;
mod image;
mod login;
mod network;
mod prune;
mod volume;

pub use actions::{Exec, Healthy, Restarted};
pub use container::Container;
pub use container_absent::ContainerAbsent;
pub use facts::{Containers, Images, Info, Inspect, Logs, Networks, Volumes};
pub use image::{Image, ImageAbsent};
pub use login::{LoggedOut, Login};
pub use network::{Network, NetworkAbsent};
pub use prune::Prune;
pub use volume::{Volume, VolumeAbsent};

use crate::contract::Module;
use serde_json::Value;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.operation::<Container>().operation::<ContainerAbsent>();
    module.operation::<Network>().operation::<NetworkAbsent>();
    module.operation::<Volume>().operation::<VolumeAbsent>();
    module.operation::<Image>().operation::<ImageAbsent>();
    module.operation::<Login>().operation::<LoggedOut>();
    module.operation::<Prune>().action::<Exec>().action::<Restarted>().action::<Healthy>();
    module.fact::<Info>().fact::<Containers>().fact::<Images>().fact::<Networks>().fact::<Volumes>();
    module.fact::<Inspect>().fact::<Logs>();
}

/// A map of the API, or of a playbook, with texts as values.
fn given(map: &Value) -> impl Iterator<Item = (String, String)> + '_ {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    map.as_object().into_iter().flatten().map(move |(name, value)| (name.clone(), text(value)))
}
