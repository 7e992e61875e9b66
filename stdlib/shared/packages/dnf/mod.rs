//! dnf: what it is asked for, and what it would do about it.

pub mod complaints;
mod offers;
mod specs;
mod table;
mod way;

use super::{Goal, Manager, Order, Packages, Plan, automatic, glob};
use crate::bail;
use crate::contract::{Command, Error, Look, Output, Refresh, Result, Step, refusal};
use crate::shared::Span;
use async_trait::async_trait;
use futures_util::try_join;
pub use offers::upgradable;
use specs::{Row, fits};
use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;
use table::Table;
use way::Way;

/// Whether `dnf` is dnf 5.
macro_rules! five {
    () => {
        r#"case $(readlink -f "$(command -v dnf)") in *dnf5) five=5 ;; *) five= ;; esac; "#
    };
}

/// Runs dnf, and again when who holds its lock has ended; in vain, it names who that is. `dnf` itself would wait for ever:
/// dnf 4 can be told to end with 200 instead, what dnf 5 waits for is in `/proc/locks`.
const WAITING: &str = concat!(
    five!(),
    r#"
left=$1; shift
holder() {
  if [ -z "$five" ]; then
    for f in /var/lib/dnf/*.pid /var/cache/dnf/*.pid; do p=$(cat "$f" 2>/dev/null) && [ -d "/proc/$p" ] && echo "$p"; done
    return
  fi
  for f in /var/lib/dnf/system-repo.lock /run/dnf/rpmtransaction.lock /var/lib/rpm/.rpm.lock /usr/lib/sysimage/rpm/.rpm.lock; do
    i=$(stat -c %i "$f" 2>/dev/null) || continue
    while read -r _ _ _ mode p at _; do [ "$mode" != WRITE ] || case $at in *:"$i") echo "$p" ;; esac; done </proc/locks
  done
}
while :; do
  h=; [ -z "$five" ] || h=$(holder | head -n 1)
  if [ -z "$h" ]; then
    "$@"; code=$?; [ $code = 200 ] || exit $code
    h=$(holder | head -n 1)
  fi
  if [ "$left" -le 0 ]; then
    [ -n "$h" ] || { echo "dnf is locked by a process that has ended meanwhile" >&2; exit 200; }
    echo "dnf is locked by process $h: $(tr '\0' ' ' <"/proc/$h/cmdline" 2>/dev/null)" >&2; exit 200
  fi
  while [ "$left" -gt 0 ]; do sleep 1; left=$((left - 1)); [ -n "$h" ] && [ -z "$five" ] && [ -d "/proc/$h" ] || break; done
done"#
);

/// Which dnf it is: 5, or an older one.
const GENERATION: &str = concat!(five!(), r#"echo "${five:-4}""#);

/// Notes that nobody asked for these packages by name. What dnf 5 calls dependency is `mark remove` to dnf 4.
const AUTOMATIC: &str = concat!(
    five!(),
    r#"if [ "$five" ]; then set -- dependency "$@"; else set -- remove "$@"; fi; exec dnf -y mark "$@""#
);

/// How much longer than for a lock a question to dnf may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long ago the lists of packages were fetched, in seconds; `never` if there are none.
const AGE: &str = r#"s=$(stat -c %Y /var/cache/dnf/*/repodata/* /var/cache/libdnf5/*/repodata/* 2>/dev/null | sort -n | tail -n 1); [ -n "$s" ] && echo $(($(date +%s) - s)) || echo never"#;

/// The file in which dnf keeps which versions are locked.
const LOCKED: &str = concat!(
    five!(),
    "if [ \"$five\" ]; then cat /etc/dnf/versionlock.toml; else cat /etc/dnf/plugins/versionlock.list; fi 2>/dev/null || :"
);

/// A command of dnf that changes something.
pub fn dnf<S: Into<String>>(lock: Span, args: impl IntoIterator<Item = S>) -> Command {
    let waiting = Command::gist("dnf, again when its lock is free", WAITING).arg(lock.0.as_secs().to_string());
    waiting.args(["dnf", "-y", "--setopt=exit_on_lock=1"]).args(args).env("LC_ALL", "C.UTF-8").long()
}

/// The command that fetches the lists of packages; every list that cannot be had is an error.
pub fn update(lock: Span) -> Command {
    dnf(lock, ["--setopt=skip_if_unavailable=0", "makecache", "--refresh"])
}

/// Asks how old the lists are.
pub fn age() -> Command {
    Command::sh(AGE)
}

/// Asks dnf what a transaction would do: it says so, and then gets no for an answer. dnf 5 waits for its lock to be asked.
async fn simulate(host: &dyn Look, args: &[String], five: Option<Span>) -> Result<(Table, Vec<String>)> {
    let command = match five {
        Some(lock) => {
            let waiting = Command::gist("dnf, again when its lock is free", WAITING).arg(lock.0.as_secs().to_string());
            waiting.args(["dnf", "--assumeno"]).timeout(Some(lock.0 + PATIENCE))
        }
        None => Command::new("dnf").arg("--assumeno"),
    };
    let command = command.args(args).env("LC_ALL", "C.UTF-8");
    let output = host.run(&command).await?;
    let said = format!("{}\n{}", output.text(), output.stderr_text());
    let aborted = said.lines().any(|line| line.trim().starts_with("Operation aborted"));
    if !output.success() && !aborted {
        return Err(complaints::explain(refusal(&command, &output)));
    }
    let ignored = complaints::ignored(&said).map(|names| match complaints::mirror(&said) {
        Some((url, why)) => format!("ignored: the repository {names}, for its mirror {url} is unreachable: {why}"),
        None => format!("ignored: the repository {names}"),
    });
    let table = table::read(&output.text());
    let skipped = table.skipped.iter().map(|package| format!("skipped: {package}")).collect::<Vec<_>>();
    Ok((table, ignored.into_iter().chain(skipped).collect()))
}

/// Asks for the names of packages whose version is locked.
pub async fn holds(host: &dyn Look) -> Result<Vec<String>> {
    let lines = host.expect(&Command::gist("the file of locked versions", LOCKED)).await?.lines();
    // A line is `toy-0:1-1.*`, or a pattern somebody wrote; with dnf 5, `name = "toy"` and more that is no name.
    let five = lines.iter().any(|line| line.trim() == "[[packages]]" || line.starts_with("version ="));
    let name = |line: &String| {
        if five {
            let name = line.trim().strip_prefix("name")?.trim_start().strip_prefix('=')?;
            return Some(name.trim().trim_matches('"').to_owned());
        }
        let line = line.trim().trim_start_matches('!');
        let named = line.find(':').and_then(|at| line.get(..at)?.rsplit_once('-')).map(|(name, _)| name);
        (!line.is_empty() && !line.starts_with('#')).then(|| named.unwrap_or(line).to_owned())
    };
    Ok(BTreeSet::from_iter(lines.iter().filter_map(name)).into_iter().collect())
}

/// dnf with an order.
#[derive(Debug)]
pub struct Dnf {
    order: Order,
    /// Whether it is dnf 5.
    five: bool,
    /// The transactions to make, one after the other.
    transactions: OnceLock<Vec<Vec<String>>>,
    /// Packages that would take part in an upgrade, and are held.
    held: OnceLock<Vec<String>>,
    /// What a person should know before.
    notes: OnceLock<Vec<String>>,
}

impl Dnf {
    /// dnf with this order.
    pub fn new(order: Order) -> Dnf {
        Dnf { order, five: false, transactions: OnceLock::new(), held: OnceLock::new(), notes: OnceLock::new() }
    }

    async fn simulate(&self, host: &dyn Look, args: &[String]) -> Result<(Table, Vec<String>)> {
        simulate(host, args, self.five.then_some(self.order.lock)).await
    }

    fn options(&self) -> Vec<String> {
        let order = &self.order;
        let weak = order.recommends.map(|weak| format!("--setopt=install_weak_deps={}", u8::from(weak)));
        let flags =
            [("--nogpgcheck", order.unsigned), ("--allowerasing", order.allowerasing), ("--security", order.security)];
        let flags = flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag.to_owned());
        let except = order.except.iter().map(|pattern| format!("--exclude={pattern}"));
        flags.chain(weak).chain(except).collect()
    }
    fn transaction<'a>(&self, verb: &str, specs: impl IntoIterator<Item = &'a String>) -> Vec<String> {
        // dnf 5 takes most options only behind the verb.
        [verb.to_owned()].into_iter().chain(self.options()).chain(specs.into_iter().cloned()).collect()
    }
    /// Removing takes along what nothing needs any longer only if it is asked to.
    fn remove<'a>(&self, specs: impl IntoIterator<Item = &'a String>) -> Vec<String> {
        let clean = format!("--setopt=clean_requirements_on_remove={}", u8::from(self.order.autoremove));
        [clean, "remove".to_owned()].into_iter().chain(specs.into_iter().cloned()).collect()
    }

    async fn rows(&self, host: &dyn Look, specs: &[String]) -> Result<Vec<Row>> {
        let plain: Vec<&str> = specs.iter().map(String::as_str).filter(|spec| specs::plain(spec)).collect();
        if plain.is_empty() { Ok(Vec::new()) } else { specs::rows(&host.run(&specs::query(plain)).await?) }
    }

    /// What these transactions would do, all together.
    async fn plan(
        &self,
        host: &dyn Look,
        now: Packages,
        transactions: Vec<Vec<String>>,
        decided: bool,
    ) -> Result<Plan> {
        let mut tables = Vec::new();
        let mut notes =
            self.held.get().map(|held| format!("held: {}", held.join(", "))).into_iter().collect::<Vec<_>>();
        for transaction in &transactions {
            let (table, said) = self.simulate(host, transaction).await?;
            notes.extend(said);
            tables.push(table);
        }
        if decided {
            return Ok(Plan { now, ..Plan::default() });
        }
        let names: BTreeSet<String> = tables.iter().flat_map(Table::names).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let from = self.versions(host, &names).await?;
        let mut to = from.clone();
        for table in &tables {
            let after = table.after(&to);
            to.extend(after);
        }
        // What dnf would do nothing about is not asked for again.
        let due = transactions.into_iter().zip(&tables).filter(|(_, table)| !table.names().is_empty());
        let due = due.map(|(transaction, table)| match transaction.last().map(String::as_str) {
            // Exactly what was foretold: an upgrade before it may leave over more.
            Some("autoremove") if self.order.goal == Goal::Upgraded => self.exactly(&table.removed()),
            _ => transaction,
        });
        let _ = self.transactions.set(due.collect());
        let _ = self.notes.set(notes);
        Ok(Plan { now, from, to })
    }
    fn exactly(&self, labels: &[String]) -> Vec<String> {
        let keep = "--setopt=clean_requirements_on_remove=0".to_owned();
        [keep, "remove".to_owned()].into_iter().chain(labels.iter().cloned()).collect()
    }

    async fn plan_upgrade(&self, host: &dyn Look, decided: bool) -> Result<Plan> {
        let (there, held) = try_join!(self.rows(host, &self.order.names), holds(host))?;
        let fits_one = |spec: &&String| there.iter().any(|row| fits(spec, row));
        let only: Vec<&String> = self.order.names.iter().filter(fits_one).collect();
        if only.is_empty() && !self.order.names.is_empty() {
            return Ok(Plan::default());
        }
        let mut transactions = vec![self.transaction("upgrade", only)];
        transactions.extend(self.order.autoremove.then(|| vec!["autoremove".to_owned()]));
        let chosen = |name: &String| {
            let within = |patterns: &[String]| patterns.iter().any(|pattern| glob(pattern, name));
            (self.order.names.is_empty() || within(&self.order.names)) && !within(&self.order.except)
        };
        let held: Vec<String> = held.into_iter().filter(chosen).collect();
        if !held.is_empty() {
            let _ = self.held.set(held);
        }
        self.plan(host, Packages::new(), transactions, decided).await
    }
}

#[async_trait]
impl Manager for Dnf {
    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        specs::check(&self.order.names)?;
        let odd = self.order.names.iter().find(|name| !specs::plain(name));
        if let Some(odd) = odd.filter(|_| self.order.goal == Goal::Absent) {
            bail!(playbook: "an operation that removes packages takes names of packages only, not `{odd}`");
        }
        self.five = host.text(&Command::gist("which of dnf 4 and 5", GENERATION)).await? == "5";
        Ok(())
    }
    async fn refresh(&self, host: &dyn Look) -> Result<Refresh> {
        if !self.order.update && self.order.valid.is_none() {
            return Ok(Refresh::default());
        }
        let old = super::aged(&host.run(&age()).await?);
        Ok(super::refresh(&self.order, old, || update(self.order.lock)))
    }
    async fn look(&self, host: &dyn Look, decided: bool) -> Result<Plan> {
        let names = &self.order.names;
        match self.order.goal {
            Goal::Upgraded => return self.plan_upgrade(host, decided).await,
            Goal::Autoremoved => {
                return self.plan(host, Packages::new(), vec![vec!["autoremove".to_owned()]], decided).await;
            }
            _ if names.is_empty() => return Ok(Plan::default()),
            Goal::Installed | Goal::Latest | Goal::Absent => {}
        }
        let rows = self.rows(host, names).await?;
        let there = |spec: &&String| specs::plain(spec) && rows.iter().any(|row| fits(spec, row));
        let now = specs::versions(&rows);
        let (known, missing): (Vec<&String>, Vec<&String>) = names.iter().partition(there);
        let missing = if self.order.only_upgrade { Vec::new() } else { missing };
        let mut transactions = Vec::new();
        match self.order.goal {
            Goal::Absent if !rows.is_empty() => transactions.push(self.remove(known)),
            Goal::Absent => {}
            goal => {
                if goal == Goal::Latest && !known.is_empty() {
                    transactions.push(self.transaction("upgrade", known));
                }
                if !missing.is_empty() {
                    transactions.push(self.transaction("install", missing));
                }
            }
        }
        self.plan(host, now, transactions, decided).await
    }
    fn order(&self) -> &Order {
        &self.order
    }
    fn named(&self) -> Vec<String> {
        self.order.names.clone()
    }
    fn sources(&self) -> &'static [&'static str] {
        &["/etc/dnf/dnf.conf", "/etc/yum.repos.d"]
    }
    async fn versions(&self, host: &dyn Look, names: &[&str]) -> Result<Packages> {
        if names.is_empty() {
            return Ok(Packages::new());
        }
        let rows = specs::rows(&host.run(&specs::query(names.iter().copied())).await?)?;
        let mut found = specs::versions(&rows);
        Ok(names.iter().map(|name| ((*name).to_owned(), found.remove(*name).flatten())).collect())
    }
    fn steps(&self, _now: &Packages) -> Vec<Step> {
        let transactions = self.transactions.get().into_iter().flatten();
        transactions.map(|args| dnf(self.order.lock, args.clone()).into()).collect()
    }
    fn back(&self, now: &Packages, want: &Packages) -> Vec<Step> {
        let mut steps: Vec<Step> =
            Way::between(now, want).transactions().map(|args| dnf(self.order.lock, args).into()).collect();
        let asked = |name: &str| match self.order.goal {
            Goal::Installed | Goal::Latest => self.order.names.iter().any(|spec| fits(spec, &Row::new(name, "", ""))),
            Goal::Absent => true,
            Goal::Upgraded | Goal::Autoremoved => false,
        };
        let automatic = automatic(now, want, asked);
        if !automatic.is_empty() {
            let mark = Command::gist("dnf mark: nobody asked for these", AUTOMATIC).args(automatic);
            steps.push(mark.env("LC_ALL", "C.UTF-8").into());
        }
        steps
    }
    async fn returnable(&self, host: &dyn Look, now: &Packages, want: &Packages) -> Result<()> {
        for transaction in Way::between(now, want).transactions() {
            self.simulate(host, &transaction).await?;
        }
        Ok(())
    }
    fn notes(&self, said: &[Output]) -> Vec<String> {
        let mut notes = self.notes.get().cloned().unwrap_or_default();
        let text: String = said.iter().map(|output| output.text() + "\n" + &output.stderr_text()).collect();
        for line in text.lines().map(str::trim) {
            let Some(line) = line.strip_prefix("warning: ").or_else(|| line.strip_prefix(">>> [RPM] ")) else {
                continue;
            };
            if let Some((file, new)) = line.split_once(" created as ") {
                notes.push(format!("{file} is kept as it was changed here; the new one is {new}"));
            } else if let Some((file, old)) = line.split_once(" saved as ") {
                notes.push(format!("{file} is the package's; what was changed here is in {old}"));
            } else if line.contains("scriptlet failed") {
                notes.push(format!("installed, but {line}"));
            }
        }
        notes
    }
    fn explain(&self, error: Error) -> Error {
        complaints::explain(error)
    }
}
