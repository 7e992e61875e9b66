//! Networks.

use super::given;
use crate::bail;
use crate::contract::docker::{Kind, Verb, in_labels};
use crate::contract::{Error, Look, Operation, Result, Step};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A network, as far as an operation decides about it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NetworkState {
    /// Its settings; nothing if there is none.
    #[serde(default)]
    network: Option<Settings>,
    /// Subnets that the engine chose, for the way back.
    #[serde(default)]
    chosen: Chosen,
    /// The containers in it, with their addresses there.
    #[serde(skip)]
    connected: Vec<String>,
}

type Pools = BTreeMap<String, BTreeMap<String, String>>;

/// What the engine chose. It is never compared: a digest that is always the same stands for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Chosen {
    sha256: String,
    pools: Option<Pools>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Settings {
    driver: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    internal: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    attachable: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ipv6: bool,
    /// Subnets with what belongs to them, where that is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ipam: Option<Pools>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    options: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
}

impl Settings {
    fn of(found: &Value) -> Settings {
        let pool = |pool: &Value| {
            let part = |name: &str| pool[name].as_str().unwrap_or_default().to_owned();
            let parts = [("gateway", part("Gateway")), ("ip_range", part("IPRange"))];
            let parts =
                parts.map(|(name, value)| (name.to_owned(), value)).into_iter().filter(|(_, value)| !value.is_empty());
            (part("Subnet"), parts.chain(given(&pool["AuxiliaryAddresses"])).collect())
        };
        Settings {
            driver: found["Driver"].as_str().unwrap_or("bridge").to_owned(),
            internal: found["Internal"] == true,
            attachable: found["Attachable"] == true,
            ipv6: found["EnableIPv6"] == true,
            ipam: Some(found["IPAM"]["Config"].as_array().into_iter().flatten().map(pool).collect()),
            options: given(&found["Options"]).collect(),
            labels: given(&found["Labels"]).collect(),
        }
    }
    fn body(&self) -> Value {
        let mut body = json!({ "Driver": self.driver });
        for (name, on) in [("Internal", self.internal), ("Attachable", self.attachable), ("EnableIPv6", self.ipv6)] {
            if on {
                body[name] = json!(true);
            }
        }
        if let Some(pools) = self.ipam.as_ref().filter(|pools| !pools.is_empty()) {
            let pool = |(subnet, parts): (&String, &BTreeMap<String, String>)| {
                let mut pool = Map::from_iter([("Subnet".to_owned(), json!(subnet))]);
                let mut others = Map::new();
                for (name, value) in parts {
                    match name.as_str() {
                        "gateway" => pool.insert("Gateway".to_owned(), json!(value)),
                        "ip_range" => pool.insert("IPRange".to_owned(), json!(value)),
                        other => others.insert(other.to_owned(), json!(value)),
                    };
                }
                if !others.is_empty() {
                    pool.insert("AuxiliaryAddresses".to_owned(), Value::Object(others));
                }
                Value::Object(pool)
            };
            body["IPAM"] = json!({ "Config": pools.iter().map(pool).collect::<Vec<_>>() });
        }
        for (name, map) in [("Options", &self.options), ("Labels", &self.labels)] {
            if !map.is_empty() {
                body[name] = json!(map);
            }
        }
        body
    }
}

async fn read(host: &dyn Look, name: &str, socket: Option<&String>) -> Result<NetworkState> {
    // A prefix of an id is a name, too.
    let found = host.docker_json(&Verb::inspect(Kind::Network, name).at(socket)).await?;
    let Some(found) = found.filter(|found| found["Name"] == name) else { return Ok(NetworkState::default()) };
    host.hide_all(in_labels(&found["Labels"]));
    let containers = found["Containers"].as_object().into_iter().flatten();
    let connected = containers.filter_map(|(_, container)| container["Name"].as_str()).map(str::to_owned).collect();
    Ok(NetworkState { network: Some(Settings::of(&found)), connected, ..NetworkState::default() })
}

fn steps(
    name: &str,
    socket: Option<&String>,
    now: &NetworkState,
    want: &NetworkState,
    force: bool,
) -> Result<Vec<Step>> {
    let mut verbs = Vec::new();
    let container = |container: &String| (name.to_owned(), container.clone());
    if now.network.is_some() {
        if !now.connected.is_empty() && !force {
            bail!("containers are in the network {name}: {}", now.connected.join(", "); hint: "`force: true` takes them out of it, and puts them back where it is only made anew");
        }
        for (network, container) in now.connected.iter().map(container) {
            verbs.push(Verb::Disconnect { network, container, force: true });
        }
        verbs.push(Verb::Remove { kind: Kind::Network, name: name.to_owned(), force: false, volumes: false });
    }
    if let Some(network) = &want.network {
        let ipam = network.ipam.clone().or_else(|| want.chosen.pools.clone());
        let body = Settings { ipam, ..network.clone() }.body();
        verbs.push(Verb::Create { kind: Kind::Network, name: name.to_owned(), body, platform: None });
        for (network, container) in now.connected.iter().map(container) {
            verbs.push(Verb::Connect { network, container, endpoint: json!({}) });
        }
    }
    Ok(verbs.into_iter().map(|verb| verb.at(socket).into()).collect())
}

/// A range of addresses of a network.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ipam {
    /// Such as `172.20.0.0/24`.
    pub subnet: String,
    /// The host's own address in it.
    pub gateway: Option<String>,
    /// The part of it that containers get addresses from.
    #[serde(alias = "iprange")]
    pub ip_range: Option<String>,
    /// Addresses that containers do not get, by name.
    #[serde(default, alias = "aux_addresses")]
    pub reserved: BTreeMap<String, String>,
}

/// Make sure a network is there.
///
/// Where it is there with other settings it is made anew, which the engine only does while no container is in it:
/// `force` takes them out first and puts them back, without aliases and fixed addresses.
///
/// ```rhai
/// docker::network("proxy", #{ ipam: [#{ subnet: "172.20.0.0/24", gateway: "172.20.0.1" }] });
/// ```
/// ```transcript
/// ? docker network inspect proxy
/// - network proxy not found
/// * 404
/// ! docker network create proxy
/// + Driver bridge
/// + IPAM.Config {"Subnet":"172.20.0.0/24","Gateway":"172.20.0.1"}
/// = {"Id":"b1c2"}
/// ? docker network inspect proxy
/// = {"Name":"proxy","Id":"b1c2","Driver":"bridge","Internal":false,"EnableIPv6":false,
/// = "IPAM":{"Config":[{"Subnet":"172.20.0.0/24","Gateway":"172.20.0.1"}]},"Containers":{},"Options":{},"Labels":{}}
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// `"bridge"`, `"macvlan"`, `"ipvlan"`, `"overlay"` or a plugin's.
    #[serde(default = "bridge")]
    pub driver: String,
    /// Options of the driver, such as `#{ parent: "eth0" }`.
    #[serde(default, alias = "driver_options")]
    pub options: BTreeMap<String, Value>,
    /// Its addresses; without them, the engine chooses.
    #[serde(default, alias = "ipam_config")]
    pub ipam: Vec<Ipam>,
    /// Whether nothing in it reaches the outside.
    #[serde(default)]
    pub internal: bool,
    /// Whether containers may join that no service has put there; of an overlay.
    #[serde(default)]
    pub attachable: bool,
    /// Whether it has IPv6.
    #[serde(default, alias = "enable_ipv6")]
    pub ipv6: bool,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, Value>,
    /// Make it anew even while containers are in it.
    #[serde(default)]
    pub force: bool,
    /// The engine's socket on the host; `/var/run/docker.sock` without it.
    pub socket: Option<String>,
}

fn bridge() -> String {
    "bridge".to_owned()
}

impl Network {
    fn settings(&self) -> Settings {
        let pool = |pool: &Ipam| {
            let parts = [("gateway", &pool.gateway), ("ip_range", &pool.ip_range)];
            let parts = parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
            (pool.subnet.clone(), parts.chain(pool.reserved.clone()).collect())
        };
        Settings {
            driver: self.driver.clone(),
            internal: self.internal,
            attachable: self.attachable,
            ipv6: self.ipv6,
            ipam: (!self.ipam.is_empty()).then(|| self.ipam.iter().map(pool).collect()),
            options: given(&json!(self.options)).collect(),
            labels: given(&json!(self.labels)).collect(),
        }
    }
}

impl Operation for Network {
    type State = NetworkState;

    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        host.hide_all(in_labels(&json!(self.labels)));
        Ok(())
    }
    async fn read(&self, host: &dyn Look) -> Result<NetworkState> {
        let mut now = read(host, &self.name, self.socket.as_ref()).await?;
        let wanted = self.settings();
        if let Some(network) = &mut now.network {
            match (&wanted.ipam, &mut network.ipam) {
                (None, _) => now.chosen.pools = network.ipam.take(),
                // The engine adds a gateway where none was given, and a pool of its own for IPv6.
                (Some(wanted), Some(found)) => {
                    found.retain(|subnet, _| wanted.contains_key(subnet) || !subnet.contains(':'));
                    for (subnet, parts) in found {
                        if wanted.get(subnet).is_some_and(|wanted| !wanted.contains_key("gateway")) {
                            parts.remove("gateway");
                        }
                    }
                }
                (Some(_), None) => {}
            }
            // Newer engines note defaults of their own.
            network.options.retain(|name, _| wanted.options.contains_key(name) || !name.contains("enable_ipv"));
        }
        Ok(now)
    }
    fn want(&self, _now: &NetworkState) -> Result<NetworkState> {
        Ok(NetworkState { network: Some(self.settings()), ..NetworkState::default() })
    }
    fn steps(&self, now: &NetworkState, want: &NetworkState) -> Result<Vec<Step>> {
        steps(&self.name, self.socket.as_ref(), now, want, self.force)
    }
    fn explain(&self, error: Error) -> Error {
        if error.message.contains("overlaps") {
            return error.hint(
                "another network, or the host itself, has these addresses: docker::networks() and `ip addr` tell which",
            );
        }
        error
    }
}

/// Make sure a network is not there.
///
/// The engine does not remove one while containers are in it; `force` takes them out first.
///
/// ```rhai
/// docker::network_absent("old", #{ force: true });
/// ```
/// ```transcript
/// ? docker network inspect old
/// = {"Name":"old","Id":"b1c2","Driver":"bridge","IPAM":{"Config":[{"Subnet":"172.21.0.0/16"}]},
/// = "Containers":{"77aa":{"Name":"web"}},"Options":{},"Labels":{}}
/// ! docker network disconnect --force old web
/// ! docker network rm old
/// ? docker network inspect old
/// - network old not found
/// * 404
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkAbsent {
    /// Its name.
    pub name: String,
    /// Take containers out of it first.
    #[serde(default)]
    pub force: bool,
    /// The engine's socket on the host; `/var/run/docker.sock` without it.
    pub socket: Option<String>,
}

impl Operation for NetworkAbsent {
    type State = NetworkState;

    async fn read(&self, host: &dyn Look) -> Result<NetworkState> {
        read(host, &self.name, self.socket.as_ref()).await
    }
    fn want(&self, _now: &NetworkState) -> Result<NetworkState> {
        Ok(NetworkState::default())
    }
    fn steps(&self, now: &NetworkState, want: &NetworkState) -> Result<Vec<Step>> {
        steps(&self.name, self.socket.as_ref(), now, want, self.force)
    }
}
