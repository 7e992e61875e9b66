//! What there is to be named at the prompt.

use crate::run::Console;
use std::collections::BTreeSet;
use std::path::PathBuf;
use stdlib::contract::Entry;

/// Everything that a line can name.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The hosts of the inventory.
    pub hosts: Vec<String>,
    /// Its groups.
    pub groups: Vec<String>,
    /// The variables of its hosts.
    pub host_variables: Vec<String>,
    /// The variables of the session.
    pub variables: Vec<String>,
    /// Its functions.
    pub functions: Vec<String>,
    /// Its imports, each with its functions.
    pub imports: Vec<(String, Vec<String>)>,
    /// Where paths of the controller begin.
    pub dir: PathBuf,
}

impl Known {
    /// What a console knows now.
    pub fn of(console: &Console) -> Known {
        let inventory = console.inventory();
        let hosts: Vec<String> = inventory.hosts().into_iter().map(str::to_owned).collect();
        let mut names = BTreeSet::new();
        for variables in hosts.iter().filter_map(|host| inventory.variables(host).ok()) {
            names.extend(variables.keys().cloned());
        }
        let lines = console.lines();
        Known {
            groups: inventory.groups().map(|(name, _)| name.to_owned()).collect(),
            hosts,
            host_variables: names.into_iter().collect(),
            variables: lines.variables(),
            functions: lines.functions(),
            imports: lines.imports(),
            dir: PathBuf::from("."),
        }
    }
    /// Whether there is a module or an import of this name.
    pub fn has_module(&self, name: &str) -> bool {
        stdlib::modules().iter().any(|module| module.name == name)
            || self.imports.iter().any(|(alias, _)| alias == name)
    }
    /// Whether a module or an import has a function of this name.
    pub fn has(&self, module: &str, name: &str) -> bool {
        self.functions_of(module).any(|known| known == name)
    }
    /// Whether a module or an import has a function that begins so.
    pub fn begins(&self, module: &str, start: &str) -> bool {
        self.functions_of(module).any(|known| known.starts_with(start))
    }
    fn functions_of<'a>(&'a self, module: &'a str) -> impl Iterator<Item = &'a str> {
        let own = stdlib::modules().iter().filter(move |m| m.name == module).flat_map(|m| &m.entries);
        let imported = self.imports.iter().filter(move |(alias, _)| alias == module).flat_map(|(_, names)| names);
        own.map(|entry| entry.name.as_str()).chain(imported.map(String::as_str))
    }
}

/// A function of the standard library.
pub fn entry(module: &str, name: &str) -> Option<&'static Entry> {
    let module = stdlib::modules().iter().find(|known| known.name == module)?;
    module.entries.iter().find(|entry| entry.name == name)
}
