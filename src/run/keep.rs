//! What outlives a run where it is one of several: the async runtime, the lines to hosts, and what was
//! only predicted so far.

use super::link::{Link, Place, Watch};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stdlib::contract::{Error, Foresight, Result};
use tokio_util::sync::CancellationToken;

/// What the runs of one session share.
pub(super) struct Keep {
    pub runtime: tokio::runtime::Runtime,
    links: Mutex<HashMap<String, Arc<Link>>>,
    pending: Mutex<BTreeMap<String, BTreeSet<String>>>,
    foretold: Mutex<BTreeMap<String, Foresight>>,
}

impl Keep {
    pub fn new() -> Result<Arc<Keep>> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|e| Error::bug(format!("no async runtime: {e}")))?;
        Ok(Arc::new(Keep { runtime, links: Mutex::default(), pending: Mutex::default(), foretold: Mutex::default() }))
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

    /// The hosts on which a change was only predicted, and of what.
    pub fn pending(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was only predicted of paths, by host.
    pub fn foretold(&self) -> MutexGuard<'_, BTreeMap<String, Foresight>> {
        self.foretold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, hosts are taken as they are.
    pub fn forget(&self) {
        self.pending().clear();
        self.foretold().clear();
    }
}
