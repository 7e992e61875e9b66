//! What templates may ask of the controller: its files, its environment, its clock and its chance.
//!
//! Everything here happens on the controller, as the user who runs hlrun, when a template is rendered, and in check
//! mode too, as with Ansible: `pipe` runs its command there as well. Only `password` writes, and in check mode it does
//! not: a password that does not exist yet is then made up for the run and kept nowhere.

mod files;
mod ini;
mod password;
mod pipe;
mod world;

pub use world::WORLD;

use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use stdlib::contract::{Error, Result, nearest};
use stdlib::shared::template::{Ask, Engine, Hooks, LOOKUPS};

type Answer = fn(&Ask, &[PathBuf]) -> Result<Vec<Value>>;

const ANSWERS: &[(&str, Answer)] = &[
    ("env", files::env),
    ("file", files::file),
    ("fileglob", files::fileglob),
    ("first_found", files::first_found),
    ("ini", ini::ini),
    ("lines", pipe::lines),
    ("password", password::password),
    ("pipe", pipe::pipe),
];

/// An engine for templates that looks for files in these directories, and in `files` and `templates` there.
pub fn engine(places: &[PathBuf]) -> Engine {
    let (asked, loaded) = (places.to_vec(), places.to_vec());
    let lookup = move |ask: &Ask| answer(ask, &asked);
    let load = move |name: &str| match files::find(name, "templates", &loaded) {
        Some(path) => files::text(&path).map(Some),
        None => Ok(None),
    };
    Engine::new(Hooks { lookup: Some(Arc::new(lookup)), load: Some(Arc::new(load)), world: Some(WORLD) })
}

fn answer(ask: &Ask, places: &[PathBuf]) -> Result<Vec<Value>> {
    if let Some((_, answer)) = ANSWERS.iter().find(|(name, _)| *name == ask.name) {
        return answer(ask, places);
    }
    let known = || ANSWERS.iter().map(|(name, _)| *name).chain(LOOKUPS);
    let error = Error::playbook(format!("lookup('{}') is not supported", ask.name));
    Err(match nearest(&ask.name, known()) {
        Some(near) => error.hint(format!("did you mean '{near}'?")),
        None => {
            let mut names: Vec<&str> = known().collect();
            names.sort_unstable();
            error.hint(format!("there are {}; `pipe` runs any program", names.join(", ")))
        }
    })
}

/// The terms as text.
fn words(ask: &Ask) -> impl Iterator<Item = String> {
    ask.terms.iter().map(|term| term.as_str().map_or_else(|| term.to_string(), str::to_owned))
}

/// A named argument as text; none and nothing are the same.
fn option(ask: &Ask, name: &str) -> Option<String> {
    let value = ask.options.get(name).filter(|value| !value.is_null())?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// A named argument that is on or off.
fn flag(ask: &Ask, name: &str, default: bool) -> bool {
    option(ask, name).map_or(default, |word| matches!(word.to_lowercase().as_str(), "true" | "yes" | "on" | "1"))
}

/// Named arguments that this lookup does not have are an error.
fn only(ask: &Ask, known: &[&str]) -> Result<()> {
    let Some(wrong) = ask.options.keys().find(|key| !known.contains(&key.as_str())) else { return Ok(()) };
    let error = Error::playbook(format!("lookup('{}') has no option `{wrong}`", ask.name));
    Err(match nearest(wrong, known.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None if known.is_empty() => error.hint("it has none"),
        None => error.hint(format!("it has {}", known.join(", "))),
    })
}
