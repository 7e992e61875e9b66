//! Packages, whichever tool the host has: apt, dnf or pacman.
//!
//! The same words for a house with Debian, Fedora and Arch in it: parameters and diffs are the same, and what `apt` and `dnf`
//! say about locks, mirrors and configuration files holds here, too. pacman goes back to what it has downloaded
//! (`/var/cache/pacman/pkg`), does not say what mends a security hole, and supports no half upgrades: on Arch, `update_cache`
//! belongs to an upgrade of everything. What only one of them can do, such as `purge` or `allowerasing`, is in their own
//! modules.

mod facts;
mod upgraded;

pub use facts::{Manager, RestartsNeeded, Upgradable};
pub use upgraded::Upgraded;

use crate::contract::Module;
use crate::shared::packages::{Goal, Order, Tool, Work, manages, minutes};
use crate::shared::{Many, Span};
use schemars::JsonSchema;
use serde::Deserialize;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.operation::<Installed>().operation::<Absent>().operation::<Latest>().operation::<Upgraded>();
    module.fact::<Manager>().fact::<Upgradable>().fact::<RestartsNeeded>();
}

/// Make sure packages are installed.
///
/// A package that is installed stays at its version.
///
/// ```rhai
/// packages::installed(["curl", "rsync"]);
/// ```
/// ```transcript
/// ? sh -c '(which of apt-get, dnf and pacman)' sh
/// = apt
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- curl rsync
/// = curl amd64 installed 8.14.1-2
/// - dpkg-query: no packages found matching rsync
/// * 1
/// ? sh -c '(which of these are marked as automatic)' sh curl rsync
/// ? LC_ALL=C.UTF-8 apt-get -qsyV install -- rsync
/// = Inst rsync (3.4.1+ds1-5 Debian:13.1/stable [amd64])
/// ! APT_LISTCHANGES_FRONTEND=none DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NEEDRESTART_MODE=l apt-get -qy -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 install -- rsync
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- curl rsync
/// = curl amd64 installed 8.14.1-2
/// = rsync amd64 installed 3.4.1+ds1-5
/// ? sh -c '(which of these are marked as automatic)' sh curl rsync
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Installed {
    /// The packages: one or a list.
    pub name: Many<String>,
    /// Install what they recommend, too (dnf: their weak dependencies); without it, as the host is configured.
    pub install_recommends: Option<bool>,
    /// Fetch the lists of packages first.
    #[serde(default)]
    pub update_cache: bool,
    /// Fetch the lists of packages first if they are older than this, such as `"1h"`.
    pub cache_valid_time: Option<Span>,
    /// How long to wait for another package manager.
    #[serde(default = "minutes")]
    pub lock_timeout: Span,
    /// The tool, `"apt"`, `"dnf"` or `"pacman"`; without it, the one that the host has.
    pub r#use: Option<Tool>,
    #[serde(skip)]
    work: Work,
}

impl Installed {
    fn order(&self) -> Order {
        Order {
            recommends: self.install_recommends,
            update: self.update_cache,
            valid: self.cache_valid_time,
            ..Order::new(self.r#use, Goal::Installed, &self.name, self.lock_timeout)
        }
    }
}

manages!(Installed, Suspected);

/// Make sure packages are installed, each at the newest version that there is.
///
/// ```rhai
/// packages::latest("tailscale", #{ use: "apt" });
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
    /// Install what they recommend, too (dnf: their weak dependencies); without it, as the host is configured.
    pub install_recommends: Option<bool>,
    /// Fetch the lists of packages first.
    #[serde(default)]
    pub update_cache: bool,
    /// Fetch the lists of packages first if they are older than this, such as `"1h"`.
    pub cache_valid_time: Option<Span>,
    /// How long to wait for another package manager.
    #[serde(default = "minutes")]
    pub lock_timeout: Span,
    /// The tool, `"apt"`, `"dnf"` or `"pacman"`; without it, the one that the host has.
    pub r#use: Option<Tool>,
    #[serde(skip)]
    work: Work,
}

impl Latest {
    fn order(&self) -> Order {
        Order {
            recommends: self.install_recommends,
            update: self.update_cache,
            valid: self.cache_valid_time,
            ..Order::new(self.r#use, Goal::Latest, &self.name, self.lock_timeout)
        }
    }
}

manages!(Latest, Suspected);

/// Make sure packages are not installed.
///
/// Packages that need them go, too, as the diff says. What only they needed stays, unless `autoremove` is given.
///
/// ```rhai
/// packages::absent("telnet");
/// ```
/// ```transcript
/// ? sh -c '(which of apt-get, dnf and pacman)' sh
/// = dnf
/// ? sh -c '(which of dnf 4 and 5)' sh
/// = 4
/// ? rpm -qa --qf '%{NAME} %{ARCH} %{EVR}\n' telnet
/// = telnet x86_64 1:0.17-94.el10
/// ? LC_ALL=C.UTF-8 dnf --assumeno --setopt=clean_requirements_on_remove=0 remove telnet
/// = Dependencies resolved.
/// = ================================================================================
/// =  Package       Architecture      Version               Repository          Size
/// = ================================================================================
/// = Removing:
/// =  telnet        x86_64            1:0.17-94.el10        @appstream         120 k
/// =
/// = Transaction Summary
/// = ================================================================================
/// = Remove  1 Package
/// =
/// = Operation aborted.
/// * 1
/// ! LC_ALL=C.UTF-8 sh -c '(dnf, again when its lock is free)' sh 300 dnf -y --setopt=exit_on_lock=1 --setopt=clean_requirements_on_remove=0 remove telnet
/// ? rpm -qa --qf '%{NAME} %{ARCH} %{EVR}\n' telnet
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// The packages: one or a list.
    pub name: Many<String>,
    /// Remove what only they needed, too.
    #[serde(default)]
    pub autoremove: bool,
    /// How long to wait for another package manager.
    #[serde(default = "minutes")]
    pub lock_timeout: Span,
    /// The tool, `"apt"`, `"dnf"` or `"pacman"`; without it, the one that the host has.
    pub r#use: Option<Tool>,
    #[serde(skip)]
    work: Work,
}

impl Absent {
    fn order(&self) -> Order {
        Order { autoremove: self.autoremove, ..Order::new(self.r#use, Goal::Absent, &self.name, self.lock_timeout) }
    }
}

manages!(Absent, Unrelated);
