//! What is secret in calls: passwords for registries, and environment variables that are called like secrets.

use super::{Auth, Call, Verb};
use serde::Serializer;
use serde_json::Value;
use std::collections::BTreeMap;

/// What stands for a secret.
pub const MASK: &str = "‹secret›";

/// Whether an environment variable is a secret, by its name. One that names a file is none.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let ends = ["_key", "_pass", "_pw", "_pat", "_dsn", "_auth"];
    let holds = ["password", "passwd", "passphrase", "secret", "token", "apikey", "credential"];
    let file = name.ends_with("_file") || name.ends_with("_path") || name.ends_with("_dir");
    !file && (holds.iter().any(|word| name.contains(word)) || ends.iter().any(|word| name.ends_with(word)))
}

/// Whether a value can be a secret: a switch is none.
fn hideable(value: &str) -> bool {
    let switches = ["true", "false", "yes", "no", "on", "off", "none", "null"];
    value.len() >= 3 && !switches.contains(&value.to_lowercase().as_str())
}

fn masked<'a>(name: &str, value: &'a str) -> &'a str {
    if is_secret(name) && hideable(value) { MASK } else { value }
}

/// `NAME=value`, its value withheld where the name says so.
pub(super) fn masked_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, value)) => format!("{name}={}", masked(name, value)),
        None => pair.to_owned(),
    }
}

/// A body without the values of secret variables.
pub(super) fn bare(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(Value::Array(env)) = body.get_mut("Env") {
        for pair in env {
            if let Value::String(text) = pair {
                *text = masked_pair(text);
            }
        }
    }
    body
}

pub(super) fn masked_body<S: Serializer>(body: &Value, to: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&bare(body), to)
}

pub(super) fn masked_map<S: Serializer>(env: &BTreeMap<String, String>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(env.iter().map(|(name, value)| (name, masked(name, value))))
}

impl Auth {
    fn secrets(&self) -> impl Iterator<Item = &str> {
        self.password.iter().chain(&self.token).map(String::as_str)
    }
}

impl Call {
    /// What of it must not be seen anywhere.
    pub fn secrets(&self) -> Vec<&str> {
        match &self.verb {
            Verb::Pull { auth: Some(auth), .. }
            | Verb::Distribution { auth: Some(auth), .. }
            | Verb::Login { auth } => auth.secrets().collect(),
            Verb::Create { body, .. } => {
                let env = body.get("Env").and_then(Value::as_array).into_iter().flatten();
                secrets(env.filter_map(Value::as_str)).collect()
            }
            Verb::Exec(exec) => {
                let pairs = exec.env.iter();
                pairs.filter(|(name, value)| is_secret(name) && hideable(value)).map(|(_, v)| v.as_str()).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The secret values among `NAME=value` pairs.
pub fn secrets<'a>(env: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    let pairs = env.into_iter().filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, value)| is_secret(name) && hideable(value)).map(|(_, value)| value)
}
