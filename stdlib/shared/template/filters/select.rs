//! `select`, `reject`, `selectattr`, `rejectattr` and `map`: a missing attribute is undefined, never an error by
//! itself, so that `selectattr('home.path', 'defined')` asks what it says.

use super::{Answer, Args, Filter, items};
use crate::shared::template::print::print;
use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("select", |state, value, args| keep(state, value, args, false, true)),
    ("reject", |state, value, args| keep(state, value, args, false, false)),
    ("selectattr", |state, value, args| keep(state, value, args, true, true)),
    ("rejectattr", |state, value, args| keep(state, value, args, true, false)),
    ("map", map),
];

/// The value at a dotted path; undefined if there is none.
pub(super) fn at(value: &Value, path: &str) -> Answer {
    let mut found = value.clone();
    for key in path.split('.') {
        if found.is_undefined() {
            break;
        }
        found = match key.parse::<usize>() {
            Ok(index) if found.kind() == ValueKind::Seq => found.get_item_by_index(index)?,
            _ => found.get_attr(key)?,
        };
    }
    Ok(found)
}

fn keep(state: &mut State, value: &Value, args: &Args, by_attribute: bool, wanted: bool) -> Answer {
    let mut given = args.positional.iter();
    let path = if by_attribute {
        let missing = || Error::new(ErrorKind::MissingArgument, "the attribute is missing");
        Some(print(given.next().ok_or_else(missing)?)?)
    } else {
        None
    };
    let test = given.next().map(print).transpose()?;
    let rest: Vec<Value> = given.cloned().collect();
    let mut kept = Vec::new();
    for item in items(value)? {
        let asked = match &path {
            Some(path) => at(&item, path)?,
            None => item.clone(),
        };
        let passed = match &test {
            Some(test) => {
                let given: Vec<Value> = std::iter::once(asked).chain(rest.iter().cloned()).collect();
                state.perform_test(test, &given)?
            }
            None => !asked.is_undefined() && asked.is_true(),
        };
        if passed == wanted {
            kept.push(item);
        }
    }
    Ok(Value::from(kept))
}

fn map(state: &mut State, value: &Value, args: &Args) -> Answer {
    let mut out = Vec::new();
    let Some((filter, rest)) = args.positional.split_first() else {
        let path = print(&args.need(9, "attribute")?)?;
        let default = args.get(9, "default")?;
        for item in items(value)? {
            let found = at(&item, &path)?;
            out.push(match &default {
                Some(default) if found.is_undefined() => default.clone(),
                _ => found,
            });
        }
        return Ok(Value::from(out));
    };
    let filter = print(filter)?;
    let mut named = Vec::new();
    for name in args.named.args() {
        named.push((name.to_owned(), args.named.get::<Value>(name)?));
    }
    let named = (!named.is_empty()).then(|| Value::from(minijinja::value::Kwargs::from_iter(named)));
    for item in items(value)? {
        let given: Vec<Value> = std::iter::once(item).chain(rest.iter().cloned()).chain(named.clone()).collect();
        out.push(state.apply_filter(&filter, &given)?);
    }
    Ok(Value::from(out))
}
