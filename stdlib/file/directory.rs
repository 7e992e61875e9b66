//! `file::directory` and `file::absent`.

use super::listing;
use crate::bail;
use crate::contract::{Command, Foretold, Keepsake, Look, Operation, Result, Step};
use crate::shared::stat::{self, Kind};
use crate::shared::{HostPath, Id, Mode, Relic, mountinfo};
use futures_util::try_join;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Make sure a directory exists, with these permissions and this owner.
///
/// Directories above it are created as needed, with the same permissions and owner. A symbolic link to a
/// directory counts as one.
///
/// ```rhai
/// file::directory("/srv/media", #{ owner: "media", mode: "0750" });
/// ```
/// ```transcript
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /srv/media
/// - stat: cannot statx '/srv/media': No such file or directory
/// * 1
/// ? stat -L -c %n -- /srv
/// = /srv
/// ! mkdir -p -m 00750 -- /srv/media
/// ! chown -h media -- /srv/media
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /srv/media
/// = 750:media:root:1001:0:4096:1763666100:directory
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// The directory on the host.
    pub path: HostPath,
    /// Permissions such as `"0755"`; without it, those it has, or what the host makes of a new one.
    pub mode: Option<Mode>,
    /// The owner, by name or number.
    pub owner: Option<Id>,
    /// The group, by name or number.
    pub group: Option<Id>,
    /// Give everything below it the same owner, group and permissions; `"u=rwX,go=rX"` makes files
    /// executable only if they are so already.
    #[serde(default)]
    pub recurse: bool,
    /// On the way back: the directories above it that were made for it.
    #[serde(skip)]
    made: Vec<String>,
    #[serde(skip)]
    back: bool,
}

/// A directory as it is or should be.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DirectoryState {
    exists: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    /// The directories above it that are not there either, the uppermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lacks: Vec<String>,
    /// What lies below it and has other attributes, as `KIND MODE OWNER:GROUP`.
    #[serde(default)]
    unlike: BTreeMap<String, String>,
}

/// The directories above one that does not exist which do not exist either.
async fn lacking(host: &dyn Look, path: &HostPath) -> Result<Vec<String>> {
    let all = path.match_indices('/').map(|(at, _)| path[..at].to_owned()).filter(|above| !above.is_empty());
    let all: Vec<String> = all.collect();
    if all.is_empty() {
        return Ok(all);
    }
    let command = Command::new("stat").args(["-L", "-c", "%n", "--"]).args(&all);
    let there = host.run(&command.ok_codes([0, 1])).await?.text();
    let lacks = |above: &String| match host.foretold_at(above) {
        Some(Foretold::Directory { .. }) => false,
        Some(Foretold::Nothing) => true,
        _ => there.lines().all(|line| line != above),
    };
    Ok(all.into_iter().filter(lacks).collect())
}

impl Directory {
    /// What of its attributes something below lacks, if it lacks any.
    fn unlike(&self, found: &stat::Stat) -> Option<String> {
        let directory = found.kind == Kind::Directory;
        let mode = format!("{:04o}", found.mode);
        let wrong_mode =
            found.kind != Kind::Link && self.mode.as_ref().is_some_and(|m| m.of(found.mode, directory) != mode);
        let wrong_owner = self.owner.as_ref().is_some_and(|id| found.owner_like(id) != id.as_str());
        let wrong_group = self.group.as_ref().is_some_and(|id| found.group_like(id) != id.as_str());
        let kind = match found.kind {
            Kind::Directory => "directory",
            Kind::Link => "link",
            _ => "file",
        };
        (wrong_mode || wrong_owner || wrong_group).then(|| format!("{kind} {mode} {}:{}", found.owner, found.group))
    }

    fn set(&self, path: &str, mode: Option<&str>, owner: Option<&str>, group: Option<&str>) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        if owner.is_some() || group.is_some() {
            steps.push(stat::chown(path, owner, group).into());
        }
        steps.extend(mode.map(|mode| stat::chmod(path, mode, true).into()));
        steps
    }

    /// The commands that make everything unlike like the rest.
    fn alike(&self, unlike: &BTreeMap<String, String>) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let mut add = |command: Command, paths: Vec<String>| {
            steps.extend(listing::chunks(command.arg("--"), paths.into_iter()).into_iter().map(Step::Run));
        };
        let paths = unlike.keys().map(|below| self.path.join(below)).collect();
        match (self.owner.as_ref().map(Id::as_str), self.group.as_ref().map(Id::as_str)) {
            (None, None) => {}
            (Some(owner), None) => add(Command::new("chown").args(["-h", owner]), paths),
            (None, Some(group)) => add(Command::new("chgrp").args(["-h", group]), paths),
            (Some(owner), Some(group)) => add(Command::new("chown").args(["-h", &format!("{owner}:{group}")]), paths),
        }
        let mut modes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (below, (kind, mode, _)) in unlike.iter().filter_map(|(below, was)| Some((below, attributes(was)?))) {
            // A link has no permissions of its own.
            if let (Some(wanted), false) = (&self.mode, kind == "link") {
                modes.entry(wanted.of(mode, kind == "directory")).or_default().push(self.path.join(below));
            }
        }
        for (mode, paths) in modes {
            add(Command::new("chmod").arg(format!("0{mode}")), paths);
        }
        steps
    }

    /// The commands that give something below back what it had.
    fn put_back(&self, below: &str, was: &str) -> Vec<Step> {
        let Some((kind, mode, owner)) = attributes(was) else { return Vec::new() };
        let path = self.path.join(below);
        let mut steps: Vec<Step> = Command::new("chown").args(["-h", owner, "--", &path]).into();
        if kind != "link" {
            steps.push(stat::chmod(&path, &format!("{mode:04o}"), true).into());
        }
        steps
    }
}

/// Remove a directory, and those above it that are empty then.
const REMOVE: &str = r#"rmdir -- "$1" || exit; shift; for d; do rmdir -- "$d" 2>/dev/null || break; done"#;

/// The parts of `KIND MODE OWNER:GROUP`.
fn attributes(was: &str) -> Option<(&str, u32, &str)> {
    let (kind, rest) = was.split_once(' ')?;
    let (mode, owner) = rest.split_once(' ')?;
    Some((kind, u32::from_str_radix(mode, 8).ok()?, owner))
}

impl Operation for Directory {
    type State = DirectoryState;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        if self.recurse && self.mode.is_none() && self.owner.is_none() && self.group.is_none() {
            bail!(playbook: "`recurse` needs something to give: `mode`, `owner` or `group`");
        }
        Ok(())
    }

    async fn read(&self, host: &dyn Look) -> Result<DirectoryState> {
        let stat = stat::command(&self.path);
        let told = host.foretold_at(&self.path);
        let (mut found, below) = if told == Some(Foretold::Nothing) {
            (None, BTreeMap::new())
        } else if self.recurse {
            let all = listing::all(&self.path);
            let (found, below) = try_join!(host.run(&stat), host.run(&all))?;
            (stat::answer(&self.path, &found)?, listing::stats(&self.path, &below)?)
        } else {
            (stat::answer(&self.path, &host.run(&stat).await?)?, BTreeMap::new())
        };
        if found.as_ref().is_some_and(|found| found.kind == Kind::Link) {
            let real = host.text(&Command::new("readlink").args(["-f", "--", &self.path])).await?;
            found = stat::answer(&real, &host.run(&stat::command(&real)).await?)?;
            if found.is_none() {
                bail!("{} is a symbolic link to {real}, which does not exist", self.path);
            }
        }
        match told {
            None | Some(Foretold::Nothing) => {}
            // One that is there is as it is; of a new one it is only known that it is there.
            Some(Foretold::Directory { empty: false }) if found.is_some() => {}
            Some(Foretold::Directory { .. }) if self.mode.is_none() && self.owner.is_none() && self.group.is_none() => {
                return Ok(DirectoryState { exists: true, ..DirectoryState::default() });
            }
            Some(_) => bail!("how {} would be by then is not known", self.path),
        }
        let Some(found) = found else {
            if self.back {
                // What was made on the way goes as far as it is empty: how far that is, decides nothing.
                return Ok(DirectoryState { lacks: self.made.clone(), ..DirectoryState::default() });
            }
            let lacks = lacking(host, &self.path).await?;
            return Ok(DirectoryState { lacks, ..DirectoryState::default() });
        };
        if found.kind != Kind::Directory {
            bail!("{} is {}, not a directory", self.path, found.kind.words(); hint: "file::absent removes it");
        }
        Ok(DirectoryState {
            exists: true,
            mode: self.mode.as_ref().map(|_| format!("{:04o}", found.mode)),
            owner: self.owner.as_ref().map(|id| found.owner_like(id)),
            group: self.group.as_ref().map(|id| found.group_like(id)),
            lacks: Vec::new(),
            unlike: below.into_iter().filter_map(|(path, stat)| Some((path, self.unlike(&stat)?))).collect(),
        })
    }

    fn want(&self, now: &DirectoryState) -> Result<DirectoryState> {
        let bits = now.mode.as_deref().and_then(|mode| u32::from_str_radix(mode, 8).ok());
        Ok(DirectoryState {
            exists: true,
            mode: self.mode.as_ref().map(|mode| mode.of(bits.unwrap_or(0o755), true)),
            owner: self.owner.as_ref().map(|id| id.as_str().to_owned()),
            group: self.group.as_ref().map(|id| id.as_str().to_owned()),
            lacks: Vec::new(),
            unlike: BTreeMap::new(),
        })
    }

    fn steps(&self, now: &DirectoryState, want: &DirectoryState) -> Result<Vec<Step>> {
        if !want.exists {
            // What was made on the way goes too, as far as it is empty then.
            let above = self.made.iter().rev().map(String::as_str);
            let paths: Vec<&str> = std::iter::once(self.path.as_str()).chain(above).collect();
            return Ok(match paths.len() {
                1 => Command::new("rmdir").args(["--", &self.path]).into(),
                _ => Command::sh(REMOVE).args(paths).into(),
            });
        }
        let (owner, group) = (want.owner.as_deref(), want.group.as_deref());
        if !now.exists {
            let mkdir = Command::new("mkdir").arg("-p");
            let mkdir = match &want.mode {
                // Five digits, so that a special bit inherited from above is cleared too.
                Some(mode) => mkdir.args(["-m", &format!("0{mode}")]),
                None => mkdir,
            };
            let mut steps: Vec<Step> = mkdir.args(["--", &self.path]).into();
            // A new owner takes the special bits away.
            let special = want.mode.as_deref().filter(|mode| !mode.starts_with('0'));
            steps.extend(self.set(&self.path, special, owner, group));
            let above = now.lacks.iter();
            steps.extend(above.flat_map(|above| self.set(above, want.mode.as_deref(), owner, group)));
            return Ok(steps);
        }
        let owner = owner.filter(|_| now.owner != want.owner);
        let group = group.filter(|_| now.group != want.group);
        let moved = owner.is_some() || group.is_some();
        let mode = want.mode.as_deref().filter(|_| moved || now.mode != want.mode);
        let mut steps = self.set(&self.path, mode, owner, group);
        let was = want.unlike.iter().filter(|(below, _)| !now.unlike.contains_key(*below));
        steps.extend(was.flat_map(|(below, was)| self.put_back(below, was)));
        let unlike = now.unlike.iter().filter(|(below, _)| !want.unlike.contains_key(*below));
        let unlike: BTreeMap<_, _> = unlike.map(|(below, was)| (below.clone(), was.clone())).collect();
        steps.extend(self.alike(&unlike));
        Ok(steps)
    }

    async fn recall(
        &mut self,
        _host: &dyn Look,
        before: DirectoryState,
        after: &DirectoryState,
    ) -> Result<DirectoryState> {
        let made = if before.exists { &after.lacks } else { &before.lacks };
        (self.back, self.made) = (true, made.clone());
        Ok(before)
    }
}

/// Make sure there is nothing at a path: a file, a link, or a directory with all it contains.
///
/// The root, system directories and home directories' parent are refused, and so is a path with `..`, or one with
/// something mounted at it or below it: what that contains belongs to another file system. What is at most 16 MiB
/// is kept on the controller, so that undo can put it back.
///
/// ```rhai
/// file::absent("/opt/old-app");
/// ```
/// ```transcript
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /opt/old-app
/// = 755:root:root:0:0:4096:1749081600:directory
/// ? grep -F -e ' /opt/old-app' /proc/self/mountinfo
/// * 1
/// ? sh -c 'k=$(du -skx -- "$1" | cut -f1) && [ "$k" -le "$2" ] && tar --sort=name --version >/dev/null 2>&1 || exit 3; cd -- "${1%/*}/" && { tar -c --sort=name --format=gnu --numeric-owner -f - -- "${1##*/}" || echo incomplete >&2; } | "$3"' sh /opt/old-app 16384 sha256sum
/// = 7e9f7b3bb0d2f5b0a3a1c1f7c0f0a9b9e8d7c6b5a4938271605f4e3d2c1b0a99  -
/// ! rm -rf -- /opt/old-app
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /opt/old-app
/// - stat: cannot statx '/opt/old-app': No such file or directory
/// * 1
/// ? grep -F -e ' /opt/old-app' /proc/self/mountinfo
/// * 1
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// The path that should not exist; of a symbolic link, the link itself goes.
    pub path: HostPath,
}

/// What is at a path.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AbsentState {
    there: Option<Relic>,
}

/// What no playbook means to delete.
const VITAL: &[&str] = &[
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib32",
    "/lib64",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/usr/sbin",
    "/usr/share",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/lib/dpkg",
    "/var/log",
    "/var/run",
    "/var/spool",
    "/var/tmp",
    "/etc/ssh",
    "/etc/systemd",
    "/etc/apt",
    "/etc/pam.d",
];

impl Operation for Absent {
    type State = AbsentState;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        if self.path.split('/').any(|part| part == "..") {
            bail!(playbook: "file::absent does not follow `..` in {}", self.path; hint: "write the path out");
        }
        if VITAL.contains(&self.path.as_str()) {
            bail!(playbook: "file::absent refuses to delete {}", self.path;
                hint: "a variable in the path may be empty; if you mean it, delete what is in it one by one");
        }
        Ok(())
    }

    async fn read(&self, host: &dyn Look) -> Result<AbsentState> {
        if host.gone(&self.path)? {
            return Ok(AbsentState { there: None });
        }
        let mounts = mountinfo::below(&self.path);
        let (there, mounts) = try_join!(Relic::read(host, &self.path), host.run(&mounts))?;
        if let Some(at) = mountinfo::below_answer(&self.path, &mounts).first() {
            bail!("something is mounted at {at}: what it contains would be deleted with {}", self.path;
                hint: "mount::absent(\"{at}\") first, or mount::unmounted(\"{at}\")");
        }
        if there.is_none() && host.foretold_at(&self.path).is_some() {
            bail!("{} would be a directory", self.path);
        }
        Ok(AbsentState { there })
    }

    fn want(&self, _now: &AbsentState) -> Result<AbsentState> {
        Ok(AbsentState { there: None })
    }

    fn steps(&self, now: &AbsentState, want: &AbsentState) -> Result<Vec<Step>> {
        let directory = now.there.as_ref().is_some_and(|there| there.kind == Kind::Directory);
        let how = if directory { "-rf" } else { "-f" };
        let mut steps: Vec<Step> = Vec::new();
        if now.there.is_some() {
            steps.push(Command::new("rm").args([how, "--", &self.path]).into());
        }
        if let Some(there) = &want.there {
            steps.extend(there.steps(&self.path)?);
        }
        Ok(steps)
    }

    fn keeps(&self, now: &AbsentState, _want: &AbsentState) -> Vec<Keepsake> {
        now.there.iter().flat_map(|there| there.keeps(&self.path)).collect()
    }
}
