//! `apt::absent`: packages that should not be there.

use super::names::{self, Named};
use super::transaction::{self, Packages, Transaction};
use super::{Memory, goes_back, minutes};
use crate::bail;
use crate::contract::{Error, Look, Operation, Result, Step};
use crate::shared::{Many, Span};
use schemars::JsonSchema;
use serde::Deserialize;

/// Make sure packages are not installed.
///
/// ```rhai
/// apt::absent("apache2", #{ purge: true });
/// ```
/// ```transcript
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- apache2
/// = apache2 amd64 installed 2.4.65-2
/// ? LC_ALL=C.UTF-8 apt-get -qsy purge -- apache2
/// = Purg apache2 [2.4.65-2]
/// ! APT_LISTCHANGES_FRONTEND=none DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NEEDRESTART_MODE=l apt-get -qy -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 purge -- apache2
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- apache2
/// - dpkg-query: no packages found matching apache2
/// * 1
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// The packages: one or a list.
    pub name: Many<String>,
    /// Delete their configuration files, too.
    #[serde(default)]
    pub purge: bool,
    /// Remove packages that nothing needs any longer, too.
    #[serde(default)]
    pub autoremove: bool,
    /// How long to wait for another apt or dpkg.
    #[serde(default = "minutes")]
    pub lock_timeout: Span,
    #[serde(skip)]
    names: Vec<Named>,
    #[serde(skip)]
    memory: Memory,
}

impl Absent {
    fn forward(&self, now: &Packages) -> Result<Vec<Step>> {
        Ok(self.transaction(now).command().into())
    }
    fn transaction(&self, now: &Packages) -> Transaction {
        let mut args = vec![if self.purge { "purge" } else { "remove" }.to_owned()];
        args.extend(self.autoremove.then(|| "--auto-remove".to_owned()));
        args.push("--".to_owned());
        // apt would refuse all of them for one that it does not know.
        let there = self.names.iter().filter(|named| now.get(&named.name).is_some_and(Option::is_some));
        args.extend(there.map(|named| named.name.clone()));
        Transaction { args, lock: self.lock_timeout }
    }
    /// A package whose configuration files are left counts as there if they should go.
    fn version(&self, version: Option<String>) -> Option<String> {
        version.filter(|version| self.purge || version != transaction::CONFIGURATION)
    }
}

impl Operation for Absent {
    type State = Packages;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        self.names = names::parse(&self.name)?;
        if let Some(named) = self.names.iter().find(|named| named.name != named.arg) {
            bail!(playbook: "apt::absent takes names of packages only, not `{}`", named.arg);
        }
        Ok(())
    }
    async fn read(&self, host: &dyn Look) -> Result<Packages> {
        if self.names.is_empty() && !self.memory.back {
            return Ok(Packages::new());
        }
        let now = self.memory.versions(host, &self.names).await?;
        let now: Packages = now.into_iter().map(|(name, version)| (name, self.version(version))).collect();
        if self.memory.decided() {
            return Ok(now);
        }
        let gone = now.values().all(Option::is_none);
        let mut touched = if gone { Default::default() } else { self.transaction(&now).simulate(host).await? };
        touched.1.extend(now.keys().map(|name| (name.clone(), None)));
        Ok(self.memory.decide(now, touched))
    }
    fn want(&self, now: &Packages) -> Result<Packages> {
        Ok(self.memory.want(now))
    }
    goes_back!(|_, want| want.keys().cloned().collect(), |absent| absent.purge);
    fn explain(&self, error: Error) -> Error {
        transaction::explain(error)
    }
}
