//! The ways back: of a new image that is not healthy, and of undo.

use super::{Seen, ServiceState, Up, UpState};
use crate::bail;
use crate::contract::docker::Verb;
use crate::contract::{Rescue, Result, Step};
use crate::shared::docker::tagged;
use std::collections::BTreeSet;

impl Up {
    /// The old images of services whose new ones are not healthy.
    pub(super) fn rolled_back(&self, now: &UpState, want: &UpState, failed: &Step) -> Option<Rescue> {
        let project = self.project.get().ok()?;
        let wait = self.wait.filter(|_| self.rollback)?;
        // Before that, nothing was touched that runs.
        use Verb::{Pull, Remove, Rename, Tag};
        let prepares = |verb: &Verb| matches!(verb, Tag { .. } | Pull { .. } | Remove { .. } | Rename { .. });
        if matches!(failed, Step::Docker(call) if prepares(&call.verb)) {
            return None;
        }
        // What was not well before, and was not touched, is no reason.
        if let Step::Docker(call) = failed
            && let Verb::Await { name, .. } = &call.verb
            && let Some((service, one)) =
                want.services.iter().find(|(service, _)| project.containers(service).contains(name))
            && one.state != "recreated"
            && now.services[service].health.as_deref() == Some("unhealthy")
        {
            return None;
        }
        let other = |name: &&String| {
            let (was, is) = (&now.services[*name], &want.services[*name]);
            was.image.is_some() && was.image != is.image
        };
        let services: Vec<&String> = want.services.keys().filter(other).collect();
        let (mut steps, mut moved, mut words) = (Vec::new(), serde_json::Map::new(), Vec::new());
        for name in &services {
            let (_, id) = now.around.containers.get(*name)?.first()?;
            let (was, is) = (&now.services[*name], &project.services[*name]);
            let same = was.config["image"] == is.config["image"] && !is.image.contains('@');
            if same {
                let tag = Verb::Tag { image: id.clone(), to: tagged(&is.image) };
                steps.push(Step::Docker(tag.into()));
            } else {
                moved.insert((*name).clone(), serde_json::json!({ "image": was.image }));
            }
            words.push(format!("{name} has {} back", was.image.clone().unwrap_or_else(|| id.clone())));
        }
        if services.is_empty() {
            return None;
        }
        let names = project.with_joined(services.iter().map(|name| name.as_str()));
        let names = names.iter().copied();
        if moved.is_empty() {
            steps.push(self.up(names.clone()).ok()?);
        } else {
            let cli = project.cli.overridden(&project.found);
            let up = ["up", "-d", "--no-build", "--pull", "never"].into_iter().chain(names.clone());
            let files = serde_json::json!({ "services": moved }).to_string();
            steps.push(cli.command(up).stdin(files).long().into());
        }
        steps.extend(self.healthy(names, wait.0).ok()?);
        Some(Rescue { steps, done: format!("rolled back: {}, and healthy", words.join(", ")) })
    }

    /// The state to go back to.
    pub(super) fn recalled(&mut self, before: UpState, after: &UpState) -> Result<UpState> {
        let made = |state: &UpState, name: &str| state.services.get(name).is_some_and(|one| one.state == "recreated");
        let past: BTreeSet<String> = after.services.keys().filter(|name| made(after, name)).cloned().collect();
        let mut want = before;
        want.leftovers.clear();
        if want.orphans != after.orphans {
            bail!("the orphans that were removed cannot come back: no file describes them any longer");
        }
        for (name, one) in &mut want.services {
            let Some(is) = after.services.get(name) else { continue };
            if one.config != is.config || one.other_config != is.other_config {
                bail!("{name} was made from another configuration, which only its files can bring back";
                    hint: "bring the compose file back, then compose::up(\"{}\")", self.path);
            }
            if one.files != is.files {
                bail!("{name} had other files mounted, which only they can bring back";
                    hint: "bring the files back, then compose::up(\"{}\")", self.path);
            }
            if one.containers != is.containers && one.state != "absent" {
                bail!("{name} had another number of containers, which only its files can bring back");
            }
            let up = ["up", "recreated"].contains(&one.state.as_str());
            match one.state.as_str() {
                _ if up => one.state = if past.contains(name) { "recreated" } else { "up" }.to_owned(),
                "absent" | "exited" => {}
                other => bail!("{name} was {other}, which nobody can bring back"),
            }
            one.health = None;
            one.cut_off_from = None;
        }
        *self.seen() = Some(Seen { past: Some(past), ..Seen::default() });
        Ok(want)
    }

    pub(super) fn way_back(&self, now: &UpState, want: &UpState) -> Result<Vec<Step>> {
        let project = self.project.get()?;
        let named = |keep: &dyn Fn(&ServiceState, &ServiceState) -> bool| -> Vec<&str> {
            let both = want.services.iter().filter_map(|(name, one)| Some((name, now.services.get(name)?, one)));
            both.filter(|(_, was, one)| keep(was, one)).map(|(name, ..)| name.as_str()).collect()
        };
        let mut steps: Vec<Step> = Vec::new();
        let up = |one: &ServiceState| ["up", "recreated"].contains(&one.state.as_str());
        let images = named(&|was, one| one.image.is_some() && one.image != was.image);
        for name in &images {
            if let Some(image) = want.services[*name].image.clone() {
                let to = tagged(&project.services[*name].image);
                steps.push(Step::Docker(Verb::Tag { image, to }.into()));
            }
        }
        let started = named(&|was, one| up(one) && (one.image != was.image || !up(was)));
        if !started.is_empty() {
            steps.push(self.up(project.with_joined(started))?);
        }
        let gone = named(&|was, one| one.state == "absent" && was.state != "absent");
        if gone.len() == want.services.len() && !gone.is_empty() {
            steps.push(project.cli.command(["down"]).long().into());
        } else if !gone.is_empty() {
            steps.push(project.cli.command(["rm", "-s", "-f"].into_iter().chain(gone)).long().into());
        }
        let stopped = named(&|was, one| one.state == "exited" && up(was));
        if !stopped.is_empty() {
            steps.push(project.cli.command(["stop"].into_iter().chain(stopped)).long().into());
        }
        Ok(steps)
    }
}
