//! What templates may ask of the controller: files and templates of the project, and its environment.

use crate::transport::asset;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use stdlib::contract::{Error, Result, nearest};
use stdlib::shared::template::{Ask, Engine, Hooks};

/// An engine for templates that finds files in these directories.
pub fn engine(roots: &[PathBuf]) -> Engine {
    let (files, templates) = (roots.to_vec(), roots.to_vec());
    let lookup = move |ask: &Ask| lookup(ask, &files);
    let load = move |name: &str| text(name, &templates);
    Engine::new(Hooks { lookup: Some(Arc::new(lookup)), load: Some(Arc::new(load)), world: Some(crate::lookup::WORLD) })
}

fn lookup(ask: &Ask, roots: &[PathBuf]) -> Result<Value> {
    let terms = ask.terms.iter().map(|term| term.as_str().map_or_else(|| term.to_string(), str::to_owned));
    let answers: Result<Vec<Value>> = match ask.name.as_str() {
        "file" => terms
            .map(|path| match text(&path, roots)? {
                Some(text) => Ok(Value::String(text.trim_end().to_owned())),
                None => Err(Error::playbook(format!("lookup('file'): no file `{path}` on the controller"))),
            })
            .collect(),
        "env" => terms.map(|name| Ok(Value::String(std::env::var(name).unwrap_or_default()))).collect(),
        other => {
            let error = Error::playbook(format!("lookup('{other}') is not supported"));
            Err(match nearest(other, ["file", "env"]) {
                Some(near) => error.hint(format!("did you mean '{near}'?")),
                None => error.hint("there are 'file' and 'env'; anything else can be a variable of the play"),
            })
        }
    };
    let mut answers = answers?;
    Ok(if answers.len() == 1 { answers.remove(0) } else { Value::Array(answers) })
}

fn text(path: &str, roots: &[PathBuf]) -> Result<Option<String>> {
    let Some(content) = asset(path, roots)?.and_then(|asset| asset.content) else { return Ok(None) };
    String::from_utf8(content).map(Some).map_err(|_| Error::playbook(format!("{path} is not UTF-8 text")))
}
