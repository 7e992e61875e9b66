//! What several modules need. Modules use these; they never use each other.

mod duration;
pub mod facts;
mod given;
mod globs;
mod id;
mod many;
mod mode;
mod path;
mod relic;
pub mod stat;
pub mod template;
mod textfile;
mod words;
pub mod yaml;

pub use duration::Span;
pub use given::{Given, Loaded};
pub use globs::Globs;
pub use id::Id;
pub use many::Many;
pub use mode::Mode;
pub use path::HostPath;
pub use relic::Relic;
pub use textfile::{Attributes, FileState, Keep, Reading, directory_of};
pub use words::validation;
