//! Kernel, memory, user, clock: what `/proc` and small programs answer.

use super::{LIMIT, ask, gist, script, strange};
use crate::contract::{Command, Look, Result};
use serde::Serialize;
use std::collections::BTreeMap;

/// The kernel and the machine it runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Kernel {
    /// `Linux`.
    pub system: String,
    /// The name of the machine, as the kernel has it.
    pub node: String,
    /// The kernel's release.
    pub release: String,
    /// `x86_64`, `aarch64`, `armv7l`...
    pub architecture: String,
}

/// Asks for the kernel.
pub async fn kernel(host: &dyn Look) -> Result<Kernel> {
    let text = ask(host, "uname", &["-snrm"]).await?;
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        [system, node, release, machine] => Ok(Kernel {
            system: system.to_owned(),
            node: node.to_owned(),
            release: release.to_owned(),
            architecture: machine.to_owned(),
        }),
        _ => Err(strange("uname", &text)),
    }
}

/// Asks for the name of the machine, up to the first dot.
pub async fn hostname(host: &dyn Look) -> Result<String> {
    Ok(kernel(host).await?.node.split('.').next().unwrap_or_default().to_owned())
}

/// Asks for the full name, with its domain where it has one. A name server that is silent costs two seconds.
pub async fn fqdn(host: &dyn Look) -> Result<String> {
    script(host, "timeout 2 hostname -f 2>/dev/null || uname -n").await
}

/// Memory in MiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// All there is.
    pub total: u64,
    /// What is not used at all.
    pub free: u64,
    /// What programs could still get.
    pub available: u64,
    /// All swap.
    pub swap_total: u64,
    /// Swap that is not used.
    pub swap_free: u64,
}

/// Asks for memory.
pub async fn memory(host: &dyn Look) -> Result<Memory> {
    let text = ask(host, "grep", &["-E", "^(Mem|Swap)", "/proc/meminfo"]).await?;
    let field = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib / 1024)
    };
    let total = field("MemTotal").ok_or_else(|| strange("/proc/meminfo", &text))?;
    Ok(Memory {
        total,
        free: field("MemFree").unwrap_or(0),
        available: field("MemAvailable").unwrap_or(0),
        swap_total: field("SwapTotal").unwrap_or(0),
        swap_free: field("SwapFree").unwrap_or(0),
    })
}

/// Asks for the number of processors.
pub async fn cores(host: &dyn Look) -> Result<u64> {
    let text = script(host, "nproc 2>/dev/null || grep -c ^processor /proc/cpuinfo").await?;
    text.trim().parse().map_err(|_| strange("nproc", &text))
}

/// The user that commands run as.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct User {
    /// The name.
    pub name: String,
    /// The number.
    pub uid: u64,
    /// The number of the main group.
    pub gid: u64,
    /// The home directory.
    pub home: String,
    /// The login shell.
    pub shell: String,
    /// The full name.
    pub gecos: String,
}

/// Asks for the user.
pub async fn user(host: &dyn Look) -> Result<User> {
    let text =
        script(host, "id -un; id -u; u=$(id -un); getent passwd \"$u\" 2>/dev/null || grep \"^$u:\" /etc/passwd")
            .await?;
    let mut lines = text.lines();
    let (name, uid) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let entry: Vec<&str> = lines.next().unwrap_or_default().split(':').collect();
    let field = |i: usize| entry.get(i).copied().unwrap_or_default().to_owned();
    Ok(User {
        name: name.to_owned(),
        uid: uid.parse().map_err(|_| strange("id", &text))?,
        gid: field(3).parse().unwrap_or(0),
        gecos: field(4),
        home: field(5),
        shell: field(6),
    })
}

/// Asks for the environment that commands get.
pub async fn env(host: &dyn Look) -> Result<BTreeMap<String, String>> {
    let text = ask(host, "env", &[]).await?;
    let mut vars: BTreeMap<String, String> = BTreeMap::new();
    let mut last: Option<String> = None;
    for line in text.lines() {
        let name = |n: &str| {
            let first = n.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
            first && n.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        match (line.split_once('='), &last) {
            (Some((key, value)), _) if name(key) => {
                vars.insert(key.to_owned(), value.to_owned());
                last = Some(key.to_owned());
            }
            // The value before has another line.
            (_, Some(key)) => vars.entry(key.clone()).or_default().extend(["\n", line]),
            _ => {}
        }
    }
    Ok(vars)
}

/// Asks what the host runs in: `none` on bare metal, or `kvm`, `vmware`, `docker`, `lxc`...
pub async fn virtualization(host: &dyn Look) -> Result<String> {
    let asked = "systemd-detect-virt 2>/dev/null && exit; [ -e /.dockerenv ] && echo docker && exit; \
                 [ -e /run/.containerenv ] && echo podman && exit; \
                 tr \"\\0\" \"\\n\" </proc/1/environ 2>/dev/null | sed -n \"s/^container=//p\" | grep . && exit; \
                 cat /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name 2>/dev/null; true";
    let text = gist(
        host,
        "systemd-detect-virt; else /.dockerenv, /run/.containerenv, /proc/1/environ, /sys/class/dmi/id",
        asked,
    )
    .await?;
    let first = text.lines().next().unwrap_or_default().trim();
    let hardware = text.to_lowercase();
    let has = |word: &str| hardware.contains(word);
    Ok(match first {
        word if !word.is_empty() && !word.contains(' ') && word.chars().all(|c| c.is_ascii_lowercase() || c == '-') => {
            word.to_owned()
        }
        _ if has("qemu") || has("kvm") || has("amazon ec2") || has("google compute") => "kvm".to_owned(),
        _ if has("vmware") => "vmware".to_owned(),
        _ if has("virtualbox") => "oracle".to_owned(),
        _ if has("microsoft") && has("virtual machine") => "microsoft".to_owned(),
        _ if has("xen") => "xen".to_owned(),
        _ => "none".to_owned(),
    })
}

/// Asks for the seconds since the machine started.
pub async fn uptime_seconds(host: &dyn Look) -> Result<u64> {
    let text = ask(host, "cat", &["/proc/uptime"]).await?;
    let seconds = text.split('.').next().and_then(|seconds| seconds.parse().ok());
    seconds.ok_or_else(|| strange("/proc/uptime", &text))
}

/// Asks for the identity of this start of the machine: another one means that it was rebooted.
pub async fn boot_id(host: &dyn Look) -> Result<String> {
    ask(host, "cat", &["/proc/sys/kernel/random/boot_id"]).await
}

/// Asks for the identity of the installation; empty where there is none (Alpine without D-Bus).
pub async fn machine_id(host: &dyn Look) -> Result<String> {
    script(host, "cat /etc/machine-id 2>/dev/null || cat /var/lib/dbus/machine-id 2>/dev/null || true").await
}

/// Asks what runs services: `systemd`, `openrc`, or the name of process 1.
pub async fn service_manager(host: &dyn Look) -> Result<String> {
    script(host, "[ -d /run/systemd/system ] && echo systemd && exit; [ -d /run/openrc ] && echo openrc && exit; cat /proc/1/comm").await
}

/// Asks for date and time on the host, by its clock and in its zone, in the words of Ansible's
/// `ansible_date_time`.
pub async fn date_time(host: &dyn Look) -> Result<BTreeMap<&'static str, String>> {
    const FIELDS: [&str; 12] = [
        "year",
        "month",
        "day",
        "hour",
        "minute",
        "second",
        "epoch",
        "tz_offset",
        "tz",
        "weekday",
        "weekday_number",
        "weeknumber",
    ];
    let clock = Command::new("date").arg("+%Y %m %d %H %M %S %s %z %Z %A %w %W").env("LC_ALL", "C").timeout(LIMIT);
    let utc = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).timeout(LIMIT);
    let text = host.text(&clock).await?;
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.len() != FIELDS.len() {
        return Err(strange("date", &text));
    }
    let mut fields: BTreeMap<&'static str, String> =
        FIELDS.iter().copied().zip(words.iter().map(|w| (*w).to_owned())).collect();
    let join = |from: usize, mark: &str| words.get(from..from + 3).unwrap_or_default().join(mark);
    let basic = format!("{}T{}", join(0, ""), join(3, ""));
    fields.extend([("date", join(0, "-")), ("time", join(3, ":")), ("iso8601_basic_short", basic)]);
    fields.insert("iso8601", host.text(&utc).await?);
    Ok(fields)
}
