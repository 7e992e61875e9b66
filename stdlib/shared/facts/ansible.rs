//! Facts under the names that Ansible gave them, so that existing templates work.

use super::*;
use crate::contract::Kind;
use futures_util::future::join_all;
use serde_json::{Map, Value, json};

/// Every name that [`gather`] can fill, without `ansible_`, and the question that answers it.
pub const NAMES: &[(&str, Question)] = &[
    ("os_family", Question::Os),
    ("distribution", Question::Os),
    ("distribution_version", Question::Os),
    ("distribution_major_version", Question::Os),
    ("distribution_release", Question::Os),
    ("lsb", Question::Os),
    ("system", Question::Kernel),
    ("kernel", Question::Kernel),
    ("architecture", Question::Kernel),
    ("machine", Question::Kernel),
    ("userspace_bits", Question::Kernel),
    ("hostname", Question::Kernel),
    ("nodename", Question::Kernel),
    ("fqdn", Question::Fqdn),
    ("domain", Question::Fqdn),
    ("default_ipv4", Question::Network),
    ("interfaces", Question::Network),
    ("all_ipv4_addresses", Question::Network),
    ("memtotal_mb", Question::Memory),
    ("memfree_mb", Question::Memory),
    ("swaptotal_mb", Question::Memory),
    ("swapfree_mb", Question::Memory),
    ("processor_vcpus", Question::Cores),
    ("processor_nproc", Question::Cores),
    ("user_id", Question::User),
    ("user_uid", Question::User),
    ("user_gid", Question::User),
    ("user_dir", Question::User),
    ("user_shell", Question::User),
    ("user_gecos", Question::User),
    ("env", Question::Env),
    ("mounts", Question::Mounts),
    ("virtualization_type", Question::Virtualization),
    ("virtualization_role", Question::Virtualization),
    ("uptime_seconds", Question::Uptime),
    ("machine_id", Question::MachineId),
    ("service_mgr", Question::ServiceManager),
    ("date_time", Question::DateTime),
];

/// What is asked of a host to fill some names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// `/etc/os-release`.
    Os,
    /// `uname`.
    Kernel,
    /// The full name.
    Fqdn,
    /// Addresses and routes.
    Network,
    /// `/proc/meminfo`.
    Memory,
    /// The number of processors.
    Cores,
    /// The user that commands run as.
    User,
    /// The environment.
    Env,
    /// What is mounted.
    Mounts,
    /// What the host runs in.
    Virtualization,
    /// `/proc/uptime`.
    Uptime,
    /// `/etc/machine-id`.
    MachineId,
    /// What runs services.
    ServiceManager,
    /// The clock.
    DateTime,
}

/// Asks for the facts that a template uses and answers them as variables: `ansible_os_family`,
/// `ansible_default_ipv4`... and all of them again below `ansible_facts`.
///
/// `names` are what the template asks for (see `template::names`): `ansible_os_family`,
/// `ansible_default_ipv4.address`, `ansible_facts.os_family`; just `ansible_facts` asks for everything, other names
/// ask for nothing. A fact that this host cannot answer is left out; a host that cannot be reached, or does not
/// answer in time, is an error.
pub async fn gather(names: &[&str], host: &dyn Look) -> Result<Map<String, Value>> {
    let all = names.contains(&"ansible_facts");
    let wanted = |fact: &str| {
        all || names.iter().any(|name| {
            let bare = name.strip_prefix("ansible_facts.").or_else(|| name.strip_prefix("ansible_"));
            bare.is_some_and(|bare| bare.split('.').next() == Some(fact))
        })
    };
    let mut questions: Vec<Question> = Vec::new();
    for (name, question) in NAMES {
        if wanted(name) && !questions.contains(question) {
            questions.push(*question);
        }
    }
    let mut bare = Map::new();
    for answer in join_all(questions.into_iter().map(|question| answer(question, host))).await {
        match answer {
            Ok(Value::Object(facts)) => bare.extend(facts),
            Ok(_) => {}
            Err(error) if error.kind == Kind::Host => {}
            Err(error) => return Err(error),
        }
    }
    bare.retain(|name, _| wanted(name));
    let mut facts: Map<String, Value> =
        bare.iter().map(|(name, value)| (format!("ansible_{name}"), value.clone())).collect();
    if names.iter().any(|name| *name == "ansible_facts" || name.starts_with("ansible_facts.")) {
        facts.insert("ansible_facts".to_owned(), Value::Object(bare));
    }
    Ok(facts)
}

async fn answer(question: Question, host: &dyn Look) -> Result<Value> {
    Ok(match question {
        Question::Os => {
            let os = os(host).await?;
            json!({
                "os_family": os.family,
                "distribution": os.distribution,
                "distribution_version": os.version,
                "distribution_major_version": os.major_version,
                "distribution_release": os.release,
                "lsb": {
                    "id": os.distribution,
                    "release": if os.distribution == "Debian" { &os.major_version } else { &os.version },
                    "major_release": os.major_version,
                    "codename": os.release,
                    "description": os.description,
                },
            })
        }
        Question::Kernel => {
            let kernel = kernel(host).await?;
            let bits = if kernel.architecture.contains("64") || kernel.architecture == "s390x" { "64" } else { "32" };
            json!({
                "system": kernel.system,
                "kernel": kernel.release,
                "architecture": kernel.architecture,
                "machine": kernel.architecture,
                "userspace_bits": bits,
                "hostname": kernel.node.split('.').next(),
                "nodename": kernel.node,
            })
        }
        Question::Fqdn => {
            let fqdn = fqdn(host).await?;
            json!({ "domain": fqdn.split_once('.').map_or("", |(_, domain)| domain), "fqdn": fqdn })
        }
        Question::Network => {
            let network = network(host).await?;
            let addresses: Vec<&str> = network.addresses.iter().map(|a| a.address.as_str()).collect();
            let default = network.default.as_ref().map(|ip| {
                json!({
                    "address": ip.address, "interface": ip.interface, "alias": ip.interface, "gateway": ip.gateway,
                    "prefix": ip.prefix.to_string(), "netmask": ip.netmask, "network": ip.network,
                    "broadcast": ip.broadcast, "macaddress": ip.macaddress, "mtu": ip.mtu,
                })
            });
            json!({
                "default_ipv4": default.unwrap_or_else(|| json!({})),
                "interfaces": network.interfaces,
                "all_ipv4_addresses": addresses,
            })
        }
        Question::Memory => {
            let memory = memory(host).await?;
            json!({
                "memtotal_mb": memory.total, "memfree_mb": memory.free,
                "swaptotal_mb": memory.swap_total, "swapfree_mb": memory.swap_free,
            })
        }
        Question::Cores => {
            let cores = cores(host).await?;
            json!({ "processor_vcpus": cores, "processor_nproc": cores })
        }
        Question::User => {
            let user = user(host).await?;
            json!({
                "user_id": user.name, "user_uid": user.uid, "user_gid": user.gid, "user_dir": user.home,
                "user_shell": user.shell, "user_gecos": user.gecos,
            })
        }
        Question::Env => json!({ "env": env(host).await? }),
        Question::Mounts => {
            let mounts = mounts(host).await?;
            let mounts = mounts.into_iter().map(|mount| {
                json!({
                    "mount": mount.path, "device": mount.device, "fstype": mount.fstype, "options": mount.options,
                    "size_total": mount.size, "size_available": mount.free,
                })
            });
            json!({ "mounts": mounts.collect::<Vec<_>>() })
        }
        Question::Virtualization => {
            let found = virtualization(host).await?;
            let (kind, role) = match found.as_str() {
                "none" => ("NA", "NA"),
                "vmware" => ("VMware", "guest"),
                "oracle" => ("virtualbox", "guest"),
                "microsoft" => ("VirtualPC", "guest"),
                "qemu" => ("kvm", "guest"),
                other => (other, "guest"),
            };
            json!({ "virtualization_type": kind, "virtualization_role": role })
        }
        Question::Uptime => json!({ "uptime_seconds": uptime_seconds(host).await? }),
        Question::MachineId => json!({ "machine_id": machine_id(host).await? }),
        Question::ServiceManager => json!({ "service_mgr": service_manager(host).await? }),
        Question::DateTime => json!({ "date_time": date_time(host).await? }),
    })
}
