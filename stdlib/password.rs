//! Passwords that are made once, by chance, and kept in a file.
//!
//! They are made as templates' `lookup('password', ...)` makes them. Whatever comes from here is hidden in every
//! report and in the journal, also where it turns up later in a file or a command.

use crate::bail;
use crate::contract::{Command, Content, Fact, Keepsake, Look, Module, Operation, Result, Source, Step, Write};
use crate::shared::stat::{self, Kind};
use crate::shared::{HostPath, Id, Many, Mode, directory_of};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.operation::<Generated>().fact::<Read>().fact::<Kept>();
}

fn twenty() -> u32 {
    20
}

/// What templates' own password is, kept at this path of the controller (`/dev/null` keeps nothing).
async fn made(host: &dyn Look, path: &str, length: u32, chars: &Many<String>) -> Result<String> {
    if !(1..=4096).contains(&length) {
        bail!(playbook: "`length` is 1 to 4096, not {length}");
    }
    if path.contains(['=', ' ']) {
        bail!(playbook: "`{path}`: no blank and no `=` in the name of a file for a password");
    }
    let chars = chars.as_slice();
    let mut vars = BTreeMap::from([("path".to_owned(), Value::from(path)), ("length".to_owned(), Value::from(length))]);
    let template = if chars.is_empty() {
        "{{ lookup('password', path, length=length) }}"
    } else {
        vars.insert("chars".to_owned(), Value::from(chars.to_vec()));
        "{{ lookup('password', path, length=length, chars=chars) }}"
    };
    let password = host.render("password", template, &vars).await?;
    host.hide(&password);
    Ok(password)
}

/// Make sure a file of the host keeps a password, made by chance if there is none.
///
/// What is in the file stays, whatever it is; `length` and `chars` are for a new one.
///
/// ```rhai
/// password::generated("/etc/app/db.password", #{ length: 32, owner: "app" });
/// ```
/// ```transcript
/// ? LC_ALL=C stat -L -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/app/db.password
/// - stat: cannot statx '/etc/app/db.password': No such file or directory
/// * 1
/// ! write /etc/app/db.password mode=0600 owner=app
/// + (content withheld)
/// ? LC_ALL=C stat -L -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/app/db.password
/// = 600:app:app:999:999:33:1763666100:regular file
/// ? find /etc/app/db.password -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// = 6ca13d52ca70c883e0f0bb101e425a89e8624de51db2d2392593af6a84118090  /etc/app/db.password
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Generated {
    /// The file on the host.
    pub path: HostPath,
    /// How many characters a new one has.
    #[serde(default = "twenty")]
    pub length: u32,
    /// Of which characters: names of sets (`"ascii_letters"`, `"digits"`, `"hexdigits"`, `"punctuation"`...) or
    /// characters themselves; letters, digits and `.,:-_` without it.
    #[serde(default)]
    pub chars: Many<String>,
    /// Permissions.
    #[serde(default = "private")]
    pub mode: Mode,
    /// The owner, by name or number.
    pub owner: Option<Id>,
    /// The group, by name or number.
    pub group: Option<Id>,
    /// What a new file gets.
    #[serde(skip)]
    password: String,
}

fn private() -> Mode {
    Mode::octal(0o600)
}

/// A file with a password, but for the password.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct GeneratedState {
    exists: bool,
    mode: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    /// The password's digest and size, for the way back.
    #[serde(rename = "$content", default, skip_serializing_if = "Option::is_none")]
    content: Option<Content>,
}

impl Operation for Generated {
    type State = GeneratedState;

    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        self.password = made(host, "/dev/null", self.length, &self.chars).await?;
        Ok(())
    }

    async fn read(&self, host: &dyn Look) -> Result<GeneratedState> {
        let Some(found) = stat::reached(host, &self.path).await? else {
            return Ok(GeneratedState::default());
        };
        if found.kind != Kind::File || found.size == 0 {
            let is = if found.kind == Kind::File { "empty" } else { found.kind.words() };
            bail!("{} is {is}, and no password", self.path; hint: "remove it first with file::absent");
        }
        let sha256 = stat::digest_answer(&host.run(&stat::digest(&self.path)).await?);
        Ok(GeneratedState {
            exists: true,
            content: sha256.map(|sha256| Content { sha256, size: found.size, text: None }),
            mode: Some(format!("{:04o}", found.mode)),
            owner: self.owner.as_ref().map(|id| found.owner_like(id)),
            group: self.group.as_ref().map(|id| found.group_like(id)),
        })
    }

    fn want(&self, now: &GeneratedState) -> Result<GeneratedState> {
        let bits = now.mode.as_deref().and_then(|mode| u32::from_str_radix(mode, 8).ok());
        Ok(GeneratedState {
            exists: true,
            mode: Some(self.mode.of(bits.unwrap_or(0o600), false)),
            owner: self.owner.as_ref().map(|id| id.as_str().to_owned()),
            group: self.group.as_ref().map(|id| id.as_str().to_owned()),
            content: now.content.clone(),
        })
    }

    fn keeps(&self, now: &GeneratedState, want: &GeneratedState) -> Vec<Keepsake> {
        let gone = now.content.iter().filter(|_| !want.exists);
        let keep = |content: &Content| Keepsake {
            command: stat::content(&self.path),
            sha256: content.sha256.clone(),
            size: content.size,
        };
        gone.map(keep).collect()
    }

    fn steps(&self, now: &GeneratedState, want: &GeneratedState) -> Result<Vec<Step>> {
        if !want.exists {
            return Ok(Command::new("rm").args(["-f", "--", &self.path]).into());
        }
        if now.exists {
            let (now, want) = ([&now.mode, &now.owner, &now.group], [&want.mode, &want.owner, &want.group]);
            return Ok(stat::attributes(&self.path, now, want));
        }
        // On the way back, the one that was there.
        let source = match &want.content {
            Some(content) => Source::Kept(content.sha256.clone()),
            None => Source::Text(format!("{}\n", self.password)),
        };
        Ok(vec![Step::Write(Write {
            mode: want.mode.clone(),
            owner: want.owner.clone(),
            group: want.group.clone(),
            sensitive: true,
            ..Write::new(self.path.as_str(), source)
        })])
    }

    async fn premise(&self, host: &dyn Look, _now: &GeneratedState) -> Result<()> {
        directory_of(host, &self.path).await
    }
}

/// Ask for a password that a file of the host keeps.
///
/// ```rhai
/// password::read("/etc/app/db.password");
/// ```
/// ```transcript
/// ? cat -- /etc/app/db.password
/// = Nd7.kq:wA0-xYz3T
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// The file on the host.
    pub path: HostPath,
}

impl Fact for Read {
    type Answer = String;

    async fn ask(&self, host: &dyn Look) -> Result<String> {
        let password = host.text(&Command::new("cat").args(["--", &self.path])).await?;
        host.hide(&password);
        Ok(password)
    }
}

/// Ask for a password that a file of the controller keeps; the first who asks makes it.
///
/// The file is the one of templates' `lookup('password', ...)`, readable by its owner only. In check mode one that does
/// not exist yet is made up, and kept nowhere.
///
/// ```rhai
/// password::kept("passwords/db");
/// ```
/// ```transcript
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The file on the controller: beside the playbook, unless the path is absolute.
    pub path: String,
    /// How many characters a new one has.
    #[serde(default = "twenty")]
    pub length: u32,
    /// Of which characters: names of sets (`"ascii_letters"`, `"digits"`, `"hexdigits"`, `"punctuation"`...) or
    /// characters themselves; letters, digits and `.,:-_` without it.
    #[serde(default)]
    pub chars: Many<String>,
}

impl Fact for Kept {
    type Answer = String;

    async fn ask(&self, host: &dyn Look) -> Result<String> {
        made(host, &self.path, self.length, &self.chars).await
    }
}
