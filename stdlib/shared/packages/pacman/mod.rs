//! pacman: what it is asked for, and what it would do about it.
//!
//! Its own words are few: `-S --print` and `-R --print` foretell, `-T` tells what is missing, and what it has downloaded is
//! what it can go back to (pacman(8)). Tried with pacman 7 on a Debian host and a toy repository: no Arch image was at hand.

mod complaints;

use super::{Goal, Manager, Order, Packages, Plan, Upgrade, automatic, glob};
use crate::bail;
use crate::contract::{Command, Error, Look, Output, Refresh, Result, Step, refusal};
use crate::shared::Span;
use async_trait::async_trait;
use std::sync::OnceLock;

/// Runs pacman when its lock is free; in vain, it names who holds it. One that nobody has open is left behind. Lists that
/// were fetched are as new as their directory: pacman gives each the time that its mirror has made it.
const WAITING: &str = r#"left=$1; shift; db=$(pacman-conf DBPath) && lock=${db%/}/db.lck || exit
holder() { find /proc/[0-9]*/fd -lname "$lock" 2>/dev/null | head -n 1 | cut -d/ -f3; }
while [ -e "$lock" ]; do
  h=$(holder)
  if [ -z "$h" ]; then sleep 1; [ ! -e "$lock" ] || [ -n "$(holder)" ] || { echo "left behind: $lock" >&2; exit 1; }; continue; fi
  if [ "$left" -le 0 ]; then echo "pacman is locked by process $h: $(tr '\0' ' ' <"/proc/$h/cmdline" 2>/dev/null)" >&2; exit 1; fi
  sleep 1; left=$((left - 1))
done
"$@" 2>&1; code=$?
case " $* " in *" -Sy "*) [ $code != 0 ] || touch "${db%/}/sync" ;; esac
exit $code"#;

/// How long ago the lists of packages were fetched, in seconds; `never` if there are none.
const AGE: &str = r#"d=$(pacman-conf DBPath) && d=${d%/}/sync; ls "$d"/*.db >/dev/null 2>&1 && echo $(($(date +%s) - $(stat -c %Y "$d"))) || echo never"#;

/// Of `name=version`, those that are neither among what was downloaded nor in a repository; with `-`, they are installed.
const CACHED: &str = r#"do=; [ "$1" != - ] || { do=y; shift; }
for w; do
  shift; n=${w%%=*} f=
  for d in $(pacman-conf CacheDir); do for c in "$d$n-${w#*=}"-*.pkg.tar*; do case $c in *.sig) ;; *) [ ! -e "$c" ] || f=$c ;; esac; done; done
  if [ -n "$f" ]; then set -- "$@" "$f"
  elif pacman -Sp --print-format %n=%v -- "$n" 2>/dev/null | grep -qFx -- "$w"; then set -- "$@" "$(pacman -Sp -- "$n" | grep "/$n-[^/]*$")"
  elif [ -z "$do" ]; then echo "$w"
  else echo "error: $w is nowhere any more" >&2; exit 1; fi
done
[ -z "$do" ] || exec pacman -U --noconfirm --noprogressbar --color never -- "$@""#;

/// A command of pacman that changes something.
fn pacman<S: Into<String>>(lock: Span, args: impl IntoIterator<Item = S>) -> Command {
    let waiting = Command::gist("pacman, when its lock is free", WAITING).arg(lock.0.as_secs().to_string());
    let waiting = waiting.args(["pacman", "--noconfirm", "--noprogressbar", "--color", "never"]);
    waiting.args(args).env("LC_ALL", "C.UTF-8").long()
}

/// A question to pacman.
fn asked<S: Into<String>>(args: impl IntoIterator<Item = S>) -> Command {
    Command::new("pacman").args(args).env("LC_ALL", "C.UTF-8")
}

/// Words and what follows the first of them: `toy 1-1`.
fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    let pair = |line: &str| {
        let (name, version) = line.split_once(' ')?;
        (!name.ends_with(':') && !version.contains(' ')).then(|| (name.to_owned(), version.to_owned()))
    };
    text.lines().filter_map(pair)
}

/// What a playbook names, without a repository before it and a version behind.
fn bare(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.split(['<', '>', '=']).next().unwrap_or(name)
}

/// Asks what a transaction would do: the packages that it installs, or removes.
async fn simulate(host: &dyn Look, args: &[String]) -> Result<Vec<(String, String)>> {
    let command = asked(["--print", "--print-format", "%n %v"]).args(args.iter().cloned());
    let output = host.run(&command).await?;
    if !output.success() {
        return Err(complaints::explain(refusal(&command, &output)));
    }
    Ok(pairs(&output.text()).collect())
}

/// Asks which packages could have another version, and whether they are held: `toy 1-1 -> 2-1 [ignored]`.
async fn outdated(host: &dyn Look) -> Result<Vec<(String, String, bool)>> {
    // 1 says that there is none.
    let command = asked(["-Qu"]).ok_codes([0, 1]);
    let row = |line: String| {
        let (name, rest) = line.split_once(' ')?;
        let versions = rest.trim_end_matches(" [ignored]");
        Some((name.to_owned(), versions.replace("->", "=>"), rest.ends_with("[ignored]")))
    };
    Ok(host.expect(&command).await?.lines().into_iter().filter_map(row).collect())
}

/// The versions of packages; nothing for one that is not installed.
async fn installed<'a>(host: &dyn Look, names: impl Iterator<Item = &'a str>) -> Result<Packages> {
    let mut all: Packages = names.map(|name| (name.to_owned(), None)).collect();
    if all.is_empty() {
        return Ok(all);
    }
    // 1 says that some are not there.
    let there = asked(["-Q", "--"]).args(all.keys().cloned()).ok_codes([0, 1]);
    for (name, version) in pairs(&host.expect(&there).await?.text()) {
        all.entry(name).and_modify(|known| *known = Some(version));
    }
    Ok(all)
}

/// pacman with an order.
#[derive(Debug)]
pub struct Pacman {
    order: Order,
    /// The transactions to make, one after the other.
    transactions: OnceLock<Vec<Vec<String>>>,
    /// What a person should know before.
    held: OnceLock<String>,
}

impl Pacman {
    /// pacman with this order.
    pub fn new(order: Order) -> Pacman {
        Pacman { order, transactions: OnceLock::new(), held: OnceLock::new() }
    }

    fn install<'a>(names: impl IntoIterator<Item = &'a String>) -> Vec<String> {
        ["-S", "--needed", "--"].into_iter().map(str::to_owned).chain(names.into_iter().cloned()).collect()
    }
    /// Removes, and with `recursive` what only those needed, too.
    fn remove(names: impl IntoIterator<Item = String>, recursive: bool) -> Vec<String> {
        let verb = if recursive { "-Rs" } else { "-R" };
        [verb, "--"].into_iter().map(str::to_owned).chain(names).collect()
    }
    /// Removes what nothing needs any longer, if there is such a thing.
    async fn orphans(host: &dyn Look) -> Result<Option<Vec<String>>> {
        let names = host.expect(&asked(["-Qdtq"]).ok_codes([0, 1])).await?.lines();
        Ok((!names.is_empty()).then(|| Pacman::remove(names, true)))
    }

    async fn upgrade(&self, host: &dyn Look) -> Result<Vec<Vec<String>>> {
        let Order { names, except, security, autoremove, .. } = &self.order;
        if *security {
            bail!("pacman's repositories do not say what mends a security hole"; hint: "packages::upgraded() without `security` upgrades all");
        }
        let within = |patterns: &[String], name: &str| patterns.iter().any(|pattern| glob(pattern, name));
        let takes_part = |name: &str| (names.is_empty() || within(names, name)) && !within(except, name);
        let outdated = outdated(host).await?;
        let chosen = outdated.iter().filter(|(name, ..)| takes_part(name));
        let (held, due): (Vec<_>, Vec<_>) = chosen.partition(|(_, _, held)| *held);
        if !held.is_empty() {
            let held: Vec<String> = held.iter().map(|(name, versions, _)| format!("{name} ({versions})")).collect();
            let _ = self.held.set(format!("held: {}", held.join(", ")));
        }
        let mut transactions = Vec::new();
        if names.is_empty() {
            let except = (!except.is_empty()).then(|| format!("--ignore={}", except.join(",")));
            transactions.push(std::iter::once("-Su".to_owned()).chain(except).collect());
        } else if !due.is_empty() {
            transactions.push(Pacman::install(due.into_iter().map(|(name, ..)| name)));
        }
        if *autoremove {
            transactions.extend(Pacman::orphans(host).await?);
        }
        Ok(transactions)
    }

    /// The transactions that the order comes to, as things are.
    async fn due(&self, host: &dyn Look) -> Result<Vec<Vec<String>>> {
        let names = &self.order.names;
        Ok(match self.order.goal {
            Goal::Upgraded => self.upgrade(host).await?,
            Goal::Autoremoved => Pacman::orphans(host).await?.into_iter().collect(),
            _ if names.is_empty() => Vec::new(),
            Goal::Latest => vec![Pacman::install(names)],
            Goal::Installed => {
                // 127 says that something is missing.
                let missing = asked(["-T"]).args(names.iter().cloned()).ok_codes([0, 127]);
                let missing = host.expect(&missing).await?.lines();
                if missing.is_empty() { Vec::new() } else { vec![Pacman::install(&missing)] }
            }
            Goal::Absent => {
                let there = installed(host, names.iter().map(String::as_str)).await?;
                let there: Vec<String> =
                    there.into_iter().filter_map(|(name, version)| version.map(|_| name)).collect();
                if there.is_empty() { Vec::new() } else { vec![Pacman::remove(there, self.order.autoremove)] }
            }
        })
    }
}

#[async_trait]
impl Manager for Pacman {
    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        for name in &self.order.names {
            if name.trim().is_empty() || name.starts_with('-') || name.contains(char::is_whitespace) {
                bail!(playbook: "`{name}` is no package's name"; hint: "write \"vim\", \"extra/vim\" or \"vim>=9\"");
            }
        }
        Ok(())
    }
    async fn refresh(&self, host: &dyn Look) -> Result<Refresh> {
        if !self.order.update && self.order.valid.is_none() {
            return Ok(Refresh::default());
        }
        let old = super::aged(&host.run(&Command::sh(AGE)).await?);
        Ok(super::refresh(&self.order, old, || pacman(self.order.lock, ["-Sy"])))
    }
    async fn look(&self, host: &dyn Look, decided: bool) -> Result<Plan> {
        let named = self.named();
        let now = match self.order.goal {
            Goal::Upgraded | Goal::Autoremoved => Packages::new(),
            _ => installed(host, named.iter().map(String::as_str)).await?,
        };
        if decided {
            return Ok(Plan { now, ..Plan::default() });
        }
        let mut to = Packages::new();
        let mut due = Vec::new();
        for transaction in self.due(host).await? {
            let removes = transaction[0].starts_with("-R");
            let touched = simulate(host, &transaction).await?;
            if !touched.is_empty() {
                due.push(transaction);
            }
            to.extend(touched.into_iter().map(|(name, version)| (name, (!removes).then_some(version))));
        }
        let _ = self.transactions.set(due);
        let from = installed(host, to.keys().map(String::as_str)).await?;
        Ok(Plan { now, from, to })
    }
    fn order(&self) -> &Order {
        &self.order
    }
    fn named(&self) -> Vec<String> {
        match self.order.goal {
            Goal::Upgraded | Goal::Autoremoved => Vec::new(),
            _ => self.order.names.iter().map(|name| bare(name).to_owned()).collect(),
        }
    }
    fn sources(&self) -> &'static [&'static str] {
        &["/etc/pacman.conf", "/etc/pacman.d"]
    }
    async fn versions(&self, host: &dyn Look, names: &[&str]) -> Result<Packages> {
        installed(host, names.iter().copied()).await
    }
    fn steps(&self, _now: &Packages) -> Vec<Step> {
        let transactions = self.transactions.get().into_iter().flatten();
        transactions.map(|args| pacman(self.order.lock, args.clone()).into()).collect()
    }
    fn back(&self, now: &Packages, want: &Packages) -> Vec<Step> {
        let (older, gone) = way(now, want);
        let mut steps: Vec<Step> = Vec::new();
        if !older.is_empty() {
            let cached = Command::gist("pacman -U of what was downloaded before", CACHED).arg("-").args(older);
            steps.push(cached.env("LC_ALL", "C.UTF-8").long().into());
        }
        let named = self.named();
        let asked = |name: &str| match self.order.goal {
            Goal::Installed | Goal::Latest => named.iter().any(|named| named == name),
            Goal::Absent => true,
            Goal::Upgraded | Goal::Autoremoved => false,
        };
        let automatic = automatic(now, want, asked);
        if !automatic.is_empty() {
            steps.push(Command::new("pacman").args(["-D", "--asdeps", "--"]).args(automatic).into());
        }
        if !gone.is_empty() {
            steps.push(pacman(self.order.lock, Pacman::remove(gone, false)).into());
        }
        steps
    }
    async fn returnable(&self, host: &dyn Look, now: &Packages, want: &Packages) -> Result<()> {
        let (older, _) = way(now, want);
        if older.is_empty() {
            return Ok(());
        }
        let ask = Command::gist("which are neither downloaded nor in a repository", CACHED).args(older);
        let missing = host.expect(&ask).await?.lines();
        if !missing.is_empty() {
            bail!("{} is neither in pacman's cache nor in a repository any more", missing.join(", "));
        }
        Ok(())
    }
    fn notes(&self, said: &[Output]) -> Vec<String> {
        let mut notes: Vec<String> = self.held.get().cloned().into_iter().collect();
        // pacman names the package, and some lines later what became of it.
        let mut package = "";
        let text: String = said.iter().map(Output::text).collect();
        let mut last = "";
        for line in text.lines() {
            if let Some((_, name)) = line.strip_suffix("...").and_then(|line| line.split_once(' ')) {
                package = name;
            } else if let Some((file, new)) = line.split_once(" installed as ") {
                let file = file.trim_start_matches("warning: ");
                notes.push(format!("{file} is kept as it was changed here; the new one is {new}"));
            } else if let Some((file, old)) = line.split_once(" saved as ") {
                notes.push(format!("what was changed in {} is in {old}", file.trim_start_matches("warning: ")));
            } else if line.starts_with("error: command failed to execute correctly") {
                notes.push(format!("installed, but a script of {package} failed: {last}"));
            }
            last = line;
        }
        notes
    }
    fn explain(&self, error: Error) -> Error {
        complaints::explain(error)
    }
}

/// The way from some versions to others: `name=version` of what is to be installed, and the names of what goes.
fn way(now: &Packages, want: &Packages) -> (Vec<String>, Vec<String>) {
    let (mut older, mut gone) = (Vec::new(), Vec::new());
    for (name, version) in want.iter().filter(|(name, version)| now.get(*name).cloned().flatten() != **version) {
        match version {
            Some(version) => older.push(format!("{name}={version}")),
            None => gone.push(name.clone()),
        }
    }
    (older, gone)
}

/// What could be upgraded.
pub async fn upgradable(host: &dyn Look) -> Result<Vec<Upgrade>> {
    let to = simulate(host, &["-Su".to_owned()]).await?;
    let mut from = installed(host, to.iter().map(|(name, _)| name.as_str())).await?;
    let upgrade =
        |(name, to): (String, String)| Upgrade { from: from.remove(&name).flatten(), to, security: false, name };
    Ok(to.into_iter().map(upgrade).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pacman_tells_is_read() {
        let text =
            ":: Starting full system upgrade...\nwarning: toy: ignoring package upgrade (1-1 => 2-1)\ntoy 1:2-1\n";
        assert_eq!(pairs(text).collect::<Vec<_>>(), [("toy".to_owned(), "1:2-1".to_owned())]);
        assert_eq!(["extra/toy", "toy>=2", "toy"].map(bare), ["toy"; 3]);
        let text = "upgrading toyconf...\nwarning: /etc/toy.conf installed as /etc/toy.conf.pacnew\nupgrading toy...\ntoy: no\nerror: command failed to execute correctly\n";
        let output = Output { stdout: text.into(), ..Output::default() };
        let notes = Pacman::new(Order::default()).notes(&[output]);
        assert_eq!(notes[0], "/etc/toy.conf is kept as it was changed here; the new one is /etc/toy.conf.pacnew");
        assert_eq!(notes[1], "installed, but a script of toy failed: toy: no");
    }

    #[test]
    fn the_way_back_installs_what_was_there_and_removes_what_came() {
        let packages = |all: [(&str, Option<&str>); 3]| -> Packages {
            all.into_iter().map(|(name, version)| (name.to_owned(), version.map(str::to_owned))).collect()
        };
        let now = packages([("toy", Some("2-1")), ("toydep", Some("2-1")), ("same", Some("1-1"))]);
        let want = packages([("toy", Some("1-1")), ("toydep", None), ("same", Some("1-1"))]);
        assert_eq!(way(&now, &want), (vec!["toy=1-1".to_owned()], vec!["toydep".to_owned()]));
    }
}
