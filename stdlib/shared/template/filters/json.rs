//! `to_json`, `to_nice_json`, `tojson` and `from_json`, written as Python's `json.dumps` writes them.

use super::{Answer, Args, Filter, whole, wrong};
use crate::shared::template::print::{float, from_json, print, to_json};
use minijinja::{Error, ErrorKind, State, Value};
use serde_json::Value as Json;
use std::fmt::Write;

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("from_json", from_json_text),
    ("to_json", |_, value, args| json(value, args, false)),
    ("to_nice_json", |_, value, args| json(value, args, true)),
    ("tojson", tojson),
];

fn from_json_text(_: &mut State, value: &Value, _: &Args) -> Answer {
    let text = print(value)?;
    let json: Json = serde_json::from_str(&text).map_err(|e| wrong(format!("from_json: not JSON: {e}")))?;
    Ok(from_json(&json))
}

/// Jinja's own: keys sorted, safe inside of HTML.
fn tojson(_: &mut State, value: &Value, args: &Args) -> Answer {
    let indent = args.get(0, "indent")?.and_then(|v| whole(&v)).map(|n| n.clamp(0, 64) as usize);
    let mut out = String::new();
    let comma = if indent.is_some() { "," } else { ", " };
    write_json(&mut out, &to_json(value)?, &Form { indent, sort: true, ascii: true, comma, colon: ": " }, 0)?;
    let safe = out.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").replace('\'', "\\u0027");
    Ok(Value::from(safe))
}

fn json(value: &Value, args: &Args, nice: bool) -> Answer {
    let json = to_json(value)?;
    let indent = match args.get(0, "indent")? {
        Some(value) if !value.is_none() => Some(whole(&value).unwrap_or(4).clamp(0, 64) as usize),
        _ => nice.then_some(4),
    };
    let ascii = args.flag(9, "ensure_ascii", true)?;
    let sort = args.flag(9, "sort_keys", nice)?;
    let separators = args.get(9, "separators")?.filter(|given| !given.is_none());
    let separators = separators.map(|given| super::items(&given)?.iter().map(print).collect::<Answer<Vec<_>>>());
    let separators = match separators.transpose()?.as_deref() {
        None => None,
        Some([comma, colon]) => Some((comma.clone(), colon.clone())),
        Some(_) => return Err(wrong("`separators` are two: between items, and behind a key")),
    };
    let mut out = String::new();
    let (comma, colon) = match &separators {
        Some((comma, colon)) => (comma.as_str(), colon.as_str()),
        None => (if indent.is_some() { "," } else { ", " }, ": "),
    };
    write_json(&mut out, &json, &Form { indent, sort, ascii, comma, colon }, 0)?;
    Ok(Value::from(out))
}

/// How JSON is written.
struct Form<'a> {
    indent: Option<usize>,
    sort: bool,
    ascii: bool,
    comma: &'a str,
    colon: &'a str,
}

fn write_json(out: &mut String, json: &Json, form: &Form<'_>, level: usize) -> Answer<()> {
    let line = |out: &mut String, level: usize| {
        if let Some(width) = form.indent {
            out.push('\n');
            out.push_str(&" ".repeat(width * level));
        }
    };
    match json {
        Json::Array(items) if !items.is_empty() => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { form.comma } else { "" });
                line(out, level + 1);
                write_json(out, item, form, level + 1)?;
            }
            line(out, level);
            out.push(']');
        }
        Json::Object(map) if !map.is_empty() => {
            let mut entries: Vec<_> = map.iter().collect();
            if form.sort {
                entries.sort_by_key(|(key, _)| key.chars().collect::<Vec<_>>());
            }
            out.push('{');
            for (i, (key, value)) in entries.into_iter().enumerate() {
                out.push_str(if i > 0 { form.comma } else { "" });
                line(out, level + 1);
                write_json(out, &Json::String(key.clone()), form, level + 1)?;
                out.push_str(form.colon);
                write_json(out, value, form, level + 1)?;
            }
            line(out, level);
            out.push('}');
        }
        Json::Number(number) if number.is_f64() => {
            out.push_str(&float(number.as_f64().unwrap_or_default()));
        }
        Json::String(text) => {
            let plain =
                serde_json::to_string(text).map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))?;
            for c in plain.chars() {
                if form.ascii && (!c.is_ascii() || c == '\u{7f}') {
                    let mut units = [0; 2];
                    for unit in c.encode_utf16(&mut units) {
                        let _ = write!(out, "\\u{unit:04x}");
                    }
                } else {
                    out.push(c);
                }
            }
        }
        plain => out.push_str(&plain.to_string()),
    }
    Ok(())
}
