//! One inventory file in Ansible's INI form: `[group]`, `[group:children]`, `[group:vars]`.

use super::model::Definition;
use super::source::{Source, port};
use super::{literal, range, shlex};
use stdlib::contract::{Error, Site, nearest};

/// What a line of the file says.
pub(super) struct Line {
    site: Site,
    says: Says,
}

enum Says {
    Group(String, &'static str),
    Hosts { names: Vec<String>, port: Option<u16>, vars: Vec<Definition> },
    Child(String),
    Var(Definition),
}

/// The lines of a file. Groups are not looked up yet: that is [`Source::ini`].
pub(super) fn parse(file: &str, text: &str) -> Result<Vec<Line>, Vec<Error>> {
    let (mut lines, mut errors) = (Vec::new(), Vec::new());
    let mut section = "hosts";
    for (number, raw) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        let line = raw.trim();
        let column = raw.chars().take_while(|c| c.is_whitespace()).count() + 1;
        let site = Site { file: file.to_owned(), line: number + 1, column };
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let says = match header(line) {
            Some(Ok((group, kind))) => {
                section = kind;
                Ok(Says::Group(group.to_owned(), kind))
            }
            Some(Err(error)) => Err(error),
            None => match section {
                "vars" => variable(line, &site).map(Says::Var),
                "children" => child(line),
                _ => hosts(line, &site),
            },
        };
        match says {
            Ok(says) => lines.push(Line { site, says }),
            Err(error) => errors.push(error.at(site)),
        }
    }
    if errors.is_empty() { Ok(lines) } else { Err(errors) }
}

/// The group and the kind of a section, if the line begins one.
fn header(line: &str) -> Option<Result<(&str, &'static str), Error>> {
    let name = |c: char| !c.is_whitespace() && c != ':' && c != ']';
    let rest = line.strip_prefix('[')?;
    let (inside, after) = rest.split_once(']').unwrap_or((rest, "]"));
    let (group, kind) = inside.split_once(':').map_or((inside, None), |(group, kind)| (group, Some(kind)));
    let after = after.trim_start();
    let good = !group.is_empty() && group.chars().all(name) && (after.is_empty() || after.starts_with('#'));
    let plain = |kind: &str| !kind.is_empty() && kind.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !good || !kind.is_none_or(plain) {
        // A host may be a range from its first letter, or an address in brackets.
        return line.ends_with(']').then(|| {
            Err(Error::playbook(format!("`{line}` is no section"))
                .hint("write [group], [group:children] or [group:vars], without blanks"))
        });
    }
    let kinds = ["hosts", "children", "vars"];
    let kind = kind.unwrap_or("hosts");
    Some(kinds.into_iter().find(|known| *known == kind).map(|kind| (group, kind)).ok_or_else(|| {
        let error = Error::playbook(format!("a section has no kind `{kind}`"));
        match nearest(kind, kinds) {
            Some(meant) => error.hint(format!("did you mean [{group}:{meant}]?")),
            None => error.hint("its kinds are children and vars; a port goes behind a host"),
        }
    }))
}

fn variable(line: &str, site: &Site) -> Result<Definition, Error> {
    let wrong = || Error::playbook(format!("`{line}` is no variable")).hint("write name=value, one on a line");
    let (name, value) = line.split_once('=').ok_or_else(wrong)?;
    Ok(Definition::new(name.trim(), literal::value(value.trim()), site))
}

fn child(line: &str) -> Result<Says, Error> {
    let name = line.split('#').next().unwrap_or_default().trim();
    if name.is_empty() || name.contains([':', ']']) || name.contains(char::is_whitespace) {
        let wrong = Error::playbook(format!("`{line}` is no name of a group"));
        return Err(wrong.hint("one group on a line; their hosts go under their own [group]"));
    }
    Ok(Says::Child(name.to_owned()))
}

fn hosts(line: &str, site: &Site) -> Result<Says, Error> {
    let words = shlex::split(line).map_err(|why| {
        let wrong = Error::playbook(format!("{why} in `{line}`"));
        wrong.hint("put values with blanks or quotes into quotes: name='two words'")
    })?;
    let Some((pattern, pairs)) = words.split_first() else { return Err(Error::playbook("no host")) };
    if pattern == "---" || pattern == "-" {
        return Err(Error::playbook(format!("`{pattern}` is YAML, and this file is in INI form"))
            .hint("name a YAML inventory .yml or .yaml"));
    }
    let (name, port) = port(pattern);
    if name.ends_with(':') {
        return Err(Error::playbook(format!("`{name}` ends with a colon")).hint("a port goes behind it: nas:2222"));
    }
    let names = range::expand(name).map_err(Error::playbook)?;
    let mut vars = Vec::new();
    for pair in pairs {
        let Some((name, value)) = pair.split_once('=') else {
            let wrong = Error::playbook(format!("`{pair}` is no variable of `{pattern}`"));
            return Err(wrong.hint("write name=value; one host (or one range) on a line"));
        };
        let before = line.find(&format!("{name}=")).map_or(0, |at| line[..at].chars().count());
        let site = Site { column: site.column + before, ..site.clone() };
        vars.push(Definition::new(name, literal::value(value), &site));
    }
    Ok(Says::Hosts { names, port, vars })
}

impl Source<'_> {
    /// Puts the lines of a file into the model. A section for the variables or children of a group needs the group
    /// to be there: in this file or in one before.
    pub fn ini(&mut self, lines: Vec<Line>) {
        let mut known: Vec<String> = self.data.groups.keys().cloned().collect();
        known.extend(lines.iter().filter_map(|line| match &line.says {
            Says::Group(name, kind) if *kind != "vars" => Some(name.clone()),
            _ => None,
        }));
        let mut group = "ungrouped".to_owned();
        for Line { site, says } in lines {
            match says {
                Says::Group(name, kind) => {
                    if kind == "vars" && !known.contains(&name) {
                        self.undefined(format!("[{name}:vars] is for a group that is nowhere"), &name, &known, &site);
                    }
                    self.data.groups.entry(name.clone()).or_default();
                    group = name;
                }
                Says::Hosts { names, port, vars } => {
                    names.into_iter().for_each(|name| self.host(&group, name, port, &site, &vars));
                }
                Says::Child(name) if !known.contains(&name) => {
                    self.undefined(format!("[{group}:children] names a group that is nowhere"), &name, &known, &site);
                }
                Says::Child(name) => self.child(&group, &name, &site),
                Says::Var(found) => self.var(&group, found),
            }
        }
    }

    fn undefined(&mut self, message: String, name: &str, known: &[String], site: &Site) {
        let hint = match nearest(name, known.iter().map(String::as_str).filter(|known| *known != name)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("begin it with [{name}], even if it has no hosts"),
        };
        self.wrong(message, site, Some(hint));
    }
}
