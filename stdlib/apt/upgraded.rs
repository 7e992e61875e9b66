//! `apt::upgraded`, `apt::autoremoved` and `apt::updated`: all packages at once.

use crate::contract::{Action, Command, Error, Look, Need, Result, Step};
use crate::shared::packages::apt::{complaints, lists};
use crate::shared::packages::{self, Goal, Order, Tool, Work, manages, minutes};
use crate::shared::{Many, Span};
use schemars::JsonSchema;
use serde::Deserialize;

/// Make sure every package is at the newest version that the lists know.
///
/// Packages that are held stay as they are, and so do those whose upgrade is phased in and not yet this host's turn:
/// both are reported. New packages come where an upgrade needs them, and others go where it cannot do otherwise; with
/// `full: false` none goes. With `security: true`, packages get the newest version of the archives that end in `-security`.
///
/// ```rhai
/// apt::upgraded(#{ autoremove: true });
/// ```
/// ```transcript
/// ? LC_ALL=C.UTF-8 apt-get -qsyV dist-upgrade --auto-remove
/// = The following packages have been kept back:
/// =    docker-ce (5:28.3.3-1 => 5:28.5.0-1)
/// = Remv linux-image-6.12.41 [6.12.41-1]
/// = Inst openssl [3.5.1-1] (3.5.4-1 Debian:13.2/stable [amd64])
/// = Conf openssl (3.5.4-1 Debian:13.2/stable [amd64])
/// ? apt-mark showhold
/// = docker-ce
/// ! APT_LISTCHANGES_FRONTEND=none DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NEEDRESTART_MODE=l apt-get -qy -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 dist-upgrade --auto-remove
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- linux-image-6.12.41 openssl
/// = linux-image-6.12.41 amd64 config-files 6.12.41-1
/// = openssl amd64 installed 3.5.4-1
/// ? LC_ALL=C.UTF-8 apt-get -qsyV dist-upgrade --auto-remove
/// ? apt-mark showhold
/// = docker-ce
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upgraded {
    /// Remove packages where an upgrade needs that (`dist-upgrade`); with false, such upgrades wait.
    #[serde(default = "yes")]
    pub full: bool,
    /// Only upgrade what comes from an archive of security updates.
    #[serde(default)]
    pub security: bool,
    /// Only upgrade these packages, `*` standing for anything, such as `["docker-*"]`.
    #[serde(default)]
    pub only: Many<String>,
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
    #[serde(skip)]
    work: Work,
}

fn yes() -> bool {
    true
}

impl Upgraded {
    fn order(&self) -> Order {
        Order {
            except: self.except.as_slice().to_vec(),
            security: self.security,
            safe: !self.full,
            autoremove: self.autoremove,
            autoclean: self.autoclean,
            update: self.update_cache,
            valid: self.cache_valid_time,
            ..Order::new(Some(Tool::Apt), Goal::Upgraded, &self.only, self.lock_timeout)
        }
    }
}

manages!(Upgraded, Suspected);

/// Make sure no package is left that nothing needs any longer.
///
/// ```rhai
/// apt::autoremoved(#{ purge: true });
/// ```
/// ```transcript
/// ? LC_ALL=C.UTF-8 apt-get -qsyV autoremove --purge
/// = Purg linux-image-6.12.41 [6.12.41-1]
/// ! APT_LISTCHANGES_FRONTEND=none DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NEEDRESTART_MODE=l apt-get -qy -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 autoremove --purge
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- linux-image-6.12.41
/// - dpkg-query: no packages found matching linux-image-6.12.41
/// * 1
/// ? LC_ALL=C.UTF-8 apt-get -qsyV autoremove --purge
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
    work: Work,
}

impl Autoremoved {
    fn order(&self) -> Order {
        let none = Many::default();
        Order { purge: self.purge, ..Order::new(Some(Tool::Apt), Goal::Autoremoved, &none, self.lock_timeout) }
    }
}

manages!(Autoremoved, Unrelated);

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
        let old = packages::aged(&host.run(&lists::age()).await?);
        Ok(match old {
            Some(old) if old < valid.0 => Need::Skip("the lists are young enough".to_owned()),
            _ => Need::Run,
        })
    }
    fn steps(&self) -> Result<Vec<Step>> {
        let command: Command = lists::update(self.lock_timeout);
        Ok(command.into())
    }
    fn explain(&self, error: Error) -> Error {
        complaints::explain(error)
    }
}
