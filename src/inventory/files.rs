//! The files of an inventory: which there are, what form each has, and the variables in `group_vars` and
//! `host_vars`.

use super::keys::Vault;
use super::model::{Definition, Inventory, VarsDir};
use super::{ini, source, vault};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use stdlib::contract::{Error, Site, nearest};
use stdlib::shared::yaml::{self, Data as Yaml, Node};

/// An inventory file, read.
pub(super) enum Form {
    /// YAML or JSON.
    Yaml(Node),
    /// INI.
    Ini(Vec<ini::Line>),
}

const YAML: [&str; 3] = ["yml", "yaml", "json"];
/// What Ansible leaves out of a directory of inventories.
const IGNORED: [&str; 12] =
    [".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"];

/// The directory of a file.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The inventory files below a directory, in Ansible's order; a file alone is itself.
pub(super) fn tree(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let counts = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name != "vars_plugins" && !is_vars(path) && !IGNORED.iter().any(|end| name.ends_with(end))
    };
    listing(path).into_iter().filter(counts).flat_map(|path| tree(&path)).collect()
}

fn is_vars(path: &Path) -> bool {
    path.ends_with("group_vars") || path.ends_with("host_vars")
}

/// A warning for each `group_vars` and `host_vars` deeper in a directory of inventories: nobody reads them.
pub(super) fn unread(path: &Path) -> Vec<Error> {
    let deeper = listing(path).into_iter().filter(|path| path.is_dir() && !is_vars(path));
    let found = deeper.flat_map(|dir| {
        let own = listing(&dir).into_iter().filter(|path| is_vars(path));
        let warn = own.map(|path| {
            let site = Site { file: path.display().to_string(), ..Site::default() };
            Error::playbook(format!("{} is not read", path.display()))
                .at(site)
                .hint("it counts beside what -i names, as in Ansible: move it up, or name its directory with -i too")
        });
        warn.chain(unread(&dir)).collect::<Vec<_>>()
    });
    found.collect()
}

/// The text of a file, and whether it was encrypted.
pub(super) fn read(path: &Path, vault: &Vault) -> Result<(String, Site, bool), Error> {
    let site = Site { file: path.display().to_string(), ..Site::default() };
    let bytes = fs::read(path).map_err(|e| {
        let wrong = Error::playbook(format!("cannot read {}: {e}", path.display())).at(site.clone());
        wrong.hint("check the path; a relative one begins at the current directory")
    })?;
    let text = |bytes| String::from_utf8(bytes).map_err(|_| Error::playbook("not UTF-8 text").at(site.clone()));
    let outside = text(bytes)?;
    if !outside.starts_with(vault::HEADER) {
        return Ok((outside, site, false));
    }
    let (plain, _) = vault.open(&outside).map_err(|e| e.at(Site { line: 1, column: 1, ..site.clone() }))?;
    Ok((text(plain)?, site, true))
}

/// What to do with a source that hlrun cannot ask.
pub(super) fn remedy(path: &Path) -> String {
    format!("save what it says: `ansible-inventory -i {} --list --yaml --export > hosts.yml`", path.display())
}

/// Reads an inventory file in whichever form it has, and says whether it was encrypted.
pub(super) fn inventory_file(path: &Path, vault: &Vault) -> Result<(Form, bool), Vec<Error>> {
    let (text, site, secret) = read(path, vault).map_err(|error| {
        let program = error.message == "not UTF-8 text" && executable(path);
        vec![if program { script(path) } else { error }]
    })?;
    let end = path.extension().unwrap_or_default().to_string_lossy();
    if text.starts_with("#!") {
        return Err(vec![script(path)]);
    }
    if end == "toml" {
        let wrong = Error::playbook("inventories in TOML are not supported").at(site);
        return Err(vec![wrong.hint(remedy(path))]);
    }
    let yaml = || yaml::parse(&site.file, &text);
    let ini = || ini::parse(&site.file, &text);
    // As Ansible tries them: YAML if the name allows it, then INI.
    let form = if end.is_empty() || YAML.contains(&&*end) {
        match yaml() {
            Ok(root) if matches!(root.data, Yaml::Map(_)) || root.is_null() => Ok(Form::Yaml(root)),
            other => match (ini(), other) {
                (Ok(lines), _) => Ok(Form::Ini(lines)),
                (Err(wrong), _) if is_ini(&text) => Err(wrong),
                (Err(_), Ok(root)) => Ok(Form::Yaml(root)),
                (Err(_), Err(wrong)) => Err(wrong),
            },
        }
    } else {
        match (ini(), yaml()) {
            (Ok(lines), _) => Ok(Form::Ini(lines)),
            // YAML under another name, which Ansible would not look at.
            (Err(_), Ok(root)) if end != "ini" && matches!(root.data, Yaml::Map(_)) => Ok(Form::Yaml(root)),
            (Err(wrong), _) => Err(wrong),
        }
    };
    form.map(|form| (form, secret))
}

fn script(path: &Path) -> Error {
    let site = Site { file: path.display().to_string(), ..Site::default() };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Error::playbook(format!("`{name}` is a program: inventory scripts are not supported")).at(site).hint(remedy(path))
}

fn executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0)
}

/// Whether a text that is neither is rather meant as INI: by its first line.
fn is_ini(text: &str) -> bool {
    let first = text.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with(['#', ';'])).unwrap_or_default();
    let yaml = first.starts_with(['-', '{']) || first.contains(": ") || first.ends_with(':');
    first.starts_with('[') || !yaml
}

/// Everything in `group_vars` and `host_vars` of a directory.
pub(super) fn vars_dir(
    place: &Path,
    at_playbook: bool,
    vault: &Vault,
    errors: &mut Vec<Error>,
    warnings: &mut Vec<Error>,
) -> VarsDir {
    let mut dir = VarsDir { at_playbook, ..VarsDir::default() };
    for (folder, into) in [("group_vars", &mut dir.groups), ("host_vars", &mut dir.hosts)] {
        let mut owners: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for path in listing(&place.join(folder)) {
            if let Some((name, _)) = owner(&path) {
                owners.entry(name).or_default().push(path);
            }
        }
        for (name, mut paths) in owners {
            // Of several, Ansible reads the first: without an ending, then .yml, .yaml, .json.
            paths.sort_by_key(|path| owner(path).map(|(_, rank)| rank));
            for unread in paths.iter().skip(1) {
                let site = Site { file: unread.display().to_string(), ..Site::default() };
                let wrong = Error::playbook(format!("not read: the variables of `{name}` are in two places")).at(site);
                warnings.push(wrong.hint(format!("only {} counts; put both into one directory", paths[0].display())));
            }
            let files = paths.first().map(|path| if path.is_dir() { below(path) } else { vec![path.clone()] });
            for file in files.into_iter().flatten() {
                match vars_file(&file, vault) {
                    Ok(vars) => into.entry(name.clone()).or_default().extend(vars),
                    Err(wrong) => errors.extend(wrong),
                }
            }
        }
    }
    dir
}

/// The entries of a directory, sorted by name, without hidden files and backups; none if there is no directory.
fn listing(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    let shown = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with('.') && !name.ends_with('~')
    };
    let mut paths: Vec<PathBuf> = entries.filter(shown).collect();
    paths.sort();
    paths
}

/// The group or host that a file in `group_vars` or `host_vars` is for, and how late Ansible looks for its ending.
fn owner(path: &Path) -> Option<(String, usize)> {
    let name = path.file_name()?.to_str()?;
    let known =
        YAML.iter().enumerate().find_map(|(rank, end)| Some((name.strip_suffix(end)?.strip_suffix('.')?, rank)));
    match known {
        Some((stem, rank)) if !path.is_dir() => Some((stem.to_owned(), rank + 1)),
        _ => Some((name.to_owned(), 0)),
    }
}

/// The files of variables below a directory.
fn below(dir: &Path) -> Vec<PathBuf> {
    let end = |path: &PathBuf| path.extension().map(|end| end.to_string_lossy().into_owned());
    let nested = |path: PathBuf| match (path.is_dir(), end(&path)) {
        (true, None) => below(&path),
        (false, None) => vec![path],
        (false, Some(end)) if YAML.contains(&end.as_str()) => vec![path],
        _ => Vec::new(),
    };
    listing(dir).into_iter().flat_map(nested).collect()
}

/// The variables of a file: YAML or JSON, encrypted or not.
pub(super) fn vars_file(path: &Path, vault: &Vault) -> Result<Vec<Definition>, Vec<Error>> {
    let (text, site, secret) = read(path, vault).map_err(|error| vec![error])?;
    let root = yaml::parse(&site.file, &text)?;
    match &root.data {
        Yaml::Map(entries) => Ok(entries.iter().map(|entry| source::definition(entry, vault, secret)).collect()),
        Yaml::Scalar(Value::Null) => Ok(Vec::new()),
        _ => {
            let wrong = Error::playbook(format!("variables are a map, and this is {}", root.kind()));
            Err(vec![wrong.at(root.site.clone()).hint("write `name: value`")])
        }
    }
}

impl Inventory {
    /// The variables in a file of a project, or in the YAML and JSON files of a directory one after the other. It is
    /// looked for in these directories, and in the `vars` beside each. What is encrypted is opened.
    pub fn vars_in(&self, path: &str, roots: &[PathBuf]) -> Result<serde_json::Map<String, Value>, Error> {
        let places = || roots.iter().flat_map(|root| [root.join(path), root.join("vars").join(path)]);
        let Some(found) = places().find(|place| place.exists()) else {
            let beside = places().filter_map(|place| Some(listing(place.parent()?)));
            let names = beside.flatten().filter_map(|near| Some(near.file_name()?.to_string_lossy().into_owned()));
            let names: Vec<String> = names.filter(|name| is_yaml(Path::new(name))).collect();
            let wanted = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
            let error = Error::playbook(format!("there is no file of variables `{path}`"));
            return Err(match nearest(&wanted, names.iter().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint("it is looked for beside the playbook and in the project, and in the `vars` there"),
            });
        };
        let files = match found.is_dir() {
            true => listing(&found).into_iter().filter(|file| file.is_file() && is_yaml(file)).collect(),
            false => vec![found],
        };
        let mut vars = serde_json::Map::new();
        for file in files {
            let read = self.vault().variables(&file);
            let read = read.map_err(|errors| errors.into_iter().next().unwrap_or_else(|| Error::bug("no error")))?;
            vars.extend(read.into_iter().map(|var| (var.name, var.value)));
        }
        Ok(vars)
    }
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|end| YAML.contains(&&*end.to_string_lossy()))
}

impl Vault {
    /// The variables in a file: YAML or JSON, encrypted or not.
    pub fn variables(&self, path: &Path) -> Result<Vec<Definition>, Vec<Error>> {
        vars_file(path, self)
    }
}
