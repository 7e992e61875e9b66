//! Ansible's filters and tests, and Python's methods. One file per kind; each offers a table of names.

mod data;
mod json;
mod lists;
mod methods;
mod password;
mod regexes;
mod select;
mod tests;
mod text;
mod url;
mod version;
mod yaml;

use super::print::print;
use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, ErrorKind, State, Value};

pub(super) type Answer<T = Value> = Result<T, Error>;
type Filter = fn(&mut State, &Value, &Args) -> Answer;
type Test = fn(&mut State, &Value, &Args) -> Answer<bool>;

/// Every table of filters.
const TABLES: [&[(&str, Filter)]; 9] = [
    data::FILTERS,
    json::FILTERS,
    lists::FILTERS,
    password::FILTERS,
    regexes::FILTERS,
    select::FILTERS,
    text::FILTERS,
    url::FILTERS,
    yaml::FILTERS,
];

/// The collections whose names are understood with their prefix.
const PREFIXES: [&str; 3] = ["ansible.builtin.", "community.general.", "ansible.utils."];

/// Adds everything here to an environment.
pub(super) fn add(env: &mut Environment<'static>) {
    for table in TABLES {
        for (name, filter) in table {
            for name in std::iter::once((*name).to_owned()).chain(PREFIXES.map(|p| format!("{p}{name}"))) {
                let call = *filter;
                let lenient = ["default", "d", "mandatory", "type_debug"].contains(&name.as_str());
                env.add_filter(name, move |state: &mut State, value: Value, rest: Rest<Value>, named: Kwargs| {
                    if !lenient {
                        defined(&value)?;
                    }
                    let args = Args { positional: rest.0, named };
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
                call(state, &value, &Args { positional: rest.0, named })
            });
        }
    }
    for (name, hint) in UNSUPPORTED {
        env.add_filter(*name, move |_: Rest<Value>| {
            Err::<Value, Error>(unsupported(&format!("the filter `{name}`"), hint))
        });
    }
    for (name, hint) in
        [("now", "give the time as a variable: facts::date_time()"), ("undef", "leave the variable out instead")]
    {
        env.add_function(name, move |_: Rest<Value>| Err::<Value, Error>(unsupported(&format!("`{name}()`"), hint)));
    }
    env.set_unknown_method_callback(methods::call);
}

/// What Ansible has and hlrun has not, and what to do instead.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("json_query", "use selectattr, map and list instead"),
    ("ipaddr", "compute the address in the playbook"),
    ("ipmath", "compute the address in the playbook"),
    ("ipwrap", "compute the address in the playbook"),
    ("nthhost", "compute the address in the playbook"),
    ("random", "a template must render the same twice; choose in the playbook"),
    ("shuffle", "a template must render the same twice; choose in the playbook"),
    ("strftime", "give the date as a variable: facts::date_time()"),
    ("to_datetime", "compare dates in the playbook"),
    ("fileglob", "list files in the playbook"),
    ("realpath", "compute the path in the playbook"),
    ("expanduser", "write the path out, or use ansible_env.HOME"),
    ("expandvars", "use ansible_env.NAME"),
    ("vault", "vault is not read yet"),
    ("unvault", "vault is not read yet"),
    ("from_xml", "read it in the playbook"),
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
}

impl Args {
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

pub(super) fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()))
}

/// The items of a list, or the keys of a map.
pub(super) fn items(value: &Value) -> Answer<Vec<Value>> {
    value.try_iter()?.checked().collect()
}
