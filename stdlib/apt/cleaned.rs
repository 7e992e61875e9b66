//! `apt::cleaned`: no downloads that nobody needs.

use crate::contract::{Command, Look, Operation, Result, Step};
use crate::shared::Span;
use crate::shared::packages::apt::transaction::apt_get;
use crate::shared::packages::minutes;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Make sure no downloaded packages lie around that no list offers any longer; with `all`, none at all.
///
/// ```rhai
/// apt::cleaned();
/// ```
/// ```transcript
/// ? LC_ALL=C.UTF-8 apt-get -qs autoclean
/// = Del curl 8.14.1-1 [268 kB]
/// ! APT_LISTCHANGES_FRONTEND=none DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NEEDRESTART_MODE=l apt-get -qy -o DPkg::Lock::Timeout=300 autoclean
/// ? LC_ALL=C.UTF-8 apt-get -qs autoclean
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cleaned {
    /// Delete all downloaded packages (`apt-get clean`).
    #[serde(default)]
    pub all: bool,
    /// How long to wait for another apt.
    #[serde(default = "minutes")]
    pub lock_timeout: Span,
}

impl Operation for Cleaned {
    /// The downloads that should go, with their sizes.
    type State = BTreeMap<String, String>;
    const REVERSIBLE: bool = false;

    async fn read(&self, host: &dyn Look) -> Result<Self::State> {
        if self.all {
            let find = ["/var/cache/apt/archives", "-name", "*.deb", "-type", "f", "-printf", r"%f %s bytes\n"];
            let found = host.expect(&Command::new("find").args(find)).await?.lines();
            let one = |line: &String| line.split_once(' ').map(|(file, size)| (file.to_owned(), size.to_owned()));
            return Ok(found.iter().filter_map(one).collect());
        }
        let simulation = Command::new("apt-get").args(["-qs", "autoclean"]).env("LC_ALL", "C.UTF-8");
        let said = host.expect(&simulation).await?.lines();
        let one = |line: &String| {
            let (name, size) = line.strip_prefix("Del ")?.split_once(" [")?;
            Some((name.to_owned(), size.trim_end_matches(']').to_owned()))
        };
        Ok(said.iter().filter_map(one).collect())
    }
    fn want(&self, _now: &Self::State) -> Result<Self::State> {
        Ok(BTreeMap::new())
    }
    fn steps(&self, _now: &Self::State, _want: &Self::State) -> Result<Vec<Step>> {
        let lock = format!("DPkg::Lock::Timeout={}", self.lock_timeout.0.as_secs());
        let verb = if self.all { "clean" } else { "autoclean" };
        Ok(apt_get().args(["-qy", "-o", &lock, verb]).into())
    }
}
