//! What a playbook says of a container, as the engine takes it.

use super::Container;
use super::forms::{self, Healthcheck, Mount, Network, Size};
use super::view::note_given;
use crate::bail;
use crate::contract::Result;
use crate::shared::words;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A value as text: playbooks write numbers and booleans where the engine has texts.
pub fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn argv(line: &Value, what: &str) -> Result<Vec<String>> {
    match line {
        Value::String(line) => match words(line) {
            Some(words) => Ok(words),
            None => bail!(playbook: "`{what}` has an open quote: {line}"),
        },
        Value::Array(items) => Ok(items.iter().map(text).collect()),
        other => bail!(playbook: "`{what}` is a line or a list of words, not {other}"),
    }
}

fn pairs(map: &BTreeMap<String, Value>, between: &str) -> Vec<String> {
    map.iter().map(|(name, value)| format!("{name}{between}{}", text(value))).collect()
}

fn texts(map: &BTreeMap<String, Value>) -> BTreeMap<&str, String> {
    map.iter().map(|(name, value)| (name.as_str(), text(value))).collect()
}

/// Parts of a body; what was not given is left out.
#[derive(Default)]
struct Part(Map<String, Value>);

impl Part {
    fn put(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
    }
    fn on(&mut self, name: &str, value: bool) {
        self.put(name, value.then_some(true));
    }
    fn list(&mut self, name: &str, list: &[String]) {
        self.put(name, (!list.is_empty()).then(|| json!(list)));
    }
}

impl Container {
    /// The body of the call that makes it.
    pub fn body(&self) -> Result<Value> {
        let mut config = Part::default();
        config.put("Image", Some(crate::shared::docker::tagged(&self.image)));
        config.put("Cmd", self.command.as_ref().map(|line| argv(line, "command")).transpose()?);
        config.put("Entrypoint", self.entrypoint.as_ref().map(|line| argv(line, "entrypoint")).transpose()?);
        config.list("Env", &pairs(&self.environment, "="));
        config.put("User", self.user.as_ref().map(text));
        config.put("WorkingDir", self.workdir.clone());
        config.put("Hostname", self.hostname.clone());
        config.put("Domainname", self.domainname.clone());
        config.on("Tty", self.tty);
        config.on("OpenStdin", self.interactive);
        config.put("StopSignal", self.stop_signal.clone());
        config.put("StopTimeout", self.stop_timeout.map(|span| span.0.as_secs()));
        config.put("Labels", (!self.labels.is_empty()).then(|| json!(texts(&self.labels))));
        config.put("Healthcheck", self.healthcheck.as_ref().map(Healthcheck::body).transpose()?);
        let ports = forms::ports(self.ports.as_slice())?;
        let exposed = forms::exposed(self.exposed_ports.as_slice())?;
        let exposed: Map<String, Value> = ports.keys().cloned().chain(exposed).map(|port| (port, json!({}))).collect();
        config.put("ExposedPorts", (!exposed.is_empty()).then_some(exposed));
        let volumes = forms::volumes(self.volumes.as_slice())?;
        let anonymous: Map<String, Value> = volumes.anonymous.into_iter().map(|path| (path, json!({}))).collect();
        config.put("Volumes", (!anonymous.is_empty()).then_some(anonymous));

        let mut host = Part::default();
        host.list("Binds", &volumes.binds);
        let mounts = self.mounts.iter().map(Mount::body).collect::<Result<Vec<Value>>>()?;
        host.put("Mounts", (!mounts.is_empty()).then_some(mounts));
        host.put("Tmpfs", forms::tmpfs(self.tmpfs.as_slice()));
        host.put("PortBindings", (!ports.is_empty()).then(|| json!(ports)));
        host.on("PublishAllPorts", self.publish_all_ports);
        host.on("Privileged", self.privileged);
        host.put("Init", self.init);
        host.on("ReadonlyRootfs", self.read_only);
        host.on("AutoRemove", self.auto_remove);
        host.list("CapAdd", self.capabilities.as_slice());
        host.list("CapDrop", self.cap_drop.as_slice());
        host.put("SecurityOpt", self.security_opts.as_ref().map(|list| json!(list.as_slice())));
        host.list("GroupAdd", &self.groups.as_slice().iter().map(text).collect::<Vec<_>>());
        host.list("Dns", self.dns_servers.as_slice());
        host.list("DnsSearch", self.dns_search_domains.as_slice());
        host.list("DnsOptions", self.dns_opts.as_slice());
        host.list("ExtraHosts", &pairs(&self.etc_hosts, ":"));
        host.put("Sysctls", (!self.sysctls.is_empty()).then(|| json!(texts(&self.sysctls))));
        let devices = self.devices.as_slice().iter().map(|device| forms::device(device)).collect::<Vec<_>>();
        host.put("Devices", (!devices.is_empty()).then_some(devices));
        host.put("DeviceRequests", self.gpus.as_ref().map(forms::gpus).transpose()?);
        host.put("Ulimits", self.ulimits.as_ref().map(forms::ulimits).transpose()?);
        host.put("Memory", self.memory.map(Size::bytes));
        host.put("MemorySwap", self.memory_swap.map(Size::bytes));
        host.put("MemoryReservation", self.memory_reservation.map(Size::bytes));
        host.put("ShmSize", self.shm_size.map(Size::bytes));
        host.put("NanoCpus", self.cpus.map(forms::nano));
        host.put("CpuShares", self.cpu_shares);
        host.put("CpusetCpus", self.cpuset_cpus.clone());
        host.put("PidsLimit", self.pids_limit);
        host.put("PidMode", self.pid_mode.clone());
        host.put("IpcMode", self.ipc_mode.clone());
        host.put("UsernsMode", self.userns_mode.clone());
        host.put("CgroupnsMode", self.cgroupns_mode.clone());
        host.put("Runtime", self.runtime.clone());
        host.put("RestartPolicy", self.restart_policy.map(|policy| policy.body(self.restart_retries)));
        if self.log_driver.is_some() || self.log_options.is_some() {
            let kind = self.log_driver.as_deref().unwrap_or("json-file");
            let options = self.log_options.as_ref().map(texts).unwrap_or_default();
            host.put("LogConfig", Some(json!({ "Type": kind, "Config": options })));
        }
        let networks =
            self.networks.as_ref().map(|list| list.as_slice().iter().map(Network::of).collect::<Result<Vec<_>>>());
        let networks = networks.transpose()?.unwrap_or_default();
        let mode = self.network_mode.clone().or_else(|| networks.first().map(|first| first.name.clone()));
        host.put("NetworkMode", mode);
        config.put("HostConfig", Some(host.0));
        if let Some(first) = networks.first() {
            let endpoints = json!({ &first.name: first.endpoint() });
            config.put("NetworkingConfig", Some(json!({ "EndpointsConfig": endpoints })));
        }
        let mut body = Value::Object(config.0);
        note_given(&mut body, self.networks()?.is_some());
        Ok(body)
    }
}
