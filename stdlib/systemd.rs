//! Services, timers and other units of systemd.
//!
//! A name without a suffix is a service's: `"nginx"` is `nginx.service`. A unit that does not exist is an
//! error that names the nearest one that does. What systemd has read of unit files is refreshed where a
//! call needs it, so there is hardly ever a reason to ask for a daemon-reload. `scope: "user"` manages
//! the units of the user who is logged in, or whom `within(#{ become: "media" }, || ...)` names.
//!
//! systemd takes a service of type `simple` for started as soon as it has a process, before that can
//! fail. Such a service is looked at once more after a second; if it is gone, the call fails with its
//! last words.

mod actions;
mod facts;
mod manager;
mod unit;

pub use actions::{DaemonReloaded, Reloaded, Restarted};
pub use facts::{Failed, IsActive, Status};
pub use manager::{Scope, UnitName};
pub use unit::Unit;

use crate::bail;
use crate::contract::{Error, Look, Module, Operation, Result, Step};
use manager::{PROPERTIES, Shown, explain, forgiven, told};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.operation::<Running>().operation::<Stopped>().operation::<Enabled>().operation::<Disabled>();
    module.operation::<Masked>().operation::<Unmasked>().operation::<Unit>();
    module.action::<Restarted>().action::<Reloaded>().action::<DaemonReloaded>();
    module.fact::<Status>().fact::<Failed>().fact::<IsActive>();
}

/// A unit, as far as an operation decides about it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct UnitState {
    /// Such as `active`, `inactive` or `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    active: Option<String>,
    /// Whether it starts at boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    /// Whether nothing can start it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    masked: Option<bool>,
    /// Whether its files changed since systemd read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stale: Option<bool>,
    /// Whether it counts as started before it can fail.
    #[serde(skip)]
    unproven: bool,
}

impl UnitState {
    /// The nearest state that can be gone back to: nobody makes a unit fail, or systemd's knowledge old.
    fn reachable(self) -> UnitState {
        let active = self.active.map(|active| match active.as_str() {
            "active" | "activating" => "active".to_owned(),
            _ => "inactive".to_owned(),
        });
        UnitState { active, stale: self.stale.map(|_| false), ..self }
    }
    /// The commands from this state to another.
    fn steps(&self, want: &UnitState, scope: Scope, name: &UnitName) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let mut tell = |verb: &str| steps.push(scope.systemctl([verb, "--", name.as_str()]).into());
        if let Some(masked) = want.masked.filter(|_| self.masked != want.masked) {
            tell(if masked { "mask" } else { "unmask" });
        }
        if let Some(enabled) = want.enabled.filter(|_| self.enabled != want.enabled) {
            tell(if enabled { "enable" } else { "disable" });
        }
        if self.stale == Some(true) && want.stale == Some(false) {
            steps.insert(0, scope.systemctl(["daemon-reload"]).into());
        }
        match want.active.as_deref().filter(|_| self.active != want.active) {
            Some("active") => {
                if self.active.as_deref() == Some("failed") {
                    // One that failed too often would not be started before its time.
                    steps.push(scope.systemctl(["reset-failed", "--", name.as_str()]).into());
                }
                steps.push(told(scope, "start", name, self.unproven).into());
            }
            Some(_) => steps.push(scope.systemctl(["stop", "--", name.as_str()]).into()),
            None => {}
        }
        steps
    }
}

/// Whether a unit starts at boot, as it is compared with what is wanted: one that has no say in it
/// (`static`, `generated`, ...) is as wanted.
fn enabled(shown: &Shown, want: Option<bool>) -> Option<bool> {
    want.map(|want| shown.enabled().unwrap_or(want))
}

/// Make sure a unit runs.
///
/// A service that has failed is started again. One that does its work once and ends is never running:
/// run it with `systemd::restarted`, or make its timer run.
///
/// ```rhai
/// systemd::running("nginx", #{ enabled: true });
/// ```
/// ```transcript
/// ? systemctl show -p LoadState,ActiveState,UnitFileState,NeedDaemonReload,Type,RemainAfterExit,CanReload -- nginx.service
/// = Type=forking
/// = RemainAfterExit=no
/// = LoadState=loaded
/// = ActiveState=inactive
/// = UnitFileState=disabled
/// = NeedDaemonReload=no
/// = CanReload=yes
/// ! systemctl enable -- nginx.service
/// ! sh -c 'systemctl "$1" -- "$2" || { systemctl -n 20 -l --no-pager status -- "$2" >&2; echo "$2 cannot $1" >&2; exit 1; }' sh start nginx.service
/// ? systemctl show -p LoadState,ActiveState,UnitFileState,NeedDaemonReload,Type,RemainAfterExit,CanReload -- nginx.service
/// = Type=forking
/// = RemainAfterExit=no
/// = LoadState=loaded
/// = ActiveState=active
/// = UnitFileState=enabled
/// = NeedDaemonReload=no
/// = CanReload=yes
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Running {
    /// The unit; without a suffix, a service.
    pub name: UnitName,
    /// Whether it should start at boot, too; without it, that stays as it is.
    pub enabled: Option<bool>,
    /// `"system"`, or `"user"` for the units of a user.
    #[serde(default)]
    pub scope: Scope,
}

impl Operation for Running {
    type State = UnitState;

    async fn read(&self, host: &dyn Look) -> Result<UnitState> {
        let shown = Shown::existing(host, self.scope, &self.name).await?;
        let active = shown.active() == "active";
        if shown.masked() && !active {
            bail!("{} is masked: nothing can start it", self.name; hint: "systemd::unmasked(\"{}\") first", self.name);
        }
        if shown.ends() && !active && shown.active() != "activating" {
            bail!("{} does its work once and ends, so it is never running", self.name;
                hint: "systemd::restarted(\"{}\") runs it now, and a timer runs it again and again", self.name);
        }
        Ok(UnitState {
            active: Some(shown.active().to_owned()),
            enabled: enabled(&shown, self.enabled),
            stale: Some(shown.stale()),
            unproven: shown.unproven(),
            ..UnitState::default()
        })
    }
    fn want(&self, _now: &UnitState) -> Result<UnitState> {
        let active = Some("active".to_owned());
        Ok(UnitState { active, enabled: self.enabled, stale: Some(false), ..UnitState::default() })
    }
    fn steps(&self, now: &UnitState, want: &UnitState) -> Result<Vec<Step>> {
        let mut steps = now.steps(want, self.scope, &self.name);
        // On the way back, one that fails when it is told to stop has stopped all the same.
        if want.active.as_deref() == Some("inactive") && now.active != want.active {
            steps.push(forgiven(self.scope, &self.name).into());
        }
        Ok(steps)
    }
    async fn recall(&mut self, _host: &dyn Look, before: UnitState, _after: &UnitState) -> Result<UnitState> {
        Ok(before.reachable())
    }
    fn explain(&self, error: Error) -> Error {
        explain(error)
    }
}

/// Make sure a unit does not run.
///
/// ```rhai
/// systemd::stopped("apache2", #{ enabled: false });
/// ```
/// ```transcript
/// ? systemctl show -p LoadState,ActiveState,UnitFileState,NeedDaemonReload,Type,RemainAfterExit,CanReload -- apache2.service
/// = Type=forking
/// = RemainAfterExit=no
/// = LoadState=loaded
/// = ActiveState=active
/// = UnitFileState=disabled
/// = NeedDaemonReload=no
/// = CanReload=yes
/// ! systemctl stop -- apache2.service
/// ? systemctl show -p LoadState,ActiveState,UnitFileState,NeedDaemonReload,Type,RemainAfterExit,CanReload -- apache2.service
/// = Type=forking
/// = RemainAfterExit=no
/// = LoadState=loaded
/// = ActiveState=inactive
/// = UnitFileState=disabled
/// = NeedDaemonReload=no
/// = CanReload=yes
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stopped {
    /// The unit; without a suffix, a service.
    pub name: UnitName,
    /// Whether it should start at boot, too; without it, that stays as it is.
    pub enabled: Option<bool>,
    /// `"system"`, or `"user"` for the units of a user.
    #[serde(default)]
    pub scope: Scope,
}

impl Operation for Stopped {
    type State = UnitState;

    async fn read(&self, host: &dyn Look) -> Result<UnitState> {
        let shown = Shown::existing(host, self.scope, &self.name).await?;
        let active = match shown.active() {
            // One that has failed does not run.
            "failed" => "inactive",
            other => other,
        };
        let active = Some(active.to_owned());
        Ok(UnitState { active, enabled: enabled(&shown, self.enabled), ..UnitState::default() })
    }
    fn want(&self, _now: &UnitState) -> Result<UnitState> {
        Ok(UnitState { active: Some("inactive".to_owned()), enabled: self.enabled, ..UnitState::default() })
    }
    fn steps(&self, now: &UnitState, want: &UnitState) -> Result<Vec<Step>> {
        Ok(now.steps(want, self.scope, &self.name))
    }
    async fn recall(&mut self, _host: &dyn Look, before: UnitState, _after: &UnitState) -> Result<UnitState> {
        Ok(before.reachable())
    }
    fn explain(&self, error: Error) -> Error {
        explain(error)
    }
}

/// Declares an operation that decides about nothing but one switch of a unit.
macro_rules! switch {
    ($(#[$docs:meta])* $name:ident, $field:ident: $value:literal, $read:expr) => {
        $(#[$docs])*
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The unit; without a suffix, a service.
            pub name: UnitName,
            /// `"system"`, or `"user"` for the units of a user.
            #[serde(default)]
            pub scope: Scope,
        }

        impl Operation for $name {
            type State = UnitState;

            async fn read(&self, host: &dyn Look) -> Result<UnitState> {
                $read(host, self.scope, &self.name).await
            }
            fn want(&self, _now: &UnitState) -> Result<UnitState> {
                Ok(UnitState { $field: Some($value), ..UnitState::default() })
            }
            fn steps(&self, now: &UnitState, want: &UnitState) -> Result<Vec<Step>> {
                Ok(now.steps(want, self.scope, &self.name))
            }
            fn explain(&self, error: Error) -> Error {
                explain(error)
            }
        }
    };
}

async fn read_enabled(host: &dyn Look, scope: Scope, name: &UnitName) -> Result<UnitState> {
    let shown = Shown::existing(host, scope, name).await?;
    if shown.masked() {
        bail!("{name} is masked: it cannot be enabled"; hint: "systemd::unmasked(\"{name}\") first");
    }
    match shown.enabled() {
        Some(enabled) => Ok(UnitState { enabled: Some(enabled), ..UnitState::default() }),
        None => bail!("{name} is {}: others start it, it cannot be enabled itself", shown.get("UnitFileState");
            hint: "its unit file has no [Install] section; enable its timer or socket instead"),
    }
}

async fn read_disabled(host: &dyn Look, scope: Scope, name: &UnitName) -> Result<UnitState> {
    let shown = Shown::existing(host, scope, name).await?;
    Ok(UnitState { enabled: enabled(&shown, Some(false)), ..UnitState::default() })
}

async fn read_masked(host: &dyn Look, scope: Scope, name: &UnitName) -> Result<UnitState> {
    // A unit that does not exist may be masked, so that it never comes up.
    let shown = Shown::ask(host, scope, name, PROPERTIES).await?;
    Ok(UnitState { masked: Some(shown.masked()), ..UnitState::default() })
}

switch! {
    /// Make sure a unit starts at boot.
    ///
    /// ```rhai
    /// systemd::enabled("fstrim.timer");
    /// ```
    /// ```transcript
    /// ? systemctl show -p LoadState,ActiveState,UnitFileState,NeedDaemonReload,Type,RemainAfterExit,CanReload -- fstrim.timer
    /// = LoadState=loaded
    /// = ActiveState=active
    /// = UnitFileState=disabled
    /// = NeedDaemonReload=no
    /// = CanReload=no
    /// ! systemctl enable -- fstrim.timer
    /// ? systemctl show -p LoadState,ActiveState,UnitFileState,NeedDaemonReload,Type,RemainAfterExit,CanReload -- fstrim.timer
    /// = LoadState=loaded
    /// = ActiveState=active
    /// = UnitFileState=enabled
    /// = NeedDaemonReload=no
    /// = CanReload=no
    /// ```
    Enabled, enabled: true, read_enabled
}

switch! {
    /// Make sure a unit does not start at boot by itself.
    ///
    /// ```rhai
    /// systemd::disabled("apt-daily.timer");
    /// ```
    /// ```transcript
    /// ? systemctl show -p LoadState,ActiveState,UnitFileState,NeedDaemonReload,Type,RemainAfterExit,CanReload -- apt-daily.timer
    /// = LoadState=loaded
    /// = ActiveState=active
    /// = UnitFileState=enabled
    /// = NeedDaemonReload=no
    /// = CanReload=no
    /// ! systemctl disable -- apt-daily.timer
    /// ? systemctl show -p LoadState,ActiveState,UnitFileState,NeedDaemonReload,Type,RemainAfterExit,CanReload -- apt-daily.timer
    /// = LoadState=loaded
    /// = ActiveState=active
    /// = UnitFileState=disabled
    /// = NeedDaemonReload=no
    /// = CanReload=no
    /// ```
    Disabled, enabled: false, read_disabled
}

switch! {
    /// Make sure nothing can start a unit; one that runs goes on running.
    ///
    /// ```rhai
    /// systemd::masked("systemd-networkd-wait-online");
    /// ```
    /// ```transcript
    /// ? systemctl show -p LoadState,ActiveState,UnitFileState,NeedDaemonReload,Type,RemainAfterExit,CanReload -- systemd-networkd-wait-online.service
    /// = Type=oneshot
    /// = RemainAfterExit=yes
    /// = LoadState=loaded
    /// = ActiveState=inactive
    /// = UnitFileState=disabled
    /// = NeedDaemonReload=no
    /// = CanReload=no
    /// ! systemctl mask -- systemd-networkd-wait-online.service
    /// ? systemctl show -p LoadState,ActiveState,UnitFileState,NeedDaemonReload,Type,RemainAfterExit,CanReload -- systemd-networkd-wait-online.service
    /// = LoadState=masked
    /// = ActiveState=inactive
    /// = UnitFileState=masked
    /// = NeedDaemonReload=no
    /// = CanReload=no
    /// ```
    Masked, masked: true, read_masked
}

switch! {
    /// Make sure a unit can be started again after it was masked.
    ///
    /// ```rhai
    /// systemd::unmasked("nginx");
    /// ```
    /// ```transcript
    /// ? systemctl show -p LoadState,ActiveState,UnitFileState,NeedDaemonReload,Type,RemainAfterExit,CanReload -- nginx.service
    /// = LoadState=masked
    /// = ActiveState=inactive
    /// = UnitFileState=masked
    /// = NeedDaemonReload=no
    /// = CanReload=no
    /// ! systemctl unmask -- nginx.service
    /// ? systemctl show -p LoadState,ActiveState,UnitFileState,NeedDaemonReload,Type,RemainAfterExit,CanReload -- nginx.service
    /// = Type=forking
    /// = RemainAfterExit=no
    /// = LoadState=loaded
    /// = ActiveState=inactive
    /// = UnitFileState=disabled
    /// = NeedDaemonReload=no
    /// = CanReload=yes
    /// ```
    Unmasked, masked: false, read_masked
}
