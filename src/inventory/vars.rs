//! Variables merged by Ansible's precedence, each with where it comes from and what it hides.

use super::layer::{Layer, Level};
use super::lazy::{Overlay, Scope};
use super::model::{Definition, Inventory};
use indexmap::IndexMap;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use stdlib::contract::{Error, Result, Site, nearest};
use stdlib::shared::template::{is_template, minijinja, names, to_json, told_plainly};
use stdlib::shared::yaml::{UNSAFE, marked};

/// A variable of a host, its Jinja not rendered.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// The value as written.
    pub value: Value,
    /// The file, line and column of its name.
    pub origin: Site,
    /// Where it stands in the order of precedence.
    pub layer: Layer,
    /// Whether it comes from an encrypted file. Never print it.
    pub secret: bool,
    /// What it hides, the nearest first.
    pub shadowed: Vec<Variable>,
}

impl Inventory {
    /// The variables of a host, merged, not rendered. An unknown host is an error with the nearest name.
    pub fn variables(&self, host: &str) -> Result<Arc<IndexMap<String, Variable>>> {
        let mut cache = self.0.merged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(merged) = cache.get(host) {
            return Ok(merged.clone());
        }
        if !self.knows(host) {
            return Err(self.unknown(host));
        }
        let merged = Arc::new(self.merge(host));
        cache.insert(host.to_owned(), merged.clone());
        Ok(merged)
    }

    fn merge(&self, host: &str) -> IndexMap<String, Variable> {
        let data = &self.0;
        let groups: Vec<&str> = self.ancestry(host).into_iter().filter(|name| *name != "all").collect();
        let mut merged = Merged::default();
        for group in std::iter::once(&"all").chain(&groups) {
            let vars = data.groups.get(*group).map(|g| g.vars.as_slice()).unwrap_or_default();
            merged.layer(Level::Group, Some(group), vars);
        }
        let dirs = |at_playbook: bool| data.dirs.iter().filter(move |dir| dir.at_playbook == at_playbook);
        for (at_playbook, level) in [(false, Level::AllBesideInventory), (true, Level::AllBesidePlaybook)] {
            dirs(at_playbook).for_each(|dir| merged.layer(level, Some("all"), get(&dir.groups, "all")));
        }
        for (at_playbook, level) in [(false, Level::GroupBesideInventory), (true, Level::GroupBesidePlaybook)] {
            for dir in dirs(at_playbook) {
                groups.iter().for_each(|group| merged.layer(level, Some(group), get(&dir.groups, group)));
            }
        }
        let own = data.hosts.get(host).map(|h| h.vars.as_slice()).unwrap_or_default();
        merged.layer(Level::Host, None, own);
        for (at_playbook, level) in [(false, Level::HostBesideInventory), (true, Level::HostBesidePlaybook)] {
            dirs(at_playbook).for_each(|dir| merged.layer(level, None, get(&dir.hosts, host)));
        }
        merged.layer(Level::Extra, None, &data.extra);
        merged.0
    }

    /// One variable of a host, rendered: `{{ ... }}` inside of it is evaluated with the host's variables, and a
    /// value that is exactly one expression keeps its type. Undefined names, circles and broken Jinja are errors
    /// at the variable's file and line.
    pub fn resolve(&self, host: &str, name: &str, overlay: &Overlay) -> Result<Value> {
        let scope = Scope::new(self, host, overlay.clone())?;
        let Some(value) = scope.get(name) else {
            let error = Error::playbook(format!("`{host}` has no variable `{name}`")).on(host);
            let names = scope.names();
            return Err(match nearest(name, names.iter().map(String::as_str)) {
                Some(meant) => error.hint(format!("did you mean `{meant}`?")),
                None => error.hint(format!("`hlrun hosts {host} --vars` shows what it has")),
            });
        };
        to_json(&value).map_err(|error| told_plainly(name, &error).on(host))
    }

    /// A template rendered with a host's variables. Its `lookup('env' | 'file', ...)` look where those in variables
    /// do. `name` is the file in errors.
    pub fn render(&self, host: &str, name: &str, text: &str, overlay: &Overlay) -> Result<String> {
        self.0.engine.render(name, text, self.context(host, overlay)?).map_err(|error| error.on(host))
    }

    /// What a template asks for, directly or through the variables it uses: the names to give `facts::gather`
    /// before it is rendered. Names are as deep as they are written: `ansible_default_ipv4.address`.
    pub fn names_used(&self, host: &str, text: &str, overlay: &Overlay) -> Result<BTreeSet<String>> {
        let merged = self.variables(host)?;
        let mut found = names(text);
        let mut open: Vec<String> = found.iter().cloned().collect();
        let mut seen: BTreeSet<String> = BTreeSet::new();
        while let Some(name) = open.pop() {
            let first = name.split('.').next().unwrap_or_default();
            if !seen.insert(first.to_owned()) {
                continue;
            }
            let value = overlay.vars.get(first).or_else(|| merged.get(first).map(|variable| &variable.value));
            for text in value.into_iter().flat_map(texts) {
                open.extend(names(text).into_iter().filter(|name| found.insert(name.clone())));
            }
        }
        Ok(found)
    }

    /// Every variable of a host as one lazy Jinja object, for rendering templates: each is rendered when a
    /// template asks for it. With `inventory_hostname`, `group_names`, `groups`, `hostvars`, `playbook_dir`...
    pub fn context(&self, host: &str, overlay: &Overlay) -> Result<minijinja::Value> {
        Ok(Scope::new(self, host, overlay.clone())?.into_value())
    }
}

/// The templates inside of a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) if is_template(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        marked_unsafe if marked(UNSAFE, marked_unsafe).is_some() => Vec::new(),
        Value::Object(map) => map.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn get<'a>(vars: &'a HashMap<String, Vec<Definition>>, name: &str) -> &'a [Definition] {
    vars.get(name).map(Vec::as_slice).unwrap_or_default()
}

#[derive(Default)]
struct Merged(IndexMap<String, Variable>);

impl Merged {
    fn layer(&mut self, level: Level, group: Option<&str>, vars: &[Definition]) {
        if vars.is_empty() {
            return;
        }
        let layer = Layer::new(level, group);
        for Definition { name, value, site, secret } in vars {
            let (value, origin, layer) = (value.clone(), site.clone(), layer.clone());
            let new = Variable { value, origin, layer, secret: *secret, shadowed: Vec::new() };
            match self.0.get_mut(name) {
                Some(old) => {
                    let mut hidden = std::mem::replace(old, new);
                    let mut shadowed = std::mem::take(&mut hidden.shadowed);
                    shadowed.insert(0, hidden);
                    old.shadowed = shadowed;
                }
                None => drop(self.0.insert(name.clone(), new)),
            }
        }
    }
}
