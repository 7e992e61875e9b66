//! Ansible's tests: `is match`, `is version`, `is changed`...

use super::{Answer, Args, Test, items, regexes, url, version, wrong};
use crate::shared::template::print::print;
use minijinja::value::ValueKind;
use minijinja::{State, Value};
use std::cmp::Ordering;

pub(super) const TESTS: &[(&str, Test)] = &[
    ("search", |_, value, args| matches(value, args, "search")),
    ("match", |_, value, args| matches(value, args, "match")),
    ("regex", |_, value, args| matches(value, args, "search")),
    ("version", version_is),
    ("version_compare", version_is),
    ("string", |_, value, _| Ok(value.kind() == ValueKind::String)),
    ("mapping", |_, value, _| Ok(value.kind() == ValueKind::Map)),
    ("sequence", |_, value, _| {
        Ok(matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::String | ValueKind::Iterable))
    }),
    ("iterable", |_, value, _| {
        Ok(matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::String | ValueKind::Iterable))
    }),
    ("number", |_, value, _| Ok(matches!(value.kind(), ValueKind::Number | ValueKind::Bool))),
    ("integer", |_, value, _| Ok(value.kind() == ValueKind::Number && value.is_integer())),
    ("float", |_, value, _| Ok(value.kind() == ValueKind::Number && !value.is_integer())),
    ("truthy", |_, value, _| Ok(value.is_true())),
    ("falsy", |_, value, _| Ok(!value.is_true())),
    ("failed", |_, value, _| failed(value)),
    ("failure", |_, value, _| failed(value)),
    ("succeeded", |_, value, _| Ok(!failed(value)?)),
    ("success", |_, value, _| Ok(!failed(value)?)),
    ("successful", |_, value, _| Ok(!failed(value)?)),
    ("changed", |_, value, _| changed(value)),
    ("change", |_, value, _| changed(value)),
    ("skipped", |_, value, _| key(value, "skipped")),
    ("skip", |_, value, _| key(value, "skipped")),
    ("unreachable", |_, value, _| key(value, "unreachable")),
    ("reachable", |_, value, _| Ok(!key(value, "unreachable")?)),
    ("finished", |_, value, _| key(value, "finished")),
    ("started", |_, value, _| key(value, "started")),
    ("subset", |_, value, args| within(value, &args.need(0, "b")?)),
    ("issubset", |_, value, args| within(value, &args.need(0, "b")?)),
    ("superset", |_, value, args| within(&args.need(0, "b")?, value)),
    ("issuperset", |_, value, args| within(&args.need(0, "b")?, value)),
    ("contains", |_, value, args| {
        let wanted = args.need(0, "b")?;
        match (value.as_str(), wanted.as_str()) {
            (Some(text), Some(part)) => Ok(text.contains(part)),
            _ => Ok(items(value)?.contains(&wanted)),
        }
    }),
    ("any", |_, value, _| Ok(items(value)?.iter().any(Value::is_true))),
    ("all", |_, value, _| Ok(items(value)?.iter().all(Value::is_true))),
    ("abs", |_, value, _| Ok(print(value)?.starts_with('/'))),
    ("url", |_, value, args| {
        let (scheme, netloc) = url::scheme(&print(value)?);
        Ok((!netloc.is_empty() || scheme == "file") && among(args, &scheme)?)
    }),
    ("uri", |_, value, args| among(args, &url::scheme(&print(value)?).0)),
    ("urn", |_, value, _| Ok(url::scheme(&print(value)?).0 == "urn")),
    ("callable", |_, value, _| Ok(value.kind() == ValueKind::Plain)),
    ("vault_encrypted", |_, _, _| Ok(false)),
];

/// The name of every test.
pub(in crate::shared::template) fn names() -> impl Iterator<Item = &'static str> {
    TESTS.iter().map(|(name, _)| *name).chain(JINJA.iter().copied())
}

/// The tests that minijinja brings and that mean the same in Jinja2.
const JINJA: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "eq",
    "equalto",
    "even",
    "false",
    "filter",
    "ge",
    "gt",
    "in",
    "le",
    "lower",
    "lt",
    "ne",
    "none",
    "odd",
    "sameas",
    "test",
    "true",
    "undefined",
    "upper",
];

fn matches(value: &Value, args: &Args, kind: &str) -> Answer<bool> {
    let text = print(value)?;
    let pattern = args.text(0, "pattern", "")?;
    let (ignorecase, multiline) = (args.flag(1, "ignorecase", false)?, args.flag(2, "multiline", false)?);
    let kind = args.text(3, "match_type", kind)?;
    let pattern = match kind.as_str() {
        "match" => format!(r"\A(?:{pattern})"),
        "fullmatch" => format!(r"\A(?:{pattern})\z"),
        _ => pattern,
    };
    let regex = regexes::compile(&pattern, ignorecase, multiline)?;
    regex.is_match(&text).map_err(|e| wrong(format!("the regular expression gave up: {e}")))
}

fn version_is(_: &mut State, value: &Value, args: &Args) -> Answer<bool> {
    let (ours, theirs) = (print(value)?, print(&args.need(0, "version")?)?);
    let operator = args.text(1, "operator", "eq")?;
    args.get(9, "strict")?;
    let kind = args.text(9, "version_type", "loose")?;
    if ours.is_empty() || theirs.is_empty() {
        return Err(wrong("an empty version cannot be compared"));
    }
    let order = match kind.as_str() {
        "loose" | "strict" => version::compare(&ours, &theirs),
        "semver" | "semantic" => version::compare_semantic(&ours, &theirs)
            .ok_or_else(|| wrong(format!("`{ours}` or `{theirs}` is no semantic version such as 1.2.3-rc.1")))?,
        other => return Err(wrong(format!("version has no version_type `{other}`; it has loose and semver"))),
    };
    Ok(match operator.as_str() {
        "==" | "=" | "eq" => order == Ordering::Equal,
        "!=" | "<>" | "ne" => order != Ordering::Equal,
        "<" | "lt" => order == Ordering::Less,
        "<=" | "le" => order != Ordering::Greater,
        ">" | "gt" => order == Ordering::Greater,
        ">=" | "ge" => order != Ordering::Less,
        other => return Err(wrong(format!("version has no operator `{other}`; it has <, <=, ==, !=, >=, >"))),
    })
}

/// Whether a scheme is one of those that may be.
fn among(args: &Args, scheme: &str) -> Answer<bool> {
    Ok(match args.get(0, "schemes")?.filter(|schemes| !schemes.is_none()) {
        Some(schemes) => items(&schemes)?.iter().any(|known| known.as_str() == Some(scheme)),
        None => true,
    })
}

/// A record's field; anything that is no record is an error, because it has no result.
fn field(value: &Value, name: &str) -> Answer {
    if value.kind() != ValueKind::Map {
        return Err(wrong(format!("`is {name}` asks for the result of an operation, not {}", value.kind())));
    }
    value.get_attr(name)
}

fn key(value: &Value, name: &str) -> Answer<bool> {
    let found = field(value, name)?;
    Ok(!found.is_undefined() && found.is_true())
}

fn failed(value: &Value) -> Answer<bool> {
    key(value, "failed")
}

fn changed(value: &Value) -> Answer<bool> {
    let found = field(value, "changed")?;
    let results = value.get_attr("results")?;
    if found.is_undefined() && results.kind() == ValueKind::Seq {
        for item in items(&results)? {
            if item.kind() == ValueKind::Map && key(&item, "changed")? {
                return Ok(true);
            }
        }
    }
    Ok(!found.is_undefined() && found.is_true())
}

fn within(small: &Value, large: &Value) -> Answer<bool> {
    let large = items(large)?;
    Ok(items(small)?.iter().all(|item| large.contains(item)))
}
