//! One line of a file of keys: `[options] type key [comment]`.

use crate::bail;
use crate::contract::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// What sshd takes for a type of key.
const TYPES: &[&str] = &[
    "ssh-ed25519",
    "ssh-rsa",
    "ssh-dss",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-ed25519-cert-v01@openssh.com",
    "ssh-rsa-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    "sk-ssh-ed25519-cert-v01@openssh.com",
    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
];

/// A key as a line has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Such as `ssh-ed25519`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The key itself, in base64.
    pub key: String,
    /// What stands after it.
    pub comment: String,
    /// What stands before it.
    pub options: String,
}

/// Whether a line is neither empty nor a comment.
pub fn says_something(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with('#')
}

/// A line up to the first blank outside quotes, and what follows.
fn word(line: &str) -> (&str, &str) {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => return (&line[..at], line[at..].trim_start()),
            _ => {}
        }
    }
    (line, "")
}

impl Line {
    /// The key in a line, if there is one.
    pub fn parse(line: &str) -> Option<Line> {
        let line = line.trim();
        if !says_something(line) {
            return None;
        }
        let (first, rest) = word(line);
        let (options, kind, rest) = if TYPES.contains(&first) {
            ("", first, rest)
        } else {
            let (kind, rest) = word(rest);
            (first, kind, rest)
        };
        let (key, comment) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let owned = |text: &str| text.trim().to_owned();
        let found = TYPES.contains(&kind) && !key.is_empty();
        found.then(|| Line { kind: owned(kind), key: owned(key), comment: owned(comment), options: owned(options) })
    }
    /// The key in a line that must have one, and a whole one: what sshd cannot read keeps everybody out.
    pub fn new(line: &str) -> Result<Line> {
        if line.contains("PRIVATE KEY") {
            bail!(playbook: "a private key was given as one that may log in"; hint: "the public one is in the file beside it, .pub");
        }
        let shown: String = line.trim().chars().take(40).collect();
        let Some(key) = Line::parse(line) else {
            bail!(playbook: "`{shown}` is no public key"; hint: "write one as \"ssh-ed25519 AAAA... comment\"");
        };
        // A key begins with its own type, after four bytes that say how long that is.
        let decoded = STANDARD.decode(&key.key).ok().filter(|bytes| bytes.len() > key.kind.len() + 8);
        if decoded.is_none_or(|bytes| bytes.get(4..4 + key.kind.len()) != Some(key.kind.as_bytes())) {
            bail!(playbook: "the key of `{shown}...` is not whole, or not of type {}", key.kind;
                hint: "copy the line anew: sshd passes over what it cannot read");
        }
        Ok(key)
    }
    /// Whether options and comment can stand in a line.
    pub fn check(&self) -> Result<()> {
        if self.options.contains(['\n', '\r']) || self.comment.contains(['\n', '\r']) {
            bail!(playbook: "`options` and `comment` are a part of one line each");
        }
        if !self.options.is_empty() && (!word(&self.options).1.is_empty() || TYPES.contains(&self.options.as_str())) {
            bail!(playbook: "`options` have commas between them and no blanks, but for those in double quotes");
        }
        Ok(())
    }
    /// Whether it is the same key, whatever its options and comment are.
    pub fn same(&self, other: &Line) -> bool {
        self.kind == other.kind && self.key == other.key
    }
    fn text(&self) -> String {
        let parts = [&self.options, &self.kind, &self.key, &self.comment];
        parts.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(" ")
    }
}

/// A text with these keys in it: one that is there already in its place, a new one at the end.
pub fn with(text: Option<&str>, keys: &[Line], exclusive: bool) -> String {
    let mut seen = vec![false; keys.len()];
    let mut lines: Vec<String> = Vec::new();
    for line in text.unwrap_or_default().lines() {
        let found = Line::parse(line).and_then(|found| Some((keys.iter().position(|key| key.same(&found))?, found)));
        match found {
            Some((at, found)) => {
                if !std::mem::replace(&mut seen[at], true) {
                    lines.push(if found == keys[at] { line.to_owned() } else { keys[at].text() });
                }
            }
            None if exclusive => {}
            None => lines.push(line.to_owned()),
        }
    }
    lines.extend(keys.iter().zip(seen).filter(|(_, seen)| !seen).map(|(key, _)| key.text()));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A text without these keys.
pub fn without(text: &str, keys: &[Line]) -> String {
    let gone = |line: &str| Line::parse(line).is_some_and(|found| keys.iter().any(|key| key.same(&found)));
    text.split_inclusive('\n').filter(|line| !gone(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g";

    fn line(text: &str) -> Line {
        Line::parse(text).unwrap()
    }

    #[test]
    fn a_line_is_read_as_sshd_reads_it() {
        let text = format!(r#"  from="10.0.0.1,a b",command="echo \"ssh-rsa x\"" ssh-ed25519 {KEY}  me at home  "#);
        let found = line(&text);
        assert_eq!(found.options, r#"from="10.0.0.1,a b",command="echo \"ssh-rsa x\"""#);
        assert_eq!(
            (found.kind.as_str(), found.key.as_str(), found.comment.as_str()),
            ("ssh-ed25519", KEY, "me at home")
        );
        assert_eq!(line(&format!("ssh-ed25519 {KEY}")).comment, "");
        for none in ["", "# ssh-ed25519 AAAA", "ssh-ed25519", "ssh-foo AAAA", "a b ssh-rsa AAAA"] {
            assert_eq!(Line::parse(none), None, "{none}");
        }
    }

    #[test]
    fn a_key_that_is_not_whole_is_refused() {
        assert!(Line::new(&format!("ssh-ed25519 {KEY}")).is_ok());
        for (wrong, why) in [
            (format!("ssh-ed25519 {}", &KEY[..30]), "not whole"),
            (format!("ssh-rsa {KEY}"), "not of type ssh-rsa"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----".to_owned(), "private key"),
            ("hello world".to_owned(), "no public key"),
        ] {
            assert!(Line::new(&wrong).unwrap_err().message.contains(why), "{wrong}");
        }
        assert!(Line { options: "no-pty, from=\"x\"".to_owned(), ..line(&format!("ssh-rsa {KEY}")) }.check().is_err());
    }

    #[test]
    fn other_lines_stay_and_the_same_key_is_kept_once() {
        let text = format!("# mine\nssh-rsa BBBB b\nssh-ed25519 {KEY} old\nno-pty ssh-ed25519 {KEY} twice");
        let key = line(&format!("ssh-ed25519 {KEY} new"));
        let after = format!("# mine\nssh-rsa BBBB b\nssh-ed25519 {KEY} new\n");
        assert_eq!(with(Some(&text), std::slice::from_ref(&key), false), after);
        assert_eq!(with(Some(&after), std::slice::from_ref(&key), false), after);
        assert_eq!(with(Some(&text), std::slice::from_ref(&key), true), format!("ssh-ed25519 {KEY} new\n"));
        assert_eq!(with(None, std::slice::from_ref(&key), false), format!("ssh-ed25519 {KEY} new\n"));
        assert_eq!(without(&text, &[key]), "# mine\nssh-rsa BBBB b\n");
    }
}
