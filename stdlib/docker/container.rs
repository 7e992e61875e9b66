//! A container as it should be.

mod back;
mod forms;
mod limits;
mod spec;
mod state;
mod view;

pub use back::{Back, back, inspected};
pub use forms::{Healthcheck, Mount, RestartPolicy, Size};
use state::Found;
pub use state::{ContainerState, Made, Way};

use crate::bail;
use crate::contract::docker::{Kind, Verb, in_body};
use crate::contract::{Error, Look, Operation, Output, Rescue, Result, Step};
use crate::shared::docker::{auth, digests, image, offered, pull, unanswered};
use crate::shared::{Many, Span};
use forms::Network;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use state::{Endpoint, same, shown, version};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use view::{settings, was_given};

/// Make sure a container is there, made of this image with these settings, and runs.
///
/// It is made anew only where something differs that the engine cannot change in place; limits, the restart policy and
/// networks change in place. Settings that are not given are as the image and the engine have them; those of the engine
/// (`init`, `ulimits`, `log_options`, ...) are left alone in a container that somebody else has made: the label
/// `hlrun.given` says which of them a container was given. Limits that the kernel of the host does not know are left out,
/// with a note. The new container is made before the old one is stopped, and where it cannot start, or is not healthy in
/// time, the old one comes back (not one with `auto_remove`); volumes without a name go on, and the image that it had is
/// kept under `hlrun-previous/NAME`, so that undo finds it. With `pull: "always"`, check mode asks the registry what it
/// has. Variables, options of the command and labels that are called like secrets are in no report.
///
/// ```rhai
/// docker::container("web", #{
///     image: "nginx:1.27", ports: ["8080:80"], volumes: ["/srv/www:/usr/share/nginx/html:ro"],
///     env: #{ TZ: "Europe/Berlin" }, restart_policy: "unless-stopped",
/// });
/// ```
/// ```transcript
/// ? docker image inspect nginx:1.27
/// = {"Id":"sha256:1a2b","RepoDigests":["nginx@sha256:0123456789abcdef"],"Config":{"Cmd":["nginx"]}}
/// ? docker container inspect web
/// - No such container: web
/// * 404
/// ! docker container create web
/// + Image nginx:1.27
/// + Env TZ=Europe/Berlin
/// + ExposedPorts.80/tcp {}
/// + HostConfig.Binds /srv/www:/usr/share/nginx/html:ro
/// + HostConfig.PortBindings.80/tcp {"HostIp":"","HostPort":"8080"}
/// + HostConfig.RestartPolicy.Name unless-stopped
/// + HostConfig.RestartPolicy.MaximumRetryCount 0
/// = {"Id":"5d41"}
/// ! docker start web
/// ! docker await running --timeout 10 web
/// ? docker image inspect nginx:1.27
/// = {"Id":"sha256:1a2b","RepoDigests":["nginx@sha256:0123456789abcdef"],"Config":{"Cmd":["nginx"]}}
/// ? docker container inspect web
/// = {"Id":"5d41","Name":"/web","Image":"sha256:1a2b","State":{"Status":"running"},
/// = "Config":{"Image":"nginx:1.27","Hostname":"5d41","Env":["TZ=Europe/Berlin"],"Cmd":["nginx"],"ExposedPorts":{"80/tcp":{}}},
/// = "HostConfig":{"NetworkMode":"bridge","Binds":["/srv/www:/usr/share/nginx/html:ro"],
/// = "PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]},"RestartPolicy":{"Name":"unless-stopped"}}}
/// ? docker image inspect sha256:1a2b
/// = {"Id":"sha256:1a2b","RepoDigests":["nginx@sha256:0123456789abcdef"],"Config":{"Cmd":["nginx"]}}
/// ```
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// The image, such as `nginx:1.27`, or with a digest: `nginx@sha256:...`.
    pub image: String,
    /// Whether it should run.
    #[serde(default)]
    pub state: State,
    /// When the image is fetched.
    #[serde(default)]
    pub pull: Pull,
    /// The platform of the image, such as `linux/arm64`, if not the engine's own.
    pub platform: Option<String>,
    /// Wait until it is healthy, for no longer than this; one without a health check until it runs.
    pub wait: Option<Span>,
    /// The command: a line that is split into words, or a list of words; without it, the image's own.
    pub command: Option<Value>,
    /// What the command is given to; without it, the image's own.
    pub entrypoint: Option<Value>,
    /// Environment variables.
    #[serde(default)]
    pub env: BTreeMap<String, Value>,
    /// Files on the controller with further variables, `NAME=value` line by line.
    #[serde(default)]
    pub env_file: Many<String>,
    /// As whom it runs: a name or number, with `:group` if need be.
    pub user: Option<Value>,
    /// The directory it starts in.
    pub workdir: Option<String>,
    /// The name that it has for itself.
    pub hostname: Option<String>,
    /// The domain that it has for itself.
    pub domainname: Option<String>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, Value>,
    /// Ports of the host: `"8080:80"`, `"127.0.0.1:8080:80"`, `"53:53/udp"`, `"7000-7010:7000-7010"`.
    #[serde(default)]
    pub ports: Many<Value>,
    /// Ports that are exposed and not bound to the host.
    #[serde(default)]
    pub exposed_ports: Many<Value>,
    /// Bind all exposed ports to whatever is free.
    #[serde(default)]
    pub publish_all_ports: bool,
    /// What is mounted: `"/on/host:/in/container:ro"`, `"volume:/in/container"`.
    #[serde(default)]
    pub volumes: Many<String>,
    /// What is mounted, in words.
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// Directories in memory: `"/tmp"`, `"/run:size=64m"`.
    #[serde(default)]
    pub tmpfs: Many<String>,
    /// The networks it is in, and no other (one that was made without this stays in those that it was given later): names, or maps with `name`, `aliases`, `ipv4_address`, `ipv6_address`.
    pub networks: Option<Many<Value>>,
    /// `"host"`, `"none"`, `"bridge"`, or `"container:NAME"`.
    pub network_mode: Option<String>,
    /// Servers for names.
    #[serde(default)]
    pub dns_servers: Many<String>,
    /// Domains for short names.
    #[serde(default)]
    pub dns_search_domains: Many<String>,
    /// Options for names.
    #[serde(default)]
    pub dns_opts: Many<String>,
    /// Further names and their addresses: `#{ nas: "192.168.1.10" }`; `"host-gateway"` is the host.
    #[serde(default)]
    pub etc_hosts: BTreeMap<String, Value>,
    /// When it is started again.
    pub restart_policy: Option<RestartPolicy>,
    /// How often, with `on-failure`.
    pub restart_retries: Option<u32>,
    /// The check whether it does what it should; without it, the image's own.
    pub healthcheck: Option<Healthcheck>,
    /// All privileges.
    #[serde(default)]
    pub privileged: bool,
    /// Capabilities that it has in addition.
    #[serde(default)]
    pub capabilities: Many<String>,
    /// Capabilities that it has not.
    #[serde(default)]
    pub cap_drop: Many<String>,
    /// Such as `no-new-privileges:true` or `apparmor=unconfined`.
    pub security_opts: Option<Many<String>>,
    /// Further groups, by name or number.
    #[serde(default)]
    pub groups: Many<Value>,
    /// Devices of the host: `"/dev/dri"`, `"/dev/ttyUSB0:/dev/zigbee:rw"`.
    #[serde(default)]
    pub devices: Many<String>,
    /// Graphics cards: `"all"` or how many.
    pub gpus: Option<Value>,
    /// The most memory.
    pub memory: Option<Size>,
    /// The most memory and swap together.
    pub memory_swap: Option<Size>,
    /// The memory it gets when there is little.
    pub memory_reservation: Option<Size>,
    /// The size of `/dev/shm`.
    pub shm_size: Option<Size>,
    /// How many processors, such as 1.5.
    pub cpus: Option<f64>,
    /// Its share of the processors where there are too few; 1024 is usual.
    pub cpu_shares: Option<u64>,
    /// Which processors, such as `0-3`.
    pub cpuset_cpus: Option<String>,
    /// The most processes.
    pub pids_limit: Option<i64>,
    /// Limits by name: `#{ nofile: 65536 }`, `#{ nofile: "1024:65536" }`.
    pub ulimits: Option<BTreeMap<String, Value>>,
    /// Kernel parameters.
    #[serde(default)]
    pub sysctls: BTreeMap<String, Value>,
    /// `"host"`, or `"container:NAME"`: whose processes it sees.
    pub pid_mode: Option<String>,
    /// `"host"`, `"shareable"`, `"private"`: whose memory it shares.
    pub ipc_mode: Option<String>,
    /// `"host"`: without numbers of its own for users.
    pub userns_mode: Option<String>,
    /// `"host"` or `"private"`.
    pub cgroupns_mode: Option<String>,
    /// What runs it, such as `nvidia`.
    pub runtime: Option<String>,
    /// Run a little init that clears up after other processes.
    pub init: Option<bool>,
    /// Whether its own files can only be read.
    #[serde(default)]
    pub read_only: bool,
    /// Whether it is removed when it ends.
    #[serde(default)]
    pub auto_remove: bool,
    /// With a terminal.
    #[serde(default)]
    pub tty: bool,
    /// With an open standard input.
    #[serde(default)]
    pub interactive: bool,
    /// What it is sent to stop.
    pub stop_signal: Option<String>,
    /// How long it may take to stop before it is killed.
    pub stop_timeout: Option<Span>,
    /// Where its output goes, such as `json-file`, `journald` or `local`.
    pub log_driver: Option<String>,
    /// Options of that.
    pub log_options: Option<BTreeMap<String, Value>>,
    /// The engine's socket on the host; `/var/run/docker.sock` without it.
    pub socket: Option<String>,
    /// `env_file` and `env` together.
    #[serde(skip)]
    environment: BTreeMap<String, Value>,
    /// The body of the call, without what the image adds.
    #[serde(skip)]
    body: Value,
    /// What there is to go back to, on the way back.
    #[serde(skip)]
    back: Option<Back>,
    /// Whether it leaves networks.
    #[serde(skip)]
    leaves: OnceLock<()>,
    /// Limits that are not compared, for the host's kernel does not know them.
    #[serde(skip)]
    discarded: OnceLock<Vec<&'static str>>,
}

/// Whether a container runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It runs.
    #[default]
    Started,
    /// It is there and does not run.
    Stopped,
    /// It is there.
    Present,
}

/// When an image is fetched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pull {
    /// When the host has none of that name.
    #[default]
    Missing,
    /// When the registry has another one.
    Always,
    /// Never.
    Never,
}

impl Container {
    fn networks(&self) -> Result<Option<BTreeMap<String, Endpoint>>> {
        let Some(networks) = &self.networks else {
            let own = self.network_mode.as_deref().filter(|mode| {
                !["host", "none", "bridge", "default"].contains(mode) && !mode.starts_with("container:")
            });
            return Ok(own.map(|name| BTreeMap::from([(name.to_owned(), Endpoint::default())])));
        };
        let one = |network: &Value| {
            let network = Network::of(network)?;
            let endpoint = Endpoint {
                aliases: network.aliases.as_slice().iter().map(|alias| (alias.clone(), true)).collect(),
                ipv4_address: network.ipv4_address,
                ipv6_address: network.ipv6_address,
            };
            Ok((network.name, endpoint))
        };
        networks.as_slice().iter().map(one).collect::<Result<BTreeMap<_, _>>>().map(Some)
    }

    fn check(&self) -> Result<()> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let begins = self.name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if self.name.len() < 2 || !self.name.chars().all(fits) || !begins {
            bail!(playbook: "`{}` is no name for a container", self.name; hint: "letters, digits, `_`, `.` and `-`, at least two");
        }
        if self.networks.is_some() && self.network_mode.as_deref().is_some_and(|mode| mode == "host" || mode == "none")
        {
            bail!(playbook: "`network_mode` and `networks` exclude each other here");
        }
        if self.wait.is_some() && self.state != State::Started {
            bail!(playbook: "`wait` is for a container that runs");
        }
        Ok(())
    }

    /// `env_file` and `env`, the latter last.
    async fn load(&mut self, host: &dyn Look) -> Result<()> {
        for path in self.env_file.as_slice() {
            let Some(asset) = host.asset(path).await? else {
                bail!(playbook: "there is no file {path}"; hint: "it is looked for beside the playbook and in its `files`");
            };
            let content = asset.content.unwrap_or_default();
            let content = String::from_utf8_lossy(&content);
            let lines = content.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            for (name, value) in lines.filter_map(|line| line.split_once('=')) {
                self.environment.insert(name.trim_start_matches("export ").to_owned(), json!(value));
            }
        }
        self.environment.extend(self.env.clone());
        Ok(())
    }

    /// Image and settings as they should be.
    fn wanted(&self, version: &str) -> ContainerState {
        let body = self.body.clone();
        let settings = settings(&body, &Value::Null, &body);
        let image = Some(shown(&self.image, version));
        ContainerState { image, settings, made: Made::of(body), ..ContainerState::default() }
    }

    /// Whether a container leaves networks of which nobody says anything any longer: it was given them, or is made anew.
    /// Once that is so, they are looked at to the end.
    fn leaves_networks(&self, now: &ContainerState) -> bool {
        let given = was_given(&now.made.body, "networks");
        let anew = || self.back.is_none() && !same(now, &self.wanted(&now.found.version));
        let leaves = self.leaves.get().is_some() || given || anew() && now.networks.as_ref() != Some(&self.usual());
        if leaves {
            let _ = self.leaves.set(());
        }
        leaves
    }

    /// The networks of a container of which nobody says anything.
    fn usual(&self) -> BTreeMap<String, Endpoint> {
        let mode = self.network_mode.as_deref().unwrap_or("bridge");
        let none = ["host", "none"].contains(&mode) || mode.starts_with("container:");
        if none { BTreeMap::new() } else { BTreeMap::from([("bridge".to_owned(), Endpoint::default())]) }
    }

    /// Another container's network goes by its id.
    async fn join(&self, host: &dyn Look, body: &mut Value) -> Result<()> {
        if let Some(other) = self.network_mode.as_deref().and_then(|mode| mode.strip_prefix("container:")) {
            let found = host.docker_json(&Verb::inspect(Kind::Container, other).at(self.socket.as_ref())).await?;
            match found.as_ref().and_then(|found| found["Id"].as_str()) {
                Some(id) => body["HostConfig"]["NetworkMode"] = json!(format!("container:{id}")),
                None => bail!("there is no container {other}, whose network {} is to use", self.name),
            }
        }
        Ok(())
    }

    fn way(&self, now: &ContainerState) -> Way<'_> {
        let socket = self.socket.as_ref();
        let fetch = self.back.as_ref().map_or(&now.found.pull, |back| &back.pull).as_ref();
        Way {
            name: &self.name,
            socket,
            platform: self.platform.as_ref(),
            stop_timeout: self.stop_timeout.map(|span| span.0),
            wait: self.wait.filter(|_| self.back.is_none()).map(|span| span.0),
            pull: fetch.map(|(image, auth)| pull(socket, image, self.platform.as_ref(), auth.clone()).verb),
        }
    }

    /// The image as the host has it and as it should be.
    async fn resolve(&self, host: &dyn Look) -> Result<Found> {
        let (socket, name) = (self.socket.as_ref(), &self.image);
        let local = image(host, socket, name).await?;
        let id = local.as_ref().and_then(|local| local["Id"].as_str()).map(str::to_owned);
        let has = local.as_ref().map(|local| version(name, local));
        let asks = match (self.pull, &local) {
            (Pull::Never, None) => {
                bail!("the image {name} is not on the host, and `pull` is \"never\""; hint: "docker::image(\"{name}\") fetches it")
            }
            (Pull::Always, Some(_)) => !name.contains('@'),
            (Pull::Missing | Pull::Never, Some(_)) => false,
            (_, None) => true,
        };
        if !asks {
            return Ok(Found { version: has.unwrap_or_default(), id, ..Found::default() });
        }
        let auth = auth(host, name).await?;
        let Some(offer) = offered(host, socket, name, auth.clone()).await? else {
            bail!("the registry has no image {name}, or does not show it to us"; hint: "is the tag right? a private one needs docker::login(registry, #{{ user, password }}) before it");
        };
        let known = local.as_ref().is_some_and(|local| digests(name, local).any(|digest| digest == offer));
        if known {
            return Ok(Found { version: has.unwrap_or_default(), id, ..Found::default() });
        }
        Ok(Found { version: offer, pull: Some((name.clone(), auth)), ..Found::default() })
    }
}

impl Operation for Container {
    type State = ContainerState;

    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        self.check()?;
        self.load(host).await?;
        let mut body = self.body()?;
        self.networks()?;
        host.hide_all(in_body(&body));
        self.join(host, &mut body).await?;
        self.body = body;
        Ok(())
    }
    async fn read(&self, host: &dyn Look) -> Result<ContainerState> {
        let socket = self.socket.as_ref();
        let given = &self.body;
        let wanted = match &self.back {
            Some(_) => Found::default(),
            None => self.resolve(host).await?,
        };
        let Some((found, image)) = inspected(host, socket, &self.name).await? else {
            return Ok(ContainerState { found: wanted, ..ContainerState::absent(given) });
        };
        let id = found["Image"].as_str().unwrap_or_default();
        let mut now = ContainerState::of(&found, &image, given);
        match &self.back {
            Some(back) => now.image = back.shown(id).or(now.image),
            // Another name for the same image is no difference.
            None => {
                let same = wanted.id.as_deref() == Some(id);
                if same || digests(&self.image, &image).any(|digest| digest == wanted.version) {
                    now.image = Some(shown(&self.image, &wanted.version));
                }
            }
        }
        now.found = wanted;
        if self.networks()?.is_none() && !self.leaves_networks(&now) {
            now.networks = None;
        }
        if self.back.is_none() {
            let discarded = limits::discarded(host, socket, &self.body, &mut now.settings).await?;
            let _ = self.discarded.set(discarded);
        }
        let runs = now.status.as_deref() == Some("running");
        now.health = now.health.filter(|_| self.wait.is_some() && runs);
        // Without a check, and on the way back, where nobody asks for it.
        if now.health.is_some() && (self.back.is_some() || now.health.as_deref() == Some("running")) {
            now.health = Some("healthy".to_owned());
        }
        Ok(now)
    }
    fn want(&self, now: &ContainerState) -> Result<ContainerState> {
        let status = match (self.state, &now.status) {
            (State::Started, _) => "running".to_owned(),
            (State::Present, Some(status)) => status.clone(),
            (State::Stopped | State::Present, _) => "stopped".to_owned(),
        };
        Ok(ContainerState {
            status: Some(status),
            health: self.wait.map(|_| "healthy".to_owned()),
            networks: self.networks()?.or_else(|| now.networks.as_ref().map(|_| self.usual())),
            ..self.wanted(&now.found.version)
        })
    }
    fn steps(&self, now: &ContainerState, want: &ContainerState) -> Result<Vec<Step>> {
        self.way(now).steps(now, want)
    }
    fn rescue(&self, now: &ContainerState, want: &ContainerState, failed: &Step) -> Option<Rescue> {
        self.way(now).back(now, want, failed)
    }
    async fn premise(&self, host: &dyn Look, _now: &ContainerState) -> Result<()> {
        for name in self.networks()?.unwrap_or_default().into_keys() {
            let network = host.docker_json(&Verb::inspect(Kind::Network, &name).at(self.socket.as_ref())).await?;
            if network.is_none() {
                bail!("there is no network {name}"; hint: "docker::network(\"{name}\") makes it");
            }
        }
        if self.cpus.is_some() {
            let info = host.docker_json(&Verb::Info.at(self.socket.as_ref())).await?.unwrap_or_default();
            if info["CpuCfsQuota"] == false {
                bail!("the kernel of the host cannot limit `cpus`"; hint: "cpu_shares and cpuset_cpus are other limits");
            }
        }
        Ok(())
    }
    async fn recall(
        &mut self,
        host: &dyn Look,
        before: ContainerState,
        after: &ContainerState,
    ) -> Result<ContainerState> {
        self.environment = self.env.clone();
        self.body = self.body()?;
        let (mut before, back) = back(host, self.socket.as_ref(), before, after).await?;
        let runs = before.status.as_deref() == Some("running");
        before.health = self.wait.filter(|_| runs).map(|_| "healthy".to_owned());
        self.back = Some(back);
        Ok(before)
    }
    fn notes(&self, _said: &[Output]) -> Vec<String> {
        let names = self.discarded.get().into_iter().flatten();
        names.map(|name| format!("{name} is left out: the kernel of the host has no such limit")).collect()
    }
    fn explain(&self, error: Error) -> Error {
        unanswered(error, &self.image)
    }
}
