//! Variables merged by Ansible's precedence, each with where it comes from and what it hides.

use super::lazy::{Overlay, Scope};
use super::model::{Definition, Inventory};
use indexmap::IndexMap;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use stdlib::contract::{Error, Result, Site, nearest};
use stdlib::shared::template::{is_template, minijinja, names, to_json, told_plainly};

/// A variable of a host, its Jinja not rendered.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// The value as written.
    pub value: Value,
    /// The file, line and column of its name.
    pub origin: Site,
    /// The layer of precedence it comes from, such as `host_vars beside the inventory`.
    pub layer: &'static str,
    /// What it hides, the nearest first.
    pub shadowed: Vec<(Value, Site, &'static str)>,
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
        let in_file = |name: &str| data.groups.get(name).map(|g| g.vars.as_slice()).unwrap_or_default();
        merged.layer("group `all` in the inventory", in_file("all"));
        for group in &groups {
            merged.layer("group in the inventory", in_file(group));
        }
        let sides = [
            (false, "group_vars/all beside the inventory", "group_vars beside the inventory"),
            (true, "group_vars/all beside the playbook", "group_vars beside the playbook"),
        ];
        for (at_playbook, all, _) in sides {
            for dir in data.dirs.iter().filter(|d| d.at_playbook == at_playbook) {
                merged.layer(all, get(&dir.groups, "all"));
            }
        }
        for (at_playbook, _, some) in sides {
            for dir in data.dirs.iter().filter(|d| d.at_playbook == at_playbook) {
                for group in &groups {
                    merged.layer(some, get(&dir.groups, group));
                }
            }
        }
        merged.layer("host in the inventory", data.hosts.get(host).map(|h| h.vars.as_slice()).unwrap_or_default());
        for (at_playbook, layer) in [(false, "host_vars beside the inventory"), (true, "host_vars beside the playbook")]
        {
            for dir in data.dirs.iter().filter(|d| d.at_playbook == at_playbook) {
                merged.layer(layer, get(&dir.hosts, host));
            }
        }
        for (name, value) in &data.extra {
            let site = Site { file: "--extra-vars".to_owned(), ..Site::default() };
            merged.put("--extra-vars", name, value, &site);
        }
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
    fn layer(&mut self, layer: &'static str, vars: &[Definition]) {
        for found in vars {
            self.put(layer, &found.name, &found.value, &found.site);
        }
    }
    fn put(&mut self, layer: &'static str, name: &str, value: &Value, site: &Site) {
        let new = Variable { value: value.clone(), origin: site.clone(), layer, shadowed: Vec::new() };
        match self.0.get_mut(name) {
            Some(old) => {
                let mut hidden = std::mem::replace(old, new);
                hidden.shadowed.insert(0, (hidden.value, hidden.origin, hidden.layer));
                old.shadowed = hidden.shadowed;
            }
            None => drop(self.0.insert(name.to_owned(), new)),
        }
    }
}
