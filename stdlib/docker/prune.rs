//! What nothing uses any more.

use crate::bail;
use crate::contract::docker::{Filters, Kind, Verb};
use crate::contract::{Error, Look, Operation, Result, Step};
use crate::shared::docker::PREVIOUS;
use crate::shared::{Many, Span};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What there is to prune, by id or name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PruneState {
    containers: BTreeMap<String, String>,
    images: BTreeMap<String, String>,
    networks: BTreeMap<String, String>,
    volumes: BTreeMap<String, String>,
    /// What builds have kept, in words.
    builder_cache: Option<String>,
    /// What to remove, in order.
    #[serde(skip)]
    doomed: Vec<(Kind, String)>,
}

/// How much of a kind is pruned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Extent {
    /// Nothing.
    #[default]
    Nothing,
    /// What `docker ... prune` takes: images without a name, volumes without a name.
    Nameless,
    /// All that nothing uses.
    All,
}

impl<'de> Deserialize<'de> for Extent {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Extent, D::Error> {
        match Value::deserialize(from)? {
            Value::Bool(false) => Ok(Extent::Nothing),
            Value::Bool(true) => Ok(Extent::Nameless),
            Value::String(all) if all == "all" => Ok(Extent::All),
            other => Err(de::Error::custom(format!("{other} is neither true, false nor \"all\""))),
        }
    }
}

impl JsonSchema for Extent {
    fn schema_name() -> Cow<'static, str> {
        "Extent".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["boolean", "string"] })
    }
}

/// Remove what nothing uses, kind by kind as you choose; without a choice, nothing. There is no way back.
///
/// Check mode lists what would go. A network or image that a stopped container needs is in use. The images that
/// containers had before (`hlrun-previous/...`) stay, so that undo finds them, until `previous: true` takes them, too. What is in volumes is lost
/// with them, so those with a name only go with `volumes: "all"`.
///
/// ```rhai
/// docker::prune(#{ containers: true, images: "all", until: "24h" });
/// ```
/// ```transcript
/// ? docker info
/// = {"SystemTime":"2026-11-20T12:00:00Z"}
/// ? docker container ls --all
/// = [{"Id":"5d41","Names":["/web"],"ImageID":"sha256:1a2b","State":"running","Created":1763700000},
/// = {"Id":"77aa","Names":["/job"],"ImageID":"sha256:3c4d","State":"exited","Image":"job:1","Created":1763700000}]
/// ? docker image ls
/// = [{"Id":"sha256:1a2b","RepoTags":["nginx:1.27"],"Size":187000000,"Created":1763000000},
/// = {"Id":"sha256:3c4d","RepoTags":["job:1"],"Size":41000000,"Created":1763000000}]
/// ! docker container rm --force --volumes 77aa
/// ! docker image rm --force sha256:3c4d
/// = [{"Deleted":"sha256:3c4d"}]
/// ? docker info
/// = {"SystemTime":"2026-11-20T12:00:01Z"}
/// ? docker container ls --all
/// = [{"Id":"5d41","Names":["/web"],"ImageID":"sha256:1a2b","State":"running","Created":1763700000}]
/// ? docker image ls
/// = [{"Id":"sha256:1a2b","RepoTags":["nginx:1.27"],"Size":187000000,"Created":1763000000}]
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prune {
    /// Containers that do not run, and their volumes without a name.
    #[serde(default)]
    pub containers: bool,
    /// Images without a name; with `"all"`, all that no container uses.
    #[serde(default)]
    pub images: Extent,
    /// Networks that no container is in.
    #[serde(default)]
    pub networks: bool,
    /// Volumes without a name that no container uses; with `"all"`, those with a name, too.
    #[serde(default)]
    pub volumes: Extent,
    /// What builds keep for the next one.
    #[serde(default)]
    pub builder_cache: bool,
    /// Only containers, images and networks that are older than this, such as `"48h"`.
    pub until: Option<Span>,
    /// Only what has these labels: `"name"` or `"name=value"`.
    #[serde(default)]
    pub label: Many<String>,
    /// Not what has one of these labels.
    #[serde(default)]
    pub keep_label: Many<String>,
    /// The images that containers had before, too.
    #[serde(default)]
    pub previous: bool,
    /// The engine's socket on the host; `/var/run/docker.sock` without it.
    pub socket: Option<String>,
}

/// What the engine calls its clock. It is not ours, which modules do not look at.
const ITS_CLOCK: &str = concat!("System", "Time");

/// The engine's clock, in seconds since 1970.
pub(super) async fn clock(host: &dyn Look, socket: Option<&String>) -> Result<i64> {
    let info = host.docker_json(&Verb::Info.at(socket)).await?.unwrap_or_default();
    let time: Option<jiff::Timestamp> = info[ITS_CLOCK].as_str().and_then(|time| time.parse().ok());
    time.map(|time| time.as_second()).ok_or_else(|| Error::host("docker does not say what time it is"))
}

/// When something was made, in seconds since 1970.
fn created(thing: &Value) -> i64 {
    match &thing["Created"] {
        Value::String(text) => text.parse::<jiff::Timestamp>().map_or(0, |time| time.as_second()),
        number => number.as_i64().unwrap_or_default(),
    }
}

fn text<'a>(thing: &'a Value, name: &str) -> &'a str {
    thing[name].as_str().unwrap_or_default()
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn megabytes(bytes: i64) -> String {
    format!("{} MB", (bytes + 500_000) / 1_000_000)
}

impl Prune {
    fn chosen(&self, thing: &Value, before: Option<i64>) -> bool {
        let has = |label: &String| {
            let (name, value) = label.split_once('=').map_or((label.as_str(), None), |(n, v)| (n, Some(v)));
            let found = thing["Labels"].get(name).and_then(Value::as_str);
            found.is_some_and(|found| value.is_none_or(|value| value == found))
        };
        let old = before.is_none_or(|before| created(thing) <= before);
        old && self.label.as_slice().iter().all(has) && !self.keep_label.as_slice().iter().any(has)
    }
    async fn list(&self, host: &dyn Look, kind: Kind) -> Result<Vec<Value>> {
        let all = kind == Kind::Container;
        let answer = host.docker_json(&Verb::list(kind, all, Filters::new()).at(self.socket.as_ref())).await?;
        Ok(answer.and_then(|answer| answer.as_array().cloned()).unwrap_or_default())
    }
}

impl Operation for Prune {
    type State = PruneState;
    const REVERSIBLE: bool = false;

    async fn read(&self, host: &dyn Look) -> Result<PruneState> {
        let mut now = PruneState::default();
        let before = match self.until {
            Some(span) => {
                Some(clock(host, self.socket.as_ref()).await? - i64::try_from(span.0.as_secs()).unwrap_or(i64::MAX))
            }
            None => None,
        };
        let containers = self.list(host, Kind::Container).await?;
        let stopped = |c: &Value| ["exited", "dead", "created"].contains(&text(c, "State"));
        let (gone, left): (Vec<&Value>, Vec<&Value>) =
            containers.iter().partition(|c| self.containers && stopped(c) && self.chosen(c, before));
        for container in gone {
            let name = container["Names"][0].as_str().unwrap_or_default().trim_start_matches('/');
            now.containers
                .insert(name.to_owned(), format!("{} {}", text(container, "State"), text(container, "Image")));
            now.doomed.push((Kind::Container, text(container, "Id").to_owned()));
        }
        if self.images != Extent::Nothing {
            let used: BTreeSet<&str> = left.iter().map(|container| text(container, "ImageID")).collect();
            for image in self.list(host, Kind::Image).await? {
                let tags: Vec<&str> = strings(&image["RepoTags"]).filter(|tag| *tag != "<none>:<none>").collect();
                let id = text(&image, "Id");
                let kept = tags.iter().any(|tag| tag.starts_with(PREVIOUS));
                let wanted = if kept { self.previous } else { tags.is_empty() || self.images == Extent::All };
                if wanted && !used.contains(id) && self.chosen(&image, before) {
                    let name = if tags.is_empty() { "without a name".to_owned() } else { tags.join(" ") };
                    let short = id.trim_start_matches("sha256:").get(..12).unwrap_or(id);
                    let size = megabytes(image["Size"].as_i64().unwrap_or_default());
                    now.images.insert(short.to_owned(), format!("{name} {size}"));
                    now.doomed.push((Kind::Image, id.to_owned()));
                }
            }
        }
        if self.networks {
            let networks = left.iter().flat_map(|c| c["NetworkSettings"]["Networks"].as_object().into_iter().flatten());
            let used: BTreeSet<&str> = networks.map(|(name, _)| name.as_str()).collect();
            let own = ["bridge", "host", "none", "docker_gwbridge", "ingress", "podman"];
            for network in self.list(host, Kind::Network).await? {
                let name = text(&network, "Name");
                if !own.contains(&name) && !used.contains(name) && self.chosen(&network, before) {
                    now.networks.insert(name.to_owned(), text(&network, "Driver").to_owned());
                    now.doomed.push((Kind::Network, name.to_owned()));
                }
            }
        }
        if self.volumes != Extent::Nothing {
            let mounts = left.iter().flat_map(|container| container["Mounts"].as_array().into_iter().flatten());
            let used: BTreeSet<&str> = mounts.map(|mount| text(mount, "Name")).collect();
            for volume in self.list(host, Kind::Volume).await? {
                let name = text(&volume, "Name");
                let nameless = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
                if (nameless || self.volumes == Extent::All) && !used.contains(name) && self.chosen(&volume, None) {
                    now.volumes.insert(name.to_owned(), text(&volume, "Driver").to_owned());
                    now.doomed.push((Kind::Volume, name.to_owned()));
                }
            }
        }
        if self.builder_cache {
            let usage = host.docker_json(&Verb::BuilderUsage.at(self.socket.as_ref())).await?.unwrap_or_default();
            let entries = usage["BuildCache"].as_array().or_else(|| usage["BuildCacheUsage"]["Items"].as_array());
            let free = entries.into_iter().flatten().filter(|entry| entry["InUse"] != true && entry["Shared"] != true);
            let bytes: i64 = free.filter_map(|entry| entry["Size"].as_i64()).sum();
            now.builder_cache = (bytes > 0).then(|| megabytes(bytes));
        }
        Ok(now)
    }
    fn want(&self, _now: &PruneState) -> Result<PruneState> {
        let nothing = !self.containers && !self.networks && !self.builder_cache;
        if nothing && self.images == Extent::Nothing && self.volumes == Extent::Nothing {
            bail!(playbook: "docker::prune was told of nothing to prune"; hint: "docker::prune(#{{ images: true }}); the others are containers, networks, volumes, builder_cache");
        }
        Ok(PruneState::default())
    }
    fn steps(&self, now: &PruneState, _want: &PruneState) -> Result<Vec<Step>> {
        let remove = |(kind, name): &(Kind, String)| {
            let (kind, name) = (*kind, name.clone());
            let force = matches!(kind, Kind::Container | Kind::Image);
            Verb::Remove { kind, name, force, volumes: kind == Kind::Container }
        };
        let mut verbs: Vec<Verb> = now.doomed.iter().map(remove).collect();
        if now.builder_cache.is_some() {
            let filters = Filters::from([("all".to_owned(), vec!["true".to_owned()])]);
            verbs.push(Verb::Prune { kind: Kind::Builder, filters });
        }
        Ok(verbs.into_iter().map(|verb| verb.at(self.socket.as_ref()).into()).collect())
    }
}
