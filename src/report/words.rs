//! How a report says things: the verdict, spans of time, names in one line.

use super::event::Stats;
use std::collections::BTreeMap;
use stdlib::contract::Role;

pub(super) fn verdict(
    check: bool,
    exit: i32,
    stats: &BTreeMap<String, Stats>,
    changes: &BTreeMap<String, u64>,
    duration_ms: u64,
) -> String {
    let total = stats.len();
    let failed = stats.values().filter(|s| s.failures > 0).count();
    let unreachable = stats.values().filter(|s| s.unreachable > 0).count();
    let count: u64 = changes.values().sum();
    let unknown: u64 = stats.values().map(|s| s.unknown).sum();
    let mut parts = Vec::new();
    if exit == 130 {
        parts.push("interrupted".to_owned());
    }
    if failed > 0 {
        parts.push(format!("{failed} of {} failed", plural(total as u64, "host")));
    }
    if unreachable > 0 {
        parts.push(format!("{unreachable} of {} unreachable", plural(total as u64, "host")));
    }
    let on = plural(changes.len() as u64, "host");
    parts.extend(match (count, check) {
        (0, true) if unknown > 0 => Some("no change is certain".to_owned()),
        (0, true) => Some("nothing would change".to_owned()),
        (0, false) if exit == 130 => Some("no change was finished".to_owned()),
        // What failed may have changed something before.
        (0, false) if failed + unreachable > 0 => None,
        (0, false) => Some("nothing changed".to_owned()),
        (n, true) => Some(format!("{} would be made on {on}, nothing was", plural(n, "change"))),
        (n, false) => Some(format!("{} on {on}", plural(n, "change"))),
    });
    if unknown > 0 {
        parts.push(format!("{unknown} cannot be known before"));
    }
    parts.push(seconds(duration_ms));
    let sign = if exit == 0 { "✓" } else { "✗" };
    format!("{sign} {}", parts.join(" · "))
}

/// A number of things.
pub(super) fn plural(n: u64, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}

/// A span of time as people say it.
pub fn seconds(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{:.1} s", ms as f64 / 1000.0),
        _ => format!("{} s", ms / 1000),
    }
}

/// Host names in one line; beyond the width, how many more.
pub(super) fn hosts(names: &[String], width: usize) -> String {
    let mut line = String::new();
    for (i, name) in names.iter().enumerate() {
        if !line.is_empty() && line.len() + name.len() > width / 2 {
            return format!("{line} and {} more", names.len() - i);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += name;
    }
    line
}

pub(super) fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

pub(super) fn shorten(text: &str, most: usize) -> String {
    let text = first_line(text);
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['…']).collect() }
}

fn role(operation: &str) -> Option<Role> {
    let (module, name) = operation.split_once("::")?;
    let module = stdlib::modules().iter().find(|known| known.name == module)?;
    module.entries.iter().find(|entry| entry.name == name).map(|entry| entry.role)
}

/// Whether an operation, such as `apt::version`, only asks.
pub fn is_question(operation: &str) -> bool {
    role(operation) == Some(Role::Fact)
}

/// Whether what an operation prints is what it is called for.
pub(super) fn is_action(operation: &str) -> bool {
    role(operation) == Some(Role::Action)
}
