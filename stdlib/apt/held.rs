//! `apt::held` and `apt::unheld`: packages that stay as they are.

use crate::contract::{Command, Error, Look, Operation, Result, Step};
use crate::shared::Many;
use crate::shared::packages::{apt::names, freeing, holding};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Which packages are held.
type Holds = BTreeMap<String, bool>;

/// Make sure packages are held at the version they have: no upgrade touches them.
///
/// ```rhai
/// apt::held(["docker-ce", "docker-ce-cli"]);
/// ```
/// ```transcript
/// ? apt-mark showhold
/// = docker-ce-cli
/// ? apt-mark -s hold docker-ce
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
}

/// Make sure packages are not held.
///
/// ```rhai
/// apt::unheld("docker-ce");
/// ```
/// ```transcript
/// ? apt-mark showhold
/// = docker-ce
/// ! apt-mark unhold docker-ce
/// ? apt-mark showhold
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unheld {
    /// The packages: one or a list.
    pub name: Many<String>,
}

async fn holds(host: &dyn Look, names: &[String]) -> Result<Holds> {
    let held = host.expect(&Command::new("apt-mark").arg("showhold")).await?.lines();
    Ok(names.iter().map(|name| (name.clone(), held.contains(name))).collect())
}

fn steps(now: &Holds, want: &Holds) -> Vec<Step> {
    let step = |(verb, held): (&str, bool)| {
        let differ = want.iter().filter(|(name, wanted)| **wanted == held && now.get(*name) != Some(*wanted));
        let names: Vec<&String> = differ.map(|(name, _)| name).collect();
        (!names.is_empty()).then(|| Command::new("apt-mark").arg(verb).args(names).into())
    };
    [("hold", true), ("unhold", false)].into_iter().filter_map(step).collect()
}

impl Operation for Held {
    type State = Holds;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        names::plain("apt::held", self.name.as_slice()).map(drop)
    }
    async fn read(&self, host: &dyn Look) -> Result<Holds> {
        let holds = holds(host, self.name.as_slice()).await?;
        let missing: Vec<&String> = holds.iter().filter(|(_, held)| !**held).map(|(name, _)| name).collect();
        if missing.is_empty() {
            return Ok(holds);
        }
        // It would hold some of them, and fail then.
        let told = host.run(&Command::new("apt-mark").args(["-s", "hold"]).args(missing)).await?.stderr_text();
        let nowhere = told.lines().find_map(|line| line.split_once("Unable to locate package ")).map(|(_, name)| name);
        match nowhere {
            Some(name) => Err(Error::host(format!("no package {} in the package lists", name.trim()))
                .hint("update_cache: true fetches the lists")),
            None => Ok(holds),
        }
    }
    fn alters(&self) -> Vec<String> {
        holding(self.name.as_slice())
    }
    fn want(&self, now: &Holds) -> Result<Holds> {
        Ok(now.keys().map(|name| (name.clone(), true)).collect())
    }
    fn steps(&self, now: &Holds, want: &Holds) -> Result<Vec<Step>> {
        Ok(steps(now, want))
    }
}

impl Operation for Unheld {
    type State = Holds;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        names::plain("apt::unheld", self.name.as_slice()).map(drop)
    }
    async fn read(&self, host: &dyn Look) -> Result<Holds> {
        holds(host, self.name.as_slice()).await
    }
    fn alters(&self) -> Vec<String> {
        freeing(self.name.as_slice())
    }
    fn want(&self, now: &Holds) -> Result<Holds> {
        Ok(now.keys().map(|name| (name.clone(), false)).collect())
    }
    fn steps(&self, now: &Holds, want: &Holds) -> Result<Vec<Step>> {
        Ok(steps(now, want))
    }
}
