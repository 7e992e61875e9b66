//! Limits that the engine leaves out, for the kernel of its host does not know them.

use super::view::{Settings, settings};
use crate::contract::docker::Verb;
use crate::contract::{Look, Result};
use serde_json::Value;

/// Limits, and what the engine says of itself where it can set them. A Raspberry Pi has no limit of memory unless its
/// kernel is told to (`cgroup_enable=memory`).
const LIMITS: [(&str, &str); 6] = [
    ("memory", "MemoryLimit"),
    ("memory_reservation", "MemoryLimit"),
    ("memory_swap", "SwapLimit"),
    ("cpu_shares", "CPUShares"),
    ("cpuset_cpus", "CPUSet"),
    ("pids_limit", "PidsLimit"),
];

/// Takes limits that a container was to have and that cannot be set for set, and tells which they are. The engine is
/// only asked where something differs.
pub async fn discarded(
    host: &dyn Look,
    socket: Option<&String>,
    body: &Value,
    now: &mut Settings,
) -> Result<Vec<&'static str>> {
    let want = settings(body, &Value::Null, body);
    let differ = LIMITS.into_iter().filter(|(name, _)| want.contains_key(*name) && now.get(*name) != want.get(*name));
    let differ: Vec<(&str, &str)> = differ.collect();
    if differ.is_empty() {
        return Ok(Vec::new());
    }
    let info = host.docker_json(&Verb::Info.at(socket)).await?.unwrap_or_default();
    let names = differ.into_iter().filter(|(_, known)| info[*known] == false).map(|(name, _)| name);
    let names: Vec<&str> = names.collect();
    for name in &names {
        now.insert((*name).to_owned(), want[*name].clone());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::replay::Replay;
    use futures_util::FutureExt;
    use serde_json::json;

    #[test]
    fn a_limit_that_the_kernel_does_not_know_is_no_difference() {
        let host = Replay::new("? docker info\n= {\"MemoryLimit\":false,\"CPUShares\":true}\n").unwrap();
        let body = json!({ "HostConfig": { "Memory": 536_870_912, "CpuShares": 512 } });
        let mut now = settings(&json!({}), &Value::Null, &body);
        let told = discarded(&host, None, &body, &mut now).now_or_never().unwrap().unwrap();
        assert_eq!((told, &now["memory"], now.get("cpu_shares")), (vec!["memory"], &json!("512M"), None));
    }
}
