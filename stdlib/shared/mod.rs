//! What several modules need. Modules use these; they never use each other.

pub mod account;
mod bundle;
pub mod chance;
pub mod crypt;
mod duration;
pub mod facts;
mod given;
mod globs;
mod id;
mod many;
mod mode;
pub mod mountinfo;
mod path;
mod relic;
pub mod stat;
pub mod template;
mod textfile;
pub mod web;
mod words;
pub mod yaml;

pub use account::AccountName;
pub use bundle::Bundle;
pub use duration::Span;
pub use given::{Given, Loaded};
pub use globs::Globs;
pub use id::Id;
pub use many::Many;
pub use mode::Mode;
pub use path::HostPath;
pub use relic::Relic;
pub use textfile::{Attributes, FileState, Keep, Reading, directory_of};
pub use words::{validation, words};
