//! Jobs and variables of crontabs and of files in `/etc/cron.d`.
//!
//! An entry is known by its name, which stands in a line above it (`#Ansible: NAME`), as Ansible writes it: entries
//! that Ansible made are recognised. Every other line stays as it is, byte for byte. A job that stands there already
//! without a name gets one.
//!
//! Without `user` it is the crontab of who is logged in, or of whom `within(#{ become: ... })` names; with `cron_file`
//! it is a file in `/etc/cron.d`, and `user` says as whom its job runs. cron itself must be installed: the package is
//! `cron` on Debian, `cronie` on Fedora and Arch. Backups that were asked for stay when a change is taken back.

mod edit;
mod entries;
mod env;
mod schedule;
mod table;

pub use entries::Entries;
pub use env::{Env, EnvAbsent};
pub use schedule::{Field, Special};

use crate::bail;
use crate::contract::{Error, Look, Module, Operation, Result, Step};
use crate::shared::{AccountName, FileState};
use schedule::Schedule;
use schemars::JsonSchema;
use serde::Deserialize;
use table::Table;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.operation::<Present>().operation::<Absent>().operation::<Env>().operation::<EnvAbsent>();
    module.fact::<Entries>();
}

/// Make sure a job is there, at this time.
///
/// A `%` in a job is a line break to cron, unless a backslash stands before it.
///
/// ```rhai
/// cron::present("backup", #{ job: "/usr/local/bin/backup --quiet", minute: 30, hour: 3 });
/// ```
/// ```transcript
/// ? LC_ALL=C crontab -l
/// = MAILTO=me@example.org
/// = 0 * * * * /usr/bin/true
/// ! crontab -
/// ? LC_ALL=C crontab -l
/// = MAILTO=me@example.org
/// = 0 * * * * /usr/bin/true
/// = #Ansible: backup
/// = 30 3 * * * /usr/local/bin/backup --quiet
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Present {
    /// The name of the entry.
    pub name: String,
    /// What runs.
    pub job: String,
    /// `0` to `59`, `*`, `*/5`, lists and ranges.
    #[serde(default, deserialize_with = "schedule::minute")]
    pub minute: Field,
    /// `0` to `23`, `*`, `*/2`, lists and ranges.
    #[serde(default, deserialize_with = "schedule::hour")]
    pub hour: Field,
    /// The day of the month: `1` to `31`, `*`, lists and ranges.
    #[serde(default, deserialize_with = "schedule::day")]
    pub day: Field,
    /// `1` to `12` or `jan` to `dec`, `*`, lists and ranges.
    #[serde(default, deserialize_with = "schedule::month")]
    pub month: Field,
    /// `0` (Sunday) to `7` (Sunday again) or `sun` to `sat`, `*`, lists and ranges.
    #[serde(default, deserialize_with = "schedule::weekday")]
    pub weekday: Field,
    /// Instead of the five: a time that has a name.
    pub special_time: Option<Special>,
    /// Whose crontab it is in; with `cron_file`, as whom the job runs.
    pub user: Option<AccountName>,
    /// The file in `/etc/cron.d` that it is in, or a whole path; without it, a crontab.
    pub cron_file: Option<String>,
    /// Keep the entry as a comment, so that it does not run.
    #[serde(default)]
    pub disabled: bool,
    /// Keep the old text: beside the file as `PATH.DIGEST~`, of a crontab as `/tmp/crontab.*`.
    #[serde(default)]
    pub backup: bool,
}

impl Present {
    fn table(&self) -> Result<Table> {
        Table::new(self.user.as_ref(), self.cron_file.as_deref(), self.backup)
    }
    /// The line of the job.
    fn line(&self) -> Result<String> {
        let fields = [&self.minute, &self.hour, &self.day, &self.month, &self.weekday];
        let schedule = Schedule { fields, special: self.special_time };
        let user = match (&self.cron_file, &self.user) {
            (None, _) => String::new(),
            (Some(_), Some(user)) => format!("{user} "),
            (Some(_), None) => "root ".to_owned(),
        };
        let job = self.job.trim_matches(['\r', '\n']);
        if job.trim().is_empty() || job.contains(['\r', '\n', '\0']) {
            bail!(playbook: "`job` is one line, and not an empty one"; hint: "a script holds more, and file::file brings it");
        }
        let disabled = if self.disabled { "#" } else { "" };
        Ok(format!("{disabled}{} {user}{job}", schedule.text()?))
    }
}

/// Refuses a name that is no line of its own.
fn named(name: &str) -> Result<()> {
    if name.trim() != name || name.is_empty() || name.contains(['\n', '\r', '\0']) {
        bail!(playbook: "`name` is one line, without blanks around it");
    }
    Ok(())
}

impl Operation for Present {
    type State = FileState;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        named(&self.name)?;
        self.line()?;
        self.table()?.check()
    }
    async fn read(&self, host: &dyn Look) -> Result<FileState> {
        self.table()?.read(host).await
    }
    fn want(&self, now: &FileState) -> Result<FileState> {
        let text = edit::present(table::text(now), &self.name, &self.line()?);
        Ok(FileState { content: Some(FileState::text(text)), ..now.clone() })
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

/// Make sure a job is not there.
///
/// A file in `/etc/cron.d` goes when nothing is left in it.
///
/// ```rhai
/// cron::absent("old backup", #{ user: "root" });
/// ```
/// ```transcript
/// ? LC_ALL=C crontab -l -u root
/// = #Ansible: old backup
/// = @daily /usr/local/bin/old-backup
/// = 0 * * * * /usr/bin/true
/// ! crontab -u root -
/// ? LC_ALL=C crontab -l -u root
/// = 0 * * * * /usr/bin/true
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// The name of the entry.
    pub name: String,
    /// Whose crontab it is in.
    pub user: Option<AccountName>,
    /// The file in `/etc/cron.d` that it is in, or a whole path; without it, a crontab.
    pub cron_file: Option<String>,
    /// Keep the old text: beside the file as `PATH.DIGEST~`, of a crontab as `/tmp/crontab.*`.
    #[serde(default)]
    pub backup: bool,
}

impl Absent {
    fn table(&self) -> Result<Table> {
        Table::new(self.user.as_ref(), self.cron_file.as_deref(), self.backup)
    }
}

impl Operation for Absent {
    type State = FileState;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        named(&self.name)?;
        self.table().map(drop)
    }
    async fn read(&self, host: &dyn Look) -> Result<FileState> {
        self.table()?.read(host).await
    }
    fn want(&self, now: &FileState) -> Result<FileState> {
        let left = table::text(now).map(|text| edit::absent(text, &self.name));
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
