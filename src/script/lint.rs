//! The checker: everything that can be known to be wrong before a host is touched, all of it at once.

mod found;
mod parse;

pub(super) use found::literal_text;

use super::captures::{calls, changes, closure};
use super::file::File;
use super::line;
use super::needs::{Around, Nature, nature};
use super::resolve::Resolver;
use super::survey::{Param, PlayFound, Survey};
use super::value::{MAGIC, to_json};
use super::{bridge, engine, explain, shapes};
use found::{channel, collect_handlers, collect_tasks, constant_keys, flag_name, host_property, literal_tags, vars_of};
use parse::{Parsed, parse};
use rhai::{AST, ASTNode, Dynamic, Engine, Expr, FnCallExpr, Position, Stmt};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use stdlib::contract::{Error, Result, Role, Site, nearest};

/// What the inventory and the command line know, for checking a playbook against them.
pub struct Known<'a> {
    /// Whether a host pattern means something.
    pub select: &'a dyn Fn(&str) -> Result<Vec<String>>,
    /// Every variable of every host.
    pub variables: &'a BTreeSet<String>,
}

/// What a playbook gets wrong about the inventory: host patterns and variables that there are not.
pub fn check(survey: &Survey, known: &Known<'_>) -> Vec<Error> {
    let plays = survey.plays.iter().filter_map(|play| Some((play.pattern.clone()?, play.at.clone())));
    let mut errors = Vec::new();
    for (pattern, at) in plays.chain(survey.patterns.iter().cloned()) {
        if let Err(error) = (known.select)(&pattern) {
            errors.push(error.at(at));
        }
    }
    // Where a play's variables are not written out, any name may be one of them.
    let Some(vars) = &survey.vars else { return errors };
    for (name, at) in &survey.variables {
        if !known.variables.contains(name) && !vars.contains(name) && !MAGIC.contains(&name.as_str()) {
            let error = Error::playbook(format!("no host has a variable `{name}`")).at(at.clone());
            errors.push(match nearest(name, known.variables.iter().chain(vars).map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("give it in the inventory, or a default: host.vars.get(\"{name}\", ...)")),
            });
        }
    }
    errors
}

/// Words of Rhai that look like functions.
const KEYWORDS: &[&str] =
    &["Fn", "call", "curry", "is_shared", "is_def_fn", "is_def_var", "print", "debug", "type_of", "eval"];

/// What a playbook declares, and everything that is wrong with it and its imports. Without a tree it cannot
/// be run. Around a line of a session there is the session.
pub(super) fn survey(
    engine: &Engine,
    spare: &dyn Fn() -> Engine,
    name: &str,
    text: &str,
    resolver: &Resolver,
    around: Option<&Around>,
) -> (Survey, Option<(AST, Nature)>, Vec<Error>) {
    let Parsed { ast, errors, module } = line::reading(around.map(|_| text), || {
        parse(engine, spare, text, name, around.map(|around| around.scope.clone()).unwrap_or_default())
    });
    let Some(ast) = ast else { return (Survey::default(), None, errors) };
    let mut checker = Checker {
        engine,
        spare,
        resolver,
        natives: natives(engine),
        files: BTreeMap::new(),
        loading: Vec::new(),
        survey: Survey::default(),
        broken: false,
        around,
        errors,
    };
    checker.loading.push((real(Path::new(name)), name.to_owned()));
    let file = checker.load(ast.clone(), name, text);
    checker.unexplained(module);
    let nature = match around {
        Some(around) => {
            let (nature, errors) = nature(&file, around);
            checker.errors.extend(errors);
            nature
        }
        None => Nature::default(),
    };
    checker.survey.docs = docs(file.ast.doc());
    checker.declarations(&file);
    let mut tags: BTreeSet<String> = BTreeSet::new();
    for play in &checker.survey.plays {
        tags.extend(play.tags.iter().chain(play.tasks.iter().flat_map(|task| &task.tags)).cloned());
    }
    checker.survey.tags = tags.into_iter().collect();
    checker.survey.whole = checker.files.values().all(Option::is_some) && !checker.broken;
    checker.errors.sort_by_key(|e| e.at.as_ref().map(|at| (at.file != name, at.file.clone(), at.line, at.column)));
    (checker.survey, Some((ast, nature)), checker.errors)
}

/// The names of everything native, methods included.
fn natives(engine: &Engine) -> BTreeSet<String> {
    let signatures = engine.gen_fn_signatures(true);
    let names = signatures.iter().filter_map(|s| s.split(['(', ' ']).find(|word| !word.is_empty() && *word != "fn"));
    names.map(str::to_owned).chain(KEYWORDS.iter().map(|k| (*k).to_owned())).collect()
}

/// A path that is the same for the same file, however it is written.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn docs(text: &str) -> String {
    let lines = text.lines().map(|line| line.trim_start().trim_start_matches("//!").trim());
    lines.collect::<Vec<_>>().join("\n")
}

struct Checker<'a> {
    engine: &'a Engine,
    /// Another engine like it, that may be changed.
    spare: &'a dyn Fn() -> Engine,
    resolver: &'a Resolver,
    natives: BTreeSet<String>,
    /// What was imported, by its real path; nothing for what could not be.
    files: BTreeMap<PathBuf, Option<Rc<File>>>,
    /// The files being read, each the importer of the next: real path and name.
    loading: Vec<(PathBuf, String)>,
    survey: Survey,
    /// Whether an import could not be read.
    broken: bool,
    /// The session, where the text is a line of one.
    around: Option<&'a Around<'a>>,
    errors: Vec<Error>,
}

impl Checker<'_> {
    /// Check a file and what it imports; the imports come first.
    fn load(&mut self, ast: AST, name: &str, text: &str) -> Rc<File> {
        let mut imports = BTreeMap::new();
        let mut wanted: Vec<(Option<String>, String, Position)> = Vec::new();
        ast.walk(&mut |path| {
            if let Some(ASTNode::Stmt(Stmt::Import(x, pos))) = path.last() {
                wanted.push((literal_text(&x.0), x.1.name.to_string(), *pos));
            }
            true
        });
        let site = |pos: Position| Site {
            file: name.to_owned(),
            line: pos.line().unwrap_or_default(),
            column: pos.position().unwrap_or_default(),
        };
        let mut unknown = BTreeSet::new();
        for (path, alias, pos) in wanted {
            match path.map(|path| self.import(name, &path)) {
                Some(Ok(Some(file))) => drop(imports.insert(alias, file)),
                Some(Ok(None)) | None => drop(unknown.insert(alias)),
                Some(Err(error)) => {
                    self.broken = true;
                    unknown.insert(alias);
                    self.errors.push(error.at(site(pos)));
                }
            }
        }
        // What earlier lines have imported was told about then.
        if let Some(around) = self.around.filter(|_| self.loading.len() == 1) {
            let told = self.errors.len();
            for (alias, path) in around.imports {
                match self.import(name, &path.to_string_lossy()) {
                    _ if imports.contains_key(alias) || unknown.contains(alias) => {}
                    Ok(Some(file)) => drop(imports.insert(alias.clone(), file)),
                    _ => drop(unknown.insert(alias.clone())),
                }
            }
            self.errors.truncate(told);
        }
        let file = Rc::new(File { name: name.to_owned(), text: text.to_owned(), ast, imports, unknown });
        self.check(&file);
        file
    }

    /// An imported file, read and checked once; nothing if that has failed before.
    fn import(&mut self, importer: &str, path: &str) -> Result<Option<Rc<File>>> {
        let found = self.resolver.find(Some(importer), path)?;
        let place = real(&found);
        if let Some(file) = self.files.get(&place) {
            return Ok(file.clone());
        }
        if let Some(first) = self.loading.iter().position(|(known, _)| *known == place) {
            let names = self.loading.iter().skip(first).map(|(_, name)| name.as_str());
            return Err(super::resolve::circle(names));
        }
        let name = engine::display(&found);
        self.files.insert(place.clone(), None);
        let text = std::fs::read_to_string(&found).map_err(|e| Error::playbook(format!("cannot read {name}: {e}")))?;
        let parsed = parse(self.engine, self.spare, &text, &name, rhai::Scope::new());
        self.errors.extend(parsed.errors);
        let Some(ast) = parsed.ast else { return Ok(None) };
        self.files.remove(&place);
        self.loading.push((place.clone(), name.clone()));
        let file = self.load(ast, &name, &text);
        self.loading.pop();
        self.unexplained(parsed.module);
        self.files.insert(place, Some(Rc::clone(&file)));
        Ok(Some(file))
    }

    /// Tell what Rhai says of a module, unless the checker has told it better.
    fn unexplained(&mut self, error: Option<Error>) {
        let told = |error: &Error| {
            let line = |e: &Error| e.at.as_ref().map(|at| (at.file.clone(), at.line));
            self.errors.iter().any(|e| line(e) == line(error) && e.message.starts_with("there is no module"))
        };
        self.errors.extend(error.filter(|error| !told(error)));
    }

    /// Every call of a file, and the captures of its plays.
    fn check(&mut self, file: &Rc<File>) {
        let mut found = Vec::new();
        let mut keys: BTreeSet<String> = BTreeSet::new();
        let mut hosts: BTreeSet<String> = ["host".to_owned()].into();
        file.ast.walk(&mut |path| {
            match path.last() {
                Some(ASTNode::Expr(Expr::Map(map, _))) => {
                    keys.extend(map.0.iter().map(|(key, _)| key.name.to_string()));
                }
                Some(ASTNode::Expr(Expr::DynamicConstant(value, _))) => constant_keys(value, &mut keys),
                _ => {}
            }
            if let Some((call, ..)) = path.last().and_then(calls)
                && matches!(call.name.as_str(), "play" | "on")
                && let Some((name, captured)) = closure(call)
                && let Some((params, _)) = file.function(&name)
            {
                hosts.extend(params.get(captured).cloned());
            }
            true
        });
        let mut variables = Vec::new();
        file.ast.walk(&mut |path| {
            let Some(node) = path.last() else { return true };
            if let Some((call, pos, method)) = calls(node) {
                found.extend(self.call(file, call, pos, method, &keys));
            }
            if let ASTNode::Expr(Expr::Dot(dot, ..)) = node
                && let Expr::Variable(variable, ..) = &dot.lhs
                && hosts.contains(variable.1.as_str())
            {
                found.extend(host_property(file, &dot.rhs, &mut variables));
            }
            if let ASTNode::Expr(Expr::Variable(variable, _, pos)) = node
                && !variable.2.is_empty()
            {
                found.extend(shapes::value(file, variable.2.root(), &variable.1).map(|e| e.at(file.site(*pos))));
            }
            true
        });
        // What stands in no function runs where there is no host, but for a line of a session.
        let mut top = file.ast.clone();
        if self.around.is_some() && self.loading.len() == 1 {
            top.clear_statements();
        }
        top.clear_functions().walk(&mut |path| {
            if let Some((call, pos, false)) = path.last().and_then(calls)
                && file.functions().all(|(name, _)| name != call.name.as_str() || !call.namespace.is_empty())
            {
                found.extend(shapes::without_host(call).map(|e| e.at(file.site(pos))));
            }
            true
        });
        self.errors.extend(found);
        self.survey.variables.extend(variables);
        self.captures(file);
    }

    fn call(&self, file: &File, call: &FnCallExpr, pos: Position, method: bool, keys: &BTreeSet<String>) -> Vec<Error> {
        let at = file.site(pos);
        let name = call.name.as_str();
        if call.op_token.is_some() || name.starts_with("anon$") {
            return Vec::new();
        }
        if !call.namespace.is_empty() {
            return self.qualified(file, call, at);
        }
        let own = || file.functions().map(|(name, _)| name);
        let known = self.natives.contains(name) || own().any(|f| f == name) || (method && keys.contains(name));
        if !known && name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_') {
            let error = Error::playbook(format!("there is no function `{name}`")).at(at);
            let names = self.natives.iter().map(String::as_str).chain(own());
            return vec![match nearest(name, names) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => match stdlib::modules().iter().flat_map(|m| &m.entries).find(|e| e.name == name) {
                    Some(entry) => error.hint(format!("did you mean {}?", entry.path())),
                    None => error,
                },
            }];
        }
        if method || own().any(|f| f == name) {
            return Vec::new();
        }
        shapes::word(file, call, &at)
    }

    fn qualified(&self, file: &File, call: &FnCallExpr, at: Site) -> Vec<Error> {
        let (root, name) = (call.namespace.root(), call.name.as_str());
        if file.unknown.contains(root) {
            return Vec::new();
        }
        if let Some(imported) = file.imports.get(root) {
            let arity = call.args.len();
            if imported.functions().any(|(known, params)| known == name && params == arity) {
                return Vec::new();
            }
            let error = match imported.functions().find(|(known, _)| *known == name) {
                Some((_, params)) => Error::playbook(format!("{root}::{name} takes {params} arguments, not {arity}")),
                None => Error::playbook(format!("{} has no function `{name}`", imported.name)),
            };
            let near = nearest(name, imported.functions().map(|(known, _)| known).filter(|k| *k != name));
            return vec![
                near.into_iter().fold(error.at(at), |e, near| e.hint(format!("did you mean {root}::{near}?"))),
            ];
        }
        let Some(module) = stdlib::modules().iter().find(|module| module.name == root) else {
            let error = Error::playbook(format!("there is no module `{root}`")).at(at);
            let names = stdlib::modules().iter().map(|m| m.name).chain(file.imports.keys().map(String::as_str));
            return vec![match nearest(root, names) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint("hlrun docs lists the modules"),
            }];
        };
        let Some(entry) = module.entries.iter().find(|entry| entry.name == name) else {
            let error = Error::playbook(format!("{root} has no function `{name}`")).at(at);
            return vec![match nearest(name, module.entries.iter().map(|e| e.name.as_str())) {
                Some(near) => error.hint(format!("did you mean {root}::{near}?")),
                None => error.hint(format!("hlrun docs {root} lists what it has")),
            }];
        };
        let keys: Vec<(String, Position)> = call.args.iter().flat_map(|arg| file.keys(arg)).collect();
        let ours = |key: &str| entry.role != Role::Operation && bridge::CLOSURES.contains(&key);
        let mut errors = Vec::new();
        for (key, pos) in keys.iter().filter(|(key, _)| !ours(key)) {
            errors.extend(entry.unknown(std::iter::once(key.as_str())).into_iter().map(|e| e.at(file.site(*pos))));
        }
        errors.extend(shapes::operation(file, entry, call, &at));
        // Where everything is written out, the types can be checked too.
        let values: Option<Vec<Dynamic>> = call.args.iter().map(|arg| arg.get_literal_value(None)).collect();
        if let Some(values) = values.filter(|_| errors.is_empty()) {
            let mut values = values.into_iter();
            let (subject, options) = match (values.next(), values.next()) {
                (Some(one), None) if one.is_map() => (None, Some(one)),
                (subject, options) => (subject, options),
            };
            let subject = subject.map(|s| to_json(&s, "the subject")).transpose();
            let options = options.map(|o| to_json(&o, "the options")).transpose();
            if let (Ok(subject), Ok(options)) = (subject, options) {
                let options = options.and_then(|o| o.as_object().cloned()).unwrap_or_default();
                if !options.keys().any(|key| ours(key)) {
                    errors.extend(entry.arguments(subject, options).err().map(|e| e.at(at)));
                }
            }
        }
        errors
    }

    /// Changing a variable from outside a play inside it changes a copy: that is never what was meant.
    fn captures(&mut self, file: &Rc<File>) {
        let mut plays = Vec::new();
        file.ast.walk(&mut |path| {
            if let Some((call, _, false)) = path.last().and_then(calls)
                && matches!(call.name.as_str(), "play" | "on")
                && let Some((name, captured)) = closure(call)
            {
                plays.push((name, captured, call.name.to_string()));
            }
            true
        });
        for (name, captured, word) in plays {
            let Some((params, body)) = file.function(&name) else { continue };
            let outside: BTreeSet<String> = params.into_iter().take(captured).collect();
            let mut errors = Vec::new();
            let hint = format!(
                "return a value from the closure instead: let results = {word}(...) is a map from host to value"
            );
            changes(file, &body, &outside, &format!("{word}()"), &hint, &mut errors);
            self.errors.extend(errors);
        }
    }

    /// Parameters, plays and tasks, in the order of the text.
    fn declarations(&mut self, file: &Rc<File>) {
        let mut params: Vec<Param> = Vec::new();
        let mut plays = Vec::new();
        let mut patterns = Vec::new();
        let mut channels = Vec::new();
        let mut handlers = Vec::new();
        let mut errors = Vec::new();
        let mut vars = BTreeSet::new();
        let mut open = false;
        let mut seen = BTreeSet::new();
        let everything: Vec<Rc<File>> =
            std::iter::once(Rc::clone(file)).chain(self.files.values().flatten().cloned()).collect();
        for (number, file) in everything.iter().enumerate() {
            let main = number == 0;
            file.ast.walk(&mut |path| {
                let Some((call, pos, false)) = path.last().and_then(calls) else { return true };
                if let Some(found) = channel(call).map(|name| (name, file.site(pos)))
                    && !channels.contains(&found)
                {
                    channels.push(found);
                }
                if !call.namespace.is_empty()
                    || !seen.insert((file.name.clone(), pos.line(), pos.position(), call.name.to_string()))
                {
                    return true;
                }
                let at = file.site(pos);
                let text = |i: usize| call.args.get(i).and_then(literal_text);
                match call.name.as_str() {
                    "param" => match text(0) {
                        Some(name) if params.iter().any(|p| p.name == name && p.at != at) => {
                            errors.push(Error::playbook(format!("parameter `{name}` is declared twice")).at(at));
                        }
                        Some(name) => match flag_name(&name, &params) {
                            Some(error) => errors.push(error.at(at)),
                            None => {
                                let default = call.args.get(1).and_then(|arg| arg.get_literal_value(None));
                                let default = default.and_then(|value| to_json(&value, "a default").ok());
                                params.push(Param { name, default, help: text(2).unwrap_or_default(), at });
                            }
                        },
                        None => errors.push(Error::playbook("the name of a parameter must be written out").at(at)),
                    },
                    "play" => {
                        let tags = call.args.get(2).map(literal_tags).unwrap_or_default();
                        let mut tasks = Vec::new();
                        if let Some((name, _)) = closure(call) {
                            collect_tasks(file, &name, &tags, &mut tasks, &mut Vec::new());
                            // A closure of an imported file cannot be called from here in a later run.
                            if let Some(play) = text(0).filter(|_| main) {
                                collect_handlers(file, &name, &play, &mut handlers, &mut Vec::new());
                            }
                        }
                        match call.args.get(2).map(|options| vars_of(file, options)) {
                            Some(Some(names)) => vars.extend(names),
                            Some(None) if call.args.len() > 3 => open = true,
                            _ => {}
                        }
                        let options = call.args.get(2).filter(|_| call.args.len() > 3);
                        let (spec, open) = explain::options(file, options);
                        let calls = closure(call).map(|(name, _)| explain::calls_of(file, &name)).unwrap_or_default();
                        plays.push(PlayFound { name: text(0), pattern: text(1), tags, tasks, spec, open, calls, at });
                    }
                    "on" | "hosts" => patterns.extend(text(0).map(|pattern| (pattern, at))),
                    _ => {}
                }
                true
            });
        }
        self.survey.params = params;
        self.survey.plays = plays;
        self.survey.patterns = patterns;
        self.survey.channels = channels;
        self.survey.handlers = handlers;
        self.survey.vars = (!open).then_some(vars);
        self.errors.extend(errors);
    }
}
