//! `apt::held`: packages that stay as they are.

use super::names;
use crate::bail;
use crate::contract::{Command, Look, Operation, Result, Step};
use crate::shared::Many;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Make sure packages are held at the version they have, or are not.
///
/// ```rhai
/// apt::held(["docker-ce", "docker-ce-cli"]);
/// ```
/// ```transcript
/// ? apt-mark showhold
/// = docker-ce-cli
/// ! apt-mark hold docker-ce
/// ? apt-mark showhold
/// = docker-ce
/// = docker-ce-cli
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The packages: one or a list.
    pub name: Many<String>,
    /// Whether they should be held; with false, they are released.
    #[serde(default = "yes")]
    pub held: bool,
}

fn yes() -> bool {
    true
}

impl Operation for Held {
    type State = BTreeMap<String, bool>;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        match names::parse(&self.name)?.iter().find(|named| named.name != named.arg) {
            Some(named) => bail!(playbook: "apt::held takes names of packages only, not `{}`", named.arg),
            None => Ok(()),
        }
    }
    async fn read(&self, host: &dyn Look) -> Result<Self::State> {
        let held = host.expect(&Command::new("apt-mark").arg("showhold")).await?.lines();
        Ok(self.name.as_slice().iter().map(|name| (name.clone(), held.contains(name))).collect())
    }
    fn want(&self, now: &Self::State) -> Result<Self::State> {
        Ok(now.keys().map(|name| (name.clone(), self.held)).collect())
    }
    fn steps(&self, now: &Self::State, want: &Self::State) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        for (verb, held) in [("hold", true), ("unhold", false)] {
            let differ = want.iter().filter(|(name, wanted)| **wanted == held && now.get(*name) != Some(*wanted));
            let names: Vec<&String> = differ.map(|(name, _)| name).collect();
            if !names.is_empty() {
                steps.push(Command::new("apt-mark").arg(verb).args(names).into());
            }
        }
        Ok(steps)
    }
}
