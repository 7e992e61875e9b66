//! What Jinja says went wrong, as an hlrun error: template, line, column, and the nearest right name.

use super::filters;
use crate::contract::{Error, Site, nearest};
use minijinja::{Environment, ErrorKind, Value};
use std::error::Error as _;

/// An hlrun error on its way through minijinja; [`told`] unwraps it again.
pub fn wrapped(error: Error) -> minijinja::Error {
    minijinja::Error::new(ErrorKind::InvalidOperation, error.message.clone()).with_source(error)
}

/// The hlrun error for what minijinja says of the template `name` with this `text`.
pub fn told(name: &str, text: &str, env: &Environment<'_>, context: &Value, error: &minijinja::Error) -> Error {
    let mut source = error.source();
    let mut innermost = error;
    while let Some(cause) = source {
        if let Some(ours) = cause.downcast_ref::<Error>() {
            return ours.clone().at(place(name, text, error));
        }
        if let Some(theirs) = cause.downcast_ref::<minijinja::Error>() {
            innermost = theirs;
        }
        source = cause.source();
    }
    let kind = innermost.kind();
    let site = place(name, text, innermost);
    let here = innermost.name().is_none_or(|n| n == name);
    let snippet = innermost.range().filter(|_| here).and_then(|range| text.get(range)).unwrap_or_default().trim();
    let detail = innermost.detail().unwrap_or_default();
    if kind == ErrorKind::UndefinedError || detail.ends_with("is undefined)") {
        return undefined(snippet, detail, env, context).at(site);
    }
    let message = match detail {
        "" => format!("template: {kind}"),
        detail => format!("template: {detail}"),
    };
    let error = Error::playbook(message).at(site);
    let word = detail.split_whitespace().nth(1);
    let meant = match kind {
        ErrorKind::UnknownFilter => word.and_then(|w| nearest(w, filters::names())),
        ErrorKind::UnknownTest => word.and_then(|w| nearest(w, filters::tests::names())),
        _ => None,
    };
    match meant {
        Some(meant) => error.hint(format!("did you mean `{meant}`?")),
        None => error,
    }
}

/// Where an error stands: its own template, or `name`.
fn place(name: &str, text: &str, error: &minijinja::Error) -> Site {
    let file = error.name().filter(|n| *n != "<expression>").unwrap_or(name);
    let column = error.range().filter(|_| file == name).map_or(0, |range| {
        let before = text.get(..range.start).unwrap_or_default();
        before.chars().rev().take_while(|c| *c != '\n').count() + 1
    });
    Site { file: file.to_owned(), line: error.line().unwrap_or(0), column }
}

fn undefined(snippet: &str, detail: &str, env: &Environment<'_>, context: &Value) -> Error {
    // minijinja names the expression in its message; the source shows it too.
    let quoted = detail.rsplit('`').nth(1);
    let softened = |s: &str| s.replace("|default({})", "").replace(['(', ')'], "");
    let what = softened(quoted.unwrap_or(snippet)).trim().to_owned();
    let first: String = what.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if first.is_empty() {
        let message = if detail.is_empty() { "a variable is undefined".to_owned() } else { detail.to_owned() };
        return Error::playbook(format!("template: {message}"));
    }
    let error = Error::playbook(format!("`{what}` is undefined"));
    let top = context.get_attr(&first).ok().filter(|v| !v.is_undefined());
    let keys = |value: &Value| -> Vec<String> {
        value.try_iter().map(|keys| keys.filter_map(|k| k.as_str().map(str::to_owned)).collect()).unwrap_or_default()
    };
    let (wrong, known) = match top {
        None => (first.clone(), keys(context).into_iter().chain(env.globals().map(|(n, _)| n.to_owned())).collect()),
        Some(value) => {
            let last = what.rsplit('.').next().unwrap_or(&what);
            (last.to_owned(), keys(&value))
        }
    };
    match nearest(&wrong, known.iter().map(String::as_str)) {
        Some(meant) if meant != wrong => error.hint(format!("did you mean `{meant}`?")),
        _ => error.hint(format!("define it, or write `{what} | default(...)`")),
    }
}

/// The hlrun error for what went wrong where there is no template to show: the wrapped one, or its words.
pub fn told_plainly(name: &str, error: &minijinja::Error) -> Error {
    told(name, "", &Environment::empty(), &Value::UNDEFINED, error)
}
