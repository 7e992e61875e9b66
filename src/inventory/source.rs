//! One inventory file in Ansible's YAML shape, into the model.

use super::model::{Data, Definition, Group, Host};
use super::range;
use serde_json::Value;
use std::path::Path;
use stdlib::contract::{Error, Site, nearest};
use stdlib::shared::yaml::{Data as Yaml, Entry, Node};

/// Reads a parsed inventory file into the model; what is wrong is added to the errors.
pub(super) struct Source<'a> {
    pub data: &'a mut Data,
    pub path: &'a Path,
    pub errors: &'a mut Vec<Error>,
}

const SECTIONS: [&str; 3] = ["hosts", "children", "vars"];

impl Source<'_> {
    fn wrong(&mut self, message: String, site: &Site, hint: Option<String>) {
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
            let message = format!("inventory plugins such as `{}` are not read yet", plugin.value.to_json());
            self.wrong(
                message,
                &plugin.site,
                Some("write its hosts as YAML: `ansible-inventory --list --yaml`".into()),
            );
            return;
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
                Yaml::Map(vars) => vars.iter().map(definition).collect(),
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
        let host = self
            .data
            .hosts
            .entry(name.clone())
            .or_insert_with(|| Host { source: Some(source.to_owned()), ..Host::default() });
        if let Some(port) = port {
            let value = Value::from(port);
            host.vars.push(Definition { name: "ansible_port".to_owned(), value, site: site.clone() });
        }
        host.vars.extend(vars.iter().cloned());
        self.data.groups.entry(group.to_owned()).or_default().hosts.insert(name);
    }

    fn children(&mut self, group: &str, section: &Entry) {
        for entry in self.entries(section) {
            self.data.groups.entry(entry.key.clone()).or_default();
            if entry.key == group || reaches(self.data, &entry.key, group) {
                let message = format!("`{}` cannot be under `{group}`: `{group}` is under it already", entry.key);
                self.wrong(message, &entry.site, Some("groups go down, never in a circle".to_owned()));
                continue;
            }
            if let Some(parent) = self.data.groups.get_mut(group) {
                parent.children.insert(entry.key.clone());
            }
            self.group(&entry);
        }
    }

    fn vars(&mut self, group: &str, section: &Entry) {
        for entry in self.entries(section) {
            let found = definition(&entry);
            if entry.key == "ansible_group_priority" {
                let number = found.value.as_i64().or_else(|| found.value.as_str().and_then(|t| t.parse().ok()));
                let Some(number) = number else {
                    self.wrong("`ansible_group_priority` is a whole number".to_owned(), &entry.value.site, None);
                    continue;
                };
                self.data.groups.entry(group.to_owned()).or_default().priority = number;
                continue;
            }
            self.data.groups.entry(group.to_owned()).or_default().vars.push(found);
        }
    }
}

/// A key and its value as a variable.
pub(super) fn definition(entry: &Entry) -> Definition {
    Definition { name: entry.key.clone(), value: entry.value.to_json(), site: entry.site.clone() }
}

/// Whether `to` is at or below `from`.
fn reaches(data: &Data, from: &str, to: &str) -> bool {
    let below = |group: &Group| group.children.iter().any(|child| child == to || reaches(data, child, to));
    data.groups.get(from).is_some_and(below)
}

/// `host:2222` apart; IPv6 addresses are left alone unless they stand in brackets.
pub(super) fn port(name: &str) -> (&str, Option<u16>) {
    match name.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) if balanced(host) => (host, Some(port)),
            _ => (name, None),
        },
        _ => (name, None),
    }
}

/// Whether every bracket closes: the colon of `web[1:3]` is no port's.
fn balanced(text: &str) -> bool {
    text.matches('[').count() == text.matches(']').count()
}
