//! Questions that a host answers of itself: operating system, network, disks, packages, services, users, clock.
//!
//! Nothing is gathered in advance: a fact is asked for where it is used, once, and several that one command
//! answers share it. Each has a time limit of its own, so that a dead mount or name server hangs nothing. They need no
//! Python, only a POSIX `sh`, coreutils or busybox and `/proc`. In templates the same facts have Ansible's names:
//! `ansible_os_family`, `ansible_default_ipv4.address`, `ansible_facts.fqdn`.

/// A question without parameters.
macro_rules! fact {
    ($(#[$docs:meta])* $name:ident -> $answer:ty: |$host:ident| $ask:expr) => {
        $(#[$docs])*
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {}

        impl Fact for $name {
            type Answer = $answer;

            async fn ask(&self, $host: &dyn Look) -> Result<$answer> {
                Ok($ask)
            }
        }
    };
}

mod machine;
mod network;
mod os;
mod software;
mod storage;
mod user;

pub use machine::*;
pub use network::*;
pub use os::*;
pub use software::*;
pub use storage::*;
pub use user::*;

use crate::contract::{Command, Look, Module, Result};
use std::time::Duration;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.fact::<OsFamily>().fact::<Distribution>().fact::<DistributionVersion>().fact::<DistributionMajorVersion>();
    module.fact::<Release>().fact::<Architecture>().fact::<Kernel>().fact::<Hostname>();
    module.fact::<Fqdn>().fact::<DefaultIpv4>().fact::<Ipv4Addresses>().fact::<Interfaces>().fact::<Dns>();
    module.fact::<Listening>().fact::<MemoryMb>().fact::<MemoryAvailableMb>().fact::<SwapMb>().fact::<SwapFreeMb>();
    module.fact::<Cores>().fact::<User>().fact::<Uid>().fact::<Gid>().fact::<Home>().fact::<Env>().fact::<Getent>();
    module.fact::<Mounts>().fact::<Disks>().fact::<Packages>().fact::<Services>();
    module.fact::<Virtualization>().fact::<ServiceManager>().fact::<UptimeSeconds>().fact::<BootId>();
    module.fact::<MachineId>().fact::<DateTime>();
}

/// What a long script of ours prints within its time; a failure is an error.
async fn query(host: &dyn Look, gist: &str, script: &str, limit: Duration) -> Result<String> {
    host.text(&Command::gist(gist, script).timeout(Some(limit))).await
}

#[cfg(test)]
mod tests {
    use crate::contract::replay::{Replay, parse};
    use crate::shared::facts::gather;
    use futures_util::FutureExt;
    use serde_json::{Value, json};

    fn transcripts() -> Vec<(String, String)> {
        let entries = &crate::modules().iter().find(|m| m.name == "facts").unwrap().entries;
        let transcript =
            |docs: &str| docs.split("```transcript\n").nth(1).unwrap().split("```").next().unwrap().to_owned();
        entries.iter().map(|entry| (entry.name.clone(), transcript(&entry.docs))).collect()
    }

    #[test]
    fn every_fact_reads_what_its_transcript_says() {
        let mut answers = serde_json::Map::new();
        for (name, transcript) in transcripts() {
            let host = Replay::new(&transcript).unwrap();
            let args = if name == "getent" { json!({ "database": "passwd", "key": "media" }) } else { json!({}) };
            let answer = crate::entry("facts", &name).unwrap().typed.ask(args, &host).now_or_never().unwrap();
            answers.insert(name.clone(), answer.unwrap_or_else(|e| panic!("{name}: {e}")));
            assert_eq!(host.heard(), parse(&transcript).unwrap(), "{name}");
        }
        for (path, want) in [
            ("/os_family", json!("Debian")),
            ("/distribution_version", json!("12.11")),
            ("/release", json!("bookworm")),
            ("/default_ipv4/gateway", json!("192.168.1.1")),
            ("/default_ipv4/netmask", json!("255.255.255.0")),
            ("/memory_mb", json!(15933)),
            ("/home", json!("/home/media")),
            ("/mounts/1/size", json!(131072u64 * 29000000)),
            ("/mounts/2/size", Value::Null),
            ("/mounts/2/hangs", json!(true)),
            ("/interfaces/0/ipv4/0", json!("192.168.1.20/24")),
            ("/interfaces/0/ipv6/0", json!("fe80::1/64")),
            ("/dns/servers/1", json!("fd00::1")),
            ("/dns/search", json!(["lan", "example.com"])),
            ("/listening/1/address", json!("::1")),
            ("/listening/0/program", json!("sshd")),
            ("/disks/0/size", json!(1953525168u64 * 512)),
            ("/disks/1/model", json!("WDC WD40EFRX-68N")),
            ("/swap_free_mb", json!(1023)),
            ("/getent/4", json!("/home/media")),
            ("/packages/docker-ce", json!("5:28.3.3-1")),
            ("/services/ssh.service/status", json!("enabled")),
            ("/services/rsync.service/state", json!("stopped")),
            ("/date_time/time", json!("23:11:11")),
        ] {
            assert_eq!(Value::Object(answers.clone()).pointer(path), Some(&want), "{path}");
        }
    }

    #[test]
    fn templates_get_ansibles_names_and_only_what_they_use() {
        let all: String = transcripts().into_iter().map(|(_, transcript)| transcript).collect();
        let host = Replay::new(&all).unwrap();
        let facts = |names: &[&str]| Value::Object(gather(names, &host).now_or_never().unwrap().unwrap());
        let used = facts(&["ansible_os_family", "ansible_default_ipv4.address", "port"]);
        assert_eq!(used["ansible_os_family"], "Debian");
        assert_eq!(used.as_object().unwrap().len(), 2);
        assert_eq!(host.heard().len(), 2);
        assert_eq!(facts(&["ansible_facts.kernel"])["ansible_facts"], json!({"kernel": "6.1.0-38-amd64"}));
        assert_eq!(
            facts(&["ansible_facts"])["ansible_facts"].as_object().unwrap().len(),
            crate::shared::facts::NAMES.len()
        );
    }
}
