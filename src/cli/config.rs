//! The project's configuration: `hlrun.yaml`, found upward from here. Its keys are the names of the flags.

use super::args::Cli;
use super::screen;
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{ArgAction, Command, CommandFactory};
use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error as _;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use stdlib::contract::{Error, Result, Site, nearest};
use stdlib::shared::channel::{self, Channels};
use stdlib::shared::yaml;

/// A configuration file, read.
pub struct Config {
    /// Where it lies: the project's directory.
    pub dir: PathBuf,
    /// The file.
    pub path: PathBuf,
    values: Vec<(String, Value, Site)>,
    /// How the project reaches people and services, by name.
    channels: Channels,
}

const NAMES: [&str; 2] = ["hlrun.yaml", "hlrun.yml"];

/// The one key that is no flag.
const CHANNELS: &str = "channels";

/// What commands need of the project they work in.
#[derive(Clone, Default)]
pub struct Project {
    /// Its directory, if there is one.
    pub dir: Option<PathBuf>,
    /// How it reaches people and services, by name.
    pub channels: Channels,
}

impl Project {
    /// This project; if it has no directory, with that of the one above a place.
    pub fn or_above(self, place: &Path) -> Project {
        Project { dir: self.dir.or_else(|| above(place)), ..self }
    }
}

/// The project's directory above a place: the first with an `hlrun.yaml`.
pub fn above(place: &Path) -> Option<PathBuf> {
    let place = std::path::absolute(if place.as_os_str().is_empty() { Path::new(".") } else { place }).ok()?;
    place.ancestors().find(|dir| NAMES.iter().any(|name| dir.join(name).is_file())).map(Path::to_path_buf)
}

/// The configuration: `HLRUN_CONFIG`, then upward from the playbook, then upward from here, then the user's
/// and the system's own.
pub fn find(argv: &[OsString]) -> Result<Option<Config>, Vec<Error>> {
    if let Some(path) = std::env::var_os("HLRUN_CONFIG").filter(|path| !path.is_empty()) {
        return read(Path::new(&path)).map(Some);
    }
    let playbook = super::args::playbook(argv);
    let beside = playbook.as_deref().and_then(Path::parent).and_then(above);
    let dir = beside.or_else(|| std::env::current_dir().ok().as_deref().and_then(above));
    if let Some(dir) = dir {
        if is_public(&dir) {
            screen::err(&format!("warning: {} is writable by everyone: its hlrun.yaml is not read", dir.display()));
        } else if let Some(name) = NAMES.iter().find(|name| dir.join(name).is_file()) {
            return read(&dir.join(name)).map(Some);
        }
    }
    let home = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
    let personal = home.map(|home| home.join("hlrun/config.yaml"));
    let found = personal.into_iter().chain([PathBuf::from("/etc/hlrun/config.yaml")]).find(|path| path.is_file());
    found.map(|path| read(&path)).transpose()
}

fn is_public(dir: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    dir.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o002 != 0)
}

fn read(path: &Path) -> Result<Config, Vec<Error>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|e| vec![Error::playbook(format!("cannot read {name}: {e}"))])?;
    let root = yaml::parse(&name, &text)?;
    let mut entries = match root.data {
        yaml::Data::Map(entries) => entries,
        _ if root.is_null() => Vec::new(),
        _ => return Err(vec![Error::playbook(format!("a configuration is a map, not {}", root.kind())).at(root.site)]),
    };
    let channels = entries.iter().find(|e| e.key == CHANNELS).map(|e| channel::read(&e.value)).transpose()?;
    entries.retain(|e| e.key != CHANNELS);
    let values = entries.into_iter().map(|e| (e.key, e.value.to_json(), e.site)).collect();
    let dir = path.parent().map(Path::to_path_buf).unwrap_or_default();
    Ok(Config { dir, path: path.to_path_buf(), values, channels: channels.unwrap_or_default() })
}

impl Config {
    /// The project that it configures.
    pub fn project(&self) -> Project {
        Project { dir: Some(self.dir.clone()), channels: self.channels.clone() }
    }

    /// The command with these values as defaults of its flags. Unknown keys are errors, all at once.
    pub fn defaults(&self, command: Command) -> Result<Command, Vec<Error>> {
        let flags = flags();
        let mut errors = Vec::new();
        let mut defaults: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, value, site) in &self.values {
            let flag = key.replace('-', "_");
            if !flags.contains_key(&flag) {
                let error = Error::playbook(format!("unknown setting `{key}`")).at(site.clone());
                errors.push(match nearest(&flag, flags.keys().map(String::as_str).chain([CHANNELS])) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint("hlrun config lists them"),
                });
                continue;
            }
            let texts: Vec<String> = match value {
                Value::Array(items) => items.iter().map(text).collect(),
                // In YAML `off` is a boolean.
                Value::Bool(false) if flag == "host_keys" => vec!["off".to_owned()],
                other => vec![text(other)],
            };
            if let Err(expected) = accepts(&flag, value, &texts) {
                let given = texts.join(", ");
                errors.push(Error::playbook(format!("`{key}` cannot be `{given}`")).hint(expected).at(site.clone()));
                continue;
            }
            let is_path = ["inventory", "private_key", "become_password_file", "vault_password_file"];
            let texts = texts.into_iter().map(|text| match flag.as_str() {
                "vault_id" => self.labelled(&text),
                flag if is_path.contains(&flag) => self.beside(&text),
                _ => text,
            });
            let texts = texts.collect();
            defaults.insert(flag, texts);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(with(command, &defaults))
    }
}

/// A command with these values as defaults, and so what is below it.
fn with(command: Command, defaults: &BTreeMap<String, Vec<String>>) -> Command {
    let own: Vec<String> = command.get_arguments().map(|arg| arg.get_id().to_string()).collect();
    let own = defaults.iter().filter(|(flag, _)| own.contains(flag));
    let command =
        own.fold(command, |command, (flag, values)| command.mut_arg(flag, |arg| arg.default_values(values.clone())));
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, |sub| with(sub, defaults)))
}

impl Config {
    /// A path, or several with commas, from where the configuration lies; a list of hosts stays what it is.
    fn beside(&self, text: &str) -> String {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let full = |part: &str| match (part.strip_prefix("~/"), &home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => self.dir.join(part),
        };
        let parts = || text.split(',').map(str::trim).filter(|part| !part.is_empty());
        if !text.contains(',') {
            full(text).display().to_string()
        } else if parts().all(|part| full(part).exists()) {
            parts().map(|part| full(part).display().to_string()).collect::<Vec<_>>().join(",")
        } else {
            text.to_owned()
        }
    }
}

impl Config {
    /// Vault ids, several with commas: `label@file` with the file from where the configuration lies.
    fn labelled(&self, text: &str) -> String {
        let full = |id: &str| match id.split_once('@') {
            Some((label, source)) if source != "prompt" => format!("{label}@{}", self.beside(source)),
            None if id != "prompt" => self.beside(id),
            _ => id.to_owned(),
        };
        text.split(',').map(str::trim).map(full).collect::<Vec<_>>().join(",")
    }
}

/// Every flag that can be set, with its environment variable.
fn flags() -> BTreeMap<String, String> {
    let command = Cli::command();
    let args = command.get_subcommands().flat_map(|sub| sub.get_arguments().cloned().collect::<Vec<_>>());
    args.filter_map(|arg| Some((arg.get_id().to_string(), arg.get_env()?.to_string_lossy().into_owned()))).collect()
}

/// Whether a flag takes these values; if not, what it takes.
fn accepts(flag: &str, value: &Value, texts: &[String]) -> Result<(), String> {
    let command = Cli::command();
    let mut args = command.get_subcommands().flat_map(Command::get_arguments);
    let Some(arg) = args.find(|arg| arg.get_id() == flag && arg.get_env().is_some()) else { return Ok(()) };
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return value.is_boolean().then_some(()).ok_or_else(|| "it is true or false".to_owned());
    }
    let map = value.is_object() && flag != "extra_vars";
    if map || value.is_null() || (value.is_array() && !matches!(arg.get_action(), ArgAction::Append)) {
        return Err("it takes one value".to_owned());
    }
    // The flag itself knows, wherever its value comes from.
    let arg = arg.clone().default_values(texts.to_vec()).env(None::<&str>);
    let Err(error) = Command::new("hlrun").arg(arg).try_get_matches_from(["hlrun"]) else { return Ok(()) };
    Err(match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) => format!("it is one of {}", values.join(", ")),
        _ => error.source().map_or_else(|| "it is no valid value".to_owned(), ToString::to_string),
    })
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `hlrun config`: every setting, its value and where that comes from. Returns the exit code.
pub fn show(config: Option<&Config>) -> u8 {
    let mut command = Cli::command();
    if let Some(config) = config {
        screen::out(&format!("# {}", config.path.display()));
        command = match config.defaults(command) {
            Ok(command) => command,
            Err(errors) => return screen::fail(&errors),
        };
    }
    let matches = match command.try_get_matches_from(["hlrun", "run", "playbook"]) {
        Ok(matches) => matches,
        Err(error) => {
            let _ = error.print();
            return super::USAGE;
        }
    };
    let Some((_, matches)) = matches.subcommand() else { return super::USAGE };
    for (flag, variable) in flags() {
        let raw = matches.try_get_raw(&flag).ok().flatten();
        let value = raw.map(|values| values.map(|v| v.to_string_lossy().into_owned()).collect::<Vec<_>>().join(", "));
        let configured = config.and_then(|config| config.values.iter().find(|(key, ..)| key.replace('-', "_") == flag));
        let origin = match matches.try_contains_id(&flag).ok().and_then(|_| matches.value_source(&flag)) {
            Some(ValueSource::EnvVariable) => variable,
            Some(ValueSource::DefaultValue) if configured.is_some() => {
                configured.map(|(_, _, site)| site.to_string()).unwrap_or_default()
            }
            _ => "default".to_owned(),
        };
        screen::out(&format!("{flag}: {}  # {origin}", value.unwrap_or_default()));
    }
    0
}
