//! What a playbook declares where it is written out: tasks, handlers, channels, tags, variables.

use super::super::captures::{calls, closure, pointer};
use super::super::file::File;
use super::super::survey::{HandlerFound, Param, TaskFound};
use rhai::{Dynamic, Expr, FnCallExpr};
use std::collections::BTreeSet;
use stdlib::contract::{Error, Site, nearest};

/// The channel that a call sends something by, where it is written out.
pub(super) fn channel(call: &FnCallExpr) -> Option<String> {
    if call.namespace.is_empty() {
        return None;
    }
    let entry = stdlib::entry(call.namespace.root(), call.name.as_str()).filter(|entry| entry.sends())?;
    let first = call.args.first()?.get_literal_value(None)?;
    let named = first.as_map_ref().ok().and_then(|map| map.get(entry.subject()?.name.as_str()).cloned());
    named.unwrap_or(first).into_immutable_string().ok().map(|name| name.to_string())
}

/// The handlers that a function of this file may ask for, itself or through others of it.
pub(super) fn collect_handlers(
    file: &File,
    function: &str,
    play: &str,
    found: &mut Vec<HandlerFound>,
    seen: &mut Vec<String>,
) {
    if seen.iter().any(|known| known == function) {
        return;
    }
    seen.push(function.to_owned());
    let Some((_, body)) = file.function(function) else { return };
    let mut inner = Vec::new();
    body.walk(&mut |path| {
        let Some((call, ..)) = path.last().and_then(calls) else { return true };
        if call.name == "defer"
            && call.namespace.is_empty()
            && let (Some(name), Some((function, captured))) = (call.args.first().and_then(literal_text), pointer(call))
        {
            found.push(HandlerFound { play: play.to_owned(), name, captured, function });
        }
        inner.extend(closure(call).map(|(name, _)| name));
        if call.namespace.is_empty() {
            inner.push(call.name.to_string());
        }
        true
    });
    for name in inner {
        collect_handlers(file, &name, play, found, seen);
    }
}

/// The tasks that a function may run, itself or through others, with the tags that are around each.
pub(super) fn collect_tasks(
    file: &File,
    function: &str,
    tags: &[String],
    tasks: &mut Vec<TaskFound>,
    seen: &mut Vec<String>,
) {
    let key = format!("{}/{function}", file.name);
    if seen.contains(&key) {
        return;
    }
    seen.push(key);
    let Some((_, body)) = file.function(function) else { return };
    let mut inner = Vec::new();
    body.walk(&mut |path| {
        let Some((call, pos, _)) = path.last().and_then(calls) else { return true };
        let mut around = tags.to_vec();
        if call.name == "task" && call.namespace.is_empty() {
            around.extend(call.args.get(1).map(literal_tags).unwrap_or_default());
            inner.push((
                None,
                Some(TaskFound {
                    name: call.args.first().and_then(literal_text),
                    tags: around.clone(),
                    at: file.site(pos),
                }),
                String::new(),
                Vec::new(),
            ));
        }
        if let Some((name, _)) = closure(call) {
            inner.push((None, None, name, around));
        } else if call.namespace.is_empty() {
            inner.push((None, None, call.name.to_string(), around));
        } else {
            inner.push((Some(call.namespace.root().to_owned()), None, call.name.to_string(), around));
        }
        true
    });
    for (import, task, name, around) in inner {
        tasks.extend(task);
        match import {
            None if !name.is_empty() => collect_tasks(file, &name, &around, tasks, seen),
            Some(alias) => {
                if let Some(imported) = file.imports.get(&alias) {
                    collect_tasks(imported, &name, &around, tasks, seen);
                }
            }
            None => {}
        }
    }
    seen.pop();
}

/// A text, where it is written out.
pub(in crate::script) fn literal_text(expr: &Expr) -> Option<String> {
    expr.get_literal_value(None)?.into_immutable_string().ok().map(|s| s.to_string())
}

/// Why a parameter cannot have this name, if it cannot: it is a flag too.
pub(super) fn flag_name(name: &str, others: &[Param]) -> Option<Error> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(good) {
        let error = Error::playbook(format!("a parameter cannot be named `{name}`"));
        return Some(error.hint("its name is a flag too: letters, digits and `_`, a letter first"));
    }
    let same = |other: &&Param| other.name != name && other.name.replace('_', "-") == name.replace('_', "-");
    let other = others.iter().find(same)?;
    let error = Error::playbook(format!("parameters `{}` and `{name}` are the same flag", other.name));
    Some(error.hint(format!("`{}` is declared at {}: name one of them otherwise", other.name, other.at)))
}

/// The names of the variables in the options of a play; nothing where they are not written out.
pub(super) fn vars_of(file: &File, options: &Expr) -> Option<Vec<String>> {
    let names = |map: &rhai::Map| map.keys().map(ToString::to_string).collect();
    match options {
        Expr::Map(map, _) => match map.0.iter().find(|(key, _)| key.name == "vars") {
            Some((_, vars @ (Expr::Map(..) | Expr::DynamicConstant(..)))) => {
                Some(file.keys(vars).into_iter().map(|(key, _)| key).collect())
            }
            Some(_) => None,
            None => Some(Vec::new()),
        },
        other => {
            let options = other.get_literal_value(None)?;
            let options = options.as_map_ref().ok()?;
            Some(options.get("vars").and_then(|vars| vars.as_map_ref().ok().map(|v| names(&v))).unwrap_or_default())
        }
    }
}

/// The keys of maps that Rhai has folded into one constant.
pub(super) fn constant_keys(value: &Dynamic, keys: &mut BTreeSet<String>) {
    if let Ok(map) = value.as_map_ref() {
        keys.extend(map.keys().map(ToString::to_string));
        map.values().for_each(|value| constant_keys(value, keys));
    } else if let Ok(items) = value.as_array_ref() {
        items.iter().for_each(|value| constant_keys(value, keys));
    }
}

/// The tags in the options of a play or task, where they are written out.
pub(super) fn literal_tags(expr: &Expr) -> Vec<String> {
    let value = match expr {
        Expr::Map(map, _) => {
            map.0.iter().find(|(key, _)| key.name == "tags").and_then(|(_, v)| v.get_literal_value(None))
        }
        other => {
            other.get_literal_value(None).and_then(|v| v.as_map_ref().ok().and_then(|map| map.get("tags").cloned()))
        }
    };
    let Some(value) = value else { return Vec::new() };
    if let Ok(one) = value.as_immutable_string_ref() {
        return one.split(',').map(|tag| tag.trim().to_owned()).collect();
    }
    let several = value.as_array_ref().map(|tags| tags.iter().map(ToString::to_string).collect());
    several.unwrap_or_default()
}

/// `host.name`, `host.vars.x`...: a property that a host does not have is an error here already.
pub(super) fn host_property(file: &File, expr: &Expr, variables: &mut Vec<(String, Site)>) -> Option<Error> {
    const PROPERTIES: [&str; 4] = ["name", "address", "groups", "vars"];
    match expr {
        Expr::Property(property, pos) if !PROPERTIES.contains(&property.2.as_str()) => {
            let error = Error::playbook(format!("a host has no property `{}`", property.2)).at(file.site(*pos));
            Some(match nearest(&property.2, PROPERTIES) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint("it has .name, .address, .groups and .vars"),
            })
        }
        Expr::Dot(dot, ..) => {
            if let (Expr::Property(property, _), next) = (&dot.lhs, &dot.rhs)
                && property.2 == "vars"
            {
                let next = if let Expr::Dot(more, ..) = next { &more.lhs } else { next };
                if let Expr::Property(variable, pos) = next {
                    variables.push((variable.2.to_string(), file.site(*pos)));
                }
                return None;
            }
            host_property(file, &dot.lhs, variables)
        }
        _ => None,
    }
}
