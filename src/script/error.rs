//! Rhai's errors as ours, and ours drawn with the user's own line.

use super::value::Failure;
use rhai::{Dynamic, EvalAltResult, ParseError, Position};
use stdlib::contract::{Error, Kind, Site};

/// What went wrong in a script: the innermost place, with the calls that led there as hints.
pub fn translate(error: &EvalAltResult) -> Error {
    unwrap(error, "")
}

fn unwrap(error: &EvalAltResult, source: &str) -> Error {
    let at = |pos: Position| place(source, pos);
    match error {
        EvalAltResult::ErrorInFunctionCall(name, inside, inner, pos) => {
            let inner = unwrap(inner, if inside.is_empty() { source } else { inside });
            // An anonymous function is the closure of a play: its name would tell nothing.
            if name.starts_with("anon$") || pos.is_none() {
                inner
            } else {
                inner.hint(format!("called from {} as {name}()", at(*pos)))
            }
        }
        EvalAltResult::ErrorInModule(path, inner, _) => unwrap(inner, path),
        EvalAltResult::ErrorRuntime(value, pos) | EvalAltResult::ErrorTerminated(value, pos) => thrown(value, at(*pos)),
        EvalAltResult::ErrorFunctionNotFound(signature, pos) => {
            Error::playbook(format!("there is no function {signature}")).at(at(*pos))
        }
        EvalAltResult::ErrorVariableNotFound(name, pos) => {
            Error::playbook(format!("there is no variable `{name}`")).at(at(*pos))
        }
        EvalAltResult::ErrorPropertyNotFound(name, pos) => {
            Error::playbook(format!("there is no property {name}")).at(at(*pos))
        }
        EvalAltResult::ErrorTooManyOperations(pos) => {
            Error::playbook("the script runs too long: is there an endless loop?").at(at(*pos))
        }
        EvalAltResult::ErrorParsing(kind, pos) => Error::playbook(kind.to_string()).at(at(*pos)),
        other => {
            let pos = other.position();
            let mut bare = other.to_string();
            if let Some(cut) = bare.find(" (line ") {
                bare.truncate(cut);
            }
            Error::playbook(bare).at(at(pos))
        }
    }
}

fn thrown(value: &Dynamic, at: Site) -> Error {
    if let Some(Failure(error)) = value.clone().try_cast::<Failure>() {
        return if error.at.as_ref().is_some_and(|at| at.line > 0) { error } else { error.at(at) };
    }
    if let Ok(map) = value.as_map_ref()
        && let Some(message) = map.get("message")
    {
        return Error::host(message.to_string()).at(at);
    }
    Error::host(value.to_string()).at(at)
}

/// A syntax error.
pub fn parse_error(error: &ParseError, source: &str) -> Error {
    Error::playbook(error.err_type().to_string()).at(place(source, error.position()))
}

fn place(source: &str, pos: Position) -> Site {
    Site { file: source.to_owned(), line: pos.line().unwrap_or_default(), column: pos.position().unwrap_or_default() }
}

/// An error as a person reads it: what, where, the user's own line, what the host said, what to do.
/// `text` gives the text of a file. Without colours; the report adds them.
pub fn draw(error: &Error, text: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut lines = Vec::new();
    let word = if error.kind == Kind::Bug { "bug in hlrun" } else { "error" };
    let subject = match (&error.operation, &error.host) {
        (Some(operation), Some(host)) => format!("{operation} on {host}: "),
        (Some(operation), None) if !error.message.contains(operation.as_str()) => format!("{operation}: "),
        (None, Some(host)) if !error.message.contains(host.as_str()) => format!("{host}: "),
        _ => String::new(),
    };
    lines.push(format!("{word}: {subject}{}", error.message));
    if let Some(at) = error.at.as_ref().filter(|at| !at.file.is_empty()) {
        lines.push(format!("  --> {at}"));
        let source = text(&at.file);
        if let Some(line) =
            source.as_deref().and_then(|text| text.lines().nth(at.line.saturating_sub(1))).filter(|_| at.line > 0)
        {
            let number = at.line.to_string();
            let margin = " ".repeat(number.len());
            let start = at.column.max(1) - 1;
            let before: String = line.chars().take(start).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            let word = |c: &char| c.is_alphanumeric() || *c == '_' || *c == ':';
            let marks = "^".repeat(line.chars().skip(start).take_while(word).count().max(1));
            lines.push(format!("{margin} |"));
            lines.push(format!("{number} | {}", line.trim_end()));
            lines.push(format!("{margin} | {before}{marks}"));
        }
    }
    if let Some(command) = &error.command {
        let mut shown = command.lines();
        lines.push(format!("   ! {}", shown.next().unwrap_or_default()));
        if shown.next().is_some() {
            lines.push("     ...".to_owned());
        }
    }
    let said = if error.stderr.trim().is_empty() { &error.stdout } else { &error.stderr };
    let said: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    for line in said.iter().skip(said.len().saturating_sub(12)) {
        lines.push(format!("   = {line}"));
    }
    for hint in &error.hints {
        lines.push(format!("hint: {hint}"));
    }
    lines
}
