//! Errors drawn with the user's own line.

use std::sync::LazyLock;
use stdlib::contract::docker::is_secret;
use stdlib::contract::{Error, Kind};

/// A name and the text that is its value: `DB_PASSWORD: "hush"`, `let token = "hush"`.
#[allow(clippy::unwrap_used, reason = "a constant pattern")]
static NAMED: LazyLock<regex::Regex> =
    LazyLock::new(|| regex::Regex::new(r#"([A-Za-z_][\w-]*)"?\s*[:=]\s*(?:"((?:\\.|[^"\\])+)"|`([^`]+)`)"#).unwrap());

/// A line of a playbook, with dots over what is called like a secret: as wide as before, for what points at a place in it.
fn veiled(line: &str) -> String {
    let (mut shown, mut at) = (String::new(), 0);
    for found in NAMED.captures_iter(line) {
        let Some(value) = found.get(2).or(found.get(3)).filter(|_| is_secret(&found[1])) else { continue };
        shown.push_str(&line[at..value.start()]);
        shown.push_str(&"•".repeat(value.as_str().chars().count()));
        at = value.end();
    }
    shown.push_str(&line[at..]);
    shown
}

/// An error as a person reads it: what, where, the user's own line, what the host said, what to do.
/// `text` gives the text of a file. Without colours; the report adds them.
pub fn draw(error: &Error, text: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut lines = Vec::new();
    let word = if error.kind == Kind::Bug { "bug in hlrun" } else { "error" };
    let subject = match (&error.operation, &error.host) {
        (_, Some(host)) if error.kind == Kind::Unreachable && error.message.contains(host.as_str()) => String::new(),
        (_, Some(host)) if error.kind == Kind::Unreachable => format!("{host}: "),
        (Some(operation), Some(host)) => format!("{operation} on {host}: "),
        (Some(operation), None) if !error.message.contains(operation.as_str()) => format!("{operation}: "),
        (None, Some(host)) if !error.message.contains(host.as_str()) => format!("{host}: "),
        _ => String::new(),
    };
    lines.push(format!("{word}: {subject}{}", error.message));
    if let Some(at) = error.at.as_ref().filter(|at| !at.file.is_empty()) {
        lines.push(format!("  --> {at}"));
        let source = text(&at.file);
        if let Some(line) =
            source.as_deref().and_then(|text| text.lines().nth(at.line.saturating_sub(1))).filter(|_| at.line > 0)
        {
            let number = at.line.to_string();
            let margin = " ".repeat(number.len());
            let start = at.column.max(1) - 1;
            let before: String = line.chars().take(start).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            let word = |c: &char| c.is_alphanumeric() || *c == '_' || *c == ':';
            let marked: String = line.chars().skip(start).take_while(word).collect();
            // The colon after a key is none of it.
            let marks = "^".repeat(marked.trim_end_matches(':').chars().count().max(1));
            lines.push(format!("{margin} |"));
            lines.push(format!("{number} | {}", veiled(line.trim_end())));
            lines.push(format!("{margin} | {before}{marks}"));
        }
    }
    if let Some(command) = &error.command {
        let mut shown = command.lines();
        lines.push(format!("   ! {}", shown.next().unwrap_or_default()));
        if shown.next().is_some() {
            lines.push("     ...".to_owned());
        }
    }
    let said = if error.stderr.trim().is_empty() { &error.stdout } else { &error.stderr };
    let said: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    for line in said.iter().skip(said.len().saturating_sub(12)) {
        lines.push(format!("   = {line}"));
    }
    for hint in &error.hints {
        lines.push(format!("hint: {hint}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::veiled;

    #[test]
    fn a_line_of_a_playbook_is_shown_without_its_secrets() {
        for (line, shown) in [
            (
                r#"env: #{ TZ: "UTC", DB_PASSWORD: "hush", "API_KEY": "a\"b" }, x);"#,
                r#"env: #{ TZ: "UTC", DB_PASSWORD: "••••", "API_KEY": "••••" }, x);"#,
            ),
            ("let token = `hush`; // ü", "let token = `••••`; // ü"),
            (r#"file::file("/etc/passwd", #{ mode: "0644" })"#, r#"file::file("/etc/passwd", #{ mode: "0644" })"#),
        ] {
            assert_eq!(veiled(line), shown);
        }
    }
}
