//! Rhai's errors as ours.

use super::value::Failure;
use rhai::{Dynamic, EvalAltResult, ParseError, Position};
use stdlib::contract::{Error, Kind, Site};

/// What went wrong in a script: the innermost place, with the calls that led there as hints. `source` is
/// the file of what stands outside of functions.
pub fn translate(error: &EvalAltResult, source: &str) -> Error {
    unwrap(error, source)
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
        EvalAltResult::ErrorDataRace(_, pos) => Error::playbook("a value is used here that a closure uses, too")
            .hint("a chain holds what it begins with: let names = map.keys(); names.filter(|name| map[name].ok)")
            .at(at(*pos)),
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
    // What `on_progress` stops a script with.
    if value.is_unit() {
        return Error::new(Kind::Interrupted, "interrupted").at(at);
    }
    if let Some(Failure(error)) = value.clone().try_cast::<Failure>() {
        let mut error = error;
        if error.at.as_ref().is_none_or(|at| at.line == 0) {
            error.at = Some(at);
        }
        return error;
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
