//! What apt's and dpkg's complaints mean, and what to do about them.

use super::super::{reworded, unreachable_mirror};
use crate::contract::Error;

const INTERRUPTED: &str = "an earlier run of dpkg was interrupted";

/// Whether it says that dpkg was interrupted.
pub fn interrupted(error: &Error) -> bool {
    error.message == INTERRUPTED
}

const LEFT: &str = "an earlier run of dpkg was interrupted or failed, and left ";

/// Whether it says that packages are unfinished.
pub fn is_unfinished(error: &Error) -> bool {
    interrupted(error) || error.message.starts_with(LEFT)
}

/// The error of a lock that was not free in time.
pub fn locked(holder: &str) -> Error {
    Error::host(format!("apt is locked by process {holder}"))
        .hint("dpkg's lock was not free in time; lock_timeout: \"15m\" waits longer")
}

/// The error of packages that an earlier run has left unfinished, each with its version.
pub fn unfinished(packages: impl Iterator<Item = String>) -> Error {
    let packages: Vec<String> = packages.collect();
    let named = match &packages[..] {
        [] => INTERRUPTED.to_owned(),
        packages => format!("{LEFT}{}", packages.join(", ")),
    };
    Error::host(named).hint("nothing was changed; apt::repaired() finishes what is half-done")
}

/// An error in words that say what to do.
pub fn explain(error: Error) -> Error {
    // What dpkg says comes on one channel, what apt makes of it on the other.
    let said = format!("{}\n{}", error.stdout, error.stderr);
    let line = |needle: &str| said.lines().find(|line| line.contains(needle)).map(str::trim);
    let reworded = |message: String| reworded(&error, message);
    if let (Some(said), true) = (line("It is held by process"), line("E: ").is_some_and(|e| e.contains(" lock"))) {
        let (lock, holder) = said.split_once(". It is held by process ").unwrap_or((said, ""));
        let lock = lock.rsplit(' ').next().unwrap_or_default();
        return reworded(format!("apt is locked by process {}", holder.trim_end_matches('.')))
            .hint(format!("{lock} was not free in time; lock_timeout: \"15m\" waits longer"));
    }
    if let Some(said) = line("was locked by another process with pid ") {
        let pid = said.rsplit(' ').next().unwrap_or_default();
        return reworded(format!("dpkg is locked by process {pid}")).hint(format!("ps -fp {pid} tells what it is"));
    }
    if line("dpkg was interrupted").is_some() {
        return reworded(INTERRUPTED.to_owned()).hint("apt::repaired() finishes what is half-done");
    }
    if let Some(failed) = line("E: Failed to fetch ") {
        let (url, why) = failed.trim_start_matches("E: Failed to fetch ").split_once("  ").unwrap_or((failed, ""));
        if why.starts_with("404") || why.starts_with("403") {
            return missing(reworded(format!("the mirror does not have {url}: {why}")), url);
        }
        if why.starts_with("401") {
            return reworded(format!("the repository wants to know who asks: {url}: {why}"))
                .hint("it wants a subscription or a password (/etc/apt/auth.conf.d), or to be removed");
        }
        return unreachable_mirror(&error, url, why);
    }
    if let Some(said) = line("E: Conflicting values set for option") {
        return reworded(format!("another file of sources says otherwise: {}", said.trim_start_matches("E: ")))
            .hint("grep -r the address in /etc/apt/sources.list.d finds it; one of the two has to go");
    }
    if let Some(said) = line("does not have a Release file") {
        return reworded(said.trim_start_matches("E: ").to_owned())
            .hint("check the address and the suite of the repository");
    }
    if let Some(said) = line("No space left on device").or_else(|| line("don't have enough free space")) {
        let what = said.trim_start_matches("E: ").trim_start_matches("dpkg: error: ");
        return reworded(format!("the disk is full: {what}"))
            .hint("make room (apt::cleaned(#{ all: true }) deletes downloads), then apt::repaired() finishes what is half-done");
    }
    if let Some(said) = line("Unable to locate package") {
        let name = said.rsplit(' ').next().unwrap_or_default().to_owned();
        return reworded(format!("no package {name} in the package lists"))
            .hint("update_cache: true fetches new lists; apt::repository adds a source");
    }
    if line("is invalid for APT::Default-Release").is_some() {
        return reworded("the package lists have no archive of that name".to_owned())
            .hint("apt-cache policy shows the archives; security: true needs one that ends in -security");
    }
    if let Some(said) = line("was not found").filter(|said| said.contains("Version") || said.contains("Release")) {
        return reworded(said.trim_start_matches("E: ").to_owned())
            .hint("apt-cache policy shows the versions that there are");
    }
    if let Some(said) = line("has no installation candidate") {
        return reworded(said.trim_start_matches("E: ").to_owned())
            .hint("update_cache: true fetches new lists; apt::repository adds a source");
    }
    if line("Packages were downgraded").is_some() || line("downgraded and -y was used").is_some() {
        return reworded("the wanted version is older than the installed one".to_owned())
            .hint("allow_downgrade: true installs it all the same");
    }
    if line("Held packages were changed").is_some() {
        let below = said.lines().skip_while(|line| !line.starts_with("The following held packages will be changed"));
        let names: Vec<&str> = below
            .skip(1)
            .take_while(|line| line.starts_with(' '))
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        let what =
            if names.is_empty() { "a package that is".to_owned() } else { format!("{}, which is", names.join(", ")) };
        return reworded(format!("it would change {what} held")).hint("apt::unheld(name) releases it");
    }
    if line("Essential packages were removed").is_some() {
        return reworded("it would remove a package that the system cannot do without".to_owned())
            .hint("apt-get -s with the same packages shows which");
    }
    if line("Unmet dependencies").is_some() {
        return reworded("packages that are installed lack what they need".to_owned())
            .hint("apt::repaired() installs what is missing");
    }
    if line("are you root?").is_some() || line("Permission denied").is_some() {
        return error.clone().hint("within(#{ become: \"root\" }, || ...) does it as root");
    }
    let Some(failed) = line("dpkg: error processing package") else { return error };
    let package = failed.trim_start_matches("dpkg: error processing package ").split(' ').next().unwrap_or_default();
    let own = said.lines().take_while(|line| !line.contains("dpkg: error processing")).last().unwrap_or_default();
    reworded(format!("the package {package} cannot be configured: {}", own.trim()))
        .hint("the rest of the transaction is done; once the cause is gone, apt::repaired() finishes it")
}

/// A file that a mirror no longer has, or never had.
fn missing(error: Error, url: &str) -> Error {
    if url.ends_with(".deb") {
        return error.hint("nothing was installed; the package lists are older than the mirror: update_cache: true");
    }
    error.hint("check the address and the suite of the repository")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(stderr: &str) -> Error {
        let mut error = Error::host("apt-get exited with 100");
        error.stderr = stderr.to_owned();
        error
    }

    #[test]
    fn complaints_are_explained() {
        let explained = |stderr: &str| explain(error(stderr)).message.clone();
        let lock = "Waiting for cache lock: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 \
                    (unattended-upgr)...\nE: Unable to acquire the dpkg frontend lock";
        assert_eq!(explained(lock), "apt is locked by process 812 (unattended-upgr)");
        assert_eq!(explained("E: Unable to locate package nope"), "no package nope in the package lists");
        let held = "The following held packages will be changed:\n   toyd (1.0 => 2.0)\n1 upgraded\nE: Held packages were changed and -y was used";
        assert_eq!(explained(held), "it would change toyd, which is held");
        let failed = "Setting up toy\ntoy: no\ndpkg: error processing package toy (--configure):\n installed toy";
        assert_eq!(explained(failed), "the package toy cannot be configured: toy: no");
        assert_eq!(explained("something else"), "apt-get exited with 100");
    }

    #[test]
    fn a_mirror_that_is_down_is_one_line() {
        let wall = "Err:1 http://10.0.0.2:8099 ./ Packages\n  Could not connect\nE: Failed to fetch \
                    http://10.0.0.2:8099/./Packages  Could not connect to 10.0.0.2:8099 (10.0.0.2). - connect (111: Connection \
                    refused)\nE: Some index files failed to download.";
        let down = explain(error(wall));
        assert!(down.message.starts_with("unreachable mirror http://10.0.0.2:8099: Could not connect"), "{down}");
        assert_eq!(down.stderr, "");
        let gone = explain(error("E: Failed to fetch http://x/toy.deb  404  Not Found [IP: 10.0.0.2 80]"));
        assert_eq!(gone.message, "the mirror does not have http://x/toy.deb: 404  Not Found [IP: 10.0.0.2 80]");
    }
}
