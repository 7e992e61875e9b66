//! A script that is written line by line: what a line defines stays for the next, whether it runs once or on
//! every host of a play.

use super::engine::{engine, stand};
use super::needs::{Around, Nature};
use super::play::perform;
use super::resolve::Resolver;
use super::value::{Answer, HostValue, Rhai, to_json, unshared};
use super::{Limits, PlaySpec, Sources, Stage, Survey, Tag, error, lint};
use indexmap::IndexMap;
use rhai::{AST, Caches, Dynamic, Engine, FnPtr, Module, ModuleResolver, NativeCallContext, Position, Scope, Shared};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use stdlib::contract::{Error, Kind, Record, Result};

/// The name of the last result.
const RESULT: &str = "_";

/// The variables of the session, or of one host in it.
type Variables = IndexMap<String, Variable>;

#[derive(Clone)]
struct Variable {
    value: Dynamic,
    constant: bool,
}

/// A script under way, line by line.
pub struct Lines {
    limits: Limits,
    resolver: Resolver,
    sources: Sources,
    variables: Variables,
    hosts: IndexMap<String, Variables>,
    /// Functions and closures, in modules of the lines that they stand in.
    modules: Vec<Shared<Module>>,
    /// The functions by name, and whether each needs a host.
    functions: IndexMap<String, bool>,
    imports: Vec<(String, PathBuf, Shared<Module>)>,
}

/// A line that is fine: what it declares, and what it needs.
pub struct Line {
    /// Its name in messages.
    pub name: String,
    /// What it declares.
    pub survey: Survey,
    nature: Nature,
    engine: Engine,
    ast: AST,
}

impl Line {
    /// Whether it works on hosts only.
    pub fn needs_host(&self) -> bool {
        self.nature.needs_host
    }
    /// Whether it uses the result of an earlier line.
    pub fn uses_result(&self) -> bool {
        self.nature.uses.iter().any(|(name, _)| name == RESULT)
    }
    /// Whether later lines may need it: it defines something.
    pub fn defines(&self) -> bool {
        let lets = |stmt: &rhai::Stmt| matches!(stmt, rhai::Stmt::Var(..) | rhai::Stmt::Assignment(..));
        !self.nature.functions.is_empty() || !self.nature.imports.is_empty() || self.ast.statements().iter().any(lets)
    }
}

/// What a line evaluated to.
#[derive(Debug, Clone)]
pub enum Answered {
    /// It ran once.
    Once(Shown),
    /// It ran on hosts, and this is what came of it on those where it ended well.
    Hosts(Vec<(String, Shown)>),
}

/// A value as a person may see it.
#[derive(Debug, Clone)]
pub enum Shown {
    /// Nothing.
    Nothing,
    /// What came of a call.
    Record(Arc<Record>),
    /// Data.
    Data(Value),
    /// Something that is no data, in words.
    Words(String),
}

impl Shown {
    fn of(value: &Dynamic) -> Shown {
        if value.is_unit() {
            return Shown::Nothing;
        }
        if let Some(answer) = value.read_lock::<Answer>() {
            return Shown::Record(Arc::clone(&answer.0));
        }
        match to_json(value, "the value") {
            Ok(data) => Shown::Data(data),
            Err(_) if value.is_fnptr() => Shown::Words("a function".to_owned()),
            Err(_) => Shown::Words(value.to_string()),
        }
    }
    /// As JSON; null for nothing.
    pub fn json(&self) -> Value {
        match self {
            Shown::Nothing => Value::Null,
            Shown::Record(record) => serde_json::to_value(record.as_ref()).unwrap_or_default(),
            Shown::Data(data) => data.clone(),
            Shown::Words(words) => Value::String(words.clone()),
        }
    }
}

impl Lines {
    /// A script without a line. Imports are looked for in the project too, if there is one.
    pub fn new(project: Option<PathBuf>, limits: Limits) -> Lines {
        let sources = Sources::default();
        let roots = project.into_iter().flat_map(|root| [root.join("playbooks"), root]).collect();
        let resolver = Resolver::new(sources.clone(), roots);
        let (variables, hosts, modules, functions, imports) = Default::default();
        let mut lines = Lines { limits, resolver, sources, variables, hosts, modules, functions, imports };
        lines.set(RESULT, Dynamic::UNIT);
        lines
    }
    /// The texts of its lines and of what they import.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }
    /// The names of its variables, those that hosts have too.
    pub fn variables(&self) -> Vec<String> {
        let on_hosts = self.hosts.values().flat_map(|variables| variables.keys());
        let names: BTreeSet<&String> = self.variables.keys().chain(on_hosts).collect();
        names.into_iter().filter(|name| *name != RESULT).cloned().collect()
    }
    /// Its variables and what they are.
    pub fn values(&self) -> Vec<(String, Answered)> {
        let once = self.variables.iter().filter(|(name, _)| *name != RESULT);
        let once = once.map(|(name, variable)| (name.clone(), Answered::Once(Shown::of(&variable.value))));
        let mut on_hosts: IndexMap<&String, Vec<(String, Shown)>> = IndexMap::new();
        for (host, variables) in &self.hosts {
            for (name, variable) in variables {
                let values = on_hosts.entry(name).or_default();
                let at = values.partition_point(|(known, _)| known < host);
                values.insert(at, (host.clone(), Shown::of(&variable.value)));
            }
        }
        once.chain(on_hosts.into_iter().map(|(name, values)| (name.clone(), Answered::Hosts(values)))).collect()
    }
    /// The names of its functions.
    pub fn functions(&self) -> Vec<String> {
        self.functions.keys().cloned().collect()
    }
    /// Its imports, each with its functions.
    pub fn imports(&self) -> Vec<(String, Vec<String>)> {
        let functions = |module: &Module| {
            let names = module.iter_script_fn_info().map(|(_, _, name, ..)| name);
            let names: BTreeSet<&str> = names.filter(|name| !name.starts_with("anon$")).collect();
            names.into_iter().map(str::to_owned).collect()
        };
        self.imports.iter().map(|(alias, _, module)| (alias.clone(), functions(module))).collect()
    }

    fn set(&mut self, name: &str, value: Dynamic) {
        self.variables.insert(name.to_owned(), Variable { value, constant: false });
    }

    /// An engine that knows what earlier lines have defined.
    fn engine(&self) -> Engine {
        let mut engine = engine(&self.resolver, &self.limits);
        // The newest is looked at first.
        for module in &self.modules {
            engine.register_global_module(Shared::clone(module));
        }
        for (alias, _, module) in &self.imports {
            engine.register_static_module(alias, Shared::clone(module));
        }
        engine
    }

    /// The names that have a value on each of these hosts, and those that only some of them have.
    fn on_hosts(&self, chosen: &[String]) -> (BTreeSet<String>, BTreeSet<String>) {
        let mut all: BTreeSet<String> = ["host".to_owned()].into();
        let mut some = BTreeSet::new();
        for name in self.hosts.values().flat_map(|variables| variables.keys()) {
            let has = |host: &&String| self.hosts.get(*host).is_some_and(|variables| variables.contains_key(name));
            match chosen.iter().filter(has).count() {
                0 => {}
                count if count == chosen.len() => drop(all.insert(name.clone())),
                _ => drop(some.insert(name.clone())),
            }
        }
        (all, some)
    }

    /// What hosts that are not chosen have, as a play would answer it: the value of the one, a map of several.
    fn elsewhere(&self, chosen: &[String]) -> Variables {
        let mut found: IndexMap<&String, Vec<(&String, &Variable)>> = IndexMap::new();
        for (host, variables) in self.hosts.iter().filter(|(host, _)| !chosen.contains(host)) {
            for (name, variable) in variables {
                found.entry(name).or_default().push((host, variable));
            }
        }
        let (all, some) = self.on_hosts(chosen);
        found.retain(|name, _| !all.contains(*name) && !some.contains(*name));
        let together = found.into_iter().map(|(name, owners)| match owners.as_slice() {
            [(_, variable)] => (name.clone(), (*variable).clone()),
            several => {
                let map = several.iter().map(|(host, variable)| (host.as_str().into(), variable.value.clone()));
                (name.clone(), Variable { value: map.collect::<rhai::Map>().into(), constant: false })
            }
        });
        together.collect()
    }

    /// Read and check a line for these hosts, without touching one. All errors at once.
    pub fn compile(&self, text: &str, name: &str, chosen: &[String]) -> Result<Line, Vec<Error>> {
        self.sources.put(name, text);
        self.resolver.forget();
        let (on_hosts, some) = self.on_hosts(chosen);
        let mut scope = Scope::new();
        for (name, variable) in self.variables.iter().chain(&self.elsewhere(chosen)) {
            push(&mut scope, name, variable);
        }
        for name in on_hosts.iter().chain(&some) {
            scope.push_dynamic(name.clone(), Dynamic::UNIT);
        }
        let engine = self.engine();
        let needing = self.functions.iter().filter(|(_, needs)| **needs).map(|(name, _)| name.clone()).collect();
        let imports: Vec<(String, PathBuf)> =
            self.imports.iter().map(|(alias, path, _)| (alias.clone(), path.clone())).collect();
        let around = Around { scope, on_hosts: &on_hosts, needing: &needing, imports: &imports };
        let found = lint::survey(&engine, &|| self.engine(), name, text, &self.resolver, Some(&around));
        let (survey, Some((ast, nature)), mut errors) = found else { return Err(found.2) };
        if nature.needs_host && chosen.is_empty() {
            let error = Error::playbook("this works on a host, and none is chosen");
            errors.push(error.hint("choose some: :on PATTERN"));
        }
        for (name, at) in nature.uses.iter().filter(|(name, _)| some.contains(name)) {
            let has = |host: &&String| self.hosts.get(*host).is_some_and(|variables| variables.contains_key(name));
            let without: Vec<&str> = chosen.iter().filter(|host| !has(host)).map(String::as_str).collect();
            let error = Error::playbook(format!("there is no variable `{name}` on {}", without.join(", ")));
            errors.push(error.hint("other hosts were chosen when it was made").at(at.clone()));
        }
        if errors.is_empty() { Ok(Line { name: name.to_owned(), survey, nature, engine, ast }) } else { Err(errors) }
    }

    /// Run a line on a stage, on the hosts of a play if it needs any. What it has defined stays, even if it
    /// then fails.
    pub fn run(&mut self, line: Line, stage: &Arc<dyn Stage>, spec: PlaySpec) -> Result<Answered> {
        let mut line = line;
        let last = stand(&mut line.engine, stage, &line.survey);
        self.define(&line)?;
        if !line.nature.runs {
            return Ok(Answered::Once(Shown::Nothing));
        }
        let ran = match line.nature.needs_host {
            true => self.on_each(&line, stage, spec),
            false => self.once(&line, stage),
        };
        let told = |e: Box<rhai::EvalAltResult>| match stage.interrupted() {
            true => Error::new(Kind::Interrupted, "interrupted"),
            false => error::translate(&e, &line.name),
        };
        let ran = ran.map_err(told);
        let ended = last.run(&line.engine, stage, ran.as_ref().err()).map_err(told);
        ran.and_then(|answered| ended.map(|()| answered))
    }

    fn once(&mut self, line: &Line, stage: &Arc<dyn Stage>) -> Rhai<Answered> {
        let given = self.elsewhere(&[]);
        let (mut scope, known) = scope_of(&[&self.variables, &given]);
        let ran = line.engine.eval_ast_with_scope::<Dynamic>(&mut scope, &line.ast);
        for (index, (name, constant, value)) in scope.iter().enumerate() {
            let own = index >= known || self.variables.contains_key(name);
            if own {
                self.hosts
                    .values_mut()
                    .filter(|_| index >= known)
                    .for_each(|variables| drop(variables.shift_remove(name)));
                self.variables.insert(name.to_owned(), Variable { value: unshared(&value), constant });
            }
        }
        let value = unshared(&ran?);
        self.remember(&value);
        // What `on` and `play` answer is an answer of hosts.
        let is_host = |name: &rhai::Identifier| stage.select(name).is_ok_and(|hosts| hosts == [name.as_str()]);
        if let Ok(map) = value.as_map_ref()
            && !map.is_empty()
            && map.keys().all(is_host)
        {
            let values = map.iter().map(|(host, value)| (host.to_string(), Shown::of(value)));
            return Ok(Answered::Hosts(values.collect()));
        }
        Ok(Answered::Once(Shown::of(&value)))
    }

    #[allow(deprecated)] // a native closure as a play's body, and statements with a tag of their own
    fn on_each(&mut self, line: &Line, stage: &Arc<dyn Stage>, spec: PlaySpec) -> Rhai<Answered> {
        let chosen = stage.select(&spec.pattern).map_err(|e| super::value::throw(e, Position::NONE))?;
        let given = self.elsewhere(&chosen);
        let (all, own) = (self.variables.clone(), self.hosts.clone());
        let kept: Arc<Mutex<Vec<(String, Variables)>>> = Arc::default();
        let (ast, name, keep) = (line.ast.clone(), line.name.clone(), Arc::clone(&kept));
        let body = FnPtr::from_fn(BODY, move |ctx: NativeCallContext, args: &mut [&mut Dynamic]| {
            let none = Variables::new();
            let host = args.first().map(|host| (**host).clone()).unwrap_or_default();
            let who = host.read_lock::<HostValue>().map(|host| host.0.host().to_owned()).unwrap_or_default();
            let (mut scope, _) = scope_of(&[&all, &given, own.get(&who).unwrap_or(&none)]);
            scope.push_constant_dynamic("host", host.clone());
            let known = scope.len();
            let mut global = ctx.global_runtime_state().clone();
            global.source = Some(name.as_str().into());
            global.lib.push(Shared::clone(ast.shared_lib()));
            let ran = ctx.engine().eval_statements_raw(&mut global, &mut Caches::new(), &mut scope, ast.statements());
            let mut variables = own.get(&who).cloned().unwrap_or_default();
            for (index, (name, constant, value)) in scope.iter().enumerate() {
                if index >= known || variables.contains_key(name) {
                    variables.insert(name.to_owned(), Variable { value: unshared(&value), constant });
                }
            }
            keep.lock().unwrap_or_else(PoisonError::into_inner).push((who, variables));
            ran
        })?;
        let spec = PlaySpec { at: stdlib::contract::Site { file: line.name.clone(), line: 1, column: 1 }, ..spec };
        let play = stage.play(spec).map_err(|e| super::value::throw(e, Position::NONE))?;
        let global = line.engine.new_global_runtime_state();
        let ctx = NativeCallContext::new_with_all_fields(&line.engine, BODY, Some(&line.name), &global, Position::NONE);
        let results = match Tag::of(&ctx) {
            Some(tag) => perform(&ctx, &tag, &play, &body),
            None => Ok(Dynamic::UNIT),
        };
        play.end();
        for (host, variables) in kept.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            for name in variables.keys() {
                self.variables.shift_remove(name);
            }
            self.hosts.insert(host, variables);
        }
        let results = results?;
        let map = results.as_map_ref().map(|map| map.clone()).unwrap_or_default();
        let values: Vec<(String, Dynamic)> =
            chosen.into_iter().filter_map(|host| map.get(host.as_str()).map(|v| (host, v.clone()))).collect();
        match values.as_slice() {
            [(_, one)] => self.remember(one),
            several if several.iter().all(|(_, value)| value.is_unit()) => {}
            _ => self.remember(&results),
        }
        Ok(Answered::Hosts(values.into_iter().map(|(host, value)| (host, Shown::of(&value))).collect()))
    }

    /// Keep a result as `_`.
    fn remember(&mut self, value: &Dynamic) {
        if !value.is_unit() {
            self.set(RESULT, value.clone());
        }
    }

    /// Keep the functions and imports of a line.
    fn define(&mut self, line: &Line) -> Result<()> {
        let failed = |e: Box<rhai::EvalAltResult>| error::translate(&e, &line.name);
        if line.ast.has_functions() {
            let functions = line.ast.clone_functions_only();
            let module = Module::eval_ast_as_new(Scope::new(), &functions, &line.engine).map_err(failed)?;
            self.modules.push(module.into());
            self.functions.extend(line.nature.functions.iter().cloned());
        }
        for (alias, path) in &line.nature.imports {
            let found = self.resolver.find(Some(&line.name), path)?;
            let module = self.resolver.resolve(&line.engine, Some(&line.name), path, Position::NONE).map_err(failed)?;
            let full = std::path::absolute(&found).unwrap_or(found);
            self.imports.retain(|(known, ..)| known != alias);
            self.imports.push((alias.clone(), full, module));
        }
        Ok(())
    }
}

/// What stands for a line in a play.
const BODY: &str = "line_of_the_session";

fn push(scope: &mut Scope, name: &str, variable: &Variable) {
    if variable.constant {
        scope.push_constant_dynamic(name.to_owned(), variable.value.clone());
    } else {
        scope.push_dynamic(name.to_owned(), variable.value.clone());
    }
}

/// A scope of variables, and how many there are.
fn scope_of(several: &[&Variables]) -> (Scope<'static>, usize) {
    let mut scope = Scope::new();
    for (name, variable) in several.iter().flat_map(|variables| variables.iter()) {
        push(&mut scope, name, variable);
    }
    let count = scope.len();
    (scope, count)
}

thread_local! {
    /// The places of `_` in the line that this thread reads that are patterns of `switch`.
    static PATTERNS: RefCell<Option<Vec<Position>>> = const { RefCell::new(None) };
}

/// Whether a `_` at this place is the result of an earlier line: in a line of a session, and no pattern.
pub(super) fn is_result(pos: Position) -> bool {
    PATTERNS.with_borrow(|patterns| patterns.as_ref().is_some_and(|patterns| !patterns.contains(&pos)))
}

/// Read something while `_` has the meaning that it has in a line of a session; files have none.
pub(super) fn reading<T>(line: Option<&str>, read: impl FnOnce() -> T) -> T {
    PATTERNS.set(line.map(patterns));
    let made = read();
    PATTERNS.set(None);
    made
}

/// Where `_` stands before `=>` or `if`.
fn patterns(text: &str) -> Vec<Position> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (at, _) in line.match_indices('_') {
            let rest = line[at + 1..].trim_start();
            let pattern = rest.starts_with("=>") || rest.starts_with("if ");
            let place = (u16::try_from(number + 1), u16::try_from(line[..at].chars().count() + 1));
            if let (true, (Ok(line), Ok(column))) = (pattern, place) {
                found.push(Position::new(line, column));
            }
        }
    }
    found
}
