//! What a run tells: records and events for people and for machines.

mod bus;
mod draw;
mod event;
mod jsonl;
mod live;
mod log;
pub mod manual;
mod recap;
mod style;
mod terminal;
pub mod values;
mod words;

pub use bus::{Bus, Listener, timestamp};
pub use draw::draw;
pub use event::{Envelope, Event, Owed, Stats, VERSION};
pub use jsonl::JsonLines;
pub use log::log;
pub use recap::recap;
pub use style::{Color, Paint};
pub use terminal::{Terminal, View};
pub use words::{is_question, seconds};

/// The JSON Schema of one line of `--json` and of the journal.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Envelope).to_value()
}
