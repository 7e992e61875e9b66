//! The way to a stack that is up.

use super::{Recreate, ServiceState, Up, UpState};
use crate::compose::actions::stop_timeout;
use crate::contract::docker::{Kind, Until, Verb};
use crate::contract::{Command, Error, Result, Source, Step, Write};
use crate::shared::docker::{previous, pull};
use std::time::Duration;

impl Up {
    pub(super) fn way(&self, now: &UpState, want: &UpState) -> Result<Vec<Step>> {
        if self.seen().as_ref().is_some_and(|seen| seen.past.is_some()) {
            return self.way_back(now, want);
        }
        let mut steps: Vec<Step> = now.around.meant.iter().map(|(name, meant)| tidied(name, meant.as_ref())).collect();
        for name in want.services.keys().filter(|name| now.services[*name].image != want.services[*name].image) {
            let containers = now.around.containers.get(name).into_iter().flatten();
            steps.extend(containers.map(|(container, image)| {
                Step::Docker(Verb::Tag { image: image.clone(), to: previous(container) }.into())
            }));
        }
        for (image, (platform, auth)) in &now.around.pulls {
            steps.push(pull(None, image, platform.as_ref(), auth.clone()).into());
        }
        for anew in self.anew(now, want)? {
            steps.push(self.up(["--force-recreate"].into_iter().chain(anew))?);
        }
        if self.whole(now, want) {
            let remove = self.remove_orphans.then_some("--remove-orphans");
            let never = (self.recreate == Recreate::Never).then_some("--no-recreate");
            let chosen = self.services.as_slice().iter().map(String::as_str);
            steps.push(self.up(remove.into_iter().chain(never).chain(chosen))?);
        }
        if let Some(wait) = self.wait {
            // What is new first: whether that is well decides about the way back.
            let (new, old): (Vec<_>, Vec<_>) = want.services.iter().partition(|(_, one)| one.state == "recreated");
            let services = new.into_iter().chain(old).map(|(name, _)| name.as_str());
            steps.extend(self.healthy(services, wait.0)?);
        }
        // What stays as it is although it differs is remembered as it was.
        if !now.around.remembered && self.recreate != Recreate::Never {
            steps.extend(self.remembered(now)?);
        }
        Ok(steps)
    }

    /// The services to be made anew, call by call. Compose makes those anew too that need one which is made anew, as
    /// far as a call concerns them: where that would touch more than it should, each gets a call of its own.
    pub(super) fn anew<'a>(&self, now: &UpState, want: &'a UpState) -> Result<Vec<Vec<&'a str>>> {
        let project = self.project.get()?;
        let due =
            |(name, one): &(&String, &ServiceState)| one.state == "recreated" && now.services[*name].state != "absent";
        let names: Vec<&str> = want.services.iter().filter(due).map(|(name, _)| name.as_str()).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let named: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let concerned = project.selected(&named)?;
        let mut between = concerned.iter().filter(|name| !names.contains(name));
        let touched = between.any(|name| {
            let below = project.selected(&[(*name).to_owned()]).unwrap_or_default();
            names.iter().any(|name| below.contains(name))
        });
        if !touched {
            return Ok(vec![names]);
        }
        // What others need comes first.
        let mut order = names;
        order.sort_by_key(|name| project.selected(&[(*name).to_owned()]).map_or(0, |below| below.len()));
        Ok(order.into_iter().map(|name| vec![name]).collect())
    }

    /// Whether compose is called for all that is chosen.
    pub(super) fn whole(&self, now: &UpState, want: &UpState) -> bool {
        now.orphans != want.orphans || want.services.iter().any(|(name, one)| unmade(&now.services[name], one))
    }

    /// `compose up` of what is here.
    pub(super) fn up<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Result<Step> {
        let fixed = ["up", "-d", "--no-build", "--pull", "never"].map(str::to_owned);
        let words = words.into_iter().map(str::to_owned);
        Ok(self
            .project
            .get()?
            .cli
            .command(fixed.into_iter().chain(stop_timeout(self.timeout)).chain(words))
            .long()
            .into())
    }

    /// Wait for these services.
    pub(super) fn healthy<'a>(
        &self,
        services: impl IntoIterator<Item = &'a str>,
        timeout: Duration,
    ) -> Result<Vec<Step>> {
        let project = self.project.get()?;
        let last = services.into_iter().filter(|name| project.services.get(*name).is_some_and(|service| !service.ends));
        let names = last.flat_map(|name| project.containers(name));
        Ok(names.map(|name| Step::Docker(Verb::Await { name, until: Until::Well, timeout }.into())).collect())
    }

    fn remembered(&self, now: &UpState) -> Result<Vec<Step>> {
        let project = self.project.get()?;
        let path = &project.memory;
        let dir = path.rsplit_once('/').map_or("/", |(dir, _)| dir);
        let text = serde_json::to_string(&now.around.memory).map_err(|e| Error::bug(e.to_string()))?;
        let write =
            Write { mode: Some("0600".to_owned()), ..Write::new(path.clone(), Source::Text(format!("{text}\n"))) };
        Ok(vec![Command::new("mkdir").args(["-p", "-m", "700", dir]).into(), write.into()])
    }
}

/// What an interrupted call left behind gets out of the way. Where the container that it was to replace is gone, it is
/// the only one that has its data: it takes its place.
fn tidied(name: &str, meant: Option<&String>) -> Step {
    let name = name.to_owned();
    let verb = match meant {
        Some(to) => Verb::Rename { name, to: to.clone() },
        None => Verb::Remove { kind: Kind::Container, name, force: true, volumes: false },
    };
    Step::Docker(verb.into())
}

/// Whether there is something to be done for a service other than making it anew and waiting for it.
fn unmade(was: &ServiceState, one: &ServiceState) -> bool {
    let started = one.state != was.state && !["recreated", "ran again"].contains(&one.state.as_str());
    started || was.containers != one.containers
}
