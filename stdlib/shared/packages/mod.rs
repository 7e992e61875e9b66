//! Packages of a host: what `apt`, `dnf` and the facade `packages`, which knows pacman too, share.
//!
//! An operation says what it asks for in an [`Order`]; a [`Manager`] knows what its tool would do about it;
//! [`Work`] remembers from the first look to the second which versions it is after.

pub mod apt;
pub mod dnf;
mod pacman;
mod restarts;
mod work;

pub use restarts::Restarts;
pub use work::Work;

use crate::bail;
use crate::contract::{Command, Error, Look, Output, Refresh, Result, Step};
use crate::shared::{Many, Span};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

/// Packages and their versions; nothing for one that is not installed.
pub type Packages = BTreeMap<String, Option<String>>;

/// Which tool manages packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tool {
    /// Debian, Ubuntu and their kin.
    Apt,
    /// Fedora, RHEL and their kin.
    Dnf,
    /// Arch and its kin.
    Pacman,
}

/// What should become of packages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Goal {
    /// These are there, at whatever version.
    #[default]
    Installed,
    /// These are there, at their newest version.
    Latest,
    /// These are not there.
    Absent,
    /// All are at their newest version.
    Upgraded,
    /// None is there that nothing needs.
    Autoremoved,
}

/// What an operation asks of a package manager.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// The tool; nothing leaves it to the host.
    pub tool: Option<Tool>,
    /// What for.
    pub goal: Goal,
    /// The packages as the playbook names them; of an upgrade, patterns of those that take part.
    pub names: Vec<String>,
    /// Patterns of packages that take no part in an upgrade.
    pub except: Vec<String>,
    /// Whether to install what packages recommend (apt) or what their weak dependencies are (dnf).
    pub recommends: Option<bool>,
    /// The release to take packages from.
    pub release: Option<String>,
    /// Allow a version older than the installed one.
    pub downgrade: bool,
    /// Leave out what is not installed yet.
    pub only_upgrade: bool,
    /// Upgrade only what mends a security hole.
    pub security: bool,
    /// Of an upgrade with apt, never remove a package.
    pub safe: bool,
    /// Remove packages that nothing needs any longer, too.
    pub autoremove: bool,
    /// Delete downloads that no list offers any longer, after an upgrade.
    pub autoclean: bool,
    /// Delete configuration files, too.
    pub purge: bool,
    /// Let dnf remove packages that are in the way.
    pub allowerasing: bool,
    /// Let dnf install packages without a signature.
    pub unsigned: bool,
    /// Fetch lists of packages first.
    pub update: bool,
    /// Fetch lists of packages first if they are older.
    pub valid: Option<Span>,
    /// How long to wait for a lock.
    pub lock: Span,
}

impl Order {
    /// An order for a goal.
    pub fn new(tool: Option<Tool>, goal: Goal, names: &Many<String>, lock: Span) -> Order {
        Order { tool, goal, names: names.as_slice().to_vec(), lock, ..Order::default() }
    }
}

/// What a manager would do.
#[derive(Debug, Default)]
pub struct Plan {
    /// The versions of what the order names.
    pub now: Packages,
    /// What would be touched, as it is.
    pub from: Packages,
    /// The same as it would be.
    pub to: Packages,
}

/// A package manager with an order.
#[async_trait]
pub trait Manager: Debug + Send + Sync {
    /// Reads the names of the order.
    async fn prepare(&mut self, host: &dyn Look) -> Result<()>;
    /// What is due before versions are compared.
    async fn refresh(&self, host: &dyn Look) -> Result<Refresh>;
    /// What there is and what it would do; once that is `decided`, only what there is matters.
    async fn look(&self, host: &dyn Look, decided: bool) -> Result<Plan>;
    /// The order.
    fn order(&self) -> &Order;
    /// The names of packages that the order names.
    fn named(&self) -> Vec<String>;
    /// Paths on the host that say which versions there are to choose from.
    fn sources(&self) -> &'static [&'static str];
    /// The versions of packages.
    async fn versions(&self, host: &dyn Look, names: &[&str]) -> Result<Packages>;
    /// The way there.
    fn steps(&self, now: &Packages) -> Vec<Step>;
    /// The way from some versions to others, whatever brought them about.
    fn back(&self, now: &Packages, want: &Packages) -> Vec<Step>;
    /// Whether the repositories still have the versions to go back to.
    async fn returnable(&self, host: &dyn Look, now: &Packages, want: &Packages) -> Result<()>;
    /// What a person should know besides.
    fn notes(&self, said: &[Output]) -> Vec<String>;
    /// What its complaints mean.
    fn explain(&self, error: Error) -> Error;
}

/// Who carries out an order on this host.
pub async fn manager(host: &dyn Look, order: Order) -> Result<Box<dyn Manager>> {
    let tool = match order.tool {
        Some(tool) => tool,
        None => tool(host).await?,
    };
    Ok(match tool {
        Tool::Apt => Box::new(apt::Apt::new(order)),
        Tool::Dnf => Box::new(dnf::Dnf::new(order)),
        Tool::Pacman => Box::new(pacman::Pacman::new(order)),
    })
}

/// The tool that manages a host's packages. What has apt beside rpm tools, or dnf beside dpkg, is told by what is in
/// use: dpkg knows packages.
pub async fn tool(host: &dyn Look) -> Result<Tool> {
    let ask = "if command -v apt-get >/dev/null && [ -s /var/lib/dpkg/status ]; then echo apt; elif command -v dnf >/dev/null; then echo dnf; elif command -v pacman >/dev/null; then echo pacman; fi";
    Ok(match host.text(&Command::gist("which of apt-get, dnf and pacman", ask)).await?.as_str() {
        "apt" => Tool::Apt,
        "dnf" => Tool::Dnf,
        "pacman" => Tool::Pacman,
        _ => {
            bail!("neither apt nor dnf nor pacman manages packages here"; hint: "shell::run runs another package manager")
        }
    })
}

/// A package that could be upgraded.
#[derive(Debug, Serialize)]
pub struct Upgrade {
    /// Its name.
    pub name: String,
    /// Its version; nothing for one that an upgrade would bring along.
    pub from: Option<String>,
    /// The version it could have.
    pub to: String,
    /// Whether that mends a security hole.
    pub security: bool,
}

/// What could be upgraded, according to the lists that the host has.
pub async fn upgradable(host: &dyn Look, tool: Tool) -> Result<Vec<Upgrade>> {
    match tool {
        Tool::Apt => apt::upgradable(host).await,
        Tool::Dnf => dnf::upgradable(host).await,
        Tool::Pacman => pacman::upgradable(host).await,
    }
}

/// How long a tool waits for a lock: unattended upgrades after a boot take minutes.
pub fn minutes() -> Span {
    Span(Duration::from_secs(300))
}

/// How old the lists of packages are, as a tool's own question for it was answered; nothing if there are none.
pub fn aged(output: &Output) -> Option<Duration> {
    output.text().trim().parse().ok().map(Duration::from_secs)
}

/// What comes back on the way from some versions to others and nobody asked for by name.
fn automatic<'a>(now: &Packages, want: &'a Packages, asked: impl Fn(&str) -> bool) -> Vec<&'a String> {
    let new = want.iter().filter(|(name, version)| version.is_some() && now.get(*name).is_none_or(Option::is_none));
    new.map(|(name, _)| name).filter(|name| !asked(name)).collect()
}

/// An age in one number.
fn age_in_words(age: Duration) -> String {
    let seconds = age.as_secs();
    let (number, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// What is due if an order asks for fresh lists; `update` fetches them.
fn refresh(order: &Order, old: Option<Duration>, update: impl FnOnce() -> Command) -> Refresh {
    if let (Some(old), Some(valid)) = (old, order.valid)
        && old < valid.0
    {
        return Refresh::default();
    }
    let instead = match old {
        Some(old) => {
            let old = age_in_words(old);
            format!("predicted from package lists that are {old} old; applying it fetches new ones")
        }
        None => "predicted without any package lists; applying it fetches them".to_owned(),
    };
    Refresh { steps: vec![update().into()], instead: Some(instead), decides: false }
}

/// The error of a place that packages come from and that does not answer: one line instead of all that was said.
fn unreachable_mirror(error: &Error, url: &str, why: &str) -> Error {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let site = rest.split('/').next().unwrap_or(rest);
    let mut new = error.clone();
    new.message = format!("unreachable mirror {scheme}://{site}: {}", why.trim());
    new.stderr.clear();
    new.stdout.clear();
    new.hint("nothing was installed; the host has to reach it: its name, the network between, a proxy")
}

/// A complaint of a tool with other words for it.
fn reworded(error: &Error, message: String) -> Error {
    let mut new = error.clone();
    new.message = message;
    new
}

/// Whether a text fits a pattern in which `*` and `?` stand for anything.
fn glob(pattern: &str, text: &str) -> bool {
    let pattern: String = pattern
        .split_inclusive(['*', '?'])
        .map(|part| {
            let (plain, wild) = match part.strip_suffix('*') {
                Some(plain) => (plain, ".*"),
                None => part.strip_suffix('?').map_or((part, ""), |plain| (plain, ".")),
            };
            regex::escape(plain) + wild
        })
        .collect();
    regex::Regex::new(&format!("^{pattern}$")).is_ok_and(|pattern| pattern.is_match(text))
}

/// What check mode calls a package of which a change was only predicted.
fn package(name: &str) -> String {
    format!("package {name}")
}
/// What it calls the fact that one is held.
fn hold(name: &str) -> String {
    format!("whether {name} is held")
}
/// What it calls one that would have a version by then, or none.
fn arrived(name: &str, version: Option<&str>) -> String {
    format!("{name} at {}", version.unwrap_or("no version"))
}
/// Any package: it decides what is needed no longer.
const ANY: &str = "what is needed by other packages";
/// Which packages are held no longer, at all: an upgrade below does not know of them.
const FREED: &str = "which packages are held";

/// What holding packages means to operations below.
pub fn holding(names: &[String]) -> Vec<String> {
    names.iter().map(|name| hold(name)).collect()
}
/// What letting them go means.
pub fn freeing(names: &[String]) -> Vec<String> {
    holding(names).into_iter().chain([FREED.to_owned()]).collect()
}

/// Implements [`crate::contract::Operation`] for an operation that has an `order()` and keeps its `work`; what installs
/// packages may leave a reboot due.
macro_rules! manages {
    ($operation:ident, $reboot:ident) => {
        impl $crate::contract::Operation for $operation {
            type State = $crate::shared::packages::Packages;
            const REBOOT: $crate::contract::Reboot = $crate::contract::Reboot::$reboot;

            async fn prepare(&mut self, host: &dyn $crate::contract::Look) -> $crate::contract::Result<()> {
                self.work = $crate::shared::packages::Work::begin(host, self.order()).await?;
                Ok(())
            }
            async fn refresh(
                &self,
                host: &dyn $crate::contract::Look,
            ) -> $crate::contract::Result<$crate::contract::Refresh> {
                self.work.refresh(host).await
            }
            async fn read(&self, host: &dyn $crate::contract::Look) -> $crate::contract::Result<Self::State> {
                self.work.read(host).await
            }
            async fn reached(&self, host: &dyn $crate::contract::Look) -> $crate::contract::Result<Self::State> {
                self.work.versions(host).await
            }
            fn want(&self, now: &Self::State) -> $crate::contract::Result<Self::State> {
                Ok(self.work.want(now))
            }
            fn steps(
                &self,
                now: &Self::State,
                want: &Self::State,
            ) -> $crate::contract::Result<Vec<$crate::contract::Step>> {
                self.work.steps(now, want)
            }
            async fn recall(
                &mut self,
                host: &dyn $crate::contract::Look,
                before: Self::State,
                after: &Self::State,
            ) -> $crate::contract::Result<Self::State> {
                self.work = $crate::shared::packages::Work::back(host, self.order(), &before, after).await?;
                Ok(before)
            }
            async fn returnable(
                &self,
                host: &dyn $crate::contract::Look,
                now: &Self::State,
                want: &Self::State,
            ) -> $crate::contract::Result<()> {
                self.work.returnable(host, now, want).await
            }
            fn depends(&self) -> Vec<String> {
                self.work.depends()
            }
            fn alters(&self) -> Vec<String> {
                self.work.alters()
            }
            fn leaves(&self) -> Vec<String> {
                self.work.leaves()
            }
            fn notes(&self, said: &[$crate::contract::Output]) -> Vec<String> {
                self.work.notes(said)
            }
            fn explain(&self, error: $crate::contract::Error) -> $crate::contract::Error {
                self.work.explain(error)
            }
        }
    };
}
pub(crate) use manages;

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn a_pattern_stands_for_names() {
        assert!(glob("docker-ce*", "docker-ce-cli") && glob("linux-image-?", "linux-image-6") && glob("g++", "g++"));
        assert!(!glob("docker", "docker-ce") && !glob("a.c", "abc"));
    }
}
