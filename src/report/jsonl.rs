//! Events for machines: one JSON object per line on standard output, nothing else.

use super::{Envelope, Listener};
use std::io::Write;

/// Prints every event as a line.
#[derive(Debug, Default)]
pub struct JsonLines;

impl Listener for JsonLines {
    fn hear(&mut self, envelope: &Envelope) {
        if let Ok(line) = serde_json::to_string(envelope) {
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        }
    }
}
