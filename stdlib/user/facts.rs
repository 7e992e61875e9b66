//! Questions about users.

use crate::contract::{Fact, Look, Result};
use crate::shared::Id;
use crate::shared::account::{Account, Group, getent, groups, users};
use futures_util::try_join;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A user, as a playbook gets him.
#[derive(Debug, Serialize)]
pub struct Known {
    name: String,
    uid: u32,
    gid: u32,
    group: String,
    groups: Vec<String>,
    comment: String,
    home: String,
    shell: String,
}

impl Known {
    fn new(user: Account, groups: &[Group]) -> Known {
        let primary = groups.iter().find(|group| group.gid == user.gid);
        let member = |group: &&Group| group.gid != user.gid && group.members.contains(&user.name);
        Known {
            group: primary.map_or_else(|| user.gid.to_string(), |group| group.name.clone()),
            groups: groups.iter().filter(member).map(|group| group.name.clone()).collect(),
            name: user.name,
            uid: user.uid,
            gid: user.gid,
            comment: user.comment,
            home: user.home,
            shell: user.shell,
        }
    }
}

/// Ask for a user; `()` if there is none of that name or number.
///
/// The answer has `name`, `uid`, `gid`, `group`, `groups`, `comment`, `home` and `shell`.
///
/// ```rhai
/// let home = user::user("media").home;
/// ```
/// ```transcript
/// ? getent passwd media
/// = media:x:1000:1000::/home/media:/bin/bash
/// ? getent group
/// = media:x:1000:
/// = docker:x:990:media
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The user, by name or number.
    pub name: Id,
}

impl Fact for User {
    type Answer = Option<Known>;

    async fn ask(&self, host: &dyn Look) -> Result<Option<Known>> {
        let (passwd, group) = (getent("passwd", Some(self.name.as_str())), getent("group", None));
        let (passwd, group) = try_join!(host.run(&passwd), host.run(&group))?;
        let groups = groups(&group)?;
        Ok(users(&passwd)?.into_iter().next().map(|user| Known::new(user, &groups)))
    }
}

/// Ask for all users, those of the system too.
///
/// Each has `name`, `uid`, `gid`, `group`, `groups`, `comment`, `home` and `shell`; people have a `uid` of 1000
/// and more.
///
/// ```rhai
/// let people = user::users().filter(|u| u.uid >= 1000 && u.name != "nobody");
/// ```
/// ```transcript
/// ? getent passwd
/// = root:x:0:0:root:/root:/bin/bash
/// = media:x:1000:1000::/home/media:/bin/bash
/// ? getent group
/// = root:x:0:
/// = media:x:1000:
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Users {}

impl Fact for Users {
    type Answer = Vec<Known>;

    async fn ask(&self, host: &dyn Look) -> Result<Vec<Known>> {
        let (passwd, group) = (getent("passwd", None), getent("group", None));
        let (passwd, group) = try_join!(host.run(&passwd), host.run(&group))?;
        let groups = groups(&group)?;
        Ok(users(&passwd)?.into_iter().map(|user| Known::new(user, &groups)).collect())
    }
}
