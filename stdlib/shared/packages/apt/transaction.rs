//! What apt would do, and what it is told to do.

use super::super::{Packages, automatic};
use super::complaints;
use crate::bail;
use crate::contract::{Command, Error, Look, Output, Result, Step, refusal};
use crate::shared::Span;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

/// `apt-get` as a playbook needs it: nobody answers questions, changed configuration files stay, and
/// needrestart only lists what it would restart.
pub fn apt_get() -> Command {
    Command::new("apt-get")
        .env("APT_LISTCHANGES_FRONTEND", "none")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C.UTF-8")
        .env("NEEDRESTART_MODE", "l")
}

const DPKG: [&str; 4] = ["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"];

/// Fetches the arguments that are URLs with apt's own helper, and runs the command with files in their place.
const FETCHING: &str = r#"d=$(mktemp -d) && trap 'rm -rf "$d"' EXIT && chmod 755 "$d" || exit; n=0; for a; do shift; case $a in http://*|https://*) n=$((n + 1)); /usr/lib/apt/apt-helper -q download-file "$a" "$d/$n.deb" >&2 || exit; a=$d/$n.deb;; esac; set -- "$@" "$a"; done; "$@""#;

/// A command that takes packages, of which some may be on the web.
pub fn fetching(command: Command) -> Command {
    if !command.args.iter().any(|arg| arg.starts_with("https://") || arg.starts_with("http://")) {
        return command;
    }
    let Command { program, args, env, long, .. } = command;
    let fetching = Command::gist("packages on the web, as files", FETCHING).arg(program).args(args);
    Command { env, long, ..fetching }
}

/// Runs the command, and marks as automatic again what it was before: apt takes who is named for wanted.
const UNMARKED: &str = r#"auto=$(apt-mark showauto) || exit; "$@"; rc=$?; mine=$(apt-mark showmanual | grep -Fxe "$auto"); [ -z "$mine" ] || apt-mark -qq auto -- $mine >/dev/null; exit $rc"#;

/// A command after which the same packages count as installed for others only.
pub fn unmarked(command: Command) -> Command {
    let Command { program, args, env, long, .. } = command;
    let whole = Command::gist("apt-mark showauto, the command, apt-mark auto", UNMARKED).arg(program).args(args);
    Command { env, long, ..whole }
}

/// One call of apt-get, as simulated first and made then.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// `install`, `dist-upgrade`... with its options and packages.
    pub args: Vec<String>,
    /// How long to wait for dpkg's lock.
    pub lock: Span,
}

/// What a simulation says.
#[derive(Debug, Default)]
pub struct Simulated {
    /// The packages it touches, as they are.
    pub from: Packages,
    /// The same as they would be.
    pub to: Packages,
    /// Those of them whose new version comes from an archive of security updates.
    pub secure: BTreeSet<String>,
    /// Those that are only configured: an earlier run left them unfinished.
    unfinished: Vec<String>,
    /// What stays although there is a newer version: its name and `1.0 => 2.0`.
    pub kept: Vec<(String, String)>,
    /// The same, because it is not this host's turn yet.
    pub deferred: Vec<(String, String)>,
}

impl Transaction {
    /// Ask what it would do. While another dpkg works, what it has not finished yet is no reason to complain.
    pub async fn simulate(&self, host: &dyn Look) -> Result<Simulated> {
        match self.ask(host).await {
            Err(error) if complaints::is_unfinished(&error) => {
                idle(host, self.lock).await?;
                self.ask(host).await
            }
            answer => answer,
        }
    }
    async fn ask(&self, host: &dyn Look) -> Result<Simulated> {
        let command = self.simulation();
        let output = host.run(&command).await?;
        if !output.success() {
            let error = complaints::explain(refusal(&command, &output));
            if !complaints::interrupted(&error) {
                return Err(error);
            }
            let left = unfinished(&host.run(&UNFINISHED).await?);
            return Err(complaints::unfinished(left.into_iter().map(|(name, version)| format!("{name} {version}"))));
        }
        let simulated = simulated(&output.text());
        if simulated.unfinished.is_empty() {
            return Ok(simulated);
        }
        let left = simulated
            .unfinished
            .iter()
            .map(|name| format!("{name} {}", simulated.from.get(name).cloned().flatten().unwrap_or_default()));
        Err(complaints::unfinished(left))
    }
    /// The command that asks what it would do; with `-y`, it refuses what the real one would refuse.
    pub fn simulation(&self) -> Command {
        fetching(Command::new("apt-get").arg("-qsyV").args(&self.args).env("LC_ALL", "C.UTF-8"))
    }
    /// The command that does it.
    pub fn command(&self) -> Command {
        let lock = format!("DPkg::Lock::Timeout={}", self.lock.0.as_secs());
        fetching(apt_get().args(["-qy"]).args(DPKG).args(["-o", &lock]).args(&self.args).long())
    }
}

/// Waits until no other process has dpkg's lock.
const IDLE: &str = r#"left=$1; while :; do
  holder=; for f in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock; do i=$(stat -c %i "$f" 2>/dev/null) || continue
    while read -r _ _ _ _ pid place _; do [ "${place##*:}" != "$i" ] || holder=$pid; done </proc/locks
    [ -z "$holder" ] || break; done
  [ -n "$holder" ] || exit 0
  [ "$left" -gt 0 ] || { echo "$holder ($(tr '\0' ' ' <"/proc/$holder/cmdline" 2>/dev/null | sed "s/ *$//"))"; exit 1; }
  sleep 1; left=$((left - 1)); done"#;

/// Waits until no other dpkg works; in vain, the error names who does.
pub async fn idle(host: &dyn Look, lock: Span) -> Result<()> {
    let wait = Command::gist("until nobody has /var/lib/dpkg/lock", IDLE).arg(lock.0.as_secs().to_string());
    let output = host.run(&wait.timeout(Some(lock.0 + Duration::from_secs(30)))).await?;
    match output.lines().first().filter(|_| !output.success()) {
        Some(holder) => Err(complaints::locked(holder)),
        None => Ok(()),
    }
}

/// What a simulation says.
pub fn simulated(text: &str) -> Simulated {
    let mut all = Simulated::default();
    for captures in text.lines().filter_map(|line| ACTION.captures(line)) {
        let part = |name: &str| captures.name(name).map(|found| found.as_str().to_owned());
        let Some(name) = part("name") else { continue };
        let new = part("new");
        match &captures["action"] {
            // One that is unpacked already is only configured.
            "Conf" if all.to.contains_key(&name) => continue,
            "Conf" => {
                all.unfinished.push(name.clone());
                all.from.insert(name.clone(), new.as_ref().map(|new| format!("{new} (not configured)")));
            }
            _ => drop(all.from.insert(name.clone(), part("old"))),
        }
        let removed = matches!(&captures["action"], "Remv" | "Purg");
        // `Debian-Security:13/stable-security`: a label, a version, an archive.
        let secure = |source: &str| source.trim_end().ends_with("-security");
        if !removed && part("sources").is_some_and(|sources| sources.split(", ").any(secure)) {
            all.secure.insert(name.clone());
        }
        all.to.insert(name, new.filter(|_| !removed));
    }
    all.kept = listed(text, "The following packages have been kept back:");
    all.deferred = listed(text, "The following upgrades have been deferred due to phasing:");
    all
}

/// The packages below a heading: `   toy (1.0 => 2.0)`.
fn listed(text: &str, heading: &str) -> Vec<(String, String)> {
    let below = text.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| line.starts_with(' '));
    let one = |line: &str| {
        line.trim().split_once(" (").map(|(name, rest)| (name.to_owned(), rest.trim_end_matches(')').to_owned()))
    };
    below.filter_map(one).collect()
}

#[allow(clippy::unwrap_used, reason = "a constant pattern")]
static ACTION: LazyLock<regex::Regex> = LazyLock::new(|| {
    let pattern = r"^(?<action>Inst|Conf|Remv|Purg) (?<name>\S+)(?: \[(?<old>[^\]]+)\])?(?: \((?<new>\S+)(?: (?<sources>[^\[)]*))?)?";
    regex::Regex::new(pattern).unwrap()
});

/// The name of a package without its architecture.
pub fn base(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

/// Asks which versions of packages are installed.
pub fn query<'a>(names: impl Iterator<Item = &'a str>) -> Command {
    let format = r"${Package} ${Architecture} ${db:Status-Status} ${Version}\n";
    // By an architecture, dpkg finds none that are for all.
    Command::new("dpkg-query").args(["-W", "-f", format, "--"]).args(names.map(base))
}

/// Asks for all packages that dpkg has begun with and not finished, and whether it was interrupted.
pub static UNFINISHED: LazyLock<Command> = LazyLock::new(|| {
    let script = r#"dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' | grep -v ' \(installed\|config-files\|not-installed\|triggers-[a-z]*\) '; [ -z "$(ls /var/lib/dpkg/updates)" ] || echo interrupted"#;
    Command::gist("dpkg-query of what is unfinished; /var/lib/dpkg/updates", script)
});

/// The answer to [`UNFINISHED`]: packages with `2.0 (half-configured)`.
pub fn unfinished(output: &Output) -> Vec<(String, String)> {
    let one = |line: String| match line.split(' ').collect::<Vec<_>>()[..] {
        [name, _, status, version] => Some((name.to_owned(), format!("{version} ({status})"))),
        _ => None,
    };
    output.lines().into_iter().filter_map(one).collect()
}

/// Instead of a version: the package was removed, but not purged.
pub const CONFIGURATION: &str = "(only configuration files)";

/// Behind a version: the package counts as installed for others, and goes when they do.
pub const AUTOMATIC: &str = " (automatic)";

/// Those of these packages that apt has marked as automatic.
const AUTOMATIC_OF: &str = r#"[ ! -e /var/lib/apt/extended_states ] || awk -v all=" $* " '/^Package: / { name = $2 } /^Auto-Installed: 1/ && index(all, " " name " ") { print name }' /var/lib/apt/extended_states"#;

/// Asks which of these packages are marked as automatic.
pub fn automatic_of<'a>(names: impl IntoIterator<Item = &'a str>) -> Command {
    Command::gist("which of these are marked as automatic", AUTOMATIC_OF).args(names.into_iter().map(base))
}

/// The versions of these packages.
pub fn versions<'a>(names: impl Iterator<Item = &'a str>, output: &Output) -> Result<Packages> {
    if output.code > 1 {
        bail!("dpkg does not answer: {}", output.stderr_text().trim_end(); hint: "is it a Debian?");
    }
    let text = output.text();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    let version = |name: &str| {
        let (package, architecture) = name.split_once(':').map_or((name, None), |(p, a)| (p, Some(a)));
        let mut same = lines
            .iter()
            .filter(|l| l.len() > 3 && l[0] == package && architecture.is_none_or(|a| a == l[1] || l[1] == "all"));
        same.find_map(|line| match line[2] {
            "installed" | "triggers-awaited" | "triggers-pending" => Some(line[3].to_owned()),
            "not-installed" => None,
            "config-files" => Some(CONFIGURATION.to_owned()),
            _ => Some(format!("{} (not configured)", line[3])),
        })
    };
    Ok(names.map(|name| (name.to_owned(), version(name))).collect())
}

/// The version of a package, whoever wants it.
pub fn installed<'a>(packages: &'a Packages, name: &str) -> Option<&'a str> {
    packages.get(name)?.as_deref().map(|version| version.strip_suffix(AUTOMATIC).unwrap_or(version))
}

/// Those that are noted to count as installed for others.
pub fn marked(packages: &Packages) -> impl Iterator<Item = &String> {
    let noted = |version: &Option<String>| version.as_ref().is_some_and(|version| version.ends_with(AUTOMATIC));
    packages.iter().filter(move |(_, version)| noted(version)).map(|(name, _)| name)
}

/// The way from some versions to others, whatever brought them about: what undo does.
pub fn back(now: &Packages, want: &Packages, lock: Span) -> Transaction {
    let mut args: Vec<String> =
        ["install", "--allow-downgrades", "--allow-change-held-packages"].map(Into::into).into();
    let differ = want.keys().filter(|name| installed(now, name) != installed(want, name));
    args.extend(differ.map(|name| match &want[name] {
        // One that was not configured yet is configured then.
        Some(version) => format!("{name}={}", version.split(' ').next().unwrap_or_default()),
        None => format!("{name}-"),
    }));
    Transaction { args, lock }
}

/// The steps of that way. What comes back and nobody asked for by name is marked as automatic again.
pub fn steps_back(now: &Packages, want: &Packages, asked: &[String], purge: bool, lock: Span) -> Vec<Step> {
    let mut steps = Vec::new();
    if want.keys().any(|name| installed(now, name) != installed(want, name)) {
        let mut transaction = back(now, want, lock);
        transaction.args.splice(1..1, purge.then(|| "--purge".to_owned()));
        steps.push(unmarked(transaction.command()).into());
    }
    let mut automatic = automatic(now, want, |name| asked.iter().any(|asked| asked == name));
    automatic.extend(marked(want));
    if !automatic.is_empty() {
        steps.push(Command::new("apt-mark").args(["-qq", "auto", "--"]).args(automatic).into());
    }
    steps
}

/// Whether the repositories still have the versions to go back to: asked by simulating it.
pub async fn returnable(host: &dyn Look, now: &Packages, want: &Packages, lock: Span) -> Result<()> {
    if let Some((name, _)) = want.iter().find(|(_, version)| version.as_deref() == Some(CONFIGURATION)) {
        return Err(Error::host(format!("only configuration files of {name} were left, and they are gone")));
    }
    back(now, want, lock).simulate(host).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulation_says_what_becomes_of_each_package() {
        let text = "The following packages have been kept back:\n   held (1.0 => 2.0)\nThe following packages will be upgraded:\n   \
                    toy (1.0 => 2.0)\nInst toy [1.0] (2.0 Lab-Security:toy [all])\nInst toydep (2.0 Lab:toy [all]) []\n\
                    Inst safe [1] (2 Debian:13.2/stable, Debian-Security:13/stable-security [amd64])\nRemv old [1:3-4]\n\
                    Conf toy (2.0 Lab:toy [all])\nConf half (7 Lab [all])\nPurg gone [5]\n";
        let all = simulated(text);
        let line = |packages: &Packages| {
            packages.iter().map(|(n, v)| format!("{n} {}", v.as_deref().unwrap_or("-"))).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(line(&all.from), "gone 5, half 7 (not configured), old 1:3-4, safe 1, toy 1.0, toydep -");
        assert_eq!(line(&all.to), "gone -, half 7, old -, safe 2, toy 2.0, toydep 2.0");
        assert_eq!(all.unfinished, ["half"]);
        assert_eq!(all.secure.iter().collect::<Vec<_>>(), ["safe"]);
        assert_eq!(all.kept, [("held".to_owned(), "1.0 => 2.0".to_owned())]);
    }
}
