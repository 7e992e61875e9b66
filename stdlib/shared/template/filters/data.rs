//! Filters on maps and on values of any type.

use super::{Answer, Args, Filter, items, wrong};
use crate::shared::template::print::print;
use minijinja::value::ValueKind;
use minijinja::{State, Value};
use std::collections::HashMap;

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("default", default),
    ("d", default),
    ("mandatory", mandatory),
    ("ternary", ternary),
    ("bool", boolean),
    ("int", int),
    ("float", float),
    ("string", |_, value, _| print(value).map(Value::from)),
    ("type_debug", type_debug),
    ("combine", combine),
    ("rekey_on_member", rekey_on_member),
    ("dict2items", dict2items),
    ("items2dict", items2dict),
    ("extract", extract),
    ("human_to_bytes", human_to_bytes),
    ("human_readable", human_readable),
    ("log", |_, value, args| match args.get(0, "base")? {
        Some(base) if number(&base)? == 10.0 => Ok(Value::from(number(value)?.log10())),
        Some(base) => Ok(Value::from(number(value)?.ln() / number(&base)?.ln())),
        None => Ok(Value::from(number(value)?.ln())),
    }),
    ("pow", |_, value, args| Ok(Value::from(number(value)?.powf(number(&args.need(0, "y")?)?)))),
    ("root", |_, value, args| match args.number(0, "base", 2)? {
        2 => Ok(Value::from(number(value)?.sqrt())),
        base => Ok(Value::from(number(value)?.powf(1.0 / base as f64))),
    }),
];

fn number(value: &Value) -> Answer<f64> {
    f64::try_from(value.clone()).map_err(|_| wrong(format!("{} is no number", value.kind())))
}

fn default(_: &mut State, value: &Value, args: &Args) -> Answer {
    let boolean = args.flag(1, "boolean", false)?;
    let given = args.get(0, "default_value")?;
    Ok(if value.is_undefined() || (boolean && !value.is_true()) {
        given.unwrap_or_else(|| Value::from(""))
    } else {
        value.clone()
    })
}

fn mandatory(_: &mut State, value: &Value, args: &Args) -> Answer {
    let message = args.get(0, "msg")?;
    match message {
        Some(message) if value.is_undefined() => Err(wrong(print(&message)?)),
        _ => super::defined(value).map(|()| value.clone()),
    }
}

fn ternary(_: &mut State, value: &Value, args: &Args) -> Answer {
    let (yes, no) = (args.need(0, "true_val")?, args.need(1, "false_val")?);
    match args.get(2, "none_val")? {
        Some(none) if value.is_none() && !none.is_none() => Ok(none),
        _ if value.is_true() => Ok(yes),
        _ => Ok(no),
    }
}

fn boolean(_: &mut State, value: &Value, _: &Args) -> Answer {
    let word = print(value)?.to_lowercase();
    Ok(Value::from(matches!(word.as_str(), "y" | "yes" | "on" | "1" | "true" | "t" | "1.0")))
}

fn int(_: &mut State, value: &Value, args: &Args) -> Answer {
    let default = args.get(0, "default")?.unwrap_or_else(|| Value::from(0));
    let base = u32::try_from(args.number(1, "base", 10)?).ok().filter(|base| (2..=36).contains(base));
    let Some(base) = base else { return Err(wrong("`base` is from 2 to 36")) };
    Ok(match value.kind() {
        ValueKind::Number if value.is_integer() => value.clone(),
        ValueKind::Number => Value::from(f64::try_from(value.clone())? as i64),
        ValueKind::Bool => Value::from(i64::from(value.is_true())),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default().trim().replace('_', "");
            let digits = ["0x", "0o", "0b"].iter().fold(text.as_str(), |t, p| t.strip_prefix(p).unwrap_or(t));
            let digits = if base == 10 { text.as_str() } else { digits };
            let float = || text.parse::<f64>().ok().filter(|f| f.is_finite()).map(|f| Value::from(f as i64));
            i64::from_str_radix(digits, base).map(Value::from).ok().or_else(float).unwrap_or(default)
        }
        _ => default,
    })
}

fn float(_: &mut State, value: &Value, args: &Args) -> Answer {
    let default = args.get(0, "default")?.unwrap_or_else(|| Value::from(0.0));
    Ok(match value.kind() {
        ValueKind::Number => Value::from(f64::try_from(value.clone())?),
        ValueKind::Bool => Value::from(f64::from(u8::from(value.is_true()))),
        ValueKind::String => value.as_str().and_then(|t| t.trim().parse::<f64>().ok()).map_or(default, Value::from),
        _ => default,
    })
}

fn type_debug(_: &mut State, value: &Value, _: &Args) -> Answer {
    Ok(Value::from(match value.kind() {
        ValueKind::Undefined => "Undefined",
        ValueKind::None => "NoneType",
        ValueKind::Bool => "bool",
        ValueKind::Number if value.is_integer() => "int",
        ValueKind::Number => "float",
        ValueKind::String => "str",
        ValueKind::Bytes => "bytes",
        ValueKind::Map => "dict",
        _ if value.is_tuple() => "tuple",
        _ => "list",
    }))
}

fn combine(_: &mut State, value: &Value, args: &Args) -> Answer {
    let recursive = args.named.get::<Option<bool>>("recursive")?.unwrap_or(false);
    let lists = args.named.get::<Option<String>>("list_merge")?.unwrap_or_else(|| "replace".to_owned());
    let mut all = Vec::new();
    for value in std::iter::once(value).chain(&args.positional) {
        super::defined(value)?;
        match value.kind() {
            ValueKind::Map => all.push(value.clone()),
            ValueKind::Seq | ValueKind::Iterable => all.extend(items(value)?),
            _ => return Err(wrong(format!("combine takes maps, not {}", value.kind()))),
        }
    }
    let mut out = Value::from_pairs(Vec::<(Value, Value)>::new());
    for map in all {
        if map.kind() != ValueKind::Map {
            return Err(wrong("combine takes maps"));
        }
        out = merge(out, map, recursive, &lists, true)?;
    }
    Ok(out)
}

/// Two values in one place: maps are merged, lists as `lists` says, of the rest the later one stays.
fn merge(old: Value, new: Value, recursive: bool, lists: &str, top: bool) -> Answer {
    match (old.kind(), new.kind()) {
        (ValueKind::Map, ValueKind::Map) if top || recursive => {
            let mut pairs = Vec::new();
            for key in items(&old)? {
                pairs.push((key.clone(), old.get_item(&key)?));
            }
            let places: HashMap<Value, usize> =
                pairs.iter().enumerate().map(|(i, (key, _))| (key.clone(), i)).collect();
            for key in items(&new)? {
                let value = new.get_item(&key)?;
                match places.get(&key) {
                    Some(place) => pairs[*place].1 = merge(pairs[*place].1.clone(), value, recursive, lists, false)?,
                    None => pairs.push((key, value)),
                }
            }
            Ok(Value::from_pairs(pairs))
        }
        (ValueKind::Seq | ValueKind::Iterable, ValueKind::Seq | ValueKind::Iterable) => {
            let (old, new) = (items(&old)?, items(&new)?);
            let without = |list: &[Value], other: &[Value]| -> Vec<Value> {
                list.iter().filter(|item| !other.contains(item)).cloned().collect()
            };
            Ok(Value::from(match lists {
                "replace" => new,
                "keep" => old,
                "append" => [old, new].concat(),
                "prepend" => [new, old].concat(),
                "append_rp" => [without(&old, &new), new].concat(),
                "prepend_rp" => [new.clone(), without(&old, &new)].concat(),
                other => return Err(wrong(format!("`list_merge` has no `{other}`"))),
            }))
        }
        _ => Ok(new),
    }
}

/// A list of maps, or a map of them, as one map by what they say under a name.
fn rekey_on_member(_: &mut State, value: &Value, args: &Args) -> Answer {
    let name = args.text(0, "key", "")?;
    let duplicates = args.text(1, "duplicates", "error")?;
    let maps = match value.kind() {
        ValueKind::Map => items(value)?.iter().map(|key| value.get_item(key)).collect::<Answer<Vec<_>>>()?,
        _ => items(value)?,
    };
    let mut pairs: Vec<(Value, Value)> = Vec::new();
    for map in maps {
        let key = map.get_attr(&name)?;
        if key.is_undefined() {
            return Err(wrong(format!("rekey_on_member: no `{name}` in {}", print(&map)?)));
        }
        match (pairs.iter_mut().find(|(known, _)| *known == key), duplicates.as_str()) {
            (None, _) => pairs.push((key, map)),
            (Some(pair), "overwrite") => pair.1 = map,
            _ => return Err(wrong(format!("rekey_on_member: `{key}` is there twice"))),
        }
    }
    Ok(Value::from_pairs(pairs))
}

fn dict2items(_: &mut State, value: &Value, args: &Args) -> Answer {
    let (key_name, value_name) = (args.text(0, "key_name", "key")?, args.text(1, "value_name", "value")?);
    if value.kind() != ValueKind::Map {
        return Err(wrong(format!("dict2items takes a map, not {}", value.kind())));
    }
    let pair = |key: Value| {
        let item = value.get_item(&key)?;
        Ok(Value::from_pairs([(key_name.clone(), key), (value_name.clone(), item)]))
    };
    items(value)?.into_iter().map(pair).collect::<Answer<Vec<Value>>>().map(Value::from)
}

fn items2dict(_: &mut State, value: &Value, args: &Args) -> Answer {
    let (key_name, value_name) = (args.text(0, "key_name", "key")?, args.text(1, "value_name", "value")?);
    let mut pairs = Vec::new();
    for item in items(value)? {
        let (key, value) = (item.get_attr(&key_name)?, item.get_attr(&value_name)?);
        if key.is_undefined() || value.is_undefined() {
            return Err(wrong(format!("items2dict needs `{key_name}` and `{value_name}` in every item")));
        }
        pairs.push((key, value));
    }
    Ok(Value::from_pairs(pairs))
}

fn extract(_: &mut State, value: &Value, args: &Args) -> Answer {
    let mut keys = vec![value.clone()];
    match args.get(1, "morekeys")? {
        Some(more) if more.kind() == ValueKind::Seq => keys.extend(items(&more)?),
        Some(more) => keys.push(more),
        None => {}
    }
    keys.iter().try_fold(args.need(0, "container")?, |value, key| value.get_item(key))
}

const UNITS: [char; 8] = ['Y', 'Z', 'E', 'P', 'T', 'G', 'M', 'K'];

fn power(unit: char) -> Option<i32> {
    UNITS.iter().position(|u| *u == unit).map(|i| 8 - i as i32)
}

fn human_to_bytes(_: &mut State, value: &Value, args: &Args) -> Answer {
    let text = print(value)?;
    let unit = args.text(0, "default_unit", "")?;
    let bits = args.flag(1, "isbits", false)?;
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let bad = || wrong(format!("human_to_bytes: `{text}` is no size such as 10K or 1.5GB"));
    let number: f64 = text[..digits].parse().map_err(|_| bad())?;
    let unit = if digits == text.len() { unit } else { text[digits..].trim().to_owned() };
    let mut letters = unit.chars();
    let factor = match letters.next().map(|c| c.to_ascii_uppercase()) {
        None | Some('B') => 1.0,
        Some(letter) => 1024f64.powi(power(letter).ok_or_else(bad)?),
    };
    let rest: String = letters.collect();
    if !["", "B", "b", "yte", "ytes", "it", "its"].contains(&rest.as_str()) || (rest == "b" && !bits) {
        return Err(bad());
    }
    Ok(Value::from((number * factor).round() as i64))
}

fn human_readable(_: &mut State, value: &Value, args: &Args) -> Answer {
    let size = f64::try_from(value.clone()).map_err(|_| wrong("human_readable takes a number"))?;
    let bits = args.flag(0, "isbits", false)?;
    let forced = args.text(1, "unit", "")?.to_uppercase();
    let base = if bits { "bits" } else { "Bytes" };
    for unit in UNITS {
        let limit = 1024f64.powi(power(unit).unwrap_or_default());
        if (forced.is_empty() && size >= limit) || forced.starts_with(unit) {
            return Ok(Value::from(format!("{:.2} {unit}{}", size / limit, if bits { "b" } else { "B" })));
        }
    }
    Ok(Value::from(format!("{size:.2} {base}")))
}
