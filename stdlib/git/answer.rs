//! What git answers, as the state of a checkout and as errors.

use super::checkout::{Around, CheckoutState, Named};
use super::hidden;
use crate::contract::Error;

pub fn parse(text: &str, version: &str) -> CheckoutState {
    let said = |mark: &'static str| text.lines().filter_map(move |line| line.strip_prefix(mark));
    let one = |mark: &'static str| said(mark).next().map(str::to_owned).filter(|word| !word.is_empty());
    let target = one("target ").and_then(|line| {
        let mut words = line.splitn(3, ' ').map(str::to_owned);
        let (commit, named) = (words.next()?, words.next()?);
        let named = match named.as_str() {
            "branch" => Named::Branch,
            "tag" => Named::Tag,
            // Said in the playbook's own digits.
            _ => return Some((version.to_owned(), Named::Commit, String::new())),
        };
        Some((commit, named, words.next().unwrap_or_default()))
    });
    let commit = one("head ").map(|head| match &target {
        Some((_, Named::Branch | Named::Tag, _)) => head,
        _ if version.len() >= 7 && head.starts_with(version) => version.to_owned(),
        _ => head,
    });
    let counts = one("count ").unwrap_or_default();
    let counts: Vec<u64> = counts.split_whitespace().filter_map(|count| count.parse().ok()).collect();
    let count = |at: usize| counts.get(at).copied().filter(|count| *count > 0);
    let local = said("local ").filter_map(|line| Some((line.get(3..)?.to_owned(), word(line.get(..2)?))));
    CheckoutState {
        branch: one("branch ").filter(|_| commit.is_some()),
        commit,
        repo: one("url ").map(|url| hidden(&url)),
        ahead: count(0),
        behind: count(1),
        local: local.collect(),
        submodules: said("submodule ").map(str::to_owned).collect(),
        was_empty: text.lines().any(|line| line == "empty"),
        rest: None,
        around: Around { full: text.lines().any(|line| line == "full"), target },
    }
}

/// What `git status` says in two letters.
fn word(letters: &str) -> String {
    let word = match letters.trim() {
        "A" | "AM" => "added",
        "D" => "deleted",
        "R" | "RM" => "renamed",
        "U" | "UU" | "AA" => "in conflict",
        _ => "modified",
    };
    word.to_owned()
}

/// What git's own words mean, and what to try next.
pub fn explain(error: Error) -> Error {
    let said = format!("{} {}", error.message, error.stderr);
    let has = |text: &str| said.contains(text);
    let hint = if has("git is not installed") {
        "apt::installed(\"git\") or the like brings it"
    } else if has("Host key verification failed") {
        "the host key of the repository is not known on the host: accept_hostkey: true accepts a new one"
    } else if has("Permission denied (publickey") {
        "the repository refused the host's key: key_file names one, and its public half belongs into the repository's deploy keys"
    } else if has("could not read Username") || has("Authentication failed") {
        "the repository asks for a login: use ssh with key_file, or a token in a credential helper"
    } else if has("dubious ownership") {
        "the repository belongs to another user: within(#{ become: \"OWNER\" }, || ...) is that user"
    } else if has("Permission denied") {
        "within(#{ become: \"root\" }, || ...), or the owner of the directory"
    } else {
        return error;
    };
    error.hint(hint)
}
