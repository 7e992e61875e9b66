//! Questions about units.

use super::manager::{Scope, Shown, UnitName};
use crate::contract::{Fact, Look, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Ask how a unit is.
///
/// The answer has `name`, `description`, `load` ("loaded", "not-found", "masked"), `active` ("active",
/// "inactive", "failed", ...), `sub` ("running", "exited", "dead", ...), `result` ("success",
/// "exit-code", ...), `enabled` ("enabled", "disabled", "static", ...), `main_pid`, `restarts` and `since`
/// (when it became what it is, as systemd writes it).
///
/// ```rhai
/// systemd::status("ssh");
/// ```
/// ```transcript
/// ? systemctl show -p Description,LoadState,ActiveState,SubState,Result,UnitFileState,MainPID,NRestarts,StateChangeTimestamp -- ssh.service
/// = MainPID=412
/// = NRestarts=0
/// = Result=success
/// = Description=OpenBSD Secure Shell server
/// = LoadState=loaded
/// = ActiveState=active
/// = SubState=running
/// = UnitFileState=enabled
/// = StateChangeTimestamp=Thu 2026-11-19 08:12:31 UTC
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The unit; without a suffix, a service.
    pub name: UnitName,
    /// `"system"`, or `"user"` for the units of a user.
    #[serde(default)]
    pub scope: Scope,
}

/// How a unit is.
#[derive(Debug, Serialize)]
pub struct UnitStatus {
    name: String,
    description: String,
    load: String,
    active: String,
    sub: String,
    result: String,
    enabled: String,
    main_pid: Option<u32>,
    restarts: Option<u32>,
    since: Option<String>,
}

impl Fact for Status {
    type Answer = UnitStatus;

    async fn ask(&self, host: &dyn Look) -> Result<UnitStatus> {
        let properties =
            "Description,LoadState,ActiveState,SubState,Result,UnitFileState,MainPID,NRestarts,StateChangeTimestamp";
        let shown = Shown::ask(host, self.scope, &self.name, properties).await?;
        let get = |property: &str| shown.get(property).to_owned();
        Ok(UnitStatus {
            name: self.name.to_string(),
            description: get("Description"),
            load: get("LoadState"),
            active: get("ActiveState"),
            sub: get("SubState"),
            result: get("Result"),
            enabled: get("UnitFileState"),
            main_pid: get("MainPID").parse().ok().filter(|pid| *pid != 0),
            restarts: get("NRestarts").parse().ok(),
            since: Some(get("StateChangeTimestamp")).filter(|since| !since.is_empty()),
        })
    }
}

/// Ask which units have failed.
///
/// The answer is a list of names, empty if all is well.
///
/// ```rhai
/// systemd::failed();
/// ```
/// ```transcript
/// ? systemctl list-units --state=failed --all --plain --no-legend --no-pager
/// = backup.service loaded failed failed Nightly backup
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    /// `"system"`, or `"user"` for the units of a user.
    #[serde(default)]
    pub scope: Scope,
}

impl Fact for Failed {
    type Answer = Vec<String>;

    async fn ask(&self, host: &dyn Look) -> Result<Vec<String>> {
        let list = ["list-units", "--state=failed", "--all", "--plain", "--no-legend", "--no-pager"];
        let output = host.expect(&self.scope.systemctl(list)).await?;
        Ok(output.lines().iter().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
    }
}

/// Ask whether a unit runs; a unit that does not exist does not run.
///
/// ```rhai
/// systemd::is_active("docker");
/// ```
/// ```transcript
/// ? systemctl show -p ActiveState -- docker.service
/// = ActiveState=active
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IsActive {
    /// The unit; without a suffix, a service.
    pub name: UnitName,
    /// `"system"`, or `"user"` for the units of a user.
    #[serde(default)]
    pub scope: Scope,
}

impl Fact for IsActive {
    type Answer = bool;

    async fn ask(&self, host: &dyn Look) -> Result<bool> {
        Ok(Shown::ask(host, self.scope, &self.name, "ActiveState").await?.active() == "active")
    }
}
