//! Documentation in lines: what a module has, and all about one thing in it.

use stdlib::contract::{Entry, Error, Module, Result, Role, nearest};

/// What is documented under a name: `file`, or `file::line`. The error has the nearest name.
pub fn find(what: &str) -> Result<Vec<String>> {
    let (module, name) = what.split_once("::").map_or((what, None), |(m, n)| (m, Some(n)));
    let modules = stdlib::modules();
    let Some(found) = modules.iter().find(|m| m.name == module) else {
        let error = Error::playbook(format!("there is no module `{module}`"));
        return Err(unknown(error, nearest(module, modules.iter().map(|m| m.name)), "hlrun docs lists the modules"));
    };
    let Some(name) = name else { return Ok(overview(found)) };
    found.entries.iter().find(|entry| entry.name == name).map(one).ok_or_else(|| {
        let error = Error::playbook(format!("{module} has no function `{name}`"));
        let near = nearest(name, found.entries.iter().map(|e| e.name.as_str()));
        unknown(error, near, &format!("hlrun docs {module} lists what it has"))
    })
}

fn unknown(error: Error, near: Option<&str>, otherwise: &str) -> Error {
    match near {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(otherwise),
    }
}

fn overview(module: &Module) -> Vec<String> {
    let mut lines: Vec<String> = module.docs.lines().map(str::to_owned).collect();
    lines.push(String::new());
    let entry =
        |entry: &Entry| format!("  {:<32} {}", entry.path(), entry.summary().lines().next().unwrap_or_default());
    lines.extend(module.entries.iter().map(entry));
    lines
}

fn one(entry: &Entry) -> Vec<String> {
    let kind = match entry.role {
        Role::Operation if entry.reversible => "operation: idempotent, checked, can be undone",
        Role::Operation => "operation: idempotent, checked, one-way",
        Role::Action => "action: it just runs; unknown in check mode",
        Role::Fact => "fact: it only asks",
    };
    let mut lines = vec![entry.usage(), format!("({kind})"), String::new()];
    lines.extend(entry.docs.lines().map(str::to_owned));
    lines.push(String::new());
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
        lines.push(format!("  {} ({takes}{must})", parameter.name));
        lines.extend(parameter.docs.lines().map(|line| format!("      {line}")));
    }
    lines
}
