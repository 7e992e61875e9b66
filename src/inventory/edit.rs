//! A host written into an inventory file: as text, so that comments and formatting stay, and proven by reading
//! the result again.

use serde_json::{Map, Value, json};
use stdlib::contract::{Error, Result, Site, nearest};
use stdlib::shared::yaml::{self, Data, Entry, Node};

/// A host to be written into an inventory.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// Its name.
    pub name: String,
    /// Its variables, in order.
    pub vars: Vec<(String, Value)>,
    /// The groups it belongs to; none means all.
    pub groups: Vec<String>,
}

/// The text of an inventory with a host more. Everything else in it says the same as before.
pub fn add_host(file: &str, text: &str, host: &Newcomer) -> Result<String> {
    let mut text = text.to_owned();
    if yaml::parse(file, &text).map_err(first)?.is_null() {
        text = format!("{}all:\n  hosts:\n", if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" });
    }
    let groups = if host.groups.is_empty() { vec!["all".to_owned()] } else { host.groups.clone() };
    for (number, group) in groups.iter().enumerate() {
        // The variables are written once, where the host is named first.
        let vars: &[(String, Value)] = if number == 0 { &host.vars } else { &[] };
        text = insert(file, &text, group, &host.name, vars)?;
    }
    Ok(text)
}

fn first(errors: Vec<Error>) -> Error {
    errors.into_iter().next().unwrap_or_else(|| Error::bug("an error without an error"))
}

/// A group where it is written, and the keys that lead to it.
struct Place<'a> {
    entry: &'a Entry,
    path: Vec<String>,
}

/// Every place where a group is written, the most telling first.
fn places<'a>(entries: &'a [Entry], above: &[String], group: &str) -> Vec<Place<'a>> {
    let mut found = Vec::new();
    for entry in entries {
        let path = [above, std::slice::from_ref(&entry.key)].concat();
        if let Some(children) = child(&entry.value, "children")
            && let Data::Map(below) = &children.value.data
        {
            let path = [&path[..], &["children".to_owned()]].concat();
            found.extend(places(below, &path, group));
        }
        if entry.key == group {
            found.push(Place { entry, path });
        }
    }
    found.sort_by_key(|place| match child(&place.entry.value, "hosts") {
        Some(_) => 0,
        None if !place.entry.value.is_null() => 1,
        None => 2,
    });
    found
}

fn child<'a>(node: &'a Node, key: &str) -> Option<&'a Entry> {
    let Data::Map(entries) = &node.data else { return None };
    entries.iter().find(|entry| entry.key == key)
}

fn insert(file: &str, text: &str, group: &str, name: &str, vars: &[(String, Value)]) -> Result<String> {
    let root = yaml::parse(file, text).map_err(first)?;
    let by_hand = || {
        let error = Error::playbook(format!("{file} is written in a way that a host cannot be put into by itself"));
        error.hint(format!("write it below `hosts` of `{group}` by hand: {}", flow(name, vars)))
    };
    let Data::Map(top) = &root.data else { return Err(by_hand()) };
    let Some(place) = places(top, &[], group).into_iter().next() else {
        if group == "all" {
            let end = if text.ends_with('\n') { "" } else { "\n" };
            let block = lines(name, vars, 4, false).concat();
            return proven(file, text, format!("{text}{end}all:\n  hosts:\n{block}"), &["all".to_owned()], name, vars);
        }
        let mut names = Vec::new();
        groups(top, &mut names);
        let error = Error::playbook(format!("{file} has no group `{group}`"));
        return Err(match nearest(group, names.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("write it into {file} first: `{group}:` below `children` of `all`")),
        });
    };
    let new = Page::of(text).with(&place, name, vars).ok_or_else(by_hand)?;
    proven(file, text, new, &place.path, name, vars).map_err(|_| by_hand())
}

fn groups(entries: &[Entry], names: &mut Vec<String>) {
    for entry in entries {
        names.push(entry.key.clone());
        if let Some(Entry { value, .. }) = child(&entry.value, "children")
            && let Data::Map(below) = &value.data
        {
            groups(below, names);
        }
    }
}

/// The new text, if it says what the old one said, and the host.
fn proven(file: &str, old: &str, new: String, path: &[String], name: &str, vars: &[(String, Value)]) -> Result<String> {
    let mut wanted = yaml::parse(file, old).map_err(first)?.to_json();
    let mut at = &mut wanted;
    for key in path.iter().map(String::as_str).chain(["hosts"]) {
        if at.is_null() {
            *at = json!({});
        }
        let Value::Object(map) = at else { return Err(Error::bug("a group that is no map")) };
        at = map.entry(key).or_insert(Value::Null);
    }
    if at.is_null() {
        *at = json!({});
    }
    let Value::Object(hosts) = at else { return Err(Error::bug("hosts that are no map")) };
    let value = if vars.is_empty() { Value::Null } else { Value::Object(vars.iter().cloned().collect::<Map<_, _>>()) };
    hosts.insert(name.to_owned(), value);
    let read = yaml::parse(file, &new).map_err(first)?.to_json();
    if read == wanted { Ok(new) } else { Err(Error::bug(format!("{file} would say something else"))) }
}

/// A word as YAML takes it for text.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-@/".contains(c);
            let fine = text.chars().all(plain) && text.starts_with(|c: char| c.is_ascii_alphanumeric());
            match fine && yaml::plain(text) == *value {
                true => text.clone(),
                false => value.to_string(),
            }
        }
        other => other.to_string(),
    }
}

fn key(name: &str) -> String {
    scalar(&Value::String(name.to_owned()))
}

fn flow(name: &str, vars: &[(String, Value)]) -> String {
    let vars: Vec<String> = vars.iter().map(|(name, value)| format!("{}: {}", key(name), scalar(value))).collect();
    if vars.is_empty() { format!("{}:", key(name)) } else { format!("{}: {{ {} }}", key(name), vars.join(", ")) }
}

fn lines(name: &str, vars: &[(String, Value)], indent: usize, in_flow: bool) -> Vec<String> {
    let margin = " ".repeat(indent);
    if in_flow || vars.is_empty() {
        return vec![format!("{margin}{}\n", flow(name, vars))];
    }
    let head = format!("{margin}{}:\n", key(name));
    let vars = vars.iter().map(|(name, value)| format!("{margin}  {}: {}\n", key(name), scalar(value)));
    std::iter::once(head).chain(vars).collect()
}

/// A text by lines, each with its end.
struct Page<'a> {
    lines: Vec<&'a str>,
    crlf: bool,
}

impl Page<'_> {
    fn of(text: &str) -> Page<'_> {
        Page { lines: text.split_inclusive('\n').collect(), crlf: text.contains("\r\n") }
    }

    /// The text with the host in the group.
    fn with(&self, group: &Place<'_>, name: &str, vars: &[(String, Value)]) -> Option<String> {
        let indent = group.entry.site.column.checked_sub(1)?;
        let value = &group.entry.value;
        match child(value, "hosts") {
            Some(hosts) if self.starts_flow(&hosts.value) => self.into_flow(&hosts.value, &in_flow(name, vars)),
            Some(hosts) => {
                let Data::Map(entries) = &hosts.value.data else {
                    let step = hosts.site.column.checked_sub(1)?.saturating_sub(indent).max(1);
                    return Some(self.after(hosts.site.line, &lines(name, vars, hosts.site.column - 1 + step, false)));
                };
                let last = entries.iter().max_by_key(|entry| entry.site.line)?;
                let margin = last.site.column.checked_sub(1)?;
                let like = self.starts_flow(&last.value);
                Some(self.after(self.end(last.site.line, margin), &lines(name, vars, margin, like)))
            }
            None if self.starts_flow(value) => self.into_flow(value, &format!("hosts: {{ {} }}", in_flow(name, vars))),
            None => {
                let Data::Map(entries) = &value.data else {
                    let mut block = vec![format!("{}hosts:\n", " ".repeat(indent + 2))];
                    block.extend(lines(name, vars, indent + 4, false));
                    return value.is_null().then(|| self.after(group.entry.site.line, &block));
                };
                let margin = entries.first()?.site.column.checked_sub(1)?;
                let mut block = vec![format!("{}hosts:\n", " ".repeat(margin))];
                block.extend(lines(name, vars, margin + 2, false));
                Some(self.after(group.entry.site.line, &block))
            }
        }
    }

    /// The byte in the text where a place is.
    fn offset(&self, site: &Site) -> Option<usize> {
        let before: usize = self.lines.iter().take(site.line.checked_sub(1)?).map(|line| line.len()).sum();
        let line = self.lines.get(site.line - 1)?;
        let within = line.char_indices().nth(site.column.checked_sub(1)?).map_or(line.len(), |(at, _)| at);
        Some(before + within)
    }

    fn starts_flow(&self, node: &Node) -> bool {
        let text = self.lines.concat();
        self.offset(&node.site).is_some_and(|at| text[at..].starts_with('{'))
    }

    /// Put something first into a `{ }`.
    fn into_flow(&self, node: &Node, what: &str) -> Option<String> {
        let text = self.lines.concat();
        let open = self.offset(&node.site)? + 1;
        let (before, after) = text.split_at(open);
        let empty = after.trim_start().starts_with('}');
        let after = if empty { after.trim_start() } else { after };
        Some(format!("{before} {what}{}{after}", if empty { " " } else { "," }))
    }

    /// The last line of what begins in a line at a margin: all that is further to the right.
    fn end(&self, line: usize, margin: usize) -> usize {
        let mut end = line;
        for (number, text) in self.lines.iter().enumerate().skip(line) {
            let text = text.trim_end();
            let word = text.trim_start();
            if word.is_empty() {
                continue;
            }
            let closes = word.starts_with(['}', ']']) && text.len() - word.len() == margin;
            if text.len() - word.len() <= margin && !closes {
                break;
            }
            end = number + 1;
        }
        end
    }

    /// The text with lines more behind a line.
    fn after(&self, line: usize, more: &[String]) -> String {
        let ending = if self.crlf { "\r\n" } else { "\n" };
        let mut text: String = self.lines.iter().take(line).copied().collect();
        if !text.ends_with('\n') {
            text += ending;
        }
        more.iter().for_each(|line| text += &line.replace('\n', ending));
        self.lines.iter().skip(line).for_each(|line| text += line);
        text
    }
}

/// A host inside braces, where every key has a value.
fn in_flow(name: &str, vars: &[(String, Value)]) -> String {
    if vars.is_empty() { format!("{}: null", key(name)) } else { flow(name, vars) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(text: &str, groups: &[&str]) -> String {
        let vars = vec![("ansible_host".to_owned(), json!("10.0.0.9")), ("ansible_port".to_owned(), json!(2222))];
        let groups = groups.iter().map(ToString::to_string).collect();
        add_host("i.yaml", text, &Newcomer { name: "new".to_owned(), vars, groups }).unwrap_or_else(|e| e.to_string())
    }

    #[test]
    fn a_host_is_written_as_its_neighbours_are() {
        let block = "    new:\n      ansible_host: 10.0.0.9\n      ansible_port: 2222\n";
        let line = "new: { ansible_host: 10.0.0.9, ansible_port: 2222 }";
        let cases: &[(&str, &[&str], String)] = &[
            ("", &[], format!("all:\n  hosts:\n{block}")),
            ("# mine\n", &[], format!("# mine\nall:\n  hosts:\n{block}")),
            (
                "all:\n  hosts:\n    a:\n      x: 1  # one\n\n# end\n",
                &[],
                format!("all:\n  hosts:\n    a:\n      x: 1  # one\n{block}\n# end\n"),
            ),
            (
                "all:\n  hosts:\n    a: { x: 1 }\n  vars: { y: 2 }",
                &[],
                format!("all:\n  hosts:\n    a: {{ x: 1 }}\n    {line}\n  vars: {{ y: 2 }}"),
            ),
            (
                "all:\n  hosts:\n    a: {\n      x: 1\n    }\n",
                &[],
                format!("all:\n  hosts:\n    a: {{\n      x: 1\n    }}\n    {line}\n"),
            ),
            ("all: { hosts: { a: {} } }\n", &[], format!("all: {{ hosts: {{ {line}, a: {{}} }} }}\n")),
            ("all: { hosts: {} }\n", &[], format!("all: {{ hosts: {{ {line} }} }}\n")),
            ("all:\n  vars:\n    x: 1\n", &[], format!("all:\n  hosts:\n{block}  vars:\n    x: 1\n")),
            ("web:\n  hosts:\n    a:\n", &[], format!("web:\n  hosts:\n    a:\nall:\n  hosts:\n{block}")),
            ("web:\n", &["web"], format!("web:\n  hosts:\n{block}")),
            ("web:\n  hosts:\n    # none yet\n", &["web"], format!("web:\n  hosts:\n{block}    # none yet\n")),
            ("all:\r\n  hosts:\r\n    a:\r\n", &[], format!("all:\n  hosts:\n    a:\n{block}").replace('\n', "\r\n")),
            (
                "all:\n  children:\n    a:\n      hosts:\n        x:\n    b:\nb:\n  hosts:\n    y:\n",
                &["b", "a"],
                format!(
                    "all:\n  children:\n    a:\n      hosts:\n        x:\n        new:\n    b:\nb:\n  hosts:\n    y:\n{block}"
                ),
            ),
            (
                "all:\n  hosts:\n    a:\n      text: |\n        b:\n          c\n  children:\n    w:\n",
                &[],
                format!("all:\n  hosts:\n    a:\n      text: |\n        b:\n          c\n{block}  children:\n    w:\n"),
            ),
        ];
        for (text, groups, wanted) in cases {
            assert_eq!(add(text, groups), *wanted, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_written_safely_is_refused() {
        assert_eq!(add("all:\n  hosts:\n", &["wbe"]), "i.yaml has no group `wbe`");
        for text in ["all:\n  hosts: ~\n", "all:\n  hosts: &h\n    a:\nweb: *h\n", "- a\n"] {
            assert!(add(text, &[]).contains("cannot be put into by itself"), "{text}: {}", add(text, &[]));
        }
        assert!(add("all: [\n", &[]).starts_with("did not find"), "{}", add("all: [\n", &[]));
    }

    #[test]
    fn names_and_values_stay_what_they_are() {
        let host = Newcomer {
            name: "1e3".into(),
            vars: vec![("ansible_host".into(), json!("fe80::1")), ("ansible_user".into(), json!("yes"))],
            groups: Vec::new(),
        };
        let text = add_host("i.yaml", "", &host).unwrap();
        assert_eq!(
            text,
            "all:\n  hosts:\n    \"1e3\":\n      ansible_host: \"fe80::1\"\n      ansible_user: \"yes\"\n"
        );
    }
}
