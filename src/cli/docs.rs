//! `hlrun docs`: what playbooks can do, from the same lines that check their arguments.

use super::args::DocsArgs;
use super::screen;
use stdlib::contract::{Entry, Error, Module, Role, nearest};

/// Show documentation. Returns the exit code.
pub fn docs(args: &DocsArgs) -> u8 {
    if args.definitions {
        screen::out(&crate::script::definitions());
        return 0;
    }
    if args.index {
        index();
        return 0;
    }
    let Some(what) = &args.what else {
        for module in stdlib::modules() {
            screen::out(&format!("{:<10} {}", module.name, module.docs.lines().next().unwrap_or_default()));
        }
        screen::out("\nhlrun docs MODULE lists what a module has, hlrun docs MODULE::NAME tells all about one thing");
        return 0;
    };
    let (module, name) = what.split_once("::").map_or((what.as_str(), None), |(m, n)| (m, Some(n)));
    let modules = stdlib::modules();
    let Some(found) = modules.iter().find(|m| m.name == module) else {
        let error = Error::playbook(format!("there is no module `{module}`"));
        return unknown(error, nearest(module, modules.iter().map(|m| m.name)), "hlrun docs lists the modules");
    };
    let Some(name) = name else {
        overview(found);
        return 0;
    };
    match found.entries.iter().find(|entry| entry.name == name) {
        Some(entry) => {
            one(entry);
            0
        }
        None => {
            let error = Error::playbook(format!("{module} has no function `{name}`"));
            let near = nearest(name, found.entries.iter().map(|e| e.name.as_str()));
            unknown(error, near, &format!("hlrun docs {module} lists what it has"))
        }
    }
}

/// Every module and what it has, one line each, in Markdown.
fn index() {
    screen::out("# What playbooks can do\n");
    screen::out("Printed by `hlrun docs --index`; `hlrun docs MODULE::NAME` tells all about one line.");
    for module in stdlib::modules() {
        screen::out(&format!("\n## {}\n\n{}\n", module.name, module.docs.lines().next().unwrap_or_default()));
        screen::out("| call | | |\n|---|---|---|");
        for entry in &module.entries {
            let role = match entry.role {
                Role::Operation => "operation",
                Role::Action => "action",
                Role::Fact => "fact",
            };
            let summary = entry.summary().lines().collect::<Vec<_>>().join(" ");
            screen::out(&format!("| `{}` | {role} | {summary} |", entry.usage()));
        }
    }
}

fn unknown(error: Error, near: Option<&str>, otherwise: &str) -> u8 {
    screen::fail(&[match near {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(otherwise),
    }])
}

fn overview(module: &Module) {
    screen::out(&format!("{}\n", module.docs));
    for entry in &module.entries {
        screen::out(&format!("  {:<32} {}", entry.path(), entry.summary().lines().next().unwrap_or_default()));
    }
}

fn one(entry: &Entry) {
    let kind = match entry.role {
        Role::Operation if entry.reversible => "operation: idempotent, checked, can be undone",
        Role::Operation => "operation: idempotent, checked, one-way",
        Role::Action => "action: it just runs; unknown in check mode",
        Role::Fact => "fact: it only asks",
    };
    screen::out(&format!("{}\n({kind})\n\n{}\n", entry.usage(), entry.docs));
    let subject = entry.subject().map(|p| p.name.clone());
    for parameter in &entry.parameters {
        let mut takes = parameter.takes.clone();
        if !parameter.values.is_empty() {
            takes = parameter.values.join(" | ");
        }
        let must = match (parameter.required, subject.as_ref() == Some(&parameter.name)) {
            (_, true) => ", the subject",
            (true, false) => ", required",
            (false, false) => "",
        };
        screen::out(&format!("  {} ({takes}{must})", parameter.name));
        for line in parameter.docs.lines() {
            screen::out(&format!("      {line}"));
        }
    }
}
