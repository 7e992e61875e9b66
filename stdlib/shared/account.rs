//! Users and groups of a host as its own databases tell them.

use crate::bail;
use crate::contract::{Command, Error, Output, Result};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

/// The name of a user or group that is managed, such as `media`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AccountName(String);

impl AccountName {
    /// Reads a name. The error says what is expected.
    pub fn parse(text: &str) -> Result<AccountName, String> {
        let body = text.strip_suffix('$').unwrap_or(text);
        let starts = body.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let plain = body.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        if starts && plain && text.len() <= 32 {
            return Ok(AccountName(text.to_owned()));
        }
        Err(format!("`{text}` is no name: letters, digits, `_`, `-` and `.`, 32 at most, a letter or `_` first"))
    }
}

impl Deref for AccountName {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AccountName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AccountName, D::Error> {
        AccountName::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for AccountName {
    fn schema_name() -> Cow<'static, str> {
        "AccountName".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// A user, as a line of `passwd` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The login name.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    /// The number of the primary group.
    pub gid: u32,
    /// The full name or purpose.
    pub comment: String,
    /// The home directory.
    pub home: String,
    /// The login shell.
    pub shell: String,
}

/// A group, as a line of `group` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its number.
    pub gid: u32,
    /// The users that it is a supplementary group of.
    pub members: Vec<String>,
}

/// Asks for one entry of a database (`passwd`, `group`), or for all of them.
pub fn getent(database: &str, name: Option<&str>) -> Command {
    Command::new("getent").arg(database).args(name)
}

/// The users in the answer; none if there is no such user.
pub fn users(output: &Output) -> Result<Vec<Account>> {
    entries(output, |fields| {
        let [name, _, uid, gid, comment, home, shell] = fields else { return None };
        Some(Account {
            name: (*name).to_owned(),
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            comment: (*comment).to_owned(),
            home: (*home).to_owned(),
            shell: (*shell).to_owned(),
        })
    })
}

/// The groups in the answer; none if there is no such group.
pub fn groups(output: &Output) -> Result<Vec<Group>> {
    entries(output, |fields| {
        let [name, _, gid, members] = fields else { return None };
        let members = members.split(',').filter(|member| !member.is_empty()).map(str::to_owned).collect();
        Some(Group { name: (*name).to_owned(), gid: gid.parse().ok()?, members })
    })
}

fn entries<T>(output: &Output, read: impl Fn(&[&str]) -> Option<T>) -> Result<Vec<T>> {
    match output.code {
        // 2: no such entry.
        0 | 2 => {}
        127 => bail!("getent is not installed"; hint: "Alpine has it in musl-utils, other systems in their C library"),
        code => bail!("getent exited with {code}: {}", output.stderr_text().trim_end()),
    }
    let text = output.text();
    Ok(text.lines().filter_map(|line| read(&line.split(':').collect::<Vec<_>>())).collect())
}

/// Whether a command that manages accounts is there, to ask in a premise.
pub fn tool(program: &str) -> Command {
    Command::sh(r#"command -v "$1" >/dev/null"#).arg(program)
}

/// The error of a missing tool, with the remedy.
pub fn missing(error: Error) -> Error {
    if error.message.ends_with(" is not installed") {
        error.hint("accounts are managed with the shadow tools; Alpine has them in a package: apk add shadow")
    } else {
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_useradd_takes() {
        for good in ["media", "_apt", "www-data", "a.b", "host$"] {
            assert!(AccountName::parse(good).is_ok(), "{good}");
        }
        for wrong in ["", "-r", "1000", "a b", "a:b", "ü", "$", "a$b", &"a".repeat(33)] {
            assert!(AccountName::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_line_that_is_no_entry_is_none() {
        let output = |text: &str| Output { stdout: text.as_bytes().to_vec(), ..Output::default() };
        let users = users(&output("root:x:0:0:root:/root:/bin/bash\n+::::::\nbroken\n")).unwrap();
        assert_eq!(users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["root"]);
        let groups = groups(&output("docker:x:990:me,you\nempty:x:5:\n")).unwrap();
        assert_eq!((groups[0].members.len(), groups[1].members.len()), (2, 0));
        assert!(super::groups(&Output { code: 1, ..Output::default() }).is_err());
    }
}
