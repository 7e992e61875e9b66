//! Stacks of containers as docker compose describes them.
//!
//! The host's own compose v2 (`docker compose` or `docker-compose`) resolves the files and makes the containers. What
//! is so, and what would change, is decided by the resolved configuration, the docker engine and its labels. Where a
//! service is to be compared with what it was, hlrun remembers its configuration and the digests of its mounted
//! files in `~/.local/state/hlrun/compose` of the user on the host; without that memory less is told, and nothing
//! breaks.

mod actions;
mod cli;
mod down;
mod engine;
mod facts;
mod files;
mod mask;
mod project;
mod pulled;
mod stopped;
mod up;

pub use actions::{Built, Recreated, Restarted};
pub use down::Down;
pub use facts::{Services, Stacks};
pub use pulled::Pulled;
pub use stopped::Stopped;
pub use up::Up;

use crate::contract::Module;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.operation::<Up>().operation::<Pulled>().operation::<Stopped>().operation::<Down>();
    module.action::<Restarted>().action::<Recreated>().action::<Built>();
    module.fact::<Stacks>().fact::<Services>();
}
