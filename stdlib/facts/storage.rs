//! Disks, file systems, swap.

use crate::contract::{Fact, Look, Result};
use crate::shared::facts::{Mount, gist, memory, mounts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

fact! {
    /// Ask what is mounted: devices, pools and servers, not the kernel's own file systems.
    ///
    /// Each has `path`, `device`, `fstype`, `options`, `size` and `free` in bytes, `used_percent` as `df` has it, `inodes` and
    /// `inodes_free`. One whose
    /// server or disk does not answer within two seconds has `hangs`, and these are `()`. All are asked at the same time.
    ///
    /// ```rhai
    /// for mount in facts::mounts() {
    ///     if mount.hangs { warn(`${mount.path} hangs`); }
    ///     else if mount.size != () && mount.free < mount.size / 10 { print(`${mount.path} is nearly full`); }
    /// }
    /// ```
    /// ```transcript
    /// ? sh -c '(stat -f of each mount in /proc/mounts, two seconds each)' sh
    /// = 1 /dev/sda1 / ext4 rw,relatime 0 4096 7738464 5520000 5120000 1966080 1700000
    /// = 2 tank/media /tank/media zfs rw,xattr 0 131072 29000000 11000000 11000000 2900000 2800000
    /// = 3 nas:/export /mnt/nas nfs4 rw,hard 137
    /// ```
    Mounts -> Vec<Mount>: |host| mounts(host).await?
}

fact! {
    /// Ask for the disks of the machine.
    ///
    /// Each has `name` (`sda`, `nvme0n1`), `size` in bytes, `model`, `rotational` and `removable`. It is the kernel that is asked,
    /// not the disks: one that is broken makes nothing wait.
    ///
    /// ```rhai
    /// for disk in facts::disks() { print(`${disk.name}: ${disk.model}`); }
    /// ```
    /// ```transcript
    /// ? sh -c '(size, rotational, removable, device/model of each /sys/block/*)' sh
    /// = nvme0n1 1953525168 0 0 Samsung SSD 980 1TB
    /// = sda 7814037168 1 0 WDC WD40EFRX-68N
    /// ```
    Disks -> Vec<Disk>: |host| disks(&gist(host, "size, rotational, removable, device/model of each /sys/block/*", DISKS).await?)
}

fact! {
    /// Ask for the swap space in MiB.
    ///
    /// ```rhai
    /// if facts::swap_mb() == 0 { warn("no swap"); }
    /// ```
    /// ```transcript
    /// ? grep -E '^(Mem|Swap)' /proc/meminfo
    /// = MemTotal:       16316232 kB
    /// = MemFree:         1204936 kB
    /// = MemAvailable:   11842372 kB
    /// = SwapTotal:       2097148 kB
    /// = SwapFree:        1048574 kB
    /// ```
    SwapMb -> u64: |host| memory(host).await?.swap_total
}

fact! {
    /// Ask for the swap space in MiB that is not used.
    ///
    /// ```rhai
    /// facts::swap_free_mb();
    /// ```
    /// ```transcript
    /// ? grep -E '^(Mem|Swap)' /proc/meminfo
    /// = MemTotal:       16316232 kB
    /// = MemFree:         1204936 kB
    /// = MemAvailable:   11842372 kB
    /// = SwapTotal:       2097148 kB
    /// = SwapFree:        1048574 kB
    /// ```
    SwapFreeMb -> u64: |host| memory(host).await?.swap_free
}

const DISKS: &str = r#"for d in /sys/block/*; do n=${d##*/}; case $n in loop*|ram*|zram*|dm-*|md*|sr*|fd*|nbd*) continue;; esac; [ -e "$d" ] || continue; echo "$n $(cat $d/size) $(cat $d/queue/rotational) $(cat $d/removable) $(cat $d/device/model)"; done 2>/dev/null"#;

/// A disk.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Disk {
    name: String,
    size: u64,
    model: String,
    rotational: bool,
    removable: bool,
}

fn disks(text: &str) -> Vec<Disk> {
    let disk = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, blocks) = (words.next()?, words.next()?.parse::<u64>().ok()?);
        let (rotational, removable) = (words.next()? == "1", words.next()? == "1");
        let model = words.collect::<Vec<_>>().join(" ");
        Some(Disk { name: name.to_owned(), size: blocks.checked_mul(512)?, model, rotational, removable })
    };
    text.lines().filter_map(disk).collect()
}
