//! A file whose content, permissions and owner are managed: what it is, and the steps to what it should
//! be. `file`, `systemd::unit` and `apt::repository` all stand on this.

use super::stat::{self, Kind, Stat};
use super::{HostPath, Id, Mode};
use crate::bail;
use crate::contract::{Command, Content, Error, Foretold, Keepsake, Look, Output, Result, Source, Step, Write};
use futures_util::try_join;
use serde::{Deserialize, Serialize};

/// Texts up to this size are shown in a diff.
const SHOWN: u64 = 104_448;

/// The permissions and owner that a file should have; what is not given stays as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attributes<'a> {
    /// Permissions.
    pub mode: Option<&'a Mode>,
    /// The owner.
    pub owner: Option<&'a Id>,
    /// The group.
    pub group: Option<&'a Id>,
}

/// How much of a file is read.
#[derive(Debug, Clone, Copy)]
pub enum Reading<'a> {
    /// Whether it is there.
    Presence,
    /// Its digest; and its text as well, for the diff, if the digest is not this one.
    Digest(&'a str),
    /// Its digest, and never its text.
    Secret,
    /// Its text, because the new one is made from it; a file that is not UTF-8 is an error.
    Text,
}

/// A managed file as it is or should be. What the operation does not decide is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// The file itself, where the path is a symbolic link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real: Option<String>,
    /// Whether there is a file, where its content is not managed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// Its content; nothing if there is no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// Four octal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// A name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// A name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Of a file that may go although nobody decides about them: permissions, owner and group, for the way back.
    #[serde(rename = "$$had", default, skip_serializing_if = "Option::is_none")]
    pub had: Option<(String, String, String)>,
}

/// How a file is written.
#[derive(Debug, Clone, Default)]
pub struct Keep {
    /// Keep a copy of the old content beside it.
    pub backup: bool,
    /// The command that must accept the new content.
    pub validate: Option<Command>,
    /// Never show the content.
    pub sensitive: bool,
}

impl Attributes<'_> {
    /// These attributes on top of a state.
    pub fn on(&self, now: &FileState) -> FileState {
        let mut want = now.clone();
        if let Some(mode) = self.mode {
            let bits = now.mode.as_deref().and_then(|mode| u32::from_str_radix(mode, 8).ok());
            want.mode = Some(mode.of(bits.unwrap_or(0o644), false));
        }
        want.owner = self.owner.map(|id| id.as_str().to_owned());
        want.group = self.group.map(|id| id.as_str().to_owned());
        want
    }
}

impl FileState {
    /// The premise of writing a new file: its directory is there.
    pub async fn place(&self, host: &dyn Look, path: &HostPath) -> Result<()> {
        if self.content.is_some() || self.exists == Some(true) {
            return Ok(());
        }
        directory_of(host, path).await
    }
    /// Reads it in one round trip (two through a link, and one more for a text to show).
    pub async fn read(
        host: &dyn Look,
        path: &HostPath,
        attributes: Attributes<'_>,
        reading: Reading<'_>,
    ) -> Result<FileState> {
        let told = host.foretold_at(path);
        let nothing = |real| {
            let exists = matches!(reading, Reading::Presence).then_some(false);
            FileState { real, exists, ..FileState::default() }
        };
        if told == Some(Foretold::Nothing) {
            return Ok(nothing(None));
        }
        let (mut found, mut content) = FileState::look(host, path, reading, |command| command).await?;
        let mut real = None;
        if found.as_ref().is_some_and(|found| found.kind == Kind::Link) {
            let readlink = Command::new("readlink").args(["-f", "--", path]);
            let followed = FileState::look(host, path, reading, stat::following);
            let (target, followed) = try_join!(host.text(&readlink), followed)?;
            (found, content) = followed;
            real = Some(target);
        }
        let at = real.as_deref().unwrap_or(path);
        match if real.is_some() { host.foretold_at(at) } else { told } {
            None => {}
            Some(Foretold::File { write, anew }) => {
                return FileState::foretold(*write, found.as_ref().filter(|_| !anew), real, attributes, reading);
            }
            Some(Foretold::Nothing) => return Ok(nothing(real)),
            Some(Foretold::Directory { .. }) => bail!("{at} would be a directory"),
            Some(_) => bail!("what would be at {at} by then is not known"),
        }
        let Some(found) = found else { return Ok(nothing(real)) };
        if found.kind == Kind::Directory {
            bail!("{at} is a directory"; hint: "file::directory manages one, file::tree copies one");
        }
        if found.kind == Kind::Other && !matches!(reading, Reading::Presence) {
            bail!("{at} is {}, so it has no content to manage", found.kind.words());
        }
        if let (Some(content), Reading::Digest(wanted)) = (&mut content, reading)
            && content.sha256 != wanted
            && found.size <= SHOWN
        {
            // Only what is surely the same content is shown.
            let shown = Content::of(&host.run(&stat::content(at)).await?.stdout);
            if shown.sha256 == content.sha256 {
                *content = shown;
            }
        }
        if content.is_none() && !matches!(reading, Reading::Presence) {
            bail!("{at} may not be read"; hint: "within(#{{ become: \"root\" }}, || ...) reads as root");
        }
        Ok(FileState {
            real,
            exists: matches!(reading, Reading::Presence).then_some(true),
            content: content.map(|content| Content { size: found.size, ..content }),
            mode: attributes.mode.map(|_| format!("{:04o}", found.mode)),
            owner: attributes.owner.map(|id| found.owner_like(id)),
            group: attributes.group.map(|id| found.group_like(id)),
            had: None,
        })
    }

    /// The file as it would be, once it is written as check mode has foretold.
    fn foretold(
        file: Write,
        found: Option<&Stat>,
        real: Option<String>,
        attributes: Attributes<'_>,
        reading: Reading<'_>,
    ) -> Result<FileState> {
        let Write { path, source: Source::Text(text), mode, owner, group, .. } = file else {
            bail!("{} would be another file", file.path);
        };
        let unknown = |what: &str| Error::host(format!("{what} {path} would have is not known"));
        let had = |id: &Id, given: Option<String>, like: fn(&Stat, &Id) -> String, what: &str| {
            given.or_else(|| found.map(|found| like(found, id))).ok_or_else(|| unknown(what))
        };
        let presence = matches!(reading, Reading::Presence);
        Ok(FileState {
            exists: presence.then_some(true),
            content: (!presence).then(|| {
                let content = FileState::text(text);
                let text = content.text.filter(|_| !matches!(reading, Reading::Secret));
                Content { text, ..content }
            }),
            mode: attributes.mode.map(|_| {
                mode.unwrap_or_else(|| found.map_or_else(|| "0644".to_owned(), |found| format!("{:04o}", found.mode)))
            }),
            owner: attributes.owner.map(|id| had(id, owner, Stat::owner_like, "which owner")).transpose()?,
            group: attributes.group.map(|id| had(id, group, Stat::group_like, "which group")).transpose()?,
            real,
            had: None,
        })
    }

    async fn look(
        host: &dyn Look,
        path: &str,
        reading: Reading<'_>,
        follow: fn(Command) -> Command,
    ) -> Result<(Option<Stat>, Option<Content>)> {
        let stat = follow(stat::command(path));
        match reading {
            Reading::Presence => Ok((stat::answer(path, &host.run(&stat).await?)?, None)),
            Reading::Digest(_) | Reading::Secret => {
                let digest = follow(stat::digest(path));
                let (stat, digest) = try_join!(host.run(&stat), host.run(&digest))?;
                let content = stat::digest_answer(&digest).map(|sha256| Content { sha256, ..Content::default() });
                Ok((stat::answer(path, &stat)?, content))
            }
            Reading::Text => {
                let content = follow(stat::content(path));
                let (stat, content) = try_join!(host.run(&stat), host.run(&content))?;
                let found = stat::answer(path, &stat)?;
                let text = match &found {
                    Some(found) if found.kind == Kind::File => Some(whole(path, found.size, content)?),
                    _ => None,
                };
                Ok((found, text.map(FileState::text)))
            }
        }
    }

    /// The content of a text, whatever its size.
    pub fn text(text: String) -> Content {
        Content { sha256: Content::digest(text.as_bytes()), size: text.len() as u64, text: Some(text) }
    }

    /// The content that the steps to another state take away, where the state does not have it as a text.
    pub fn keeps(&self, path: &HostPath, want: &FileState) -> Vec<Keepsake> {
        let goes = self.content.as_ref().filter(|c| want.content.as_ref().is_none_or(|w| w.sha256 != c.sha256));
        let goes = goes.filter(|content| content.text.is_none());
        let at = self.real.as_deref().unwrap_or(path);
        goes.map(|c| Keepsake { command: stat::content(at), sha256: c.sha256.clone(), size: c.size })
            .into_iter()
            .collect()
    }

    /// The steps from this state to another. `source` is what the wanted content comes from; without it,
    /// it is the text in the wanted state, or what was kept of it (so that undo can put the old one back).
    pub fn steps(&self, path: &HostPath, want: &FileState, source: Option<Source>, keep: &Keep) -> Result<Vec<Step>> {
        let at = want.real.as_deref().or(self.real.as_deref()).unwrap_or(path).to_owned();
        let same = self.content.as_ref().map(|c| &c.sha256) == want.content.as_ref().map(|c| &c.sha256);
        if want.exists.is_none() && want.content.is_none() || want.exists == Some(false) {
            return Ok(if same && self.exists != Some(true) {
                Vec::new()
            } else {
                Command::new("rm").args(["-f", "--", &at]).into()
            });
        }
        if !same || self.exists != want.exists {
            let text = want.content.as_ref().and_then(|content| content.text.clone());
            let kept = want.content.as_ref().map(|content| Source::Kept(content.sha256.clone()));
            let source = source.or(text.map(Source::Text)).or(kept).unwrap_or(Source::Text(String::new()));
            let backup = self.content.as_ref().filter(|_| keep.backup);
            return Ok(vec![Step::Write(Write {
                source,
                mode: want.mode.clone(),
                owner: want.owner.clone(),
                group: want.group.clone(),
                backup: backup.map(|old| format!("{at}.{}~", &old.sha256[..12])),
                validate: keep.validate.clone(),
                sensitive: keep.sensitive,
                path: at,
            })]);
        }
        let changed = |now: &Option<String>, want: &Option<String>| if now == want { None } else { want.clone() };
        let mut steps = Vec::new();
        let (owner, group) = (changed(&self.owner, &want.owner), changed(&self.group, &want.group));
        let moved = owner.is_some() || group.is_some();
        if moved {
            steps.push(stat::chown(&at, owner.as_deref(), group.as_deref()).into());
        }
        // A new owner takes the special bits away, so the permissions are set again.
        if let Some(mode) = want.mode.as_deref().filter(|_| moved || self.mode != want.mode) {
            steps.push(stat::chmod(&at, mode, false).into());
        }
        Ok(steps)
    }
}

/// A text that a new one is made from. It must be all of it: `find` does not say whether `cat` failed, and
/// a half-read file would be written back by half.
fn whole(path: &str, size: u64, output: Output) -> Result<String> {
    if output.stdout.len() as u64 != size || !output.stderr.is_empty() {
        let said = output.stderr_text();
        match said.lines().next() {
            Some(said) if said.ends_with("Permission denied") => bail!("{path} may not be read";
                hint: "within(#{{ become: \"root\" }}, || ...) reads as root"),
            Some(said) => bail!("{path} cannot be read: {said}"),
            None => bail!("{path} changed while it was read: {} of {size} bytes came", output.stdout.len()),
        }
    }
    match String::from_utf8(output.stdout) {
        Ok(text) => Ok(text),
        Err(wrong) => {
            let at = wrong.utf8_error().valid_up_to();
            let line = 1 + wrong.as_bytes()[..at].iter().filter(|b| **b == b'\n').count();
            bail!("{path} is not UTF-8 text (line {line}), so it is left alone";
                hint: "file::file(path, #{{ src }}) replaces it whole, whatever its bytes")
        }
    }
}

/// The premise of making something new: the directory it goes into is there.
pub async fn directory_of(host: &dyn Look, path: &HostPath) -> Result<()> {
    if host.succeeds(&Command::new("test").args(["-d", path.parent()])).await? {
        return Ok(());
    }
    bail!("cannot make {path}: its directory does not exist"; hint: "make it first with file::directory")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(now: &FileState, want: &FileState, source: Option<&str>, keep: &Keep) -> Vec<String> {
        let path = HostPath::parse("/etc/motd").unwrap();
        let source = source.map(|text| Source::Text(text.to_owned()));
        now.steps(&path, want, source, keep).unwrap().iter().map(Step::line).collect()
    }

    fn file(text: &str, mode: &str) -> FileState {
        let content = Some(Content::of(text.as_bytes()));
        FileState { content, mode: Some(mode.to_owned()), ..FileState::default() }
    }

    #[test]
    fn content_is_written_whole_and_attributes_are_set_alone() {
        let keep = Keep { backup: true, ..Keep::default() };
        let (old, new) = (file("a\n", "0644"), file("b\n", "0600"));
        assert_eq!(
            lines(&old, &new, Some("b\n"), &keep),
            ["write /etc/motd mode=0600 backup='/etc/motd.87428fc52280~'"]
        );
        assert_eq!(lines(&old, &file("a\n", "0600"), None, &keep), ["chmod 0600 -- /etc/motd"]);
        let owned = FileState { owner: Some("me".to_owned()), ..file("a\n", "4755") };
        let root = FileState { owner: Some("root".to_owned()), ..file("a\n", "4755") };
        assert_eq!(lines(&root, &owned, None, &keep), ["chown -h me -- /etc/motd", "chmod 4755 -- /etc/motd"]);
    }

    #[test]
    fn undo_puts_back_what_was_there() {
        let keep = Keep::default();
        let (old, new) = (file("a\n", "0644"), file("b\n", "0600"));
        assert_eq!(lines(&new, &old, None, &keep), ["write /etc/motd mode=0644"]);
        assert_eq!(lines(&new, &FileState::default(), None, &keep), ["rm -f -- /etc/motd"]);
        let mut binary = old;
        binary.content.as_mut().unwrap().text = None;
        let digest = binary.content.as_ref().unwrap().sha256[..12].to_owned();
        assert_eq!(lines(&new, &binary, None, &keep), [format!("write /etc/motd mode=0644 kept={digest}")]);
        let path = HostPath::parse("/etc/motd").unwrap();
        assert_eq!(binary.keeps(&path, &new).len(), 1);
        assert!(new.keeps(&path, &binary).is_empty(), "its text is in the state");
    }
}
