//! Packages of Debian, Ubuntu and their kin.
//!
//! Every change is simulated first, so the diff names each package that would come, change or go, with
//! its old and its new version; check mode shows the same. apt never asks a question: changed
//! configuration files are kept, and new versions of them lie beside as `.dpkg-dist`. It waits for the lock
//! of another apt or dpkg, and if that is not free in time, the error names who holds it.
//!
//! Lists of packages are fetched only on request: `update_cache: true` fetches them, `cache_valid_time:
//! "1h"` fetches them if they are older. That is no change in itself. Check mode does not fetch them, and
//! says how old the lists are that it predicts from.

mod absent;
mod facts;
mod held;
mod latest;
mod names;
mod oneline;
mod repository;
mod transaction;
mod upgraded;

pub use absent::Absent;
pub use facts::{Upgradable, Version};
pub use held::Held;
pub use latest::Latest;
pub use repository::Repository;
pub use upgraded::{Autoremoved, Updated, Upgraded};

use crate::contract::{Command, Error, Look, Module, Operation, Output, Refresh, Reboot, Result, Step};
use crate::shared::{Many, Span};
use futures_util::try_join;
use names::Named;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;
use transaction::{Packages, Transaction};

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.operation::<Installed>().operation::<Absent>().operation::<Latest>().operation::<Upgraded>();
    module.operation::<Autoremoved>().operation::<Held>().operation::<Repository>().action::<Updated>();
    module.fact::<Upgradable>().fact::<Version>();
}

/// How long apt waits for a lock: unattended upgrades after a boot take minutes.
fn minutes() -> Span {
    Span(Duration::from_secs(300))
}

/// What an operation remembers from its first look to its second: the versions it is after, so that
/// both are about the same packages.
#[derive(Debug, Default)]
struct Memory {
    want: OnceLock<Packages>,
    /// The first answer of dpkg, if it was asked together with something else.
    first: OnceLock<Output>,
    /// Whether it is on the way back to earlier versions.
    back: bool,
}

impl Memory {
    /// The versions of these packages; after the steps, of all others that were to change, too. One of
    /// which only configuration files are left is not installed.
    async fn installed(&self, host: &dyn Look, names: &[Named]) -> Result<Packages> {
        let versions = self.versions(host, names).await?;
        let version = |version: Option<String>| version.filter(|version| version != transaction::CONFIGURATION);
        Ok(versions.into_iter().map(|(name, found)| (name, version(found))).collect())
    }
    async fn versions(&self, host: &dyn Look, names: &[Named]) -> Result<Packages> {
        let names: Vec<&str> = names.iter().map(|named| named.name.as_str()).collect();
        let want = self.want.get().into_iter().flat_map(BTreeMap::keys).map(String::as_str);
        let others: Vec<&str> = want.filter(|name| !names.contains(name)).collect();
        let ask = |names: Vec<&str>| {
            let query = transaction::query(names.iter().copied());
            async move { if query.args.len() > 4 { host.run(&query).await } else { Ok(Output::default()) } }
        };
        let (asked, other) = match self.first.get().filter(|_| !self.decided()) {
            Some(first) => (first.clone(), Output::default()),
            None => try_join!(ask(names.clone()), ask(others.clone()))?,
        };
        let mut versions = transaction::versions(names.into_iter(), &asked)?;
        versions.extend(transaction::versions(others.into_iter(), &other)?);
        Ok(versions)
    }
    /// Whether this is the second look.
    fn decided(&self) -> bool {
        self.want.get().is_some()
    }
    /// Remembers what is wanted, and completes the versions that there are.
    fn decide(&self, now: Packages, touched: (Packages, Packages)) -> Packages {
        let (from, to) = touched;
        let (mut complete, mut want) = (from, now.clone());
        complete.extend(now.into_iter().filter(|(_, version)| version.is_some()).collect::<Packages>());
        for name in want.keys() {
            complete.entry(name.clone()).or_default();
        }
        want.extend(to);
        // The first look is the only one that decides.
        let _ = self.want.set(want);
        complete
    }
    fn want(&self, now: &Packages) -> Packages {
        self.want.get().unwrap_or(now).clone()
    }
    /// Whether the wanted versions are those that the operation is for, and not earlier ones.
    fn forward(&self, now: &Packages, want: &Packages) -> bool {
        !self.back && *want == self.want(now)
    }
    /// What matters on the way back: the packages that the change touched.
    fn recalled(before: &Packages, after: &Packages) -> Memory {
        let mut all = after.clone();
        all.extend(before.clone());
        Memory { want: OnceLock::from(all), first: OnceLock::new(), back: true }
    }
}

/// The way back is the same for every operation on packages: the versions that there were. It is told
/// which packages are marked as asked for when they come back, and whether configuration files go with one.
macro_rules! goes_back {
    ($asked:expr, $purge:expr) => {
        async fn recall(&mut self, _host: &dyn Look, before: Packages, after: &Packages) -> Result<Packages> {
            self.memory = Memory::recalled(&before, after);
            Ok(before)
        }
        async fn returnable(&self, host: &dyn Look, now: &Packages, want: &Packages) -> Result<()> {
            transaction::returnable(host, now, want, self.lock_timeout).await
        }
        fn steps(&self, now: &Packages, want: &Packages) -> Result<Vec<Step>> {
            if !self.memory.forward(now, want) {
                let asked: fn(&Self, &Packages) -> Vec<String> = $asked;
                let purge: fn(&Self) -> bool = $purge;
                return Ok(transaction::steps_back(now, want, &asked(self, want), purge(self), self.lock_timeout));
            }
            self.forward(now)
        }
    };
}
use goes_back;

/// What is due before packages are compared.
async fn refresh(host: &dyn Look, update: bool, valid: Option<Span>, lock: Span, repair: bool) -> Result<Refresh> {
    let repaired = async {
        // Nothing half-done: dpkg keeps a journal while it works.
        let sound = Command::sh(r#"[ -z "$(ls /var/lib/dpkg/updates)" ] && [ -z "$(dpkg --audit)" ]"#);
        Ok(repair && !host.succeeds(&sound).await?)
    };
    let (mut refresh, broken) = try_join!(transaction::refresh(host, update, valid, lock), repaired)?;
    if broken {
        let configure = Command::new("dpkg").args(["--force-confdef", "--force-confold", "--configure", "-a"]);
        let configure = Command { env: transaction::apt_get().env, ..configure };
        refresh.steps.insert(0, configure.long().into());
        refresh.instead.get_or_insert_with(|| "applying it first finishes what dpkg left half-done".to_owned());
    }
    Ok(refresh)
}

/// Make sure packages are installed.
///
/// A package that is installed stays at its version. `"curl=8.5*"` asks for a version,
/// `"curl/trixie-backports"` for a release, and `"/tmp/tool.deb"` for a file on the host.
///
/// ```rhai
/// apt::installed(["curl", "jq"], #{ install_recommends: false });
/// ```
/// ```transcript
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- curl jq
/// = curl amd64 installed 8.14.1-2
/// - dpkg-query: no packages found matching jq
/// * 1
/// ? LC_ALL=C.UTF-8 apt-get -qsy install --no-install-recommends -- curl jq
/// = Inst libonig5 (6.9.9-1 Debian:13.1/stable [amd64])
/// = Inst libjq1 (1.7.1-6 Debian:13.1/stable [amd64])
/// = Inst jq (1.7.1-6 Debian:13.1/stable [amd64])
/// ! APT_LISTCHANGES_FRONTEND=none DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NEEDRESTART_MODE=l apt-get -qy -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 install --no-install-recommends -- curl jq
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- libjq1 libonig5
/// = libjq1 amd64 installed 1.7.1-6
/// = libonig5 amd64 installed 6.9.9-1
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- curl jq
/// = curl amd64 installed 8.14.1-2
/// = jq amd64 installed 1.7.1-6
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Installed {
    /// The packages: one or a list, each a name with an optional `=version` or `/release`, or the path of
    /// a `.deb` on the host.
    pub name: Many<String>,
    /// Install what they recommend, too; without it, as the host is configured.
    pub install_recommends: Option<bool>,
    /// The release to take packages from, such as `trixie-backports`.
    pub default_release: Option<String>,
    /// Allow a version older than the installed one.
    #[serde(default)]
    pub allow_downgrade: bool,
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

impl Installed {
    fn transaction(&self) -> Transaction {
        let options = transaction::Install {
            recommends: self.install_recommends,
            release: self.default_release.as_deref(),
            downgrade: self.allow_downgrade,
            only_upgrade: self.only_upgrade,
            autoremove: self.autoremove,
        };
        options.transaction(self.names.iter().map(|named| named.arg.clone()), self.lock_timeout)
    }
    fn forward(&self, _now: &Packages) -> Result<Vec<Step>> {
        Ok(self.transaction().command().into())
    }
    fn satisfied(&self, now: &Packages) -> bool {
        self.names.iter().all(|named| {
            let installed = now.get(&named.name).and_then(Option::as_deref);
            named.fits(installed) || installed.is_none() && self.only_upgrade
        })
    }
}

impl Operation for Installed {
    type State = Packages;
    const REBOOT: Reboot = Reboot::Suspected;

    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        self.names = names::parse(&self.name)?;
        names::resolve(host, &mut self.names).await
    }
    async fn refresh(&self, host: &dyn Look) -> Result<Refresh> {
        if !self.update_cache && self.cache_valid_time.is_none() && !self.repair {
            return Ok(Refresh::default());
        }
        let query = transaction::query(self.names.iter().map(|named| named.name.as_str()));
        let refresh = refresh(host, self.update_cache, self.cache_valid_time, self.lock_timeout, self.repair);
        let (refresh, first) = try_join!(refresh, host.run(&query))?;
        if refresh.steps.is_empty() {
            let _ = self.memory.first.set(first);
        }
        Ok(refresh)
    }
    async fn read(&self, host: &dyn Look) -> Result<Packages> {
        if self.names.is_empty() && !self.memory.back {
            return Ok(Packages::new());
        }
        let now = self.memory.installed(host, &self.names).await?;
        if self.memory.decided() {
            return Ok(now);
        }
        let satisfied = self.satisfied(&now);
        let touched = if satisfied { Default::default() } else { self.transaction().simulate(host).await? };
        Ok(self.memory.decide(now, touched))
    }
    fn want(&self, now: &Packages) -> Result<Packages> {
        Ok(self.memory.want(now))
    }
    goes_back!(|installed, _| names::asked(&installed.name), |_| false);
    fn explain(&self, error: Error) -> Error {
        transaction::explain(error)
    }
}
