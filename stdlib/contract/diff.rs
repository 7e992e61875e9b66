//! Differences between two states, and how people read them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// One difference: where in the state, what it is and what it should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Change {
    /// The path to it, such as `packages.curl`; empty for the whole state.
    pub path: String,
    /// What it is; null means absent.
    pub before: Value,
    /// What it should be; null means absent.
    pub after: Value,
}

impl Change {
    /// One line: `mode 0644 -> 0600`.
    pub fn summary(&self) -> String {
        let path = if self.path.is_empty() { String::new() } else { format!("{} ", named(&self.path)) };
        format!("{path}{} -> {}", short(&self.before), short(&self.after))
    }
}

/// The content of a file as part of a state: compared by digest, shown as text where it is text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// SHA-256 in hex.
    pub sha256: String,
    /// Size in bytes.
    pub size: u64,
    /// The text, if it is text, of a size a person would read, and worth carrying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Texts larger than this are shown and kept by digest only (Ansible's limit).
const SHOWN: usize = 104_448;

impl Content {
    /// The content of bytes at hand.
    pub fn of(bytes: &[u8]) -> Content {
        let text = std::str::from_utf8(bytes).ok().filter(|t| t.len() <= SHOWN && !t.contains('\0'));
        Content { sha256: Content::digest(bytes), size: bytes.len() as u64, text: text.map(str::to_owned) }
    }
    /// SHA-256 of bytes, in hex.
    pub fn digest(bytes: &[u8]) -> String {
        Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
    }
}

/// What differs between two states, in the order of the wanted one. A state's field `$NAME` is not compared: it is
/// what an operation does not decide, and undo needs to know.
pub fn diff(now: &Value, want: &Value) -> Vec<Change> {
    whole(now, want, "$")
}

/// What differs between two states on the way back: `$NAME` too, and only `$$NAME` is left out.
pub fn diff_back(now: &Value, want: &Value) -> Vec<Change> {
    whole(now, want, "$$")
}

fn whole(now: &Value, want: &Value, without: &str) -> Vec<Change> {
    let mut changes = Vec::new();
    compare("", &rid(now, without), &rid(want, without), &mut changes);
    changes
}

/// A state without the fields whose names begin so; deeper down, names are those of files and packages.
fn rid<'a>(state: &'a Value, of: &str) -> Cow<'a, Value> {
    match state {
        Value::Object(fields) if fields.keys().any(|key| key.starts_with(of)) => {
            let rest = fields.iter().filter(|(key, _)| !key.starts_with(of));
            Cow::Owned(rest.map(|(key, value)| (key.clone(), value.clone())).collect())
        }
        _ => Cow::Borrowed(state),
    }
}

fn compare(path: &str, now: &Value, want: &Value, out: &mut Vec<Change>) {
    match (now, want) {
        (Value::Object(a), Value::Object(b)) if digest(now).is_none() && digest(want).is_none() => {
            for (key, after) in b {
                compare(&join(path, key), a.get(key).unwrap_or(&Value::Null), after, out);
            }
            for (key, before) in a.iter().filter(|(key, _)| !b.contains_key(*key)) {
                compare(&join(path, key), before, &Value::Null, out);
            }
        }
        _ => {
            let same = match (digest(now), digest(want)) {
                (Some(a), Some(b)) => a == b,
                _ => now == want,
            };
            if !same {
                out.push(Change { path: path.to_owned(), before: now.clone(), after: want.clone() });
            }
        }
    }
}

/// A path as a person reads it.
fn named(path: &str) -> &str {
    path.strip_prefix('$').unwrap_or(path)
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn digest(value: &Value) -> Option<&str> {
    value.get("sha256")?.as_str()
}

fn short(value: &Value) -> String {
    match value {
        Value::Null => "absent".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(s) if s.is_empty() => "''".to_owned(),
        Value::String(s) if s.len() == 64 && s.chars().all(|c| c.is_ascii_hexdigit()) => format!("sha256:{}", &s[..12]),
        Value::String(s) if s.contains('\n') => format!("{} lines", s.lines().count()),
        Value::String(s) => abridged(s),
        Value::Object(_) if digest(value).is_some() => {
            let size = value.get("size").and_then(Value::as_u64).unwrap_or_default();
            format!("{size} bytes sha256:{}", &digest(value).unwrap_or_default().chars().take(12).collect::<String>())
        }
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| format!("{key} {}", short(value))).collect::<Vec<_>>().join(", ")
        }
        Value::Array(items) => items.iter().map(short).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A text with the first twelve digits of each digest in it, as docker shows them.
fn abridged(text: &str) -> String {
    let mut parts = text.split("sha256:");
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        let (kept, rest) = if digits == 64 { (&part[..12], &part[64..]) } else { (part, "") };
        short += &format!("sha256:{kept}{rest}");
    }
    short
}

/// Differences as lines for a person: one line per plain value, a unified diff per text. `title` names
/// the thing in the headers of a text's diff, as `--- before: TITLE`.
pub fn render(changes: &[Change], title: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for change in changes {
        match (text(&change.before), text(&change.after)) {
            (Some(before), Some(after)) if is_text(change) => lines.extend(unified(before, after, title)),
            _ => lines.push(match (&change.before, &change.after) {
                (Value::Null, after) => format!("+ {}", label(&change.path, after)),
                (before, Value::Null) => format!("- {}", label(&change.path, before)),
                _ => format!("~ {}", change.summary()),
            }),
        }
    }
    lines
}

fn label(path: &str, value: &Value) -> String {
    if path.is_empty() { short(value) } else { format!("{} {}", named(path), short(value)) }
}

/// The text of a value that can be shown as one; an absent value is an empty text.
fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Null => Some(""),
        Value::String(s) => Some(s),
        Value::Object(o) => o.get("text")?.as_str(),
        _ => None,
    }
}

fn is_text(change: &Change) -> bool {
    let texty = |v: &Value| digest(v).is_some() || v.as_str().is_some_and(|s| s.contains('\n'));
    texty(&change.before) || texty(&change.after)
}

fn unified(before: &str, after: &str, title: &str) -> Vec<String> {
    let old = if before.is_empty() { "--- before".to_owned() } else { format!("--- before: {title}") };
    let new = if after.is_empty() { "+++ after".to_owned() } else { format!("+++ after: {title}") };
    let diff = similar::TextDiff::from_lines(before, after);
    let body = diff.unified_diff().context_radius(3).to_string();
    [old, new].into_iter().chain(body.lines().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_named() {
        let now = json!({ "mode": "0644", "owner": "root", "packages": { "curl": "8.1", "jq": null } });
        let want = json!({ "mode": "0600", "owner": "root", "packages": { "curl": "8.1", "jq": "1.7" } });
        assert_eq!(render(&diff(&now, &want), "x"), ["~ mode 0644 -> 0600", "+ packages.jq 1.7"]);
        assert!(diff(&want, &want).is_empty());
    }

    #[test]
    fn digests_are_abridged_as_docker_does_it() {
        let image = |digit: &str| json!({ "image": format!("r:5000/web@sha256:{} (1)", digit.repeat(64)) });
        let lines = render(&diff(&image("a"), &image("b")), "x");
        assert_eq!(lines, ["~ image r:5000/web@sha256:aaaaaaaaaaaa (1) -> r:5000/web@sha256:bbbbbbbbbbbb (1)"]);
        assert_eq!(short(&"sha256:ab".into()), "sha256:ab");
    }

    #[test]
    fn what_only_undo_needs_is_compared_on_the_way_back() {
        let state = |file: &str, kept: &str| json!({ "made": { "$x": 1 }, "$files": { "$a": file }, "$$kept": kept });
        assert!(diff(&state("x", "1"), &state("y", "2")).is_empty());
        assert_eq!(render(&diff_back(&state("x", "1"), &state("y", "2")), "t"), ["~ files.$a x -> y"]);
        assert_eq!(diff(&json!({ "made": { "$x": 2 } }), &state("x", "1")).len(), 1, "below, names are names");
    }

    #[test]
    fn content_is_compared_by_digest_and_shown_as_text() {
        let state = |text: &[u8]| json!({ "content": Content::of(text) });
        let lines = render(&diff(&state(b"a\nb\n"), &state(b"a\nc\n")), "/etc/x");
        assert_eq!(lines, ["--- before: /etc/x", "+++ after: /etc/x", "@@ -1,2 +1,2 @@", " a", "-b", "+c"]);
        let binary = render(&diff(&state(b"a\0"), &state(b"b\0c")), "/bin/x");
        assert!(binary[0].starts_with("~ content 2 bytes sha256:"), "{binary:?}");
        let unread = json!({ "content": { "sha256": Content::digest(b"a\n"), "size": 2 } });
        assert!(diff(&unread, &state(b"a\n")).is_empty());
    }

    #[test]
    fn a_new_file_starts_from_nothing() {
        let lines = render(&diff(&json!({ "content": null }), &json!({ "content": Content::of(b"a\n") })), "/x");
        assert_eq!(lines, ["--- before", "+++ after: /x", "@@ -0,0 +1 @@", "+a"]);
    }
}
