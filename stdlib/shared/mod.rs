//! What several modules need. Modules use these; they never use each other.

mod duration;
mod many;
pub mod template;
pub mod yaml;

pub use duration::Span;
pub use many::Many;
