//! `dnf::latest`: packages at their newest version.

use crate::shared::packages::{Goal, Order, Tool, Work, manages, minutes};
use crate::shared::{Many, Span};
use schemars::JsonSchema;
use serde::Deserialize;

/// Make sure packages are installed, each at the newest version that the repositories have.
///
/// ```rhai
/// dnf::latest("tailscale");
/// ```
/// ```transcript
/// ? sh -c '(which of dnf 4 and 5)' sh
/// = 4
/// ? rpm -qa --qf '%{NAME} %{ARCH} %{EVR}\n' tailscale
/// = tailscale x86_64 1.88.1-1
/// ? LC_ALL=C.UTF-8 dnf --assumeno upgrade tailscale
/// = Dependencies resolved.
/// = ================================================================================
/// =  Package       Architecture      Version               Repository          Size
/// = ================================================================================
/// = Upgrading:
/// =  tailscale     x86_64            1.90.6-1              tailscale-stable    33 M
/// =
/// = Transaction Summary
/// = ================================================================================
/// = Upgrade  1 Package
/// =
/// = Operation aborted.
/// * 1
/// ! LC_ALL=C.UTF-8 sh -c '(dnf, again when its lock is free)' sh 300 dnf -y --setopt=exit_on_lock=1 upgrade tailscale
/// ? rpm -qa --qf '%{NAME} %{ARCH} %{EVR}\n' tailscale
/// = tailscale x86_64 1.90.6-1
/// ? LC_ALL=C.UTF-8 dnf --assumeno upgrade tailscale
/// = Dependencies resolved.
/// = Nothing to do.
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Latest {
    /// The packages: one or a list of names.
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

impl Latest {
    fn order(&self) -> Order {
        Order {
            recommends: self.install_weak_deps,
            only_upgrade: self.only_upgrade,
            allowerasing: self.allowerasing,
            unsigned: self.disable_gpg_check,
            except: self.except.as_slice().to_vec(),
            update: self.update_cache,
            valid: self.cache_valid_time,
            ..Order::new(Some(Tool::Dnf), Goal::Latest, &self.name, self.lock_timeout)
        }
    }
}

manages!(Latest, Suspected);
