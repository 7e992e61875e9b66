//! `dnf::held` and `dnf::unheld`: packages whose version is locked.

use crate::bail;
use crate::contract::{Command, Error, Look, Operation, Result, Step};
use crate::shared::packages::dnf::{complaints, dnf, holds};
use crate::shared::packages::{freeing, holding, minutes};
use crate::shared::{Many, Span};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Which packages are held.
type Holds = BTreeMap<String, bool>;

/// Make sure packages are held at the version they have: no upgrade touches them.
///
/// It takes dnf's plugin versionlock.
///
/// ```rhai
/// dnf::held(["docker-ce", "docker-ce-cli"]);
/// ```
/// ```transcript
/// ? sh -c '(the file of locked versions)' sh
/// = # Added lock on Sat Nov 21 04:05:51 2026
/// = docker-ce-cli-1:28.3.3-1.*
/// ? sh -c '(rpm -q, dnf repoquery)' sh docker-ce
/// ! LC_ALL=C.UTF-8 sh -c '(dnf, again when its lock is free)' sh 300 dnf -y --setopt=exit_on_lock=1 versionlock add docker-ce
/// ? sh -c '(the file of locked versions)' sh
/// = # Added lock on Sat Nov 21 04:05:51 2026
/// = docker-ce-cli-1:28.3.3-1.*
/// = docker-ce-3:28.3.3-1.*
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The packages: one or a list.
    pub name: Many<String>,
    /// How long to wait for another dnf.
    #[serde(default = "minutes")]
    pub lock_timeout: Span,
}

/// Make sure packages are not held.
///
/// ```rhai
/// dnf::unheld("docker-ce");
/// ```
/// ```transcript
/// ? sh -c '(the file of locked versions)' sh
/// = docker-ce-3:28.3.3-1.*
/// ! LC_ALL=C.UTF-8 sh -c '(dnf, again when its lock is free)' sh 300 dnf -y --setopt=exit_on_lock=1 versionlock delete docker-ce
/// ? sh -c '(the file of locked versions)' sh
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unheld {
    /// The packages: one or a list.
    pub name: Many<String>,
    /// How long to wait for another dnf.
    #[serde(default = "minutes")]
    pub lock_timeout: Span,
}

/// Which of these are neither installed nor in a repository.
const NOWHERE: &str =
    r#"for p; do rpm -q "$p" >/dev/null 2>&1 || [ -n "$(dnf -q repoquery "$p" 2>/dev/null)" ] || echo "$p"; done"#;

async fn read(host: &dyn Look, names: &[String]) -> Result<Holds> {
    let held = holds(host).await?;
    Ok(names.iter().map(|name| (name.clone(), held.contains(name))).collect())
}

fn steps(now: &Holds, want: &Holds, lock: Span) -> Vec<Step> {
    let step = |(verb, held): (&str, bool)| {
        let differ = want.iter().filter(|(name, wanted)| **wanted == held && now.get(*name) != Some(*wanted));
        let names: Vec<&str> = differ.map(|(name, _)| name.as_str()).collect();
        (!names.is_empty()).then(|| dnf(lock, ["versionlock", verb].into_iter().chain(names)).into())
    };
    [("add", true), ("delete", false)].into_iter().filter_map(step).collect()
}

fn explain(error: Error) -> Error {
    if format!("{}{}", error.stdout, error.stderr).contains("No such command: versionlock") {
        return error.hint("dnf::installed(\"python3-dnf-plugin-versionlock\") brings the plugin");
    }
    complaints::explain(error)
}

impl Operation for Held {
    type State = Holds;

    async fn read(&self, host: &dyn Look) -> Result<Holds> {
        let holds = read(host, self.name.as_slice()).await?;
        let missing: Vec<&String> = holds.iter().filter(|(_, held)| !**held).map(|(name, _)| name).collect();
        if !missing.is_empty() {
            let nowhere = host.expect(&Command::gist("rpm -q, dnf repoquery", NOWHERE).args(missing)).await?.lines();
            if !nowhere.is_empty() {
                bail!("no package {}, neither installed nor in a repository", nowhere.join(", "));
            }
        }
        Ok(holds)
    }
    fn alters(&self) -> Vec<String> {
        holding(self.name.as_slice())
    }
    fn want(&self, now: &Holds) -> Result<Holds> {
        Ok(now.keys().map(|name| (name.clone(), true)).collect())
    }
    fn steps(&self, now: &Holds, want: &Holds) -> Result<Vec<Step>> {
        Ok(steps(now, want, self.lock_timeout))
    }
    fn explain(&self, error: Error) -> Error {
        explain(error)
    }
}

impl Operation for Unheld {
    type State = Holds;

    async fn read(&self, host: &dyn Look) -> Result<Holds> {
        read(host, self.name.as_slice()).await
    }
    fn alters(&self) -> Vec<String> {
        freeing(self.name.as_slice())
    }
    fn want(&self, now: &Holds) -> Result<Holds> {
        Ok(now.keys().map(|name| (name.clone(), false)).collect())
    }
    fn steps(&self, now: &Holds, want: &Holds) -> Result<Vec<Step>> {
        Ok(steps(now, want, self.lock_timeout))
    }
    fn explain(&self, error: Error) -> Error {
        explain(error)
    }
}
