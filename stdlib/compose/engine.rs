//! The containers of a stack, as the engine has them.

use crate::contract::docker::{Condition, Filters, Kind, Verb};
use crate::contract::{Error, Look, Result};
use serde_json::Value;
use std::collections::BTreeMap;

/// The label that names the stack of a container, a network or a volume.
pub const PROJECT: &str = "com.docker.compose.project";

/// A container of a service.
#[derive(Debug, Clone)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The service that it belongs to.
    pub service: String,
    /// What compose called the configuration that it was made from.
    pub hash: String,
    /// The id of its image.
    pub image: String,
    /// Its image by the name it was made with.
    pub image_name: String,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// How it is.
    pub condition: Condition,
    /// The container whose network it uses.
    pub joined: Option<String>,
    /// The name it was to have, if it was to take another's place and the call was interrupted.
    pub meant: Option<String>,
    /// Published ports, as `0.0.0.0:8080->80/tcp`.
    pub ports: Vec<String>,
}

impl Container {
    fn of(inspected: &Value) -> Container {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let labels = &inspected["Config"]["Labels"];
        let env = inspected["Config"]["Env"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mode = |key: &str| inspected["HostConfig"][key].as_str()?.strip_prefix("container:").map(str::to_owned);
        let name = text(&inspected["Name"]).trim_start_matches('/').to_owned();
        // Compose makes the new one as `12 DIGITS_NAME`, after the one that it replaces.
        let replaced: String = text(&labels["com.docker.compose.replace"]).chars().take(12).collect();
        let meant = name.strip_prefix(&format!("{replaced}_")).filter(|_| !replaced.is_empty()).map(str::to_owned);
        Container {
            meant,
            id: text(&inspected["Id"]),
            name,
            service: text(&labels["com.docker.compose.service"]),
            hash: text(&labels["com.docker.compose.config-hash"]),
            image: text(&inspected["Image"]),
            image_name: text(&inspected["Config"]["Image"]),
            env: env.filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            condition: Condition::of(inspected),
            joined: mode("NetworkMode").or_else(|| mode("IpcMode")).or_else(|| mode("PidMode")),
            ports: ports(&inspected["NetworkSettings"]["Ports"]),
        }
    }
    /// When it was started, in seconds since 1970.
    pub fn started(&self) -> Option<i64> {
        self.condition.started().map(jiff::Timestamp::as_second)
    }
    /// Whether it runs.
    pub fn runs(&self) -> bool {
        self.condition.status == "running"
    }
}

fn ports(published: &Value) -> Vec<String> {
    let mut ports = Vec::new();
    for (inner, outer) in published.as_object().into_iter().flatten() {
        for to in outer.as_array().into_iter().flatten() {
            let part = |key: &str| to[key].as_str().unwrap_or_default();
            let ip = part("HostIp");
            let ip = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
            ports.push(format!("{ip}:{}->{inner}", part("HostPort")));
        }
    }
    ports
}

fn of_project(name: &str) -> Filters {
    Filters::from([("label".to_owned(), vec![format!("{PROJECT}={name}")])])
}

/// The containers of a stack, stopped ones too, in the order of their names; not those of `compose run`.
pub async fn containers(host: &dyn Look, project: &str) -> Result<Vec<Container>> {
    let mut containers = Vec::new();
    for id in listed(host, of_project(project)).await? {
        // What is gone since then is gone.
        if let Some(inspected) = host.docker_json(&Verb::inspect(Kind::Container, id).into()).await? {
            containers.push(Container::of(&inspected));
        }
    }
    containers.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(containers)
}

async fn listed(host: &dyn Look, filters: Filters) -> Result<Vec<String>> {
    let rows = all(host, Kind::Container, filters).await?;
    let made = rows.iter().filter(|row| row["Labels"]["com.docker.compose.oneoff"] != "True");
    Ok(made.filter_map(|row| row["Id"].as_str()).map(str::to_owned).collect())
}

async fn all(host: &dyn Look, kind: Kind, filters: Filters) -> Result<Vec<Value>> {
    let call = Verb::list(kind, kind == Kind::Container, filters).into();
    match host.docker_json(&call).await? {
        Some(Value::Array(rows)) => Ok(rows),
        Some(Value::Null) => Ok(Vec::new()),
        _ => Err(Error::host("the docker engine answered no list").with_command(call.line())),
    }
}

/// Every container of any stack: the stack, the service, and whether it runs.
pub async fn everywhere(host: &dyn Look) -> Result<Vec<(String, String, bool)>> {
    let filters = Filters::from([("label".to_owned(), vec![PROJECT.to_owned()])]);
    let rows = all(host, Kind::Container, filters).await?;
    let made = rows.iter().filter(|row| row["Labels"]["com.docker.compose.oneoff"] != "True");
    let row = |row: &Value| {
        let label = |key: &str| row["Labels"][key].as_str().map(str::to_owned);
        Some((label(PROJECT)?, label("com.docker.compose.service")?, row["State"] == "running"))
    };
    Ok(made.filter_map(row).collect())
}

/// The names of the networks or volumes of a stack.
pub async fn names(host: &dyn Look, kind: Kind, project: &str) -> Result<Vec<String>> {
    let rows = all(host, kind, of_project(project)).await?;
    let mut names: Vec<String> = rows.iter().filter_map(|row| row["Name"].as_str()).map(str::to_owned).collect();
    names.sort();
    Ok(names)
}

/// Containers by their service.
pub fn by_service(containers: Vec<Container>) -> BTreeMap<String, Vec<Container>> {
    let mut services: BTreeMap<String, Vec<Container>> = BTreeMap::new();
    for container in containers {
        services.entry(container.service.clone()).or_default().push(container);
    }
    services
}

/// How the containers of a service are, in a word: the worst of them says so.
pub fn state(containers: &[Container]) -> &str {
    let worst = containers.iter().find(|container| !container.runs()).or(containers.first());
    worst.map_or("absent", |container| container.condition.status.as_str())
}

/// Their health, where there is a check: the worst of them says so.
pub fn health(containers: &[Container]) -> Option<&str> {
    // The health of one that has ended is that of its end.
    let all = || containers.iter().filter(|one| one.runs()).filter_map(|one| one.condition.health.as_deref());
    ["unhealthy", "starting", "healthy"].into_iter().find(|word| all().any(|health| health == *word))
}
