//! `user::absent`.

use super::state::{Found, How, UserState};
use super::explain;
use crate::bail;
use crate::contract::{Command, Error, Look, Operation, Result, Step};
use crate::shared::AccountName;
use crate::shared::account::{getent, groups, users};
use futures_util::try_join;
use schemars::JsonSchema;
use serde::Deserialize;

/// Make sure a user does not exist.
///
/// His files stay, unless `remove` takes his home directory and mail away; his own group goes with him. Undo
/// brings him back with his numbers and groups, but without his password.
///
/// ```rhai
/// user::absent("guest", #{ remove: true });
/// ```
/// ```transcript
/// ? getent passwd guest
/// = guest:x:1005:1005:A guest:/home/guest:/bin/bash
/// ? getent group
/// = users:x:100:guest
/// = guest:x:1005:
/// ? sh -c 'test -e "$(getent passwd "$1" | cut -d: -f6)"' sh guest
/// ! userdel -r guest
/// ? getent passwd guest
/// * 2
/// ? getent group
/// = users:x:100:
/// ? sh -c 'test -e "$(getent passwd "$1" | cut -d: -f6)"' sh guest
/// * 1
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// The user.
    pub name: AccountName,
    /// Take the home directory and mail away, too.
    #[serde(default)]
    pub remove: bool,
    /// Take the user away even if he is logged in, and his files even if they are not his.
    #[serde(default)]
    pub force: bool,
}

const HOME: &str = r#"test -e "$(getent passwd "$1" | cut -d: -f6)""#;

impl Operation for Absent {
    type State = UserState;

    async fn read(&self, host: &dyn Look) -> Result<UserState> {
        let (passwd, group) = (getent("passwd", Some(&self.name)), getent("group", None));
        let home = Command::sh(HOME).arg(&*self.name);
        let home = async { if self.remove { host.succeeds(&home).await.map(Some) } else { Ok(None) } };
        let (passwd, group, home_exists) = try_join!(host.run(&passwd), host.run(&group), home)?;
        let groups = groups(&group)?;
        let namesake = groups.iter().any(|group| group.name == *self.name);
        let Some(user) = users(&passwd)?.into_iter().next() else {
            return Ok(UserState { found: Found { primary: None, namesake }, ..UserState::default() });
        };
        let primary = groups.iter().find(|group| group.gid == user.gid).map(|group| group.name.clone());
        let member = |members: &[String]| members.iter().any(|member| *member == user.name);
        let others = groups.iter().filter(|group| group.gid != user.gid && member(&group.members));
        Ok(UserState {
            exists: true,
            uid: Some(user.uid),
            gid: Some(user.gid),
            group: primary.clone().or(Some(user.gid.to_string())),
            groups: Some(others.map(|group| (group.name.clone(), true)).collect()),
            comment: Some(user.comment),
            home: Some(user.home),
            home_exists,
            shell: Some(user.shell),
            found: Found { primary, namesake },
            ..UserState::default()
        })
    }

    fn want(&self, _now: &UserState) -> Result<UserState> {
        Ok(UserState::default())
    }

    fn steps(&self, now: &UserState, want: &UserState) -> Result<Vec<Step>> {
        if want.home_exists == Some(true) && now.home_exists != Some(true) {
            bail!("the home directory of {} went with him, so it cannot be brought back", self.name;
                hint: "user::present(\"{}\", ...) makes him anew, with an empty one", self.name);
        }
        let flags = [("-r", self.remove), ("-f", self.force)];
        let flags: Vec<&str> = flags.iter().filter(|(_, given)| *given).map(|(flag, _)| *flag).collect();
        now.steps(want, &How { name: &self.name, remove: &flags, ..How::default() })
    }

    fn explain(&self, error: Error) -> Error {
        explain(error)
    }
}
