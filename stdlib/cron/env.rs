//! `cron::env` and `cron::env_absent`: variables of a crontab.

use super::edit::{self, Place};
use super::table::{self, Table};
use crate::bail;
use crate::contract::{Error, Look, Operation, Result, Step};
use crate::shared::{AccountName, FileState};
use schemars::JsonSchema;
use serde::Deserialize;

/// Make sure a variable of a crontab has a value; it counts for the jobs below it.
///
/// A new one stands above everything, or beside another variable.
///
/// ```rhai
/// cron::env("MAILTO", #{ value: "me@example.org", user: "root" });
/// ```
/// ```transcript
/// ? LC_ALL=C crontab -l -u root
/// - no crontab for root
/// * 1
/// ! crontab -u root -
/// ? LC_ALL=C crontab -l -u root
/// = MAILTO="me@example.org"
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Env {
    /// The variable.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Put a new one below this variable.
    pub after: Option<String>,
    /// Put a new one above this variable.
    pub before: Option<String>,
    /// Whose crontab it is in.
    pub user: Option<AccountName>,
    /// The file in `/etc/cron.d` that it is in, or a whole path; without it, a crontab.
    pub cron_file: Option<String>,
    /// Keep the old text: beside the file as `PATH.DIGEST~`, of a crontab as `/tmp/crontab.*`.
    #[serde(default)]
    pub backup: bool,
}

/// Refuses what is no name of a variable.
fn named(name: &str) -> Result<()> {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        bail!(playbook: "`name`: \"{name}\" is no variable"; hint: "letters, digits and `_`, no digit first");
    }
    Ok(())
}

impl Env {
    fn table(&self) -> Result<Table> {
        Table::new(self.user.as_ref(), self.cron_file.as_deref(), self.backup)
    }
}

impl Operation for Env {
    type State = FileState;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        named(&self.name)?;
        if self.value.contains(['\n', '\r', '\0']) {
            bail!(playbook: "`value` is one line");
        }
        if self.after.is_some() && self.before.is_some() {
            bail!(playbook: "`after` and `before` both say where it goes: give one of them");
        }
        self.table()?.check()
    }
    async fn read(&self, host: &dyn Look) -> Result<FileState> {
        self.table()?.read(host).await
    }
    fn want(&self, now: &FileState) -> Result<FileState> {
        let place = match (&self.after, &self.before) {
            (Some(other), _) => Place::After(other),
            (_, Some(other)) => Place::Before(other),
            _ => Place::First,
        };
        let line = format!("{}=\"{}\"", self.name, self.value);
        match edit::env(table::text(now), &self.name, &line, place) {
            Ok(text) => Ok(FileState { content: Some(FileState::text(text)), ..now.clone() }),
            Err(other) => bail!("there is no variable {other} to put {} beside", self.name),
        }
    }
    fn steps(&self, now: &FileState, want: &FileState) -> Result<Vec<Step>> {
        self.table()?.steps(now, want)
    }
    async fn premise(&self, host: &dyn Look, now: &FileState) -> Result<()> {
        self.table()?.premise(host, now).await
    }
    async fn recall(&mut self, host: &dyn Look, before: FileState, _after: &FileState) -> Result<FileState> {
        // What is kept is kept: one backup more would be one too many.
        self.backup = false;
        self.prepare(host).await?;
        Ok(before)
    }
    fn explain(&self, error: Error) -> Error {
        table::explain(error)
    }
}

/// Make sure a crontab does not set a variable.
///
/// ```rhai
/// cron::env_absent("MAILTO", #{ cron_file: "homelab" });
/// ```
/// ```transcript
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/cron.d/homelab
/// = 644:root:root:0:0:52:1749081600:regular file
/// ? find /etc/cron.d/homelab -maxdepth 0 -type f -exec cat '{}' ';'
/// = MAILTO="me@example.org"
/// = @daily root /usr/bin/backup
/// ! write /etc/cron.d/homelab
/// + @daily root /usr/bin/backup
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/cron.d/homelab
/// = 644:root:root:0:0:28:1763666100:regular file
/// ? find /etc/cron.d/homelab -maxdepth 0 -type f -exec cat '{}' ';'
/// = @daily root /usr/bin/backup
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvAbsent {
    /// The variable.
    pub name: String,
    /// Whose crontab it is in.
    pub user: Option<AccountName>,
    /// The file in `/etc/cron.d` that it is in, or a whole path; without it, a crontab.
    pub cron_file: Option<String>,
    /// Keep the old text: beside the file as `PATH.DIGEST~`, of a crontab as `/tmp/crontab.*`.
    #[serde(default)]
    pub backup: bool,
}

impl EnvAbsent {
    fn table(&self) -> Result<Table> {
        Table::new(self.user.as_ref(), self.cron_file.as_deref(), self.backup)
    }
}

impl Operation for EnvAbsent {
    type State = FileState;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        named(&self.name)?;
        self.table().map(drop)
    }
    async fn read(&self, host: &dyn Look) -> Result<FileState> {
        self.table()?.read(host).await
    }
    fn want(&self, now: &FileState) -> Result<FileState> {
        let left = table::text(now).map(|text| edit::env_absent(text, &self.name));
        Ok(table::left(now, left, self.cron_file.is_some()))
    }
    fn steps(&self, now: &FileState, want: &FileState) -> Result<Vec<Step>> {
        self.table()?.steps(now, want)
    }
    async fn recall(&mut self, host: &dyn Look, before: FileState, _after: &FileState) -> Result<FileState> {
        // What is kept is kept: one backup more would be one too many.
        self.backup = false;
        self.prepare(host).await?;
        Ok(before)
    }
    fn explain(&self, error: Error) -> Error {
        table::explain(error)
    }
}
