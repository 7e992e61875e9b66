//! Going back.

use super::super::memory::{Call, Start};
use super::super::playing::PlayState;
use super::super::session::Session;

use super::super::{Summary, exit_code};
use super::{Fate, Plan, Undoing, scope, word};
use crate::report::Event;
use crate::run::Runtime;
use crate::run::visit::on_all;
use crate::script::{Actor, Play, Scope};
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;
use stdlib::contract::{Back, Entry as Word, Error, Kind, Outcome, Record, Result};

impl Runtime {
    /// Take back what the plan says. It is a run of its own, which can be taken back too.
    pub fn undo(self, undoing: &Undoing, plan: &Plan) -> Result<Summary> {
        let began = Instant::now();
        let mut hosts: Vec<String> = plan.back().iter().map(|entry| entry.host.clone()).collect();
        hosts.dedup();
        let origin = self.options.origin.clone().or_else(|| undoing.start.origin.clone());
        let start = Start { playbook: undoing.start.playbook.clone(), origin, ..Start::default() };
        let (run, spec) = self.stage(undoing, &hosts, false)?;
        run.remember(start, false);
        let play = PlayState::begin(Arc::clone(&run), spec)?;
        let work = |host: &str| {
            run.count(host, |_| {});
            let session = Session::new(Arc::clone(&run), Arc::clone(&play), host);
            let result = go_back(&session, undoing, plan, host);
            session.end(result);
        };
        on_all(&hosts, run.options.forks, work);
        play.end();
        let error = run.cancel.is_cancelled().then(|| Error::new(Kind::Interrupted, "interrupted"));
        let stats = run.stats();
        let exit = exit_code(&stats, error.as_ref());
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let boxed = error.clone().map(Box::new);
        run.bus.emit(Event::RunEnd { exit, stats: stats.clone(), owed: Vec::new(), duration_ms, error: boxed });
        run.bus.finish();
        let changed = stats.values().any(|s| s.changed > 0);
        Ok(Summary { run: run.id.clone(), exit, changed, stats, owed: Vec::new(), error, value: Value::Null })
    }
}

/// One host: its changes from the last to the first, then its handlers in their order.
fn go_back(session: &Session, undoing: &Undoing, plan: &Plan, host: &str) -> Result<()> {
    let back = if undoing.force { Back::Force } else { Back::Apply };
    for (step, call) in undoing.calls_of(host).rev() {
        if let (true, Some(word), Some(past)) =
            (plan.has(host, *step, &Fate::Back), word(&call.record.operation), call.past())
        {
            once(session, call, word, Scope::default(), || {
                session.restore(word, &call.args, &past, back).map(|restored| restored.outcome)
            })?;
        }
    }
    let mut ran: Vec<(&str, &Value)> = Vec::new();
    for (step, call) in undoing.calls_of(host) {
        let (name, what) = (call.handler.as_deref(), (call.record.operation.as_str(), &call.args));
        if let (true, Some(name), Some(word), false) =
            (plan.has(host, *step, &Fate::Again), name, word(&call.record.operation), ran.contains(&what))
        {
            ran.push(what);
            session.enter_task(name, &["handlers".to_owned()]);
            // What it is about may have gone with the rest.
            let kind = Scope { ignore_errors: Some(true), ..Scope::default() };
            let done = once(session, call, word, kind, || session.attempt(word, &call.args, false));
            session.leave_task();
            done?;
        }
    }
    Ok(())
}

/// One call, told and remembered like any other.
fn once(
    session: &Session,
    call: &Call,
    word: &'static Word,
    kind: Scope,
    work: impl FnOnce() -> Result<Outcome>,
) -> Result<()> {
    let was = &call.record;
    session.enter(Scope { ignore_errors: kind.ignore_errors, ..scope(call) });
    let settled = session.begin(word, &was.subject, &was.at).and_then(|_| {
        let began = Instant::now();
        let (host, operation, subject) = (session.host(), &was.operation, &was.subject);
        let mut record = match work() {
            Ok(outcome) => Record::new(host, operation, subject, outcome),
            Err(error) => Record::failed(host, operation, subject, error),
        };
        record.at = was.at.clone();
        record.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        session.settle(record)
    });
    session.leave();
    settled.map(drop)
}
