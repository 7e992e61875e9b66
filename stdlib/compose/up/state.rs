//! What matters about the services of a stack.

use super::{Recreate, Up, nowhere};
use crate::bail;
use crate::compose::engine::{self, Container};
use crate::compose::files::{self, Memory, Remembered};
use crate::compose::mask;
use crate::compose::project::Service;
use crate::contract::docker::Auth;
use crate::contract::{Look, Result};
use crate::shared::docker::{auth, digest, digests, image, offered, repository};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The services of a stack.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct UpState {
    /// Each of them.
    pub services: BTreeMap<String, ServiceState>,
    /// Services that have containers, and that the files no longer have.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub orphans: BTreeSet<String>,
    /// Containers that an interrupted call left half made.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub leftovers: BTreeSet<String>,
    /// What the way needs to know.
    #[serde(skip)]
    pub around: Around,
}

/// A service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceState {
    /// `absent`, `up`, `recreated` by this, `ran again` (a job that others wait for), or what the engine calls it, such as
    /// `exited`.
    pub state: String,
    /// Its image, by digest where a registry knows it, else by id.
    pub image: Option<String>,
    /// Its resolved configuration, without secrets.
    pub config: Value,
    /// What compose calls the configuration that it was made from, where it was another one and is not remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_config: Option<String>,
    /// The mounted files, by digest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// How many containers it has, if not one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containers: Option<u64>,
    /// How healthy it is, if it is waited for and not well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// The service with which it is made anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because_of: Option<String>,
    /// Whose network it lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_off_from: Option<String>,
}

/// What the way from one state to another needs to know.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// Images to be pulled.
    pub pulls: BTreeMap<String, (Option<String>, Option<Auth>)>,
    /// The names that leftovers were to have, where nothing has them.
    pub meant: BTreeMap<String, Option<String>>,
    /// The images that each service should have.
    pub images: BTreeMap<String, Option<String>>,
    /// Services that have done their work.
    pub done: BTreeSet<String>,
    /// The container of each service, and the id of its image.
    pub containers: BTreeMap<String, Vec<(String, String)>>,
    /// What will be remembered.
    pub memory: Memory,
    /// Whether it is remembered so already.
    pub remembered: bool,
}

/// The containers as they were before anything was done, and what came of it, if that is long ago.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// When each container was started.
    pub started: BTreeMap<String, BTreeMap<String, String>>,
    /// Services that are made anew because others are.
    pub because_of: BTreeMap<String, String>,
    /// Services that were made anew by what is taken back.
    pub past: Option<BTreeSet<String>>,
}

impl Seen {
    /// As they are now.
    fn now(containers: &BTreeMap<String, Vec<Container>>) -> Seen {
        let started = |own: &Vec<Container>| own.iter().map(|c| (c.id.clone(), c.condition.started.clone())).collect();
        let started = containers.iter().map(|(name, own)| (name.clone(), started(own))).collect();
        Seen { started, ..Seen::default() }
    }
    /// Whether these are other containers than before.
    fn anew(&self, service: &str, containers: &[Container]) -> bool {
        match (&self.past, self.started.get(service)) {
            (Some(past), _) => past.contains(service),
            (None, Some(before)) => containers.iter().all(|container| !before.contains_key(&container.id)),
            (None, None) => false,
        }
    }
    /// Whether a container was there before.
    fn knows(&self, container: &Container) -> bool {
        self.started.get(&container.service).is_some_and(|before| before.contains_key(&container.id))
    }
    /// Whether a container was started since.
    fn since(&self, container: &Container) -> bool {
        let before = self.started.get(&container.service).and_then(|before| before.get(&container.id));
        before != Some(&container.condition.started)
    }
}

/// An image that services have by name.
struct Offer {
    /// What the name stands for, once it is pulled.
    target: Option<String>,
    /// Its id here, and what it is called.
    here: Option<(String, Option<String>)>,
}

impl Up {
    pub(super) async fn look(&self, host: &dyn Look) -> Result<UpState> {
        let project = self.project.hold(self.resolve(host).await?);
        let (left, whole): (Vec<Container>, Vec<Container>) =
            engine::containers(host, &project.name).await?.into_iter().partition(|container| container.meant.is_some());
        let names: BTreeSet<String> = whole.iter().map(|container| container.name.clone()).collect();
        let mut containers = engine::by_service(whole);
        let seen = self.seen().get_or_insert_with(|| Seen::now(&containers)).clone();
        let (memory, mounted) = files::read(host, &project).await?;
        let mut state = UpState::default();
        for container in left {
            state.leftovers.insert(container.name.clone());
            state.around.meant.insert(container.name, container.meant.filter(|name| !names.contains(name)));
        }
        let mut offers: BTreeMap<&str, Offer> = BTreeMap::new();
        for name in project.selected(self.services.as_slice())? {
            let service = &project.services[name];
            if !offers.contains_key(service.image.as_str()) {
                let offer = self.offer(host, name, service, &mut state.around).await?;
                offers.insert(&service.image, offer);
            }
            let offer = &offers[service.image.as_str()];
            let remembered = memory.services.get(name);
            let own = containers.get(name).map(Vec::as_slice).unwrap_or_default();
            if service.ends && own.iter().any(|container| !container.runs()) {
                state.around.done.insert(name.to_owned());
            }
            let mut one = ServiceState { state: word(&seen, name, service, own), ..ServiceState::default() };
            one.because_of = seen.because_of.get(name).filter(|_| one.state == "recreated").cloned();
            if let Some(Container { image: id, .. }) = own.first() {
                let called = match &offer.here {
                    Some((here, called)) if here == id => called.clone(),
                    _ => image(host, None, id).await?.and_then(|inspected| known(service, &inspected)),
                };
                one.image = called.or_else(|| Some(id.clone()));
            }
            let started = own.iter().filter_map(Container::started).min();
            one.files = mounted.seen(service, remembered, started);
            let as_joined = match own.first().and_then(|container| container.joined.as_ref()) {
                Some(other) if remembered.is_none() => project.joined(host, name, other).await?,
                _ => None,
            };
            (one.config, one.other_config) = configured(service, own, remembered, as_joined.as_deref());
            let count = own.len() as u64;
            one.containers = (count > 1 || service.scale != 1 && count > 0).then_some(count);
            if self.wait.is_some() {
                one.health = engine::health(own).filter(|health| *health != "healthy").map(str::to_owned);
            }
            one.cut_off_from = cut_off(service, own, &containers);
            let ids = own.iter().map(|container| (container.name.clone(), container.image.clone())).collect();
            state.around.containers.insert(name.to_owned(), ids);
            state.around.images.insert(name.to_owned(), offer.target.clone());
            let (hash, config) = (service.hash.clone(), service.config.clone());
            let remember = Remembered { hash, config, files: mounted.prints(service) };
            state.around.memory.services.insert(name.to_owned(), remember);
            state.services.insert(name.to_owned(), one);
        }
        // What was not looked at is remembered as it was.
        for (name, remembered) in memory.services.iter().filter(|(name, _)| project.known.contains(*name)) {
            state.around.memory.services.entry(name.clone()).or_insert_with(|| remembered.clone());
        }
        state.around.remembered = state.around.memory == memory;
        containers.retain(|name, _| !project.known.contains(name));
        state.orphans = containers.into_keys().collect();
        Ok(state)
    }

    /// What the name of an image stands for, here and after a pull.
    async fn offer(&self, host: &dyn Look, name: &str, service: &Service, around: &mut Around) -> Result<Offer> {
        let local = image(host, None, &service.image).await?;
        let known = local.as_ref().and_then(|local| known(service, local));
        let id = local.as_ref().and_then(|local| local["Id"].as_str()).map(str::to_owned);
        let here = id.map(|id| (id, known.clone()));
        if !self.asks(service, local.is_some()) {
            return Ok(Offer { target: known, here });
        }
        let auth = auth(host, &service.image).await?;
        let Some(digest) = offered(host, None, &service.image, auth.clone()).await? else {
            return Err(nowhere(&service.image, name));
        };
        if local.is_some_and(|local| digests(&service.image, &local).any(|known| known == digest)) {
            return Ok(Offer { target: known, here });
        }
        around.pulls.insert(service.image.clone(), (service.platform.clone(), auth));
        Ok(Offer { target: Some(format!("{}@{digest}", repository(&service.image))), here })
    }

    pub(super) fn wanted(&self, now: &UpState) -> Result<UpState> {
        let project = self.project.get()?;
        let mut want = now.clone();
        let mut anew: BTreeSet<String> = BTreeSet::new();
        for (name, one) in &mut want.services {
            let service = &project.services[name];
            let was = one.clone();
            if service.scale == 0 {
                let files = std::mem::take(&mut one.files);
                let config = service.config.clone();
                *one = ServiceState { state: "absent".to_owned(), config, files, ..ServiceState::default() };
                continue;
            }
            let is = self.recreate != Recreate::Never || was.state == "absent";
            if is {
                one.config = service.config.clone();
                one.other_config = None;
                one.image = now.around.images.get(name).cloned().flatten().or(was.image.clone());
                let prints = now.around.memory.services.get(name).into_iter().flat_map(|service| &service.files);
                one.files = prints.map(|(path, print)| (path.clone(), print.sha256.clone())).collect();
                one.containers = (service.scale != 1).then_some(service.scale);
                one.cut_off_from = None;
            }
            one.health = None;
            let made = was.state != "absent"
                && (*one != ServiceState { health: None, containers: one.containers, ..was.clone() }
                    || self.recreate == Recreate::Always);
            if made {
                anew.insert(name.clone());
            }
            if was.state == "paused" && !made {
                bail!("{name} is paused, and that is left to who did it"; hint: "`docker compose unpause {name}` in {}", self.path);
            }
            one.state = if made { "recreated" } else { "up" }.to_owned();
        }
        // Who shares something with a container that is made anew, or asks for it, is made anew.
        let mut because_of = BTreeMap::new();
        while let Some((name, one)) = want.services.iter_mut().find(|(name, one)| {
            one.state == "up"
                && now.services[*name].state != "absent"
                && project.services[*name].comes_with().any(|other| anew.contains(other))
        }) {
            one.state = "recreated".to_owned();
            one.because_of = project.services[name].comes_with().find(|other| anew.contains(*other)).cloned();
            because_of.extend(one.because_of.clone().map(|other| (name.clone(), other)));
            anew.insert(name.clone());
        }
        if let Some(seen) = self.seen().as_mut() {
            seen.because_of = because_of;
        }
        want.leftovers.clear();
        if self.remove_orphans {
            want.orphans.clear();
        }
        self.again(now, &mut want)?;
        Ok(want)
    }

    /// Jobs that run once are started again by each call of compose that concerns who waits for them.
    fn again(&self, now: &UpState, want: &mut UpState) -> Result<()> {
        let project = self.project.get()?;
        let mut concerned = BTreeSet::new();
        for anew in self.anew(now, want)? {
            let names: Vec<String> = anew.into_iter().map(str::to_owned).collect();
            concerned.extend(project.selected(&names)?);
        }
        if self.whole(now, want) {
            concerned.extend(project.selected(self.services.as_slice())?);
        }
        for (name, one) in &mut want.services {
            if one.state == "up" && now.around.done.contains(name) && concerned.contains(name.as_str()) {
                one.state = "ran again".to_owned();
            }
        }
        Ok(())
    }
}

/// How a service is, in a word.
fn word(seen: &Seen, name: &str, service: &Service, own: &[Container]) -> String {
    // What has done its work is as good as what runs.
    let done = |container: &Container| {
        let ended = container.condition.status == "exited" && container.condition.exit_code == 0;
        ended && (service.ends || seen.since(container))
    };
    let well = !own.is_empty() && own.iter().all(|container| container.runs() || done(container));
    let again = |container: &Container| !container.runs() && seen.knows(container) && seen.since(container);
    match (well, seen.anew(name, own)) {
        (true, false) if service.ends && own.iter().any(again) => "ran again".to_owned(),
        (true, true) => "recreated".to_owned(),
        (true, false) => "up".to_owned(),
        (false, _) => engine::state(own).to_owned(),
    }
}

/// The first digits of what compose calls a configuration.
fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

/// An image by the digest under which its registry knows it, or by its id.
fn known(service: &Service, inspected: &Value) -> Option<String> {
    let by_digest = digest(&service.image, inspected).map(|digest| format!("{}@{digest}", repository(&service.image)));
    by_digest.or_else(|| inspected["Id"].as_str().map(str::to_owned))
}

/// The configuration that the containers of a service were made from, as far as it is known, and what compose called
/// it, if that is all there is to tell.
fn configured(
    service: &Service,
    own: &[Container],
    remembered: Option<&Remembered>,
    as_joined: Option<&str>,
) -> (Value, Option<String>) {
    let Some(container) = own.first() else { return (service.config.clone(), None) };
    // Who shares something has the other's container in what compose calls its configuration.
    let made = match remembered {
        _ if service.joins.is_empty() => container.hash.as_str(),
        Some(remembered) => &remembered.hash,
        None if as_joined.is_some() => container.hash.as_str(),
        None => "",
    };
    let as_named = made == service.hash || made == service.whole || as_joined == Some(made);
    if own.iter().all(|container| container.hash == own[0].hash) && as_named {
        return (service.config.clone(), None);
    }
    match remembered.filter(|remembered| remembered.hash == made && remembered.config != service.config) {
        Some(remembered) => (remembered.config.clone(), None),
        None => {
            let unknown = if made.is_empty() { "not known".to_owned() } else { short(made) };
            (told(service, container), Some(unknown))
        }
    }
}

/// What a container tells of the configuration that it was made from: image and environment.
fn told(service: &Service, container: &Container) -> Value {
    let mut config = service.config.clone();
    if config["image"].is_string() && !container.image_name.is_empty() {
        config["image"] = json!(container.image_name);
    }
    for (name, value) in config.get_mut("environment").and_then(Value::as_object_mut).into_iter().flatten() {
        if value != mask::OUTSIDE {
            *value = container.env.get(name).map_or(Value::Null, |text| mask::variable(name, text).0.into());
        }
    }
    config
}

/// The service whose container is no longer the one that this one shares something with, or has been started since.
fn cut_off(service: &Service, own: &[Container], all: &BTreeMap<String, Vec<Container>>) -> Option<String> {
    let (container, joined) = own.iter().find_map(|one| Some((one, one.joined.as_ref()?)))?;
    let others = service.joins.iter().filter_map(|other| Some((other, all.get(other)?)));
    let mut others = others.flat_map(|(name, others)| others.iter().map(move |other| (name, other)));
    match others.find(|(_, other)| other.id == *joined) {
        // What it shares went with the process that had it.
        Some((name, other)) => {
            (container.runs() && other.condition.started() > container.condition.started()).then(|| name.clone())
        }
        None => service.joins.first().cloned(),
    }
}
