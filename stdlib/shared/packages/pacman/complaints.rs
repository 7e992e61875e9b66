//! What pacman's complaints mean, and what to do about them.

use super::super::{reworded, unreachable_mirror};
use crate::contract::Error;

/// An error in words that say what to do.
pub fn explain(error: Error) -> Error {
    let said = format!("{}\n{}", error.stdout, error.stderr);
    let line = |needle: &str| said.lines().find(|line| line.contains(needle)).map(str::trim);
    let after = |needle: &str| line(needle).and_then(|line| line.split_once(needle)).map(|(_, rest)| rest.trim());
    let reworded = |message: String| reworded(&error, message);
    if let Some(holder) = after("pacman is locked by ") {
        return reworded(format!("pacman is locked by {holder}"))
            .hint("it was not free in time; lock_timeout: \"15m\" waits longer");
    }
    if let Some(lock) = after("left behind: ") {
        return reworded(format!("an earlier run of pacman was interrupted, and its lock is left: {lock}"))
            .hint(format!("nobody has it open; file::absent(\"{lock}\") removes it"));
    }
    if line("you cannot perform this operation unless you are root").is_some() {
        return error.hint("within(#{ become: \"root\" }, || ...) does it as root");
    }
    if let Some((url, why)) = mirror(&said) {
        return unreachable_mirror(&error, &url, &why);
    }
    if let Some(name) = after("target not found: ") {
        return reworded(format!("no package {name} in any repository"))
            .hint("update_cache: true fetches fresh lists; the AUR is none of pacman's repositories");
    }
    if let Some(why) = after("error: Partition ").or_else(|| line("No space left on device")) {
        return reworded(format!("the disk is full: {}", why.trim_start_matches("error: ")));
    }
    if line("could not satisfy dependencies").is_some() || line("conflicting dependencies").is_some() {
        let why =
            said.lines().filter_map(|line| line.strip_prefix(":: ")).map(str::trim).collect::<Vec<_>>().join("; ");
        return reworded(why);
    }
    if let Some(why) = line("signature from ").or_else(|| line("(PGP signature)")) {
        return reworded(format!("a package is not trusted: {}", why.trim_start_matches("error: ")))
            .hint("packages::latest(\"archlinux-keyring\") brings new keys");
    }
    match after("error: ") {
        Some(why) => reworded(why.to_owned()),
        None => error,
    }
}

/// The place that packages come from and that does not answer, and why.
fn mirror(said: &str) -> Option<(String, String)> {
    let failed = said.lines().find_map(|line| line.split_once("failed retrieving file "))?.1;
    let (_, rest) = failed.split_once(" from ")?;
    let (site, why) = rest.split_once(" : ")?;
    Some((format!("https://{site}"), why.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_explained() {
        for (said, message) in [
            (
                ":: Synchronizing package databases...\nerror: failed retrieving file 'core.db' from geo.mirror.pkgbuild.com : Could \
                 not resolve host\nerror: failed to synchronize all databases (download library error)",
                "unreachable mirror https://geo.mirror.pkgbuild.com: Could not resolve host",
            ),
            ("error: target not found: nosuch", "no package nosuch in any repository"),
            (
                "checking dependencies...\n:: removing toydep breaks dependency 'toydep' required by toynew\nerror: failed to \
                 prepare transaction (could not satisfy dependencies)",
                "removing toydep breaks dependency 'toydep' required by toynew",
            ),
            ("pacman is locked by process 812: pacman -Syu", "pacman is locked by process 812: pacman -Syu"),
            (
                "left behind: /var/lib/pacman/db.lck",
                "an earlier run of pacman was interrupted, and its lock is left: /var/lib/pacman/db.lck",
            ),
            (
                "error: Partition / too full: 2 blocks needed, 0 blocks free",
                "the disk is full: / too full: 2 blocks needed, 0 blocks free",
            ),
            ("something else", "pacman exited with 1"),
        ] {
            let mut error = Error::host("pacman exited with 1");
            error.stdout = said.to_owned();
            assert_eq!(explain(error).message, message);
        }
    }
}
