//! `cron::entries`: what a crontab contains.

use super::edit::{MARK, lines};
use super::table::{self, Table};
use crate::contract::{Fact, Look, Result};
use crate::shared::AccountName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Ask for the jobs of a crontab or of a file in `/etc/cron.d`.
///
/// Each has `name` (`()` if it has none), `when`, `user` (`()` in a crontab), `job` and `disabled`. The list is
/// empty where there is no crontab.
///
/// ```rhai
/// cron::entries(#{ user: "root" });
/// ```
/// ```transcript
/// ? LC_ALL=C crontab -l -u root
/// = MAILTO=me@example.org
/// = #Ansible: backup
/// = 30 3 * * * /usr/local/bin/backup --quiet
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entries {
    /// Whose crontab.
    pub user: Option<AccountName>,
    /// The file in `/etc/cron.d`, or a whole path.
    pub cron_file: Option<String>,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    name: Option<String>,
    when: String,
    user: Option<String>,
    job: String,
    disabled: bool,
}

impl Fact for Entries {
    type Answer = Vec<Entry>;

    async fn ask(&self, host: &dyn Look) -> Result<Vec<Entry>> {
        let table = Table::new(self.user.as_ref(), self.cron_file.as_deref(), false)?;
        let now = table.read(host).await?;
        Ok(entries(table::text(&now).unwrap_or_default(), self.cron_file.is_some()))
    }
}

fn entries(text: &str, file: bool) -> Vec<Entry> {
    let mut name = None;
    let mut found = Vec::new();
    for line in lines(text) {
        if let Some(mark) = line.strip_prefix(MARK) {
            name = Some(mark.to_owned());
            continue;
        }
        let named = name.take();
        // What is commented out is a job only if it has a name.
        let (line, disabled) = match line.strip_prefix('#') {
            Some(rest) if named.is_some() => (rest, true),
            _ => (line, false),
        };
        found.extend(entry(line, file).map(|entry| Entry { name: named, disabled, ..entry }));
    }
    found
}

fn entry(line: &str, file: bool) -> Option<Entry> {
    let line = line.trim();
    let times = if line.starts_with('@') { 1 } else { 5 };
    let time =
        |word: &str| word.starts_with(|c: char| c.is_ascii_alphanumeric() || "*@".contains(c)) && !word.contains('=');
    let mut rest = line;
    let mut words = Vec::new();
    for _ in 0..times + usize::from(file) {
        let (word, after) = rest.split_once([' ', '\t'])?;
        words.push(word);
        rest = after.trim_start();
    }
    let user = if file { words.pop().map(str::to_owned) } else { None };
    let found = words.iter().all(|word| time(word)) && !rest.is_empty();
    found.then(|| Entry { name: None, when: words.join(" "), user, job: rest.to_owned(), disabled: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_told_from_variables_and_comments() {
        let text = "# m h dom mon dow command\nA=b c d e f g\n#Ansible: a\n#*/5 * * * *  x y\n@daily z\n1 2 3 4 5\n";
        let found: Vec<String> = entries(text, false)
            .into_iter()
            .map(|e| format!("{} | {} | {} | {}", e.name.unwrap_or_default(), e.when, e.job, e.disabled))
            .collect();
        assert_eq!(found, ["a | */5 * * * * | x y | true", " | @daily | z | false"]);
        let system = entries("17 *\t* * *\troot\tcd / && run-parts\n", true);
        assert_eq!((system[0].user.as_deref(), system[0].job.as_str()), (Some("root"), "cd / && run-parts"));
    }
}
