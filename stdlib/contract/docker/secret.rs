//! What is secret in calls: passwords for registries, and variables, options and labels that are called like secrets.

use super::{Auth, Call, Verb};
use serde::Serializer;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What stands for a secret.
pub const MASK: &str = "‹secret›";

/// Whether an environment variable is a secret, by its name. One that names a file is none.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let ends = ["_key", "pass", "_pw", "_pwd", "_pat", "_dsn", "_auth", "psk", "salt", "cookie", "_pin", "masterauth"];
    let holds = ["password", "passwd", "passphrase", "secret", "token", "apikey", "credential"];
    let file = name.ends_with("_file") || name.ends_with("_path") || name.ends_with("_dir");
    !file
        && (name == "pin"
            || holds.iter().any(|word| name.contains(word))
            || ends.iter().any(|word| name.ends_with(word)))
}

/// Whether a value can be a secret: a switch is none.
fn hideable(value: &str) -> bool {
    let switches = ["true", "false", "yes", "no", "on", "off", "none", "null"];
    value.len() >= 3 && !switches.contains(&value.to_lowercase().as_str())
}

fn masked<'a>(name: &str, value: &'a str) -> &'a str {
    if is_secret(name) && hideable(value) { MASK } else { value }
}

/// The secrets in the words of a command, of which some may be a line for a shell: `--password=hush`, `-a hush` of
/// redis-cli, `postgres://me:hush@db/app`.
pub fn in_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let words: Vec<&str> = words
        .into_iter()
        .flat_map(|word| word.split([' ', '\t', '\n', ',']))
        .map(|word| word.trim_matches(['"', '\'', ';']))
        .collect();
    let program = |names: &[&str]| words.iter().any(|word| names.contains(&word.rsplit('/').next().unwrap_or(word)));
    let redis = program(&["redis-cli", "valkey-cli"]);
    let mysql = program(&["mysql", "mysqladmin", "mysqldump", "mariadb", "mariadb-admin", "mariadb-dump"]);
    let called = |option: &str| is_secret(&option.trim_start_matches('-').replace(['-', '.'], "_"));
    let next = words.iter().copied().skip(1).chain([""]);
    let found = words.iter().copied().zip(next).filter_map(|(word, next)| match word.split_once('=') {
        _ if word.contains("://") => in_address(word),
        Some((name, value)) if called(name) => Some(value),
        None if mysql && word.starts_with("-p") => word.strip_prefix("-p"),
        None if word.starts_with('-') && (called(word) || redis && word == "-a") => Some(next),
        _ => None,
    });
    let plain = |value: &&str| hideable(value) && !value.starts_with(['$', '-']);
    found.map(|value| value.trim_matches(['"', '\''])).filter(plain).map(str::to_owned).collect()
}

/// The password in an address such as `postgres://me:hush@db/app`.
pub fn in_address(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    let (user, _) = rest.split(['/', '?', '#']).next()?.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
}

/// The secrets among labels, or options of a volume: those that are called so, those in what is a command, and whom
/// Traefik lets in.
pub fn in_labels(labels: &Value) -> Vec<String> {
    let secret = |(name, value): (&String, &Value)| {
        let Some(value) = value.as_str() else { return Vec::new() };
        let name = name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let users = name.contains("basicauth_users") || name.contains("digestauth_users");
        let whole = (users || is_secret(&name)) && hideable(value);
        if whole { vec![value.to_owned()] } else { in_words([value]) }
    };
    labels.as_object().into_iter().flatten().flat_map(secret).collect()
}

/// The secrets of a container's body, as the engine's API has it.
pub fn in_body(body: &Value) -> Vec<String> {
    let strings =
        |place: &str| body.pointer(place).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut all: Vec<String> = secrets(strings("/Env")).map(str::to_owned).collect();
    all.extend(strings("/Env").filter_map(|pair| pair.split_once('=')).flat_map(|(_, value)| in_words([value])));
    for words in ["/Cmd", "/Entrypoint", "/Healthcheck/Test"] {
        all.extend(in_words(strings(words)));
    }
    all.extend(in_labels(&body["Labels"]));
    // Of a volume, in the API's words and as it was inspected.
    all.extend(in_labels(&body["DriverOpts"]));
    all.extend(in_labels(&body["Options"]));
    all
}

/// A text with something else in the place of secrets in it.
pub fn without(text: &str, secrets: &[String], mark: &dyn Fn(&str) -> String) -> String {
    secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), &mark(secret)))
}

/// The same of a value.
pub fn veiled(value: &Value, secrets: &[String], mark: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => without(text, secrets, mark).into(),
        Value::Array(items) => items.iter().map(|item| veiled(item, secrets, mark)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), veiled(value, secrets, mark)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// `NAME=value`, its value withheld where the name says so.
pub(super) fn masked_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, value)) => format!("{name}={}", masked(name, value)),
        None => pair.to_owned(),
    }
}

/// A body without its secrets.
pub(super) fn bare(body: &Value) -> Value {
    let secrets = in_body(body);
    let mut body = body.clone();
    for part in ["Cmd", "Entrypoint", "Healthcheck", "Labels", "DriverOpts", "Env"] {
        if let Some(part) = body.get_mut(part) {
            *part = veiled(part, &secrets, &|_| MASK.to_owned());
        }
    }
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
    pub fn secrets(&self) -> Vec<String> {
        let owned = |all: Vec<&str>| all.into_iter().map(str::to_owned).collect();
        match &self.verb {
            Verb::Pull { auth: Some(auth), .. }
            | Verb::Distribution { auth: Some(auth), .. }
            | Verb::Login { auth } => owned(auth.secrets().collect()),
            Verb::Create { body, .. } => in_body(body),
            Verb::Exec(exec) => {
                let pairs = exec.env.iter().filter(|(name, value)| is_secret(name) && hideable(value));
                owned(pairs.map(|(_, value)| value.as_str()).collect())
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_is_known_by_what_it_is_called() {
        for name in
            ["DB_PASSWORD", "MYSQL_PWD", "PGPASS", "WIFI_PSK", "RABBITMQ_ERLANG_COOKIE", "APP_SALT", "PIN", "api_key"]
        {
            assert!(is_secret(name), "{name}");
        }
        for name in ["PWD", "OLDPWD", "PASSWORD_FILE", "TZ", "PUID", "PING", "AUTHORS", "KEYS"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn so_it_is_in_commands_and_labels() {
        for (words, secrets) in [
            (&["redis-server", "--requirepass", "hush-1"][..], &["hush-1"][..]),
            (&["redis-cli -a 'hush-2' ping | grep PONG"], &["hush-2"]),
            (&["sh", "-c", "mysqladmin ping -uroot -phush-3"], &["hush-3"]),
            (&["app", "--api-token=hush-4", "--verbose", "--db=postgres://me:hush-5@db/app"], &["hush-4", "hush-5"]),
            (&["env", "PGPASSWORD=hush-6", "pg_isready", "-p", "5432"], &["hush-6"]),
            (
                &["app", "--password-file", "/run/secrets/x", "--password", "$PASSWORD", "-a", "b", "--token", "--on"],
                &[],
            ),
        ] {
            assert_eq!(in_words(words.iter().copied()), secrets, "{words:?}");
        }
        let labels = json!({
            "a.http.middlewares.x.basicauth.users": "ann:$apr1$x", "a.enable": "true", "b.api-key": "hush",
        });
        assert_eq!(in_labels(&labels), ["ann:$apr1$x", "hush"]);
        let body = json!({ "Env": ["A=b"], "Cmd": ["x", "--password=hush"], "Labels": { "app.token": "hush-7" } });
        assert!(!bare(&body).to_string().contains("hush"));
        let volume = json!({ "DriverOpts": { "type": "cifs", "o": "addr=nas,username=u,password=hush-8" } });
        assert_eq!(in_body(&volume), ["hush-8"]);
        let env = json!({ "Env": ["URL=postgres://me:hush-9@db/app", "ARGS=--token hush-10"] });
        assert_eq!(in_body(&env), ["hush-9", "hush-10"]);
    }
}
