//! `file::link`: symbolic and hard links.

use crate::bail;
use crate::contract::{Command, Keepsake, Look, Operation, Result, Step};
use crate::shared::stat::{self, Kind};
use crate::shared::{HostPath, Id, Relic, directory_of};
use futures_util::try_join;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Make sure a path is a link to a target.
///
/// The target of a symbolic link need not exist, and may be relative to the link. A link to elsewhere is
/// pointed anew; anything else in its place is left alone unless `force` is true.
///
/// ```rhai
/// file::link("/etc/nginx/sites-enabled/nas", #{ target: "../sites-available/nas" });
/// ```
/// ```transcript
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/nginx/sites-enabled/nas
/// - stat: cannot statx '/etc/nginx/sites-enabled/nas': No such file or directory
/// * 1
/// ? readlink -- /etc/nginx/sites-enabled/nas
/// * 1
/// ! ln -sfn -- ../sites-available/nas /etc/nginx/sites-enabled/nas
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/nginx/sites-enabled/nas
/// = 777:root:root:0:0:22:1763666100:symbolic link
/// ? readlink -- /etc/nginx/sites-enabled/nas
/// = ../sites-available/nas
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The link on the host.
    pub path: HostPath,
    /// What it points to.
    pub target: String,
    /// Make a hard link, another name of the same file.
    #[serde(default)]
    pub hard: bool,
    /// Replace a file or an empty directory that is in its place.
    #[serde(default)]
    pub force: bool,
    /// The owner of the link itself, by name or number.
    pub owner: Option<Id>,
    /// The group of the link itself, by name or number.
    pub group: Option<Id>,
}

/// What is at the path.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LinkState {
    /// Where the link points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// What is there instead of a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instead: Option<Relic>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
}

impl Operation for Link {
    type State = LinkState;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        if self.target.is_empty() || self.target.contains('\0') {
            bail!(playbook: "`target` says nothing to point to");
        }
        if self.hard && !self.target.starts_with('/') {
            bail!(playbook: "the target of a hard link is an absolute path");
        }
        Ok(())
    }

    async fn read(&self, host: &dyn Look) -> Result<LinkState> {
        if host.gone(&self.path)? {
            return Ok(LinkState::default());
        }
        let stat = stat::command(&self.path);
        let (found, target) = if self.hard {
            // Two names of one file have the same device and inode.
            let inodes = Command::new("stat").args(["-c", "%d:%i", "--", &self.path, &self.target]);
            let (found, inodes) = try_join!(host.run(&stat), host.run(&inodes))?;
            let inodes = inodes.lines();
            let same = inodes.len() == 2 && inodes[0] == inodes[1];
            (stat::answer(&self.path, &found)?, same.then(|| self.target.clone()))
        } else {
            let readlink = Command::new("readlink").args(["--", &self.path]);
            let (found, link) = try_join!(host.run(&stat), host.run(&readlink))?;
            let target = link.text();
            let target = target.strip_suffix('\n').unwrap_or(&target).to_owned();
            (stat::answer(&self.path, &found)?, link.success().then_some(target))
        };
        let Some(found) = found else { return Ok(LinkState::default()) };
        let instead = match target {
            None => Relic::read(host, &self.path).await?,
            Some(_) => None,
        };
        Ok(LinkState {
            instead,
            target,
            owner: self.owner.as_ref().map(|id| found.owner_like(id)),
            group: self.group.as_ref().map(|id| found.group_like(id)),
        })
    }

    async fn premise(&self, host: &dyn Look, now: &LinkState) -> Result<()> {
        if now.target.is_some() || now.instead.is_some() { Ok(()) } else { directory_of(host, &self.path).await }
    }

    fn want(&self, now: &LinkState) -> Result<LinkState> {
        if let (Some(there), false) = (&now.instead, self.force) {
            bail!("{} is {}, not a link to {}", self.path, there.kind.words(), self.target;
                hint: "force: true replaces a file or an empty directory");
        }
        Ok(LinkState {
            target: Some(self.target.clone()),
            instead: None,
            owner: self.owner.as_ref().map(|id| id.as_str().to_owned()),
            group: self.group.as_ref().map(|id| id.as_str().to_owned()),
        })
    }

    fn steps(&self, now: &LinkState, want: &LinkState) -> Result<Vec<Step>> {
        let Some(target) = &want.target else {
            let mut steps: Vec<Step> = Command::new("rm").args(["-f", "--", &self.path]).into();
            if let Some(there) = &want.instead {
                steps.extend(there.steps(&self.path)?);
            }
            return Ok(steps);
        };
        let mut steps: Vec<Step> = Vec::new();
        let anew = now.target != want.target;
        if anew {
            if now.instead.as_ref().is_some_and(|there| there.kind == Kind::Directory) {
                steps.push(Command::new("rmdir").args(["--", &self.path]).into());
            }
            let how = if self.hard { "-f" } else { "-sfn" };
            steps.push(Command::new("ln").args([how, "--", target, &self.path]).into());
        }
        let owner = want.owner.as_deref().filter(|_| anew || now.owner != want.owner);
        let group = want.group.as_deref().filter(|_| anew || now.group != want.group);
        if owner.is_some() || group.is_some() {
            steps.push(stat::chown(&self.path, owner, group).into());
        }
        Ok(steps)
    }
    fn keeps(&self, now: &LinkState, _want: &LinkState) -> Vec<Keepsake> {
        now.instead.iter().flat_map(|there| there.keeps(&self.path)).collect()
    }
}
