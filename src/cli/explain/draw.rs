//! An explanation as a person reads it.

use super::{Call, Explained, LATER, Play};
use crate::report::Paint;
use serde_json::Value;

pub(super) fn draw(explained: &Explained, paint: Paint) -> Vec<String> {
    let mut lines = vec![paint.bold(&explained.playbook)];
    lines.extend(explained.about.lines().map(|line| format!("  {line}").trim_end().to_owned()));
    let part = |lines: &mut Vec<String>, title: &str, items: Vec<String>| {
        if !items.is_empty() {
            lines.push(String::new());
            lines.push(paint.bold(title));
            lines.extend(items.into_iter().map(|item| format!("  {item}")));
        }
    };
    let shown = |value: &Option<Value>| match value {
        None => "(computed)".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            items.iter().map(|i| i.as_str().map_or_else(|| i.to_string(), str::to_owned)).collect::<Vec<_>>().join(",")
        }
        Some(other) => other.to_string(),
    };
    let flag = |name: &str| format!("--{}", name.replace('_', "-"));
    let width = explained.parameters.iter().map(|p| p.name.len() + 2).max().unwrap_or_default();
    let parameters =
        explained.parameters.iter().map(|p| format!("{:<width$}  {}  [{}]", flag(&p.name), p.help, shown(&p.default)));
    part(&mut lines, "parameters", parameters.collect());
    for (number, play) in explained.plays.iter().enumerate() {
        lines.push(String::new());
        lines.extend(drawn(number + 1, play, paint));
    }
    let files = explained.files.iter().map(|file| match &file.path {
        Some(path) => path.clone(),
        None => paint.red(&format!("{} is not there ({})", file.name, file.at)),
    });
    part(&mut lines, "files of this machine that it reads", files.collect());
    part(&mut lines, "secrets", explained.secrets.clone());
    part(&mut lines, "known only when it runs", explained.unknown.clone());
    lines
}

fn drawn(number: usize, play: &Play, paint: Paint) -> Vec<String> {
    let name = play.name.as_deref().unwrap_or(LATER);
    let pattern = play.pattern.as_deref().unwrap_or("(chosen when it runs)");
    let tags = if play.tags.is_empty() { String::new() } else { format!("  [{}]", play.tags.join(", ")) };
    let at = paint.dim(&format!("  {}", play.at));
    let mut lines = vec![format!("{}{tags}{at}", paint.bold(&format!("play {number} \"{name}\" on {pattern}")))];
    let batches = play.batches.as_ref().map(|all| all.iter().map(|batch| batch.join(" ")).collect::<Vec<_>>());
    lines.push(match batches.as_deref() {
        None if play.pattern.is_none() => paint.dim("  hosts: known when it runs"),
        None => paint.dim("  hosts: known with an inventory (-i)"),
        Some([]) => paint.purple("  hosts: none"),
        Some([one]) => format!("  hosts: {one}"),
        Some(several) => format!("  hosts, one batch after another: {}", several.join(" | ")),
    });
    if play.shuffled {
        lines.push("  in an order by chance".to_owned());
    }
    lines.extend(play.becomes.iter().map(|user| format!("  as {}", paint.yellow(user))));
    lines.extend(play.stops.iter().map(|when| format!("  stops {when}")));
    let (mut task, width) = (None, play.calls.iter().map(|call| call.operation.len()).max().unwrap_or_default());
    for call in &play.calls {
        if call.task != task {
            task.clone_from(&call.task);
            lines.push(format!("  {}", paint.cyan(&format!("task {}", task.as_deref().unwrap_or("(none)")))));
        }
        let subject = call.subject.as_deref().unwrap_or("‹known when it runs›");
        let line = format!("{:<width$}  {}", call.operation, subject.lines().next().unwrap_or_default());
        lines.push(format!("    {}{}", line.trim_end(), paint.dim(&notes(call))));
    }
    if !play.asks.is_empty() {
        lines.push(paint.dim(&format!("  asks {}", play.asks.join(", "))));
    }
    lines
}

/// What is special about a call.
fn notes(call: &Call) -> String {
    let mut notes = Vec::new();
    notes.extend(call.handler.iter().map(|name| format!("handler \"{name}\"")));
    notes.extend(call.on.iter().map(|pattern| format!("on {pattern}")));
    notes.extend(call.becomes.iter().map(|user| format!("as {user}")));
    let flags = [
        (call.sometimes, "if"),
        (call.often, "loop"),
        (call.kind == "action", "just runs"),
        (call.secret, "secret"),
        (call.reboots, "REBOOTS"),
    ];
    notes.extend(flags.into_iter().filter(|(set, _)| *set).map(|(_, note)| note.to_owned()));
    if notes.is_empty() { String::new() } else { format!("  ({})", notes.join(", ")) }
}
