//! Hosts, groups and variables: YAML in Ansible's shape, read whole, checked whole, pure data afterwards.
//!
//! `load` reads files into a `model`, `select` understands host patterns, `vars` merges variables by Ansible's
//! precedence and renders the Jinja in them lazily, `connection` says how a host is reached.

mod connection;
mod lazy;
mod load;
mod model;
mod range;
mod select;
mod source;
mod vars;

pub use connection::{Become, Connection, Kind, Method};
pub use lazy::Overlay;
pub use model::{Group, Inventory};
pub use vars::Variable;
