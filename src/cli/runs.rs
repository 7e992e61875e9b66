//! `hlrun runs` and `hlrun show`: what happened, from the journals.

use super::args::{RunsArgs, ShowArgs};
use super::screen;
use crate::report::{Envelope, Event, JsonLines, Listener, Terminal};
use crate::run::{is_running, read_run, runs as ids, runtime_dir, state_dir};
use crate::transport::close_idle;
use serde_json::json;

/// List runs, the newest first. Returns the exit code.
pub fn runs(args: &RunsArgs) -> u8 {
    let state = state_dir();
    for id in ids(&state).into_iter().take(args.number) {
        let Ok(events) = read_run(&state, &id) else { continue };
        let Some((playbook, check, started)) = events.iter().find_map(|e| match &e.event {
            Event::RunStart { playbook, check, .. } => Some((playbook.clone(), *check, e.ts.clone())),
            _ => None,
        }) else {
            continue;
        };
        let end = events.iter().find_map(|e| match &e.event {
            Event::RunEnd { exit, stats, duration_ms, .. } => Some((*exit, stats.clone(), *duration_ms)),
            _ => None,
        });
        if args.json {
            let (exit, stats, ms) = end.map_or((None, None, None), |(e, s, m)| (Some(e), Some(s), Some(m)));
            let line = json!({ "run": id, "started": started, "playbook": playbook, "check": check, "exit": exit, "duration_ms": ms, "stats": stats });
            screen::out(&line.to_string());
            continue;
        }
        let result = match end {
            None if is_running(&state, &id) => "running".to_owned(),
            None => "did not end".to_owned(),
            Some((exit, stats, ms)) => {
                let changed: u64 = stats.values().map(|s| s.changed).sum();
                let word = match exit {
                    0 => "ok",
                    130 => "interrupted",
                    _ => "failed",
                };
                format!("{word:<11} {:>3} hosts {changed:>4} changed {:>7.1} s", stats.len(), ms as f64 / 1000.0)
            }
        };
        let mode = if check { " (check)" } else { "" };
        screen::out(&format!("{id}  {result}  {playbook}{mode}"));
    }
    0
}

/// Show a run as it was shown when it ran. Returns the exit code.
pub fn show(args: &ShowArgs) -> u8 {
    let events = match read_run(&state_dir(), &args.run) {
        Ok(events) => events,
        Err(error) => return screen::fail(&[error]),
    };
    let check = events.iter().any(|e| matches!(e.event, Event::RunStart { check: true, .. }));
    let mut view = screen::view(&args.output, check);
    view.live = false;
    let mut listener: Box<dyn Listener> = match args.output.json {
        true => Box::new(JsonLines),
        false => Box::new(Terminal::new(view, |file| std::fs::read_to_string(file).ok())),
    };
    for envelope in &events {
        if let Some(shown) = narrowed(envelope, args.host.as_deref()) {
            listener.hear(&shown);
        }
    }
    0
}

/// An event, if it is about the host; without one, any.
pub(super) fn narrowed(envelope: &Envelope, host: Option<&str>) -> Option<Envelope> {
    let Some(host) = host else { return Some(envelope.clone()) };
    let mut envelope = envelope.clone();
    let about = match &mut envelope.event {
        Event::TaskStart { host: h, .. }
        | Event::TaskOutput { host: h, .. }
        | Event::TaskRetry { host: h, .. }
        | Event::TaskStuck { host: h, .. }
        | Event::HostConnect { host: h, .. }
        | Event::HostEnd { host: h, .. }
        | Event::Debt { host: h, .. }
        | Event::PlanUnknown { host: h, .. } => h == host,
        Event::TaskEnd { record } => record.host == host,
        Event::Print { host: Some(h), .. } => h == host,
        Event::RunEnd { stats, .. } => {
            stats.retain(|name, _| name == host);
            true
        }
        Event::PlayStart { hosts, .. } | Event::BatchStart { hosts, .. } => {
            hosts.retain(|name| name == host);
            !hosts.is_empty()
        }
        _ => true,
    };
    about.then_some(envelope)
}

/// Close the connections that earlier runs keep warm. Returns the exit code.
#[allow(clippy::disallowed_methods)] // no script waits here
pub fn disconnect() -> u8 {
    let Ok(runtime) = tokio::runtime::Runtime::new() else { return 70 };
    let closed = runtime.block_on(close_idle(&runtime_dir()));
    screen::out(&format!("{closed} connections closed"));
    0
}
