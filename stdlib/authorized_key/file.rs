//! The file of keys and the directory it lies in.

use crate::bail;
use crate::contract::{Command, Error, Look, Result, Step};
use crate::shared::account::{getent, users};
use crate::shared::stat::{self, Kind, Stat};
use crate::shared::{Attributes, FileState, HostPath, Id, Keep, Mode, Reading};
use futures_util::try_join;
use serde::{Deserialize, Serialize};

/// A file of keys, and its directory where that is managed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct KeysState {
    #[serde(flatten)]
    file: FileState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    directory: Option<Directory>,
    /// Where that is.
    #[serde(rename = "$$place", default, skip_serializing_if = "Option::is_none")]
    place: Option<KeyFile>,
}

/// A directory, if it is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Directory {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
}

impl KeysState {
    /// What the file contains.
    pub fn text(&self) -> Option<&str> {
        self.file.content.as_ref()?.text.as_deref()
    }
    /// The same file with another text.
    pub fn with(&self, text: Option<String>) -> KeysState {
        let file = FileState { content: text.map(FileState::text), ..self.file.clone() };
        KeysState { file, directory: self.directory.clone(), place: None }
    }
    /// Where it was read.
    pub fn place(&self) -> Result<&KeyFile> {
        self.place.as_ref().ok_or_else(|| Error::bug("a file of keys was not read"))
    }
    /// The state to go back to, and what stays if that is not the one before: a directory that was made and has got more
    /// than the keys.
    pub async fn recalled(mut self, host: &dyn Look, after: &KeysState) -> Result<(KeysState, Option<String>)> {
        let made = matches!((&self.directory, &after.directory), (Some(before), Some(after))
            if before.mode.is_none() && after.mode.is_some());
        let Some(place) = after.place.as_ref().filter(|_| made) else { return Ok((self, None)) };
        let Some(directory) = &place.directory else { return Ok((self, None)) };
        let more = Command::new("find").args([directory, "-mindepth", "1", "!", "-path", place.path.as_str()]);
        let output = host.run(&more).await?;
        let Some(first) = output.lines().into_iter().next() else { return Ok((self, None)) };
        self.directory.clone_from(&after.directory);
        let stays = format!(
            "{directory} stays while it contains more than the keys: {}",
            first.trim_start_matches(directory.as_str()).trim_start_matches('/')
        );
        Ok((self, Some(stays)))
    }
}

/// Where a user's keys are, and whose they should be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyFile {
    path: HostPath,
    /// The directory, where it is managed.
    directory: Option<HostPath>,
    user: Id,
    group: Id,
    mode: Mode,
    /// Whether permissions and owner are managed.
    strict: bool,
    follow: bool,
}

impl KeyFile {
    /// Asks the host where a user's keys are.
    pub async fn find(
        host: &dyn Look,
        user: &Id,
        path: Option<&HostPath>,
        manage: Option<bool>,
        follow: bool,
    ) -> Result<KeyFile> {
        let passwd = host.run(&getent("passwd", Some(user.as_str()))).await?;
        let Some(account) = users(&passwd)?.into_iter().next() else {
            bail!("there is no user {}", user.as_str(); hint: "user::present(\"{}\") makes him", user.as_str());
        };
        let parse = |path: &str| HostPath::parse(path).map_err(Error::host);
        let home = parse(&account.home)?;
        let path = match path {
            Some(path) => path.clone(),
            None => parse(&home.join(".ssh/authorized_keys"))?,
        };
        let at_home = path.starts_with(&home.join(""));
        let directory = if manage.unwrap_or(at_home) { Some(parse(path.parent())?) } else { None };
        Ok(KeyFile {
            path,
            directory,
            user: user.clone(),
            group: Id::from(account.gid),
            mode: Mode::octal(0o600),
            strict: true,
            follow,
        })
    }
    /// The same without an eye on permissions and owner.
    pub fn plain(self) -> KeyFile {
        KeyFile { strict: false, ..self }
    }

    fn attributes(&self) -> Attributes<'_> {
        match self.strict {
            true => Attributes { mode: Some(&self.mode), owner: Some(&self.user), group: Some(&self.group) },
            false => Attributes::default(),
        }
    }

    /// Reads it in one round trip.
    pub async fn read(self, host: &dyn Look) -> Result<KeysState> {
        let directory = async {
            let Some(path) = &self.directory else { return Ok(None) };
            stat::answer(path, &host.run(&stat::command(path)).await?).map(|found| Some((path, found)))
        };
        let file = FileState::read(host, &self.path, self.attributes(), Reading::Text);
        let (file, directory) = try_join!(file, directory)?;
        if let Some(real) = file.real.as_ref().filter(|_| !self.follow) {
            bail!("{} is a symbolic link to {real}", self.path;
                hint: "follow: true writes there; whoever owns the directory could let it point anywhere");
        }
        let directory = match directory {
            None => None,
            Some((_, None)) => Some(Directory::default()),
            Some((path, Some(found))) => Some(self.directory(path, &found)?),
        };
        Ok(KeysState { file, directory, place: Some(self) })
    }

    fn directory(&self, path: &HostPath, found: &Stat) -> Result<Directory> {
        if found.kind != Kind::Directory {
            bail!("{path} is {}, not a directory", found.kind.words(); hint: "manage_dir: false leaves it alone");
        }
        let (owner, group) = (found.owner_like(&self.user), found.group_like(&self.group));
        Ok(Directory { mode: Some(format!("{:04o}", found.mode)), owner: Some(owner), group: Some(group) })
    }

    /// The state with another text, and as sshd wants it: others may write neither file nor directory.
    pub fn want(&self, now: &KeysState, text: String) -> KeysState {
        let same = now.text() == Some(text.as_str());
        let strict = |mode: &Option<String>, best: &str| match mode {
            Some(mode) if same && !loose(mode) => Some(mode.clone()),
            _ => Some(best.to_owned()),
        };
        let owner = Some(self.user.as_str().to_owned());
        let mut want = now.with(Some(text));
        if self.strict {
            want.file.mode = strict(&now.file.mode, "0600");
            want.file.owner = owner.clone();
            want.file.group = if same { now.file.group.clone() } else { Some(self.group.as_str().to_owned()) };
        }
        want.directory = now.directory.as_ref().map(|directory| {
            let group =
                if directory.owner == owner { directory.group.clone() } else { Some(self.group.as_str().to_owned()) };
            Directory { mode: strict(&directory.mode, "0700"), owner, group }
        });
        want
    }

    /// The steps from one state to another.
    pub fn steps(&self, now: &KeysState, want: &KeysState) -> Result<Vec<Step>> {
        let file = now.file.steps(&self.path, &want.file, None, &Keep::default())?;
        let (Some(path), Some(now), Some(want)) = (&self.directory, &now.directory, &want.directory) else {
            return Ok(file);
        };
        let mut steps: Vec<Step> = Vec::new();
        match (&now.mode, &want.mode) {
            // The file is gone before its directory.
            (Some(_), None) => {
                steps.extend(file);
                steps.push(Command::new("rmdir").args(["--", path]).into());
                return Ok(steps);
            }
            (None, Some(mode)) => steps.push(Command::new("mkdir").args(["-m", mode, "--", path]).into()),
            (Some(now), Some(want)) if now != want => steps.push(stat::chmod(path, want, true).into()),
            _ => {}
        }
        let owner = want.owner.as_deref().filter(|_| now.owner != want.owner);
        let group = want.group.as_deref().filter(|_| now.group != want.group);
        if owner.is_some() || group.is_some() {
            steps.push(stat::chown(path, owner, group).into());
        }
        steps.extend(file);
        Ok(steps)
    }

    /// What must be there before: the directory, or what it goes into.
    pub async fn premise(&self, host: &dyn Look, now: &KeysState) -> Result<()> {
        match (&self.directory, &now.directory) {
            (Some(path), Some(Directory { mode: None, .. })) => crate::shared::directory_of(host, path).await,
            _ => now.file.place(host, &self.path).await,
        }
    }
}

/// Whether somebody else may write.
fn loose(mode: &str) -> bool {
    u32::from_str_radix(mode, 8).is_ok_and(|mode| mode & 0o022 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn lines(now: Value, want: Value) -> Vec<String> {
        let file = KeyFile {
            path: HostPath::parse("/home/media/.ssh/authorized_keys").unwrap(),
            directory: HostPath::parse("/home/media/.ssh").ok(),
            user: serde_json::from_value(json!("media")).unwrap(),
            group: Id::from(1000),
            mode: Mode::octal(0o600),
            strict: true,
            follow: false,
        };
        let state = |value: Value| serde_json::from_value::<KeysState>(value).unwrap();
        file.steps(&state(now), &state(want)).unwrap().iter().map(Step::line).collect()
    }

    #[test]
    fn what_was_made_goes_again_and_what_was_loose_becomes_so() {
        let file = |mode: &str, owner: &str, directory: Value| json!({ "content": FileState::text("key\n".to_owned()), "mode": mode, "owner": owner, "group": "1000", "directory": directory });
        let strict = file("0600", "media", json!({ "mode": "0700", "owner": "media", "group": "1000" }));
        assert_eq!(
            lines(strict.clone(), json!({ "directory": {} })),
            ["rm -f -- /home/media/.ssh/authorized_keys", "rmdir -- /home/media/.ssh"]
        );
        assert_eq!(
            lines(strict, file("0664", "root", json!({ "mode": "0777", "owner": "root", "group": "0" }))),
            [
                "chmod 00777 -- /home/media/.ssh",
                "chown -h root:0 -- /home/media/.ssh",
                "chown -h root -- /home/media/.ssh/authorized_keys",
                "chmod 0664 -- /home/media/.ssh/authorized_keys"
            ]
        );
    }
}
