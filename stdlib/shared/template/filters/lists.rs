//! Filters on lists.

use super::{Answer, Args, Filter, items, whole, wrong};
use crate::shared::template::print::print;
use minijinja::value::ValueKind;
use minijinja::{State, Value};

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("join", join),
    ("sort", super::sort::sort),
    ("changeable", |_, value, _| crate::shared::template::changeable::changeable(value)),
    ("list", |_, value, _| rows(value)),
    ("first", |_, value, _| minijinja::filters::first(value)),
    ("last", |_, value, _| minijinja::filters::last(value.clone())),
    ("reverse", |_, value, _| minijinja::filters::reverse(value)),
    ("length", |_, value, _| minijinja::filters::length(value).map(Value::from)),
    ("count", |_, value, _| minijinja::filters::length(value).map(Value::from)),
    ("dictsort", dictsort),
    ("items", |_, value, _| rows(&minijinja::filters::items(value)?)),
    ("unique", unique),
    ("union", |_, value, args| both(value, args, |a, b| [a, b].concat())),
    ("intersect", |_, value, args| both(value, args, |a, b| a.into_iter().filter(|x| b.contains(x)).collect())),
    ("difference", |_, value, args| both(value, args, |a, b| a.into_iter().filter(|x| !b.contains(x)).collect())),
    ("symmetric_difference", |_, value, args| {
        both(value, args, |a, b| {
            let left = a.iter().filter(|x| !b.contains(x));
            left.chain(b.iter().filter(|x| !a.contains(x))).cloned().collect()
        })
    }),
    ("flatten", flatten),
    ("product", product),
    ("zip", |_, value, args| zip(value, args, false)),
    ("zip_longest", |_, value, args| zip(value, args, true)),
    ("subelements", subelements),
    ("permutations", |_, value, args| choose(value, args, true)),
    ("combinations", |_, value, args| choose(value, args, false)),
];

fn attribute(value: &Value, path: &Option<String>) -> Answer {
    let Some(path) = path else { return Ok(value.clone()) };
    path.split('.').try_fold(value.clone(), |value, key| match key.parse::<usize>() {
        Ok(index) if value.kind() == ValueKind::Seq => value.get_item_by_index(index),
        _ => value.get_attr(key),
    })
}

fn named_text(args: &Args, place: usize, name: &str) -> Answer<Option<String>> {
    args.get(place, name)?.filter(|v| !v.is_none()).map(|value| print(&value)).transpose()
}

fn join(_: &mut State, value: &Value, args: &Args) -> Answer {
    let separator = args.text(0, "d", "")?;
    let path = named_text(args, 1, "attribute")?;
    let texts = items(value)?.iter().map(|item| print(&attribute(item, &path)?)).collect::<Answer<Vec<String>>>()?;
    Ok(Value::from(texts.join(&separator)))
}

fn distinct(values: Vec<Value>) -> Vec<Value> {
    let mut seen = std::collections::HashSet::new();
    values.into_iter().filter(|value| seen.insert(value.clone())).collect()
}

fn unique(_: &mut State, value: &Value, args: &Args) -> Answer {
    let path = named_text(args, 1, "attribute")?;
    let exact = args.flag(0, "case_sensitive", false)?;
    let mut seen = std::collections::HashSet::new();
    let mut kept = Vec::new();
    for item in items(value)? {
        let mut key = attribute(&item, &path)?;
        if !exact && let Some(text) = key.as_str() {
            key = Value::from(text.to_lowercase());
        }
        if key.kind() == ValueKind::Bool {
            // In Python True is 1.
            key = Value::from(i64::from(key.is_true()));
        }
        if seen.insert(key) {
            kept.push(item);
        }
    }
    Ok(Value::from(kept))
}

fn both(value: &Value, args: &Args, how: fn(Vec<Value>, Vec<Value>) -> Vec<Value>) -> Answer {
    let other = items(&args.need(0, "b")?)?;
    Ok(Value::from(distinct(how(items(value)?, other))))
}

fn flatten(_: &mut State, value: &Value, args: &Args) -> Answer {
    let levels = args.get(0, "levels")?.and_then(|v| whole(&v));
    let skip = args.flag(1, "skip_nulls", true)?;
    fn walk(out: &mut Vec<Value>, value: &Value, levels: Option<i64>, skip: bool) -> Answer<()> {
        for item in items(value)? {
            let null = item.is_none() || matches!(item.as_str(), Some("None" | "null"));
            if skip && null {
                continue;
            }
            match (item.kind(), levels) {
                (ValueKind::Seq | ValueKind::Iterable, Some(0)) => out.push(item),
                (ValueKind::Seq | ValueKind::Iterable, left) => walk(out, &item, left.map(|n| n - 1), skip)?,
                _ => out.push(item),
            }
        }
        Ok(())
    }
    let mut out = Vec::new();
    walk(&mut out, value, levels, skip)?;
    Ok(Value::from(out))
}

/// Ansible hands on lists where Python has tuples.
fn row(values: Vec<Value>) -> Value {
    Value::from(values)
}

fn rows(value: &Value) -> Answer {
    let plain = |item: Value| if item.is_tuple() { items(&item).map(row) } else { Ok(item) };
    items(value)?.into_iter().map(plain).collect::<Answer<Vec<_>>>().map(Value::from)
}

fn dictsort(_: &mut State, value: &Value, args: &Args) -> Answer {
    let mut named = Vec::new();
    for name in args.named.args() {
        named.push((name.to_owned(), args.named.get::<Value>(name)?));
    }
    for (name, value) in ["case_sensitive", "by", "reverse"].iter().zip(&args.positional) {
        named.push(((*name).to_owned(), value.clone()));
    }
    rows(&minijinja::filters::dictsort(value, named.into_iter().collect())?)
}

fn product(_: &mut State, value: &Value, args: &Args) -> Answer {
    let repeat = args.named.get::<Option<usize>>("repeat")?.unwrap_or(1);
    let lists = std::iter::once(value).chain(&args.positional).map(items).collect::<Answer<Vec<_>>>()?;
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for list in lists.iter().cycle().take(lists.len() * repeat.clamp(1, 8)) {
        if rows.len() * list.len() > 1_000_000 {
            return Err(wrong("product: more than a million combinations"));
        }
        rows =
            rows.iter().flat_map(|row| list.iter().map(|item| row.iter().chain([item]).cloned().collect())).collect();
    }
    Ok(Value::from(rows.into_iter().map(row).collect::<Vec<_>>()))
}

fn zip(value: &Value, args: &Args, longest: bool) -> Answer {
    let fill = args.named.get::<Option<Value>>("fillvalue")?.unwrap_or_else(|| Value::from(()));
    let lists = std::iter::once(value).chain(&args.positional).map(items).collect::<Answer<Vec<_>>>()?;
    let lengths = lists.iter().map(Vec::len);
    let count = if longest { lengths.max() } else { lengths.min() }.unwrap_or(0);
    let line = |i: usize| row(lists.iter().map(|list| list.get(i).unwrap_or(&fill).clone()).collect());
    Ok(Value::from((0..count).map(line).collect::<Vec<_>>()))
}

fn subelements(_: &mut State, value: &Value, args: &Args) -> Answer {
    let path = args.need(0, "subelements")?;
    let path = if path.kind() == ValueKind::Seq {
        items(&path)?.iter().map(print).collect::<Answer<Vec<_>>>()?
    } else {
        print(&path)?.split('.').map(str::to_owned).collect()
    };
    let skip = match args.get(1, "skip_missing")? {
        Some(options) if options.kind() == ValueKind::Map => options.get_attr("skip_missing")?.is_true(),
        Some(flag) => flag.is_true(),
        None => false,
    };
    let elements = match value.kind() {
        ValueKind::Map => items(value)?.iter().map(|key| value.get_item(key)).collect::<Answer<Vec<_>>>()?,
        _ => items(value)?,
    };
    let mut rows = Vec::new();
    for element in elements {
        let mut found = element.clone();
        for key in &path {
            found = found.get_attr(key)?;
            if found.is_undefined() {
                break;
            }
        }
        if found.is_undefined() {
            if skip {
                continue;
            }
            return Err(wrong(format!("subelements: no `{}` in {}", path.join("."), print(&element)?)));
        }
        for item in items(&found)? {
            rows.push(row(vec![element.clone(), item]));
        }
    }
    Ok(Value::from(rows))
}

fn choose(value: &Value, args: &Args, ordered: bool) -> Answer {
    let list = items(value)?;
    let size = usize::try_from(args.number(0, "r", list.len() as i64)?).unwrap_or(0);
    if list.len() > 10 {
        return Err(wrong("more than ten items have too many combinations"));
    }
    let mut rows: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..size {
        let next = |row: &Vec<usize>| -> Vec<Vec<usize>> {
            let fits = |i: &usize| if ordered { !row.contains(i) } else { row.last().is_none_or(|last| i > last) };
            (0..list.len()).filter(fits).map(|i| [row.as_slice(), &[i]].concat()).collect()
        };
        rows = rows.iter().flat_map(next).collect();
    }
    let line = |places: &Vec<usize>| row(places.iter().filter_map(|i| list.get(*i).cloned()).collect());
    Ok(Value::from(rows.iter().map(line).collect::<Vec<_>>()))
}
