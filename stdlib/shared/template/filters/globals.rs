//! What Jinja2 offers as functions and minijinja lacks, or has with less.

use super::{Answer, dates, items, unsupported};
use crate::shared::template::World;
use crate::shared::template::filters::Args;
use minijinja::value::{Kwargs, Rest, ValueKind, from_args};
use minijinja::{Environment, Error, Value};

pub(super) fn add(env: &mut Environment<'static>, world: Option<World>) {
    env.add_function("now", move |rest: Rest<Value>, named: Kwargs| {
        let args = Args { positional: rest.0, named, world };
        let now = dates::now(&args)?;
        args.named.assert_all_used()?;
        Ok::<Value, Error>(now)
    });
    env.add_function("undef", |_: Rest<Value>| {
        Err::<Value, Error>(unsupported("`undef()`", "leave the variable out instead"))
    });
    env.add_function("dict", |given: Option<Value>, named: Kwargs| dict(given, &named));
    env.add_function("namespace", |given: Option<Value>, named: Kwargs| {
        let (names,) = from_args(&[dict(given, &named)?])?;
        minijinja::functions::namespace(names)
    });
    env.add_function("cycler", |items: Rest<Value>| minijinja_contrib::globals::cycler(items.0));
    env.add_function("joiner", minijinja_contrib::globals::joiner);
}

/// Python's `dict`: of a map or of pairs, with names besides.
fn dict(given: Option<Value>, named: &Kwargs) -> Answer {
    let mut pairs = Vec::new();
    if let Some(given) = given {
        super::defined(&given)?;
        for item in items(&given)? {
            pairs.push(match given.kind() {
                ValueKind::Map => (item.clone(), given.get_item(&item)?),
                _ => match items(&item)?.as_slice() {
                    [key, value] => (key.clone(), value.clone()),
                    _ => return Err(super::wrong("dict: every item must be a pair")),
                },
            });
        }
    }
    for name in named.args() {
        pairs.push((Value::from(name), named.get(name)?));
    }
    Ok(Value::from_pairs(pairs))
}
