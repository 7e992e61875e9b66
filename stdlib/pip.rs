//! Python packages and virtual environments.
//!
//! pip is asked for its plan before anything changes (`pip install --dry-run`, pip 22.2 or newer), so check mode names
//! every package and version. Where a system keeps its Python to itself (PEP 668: Debian 12, Ubuntu 24.04, Fedora 38),
//! packages go into a virtual environment.

mod environment;
mod files;
mod operations;

pub use operations::{Absent, Installed, Latest, Requirements};

use crate::contract::Module;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.operation::<Installed>().operation::<Latest>().operation::<Requirements>().operation::<Absent>();
}
