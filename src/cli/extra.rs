//! `--extra-vars`: `k=v k2="v 2"`, JSON or a YAML map in braces, or `@file` with YAML or JSON.

use crate::inventory::{Definition, Vault};
use serde_json::{Map, Value};
use std::path::Path;
use stdlib::contract::{Error, Result, Site};
use stdlib::shared::yaml;

/// All of them in order: of several with one name the last counts. Files may be encrypted.
pub fn extra_vars(given: &[String], vault: &Vault) -> Result<Vec<Definition>, Vec<Error>> {
    let mut vars = Vec::new();
    for text in given {
        let text = text.trim();
        match text.strip_prefix('@') {
            Some(path) => vars.extend(vault.variables(Path::new(path))?),
            None => {
                let more = inline(text).map_err(|e| vec![e])?;
                vars.extend(more.into_iter().map(|(name, value)| Definition::new(&name, value, &place())));
            }
        }
    }
    Ok(vars)
}

/// Whether one of them, not counting files, has this name.
pub fn names(given: &[String], name: &str) -> bool {
    let texts = given.iter().map(|text| text.trim()).filter(|text| !text.starts_with('@'));
    texts.filter_map(|text| inline(text).ok()).any(|vars| vars.contains_key(name))
}

fn place() -> Site {
    Site { file: "--extra-vars".to_owned(), ..Site::default() }
}

fn inline(text: &str) -> Result<Map<String, Value>> {
    if text.starts_with('{') {
        if let Ok(value) = serde_json::from_str(text) {
            return map(value, text);
        }
        let value = yaml::parse("--extra-vars", text).map(|node| node.to_json());
        let why = |errors: Vec<Error>| errors.into_iter().next().map(|e| e.message.clone()).unwrap_or_default();
        return map(value.map_err(|errors| wrong(text, &why(errors)))?, text);
    }
    pairs(text)
}

fn wrong(text: &str, why: &str) -> Error {
    Error::playbook(format!("cannot read `{text}`: {why}"))
        .at(place())
        .hint("write k=v, {\"k\": \"v\"}, {k: v} or @FILE")
}

fn map(value: Value, what: &str) -> Result<Map<String, Value>> {
    match value {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(Map::new()),
        _ => Err(wrong(what, "it is not a map")),
    }
}

/// `k=v` pairs, split as a shell splits words.
fn pairs(text: &str) -> Result<Map<String, Value>> {
    let mut vars = Map::new();
    for word in words(text) {
        let (name, value) = word.split_once('=').ok_or_else(|| wrong(text, &format!("`{word}` has no `=`")))?;
        let good = |c: char| c.is_alphanumeric() || c == '_';
        if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') || !name.chars().all(good) {
            return Err(wrong(text, &format!("`{name}` is no name of a variable")));
        }
        vars.insert(name.to_owned(), Value::String(value.to_owned()));
    }
    Ok(vars)
}

fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut any) = (Vec::new(), String::new(), None, false);
    for c in text.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '"' | '\'') => (quote, any) = (Some(c), true),
            (None, c) if c.is_whitespace() => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            (_, c) => word.push(c),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_vars_are_pairs_or_json() {
        let read = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            extra_vars(&texts, &Vault::default())
                .map(|vars| vars.into_iter().map(|var| format!("{}={}", var.name, var.value)).collect::<Vec<_>>())
        };
        let given = read(&["a=1 b='two words'", r#"{"c": [1], "a": true}"#]).unwrap();
        assert_eq!(given, ["a=\"1\"", "b=\"two words\"", "c=[1]", "a=true"]);
        assert_eq!(read(&["{a: 1, b: yes}"]).unwrap(), ["a=1", "b=true"]);
        for wrong in ["nothing", "=x", "1a=x", "a-b=x", "{a: 1", "{a: [}", "@/nowhere"] {
            assert!(read(&[wrong]).is_err(), "{wrong}");
        }
    }
}
