//! hlrun: an embedded scripting runtime for homelab automation.
//!
//! - [`script`]: the language of playbooks, all of Rhai
//! - [`transport`]: the effects on hosts (ssh, local, files, HTTP)
//! - [`report`]: what a run tells people and machines

pub mod script;
pub mod transport;
