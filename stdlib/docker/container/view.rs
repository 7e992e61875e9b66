//! A container as it is compared and shown: setting by setting, each as people write it. What the image sets by
//! itself is no setting of the container.

use super::spec::text;
use crate::contract::quote;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Settings by the names of their parameters.
pub type Settings = BTreeMap<String, Value>;

/// How a setting is compared.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Plain,
    Words,
    Set,
    Capabilities,
    Map,
    Env,
    Bytes,
    Cpus,
    Health,
    Seconds,
    Ports,
    Exposed,
    Devices,
    Limits,
}

/// When a setting is compared.
#[derive(Clone, Copy, PartialEq)]
enum When {
    /// Always: without the parameter it is as the image has it, or nothing.
    Always,
    /// With the parameter only: what it is without is the engine's business.
    Given,
}

/// Every setting: its parameter, its place in the body, how and when it is compared, and whether the engine can
/// change it in a container that exists.
const SETTINGS: &[(&str, &str, Form, When, bool)] = &[
    ("command", "/Cmd", Form::Words, When::Always, false),
    ("entrypoint", "/Entrypoint", Form::Words, When::Always, false),
    ("env", "/Env", Form::Env, When::Always, false),
    ("user", "/User", Form::Plain, When::Always, false),
    ("workdir", "/WorkingDir", Form::Plain, When::Always, false),
    ("hostname", "/Hostname", Form::Plain, When::Given, false),
    ("domainname", "/Domainname", Form::Plain, When::Always, false),
    ("tty", "/Tty", Form::Plain, When::Always, false),
    ("interactive", "/OpenStdin", Form::Plain, When::Always, false),
    ("stop_signal", "/StopSignal", Form::Plain, When::Always, false),
    ("stop_timeout", "/StopTimeout", Form::Plain, When::Given, false),
    ("labels", "/Labels", Form::Map, When::Always, false),
    ("healthcheck", "/Healthcheck", Form::Health, When::Always, false),
    ("exposed_ports", "/ExposedPorts", Form::Exposed, When::Always, false),
    ("ports", "/HostConfig/PortBindings", Form::Ports, When::Always, false),
    ("publish_all_ports", "/HostConfig/PublishAllPorts", Form::Plain, When::Always, false),
    ("privileged", "/HostConfig/Privileged", Form::Plain, When::Always, false),
    ("init", "/HostConfig/Init", Form::Plain, When::Given, false),
    ("read_only", "/HostConfig/ReadonlyRootfs", Form::Plain, When::Always, false),
    ("auto_remove", "/HostConfig/AutoRemove", Form::Plain, When::Always, false),
    ("capabilities", "/HostConfig/CapAdd", Form::Capabilities, When::Always, false),
    ("cap_drop", "/HostConfig/CapDrop", Form::Capabilities, When::Always, false),
    ("security_opts", "/HostConfig/SecurityOpt", Form::Set, When::Given, false),
    ("groups", "/HostConfig/GroupAdd", Form::Set, When::Always, false),
    ("dns_servers", "/HostConfig/Dns", Form::Set, When::Always, false),
    ("dns_search_domains", "/HostConfig/DnsSearch", Form::Set, When::Always, false),
    ("dns_opts", "/HostConfig/DnsOptions", Form::Set, When::Always, false),
    ("etc_hosts", "/HostConfig/ExtraHosts", Form::Set, When::Always, false),
    ("sysctls", "/HostConfig/Sysctls", Form::Map, When::Always, false),
    ("devices", "/HostConfig/Devices", Form::Devices, When::Always, false),
    ("gpus", "/HostConfig/DeviceRequests", Form::Plain, When::Given, false),
    ("ulimits", "/HostConfig/Ulimits", Form::Limits, When::Given, false),
    ("memory", "/HostConfig/Memory", Form::Bytes, When::Always, true),
    ("memory_swap", "/HostConfig/MemorySwap", Form::Bytes, When::Given, true),
    ("memory_reservation", "/HostConfig/MemoryReservation", Form::Bytes, When::Always, true),
    ("shm_size", "/HostConfig/ShmSize", Form::Bytes, When::Given, false),
    ("cpus", "/HostConfig/NanoCpus", Form::Cpus, When::Always, true),
    ("cpu_shares", "/HostConfig/CpuShares", Form::Plain, When::Always, true),
    ("cpuset_cpus", "/HostConfig/CpusetCpus", Form::Plain, When::Always, true),
    ("pids_limit", "/HostConfig/PidsLimit", Form::Plain, When::Given, true),
    ("pid_mode", "/HostConfig/PidMode", Form::Plain, When::Always, false),
    ("ipc_mode", "/HostConfig/IpcMode", Form::Plain, When::Given, false),
    ("userns_mode", "/HostConfig/UsernsMode", Form::Plain, When::Always, false),
    ("cgroupns_mode", "/HostConfig/CgroupnsMode", Form::Plain, When::Given, false),
    ("runtime", "/HostConfig/Runtime", Form::Plain, When::Given, false),
    ("restart_policy", "/HostConfig/RestartPolicy/Name", Form::Plain, When::Always, true),
    ("restart_retries", "/HostConfig/RestartPolicy/MaximumRetryCount", Form::Plain, When::Always, true),
    ("log_driver", "/HostConfig/LogConfig/Type", Form::Plain, When::Given, false),
    ("log_options", "/HostConfig/LogConfig/Config", Form::Map, When::Given, false),
];

/// The label that says which settings a container was given of those that are not compared otherwise: one that is not
/// given any longer is then seen, and is the engine's business again.
pub const GIVEN: &str = "hlrun.given";

/// Notes in a body which of those settings it has; `networks` are another, if they are decided.
pub fn note_given(body: &mut Value, networks: bool) {
    let given = SETTINGS.iter().filter(|(_, place, _, when, _)| *when == When::Given && body.pointer(place).is_some());
    let names: Vec<&str> = given.map(|(name, ..)| *name).chain(networks.then_some("networks")).collect();
    if !names.is_empty() {
        if !body["Labels"].is_object() {
            body["Labels"] = json!({});
        }
        body["Labels"][GIVEN] = json!(names.join(","));
    }
}

/// Whether a container was given a setting, by its label.
pub fn was_given(body: &Value, setting: &str) -> bool {
    body["Labels"][GIVEN].as_str().is_some_and(|names| names.split(',').any(|name| name == setting))
}

/// The settings of a body: those that count always, and those that are `given`, or were. What the `image` sets by itself
/// is left out, but for what is given all the same.
pub fn settings(body: &Value, image: &Value, given: &Value) -> Settings {
    let mut found = Settings::new();
    for (name, place, form, when, _) in SETTINGS {
        let asked = given.pointer(place);
        let dropped = || was_given(body, name) && !was_given(given, name);
        if *when == When::Given && asked.is_none() && !dropped() {
            continue;
        }
        // A health check or a command of the image is in the container's body, too.
        let by_image = image.pointer(place).filter(|_| !place.starts_with("/HostConfig"));
        let mut own = form.shown(body.pointer(place).unwrap_or(&Value::Null));
        if let (true, Some(own)) = (*name == "labels", own.as_object_mut()) {
            own.remove(GIVEN);
        }
        if let (true, Some(own)) = (*name == "security_opts" && shares(body), own.as_object_mut()) {
            // The engine adds that by itself.
            let asked = asked.is_some_and(|asked| strings(asked).any(|option| option == "label=disable"));
            own.retain(|option, _| asked || option != "label=disable");
        }
        let inherited = by_image.map(|value| form.shown(value)).unwrap_or_default();
        let wanted = asked.map(|value| form.shown(value)).unwrap_or_default();
        let left = match (own, &inherited) {
            (Value::Object(own), Value::Object(inherited))
                if form.by_entry() || *form == Form::Health && !wanted.is_null() =>
            {
                let keep =
                    |(key, value): &(String, Value)| inherited.get(key) != Some(value) || wanted.get(key).is_some();
                Value::Object(own.into_iter().filter(keep).collect())
            }
            (own, inherited) if own == *inherited && wanted.is_null() => Value::Null,
            (own, _) => own,
        };
        if !empty(&left) || form.by_entry() {
            found.insert((*name).to_owned(), left);
        }
    }
    found.insert("volumes".to_owned(), volumes(body, image, given));
    let mode = body.pointer("/HostConfig/NetworkMode").and_then(Value::as_str).unwrap_or_default();
    if ["host", "none"].contains(&mode) || mode.starts_with("container:") {
        found.insert("network_mode".to_owned(), mode.into());
    }
    found
}

/// Whether the engine can bring a container from some settings to others without making it anew.
pub fn changeable(now: &Settings, want: &Settings) -> bool {
    let live = |name: &str| SETTINGS.iter().any(|(setting, _, _, _, live)| *setting == name && *live);
    let names: BTreeSet<&String> = now.keys().chain(want.keys()).collect();
    let differ = names.into_iter().filter(|name| now.get(*name) != want.get(*name));
    // Nothing, as a limit, means that the engine leaves the limit alone.
    differ.into_iter().all(|name| live(name) && (want.contains_key(name) || name.starts_with("restart_")))
}

/// The part of a body that the engine can change in a container that exists, as far as it differs.
pub fn update(now: &Settings, want: &Settings, body: &Value) -> Value {
    let mut host = Map::new();
    for (name, place, ..) in SETTINGS.iter().filter(|(name, .., live)| *live && now.get(*name) != want.get(*name)) {
        let place = place.trim_start_matches("/HostConfig/").split('/').next().unwrap_or_default();
        let none =
            if name.starts_with("restart_") { json!({ "Name": "no", "MaximumRetryCount": 0 }) } else { Value::Null };
        host.insert(place.to_owned(), body["HostConfig"].get(place).cloned().unwrap_or(none));
    }
    // Less memory than swap is refused; the engine gives a new container twice as much.
    if let (Some(memory), None) = (host.get("Memory").and_then(Value::as_i64), host.get("MemorySwap")) {
        host.insert("MemorySwap".to_owned(), json!(memory * 2));
    }
    Value::Object(host)
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// Whether a container has what is the host's, so that SELinux would be in its way.
fn shares(body: &Value) -> bool {
    let host = &body["HostConfig"];
    host["Privileged"] == true || host["PidMode"] == "host" || host["IpcMode"] == "host"
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

impl Form {
    /// Whether it is compared entry by entry.
    fn by_entry(self) -> bool {
        use Form::{Capabilities, Devices, Env, Exposed, Limits, Map, Ports, Set};
        matches!(self, Set | Capabilities | Map | Env | Ports | Exposed | Devices | Limits)
    }
    /// A value as it is compared and shown.
    fn shown(self, value: &Value) -> Value {
        let set = |items: Vec<String>| Value::Object(items.into_iter().map(|item| (item, json!(true))).collect());
        let items = || value.as_array().into_iter().flatten();
        match self {
            Form::Plain if empty(value) || value == "no" => Value::Null,
            Form::Plain => value.clone(),
            Form::Words if empty(value) => Value::Null,
            Form::Words => json!(strings(value).map(quote).collect::<Vec<_>>().join(" ")),
            Form::Set => set(strings(value).map(str::to_owned).collect()),
            Form::Capabilities => {
                // The engine takes them with and without their prefix, in any case.
                let name = |item: &str| item.to_uppercase().trim_start_matches("CAP_").to_owned();
                set(strings(value).map(name).collect())
            }
            Form::Map => match value {
                Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), json!(text(value)))).collect(),
                _ => json!({}),
            },
            Form::Env => {
                let pairs = strings(value).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
                Value::Object(pairs.map(|(name, value)| (name.to_owned(), json!(value))).collect())
            }
            Form::Bytes => {
                value.as_i64().filter(|bytes| *bytes != 0).map_or(Value::Null, |bytes| json!(bytes_shown(bytes)))
            }
            Form::Cpus => match value.as_f64() {
                Some(nano) if nano > 0.0 => json!(nano / 1e9),
                _ => Value::Null,
            },
            Form::Seconds => {
                value.as_f64().filter(|nano| *nano > 0.0).map_or(Value::Null, |nano| json!(format!("{}s", nano / 1e9)))
            }
            Form::Health => health(value),
            Form::Ports => {
                let one = |(port, bound): (&String, &Value)| {
                    let mut bound: Vec<String> = bound.as_array().into_iter().flatten().map(binding).collect();
                    bound.sort();
                    (port.clone(), json!(bound.join(" ")))
                };
                value.as_object().into_iter().flatten().map(one).collect()
            }
            Form::Exposed => set(value.as_object().into_iter().flatten().map(|(port, _)| port.clone()).collect()),
            Form::Devices => {
                let part = |device: &Value, name: &str| device[name].as_str().unwrap_or_default().to_owned();
                let one = |device: &Value| {
                    let outer = format!("{} {}", part(device, "PathOnHost"), part(device, "CgroupPermissions"));
                    (part(device, "PathInContainer"), json!(outer))
                };
                Value::Object(items().map(one).collect())
            }
            Form::Limits => {
                let one = |limit: &Value| (text(&limit["Name"]), json!(format!("{}:{}", limit["Soft"], limit["Hard"])));
                Value::Object(items().map(one).collect())
            }
        }
    }
}

fn bytes_shown(bytes: i64) -> String {
    let units = [(1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    match units.into_iter().find(|(size, _)| bytes > 0 && bytes % size == 0) {
        Some((size, unit)) => format!("{}{unit}", bytes / size),
        None => bytes.to_string(),
    }
}

fn binding(binding: &Value) -> String {
    let part = |name: &str| binding[name].as_str().unwrap_or_default();
    let port = if part("HostPort").is_empty() { "any" } else { part("HostPort") };
    match part("HostIp") {
        "" | "0.0.0.0" => port.to_owned(),
        ip if ip.contains(':') => format!("[{ip}]:{port}"),
        ip => format!("{ip}:{port}"),
    }
}

fn health(value: &Value) -> Value {
    let Some(fields) = value.as_object().filter(|fields| !fields.is_empty()) else { return Value::Null };
    let test: Vec<&str> = fields.get("Test").map(|test| strings(test).collect()).unwrap_or_default();
    let test = match test.split_first() {
        Some((&"CMD-SHELL", rest)) => rest.join(" "),
        Some((&"CMD", rest)) => rest.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "),
        Some((&first, _)) => first.to_lowercase(),
        None => String::new(),
    };
    let mut shown = json!({ "test": test });
    let spans = [
        ("Interval", "interval"),
        ("Timeout", "timeout"),
        ("StartPeriod", "start_period"),
        ("StartInterval", "start_interval"),
    ];
    for (field, name) in spans {
        let span = Form::Seconds.shown(fields.get(field).unwrap_or(&Value::Null));
        if !span.is_null() {
            shown[name] = span;
        }
    }
    if let Some(retries) = fields.get("Retries").filter(|retries| !empty(retries)) {
        shown["retries"] = retries.clone();
    }
    shown
}

/// Whether a volume has no name of its own.
pub fn anonymous(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What is mounted, by where: volumes without a name come and go with the image, and are no setting.
fn volumes(body: &Value, image: &Value, given: &Value) -> Value {
    let mut found = Map::new();
    for bind in strings(&body["HostConfig"]["Binds"]) {
        let mut parts = bind.split(':');
        let (source, target) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let options: BTreeSet<&str> =
            parts.next().unwrap_or_default().split(',').filter(|o| !["", "rw"].contains(o)).collect();
        let options: String = options.iter().map(|option| format!(" {option}")).collect();
        if !anonymous(source) {
            found.insert(target.trim_end_matches('/').to_owned(), json!(format!("{source}{options}")));
        }
    }
    for mount in body["HostConfig"]["Mounts"].as_array().into_iter().flatten() {
        let part = |name: &str| mount[name].as_str().unwrap_or_default();
        let mut words = vec![part("Type"), part("Source")];
        words.extend((mount["ReadOnly"] == true).then_some("ro"));
        words.extend(mount["BindOptions"]["Propagation"].as_str());
        words.extend((mount["VolumeOptions"]["NoCopy"] == true).then_some("nocopy"));
        let size = Form::Bytes.shown(&mount["TmpfsOptions"]["SizeBytes"]);
        words.extend(size.as_str());
        words.retain(|word| !word.is_empty());
        found.insert(part("Target").to_owned(), json!(words.join(" ")));
    }
    for (path, options) in body["HostConfig"]["Tmpfs"].as_object().into_iter().flatten() {
        let shown = format!("tmpfs {}", options.as_str().unwrap_or_default());
        found.insert(path.clone(), json!(shown.trim()));
    }
    let own = body["Volumes"].as_object().into_iter().flatten().map(|(path, _)| path);
    for path in own {
        let by_image = image["Volumes"].get(path).is_some();
        if given["Volumes"].get(path).is_some() || !by_image {
            found.entry(path.clone()).or_insert_with(|| json!("anonymous"));
        }
    }
    Value::Object(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_image_sets_is_no_setting_of_the_container() {
        let image = json!({
            "Env": ["PATH=/bin", "MODE=a"], "Cmd": ["run"], "Labels": { "made": "here" }, "ExposedPorts": { "80/tcp": {} },
            "Volumes": { "/data": {} }, "Healthcheck": { "Test": ["CMD-SHELL", "true"] },
        });
        let mut body = image.clone();
        body["Hostname"] = json!("0f3a");
        body["HostConfig"] =
            json!({ "NetworkMode": "bridge", "RestartPolicy": { "Name": "no" }, "Memory": 0, "Init": null });
        let given = json!({});
        assert_eq!(settings(&body, &image, &given), settings(&given, &json!({}), &given));
        // What is given as the image has it is a setting all the same.
        let given = json!({ "Env": ["MODE=a"], "Cmd": ["run"] });
        assert_eq!(settings(&body, &image, &given), settings(&given, &json!({}), &given));
    }

    #[test]
    fn what_is_given_and_what_the_engine_made_of_it_are_the_same() {
        let given = json!({
            "Env": ["B=2", "A=1=1"], "Cmd": ["sh", "-c", "a b"],
            "HostConfig": {
                "Binds": ["/a:/b:rw", "v:/c/:z,ro"], "CapAdd": ["NET_ADMIN"], "Memory": 536_870_912, "NanoCpus": 1_500_000_000,
                "PortBindings": { "80/tcp": [{ "HostIp": "", "HostPort": "8080" }] }, "Tmpfs": { "/tmp": "" },
                "RestartPolicy": { "Name": "always", "MaximumRetryCount": 0 },
            },
        });
        let volume = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let made = json!({
            "Env": ["A=1=1", "B=2", "PATH=/bin"], "Cmd": ["sh", "-c", "a b"], "Entrypoint": null, "User": "", "Tty": false,
            "HostConfig": {
                "Binds": ["v:/c:ro,z", "/a:/b", format!("{volume}:/data")], "CapAdd": ["CAP_NET_ADMIN"], "CapDrop": null,
                "Memory": 536_870_912, "MemorySwap": 1_073_741_824, "NanoCpus": 1_500_000_000, "ShmSize": 67_108_864,
                "PortBindings": { "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "8080" }] }, "Tmpfs": { "/tmp": "" },
                "RestartPolicy": { "Name": "always", "MaximumRetryCount": 0 }, "Privileged": false, "Runtime": "runc",
            },
        });
        let wanted = settings(&given, &json!({}), &given);
        assert_eq!(settings(&made, &json!({ "Env": ["PATH=/bin"] }), &given), wanted);
        assert_eq!(wanted["memory"], "512M");
        assert_eq!(wanted["ports"], json!({ "80/tcp": "8080" }));
        assert_eq!(wanted["volumes"], json!({ "/b": "/a", "/c": "v ro z", "/tmp": "tmpfs" }));
        assert_eq!(wanted["command"], "sh -c 'a b'");
    }

    #[test]
    fn limits_change_in_place_and_all_else_does_not() {
        let of = |host: Value| {
            let body = json!({ "HostConfig": host });
            settings(&body, &json!({}), &body)
        };
        let small = of(json!({ "Memory": 1024, "RestartPolicy": { "Name": "always" } }));
        let large = of(json!({ "Memory": 2048 }));
        assert!(changeable(&small, &large) && changeable(&large, &small));
        // The engine cannot take a limit away.
        assert!(!changeable(&small, &of(json!({}))));
        assert!(!changeable(&small, &of(json!({ "Memory": 1024, "Privileged": true }))));
        let body = update(&small, &large, &json!({ "HostConfig": { "Memory": 2048 } }));
        let never = json!({ "Name": "no", "MaximumRetryCount": 0 });
        assert_eq!(body, json!({ "Memory": 2048, "RestartPolicy": never, "MemorySwap": 4096 }));
    }
}
