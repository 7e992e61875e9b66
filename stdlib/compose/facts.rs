//! Questions about stacks.

use super::cli::{explain, of_a_stack};
use super::engine::{by_service, containers, everywhere, health, state};
use crate::contract::{Command, Fact, Look, Result};
use crate::shared::HostPath;
use crate::shared::docker::{digest, image, repository};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Ask which stacks there are below a directory: `compose.yaml`, `compose.yml`, `docker-compose.yml` and
/// `docker-compose.yaml` in it, and in directories one and two levels below.
///
/// Each has `path` (its directory), `file`, `name` (of the project), `services`, `state` ("running", "partly", "stopped",
/// "absent"), `running` (how many services run) and `error`, where compose cannot read the file. Hidden directories are
/// left out.
///
/// ```rhai
/// for stack in compose::stacks("/opt/stacks") { print(stack.name); }
/// ```
/// ```transcript
/// ? sh -c '(find, docker compose config)' sh /opt/stacks
/// = --hlrun-- /opt/stacks/blog/compose.yaml
/// = {"name":"blog","services":{"db":{"image":"postgres:17"},"web":{"image":"nginx:1"}}}
/// = --hlrun-- /opt/stacks/broken/compose.yaml
/// = --failed-- required variable KEY is missing a value
/// ? docker container ls --all --filter label=com.docker.compose.project
/// = [{"Labels":{"com.docker.compose.project":"blog","com.docker.compose.service":"web"},"State":"running"}]
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stacks {
    /// The directory to look in.
    pub path: HostPath,
}

/// A stack.
#[derive(Debug, Serialize)]
pub struct Stack {
    path: String,
    file: String,
    name: String,
    services: Vec<String>,
    state: &'static str,
    running: usize,
    error: Option<String>,
}

/// `ROOT`: every stack's file and its resolved configuration.
const FIND: &str = r#"
cd -- "$1" 2>/dev/null || { echo "there is no directory $1" >&2; exit 66; }
root=${1%/}
if docker compose version >/dev/null 2>&1; then set -- docker compose
elif v=$(docker-compose version --short 2>/dev/null); then
  case ${v#v} in 1.*) echo "docker-compose on the host is $v, and compose v2 is needed" >&2; exit 69 ;; esac
  set -- docker-compose
else echo "docker compose is not installed on the host" >&2; exit 69; fi
find -L . -mindepth 1 -maxdepth 3 -type d '(' -name '.*' -o -name node_modules ')' -prune -o ! -type d '(' -name compose.yaml -o -name compose.yml -o \
  -name docker-compose.yaml -o -name docker-compose.yml ')' -print | sed 's,/[^/]*$,,' | LC_ALL=C sort -u | while IFS= read -r d; do
  for f in compose.yaml compose.yml docker-compose.yml docker-compose.yaml; do
    [ ! -f "$d/$f" ] || break
  done
  at=$root${d#.}/$f
  printf '\n%s %s\n' --hlrun-- "$at"
  if c=$(cd "$d" && "$@" config --format json 2>&1 >/dev/null </dev/null); then (cd "$d" && "$@" config --format json 2>/dev/null </dev/null)
  else printf '%s %s\n' --failed-- "$(printf '%s' "$c" | tail -n 1)"; fi
done
"#;

impl Fact for Stacks {
    type Answer = Vec<Stack>;

    async fn ask(&self, host: &dyn Look) -> Result<Vec<Stack>> {
        let ask = Command::gist("find, docker compose config", FIND).arg(self.path.as_str());
        let text = host.expect(&ask).await.map_err(|error| explain(error, &self.path))?.text();
        let mut running: BTreeMap<String, BTreeMap<String, bool>> = BTreeMap::new();
        for (project, service, runs) in everywhere(host).await? {
            *running.entry(project).or_default().entry(service).or_default() |= runs;
        }
        Ok(format!("\n{text}").split("\n--hlrun-- ").skip(1).map(|part| Stack::of(part, &running)).collect())
    }
}

impl Stack {
    fn of(part: &str, running: &BTreeMap<String, BTreeMap<String, bool>>) -> Stack {
        let (file, rest) = part.split_once('\n').unwrap_or((part, ""));
        let path = file.rsplit_once('/').map_or("/", |(dir, _)| dir);
        let config: Value = serde_json::from_str(rest).unwrap_or_default();
        let services: Vec<String> =
            config["services"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        let name = config["name"].as_str().map(str::to_owned);
        let name = name.unwrap_or_else(|| path.rsplit('/').next().unwrap_or_default().to_lowercase());
        let own = running.get(&name);
        // What another waits for the end of has done its work.
        let waits =
            config["services"].as_object().into_iter().flatten().flat_map(|(_, one)| one["depends_on"].as_object());
        let ends = waits.flatten().filter(|(_, how)| how["condition"] == "service_completed_successfully");
        let ends: Vec<&String> = ends.map(|(name, _)| name).collect();
        let well = |service: &String| match own.and_then(|own| own.get(service)) {
            Some(runs) => *runs || ends.contains(&service),
            None => false,
        };
        let up = own.map_or(0, |own| own.values().filter(|runs| **runs).count());
        let state = match own {
            None => "absent",
            Some(_) if up == 0 => "stopped",
            Some(_) if services.iter().all(well) => "running",
            Some(_) => "partly",
        };
        let error = rest.strip_prefix("--failed-- ").map(|error| error.trim().to_owned());
        Stack { path: path.to_owned(), file: file.to_owned(), name, services, state, running: up, error }
    }
}

of_a_stack! {
/// Ask how the services of a stack are.
///
/// Each has `name`, `state` ("running", "exited", "absent", ...), `health` ("healthy", "unhealthy", "starting", or
/// nothing without a check), `image` (by name), `digest` (under which its registry knows it), `image_id`, `ports`,
/// `containers` (their names) and `exit_code`.
///
/// ```rhai
/// for service in compose::services("/srv/blog") { print(service.name + " " + service.state); }
/// ```
/// ```transcript
/// ? sh -c '(docker compose config)' sh /srv/blog ''
/// = docker
/// = /root/.local/state/hlrun/compose
/// = compose.yaml
/// = {"name":"blog","services":{"web":{"image":"nginx:1"}}}
/// =
/// = --hlrun--
/// = web 5c1f
/// = --hlrun--
/// = web
/// ? docker container ls --all --filter label=com.docker.compose.project=blog
/// = [{"Id":"c1","Labels":{"com.docker.compose.service":"web"}}]
/// ? docker container inspect c1
/// = {"Id":"c1","Name":"/blog-web-1","Image":"sha256:1111","Config":{"Labels":{"com.docker.compose.service":"web"}},"State":{"Status":"running"}}
/// ? docker image inspect sha256:1111
/// = {"Id":"sha256:1111","RepoDigests":["nginx@sha256:aaaa"]}
/// ```
pub struct Services {
}
}

/// A service.
#[derive(Debug, Serialize)]
pub struct ServiceStatus {
    name: String,
    state: String,
    health: Option<String>,
    image: String,
    digest: Option<String>,
    image_id: Option<String>,
    ports: Vec<String>,
    containers: Vec<String>,
    exit_code: Option<i64>,
}

impl Fact for Services {
    type Answer = Vec<ServiceStatus>;

    async fn ask(&self, host: &dyn Look) -> Result<Vec<ServiceStatus>> {
        let project = self.resolve(host).await?;
        let there = by_service(containers(host, &project.name).await?);
        let mut services = Vec::new();
        for (name, service) in &project.services {
            let own = there.get(name).map(Vec::as_slice).unwrap_or_default();
            let id = own.first().map(|container| container.image.clone());
            let inspected = match &id {
                Some(id) => image(host, None, id).await?,
                None => None,
            };
            let digest = inspected.and_then(|inspected| digest(&service.image, &inspected));
            services.push(ServiceStatus {
                name: name.clone(),
                state: state(own).to_owned(),
                health: health(own).map(str::to_owned),
                image: service.image.clone(),
                digest: digest.map(|digest| format!("{}@{digest}", repository(&service.image))),
                image_id: id,
                ports: own.iter().flat_map(|container| container.ports.clone()).collect(),
                containers: own.iter().map(|container| container.name.clone()).collect(),
                exit_code: own.iter().find(|c| !c.runs()).map(|container| container.condition.exit_code),
            });
        }
        Ok(services)
    }
}
