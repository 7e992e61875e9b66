//! `user::absent`.

use super::explain;
use super::kept::{self, Account, Gone};
use super::state::{Found, How, UserState};
use crate::bail;
use crate::contract::{Error, Keepsake, Look, Operation, Result, Step};
use crate::shared::AccountName;
use crate::shared::account::{getent, groups, users};
use futures_util::try_join;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Make sure a user does not exist.
///
/// His files stay, unless `remove` takes his home directory and mail away; his own group goes with him. Undo brings him
/// back as he was, with his password; his home directory only if it was at most 16 MiB, which is what is kept.
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
/// ? sh -c '(awk: all about the user in /etc/passwd, shadow, group, subuid, subgid)' sh guest sha256sum
/// = 2f7c5ab0b1c9a9e0d3a9a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f00f1e2d3c  -
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /home/guest
/// = 700:guest:guest:1005:1005:4096:1749081600:directory
/// ? sh -c 'k=$(du -skx -- "$1" | cut -f1) && [ "$k" -le "$2" ] && tar --sort=name --version >/dev/null 2>&1 || exit 3; cd -- "${1%/*}/" && { tar -c --sort=name --format=gnu --numeric-owner -f - -- "${1##*/}" || echo incomplete >&2; } | "$3"' sh /home/guest 16384 sha256sum
/// = 7e9f7b3bb0d2f5b0a3a1c1f7c0f0a9b9e8d7c6b5a4938271605f4e3d2c1b0a99  -
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /var/mail/guest
/// - stat: cannot statx '/var/mail/guest': No such file or directory
/// * 1
/// ! userdel -r guest
/// ? getent passwd guest
/// * 2
/// ? getent group
/// = users:x:100:
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
    /// What lies where something of his would come back to.
    #[serde(skip)]
    taken: Option<String>,
}

impl Operation for Absent {
    type State = UserState;

    async fn read(&self, host: &dyn Look) -> Result<UserState> {
        let (passwd, group) = (getent("passwd", Some(&self.name)), getent("group", None));
        let (passwd, group) = try_join!(host.run(&passwd), host.run(&group))?;
        let groups = groups(&group)?;
        let namesake = groups.iter().any(|group| group.name == *self.name);
        let Some(user) = users(&passwd)?.into_iter().next() else {
            return Ok(UserState { namesake, ..UserState::default() });
        };
        let primary = groups.iter().find(|group| group.gid == user.gid).map(|group| group.name.clone());
        let member = |members: &[String]| members.contains(&user.name);
        let others = groups.iter().filter(|group| group.gid != user.gid && member(&group.members));
        let account = Account::read(host, &self.name, user.uid).await?;
        let mut gone = Vec::new();
        if self.remove {
            for path in [user.home.as_str(), &format!("/var/mail/{}", self.name)] {
                gone.extend(Gone::read(host, path).await?);
            }
        }
        let home_exists = self.remove.then(|| gone.iter().any(|gone| gone.path.as_str() == user.home));
        Ok(UserState {
            exists: true,
            uid: Some(user.uid),
            gid: Some(user.gid),
            group: primary.clone().or(Some(user.gid.to_string())),
            groups: Some(others.map(|group| (group.name.clone(), true)).collect())
                .filter(|g: &BTreeMap<_, _>| !g.is_empty()),
            comment: Some(user.comment).filter(|comment| !comment.is_empty()),
            home: Some(user.home),
            home_exists,
            shell: Some(user.shell),
            account: Some(account),
            gone,
            namesake,
            found: Found { primary, home: String::new() },
            ..UserState::default()
        })
    }

    fn want(&self, _now: &UserState) -> Result<UserState> {
        Ok(UserState::default())
    }

    fn steps(&self, now: &UserState, want: &UserState) -> Result<Vec<Step>> {
        let flags = [("-r", self.remove), ("-f", self.force)];
        let flags: Vec<&str> = flags.iter().filter(|(_, given)| *given).map(|(flag, _)| *flag).collect();
        now.steps(want, &How { name: &self.name, remove: &flags, ..How::default() })
    }

    async fn recall(&mut self, host: &dyn Look, before: UserState, _after: &UserState) -> Result<UserState> {
        let mut before = before;
        let mut left = Vec::new();
        for gone in std::mem::take(&mut before.gone) {
            match Gone::read(host, &gone.path).await? {
                None => left.push(gone),
                // userdel has left it, for it was not his.
                Some(there) if there == gone => {}
                Some(_) => self.taken = Some(gone.path.to_string()),
            }
        }
        before.gone = left;
        Ok(before)
    }

    async fn returnable(&self, host: &dyn Look, now: &UserState, want: &UserState) -> Result<()> {
        if let Some(path) = self.taken.as_ref().filter(|_| !now.exists) {
            bail!("there is another {path} by now, and the one that went with {} cannot come back", self.name;
                hint: "move it away, and undo again");
        }
        match want.account.as_ref().filter(|_| !now.exists) {
            Some(account) => account.free(host, &self.name).await,
            None => Ok(()),
        }
    }

    fn keeps(&self, now: &UserState, want: &UserState) -> Vec<Keepsake> {
        kept::keeps(now, want, &self.name)
    }

    fn explain(&self, error: Error) -> Error {
        explain(error)
    }
}
