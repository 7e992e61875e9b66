//! Groups of users: that they are there, under which number, and who is in them.
//!
//! Who belongs to a group is said where the user is: `user::present(name, #{ groups: [...], append: true })`.
//! Needs the shadow tools (`groupadd` and its kin), which Debian and Fedora have; Alpine has them in the
//! package `shadow`.

use crate::bail;
use crate::contract::{Command, Error, Fact, Look, Module, Operation, Result, Step};
use crate::shared::account::{Group, getent, groups, missing, tool, users};
use crate::shared::{AccountName, Id};
use futures_util::try_join;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.operation::<Present>().operation::<Absent>().fact::<Gid>().fact::<Members>();
}

/// A group, as far as an operation decides about it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct GroupState {
    exists: bool,
    /// Its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gid: Option<u32>,
    /// Its members, so that undo can bring them back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    members: BTreeMap<String, bool>,
    /// What it was where nobody decides about that, for undo.
    #[serde(rename = "$$was", default, skip_serializing_if = "Option::is_none")]
    was: Option<Was>,
}

/// A group as it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Was {
    gid: u32,
    members: Vec<String>,
    /// Those who may add members.
    admins: Vec<String>,
    /// Whether a password lets others in; nobody has that any more.
    password: bool,
}

impl Was {
    async fn read(host: &dyn Look, group: &Group) -> Result<Was> {
        // Only root is told, and not every system has it.
        let shadow = host.run(&getent("gshadow", Some(&group.name))).await?.text();
        let field = |at: usize| shadow.trim_end().split(':').nth(at).unwrap_or_default();
        let admins = field(2).split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let password = field(1).contains('$');
        Ok(Was { gid: group.gid, members: group.members.clone(), admins, password })
    }
}

impl GroupState {
    fn steps(&self, want: &GroupState, name: &str, flags: &[&str]) -> Result<Vec<Step>> {
        let was = want.was.as_ref().filter(|_| !self.exists);
        let gid = want.gid.or(was.map(|was| was.gid)).map(|gid| gid.to_string());
        let numbered = |command: Command| match &gid {
            Some(gid) => command.args(["-g", gid]),
            None => command,
        };
        Ok(match (self.exists, want.exists) {
            (false, true) if was.is_some_and(|was| was.password) => {
                bail!("the group {name} had a password, which was not kept")
            }
            (false, true) => {
                let mut steps: Vec<Step> =
                    numbered(Command::new("groupadd").args(flags.iter().copied())).arg(name).into();
                let mut put = |flag: &str, names: &[String]| {
                    if !names.is_empty() {
                        steps.push(Command::new("gpasswd").args([flag, &names.join(","), name]).into());
                    }
                };
                if let Some(was) = was {
                    put("-A", &was.admins);
                    put("-M", &was.members);
                }
                steps
            }
            (true, false) => Command::new("groupdel").args(flags.iter().copied()).arg(name).into(),
            (true, true) if self.gid != want.gid => {
                let flags = flags.iter().filter(|flag| **flag == "-o");
                numbered(Command::new("groupmod").args(flags.copied())).arg(name).into()
            }
            _ => Vec::new(),
        })
    }
}

/// A number must not be another's by now.
async fn free(host: &dyn Look, name: &str, now: &GroupState, want: &GroupState) -> Result<()> {
    let Some(was) = want.was.as_ref().filter(|_| !now.exists && want.exists) else { return Ok(()) };
    let taken = groups(&host.run(&getent("group", Some(&was.gid.to_string()))).await?)?;
    match taken.iter().find(|other| other.name != name) {
        Some(other) => bail!("the gid {} that {name} had is {}'s by now", was.gid, other.name),
        None => Ok(()),
    }
}

/// The error of a step, with what usually helps.
fn explain(error: Error) -> Error {
    if error.message.contains("cannot remove the primary group") {
        return error.hint("take the user away first (user::absent), or give him another primary group");
    }
    if error.message.contains("already exists") && error.message.contains("GID") {
        return error.hint("group::members and `getent group` say whose number it is; non_unique: true shares it");
    }
    missing(error)
}

/// Make sure a group exists.
///
/// A group that exists keeps its number unless `gid` names another one. Files keep the number they have.
///
/// ```rhai
/// group::present("media", #{ gid: 1500 });
/// ```
/// ```transcript
/// ? getent group media
/// * 2
/// ! groupadd -g 1500 media
/// ? getent group media
/// = media:x:1500:
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Present {
    /// The group.
    pub name: AccountName,
    /// Its number; without it, a new group gets the next free one.
    pub gid: Option<u32>,
    /// Whether a new group is the system's own, with a number below those of people.
    #[serde(default)]
    pub system: bool,
    /// Take `gid` even if another group has it already.
    #[serde(default)]
    pub non_unique: bool,
    /// Whether undo asks.
    #[serde(skip)]
    back: bool,
}

impl Operation for Present {
    type State = GroupState;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        match self.gid {
            None if self.non_unique => Err(Error::playbook("`non_unique` is about `gid`, and there is none")),
            _ => Ok(()),
        }
    }
    async fn read(&self, host: &dyn Look) -> Result<GroupState> {
        let found = groups(&host.run(&getent("group", Some(&self.name))).await?)?.into_iter().next();
        let Some(group) = found else { return Ok(GroupState::default()) };
        let was = if self.back { Some(Was::read(host, &group).await?) } else { None };
        let gid = Some(group.gid).filter(|_| self.gid.is_some());
        Ok(GroupState { exists: true, gid, was, ..GroupState::default() })
    }
    async fn recall(&mut self, _host: &dyn Look, before: GroupState, _after: &GroupState) -> Result<GroupState> {
        self.back = true;
        Ok(before)
    }
    async fn returnable(&self, host: &dyn Look, now: &GroupState, want: &GroupState) -> Result<()> {
        if self.non_unique { Ok(()) } else { free(host, &self.name, now, want).await }
    }
    fn want(&self, _now: &GroupState) -> Result<GroupState> {
        Ok(GroupState { exists: true, gid: self.gid, ..GroupState::default() })
    }
    fn steps(&self, now: &GroupState, want: &GroupState) -> Result<Vec<Step>> {
        let flags = [("-r", self.system), ("-o", self.non_unique)];
        let flags: Vec<&str> = flags.iter().filter(|(_, given)| want.exists && *given).map(|(flag, _)| *flag).collect();
        now.steps(want, &self.name, &flags)
    }
    async fn premise(&self, host: &dyn Look, now: &GroupState) -> Result<()> {
        let program = if now.exists { "groupmod" } else { "groupadd" };
        let taken = async {
            match self.gid.filter(|_| !self.non_unique) {
                Some(gid) => host.run(&getent("group", Some(&gid.to_string()))).await.map(Some),
                None => Ok(None),
            }
        };
        let tool = tool(program);
        let (there, taken) = try_join!(host.succeeds(&tool), taken)?;
        if !there {
            return Err(explain(Error::host(format!("{program} is not installed"))));
        }
        match taken.map(|taken| groups(&taken)).transpose()?.unwrap_or_default().first() {
            Some(other) => {
                bail!("the gid {} is {}'s already", other.gid, other.name; hint: "non_unique: true shares it")
            }
            None => Ok(()),
        }
    }
    fn explain(&self, error: Error) -> Error {
        explain(error)
    }
}

/// Make sure a group does not exist.
///
/// Users and files are left alone. Undo brings it back with its number and members.
///
/// ```rhai
/// group::absent("old");
/// ```
/// ```transcript
/// ? getent group old
/// = old:x:1501:media
/// ? getent gshadow old
/// = old:!::media
/// ! groupdel old
/// ? getent group old
/// * 2
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// The group.
    pub name: AccountName,
    /// Take it away even if it is a user's primary group.
    #[serde(default)]
    pub force: bool,
}

impl Operation for Absent {
    type State = GroupState;

    async fn read(&self, host: &dyn Look) -> Result<GroupState> {
        let found = groups(&host.run(&getent("group", Some(&self.name))).await?)?.into_iter().next();
        let Some(group) = found else { return Ok(GroupState::default()) };
        let was = Some(Was::read(host, &group).await?);
        let members = group.members.into_iter().map(|member| (member, true)).collect();
        Ok(GroupState { exists: true, gid: Some(group.gid), members, was })
    }
    fn want(&self, _now: &GroupState) -> Result<GroupState> {
        Ok(GroupState::default())
    }
    fn steps(&self, now: &GroupState, want: &GroupState) -> Result<Vec<Step>> {
        let flags: &[&str] = if self.force && !want.exists { &["-f"] } else { &[] };
        now.steps(want, &self.name, flags)
    }
    async fn returnable(&self, host: &dyn Look, now: &GroupState, want: &GroupState) -> Result<()> {
        free(host, &self.name, now, want).await
    }
    fn explain(&self, error: Error) -> Error {
        explain(error)
    }
}

/// Ask for the number of a group; `()` if there is no such group.
///
/// ```rhai
/// group::gid("docker");
/// ```
/// ```transcript
/// ? getent group docker
/// = docker:x:990:media
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gid {
    /// The group.
    pub name: Id,
}

impl Fact for Gid {
    type Answer = Option<u32>;

    async fn ask(&self, host: &dyn Look) -> Result<Option<u32>> {
        let found = groups(&host.run(&getent("group", Some(self.name.as_str()))).await?)?;
        Ok(found.first().map(|group| group.gid))
    }
}

/// Ask who is in a group: those it is the primary group of, too. `()` if there is no such group.
///
/// ```rhai
/// group::members("docker");
/// ```
/// ```transcript
/// ? getent group docker
/// = docker:x:990:media
/// ? getent passwd
/// = root:x:0:0:root:/root:/bin/bash
/// = media:x:1000:1000::/home/media:/bin/bash
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Members {
    /// The group.
    pub name: Id,
}

impl Fact for Members {
    type Answer = Option<BTreeSet<String>>;

    async fn ask(&self, host: &dyn Look) -> Result<Option<BTreeSet<String>>> {
        let (group, passwd) = (getent("group", Some(self.name.as_str())), getent("passwd", None));
        let (group, passwd) = try_join!(host.run(&group), host.run(&passwd))?;
        let Some(group) = groups(&group)?.into_iter().next() else { return Ok(None) };
        let primary = users(&passwd)?.into_iter().filter(|user| user.gid == group.gid).map(|user| user.name);
        Ok(Some(primary.chain(group.members).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn every_state_can_be_reached() {
        let state = |value: Value| serde_json::from_value::<GroupState>(value).unwrap();
        let lines = |now, want, flags: &[&str]| -> Vec<String> {
            state(now).steps(&state(want), "media", flags).unwrap().iter().map(Step::line).collect()
        };
        let none = || json!({ "exists": false });
        let full = || json!({ "exists": true, "gid": 1500, "$$was": { "gid": 1500, "members": ["b", "a"], "admins": ["c"], "password": false } });
        assert_eq!(
            lines(none(), full(), &["-r"]),
            ["groupadd -r -g 1500 media", "gpasswd -A c media", "gpasswd -M b,a media"]
        );
        assert_eq!(lines(full(), none(), &["-f"]), ["groupdel -f media"]);
        assert_eq!(
            lines(json!({ "exists": true, "gid": 7 }), json!({ "exists": true, "gid": 8 }), &["-r", "-o"]),
            ["groupmod -o -g 8 media"]
        );
        assert!(lines(none(), none(), &[]).is_empty());
    }
}
