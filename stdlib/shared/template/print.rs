//! Values between JSON, Jinja and text: printed as Python prints them.

use minijinja::value::{Serde, ValueKind};
use minijinja::{Error, ErrorKind, Value};
use serde_json::{Map, Value as Json};
use std::fmt::Write;

/// A JSON value as Jinja sees it.
pub fn from_json(value: &Json) -> Value {
    Value::from(Serde(value))
}

/// A Jinja value as JSON; lazy values are rendered. Undefined and invalid values are errors.
pub fn to_json(value: &Value) -> Result<Json, Error> {
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(Error::new(ErrorKind::UndefinedError, "undefined value")),
        ValueKind::Invalid => return Err(cause(value)),
        ValueKind::None => Json::Null,
        ValueKind::String => Json::String(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Map => {
            let mut map = Map::new();
            for key in value.try_iter()?.checked() {
                let key = key?;
                map.insert(top(&key)?, to_json(&value.get_item(&key)?)?);
            }
            Json::Object(map)
        }
        ValueKind::Seq | ValueKind::Iterable => {
            Json::Array(value.try_iter()?.checked().map(|item| to_json(&item?)).collect::<Result<_, _>>()?)
        }
        ValueKind::Bytes => Json::String(value.to_string()),
        _ => serde_json::to_value(value)
            .map_err(|_| Error::new(ErrorKind::InvalidOperation, format!("{} is no data", value.kind())))?,
    })
}

/// The error that an invalid value carries.
pub(super) fn cause(value: &Value) -> Error {
    let unknown = || Error::new(ErrorKind::InvalidOperation, "invalid value");
    match Value::from(vec![value.clone()]).try_iter() {
        Ok(items) => items.checked().find_map(Result::err).unwrap_or_else(unknown),
        Err(error) => error,
    }
}

/// A value as `{{ value }}` prints it: none is nothing, text is itself, the rest is Python's `str()`. An undefined
/// value gets here only from an `if` without `else`, which prints nothing.
pub(super) fn top(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::None | ValueKind::Undefined => Ok(String::new()),
        _ => print(value),
    }
}

/// A value as Python's `str()` prints it. Undefined and invalid values are errors.
pub fn print(value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    match value.kind() {
        ValueKind::String => out.push_str(value.as_str().unwrap_or_default()),
        _ => repr(&mut out, value)?,
    }
    Ok(out)
}

fn repr(out: &mut String, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Undefined => return Err(Error::new(ErrorKind::UndefinedError, "")),
        ValueKind::Invalid => return Err(cause(value)),
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::String => quoted(out, value.as_str().unwrap_or_default()),
        ValueKind::Number if !value.is_integer() => {
            let number = f64::try_from(value.clone()).unwrap_or_default();
            out.push_str(&float(number));
        }
        ValueKind::Map => {
            out.push('{');
            for (i, key) in value.try_iter()?.checked().enumerate() {
                let key = key?;
                if i > 0 {
                    out.push_str(", ");
                }
                repr(out, &key)?;
                out.push_str(": ");
                repr(out, &value.get_item(&key)?)?;
            }
            out.push('}');
        }
        ValueKind::Seq | ValueKind::Iterable => {
            // Tuples too: Ansible hands on lists.
            out.push('[');
            for (i, item) in value.try_iter()?.checked().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                repr(out, &item?)?;
            }
            out.push(']');
        }
        _ => out.push_str(&value.to_string()),
    }
    Ok(())
}

/// A float as Python writes it.
pub(super) fn float(number: f64) -> String {
    let text = format!("{number:?}");
    match text.split_once('e') {
        _ if number.is_nan() => "nan".to_owned(),
        _ if number.is_infinite() => text,
        Some((digits, exponent)) => {
            let digits = digits.strip_suffix(".0").unwrap_or(digits);
            match exponent.strip_prefix('-') {
                Some(small) => format!("{digits}e-{small:0>2}"),
                None => format!("{digits}e+{exponent:0>2}"),
            }
        }
        None => text,
    }
}

fn quoted(out: &mut String, text: &str) {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(mark);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == mark => out.extend(['\\', c]),
            c if c.is_control() => drop(write!(out, "\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push(mark);
}
