//! The options of `play`, `within` and `task`: maps of the script as our types, with errors that name them.

use super::stage::{Order, PlaySpec, Scope, Serial};
use super::value::to_json;
use rhai::{Dynamic, Map};
use std::time::Duration;
use stdlib::contract::{Error, nearest};
use stdlib::shared::Span;

/// The options of `play`.
pub(crate) const PLAY: &[&str] = &[
    "serial",
    "forks",
    "order",
    "max_fail_percentage",
    "any_errors_fatal",
    "become",
    "become_user",
    "become_method",
    "user",
    "vars",
    "tags",
    "env",
    "timeout",
    "ignore_errors",
    "no_log",
];
/// The options of `within`.
pub(crate) const WITHIN: &[&str] = &[
    "become",
    "become_user",
    "become_method",
    "user",
    "timeout",
    "retries",
    "delay",
    "until",
    "env",
    "cwd",
    "ignore_errors",
    "no_log",
];
/// The options of `pause`.
pub(crate) const PAUSE: &[&str] = &["prompt", "echo"];
/// The options of `task`.
pub(crate) const TASK: &[&str] = &["tags"];

pub(crate) fn spec(name: &str, pattern: &str, options: &Map) -> Result<PlaySpec, Error> {
    known("play", options, PLAY)?;
    let whole = |key: &str| match options.get(key) {
        Some(value) => match value.as_int() {
            Ok(n) if n > 0 => usize::try_from(n).map(Some).map_err(|_| wrong("play", key, "a positive number")),
            _ => Err(wrong("play", key, "a positive number")),
        },
        None => Ok(None),
    };
    let percentage = match options.get("max_fail_percentage") {
        Some(value) => {
            let number = value.as_float().or_else(|_| value.as_int().map(|i| i as f64)).ok();
            let number = number.filter(|number| (0.0..=100.0).contains(number));
            Some(number.ok_or_else(|| wrong("play", "max_fail_percentage", "a number from 0 to 100"))?)
        }
        None => None,
    };
    let vars = match options.get("vars") {
        Some(vars) => match to_json(vars, "`vars` of play")? {
            serde_json::Value::Object(vars) => vars,
            _ => return Err(wrong("play", "vars", "a map")),
        },
        None => serde_json::Map::new(),
    };
    Ok(PlaySpec {
        name: name.to_owned(),
        pattern: pattern.to_owned(),
        serial: serial(options)?,
        forks: whole("forks")?,
        order: order(options)?,
        max_fail_percentage: percentage,
        any_errors_fatal: flag(options, "play", "any_errors_fatal")?.unwrap_or(false),
        scope: scope_of("play", options)?,
        vars,
        tags: strings(options, "tags")?,
        ..PlaySpec::default()
    })
}

fn serial(options: &Map) -> Result<Vec<Serial>, Error> {
    let one = |value: &Dynamic| -> Result<Serial, Error> {
        let expected =
            || wrong("play", "serial", "a number such as 2, a percentage such as \"25%\", or a list of them");
        if let Ok(n) = value.as_int() {
            return usize::try_from(n).ok().filter(|n| *n > 0).map(Serial::Count).ok_or_else(expected);
        }
        let text = value.as_immutable_string_ref().map_err(|_| expected())?;
        match text.strip_suffix('%') {
            Some(percent) => match percent.trim().parse::<f64>() {
                Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(Serial::Percent(percent)),
                _ => Err(expected()),
            },
            None => text.trim().parse().ok().filter(|n| *n > 0).map(Serial::Count).ok_or_else(expected),
        }
    };
    match options.get("serial") {
        None => Ok(Vec::new()),
        Some(value) => match value.as_array_ref() {
            Ok(several) if several.is_empty() => Err(one(&Dynamic::UNIT).err().unwrap_or_else(|| Error::bug("serial"))),
            Ok(several) => several.iter().map(one).collect(),
            Err(_) => Ok(vec![one(value)?]),
        },
    }
}

fn order(options: &Map) -> Result<Order, Error> {
    const NAMES: [(&str, Order); 5] = [
        ("inventory", Order::Inventory),
        ("reverse_inventory", Order::ReverseInventory),
        ("sorted", Order::Sorted),
        ("reverse_sorted", Order::ReverseSorted),
        ("shuffle", Order::Shuffle),
    ];
    let Some(name) = text(options, "play", "order")? else { return Ok(Order::Inventory) };
    let found = NAMES.iter().find(|(known, _)| *known == name).map(|(_, order)| *order);
    found.ok_or_else(|| wrong("play", "order", "one of inventory, reverse_inventory, sorted, reverse_sorted, shuffle"))
}

pub(crate) fn scope(options: &Map) -> Result<Scope, Error> {
    scope_of("within", options)
}

pub(crate) fn scope_of(what: &str, options: &Map) -> Result<Scope, Error> {
    let span = |key: &str| match options.get(key) {
        Some(value) => match (value.as_int(), value.as_immutable_string_ref()) {
            (Ok(seconds), _) => u64::try_from(seconds)
                .map(|s| Some(Duration::from_secs(s)))
                .map_err(|_| wrong(what, key, "a span of time")),
            (_, Ok(text)) => Span::parse(&text)
                .map(|span| Some(span.0))
                .map_err(|e| Error::playbook(format!("`{key}` of {what}(): {e}"))),
            _ => Err(wrong(what, key, "a span of time such as \"90s\"")),
        },
        None => Ok(None),
    };
    // `become: "root"` says both that and whom.
    let (mut becomes, mut user) = (None, text(options, what, "become_user")?.or(text(options, what, "user")?));
    if let Some(value) = options.get("become") {
        match (value.as_bool(), value.as_immutable_string_ref()) {
            (Ok(yes), _) => becomes = Some(yes),
            (_, Ok(name)) => (becomes, user) = (Some(true), Some(name.to_string())),
            _ => return Err(wrong(what, "become", "true, false or a user")),
        }
    } else if user.is_some() {
        becomes = Some(true);
    }
    let env = match options.get("env") {
        Some(env) => match to_json(env, "`env`")? {
            serde_json::Value::Object(env) => env
                .into_iter()
                .map(|(name, value)| match value {
                    serde_json::Value::String(text) => (name, text),
                    other => (name, other.to_string()),
                })
                .collect(),
            _ => return Err(wrong(what, "env", "a map")),
        },
        None => Vec::new(),
    };
    let retries = match options.get("retries") {
        Some(value) => {
            let number = value.as_int().ok().and_then(|n| u64::try_from(n).ok());
            Some(number.ok_or_else(|| wrong(what, "retries", "a number"))?)
        }
        None => options.contains_key("until").then_some(3),
    };
    Ok(Scope {
        r#become: becomes,
        become_user: user,
        become_method: text(options, what, "become_method")?,
        timeout: span("timeout")?,
        retries,
        delay: span("delay")?,
        env,
        cwd: text(options, what, "cwd")?,
        ignore_errors: flag(options, what, "ignore_errors")?,
        no_log: flag(options, what, "no_log")?,
    })
}

pub(crate) fn known(what: &str, options: &Map, names: &[&str]) -> Result<(), Error> {
    match options.keys().find(|key| !names.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(unknown_option(what, key, names)),
    }
}

/// The error of an option that there is not.
pub(crate) fn unknown_option(what: &str, key: &str, names: &[&str]) -> Error {
    let error = Error::playbook(format!("unknown option `{key}` for {what}()"));
    match nearest(key, names.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("its options are {}", names.join(", "))),
    }
}

fn wrong(what: &str, key: &str, expected: &str) -> Error {
    Error::playbook(format!("`{key}` of {what}() must be {expected}"))
}

pub(super) fn text(options: &Map, what: &str, key: &str) -> Result<Option<String>, Error> {
    let Some(value) = options.get(key) else { return Ok(None) };
    value.as_immutable_string_ref().map(|s| Some(s.to_string())).map_err(|_| wrong(what, key, "a string"))
}

pub(super) fn flag(options: &Map, what: &str, key: &str) -> Result<Option<bool>, Error> {
    let Some(value) = options.get(key) else { return Ok(None) };
    value.as_bool().map(Some).map_err(|_| wrong(what, key, "true or false"))
}

/// A string or a list of strings.
pub(crate) fn strings(options: &Map, key: &str) -> Result<Vec<String>, Error> {
    let expected = || Error::playbook(format!("`{key}` must be a string or a list of strings"));
    let Some(value) = options.get(key) else { return Ok(Vec::new()) };
    if let Ok(one) = value.as_immutable_string_ref() {
        return Ok(one.split(',').map(|tag| tag.trim().to_owned()).collect());
    }
    let several = value.as_array_ref().map_err(|_| expected())?;
    several.iter().map(|v| v.as_immutable_string_ref().map(|s| s.to_string()).map_err(|_| expected())).collect()
}
