//! What apt would do, what it is told to do, and what its complaints mean.

use crate::bail;
use crate::contract::{Command, Error, Look, Output, Refresh, Result, Step};
use crate::shared::Span;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

/// Packages and their versions; nothing for one that is not installed.
pub type Packages = BTreeMap<String, Option<String>>;

/// `apt-get` as a playbook needs it: nobody answers questions, changed configuration files stay, and
/// needrestart only lists what it would restart.
pub fn apt_get() -> Command {
    Command::new("apt-get")
        .env("APT_LISTCHANGES_FRONTEND", "none")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C.UTF-8")
        .env("NEEDRESTART_MODE", "l")
}

/// The end of every summary that is only a simulation's.
const DPKG: [&str; 4] = ["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"];

/// One call of apt-get, as simulated first and made then.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// `install`, `dist-upgrade`... with its options and packages.
    pub args: Vec<String>,
    /// How long to wait for dpkg's lock.
    pub lock: Span,
}

impl Transaction {
    /// Ask what it would do.
    pub async fn simulate(&self, host: &dyn Look) -> Result<(Packages, Packages)> {
        let command = self.simulation();
        let output = host.run(&command).await?;
        simulated(&command, &output)
    }
    /// The command that asks what it would do; with `-y`, it refuses what the real one would refuse.
    pub fn simulation(&self) -> Command {
        Command::new("apt-get").arg("-qsy").args(&self.args).env("LC_ALL", "C.UTF-8")
    }
    /// The command that does it.
    pub fn command(&self) -> Command {
        let lock = format!("DPkg::Lock::Timeout={}", self.lock.0.as_secs());
        apt_get().args(["-qy"]).args(DPKG).args(["-o", &lock]).args(&self.args).long()
    }
}

/// How packages are installed.
#[derive(Debug, Clone, Copy)]
pub struct Install<'a> {
    /// With what they recommend; nothing leaves it to the host.
    pub recommends: Option<bool>,
    /// The release to take them from.
    pub release: Option<&'a str>,
    /// Older versions are allowed.
    pub downgrade: bool,
    /// Only what is installed already.
    pub only_upgrade: bool,
    /// Remove what nothing needs any longer.
    pub autoremove: bool,
}

impl Install<'_> {
    /// The transaction for these packages.
    pub fn transaction(&self, names: impl Iterator<Item = String>, lock: Span) -> Transaction {
        let flags = [
            ("--install-recommends", self.recommends == Some(true)),
            ("--no-install-recommends", self.recommends == Some(false)),
            ("--allow-downgrades", self.downgrade),
            ("--only-upgrade", self.only_upgrade),
            ("--auto-remove", self.autoremove),
        ];
        let flags = flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag.to_owned());
        let release = self.release.map(|release| format!("--target-release={release}"));
        let args = std::iter::once("install".to_owned()).chain(flags).chain(release);
        Transaction { args: args.chain(["--".to_owned()]).chain(names).collect(), lock }
    }
}

/// What a simulation says: the packages it touches as they are, and as they would be.
pub fn simulated(command: &Command, output: &Output) -> Result<(Packages, Packages)> {
    if !output.success() {
        return Err(explain(crate::contract::refusal(command, output)));
    }
    let text = output.text();
    let (mut now, mut want) = (Packages::new(), Packages::new());
    for captures in text.lines().filter_map(|line| ACTION.captures(line)) {
        let part = |name: &str| captures.name(name).map(|found| found.as_str().to_owned());
        let Some(name) = part("name") else { continue };
        match &captures["action"] {
            // One that is unpacked already is only configured.
            "Conf" if want.contains_key(&name) => continue,
            "Conf" => drop(now.insert(name.clone(), part("new").map(|new| format!("{new} (not configured)")))),
            _ => drop(now.insert(name.clone(), part("old"))),
        }
        want.insert(name, part("new").filter(|_| !matches!(&captures["action"], "Remv" | "Purg")));
    }
    Ok((now, want))
}

#[allow(clippy::unwrap_used, reason = "a constant pattern")]
static ACTION: LazyLock<regex::Regex> = LazyLock::new(|| {
    regex::Regex::new(r"^(?<action>Inst|Conf|Remv|Purg) (?<name>\S+)(?: \[(?<old>[^\]]+)\])?(?: \((?<new>\S+))?").unwrap()
});

/// Asks which versions of packages are installed.
pub fn query<'a>(names: impl Iterator<Item = &'a str>) -> Command {
    let format = r"${Package} ${Architecture} ${db:Status-Status} ${Version}\n";
    Command::new("dpkg-query").args(["-W", "-f", format, "--"]).args(names)
}

/// Instead of a version: the package was removed, but not purged.
pub const CONFIGURATION: &str = "(only configuration files)";

/// The versions of these packages.
pub fn versions<'a>(names: impl Iterator<Item = &'a str>, output: &Output) -> Result<Packages> {
    if output.code > 1 {
        bail!("dpkg does not answer: {}", output.stderr_text().trim_end(); hint: "is it a Debian?");
    }
    let text = output.text();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    let version = |name: &str| {
        let (package, architecture) = name.split_once(':').map_or((name, None), |(p, a)| (p, Some(a)));
        let mut same = lines.iter().filter(|l| l.len() > 3 && l[0] == package && architecture.is_none_or(|a| a == l[1]));
        same.find_map(|line| match line[2] {
            "installed" | "triggers-awaited" | "triggers-pending" => Some(line[3].to_owned()),
            "not-installed" => None,
            "config-files" => Some(CONFIGURATION.to_owned()),
            _ => Some(format!("{} (not configured)", line[3])),
        })
    };
    Ok(names.map(|name| (name.to_owned(), version(name))).collect())
}

/// The way from some versions to others, whatever brought them about: what undo does.
pub fn back(now: &Packages, want: &Packages, lock: Span) -> Transaction {
    let mut args: Vec<String> = ["install", "--allow-downgrades", "--allow-change-held-packages"].map(Into::into).into();
    let differ = want.iter().filter(|(name, version)| now.get(*name) != Some(*version));
    args.extend(differ.map(|(name, version)| match version {
        // One that was not configured yet is configured then.
        Some(version) => format!("{name}={}", version.split(' ').next().unwrap_or_default()),
        None => format!("{name}-"),
    }));
    Transaction { args, lock }
}

/// The steps of that way. What comes back and nobody asked for by name is marked as automatic again.
pub fn steps_back(now: &Packages, want: &Packages, asked: &[String], purge: bool, lock: Span) -> Vec<Step> {
    let mut transaction = back(now, want, lock);
    transaction.args.splice(1..1, purge.then(|| "--purge".to_owned()));
    let mut steps: Vec<Step> = transaction.command().into();
    let new = want.iter().filter(|(name, version)| version.is_some() && now.get(*name).is_none_or(Option::is_none));
    let automatic: Vec<&String> = new.map(|(name, _)| name).filter(|name| !asked.contains(name)).collect();
    if !automatic.is_empty() {
        steps.push(Command::new("apt-mark").args(["-qq", "auto", "--"]).args(automatic).into());
    }
    steps
}

/// Whether the repositories still have the versions to go back to: asked by simulating it.
pub async fn returnable(host: &dyn Look, now: &Packages, want: &Packages, lock: Span) -> Result<()> {
    if let Some((name, _)) = want.iter().find(|(_, version)| version.as_deref() == Some(CONFIGURATION)) {
        bail!("only configuration files of {name} were left, and they are gone");
    }
    back(now, want, lock).simulate(host).await.map(drop)
}

/// How long ago the lists of packages were fetched, in seconds; `never` if there are none.
const AGE: &str = r#"cd /var/lib/apt && ls lists | grep -q _ && s=$(stat -c %Y lists) && [ "$s" -gt 0 ] && echo $(($(date +%s) - s)) || echo never"#;

/// Fetch the lists, waiting while another apt does; every list that cannot be had is an error. It must not
/// contain `%s`, which stands for a new file in [`validation`].
const UPDATE: &str = r#"left=$1; shift; until said=$(apt-get -q -o APT::Update::Error-Mode=any "$@" update 2>&1); do case $said in *"Could not get lock"*) left=$((left - 2)); [ "$left" -lt 0 ] || { sleep 2; continue; };; esac; echo "$said" >&2; exit 100; done; [ $# -gt 0 ] || touch /var/lib/apt/lists; echo "$said""#;

/// The command that fetches the lists of packages.
pub fn update(lock: Span) -> Command {
    let command = Command::gist("apt-get update, again while it is locked", UPDATE).arg(lock.0.as_secs().to_string()).long();
    Command { env: apt_get().env, ..command }
}

/// Makes of a new file of sources what apt reads, beside everything else, before the rest of [`UPDATE`].
const ALONE: &str = r#"d=$(mktemp -d) && trap 'rm -rf "$d"' EXIT && cp -- "$2" "$d/new.sources" && set -- "$1" -o Dir::Etc::SourceList="$d/new.sources" -o Dir::Etc::SourceParts=- -o APT::Get::List-Cleanup=0 || exit; "#;

/// The command that accepts a new file of sources (`%s`) if all its lists can be fetched.
pub fn validation(lock: Span) -> Command {
    let command = Command::gist("apt-get update, of this file alone", format!("{ALONE}{UPDATE}")).args([lock.0.as_secs().to_string(), "%s".to_owned()]);
    Command { env: apt_get().env, ..command }
}

/// The command that fetches the lists of one file of sources.
pub fn update_one(sources: &str, lock: Span) -> Command {
    let only = [format!("Dir::Etc::SourceList={sources}"), "Dir::Etc::SourceParts=-".to_owned()];
    let only = only.into_iter().chain(["APT::Get::List-Cleanup=0".to_owned()]);
    update(lock).args(only.flat_map(|option| ["-o".to_owned(), option]))
}

/// Asks how old the lists are.
pub fn age() -> Command {
    Command::sh(AGE)
}

/// The answer to [`age`].
pub fn aged(output: &Output) -> Option<Duration> {
    output.text().trim().parse().ok().map(Duration::from_secs)
}

/// What is due before versions are compared, if the playbook asks for fresh lists.
pub async fn refresh(host: &dyn Look, wanted: bool, valid: Option<Span>, lock: Span) -> Result<Refresh> {
    if !wanted && valid.is_none() {
        return Ok(Refresh::default());
    }
    let old = aged(&host.run(&age()).await?);
    if let (Some(old), Some(valid)) = (old, valid)
        && old < valid.0
    {
        return Ok(Refresh::default());
    }
    let instead = match old {
        Some(old) => format!("predicted from package lists that are {} old; applying it fetches new ones", words(old)),
        None => "predicted without any package lists; applying it fetches them".to_owned(),
    };
    Ok(Refresh { steps: vec![update(lock).into()], instead: Some(instead) })
}

/// An age in one number.
fn words(age: Duration) -> String {
    let seconds = age.as_secs();
    let (number, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// What apt's complaints mean, and what to do about them.
pub fn explain(error: Error) -> Error {
    // What dpkg says comes on one channel, what apt makes of it on the other.
    let said = format!("{}\n{}", error.stdout, error.stderr);
    let line = |needle: &str| said.lines().find(|line| line.contains(needle)).map(str::trim);
    let reworded = |message: String| {
        let mut new = error.clone();
        new.message = message;
        new
    };
    if let (Some(said), true) = (line("It is held by process"), line("E: ").is_some_and(|e| e.contains(" lock"))) {
        let (lock, holder) = said.split_once(". It is held by process ").unwrap_or((said, ""));
        let lock = lock.rsplit(' ').next().unwrap_or_default();
        return reworded(format!("apt is locked by process {}", holder.trim_end_matches('.')))
            .hint(format!("{lock} was not free in time; lock_timeout: \"15m\" waits longer"));
    }
    if line("dpkg was interrupted").is_some() {
        return reworded("an earlier run of dpkg was interrupted, and packages are half-installed".to_owned())
            .hint("dpkg --configure -a finishes it: repair: true does so first");
    }
    if let Some(said) = line("Unable to locate package") {
        let name = said.rsplit(' ').next().unwrap_or_default().to_owned();
        return reworded(format!("no package {name} in the package lists"))
            .hint("update_cache: true fetches new lists; apt::repository adds a source");
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
        return reworded("it would change a package that is held".to_owned())
            .hint("apt::held(name, #{ held: false }) releases it");
    }
    if line("Essential packages were removed").is_some() {
        return reworded("it would remove a package that the system cannot do without".to_owned())
            .hint("apt-get -s with the same packages shows which");
    }
    if line("are you root?").is_some() || line("Permission denied").is_some() {
        return error.clone().hint("within(#{ become: \"root\" }, || ...) does it as root");
    }
    let Some(failed) = line("dpkg: error processing package") else { return error };
    let package = failed.trim_start_matches("dpkg: error processing package ").split(' ').next().unwrap_or_default();
    let own = said.lines().take_while(|line| !line.contains("dpkg: error processing")).last().unwrap_or_default();
    reworded(format!("the package {package} cannot be configured: {}", own.trim()))
        .hint("the rest of the transaction is done; once the cause is gone, run it again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulation_says_what_becomes_of_each_package() {
        let text = "Inst toy [1.0] (2.0 Lab:toy [all])\nInst toydep (2.0 Lab:toy [all]) []\nRemv old [1:3-4]\n\
                    Conf toy (2.0 Lab:toy [all])\nConf half (7 Lab [all])\nPurg gone [5]\n";
        let output = Output { stdout: text.into(), ..Output::default() };
        let (now, want) = simulated(&Command::new("apt-get"), &output).unwrap();
        let line = |packages: &Packages| {
            packages.iter().map(|(n, v)| format!("{n} {}", v.as_deref().unwrap_or("-"))).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(line(&now), "gone 5, half 7 (not configured), old 1:3-4, toy 1.0, toydep -");
        assert_eq!(line(&want), "gone -, half 7, old -, toy 2.0, toydep 2.0");
    }

    #[test]
    fn complaints_are_explained() {
        let explained = |stderr: &str| explain(error(stderr)).message.clone();
        fn error(stderr: &str) -> Error {
            let mut error = Error::host("apt-get exited with 100");
            error.stderr = stderr.to_owned();
            error
        }
        let lock = "Waiting for cache lock: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 \
                    (unattended-upgr)...\nE: Unable to acquire the dpkg frontend lock";
        assert_eq!(explained(lock), "apt is locked by process 812 (unattended-upgr)");
        assert_eq!(explained("E: Unable to locate package nope"), "no package nope in the package lists");
        let failed = "Setting up toy\ntoy: no\ndpkg: error processing package toy (--configure):\n installed toy";
        assert_eq!(explained(failed), "the package toy cannot be configured: toy: no");
        assert_eq!(explained("something else"), "apt-get exited with 100");
    }
}
