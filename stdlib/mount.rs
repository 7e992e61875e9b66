//! File systems: what is mounted, and what fstab says.
//!
//! What is mounted is what the kernel says (`/proc/self/mountinfo`); of `/etc/fstab` one line is changed, at once and
//! atomically, and the others stay to the byte. systemd reads it again when it changed. Sources are devices,
//! `UUID=`, `LABEL=`, servers (`nas:/export`, `//nas/share`), directories (`opts: "bind"`), images (`opts: "loop"`).
//! A password in `opts` is never shown; a `credentials=` file is the better place for it.

mod change;
mod fstab;
mod layer;
mod operations;
mod state;

pub use operations::{Absent, Mounted, Present, Remounted, Unmounted};

use crate::contract::Module;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.operation::<Mounted>().operation::<Present>().operation::<Unmounted>().operation::<Absent>();
    module.action::<Remounted>();
}
