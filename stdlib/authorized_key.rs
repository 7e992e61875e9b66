//! Keys that may log in: the lines of `~/.ssh/authorized_keys`.
//!
//! A key is known by its type and its long middle part, whatever its options and comment are. Every other line
//! of the file stays as it is, byte for byte. The file and its directory get the permissions and the owner that sshd
//! asks for (`StrictModes`).
//!
//! Keys are given as they are, as a URL (`https://github.com/USER.keys`), which the controller fetches, or as a file
//! on the controller (`"keys/me.pub"`).

mod file;
mod line;

use crate::bail;
use crate::contract::{Fact, Look, Module, Operation, Result, Step};
use crate::shared::{HostPath, Id, Many};
use file::{KeyFile, KeysState};
use line::Line;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.operation::<Present>().operation::<Absent>().fact::<Keys>();
}

/// Whether a text is keys themselves, and neither a URL nor a file.
fn literal(source: &str) -> bool {
    !is_url(source) && source.trim().contains(char::is_whitespace)
}

fn is_url(source: &str) -> bool {
    source.starts_with("https://") || source.starts_with("http://")
}

/// A parameter that gives keys: what is no key is refused before any host is touched.
fn sources<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Many<String>, D::Error> {
    let sources = Many::<String>::deserialize(deserializer)?;
    for source in sources.as_slice().iter().filter(|source| literal(source)) {
        lines(source, "`key`").map_err(|error| de::Error::custom(&error.message))?;
    }
    Ok(sources)
}

/// The keys in a text.
fn lines(text: &str, whence: &str) -> Result<Vec<Line>> {
    let lines = text.lines().enumerate().filter(|(_, line)| line::says_something(line));
    let key = |(number, line)| {
        Line::new(line).map_err(|error| match text.trim().lines().nth(1) {
            Some(_) => error.hint(format!("it is line {} of {whence}", number + 1)),
            None => error,
        })
    };
    lines.map(key).collect()
}

/// The keys that a parameter gives: themselves, by a URL, or by a file on the controller.
async fn given(host: &dyn Look, sources: &Many<String>) -> Result<Vec<Line>> {
    let mut keys: Vec<Line> = Vec::new();
    for source in sources.as_slice() {
        let (text, whence) = if is_url(source) {
            (String::from_utf8_lossy(&host.http_get(source).await?).into_owned(), source.as_str())
        } else if literal(source) {
            (source.clone(), "`key`")
        } else {
            match host.asset(source).await?.and_then(|asset| asset.content).map(String::from_utf8) {
                Some(Ok(text)) => (text, source.as_str()),
                _ => bail!(playbook: "`{source}` is no key, no URL, and no file with keys on the controller";
                    hint: "a file is looked for beside the playbook, in its `files`, and in the project"),
            }
        };
        for key in lines(&text, whence)? {
            if !keys.iter().any(|known| known.same(&key)) {
                keys.push(key);
            }
        }
    }
    match keys.is_empty() {
        true => bail!(playbook: "`key` gives no key at all"),
        false => Ok(keys),
    }
}

/// Make sure keys may log in as a user.
///
/// With `exclusive`, the keys given are all that the file contains afterwards; comments go, too.
///
/// ```rhai
/// authorized_key::present("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g me@laptop", #{ user: "media" });
/// ```
/// ```transcript
/// ? getent passwd media
/// = media:x:1000:1000::/home/media:/bin/bash
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /home/media/.ssh
/// - stat: cannot statx '/home/media/.ssh': No such file or directory
/// * 1
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /home/media/.ssh/authorized_keys
/// - stat: cannot statx '/home/media/.ssh/authorized_keys': No such file or directory
/// * 1
/// ? find /home/media/.ssh/authorized_keys -maxdepth 0 -type f -exec cat '{}' ';'
/// - find: '/home/media/.ssh/authorized_keys': No such file or directory
/// * 1
/// ! mkdir -m 0700 -- /home/media/.ssh
/// ! chown -h media:1000 -- /home/media/.ssh
/// ! write /home/media/.ssh/authorized_keys mode=0600 owner=media group=1000
/// + ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g me@laptop
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /home/media/.ssh
/// = 700:media:media:1000:1000:4096:1763666100:directory
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /home/media/.ssh/authorized_keys
/// = 600:media:media:1000:1000:91:1763666100:regular file
/// ? find /home/media/.ssh/authorized_keys -maxdepth 0 -type f -exec cat '{}' ';'
/// = ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g me@laptop
/// ? getent passwd media
/// = media:x:1000:1000::/home/media:/bin/bash
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Present {
    /// The keys, one or a list: themselves, a URL, or a file on the controller. A text may have several lines.
    #[serde(deserialize_with = "sources")]
    pub key: Many<String>,
    /// The user who may be logged in as.
    pub user: Id,
    /// What the keys may do, such as `no-pty,from="10.0.0.0/8"`; it replaces options that stand before a key.
    pub options: Option<String>,
    /// The comment after the keys, instead of their own.
    pub comment: Option<String>,
    /// Take every other line out of the file.
    #[serde(default)]
    pub exclusive: bool,
    /// The file; without it, `.ssh/authorized_keys` in the user's home directory.
    pub path: Option<HostPath>,
    /// Make the file's directory, and keep it the user's own; without it, true in the user's home directory only.
    pub manage_dir: Option<bool>,
    /// Follow a symbolic link in place of the file; without it, one is an error.
    #[serde(default)]
    pub follow: bool,
    #[serde(skip)]
    keys: Vec<Line>,
    /// What stays when the rest goes back.
    #[serde(skip)]
    stays: Option<String>,
}

impl Operation for Present {
    type State = KeysState;

    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        self.keys = given(host, &self.key).await?;
        for key in &mut self.keys {
            key.options = self.options.clone().unwrap_or(std::mem::take(&mut key.options));
            key.comment = self.comment.clone().unwrap_or(std::mem::take(&mut key.comment));
        }
        self.keys.iter().try_for_each(Line::check)
    }
    async fn read(&self, host: &dyn Look) -> Result<KeysState> {
        let file = KeyFile::find(host, &self.user, self.path.as_ref(), self.manage_dir, self.follow).await?;
        file.read(host).await
    }
    fn want(&self, now: &KeysState) -> Result<KeysState> {
        let text = line::with(now.text(), &self.keys, self.exclusive);
        Ok(now.place()?.want(now, text))
    }
    fn steps(&self, now: &KeysState, want: &KeysState) -> Result<Vec<Step>> {
        now.place()?.steps(now, want)
    }
    async fn premise(&self, host: &dyn Look, now: &KeysState) -> Result<()> {
        now.place()?.premise(host, now).await
    }
    async fn recall(&mut self, host: &dyn Look, before: KeysState, after: &KeysState) -> Result<KeysState> {
        let (before, stays) = before.recalled(host, after).await?;
        self.stays = stays;
        Ok(before)
    }
    fn leaves(&self) -> Vec<String> {
        self.stays.iter().cloned().collect()
    }
}

/// Make sure keys may not log in as a user.
///
/// ```rhai
/// authorized_key::absent("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g", #{ user: "media" });
/// ```
/// ```transcript
/// ? getent passwd media
/// = media:x:1000:1000::/home/media:/bin/bash
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /home/media/.ssh/authorized_keys
/// = 600:media:media:1000:1000:99:1763666100:regular file
/// ? find /home/media/.ssh/authorized_keys -maxdepth 0 -type f -exec cat '{}' ';'
/// = # mine
/// = ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g old@laptop
/// ! write /home/media/.ssh/authorized_keys
/// + # mine
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /home/media/.ssh/authorized_keys
/// = 600:media:media:1000:1000:7:1763666100:regular file
/// ? find /home/media/.ssh/authorized_keys -maxdepth 0 -type f -exec cat '{}' ';'
/// = # mine
/// ? getent passwd media
/// = media:x:1000:1000::/home/media:/bin/bash
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// The keys, one or a list: themselves, a URL, or a file on the controller.
    #[serde(deserialize_with = "sources")]
    pub key: Many<String>,
    /// The user who may not be logged in as.
    pub user: Id,
    /// The file; without it, `.ssh/authorized_keys` in the user's home directory.
    pub path: Option<HostPath>,
    /// Follow a symbolic link in place of the file; without it, one is an error.
    #[serde(default)]
    pub follow: bool,
    #[serde(skip)]
    keys: Vec<Line>,
}

impl Operation for Absent {
    type State = KeysState;

    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        self.keys = given(host, &self.key).await?;
        Ok(())
    }
    async fn read(&self, host: &dyn Look) -> Result<KeysState> {
        let file = KeyFile::find(host, &self.user, self.path.as_ref(), Some(false), self.follow).await?;
        file.plain().read(host).await
    }
    fn want(&self, now: &KeysState) -> Result<KeysState> {
        Ok(now.with(now.text().map(|text| line::without(text, &self.keys))))
    }
    fn steps(&self, now: &KeysState, want: &KeysState) -> Result<Vec<Step>> {
        now.place()?.steps(now, want)
    }
    // The controller may have the keys no longer, and they are not needed.
    async fn recall(&mut self, _host: &dyn Look, before: KeysState, _after: &KeysState) -> Result<KeysState> {
        Ok(before)
    }
}

/// Ask for the keys that may log in as a user.
///
/// Each has `type`, `key`, `comment` and `options`, which are empty where there are none.
///
/// ```rhai
/// authorized_key::keys("media");
/// ```
/// ```transcript
/// ? getent passwd media
/// = media:x:1000:1000::/home/media:/bin/bash
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /home/media/.ssh/authorized_keys
/// = 600:media:media:1000:1000:91:1763666100:regular file
/// ? find /home/media/.ssh/authorized_keys -maxdepth 0 -type f -exec cat '{}' ';'
/// = ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g me@laptop
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The user.
    pub user: Id,
    /// The file; without it, `.ssh/authorized_keys` in the user's home directory.
    pub path: Option<HostPath>,
}

impl Fact for Keys {
    type Answer = Vec<Line>;

    async fn ask(&self, host: &dyn Look) -> Result<Vec<Line>> {
        let file = KeyFile::find(host, &self.user, self.path.as_ref(), Some(false), true).await?.plain();
        let text = file.read(host).await?;
        Ok(text.text().unwrap_or_default().lines().filter_map(Line::parse).collect())
    }
}
