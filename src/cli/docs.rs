//! `hlrun docs`: what playbooks can do, from the same lines that check their arguments.

use super::args::DocsArgs;
use super::screen;
use crate::report::manual;
use stdlib::contract::Role;

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
    match manual::find(what) {
        Ok(lines) => {
            lines.iter().for_each(|line| screen::out(line));
            0
        }
        Err(error) => screen::fail(&[error]),
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
