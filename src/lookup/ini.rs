//! `ini`: a value of an INI or properties file, as Python's configparser reads it.

use super::{files, flag, only, option, words};
use regex::Regex;
use serde_json::Value;
use std::path::PathBuf;
use stdlib::contract::{Error, Result, nearest};
use stdlib::shared::template::Ask;

const OPTIONS: [&str; 8] = ["type", "file", "section", "re", "default", "encoding", "case_sensitive", "interpolation"];

pub(super) fn ini(ask: &Ask, places: &[PathBuf]) -> Result<Vec<Value>> {
    only(ask, &OPTIONS)?;
    let mut found = Vec::new();
    for term in words(ask) {
        let (key, ask) = inline(ask, &term);
        let text = files::optional(&ask, "file", "ansible.ini", places)?;
        let properties = option(&ask, "type").as_deref() == Some("properties");
        let section = if properties { String::new() } else { option(&ask, "section").unwrap_or("global".into()) };
        let exact = flag(&ask, "case_sensitive", false);
        let (sections, values) = read(&text, &section, exact);
        if !properties && !sections.contains(&section) && section != "DEFAULT" {
            let error = Error::playbook(format!("lookup('ini'): no section `{section}`"));
            return Err(match nearest(&section, sections.iter().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("there are {}", sections.join(", "))),
            });
        }
        if flag(&ask, "re", false) {
            let regex = Regex::new(&format!("^(?:{key})"));
            let regex = regex.map_err(|e| Error::playbook(format!("`{key}` is no regular expression: {e}")))?;
            found.extend(values.into_iter().filter(|(name, _)| regex.is_match(name)).map(|(_, v)| Value::from(v)));
            continue;
        }
        let name = if exact { key } else { key.to_lowercase() };
        let value = values.into_iter().rev().find(|(known, _)| *known == name).map(|(_, value)| Value::from(value));
        let default = || ask.options.get("default").cloned().unwrap_or_else(|| Value::from(""));
        found.push(value.unwrap_or_else(default));
    }
    Ok(found)
}

/// The older form, all in one text: `user section=db file=x.ini`.
fn inline(ask: &Ask, term: &str) -> (String, Ask) {
    let (mut ask, mut key, mut last) = (ask.clone(), String::new(), None);
    for word in term.split_whitespace() {
        match word.split_once('=').filter(|(name, _)| OPTIONS.contains(name)) {
            Some((name, value)) => {
                ask.options.insert(name.to_owned(), Value::from(value));
                last = Some(name.to_owned());
            }
            None => {
                let before = last.as_ref().and_then(|name| option(&ask, name)).unwrap_or_else(|| key.clone());
                let text = if before.is_empty() { word.to_owned() } else { format!("{before} {word}") };
                match &last {
                    Some(name) => drop(ask.options.insert(name.clone(), Value::from(text))),
                    None => key = text,
                }
            }
        }
    }
    (key, ask)
}

/// The sections of a file, and the values of one of them, after those of `[DEFAULT]`.
fn read(text: &str, wanted: &str, exact: bool) -> (Vec<String>, Vec<(String, String)>) {
    let (mut sections, mut here) = (Vec::new(), String::new());
    let (mut common, mut own) = (Vec::<(String, String)>::new(), Vec::<(String, String)>::new());
    let mut open = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with(['#', ';']) {
            continue;
        }
        if trimmed.is_empty() {
            open = false;
            continue;
        }
        let list = if here == wanted { &mut own } else { &mut common };
        let kept = here == wanted || here == "DEFAULT";
        if line.starts_with([' ', '\t']) && open {
            if let Some((_, value)) = list.last_mut().filter(|_| kept) {
                *value = format!("{value}\n{trimmed}");
            }
        } else if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            here = name.0.to_owned();
            sections.push(here.clone());
            open = false;
        } else {
            let (key, value) = trimmed.split_once(['=', ':']).unwrap_or((trimmed, ""));
            let key = if exact { key.trim().to_owned() } else { key.trim().to_lowercase() };
            if kept {
                list.push((key, value.trim().to_owned()));
            }
            open = true;
        }
    }
    common.extend(own);
    (sections, common)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn values_are_those_of_their_section_and_of_the_default() {
        let text = "# c\n[DEFAULT]\nport = 1\n[db]\nUser: ann\npass = a = b\n  more\n\n[web]\nuser=bob\n";
        let (sections, values) = read(text, "db", false);
        assert_eq!(sections, ["DEFAULT", "db", "web"]);
        let want = [("port", "1"), ("user", "ann"), ("pass", "a = b\nmore")];
        assert_eq!(values, want.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert_eq!(read("a=1\nB=2\n", "", true).1.last().unwrap().0, "B");
    }
}
