//! Files, directories and links: their content, permissions and owners.
//!
//! Paths are absolute. `~` and relative paths are refused, because they would depend on who is logged
//! in. Permissions are octal in quotes (`"0644"`) or symbolic (`"u=rw,g=r,o="`); a bare number is refused.
//! A file is always replaced whole and at once: nobody ever reads half of it, and a `validate` command
//! that refuses the new content leaves the old one in place. A symbolic link at the path is followed
//! where content is meant, as Ansible does. Times are never touched for their own sake, so there is no
//! `access_time` or `modification_time` to preserve.
//!
//! Patterns are regular expressions of Rust's `regex` crate: no look-around and no back-references
//! inside a pattern. Write them as raw strings: `#"^\s*Port\b"#`. In what replaces a match, `\1` and
//! `\g<name>` stand for groups and `$` for itself, as in Python.

mod block;
mod directory;
mod facts;
mod fetched;
mod find;
mod line;
mod link;
mod listing;
mod pattern;
mod replaced;
mod tree;

pub use block::Block;
pub use directory::{Absent, Directory};
pub use facts::{Read, Stat};
pub use fetched::Fetched;
pub use find::Find;
pub use line::Line;
pub use link::Link;
pub use replaced::Replaced;
pub use tree::Tree;

use crate::bail;
use crate::contract::{Command, Content, Keepsake, Look, Module, Operation, Result, Step};
use crate::shared::{Attributes, FileState, Given, HostPath, Id, Keep, Loaded, Many, Mode, Reading, stat, validation};
use futures_util::try_join;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.operation::<File>().operation::<Directory>().operation::<Absent>().operation::<Link>();
    module.operation::<Line>().operation::<Block>().operation::<Replaced>();
    module.operation::<Tree>().operation::<Fetched>().fact::<Stat>().fact::<Read>().fact::<Find>();
}

/// Make sure a file has this content, these permissions and this owner.
///
/// The content is given here (`content`), or is a file (`src`) or a Jinja template (`template`) on the
/// controller. With none of the three, the content is left alone: a missing file is created empty.
///
/// ```rhai
/// file::file("/etc/motd", #{ content: "Welcome to nas.\n", mode: "0644", owner: "root" });
/// ```
/// ```transcript
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/motd
/// = 644:root:root:0:0:19:1749081600:regular file
/// ? find /etc/motd -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// = a378977155fb42bb006496321cbe31f74cbda803c3f6ca590f30e76d1afad921  /etc/motd
/// ? find /etc/motd -maxdepth 0 -type f -exec cat '{}' ';'
/// = Welcome to debian.
/// ! write /etc/motd mode=0644 owner=root
/// + Welcome to nas.
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/motd
/// = 644:root:root:0:0:16:1763666100:regular file
/// ? find /etc/motd -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// = 5d66bd268ffd8454fd12233ee257a9242be76d6b5a39931c8dc5b0aa56bfb425  /etc/motd
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The file on the host; a symbolic link is followed.
    pub path: HostPath,
    /// The content itself.
    pub content: Option<String>,
    /// The file on the controller that has the content, looked for beside the playbook; with
    /// `remote_src`, a file on the host.
    pub src: Option<String>,
    /// The Jinja template on the controller that makes the content.
    pub template: Option<String>,
    /// Variables for the template, beside those of the host.
    #[serde(default)]
    pub vars: BTreeMap<String, Value>,
    /// `src` is a file on the host itself.
    #[serde(default)]
    pub remote_src: bool,
    /// Permissions such as `"0644"`; without it, those it has, or 0644 for a new file.
    pub mode: Option<Mode>,
    /// The owner, by name or number.
    pub owner: Option<Id>,
    /// The group, by name or number.
    pub group: Option<Id>,
    /// Keep the old content beside the file, as `PATH.DIGEST~`.
    #[serde(default)]
    pub backup: bool,
    /// A command that must accept the new content first, such as `"visudo -cf %s"`; `%s` is its path.
    pub validate: Option<Many<String>>,
    /// Replace a content that differs; with false, a file that exists keeps its content.
    #[serde(default = "yes")]
    pub force: bool,
    /// Keep the content out of the report and the journal.
    #[serde(default)]
    pub sensitive: bool,
    /// What `content`, `src` or `template` came to.
    #[serde(skip)]
    loaded: Option<Loaded>,
    #[serde(skip)]
    keep: Keep,
}

fn yes() -> bool {
    true
}

impl File {
    fn attributes(&self) -> Attributes<'_> {
        Attributes { mode: self.mode.as_ref(), owner: self.owner.as_ref(), group: self.group.as_ref() }
    }

    async fn load(&self, host: &dyn Look) -> Result<Option<Loaded>> {
        if self.remote_src && self.content.is_none() && self.template.is_none() {
            return self.remote(host).await.map(Some);
        }
        let given = Given { content: &self.content, src: &self.src, template: &self.template, vars: &self.vars };
        given.load(host, &self.path).await
    }

    /// A content that lies on the host already.
    async fn remote(&self, host: &dyn Look) -> Result<Loaded> {
        let src = match self.src.as_deref().map(HostPath::parse) {
            Some(Ok(src)) => src,
            Some(Err(wrong)) => bail!(playbook: "`src`: {wrong}"),
            None => bail!(playbook: "`remote_src` says where `src` lies, and there is no `src`"),
        };
        if self.validate.is_some() {
            bail!(playbook: "`validate` is for content from the controller, not for `remote_src`");
        }
        let (stat, digest) = (stat::following(stat::command(&src)), stat::following(stat::digest(&src)));
        let (stat, digest) = try_join!(host.run(&stat), host.run(&digest))?;
        let (found, sha256) = (stat::answer(&src, &stat)?, stat::digest_answer(&digest));
        match (found, sha256) {
            (Some(found), Some(sha256)) => {
                Ok(Loaded { content: Content { sha256, size: found.size, text: None }, source: None })
            }
            (None, _) => bail!("{src} does not exist on the host"),
            (Some(_), None) => bail!("{src} cannot be read on the host: {}", digest.stderr_text().trim_end()),
        }
    }
}

/// A copy beside the place with the old file's attributes, then a rename: as whole and at once as a
/// content that comes from the controller.
const COPY: &str =
    r#"{ [ ! -e "$2" ] || cp -p -- "$2" "$2.hlrun"; } && cat -- "$1" >"$2.hlrun" && mv -f -- "$2.hlrun" "$2""#;

impl Operation for File {
    type State = FileState;

    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        let validate = self.validate.as_ref().map(validation).transpose()?;
        self.keep = Keep { backup: self.backup, validate, sensitive: self.sensitive };
        self.loaded = self.load(host).await?;
        Ok(())
    }

    async fn read(&self, host: &dyn Look) -> Result<FileState> {
        let reading = match &self.loaded {
            None => Reading::Presence,
            Some(_) if self.sensitive || !self.force => Reading::Secret,
            Some(loaded) => Reading::Digest(&loaded.content.sha256),
        };
        FileState::read(host, &self.path, self.attributes(), reading).await
    }

    fn want(&self, now: &FileState) -> Result<FileState> {
        let mut want = self.attributes().on(now);
        match &self.loaded {
            None => want.exists = Some(true),
            Some(_) if !self.force && now.content.is_some() => {}
            Some(loaded) => want.content = Some(loaded.content.clone()),
        }
        Ok(want)
    }

    fn steps(&self, now: &FileState, want: &FileState) -> Result<Vec<Step>> {
        let ours = |loaded: &&Loaded| want.content.as_ref().is_some_and(|c| c.sha256 == loaded.content.sha256);
        let loaded = self.loaded.as_ref().filter(ours);
        if let (Some(Loaded { source: None, .. }), Some(src)) = (loaded, &self.src)
            && now.content != want.content
        {
            return self.copy(src, now, want);
        }
        now.steps(&self.path, want, loaded.and_then(|loaded| loaded.source.clone()), &self.keep)
    }

    async fn premise(&self, host: &dyn Look, now: &FileState) -> Result<()> {
        now.place(host, &self.path).await
    }

    fn alters(&self) -> Vec<String> {
        if self.remote_src { vec![self.path.to_string()] } else { Vec::new() }
    }

    fn depends(&self) -> Vec<String> {
        self.src.clone().filter(|_| self.remote_src).into_iter().collect()
    }

    fn keeps(&self, now: &FileState, want: &FileState) -> Vec<Keepsake> {
        now.keeps(&self.path, want)
    }

    async fn recall(&mut self, _host: &dyn Look, before: FileState, _after: &FileState) -> Result<FileState> {
        self.keep = Keep { sensitive: self.sensitive, ..Keep::default() };
        if self.content.is_some() || self.src.take().is_some() || self.template.is_some() {
            let content = before.content.clone().unwrap_or_default();
            self.loaded = Some(Loaded { content, source: None });
        }
        Ok(before)
    }

    fn sensitive(&self) -> bool {
        self.sensitive
    }
}

impl File {
    fn copy(&self, src: &str, now: &FileState, want: &FileState) -> Result<Vec<Step>> {
        let at = now.real.as_deref().unwrap_or(&self.path);
        let mut steps: Vec<Step> = Vec::new();
        if let Some(old) = now.content.as_ref().filter(|_| self.backup) {
            let backup = format!("{at}.{}~", &old.sha256[..12]);
            steps.push(Command::new("cp").args(["-p", "--", at, &backup]).into());
        }
        steps.push(Command::sh(COPY).args([src, at]).into());
        let copied = FileState { content: want.content.clone(), ..now.clone() };
        steps.extend(copied.steps(&self.path, want, None, &self.keep)?);
        Ok(steps)
    }
}
