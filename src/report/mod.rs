//! What a run tells: records and events for people and for machines.

mod bus;
mod event;

pub use bus::{Bus, Listener, timestamp};
pub use event::{Envelope, Event, Owed, Stats, VERSION};
