//! Questions that a host answers of itself: operating system, network, memory, user, mounts, clock.
//!
//! Nothing is gathered in advance: a fact is asked for where it is used, once, and several that one command
//! answers share it. They need no Python, only a POSIX `sh`, coreutils or busybox and `/proc`. In templates the
//! same facts have Ansible's names: `ansible_os_family`, `ansible_default_ipv4.address`, `ansible_facts.fqdn`.

use crate::contract::{Fact, Look, Module, Result};
use crate::shared::facts::*;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.fact::<OsFamily>().fact::<Distribution>().fact::<DistributionVersion>().fact::<DistributionMajorVersion>();
    module.fact::<Release>().fact::<Architecture>().fact::<Kernel>().fact::<Hostname>();
    module.fact::<Fqdn>().fact::<DefaultIpv4>().fact::<Ipv4Addresses>().fact::<MemoryMb>();
    module.fact::<MemoryAvailableMb>().fact::<Cores>().fact::<User>().fact::<Uid>();
    module.fact::<Gid>().fact::<Home>().fact::<Env>().fact::<Mounts>();
    module.fact::<Virtualization>().fact::<ServiceManager>().fact::<UptimeSeconds>().fact::<BootId>();
    module.fact::<MachineId>().fact::<DateTime>();
}

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

fact! {
    /// Ask for the family of the operating system, in Ansible's words.
    ///
    /// `Debian` (with Ubuntu, Raspberry Pi OS, Mint), `RedHat` (with Fedora, Rocky, Alma), `Archlinux`, `Alpine`,
    /// `Suse`; or the distribution itself.
    ///
    /// ```rhai
    /// if facts::os_family() == "Debian" { print("apt is here"); }
    /// ```
    /// ```transcript
    /// ? sh -c 'cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release || exit; echo "DEBIAN_VERSION=$(cat /etc/debian_version 2>/dev/null)"' sh
    /// = PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
    /// = NAME="Debian GNU/Linux"
    /// = VERSION_ID="12"
    /// = VERSION_CODENAME=bookworm
    /// = ID=debian
    /// = DEBIAN_VERSION=12.11
    /// ```
    OsFamily -> String: |host| os(host).await?.family
}

fact! {
    /// Ask for the distribution: `Debian`, `Ubuntu`, `Fedora`, `Rocky`, `Archlinux`, `Alpine`...
    ///
    /// ```rhai
    /// facts::distribution();
    /// ```
    /// ```transcript
    /// ? sh -c 'cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release || exit; echo "DEBIAN_VERSION=$(cat /etc/debian_version 2>/dev/null)"' sh
    /// = PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
    /// = NAME="Debian GNU/Linux"
    /// = VERSION_ID="12"
    /// = VERSION_CODENAME=bookworm
    /// = ID=debian
    /// = DEBIAN_VERSION=12.11
    /// ```
    Distribution -> String: |host| os(host).await?.distribution
}

fact! {
    /// Ask for the full version of the distribution, such as `12.11` or `24.04`.
    ///
    /// Empty on a rolling release.
    ///
    /// ```rhai
    /// facts::distribution_version();
    /// ```
    /// ```transcript
    /// ? sh -c 'cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release || exit; echo "DEBIAN_VERSION=$(cat /etc/debian_version 2>/dev/null)"' sh
    /// = PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
    /// = NAME="Debian GNU/Linux"
    /// = VERSION_ID="12"
    /// = VERSION_CODENAME=bookworm
    /// = ID=debian
    /// = DEBIAN_VERSION=12.11
    /// ```
    DistributionVersion -> String: |host| os(host).await?.version
}

fact! {
    /// Ask for the version of the distribution up to the first dot, such as `12`.
    ///
    /// ```rhai
    /// facts::distribution_major_version();
    /// ```
    /// ```transcript
    /// ? sh -c 'cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release || exit; echo "DEBIAN_VERSION=$(cat /etc/debian_version 2>/dev/null)"' sh
    /// = PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
    /// = NAME="Debian GNU/Linux"
    /// = VERSION_ID="12"
    /// = VERSION_CODENAME=bookworm
    /// = ID=debian
    /// = DEBIAN_VERSION=12.11
    /// ```
    DistributionMajorVersion -> String: |host| os(host).await?.major_version
}

fact! {
    /// Ask for the codename of the release, such as `bookworm`.
    ///
    /// Empty where a distribution has none.
    ///
    /// ```rhai
    /// facts::release();
    /// ```
    /// ```transcript
    /// ? sh -c 'cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release || exit; echo "DEBIAN_VERSION=$(cat /etc/debian_version 2>/dev/null)"' sh
    /// = PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
    /// = NAME="Debian GNU/Linux"
    /// = VERSION_ID="12"
    /// = VERSION_CODENAME=bookworm
    /// = ID=debian
    /// = DEBIAN_VERSION=12.11
    /// ```
    Release -> String: |host| os(host).await?.release
}

fact! {
    /// Ask for the architecture: `x86_64`, `aarch64`, `armv7l`...
    ///
    /// ```rhai
    /// facts::architecture();
    /// ```
    /// ```transcript
    /// ? uname -snrm
    /// = Linux nas 6.1.0-38-amd64 x86_64
    /// ```
    Architecture -> String: |host| kernel(host).await?.architecture
}

fact! {
    /// Ask for the release of the kernel that is running.
    ///
    /// ```rhai
    /// facts::kernel();
    /// ```
    /// ```transcript
    /// ? uname -snrm
    /// = Linux nas 6.1.0-38-amd64 x86_64
    /// ```
    Kernel -> String: |host| kernel(host).await?.release
}

fact! {
    /// Ask for the name of the machine, up to the first dot.
    ///
    /// ```rhai
    /// facts::hostname();
    /// ```
    /// ```transcript
    /// ? uname -snrm
    /// = Linux nas 6.1.0-38-amd64 x86_64
    /// ```
    Hostname -> String: |host| hostname(host).await?
}

fact! {
    /// Ask for the full name of the machine, with its domain where it has one.
    ///
    /// ```rhai
    /// facts::fqdn();
    /// ```
    /// ```transcript
    /// ? sh -c 'timeout 2 hostname -f 2>/dev/null || uname -n' sh
    /// = nas.example.com
    /// ```
    Fqdn -> String: |host| fqdn(host).await?
}

fact! {
    /// Ask for the address from which the host reaches the world.
    ///
    /// The answer has `address`, `interface`, `gateway`, `prefix`, `netmask`, `network`, `broadcast`, `macaddress` and
    /// `mtu`; it is `()` where there is no way out.
    ///
    /// ```rhai
    /// let ip = facts::default_ipv4();
    /// if ip != () { print(ip.address); }
    /// ```
    /// ```transcript
    /// ? sh -c 'ip -4 route get 1.1.1.1 2>/dev/null | head -n 1; ip -o -4 addr show || exit; for i in /sys/class/net/*; do read -r a <$i/address; read -r m <$i/mtu; echo "link ${i##*/} $m $a"; done 2>/dev/null' sh
    /// = 1.1.1.1 via 192.168.1.1 dev eth0 src 192.168.1.20 uid 0
    /// = 1: lo    inet 127.0.0.1/8 scope host lo
    /// = 2: eth0    inet 192.168.1.20/24 brd 192.168.1.255 scope global eth0
    /// = link eth0 1500 02:fc:00:00:00:01
    /// = link lo 65536 00:00:00:00:00:00
    /// ```
    DefaultIpv4 -> Option<Ipv4>: |host| network(host).await?.default
}

fact! {
    /// Ask for all IPv4 addresses but those of the host to itself.
    ///
    /// Each has what `default_ipv4` has; `gateway` is empty.
    ///
    /// ```rhai
    /// for ip in facts::ipv4_addresses() { print(ip.address); }
    /// ```
    /// ```transcript
    /// ? sh -c 'ip -4 route get 1.1.1.1 2>/dev/null | head -n 1; ip -o -4 addr show || exit; for i in /sys/class/net/*; do read -r a <$i/address; read -r m <$i/mtu; echo "link ${i##*/} $m $a"; done 2>/dev/null' sh
    /// = 1.1.1.1 via 192.168.1.1 dev eth0 src 192.168.1.20 uid 0
    /// = 1: lo    inet 127.0.0.1/8 scope host lo
    /// = 2: eth0    inet 192.168.1.20/24 brd 192.168.1.255 scope global eth0
    /// = link eth0 1500 02:fc:00:00:00:01
    /// = link lo 65536 00:00:00:00:00:00
    /// ```
    Ipv4Addresses -> Vec<Ipv4>: |host| network(host).await?.addresses
}

fact! {
    /// Ask for the memory in MiB.
    ///
    /// ```rhai
    /// facts::memory_mb();
    /// ```
    /// ```transcript
    /// ? grep -E '^(Mem|Swap)' /proc/meminfo
    /// = MemTotal:       16316232 kB
    /// = MemFree:         1204936 kB
    /// = MemAvailable:   11842372 kB
    /// = SwapTotal:       2097148 kB
    /// = SwapFree:        2097148 kB
    /// ```
    MemoryMb -> u64: |host| memory(host).await?.total
}

fact! {
    /// Ask for the memory in MiB that programs could still get.
    ///
    /// ```rhai
    /// facts::memory_available_mb();
    /// ```
    /// ```transcript
    /// ? grep -E '^(Mem|Swap)' /proc/meminfo
    /// = MemTotal:       16316232 kB
    /// = MemFree:         1204936 kB
    /// = MemAvailable:   11842372 kB
    /// = SwapTotal:       2097148 kB
    /// = SwapFree:        2097148 kB
    /// ```
    MemoryAvailableMb -> u64: |host| memory(host).await?.available
}

fact! {
    /// Ask for the number of processors.
    ///
    /// ```rhai
    /// facts::cores();
    /// ```
    /// ```transcript
    /// ? sh -c 'nproc 2>/dev/null || grep -c ^processor /proc/cpuinfo' sh
    /// = 4
    /// ```
    Cores -> u64: |host| cores(host).await?
}

fact! {
    /// Ask for the user that commands run as.
    ///
    /// ```rhai
    /// facts::user();
    /// ```
    /// ```transcript
    /// ? sh -c 'id -un; id -u; u=$(id -un); getent passwd "$u" 2>/dev/null || grep "^$u:" /etc/passwd' sh
    /// = media
    /// = 1000
    /// = media:x:1000:1000:Media:/home/media:/bin/bash
    /// ```
    User -> String: |host| user(host).await?.name
}

fact! {
    /// Ask for the number of the user that commands run as.
    ///
    /// ```rhai
    /// facts::uid();
    /// ```
    /// ```transcript
    /// ? sh -c 'id -un; id -u; u=$(id -un); getent passwd "$u" 2>/dev/null || grep "^$u:" /etc/passwd' sh
    /// = media
    /// = 1000
    /// = media:x:1000:1000:Media:/home/media:/bin/bash
    /// ```
    Uid -> u64: |host| user(host).await?.uid
}

fact! {
    /// Ask for the number of that user's main group.
    ///
    /// ```rhai
    /// facts::gid();
    /// ```
    /// ```transcript
    /// ? sh -c 'id -un; id -u; u=$(id -un); getent passwd "$u" 2>/dev/null || grep "^$u:" /etc/passwd' sh
    /// = media
    /// = 1000
    /// = media:x:1000:1000:Media:/home/media:/bin/bash
    /// ```
    Gid -> u64: |host| user(host).await?.gid
}

fact! {
    /// Ask for the home directory of the user that commands run as.
    ///
    /// ```rhai
    /// facts::home();
    /// ```
    /// ```transcript
    /// ? sh -c 'id -un; id -u; u=$(id -un); getent passwd "$u" 2>/dev/null || grep "^$u:" /etc/passwd' sh
    /// = media
    /// = 1000
    /// = media:x:1000:1000:Media:/home/media:/bin/bash
    /// ```
    Home -> String: |host| user(host).await?.home
}

fact! {
    /// Ask for the environment that commands get, as a map.
    ///
    /// ```rhai
    /// facts::env().PATH;
    /// ```
    /// ```transcript
    /// ? env
    /// = HOME=/home/media
    /// = PATH=/usr/local/bin:/usr/bin:/bin
    /// ```
    Env -> BTreeMap<String, String>: |host| env(host).await?
}

fact! {
    /// Ask what is mounted: devices, pools and servers, not the kernel's own file systems.
    ///
    /// Each has `path`, `device`, `fstype`, `options`, and `size` and `free` in bytes. Network file systems are listed,
    /// but never asked: their `size` and `free` are `()`, and a dead server makes nothing wait.
    ///
    /// ```rhai
    /// for mount in facts::mounts() {
    ///     if mount.size != () && mount.free < mount.size / 10 { print(`${mount.path} is nearly full`); }
    /// }
    /// ```
    /// ```transcript
    /// ? sh -c 'while read -r d p t o x; do case $t in ext[234]|xfs|btrfs|zfs|vfat|exfat|f2fs|bcachefs|ntfs*|fuseblk|iso9660|jfs|reiserfs|erofs|ubifs) s=$(timeout 2 stat -f -c "%S %b %a" "$(printf %b "$p")" 2>/dev/null);; nfs*|cifs|smb3|9p|ceph|virtiofs|glusterfs|fuse.*|afs) s=;; *) continue;; esac; echo "$d $p $t $o $s"; done </proc/mounts' sh
    /// = /dev/sda1 / ext4 rw,relatime 4096 7738464 5120000
    /// = tank/media /tank/media zfs rw,xattr 131072 29000000 11000000
    /// = nas:/export /mnt/nas nfs4 rw,hard
    /// ```
    Mounts -> Vec<Mount>: |host| mounts(host).await?
}

fact! {
    /// Ask what the host runs in: `none`, `kvm`, `vmware`, `oracle`, `microsoft`, `xen`, `docker`, `podman`, `lxc`...
    ///
    /// ```rhai
    /// if facts::virtualization() == "lxc" { print("a container"); }
    /// ```
    /// ```transcript
    /// ? sh -c 'systemd-detect-virt 2>/dev/null && exit; [ -e /.dockerenv ] && echo docker && exit; [ -e /run/.containerenv ] && echo podman && exit; tr "\0" "\n" </proc/1/environ 2>/dev/null | sed -n "s/^container=//p" | grep . && exit; cat /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name 2>/dev/null; true' sh
    /// = kvm
    /// ```
    Virtualization -> String: |host| virtualization(host).await?
}

fact! {
    /// Ask what runs services: `systemd`, `openrc`, or the name of process 1.
    ///
    /// ```rhai
    /// facts::service_manager();
    /// ```
    /// ```transcript
    /// ? sh -c '[ -d /run/systemd/system ] && echo systemd && exit; [ -d /run/openrc ] && echo openrc && exit; cat /proc/1/comm' sh
    /// = systemd
    /// ```
    ServiceManager -> String: |host| service_manager(host).await?
}

fact! {
    /// Ask for the seconds since the machine started.
    ///
    /// ```rhai
    /// facts::uptime_seconds();
    /// ```
    /// ```transcript
    /// ? cat /proc/uptime
    /// = 350735.47 234388.90
    /// ```
    UptimeSeconds -> u64: |host| uptime_seconds(host).await?
}

fact! {
    /// Ask for the identity of this start of the machine: another one means that it was rebooted.
    ///
    /// ```rhai
    /// facts::boot_id();
    /// ```
    /// ```transcript
    /// ? cat /proc/sys/kernel/random/boot_id
    /// = 5c2f3f6e-7b0b-4f1e-9d4c-0a4f3b1d2e6a
    /// ```
    BootId -> String: |host| boot_id(host).await?
}

fact! {
    /// Ask for the identity of the installation; empty where there is none.
    ///
    /// ```rhai
    /// facts::machine_id();
    /// ```
    /// ```transcript
    /// ? sh -c 'cat /etc/machine-id 2>/dev/null || cat /var/lib/dbus/machine-id 2>/dev/null || true' sh
    /// = 3d1219c7c4c5404aaa1f6d2a48adfda4
    /// ```
    MachineId -> String: |host| machine_id(host).await?
}

fact! {
    /// Ask for date and time on the host, by its clock and in its zone.
    ///
    /// The answer has the fields of Ansible's `ansible_date_time`, all as text: `date`, `time`, `iso8601` (UTC), `epoch`,
    /// `year`, `month`, `day`, `hour`, `minute`, `second`, `tz`, `tz_offset`, `weekday`...
    ///
    /// ```rhai
    /// facts::date_time().date;
    /// ```
    /// ```transcript
    /// ? LC_ALL=C date '+%Y %m %d %H %M %S %s %z %Z %A %w %W'
    /// = 2026 11 20 23 11 11 1795212671 +0100 CET Friday 5 46
    /// ? date -u +%Y-%m-%dT%H:%M:%SZ
    /// = 2026-11-20T22:11:11Z
    /// ```
    DateTime -> BTreeMap<&'static str, String>: |host| date_time(host).await?
}

#[cfg(test)]
mod tests {
    use crate::contract::replay::{Replay, parse};
    use crate::shared::facts::gather;
    use futures_util::FutureExt;
    use serde_json::{Value, json};

    fn transcripts() -> Vec<(String, String)> {
        let entries = &crate::modules().iter().find(|m| m.name == "facts").unwrap().entries;
        let transcript = |docs: &str| docs.split("```transcript\n").nth(1).unwrap().split("```").next().unwrap().to_owned();
        entries.iter().map(|entry| (entry.name.clone(), transcript(&entry.docs))).collect()
    }

    #[test]
    fn every_fact_reads_what_its_transcript_says() {
        let mut answers = serde_json::Map::new();
        for (name, transcript) in transcripts() {
            let host = Replay::new(&transcript).unwrap();
            let answer = crate::entry("facts", &name).unwrap().typed.ask(json!({}), &host).now_or_never().unwrap();
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
        assert_eq!(facts(&["ansible_facts"])["ansible_facts"].as_object().unwrap().len(), crate::shared::facts::NAMES.len());
    }
}
