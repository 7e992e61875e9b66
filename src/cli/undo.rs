//! `hlrun undo`: the plan, a question, and back.

use super::args::{InventoryArgs, UndoArgs};
use super::config::Project;
use super::{again, run, screen};
use crate::inventory::Inventory;
use crate::report::{JsonLines, Paint, Terminal};
use crate::run::{Fate, Options, Runtime, UndoEntry, UndoPlan, Undoing, find_applied, state_dir};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use stdlib::contract::{Error, Result};

/// Lines of one difference; more are counted.
const LONGEST: usize = 60;

/// Take back what a run has changed. Returns the exit code.
pub fn undo(args: UndoArgs, project: Project) -> u8 {
    let (undoing, inventory, options) = match prepared(&args, project) {
        Ok(prepared) => prepared,
        Err(errors) => return screen::fail(&errors),
    };
    let runtime = Runtime::new(inventory.clone(), options.clone());
    run::watch(runtime.cancellation());
    let plan = match runtime.plan_undo(&undoing) {
        Ok(plan) => plan,
        Err(error) => return screen::fail(&[error]),
    };
    let paint = Paint(args.output.color().wanted());
    if !args.output.json {
        draw(&plan, &undoing, paint).iter().for_each(|line| screen::out(line));
    } else if args.check {
        plan.entries.iter().for_each(|entry| screen::out(&machine(entry).to_string()));
    }
    if plan.back().is_empty() || args.check {
        return 0;
    }
    if !args.yes && !agreed(&plan) {
        screen::err("nothing was done");
        return 1;
    }
    let mut runtime = Runtime::new(inventory, options);
    if args.output.json {
        runtime.listen(JsonLines);
    } else {
        runtime.listen(Terminal::new(screen::view(&args.output, false), |file| std::fs::read_to_string(file).ok()));
    }
    run::watch(runtime.cancellation());
    match runtime.undo(&undoing, &plan) {
        Ok(summary) => run::finish(&summary, false),
        Err(error) => screen::fail(&[error]),
    }
}

fn prepared(args: &UndoArgs, project: Project) -> std::result::Result<(Undoing, Inventory, Options), Vec<Error>> {
    let one = |error: Error| vec![error];
    let state = state_dir();
    let id = find_applied(&state, &args.run).map_err(one)?;
    let mut undoing = Undoing::open(&state, &id).map_err(one)?;
    undoing.steps(&args.step).map_err(one)?;
    undoing.force = args.force;
    undoing.handlers = !args.no_handlers;
    let origin = undoing.origin().cloned().unwrap_or_default();
    let sources = if args.inventory.inventory.is_empty() { &origin.inventory } else { &args.inventory.inventory };
    let vars = [origin.extra_vars.clone(), args.inventory.extra_vars.clone()].concat();
    let like = InventoryArgs { inventory: sources.clone(), extra_vars: vars.clone(), ..args.inventory.clone() };
    let inventory = run::inventory(&like, origin.beside.as_deref())?;
    let options = run::options(&args.connection, project).map_err(one)?;
    let again = crate::run::Origin {
        args: vec!["undo".to_owned()],
        inventory: sources.iter().map(|path| again::place(path)).collect(),
        extra_vars: vars,
        ..origin
    };
    Ok((undoing, inventory, Options { limit: args.host.clone(), origin: Some(again), ..options }))
}

/// The plan for a person: what stays first, then what goes back, the last change first.
fn draw(plan: &UndoPlan, undoing: &Undoing, paint: Paint) -> Vec<String> {
    let here = std::env::current_dir().unwrap_or_default();
    let playbook = std::path::Path::new(undoing.playbook());
    let playbook = playbook.strip_prefix(&here).unwrap_or(playbook).display();
    let mut lines = vec![paint.bold(&format!("Undo of run {} ({playbook})", undoing.run))];
    let mut section = |title: &str, entries: Vec<&UndoEntry>, why: &dyn Fn(&UndoEntry) -> Option<String>| {
        if entries.is_empty() {
            return;
        }
        lines.push(String::new());
        lines.push(title.to_owned());
        for (entry, hosts) in grouped(&entries) {
            let what = format!("{} {}", entry.operation, entry.subject.lines().next().unwrap_or_default());
            lines.push(format!("{:>4}  {}  {}", entry.step, paint.bold(&hosts.join(" ")), what.trim_end()));
            lines.extend(why(entry).map(|why| format!("      {}", paint.dim(&why))));
            lines.extend(entry.leaves.iter().map(|what| format!("      {}", paint.dim(what))));
            lines.extend(entry.lines.iter().take(LONGEST).map(|line| format!("      {}", paint.diff(line))));
            if entry.lines.len() > LONGEST {
                lines.push(paint.dim(&format!("      ... {} lines more", entry.lines.len() - LONGEST)));
            }
        }
    };
    let reason = |entry: &UndoEntry| match &entry.fate {
        Fate::Stays(why) if entry.at.file.is_empty() => Some(why.clone()),
        Fate::Stays(why) => Some(format!("{why} ({})", entry.at)),
        _ => None,
    };
    let none = |_: &UndoEntry| None;
    section(&paint.red("stays as it is"), plan.of(|fate| matches!(fate, Fate::Stays(_))), &reason);
    let title = paint.purple("stays, because it has changed since (--force takes it back all the same)");
    section(&title, plan.of(|fate| *fate == Fate::Changed), &none);
    section(&paint.green("is back already"), plan.of(|fate| *fate == Fate::Already), &none);
    section(&paint.yellow("goes back"), plan.back(), &none);
    section(&paint.cyan("runs again after that"), plan.of(|fate| *fate == Fate::Again), &none);
    lines.push(String::new());
    lines.push(verdict(plan));
    lines
}

fn verdict(plan: &UndoPlan) -> String {
    let back = plan.back();
    let stay = plan.of(|fate| matches!(fate, Fate::Stays(_) | Fate::Changed)).len();
    let plural = |n: usize, word: &str| if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") };
    let mut hosts: Vec<&str> = back.iter().map(|entry| entry.host.as_str()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    match (back.len(), stay) {
        (0, 0) => "nothing is left to go back".to_owned(),
        (0, 1) => "nothing can go back: 1 change stays".to_owned(),
        (0, stay) => format!("nothing can go back: {stay} changes stay"),
        (n, 0) => format!("all of {} on {} can go back", plural(n, "change"), plural(hosts.len(), "host")),
        (n, stay) => format!("{} on {} can go back, {stay} stay", plural(n, "change"), plural(hosts.len(), "host")),
    }
}

/// The same of several hosts once, in the order of going back.
fn grouped<'a>(entries: &[&'a UndoEntry]) -> Vec<(&'a UndoEntry, Vec<&'a str>)> {
    let mut groups: BTreeMap<_, (&UndoEntry, Vec<&str>)> = BTreeMap::new();
    for entry in entries {
        let key = (std::cmp::Reverse(entry.step), &entry.fate, &entry.lines, &entry.leaves);
        groups.entry(key).or_insert_with(|| (entry, Vec::new())).1.push(&entry.host);
    }
    groups.into_values().collect()
}

fn machine(entry: &UndoEntry) -> serde_json::Value {
    let (fate, reason) = match &entry.fate {
        Fate::Back => ("back", None),
        Fate::Already => ("already", None),
        Fate::Stays(why) => ("stays", Some(why)),
        Fate::Changed => ("changed", None),
        Fate::Again => ("again", None),
    };
    json!({ "step": entry.step, "host": entry.host, "operation": entry.operation, "subject": entry.subject,
            "fate": fate, "reason": reason, "lines": entry.lines, "leaves": entry.leaves, "at": entry.at })
}

/// Ask whoever sits there; nobody there is no.
fn agreed(plan: &UndoPlan) -> bool {
    if !std::io::stdin().is_terminal() {
        screen::err("nobody is there to ask: --yes goes back without a question, --check only shows the plan");
        return false;
    }
    let count = plan.back().len();
    let mut err = std::io::stderr();
    let _ = write!(err, "Go back ({count} {})? [y/N] ", if count == 1 { "change" } else { "changes" });
    let _ = err.flush();
    let mut line = String::new();
    let read: Result<usize, std::io::Error> = std::io::stdin().lock().read_line(&mut line);
    read.is_ok() && matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
}
