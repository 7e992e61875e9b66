//! What going back would take, asked before anything is done.

use super::super::memory::Call;
use super::super::playing::PlayState;
use super::super::session::{Session, not_kept};
use super::{Undoing, scope, word};
use crate::run::Runtime;
use crate::run::visit::on_all;
use crate::script::Actor;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use stdlib::contract::{Back, Change, Kind, Past, Result, Role, Site, Source, Step, diff_back, render};

/// What becomes of a change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It goes back.
    Back,
    /// It is back already.
    Already,
    /// It stays, for this reason.
    Stays(String),
    /// It stays, because somebody has changed the same thing since.
    Changed,
    /// It is a handler: it runs again when the rest is back.
    Again,
}

/// One change of the run on one host.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its number in the run, the same on all hosts.
    pub step: usize,
    /// The host.
    pub host: String,
    /// The operation.
    pub operation: String,
    /// What it was called on.
    pub subject: String,
    /// Where the playbook calls it.
    pub at: Site,
    /// What becomes of it.
    pub fate: Fate,
    /// What goes back, or would, as lines of a diff.
    pub lines: Vec<String>,
    /// What stays of it although it goes back.
    pub leaves: Vec<String>,
}

/// What going back would take, per host from the last change to the first.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Every change of the run that was chosen.
    pub entries: Vec<Entry>,
}

impl Plan {
    /// The entries of a fate.
    pub fn of(&self, fate: impl Fn(&Fate) -> bool) -> Vec<&Entry> {
        self.entries.iter().filter(|entry| fate(&entry.fate)).collect()
    }
    /// The changes that go back.
    pub fn back(&self) -> Vec<&Entry> {
        self.of(|fate| *fate == Fate::Back)
    }
    /// Whether a change of a host goes back.
    pub(super) fn has(&self, host: &str, step: usize, fate: &Fate) -> bool {
        self.entries.iter().any(|e| e.host == host && e.step == step && e.fate == *fate)
    }
}

impl Runtime {
    /// Ask every host what going back would take. Nothing is changed.
    pub fn plan_undo(self, undoing: &Undoing) -> Result<Plan> {
        let limit = self.options.limit.as_ref().map(|pattern| self.inventory.select(pattern)).transpose()?;
        let limit: Option<BTreeSet<String>> = limit.map(|hosts| hosts.into_iter().collect());
        let hosts = undoing.hosts().into_iter().filter(|host| limit.as_ref().is_none_or(|limit| limit.contains(host)));
        let (hosts, gone): (Vec<String>, Vec<String>) = hosts.partition(|host| self.inventory.knows(host));
        let mut plan = Plan::default();
        for host in &gone {
            let why = Fate::Stays(format!("{host} is not in the inventory"));
            plan.entries.extend(undoing.calls_of(host).rev().map(|(step, call)| entry(*step, call, why.clone())));
        }
        if hosts.is_empty() {
            return Ok(plan);
        }
        let (run, spec) = self.stage(undoing, &hosts, true)?;
        let play = PlayState::begin(Arc::clone(&run), spec)?;
        let ask = |host: &str| {
            let session = Session::new(Arc::clone(&run), Arc::clone(&play), host);
            let entries = host_plan(&session, undoing, host);
            session.end(Ok(()));
            entries
        };
        plan.entries.extend(on_all(&hosts, run.options.forks, ask).concat());
        Ok(plan)
    }
}

fn entry(step: usize, call: &Call, fate: Fate) -> Entry {
    let record = &call.record;
    let (host, operation, subject) = (record.host.clone(), record.operation.clone(), record.subject.clone());
    let subject = if record.sensitive { "‹withheld›".to_owned() } else { subject };
    Entry { step, host, operation, subject, fate, lines: Vec::new(), leaves: Vec::new(), at: record.at.clone() }
}

fn host_plan(session: &Session, undoing: &Undoing, host: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    // What comes later in the run and goes back before.
    let mut later: Vec<Past> = Vec::new();
    for (step, call) in undoing.calls_of(host).rev() {
        let (fate, lines, leaves) = fate(session, call, &later, undoing.force);
        if fate == Fate::Back {
            later.extend(call.past());
        }
        entries.push(Entry { lines, leaves, ..entry(*step, call, fate) });
    }
    let back = entries.iter().any(|entry| entry.fate == Fate::Back);
    if !back || !undoing.handlers {
        let idle = |entry: &mut Entry| {
            if entry.fate == Fate::Again {
                entry.fate = Fate::Stays("a handler, and it is not run again".to_owned());
            }
        };
        entries.iter_mut().for_each(idle);
    }
    entries
}

/// What becomes of a call: its fate, what goes back, and what stays of that.
fn fate(session: &Session, call: &Call, later: &[Past], force: bool) -> (Fate, Vec<String>, Vec<String>) {
    let plain = |fate: Fate, lines: Vec<String>| (fate, lines, Vec::new());
    let stays = |why: &str| plain(Fate::Stays(why.to_owned()), Vec::new());
    let record = &call.record;
    let Some(word) = word(&record.operation) else { return stays("this hlrun does not have it") };
    let past = call.past();
    if call.failed() {
        match &past {
            // An action has no states: that they are the same says nothing.
            Some(past) if word.role == Role::Operation => {
                if past.before == past.after {
                    return plain(Fate::Already, Vec::new());
                }
            }
            _ => return stays("it failed, and what it had done by then is not known"),
        }
    }
    match word.role {
        Role::Action if call.handler.is_some() => return plain(Fate::Again, Vec::new()),
        Role::Action | Role::Fact => return stays(word.stays),
        Role::Operation if !word.reversible => return stays(word.stays),
        Role::Operation => {}
    }
    let Some(past) = past else { return stays("what it was before is not known") };
    let shown = |changes: &[Change]| match record.sensitive {
        true => vec!["‹diff hidden: secret›".to_owned()],
        false => render(changes, &record.subject).iter().map(|line| session.redacted(line)).collect(),
    };
    session.enter(scope(call));
    let restored = session.restore(word, &call.args, &past, Back::Check);
    session.leave();
    let restored = match restored {
        Ok(restored) => restored,
        // It cannot be looked at as long as what came later is not back.
        Err(error) if error.kind == Kind::Host && !later.is_empty() => {
            return plain(Fate::Back, shown(&diff_back(&past.after, &past.before)));
        }
        Err(error) => return stays(&session.redacted(&error.message)),
    };
    let leaves: Vec<String> = restored.leaves.iter().map(|what| session.redacted(what)).collect();
    let explained = restored.drift.iter().all(|change| explained(change, later));
    if restored.outcome.diff.is_empty() {
        // What came later has taken it away, and brings it back first.
        let returns = explained && !restored.drift.is_empty();
        return match leaves.first() {
            _ if returns => (Fate::Back, shown(&restored.expected), leaves),
            Some(what) if restored.drift.is_empty() => stays(what),
            _ => plain(Fate::Already, Vec::new()),
        };
    }
    if let Some(error) = &restored.refused {
        return stays(&session.redacted(&error.message));
    }
    if !explained && !force {
        return plain(Fate::Changed, shown(&restored.outcome.diff));
    }
    for step in &restored.outcome.steps {
        if let Step::Write(write) = step
            && let Source::Kept(sha256) = &write.source
            && !session.keeps(sha256)
        {
            let what = if write.sensitive && record.sensitive { &write.path } else { &record.subject };
            return stays(&not_kept(what).message);
        }
    }
    let later = explained && !restored.drift.is_empty();
    let changes = if later { &restored.expected } else { &restored.outcome.diff };
    (Fate::Back, shown(changes), leaves)
}

/// Whether a difference comes from what the run did later, and so goes back before.
fn explained(change: &Change, later: &[Past]) -> bool {
    let mut values = vec![change.before.clone()];
    // The later ones come last first.
    for past in later.iter().rev() {
        let made = diff_back(&past.before, &past.after);
        let led = |value: &Value| -> Vec<Value> {
            let from = made.iter().filter(|made| holds(&made.before, value));
            // What was a part of something else went with it.
            from.map(|made| if same(&made.before, value) { made.after.clone() } else { Value::Null }).collect()
        };
        let next: Vec<Value> = values.iter().flat_map(led).filter(|value| !values.contains(value)).collect();
        values.extend(next);
    }
    values.iter().any(|value| same(value, &change.after) && !same(value, &change.before))
}

fn same(a: &Value, b: &Value) -> bool {
    match (a.get("sha256"), b.get("sha256")) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// Whether a value is, or has in it, another.
fn holds(value: &Value, part: &Value) -> bool {
    same(value, part) || value.as_object().is_some_and(|fields| fields.values().any(|field| holds(field, part)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn past(before: Value, after: Value) -> Past {
        Past { before, after }
    }

    #[test]
    fn what_the_run_did_later_is_no_change_of_somebody_else() {
        let change = |before: Value, after: Value| Change { path: "content".to_owned(), before, after };
        let file = |digest: &str| json!({ "sha256": digest, "size": 1 });
        let state = |digest: &str| json!({ "content": file(digest), "mode": "0644" });
        // Last first: b -> c came after a -> b.
        let later = [past(state("b"), state("c")), past(state("a"), state("b"))];
        assert!(explained(&change(file("a"), file("c")), &later));
        assert!(!explained(&change(file("a"), file("x")), &later));
        assert!(!explained(&change(file("a"), file("c")), &[]));
        let deleted = [past(json!({ "there": { "kind": "file", "content": file("a") } }), json!({ "there": null }))];
        assert!(explained(&change(file("a"), Value::Null), &deleted));
        assert!(!explained(&change(file("b"), Value::Null), &deleted));
    }
}
