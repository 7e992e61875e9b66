//! `file::fetched`: files of the host, brought down.

use super::listing;
use crate::bail;
use crate::contract::{Asset, Content, Fetch, Look, Operation, Result, Step};
use crate::shared::HostPath;
use crate::shared::stat::{self, Kind};
use futures_util::{future::try_join_all, try_join};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Make sure the controller has a copy of a file of the host, or of every file of a directory.
///
/// Files are compared by digest; those of a directory that differ come in one stream, and what only the controller
/// has stays. Links are left out.
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
    /// The file or directory on the host.
    pub path: HostPath,
    /// The file or directory on the controller; with a `/` at its end, the directory for one of the same name.
    pub dest: String,
}

/// Files in two places, by path below the directory; of a single file, the path is its name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct FetchedState {
    /// On the host.
    host: BTreeMap<String, Content>,
    /// On the controller, of those that the host has.
    controller: BTreeMap<String, Content>,
    /// Whether it is a directory on the host.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    directory: bool,
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
        if found.kind == Kind::Directory {
            return self.tree(host, asset.is_some_and(|asset| asset.directory)).await;
        }
        if found.kind != Kind::File {
            bail!("{} is {}, not a file", self.path, found.kind.words());
        }
        let Some(sha256) = stat::digest_answer(&digest) else {
            bail!("{} may not be read", self.path; hint: "within(#{{ become: \"root\" }}, || ...) reads as root")
        };
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let one = |content: Content| BTreeMap::from([(name.to_owned(), content)]);
        Ok(FetchedState {
            host: one(Content { sha256, size: found.size, text: None }),
            controller: asset.map(|asset| one(bare(&asset))).unwrap_or_default(),
            directory: false,
        })
    }

    fn want(&self, now: &FetchedState) -> Result<FetchedState> {
        Ok(FetchedState { controller: now.host.clone(), ..now.clone() })
    }

    fn steps(&self, now: &FetchedState, _want: &FetchedState) -> Result<Vec<Step>> {
        let (path, dest) = (self.path.to_string(), self.dest.clone());
        if !now.directory {
            return Ok(vec![Step::Fetch(Fetch { path, dest, files: Vec::new() })]);
        }
        let differs = now
            .host
            .iter()
            .filter(|(below, content)| now.controller.get(*below).is_none_or(|here| here.sha256 != content.sha256));
        let files = differs.map(|(below, _)| below.clone()).collect();
        Ok(vec![Step::Fetch(Fetch { path, dest, files })])
    }
}

/// Content known by its digest.
fn bare(asset: &Asset) -> Content {
    Content { sha256: asset.sha256.clone(), size: asset.size, text: None }
}

impl Fetched {
    /// Every file of a directory, and what the controller has of them.
    async fn tree(&self, host: &dyn Look, copied: bool) -> Result<FetchedState> {
        let listed = host.run(&listing::all(&self.path)).await?;
        let files = listing::stats(&self.path, &listed)?;
        let files: BTreeMap<_, _> = files.into_iter().filter(|(_, found)| found.kind == Kind::File).collect();
        let asked = listing::digests(&self.path, files.keys().map(String::as_str));
        let digests = try_join_all(asked.iter().map(|command| host.run(command))).await?;
        let digests: BTreeMap<_, _> = digests.iter().flat_map(|output| listing::heads(&self.path, output)).collect();
        let mut state = FetchedState { directory: true, ..FetchedState::default() };
        for (below, found) in files {
            let Some(sha256) = digests.get(&below).cloned() else {
                bail!("{} may not be read", self.path.join(&below);
                    hint: "within(#{{ become: \"root\" }}, || ...) reads as root")
            };
            state.host.insert(below, Content { sha256, size: found.size, text: None });
        }
        let here = if copied { host.asset_tree(&self.dest).await? } else { Vec::new() };
        let here = here.iter().filter(|asset| !asset.directory && state.host.contains_key(&asset.path));
        state.controller = here.map(|asset| (asset.path.clone(), bare(asset))).collect();
        Ok(state)
    }
}
