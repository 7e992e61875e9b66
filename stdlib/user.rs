//! Users: their numbers, groups, homes, shells and passwords.
//!
//! A password is given as its hash (`mkpasswd -m yescrypt`, `openssl passwd -6`) and never in the clear. It goes to
//! the host on standard input, so that no list of processes shows it, and it is kept out of reports; while
//! `password` is given, so is everything else about the call.
//!
//! Needs the shadow tools (`useradd` and its kin), which Debian and Fedora have; Alpine has them in the package
//! `shadow`. Keys that may log in are `authorized_key`'s.

mod absent;
mod expiry;
mod facts;
mod hash;
mod kept;
mod key;
mod state;

pub use absent::Absent;
pub use expiry::Expiry;
pub use facts::{User, Users};
pub use key::KeyKind;
pub use state::UserState;

use crate::bail;
use crate::contract::{Command, Error, Keepsake, Look, Module, Operation, Result, Step};
use crate::shared::account::{getent, missing, tool, users};
use crate::shared::{AccountName, HostPath, Id, Many};
use futures_util::try_join;
use kept::{Account, Gone};
use key::Key;
use schemars::JsonSchema;
use serde::Deserialize;
use state::{Decides, How};
use std::collections::BTreeMap;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.operation::<Present>().operation::<Absent>().fact::<User>().fact::<Users>();
}

/// Make sure a user exists, with these groups, this home, this shell...
///
/// What is not given stays as it is, or is the system's default for a new user. A group of the same name that
/// exists already becomes the primary one only if `group` says so. Undo takes a new user away again, and his home
/// directory with him if it contains no more than it was made with; otherwise it stays, which the plan says.
///
/// ```rhai
/// user::present("media", #{ groups: ["docker"], append: true, shell: "/bin/bash" });
/// ```
/// ```transcript
/// ? getent passwd media
/// = media:x:1000:1000::/home/media:/bin/sh
/// ? getent group
/// = media:x:1000:
/// = users:x:100:media
/// = docker:x:990:
/// ? sh -c '(getent passwd; HOME in /etc/default/useradd; test -e)' sh media '' ''
/// = at /home/media
/// = home
/// ! usermod -a -G docker -s /bin/bash media
/// ? getent passwd media
/// = media:x:1000:1000::/home/media:/bin/bash
/// ? getent group
/// = media:x:1000:
/// = users:x:100:media
/// = docker:x:990:media
/// ? sh -c '(getent passwd; HOME in /etc/default/useradd; test -e)' sh media '' ''
/// = at /home/media
/// = home
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Present {
    /// The user.
    pub name: AccountName,
    /// His number; files outside his home keep the old one.
    pub uid: Option<u32>,
    /// Take `uid` even if another user has it already.
    #[serde(default)]
    pub non_unique: bool,
    /// Whether a new user is the system's own: a low number, no expiry.
    #[serde(default)]
    pub system: bool,
    /// The primary group, by name or number.
    pub group: Option<Id>,
    /// The supplementary groups: a list, or names with commas between. They replace those he has, unless `append`.
    pub groups: Option<Many<String>>,
    /// Add him to `groups`, and leave him in the others that he is in.
    #[serde(default)]
    pub append: bool,
    /// The full name or purpose.
    pub comment: Option<String>,
    /// The home directory.
    pub home: Option<HostPath>,
    /// Make the home directory, with what a new one contains, if it is missing.
    #[serde(default = "yes")]
    pub create_home: bool,
    /// Move what is in the old home directory when `home` is another.
    #[serde(default)]
    pub move_home: bool,
    /// The directory on the host with what a new home directory contains; without it, `/etc/skel`.
    pub skeleton: Option<HostPath>,
    /// The login shell.
    pub shell: Option<String>,
    /// The hash of the password; `"*"` or `"!"` is one that nobody can give.
    #[serde(default, deserialize_with = "hash::given")]
    pub password: Option<String>,
    /// When the password is set.
    #[serde(default)]
    pub update_password: UpdatePassword,
    /// Whether the password is locked; keys still open the account.
    pub password_lock: Option<bool>,
    /// The first day on which nobody can log in: `"2027-01-31"`, `"never"`, or seconds since 1970.
    pub expires: Option<Expiry>,
    /// Make a key pair for him, without a passphrase, if there is none.
    #[serde(default)]
    pub generate_ssh_key: bool,
    /// What kind of key.
    #[serde(default)]
    pub ssh_key_type: KeyKind,
    /// How many bits it has.
    pub ssh_key_bits: Option<u32>,
    /// Its comment; without it, `user@host`.
    pub ssh_key_comment: Option<String>,
    /// Its file, from the home directory; without it, `.ssh/id_rsa` or as the type has it.
    pub ssh_key_file: Option<String>,
    /// `groups`, one by one.
    #[serde(skip)]
    supplementary: Option<BTreeMap<String, bool>>,
    /// How undo goes about it.
    #[serde(skip)]
    back: Option<WayBack>,
}

/// What undo has found out before it reads.
#[derive(Debug, Default)]
struct WayBack {
    /// The home directory goes.
    home: bool,
    /// The key pair goes.
    key: bool,
    /// What stays, in words.
    leaves: Vec<String>,
}

/// When a password is set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpdatePassword {
    /// Whenever it is another.
    #[default]
    Always,
    /// For a new user only.
    OnCreate,
}

fn yes() -> bool {
    true
}

impl Present {
    fn how(&self) -> How<'_> {
        How {
            name: &self.name,
            system: self.system,
            non_unique: self.non_unique,
            home: self.create_home,
            move_home: self.move_home,
            skeleton: self.skeleton.as_deref(),
            key: Some(self.key()),
            remove: &[],
        }
    }
    fn key(&self) -> Key<'_> {
        Key {
            kind: self.ssh_key_type,
            bits: self.ssh_key_bits,
            comment: self.ssh_key_comment.as_deref().unwrap_or_default(),
            file: self.ssh_key_file.clone().unwrap_or_else(|| self.ssh_key_type.file()),
        }
    }
    fn decides(&self) -> Decides<'_> {
        Decides {
            uid: self.uid.is_some(),
            group: self.group.as_ref(),
            groups: self.groups.is_some(),
            comment: self.comment.is_some(),
            home: self.home.as_ref(),
            home_exists: self.create_home,
            shell: self.shell.is_some(),
            password: self.password.is_some(),
            locked: self.password.is_some() || self.password_lock.is_some(),
            expires: self.expires.is_some(),
            key: self.generate_ssh_key.then(|| self.key().file),
        }
    }
    /// The supplementary groups as they should be.
    fn groups(&self, now: &UserState) -> Option<BTreeMap<String, bool>> {
        let mut want = self.supplementary.clone()?;
        if self.append {
            want.extend(now.groups.clone().unwrap_or_default());
        }
        // The primary group is no supplementary one.
        let primary = self.group.as_ref().map(Id::as_str).or(now.found.primary.as_deref());
        want.retain(|group, _| Some(group.as_str()) != primary);
        Some(want)
    }
}

impl Operation for Present {
    type State = UserState;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        if self.non_unique && self.uid.is_none() {
            bail!(playbook: "`non_unique` is about `uid`, and there is none");
        }
        if self.append && self.groups.is_none() {
            bail!(playbook: "`append` is about `groups`, and there are none");
        }
        if self.move_home && self.home.is_none() {
            bail!(playbook: "`move_home` is about `home`, and there is none");
        }
        for (parameter, text) in [("comment", &self.comment), ("shell", &self.shell)] {
            if text.as_ref().is_some_and(|text| text.contains([':', '\n'])) {
                bail!(playbook: "`{parameter}` cannot contain a colon or a line break");
            }
        }
        if self.ssh_key_file.as_ref().is_some_and(|file| file.is_empty() || file.starts_with(['/', '~'])) {
            bail!(playbook: "`ssh_key_file` is a path from the home directory, such as \".ssh/id_rsa\"");
        }
        if let Some(given) = &self.groups {
            let names = given.as_slice().iter().flat_map(|names| names.split(',')).map(str::trim);
            let names = names.filter(|name| !name.is_empty()).map(|name| (name.to_owned(), true));
            self.supplementary = Some(names.collect());
        }
        Ok(())
    }

    async fn read(&self, host: &dyn Look) -> Result<UserState> {
        let mut now = UserState::read(host, &self.name, &self.decides()).await?;
        if let Some(back) = self.back.as_ref().filter(|_| now.exists) {
            let user = users(&host.run(&getent("passwd", Some(&self.name))).await?)?.into_iter().next();
            if let Some(user) = user {
                now.account = Some(Account::read(host, &self.name, user.uid).await?);
            }
            let (home, key) = (now.found.home.clone(), format!("{}/{}", now.found.home, self.key().file));
            let pair = [key.clone(), format!("{key}.pub")];
            let goes: &[String] = if back.home {
                &[home]
            } else if back.key {
                &pair
            } else {
                &[]
            };
            for path in goes {
                now.gone.extend(Gone::read(host, path).await?.filter(Gone::kept));
            }
        }
        Ok(now)
    }

    async fn recall(&mut self, host: &dyn Look, before: UserState, after: &UserState) -> Result<UserState> {
        self.prepare(host).await?;
        let (mut before, mut back) = (before, WayBack::default());
        let now = UserState::read(host, &self.name, &self.decides()).await?;
        let moved = before.exists && self.move_home && before.home != after.home;
        if !moved && before.home_exists == Some(false) && now.home_exists == Some(true) {
            let skeleton = self.skeleton.as_deref().unwrap_or("/etc/skel");
            let key = if after.ssh_key == Some(true) { self.key().file } else { String::new() };
            let more = kept::more(host, &now.found.home, skeleton, &key).await?;
            back.home = more.is_empty();
            if !back.home {
                before.home_exists = Some(true);
                let (home, more) = (&now.found.home, more.join(", "));
                back.leaves.push(format!("{home} stays while it contains more than it was made with: {more}"));
            }
        }
        back.key = before.exists && before.ssh_key == Some(false) && after.ssh_key == Some(true);
        self.back = Some(back);
        Ok(before)
    }

    async fn returnable(&self, host: &dyn Look, now: &UserState, want: &UserState) -> Result<()> {
        match want.account.as_ref().filter(|_| !now.exists && !self.non_unique) {
            Some(account) => account.free(host, &self.name).await,
            None => Ok(()),
        }
    }

    fn keeps(&self, now: &UserState, want: &UserState) -> Vec<Keepsake> {
        kept::keeps(now, want, &self.name)
    }

    fn leaves(&self) -> Vec<String> {
        self.back.as_ref().map(|back| back.leaves.clone()).unwrap_or_default()
    }

    fn want(&self, now: &UserState) -> Result<UserState> {
        let mut want = UserState {
            exists: true,
            uid: self.uid,
            group: self.group.as_ref().map(|group| group.as_str().to_owned()),
            groups: self.groups(now),
            comment: self.comment.clone(),
            home: self.home.as_ref().map(|home| home.to_string()),
            home_exists: self.create_home.then_some(true),
            shell: self.shell.clone(),
            expires: self.expires.as_ref().map(Expiry::to_string),
            ssh_key: self.generate_ssh_key.then_some(true),
            ..UserState::default()
        };
        let keep = now.exists && self.update_password == UpdatePassword::OnCreate;
        let given = self.password.as_deref().filter(|_| !keep);
        want.password = given.map(|given| hash::unlocked(given).to_owned()).or(now.password.clone());
        want.locked = match (self.password_lock, given) {
            (Some(locked), _) => Some(locked),
            (None, Some(given)) if want.password != now.password => Some(hash::locked(given)),
            _ => now.locked,
        };
        if want.locked == Some(false) && want.password.as_deref().unwrap_or_default().is_empty() && !now.exists {
            bail!(playbook: "a new user without a password cannot be unlocked: anybody could log in";
                hint: "give `password`, or leave `password_lock` out");
        }
        Ok(want)
    }

    fn steps(&self, now: &UserState, want: &UserState) -> Result<Vec<Step>> {
        now.steps(want, &self.how())
    }

    async fn premise(&self, host: &dyn Look, now: &UserState) -> Result<()> {
        let program = if now.exists { "usermod" } else { "useradd" };
        let groups = self.supplementary.iter().flat_map(|groups| groups.keys()).map(String::as_str);
        let groups: Vec<&str> = groups.chain(self.group.as_ref().map(Id::as_str)).collect();
        let listed = async {
            if groups.is_empty() {
                Ok(None)
            } else {
                host.run(&getent("group", None).args(groups.clone())).await.map(Some)
            }
        };
        let taken = async {
            match self.uid.filter(|_| !self.non_unique && now.uid != self.uid) {
                Some(uid) => host.run(&getent("passwd", Some(&uid.to_string()))).await.map(Some),
                None => Ok(None),
            }
        };
        let tool = tool(program);
        let (there, listed, taken) = try_join!(host.succeeds(&tool), listed, taken)?;
        if !there {
            return Err(missing(Error::host(format!("{program} is not installed"))));
        }
        if let Some(other) = taken.map(|taken| users(&taken)).transpose()?.unwrap_or_default().first() {
            bail!("the uid {} is {}'s already", other.uid, other.name; hint: "non_unique: true shares it");
        }
        let text = listed.map(|listed| listed.text()).unwrap_or_default();
        let known = |group: &str| text.lines().any(|line| line.split(':').take(3).any(|field| field == group));
        match groups.into_iter().find(|group| !known(group)) {
            Some(group) => bail!("there is no group {group}"; hint: "group::present(\"{group}\") makes it"),
            None => Ok(()),
        }
    }

    fn explain(&self, error: Error) -> Error {
        explain(error)
    }

    fn sensitive(&self) -> bool {
        self.password.is_some()
    }
}

/// The error of a step, with what usually helps.
fn explain(error: Error) -> Error {
    if error.message.contains("is currently used by process") {
        return error.hint("stop what runs as this user first: loginctl terminate-user NAME, or pkill -u NAME");
    }
    if let Some((_, rest)) = error.message.split_once("group '")
        && let Some((group, _)) = rest.split_once("' does not exist")
    {
        let hint = format!("group::present(\"{group}\") makes it");
        return error.hint(hint);
    }
    missing(error)
}

/// The one line of the user's in the file of passwords; only root may read it.
fn shadow(name: &str) -> Command {
    let pattern = format!("^{}:", name.replace('.', "[.]").replace('$', "[$]"));
    Command::new("grep").args([&pattern, "/etc/shadow"])
}

#[cfg(test)]
mod tests;
