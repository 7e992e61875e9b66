//! Packages of Fedora, RHEL and their kin.
//!
//! dnf is asked first what it would do, so the diff names each package that would come, change or go, with
//! its old and its new version; check mode shows the same. Changed configuration files are kept, and what lies
//! beside them as `.rpmnew` or `.rpmsave` is reported, and so is a scriptlet that fails. It waits for the lock of another
//! dnf, and if that is not free in time, the error names who holds it.
//!
//! dnf 4 (RHEL and its kin) and dnf 5 (Fedora since 41) are both known and tried, on Debian hosts with an rpm database of
//! their own. dnf 5 calls a transaction failed in which only a scriptlet has; the error says that the package is there.
//!
//! dnf fetches lists of packages by itself when they have expired, in check mode too: `update_cache: true` fetches them
//! before every change, `cache_valid_time: "1h"` if they are older.

mod absent;
mod facts;
mod held;
mod latest;
mod repository;
mod upgraded;

pub use absent::Absent;
pub use facts::{Holds, Upgradable, Version};
pub use held::{Held, Unheld};
pub use latest::Latest;
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
    module.action::<Updated>().fact::<Upgradable>().fact::<Version>().fact::<Holds>();
}

/// Make sure packages are installed.
///
/// A package that is installed stays at its version. `"vim-9.1*"` asks for a version (an older one, too),
/// `"/usr/bin/dig"` for whatever has that file, and `"/tmp/tool.rpm"` or a URL for one file. One that came for others
/// stays marked so, and goes with them where dnf is told to remove what nothing needs: `dnf mark install` keeps it.
///
/// ```rhai
/// dnf::installed(["vim-enhanced", "jq"], #{ install_weak_deps: false });
/// ```
/// ```transcript
/// ? sh -c '(which of dnf 4 and 5)' sh
/// = 4
/// ? rpm -qa --qf '%{NAME} %{ARCH} %{EVR}\n' vim-enhanced jq
/// = vim-enhanced x86_64 2:9.1.083-5.el10
/// ? LC_ALL=C.UTF-8 dnf --assumeno install --setopt=install_weak_deps=0 jq
/// = Dependencies resolved.
/// = ================================================================================
/// =  Package       Architecture      Version               Repository          Size
/// = ================================================================================
/// = Installing:
/// =  jq            x86_64            1.7.1-8.el10          appstream          190 k
/// = Installing dependencies:
/// =  oniguruma     x86_64            6.9.9-7.el10          appstream          217 k
/// =
/// = Transaction Summary
/// = ================================================================================
/// = Install  2 Packages
/// =
/// = Operation aborted.
/// * 1
/// ? rpm -qa --qf '%{NAME} %{ARCH} %{EVR}\n' jq oniguruma
/// ! LC_ALL=C.UTF-8 sh -c '(dnf, again when its lock is free)' sh 300 dnf -y --setopt=exit_on_lock=1 install --setopt=install_weak_deps=0 jq
/// ? rpm -qa --qf '%{NAME} %{ARCH} %{EVR}\n' vim-enhanced jq
/// = jq x86_64 1.7.1-8.el10
/// = vim-enhanced x86_64 2:9.1.083-5.el10
/// ? rpm -qa --qf '%{NAME} %{ARCH} %{EVR}\n' jq oniguruma
/// = jq x86_64 1.7.1-8.el10
/// = oniguruma x86_64 6.9.9-7.el10
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Installed {
    /// The packages: one or a list, each a name with an optional version, a file that a package has, or the path
    /// on the host or the URL of an `.rpm`.
    pub name: Many<String>,
    /// Install their weak dependencies, too; without it, as the host is configured.
    pub install_weak_deps: Option<bool>,
    /// Leave out what is not installed yet.
    #[serde(default)]
    pub only_upgrade: bool,
    /// Remove installed packages that are in the way.
    #[serde(default)]
    pub allowerasing: bool,
    /// Install packages that are not signed, or not by a key that the host trusts.
    #[serde(default)]
    pub disable_gpg_check: bool,
    /// Packages that are left out, `*` standing for anything.
    #[serde(default)]
    pub except: Many<String>,
    /// Fetch the lists of packages first.
    #[serde(default)]
    pub update_cache: bool,
    /// Fetch the lists of packages first if they are older than this, such as `"1h"`.
    pub cache_valid_time: Option<Span>,
    /// How long to wait for another dnf.
    #[serde(default = "minutes")]
    pub lock_timeout: Span,
    #[serde(skip)]
    work: Work,
}

impl Installed {
    fn order(&self) -> Order {
        Order {
            recommends: self.install_weak_deps,
            only_upgrade: self.only_upgrade,
            allowerasing: self.allowerasing,
            unsigned: self.disable_gpg_check,
            except: self.except.as_slice().to_vec(),
            update: self.update_cache,
            valid: self.cache_valid_time,
            ..Order::new(Some(Tool::Dnf), Goal::Installed, &self.name, self.lock_timeout)
        }
    }
}

manages!(Installed, Suspected);
