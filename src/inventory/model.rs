//! The inventory as data.

use indexmap::{IndexMap, IndexSet};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use stdlib::contract::{Error, Site, nearest};
use stdlib::shared::template::Engine;

use super::keys::Vault;
use super::vars::Variable;

/// Every host, group and variable of a run. Cheap to clone; never changes once loaded.
#[derive(Debug, Clone)]
pub struct Inventory(pub(super) Arc<Data>);

#[derive(Debug, Default)]
pub(super) struct Data {
    pub hosts: IndexMap<String, Host>,
    pub groups: IndexMap<String, Group>,
    /// `group_vars` and `host_vars`, beside the inventories first, then beside the playbook.
    pub dirs: Vec<VarsDir>,
    /// `--extra-vars`; of several with one name the last counts.
    pub extra: Vec<Definition>,
    pub vault: Vault,
    pub warnings: Vec<Error>,
    pub playbook_dir: Option<PathBuf>,
    pub engine: Engine,
    pub merged: Mutex<HashMap<String, Arc<IndexMap<String, Variable>>>>,
}

/// A variable and where it is defined.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Its value, Jinja and encrypted text in it as they are.
    pub value: Value,
    /// The place of its name.
    pub site: Site,
    /// Whether it comes from an encrypted file.
    pub secret: bool,
}

impl Definition {
    /// A variable that is no secret.
    pub fn new(name: &str, value: Value, site: &Site) -> Definition {
        Definition { name: name.to_owned(), value, site: site.clone(), secret: false }
    }
}

#[derive(Debug, Default)]
pub(super) struct Host {
    pub vars: Vec<Definition>,
    /// The inventory file that named it first.
    pub source: Option<PathBuf>,
    /// Not written anywhere: the machine hlrun runs on.
    pub implicit: bool,
}

/// A group of hosts.
#[derive(Debug)]
pub struct Group {
    /// The hosts written directly under it.
    pub hosts: IndexSet<String>,
    /// The groups written directly under it.
    pub children: IndexSet<String>,
    pub(super) vars: Vec<Definition>,
    pub(super) depth: usize,
    pub(super) priority: i64,
}

impl Default for Group {
    fn default() -> Group {
        Group { hosts: IndexSet::new(), children: IndexSet::new(), vars: Vec::new(), depth: 0, priority: 1 }
    }
}

/// A directory with `group_vars` or `host_vars` in it.
#[derive(Debug, Default)]
pub(super) struct VarsDir {
    pub at_playbook: bool,
    pub groups: HashMap<String, Vec<Definition>>,
    pub hosts: HashMap<String, Vec<Definition>>,
}

impl Inventory {
    /// What there is without an inventory: this machine, reached without SSH.
    pub fn localhost() -> Inventory {
        let mut data = Data::default();
        data.groups.insert("all".to_owned(), Group::default());
        data.groups.insert("ungrouped".to_owned(), Group::default());
        data.hosts.insert("localhost".to_owned(), Host { implicit: true, ..Host::default() });
        data.groups[1].hosts.insert("localhost".to_owned());
        data.groups[0].children.insert("ungrouped".to_owned());
        Inventory(Arc::new(data))
    }
    /// The names of all hosts, in the order Ansible visits them.
    pub fn hosts(&self) -> Vec<&str> {
        self.hosts_of("all")
    }
    /// What is odd about the inventory, and works all the same.
    pub fn warnings(&self) -> &[Error] {
        &self.0.warnings
    }
    /// The vault passwords, and the secrets they opened.
    pub fn vault(&self) -> &Vault {
        &self.0.vault
    }
    /// A vault password that does not fit, as far as that can be known without opening everything.
    pub fn test_vault(&self) -> Vec<Error> {
        self.0.vault.test()
    }
    /// Every group by name, `all` and `ungrouped` included, in the order of the files.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &Group)> {
        self.0.groups.iter().map(|(name, group)| (name.as_str(), group))
    }
    /// The hosts of a group and of the groups below it; none if there is no such group.
    pub fn hosts_of(&self, group: &str) -> Vec<&str> {
        let mut hosts = IndexSet::new();
        let mut level = vec![group];
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        while !level.is_empty() {
            let mut below = Vec::new();
            for name in level {
                if let Some((name, group)) = self.0.groups.get_key_value(name)
                    && seen.insert(name)
                {
                    hosts.extend(group.hosts.iter().map(String::as_str));
                    below.extend(group.children.iter().map(String::as_str));
                }
            }
            level = below;
        }
        hosts.into_iter().collect()
    }
    /// The groups a host is in, sorted, as Ansible's `group_names`: parents included, `all` not.
    pub fn groups_of(&self, host: &str) -> Vec<String> {
        let mut names: Vec<String> =
            self.ancestry(host).into_iter().filter(|n| *n != "all").map(str::to_owned).collect();
        names.sort();
        names
    }
    /// Whether there is a host of this name; `localhost` always is.
    pub fn knows(&self, host: &str) -> bool {
        self.0.hosts.contains_key(host) || is_localhost(host)
    }
    /// The error for a host that is not in the inventory, with the nearest name.
    pub(super) fn unknown(&self, host: &str) -> Error {
        let error = Error::playbook(format!("no host `{host}` in the inventory"));
        match nearest(host, self.0.hosts.keys().map(String::as_str)) {
            Some(meant) => error.hint(format!("did you mean `{meant}`?")),
            None => error.hint("`hlrun hosts` shows what the inventory has"),
        }
    }
    /// All groups of a host, `all` included, as Ansible orders them: by depth, priority, name.
    pub(super) fn ancestry(&self, host: &str) -> Vec<&str> {
        let groups = &self.0.groups;
        let mut found: IndexSet<&str> = IndexSet::new();
        let mut next: Vec<&str> =
            groups.iter().filter(|(_, g)| g.hosts.contains(host)).map(|(n, _)| n.as_str()).collect();
        while let Some(name) = next.pop() {
            if found.insert(name) {
                next.extend(groups.iter().filter(|(_, g)| g.children.contains(name)).map(|(n, _)| n.as_str()));
            }
        }
        if !found.is_empty() || is_localhost(host) {
            found.extend(groups.get_key_value("all").map(|(n, _)| n.as_str()));
        }
        let mut sorted: Vec<&str> = found.into_iter().collect();
        sorted.sort_by_key(|name| groups.get(*name).map(|g| (g.depth, g.priority, *name)));
        sorted
    }
}

/// The names that mean this machine even if no inventory has them.
pub(super) fn is_localhost(name: &str) -> bool {
    matches!(name, "localhost" | "127.0.0.1" | "::1")
}
