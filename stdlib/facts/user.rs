//! Users and groups.

use crate::bail;
use crate::contract::{Command, Fact, Look, Result, refusal};
use crate::shared::facts::{env, user};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

fact! {
    /// Ask for the user that commands run as.
    ///
    /// ```rhai
    /// facts::user();
    /// ```
    /// ```transcript
    /// ? sh -c 'id -un; id -u; u=$(id -un); getent passwd "$u" 2>/dev/null || grep "^$u:" /etc/passwd' sh
    /// = media
    /// = 1000
    /// = media:x:1000:1000:Media:/home/media:/bin/bash
    /// ```
    User -> String: |host| user(host).await?.name
}

fact! {
    /// Ask for the number of the user that commands run as.
    ///
    /// ```rhai
    /// facts::uid();
    /// ```
    /// ```transcript
    /// ? sh -c 'id -un; id -u; u=$(id -un); getent passwd "$u" 2>/dev/null || grep "^$u:" /etc/passwd' sh
    /// = media
    /// = 1000
    /// = media:x:1000:1000:Media:/home/media:/bin/bash
    /// ```
    Uid -> u64: |host| user(host).await?.uid
}

fact! {
    /// Ask for the number of that user's main group.
    ///
    /// ```rhai
    /// facts::gid();
    /// ```
    /// ```transcript
    /// ? sh -c 'id -un; id -u; u=$(id -un); getent passwd "$u" 2>/dev/null || grep "^$u:" /etc/passwd' sh
    /// = media
    /// = 1000
    /// = media:x:1000:1000:Media:/home/media:/bin/bash
    /// ```
    Gid -> u64: |host| user(host).await?.gid
}

fact! {
    /// Ask for the home directory of the user that commands run as.
    ///
    /// ```rhai
    /// facts::home();
    /// ```
    /// ```transcript
    /// ? sh -c 'id -un; id -u; u=$(id -un); getent passwd "$u" 2>/dev/null || grep "^$u:" /etc/passwd' sh
    /// = media
    /// = 1000
    /// = media:x:1000:1000:Media:/home/media:/bin/bash
    /// ```
    Home -> String: |host| user(host).await?.home
}

fact! {
    /// Ask for the environment that commands get, as a map.
    ///
    /// ```rhai
    /// facts::env().PATH;
    /// ```
    /// ```transcript
    /// ? env
    /// = HOME=/home/media
    /// = PATH=/usr/local/bin:/usr/bin:/bin
    /// ```
    Env -> BTreeMap<String, String>: |host| env(host).await?
}

/// Ask one of the host's databases: `passwd`, `group`, `shadow`, `hosts`, `services`...
///
/// With a `key`, the answer is the list of that entry's fields after the key, or `()` if there is no such entry; without
/// one, a map of all entries.
///
/// ```rhai
/// let home = facts::getent("passwd", #{ key: "media" })[4];
/// ```
/// ```transcript
/// ? getent -- passwd media
/// = media:x:1000:1000:Media:/home/media:/bin/bash
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Getent {
    /// The database.
    pub database: String,
    /// The entry; without it, all.
    pub key: Option<String>,
}

impl Fact for Getent {
    type Answer = Value;

    async fn ask(&self, host: &dyn Look) -> Result<Value> {
        let command = Command::new("getent").args(["--", &self.database]).args(self.key.clone());
        let command = command.timeout(Some(LIMIT));
        let output = host.run(&command).await?;
        match output.code {
            0 => {}
            2 if self.key.is_some() => return Ok(Value::Null),
            1 => bail!("the host has no database `{}`", self.database;
                hint: "passwd, group, shadow, gshadow, hosts, services, protocols, networks"),
            _ => return Err(refusal(&command, &output)),
        }
        let entries = output.lines().into_iter().filter_map(|line| {
            let mut fields: Vec<String> = match line.contains(':') && self.database != "hosts" {
                true => line.split(':').map(str::to_owned).collect(),
                false => line.split_whitespace().map(str::to_owned).collect(),
            };
            (!fields.is_empty()).then(|| (fields.remove(0), json!(fields)))
        });
        let entries: Map<String, Value> = entries.collect();
        Ok(match self.key {
            Some(_) => entries.into_iter().next().map_or(Value::Null, |(_, fields)| fields),
            None => Value::Object(entries),
        })
    }
}

/// A directory of users may be far away.
const LIMIT: Duration = Duration::from_secs(10);
