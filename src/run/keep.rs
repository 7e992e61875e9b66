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
        told.subjects.insert(subject.to_owned());
        told.paths.add(&outcome.steps, &outcome.alters);
        if outcome.steps.is_empty() && subject.starts_with('/') {
            told.paths.doubt(subject);
        }
    }

    /// What was foretold of a path.
    pub fn foretold_at(&self, host: &str, path: &str) -> Option<Foretold> {
        self.told().get(host)?.paths.at(path)
    }

    /// Whether a change on the host was only predicted whose subject is this path, or lies below or above it.
    pub fn foretold(&self, host: &str, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.told().get(host).is_some_and(|told| {
            let paths = told.subjects.iter().filter(|subject| subject.starts_with('/'));
            let mut paths = paths.map(|subject| subject.trim_end_matches('/'));
            paths.any(|other| other == path || is_below(other, path) || is_below(path, other))
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
