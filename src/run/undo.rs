//! Taking back what a run has changed: planned first, then done through the same operations, per host from
//! the last change to the first.

mod go;
mod plan;

pub use plan::{Entry, Fate, Plan};

use super::memory::{Call, Frame, Origin, Start, recall};
use super::{CancellationToken, Options, Runtime, journal, run_id};
use crate::report::{Bus, Event};
use crate::script::{PlaySpec, Scope};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stdlib::contract::{Entry as Word, Error, Result, Site, Status};

use super::shared::Shared;

/// What a run has changed, and what is chosen of it.
pub struct Undoing {
    /// The run.
    pub run: String,
    start: Start,
    calls: Vec<(usize, Call)>,
    /// Go back where somebody has changed something since, too.
    pub force: bool,
    /// Run the handlers again that the run has run.
    pub handlers: bool,
}

impl Undoing {
    /// Open the memory of a run.
    pub fn open(state: &Path, run: &str) -> Result<Undoing> {
        let mut frames = recall(state, run)?.into_iter();
        let Some(Frame::Start(start)) = frames.next() else {
            return Err(Error::playbook(format!("run {run} does not say what it was started with")));
        };
        let mut numbers: BTreeMap<(String, String, String), usize> = BTreeMap::new();
        let mut calls = Vec::new();
        for frame in frames {
            let Frame::Call(call) = frame else { continue };
            let record = &call.record;
            // What failed may have been done by half.
            let touched = call.past().is_some() || record.status == Status::Changed || call.failed();
            if call.replayed || !touched || record.status == Status::Unreachable && call.attempts.is_empty() {
                continue;
            }
            let key = (record.at.to_string(), record.operation.clone(), record.subject.clone());
            let next = numbers.len() + 1;
            calls.push((*numbers.entry(key).or_insert(next), *call));
        }
        Ok(Undoing { run: run.to_owned(), start: *start, calls, force: false, handlers: true })
    }
    /// The playbook of the run.
    pub fn playbook(&self) -> &str {
        &self.start.playbook
    }
    /// The command line that started the run, if it was one.
    pub fn origin(&self) -> Option<&Origin> {
        self.start.origin.as_ref()
    }
    /// Take back these steps only; a number that the run does not have is an error.
    pub fn steps(&mut self, steps: &[usize]) -> Result<()> {
        let last = self.calls.iter().map(|(number, _)| *number).max().unwrap_or_default();
        if let Some(wrong) = steps.iter().find(|step| **step == 0 || **step > last) {
            return Err(Error::playbook(format!("run {} has no step {wrong}: it has {last}", self.run))
                .hint(format!("hlrun undo {} --check shows them", self.run)));
        }
        if !steps.is_empty() {
            // Handlers follow what is taken back; they are no steps to choose.
            self.calls.retain(|(number, call)| steps.contains(number) || call.handler.is_some());
        }
        Ok(())
    }
    /// The hosts that the run has changed.
    fn hosts(&self) -> Vec<String> {
        let mut hosts: Vec<String> = Vec::new();
        for (_, call) in &self.calls {
            if !hosts.contains(&call.record.host) {
                hosts.push(call.record.host.clone());
            }
        }
        hosts
    }
    fn calls_of<'a>(&'a self, host: &'a str) -> impl DoubleEndedIterator<Item = &'a (usize, Call)> {
        self.calls.iter().filter(move |(_, call)| call.record.host == host)
    }
}

/// What an operation is, by its name.
pub(super) fn word(operation: &str) -> Option<&'static Word> {
    stdlib::modules().iter().flat_map(|module| &module.entries).find(|entry| entry.path() == operation)
}

/// The scope in which a call was made.
fn scope(call: &Call) -> Scope {
    let how = &call.how;
    Scope {
        r#become: Some(how.user.is_some()),
        become_user: how.user.clone(),
        become_method: how.method.clone(),
        env: how.env.clone(),
        cwd: how.cwd.clone(),
        no_log: call.record.sensitive.then_some(true),
        ..Scope::default()
    }
}

impl Runtime {
    /// A stage for going back: a run of its own, or a look at what it would be.
    fn stage(self, undoing: &Undoing, hosts: &[String], check: bool) -> Result<(Arc<Shared>, PlaySpec)> {
        let id = run_id();
        let options = Options { check, tags: Vec::new(), skip_tags: Vec::new(), resume: None, ..self.options };
        let mut listeners = self.listeners;
        if let Some(state) = options.state.as_ref().filter(|_| !check) {
            listeners.push(Box::new(journal::Journal::begin(state, &id)?));
        }
        let bus = Bus::new(&id, listeners);
        let dir = Path::new(&undoing.start.playbook).parent().map(Path::to_path_buf).unwrap_or_default();
        let roots: Vec<PathBuf> = super::roots(&dir, options.project.as_deref());
        let playbook = undoing.start.playbook.clone();
        bus.emit(Event::RunStart {
            playbook: playbook.clone(),
            digest: String::new(),
            check,
            hosts: hosts.to_vec(),
            params: serde_json::Map::new(),
            undoes: Some(undoing.run.clone()),
            resumes: None,
        });
        let cancel: CancellationToken = self.cancel;
        let keep = super::keep::Keep::new()?;
        let shared = Shared::new(id, playbook, self.inventory, options, bus, cancel, roots, None, None, keep);
        let name = format!("Undo of {}", undoing.run);
        let spec = PlaySpec { name, pattern: hosts.join(","), at: Site::default(), ..PlaySpec::default() };
        Ok((Arc::new(shared), spec))
    }
}
