//! The machine as a whole: reboots, name, time zone, languages.
//!
//! A reboot is proven: the boot id, or where containers share their machine's the start of process 1, must be
//! another one than before. A connection that still works proves nothing.

mod hostname;
mod locale;
mod reasons;
mod rebooted;
mod timezone;

pub use hostname::Hostname;
pub use locale::Locale;
pub use reasons::{RebootDue, RebootReasons, RebootRequired};
pub use rebooted::Rebooted;
pub use timezone::Timezone;

use crate::contract::Module;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.action::<Rebooted>().fact::<RebootRequired>().fact::<RebootReasons>().fact::<RebootDue>();
    module.operation::<Hostname>().operation::<Timezone>().operation::<Locale>();
}
