//! What a play does, as far as its text tells: every call of the standard library in the order of the text, and
//! what is around it.

use super::captures::{calls, closure};
use super::file::File;
use super::lint::literal_text;
use super::options::{scope_of, spec};
use super::stage::PlaySpec;
use super::survey::{Around, CallFound};
use rhai::{ASTNode, Dynamic, Expr, FnCallExpr, Map, Position, Stmt};
use stdlib::contract::{Entry, Role};

/// The options of a play that are written out, and the names of those that are not.
pub(super) fn options(file: &File, options: Option<&Expr>) -> (PlaySpec, Vec<String>) {
    let Some(options) = options else { return (PlaySpec::default(), Vec::new()) };
    let (map, mut open) = literals(file, options);
    if map.is_empty() && open.is_empty() && options.get_literal_value(None).is_none() {
        open.push("all of them".to_owned());
    }
    (spec("", "", &map).unwrap_or_default(), open)
}

fn literals(file: &File, options: &Expr) -> (Map, Vec<String>) {
    let (mut map, mut open) = (Map::new(), Vec::new());
    for (key, _, value) in file.entries(options) {
        match value.get_literal_value(None) {
            Some(value) => drop(map.insert(key.as_str().into(), value)),
            None => open.push(key),
        }
    }
    (map, open)
}

/// Every call that a function leads to.
pub(super) fn calls_of(file: &File, function: &str) -> Vec<CallFound> {
    let mut found = Vec::new();
    enter(file, function, &Around::default(), &mut found, &mut Vec::new());
    found
}

/// What a body has, in order.
enum Item {
    Call(Box<CallFound>),
    /// A function: the import it is in, its name.
    Enter(Option<String>, String, Around),
}

fn enter(file: &File, function: &str, around: &Around, found: &mut Vec<CallFound>, seen: &mut Vec<String>) {
    let key = format!("{}/{function}", file.name);
    if seen.contains(&key) {
        return;
    }
    seen.push(key);
    for item in items(file, function, around) {
        match item {
            Item::Call(call) => found.push(*call),
            Item::Enter(None, name, around) => enter(file, &name, &around, found, seen),
            Item::Enter(Some(alias), name, around) => {
                if let Some(imported) = file.imports.get(&alias) {
                    enter(imported, &name, &around, found, seen);
                }
            }
        }
    }
    seen.pop();
}

fn items(file: &File, function: &str, around: &Around) -> Vec<Item> {
    let mut items = Vec::new();
    let Some((_, body)) = file.function(function) else { return items };
    body.walk(&mut |path| {
        let Some((call, pos, _)) = path.last().and_then(calls) else { return true };
        let around = conditions(path, around);
        if call.namespace.is_empty() {
            let inner = scoped(file, call, &around);
            match closure(call) {
                Some((name, _)) => items.push(Item::Enter(None, name, inner)),
                None => items.push(Item::Enter(None, call.name.to_string(), around)),
            }
        } else if let Some(entry) = stdlib::entry(call.namespace.root(), call.name.as_str()) {
            items.push(Item::Call(Box::new(found(file, entry, call, pos, around))));
        } else {
            items.push(Item::Enter(Some(call.namespace.root().to_owned()), call.name.to_string(), around));
        }
        true
    });
    items
}

/// Whether what is at the end of a path depends on something, or is done again and again.
fn conditions(path: &[ASTNode], around: &Around) -> Around {
    let mut around = around.clone();
    for pair in path.windows(2) {
        let (ASTNode::Stmt(stmt), inside) = (&pair[0], matches!(pair[1], ASTNode::Stmt(_))) else { continue };
        match stmt {
            Stmt::If(..) if inside => around.sometimes = true,
            Stmt::Switch(..) => around.sometimes = true,
            Stmt::For(..) | Stmt::While(..) | Stmt::Do(..) if inside => around.often = true,
            _ => {}
        }
    }
    around
}

/// What is around a closure that is given to one of the words of plays.
fn scoped(file: &File, call: &FnCallExpr, around: &Around) -> Around {
    let mut inner = around.clone();
    let first = || call.args.first().and_then(literal_text);
    match call.name.as_str() {
        "task" => inner.task = Some(first()),
        "defer" => inner.handler = Some(first()),
        "on" => inner.on = Some(first()),
        "within" => {
            let options = call.args.first().map(|options| literals(file, options).0).unwrap_or_default();
            if let Ok(scope) = scope_of("within", &options) {
                if scope.r#become == Some(true) {
                    inner.r#become = Some(scope.become_user.unwrap_or_else(|| "root".to_owned()));
                }
                inner.no_log |= scope.no_log == Some(true);
            }
        }
        _ => {}
    }
    inner
}

fn found(file: &File, entry: &Entry, call: &FnCallExpr, pos: Position, around: Around) -> CallFound {
    let named: Vec<(String, Option<Dynamic>)> = call
        .args
        .iter()
        .flat_map(|arg| file.entries(arg))
        .map(|(key, _, value)| (key, value.get_literal_value(None)))
        .collect();
    let subject = entry.subject().map(|parameter| parameter.name.as_str());
    let of = |name: &str| named.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.as_ref().map(text));
    let positional = call.args.first().filter(|arg| file.entries(arg).is_empty());
    let positional = positional.and_then(|arg| arg.get_literal_value(None)).filter(|value| !value.is_map());
    let value = match subject {
        Some(name) => positional.as_ref().map(text).or_else(|| of(name)),
        None => Some(String::new()),
    };
    // What is brought to the controller is none that it reads.
    let read = entry.parameters.iter().filter(|p| p.docs.contains("on the controller") && p.name != "dest");
    let files = read.filter_map(|parameter| match subject == Some(parameter.name.as_str()) {
        true => value.clone(),
        false => of(&parameter.name),
    });
    let files = files.collect();
    let sensitive = named.iter().any(|(key, value)| {
        key == "sensitive" && !value.as_ref().is_some_and(|value| value.as_bool().is_ok_and(|yes| !yes))
    });
    CallFound {
        operation: entry.path(),
        role: entry.role,
        subject: value,
        secret: sensitive || around.no_log,
        files,
        at: file.site(pos),
        around,
    }
}

/// A constant as a person writes it.
fn text(value: &Dynamic) -> String {
    match value.as_array_ref() {
        Ok(items) => items.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Err(_) => value.to_string(),
    }
}

impl CallFound {
    /// Whether the machine is restarted by it.
    pub fn reboots(&self) -> bool {
        self.role != Role::Fact && self.operation.contains("reboot")
    }
}
