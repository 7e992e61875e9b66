//! `apt::upgraded`, `apt::autoremoved` and `apt::updated`: all packages at once.

use super::transaction::{self, Packages, Transaction};
use super::{Memory, goes_back, minutes, names, refresh};
use crate::contract::{Action, Command, Error, Look, Need, Operation, Refresh, Reboot, Result, Step};
use crate::shared::{Many, Span};
use futures_util::try_join;
use schemars::JsonSchema;
use serde::Deserialize;

/// Make sure every package is at the newest version that the lists know.
///
/// Packages that are held stay as they are. New packages come where an upgrade needs them, and others go
/// where it cannot do otherwise; with `full: false` none goes.
///
/// ```rhai
/// apt::upgraded(#{ autoremove: true });
/// ```
/// ```transcript
/// ? LC_ALL=C.UTF-8 apt-get -qsy dist-upgrade --auto-remove
/// = Remv linux-image-6.12.41 [6.12.41-1]
/// = Inst openssl [3.5.1-1] (3.5.4-1 Debian:13.2/stable [amd64])
/// = Conf openssl (3.5.4-1 Debian:13.2/stable [amd64])
/// ! APT_LISTCHANGES_FRONTEND=none DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NEEDRESTART_MODE=l apt-get -qy -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 dist-upgrade --auto-remove
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- linux-image-6.12.41 openssl
/// = linux-image-6.12.41 amd64 config-files 6.12.41-1
/// = openssl amd64 installed 3.5.4-1
/// ? LC_ALL=C.UTF-8 apt-get -qsy dist-upgrade --auto-remove
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upgraded {
    /// Remove packages where an upgrade needs that (`dist-upgrade`); with false, such upgrades wait.
    #[serde(default = "yes")]
    pub full: bool,
    /// Packages that stay as they are, `*` standing for anything, such as `["docker-ce*", "linux-*"]`.
    #[serde(default)]
    pub except: Many<String>,
    /// Remove packages that nothing needs any longer, too.
    #[serde(default)]
    pub autoremove: bool,
    /// After upgrades, delete downloaded packages that no list offers any longer.
    #[serde(default)]
    pub autoclean: bool,
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
    memory: Memory,
    /// The packages to upgrade, if some are excepted.
    #[serde(skip)]
    only: std::sync::OnceLock<Vec<String>>,
}

fn yes() -> bool {
    true
}

impl Upgraded {
    fn transaction(&self) -> Transaction {
        let args = match (self.only.get(), self.full) {
            (Some(_), _) => vec!["install", "--only-upgrade"],
            (None, true) => vec!["dist-upgrade"],
            (None, false) => vec!["upgrade", "--with-new-pkgs"],
        };
        let args = args.into_iter().chain(self.autoremove.then_some("--auto-remove")).map(str::to_owned);
        let only = self.only.get().into_iter().flat_map(|only| std::iter::once("--".to_owned()).chain(only.clone()));
        Transaction { args: args.chain(only).collect(), lock: self.lock_timeout }
    }
    fn forward(&self, _now: &Packages) -> Result<Vec<Step>> {
        let mut steps: Vec<Step> = self.transaction().command().into();
        steps.extend(self.autoclean.then(|| transaction::apt_get().args(["-qy", "autoclean"]).into()));
        Ok(steps)
    }
    fn excepted(&self, name: &str) -> bool {
        self.except.as_slice().iter().any(|pattern| names::glob(pattern, name))
    }
}

impl Operation for Upgraded {
    type State = Packages;
    const REBOOT: Reboot = Reboot::Suspected;

    async fn refresh(&self, host: &dyn Look) -> Result<Refresh> {
        refresh(host, self.update_cache, self.cache_valid_time, self.lock_timeout, self.repair).await
    }
    async fn read(&self, host: &dyn Look) -> Result<Packages> {
        if self.memory.back {
            return self.memory.installed(host, &[]).await;
        }
        let transaction = self.transaction();
        let (now, mut touched) = try_join!(self.memory.installed(host, &[]), transaction.simulate(host))?;
        if self.memory.decided() {
            return Ok(now);
        }
        if touched.0.keys().any(|name| self.excepted(name)) {
            let upgrades = touched.0.iter().filter(|(name, version)| version.is_some() && touched.1[*name].is_some() && !self.excepted(name));
            let only: Vec<String> = upgrades.map(|(name, _)| name.clone()).collect();
            let none = only.is_empty() && !self.autoremove;
            let _ = self.only.set(only);
            touched = if none { Default::default() } else { self.transaction().simulate(host).await? };
        }
        Ok(self.memory.decide(now, touched))
    }
    fn want(&self, now: &Packages) -> Result<Packages> {
        Ok(self.memory.want(now))
    }
    goes_back!(|_, _| Vec::new(), |_| false);
    fn explain(&self, error: Error) -> Error {
        transaction::explain(error)
    }
}

/// Make sure no package is left that nothing needs any longer.
///
/// ```rhai
/// apt::autoremoved(#{ purge: true });
/// ```
/// ```transcript
/// ? LC_ALL=C.UTF-8 apt-get -qsy autoremove --purge
/// = Purg linux-image-6.12.41 [6.12.41-1]
/// ! APT_LISTCHANGES_FRONTEND=none DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NEEDRESTART_MODE=l apt-get -qy -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 autoremove --purge
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- linux-image-6.12.41
/// - dpkg-query: no packages found matching linux-image-6.12.41
/// * 1
/// ? LC_ALL=C.UTF-8 apt-get -qsy autoremove --purge
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Autoremoved {
    /// Delete their configuration files, too.
    #[serde(default)]
    pub purge: bool,
    /// How long to wait for another apt or dpkg.
    #[serde(default = "minutes")]
    pub lock_timeout: Span,
    #[serde(skip)]
    memory: Memory,
}

impl Autoremoved {
    fn forward(&self, _now: &Packages) -> Result<Vec<Step>> {
        Ok(self.transaction().command().into())
    }
    fn transaction(&self) -> Transaction {
        let args = std::iter::once("autoremove").chain(self.purge.then_some("--purge"));
        Transaction { args: args.map(str::to_owned).collect(), lock: self.lock_timeout }
    }
}

impl Operation for Autoremoved {
    type State = Packages;

    async fn read(&self, host: &dyn Look) -> Result<Packages> {
        if self.memory.back {
            return self.memory.installed(host, &[]).await;
        }
        let transaction = self.transaction();
        let (now, touched) = try_join!(self.memory.installed(host, &[]), transaction.simulate(host))?;
        Ok(if self.memory.decided() { now } else { self.memory.decide(now, touched) })
    }
    fn want(&self, now: &Packages) -> Result<Packages> {
        Ok(self.memory.want(now))
    }
    goes_back!(|_, _| Vec::new(), |autoremoved| autoremoved.purge);
    fn explain(&self, error: Error) -> Error {
        transaction::explain(error)
    }
}

/// Fetch the lists of packages.
///
/// ```rhai
/// apt::updated(#{ cache_valid_time: "1h" });
/// ```
/// ```transcript
/// ? sh -c 'cd /var/lib/apt && ls lists | grep -q _ && s=$(stat -c %Y lists) && [ "$s" -gt 0 ] && echo $(($(date +%s) - s)) || echo never' sh
/// = 86400
/// ! APT_LISTCHANGES_FRONTEND=none DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NEEDRESTART_MODE=l sh -c '(apt-get update, again while it is locked)' sh 300
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Updated {
    /// Do nothing if they are younger than this, such as `"1h"`.
    pub cache_valid_time: Option<Span>,
    /// How long to wait for another apt.
    #[serde(default = "minutes")]
    pub lock_timeout: Span,
}

impl Action for Updated {
    async fn need(&self, host: &dyn Look) -> Result<Need> {
        let Some(valid) = self.cache_valid_time else { return Ok(Need::Run) };
        let old = transaction::aged(&host.run(&transaction::age()).await?);
        Ok(match old {
            Some(old) if old < valid.0 => Need::Skip("the lists are young enough".to_owned()),
            _ => Need::Run,
        })
    }
    fn steps(&self) -> Result<Vec<Step>> {
        let command: Command = transaction::update(self.lock_timeout);
        Ok(command.into())
    }
    fn explain(&self, error: Error) -> Error {
        transaction::explain(error)
    }
}
