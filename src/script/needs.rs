//! What a line of a session is about: whether it needs a host, what it uses of the session, what it adds.

use super::captures::{calls, changes, closure};
use super::file::File;
use rhai::{AST, ASTNode, Expr, Scope, Stmt};
use std::collections::BTreeSet;
use std::path::PathBuf;
use stdlib::contract::{Error, Site};

/// The session around a line.
pub(super) struct Around<'a> {
    /// Every name that a line may use.
    pub scope: Scope<'static>,
    /// Names that have a value on each host: `host`, and what lines for hosts have defined.
    pub on_hosts: &'a BTreeSet<String>,
    /// The functions of earlier lines that need a host.
    pub needing: &'a BTreeSet<String>,
    /// The imports of earlier lines.
    pub imports: &'a [(String, PathBuf)],
}

/// What a line is about.
#[derive(Debug, Clone, Default)]
pub(super) struct Nature {
    /// Whether it works on a host only.
    pub needs_host: bool,
    /// Whether it does anything beside defining functions.
    pub runs: bool,
    /// The names that it uses and that it does not declare itself, with their first places.
    pub uses: Vec<(String, Site)>,
    /// The functions that it defines, and whether each needs a host.
    pub functions: Vec<(String, bool)>,
    /// Its imports: alias and path as written.
    pub imports: Vec<(String, String)>,
}

/// What a line is about, and what it would change in vain: a line for hosts gets copies of the session's
/// variables.
pub(super) fn nature(file: &File, around: &Around) -> (Nature, Vec<Error>) {
    let mut top = file.ast.clone();
    top.clear_functions();
    let (uses, imports) = names(file, &top);
    let on_hosts = uses.iter().any(|(name, _)| around.on_hosts.contains(name));
    let seeker = Seeker { file, needing: around.needing };
    let named = file.functions().map(|(name, _)| name).filter(|name| !name.starts_with("anon$"));
    let named: BTreeSet<String> = named.map(str::to_owned).collect();
    let functions = named.into_iter().map(|name| {
        let needs = seeker.function(&name, &mut Vec::new());
        (name, needs)
    });
    let nature = Nature {
        needs_host: on_hosts || seeker.body(&top, &mut Vec::new()),
        runs: !top.statements().is_empty(),
        functions: functions.collect(),
        imports,
        uses,
    };
    let mut errors = Vec::new();
    if nature.needs_host {
        let known = |name: &String| !around.on_hosts.contains(name) && around.scope.contains(name);
        let outside = nature.uses.iter().map(|(name, _)| name.clone()).filter(known).collect();
        let hint = "let gives each host a variable of its own";
        changes(file, &top, &outside, "a line for hosts", hint, &mut errors);
    }
    (nature, errors)
}

type Names = (Vec<(String, Site)>, Vec<(String, String)>);

/// The names that statements use and do not declare, and what they import.
fn names(file: &File, top: &AST) -> Names {
    let mut used: Vec<(String, Site)> = Vec::new();
    let mut declared: BTreeSet<String> = BTreeSet::new();
    let mut imports = Vec::new();
    for stmt in top.statements() {
        stmt.walk(&mut Vec::new(), &mut |path| {
            match path.last() {
                Some(ASTNode::Expr(Expr::Variable(x, _, pos))) if x.2.is_empty() => {
                    let name = x.1.to_string();
                    if !declared.contains(&name) && used.iter().all(|(known, _)| *known != name) {
                        used.push((name, file.site(*pos)));
                    }
                }
                Some(ASTNode::Stmt(Stmt::For(x, _))) => {
                    declared.insert(x.0.name.to_string());
                    declared.extend(x.1.iter().map(|counter| counter.name.to_string()));
                }
                Some(ASTNode::Stmt(Stmt::Import(x, _))) => {
                    let path = x.0.get_literal_value(None).and_then(|path| path.into_immutable_string().ok());
                    imports.extend(path.map(|path| (x.1.name.to_string(), path.to_string())));
                }
                // `let x = x + 1` uses the x of before.
                Some(ASTNode::Stmt(Stmt::Var(x, ..))) if path.len() > 1 => drop(declared.insert(x.0.name.to_string())),
                _ => {}
            }
            true
        });
        if let Stmt::Var(x, ..) = stmt {
            declared.insert(x.0.name.to_string());
        }
    }
    (used, imports)
}

/// Looks for what only works on a host.
struct Seeker<'a> {
    file: &'a File,
    needing: &'a BTreeSet<String>,
}

impl Seeker<'_> {
    fn function(&self, name: &str, seen: &mut Vec<String>) -> bool {
        let key = format!("{}/{name}", self.file.name);
        if seen.contains(&key) {
            return false;
        }
        seen.push(key);
        self.file.function(name).is_some_and(|(_, body)| self.body(&body, seen))
    }

    fn body(&self, body: &AST, seen: &mut Vec<String>) -> bool {
        let mut needs = false;
        // The closures of plays have hosts of their own.
        let mut elsewhere: BTreeSet<String> = BTreeSet::new();
        let mut inner: BTreeSet<String> = BTreeSet::new();
        body.walk(&mut |path| {
            if let Some(ASTNode::Expr(Expr::DynamicConstant(value, _))) = path.last()
                && let Some(function) = value.read_lock::<rhai::FnPtr>()
            {
                inner.insert(function.fn_name().to_owned());
            }
            let Some((call, _, method)) = path.last().and_then(calls) else { return !needs };
            let name = call.name.as_str();
            if !call.namespace.is_empty() {
                needs |= self.qualified(call.namespace.root(), name, seen);
            } else if matches!(name, "play" | "on") {
                elsewhere.extend(closure(call).map(|(function, _)| function));
            } else if !method {
                inner.insert(name.to_owned());
                needs |= matches!(name, "task" | "within" | "defer" | "flush") || self.needing.contains(name);
            }
            !needs
        });
        needs || inner.difference(&elsewhere).any(|name| self.function(name, seen))
    }

    fn qualified(&self, root: &str, name: &str, seen: &mut Vec<String>) -> bool {
        match self.file.imports.get(root) {
            Some(imported) => Seeker { file: imported, needing: &BTreeSet::new() }.function(name, seen),
            None if stdlib::entry(root, name).is_some_and(|entry| entry.sends()) => false,
            None => stdlib::modules().iter().any(|module| module.name == root),
        }
    }
}
