//! apt: what it is asked for, and what it would do about it.

pub mod complaints;
pub mod lists;
pub mod names;
pub mod transaction;

use super::{Goal, Manager, Order, Packages, Plan, Upgrade, glob};
use crate::contract::{Command, Error, Look, Output, Refresh, Result, Step};
use async_trait::async_trait;
use futures_util::try_join;
use names::Named;
use std::sync::OnceLock;
use transaction::{AUTOMATIC, CONFIGURATION, Simulated, Transaction, installed};

/// The archives that security updates come from: `trixie-security`, `noble-security`.
const SECURITY: &str = "--target-release=/-security$/";

/// apt with an order.
#[derive(Debug)]
pub struct Apt {
    order: Order,
    names: Vec<Named>,
    /// The first answer of dpkg, if it was asked together with something else.
    first: OnceLock<Output>,
    /// The packages to upgrade, if not all are.
    only: OnceLock<Vec<String>>,
    /// What is not upgraded, and why.
    stays: OnceLock<Vec<String>>,
}

impl Apt {
    /// apt with this order.
    pub fn new(order: Order) -> Apt {
        Apt { order, names: Vec::new(), first: OnceLock::new(), only: OnceLock::new(), stays: OnceLock::new() }
    }

    /// Installs what is not as it should be of what is there now: apt would upgrade the rest, too.
    fn install(&self, now: &Packages) -> Transaction {
        let order = &self.order;
        let lacks = |named: &&Named| !named.fits(installed(now, &named.name));
        let flags = [
            ("--install-recommends", order.recommends == Some(true)),
            ("--no-install-recommends", order.recommends == Some(false)),
            ("--allow-downgrades", order.downgrade),
            ("--only-upgrade", order.only_upgrade),
            ("--auto-remove", order.autoremove),
        ];
        let flags = flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag.to_owned());
        let release = order.release.as_ref().map(|release| format!("--target-release={release}"));
        let args = std::iter::once("install".to_owned()).chain(flags).chain(release);
        self.transaction(
            args.chain(["--".to_owned()]).chain(self.names.iter().filter(lacks).map(|named| named.arg.clone())),
        )
    }

    fn upgrade(&self) -> Transaction {
        let Order { safe, autoremove, security, .. } = self.order;
        let verb: &[&str] = match (self.only.get(), safe) {
            (Some(_), _) => &["install", "--only-upgrade"],
            (None, false) => &["dist-upgrade"],
            (None, true) => &["upgrade", "--with-new-pkgs"],
        };
        let options = [autoremove.then_some("--auto-remove"), security.then_some(SECURITY)];
        let args = verb.iter().copied().chain(options.into_iter().flatten()).map(str::to_owned);
        let only = self.only.get().into_iter().flat_map(|only| std::iter::once("--".to_owned()).chain(only.clone()));
        self.transaction(args.chain(only))
    }

    fn remove(&self, now: &Packages) -> Transaction {
        let verb = if self.order.purge { "purge" } else { "remove" };
        // apt would refuse all of them for one that it does not know.
        let there = self.names.iter().filter(|named| now.get(&named.name).is_some_and(Option::is_some));
        let args = [Some(verb), self.order.autoremove.then_some("--auto-remove"), Some("--")];
        let args = args.into_iter().flatten().map(str::to_owned);
        self.transaction(args.chain(there.map(|named| named.name.clone())))
    }

    fn autoremove(&self) -> Transaction {
        let args = std::iter::once("autoremove").chain(self.order.purge.then_some("--purge"));
        self.transaction(args.map(str::to_owned))
    }

    fn transaction(&self, args: impl Iterator<Item = String>) -> Transaction {
        Transaction { args: args.collect(), lock: self.order.lock }
    }

    /// The versions as this order sees them: where configuration files should go, they count as a package, and what is
    /// wanted by name should not count as installed for others.
    async fn ask(&self, host: &dyn Look, names: &[&str]) -> Result<Packages> {
        if names.is_empty() {
            return Ok(Packages::new());
        }
        let query = transaction::query(names.iter().copied());
        let (versions, automatic) = try_join!(host.run(&query), self.automatic(host, names))?;
        Ok(noted(self.told(names, &versions)?, &automatic))
    }
    /// Those of these packages of which it matters that they count as installed for others.
    async fn automatic(&self, host: &dyn Look, names: &[&str]) -> Result<Vec<String>> {
        let asked = names::asked(&self.order.names);
        let counts = |name: &&str| match self.order.goal {
            Goal::Installed | Goal::Latest => asked.iter().any(|asked| asked == name),
            // It comes back as it went.
            Goal::Absent => true,
            Goal::Upgraded | Goal::Autoremoved => false,
        };
        let asked: Vec<&str> = names.iter().copied().filter(counts).collect();
        if asked.is_empty() {
            Ok(Vec::new())
        } else {
            Ok(host.expect(&transaction::automatic_of(asked)).await?.lines())
        }
    }
    fn told(&self, names: &[&str], output: &Output) -> Result<Packages> {
        let keep = self.order.goal == Goal::Absent && self.order.purge;
        let seen = |version: Option<String>| version.filter(|version| keep || version != CONFIGURATION);
        let versions = transaction::versions(names.iter().copied(), output)?;
        Ok(versions.into_iter().map(|(name, version)| (name, seen(version))).collect())
    }
    async fn named(&self, host: &dyn Look, decided: bool) -> Result<Packages> {
        let names: Vec<&str> = self.names.iter().map(|named| named.name.as_str()).collect();
        match self.first.get().filter(|_| !decided) {
            Some(first) => Ok(noted(self.told(&names, first)?, &self.automatic(host, &names).await?)),
            None => self.ask(host, &names).await,
        }
    }
    fn satisfied(&self, now: &Packages) -> bool {
        self.names.iter().all(|named| {
            let installed = installed(now, &named.name);
            named.fits(installed) || installed.is_none() && self.order.only_upgrade
        })
    }

    /// Whether a package takes part in an upgrade.
    fn chosen(&self, name: &str) -> bool {
        let fits = |patterns: &[String]| patterns.iter().any(|pattern| glob(pattern, name));
        (self.order.names.is_empty() || fits(&self.order.names)) && !fits(&self.order.except)
    }

    async fn plan_upgrade(&self, host: &dyn Look, decided: bool) -> Result<Plan> {
        let holds = Command::new("apt-mark").arg("showhold");
        let whole = self.upgrade();
        let (simulated, held) = try_join!(whole.simulate(host), host.run(&holds))?;
        if decided {
            return Ok(Plan::default());
        }
        let _ = self.stays.set(self.stay(&simulated, &held.lines()));
        let Simulated { from, to, secure, .. } = &simulated;
        let takes_part = |name: &String| self.chosen(name) && (!self.order.security || secure.contains(name));
        if from.keys().all(takes_part) {
            return Ok(Plan { now: Packages::new(), from: simulated.from, to: simulated.to });
        }
        let upgrades =
            from.iter().filter(|(name, version)| version.is_some() && to.get(*name).is_some_and(Option::is_some));
        let only: Vec<String> = upgrades.map(|(name, _)| name.clone()).filter(takes_part).collect();
        let none = only.is_empty() && !self.order.autoremove;
        let _ = self.only.set(only);
        let Simulated { from, to, .. } =
            if none { Simulated::default() } else { self.upgrade().simulate(host).await? };
        Ok(Plan { now: Packages::new(), from, to })
    }

    /// What stays at an older version, of what takes part.
    fn stay(&self, simulated: &Simulated, held: &[String]) -> Vec<String> {
        let kept: Vec<&(String, String)> = simulated.kept.iter().filter(|(name, _)| self.chosen(name)).collect();
        let deferred: Vec<&(String, String)> =
            simulated.deferred.iter().filter(|(name, _)| self.chosen(name)).collect();
        let (held, kept): (Vec<_>, Vec<_>) = kept.into_iter().partition(|(name, _)| held.contains(name));
        let say = |what: &str, packages: Vec<&(String, String)>, why: &str| {
            let named: Vec<String> = packages.iter().map(|(name, versions)| format!("{name} ({versions})")).collect();
            (!named.is_empty()).then(|| format!("{what}: {}{why}", named.join(", ")))
        };
        let lines = [
            say("held", held, ""),
            // Before apt 2.7, what is phased in is among these.
            say("kept back", kept, ": other packages would have to come or go, or it is not yet this host's turn"),
            say("deferred", deferred, ": it is phased in, and not yet this host's turn"),
        ];
        lines.into_iter().flatten().collect()
    }
}

/// Versions with a note at those packages that count as installed for others.
fn noted(mut versions: Packages, automatic: &[String]) -> Packages {
    for (name, version) in &mut versions {
        let base = transaction::base(name);
        let counts = |version: &&mut String| !version.ends_with(')') && automatic.iter().any(|name| name == base);
        if let Some(version) = version.as_mut().filter(counts) {
            version.push_str(AUTOMATIC);
        }
    }
    versions
}

#[async_trait]
impl Manager for Apt {
    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        if self.order.goal == Goal::Upgraded {
            return Ok(());
        }
        self.names = match self.order.goal {
            Goal::Absent => names::plain("an operation that removes packages", &self.order.names)?,
            Goal::Latest => names::plain("an operation for the latest version", &self.order.names)?,
            _ => names::parse(&self.order.names)?,
        };
        names::resolve(host, &mut self.names).await
    }
    async fn refresh(&self, host: &dyn Look) -> Result<Refresh> {
        if !self.order.update && self.order.valid.is_none() {
            return Ok(Refresh::default());
        }
        let fresh = |old: &Output| super::refresh(&self.order, super::aged(old), || lists::update(self.order.lock));
        let age = lists::age();
        if self.order.goal != Goal::Installed || self.names.is_empty() {
            return Ok(fresh(&host.run(&age).await?));
        }
        let query = transaction::query(self.names.iter().map(|named| named.name.as_str()));
        let (old, first) = try_join!(host.run(&age), host.run(&query))?;
        let refresh = fresh(&old);
        if refresh.steps.is_empty() {
            let _ = self.first.set(first);
        }
        Ok(refresh)
    }
    async fn look(&self, host: &dyn Look, decided: bool) -> Result<Plan> {
        let plan = |now: Packages, simulated: Simulated| {
            // From now on, what is wanted by name is there for its own sake.
            let plain = |name: &String| (name.clone(), installed(&now, name).map(str::to_owned));
            let mut to: Packages = transaction::marked(&now).map(plain).collect();
            to.extend(simulated.to);
            Plan { now, from: simulated.from, to }
        };
        match self.order.goal {
            Goal::Upgraded => self.plan_upgrade(host, decided).await,
            Goal::Autoremoved => Ok(plan(Packages::new(), self.autoremove().simulate(host).await?)),
            _ if self.names.is_empty() => Ok(Plan::default()),
            Goal::Latest => {
                let install = self.install(&Packages::new());
                let (now, simulated) = try_join!(self.named(host, decided), install.simulate(host))?;
                Ok(plan(now, simulated))
            }
            Goal::Installed => {
                let now = self.named(host, decided).await?;
                let settled = decided || self.satisfied(&now);
                let simulated = if settled { Simulated::default() } else { self.install(&now).simulate(host).await? };
                Ok(plan(now, simulated))
            }
            Goal::Absent => {
                let now = self.named(host, decided).await?;
                let settled = decided || now.values().all(Option::is_none);
                let mut simulated =
                    if settled { Simulated::default() } else { self.remove(&now).simulate(host).await? };
                simulated.to.extend(now.keys().map(|name| (name.clone(), None)));
                let others = simulated.from.keys().filter(|name| !now.contains_key(*name)).map(String::as_str);
                let automatic = self.automatic(host, &others.collect::<Vec<_>>()).await?;
                simulated.from = noted(simulated.from, &automatic);
                Ok(plan(now, simulated))
            }
        }
    }
    fn order(&self) -> &Order {
        &self.order
    }
    fn named(&self) -> Vec<String> {
        self.names.iter().map(|named| named.name.clone()).filter(|name| !name.is_empty()).collect()
    }
    fn sources(&self) -> &'static [&'static str] {
        &["/etc/apt/sources.list", "/etc/apt/sources.list.d", "/etc/apt/preferences", "/etc/apt/preferences.d"]
    }
    async fn versions(&self, host: &dyn Look, names: &[&str]) -> Result<Packages> {
        self.ask(host, names).await
    }
    fn steps(&self, now: &Packages) -> Vec<Step> {
        let transaction = match self.order.goal {
            Goal::Installed => self.install(now),
            Goal::Latest => self.install(&Packages::new()),
            Goal::Absent => self.remove(now),
            Goal::Upgraded => self.upgrade(),
            Goal::Autoremoved => self.autoremove(),
        };
        let command = transaction.command();
        let upgrades = self.order.goal == Goal::Upgraded && self.only.get().is_some();
        let marks = self.order.goal == Goal::Installed && self.satisfied(now);
        let mut steps: Vec<Step> = match (upgrades, marks) {
            (true, _) => transaction::unmarked(command).into(),
            (false, false) => command.into(),
            (false, true) => Vec::new(),
        };
        let automatic: Vec<&String> = transaction::marked(now).collect();
        if !automatic.is_empty() {
            steps.push(Command::new("apt-mark").args(["-qq", "manual", "--"]).args(automatic).into());
        }
        steps.extend(self.order.autoclean.then(|| transaction::apt_get().args(["-qy", "autoclean"]).into()));
        steps
    }
    fn back(&self, now: &Packages, want: &Packages) -> Vec<Step> {
        let asked = match self.order.goal {
            Goal::Installed | Goal::Latest => names::asked(&self.order.names),
            Goal::Absent => want.keys().cloned().collect(),
            Goal::Upgraded | Goal::Autoremoved => Vec::new(),
        };
        transaction::steps_back(now, want, &asked, self.order.purge, self.order.lock)
    }
    async fn returnable(&self, host: &dyn Look, now: &Packages, want: &Packages) -> Result<()> {
        transaction::returnable(host, now, want, self.order.lock).await
    }
    fn notes(&self, said: &[Output]) -> Vec<String> {
        let text: String = said.iter().map(Output::text).collect();
        let mut notes = self.stays.get().cloned().unwrap_or_default();
        // dpkg names the file, and some lines later what became of it.
        let mut file = "";
        for line in text.lines() {
            if let Some(named) = line.strip_prefix("Configuration file '") {
                file = named.trim_end_matches('\'');
            } else if line.contains("Keeping old config file") {
                notes.push(format!("{file} is kept as it was changed here; the new one is {file}.dpkg-dist"));
            }
        }
        notes
    }
    fn explain(&self, error: Error) -> Error {
        complaints::explain(error)
    }
}

/// What could be upgraded.
pub async fn upgradable(host: &dyn Look) -> Result<Vec<Upgrade>> {
    let transaction = Transaction { args: vec!["dist-upgrade".to_owned()], lock: super::minutes() };
    let Simulated { from, mut to, secure, .. } = transaction.simulate(host).await?;
    let upgrade = |(name, from): (String, Option<String>)| {
        let to = to.remove(&name)??;
        Some(Upgrade { to, security: secure.contains(&name), name, from })
    };
    Ok(from.into_iter().filter_map(upgrade).collect())
}
