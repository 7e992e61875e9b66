//! Reading inventories and the variables beside them. Everything that is wrong comes back at once.

use super::files::{self, Form};
use super::keys::Vault;
use super::model::{Data, Definition, Group, Inventory};
use super::source::{self, Source};
use super::{lookup, misspelt};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stdlib::contract::{Error, Site};

impl Inventory {
    /// Reads inventories in order, the `group_vars` and `host_vars` beside each of them, and those in `beside`
    /// (the playbook's directory). `extra` (`--extra-vars`) win over everything. No sources: this machine only.
    /// A source is a file, a directory of them, or `a,b,` with a comma: a list of hosts. The errors are all there
    /// are, each with its place.
    pub fn load(
        sources: &[PathBuf],
        beside: Option<&Path>,
        extra: Map<String, Value>,
    ) -> Result<Inventory, Vec<Error>> {
        let site = Site { file: "--extra-vars".to_owned(), ..Site::default() };
        let extra = extra.into_iter().map(|(name, value)| Definition::new(&name, value, &site)).collect();
        Inventory::load_with(sources, beside, extra, Vault::default())
    }

    /// The same with vault passwords, and with extra variables that know where they come from.
    pub fn load_with(
        sources: &[PathBuf],
        beside: Option<&Path>,
        extra: Vec<Definition>,
        vault: Vault,
    ) -> Result<Inventory, Vec<Error>> {
        let mut errors = Vec::new();
        let mut data = Data { extra, vault, playbook_dir: beside.map(Path::to_owned), ..Data::default() };
        data.groups.insert("all".to_owned(), Group::default());
        data.groups.insert("ungrouped".to_owned(), Group::default());
        let mut places: Vec<PathBuf> = Vec::new();
        for path in sources.iter().flat_map(|path| several(path)) {
            let text = path.to_string_lossy();
            if text.contains(',') && !path.exists() {
                listed(&mut data, &path, &text, &mut errors);
                continue;
            }
            for file in files::tree(&path) {
                inventory_file(&mut data, &file, &mut errors);
            }
            let dir = if path.is_dir() { &path } else { files::parent(&path) };
            if !places.iter().any(|p| same(p, dir)) {
                places.push(dir.to_owned());
            }
        }
        let inventories = places.len();
        places.extend(beside.filter(|dir| !places.iter().any(|p| same(p, dir))).map(Path::to_owned));
        for (i, place) in places.iter().enumerate() {
            let dir = files::vars_dir(place, i >= inventories, &data.vault, &mut errors, &mut data.warnings);
            data.dirs.push(dir);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if sources.is_empty() {
            let local = Inventory::localhost();
            let plain = Arc::try_unwrap(local.0).unwrap_or_default();
            (data.hosts, data.groups) = (plain.hosts, plain.groups);
        }
        settle(&mut data);
        let twice = data.hosts.iter().filter(|(name, host)| data.groups.contains_key(*name) && !host.vars.is_empty());
        let warn = |name: &String| {
            Error::playbook(format!("`{name}` is a host and a group"))
                .hint("Ansible gives its variables to the group: rename one")
        };
        let warnings: Vec<Error> = twice.map(|(name, host)| warn(name).at(host.vars[0].site.clone())).collect();
        data.warnings.extend(warnings);
        data.warnings.extend(misspelt::find(&data));
        data.engine = lookup::engine(&places);
        Ok(Inventory(Arc::new(data)))
    }
}

/// `a.yaml,b.yaml` are two sources where both are there, as in `HLRUN_INVENTORY`; else it is a list of hosts.
fn several(path: &Path) -> Vec<PathBuf> {
    let text = path.to_string_lossy();
    let parts: Vec<PathBuf> = text.split(',').filter(|part| !part.is_empty()).map(PathBuf::from).collect();
    if parts.len() > 1 && !path.exists() && parts.iter().all(|part| part.exists()) {
        parts
    } else {
        vec![path.to_owned()]
    }
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// A list of hosts with commas.
fn listed(data: &mut Data, path: &Path, text: &str, errors: &mut Vec<Error>) {
    let site = Site { file: text.to_owned(), ..Site::default() };
    let mut source = Source { data, path, errors, secret: false };
    for name in text.split(',').map(str::trim).filter(|n| !n.is_empty()) {
        let (name, port) = source::port(name);
        source.host("ungrouped", name.to_owned(), port, &site, &[]);
    }
}

fn inventory_file(data: &mut Data, path: &Path, errors: &mut Vec<Error>) {
    match files::inventory_file(path, &data.vault) {
        Ok((form, secret)) => {
            let mut source = Source { data, path, errors, secret };
            match form {
                Form::Yaml(root) => source.read(&root),
                Form::Ini(lines) => source.ini(lines),
            }
        }
        Err(wrong) => errors.extend(wrong),
    }
}

/// What Ansible calls reconciling: every group is below `all`, every host in some group, every depth known.
fn settle(data: &mut Data) {
    let names: Vec<String> = data.groups.keys().cloned().collect();
    for name in &names {
        let child = data.groups.values().any(|g| g.children.contains(name));
        if name != "all" && (!child || name == "ungrouped") {
            data.groups[0].children.insert(name.clone());
        }
    }
    if let Some(at) = data.groups[0].children.get_index_of("ungrouped") {
        data.groups[0].children.move_index(at, 0);
    }
    let hosts: Vec<String> = data.hosts.keys().cloned().collect();
    for host in hosts {
        let mut others = data.groups.iter().filter(|(name, _)| *name != "all" && *name != "ungrouped");
        let grouped = others.any(|(_, g)| g.hosts.contains(&host));
        if grouped {
            data.groups[1].hosts.shift_remove(&host);
        } else {
            data.groups[1].hosts.insert(host);
        }
    }
    // Groups form no circle, so the longest way down is at most as long as there are groups.
    for _ in 0..data.groups.len() {
        let mut moved = false;
        for name in &names {
            let below = data.groups[name.as_str()].depth + 1;
            let children: Vec<String> = data.groups[name.as_str()].children.iter().cloned().collect();
            for child in children {
                if let Some(child) = data.groups.get_mut(&child).filter(|c| c.depth < below) {
                    (child.depth, moved) = (below, true);
                }
            }
        }
        if !moved {
            break;
        }
    }
}
