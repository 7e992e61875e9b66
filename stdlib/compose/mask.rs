//! A resolved configuration as it may be shown and kept: nothing secret is in it, and no noise.

use crate::contract::Content;
use crate::contract::docker::{in_labels, in_words, secrets, veiled, without};
use serde_json::{Map, Value};

/// What makes no container another one.
const ASIDE: [&str; 4] = ["build", "pull_policy", "profiles", "scale"];

/// What stands for a variable that comes from whoever runs compose.
pub const OUTSIDE: &str = "(of whoever runs compose)";

/// The configuration of a service to be compared and shown, and its secrets.
pub fn masked(service: &Value) -> (Value, Vec<String>) {
    let mut hidden = Vec::new();
    let mut config = Map::new();
    for (name, value) in service.as_object().into_iter().flatten() {
        let value = match name.as_str() {
            name if ASIDE.contains(&name) => continue,
            "environment" => environment(value, &mut hidden),
            "command" | "entrypoint" | "healthcheck" | "labels" => {
                let secrets = told(name, value);
                let value = marked(&veiled(value, &secrets, &mark));
                hidden.extend(secrets.into_iter().flat_map(|secret| [secret.replace("$$", "$"), secret]));
                value
            }
            _ => marked(value),
        };
        if !value.is_null() && value != Value::Bool(true) || service[name] == Value::Bool(true) {
            config.insert(name.clone(), value);
        }
    }
    (Value::Object(config), hidden)
}

fn environment(variables: &Value, hidden: &mut Vec<String>) -> Value {
    let mask = |(name, value): (&String, &Value)| {
        let Some(text) = value.as_str() else { return (name.clone(), Value::from(OUTSIDE)) };
        let (shown, secrets) = variable(name, &text.replace("$$", "$"));
        hidden.extend(secrets);
        (name.clone(), Value::from(shown))
    };
    match variables {
        Value::Object(variables) => variables.iter().map(mask).collect::<Map<_, _>>().into(),
        other => other.clone(),
    }
}

/// A variable as it may be shown, and what is secret in it.
pub fn variable(name: &str, text: &str) -> (String, Vec<String>) {
    let pair = format!("{name}={text}");
    let whole: Vec<String> = secrets([pair.as_str()]).map(str::to_owned).collect();
    let hidden = if whole.is_empty() { in_words([text]) } else { whole };
    (without(text, &hidden, &mark), hidden)
}

/// The secrets of a part that is a command, a health check, or labels.
fn told(name: &str, value: &Value) -> Vec<String> {
    let words = if name == "healthcheck" { &value["test"] } else { value };
    match name {
        "labels" => in_labels(value),
        _ => in_words(words.as_array().into_iter().flatten().filter_map(Value::as_str)),
    }
}

/// Enough of a digest to tell another secret, too little of it to guess one.
fn mark(secret: &str) -> String {
    format!("‹secret {}›", &Content::digest(secret.as_bytes())[..6])
}

/// `networks: { default: null }` has a network: within a state, null means absent.
fn marked(value: &Value) -> Value {
    match value {
        Value::Null => Value::Bool(true),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), marked(value))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_configuration_is_shown_without_its_secrets() {
        let service = json!({
            "command": ["db", "--password", "bare$$ly"], "entrypoint": null, "image": "db:1", "build": { "context": "." }, "networks": { "default": null }, "init": true,
            "environment": { "TZ": "UTC", "DB_PASSWORD": "hu$$sh", "URL": "postgres://me:pass@db/app", "ARGS": "--token one-1 --api-key two-2", "HERE": null },
        });
        let (config, hidden) = masked(&service);
        let expected = json!({
            "command": ["db", "--password", "‹secret 6be0b2›"], "image": "db:1", "networks": { "default": true }, "init": true,
            "environment": {
                "TZ": "UTC", "DB_PASSWORD": "‹secret 6be0b2›", "URL": "postgres://me:‹secret 6be0b2›@db/app",
                "ARGS": "--token ‹secret 6be0b2› --api-key ‹secret 6be0b2›", "HERE": "(of whoever runs compose)",
            },
        });
        let plain = |value: &Value| {
            regex::Regex::new("secret [0-9a-f]{6}").unwrap().replace_all(&value.to_string(), "secret").into_owned()
        };
        assert_eq!(plain(&config), plain(&expected));
        assert_eq!(hidden, ["bare$ly", "bare$$ly", "hu$sh", "pass", "one-1", "two-2"]);
        let other = masked(&json!({ "environment": { "DB_PASSWORD": "hush2" } })).0;
        assert_ne!(other["environment"]["DB_PASSWORD"], config["environment"]["DB_PASSWORD"]);
    }
}
