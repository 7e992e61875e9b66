//! What is mounted, and how full it is. A dead NFS server never makes this wait: only local file systems are
//! asked for their size, each for at most two seconds.

use super::script;
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
    /// Its size in bytes; nothing for a network file system.
    pub size: Option<u64>,
    /// What is left in bytes for users other than root; nothing for a network file system.
    pub free: Option<u64>,
}

/// Asks for all mounts of devices, pools and servers; the kernel's own file systems are left out.
pub async fn mounts(host: &dyn Look) -> Result<Vec<Mount>> {
    let asked = "while read -r d p t o x; do case $t in \
                 ext[234]|xfs|btrfs|zfs|vfat|exfat|f2fs|bcachefs|ntfs*|fuseblk|iso9660|jfs|reiserfs|erofs|ubifs) \
                 s=$(timeout 2 stat -f -c \"%S %b %a\" \"$(printf %b \"$p\")\" 2>/dev/null);; \
                 nfs*|cifs|smb3|9p|ceph|virtiofs|glusterfs|fuse.*|afs) s=;; *) continue;; esac; \
                 echo \"$d $p $t $o $s\"; done </proc/mounts";
    Ok(script(host, asked).await?.lines().filter_map(parse).collect())
}

fn parse(line: &str) -> Option<Mount> {
    let mut words = line.split(' ');
    let mut word = || words.next().map(unescape);
    let (device, path, fstype, options) = (word()?, word()?, word()?, word()?);
    let numbers: Vec<u64> = words.filter_map(|w| w.parse().ok()).collect();
    let (size, free) = match numbers[..] {
        [block, total, free] => (block.checked_mul(total), block.checked_mul(free)),
        _ => (None, None),
    };
    Some(Mount { path, device, fstype, options, size, free })
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_with_spaces_are_read_back() {
        let mount = super::parse(r"//nas/My\040Share /mnt/a\134b\040c cifs rw ").unwrap();
        assert_eq!((mount.device.as_str(), mount.path.as_str(), mount.size), ("//nas/My Share", r"/mnt/a\b c", None));
    }
}
