//! What is mounted, and how full it is. A dead server or disk makes this wait for two seconds, and is named.

use super::gist;
use crate::contract::{Look, Result};
use crate::shared::mountinfo::unescape;
use serde::Serialize;

/// A mounted file system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// Where.
    pub path: String,
    /// What, such as `/dev/sda1`, `tank/media` or `nas:/export`.
    pub device: String,
    /// Its type.
    pub fstype: String,
    /// Its options.
    pub options: String,
    /// Its size in bytes; nothing if it did not say.
    pub size: Option<u64>,
    /// What is left in bytes for users other than root; nothing if it did not say.
    pub free: Option<u64>,
    /// How much of what users other than root may use is used, in percent, as `df` tells it; nothing if it did not say.
    pub used_percent: Option<u64>,
    /// How many inodes it has; nothing if it did not say, or makes them as it needs them.
    pub inodes: Option<u64>,
    /// How many of them are free.
    pub inodes_free: Option<u64>,
    /// Whether it did not answer within two seconds: its server or disk is dead.
    pub hangs: bool,
}

/// Asks for all mounts of devices, pools and servers; the kernel's own file systems are left out. All are asked at once,
/// each for at most two seconds.
pub async fn mounts(host: &dyn Look) -> Result<Vec<Mount>> {
    let asked = r#"while read -r d p t o x; do case $t in ext[234]|xfs|btrfs|zfs|vfat|exfat|f2fs|bcachefs|ntfs*|fuseblk|iso9660|jfs|reiserfs|erofs|ubifs|nfs*|cifs|smb3|9p|ceph|virtiofs|glusterfs|fuse|fuse.*|afs) n=$((n+1)); { s=$(timeout -s KILL 2 stat -f -c "%S %b %f %a %c %d" "$(printf %b "$p")" 2>/dev/null); echo "$n $d $p $t $o $? $s"; } & ;; esac; done </proc/mounts; wait"#;
    let answer = gist(host, "stat -f of each mount in /proc/mounts, two seconds each", asked).await?;
    let mut mounts: Vec<(u32, Mount)> = answer.lines().filter_map(parse).collect();
    mounts.sort_by_key(|(at, _)| *at);
    Ok(mounts.into_iter().map(|(_, mount)| mount).collect())
}

/// How full a file system is, as `df` counts: of so many blocks so many are unused, and so many of these are for everybody;
/// rounded up.
pub fn used_percent(blocks: u64, unused: u64, free: u64) -> u64 {
    let used = blocks.saturating_sub(unused);
    let part = used.saturating_mul(100).checked_add(used.saturating_add(free).saturating_sub(1));
    part.and_then(|part| part.checked_div(used.saturating_add(free))).unwrap_or_default()
}

fn parse(line: &str) -> Option<(u32, Mount)> {
    let mut words = line.split(' ');
    let at = words.next()?.parse().ok()?;
    let mut word = || words.next().map(unescape);
    let (device, path, fstype, options) = (word()?, word()?, word()?, word()?);
    let code: i32 = words.next()?.parse().ok()?;
    let numbers: Vec<u64> = words.filter_map(|w| w.parse().ok()).collect();
    let (size, free, used_percent) = match numbers[..] {
        [block, total, unused, free, ..] => {
            (block.checked_mul(total), block.checked_mul(free), Some(used_percent(total, unused, free)))
        }
        _ => (None, None, None),
    };
    let (inodes, inodes_free) = match numbers[..] {
        [.., all, free] if numbers.len() == 6 && all > 0 => (Some(all), Some(free)),
        _ => (None, None),
    };
    // What a time limit ended: coreutils say so with 124 or 137, busybox with 143 or 137.
    Some((
        at,
        Mount {
            path,
            device,
            fstype,
            options,
            size,
            free,
            used_percent,
            inodes,
            inodes_free,
            hangs: [124, 137, 143].contains(&code),
        },
    ))
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_with_spaces_are_read_back() {
        let (_, mount) = super::parse(r"1 //nas/My\040Share /mnt/a\134b\040c cifs rw 137 ").unwrap();
        assert_eq!((mount.device.as_str(), mount.path.as_str(), mount.size), ("//nas/My Share", r"/mnt/a\b c", None));
        assert!(mount.hangs);
        let (_, root) = super::parse("2 / / ext4 rw 0 4096 3 2 1 100 40").unwrap();
        assert_eq!((root.hangs, root.size, root.free), (false, Some(12288), Some(4096)));
        assert_eq!(root.used_percent, Some(50));
        assert_eq!((root.inodes, root.inodes_free), (Some(100), Some(40)));
        assert_eq!(super::parse("2 / / btrfs rw 0 4096 2 1 1 0 0").unwrap().1.inodes, None);
    }
}
