//! Packages of Debian, Ubuntu and their kin.
//!
//! Every change is simulated first, so the diff names each package that would come, change or go, with
//! its old and its new version; check mode shows the same. apt never asks a question: changed
//! configuration files are kept, and new versions of them lie beside as `.dpkg-dist`, which is reported. It waits
//! for the lock of another apt or dpkg, and if that is not free in time, the error names who holds it. What an
//! interrupted dpkg has left half-done is named and left alone: `apt::repaired` finishes it.
//!
//! Lists of packages are fetched only on request: `update_cache: true` fetches them, `cache_valid_time:
//! "1h"` fetches them if they are older. That is no change in itself. Check mode does not fetch them, and
//! says how old the lists are that it predicts from.

mod absent;
mod cleaned;
mod facts;
mod held;
mod latest;
mod oneline;
mod repaired;
mod repository;
mod upgraded;

pub use absent::Absent;
pub use cleaned::Cleaned;
pub use facts::{Holds, Upgradable, Version};
pub use held::{Held, Unheld};
pub use latest::Latest;
pub use repaired::Repaired;
pub use repository::Repository;
pub use upgraded::{Autoremoved, Updated, Upgraded};

use crate::contract::Module;
use crate::shared::packages::{Goal, Order, Tool, Work, manages, minutes};
use crate::shared::{Many, Span};
use schemars::JsonSchema;
use serde::Deserialize;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.operation::<Installed>().operation::<Absent>().operation::<Latest>().operation::<Upgraded>();
    module.operation::<Autoremoved>().operation::<Held>().operation::<Unheld>().operation::<Repository>();
    module.operation::<Repaired>().operation::<Cleaned>().action::<Updated>();
    module.fact::<Upgradable>().fact::<Version>().fact::<Holds>();
}

/// Make sure packages are installed.
///
/// A package that is installed stays at its version; one that came for others counts as wanted for its own sake from then
/// on, so that it stays when they go (`8.14 (automatic) -> 8.14`). `"curl=8.5*"` asks for a version,
/// `"curl/trixie-backports"` for a release, `"/tmp/tool.deb"` for a file on the host, and
/// `"https://example.com/tool.deb"` for one on the web, which the host fetches to see which version it is.
///
/// ```rhai
/// apt::installed(["curl", "jq"], #{ install_recommends: false });
/// ```
/// ```transcript
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- curl jq
/// = curl amd64 installed 8.14.1-2
/// - dpkg-query: no packages found matching jq
/// * 1
/// ? sh -c '(which of these are marked as automatic)' sh curl jq
/// = curl
/// ? LC_ALL=C.UTF-8 apt-get -qsyV install --no-install-recommends -- jq
/// = Inst libonig5 (6.9.9-1 Debian:13.1/stable [amd64])
/// = Inst libjq1 (1.7.1-6 Debian:13.1/stable [amd64])
/// = Inst jq (1.7.1-6 Debian:13.1/stable [amd64])
/// ! APT_LISTCHANGES_FRONTEND=none DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NEEDRESTART_MODE=l apt-get -qy -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 install --no-install-recommends -- jq
/// ! apt-mark -qq manual -- curl
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- libjq1 libonig5
/// = libjq1 amd64 installed 1.7.1-6
/// = libonig5 amd64 installed 6.9.9-1
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- curl jq
/// = curl amd64 installed 8.14.1-2
/// = jq amd64 installed 1.7.1-6
/// ? sh -c '(which of these are marked as automatic)' sh curl jq
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Installed {
    /// The packages: one or a list, each a name with an optional `=version` or `/release`, or the path on the host
    /// or the URL of a `.deb`.
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
    #[serde(skip)]
    work: Work,
}

impl Installed {
    fn order(&self) -> Order {
        Order {
            recommends: self.install_recommends,
            release: self.default_release.clone(),
            downgrade: self.allow_downgrade,
            only_upgrade: self.only_upgrade,
            autoremove: self.autoremove,
            update: self.update_cache,
            valid: self.cache_valid_time,
            ..Order::new(Some(Tool::Apt), Goal::Installed, &self.name, self.lock_timeout)
        }
    }
}

manages!(Installed, Suspected);
