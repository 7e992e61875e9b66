//! What the Jinja inside variables may look up on the controller: the environment and files.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stdlib::contract::{Error, Result};
use stdlib::shared::template::{Ask, Engine, Hooks};

/// An engine whose `lookup('env', ...)` and `lookup('file', ...)` look in these directories.
pub(super) fn engine(places: &[PathBuf]) -> Engine {
    let places = places.to_vec();
    Engine::new(Hooks {
        lookup: Some(Arc::new(move |ask| answer(ask, &places))),
        load: None,
        world: Some(crate::lookup::WORLD),
    })
}

fn answer(ask: &Ask, places: &[PathBuf]) -> Result<Value> {
    let words = ask.terms.iter().map(|term| term.as_str().unwrap_or_default());
    let default = ask.options.get("default").cloned();
    match ask.name.as_str() {
        "env" => Ok(words
            .map(|name| match std::env::var(name) {
                Ok(value) => Value::String(value),
                Err(_) => default.clone().unwrap_or_else(|| Value::String(String::new())),
            })
            .collect()),
        "file" => words.map(|name| file(name, places).map(Value::String)).collect(),
        other => Err(Error::playbook(format!("`lookup('{other}', ...)` is not answered in variables yet"))
            .hint("`env`, `file` and `vars` are; give anything else with -e or compute it in the playbook")),
    }
}

fn file(name: &str, places: &[PathBuf]) -> Result<String> {
    let home = std::env::var("HOME").unwrap_or_default();
    let name = name.strip_prefix("~/").map_or(name.to_owned(), |rest| format!("{home}/{rest}"));
    let tried = places.iter().flat_map(|dir| [dir.join("files").join(&name), dir.join(&name)]);
    let found = tried.chain([Path::new(&name).to_owned()]).find(|path| path.is_file());
    let Some(path) = found else {
        return Err(Error::playbook(format!("no file `{name}` for `lookup('file', ...)`"))
            .hint("files are looked for beside the inventory and the playbook, and in their `files`"));
    };
    let text =
        fs::read_to_string(&path).map_err(|e| Error::playbook(format!("cannot read {}: {e}", path.display())))?;
    Ok(text.trim_end().to_owned())
}
