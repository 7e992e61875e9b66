//! `sort`, in the order in which Python sorts.

use super::{Answer, Args, select, wrong};
use crate::shared::template::print::print;
use minijinja::value::ValueKind;
use minijinja::{State, Value};
use std::cmp::Ordering;

/// How Python orders two values; of different kinds it does not.
pub(super) fn order(a: &Value, b: &Value) -> Answer<Ordering> {
    let counted = |value: &Value| match value.kind() {
        ValueKind::Bool => Value::from(i64::from(value.is_true())),
        _ => value.clone(),
    };
    let (a, b) = (counted(a), counted(b));
    match (a.kind(), b.kind()) {
        (ValueKind::Seq | ValueKind::Iterable, ValueKind::Seq | ValueKind::Iterable) => {
            let (left, right) = (super::items(&a)?, super::items(&b)?);
            for (a, b) in left.iter().zip(&right) {
                match order(a, b) {
                    Ok(Ordering::Equal) => {}
                    // What is equal need not have an order.
                    Err(_) if a == b => {}
                    other => return other,
                }
            }
            Ok(left.len().cmp(&right.len()))
        }
        (left @ (ValueKind::Number | ValueKind::String | ValueKind::Plain), right) if left == right => Ok(a.cmp(&b)),
        (left, right) => Err(wrong(format!("`<` does not go with {left} and {right}"))),
    }
}

/// Sorts by a key; the first two that have no order are an error.
fn by<T>(values: &mut [T], key: impl Fn(&T) -> &[Value], reverse: bool) -> Answer<()> {
    let mut failed = None;
    values.sort_by(|a, b| {
        let pairs = key(a).iter().zip(key(b));
        let found = pairs.map(|(a, b)| order(a, b)).find(|found| !matches!(found, Ok(Ordering::Equal)));
        let order = found.unwrap_or(Ok(Ordering::Equal)).unwrap_or_else(|error| {
            failed = Some(error);
            Ordering::Equal
        });
        if reverse { order.reverse() } else { order }
    });
    failed.map_or(Ok(()), Err)
}

/// Sorts the values themselves.
pub(in crate::shared::template) fn sorted(values: &mut [Value], reverse: bool) -> Answer<()> {
    by(values, std::slice::from_ref, reverse)
}

pub(super) fn sort(_: &mut State, value: &Value, args: &Args) -> Answer {
    let (reverse, exact) = (args.flag(0, "reverse", false)?, args.flag(1, "case_sensitive", false)?);
    let paths = args.get(2, "attribute")?.filter(|path| !path.is_none()).map(|path| print(&path)).transpose()?;
    let key = |item: &Value| -> Answer<Vec<Value>> {
        let found = match &paths {
            Some(paths) => paths.split(',').map(|path| select::at(item, path)).collect::<Answer<Vec<_>>>()?,
            None => vec![item.clone()],
        };
        let folded = |value: Value| -> Answer {
            super::defined(&value)?;
            Ok(value.as_str().filter(|_| !exact).map_or(value.clone(), |text| Value::from(text.to_lowercase())))
        };
        found.into_iter().map(folded).collect()
    };
    let mut keyed = super::items(value)?
        .into_iter()
        .map(|item| Ok((key(&item)?, item)))
        .collect::<Answer<Vec<(Vec<Value>, Value)>>>()?;
    by(&mut keyed, |(key, _)| key, reverse)?;
    Ok(keyed.into_iter().map(|(_, item)| item).collect())
}
