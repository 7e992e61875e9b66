//! `dnf::upgraded`, `dnf::autoremoved` and `dnf::updated`: all packages at once.

use crate::contract::{Action, Error, Look, Need, Result, Step};
use crate::shared::packages::dnf::{self, complaints};
use crate::shared::packages::{self, Goal, Order, Tool, Work, manages, minutes};
use crate::shared::{Many, Span};
use schemars::JsonSchema;
use serde::Deserialize;

/// Make sure every package is at the newest version that the repositories have.
///
/// Packages whose version is locked stay as they are, and are reported. Of packages that may be there several times, such
/// as a kernel, the new one comes beside the old one.
///
/// ```rhai
/// dnf::upgraded(#{ security: true });
/// ```
/// ```transcript
/// ? sh -c '(which of dnf 4 and 5)' sh
/// = 4
/// ? sh -c '(the file of locked versions)' sh
/// = docker-ce-3:28.3.3-1.*
/// ? LC_ALL=C.UTF-8 dnf --assumeno upgrade --security
/// = Dependencies resolved.
/// = ================================================================================
/// =  Package       Architecture      Version               Repository          Size
/// = ================================================================================
/// = Upgrading:
/// =  openssl       x86_64            1:3.5.1-4.el10        baseos             1.2 M
/// =
/// = Transaction Summary
/// = ================================================================================
/// = Upgrade  1 Package
/// =
/// = Operation aborted.
/// * 1
/// ? rpm -qa --qf '%{NAME} %{ARCH} %{EVR}\n' openssl
/// = openssl x86_64 1:3.5.1-3.el10
/// ! LC_ALL=C.UTF-8 sh -c '(dnf, again when its lock is free)' sh 300 dnf -y --setopt=exit_on_lock=1 upgrade --security
/// ? sh -c '(the file of locked versions)' sh
/// = docker-ce-3:28.3.3-1.*
/// ? LC_ALL=C.UTF-8 dnf --assumeno upgrade --security
/// = Dependencies resolved.
/// = Nothing to do.
/// ? rpm -qa --qf '%{NAME} %{ARCH} %{EVR}\n' openssl
/// = openssl x86_64 1:3.5.1-4.el10
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upgraded {
    /// Only upgrade what mends a security hole, according to the repositories.
    #[serde(default)]
    pub security: bool,
    /// Only upgrade these packages, `*` standing for anything, such as `["docker-*"]`.
    #[serde(default)]
    pub only: Many<String>,
    /// Packages that stay as they are, `*` standing for anything, such as `["docker-ce*", "kernel*"]`.
    #[serde(default)]
    pub except: Many<String>,
    /// Remove packages that nothing needs any longer, too: those of which that is so before the upgrade.
    #[serde(default)]
    pub autoremove: bool,
    /// Install new weak dependencies, too; without it, as the host is configured.
    pub install_weak_deps: Option<bool>,
    /// Remove installed packages that are in the way.
    #[serde(default)]
    pub allowerasing: bool,
    /// Install packages that are not signed, or not by a key that the host trusts.
    #[serde(default)]
    pub disable_gpg_check: bool,
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

impl Upgraded {
    fn order(&self) -> Order {
        Order {
            except: self.except.as_slice().to_vec(),
            security: self.security,
            autoremove: self.autoremove,
            recommends: self.install_weak_deps,
            allowerasing: self.allowerasing,
            unsigned: self.disable_gpg_check,
            update: self.update_cache,
            valid: self.cache_valid_time,
            ..Order::new(Some(Tool::Dnf), Goal::Upgraded, &self.only, self.lock_timeout)
        }
    }
}

manages!(Upgraded, Suspected);

/// Make sure no package is left that nothing needs any longer.
///
/// ```rhai
/// dnf::autoremoved();
/// ```
/// ```transcript
/// ? sh -c '(which of dnf 4 and 5)' sh
/// = 4
/// ? LC_ALL=C.UTF-8 dnf --assumeno autoremove
/// = Dependencies resolved.
/// = ================================================================================
/// =  Package       Architecture      Version               Repository          Size
/// = ================================================================================
/// = Removing:
/// =  oniguruma     x86_64            6.9.9-7.el10          @appstream         700 k
/// =
/// = Transaction Summary
/// = ================================================================================
/// = Remove  1 Package
/// =
/// = Operation aborted.
/// * 1
/// ? rpm -qa --qf '%{NAME} %{ARCH} %{EVR}\n' oniguruma
/// = oniguruma x86_64 6.9.9-7.el10
/// ! LC_ALL=C.UTF-8 sh -c '(dnf, again when its lock is free)' sh 300 dnf -y --setopt=exit_on_lock=1 autoremove
/// ? LC_ALL=C.UTF-8 dnf --assumeno autoremove
/// = Dependencies resolved.
/// = Nothing to do.
/// ? rpm -qa --qf '%{NAME} %{ARCH} %{EVR}\n' oniguruma
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Autoremoved {
    /// How long to wait for another dnf.
    #[serde(default = "minutes")]
    pub lock_timeout: Span,
    #[serde(skip)]
    work: Work,
}

impl Autoremoved {
    fn order(&self) -> Order {
        Order::new(Some(Tool::Dnf), Goal::Autoremoved, &Many::default(), self.lock_timeout)
    }
}

manages!(Autoremoved, Unrelated);

/// Fetch the lists of packages.
///
/// ```rhai
/// dnf::updated(#{ cache_valid_time: "1h" });
/// ```
/// ```transcript
/// ? sh -c 's=$(stat -c %Y /var/cache/dnf/*/repodata/* /var/cache/libdnf5/*/repodata/* 2>/dev/null | sort -n | tail -n 1); [ -n "$s" ] && echo $(($(date +%s) - s)) || echo never' sh
/// = 86400
/// ! LC_ALL=C.UTF-8 sh -c '(dnf, again when its lock is free)' sh 300 dnf -y --setopt=exit_on_lock=1 --setopt=skip_if_unavailable=0 makecache --refresh
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Updated {
    /// Do nothing if they are younger than this, such as `"1h"`.
    pub cache_valid_time: Option<Span>,
    /// How long to wait for another dnf.
    #[serde(default = "minutes")]
    pub lock_timeout: Span,
}

impl Action for Updated {
    async fn need(&self, host: &dyn Look) -> Result<Need> {
        let Some(valid) = self.cache_valid_time else { return Ok(Need::Run) };
        Ok(match packages::aged(&host.run(&dnf::age()).await?) {
            Some(old) if old < valid.0 => Need::Skip("the lists are young enough".to_owned()),
            _ => Need::Run,
        })
    }
    fn steps(&self) -> Result<Vec<Step>> {
        Ok(dnf::update(self.lock_timeout).into())
    }
    fn explain(&self, error: Error) -> Error {
        complaints::explain(error)
    }
}
