//! What a run came to, for the message at its end.

use super::shared::Shared;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use stdlib::contract::Error;

/// Changes of one host that are told one by one; more are counted.
const LISTED: usize = 12;

/// What is worth telling of each host.
#[derive(Default)]
pub(super) struct Story {
    changes: BTreeMap<String, Vec<String>>,
    notes: BTreeMap<String, BTreeSet<String>>,
    errors: BTreeMap<String, String>,
}

impl Story {
    /// Something was changed, or would be.
    pub fn changed(&mut self, host: &str, operation: &str, subject: &str) {
        let what = format!("{operation} {}", subject.lines().next().unwrap_or_default());
        self.changes.entry(host.to_owned()).or_default().push(what.trim_end().to_owned());
    }
    /// There is more that a person should know.
    pub fn noted(&mut self, host: &str, notes: &[String]) {
        self.notes.entry(host.to_owned()).or_default().extend(notes.iter().cloned());
    }
    /// A host has failed, or could not be reached.
    pub fn failed(&mut self, host: &str, error: &Error) {
        self.errors.insert(host.to_owned(), error.message.clone());
    }
}

impl Shared {
    /// The run so far, the verdict first: `error` is what stopped it.
    pub fn summary(&self, error: Option<&Error>) -> Value {
        let stats = self.stats();
        let names = |of: &dyn Fn(&crate::report::Stats) -> bool| -> Vec<&String> {
            stats.iter().filter(|(_, stats)| of(stats)).map(|(host, _)| host).collect()
        };
        let (failed, unreachable) = (names(&|s| s.failures > 0), names(&|s| s.unreachable > 0));
        let changed = names(&|s| s.changed > 0);
        let changes: u64 = stats.values().map(|stats| stats.changed).sum();
        let ok = failed.is_empty() && unreachable.is_empty() && error.is_none();
        let check = self.options.check;
        let list = |hosts: &[&String]| hosts.iter().map(|host| host.as_str()).collect::<Vec<_>>().join(", ");
        let plural = |n: u64, word: &str| if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") };
        let (verdict, told) = match () {
            () if !failed.is_empty() => ("failed", format!("FAILED on {}", list(&failed))),
            () if !unreachable.is_empty() => ("unreachable", format!("{} unreachable", list(&unreachable))),
            () if !ok => ("failed", "FAILED".to_owned()),
            () if changes > 0 => {
                let hosts = plural(changed.len() as u64, "host");
                let would = if check { "would be made " } else { "" };
                ("changed", format!("{} {would}on {hosts}", plural(changes, "change")))
            }
            () => ("ok", "nothing to do".to_owned()),
        };
        let name = std::path::Path::new(&self.playbook).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let title = format!("{}{name}: {told}", if ok { "✓ " } else { "✗ " });
        let mut body = Vec::new();
        self.story(|story| {
            // A play that stops repeats what its hosts have said.
            body.extend(error.filter(|_| story.errors.is_empty()).map(|error| error.message.clone()));
            body.extend(story.errors.iter().map(|(host, message)| format!("✗ {host}: {message}")));
            for (host, changes) in &story.changes {
                body.push(format!("{host}: {}", changes[..changes.len().min(LISTED)].join(", ")));
                if changes.len() > LISTED {
                    body.push(format!("  and {} more", changes.len() - LISTED));
                }
            }
            let notes =
                story.notes.iter().flat_map(|(host, notes)| notes.iter().take(LISTED).map(move |note| (host, note)));
            body.extend(notes.map(|(host, note)| format!("{host}: {note}")));
        });
        if body.is_empty() {
            let be = if stats.len() == 1 { "is as it" } else { "are as they" };
            body.push(format!("{} {be} should be", plural(stats.len() as u64, "host")));
        }
        let hosts: Map<String, Value> = stats.iter().map(|(host, stats)| (host.clone(), json!(stats))).collect();
        json!({
            "id": self.id, "playbook": name, "check": check, "ok": ok, "verdict": verdict, "title": title,
            "body": self.bus.redacted(&body.join("\n")), "hosts": hosts, "changed": changed, "failed": failed, "unreachable": unreachable,
            "error": error.map(|error| self.bus.redacted(&error.message)), "seconds": self.began.elapsed().as_secs(),
        })
    }
}
