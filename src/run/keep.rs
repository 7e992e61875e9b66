//! What outlives a run where it is one of several: the async runtime, the lines to hosts, and what was
//! only predicted so far.

use super::link::{Link, Place, Watch};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stdlib::contract::{Error, Foresight, Foretold, Outcome, Result};
use stdlib::shared::is_below;
use tokio_util::sync::CancellationToken;

/// What the runs of one session share.
pub(super) struct Keep {
    pub runtime: tokio::runtime::Runtime,
    links: Mutex<HashMap<String, Arc<Link>>>,
    pending: Mutex<BTreeMap<String, Pending>>,
}

/// What was only predicted on a host.
#[derive(Default)]
struct Pending {
    /// Paths, and other things by name.
    subjects: BTreeSet<String>,
    paths: Foresight,
}

impl Keep {
    pub fn new() -> Result<Arc<Keep>> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|e| Error::bug(format!("no async runtime: {e}")))?;
        Ok(Arc::new(Keep { runtime, links: Mutex::default(), pending: Mutex::default() }))
    }

    /// The line to a host, handed over to the run that asks for it.
    pub fn link(
        &self,
        host: &str,
        place: Place,
        runtime: &Path,
        cancel: &CancellationToken,
        connected: impl Fn(Duration) + Send + Sync + 'static,
    ) -> Arc<Link> {
        let watch = Watch { cancel: cancel.clone(), connected: Arc::new(connected) };
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = links.get(host) {
            link.hand_over(watch);
            return Arc::clone(link);
        }
        let link = Arc::new(Link::new(place, runtime.to_owned(), watch));
        links.insert(host.to_owned(), Arc::clone(&link));
        link
    }

    /// Whether a change on the host was only predicted.
    pub fn pending(&self, host: &str) -> bool {
        self.told().contains_key(host)
    }

    /// A change on the host was only predicted, of this subject: or it is not known whether it would change.
    pub fn foretell(&self, host: &str, subject: &str, outcome: &Outcome) {
        let mut told = self.told();
        let told = told.entry(host.to_owned()).or_default();
        let (paths, names): (Vec<_>, Vec<_>) = outcome.alters.iter().cloned().partition(|what| what.starts_with('/'));
        told.subjects.extend(names);
        told.paths.add(&outcome.steps, &paths);
        if subject.starts_with('/') {
            told.subjects.insert(subject.trim_end_matches('/').to_owned());
            if outcome.steps.is_empty() {
                told.paths.doubt(subject);
            }
        }
    }

    /// What was foretold of a path.
    pub fn foretold_at(&self, host: &str, path: &str) -> Option<Foretold> {
        self.told().get(host)?.paths.at(path)
    }

    /// Whether a change on the host was only predicted of this: of a path, also if it is of one below or above it.
    pub fn foretold(&self, host: &str, subject: &str) -> bool {
        let subject = if subject.starts_with('/') { subject.trim_end_matches('/') } else { subject };
        self.told().get(host).is_some_and(|told| {
            let near = |other: &String| other == subject || is_below(other, subject) || is_below(subject, other);
            told.subjects.iter().any(near) || told.paths.reaches(subject)
        })
    }

    fn told(&self) -> MutexGuard<'_, BTreeMap<String, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, hosts are taken as they are.
    pub fn forget(&self) {
        self.told().clear();
    }
}
