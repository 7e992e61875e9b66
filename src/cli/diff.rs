//! `hlrun diff RUN RUN`: what differs between two runs.

use super::args::{DiffArgs, color};
use super::screen;
use crate::report::{Envelope, Event, Paint, seconds};
use crate::run::{read_run, state_dir};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use stdlib::contract::{Record, render};

/// A call is the same in both runs if it is the same operation on the same thing of the same host, counted in
/// the order of the run: lines move when a playbook is edited.
type Key = (String, String, String, usize);

/// What is compared of a run.
struct Run {
    id: String,
    head: Map<String, Value>,
    records: BTreeMap<Key, (usize, Record)>,
    exit: Option<i32>,
    duration_ms: Option<u64>,
}

impl Run {
    fn of(events: Vec<Envelope>, host: Option<&str>) -> Run {
        let id = events.first().map(|envelope| envelope.run.clone()).unwrap_or_default();
        let mut run = Run { id, head: Map::new(), records: BTreeMap::new(), exit: None, duration_ms: None };
        for envelope in events {
            match envelope.event {
                Event::RunStart { playbook, digest, check, params, .. } => {
                    let head = json!({ "playbook": playbook, "text of the playbook": digest, "check mode": check });
                    run.head.extend(head.as_object().cloned().unwrap_or_default());
                    run.head.extend(params.into_iter().map(|(name, value)| (format!("parameter {name}"), value)));
                }
                Event::TaskEnd { record } if host.is_none_or(|host| record.host == host) => {
                    let key = |n| (record.host.clone(), record.operation.clone(), record.subject.clone(), n);
                    let number = (0..).find(|n| !run.records.contains_key(&key(*n))).unwrap_or_default();
                    let place = run.records.len();
                    run.records.insert(key(number), (place, *record));
                }
                Event::RunEnd { exit, duration_ms, .. } => {
                    (run.exit, run.duration_ms) = (Some(exit), Some(duration_ms))
                }
                _ => {}
            }
        }
        run
    }
    fn hosts(&self) -> Vec<&str> {
        let mut hosts: Vec<&str> = self.records.keys().map(|(host, ..)| host.as_str()).collect();
        hosts.dedup();
        hosts
    }
}

/// One difference, under the host it belongs to.
struct Difference {
    host: String,
    order: (usize, usize),
    sign: char,
    what: String,
    how: Vec<String>,
}

/// Show what differs. Returns the exit code.
pub fn diff(args: &DiffArgs) -> u8 {
    let state = state_dir();
    let read = |run: &str| read_run(&state, run).map(|events| Run::of(events, args.host.as_deref()));
    let (a, b) = match (read(&args.before), read(&args.after)) {
        (Ok(a), Ok(b)) => (a, b),
        (a, b) => return screen::fail(&a.err().into_iter().chain(b.err()).collect::<Vec<_>>()),
    };
    let heads = heads(&a, &b);
    let differences = differences(&a, &b);
    if args.json {
        let head = heads.iter().map(|(name, a, b)| json!({ "what": name, "before": a, "after": b }));
        let calls = differences
            .iter()
            .map(|d| json!({ "host": d.host, "sign": d.sign.to_string(), "call": d.what, "how": d.how }));
        let all = json!({
            "before": a.id, "after": b.id, "run": head.collect::<Vec<_>>(), "calls": calls.collect::<Vec<_>>(),
            "duration_ms": [a.duration_ms, b.duration_ms],
        });
        screen::out(&serde_json::to_string_pretty(&all).unwrap_or_default());
    } else {
        show(&a, &b, &heads, &differences, Paint(color(&args.color).wanted()));
    }
    u8::from(args.detailed_exitcode && !(heads.is_empty() && differences.is_empty())) * 10
}

/// What differs about the runs as a whole.
fn heads(a: &Run, b: &Run) -> Vec<(String, Value, Value)> {
    let mut names: Vec<&String> =
        a.head.keys().chain(b.head.keys().filter(|name| !a.head.contains_key(*name))).collect();
    names.dedup();
    let value = |run: &Run, name: &String| run.head.get(name).cloned().unwrap_or_default();
    let compared = names.into_iter().map(|name| (name.clone(), value(a, name), value(b, name)));
    let mut found: Vec<_> = compared.filter(|(_, a, b)| a != b).collect();
    if a.exit != b.exit {
        found.push(("exit code".to_owned(), json!(a.exit), json!(b.exit)));
    }
    let (before, after) = (a.hosts(), b.hosts());
    let only = |these: &[&str], those: &[&str]| -> Vec<String> {
        these.iter().filter(|host| !those.contains(host)).map(ToString::to_string).collect()
    };
    let (gone, new) = (only(&before, &after), only(&after, &before));
    if !gone.is_empty() || !new.is_empty() {
        found.push(("hosts at work".to_owned(), json!(gone), json!(new)));
    }
    found
}

fn differences(a: &Run, b: &Run) -> Vec<Difference> {
    let mut found = Vec::new();
    let (before, after) = (a.hosts(), b.hosts());
    for (key @ (host, operation, subject, _), (place, old)) in &a.records {
        let what = format!("{operation} {subject}").trim_end().to_owned();
        let make = |order, sign, how| Difference { host: host.clone(), order, sign, what: what.clone(), how };
        match b.records.get(key) {
            Some((place, new)) => {
                let how = changes(old, new);
                if !how.is_empty() {
                    found.push(make((*place, 1), '~', how));
                }
            }
            None if after.contains(&host.as_str()) => {
                found.push(make((*place, 0), '-', vec![old.status.word().to_owned()]));
            }
            None => {}
        }
    }
    for (key @ (host, operation, subject, _), (place, new)) in &b.records {
        if !a.records.contains_key(key) && before.contains(&host.as_str()) {
            let what = format!("{operation} {subject}").trim_end().to_owned();
            let how = vec![new.status.word().to_owned()];
            found.push(Difference { host: host.clone(), order: (*place, 1), sign: '+', what, how });
        }
    }
    found.sort_by(|a, b| (&a.host, a.order).cmp(&(&b.host, b.order)));
    found
}

/// How a call differs: its end, its exit code, what it changed, what it said, and what it took.
fn changes(old: &Record, new: &Record) -> Vec<String> {
    let mut how = Vec::new();
    if old.status != new.status {
        how.push(format!("{} -> {}", old.status.word(), new.status.word()));
    }
    if let (Some(before), Some(after)) = (old.rc, new.rc)
        && before != after
    {
        how.push(format!("exit code {before} -> {after}"));
    }
    let message = |record: &Record| record.error.as_ref().map(|error| error.message.clone());
    if let Some(error) = message(new).filter(|error| message(old).as_ref() != Some(error)) {
        how.push(error);
    }
    if old.status == new.status && render(&old.diff, "") != render(&new.diff, "") {
        how.push("other changes".to_owned());
    }
    if old.rc.is_some() && (&old.stdout, &old.stderr) != (&new.stdout, &new.stderr) {
        how.push("other output".to_owned());
    }
    let (less, more) = (old.duration_ms.min(new.duration_ms), old.duration_ms.max(new.duration_ms));
    if more >= 1000 && more >= 2 * less {
        how.push(format!("{} -> {}", seconds(old.duration_ms), seconds(new.duration_ms)));
    }
    how
}

fn show(a: &Run, b: &Run, heads: &[(String, Value, Value)], differences: &[Difference], paint: Paint) {
    let took = |run: &Run| run.duration_ms.map_or_else(|| "not ended".to_owned(), seconds);
    screen::out(&paint.bold(&format!("{} -> {}  ({} -> {})", a.id, b.id, took(a), took(b))));
    for (name, before, after) in heads {
        let short = |value: &Value| match (name.as_str(), value) {
            ("text of the playbook", Value::String(digest)) => digest.chars().take(8).collect(),
            (_, Value::String(text)) => text.clone(),
            (_, Value::Array(hosts)) if hosts.is_empty() => "none".to_owned(),
            (_, Value::Null) => "none".to_owned(),
            (_, other) => other.to_string(),
        };
        let (before, after) = (short(before), short(after));
        screen::out(&match name.as_str() {
            "hosts at work" => format!("{name}: only before {before}, only after {after}"),
            _ => format!("{name}: {before} -> {after}"),
        });
    }
    let mut host = "";
    for difference in differences {
        if difference.host != host {
            host = &difference.host;
            screen::out(&paint.bold(host));
        }
        let line = format!("{} {}  {}", difference.sign, difference.what, difference.how.join(", "));
        screen::out(&format!("  {}", paint.diff(&line)));
    }
    if heads.is_empty() && differences.is_empty() {
        screen::out("no difference");
    }
}
