//! How the words of plays and the operations are called: how many arguments, of which kinds, and where.

use super::bridge;
use super::captures::pointer_of;
use super::file::File;
use super::options::{PLAY, TASK, WITHIN, scope_of, spec, strings, unknown_option};
use rhai::{Dynamic, Expr, FnCallExpr, Map};
use stdlib::contract::{Entry, Error, Role, Site, nearest};

/// A word of plays and how it is called.
struct Word {
    name: &'static str,
    least: usize,
    most: usize,
    usage: &'static str,
    /// The parameters that the closure at its end may have; none if there is no closure.
    closure: Option<std::ops::RangeInclusive<usize>>,
    /// Its options.
    options: &'static [&'static str],
}

const WORDS: [Word; 11] = [
    Word {
        name: "play",
        least: 3,
        most: 4,
        usage: "play(\"name\", \"pattern\", #{ options }, |host| { ... })",
        closure: Some(0..=1),
        options: PLAY,
    },
    Word {
        name: "on",
        least: 2,
        most: 2,
        usage: "on(\"pattern\", |host| { ... })",
        closure: Some(0..=1),
        options: &[],
    },
    Word {
        name: "task",
        least: 2,
        most: 3,
        usage: "task(\"name\", #{ tags: [...] }, || { ... })",
        closure: Some(0..=0),
        options: TASK,
    },
    Word {
        name: "within",
        least: 2,
        most: 2,
        usage: "within(#{ options }, || { ... })",
        closure: Some(0..=0),
        options: WITHIN,
    },
    Word { name: "defer", least: 2, most: 2, usage: "defer(\"name\", || { ... })", closure: Some(0..=1), options: &[] },
    Word { name: "param", least: 2, most: 3, usage: "param(\"name\", default, \"help\")", closure: None, options: &[] },
    Word { name: "flush", least: 0, most: 0, usage: "flush()", closure: None, options: &[] },
    Word { name: "hosts", least: 1, most: 1, usage: "hosts(\"pattern\")", closure: None, options: &[] },
    Word { name: "finally", least: 1, most: 1, usage: "finally(|run| { ... })", closure: Some(0..=1), options: &[] },
    Word { name: "include_vars", least: 1, most: 1, usage: "include_vars(\"path\")", closure: None, options: &[] },
    Word { name: "warn", least: 1, most: 1, usage: "warn(\"text\")", closure: None, options: &[] },
];

/// What is wrong with the call of a word of plays.
pub(super) fn word(file: &File, call: &FnCallExpr, at: &Site) -> Vec<Error> {
    let Some(word) = WORDS.iter().find(|word| word.name == call.name.as_str()) else { return Vec::new() };
    let name = word.name;
    let count = call.args.len();
    if count < word.least || count > word.most {
        let takes = match (word.least, word.most) {
            (0, 0) => "no arguments".to_owned(),
            (1, 1) => "1 argument".to_owned(),
            (least, most) if least == most => format!("{least} arguments"),
            (least, most) => format!("{least} or {most} arguments"),
        };
        let error = Error::playbook(format!("{name}() takes {takes}, not {count}"));
        return vec![error.hint(format!("write {}", word.usage)).at(at.clone())];
    }
    let mut errors = Vec::new();
    if let (Some(arity), Some(last)) = (&word.closure, call.args.last()) {
        match pointer_of(last) {
            None if is_no_closure(last) => {
                let error = Error::playbook(format!("the last argument of {name}() must be a closure"));
                errors.push(error.hint(format!("write {}", word.usage)).at(file.site(last.position())));
            }
            None => {}
            Some((function, captured)) => {
                let Some((params, _)) = file.function(function.fn_name()) else { return errors };
                let params = params.len().saturating_sub(captured);
                if !arity.contains(&params) {
                    let what = if *arity.end() == 0 { "nothing" } else { "at most the host" };
                    let error = Error::playbook(format!("the closure of {name}() is given {what}, and wants {params}"));
                    errors.push(error.hint(format!("write {}", word.usage)).at(file.site(last.position())));
                }
            }
        }
    }
    let options = count.checked_sub(2).filter(|_| count == word.most && !word.options.is_empty());
    if let Some(options) = options.and_then(|i| call.args.get(i)).filter(|options| is_no_map(options)) {
        let error = Error::playbook(format!("the options of {name}() are a map"));
        errors.push(error.hint(format!("write {}", word.usage)).at(file.site(options.position())));
    }
    let maps = call.args.iter().filter(|_| !word.options.is_empty());
    for (key, pos, value) in maps.flat_map(|map| file.entries(map)) {
        let at = file.site(pos);
        if !word.options.contains(&key.as_str()) {
            errors.push(unknown_option(name, &key, word.options).at(at));
        } else if key == "until" {
            errors.extend(condition(file, &key, &value, false).map(|e| e.at(at)));
        } else if let Some(value) = value.get_literal_value(None) {
            let map = Map::from([(key.as_str().into(), value)]);
            let wrong = match name {
                "play" => spec("", "", &map).err(),
                "task" => strings(&map, "tags").err(),
                _ => scope_of(name, &map).err(),
            };
            errors.extend(wrong.map(|e| e.at(at)));
        }
    }
    errors
}

/// What is wrong with the arguments of an operation, beside names and types.
pub(super) fn operation(file: &File, entry: &Entry, call: &FnCallExpr, at: &Site) -> Vec<Error> {
    let path = entry.path();
    let mut errors = Vec::new();
    if call.args.len() > 2 {
        let error = Error::playbook(format!("{path} takes a subject and a map of options"));
        errors.push(error.hint(entry.usage()).at(at.clone()));
    } else if let Some(options) = call.args.get(1)
        && is_no_map(options)
    {
        let error = Error::playbook(format!("the options of {path} are a map"));
        errors.push(error.hint(entry.usage()).at(file.site(options.position())));
    }
    let ours = |key: &str| bridge::CLOSURES.contains(&key) && entry.parameters.iter().all(|p| p.name != key);
    for (key, pos, value) in call.args.iter().flat_map(|arg| file.entries(arg)) {
        if entry.role != Role::Operation && ours(&key) {
            errors.extend(condition(file, &key, &value, true).map(|e| e.at(file.site(pos))));
        }
    }
    errors
}

/// Something that can be done on a host only, called where there is none.
pub(super) fn without_host(call: &FnCallExpr) -> Option<Error> {
    if !call.namespace.is_empty() {
        let (root, name) = (call.namespace.root(), call.name.as_str());
        let module = stdlib::modules().iter().find(|module| module.name == root)?;
        let entry = module.entries.iter().find(|entry| entry.name == name && !entry.sends())?;
        let error = Error::playbook(format!("{} needs a host to work on", entry.path()));
        return Some(error.hint("call it inside play(\"...\", \"all\", |host| { ... }), or on(\"localhost\", || ...)"));
    }
    let name = call.name.as_str();
    let needs = matches!(name, "task" | "within" | "defer" | "flush");
    needs.then(|| Error::playbook(format!("{name}() needs a host: call it inside play(...) or on(...)")))
}

/// `module::name` that is not called: a function of the standard library, or a constant of an import.
pub(super) fn value(file: &File, root: &str, name: &str) -> Option<Error> {
    if root == "global" || file.unknown.contains(root) {
        return None;
    }
    if let Some(imported) = file.imports.get(root) {
        let exports = imported.exports();
        if exports.iter().any(|known| known == name) {
            return None;
        }
        let error = Error::playbook(format!("{} exports no `{name}`", imported.name));
        if imported.functions().any(|(known, _)| known == name) {
            return Some(error.hint(format!("it is a function: {root}::{name}(...)")));
        }
        return Some(match nearest(name, exports.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean {root}::{near}?")),
            None => error.hint(format!("there, write: export const {name} = ...;")),
        });
    }
    let module = stdlib::modules().iter().find(|module| module.name == root)?;
    let Some(entry) = module.entries.iter().find(|entry| entry.name == name) else {
        let error = Error::playbook(format!("{root} has no `{name}`"));
        return Some(match nearest(name, module.entries.iter().map(|e| e.name.as_str())) {
            Some(near) => error.hint(format!("did you mean {root}::{near}()?")),
            None => error.hint(format!("hlrun docs {root} lists what it has")),
        });
    };
    Some(Error::playbook(format!("{} is a function: call it", entry.path())).hint(format!("write {}", entry.usage())))
}

/// `until`, `changed_when`, `failed_when`: a closure that is given the record.
fn condition(file: &File, key: &str, value: &Expr, or_bool: bool) -> Option<Error> {
    let usage = format!("write {key}: |r| r.rc == 0");
    let Some((function, captured)) = pointer_of(value) else {
        let fine = or_bool && value.get_literal_value(None).is_some_and(|value| value.is_bool());
        let wrong = !fine && is_no_closure(value);
        return wrong.then(|| Error::playbook(format!("`{key}` must be a condition")).hint(usage));
    };
    let (params, _) = file.function(function.fn_name())?;
    let params = params.len().saturating_sub(captured);
    let error = || Error::playbook(format!("the closure of `{key}` is given the record, and wants {params} arguments"));
    (params != 1).then(|| error().hint(usage))
}

/// Written out, and no closure whatever happens.
fn is_no_closure(expr: &Expr) -> bool {
    match expr {
        Expr::Array(..) | Expr::Map(..) | Expr::InterpolatedString(..) | Expr::Stmt(..) => true,
        Expr::FnCall(call, _) => {
            stdlib::modules().iter().any(|m| !call.namespace.is_empty() && m.name == call.namespace.root())
        }
        other => other.get_literal_value(None).is_some_and(|value: Dynamic| !value.is_fnptr()),
    }
}

/// Written out, and no map whatever happens.
fn is_no_map(expr: &Expr) -> bool {
    match expr {
        Expr::Array(..) | Expr::InterpolatedString(..) => true,
        other => pointer_of(other).is_some() || other.get_literal_value(None).is_some_and(|value| !value.is_map()),
    }
}
