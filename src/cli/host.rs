//! `hlrun host add`: a new machine, looked at, its key pinned, and written into the inventory.

use super::args::{HostAdd, HostCommand};
use super::config::Project;
use super::doctor::{Health, Mend, exit, look, show_one, widest};
use super::{run, screen};
use crate::inventory::{Inventory, Newcomer, add_host};
use crate::report::{Color, Paint};
use crate::run::visit;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use stdlib::contract::{Error, Result};

/// Add a host. Returns the exit code.
pub fn host(command: &HostCommand, project: Project) -> u8 {
    let HostCommand::Add(args) = command;
    add(args, project).unwrap_or_else(|errors| screen::fail(&errors))
}

fn add(args: &HostAdd, project: Project) -> Result<u8, Vec<Error>> {
    let one = |error: Error| vec![error];
    let file = file(&args.inventory.inventory).map_err(one)?;
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(vec![Error::playbook(format!("cannot read {}: {e}", file.display()))]),
    };
    if file.exists() && run::inventory(&args.inventory, None)?.knows(&args.name) {
        let error = Error::playbook(format!("there is a host `{}` already", args.name));
        return Err(vec![error.hint(format!("hlrun hosts {} --vars shows what is known of it", args.name))]);
    }
    let host = Newcomer { name: args.name.clone(), vars: vars(args).map_err(one)?, groups: args.group.clone() };
    let new = add_host(&file.display().to_string(), &text, &host).map_err(one)?;
    // It is tried as it will be: a file beside the inventory has the same variables around it.
    let draft = Draft::write(&file, &new).map_err(one)?;
    let mut sources = args.inventory.clone();
    sources.inventory = vec![draft.0.clone()];
    let inventory = run::inventory(&sources, None)?;
    if !args.no_test {
        let code = test(args, inventory, project)?;
        if code & 4 != 0 {
            screen::err(&format!("{} is not written: --no-test does it all the same", file.display()));
            return Ok(code);
        }
    }
    draft.take_the_place_of(&file).map_err(one)?;
    let groups = if args.group.is_empty() { String::new() } else { format!(", in {}", args.group.join(" and ")) };
    screen::out(&format!("{} is in {}{groups}", args.name, file.display()));
    screen::out(&format!("next: hlrun exec {} -- uptime", args.name));
    Ok(0)
}

/// The one file that a host can be written into.
fn file(sources: &[PathBuf]) -> Result<PathBuf> {
    match sources {
        [one] if one.to_string_lossy().contains(',') || one.is_dir() => {
            Err(Error::playbook(format!("{} is no file that a host can be written into", one.display()))
                .hint("name the file: -i inventory.yaml"))
        }
        [one] => Ok(one.canonicalize().unwrap_or_else(|_| one.clone())),
        [] => Err(Error::playbook("there is no inventory to write into")
            .hint("name one: -i inventory.yaml (it is made if it is not there), or `inventory:` in hlrun.yaml")),
        several => Err(Error::playbook(format!("{} inventories are given: which one?", several.len()))
            .hint("name the one: -i inventory.yaml")),
    }
}

/// `[USER@]ADDRESS[:PORT]` as variables.
fn vars(args: &HostAdd) -> Result<Vec<(String, Value)>> {
    let login = args.login.strip_prefix("ssh://").unwrap_or(&args.login).trim_end_matches('/');
    let (user, place) = login.rsplit_once('@').map_or((None, login), |(user, place)| (Some(user), place));
    let (address, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => (address, rest.strip_prefix(':')),
        None if place.matches(':').count() == 1 => place.split_once(':').map_or((place, None), |(a, p)| (a, Some(p))),
        None => (place, None),
    };
    let wrong = |why: &str| {
        Error::playbook(format!("`{}` is no login: {why}", args.login)).hint("write USER@ADDRESS or USER@ADDRESS:PORT")
    };
    let port = port.map(|port| port.parse::<u16>().ok().filter(|p| *p > 0).ok_or_else(|| wrong("the port is no port")));
    if address.is_empty() || user == Some("") || address.contains(char::is_whitespace) {
        return Err(wrong("it names no user or no address"));
    }
    let mut vars = Vec::new();
    if address != args.name {
        vars.push(("ansible_host".to_owned(), json!(address)));
    }
    vars.extend(user.map(|user| ("ansible_user".to_owned(), json!(user))));
    vars.extend(port.transpose()?.filter(|port| *port != 22).map(|port| ("ansible_port".to_owned(), json!(port))));
    Ok(vars)
}

/// Look at it as the doctor does. The exit code has the 4 of what cannot be reached.
fn test(args: &HostAdd, inventory: Inventory, project: Project) -> Result<u8, Vec<Error>> {
    let options = run::options(&args.connection, project).map_err(|e| vec![e])?;
    let (limit, mend) =
        (options.connect_timeout, Mend { fix: true, accept: args.accept_key, pin: "the same with --accept-key" });
    let hosts = [args.name.clone()];
    let looked =
        visit(inventory, options, &hosts, |host, at| (host.to_owned(), look(at, limit, mend))).map_err(|e| vec![e])?;
    let paint = Paint(Color::Auto.wanted());
    for (name, found) in &looked {
        show_one(name, found, widest(found), true, paint);
    }
    let groups: Vec<_> = std::iter::once((String::new(), Vec::new())).chain(looked).collect();
    let worst = groups.iter().flat_map(|(_, found)| found).any(|f| f.health == Health::Unreachable);
    Ok(if worst { 4 } else { exit(&groups) })
}

/// A file beside the inventory that takes its place, or goes away.
struct Draft(PathBuf);

impl Draft {
    fn write(file: &Path, text: &str) -> Result<Draft> {
        let draft = Draft(file.with_file_name(format!(".hlrun-{}.yaml", std::process::id())));
        let failed = |e: std::io::Error| Error::playbook(format!("cannot write beside {}: {e}", file.display()));
        std::fs::write(&draft.0, text).map_err(failed)?;
        if let Ok(meta) = file.metadata() {
            std::fs::set_permissions(&draft.0, meta.permissions()).map_err(failed)?;
        }
        Ok(draft)
    }
    fn take_the_place_of(&self, file: &Path) -> Result<()> {
        let synced = std::fs::File::open(&self.0).and_then(|draft| draft.sync_all());
        let done = synced.and_then(|()| std::fs::rename(&self.0, file));
        done.map_err(|e| Error::playbook(format!("cannot write {}: {e}", file.display())))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
