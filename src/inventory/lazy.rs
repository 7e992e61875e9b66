//! Jinja inside variables, rendered when it is asked for and not before.

use super::layer::Level;
use super::model::{Inventory, is_localhost};
use super::vars::Variable;
use indexmap::IndexMap;
use serde_json::{Map, Value as Json};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stdlib::contract::{Error, Result, Site};
use stdlib::shared::template::minijinja::Value;
use stdlib::shared::template::minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};
use stdlib::shared::template::{from_json, is_template, wrapped};
use stdlib::shared::yaml::{UNSAFE, VAULT, marked};

/// What a play adds to the variables of the inventory. Precedence from weak to strong: the inventory,
/// `facts`, `vars`, `--extra-vars`, `locals`.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    /// What the host said of itself. Never rendered: a host cannot smuggle in a template.
    pub facts: Map<String, Json>,
    /// What the play defines; may contain Jinja.
    pub vars: Map<String, Json>,
    /// What a call passes to one template, already computed. Never rendered.
    pub locals: Map<String, Json>,
}

impl From<Map<String, Json>> for Overlay {
    /// Variables of a play.
    fn from(vars: Map<String, Json>) -> Overlay {
        Overlay { vars, ..Overlay::default() }
    }
}

/// The variables of one host, as one rendering sees them.
pub(super) struct Scope {
    inventory: Inventory,
    host: String,
    merged: Arc<IndexMap<String, Variable>>,
    overlay: Overlay,
    ready: Mutex<HashMap<String, Value>>,
    peers: Mutex<HashMap<String, Arc<Scope>>>,
}

const MAGIC: [&str; 12] = [
    "inventory_hostname",
    "inventory_hostname_short",
    "group_names",
    "groups",
    "hostvars",
    "vars",
    "inventory_dir",
    "inventory_file",
    "playbook_dir",
    "ansible_managed",
    "ansible_facts",
    "ansible_check_mode",
];

impl Scope {
    pub fn new(inventory: &Inventory, host: &str, overlay: Overlay) -> Result<Arc<Scope>> {
        let merged = inventory.variables(host)?;
        let (ready, peers) = (Mutex::default(), Mutex::default());
        Ok(Arc::new(Scope { inventory: inventory.clone(), host: host.to_owned(), merged, overlay, ready, peers }))
    }
    pub fn into_value(self: Arc<Scope>) -> Value {
        Value::from_object(Context(self))
    }
    /// Every name there is, magic ones too.
    pub fn names(&self) -> Vec<String> {
        let overlay = [&self.overlay.locals, &self.overlay.vars, &self.overlay.facts];
        let mut names: Vec<String> = self.merged.keys().cloned().collect();
        names.extend(overlay.into_iter().flat_map(|map| map.keys().cloned()));
        names.extend(MAGIC.map(str::to_owned));
        names.sort();
        names.dedup();
        names
    }
    /// A variable, rendered as far as it must be; an invalid value carries the error.
    pub fn get(self: &Arc<Scope>, name: &str) -> Option<Value> {
        if let Some(ready) = lock(&self.ready).get(name) {
            return Some(ready.clone());
        }
        let value = self.find(name)?;
        // Only what cannot refer back to this scope is kept: a circle of references would never be freed. Errors
        // are kept too: minijinja looks again at what failed, which would double the work at every level.
        use ValueKind::{Bool, Invalid, None, Number, String};
        if matches!(value.kind(), String | Number | Bool | None | Invalid) {
            lock(&self.ready).insert(name.to_owned(), value.clone());
        }
        Some(value)
    }
    fn find(self: &Arc<Scope>, name: &str) -> Option<Value> {
        if let Some(local) = self.overlay.locals.get(name) {
            return Some(from_json(local));
        }
        let variable = self.merged.get(name);
        if let Some(extra) = variable.filter(|variable| variable.layer.level == Level::Extra) {
            return Some(self.lazy(name, &extra.origin, &extra.value));
        }
        if let Some(var) = self.overlay.vars.get(name) {
            return Some(self.lazy(name, &Site::default(), var));
        }
        if let Some(fact) = self.overlay.facts.get(name) {
            return Some(from_json(fact));
        }
        match variable {
            Some(variable) => Some(self.lazy(name, &variable.origin, &variable.value)),
            None => self.magic(name),
        }
    }
    fn magic(self: &Arc<Scope>, name: &str) -> Option<Value> {
        let data = &self.inventory.0;
        let path = |path: &std::path::Path| Value::from(path.display().to_string());
        let source = data.hosts.get(&self.host).and_then(|host| host.source.as_deref());
        Some(match name {
            "inventory_hostname" => Value::from(self.host.as_str()),
            "inventory_hostname_short" => Value::from(self.host.split('.').next().unwrap_or_default()),
            "group_names" => Value::from(self.inventory.groups_of(&self.host)),
            "groups" => {
                let hosts = |name: &str| self.inventory.hosts_of(name).into_iter().map(Value::from).collect::<Vec<_>>();
                Value::from_pairs(data.groups.keys().map(|name| (name.as_str(), hosts(name))))
            }
            "hostvars" => Value::from_object(HostVars(self.clone())),
            "vars" => self.clone().into_value(),
            "inventory_file" => path(&absolute(source?)),
            "inventory_dir" => path(absolute(source?).parent()?),
            "playbook_dir" => path(&absolute(data.playbook_dir.as_deref()?)),
            // As Ansible writes it by default, so that a template moved over renders the same bytes.
            "ansible_managed" => Value::from("Ansible managed"),
            "ansible_facts" => from_json(&facts(&self.overlay.facts)),
            "ansible_check_mode" => Value::from(false),
            _ => return None,
        })
    }
    fn lazy(self: &Arc<Scope>, name: &str, site: &Site, value: &Json) -> Value {
        if let Some(text) = marked(UNSAFE, value) {
            return Value::from(text);
        }
        if let Some(text) = marked(VAULT, value) {
            let plain = self.inventory.0.vault.reveal(text).map_err(|error| {
                let mut error = if site.line > 0 { error.at(site.clone()) } else { error };
                error.message = format!("cannot open `{name}`: {}", error.message);
                error
            });
            return plain.map_or_else(|error| Value::from(wrapped(error)), Value::from);
        }
        match value {
            Json::String(text) if is_template(text) => {
                self.rendered(name, site, text).unwrap_or_else(|error| Value::from(wrapped(error)))
            }
            Json::Array(items) if templated(value) => {
                let part = Part { scope: self.clone(), name: name.to_owned(), site: site.clone() };
                Value::from_object(LazyList(part, items.clone()))
            }
            Json::Object(map) if templated(value) => {
                let part = Part { scope: self.clone(), name: name.to_owned(), site: site.clone() };
                Value::from_object(LazyMap(part, map.clone()))
            }
            plain => from_json(plain),
        }
    }
    fn rendered(self: &Arc<Scope>, name: &str, site: &Site, text: &str) -> Result<Value> {
        let place = |error: Error| if site.line > 0 { error.at(site.clone()) } else { error };
        let _step = Step::begin(&self.host, name, text).map_err(place)?;
        let result = self.inventory.0.engine.native(name, text, self.clone().into_value());
        result.map_err(|mut error| {
            // The engine names the variable where a file should stand; the file is known here.
            if error.at.as_ref().is_some_and(|at| at.file == name) {
                error.at = None;
                error.message = format!("in the variable `{name}`: {}", error.message);
            }
            place(error)
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn absolute(path: &std::path::Path) -> std::path::PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// `ansible_facts`: the facts without their `ansible_`.
fn facts(facts: &Map<String, Json>) -> Json {
    facts.iter().map(|(name, v)| (name.strip_prefix("ansible_").unwrap_or(name).to_owned(), v.clone())).collect()
}

/// Whether something in a value must be rendered or opened.
fn templated(value: &Json) -> bool {
    match value {
        Json::String(text) => is_template(text),
        Json::Array(items) => items.iter().any(templated),
        Json::Object(map) => {
            marked(VAULT, value).is_some() || marked(UNSAFE, value).is_some() || map.values().any(templated)
        }
        _ => false,
    }
}

type Frame = (String, String, String);
thread_local! {
    /// The texts being rendered on this thread, outermost first: host, variable, text.
    static RENDERING: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
}

/// One rendering under way; ends when dropped.
struct Step;

impl Step {
    fn begin(host: &str, name: &str, text: &str) -> Result<Step> {
        RENDERING.with_borrow_mut(|stack| {
            let same = |frame: &Frame| frame.0 == host && frame.1 == name && frame.2 == text;
            let start = stack.iter().position(same);
            if start.is_some() || stack.len() > 40 {
                let names = stack.iter().skip(start.unwrap_or(0)).map(|frame| format!("`{}`", frame.1));
                let circle = names.chain([format!("`{name}`")]).collect::<Vec<_>>().join(" -> ");
                let what = if start.is_some() { "is defined by itself" } else { "is nested too deep" };
                return Err(Error::playbook(format!("`{name}` {what}: {circle}")).hint("break the circle"));
            }
            stack.push((host.to_owned(), name.to_owned(), text.to_owned()));
            Ok(Step)
        })
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        RENDERING.with_borrow_mut(|stack| drop(stack.pop()));
    }
}

struct Part {
    scope: Arc<Scope>,
    name: String,
    site: Site,
}
struct Context(Arc<Scope>);
struct HostVars(Arc<Scope>);
struct LazyMap(Part, Map<String, Json>);
struct LazyList(Part, Vec<Json>);

macro_rules! named {
    ($($name:ident),*) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        })*
    };
}
named!(Context, HostVars, LazyMap, LazyList);

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?)
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.names().into_iter().map(Value::from).collect())
    }
}

impl Object for HostVars {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let (host, scope) = (key.as_str()?, &self.0);
        if host == scope.host {
            return Some(scope.clone().into_value());
        }
        if !scope.inventory.0.hosts.contains_key(host) && !is_localhost(host) {
            return None;
        }
        if let Some(peer) = lock(&scope.peers).get(host) {
            return Some(peer.clone().into_value());
        }
        let overlay = Overlay { vars: scope.overlay.vars.clone(), ..Overlay::default() };
        let peer = Scope::new(&scope.inventory, host, overlay).ok()?;
        lock(&scope.peers).insert(host.to_owned(), peer.clone());
        Some(peer.into_value())
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.inventory.hosts().into_iter().map(Value::from).collect())
    }
}

impl Object for LazyMap {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let Part { scope, name, site } = &self.0;
        Some(scope.lazy(name, site, self.1.get(key.as_str()?)?))
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.1.keys().map(|key| Value::from(key.as_str())).collect())
    }
}

impl Object for LazyList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let Part { scope, name, site } = &self.0;
        Some(scope.lazy(name, site, self.1.get(key.as_usize()?)?))
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.1.len())
    }
}
