//! `apt::latest`: packages at their newest version.

use crate::shared::packages::{Goal, Order, Tool, Work, manages, minutes};
use crate::shared::{Many, Span};
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
/// ? sh -c '(which of these are marked as automatic)' sh tailscale
/// ? LC_ALL=C.UTF-8 apt-get -qsyV install -- tailscale
/// = Inst tailscale [1.88.1] (1.90.6 Tailscale:stable [amd64])
/// ! APT_LISTCHANGES_FRONTEND=none DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NEEDRESTART_MODE=l apt-get -qy -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 install -- tailscale
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- tailscale
/// = tailscale amd64 installed 1.90.6
/// ? sh -c '(which of these are marked as automatic)' sh tailscale
/// ? LC_ALL=C.UTF-8 apt-get -qsyV install -- tailscale
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
    #[serde(skip)]
    work: Work,
}

impl Latest {
    fn order(&self) -> Order {
        Order {
            recommends: self.install_recommends,
            release: self.default_release.clone(),
            only_upgrade: self.only_upgrade,
            autoremove: self.autoremove,
            update: self.update_cache,
            valid: self.cache_valid_time,
            ..Order::new(Some(Tool::Apt), Goal::Latest, &self.name, self.lock_timeout)
        }
    }
}

manages!(Latest, Suspected);
