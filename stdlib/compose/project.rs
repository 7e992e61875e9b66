//! A stack as compose resolves its files.

use super::cli::{Cli, explain};
use super::mask::masked;
use crate::contract::docker::Kind;
use crate::contract::{Command, Content, Error, Look, Result};
use crate::shared::is_below;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A resolved stack.
#[derive(Debug, Clone)]
pub struct Project {
    /// How compose is called for it.
    pub cli: Cli,
    /// Its name.
    pub name: String,
    /// The services that the files and the enabled profiles have.
    pub services: BTreeMap<String, Service>,
    /// All services, whatever their profile.
    pub known: BTreeSet<String>,
    /// The files that compose finds by itself.
    pub found: Vec<String>,
    /// Variables that the files use and that nothing sets.
    pub blank: BTreeSet<String>,
    /// Where hlrun remembers how the services were.
    pub memory: String,
}

/// A stack as it was resolved last.
#[derive(Debug, Default)]
pub struct Held(Mutex<Option<Arc<Project>>>);

impl Held {
    /// This one from now on.
    pub fn hold(&self, project: Project) -> Arc<Project> {
        let project = Arc::new(project);
        *self.lock() = Some(Arc::clone(&project));
        project
    }
    /// The last one; there is one as soon as the host was asked.
    pub fn get(&self) -> Result<Arc<Project>> {
        self.lock().clone().ok_or_else(|| Error::bug("a stack that was not resolved"))
    }
    fn lock(&self) -> MutexGuard<'_, Option<Arc<Project>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A service of a resolved stack.
#[derive(Debug, Clone)]
pub struct Service {
    /// What compose calls the configuration.
    pub hash: String,
    /// What it calls the configuration with the variables of `env_file` in it: where there are some, containers have
    /// that name of it, and `config --hash` tells the other.
    pub whole: String,
    /// The configuration, without secrets.
    pub config: Value,
    /// The image by name.
    pub image: String,
    /// Whether the image is built here.
    pub built: bool,
    /// The platform of the image, if the file names one.
    pub platform: Option<String>,
    /// When to pull: `always`, `missing`, `never`..., if the file says so.
    pub pull_policy: Option<String>,
    /// How many containers it has.
    pub scale: u64,
    /// Services that it shares something with: their container is part of what makes its own.
    pub joins: BTreeSet<String>,
    /// Services that are started before it.
    pub needs: BTreeSet<String>,
    /// Services that it depends on with `restart: true`: where they are made anew, so is it.
    pub follows: BTreeSet<String>,
    /// What it mounts from below the stack's directory, and whether it may only read it.
    pub mounts: BTreeMap<String, bool>,
    /// What it mounts and the stack's files have the text of: the digest of each config's `content`, by name.
    pub inline: BTreeMap<String, String>,
    /// Networks and volumes that it needs and that are there before the stack is.
    pub outside: Vec<(Kind, String)>,
    /// Files that it mounts, and that nobody makes where they are missing.
    pub files: BTreeSet<String>,
    /// The name of its container, if the file has one.
    pub container: Option<String>,
    /// Whether another service waits for its end.
    pub ends: bool,
}

/// `DIR COMPOSE SERVICE OTHER ID OPTIONS...`: the hash that a service has whose containers share something with this
/// container of the other: compose names a configuration after it has put that one in the other's place.
const JOINED: &str = r#"
cd -- "$1" || exit
compose=$2 service=$3 joins="s/\"service:$4\"/\"container:$5\"/g"
shift 5
$compose "$@" config --format json 2>/dev/null | sed "$joins" | $compose -f - --profile '*' config --hash "$service" 2>/dev/null
"#;

/// `DIR GIVEN OPTIONS...`: which compose there is, where memory is kept, the files that compose finds by itself, the
/// stack, the hashes of its services, the names of all services, and the hashes of the stack as it was resolved.
const RESOLVE: &str = r#"
cd -- "$1" 2>/dev/null || { echo "there is no directory $1" >&2; exit 66; }
dir=$1 given=$2
shift 2
if docker compose version >/dev/null 2>&1; then compose='docker compose'
elif v=$(docker-compose version --short 2>/dev/null); then
  case ${v#v} in 1.*) echo "docker-compose on the host is $v, and compose v2 is needed" >&2; exit 69 ;; esac
  compose=docker-compose
else echo "docker compose is not installed on the host" >&2; exit 69; fi
set -- $compose "$@"
echo "$1"
echo "${XDG_STATE_HOME:-$HOME/.local/state}/hlrun/compose"
first() { for f; do [ ! -f "$f" ] || { echo "$f"; return; }; done; }
found=${COMPOSE_FILE-}
[ -n "$found" ] || [ ! -f .env ] || found=$(sed -n 's/^[[:space:]]*COMPOSE_FILE=//p' .env | tail -n 1 | tr -d "\"'\r")
if [ -n "$found" ]; then found=$(printf %s "$found" | tr "${COMPOSE_PATH_SEPARATOR:-:}" ' ')
else
  found=$(first compose.yaml compose.yml docker-compose.yml docker-compose.yaml)
  [ -z "$found" ] || found="$found $(first compose.override.yaml compose.override.yml docker-compose.override.yml docker-compose.override.yaml)"
fi
[ -n "$found$given" ] || { echo "there is no compose file in $dir" >&2; exit 66; }
echo $found
hashes=$("$@" config --hash '*' 2>/dev/null)
names=$("$@" --profile '*' config --services 2>/dev/null)
config=$("$@" config --format json) || exit
whole=$(printf '%s' "$config" | $compose -f - --profile '*' config --hash '*' 2>/dev/null)
printf '%s\n\n--hlrun--\n%s\n--hlrun--\n%s\n--hlrun--\n%s\n' "$config" "$hashes" "$names" "$whole"
"#;

impl Project {
    /// Asks compose on the host.
    pub async fn read(host: &dyn Look, cli: Cli) -> Result<Project> {
        let given = if cli.given() { "given" } else { "" };
        let ask = Command::gist("docker compose config", RESOLVE).args([cli.dir(), given]).args(cli.words().to_vec());
        let output = host.expect(&ask).await.map_err(|error| explain(error, cli.dir()))?;
        let dir = cli.dir().to_owned();
        let (project, secrets) = Project::parse(&output.text(), &output.stderr_text(), cli).ok_or_else(|| {
            Error::host(format!("compose on the host said something else than the stack in {dir}")).with_output(&output)
        })?;
        host.hide_all(secrets);
        Ok(project)
    }

    /// What compose calls the configuration of a service that shares something with this container; nothing if it does
    /// not say.
    pub async fn joined(&self, host: &dyn Look, service: &str, container: &str) -> Result<Option<String>> {
        let Some(other) = self.services.get(service).and_then(|service| service.joins.first()) else { return Ok(None) };
        let ask = Command::gist("docker compose config --hash", JOINED).args([self.cli.dir(), self.cli.program()]);
        let ask = ask.args([service, other, container]).args(self.cli.words().to_vec());
        let text = host.run(&ask).await?.text();
        Ok(text.split_whitespace().nth(1).map(str::to_owned))
    }

    fn parse(text: &str, warnings: &str, cli: Cli) -> Option<(Project, Vec<String>)> {
        let mut lines = text.splitn(4, '\n');
        let (program, state, found, rest) = (lines.next()?, lines.next()?, lines.next()?, lines.next()?);
        let mut parts = rest.split("\n--hlrun--\n");
        let (config, hashes, names) = (parts.next()?, parts.next()?, parts.next()?);
        let whole = parts.next().unwrap_or_default();
        let config: Value = serde_json::from_str(config).ok()?;
        let name = config["name"].as_str()?.to_owned();
        let by_service =
            |text| str::lines(text).filter_map(|line| line.split_once(' ')).collect::<BTreeMap<&str, &str>>();
        let (hashes, whole) = (by_service(hashes), by_service(whole));
        let mut secrets = Vec::new();
        let mut services: BTreeMap<String, Service> = BTreeMap::new();
        for (service, value) in config["services"].as_object().into_iter().flatten() {
            let hash = hashes.get(service.as_str()).copied().unwrap_or_default();
            let whole = whole.get(service.as_str()).copied().unwrap_or(hash);
            let (one, mut hidden) = Service::parse(service, value, [hash, whole], &name, &config, cli.dir());
            secrets.append(&mut hidden);
            services.insert(service.clone(), one);
        }
        for value in config["services"].as_object().into_iter().flatten().map(|(_, value)| value) {
            for (other, how) in value["depends_on"].as_object().into_iter().flatten() {
                if let Some(other) =
                    services.get_mut(other).filter(|_| how["condition"] == "service_completed_successfully")
                {
                    other.ends = true;
                }
            }
        }
        let known = names.lines().map(str::to_owned).chain(services.keys().cloned()).filter(|name| !name.is_empty());
        let project = Project {
            cli: cli.standalone(program == "docker-compose"),
            known: known.collect(),
            found: found.split_whitespace().map(str::to_owned).collect(),
            blank: blank(warnings),
            memory: format!("{state}/{name}.json"),
            services,
            name,
        };
        Some((project, secrets))
    }

    /// These services and what they need, or all.
    pub fn selected(&self, chosen: &[String]) -> Result<BTreeSet<&str>> {
        if chosen.is_empty() {
            return Ok(self.services.keys().map(String::as_str).collect());
        }
        let mut selected = BTreeSet::new();
        let mut next: Vec<&str> = self.named(chosen)?;
        while let Some(name) = next.pop() {
            let service = self.services.get_key_value(name).filter(|_| !selected.contains(name));
            if let Some((name, service)) = service {
                selected.insert(name.as_str());
                next.extend(service.needs.iter().map(String::as_str));
            }
        }
        Ok(selected)
    }

    /// These services, and those that share something with them.
    pub fn with_joined<'a>(&'a self, names: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let mut names: BTreeSet<&str> = names.into_iter().collect();
        let joined = |names: &BTreeSet<&str>| {
            let others = self.services.iter().filter(|(name, _)| !names.contains(name.as_str()));
            others
                .filter(|(_, one)| one.joins.iter().any(|other| names.contains(other.as_str())))
                .map(|(name, _)| name.as_str())
                .next()
        };
        while let Some(name) = joined(&names) {
            names.insert(name);
        }
        names
    }

    /// These services, which the stack must have, or all.
    pub fn named<'a>(&'a self, chosen: &'a [String]) -> Result<Vec<&'a str>> {
        if chosen.is_empty() {
            return Ok(self.services.keys().map(String::as_str).collect());
        }
        match chosen.iter().find(|name| !self.services.contains_key(*name)) {
            Some(name) if self.known.contains(name) => {
                Err(Error::playbook(format!("the service {name} is in no profile that is enabled"))
                    .hint("profiles: [...] enables some"))
            }
            Some(name) => {
                let names = || self.services.keys().map(String::as_str);
                let error = Error::playbook(format!("the stack {} has no service {name}", self.name));
                Err(match crate::contract::nearest(name, names()) {
                    Some(meant) => error.hint(format!("did you mean `{meant}`?")),
                    None => error.hint(format!("it has {}", names().collect::<Vec<_>>().join(", "))),
                })
            }
            None => Ok(chosen.iter().map(String::as_str).collect()),
        }
    }

    /// What is worth telling about its variables.
    pub fn remark(&self) -> Option<String> {
        let names: Vec<&str> = self.blank.iter().map(String::as_str).collect();
        let are = if names.len() == 1 { "is" } else { "are" };
        (!names.is_empty()).then(|| format!("{} {are} not set, and blank: {}", names.join(", "), self.cli.dir()))
    }

    /// The names of the containers that a service has.
    pub fn containers(&self, service: &str) -> Vec<String> {
        let Some(one) = self.services.get(service) else { return Vec::new() };
        match &one.container {
            Some(name) => vec![name.clone()],
            None => (1..=one.scale).map(|number| format!("{}-{service}-{number}", self.name)).collect(),
        }
    }
}

impl Service {
    /// The services with which it is made anew.
    pub fn comes_with(&self) -> impl Iterator<Item = &String> {
        self.joins.iter().chain(&self.follows)
    }

    fn parse(
        name: &str,
        value: &Value,
        [hash, whole]: [&str; 2],
        project: &str,
        config: &Value,
        dir: &str,
    ) -> (Service, Vec<String>) {
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let (masked, hidden) = masked(value);
        let shared =
            ["network_mode", "ipc", "pid"].into_iter().filter_map(|key| value[key].as_str()?.strip_prefix("service:"));
        let from = value["volumes_from"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let from = from.filter(|from| !from.starts_with("container:")).filter_map(|from| from.split(':').next());
        let joins: BTreeSet<String> = shared.chain(from).map(str::to_owned).collect();
        let needs = value["depends_on"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
        let volumes = value["volumes"].as_array().into_iter().flatten().filter(|volume| volume["type"] == "bind");
        let volumes = volumes.filter_map(|volume| Some((volume["source"].as_str()?, volume["read_only"] == true)));
        let named = ["configs", "secrets"].into_iter().flat_map(|kind| {
            let used = value[kind].as_array().into_iter().flatten().filter_map(|used| used["source"].as_str());
            used.filter_map(move |source| Some((config[kind][source]["file"].as_str()?, true)))
        });
        let files: BTreeSet<String> = named.clone().map(|(path, _)| path.to_owned()).collect();
        let mounts = volumes.chain(named).filter(|(path, _)| is_below(path, dir));
        let follows = value["depends_on"].as_object().into_iter().flatten().filter(|(_, how)| how["restart"] == true);
        let used = value["configs"].as_array().into_iter().flatten().filter_map(|used| used["source"].as_str());
        let inline = used.filter_map(|source| {
            let content = config["configs"][source]["content"].as_str()?;
            Some((format!("config {source}"), Content::digest(content.as_bytes())))
        });
        let external = |kind: &str, name: &str| {
            let one = &config[kind][name];
            (one["external"] == true).then(|| one["name"].as_str().unwrap_or(name).to_owned())
        };
        let networks = value["networks"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        let networks = networks.filter_map(|name| Some((Kind::Network, external("networks", name)?)));
        let volumes = value["volumes"].as_array().into_iter().flatten().filter(|volume| volume["type"] == "volume");
        let volumes = volumes.filter_map(|one| Some((Kind::Volume, external("volumes", one["source"].as_str()?)?)));
        let scale = value["scale"].as_u64().or_else(|| value["deploy"]["replicas"].as_u64());
        let service = Service {
            hash: hash.to_owned(),
            whole: whole.to_owned(),
            config: masked,
            image: text("image").unwrap_or_else(|| format!("{project}-{name}")),
            built: !value["build"].is_null(),
            platform: text("platform"),
            pull_policy: text("pull_policy"),
            scale: scale.unwrap_or(1),
            needs: needs.chain(joins.iter().cloned()).collect(),
            joins,
            follows: follows.map(|(name, _)| name.clone()).collect(),
            inline: inline.collect(),
            outside: networks.chain(volumes).collect(),
            files,
            mounts: mounts.map(|(path, read_only)| (path.to_owned(), read_only)).collect(),
            container: text("container_name"),
            ends: false,
        };
        (service, hidden)
    }
}

/// The variables that compose warns of, once each.
fn blank(warnings: &str) -> BTreeSet<String> {
    let lines = warnings.lines().filter_map(|line| line.split_once(" variable is not set"));
    let names = lines.filter_map(|(before, _)| before.rsplit(' ').next());
    names.map(|name| name.trim_matches(['"', '\\']).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::{HostPath, Many};
    use serde_json::json;

    fn project(services: Value, warnings: &str) -> Project {
        let none = Many::default();
        let cli = Cli::new(&HostPath::parse("/srv/app/compose.yaml").unwrap(), &none, None, &none, &none);
        let config = json!({ "name": "app", "services": services, "configs": { "c": { "file": "/srv/app/c.conf" } } });
        let text = format!("docker-compose\n/state\n\n{config}\n--hlrun--\nweb 12ab\n--hlrun--\nweb\nhidden\n");
        Project::parse(&text, warnings, cli).unwrap().0
    }

    #[test]
    fn what_a_service_needs_shares_and_mounts_is_read() {
        let project = project(
            json!({
                "web": {
                    "image": "web", "depends_on": { "setup": { "condition": "service_completed_successfully" } },
                    "configs": [{ "source": "c" }],
                    "volumes": [
                        { "type": "bind", "source": "/srv/app/d" }, { "type": "bind", "source": "/srv/application", "read_only": true },
                        { "type": "bind", "source": "/srv/app/r", "read_only": true }, { "type": "volume", "source": "/srv/app/v" },
                    ],
                },
                "side": { "build": {}, "network_mode": "service:web", "scale": 2 },
                "setup": { "image": "setup", "container_name": "sets" },
            }),
            "",
        );
        let (web, side, setup) = (&project.services["web"], &project.services["side"], &project.services["setup"]);
        let mounts = [("/srv/app/c.conf", true), ("/srv/app/d", false), ("/srv/app/r", true)];
        assert_eq!(web.mounts, mounts.map(|(path, read_only)| (path.to_owned(), read_only)).into());
        assert_eq!((web.hash.as_str(), side.image.as_str(), side.built, setup.ends), ("12ab", "app-side", true, true));
        assert_eq!(project.with_joined(["web"]), BTreeSet::from(["side", "web"]));
        assert_eq!(project.selected(&["side".to_owned()]).unwrap(), BTreeSet::from(["setup", "side", "web"]));
        assert_eq!(project.containers("side"), ["app-side-1", "app-side-2"]);
        assert_eq!(project.containers("setup"), ["sets"]);
        assert_eq!(project.cli.command(["ps"]).line(), "cd /srv/app && docker-compose -f compose.yaml ps");
    }

    #[test]
    fn a_service_that_is_not_there_is_said_with_what_is_meant() {
        let project = project(json!({ "web": {} }), "");
        let error = |name: &str| project.named(&[name.to_owned()]).unwrap_err();
        assert_eq!(error("wep").hints, ["did you mean `web`?"]);
        assert_eq!(error("database").hints, ["it has web"]);
        assert!(error("hidden").message.contains("in no profile that is enabled"));
    }

    #[test]
    fn variables_that_nobody_set_are_told_once() {
        let warning = r#"time="2026-11-21T04:36:43Z" level=warning msg="The \"NOPE\" variable is not set. Defaulting to a blank string.""#;
        let told = |text: &str| project(json!({}), text).remark();
        assert_eq!(told(&format!("{warning}\n{warning}\n")).as_deref(), Some("NOPE is not set, and blank: /srv/app"));
        assert_eq!(told("level=warning msg=\"`version` is obsolete\""), None);
    }
}
