//! `apt::latest`: packages at their newest version.

use super::names::{self, Named};
use super::transaction::{self, Packages, Transaction};
use super::{Memory, goes_back, minutes, refresh};
use crate::bail;
use crate::contract::{Error, Look, Operation, Refresh, Reboot, Result, Step};
use crate::shared::{Many, Span};
use futures_util::try_join;
use schemars::JsonSchema;
use serde::Deserialize;

/// Make sure packages are installed, each at the newest version that the lists know.
///
/// ```rhai
/// apt::latest("tailscale");
/// ```
/// ```transcript
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- tailscale
/// = tailscale amd64 installed 1.88.1
/// ? LC_ALL=C.UTF-8 apt-get -qsy install -- tailscale
/// = Inst tailscale [1.88.1] (1.90.6 Tailscale:stable [amd64])
/// ! APT_LISTCHANGES_FRONTEND=none DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NEEDRESTART_MODE=l apt-get -qy -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 install -- tailscale
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- tailscale
/// = tailscale amd64 installed 1.90.6
/// ? LC_ALL=C.UTF-8 apt-get -qsy install -- tailscale
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Latest {
    /// The packages: one or a list.
    pub name: Many<String>,
    /// Install what they recommend, too; without it, as the host is configured.
    pub install_recommends: Option<bool>,
    /// The release to take packages from, such as `trixie-backports`.
    pub default_release: Option<String>,
    /// Leave out what is not installed yet.
    #[serde(default)]
    pub only_upgrade: bool,
    /// Remove packages that nothing needs any longer, too.
    #[serde(default)]
    pub autoremove: bool,
    /// Fetch the lists of packages first.
    #[serde(default)]
    pub update_cache: bool,
    /// Fetch the lists of packages first if they are older than this, such as `"1h"`.
    pub cache_valid_time: Option<Span>,
    /// How long to wait for another apt or dpkg.
    #[serde(default = "minutes")]
    pub lock_timeout: Span,
    /// First finish what an interrupted dpkg left half-done.
    #[serde(default)]
    pub repair: bool,
    #[serde(skip)]
    names: Vec<Named>,
    #[serde(skip)]
    memory: Memory,
}

impl Latest {
    fn forward(&self, _now: &Packages) -> Result<Vec<Step>> {
        Ok(self.transaction().command().into())
    }
    fn transaction(&self) -> Transaction {
        let options = transaction::Install {
            recommends: self.install_recommends,
            release: self.default_release.as_deref(),
            downgrade: false,
            only_upgrade: self.only_upgrade,
            autoremove: self.autoremove,
        };
        options.transaction(self.names.iter().map(|named| named.arg.clone()), self.lock_timeout)
    }
}

impl Operation for Latest {
    type State = Packages;
    const REBOOT: Reboot = Reboot::Suspected;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        self.names = names::parse(&self.name)?;
        if let Some(named) = self.names.iter().find(|named| named.name != named.arg) {
            bail!(playbook: "the latest version of {} is no choice of its own", named.arg;
                hint: "apt::installed(\"{}\") asks for exactly that", named.arg);
        }
        Ok(())
    }
    async fn refresh(&self, host: &dyn Look) -> Result<Refresh> {
        refresh(host, self.update_cache, self.cache_valid_time, self.lock_timeout, self.repair).await
    }
    async fn read(&self, host: &dyn Look) -> Result<Packages> {
        if self.names.is_empty() && !self.memory.back {
            return Ok(Packages::new());
        }
        if self.memory.back {
            return self.memory.installed(host, &[]).await;
        }
        let transaction = self.transaction();
        let (now, touched) = try_join!(self.memory.installed(host, &self.names), transaction.simulate(host))?;
        Ok(if self.memory.decided() { now } else { self.memory.decide(now, touched) })
    }
    fn want(&self, now: &Packages) -> Result<Packages> {
        Ok(self.memory.want(now))
    }
    goes_back!(|latest, _| names::asked(&latest.name), |_| false);
    fn explain(&self, error: Error) -> Error {
        transaction::explain(error)
    }
}
