//! A user as he is or should be, and the steps between.

use super::expiry::Expiry;
use super::kept::{self, Account, Gone};
use super::key::Key;
use super::{hash, shadow};
use crate::bail;
use crate::contract::{Command, Look, Result, Step};
use crate::shared::account::{getent, groups, users};
use crate::shared::{HostPath, Id};
use futures_util::try_join;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A user, as far as an operation decides about him.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserState {
    pub(super) exists: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) uid: Option<u32>,
    /// The primary group: a name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<String>,
    /// Its number, of a user who is taken away together with his own group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) gid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) groups: Option<BTreeMap<String, bool>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) home: Option<String>,
    /// Whether the home directory is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) home_exists: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shell: Option<String>,
    /// The hash, without a lock before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) password: Option<String>,
    /// Whether there is a lock before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) locked: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<String>,
    /// Whether the key pair is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ssh_key: Option<bool>,
    /// Whether the directory of the key pair is there.
    #[serde(rename = "$$key_dir", default, skip_serializing_if = "Option::is_none")]
    pub(super) key_dir: Option<bool>,
    /// The lock before the hash as it is, and the day on which the password was set.
    #[serde(rename = "$$lock", default, skip_serializing_if = "Option::is_none")]
    pub(super) lock: Option<(String, String)>,
    /// Whether a group has his name.
    #[serde(rename = "$$namesake", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) namesake: bool,
    /// All about him, where undo could need it.
    #[serde(rename = "$$account", default, skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<Account>,
    /// What of his goes: his home directory, his mail, his key pair.
    #[serde(rename = "$$gone", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) gone: Vec<Gone>,
    /// What the steps depend on, and nobody decides about.
    #[serde(skip)]
    pub(super) found: Found,
}

/// What else a read has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The name of the primary group.
    pub primary: Option<String>,
    /// The home directory: as it should be, or as it is.
    pub home: String,
}

/// What of a user an operation decides about.
#[derive(Debug, Clone, Default)]
pub struct Decides<'a> {
    pub uid: bool,
    pub group: Option<&'a Id>,
    pub groups: bool,
    pub comment: bool,
    /// Where the home directory should be, or its place as it is.
    pub home: Option<&'a HostPath>,
    pub home_exists: bool,
    pub shell: bool,
    pub password: bool,
    pub locked: bool,
    pub expires: bool,
    /// The file of the key pair, from the home directory.
    pub key: Option<String>,
}

/// How a user is made and changed.
#[derive(Debug, Clone, Default)]
pub struct How<'a> {
    pub name: &'a str,
    pub system: bool,
    pub non_unique: bool,
    /// Make a home directory for a new user.
    pub home: bool,
    pub move_home: bool,
    pub skeleton: Option<&'a str>,
    pub key: Option<Key<'a>>,
    /// Flags for `userdel`.
    pub remove: &'a [&'a str],
}

/// `NAME HOME KEY`: where the home is or would be, and whether it, the key in it and the key's directory are there.
const HOMES: &str = r#"h=$(getent passwd "$1" | cut -d: -f6); [ -n "$h" ] || { h=$(sed -n "s/^HOME=//p" /etc/default/useradd 2>/dev/null); h=${h:-/home}/$1; }; h=${2:-$h}; echo "at $h"; [ ! -e "$h" ] || echo home; [ -z "$3" ] || [ ! -e "$h/$3" ] || echo key; case $3 in */*) [ ! -e "$h/${3%/*}" ] || echo dir;; esac"#;

const HOMES_GIST: &str = "getent passwd; HOME in /etc/default/useradd; test -e";

/// `NAME FLAGS...`: what takes a user away takes the group of his name with him, which was there before him.
const USERDEL: &str = r#"n=$1 g=$(getent group "$1" | cut -d: -f3); shift; userdel "$@" && { getent group "$n" >/dev/null || groupadd -o -g "$g" "$n"; }"#;

/// `NAME SKELETON`: what `useradd -m` does, for a user who exists.
const MAKE_HOME: &str = r#"set -e; h=$(getent passwd "$1" | cut -d: -f6); m= u=022; while read -r k v _; do case $k in HOME_MODE) m=$v;; UMASK) u=$v;; esac; done </etc/login.defs; mkdir -p -- "${h%/*}"; if [ -d "$2" ]; then cp -R -- "$2" "$h"; else mkdir -- "$h"; fi; chown -R "$1:" -- "$h"; chmod "${m:-$(printf %o $((0777 & ~0$u)))}" -- "$h""#;

impl How<'_> {
    /// What a new home directory contains.
    fn skeleton(&self) -> &str {
        self.skeleton.unwrap_or("/etc/skel")
    }
}

impl UserState {
    /// Reads it in one round trip.
    pub async fn read(host: &dyn Look, name: &str, decides: &Decides<'_>) -> Result<UserState> {
        let home = decides.home.map(HostPath::as_str).unwrap_or_default();
        let key = decides.key.as_deref().unwrap_or_default();
        let (passwd, group) = (getent("passwd", Some(name)), getent("group", None));
        let homes = Command::gist(HOMES_GIST, HOMES).args([name, home, key]);
        let homes = async {
            if decides.home_exists || decides.key.is_some() {
                host.expect(&homes).await.map(|o| o.lines())
            } else {
                Ok(Vec::new())
            }
        };
        let secret = decides.password || decides.locked || decides.expires;
        let shadow = shadow(name);
        let shadow = async { if secret { host.run(&shadow).await.map(Some) } else { Ok(None) } };
        let (passwd, group, homes, shadow) = try_join!(host.run(&passwd), host.run(&group), homes, shadow)?;

        let (user, groups) = (users(&passwd)?.into_iter().next(), groups(&group)?);
        let namesake = groups.iter().any(|group| group.name == name);
        let there = |mark: &str| homes.iter().any(|line| line == mark);
        let place = homes.iter().find_map(|line| line.strip_prefix("at ")).unwrap_or_default().to_owned();
        let Some(user) = user else {
            let home_exists = decides.home_exists.then(|| there("home"));
            let found = Found { primary: None, home: place };
            return Ok(UserState { home_exists, namesake, found, ..UserState::default() });
        };
        let line = shadow.as_ref().map(|shadow| shadow.text()).unwrap_or_default();
        let fields: Vec<&str> = line.trim_end().split(':').collect();
        if let Some(shadow) = shadow.filter(|_| fields.len() < 8) {
            match shadow.code {
                1 => bail!("{name} has no line in /etc/shadow, so there is no password to manage";
                    hint: "he is no local user, or pwconv was never run"),
                _ => {
                    bail!("/etc/shadow may not be read"; hint: "within(#{{ become: \"root\" }}, || ...) reads as root")
                }
            }
        }
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        let primary = groups.iter().find(|group| group.gid == user.gid).map(|group| group.name.clone());
        let member = |group: &&crate::shared::account::Group| {
            group.gid != user.gid && group.members.iter().any(|member| member == name)
        };
        let supplementary = groups.iter().filter(member).map(|group| (group.name.clone(), true)).collect();
        let gid = user.gid.to_string();
        let lock = field(1).chars().take_while(|c| *c == '!').collect();
        Ok(UserState {
            exists: true,
            uid: decides.uid.then_some(user.uid),
            group: decides.group.map(|id| id.like(primary.as_deref().unwrap_or(&gid), &gid).to_owned()),
            gid: None,
            groups: decides.groups.then_some(supplementary),
            comment: decides.comment.then(|| user.comment.clone()),
            home_exists: decides.home_exists.then(|| there("home")),
            home: decides.home.map(|_| user.home.clone()),
            shell: decides.shell.then(|| user.shell.clone()),
            password: decides.password.then(|| hash::unlocked(field(1)).to_owned()),
            locked: decides.locked.then(|| hash::locked(field(1))),
            expires: decides.expires.then(|| Expiry::from_shadow(field(7)).to_string()),
            ssh_key: decides.key.as_ref().map(|_| there("key")),
            key_dir: decides.key.as_ref().map(|_| there("dir")),
            lock: decides.password.then(|| (lock, field(2).to_owned())),
            account: None,
            gone: Vec::new(),
            namesake,
            found: Found { primary, home: place },
        })
    }

    /// The steps from this state to another.
    pub fn steps(&self, want: &UserState, how: &How<'_>) -> Result<Vec<Step>> {
        let mut steps: Vec<Step> = match (self.exists, want.exists) {
            (true, true) => self.modify(want, how)?,
            (false, true) => match &want.account {
                Some(account) => return self.bring_back(want, account, how),
                None => self.create(want, how),
            },
            (true, false) => {
                let userdel = match want.namesake {
                    true => Command::sh(USERDEL).arg(how.name),
                    false => Command::new("userdel"),
                };
                let mut steps: Vec<Step> = userdel.args(how.remove.iter().copied()).arg(how.name).into();
                steps.extend(self.unmake_home(want, how));
                return Ok(steps);
            }
            (false, false) => return Ok(self.unmake_home(want, how).into_iter().collect()),
        };
        steps.extend(self.unlock(want, how.name));
        match how.key.as_ref().map(|key| (key, self.ssh_key.unwrap_or(false), want.ssh_key.unwrap_or(false))) {
            Some((key, false, true)) if want.gone.is_empty() => steps.push(key.make(how.name).into()),
            // It came with the home directory.
            Some((_, false, true)) if self.home_exists == Some(false) => {}
            Some((key, false, true)) => {
                steps.extend(key.directory(how.name));
                for gone in &want.gone {
                    steps.extend(gone.steps()?);
                }
            }
            Some((key, true, false)) => {
                steps.push(key.remove(how.name, want.key_dir == Some(false)).into());
            }
            _ => {}
        }
        Ok(steps)
    }

    /// The steps that bring a user back as he was.
    fn bring_back(&self, want: &UserState, account: &Account, how: &How<'_>) -> Result<Vec<Step>> {
        let mut steps = account.steps(how.non_unique);
        for gone in &want.gone {
            steps.extend(gone.steps()?);
        }
        // Where no archive could be made of it, it is made anew: it contained no more than that.
        if how.home && want.gone.is_empty() && (self.home_exists, want.home_exists) == (Some(false), Some(true)) {
            steps.push(Command::sh(MAKE_HOME).args([how.name, how.skeleton()]).into());
            steps.extend(how.key.as_ref().filter(|_| want.ssh_key == Some(true)).map(|key| key.make(how.name).into()));
        }
        Ok(steps)
    }

    /// What takes away a home directory that was made.
    fn unmake_home(&self, want: &UserState, how: &How<'_>) -> Option<Step> {
        let made = (self.home_exists, want.home_exists) == (Some(true), Some(false));
        let key = how.key.as_ref().filter(|_| self.ssh_key == Some(true)).map(|key| key.file.as_str());
        made.then(|| kept::remove_home(&self.found.home, how.skeleton(), key.unwrap_or_default()).into())
    }

    fn create(&self, want: &UserState, how: &How<'_>) -> Vec<Step> {
        let mut command = Command::new("useradd");
        if how.system {
            command = command.arg("-r");
        }
        if let Some(uid) = want.uid {
            command = command.args(["-u", &uid.to_string()]);
        }
        if how.non_unique {
            command = command.arg("-o");
        }
        match &want.group {
            Some(group) => command = command.args(["-g", group]),
            // useradd would refuse to make a group that is there.
            None if self.namesake => command = command.arg("-N"),
            None => {}
        }
        if let Some(groups) = want.groups.as_ref().filter(|groups| !groups.is_empty()) {
            command = command.args(["-G", &join(groups)]);
        }
        let options = [("-c", &want.comment), ("-d", &want.home), ("-s", &want.shell)];
        for (flag, value) in options {
            command = command.args(value.iter().flat_map(|value| [flag, value]));
        }
        if let Some(day) = want.expires.as_deref().filter(|day| *day != "never") {
            command = command.args(["-e", day]);
        }
        command = match (how.home, how.skeleton) {
            (true, Some(skeleton)) => command.args(["-m", "-k", skeleton]),
            (true, None) => command.arg("-m"),
            (false, _) => command.arg("-M"),
        };
        command.arg(how.name).into()
    }

    fn modify(&self, want: &UserState, how: &How<'_>) -> Result<Vec<Step>> {
        let mut command = Command::new("usermod");
        let changed = |now: &Option<String>, want: &Option<String>| want.clone().filter(|_| now != want);
        if let Some(uid) = want.uid.filter(|_| self.uid != want.uid) {
            command = command.args(["-u", &uid.to_string()]);
            if how.non_unique {
                command = command.arg("-o");
            }
        }
        if let Some(group) = changed(&self.group, &want.group) {
            command = command.args(["-g", &group]);
        }
        if let Some(groups) = want.groups.as_ref().filter(|_| self.groups != want.groups) {
            let now = self.groups.clone().unwrap_or_default();
            let more: BTreeMap<String, bool> =
                groups.clone().into_iter().filter(|(g, _)| !now.contains_key(g)).collect();
            let none_less = now.keys().all(|group| groups.contains_key(group));
            command = match none_less {
                true => command.args(["-a", "-G", &join(&more)]),
                false => command.args(["-G", &join(groups)]),
            };
        }
        if let Some(comment) = changed(&self.comment, &want.comment) {
            command = command.args(["-c", &comment]);
        }
        if let Some(home) = changed(&self.home, &want.home) {
            command = command.args(["-d", &home]);
            if how.move_home {
                command = command.arg("-m");
            }
        }
        if let Some(shell) = changed(&self.shell, &want.shell) {
            command = command.args(["-s", &shell]);
        }
        if let Some(day) = changed(&self.expires, &want.expires) {
            command = command.args(["-e", if day == "never" { "" } else { &day }]);
        }
        let mut steps: Vec<Step> = if command.args.is_empty() { Vec::new() } else { command.arg(how.name).into() };
        let moved = how.move_home && self.home != want.home;
        match (self.home_exists, want.home_exists) {
            (Some(false), Some(true)) if !moved && !want.gone.is_empty() => {
                for gone in &want.gone {
                    steps.extend(gone.steps()?);
                }
            }
            (Some(false), Some(true)) if !moved => {
                steps.push(Command::sh(MAKE_HOME).args([how.name, how.skeleton()]).into());
            }
            _ if !moved => steps.extend(self.unmake_home(want, how)),
            _ => {}
        }
        Ok(steps)
    }

    /// The password and the lock before it.
    fn unlock(&self, want: &UserState, name: &str) -> Vec<Step> {
        if let Some(hash) = want.password.as_ref().filter(|_| self.password != want.password) {
            let lock = match &want.lock {
                Some((lock, _)) => lock,
                None if want.locked == Some(true) || hash.is_empty() => "!",
                None => "",
            };
            let chpasswd = Command::new("chpasswd").arg("-e").stdin(format!("{name}:{lock}{hash}\n")).into();
            // It is as old as it was.
            let day = want.lock.as_ref().map(|(_, day)| if day.is_empty() { "-1" } else { day });
            let chage = day.map(|day| Command::new("chage").args(["-d", day, name]).into());
            return std::iter::once(chpasswd).chain(chage).collect();
        }
        // A new user has no password, and a lock before it.
        let now = if self.exists { self.locked } else { Some(true) };
        let locked = want.locked.filter(|_| now != want.locked);
        let lock = |locked| Command::new("usermod").args([if locked { "-L" } else { "-U" }, name]).into();
        locked.map(lock).into_iter().collect()
    }
}

fn join(groups: &BTreeMap<String, bool>) -> String {
    groups.keys().cloned().collect::<Vec<_>>().join(",")
}
