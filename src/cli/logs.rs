//! `hlrun logs`: a run line by line, also while it goes on.

use super::args::{LogsArgs, color};
use super::runs::narrowed;
use super::screen;
use crate::report::{Envelope, JsonLines, Listener, Paint, log};
use crate::run::{Follow, read_run, state_dir};
use std::io::Write;
use stdlib::contract::Result;

/// Show a run's log. Returns the exit code.
pub fn logs(args: &LogsArgs) -> u8 {
    let state = state_dir();
    let events: Result<Box<dyn Iterator<Item = Envelope>>> = match args.follow {
        true => Follow::begin(&state, &args.run).map(|follow| Box::new(follow) as _),
        false => read_run(&state, &args.run).map(|events| Box::new(events.into_iter()) as _),
    };
    let events = match events {
        Ok(events) => events,
        Err(error) => return screen::fail(&[error]),
    };
    let paint = Paint(color(&args.color).wanted());
    for envelope in events.filter_map(|envelope| narrowed(&envelope, args.host.as_deref())) {
        if args.json {
            JsonLines.hear(&envelope);
            continue;
        }
        for line in log(&envelope, paint) {
            // Whoever reads along and goes away (`| head`) wants no more.
            if writeln!(std::io::stdout().lock(), "{line}").is_err() {
                return 0;
            }
        }
    }
    0
}
