//! `file::fetched`: a file of the host, brought down.

use crate::bail;
use crate::contract::{Content, Fetch, Look, Operation, Result, Step};
use crate::shared::HostPath;
use crate::shared::stat::{self, Kind};
use futures_util::try_join;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Make sure the controller has a copy of a file of the host.
///
/// `dest` is meant as it is written (Ansible's `flat`), so several hosts need one each, such as `` `backup/${host.name}/pihole.toml` ``.
///
/// ```rhai
/// file::fetched("/etc/pihole/pihole.toml", #{ dest: "backup/" });
/// ```
/// ```transcript
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/pihole/pihole.toml
/// = 644:root:root:0:0:6:1749081600:regular file
/// ? find /etc/pihole/pihole.toml -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// = 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  /etc/pihole/pihole.toml
/// ? asset backup/pihole.toml
/// * 1
/// ! fetch /etc/pihole/pihole.toml to=backup/pihole.toml
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/pihole/pihole.toml
/// = 644:root:root:0:0:6:1749081600:regular file
/// ? find /etc/pihole/pihole.toml -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// = 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  /etc/pihole/pihole.toml
/// ? asset backup/pihole.toml
/// = hello
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fetched {
    /// The file on the host.
    pub path: HostPath,
    /// The file on the controller; with a `/` at its end, the directory for a file of the same name.
    pub dest: String,
}

/// A file in two places.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FetchedState {
    /// On the host.
    host: Content,
    /// On the controller.
    controller: Option<Content>,
}

impl Operation for Fetched {
    type State = FetchedState;
    const REVERSIBLE: bool = false;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        if self.dest.is_empty() {
            bail!(playbook: "`dest` is empty");
        }
        if self.dest.ends_with('/') {
            self.dest.push_str(self.path.rsplit('/').next().unwrap_or_default());
        }
        Ok(())
    }

    async fn read(&self, host: &dyn Look) -> Result<FetchedState> {
        let (stat, digest) = (stat::command(&self.path), stat::digest(&self.path));
        let (found, digest, asset) = try_join!(host.run(&stat), host.run(&digest), host.asset(&self.dest))?;
        let Some(found) = stat::answer(&self.path, &found)? else { bail!("{} does not exist", self.path) };
        if found.kind != Kind::File {
            bail!("{} is {}, not a file", self.path, found.kind.words());
        }
        let Some(sha256) = stat::digest_answer(&digest) else {
            bail!("{} may not be read", self.path; hint: "within(#{{ become: \"root\" }}, || ...) reads as root")
        };
        let controller = asset.map(|asset| Content { sha256: asset.sha256, size: asset.size, text: None });
        Ok(FetchedState { host: Content { sha256, size: found.size, text: None }, controller })
    }

    fn want(&self, now: &FetchedState) -> Result<FetchedState> {
        Ok(FetchedState { host: now.host.clone(), controller: Some(now.host.clone()) })
    }

    fn steps(&self, _now: &FetchedState, _want: &FetchedState) -> Result<Vec<Step>> {
        Ok(vec![Step::Fetch(Fetch { path: self.path.to_string(), dest: self.dest.clone() })])
    }
}
