//! `file`, `env`, `fileglob` and `first_found`.

use super::{flag, only, option, words};
use regex::Regex;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use stdlib::contract::{Error, Result, nearest};
use stdlib::shared::template::Ask;

/// Where a name leads that begins with `~`.
pub(super) fn home(name: &str) -> String {
    match (name.strip_prefix("~/"), std::env::var("HOME")) {
        (Some(rest), Ok(home)) => format!("{home}/{rest}"),
        _ => name.to_owned(),
    }
}

/// The file of a name: in the folder of each place, in the place itself, from where hlrun was called.
pub(super) fn find(name: &str, folder: &str, places: &[PathBuf]) -> Option<PathBuf> {
    let name = home(name);
    let beside = places.iter().flat_map(|place| [place.join(folder).join(&name), place.join(&name)]);
    beside.chain([PathBuf::from(&name)]).find(|path| path.is_file())
}

/// The text of a file.
pub(super) fn text(path: &Path) -> Result<String> {
    let failed = |why: &dyn std::fmt::Display| Error::playbook(format!("cannot read {}: {why}", path.display()));
    String::from_utf8(fs::read(path).map_err(|e| failed(&e))?).map_err(|_| failed(&"it is not UTF-8 text"))
}

/// What is wrong when a file is missing, with the name that it may have been.
pub(super) fn missing(ask: &Ask, name: &str, places: &[PathBuf]) -> Error {
    let error = Error::playbook(format!("lookup('{}'): no file `{name}` on the controller", ask.name));
    let (dir, file) = name.rsplit_once('/').unwrap_or(("", name));
    let dirs = places.iter().flat_map(|place| [place.join("files").join(dir), place.join(dir)]);
    let names: Vec<String> = dirs
        .filter_map(|dir| fs::read_dir(dir).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect();
    match nearest(file, names.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("files are looked for beside the inventory and the playbook, and in their `files`"),
    }
}

pub(super) fn file(ask: &Ask, places: &[PathBuf]) -> Result<Vec<Value>> {
    only(ask, &["lstrip", "rstrip"])?;
    let read = |name: String| {
        let path = find(&name, "files", places).ok_or_else(|| missing(ask, &name, places))?;
        let text = text(&path)?;
        let text = if flag(ask, "rstrip", true) { text.trim_end() } else { &text };
        Ok(Value::from(if flag(ask, "lstrip", false) { text.trim_start() } else { text }))
    };
    words(ask).map(read).collect()
}

pub(super) fn env(ask: &Ask, _: &[PathBuf]) -> Result<Vec<Value>> {
    only(ask, &["default"])?;
    let default = ask.options.get("default").cloned().unwrap_or_else(|| Value::from(""));
    Ok(words(ask).map(|name| std::env::var(name.trim()).map_or_else(|_| default.clone(), Value::from)).collect())
}

/// A pattern of file names as a regular expression: `*`, `?`, `[a-z]`, `[!a]`.
fn pattern(glob: &str) -> Result<Regex> {
    let mut out = String::from("^");
    let mut rest = glob;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match (c, rest.find(']')) {
            ('*', _) => out += ".*",
            ('?', _) => out += ".",
            ('[', Some(end)) if end > 0 => {
                let set = rest[..end].replace('\\', r"\\");
                out += &match set.strip_prefix('!') {
                    Some(set) => format!("[^{set}]"),
                    None => format!("[{}]", set.replacen('^', r"\^", 1)),
                };
                rest = &rest[end + 1..];
            }
            (c, _) => out += &regex::escape(&c.to_string()),
        }
    }
    Regex::new(&format!("{out}$")).map_err(|_| Error::playbook(format!("`{glob}` is no pattern of file names")))
}

/// Files by a pattern, sorted; the first place that has any decides.
pub(super) fn fileglob(ask: &Ask, places: &[PathBuf]) -> Result<Vec<Value>> {
    only(ask, &[])?;
    let mut found = Vec::new();
    for term in words(ask) {
        let term = home(&term);
        let (dir, name) = term.rsplit_once('/').map_or(("", term.as_str()), |(dir, name)| (dir, name));
        let dir = if term.starts_with('/') && dir.is_empty() { "/" } else { dir };
        let regex = pattern(name)?;
        for dir in places.iter().flat_map(|place| [place.join("files").join(dir), place.join(dir)]) {
            let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
            let named = entries.filter(|entry| {
                let file = entry.file_name();
                let file = file.to_string_lossy();
                regex.is_match(&file) && (!file.starts_with('.') || name.starts_with('.')) && entry.path().is_file()
            });
            let mut paths: Vec<String> = named.map(|entry| absolute(&entry.path())).collect();
            if !paths.is_empty() {
                paths.sort();
                found.extend(paths.into_iter().map(Value::from));
                break;
            }
        }
    }
    Ok(found)
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

/// Texts that a list names, or that stand in one text with commas or semicolons between.
fn listed(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(items)) => items.iter().flat_map(|item| listed(Some(item))).collect(),
        Some(Value::String(text)) => {
            text.split([',', ';']).map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
        }
        _ => Vec::new(),
    }
}

/// The first of several files that is there.
pub(super) fn first_found(ask: &Ask, places: &[PathBuf]) -> Result<Vec<Value>> {
    only(ask, &["files", "paths", "skip"])?;
    let given = if ask.terms.is_empty() { ask.options.get("files").into_iter().collect() } else { flat(&ask.terms) };
    let mut skip = flag(ask, "skip", false);
    let mut tried = Vec::new();
    for term in given {
        let (names, paths) = match term {
            Value::Object(map) => {
                skip |= map.get("skip").is_some_and(|skip| skip == &Value::Bool(true));
                (listed(map.get("files")), listed(map.get("paths")))
            }
            plain => (listed(Some(plain)), listed(ask.options.get("paths"))),
        };
        let beside = |name: &String| paths.iter().map(|path| format!("{path}/{name}")).collect::<Vec<_>>();
        tried.extend(if paths.is_empty() { names } else { names.iter().flat_map(beside).collect() });
    }
    let found = tried.iter().find_map(|name| find(name, "files", places).or_else(|| find(name, "templates", places)));
    match found {
        Some(path) => Ok(vec![Value::from(absolute(&path))]),
        None if skip => Ok(Vec::new()),
        None => Err(Error::playbook(format!("lookup('first_found'): there is none of {}", tried.join(", ")))
            .hint("with `skip=True` it is nothing instead of an error")),
    }
}

fn flat(terms: &[Value]) -> Vec<&Value> {
    terms
        .iter()
        .flat_map(|term| match term {
            Value::Array(items) => flat(items),
            other => vec![other],
        })
        .collect()
}

/// The text of the file that an option names.
pub(super) fn optional(ask: &Ask, name: &str, default: &str, places: &[PathBuf]) -> Result<String> {
    let file = option(ask, name).unwrap_or_else(|| default.to_owned());
    text(&find(&file, "files", places).ok_or_else(|| missing(ask, &file, places))?)
}

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn patterns_are_those_of_the_shell() {
        for (glob, name, want) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.config", false),
            ("?.d", "ab.d", false),
            ("[a-c]x", "bx", true),
            ("[!a]x", "ax", false),
            ("a+b", "a+b", true),
            ("[", "[", true),
        ] {
            assert_eq!(pattern(glob).unwrap().is_match(name), want, "{glob} {name}");
        }
    }
}
