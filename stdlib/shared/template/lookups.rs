//! `lookup`, `query` and `q`. What only the template's own variables answer is here (`vars`, `varnames`, `template`);
//! the rest is asked through the hook.

use super::engine::{Ask, Load, Lookup, opened};
use super::{print, wrapped};
use crate::contract::Error;
use minijinja::value::{Kwargs, Rest, ValueKind, merge_maps};
use minijinja::{Environment, ErrorKind, State, Value};
use regex::Regex;
use serde_json::{Map, Value as Json};
use std::sync::Arc;

type Answer<T = Value> = Result<T, minijinja::Error>;

/// The lookups that the template's variables answer by themselves.
pub const LOOKUPS: [&str; 3] = ["vars", "varnames", "template"];

/// Adds `lookup`, `query` and `q`.
pub(super) fn add(env: &mut Environment<'static>, lookup: Option<Arc<Lookup>>, load: Option<Arc<Load>>) {
    let hook = Asked { lookup, load };
    let asked = hook.clone();
    env.add_function("lookup", move |state: &State, name: &str, terms: Rest<Value>, options: Kwargs| {
        let list = options.get::<Option<bool>>("wantlist")?.unwrap_or(false);
        let Some(mut values) = lenient(state, &asked, name, &terms.0, &options)? else {
            return Ok(if list { Value::from(Vec::<Value>::new()) } else { Value::from(()) });
        };
        Ok::<Value, minijinja::Error>(match values.len() {
            1 if !list => values.remove(0),
            0 | 1 => Value::from(values),
            _ if !list && values.iter().all(|v| v.as_str().is_some()) => {
                Value::from(values.iter().filter_map(|v| v.as_str()).collect::<Vec<_>>().join(","))
            }
            _ => Value::from(values),
        })
    });
    for name in ["query", "q"] {
        let asked = hook.clone();
        env.add_function(name, move |state: &State, name: &str, terms: Rest<Value>, options: Kwargs| {
            let values = lenient(state, &asked, name, &terms.0, &options)?;
            Ok::<Value, minijinja::Error>(Value::from(values.unwrap_or_default()))
        });
    }
}

/// Who answers.
#[derive(Clone)]
struct Asked {
    lookup: Option<Arc<Lookup>>,
    load: Option<Arc<Load>>,
}

/// The answers, or none if there is an error and `errors='ignore'` (or `'warn'`) forgives it.
fn lenient(state: &State, hook: &Asked, name: &str, terms: &[Value], options: &Kwargs) -> Answer<Option<Vec<Value>>> {
    let forgiven = match options.get::<Option<&str>>("errors")?.unwrap_or("strict") {
        "strict" => false,
        "ignore" | "warn" => true,
        other => {
            let wrong = Error::playbook(format!("`errors='{other}'` is unknown"));
            return Err(wrapped(wrong.hint("there are strict, ignore and warn")));
        }
    };
    match answer(state, hook, name, terms, options) {
        Err(_) if forgiven => Ok(None),
        found => found.map(Some),
    }
}

fn answer(state: &State, hook: &Asked, name: &str, terms: &[Value], options: &Kwargs) -> Answer<Vec<Value>> {
    let name = ["ansible.builtin.", "community.general."].iter().find_map(|p| name.strip_prefix(p)).unwrap_or(name);
    for term in terms.iter().filter(|term| term.is_undefined()) {
        term.get_attr("undefined")?;
    }
    match name {
        "vars" => terms.iter().map(|term| variable(state, term, options)).collect(),
        "varnames" => variable_names(state, terms),
        "template" => terms.iter().map(|term| template(state, hook, term, options)).collect(),
        _ => {
            let Some(lookup) = &hook.lookup else {
                let wrong = Error::playbook(format!("`lookup('{name}', ...)` cannot be answered here"));
                return Err(wrapped(wrong.hint("give the value as a variable")));
            };
            let mut named = Map::new();
            for key in options.args().filter(|key| !["wantlist", "errors"].contains(key)) {
                named.insert(key.to_owned(), print::to_json(&options.get::<Value>(key)?)?);
            }
            let terms = terms.iter().map(print::to_json).collect::<Answer<Vec<Json>>>()?;
            let check = state.lookup("ansible_check_mode").is_some_and(|check| check.is_true());
            let beside = state.lookup("playbook_dir").and_then(|dir| dir.as_str().map(str::to_owned));
            let ask = Ask { name: name.to_owned(), terms, options: named, check, beside };
            Ok(lookup(&ask).map_err(wrapped)?.iter().map(print::from_json).collect())
        }
    }
}

fn variable(state: &State, term: &Value, options: &Kwargs) -> Answer {
    let found = state.lookup(term.as_str().unwrap_or_default()).filter(|v| !v.is_undefined());
    found.map_or_else(
        || {
            let missing = |_| minijinja::Error::new(ErrorKind::UndefinedError, format!("no variable named {term}"));
            options.get::<Value>("default").map_err(missing)
        },
        Ok,
    )
}

/// Every variable of the host as one map.
fn scope(state: &State) -> Answer {
    let here = || Error::playbook("the variables of the host are not known here");
    state.lookup("vars").filter(|vars| vars.kind() == ValueKind::Map).ok_or_else(|| wrapped(here()))
}

fn variable_names(state: &State, terms: &[Value]) -> Answer<Vec<Value>> {
    let vars = scope(state)?;
    let mut found = Vec::new();
    for term in terms {
        let pattern = print::print(term)?;
        let regex = Regex::new(&pattern)
            .map_err(|e| wrapped(Error::playbook(format!("`{pattern}` is no regular expression: {e}"))))?;
        found.extend(vars.try_iter()?.filter(|name| name.as_str().is_some_and(|name| regex.is_match(name))));
    }
    Ok(found)
}

/// Another template with the same variables, and with those of `template_vars`.
fn template(state: &State, hook: &Asked, term: &Value, options: &Kwargs) -> Answer {
    let mut vars = scope(state)?;
    if let Some(more) = options.get::<Option<Value>>("template_vars")? {
        vars = merge_maps([vars, more]);
    }
    let name = print::print(term)?;
    let text = hook.load.as_ref().and_then(|load| load(&name).transpose()).transpose().map_err(wrapped)?;
    let missing = || Error::playbook(format!("lookup('template'): no template `{name}`"));
    let text = text.ok_or_else(|| wrapped(missing()))?;
    // A file of its own: it has its header, and its last newline.
    let (env, body) = opened(state.env(), &name, &text).map_err(wrapped)?;
    env.template_from_named_str(&name, &body)?.render(vars).map(Value::from)
}

#[cfg(test)]
mod tests {
    use super::super::{Engine, Hooks};
    use crate::contract::Error;
    use minijinja::{Value, context};
    use std::sync::Arc;

    #[test]
    fn answers_have_the_form_that_ansible_gives_them() {
        let lookup = |ask: &super::Ask| match ask.name.as_str() {
            "words" => Ok(ask.terms.clone()),
            other => Err(Error::playbook(format!("no {other}"))),
        };
        let load = |name: &str| Ok((name == "t.j2").then(|| "{{ name }} {{ x | default('-') }}\n".to_owned()));
        let hooks = Hooks { lookup: Some(Arc::new(lookup)), load: Some(Arc::new(load)), world: None };
        let engine = Engine::new(hooks);
        let vars = context! { name => "nas", nas_ip => 1 };
        let context = context! { name => "nas", vars => vars, i => "x" };
        for (text, want) in [
            ("{{ lookup('words', 'a') }}", Some("a")),
            ("{{ lookup('words', 'a', 'b') }}", Some("a,b")),
            ("{{ lookup('words', 'a', 2) }}", Some("['a', 2]")),
            ("{{ lookup('words') }}", Some("[]")),
            (
                "{{ lookup('words', 'a', wantlist=True) }}{{ query('words', 'a') }}{{ q('words') }}",
                Some("['a']['a'][]"),
            ),
            ("{{ lookup('x', 'a', errors='ignore') is none }}{{ query('x', 'a', errors='warn') }}", Some("True[]")),
            ("{{ lookup('ansible.builtin.vars', 'name') }}{{ lookup('vars', 'y', default='d') }}", Some("nasd")),
            ("{{ lookup('varnames', '^n') }}", Some("name,nas_ip")),
            (
                "{{ lookup('template', 't.j2') }}{{ lookup('template', 't.j2', template_vars={'x': 1}) }}",
                Some("nas -\nnas 1\n"),
            ),
            ("{{ lookup('x', 'a') }}", None),
            ("{{ lookup('words', 'a', errors='never') }}", None),
            ("{{ lookup('vars', 'y') }}", None),
            ("{{ lookup('template', 'none.j2') }}", None),
            ("{{ lookup('words', nothing) }}", None),
        ] {
            let got: Option<String> = engine.render("t", text, Value::clone(&context)).ok();
            assert_eq!(got.as_deref(), want, "{text}");
        }
    }
}
