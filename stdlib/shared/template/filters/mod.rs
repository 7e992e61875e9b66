//! Ansible's filters and tests, and Python's methods. One file per kind; each offers a table of names.

mod chance;
mod data;
mod dates;
mod globals;
mod json;
mod lists;
mod methods;
mod network;
mod query;
mod regexes;
mod select;
mod sort;
pub(super) mod tests;
mod text;
mod url;
mod version;
mod xml;
mod yaml;

pub(super) use sort::sorted;

use super::{World, print::print};
use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, ErrorKind, State, Value};

pub(super) type Answer<T = Value> = Result<T, Error>;
type Filter = fn(&mut State, &Value, &Args) -> Answer;
type Test = fn(&mut State, &Value, &Args) -> Answer<bool>;

/// Every table of filters.
const TABLES: [&[(&str, Filter)]; 13] = [
    chance::FILTERS,
    data::FILTERS,
    dates::FILTERS,
    json::FILTERS,
    lists::FILTERS,
    network::FILTERS,
    query::FILTERS,
    regexes::FILTERS,
    select::FILTERS,
    text::FILTERS,
    url::FILTERS,
    xml::FILTERS,
    yaml::FILTERS,
];

/// The collections whose names are understood with their prefix.
const PREFIXES: [&str; 4] = ["ansible.builtin.", "community.general.", "ansible.utils.", "ansible.netcommon."];

/// Adds everything here to an environment.
pub(super) fn add(env: &mut Environment<'static>, world: Option<World>) {
    for table in TABLES {
        for (name, filter) in table {
            for name in std::iter::once((*name).to_owned()).chain(PREFIXES.map(|p| format!("{p}{name}"))) {
                let call = *filter;
                let lenient = ["default", "d", "mandatory", "type_debug"].contains(&name.as_str());
                env.add_filter(name, move |state: &mut State, value: Value, rest: Rest<Value>, named: Kwargs| {
                    if !lenient {
                        defined(&value)?;
                    }
                    let args = Args { positional: rest.0, named, world };
                    let answer = call(state, &value, &args)?;
                    args.named.assert_all_used()?;
                    Ok::<Value, Error>(answer)
                });
            }
        }
    }
    for (name, test) in tests::TESTS {
        for name in std::iter::once((*name).to_owned()).chain(PREFIXES.map(|p| format!("{p}{name}"))) {
            let call = *test;
            env.add_test(name, move |state: &mut State, value: Value, rest: Rest<Value>, named: Kwargs| {
                defined(&value)?;
                call(state, &value, &Args { positional: rest.0, named, world })
            });
        }
    }
    for (name, hint) in UNSUPPORTED {
        env.add_filter(*name, move |_: Rest<Value>| {
            Err::<Value, Error>(unsupported(&format!("the filter `{name}`"), hint))
        });
    }
    globals::add(env, world);
    env.set_unknown_method_callback(methods::call);
}

/// The filters that minijinja brings and that mean the same in Jinja2.
const JINJA: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "capitalize",
    "format",
    "groupby",
    "max",
    "min",
    "round",
    "safe",
    "slice",
    "sum",
    "title",
];

/// The name of every filter.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TABLES
        .iter()
        .copied()
        .flatten()
        .map(|(name, _)| *name)
        .filter(|name| !INNER.contains(name))
        .chain(JINJA.iter().copied())
}

/// Filters that only rewritten templates name.
const INNER: [&str; 3] = ["percent", "minus", "changeable"];

/// What Ansible has and hlrun has not, and what to do instead.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("fileglob", "list files in the playbook"),
    ("realpath", "compute the path in the playbook"),
    ("expanduser", "write the path out, or use ansible_env.HOME"),
    ("expandvars", "use ansible_env.NAME"),
    ("vault", "vault is not read yet"),
    ("unvault", "vault is not read yet"),
];

fn unsupported(what: &str, hint: &str) -> Error {
    super::wrapped(crate::contract::Error::playbook(format!("{what} is not supported")).hint(hint))
}

fn defined(value: &Value) -> Answer<()> {
    if value.is_undefined() {
        // minijinja's own error knows which expression it was.
        value.get_attr("undefined")?;
    }
    Ok(())
}

/// An error in the words of a filter.
pub(super) fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// What a filter was given, by place or by name.
pub(super) struct Args {
    pub positional: Vec<Value>,
    pub named: Kwargs,
    world: Option<World>,
}

impl Args {
    /// The time and chance, where a template may ask for them.
    pub fn world(&self) -> Answer<World> {
        let here = || crate::contract::Error::playbook("neither the time nor chance can be asked for here");
        self.world.ok_or_else(|| super::wrapped(here().hint("give the value as a variable")))
    }
    pub fn get(&self, place: usize, name: &str) -> Answer<Option<Value>> {
        let value = match self.positional.get(place) {
            Some(value) => Some(value.clone()),
            None => self.named.get::<Option<Value>>(name)?,
        };
        if let Some(value) = &value {
            defined(value)?;
        }
        Ok(value)
    }
    pub fn need(&self, place: usize, name: &str) -> Answer {
        self.get(place, name)?.ok_or_else(|| Error::new(ErrorKind::MissingArgument, format!("`{name}` is missing")))
    }
    pub fn text(&self, place: usize, name: &str, default: &str) -> Answer<String> {
        self.get(place, name)?.map_or_else(|| Ok(default.to_owned()), |value| print(&value))
    }
    pub fn flag(&self, place: usize, name: &str, default: bool) -> Answer<bool> {
        Ok(self.get(place, name)?.map_or(default, |value| value.is_true()))
    }
    pub fn number(&self, place: usize, name: &str, default: i64) -> Answer<i64> {
        match self.get(place, name)? {
            None => Ok(default),
            Some(value) if value.is_none() => Ok(default),
            Some(value) => whole(&value).ok_or_else(|| wrong(format!("`{name}` must be a whole number"))),
        }
    }
}

pub(in crate::shared::template) fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()))
}

/// The items of a list, or the keys of a map.
pub(super) fn items(value: &Value) -> Answer<Vec<Value>> {
    value.try_iter()?.checked().collect()
}
