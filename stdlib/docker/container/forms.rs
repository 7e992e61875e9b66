//! The short forms in which people write ports, volumes, sizes and so on.

use super::spec::text;
use crate::bail;
use crate::contract::Result;
use crate::shared::{Many, Span};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// An amount of memory: `"512M"`, `"1.5G"`, or a number of bytes. `-1` means without a limit where there can be none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(i64);

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}

impl Size {
    /// In bytes.
    pub fn bytes(self) -> i64 {
        self.0
    }
    fn parse(text: &str) -> Option<Size> {
        let text = text.trim().to_lowercase();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-').unwrap_or(text.len());
        let number: f64 = text[..digits].parse().ok()?;
        let unit = match text[digits..].trim().trim_end_matches("ib").trim_end_matches('b') {
            "" => 1.0,
            "k" => 1024.0,
            "m" => 1_048_576.0,
            "g" => 1_073_741_824.0,
            "t" => 1_099_511_627_776.0,
            _ => return None,
        };
        #[allow(clippy::cast_possible_truncation)] // bytes are whole
        Some(Size((number * unit) as i64))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Size, D::Error> {
        let value = Value::deserialize(from)?;
        let size = Size::parse(&text(&value));
        size.ok_or_else(|| de::Error::custom(format!("{value} is no amount of memory: write \"512M\" or \"2G\"")))
    }
}

/// Processors in billionths.
pub fn nano(cpus: f64) -> i64 {
    #[allow(clippy::cast_possible_truncation)] // there are few of them
    let nano = (cpus * 1e9).round() as i64;
    nano
}

/// Ports by container port, each with where it is bound on the host.
pub fn ports(ports: &[Value]) -> Result<BTreeMap<String, Vec<Value>>> {
    let mut bound: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for port in ports {
        let port = text(port);
        let (address, protocol) = port.split_once('/').unwrap_or((&port, "tcp"));
        // An IPv6 address stands in brackets.
        let (ip, rest) = match address.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
            Some((ip, rest)) => (ip, rest),
            None if address.matches(':').count() == 2 => address.split_once(':').unwrap_or_default(),
            None => ("", address),
        };
        let (outer, inner) = rest.rsplit_once(':').unwrap_or(("", rest));
        let (outer, inner) = (range(outer, &port)?, range(inner, &port)?);
        if !outer.is_empty() && outer.len() != inner.len() {
            bail!(playbook: "`{port}` binds {} ports to {}", outer.len(), inner.len());
        }
        for (at, inner) in inner.iter().enumerate() {
            let outer = outer.get(at).map(u16::to_string).unwrap_or_default();
            let binding = json!({ "HostIp": ip, "HostPort": outer });
            bound.entry(format!("{inner}/{protocol}")).or_default().push(binding);
        }
    }
    Ok(bound)
}

fn range(text: &str, port: &str) -> Result<Vec<u16>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (from.parse::<u16>(), to.parse::<u16>()) {
        (Ok(from), Ok(to)) if from <= to => Ok((from..=to).collect()),
        _ => bail!(playbook: "`{port}` is no port"; hint: "write \"8080:80\", \"127.0.0.1:8080:80\" or \"53:53/udp\""),
    }
}

/// Ports that are exposed and not bound.
pub fn exposed(ports: &[Value]) -> Result<BTreeSet<String>> {
    Ok(self::ports(ports)?.into_keys().collect())
}

/// Volumes as the engine has them.
pub struct Volumes {
    /// From somewhere: `source:target[:options]`.
    pub binds: Vec<String>,
    /// From nowhere: only the target.
    pub anonymous: Vec<String>,
}

/// Volumes as `docker run -v` takes them.
pub fn volumes(volumes: &[String]) -> Result<Volumes> {
    let mut found = Volumes { binds: Vec::new(), anonymous: Vec::new() };
    for volume in volumes {
        match volume.split(':').collect::<Vec<_>>()[..] {
            [target] if target.starts_with('/') => found.anonymous.push(target.to_owned()),
            [source, target] | [source, target, _] if target.starts_with('/') => {
                if source.starts_with('.') || source.starts_with('~') {
                    bail!(playbook: "`{volume}`: the directory on the host needs its full path");
                }
                found.binds.push(volume.clone());
            }
            _ => bail!(playbook: "`{volume}` is no volume"; hint: "write \"/srv/data:/data:ro\" or \"name:/data\""),
        }
    }
    Ok(found)
}

/// Directories in memory: `/tmp` or `/tmp:size=64m`.
pub fn tmpfs(list: &[String]) -> Option<Value> {
    let split = |one: &String| {
        let (path, options) = one.split_once(':').unwrap_or((one, ""));
        (path.to_owned(), Value::from(options))
    };
    (!list.is_empty()).then(|| Value::Object(list.iter().map(split).collect()))
}

/// A device: `/dev/dri` or `/dev/ttyUSB0:/dev/zigbee:rw`.
pub fn device(device: &str) -> Value {
    let mut parts = device.split(':');
    let outer = parts.next().unwrap_or_default();
    let inner = parts.next().unwrap_or(outer);
    json!({ "PathOnHost": outer, "PathInContainer": inner, "CgroupPermissions": parts.next().unwrap_or("rwm") })
}

/// Graphics cards: `"all"` or how many.
pub fn gpus(wanted: &Value) -> Result<Value> {
    let count = match wanted {
        Value::String(all) if all == "all" => -1,
        count => match count.as_i64() {
            Some(count) => count,
            None => bail!(playbook: "`gpus` is \"all\" or a number"),
        },
    };
    Ok(json!([{ "Count": count, "Capabilities": [["gpu"]] }]))
}

/// Limits by name: `#{ nofile: 65536 }`, `#{ nofile: "1024:65536" }`.
pub fn ulimits(limits: &BTreeMap<String, Value>) -> Result<Value> {
    let one = |(name, limit): (&String, &Value)| {
        let limit = text(limit);
        let (soft, hard) = limit.split_once(':').unwrap_or((&limit, &limit));
        match (soft.parse::<i64>(), hard.parse::<i64>()) {
            (Ok(soft), Ok(hard)) => Ok(json!({ "Name": name, "Soft": soft, "Hard": hard })),
            _ => bail!(playbook: "ulimit `{name}` is a number, or \"SOFT:HARD\""),
        }
    };
    limits.iter().map(one).collect::<Result<Vec<_>>>().map(Value::from)
}

/// What is mounted, in words: for what the short form cannot say.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Where in the container.
    pub target: String,
    /// A directory on the host, or the name of a volume.
    pub source: Option<String>,
    /// `"bind"`, `"volume"` or `"tmpfs"`.
    #[serde(default, rename = "type")]
    pub kind: MountKind,
    /// Whether it can only be read.
    #[serde(default)]
    pub read_only: bool,
    /// How mounts below it spread, such as `"rslave"`; of a bind only.
    pub propagation: Option<String>,
    /// Do not copy into a new volume what the image has there.
    #[serde(default)]
    pub no_copy: bool,
    /// The size of a tmpfs.
    pub tmpfs_size: Option<Size>,
}

/// What a mount is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// A directory or file of the host.
    Bind,
    /// A volume.
    #[default]
    Volume,
    /// Memory.
    Tmpfs,
}

impl Mount {
    /// As the engine takes it.
    pub fn body(&self) -> Result<Value> {
        let kind = match self.kind {
            MountKind::Bind => "bind",
            MountKind::Volume => "volume",
            MountKind::Tmpfs => "tmpfs",
        };
        let mut mount = json!({ "Type": kind, "Target": self.target });
        if let Some(source) = &self.source {
            mount["Source"] = json!(source);
        } else if self.kind == MountKind::Bind {
            bail!(playbook: "the mount of `{}` needs a `source`", self.target);
        }
        if self.read_only {
            mount["ReadOnly"] = json!(true);
        }
        if let Some(propagation) = &self.propagation {
            mount["BindOptions"] = json!({ "Propagation": propagation });
        }
        if self.no_copy {
            mount["VolumeOptions"] = json!({ "NoCopy": true });
        }
        if let Some(size) = self.tmpfs_size {
            mount["TmpfsOptions"] = json!({ "SizeBytes": size.bytes() });
        }
        Ok(mount)
    }
}

/// A check whether the container does what it should.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Healthcheck {
    /// The command: a line for the container's shell, or a list of words; `"none"` switches off that of the image.
    pub test: Many<String>,
    /// How often; 30 s without it.
    pub interval: Option<Span>,
    /// How long one check may take; 30 s without it.
    pub timeout: Option<Span>,
    /// How many failures in a row make it unhealthy; 3 without it.
    pub retries: Option<u32>,
    /// How long failures after the start do not count.
    pub start_period: Option<Span>,
    /// How often in that time.
    pub start_interval: Option<Span>,
}

impl Healthcheck {
    /// As the engine takes it.
    pub fn body(&self) -> Result<Value> {
        let test = match &self.test {
            Many::One(none) if none.eq_ignore_ascii_case("none") => vec!["NONE".to_owned()],
            Many::One(line) => vec!["CMD-SHELL".to_owned(), line.clone()],
            Many::Several(words) => match words.first().map(String::as_str) {
                Some("NONE" | "CMD" | "CMD-SHELL") => words.clone(),
                Some(_) => std::iter::once("CMD".to_owned()).chain(words.iter().cloned()).collect(),
                None => bail!(playbook: "`healthcheck` needs a `test`"),
            },
        };
        let mut body = json!({ "Test": test });
        let spans = [
            ("Interval", self.interval),
            ("Timeout", self.timeout),
            ("StartPeriod", self.start_period),
            ("StartInterval", self.start_interval),
        ];
        for (name, span) in spans {
            if let Some(span) = span {
                body[name] = json!(u64::try_from(span.0.as_nanos()).unwrap_or(u64::MAX));
            }
        }
        if let Some(retries) = self.retries {
            body["Retries"] = json!(retries);
        }
        Ok(body)
    }
}

/// When a container is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never.
    No,
    /// When it fails.
    OnFailure,
    /// Whenever it ends, and when the engine starts.
    Always,
    /// The same, unless somebody has stopped it.
    UnlessStopped,
}

impl RestartPolicy {
    /// As the engine takes it.
    pub fn body(self, retries: Option<u32>) -> Value {
        let name = match self {
            RestartPolicy::No => "no",
            RestartPolicy::OnFailure => "on-failure",
            RestartPolicy::Always => "always",
            RestartPolicy::UnlessStopped => "unless-stopped",
        };
        json!({ "Name": name, "MaximumRetryCount": retries.unwrap_or_default() })
    }
}

/// A network that a container is in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// Further names of the container in it.
    #[serde(default)]
    pub aliases: Many<String>,
    /// A fixed address.
    #[serde(alias = "ip")]
    pub ipv4_address: Option<String>,
    /// A fixed address.
    pub ipv6_address: Option<String>,
}

impl Network {
    /// A name, or a map with more.
    pub fn of(value: &Value) -> Result<Network> {
        let value = match value {
            Value::String(name) => json!({ "name": name }),
            map => map.clone(),
        };
        match serde_json::from_value(value) {
            Ok(network) => Ok(network),
            Err(error) => {
                bail!(playbook: "`networks`: {error}"; hint: "write \"proxy\" or #{{ name: \"proxy\", aliases: [\"web\"], ipv4_address: \"172.20.0.5\" }}")
            }
        }
    }
    /// As the engine takes it.
    pub fn endpoint(&self) -> Value {
        let mut endpoint = json!({});
        if !self.aliases.as_slice().is_empty() {
            endpoint["Aliases"] = json!(self.aliases.as_slice());
        }
        let addresses = [("IPv4Address", &self.ipv4_address), ("IPv6Address", &self.ipv6_address)];
        for (name, address) in addresses {
            if let Some(address) = address {
                endpoint["IPAMConfig"][name] = json!(address);
            }
        }
        endpoint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_docker_run_reads_them() {
        let given = [
            json!("8080:80"),
            json!(9000),
            json!("127.0.0.1:53:53/udp"),
            json!("[::1]:80:80"),
            json!("7000-7001:70-71"),
        ];
        let bound = ports(&given).unwrap();
        let bind = |ip: &str, port: &str| json!({ "HostIp": ip, "HostPort": port });
        assert_eq!(bound["80/tcp"], [bind("", "8080"), bind("::1", "80")]);
        assert_eq!(bound["9000/tcp"], [bind("", "")]);
        assert_eq!(bound["53/udp"], [bind("127.0.0.1", "53")]);
        assert_eq!((&bound["70/tcp"], &bound["71/tcp"]), (&vec![bind("", "7000")], &vec![bind("", "7001")]));
        for wrong in ["web", "80:http", "1-3:1-2", "70000:80"] {
            assert!(ports(&[json!(wrong)]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn memory_is_counted_as_docker_counts_it() {
        for (text, bytes) in
            [("512M", 536_870_912), ("1.5g", 1_610_612_736), ("64MiB", 67_108_864), ("1024", 1024), ("-1", -1)]
        {
            assert_eq!(Size::parse(text).map(Size::bytes), Some(bytes), "{text}");
        }
        assert_eq!(Size::parse("much"), None);
    }
}
