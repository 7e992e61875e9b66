//! `hlrun hosts`: what the inventory means.

use super::args::HostsArgs;
use super::why::shown;
use super::{run, screen};
use crate::inventory::{HIDDEN, Inventory};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use stdlib::contract::{Error, Result};

/// Show hosts. Returns the exit code.
pub fn hosts(args: &HostsArgs) -> u8 {
    let shown = run::inventory(&args.inventory, args.playbook_dir.as_deref()).and_then(|inventory| {
        let hosts = inventory.select(&args.pattern).map_err(|e| vec![e])?;
        show(args, &inventory, &hosts).map_err(|e| vec![e])
    });
    match shown {
        Ok(()) => 0,
        Err(errors) => screen::fail(&errors),
    }
}

fn show(args: &HostsArgs, inventory: &Inventory, hosts: &[String]) -> Result<(), Error> {
    if args.json {
        let text = serde_json::to_string_pretty(&list(inventory, hosts, args.reveal)?);
        screen::out(&text.map_err(|e| Error::bug(e.to_string()))?);
    } else if args.graph {
        graph(inventory, "all", 0, &hosts.iter().map(String::as_str).collect());
    } else if args.vars {
        for host in hosts {
            screen::out(host);
            for (name, variable) in inventory.variables(host)?.iter() {
                let value = |variable| shown(inventory, name, variable, args.reveal);
                screen::out(&format!("  {name} = {}", value(variable)?));
                screen::out(&format!("      {} ({})", variable.origin, variable.layer));
                for lost in &variable.shadowed {
                    screen::out(&format!("      instead of {} from {} ({})", value(lost)?, lost.origin, lost.layer));
                }
            }
        }
    } else {
        let width = hosts.iter().map(String::len).max().unwrap_or_default();
        for host in hosts {
            let connection = inventory.connection(host, &Default::default())?;
            let user = connection.user.map(|user| format!("{user}@")).unwrap_or_default();
            let port = connection.port.map(|port| format!(":{port}")).unwrap_or_default();
            let place = match connection.kind {
                crate::inventory::Kind::Local => "local".to_owned(),
                crate::inventory::Kind::Ssh => format!("{user}{}{port}", connection.address),
            };
            let groups = inventory.groups_of(host).join(", ");
            screen::out(format!("{host:<width$}  {place:<28}  {groups}").trim_end());
        }
    }
    Ok(())
}

fn graph(inventory: &Inventory, group: &str, depth: usize, hosts: &BTreeSet<&str>) {
    let margin = "  |".repeat(depth);
    screen::out(&format!("{margin}{}@{group}:", if depth > 0 { "--" } else { "" }));
    let Some((_, found)) = inventory.groups().find(|(name, _)| *name == group) else { return };
    for child in &found.children {
        graph(inventory, child, depth + 1, hosts);
    }
    let margin = "  |".repeat(depth + 1);
    for host in found.hosts.iter().filter(|host| hosts.contains(host.as_str())) {
        screen::out(&format!("{margin}--{host}"));
    }
}

/// As `ansible-inventory --list` prints it. Encrypted values stay encrypted; those from encrypted files are hidden.
fn list(inventory: &Inventory, hosts: &[String], reveal: bool) -> Result<Value, Error> {
    let mut hostvars = Map::new();
    for host in hosts {
        let mut vars = Map::new();
        for (name, variable) in inventory.variables(host)?.iter() {
            let value = match reveal {
                true => inventory.vault().opened(&variable.value)?,
                false if variable.secret => Value::from(HIDDEN),
                false => variable.value.clone(),
            };
            vars.insert(name.clone(), value);
        }
        if !vars.is_empty() {
            hostvars.insert(host.clone(), vars.into());
        }
    }
    let mut all = Map::new();
    all.insert("_meta".to_owned(), json!({ "hostvars": hostvars, "profile": "inventory_legacy" }));
    for (name, group) in inventory.groups() {
        let mut shown = Map::new();
        if !group.children.is_empty() {
            shown.insert("children".to_owned(), json!(group.children));
        }
        let members: Vec<&String> = group.hosts.iter().filter(|host| hosts.contains(*host)).collect();
        if !members.is_empty() && name != "all" {
            shown.insert("hosts".to_owned(), json!(members));
        }
        if !shown.is_empty() {
            all.insert(name.to_owned(), shown.into());
        }
    }
    Ok(all.into())
}
