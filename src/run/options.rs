//! How a run is to be made.

use super::memory::Origin;
use crate::transport::{HostKeys, Method};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use stdlib::shared::channel::Channels;

/// How a run is to be made. `Options::default()` runs everything on every host, for real.
#[derive(Debug, Clone)]
pub struct Options {
    /// Predict changes instead of making them.
    pub check: bool,
    /// Hosts at once.
    pub forks: usize,
    /// Only these hosts: a pattern that narrows every play.
    pub limit: Option<String>,
    /// Only calls with one of these tags; empty means all.
    pub tags: Vec<String>,
    /// No calls with one of these tags.
    pub skip_tags: Vec<String>,
    /// Skip everything before the first task of this name.
    pub start_at_task: Option<String>,
    /// Ask before each task.
    pub step: bool,
    /// Become another user, unless the play says otherwise.
    pub r#become: Option<bool>,
    /// Whom to become.
    pub become_user: Option<String>,
    /// How.
    pub become_method: Option<Method>,
    /// The password for that, where the inventory gives none.
    pub become_password: Option<String>,
    /// The user to connect as, where the inventory gives none.
    pub user: Option<String>,
    /// The private key to connect with, where the inventory gives none.
    pub key: Option<PathBuf>,
    /// Host key checking.
    pub host_keys: HostKeys,
    /// The longest that connecting may take.
    pub connect_timeout: Duration,
    /// The longest that a read may take, unless the scope says otherwise.
    pub read_timeout: Duration,
    /// How long a call may take, where earlier runs tell nothing, until the host is asked what it waits for;
    /// zero asks never.
    pub stuck_after: Duration,
    /// How long connections stay warm after the run.
    pub persist: Duration,
    /// Values for the playbook's `param`s.
    pub params: Map<String, Value>,
    /// Whether handlers that earlier runs owe are left alone.
    pub skip_owed: bool,
    /// Run nothing but the handlers that earlier runs owe.
    pub only_owed: bool,
    /// And those of these hosts only.
    pub owed_hosts: Option<BTreeSet<String>>,
    /// The run to go on from.
    pub resume: Option<Resume>,
    /// The command line that started this, for those that come after it.
    pub origin: Option<Origin>,
    /// Where journals and debts are kept; nothing keeps none.
    pub state: Option<PathBuf>,
    /// A private directory for connection sockets.
    pub runtime: PathBuf,
    /// The project's channels to people and services, as its configuration has them.
    pub channels: Channels,
    /// Where files are looked for after the playbook's own directory.
    pub project: Option<PathBuf>,
}

/// A run to go on from.
#[derive(Debug, Clone)]
pub struct Resume {
    /// Its id.
    pub run: String,
    /// Of the hosts that did not come to their end in it, only these; without it, all.
    pub hosts: Option<BTreeSet<String>>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            check: false,
            forks: 10,
            limit: None,
            tags: Vec::new(),
            skip_tags: Vec::new(),
            start_at_task: None,
            step: false,
            r#become: None,
            become_user: None,
            become_method: None,
            become_password: None,
            user: None,
            key: None,
            host_keys: HostKeys::Strict,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            stuck_after: Duration::from_secs(60),
            persist: Duration::from_secs(60),
            params: Map::new(),
            skip_owed: false,
            only_owed: false,
            owed_hosts: None,
            resume: None,
            origin: None,
            state: Some(state_dir()),
            runtime: runtime_dir(),
            channels: Channels::new(),
            project: None,
        }
    }
}

/// Where runs are remembered: `$XDG_STATE_HOME/hlrun`, by default `~/.local/state/hlrun`.
pub fn state_dir() -> PathBuf {
    xdg("XDG_STATE_HOME", ".local/state")
}

/// Where sockets live: `$XDG_RUNTIME_DIR/hlrun/ssh`, or below the state directory where there is none.
pub fn runtime_dir() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_dir()) {
        Some(dir) => dir.join("hlrun/ssh"),
        None => state_dir().join("ssh"),
    }
}

fn xdg(variable: &str, default: &str) -> PathBuf {
    let given = std::env::var_os(variable).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let home = || std::env::var_os("HOME").map(PathBuf::from).unwrap_or_else(|| "/root".into());
    given.unwrap_or_else(|| home().join(default)).join("hlrun")
}
