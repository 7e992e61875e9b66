//! The machine: its name, its size, its clock.

use crate::contract::{Fact, Look, Result};
use crate::shared::facts::{boot_id, cores, date_time, fqdn, hostname, machine_id, memory, uptime_seconds};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

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
