//! Reading inventory files and the variables beside them. Everything that is wrong comes back at once.

use super::model::{Data, Definition, Group, Inventory, VarsDir};
use super::source::{self, Source};
use crate::lookup;
use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stdlib::contract::{Error, Site};
use stdlib::shared::yaml::{self, Data as Yaml, Node};

impl Inventory {
    /// Reads inventories in order, the `group_vars` and `host_vars` beside each of them, and those in `beside`
    /// (the playbook's directory). `extra` (`--extra-vars`) win over everything. No sources: this machine only.
    /// A source `a,b,` with a comma is a list of hosts. The errors are all there are, each with its place.
    pub fn load(
        sources: &[PathBuf],
        beside: Option<&Path>,
        extra: Map<String, Value>,
    ) -> Result<Inventory, Vec<Error>> {
        let mut errors = Vec::new();
        let mut data = Data { extra, playbook_dir: beside.map(Path::to_owned), ..Data::default() };
        data.groups.insert("all".to_owned(), Group::default());
        data.groups.insert("ungrouped".to_owned(), Group::default());
        let mut places: Vec<PathBuf> = Vec::new();
        let several: Vec<PathBuf> = sources.iter().flat_map(|path| files(path)).collect();
        for path in &several {
            let text = path.to_string_lossy();
            if text.contains(',') && !path.exists() {
                let site = Site { file: text.to_string(), ..Site::default() };
                let mut source = Source { data: &mut data, path, errors: &mut errors };
                for name in text.split(',').map(str::trim).filter(|n| !n.is_empty()) {
                    let (name, port) = source::port(name);
                    source.host("all", name.to_owned(), port, &site, &[]);
                }
                continue;
            }
            match inventory_file(path) {
                Ok(root) => Source { data: &mut data, path, errors: &mut errors }.read(&root),
                Err(wrong) => errors.extend(wrong),
            }
            let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            if !places.iter().any(|p| same(p, dir)) {
                places.push(dir.to_owned());
            }
        }
        let inventories = places.len();
        places.extend(beside.filter(|dir| !places.iter().any(|p| same(p, dir))).map(Path::to_owned));
        for (i, place) in places.iter().enumerate() {
            data.dirs.push(vars_dir(place, i >= inventories, &mut errors));
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
        data.engine = lookup::engine(&places);
        Ok(Inventory(Arc::new(data)))
    }
}

/// `a.yaml,b.yaml` are two files where both are there, as in `HLRUN_INVENTORY`; else it is a list of hosts.
fn files(path: &Path) -> Vec<PathBuf> {
    let text = path.to_string_lossy();
    let parts: Vec<PathBuf> = text.split(',').filter(|part| !part.is_empty()).map(PathBuf::from).collect();
    if parts.len() > 1 && !path.exists() && parts.iter().all(|part| part.is_file()) {
        parts
    } else {
        vec![path.to_owned()]
    }
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
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

fn read(path: &Path) -> Result<(String, Site), Vec<Error>> {
    let site = Site { file: path.display().to_string(), ..Site::default() };
    let bytes = fs::read(path).map_err(|e| {
        let wrong = Error::playbook(format!("cannot read {}: {e}", path.display())).at(site.clone());
        vec![wrong.hint("check the path; a relative one begins at the current directory")]
    })?;
    match String::from_utf8(bytes) {
        Ok(text) if text.starts_with("$ANSIBLE_VAULT") => {
            let wrong = Error::playbook("a file encrypted with ansible-vault is not read yet").at(site);
            Err(vec![wrong.hint(format!("ansible-vault decrypt {}", path.display()))])
        }
        Ok(text) => Ok((text, site)),
        Err(_) => Err(vec![Error::playbook("not UTF-8 text").at(site)]),
    }
}

fn inventory_file(path: &Path) -> Result<Node, Vec<Error>> {
    let site = Site { file: path.display().to_string(), ..Site::default() };
    if path.is_dir() {
        let wrong = Error::playbook(format!("{} is a directory: these are not read yet", path.display())).at(site);
        return Err(vec![wrong.hint("name its files one by one: -i DIR/hosts.yml -i DIR/more.yml")]);
    }
    let (text, site) = read(path)?;
    let first = text.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with(['#', ';'])).unwrap_or_default();
    if text.starts_with("#!") {
        let wrong = Error::playbook("an inventory script is not run yet").at(site);
        return Err(vec![wrong.hint("keep what it prints as YAML: `ansible-inventory -i FILE --list --yaml`")]);
    }
    let ini = path.extension().is_some_and(|e| e == "ini" || e == "cfg");
    let header = first.starts_with('[') && first.ends_with(']');
    let bare = !first.is_empty() && first != "---" && !first.contains(": ") && !first.ends_with(':');
    if ini || header || (bare && !first.starts_with(['{', '-'])) {
        let wrong = Error::playbook("an inventory in INI form is not read yet").at(site);
        return Err(vec![wrong.hint("convert it: `ansible-inventory -i FILE --list --yaml > inventory.yaml`")]);
    }
    yaml::parse(&site.file, &text)
}

/// Everything in `group_vars` and `host_vars` of a directory.
fn vars_dir(place: &Path, at_playbook: bool, errors: &mut Vec<Error>) -> VarsDir {
    let mut dir = VarsDir { at_playbook, ..VarsDir::default() };
    for (folder, into) in [("group_vars", &mut dir.groups), ("host_vars", &mut dir.hosts)] {
        let mut from: std::collections::HashMap<String, PathBuf> = Default::default();
        for path in listing(&place.join(folder)) {
            let Some(name) = owner(&path) else { continue };
            if let Some(first) = from.insert(name.clone(), path.clone()) {
                let site = Site { file: path.display().to_string(), ..Site::default() };
                let wrong = Error::playbook(format!("the variables of `{name}` are in two places")).at(site);
                errors.push(wrong.hint(format!("Ansible reads only {}; put both into one directory", first.display())));
            }
            let files = if path.is_dir() { below(&path) } else { vec![path] };
            for file in files {
                match vars_file(&file) {
                    Ok(vars) => into.entry(name.clone()).or_default().extend(vars),
                    Err(wrong) => errors.extend(wrong),
                }
            }
        }
    }
    dir
}

/// The entries of a directory, sorted by name, without hidden files and backups; none if there is no directory.
fn listing(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    let shown = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with('.') && !name.ends_with('~')
    };
    let mut paths: Vec<PathBuf> = entries.filter(shown).collect();
    paths.sort();
    paths
}

/// The group or host that a file in `group_vars` or `host_vars` is for; none if it is no file of variables.
fn owner(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let known = [".yml", ".yaml", ".json"].iter().find_map(|end| name.strip_suffix(end));
    match known {
        Some(stem) if !path.is_dir() => Some(stem.to_owned()),
        _ => Some(name.to_owned()),
    }
}

fn below(dir: &Path) -> Vec<PathBuf> {
    let file =
        |path: &PathBuf| path.extension().is_none_or(|e| ["yml", "yaml", "json"].iter().any(|known| e == *known));
    let nested =
        |path: PathBuf| if path.is_dir() { below(&path) } else { vec![path].into_iter().filter(file).collect() };
    listing(dir).into_iter().flat_map(nested).collect()
}

fn vars_file(path: &Path) -> Result<Vec<Definition>, Vec<Error>> {
    let (text, site) = read(path)?;
    let root = yaml::parse(&site.file, &text)?;
    match &root.data {
        Yaml::Map(entries) => Ok(entries.iter().map(source::definition).collect()),
        Yaml::Scalar(Value::Null) => Ok(Vec::new()),
        _ => {
            let wrong = Error::playbook(format!("variables are a map, and this is {}", root.kind()));
            Err(vec![wrong.at(root.site.clone()).hint("write `name: value`")])
        }
    }
}
