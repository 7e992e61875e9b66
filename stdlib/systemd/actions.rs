//! What just happens to a unit.

use super::manager::{Scope, Shown, UnitName, explain, told};
use crate::bail;
use crate::contract::{Action, Error, Look, Result, Step};
use schemars::JsonSchema;
use serde::Deserialize;

/// Restart a unit, or start it if it does not run.
///
/// systemd reads its files again first, if they changed. A service that ends within a second fails the
/// action, with its last words.
///
/// ```rhai
/// systemd::restarted("nginx");
/// ```
/// ```transcript
/// ? systemctl show -p LoadState,ActiveState,UnitFileState,NeedDaemonReload,Type,RemainAfterExit,CanReload -- nginx.service
/// = Type=forking
/// = RemainAfterExit=no
/// = LoadState=loaded
/// = ActiveState=active
/// = UnitFileState=enabled
/// = NeedDaemonReload=no
/// = CanReload=yes
/// ! sh -c 'systemctl "$1" -- "$2" || { systemctl -n 20 -l --no-pager status -- "$2" >&2; echo "$2 cannot $1" >&2; exit 1; }' sh restart nginx.service
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restarted {
    /// The unit; without a suffix, a service.
    pub name: UnitName,
    /// `"system"`, or `"user"` for the units of a user.
    #[serde(default)]
    pub scope: Scope,
    #[serde(skip)]
    shown: Shown,
}

impl Action for Restarted {
    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        self.shown = Shown::existing(host, self.scope, &self.name).await?;
        Ok(())
    }
    fn steps(&self) -> Result<Vec<Step>> {
        let mut steps: Vec<Step> = Vec::new();
        if self.shown.stale() {
            steps.push(self.scope.systemctl(["daemon-reload"]).into());
        }
        if self.shown.active() == "failed" {
            steps.push(self.scope.systemctl(["reset-failed", "--", self.name.as_str()]).into());
        }
        steps.push(told(self.scope, "restart", &self.name, self.shown.unproven()).into());
        Ok(steps)
    }
    fn explain(&self, error: Error) -> Error {
        explain(error)
    }
}

/// Tell a unit to read its configuration again, or start it if it does not run.
///
/// ```rhai
/// systemd::reloaded("caddy");
/// ```
/// ```transcript
/// ? systemctl show -p LoadState,ActiveState,UnitFileState,NeedDaemonReload,Type,RemainAfterExit,CanReload -- caddy.service
/// = Type=notify
/// = RemainAfterExit=no
/// = LoadState=loaded
/// = ActiveState=active
/// = UnitFileState=enabled
/// = NeedDaemonReload=no
/// = CanReload=yes
/// ! sh -c 'systemctl "$1" -- "$2" || { systemctl -n 20 -l --no-pager status -- "$2" >&2; echo "$2 cannot $1" >&2; exit 1; }' sh reload caddy.service
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reloaded {
    /// The unit; without a suffix, a service.
    pub name: UnitName,
    /// `"system"`, or `"user"` for the units of a user.
    #[serde(default)]
    pub scope: Scope,
    #[serde(skip)]
    shown: Shown,
}

impl Action for Reloaded {
    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        self.shown = Shown::existing(host, self.scope, &self.name).await?;
        if self.shown.active() == "active" && self.shown.get("CanReload") == "no" {
            bail!("{} cannot reload its configuration", self.name; hint: "systemd::restarted restarts it");
        }
        Ok(())
    }
    fn steps(&self) -> Result<Vec<Step>> {
        let mut steps: Vec<Step> = Vec::new();
        if self.shown.stale() {
            steps.push(self.scope.systemctl(["daemon-reload"]).into());
        }
        let verb = if self.shown.active() == "active" { "reload" } else { "start" };
        steps.push(told(self.scope, verb, &self.name, verb == "start" && self.shown.unproven()).into());
        Ok(steps)
    }
    fn explain(&self, error: Error) -> Error {
        explain(error)
    }
}

/// Tell systemd to read its unit files again.
///
/// `systemd::unit`, `systemd::running` and `systemd::restarted` do so where it is needed.
///
/// ```rhai
/// systemd::daemon_reloaded();
/// ```
/// ```transcript
/// ! systemctl daemon-reload
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DaemonReloaded {
    /// `"system"`, or `"user"` for the units of a user.
    #[serde(default)]
    pub scope: Scope,
}

impl Action for DaemonReloaded {
    fn steps(&self) -> Result<Vec<Step>> {
        Ok(self.scope.systemctl(["daemon-reload"]).into())
    }
    fn explain(&self, error: Error) -> Error {
        explain(error)
    }
}
