//! What systemd says about a unit, and how it is told to do something.

use crate::bail;
use crate::contract::{Command, Error, Look, Output, Result, nearest};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Whose units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Those of the machine.
    #[default]
    System,
    /// Those of the user who is logged in, or whom `within(#{ become })` names.
    User,
}

/// Where the user's manager listens is known from the user's number alone; sudo does not say it.
const BUS: &str = r#"export XDG_RUNTIME_DIR="/run/user/$(id -u)"; "#;

impl Scope {
    /// `systemctl` with arguments.
    pub fn systemctl<'a>(self, args: impl IntoIterator<Item = &'a str>) -> Command {
        match self {
            Scope::System => Command::new("systemctl").args(args),
            Scope::User => self.script(r#"systemctl "$@""#).args(args),
        }
    }
    /// A constant script that calls `systemctl`.
    pub fn script(self, script: &str) -> Command {
        match self {
            Scope::System => Command::sh(script),
            Scope::User => Command::sh(format!("{BUS}{}", script.replace("systemctl ", "systemctl --user "))),
        }
    }
}

/// The name of a unit; without a suffix, a service's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitName(String);

const SUFFIXES: [&str; 11] =
    ["service", "socket", "timer", "target", "mount", "automount", "path", "swap", "slice", "scope", "device"];

impl UnitName {
    /// The full name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for UnitName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<UnitName, D::Error> {
        let name = String::deserialize(deserializer)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || r":-_.\@".contains(c);
        if name.is_empty() || name.starts_with('-') || name.len() > 255 || !name.chars().all(plain) {
            let wrong =
                format!("`{name}` is no unit's name: write it like \"nginx\", \"fstrim.timer\" or \"wg-quick@wg0\"");
            return Err(de::Error::custom(wrong));
        }
        let known = name.rsplit_once('.').is_some_and(|(_, suffix)| SUFFIXES.contains(&suffix));
        Ok(UnitName(if known { name } else { format!("{name}.service") }))
    }
}

impl JsonSchema for UnitName {
    fn schema_name() -> Cow<'static, str> {
        "UnitName".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// What `systemctl show` says about a unit.
#[derive(Debug, Clone, Default)]
pub struct Shown(BTreeMap<String, String>);

/// What an operation needs to know.
pub const PROPERTIES: &str = "LoadState,ActiveState,UnitFileState,NeedDaemonReload,Type,RemainAfterExit,CanReload";

impl Shown {
    /// Asks about a unit, whether it exists or not.
    pub async fn ask(host: &dyn Look, scope: Scope, name: &UnitName, properties: &str) -> Result<Shown> {
        let output = host.run(&scope.systemctl(["show", "-p", properties, "--", name.as_str()])).await?;
        Shown::answer(&output)
    }
    /// What was answered.
    pub fn answer(output: &Output) -> Result<Shown> {
        if !output.success() {
            return Err(unanswered(output));
        }
        let text = output.text();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Ok(Shown(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }
    /// Asks about a unit that must exist and be sound.
    pub async fn existing(host: &dyn Look, scope: Scope, name: &UnitName) -> Result<Shown> {
        let shown = Shown::ask(host, scope, name, PROPERTIES).await?;
        match shown.get("LoadState") {
            "not-found" => Err(missing(host, scope, name).await),
            "bad-setting" | "error" => {
                bail!("the unit file of {name} is wrong"; hint: "systemd-analyze verify {name} says what is")
            }
            _ => Ok(shown),
        }
    }
    /// A property; empty if systemd did not say it.
    pub fn get(&self, property: &str) -> &str {
        self.0.get(property).map_or("", String::as_str)
    }
    /// Whether the unit runs, where `reloading` is running.
    pub fn active(&self) -> &str {
        match self.get("ActiveState") {
            "reloading" | "refreshing" => "active",
            other => other,
        }
    }
    /// Whether it is masked.
    pub fn masked(&self) -> bool {
        self.get("LoadState") == "masked" || self.get("UnitFileState").starts_with("masked")
    }
    /// Whether it starts at boot; nothing if that is not its own to say (`static`, `generated`, ...).
    pub fn enabled(&self) -> Option<bool> {
        match self.get("UnitFileState") {
            "enabled" => Some(true),
            "disabled" | "enabled-runtime" | "linked" | "linked-runtime" | "bad" => Some(false),
            _ => None,
        }
    }
    /// Whether its files changed since systemd read them.
    pub fn stale(&self) -> bool {
        self.get("NeedDaemonReload") == "yes"
    }
    /// Whether it does its work once, and is not running after that.
    pub fn ends(&self) -> bool {
        self.get("Type") == "oneshot" && self.get("RemainAfterExit") != "yes"
    }
    /// Whether systemd takes it for started as soon as there is a process, before that can fail.
    pub fn unproven(&self) -> bool {
        matches!(self.get("Type"), "simple" | "exec" | "idle")
    }
}

/// systemd itself gave no answer.
fn unanswered(output: &Output) -> Error {
    let said = output.stderr_text();
    let said = said.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    if output.code == 127 {
        return Error::host("the host has no systemctl: it does not run systemd").with_output(output);
    }
    let error = Error::host(format!("systemd does not answer: {said}")).with_output(output);
    if said.contains("user scope bus") || said.contains("/run/user/") || said.contains("XDG_RUNTIME_DIR") {
        error.hint("the user has no session: loginctl enable-linger USER keeps one")
    } else if said.contains("not been booted with systemd") {
        error.hint("a container without systemd has no units")
    } else {
        error
    }
}

/// The error that there is no such unit, with the nearest one that there is.
async fn missing(host: &dyn Look, scope: Scope, name: &UnitName) -> Error {
    let error = Error::host(format!("no unit {name}"));
    let list = scope.systemctl(["list-unit-files", "--no-legend", "--no-pager", "--plain"]);
    let Ok(output) = host.run(&list).await else { return error };
    let lines = output.lines();
    let names: Vec<&str> = lines.iter().filter_map(|line| line.split_whitespace().next()).collect();
    // The suffix would make every service near.
    let stem = |name: &str| name.strip_suffix(".service").unwrap_or(name).to_owned();
    let stems: Vec<String> = names.iter().map(|name| stem(name)).collect();
    match nearest(&stem(name.as_str()), stems.iter().map(String::as_str)) {
        Some(meant) => error.hint(format!("did you mean `{meant}`?")),
        None => error.hint("systemctl list-unit-files shows those that there are"),
    }
}

/// Start or restart, watch a service that counts as started before it can fail, and say why it failed.
const WATCHED: &str = r#"systemctl "$1" -- "$2" && sleep 1 && systemctl -q is-active -- "$2" || { systemctl -n 20 -l --no-pager status -- "$2" >&2; echo "$2 does not stay up" >&2; exit 1; }"#;

/// Tell it to do something that can fail, and say why it failed.
const TOLD: &str = r#"systemctl "$1" -- "$2" || { systemctl -n 20 -l --no-pager status -- "$2" >&2; echo "$2 cannot $1" >&2; exit 1; }"#;

/// `systemctl VERB NAME`, with the unit's last words if it fails.
pub fn told(scope: Scope, verb: &str, name: &UnitName, watch: bool) -> Command {
    scope.script(if watch { WATCHED } else { TOLD }).args([verb, name.as_str()])
}

/// Forget that a unit has failed, if it has: it does not run, and that is all that matters.
const FORGIVEN: &str = r#"if systemctl -q is-failed -- "$1"; then systemctl reset-failed -- "$1"; fi"#;

/// `systemctl reset-failed NAME`, where it has failed.
pub fn forgiven(scope: Scope, name: &UnitName) -> Command {
    scope.script(FORGIVEN).arg(name.as_str())
}

/// What systemctl's complaints mean, and what to do about them.
pub fn explain(error: Error) -> Error {
    let mut error = error;
    let first = error.stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned();
    let denied = ["Access denied", "Permission denied", "authentication required"];
    let denied = denied.iter().any(|words| first.contains(words));
    // Its last line only says where to look further.
    if denied || error.message.contains("See ") && !first.is_empty() {
        error.message = first;
    }
    if denied {
        return error.hint("within(#{ become: \"root\" }, || ...) does it as root");
    }
    error
}
