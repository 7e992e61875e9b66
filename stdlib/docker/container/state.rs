//! A container as it is, and the way to another.

use super::view::{Settings, anonymous, changeable, settings, update};
use crate::contract::docker::{Auth, Condition, Kind, Until, Verb};
use crate::contract::{Rescue, Result, Step};
use crate::shared::docker::{digest, previous, repository, tagged};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// A container, as far as an operation decides about it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ContainerState {
    /// `running`, `stopped`, `paused` or `restarting`; nothing if there is none.
    #[serde(default)]
    pub status: Option<String>,
    /// Its image: the name and the first digits of its digest.
    #[serde(default)]
    pub image: Option<String>,
    /// What its health check says, where that is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// The networks it is in, where that is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<BTreeMap<String, Endpoint>>,
    /// Everything else, setting by setting.
    #[serde(flatten)]
    pub settings: Settings,
    /// What it takes to make it.
    #[serde(default)]
    pub made: Made,
    /// What was found out about the image that is wanted.
    #[serde(skip)]
    pub found: Found,
}

/// What was found out about an image that is wanted.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// What it is: its digest, or its id.
    pub version: String,
    /// The id of the one that the host has.
    pub id: Option<String>,
    /// What has to be fetched first, and who asks for it.
    pub pull: Option<(String, Option<Auth>)>,
}

/// A container in a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its further names there.
    pub aliases: BTreeMap<String, bool>,
    /// A fixed address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv4_address: Option<String>,
    /// A fixed address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6_address: Option<String>,
}

/// What it takes to make a container as it is or was. It is kept for the way back and never compared: a digest that is
/// always the same stands for it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Made {
    sha256: String,
    /// The body of the call.
    #[serde(default)]
    pub body: Value,
    /// The image by its id, which no tag can move.
    #[serde(default)]
    pub id: Option<String>,
    /// The image by its digest, if a registry has it.
    #[serde(default)]
    pub pinned: Option<String>,
    /// Volumes without a name, by where they are mounted.
    #[serde(default)]
    pub anonymous: BTreeMap<String, String>,
}

impl Made {
    /// What a body makes.
    pub fn of(body: Value) -> Made {
        Made { body, ..Made::default() }
    }
}

/// An image by its name and what it is.
pub fn shown(name: &str, version: &str) -> String {
    let name = name.split('@').next().unwrap_or(name);
    let (kind, hex) = version.split_once(':').unwrap_or(("", version));
    format!("{} {kind}:{}", tagged(name), hex.get(..12).unwrap_or(hex))
}

/// What an image is: its digest, or its id if it is from no registry.
pub fn version(name: &str, image: &Value) -> String {
    digest(name, image).unwrap_or_else(|| image["Id"].as_str().unwrap_or_default().to_owned())
}

impl ContainerState {
    /// A container that was inspected, and its image. `given` says which settings count.
    pub fn of(found: &Value, image: &Value, given: &Value) -> ContainerState {
        let id = found["Id"].as_str().unwrap_or_default();
        let mut body = found["Config"].clone();
        body["HostConfig"] = found["HostConfig"].clone();
        if body["Hostname"].as_str().is_some_and(|name| id.starts_with(name)) {
            body["Hostname"] = Value::Null;
        }
        // In somebody else's network it has their name, and no ports of its own.
        let mode = body["HostConfig"]["NetworkMode"].as_str().unwrap_or_default();
        let theirs = mode.starts_with("container:");
        if theirs || mode == "host" {
            body["Hostname"] = Value::Null;
        }
        if theirs {
            body["ExposedPorts"] = Value::Null;
        }
        let networks = endpoints(found);
        let first = body["HostConfig"]["NetworkMode"].as_str().unwrap_or_default().to_owned();
        if let Some(endpoint) = networks.get(&first) {
            body["NetworkingConfig"] = json!({ "EndpointsConfig": { first: endpoint.body() } });
        }
        if let Value::Object(fields) = &mut body {
            fields.retain(|_, value| !value.is_null());
        }
        let condition = Condition::of(found);
        let status = match condition.status.as_str() {
            "created" | "exited" | "dead" => "stopped".to_owned(),
            other => other.to_owned(),
        };
        let own_volumes = found["Mounts"].as_array().into_iter().flatten().filter_map(|mount| {
            let (name, target) = (mount["Name"].as_str()?, mount["Destination"].as_str()?);
            anonymous(name).then(|| (target.to_owned(), name.to_owned()))
        });
        let by_id = body["Image"].as_str().is_some_and(|name| name.starts_with("sha256:"));
        let tag = image["RepoTags"][0].as_str().filter(|_| by_id);
        let name = tag.or(body["Image"].as_str()).unwrap_or_default().to_owned();
        let digest = digest(&name, image);
        let what = if image.is_null() {
            found["Image"].as_str().unwrap_or_default().to_owned()
        } else {
            version(&name, image)
        };
        ContainerState {
            status: Some(status),
            image: Some(shown(&name, &what)),
            health: Some(condition.words()),
            settings: settings(&body, &image["Config"], given),
            networks: Some(networks),
            made: Made {
                body,
                id: image["Id"].as_str().map(str::to_owned),
                pinned: digest.map(|digest| format!("{}@{digest}", repository(&name))),
                anonymous: own_volumes.collect(),
                ..Made::default()
            },
            found: Found::default(),
        }
    }
    /// No container; `given` says which settings would count.
    pub fn absent(given: &Value) -> ContainerState {
        ContainerState { settings: settings(&json!({}), &Value::Null, given), ..ContainerState::default() }
    }
}

/// The networks of a container that was inspected.
fn endpoints(found: &Value) -> BTreeMap<String, Endpoint> {
    let id = found["Id"].as_str().unwrap_or_default();
    let own = found["Name"].as_str().unwrap_or_default().trim_start_matches('/');
    let networks = found["NetworkSettings"]["Networks"].as_object().into_iter().flatten();
    let one = |(name, network): (&String, &Value)| {
        let aliases = network["Aliases"].as_array().into_iter().flatten().filter_map(Value::as_str);
        // The engine adds the beginning of the id and the name.
        let aliases = aliases.filter(|alias| *alias != own && !(alias.len() == 12 && id.starts_with(alias)));
        let address = |of: &str| network["IPAMConfig"][of].as_str().filter(|a| !a.is_empty()).map(str::to_owned);
        let endpoint = Endpoint {
            aliases: aliases.map(|alias| (alias.to_owned(), true)).collect(),
            ipv4_address: address("IPv4Address"),
            ipv6_address: address("IPv6Address"),
        };
        (name.clone(), endpoint)
    };
    networks.map(one).filter(|(name, _)| !["host", "none"].contains(&name.as_str())).collect()
}

impl Endpoint {
    /// As the engine takes it.
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        if !self.aliases.is_empty() {
            body.insert("Aliases".to_owned(), self.aliases.keys().cloned().collect());
        }
        let addresses = [("IPv4Address", &self.ipv4_address), ("IPv6Address", &self.ipv6_address)];
        let fixed: Map<String, Value> = addresses
            .into_iter()
            .filter_map(|(name, address)| Some((name.to_owned(), json!(address.as_ref()?))))
            .collect();
        if !fixed.is_empty() {
            body.insert("IPAMConfig".to_owned(), Value::Object(fixed));
        }
        Value::Object(body)
    }
}

/// How long a container may take to run.
const AT_ONCE: Duration = Duration::from_secs(10);

/// How the steps are taken.
pub struct Way<'a> {
    /// The container.
    pub name: &'a str,
    /// The engine.
    pub socket: Option<&'a String>,
    /// The platform of its image.
    pub platform: Option<&'a String>,
    /// How long it may take to stop.
    pub stop_timeout: Option<Duration>,
    /// How long it may take to be healthy.
    pub wait: Option<Duration>,
    /// What goes first: the pull of its image.
    pub pull: Option<Verb>,
}

/// Whether the engine can bring a container from one state to the other without making it anew.
pub fn same(now: &ContainerState, want: &ContainerState) -> bool {
    now.image == want.image && changeable(&now.settings, &want.settings)
}

/// Whether another container takes the place of one, which is put aside until that runs; one that the engine removes as
/// soon as it has stopped cannot be.
fn aside(now: &ContainerState, want: &ContainerState) -> bool {
    now.status.is_some() && !same(now, want) && now.settings.get("auto_remove") != Some(&json!(true))
}

impl Way<'_> {
    /// The steps from one state to another.
    pub fn steps(self, now: &ContainerState, want: &ContainerState) -> Result<Vec<Step>> {
        let mut verbs = Vec::new();
        let Some(status) = &want.status else {
            verbs.push(self.remove(self.name, true));
            return Ok(self.told(verbs));
        };
        verbs.extend(self.pull.clone());
        if now.status.is_none() || !same(now, want) {
            self.make(now, want, &mut verbs);
            if status != "stopped" {
                verbs.push(Verb::Start { name: self.name.to_owned() });
            }
        } else {
            let changes = update(&now.settings, &want.settings, &want.made.body);
            if changes.as_object().is_some_and(|changes| !changes.is_empty()) {
                verbs.push(Verb::Update { name: self.name.to_owned(), body: changes });
            }
            self.connect(now, want, &mut verbs);
            let name = self.name.to_owned();
            match (now.status.as_deref(), status.as_str()) {
                (now, want) if now == Some(want) => {}
                (_, "stopped") => verbs.push(Verb::Stop { name, timeout: self.stop_timeout, signal: None }),
                (Some("paused"), _) => verbs.push(Verb::Unpause { name }),
                (Some("restarting"), _) => verbs.push(Verb::Restart { name, timeout: self.stop_timeout }),
                _ => verbs.push(Verb::Start { name }),
            }
        }
        let starts = verbs.iter().any(|verb| matches!(verb, Verb::Start { .. }));
        let until = match self.wait {
            Some(timeout) => Some((Until::Healthy, timeout)),
            None => starts.then_some((Until::Running, AT_ONCE)),
        };
        if let Some((until, timeout)) = until.filter(|_| status == "running") {
            verbs.push(Verb::Await { name: self.name.to_owned(), until, timeout });
        }
        if aside(now, want) {
            verbs.push(self.remove(&self.old(), false));
        }
        Ok(self.told(verbs))
    }

    /// What the old container is called until the new one runs.
    fn old(&self) -> String {
        format!("{}.hlrun-old", self.name)
    }
    /// The way back from a new container that does not start, or is not healthy.
    pub fn back(&self, now: &ContainerState, want: &ContainerState, failed: &Step) -> Option<Rescue> {
        let late = matches!(failed, Step::Docker(call) if matches!(call.verb, Verb::Start { .. } | Verb::Await { .. }));
        if !late || !aside(now, want) {
            return None;
        }
        let name = self.name.to_owned();
        let mut verbs = vec![self.remove(self.name, false), Verb::Rename { name: self.old(), to: name.clone() }];
        if now.status.as_deref() != Some("stopped") {
            verbs.push(Verb::Start { name });
        }
        Some(Rescue { steps: self.told(verbs), done: format!("{} is again as it was", self.name) })
    }

    fn told(&self, verbs: Vec<Verb>) -> Vec<Step> {
        verbs.into_iter().map(|verb| verb.at(self.socket).into()).collect()
    }

    fn remove(&self, name: &str, volumes: bool) -> Verb {
        Verb::Remove { kind: Kind::Container, name: name.to_owned(), force: true, volumes }
    }

    /// Make it: under another name first, where there is one already, so that what the engine does not accept leaves
    /// the old one in peace.
    fn make(&self, now: &ContainerState, want: &ContainerState, verbs: &mut Vec<Verb>) {
        let mut body = want.made.body.clone();
        if let Some(id) = &want.made.id {
            body["Image"] = json!(id);
        }
        inherit(&mut body, &want.made.anonymous);
        inherit(&mut body, &now.made.anonymous);
        let fresh = now.status.is_none();
        let name = if fresh { self.name.to_owned() } else { format!("{}.new", self.name) };
        if !fresh {
            // One that an earlier attempt has left.
            verbs.push(self.remove(&name, false));
        }
        let first = body["HostConfig"]["NetworkMode"].as_str().unwrap_or("bridge").to_owned();
        let platform = self.platform.cloned();
        verbs.push(Verb::Create { kind: Kind::Container, name: name.clone(), body, platform });
        let others = want.networks.iter().flatten().filter(|(network, _)| **network != first);
        for (network, endpoint) in others {
            let (network, container) = (network.clone(), name.clone());
            verbs.push(Verb::Connect { network, container, endpoint: endpoint.body() });
        }
        if fresh {
            return;
        }
        if let Some(id) = now.made.id.as_ref().filter(|_| now.image != want.image) {
            verbs.push(Verb::Tag { image: id.clone(), to: previous(self.name) });
        }
        if now.status.as_deref() != Some("stopped") {
            verbs.push(Verb::Stop { name: self.name.to_owned(), timeout: self.stop_timeout, signal: None });
        }
        if aside(now, want) {
            verbs.push(self.remove(&self.old(), false));
            verbs.push(Verb::Rename { name: self.name.to_owned(), to: self.old() });
        } else {
            verbs.push(self.remove(self.name, false));
        }
        verbs.push(Verb::Rename { name, to: self.name.to_owned() });
    }

    fn connect(&self, now: &ContainerState, want: &ContainerState, verbs: &mut Vec<Verb>) {
        let (Some(now), Some(want)) = (&now.networks, &want.networks) else { return };
        let container = self.name.to_owned();
        for network in now.iter().filter(|(name, endpoint)| want.get(*name) != Some(endpoint)).map(|(name, _)| name) {
            verbs.push(Verb::Disconnect { network: network.clone(), container: container.clone(), force: false });
        }
        for (network, endpoint) in want.iter().filter(|(name, endpoint)| now.get(*name) != Some(endpoint)) {
            let (network, container) = (network.clone(), container.clone());
            verbs.push(Verb::Connect { network, container, endpoint: endpoint.body() });
        }
    }
}

/// Mount volumes without a name again, where nothing else is mounted: what is in them stays.
fn inherit(body: &mut Value, volumes: &BTreeMap<String, String>) {
    let host = &body["HostConfig"];
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut binds = texts(&host["Binds"]);
    let mut taken: Vec<String> =
        binds.iter().filter_map(|bind| bind.split(':').nth(1)).map(|t| t.trim_end_matches('/').to_owned()).collect();
    taken.extend(
        host["Mounts"].as_array().into_iter().flatten().filter_map(|m| m["Target"].as_str()).map(str::to_owned),
    );
    taken.extend(host["Tmpfs"].as_object().into_iter().flatten().map(|(path, _)| path.clone()));
    let more =
        volumes.iter().filter(|(target, _)| !taken.contains(target)).map(|(target, name)| format!("{name}:{target}"));
    let before = binds.len();
    binds.extend(more);
    if binds.len() > before {
        body["HostConfig"]["Binds"] = json!(binds);
    }
}
