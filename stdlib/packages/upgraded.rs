//! `packages::upgraded`: all packages at once.

use crate::shared::packages::{Goal, Order, Tool, Work, manages, minutes};
use crate::shared::{Many, Span};
use schemars::JsonSchema;
use serde::Deserialize;

/// Make sure every package is at the newest version that there is.
///
/// The diff names every package with its old and its new version, in check mode too. Packages that are held stay as they
/// are, and are reported.
///
/// ```rhai
/// packages::upgraded(#{ autoremove: true });
/// ```
/// ```transcript
/// ? sh -c '(which of apt-get, dnf and pacman)' sh
/// = apt
/// ? LC_ALL=C.UTF-8 apt-get -qsyV dist-upgrade --auto-remove
/// = Inst openssl [3.5.1-1] (3.5.4-1 Debian:13.2/stable [amd64])
/// ? apt-mark showhold
/// ! APT_LISTCHANGES_FRONTEND=none DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NEEDRESTART_MODE=l apt-get -qy -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 dist-upgrade --auto-remove
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- openssl
/// = openssl amd64 installed 3.5.4-1
/// ? LC_ALL=C.UTF-8 apt-get -qsyV dist-upgrade --auto-remove
/// ? apt-mark showhold
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upgraded {
    /// Only upgrade what mends a security hole.
    #[serde(default)]
    pub security: bool,
    /// Only upgrade these packages, `*` standing for anything, such as `["docker-*"]`.
    #[serde(default)]
    pub only: Many<String>,
    /// Packages that stay as they are, `*` standing for anything, such as `["docker-ce*", "linux-*", "kernel*"]`.
    #[serde(default)]
    pub except: Many<String>,
    /// Remove packages that nothing needs any longer, too.
    #[serde(default)]
    pub autoremove: bool,
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

impl Upgraded {
    fn order(&self) -> Order {
        Order {
            except: self.except.as_slice().to_vec(),
            security: self.security,
            autoremove: self.autoremove,
            update: self.update_cache,
            valid: self.cache_valid_time,
            ..Order::new(self.r#use, Goal::Upgraded, &self.only, self.lock_timeout)
        }
    }
}

manages!(Upgraded, Suspected);
