//! Hosts, groups and variables: Ansible's inventories, read whole, checked whole, pure data afterwards.
//!
//! `load` reads `files` (`source` knows the YAML form, `ini` the other) into a `model`, `select` understands host
//! patterns, `vars` merges variables by Ansible's precedence (`layer`) and renders the Jinja in them lazily (`lazy`),
//! `connection` says how a host is reached. `vault` is the format of what is encrypted, `keys` opens it and knows
//! what must be hidden.

mod connection;
mod edit;
mod files;
mod ini;
mod keys;
mod layer;
mod lazy;
mod literal;
mod load;
mod lookup;
mod misspelt;
mod model;
mod range;
mod select;
mod shlex;
mod source;
mod vars;
pub mod vault;

pub use connection::{Become, Connection, Kind, Method};
pub use edit::{Newcomer, add_host};
pub use keys::{HIDDEN, Key, Open, Vault};
pub use layer::{Layer, Level};
pub use lazy::Overlay;
pub use model::{Definition, Group, Inventory};
pub use vars::Variable;
