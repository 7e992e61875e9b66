//! What dnf's and rpm's complaints mean, and what to do about them.

use super::super::{reworded, unreachable_mirror};
use crate::contract::Error;

/// An error in words that say what to do.
pub fn explain(error: Error) -> Error {
    // What rpm says comes on one channel, what dnf makes of it on the other.
    let said = format!("{}\n{}", error.stdout, error.stderr);
    let line = |needle: &str| said.lines().find(|line| line.contains(needle)).map(str::trim);
    let after = |needle: &str| line(needle).and_then(|line| line.split_once(needle)).map(|(_, rest)| rest.trim());
    let reworded = |message: String| reworded(&error, message);
    if let Some(holder) = after("dnf is locked by ") {
        return reworded(format!("dnf is locked by {holder}"))
            .hint("it was not free in time; lock_timeout: \"15m\" waits longer");
    }
    if line("can't create transaction lock").is_some() {
        return reworded("rpm is locked by another process".to_owned())
            .hint("lsof /var/lib/rpm/.rpm.lock or fuser -v on it tells which");
    }
    if line("superuser privileges").is_some() {
        return error.hint("within(#{ become: \"root\" }, || ...) does it as root");
    }
    if let Some((url, why)) = mirror(&said) {
        return unreachable_mirror(&error, &url, &why);
    }
    if let Some(name) = after("No match for argument: ") {
        return reworded(format!("no package {name} in any repository"))
            .hint("dnf::repository adds a repository; update_cache: true fetches fresh lists");
    }
    if let Some(why) = line("more space needed on the").or_else(|| line("No space left on device")) {
        let why = why.trim_start_matches("Error: ").trim();
        return reworded(format!("the disk is full: {why}"));
    }
    if let Some(why) = line("GPG check FAILED").or_else(|| line("is not signed")).or_else(|| line("Public key for ")) {
        return reworded(format!("a package is not trusted: {}", why.trim_start_matches("Error: ")))
            .hint("dnf::repository brings the key with `gpgkey`; disable_gpg_check: true installs it all the same");
    }
    // dnf 5: what a scriptlet has said comes between its name and what rpm makes of it.
    if let Some((when, package)) = after(">>> Error in ").and_then(|rest| rest.split_once(" scriptlet: ")) {
        let own = line("]:1: ").and_then(|line| line.rsplit("]:1: ").next()).unwrap_or(when);
        let name =
            package.rsplit_once('-').and_then(|(rest, _)| rest.rsplit_once('-')).map_or(package, |(name, _)| name);
        return reworded(format!("the transaction failed at {name}: {own}")).hint("nothing was done");
    }
    if line(">>> Non-critical error in ").is_some() {
        let own = after(">>> [RPM] ").unwrap_or("a scriptlet failed");
        let said: Vec<&str> = said.lines().skip_while(|line| *line != ">>> Scriptlet output:").skip(1).collect();
        let said = said.first().map(|line| line.trim_start_matches('>').trim()).unwrap_or_default();
        return reworded(format!("installed, but {own}: {said}"))
            .hint("what the scriptlet was to do is not done; dnf calls the whole transaction failed");
    }
    if let Some(package) = after("scriptlet in rpm package ") {
        let own = line("error: ").unwrap_or_default().rsplit("]:1: ").next().unwrap_or_default().to_owned();
        let failed = section(&said, "Failed:");
        return reworded(format!("the transaction failed at {package}: {}", own.trim_start_matches("error: ")))
            .hint(format!("not done: {}", if failed.is_empty() { package.to_owned() } else { failed.join(", ") }));
    }
    if let Some(problem) = after("Problem: ").or_else(|| after("Problem 1: ")) {
        let more = said.lines().skip_while(|line| !line.contains("Problem")).nth(1).unwrap_or_default();
        return reworded(format!("{problem}: {}", more.trim().trim_start_matches("- ")))
            .hint("allowerasing: true lets dnf remove what is in the way");
    }
    error
}

/// What lies below a heading of dnf's last words.
fn section(said: &str, heading: &str) -> Vec<String> {
    let below = said.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| line.starts_with(' '));
    below.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

/// The repositories that dnf does without, if it says so; dnf 5 only shows that it got nothing of them.
pub fn ignored(said: &str) -> Option<String> {
    if let Some(names) = said.lines().find_map(|line| line.strip_prefix("Ignoring repositories: ")) {
        return Some(names.to_owned());
    }
    let failed = said.lines().filter_map(|line| line.split_once("???%")).map(|(name, _)| name.trim());
    let names: Vec<&str> = failed.collect();
    (!names.is_empty() && mirror(said).is_some()).then(|| names.join(", "))
}

/// The place that packages come from and that does not answer, and why.
pub fn mirror(said: &str) -> Option<(String, String)> {
    let lead = |line: &str| ["- Curl error", ">>> Curl error"].into_iter().find(|lead| line.starts_with(lead));
    let curl = said.lines().map(str::trim).find_map(|line| line.strip_prefix(lead(line)?));
    if let Some((why, rest)) = curl.and_then(|rest| rest.split_once("): ")?.1.split_once(" for ")) {
        return Some((rest.split(' ').next().unwrap_or_default().to_owned(), why.to_owned()));
    }
    if let Some((_, rest)) = said.split_once("Failed to download metadata (baseurl: \"") {
        let (url, rest) = rest.split_once('"')?;
        let why = rest.lines().next().and_then(|line| line.rsplit_once(": ")).map_or("", |(_, why)| why);
        return Some((url.to_owned(), why.to_owned()));
    }
    let failed = said.lines().find_map(|line| line.split_once("Failed to download metadata for repo "))?.1;
    let (repository, why) = failed.split_once(": ").unwrap_or((failed, ""));
    Some((format!("of the repository {repository}"), why.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(said: &str) -> Error {
        let mut error = Error::host("dnf exited with 1");
        error.stdout = said.to_owned();
        explain(error)
    }

    #[test]
    fn complaints_are_explained() {
        for (said, message) in [
            (
                "Errors during downloading metadata for repository 'toy':\n  - Curl error (7): Could not connect to server for \
                 http://10.0.0.2/x/repodata/repomd.xml [Failed to connect]\nError: Failed to download metadata for repo 'toy': \
                 Cannot download repomd.xml",
                "unreachable mirror http://10.0.0.2: Could not connect to server",
            ),
            (
                "No match for argument: nosuch\nError: Unable to find a match: nosuch",
                "no package nosuch in any repository",
            ),
            (
                "error: lua script failed: [string \"%pretrans(toy-2-1.noarch)\"]:1: toy: refused\nFailed:\n  toy-1-1.noarch  \
                 toy-2-1.noarch\nError in PRETRANS scriptlet in rpm package toy",
                "the transaction failed at toy: toy: refused",
            ),
            (
                "Error: \n Problem: conflicting requests\n  - cannot install both a-2 and a-1",
                "conflicting requests: cannot install both a-2 and a-1",
            ),
            ("dnf is locked by process 812: dnf -y upgrade", "dnf is locked by process 812: dnf -y upgrade"),
            (
                ">>> Running %pretrans scriptlet: toy-x-0:2-1.noarch\n>>> Error in %pretrans scriptlet: toy-x-0:2-1.noarch\n>>> [RPM] \
                 lua script failed: [string \"%pretrans(toy-x-2-1.noarch)\"]:1: toy: refused\nTransaction failed: Rpm transaction \
                 failed.",
                "the transaction failed at toy-x: toy: refused",
            ),
            (
                ">>> Non-critical error in %post scriptlet: toypost-0:2-1.noarch\n>>> Scriptlet output:\n>>> toypost: cannot set up\n\
                 >>> \n>>> [RPM] %post(toypost-2-1.noarch) scriptlet failed, exit status 1",
                "installed, but %post(toypost-2-1.noarch) scriptlet failed, exit status 1: toypost: cannot set up",
            ),
            (
                ">>> Curl error (7): Could not connect to server for http://10.0.0.2/x/repodata/repomd.xml [Failed to connect]\n>>> \
                 Usable URL not found\nFailed to download metadata (baseurl: \"http://10.0.0.2/x\") for repository \"toy\": Usable \
                 URL not found",
                "unreachable mirror http://10.0.0.2: Could not connect to server",
            ),
            ("something else", "dnf exited with 1"),
        ] {
            assert_eq!(explained(said).message, message);
        }
    }
}
