//! The key pair that a user gets.

use crate::contract::{Command, Step};
use schemars::JsonSchema;
use serde::Deserialize;

/// A kind of ssh key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// RSA.
    #[default]
    Rsa,
    /// Ed25519.
    Ed25519,
    /// A curve of NIST's.
    Ecdsa,
}

impl KeyKind {
    fn as_str(self) -> &'static str {
        match self {
            KeyKind::Rsa => "rsa",
            KeyKind::Ed25519 => "ed25519",
            KeyKind::Ecdsa => "ecdsa",
        }
    }
    /// Where ssh looks for it, from the home directory.
    pub fn file(self) -> String {
        format!(".ssh/id_{}", self.as_str())
    }
}

/// How a key pair is made.
#[derive(Debug, Clone)]
pub struct Key<'a> {
    /// What kind.
    pub kind: KeyKind,
    /// How many bits.
    pub bits: Option<u32>,
    /// Its comment; empty for `user@host`.
    pub comment: &'a str,
    /// Where, from the home directory.
    pub file: String,
}

/// `NAME FILE TYPE BITS COMMENT`: the pair is the user's own, and so is the directory it lies in.
const MAKE: &str = r#"umask 022; f=$(getent passwd "$1" | cut -d: -f6)/$2; d=${f%/*}; [ -d "$d" ] || { mkdir -p -m 700 -- "$d" && chown "$1:" -- "$d"; } && ssh-keygen -q -t "$3" ${4:+-b "$4"} -N "" -C "${5:-$1@$(uname -n)}" -f "$f" && chown "$1:" -- "$f" "$f.pub""#;

const DIRECTORY: &str = r#"d=$(getent passwd "$1" | cut -d: -f6)/${2%/*}; [ -d "$d" ] || { mkdir -p -m 700 -- "$d" && chown "$1:" -- "$d"; }"#;

/// `NAME FILE MADE`: the directory goes too if it was made for the pair, and is empty now.
const REMOVE: &str = r#"f=$(getent passwd "$1" | cut -d: -f6)/$2; rm -f -- "$f" "$f.pub" && { [ -z "$3" ] || rmdir -- "${f%/*}" 2>/dev/null || true; }"#;

impl Key<'_> {
    /// Makes the pair.
    pub fn make(&self, name: &str) -> Command {
        let bits = self.bits.map(|bits| bits.to_string()).unwrap_or_default();
        Command::sh(MAKE).args([name, &self.file, self.kind.as_str(), &bits, self.comment])
    }
    /// Makes the directory that it lies in, if it lies in one.
    pub fn directory(&self, name: &str) -> Option<Step> {
        self.file.contains('/').then(|| Command::sh(DIRECTORY).args([name, &self.file]).into())
    }
    /// Takes it away, and the directory that was made for it.
    pub fn remove(&self, name: &str, made: bool) -> Command {
        Command::sh(REMOVE).args([name, &self.file, if made { "made" } else { "" }])
    }
}
