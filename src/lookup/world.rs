//! The controller's clock and its chance.

use stdlib::shared::template::World;

/// The controller's clock and its chance, for templates.
pub const WORLD: World = World { now: jiff::Zoned::now, chance };

fn chance() -> u64 {
    // Without chance a password would be no secret: then rather none at all.
    getrandom::u64().unwrap_or_else(|error| panic!("the system gives no random numbers: {error}"))
}
