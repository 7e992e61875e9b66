//! Python's methods on text, maps and lists: most come with minijinja-contrib, the rest is here.

use super::{Answer, items, unsupported, whole, wrong};
use crate::shared::template::changeable::{change, changeable};
use crate::shared::template::print::print;
use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};

/// Calls `value.method(args)`.
pub(super) fn call(state: &mut State, value: &Value, method: &str, args: &[Value]) -> Answer {
    let text = |i: usize| args.get(i).filter(|v| !v.is_none()).map(print).transpose();
    let number = |i: usize, default: i64| args.get(i).map_or(Some(default), whole).unwrap_or(default);
    let list = |parts: [&str; 3]| Value::from(parts.map(str::to_owned).to_vec());
    if let Some(changed) = change(value, method, args) {
        return changed;
    }
    match (value.as_str(), method) {
        (Some(s), "split") => {
            let limit = match named(args, "maxsplit")? {
                Some(limit) => whole(&limit).unwrap_or(-1),
                None => number(1, -1),
            };
            Ok(Value::from(split(s, text(0)?.as_deref(), usize::try_from(limit).ok())?))
        }
        (Some(s), "rsplit") => {
            let limit = usize::try_from(number(1, -1)).unwrap_or(usize::MAX - 1);
            let Some(separator) = text(0)? else {
                return Ok(Value::from(s.split_whitespace().map(Value::from).collect::<Vec<_>>()));
            };
            let mut parts: Vec<Value> = s.rsplitn(limit.saturating_add(1), &separator).map(Value::from).collect();
            parts.reverse();
            Ok(Value::from(parts))
        }
        (Some(s), "index" | "find") => {
            let part = text(0)?.unwrap_or_default();
            match s.find(&part).map(|i| s[..i].chars().count()) {
                Some(place) => Ok(Value::from(place)),
                None if method == "find" => Ok(Value::from(-1)),
                None => Err(wrong(format!("`{part}` is not in `{s}`"))),
            }
        }
        (Some(s), "partition") => {
            let separator = text(0)?.unwrap_or_default();
            Ok(s.split_once(&separator).map_or(list([s, "", ""]), |(a, b)| list([a, &separator, b])))
        }
        (Some(s), "rpartition") => {
            let separator = text(0)?.unwrap_or_default();
            Ok(s.rsplit_once(&separator).map_or(list(["", "", s]), |(a, b)| list([a, &separator, b])))
        }
        (Some(s), "removeprefix") => Ok(Value::from(s.strip_prefix(&text(0)?.unwrap_or_default()).unwrap_or(s))),
        (Some(s), "removesuffix") => Ok(Value::from(s.strip_suffix(&text(0)?.unwrap_or_default()).unwrap_or(s))),
        (Some(s), "zfill" | "ljust" | "rjust" | "center") => {
            let width = usize::try_from(number(0, 0)).unwrap_or(0).min(10_000);
            let missing = width.saturating_sub(s.chars().count());
            let fill = if method == "zfill" { "0".to_owned() } else { text(1)?.unwrap_or_else(|| " ".to_owned()) };
            Ok(Value::from(match method {
                "zfill" => match s.strip_prefix(['-', '+']) {
                    Some(rest) => format!("{}{}{rest}", &s[..1], fill.repeat(missing)),
                    None => format!("{}{s}", fill.repeat(missing)),
                },
                "ljust" => format!("{s}{}", fill.repeat(missing)),
                "rjust" => format!("{}{s}", fill.repeat(missing)),
                _ => format!("{}{s}{}", fill.repeat(missing / 2), fill.repeat(missing - missing / 2)),
            }))
        }
        (Some(s), "join") => {
            let list = args.first().ok_or_else(|| Error::from(ErrorKind::MissingArgument))?;
            let texts = items(list)?.iter().map(print).collect::<Answer<Vec<_>>>()?;
            Ok(Value::from(texts.join(s)))
        }
        (Some(s), "swapcase") => {
            let swap =
                |c: char| if c.is_uppercase() { c.to_lowercase().to_string() } else { c.to_uppercase().to_string() };
            Ok(Value::from(s.chars().map(swap).collect::<String>()))
        }
        (Some(_), "encode" | "decode") => Ok(value.clone()),
        (None, "index") if value.kind() == ValueKind::Seq => {
            let wanted = args.first().ok_or_else(|| Error::from(ErrorKind::MissingArgument))?;
            let place = items(value)?.iter().position(|item| item == wanted);
            place.map(Value::from).ok_or_else(|| wrong("it is not in the list"))
        }
        (None, "count") if value.kind() == ValueKind::Seq => {
            let wanted = args.first().ok_or_else(|| Error::from(ErrorKind::MissingArgument))?;
            Ok(Value::from(items(value)?.iter().filter(|item| *item == wanted).count()))
        }
        (None, "copy") if matches!(value.kind(), ValueKind::Map | ValueKind::Seq) => changeable(value),
        (None, "append" | "extend" | "insert" | "remove" | "pop" | "sort" | "reverse")
            if value.kind() == ValueKind::Seq =>
        {
            let hint = "change a copy: {% set copy = list.copy() %}";
            Err(unsupported(&format!("changing a given list with `{method}`"), hint))
        }
        (None, "update" | "pop" | "setdefault" | "popitem" | "clear") if value.kind() == ValueKind::Map => {
            let hint = "change a copy: {% set copy = map.copy() %}";
            Err(unsupported(&format!("changing a given map with `{method}`"), hint))
        }
        _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args),
    }
}

fn named(args: &[Value], name: &str) -> Answer<Option<Value>> {
    match args.last().filter(|last| last.is_kwargs()) {
        Some(named) => Ok(Some(named.get_attr(name)?).filter(|v| !v.is_undefined())),
        None => Ok(None),
    }
}

/// Python's `str.split`.
pub(super) fn split(text: &str, separator: Option<&str>, limit: Option<usize>) -> Answer<Vec<Value>> {
    match (separator, limit) {
        (Some(""), _) => Err(wrong("split: the separator is empty")),
        (Some(separator), Some(limit)) => Ok(text.splitn(limit + 1, separator).map(Value::from).collect()),
        (Some(separator), None) => Ok(text.split(separator).map(Value::from).collect()),
        (None, None) => Ok(text.split_whitespace().map(Value::from).collect()),
        (None, Some(limit)) => {
            let mut parts = Vec::new();
            let mut rest = text.trim_start();
            while !rest.is_empty() {
                let end = if parts.len() == limit {
                    rest.len()
                } else {
                    rest.find(char::is_whitespace).unwrap_or(rest.len())
                };
                parts.push(Value::from(&rest[..end]));
                rest = rest[end..].trim_start();
            }
            Ok(parts)
        }
    }
}
