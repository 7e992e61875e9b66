//! What hosts are owed: handlers that were asked for and have not run, kept from the moment of asking until
//! they are paid; what a host missed because it could not be reached; and a reboot that it was left waiting for.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use stdlib::contract::{Error, Result};

/// What kind of debt it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owing {
    /// A handler was asked for and has not run.
    #[default]
    Handler,
    /// The host could not be reached: it missed the rest of a playbook.
    Missed,
    /// A message could not be delivered. The handler is its channel, and what it says is captured.
    Message,
    /// The host was left waiting for a reboot.
    Reboot,
}

/// Something that a host is owed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Debt {
    /// What kind of debt it is.
    #[serde(default)]
    pub kind: Owing,
    /// The playbook, as an absolute path.
    pub playbook: String,
    /// The play, or the one in which the host was lost.
    pub play: String,
    /// The host.
    pub host: String,
    /// The handler; empty for what was missed.
    pub handler: String,
    /// Its function and the values it captured; of a reboot, which boot it was and why there should be another.
    pub captures: Value,
    /// The run that asked for it.
    pub run: String,
}

impl Debt {
    /// Of a reboot, the boot that is to end.
    pub fn boot(&self) -> Option<&str> {
        self.captures.get("boot").and_then(Value::as_str)
    }
    /// Of a reboot, why there should be one.
    pub fn reasons(&self) -> Vec<&str> {
        let reasons = self.captures.get("reasons").and_then(Value::as_array);
        reasons.into_iter().flatten().filter_map(Value::as_str).collect()
    }
    /// Of a reboot, the last run that has seen it due, which knows how the host is reached.
    pub fn seen(&self) -> &str {
        self.captures.get("seen").and_then(Value::as_str).unwrap_or(&self.run)
    }
}

/// Where debts are kept.
#[derive(Debug, Clone)]
pub struct Debts {
    path: PathBuf,
}

impl Debts {
    /// The debts below a state directory.
    pub fn open(state: &Path) -> Debts {
        Debts { path: state.join("owed.json") }
    }
    /// All of them.
    pub fn all(&self) -> Vec<Debt> {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }
    /// Remember one; it takes the place of an older one of the same handler.
    pub fn owe(&self, debt: Debt) -> Result<()> {
        self.edit(|debts| {
            debts.retain(|known| !same(known, &debt));
            debts.push(debt.clone());
        })
    }
    /// Forget one that is paid.
    pub fn pay(&self, paid: &Debt) -> Result<()> {
        self.edit(|debts| debts.retain(|known| !same(known, paid)))
    }
    /// Read, change and write under a lock that other hlrun processes respect; the file is replaced whole.
    fn edit(&self, change: impl FnOnce(&mut Vec<Debt>)) -> Result<()> {
        let failed = |e: std::io::Error| Error::playbook(format!("cannot keep {}: {e}", self.path.display()));
        // What a handler captured may be a secret: nobody else reads it.
        if let Some(dir) = self.path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        }
        let lock = File::create(self.path.with_extension("lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut debts = self.all();
        change(&mut debts);
        let new = self.path.with_extension("new");
        let mut options = File::options();
        let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&new).map_err(failed)?;
        let text = serde_json::to_string_pretty(&debts).unwrap_or_default();
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(&new, &self.path).map_err(failed)
    }
}

fn same(a: &Debt, b: &Debt) -> bool {
    if a.kind == Owing::Message {
        return a == b;
    }
    if a.kind == Owing::Reboot && b.kind == Owing::Reboot {
        return a.host == b.host;
    }
    let what = |d: &Debt| if d.kind == Owing::Handler { d.play.clone() } else { String::new() };
    (a.kind, &a.playbook, what(a), &a.host, &a.handler) == (b.kind, &b.playbook, what(b), &b.host, &b.handler)
}
