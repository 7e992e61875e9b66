//! Volumes.

use super::given;
use crate::bail;
use crate::contract::docker::{Filters, Kind, Verb, in_body};
use crate::contract::{Error, Look, Operation, Result, Step};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A volume, as far as an operation decides about it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VolumeState {
    /// Its settings; nothing if there is none.
    #[serde(default)]
    volume: Option<Settings>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Settings {
    driver: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    options: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
}

async fn read(host: &dyn Look, name: &str, socket: Option<&String>) -> Result<VolumeState> {
    let found = host.docker_json(&Verb::inspect(Kind::Volume, name).at(socket)).await?;
    host.hide_all(found.iter().flat_map(in_body));
    let volume = found.map(|found| Settings {
        driver: found["Driver"].as_str().unwrap_or("local").to_owned(),
        options: given(&found["Options"]).collect(),
        labels: given(&found["Labels"]).collect(),
    });
    Ok(VolumeState { volume })
}

fn remove(name: &str, socket: Option<&String>) -> Step {
    Verb::Remove { kind: Kind::Volume, name: name.to_owned(), force: false, volumes: false }.at(socket).into()
}

/// Make sure a volume is there.
///
/// The engine cannot change one that is there, and what is in it would be lost with it: other settings are an
/// error.
///
/// ```rhai
/// docker::volume("media", #{
///     options: #{ type: "nfs", o: "addr=192.168.1.10,ro", device: ":/media" },
/// });
/// ```
/// ```transcript
/// ? docker volume inspect media
/// - get media: no such volume
/// * 404
/// ! docker volume create media
/// + Driver local
/// + DriverOpts.device :/media
/// + DriverOpts.o addr=192.168.1.10,ro
/// + DriverOpts.type nfs
/// = {"Name":"media"}
/// ? docker volume inspect media
/// = {"Name":"media","Driver":"local","Labels":null,
/// = "Options":{"device":":/media","o":"addr=192.168.1.10,ro","type":"nfs"}}
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// `"local"` or a plugin's.
    #[serde(default = "local")]
    pub driver: String,
    /// Options of the driver, such as `#{ type: "nfs", o: "addr=nas,rw", device: ":/data" }`.
    #[serde(default, alias = "driver_options")]
    pub options: BTreeMap<String, Value>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, Value>,
    /// The engine's socket on the host; `/var/run/docker.sock` without it.
    pub socket: Option<String>,
}

fn local() -> String {
    "local".to_owned()
}

impl Settings {
    /// As the engine takes them.
    fn body(&self) -> Value {
        let mut body = json!({ "Driver": self.driver });
        for (name, map) in [("DriverOpts", &self.options), ("Labels", &self.labels)] {
            if !map.is_empty() {
                body[name] = json!(map);
            }
        }
        body
    }
}

impl Volume {
    fn settings(&self) -> Settings {
        Settings {
            driver: self.driver.clone(),
            options: given(&json!(self.options)).collect(),
            labels: given(&json!(self.labels)).collect(),
        }
    }
}

impl Operation for Volume {
    type State = VolumeState;

    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        host.hide_all(in_body(&self.settings().body()));
        Ok(())
    }
    async fn read(&self, host: &dyn Look) -> Result<VolumeState> {
        read(host, &self.name, self.socket.as_ref()).await
    }
    fn want(&self, now: &VolumeState) -> Result<VolumeState> {
        let volume = self.settings();
        if now.volume.as_ref().is_some_and(|now| *now != volume) {
            bail!("the volume {} is there with other settings, and what is in it would be lost with it", self.name; hint: "copy what is in it, then docker::volume_absent(\"{}\") before this, or choose another name", self.name);
        }
        Ok(VolumeState { volume: Some(volume) })
    }
    fn steps(&self, _now: &VolumeState, want: &VolumeState) -> Result<Vec<Step>> {
        let socket = self.socket.as_ref();
        let Some(volume) = &want.volume else { return Ok(vec![remove(&self.name, socket)]) };
        Ok(vec![
            Verb::Create { kind: Kind::Volume, name: self.name.clone(), body: volume.body(), platform: None }
                .at(socket)
                .into(),
        ])
    }
}

/// Make sure a volume is not there. What is in it is lost: there is no way back.
///
/// The engine does not remove one that a container uses, be it stopped.
///
/// ```rhai
/// docker::volume_absent("old");
/// ```
/// ```transcript
/// ? docker volume inspect old
/// = {"Name":"old","Driver":"local","Labels":null,"Options":null}
/// ! docker volume rm old
/// ? docker volume inspect old
/// - get old: no such volume
/// * 404
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeAbsent {
    /// Its name.
    pub name: String,
    /// The engine's socket on the host; `/var/run/docker.sock` without it.
    pub socket: Option<String>,
}

impl Operation for VolumeAbsent {
    type State = VolumeState;
    const REVERSIBLE: bool = false;

    async fn read(&self, host: &dyn Look) -> Result<VolumeState> {
        read(host, &self.name, self.socket.as_ref()).await
    }
    fn want(&self, _now: &VolumeState) -> Result<VolumeState> {
        Ok(VolumeState::default())
    }
    fn steps(&self, _now: &VolumeState, _want: &VolumeState) -> Result<Vec<Step>> {
        Ok(vec![remove(&self.name, self.socket.as_ref())])
    }
    async fn premise(&self, host: &dyn Look, _now: &VolumeState) -> Result<()> {
        let filters = Filters::from([("volume".to_owned(), vec![self.name.clone()])]);
        let by = host.docker_json(&Verb::list(Kind::Container, true, filters).at(self.socket.as_ref())).await?;
        let names = by.iter().flat_map(|by| by.as_array()).flatten();
        let names: Vec<&str> =
            names.filter_map(|one| one["Names"][0].as_str()).map(|name| name.trim_start_matches('/')).collect();
        if !names.is_empty() {
            bail!("the volume {} is in use by {}", self.name, names.join(", "); hint: "docker::container_absent removes a container");
        }
        Ok(())
    }
    fn explain(&self, error: Error) -> Error {
        if error.message.contains("in use") {
            return error
                .hint("docker::containers() tells who has it mounted; docker::container_absent removes a container");
        }
        error
    }
}
