//! Hosts asked outside of any playbook: for `hlrun doctor` and for newcomers to the inventory.

use super::Options;
use super::keep::Keep;
use super::link::{Link, Manner, Place};
use super::shared::Shared;
use crate::inventory::{Inventory, Overlay};
use crate::report::Bus;
use crate::transport::{Become, Method, Target};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use stdlib::contract::{Command, Output, Result};
use tokio_util::sync::CancellationToken;

/// A host that is asked something.
pub struct Visit {
    /// Its name.
    pub host: String,
    /// Where it is; nothing if it is this machine.
    pub target: Option<Target>,
    /// How one becomes root there.
    pub root: Become,
    shared: Arc<Shared>,
    link: Arc<Link>,
}

impl Visit {
    fn to(shared: &Arc<Shared>, host: &str) -> Result<Visit> {
        let connection = shared.inventory.connection(host, &Overlay::default())?;
        let target = match shared.place(&connection) {
            Place::Local => None,
            Place::Ssh(target) => Some(target),
        };
        let link = shared.link(host, &connection);
        let (options, own) = (&shared.options, connection.r#become);
        let method = own.method.map(super::session::method).or(options.become_method).unwrap_or(Method::Sudo);
        let password = own.password.or_else(|| options.become_password.clone());
        let root = Become { user: "root".to_owned(), method, password };
        Ok(Visit { host: host.to_owned(), target, root, shared: Arc::clone(shared), link })
    }
    /// Whether it is this machine.
    pub fn is_local(&self) -> bool {
        self.target.is_none()
    }
    /// Ask as the user who logs in.
    pub fn ask(&self, command: &Command) -> Result<Output> {
        self.read(command, None)
    }
    /// Ask as root.
    pub fn ask_as_root(&self, command: &Command) -> Result<Output> {
        self.read(command, Some(self.root.clone()))
    }
    fn read(&self, command: &Command, whom: Option<Become>) -> Result<Output> {
        let manner = Manner { whom, timeout: Some(self.shared.options.read_timeout) };
        self.shared.wait(self.link.read(command, &manner))
    }
}

/// Visit hosts, some at a time. The answers are in the order of the hosts.
pub fn visit<T: Send>(
    inventory: Inventory,
    options: Options,
    hosts: &[String],
    talk: impl Fn(&str, Result<Visit>) -> T + Sync,
) -> Result<Vec<T>> {
    let forks = options.forks;
    let bus = Bus::new("visit", Vec::new());
    let cancel = CancellationToken::new();
    let (id, roots, keep) = ("visit".to_owned(), Vec::new(), Keep::new()?);
    let shared = Shared::new(id, String::new(), inventory, options, bus, cancel, roots, None, None, keep);
    let shared = Arc::new(shared);
    Ok(on_all(hosts, forks, |host| talk(host, Visit::to(&shared, host))))
}

/// Work on every host, so many at once. The results are in the order of the hosts.
pub(super) fn on_all<T: Send>(hosts: &[String], forks: usize, work: impl Fn(&str) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done = Vec::new();
        while let Some((number, host)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|n| Some((n, hosts.get(n)?)))
        {
            done.push((number, work(host)));
        }
        done
    };
    let mut results: Vec<(usize, T)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..forks.clamp(1, hosts.len().max(1))).map(|_| scope.spawn(some)).collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|e| std::panic::resume_unwind(e)));
        joined.flatten().collect()
    });
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}
