//! What an operation on packages remembers from its first look to its second.

use super::{ANY, FREED, Goal, Manager, Order, Packages, Plan, arrived, hold, manager, package};
use crate::contract::{Error, Look, Output, Refresh, Result, Step};
use futures_util::try_join;
use std::sync::OnceLock;

/// An order in the hands of a manager, with the versions it is after, so that both looks are about the same packages.
#[derive(Debug, Default)]
pub struct Work {
    manager: Option<Box<dyn Manager>>,
    /// What the order itself names.
    named: OnceLock<Packages>,
    want: OnceLock<Packages>,
    /// What differs of that.
    due: OnceLock<Packages>,
    /// What would not differ by then, as check mode has foretold it.
    met: OnceLock<Packages>,
    /// Whether it is on the way back to earlier versions.
    back: bool,
}

impl Work {
    /// Hands an order to its manager.
    pub async fn begin(host: &dyn Look, order: Order) -> Result<Work> {
        let mut manager = manager(host, order).await?;
        manager.prepare(host).await?;
        Ok(Work { manager: Some(manager), ..Work::default() })
    }
    /// The way back: what matters are the packages that the change touched.
    pub async fn back(host: &dyn Look, order: Order, before: &Packages, after: &Packages) -> Result<Work> {
        let mut all = after.clone();
        all.extend(before.clone());
        Ok(Work {
            manager: Some(manager(host, order).await?),
            want: OnceLock::from(all),
            back: true,
            ..Work::default()
        })
    }
    fn manager(&self) -> Result<&dyn Manager> {
        self.manager.as_deref().ok_or_else(|| Error::bug("an order for packages was not prepared"))
    }
    /// What is due before versions are compared.
    pub async fn refresh(&self, host: &dyn Look) -> Result<Refresh> {
        self.manager()?.refresh(host).await
    }
    /// The versions of all packages that matter.
    pub async fn read(&self, host: &dyn Look) -> Result<Packages> {
        let manager = self.manager()?;
        let Some(want) = self.want.get() else {
            return Ok(self.decide(host, manager.look(host, false).await?));
        };
        if self.back {
            return self.versions(host).await;
        }
        let names = want.keys().map(String::as_str);
        let named = |name: &&str| self.named.get().is_some_and(|named| named.contains_key(*name));
        let others: Vec<&str> = names.filter(|name| !named(name)).collect();
        let (plan, mut now) = try_join!(manager.look(host, true), manager.versions(host, &others))?;
        now.extend(plan.now);
        Ok(now)
    }
    /// The same and no more: what else would be done cannot be asked of a host that is left half-way.
    pub async fn versions(&self, host: &dyn Look) -> Result<Packages> {
        let names: Vec<&str> = self.want.get().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        self.manager()?.versions(host, &names).await
    }
    /// Remembers what is wanted, and completes the versions that there are.
    fn decide(&self, host: &dyn Look, plan: Plan) -> Packages {
        let Plan { now, from, to } = plan;
        let _ = self.named.set(now.clone());
        let (mut complete, mut want) = (from, now.clone());
        complete.extend(now.into_iter().filter(|(_, version)| version.is_some()).collect::<Packages>());
        for name in want.keys() {
            complete.entry(name.clone()).or_default();
        }
        want.extend(to);
        let differs =
            |(name, version): &(&String, &Option<String>)| complete.get(*name).cloned().flatten() != **version;
        let due = want.iter().filter(differs).map(|(name, version)| (name.clone(), version.clone()));
        let (met, due): (Packages, Packages) =
            due.partition(|(name, version)| host.foretold(&arrived(name, version.as_deref())));
        complete.extend(met.clone());
        let (_, _) = (self.due.set(due), self.met.set(met));
        // The first look is the only one that decides.
        let _ = self.want.set(want);
        complete
    }
    /// What decides what this order does: see [`crate::contract::Operation::depends`].
    pub fn depends(&self) -> Vec<String> {
        let Some(manager) = &self.manager else { return Vec::new() };
        let (order, named) = (manager.order(), manager.named());
        let due = || self.due.get().into_iter().flatten().map(|(name, _)| name);
        let met = |name: &String| self.met.get().is_some_and(|met| met.contains_key(name));
        let mut all: Vec<String> =
            named.iter().chain(due()).filter(|name| !met(name)).map(|name| package(name)).collect();
        let newest = matches!(order.goal, Goal::Latest | Goal::Upgraded);
        if newest {
            all.extend(named.iter().chain(due()).map(|name| hold(name)).chain([FREED.to_owned()]));
        }
        if newest || order.goal == Goal::Installed && due().next().is_some() {
            all.extend(manager.sources().iter().map(|path| (*path).to_owned()));
        }
        if order.autoremove || order.goal == Goal::Autoremoved {
            all.push(ANY.to_owned());
        }
        all
    }
    /// What this order changes: see [`crate::contract::Operation::alters`].
    pub fn alters(&self) -> Vec<String> {
        let Some(manager) = &self.manager else { return Vec::new() };
        let mut all = vec![ANY.to_owned()];
        match self.due.get() {
            None => all.extend(manager.named().iter().map(|name| package(name))),
            Some(due) => {
                all.extend(due.iter().flat_map(|(name, version)| [package(name), arrived(name, version.as_deref())]))
            }
        }
        all
    }
    /// What the way back leaves.
    pub fn leaves(&self) -> Vec<String> {
        let purged = self.manager.as_ref().is_some_and(|manager| manager.order().purge);
        let what = "configuration files come back as the packages have them, not as they were changed here";
        (self.back && purged).then(|| what.to_owned()).into_iter().collect()
    }
    /// The versions that should be there.
    pub fn want(&self, now: &Packages) -> Packages {
        self.want.get().unwrap_or(now).clone()
    }
    /// The way there, or back.
    pub fn steps(&self, now: &Packages, want: &Packages) -> Result<Vec<Step>> {
        let manager = self.manager()?;
        // Earlier versions may be wanted, too.
        let forward = !self.back && *want == self.want(now);
        Ok(if forward { manager.steps(now) } else { manager.back(now, want) })
    }
    /// Whether the way back is open.
    pub async fn returnable(&self, host: &dyn Look, now: &Packages, want: &Packages) -> Result<()> {
        self.manager()?.returnable(host, now, want).await
    }
    /// What a person should know besides.
    pub fn notes(&self, said: &[Output]) -> Vec<String> {
        self.manager.iter().flat_map(|manager| manager.notes(said)).collect()
    }
    /// What the manager's complaints mean.
    pub fn explain(&self, error: Error) -> Error {
        match &self.manager {
            Some(manager) => manager.explain(error),
            None => error,
        }
    }
}
