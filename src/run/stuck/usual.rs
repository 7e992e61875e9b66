//! How long a call usually takes, from the journals of earlier runs.

use super::Call;
use crate::report::{Envelope, Event};
use crate::run::journal::runs;
use crate::run::shared::Shared;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;
use stdlib::contract::{Site, Status};

/// Runs looked at, and results that are enough.
const RUNS: usize = 40;
const ENOUGH: usize = 5;

/// How long the same call took on the same host; nothing if no journal tells.
pub(super) async fn usual(run: &Shared, call: &Call) -> Option<Duration> {
    let state = run.options.state.clone()?;
    let (own, check) = (run.id.clone(), run.options.check);
    let (host, operation, at) = (call.host.clone(), call.operation.clone(), call.at.clone());
    let looking = move || {
        let mut found = Vec::new();
        for id in runs(&state).into_iter().filter(|id| *id != own).take(RUNS) {
            found.extend(durations(&state.join("runs").join(format!("{id}.jsonl")), check, &host, &operation, &at));
            if found.len() >= ENOUGH {
                break;
            }
        }
        found.sort_unstable();
        found.get(found.len() / 2).copied().map(Duration::from_millis)
    };
    tokio::task::spawn_blocking(looking).await.ok().flatten()
}

/// How long it took in one run of the same kind.
fn durations(journal: &Path, check: bool, host: &str, operation: &str, at: &Site) -> Vec<u64> {
    let mut found = Vec::new();
    let Ok(file) = File::open(journal) else { return found };
    // Most lines are about something else: they are not worth reading as JSON.
    let word = format!("\"{operation}\"");
    for (number, line) in BufReader::new(file).lines().map_while(Result::ok).enumerate() {
        if number > 0 && !(line.contains("\"task.end\"") && line.contains(&word)) {
            continue;
        }
        match serde_json::from_str::<Envelope>(&line).map(|envelope| envelope.event) {
            Ok(Event::RunStart { check: other, .. }) if other != check => break,
            Ok(Event::TaskEnd { record })
                if record.host == host
                    && record.operation == operation
                    && record.at == *at
                    // What had nothing to do tells nothing of how long the doing takes.
                    && (record.status == Status::Changed || (check && record.error.is_none())) =>
            {
                found.push(record.duration_ms);
            }
            _ => {}
        }
    }
    found
}
