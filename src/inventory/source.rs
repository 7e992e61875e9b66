//! One inventory file into the model: what YAML and INI have in common, and Ansible's YAML shape.

use super::keys::Vault;
use super::model::{Data, Definition, Group, Host};
use super::range;
use serde_json::Value;
use std::path::Path;
use stdlib::contract::{Error, Site, nearest};
use stdlib::shared::yaml::{Data as Yaml, Entry, Node, VAULT, marked};

/// Reads a parsed inventory file into the model; what is wrong is added to the errors.
pub(super) struct Source<'a> {
    pub data: &'a mut Data,
    pub path: &'a Path,
    pub errors: &'a mut Vec<Error>,
    /// The file was encrypted.
    pub secret: bool,
}

const SECTIONS: [&str; 3] = ["hosts", "children", "vars"];

impl Source<'_> {
    pub(super) fn wrong(&mut self, message: String, site: &Site, hint: Option<String>) {
        let error = Error::playbook(message).at(site.clone());
        self.errors.push(hint.into_iter().fold(error, Error::hint));
    }

    /// The whole file.
    pub fn read(&mut self, root: &Node) {
        let Yaml::Map(groups) = &root.data else {
            if !root.is_null() {
                let message = format!("an inventory is a map of groups, and this is {}", root.kind());
                self.wrong(message, &root.site, Some("begin with `all:` and `hosts:` below it".to_owned()));
            }
            return;
        };
        if let Some(plugin) = groups.iter().find(|e| e.key == "plugin") {
            let name = plugin.value.to_json();
            let message =
                format!("inventory plugins such as `{}` are not supported", name.as_str().unwrap_or_default());
            return self.wrong(message, &plugin.site, Some(super::files::remedy(self.path)));
        }
        if let Some(meta) = groups.iter().find(|e| e.key == "_meta") {
            let message = "this is what an inventory script prints, not an inventory".to_owned();
            return self.wrong(message, &meta.site, Some(super::files::remedy(Path::new("SCRIPT"))));
        }
        for entry in groups {
            if SECTIONS.contains(&entry.key.as_str()) {
                let message = format!("`{}` stands at the top, where groups do", entry.key);
                self.wrong(message, &entry.site, Some("put it under a group: `all:`".to_owned()));
                continue;
            }
            self.group(entry);
        }
    }

    fn group(&mut self, entry: &Entry) {
        self.data.groups.entry(entry.key.clone()).or_default();
        let sections = match &entry.value.data {
            Yaml::Map(sections) => sections,
            Yaml::Scalar(Value::Null) => return,
            _ => {
                let message = format!("the group `{}` must be a map, and this is {}", entry.key, entry.value.kind());
                let hint = "write `hosts:`, `children:` or `vars:` below it".to_owned();
                return self.wrong(message, &entry.value.site, Some(hint));
            }
        };
        for section in sections {
            match section.key.as_str() {
                "hosts" => self.hosts(&entry.key, section),
                "children" => self.children(&entry.key, section),
                "vars" => self.vars(&entry.key, section),
                other => {
                    let hint = match nearest(other, SECTIONS) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => "a group has `hosts`, `children` and `vars`; variables go under `vars`".to_owned(),
                    };
                    let message = format!("unknown key `{other}` in the group `{}`", entry.key);
                    self.wrong(message, &section.site, Some(hint));
                }
            }
        }
    }

    /// The entries of a section; one word stands for a map with that key.
    fn entries(&mut self, section: &Entry) -> Vec<Entry> {
        match &section.value.data {
            Yaml::Map(entries) => entries.clone(),
            Yaml::Scalar(Value::Null) => Vec::new(),
            Yaml::Scalar(Value::String(word)) if section.key != "vars" => {
                let nothing = Node { data: Yaml::Scalar(Value::Null), site: section.value.site.clone() };
                vec![Entry { key: word.clone(), site: section.value.site.clone(), value: nothing.into() }]
            }
            _ => {
                let message = format!("`{}` must be a map, and this is {}", section.key, section.value.kind());
                let hint = match section.key.as_str() {
                    "vars" => "write `name: value`",
                    _ => "write each name with a colon and without a dash: `nas:`",
                };
                self.wrong(message, &section.value.site, Some(hint.to_owned()));
                Vec::new()
            }
        }
    }

    fn hosts(&mut self, group: &str, section: &Entry) {
        for entry in self.entries(section) {
            let vars = match &entry.value.data {
                Yaml::Map(vars) => vars.iter().map(|entry| self.definition(entry)).collect(),
                Yaml::Scalar(Value::Null) => Vec::new(),
                _ => {
                    let message =
                        format!("the variables of `{}` must be a map, and this is {}", entry.key, entry.value.kind());
                    self.wrong(message, &entry.value.site, Some("write `ansible_host: ADDRESS` below it".to_owned()));
                    Vec::new()
                }
            };
            let (pattern, port) = port(&entry.key);
            match range::expand(pattern) {
                Ok(names) => names.into_iter().for_each(|name| self.host(group, name, port, &entry.site, &vars)),
                Err(message) => self.wrong(message, &entry.site, None),
            }
        }
    }

    /// Adds a host to a group.
    pub fn host(&mut self, group: &str, name: String, port: Option<u16>, site: &Site, vars: &[Definition]) {
        if name.is_empty() || name.contains(char::is_whitespace) {
            return self.wrong(format!("`{name}` is no host name"), site, None);
        }
        let source = self.path;
        let host = self.data.hosts.entry(name.clone()).or_insert_with(|| {
            // Where a host is named first its port counts, as in Ansible.
            let port = port.map(|port| Definition::new("ansible_port", Value::from(port), site));
            Host { source: Some(source.to_owned()), vars: port.into_iter().collect(), ..Host::default() }
        });
        host.vars.extend(vars.iter().cloned());
        self.data.groups.entry(group.to_owned()).or_default().hosts.insert(name);
    }

    fn children(&mut self, group: &str, section: &Entry) {
        for entry in self.entries(section) {
            self.child(group, &entry.key, &entry.site);
            self.group(&entry);
        }
    }

    /// Puts a group under another.
    pub fn child(&mut self, group: &str, child: &str, site: &Site) {
        self.data.groups.entry(child.to_owned()).or_default();
        if child == group || reaches(self.data, child, group) {
            let message = format!("`{child}` cannot be under `{group}`: `{group}` is under it already");
            return self.wrong(message, site, Some("groups go down, never in a circle".to_owned()));
        }
        if let Some(parent) = self.data.groups.get_mut(group) {
            parent.children.insert(child.to_owned());
        }
    }

    fn vars(&mut self, group: &str, section: &Entry) {
        for entry in self.entries(section) {
            let found = self.definition(&entry);
            self.var(group, found);
        }
    }

    /// Adds a variable to a group.
    pub fn var(&mut self, group: &str, found: Definition) {
        let into = self.data.groups.entry(group.to_owned()).or_default();
        if found.name != "ansible_group_priority" {
            return into.vars.push(found);
        }
        match found.value.as_i64().or_else(|| found.value.as_str().and_then(|t| t.trim().parse().ok())) {
            Some(number) => into.priority = number,
            None => self.wrong("`ansible_group_priority` is a whole number".to_owned(), &found.site, None),
        }
    }

    fn definition(&self, entry: &Entry) -> Definition {
        definition(entry, &self.data.vault, self.secret)
    }
}

/// A key and its value as a variable; `secret` if it comes from an encrypted file.
pub(super) fn definition(entry: &Entry, vault: &Vault, secret: bool) -> Definition {
    vaulted(&entry.value, vault);
    let value = entry.value.to_json();
    if secret {
        vault.keep_all(&value);
    }
    Definition { secret, ..Definition::new(&entry.key, value, &entry.site) }
}

/// Remembers where encrypted values stand.
fn vaulted(node: &Node, vault: &Vault) {
    match &node.data {
        Yaml::Scalar(value) => marked(VAULT, value).into_iter().for_each(|text| vault.found(text, &node.site)),
        Yaml::List(items) => items.iter().for_each(|item| vaulted(item, vault)),
        Yaml::Map(entries) => entries.iter().for_each(|entry| vaulted(&entry.value, vault)),
    }
}

/// Whether `to` is at or below `from`.
fn reaches(data: &Data, from: &str, to: &str) -> bool {
    let below = |group: &Group| group.children.iter().any(|child| child == to || reaches(data, child, to));
    data.groups.get(from).is_some_and(below)
}

/// `host:2222` apart. IPv6 addresses are left alone; with a port they stand in brackets, which are not part of
/// the name.
pub(super) fn port(name: &str) -> (&str, Option<u16>) {
    let Some((host, Ok(port))) = name.rsplit_once(':').map(|(host, port)| (host, port.parse())) else {
        return (name, None);
    };
    // The colons of `web[1:3]` are not a port's.
    let closed = host.matches('[').count() == host.matches(']').count();
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) if !inner.contains(['[', ']']) => (inner, Some(port)),
        _ if closed && !outside(host).contains(':') => (host, Some(port)),
        _ => (name, None),
    }
}

/// A name without its ranges.
fn outside(name: &str) -> String {
    let mut depth = 0;
    let mut keep = |c: char| {
        depth += i32::from(c == '[');
        let kept = depth == 0;
        depth -= i32::from(c == ']');
        kept
    };
    name.chars().filter(|c| keep(*c)).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn ports_are_told_from_names() {
        for (name, want) in [
            ("nas:22", ("nas", Some(22))),
            ("web[1:3]", ("web[1:3]", None)),
            ("web[1:3]:22", ("web[1:3]", Some(22))),
            ("::1", ("::1", None)),
            ("fe80::22", ("fe80::22", None)),
            ("[fe80::1]:22", ("fe80::1", Some(22))),
            ("[nas]:22", ("nas", Some(22))),
            ("nas:", ("nas:", None)),
        ] {
            assert_eq!(super::port(name), want, "{name}");
        }
    }
}
