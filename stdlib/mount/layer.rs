//! A file system as it is mounted, and the way to mount it again.

use super::state::flag;
use crate::bail;
use crate::contract::{Command, Result};
use crate::shared::mountinfo;
use serde::{Deserialize, Serialize};

/// A file system that is mounted, as it takes to mount it again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    pub src: String,
    pub fstype: String,
    /// What of it is seen.
    pub root: String,
    /// The options of the mount.
    pub opts: String,
    /// The options of the file system.
    pub system: String,
    /// Another place where the same directory is seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind: Option<String>,
    /// It is in memory, and there are files in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
}

/// The kernel is silent about the size that it chooses itself: half of the memory, in whole pages.
const HALF: &str = r#"mount -o "$1,size=$(awk '/^MemTotal:/ { print int($2 / 8) * 4 }' /proc/meminfo)k" -- "$2""#;

impl Layer {
    /// As the kernel tells it.
    pub fn of(mount: &mountinfo::Mounted) -> Layer {
        let mountinfo::Mounted { root, opts, fstype, src, system, .. } = mount.clone();
        Layer { src, fstype, root, opts, system, bind: None, held: false }
    }
    /// Whether it is the same file system, however it is mounted.
    pub fn same(&self, other: &Layer) -> bool {
        (&self.src, &self.fstype, &self.root) == (&other.src, &other.fstype, &other.root)
    }
    /// Whether only a part of a file system is seen; of btrfs, the options name the part.
    fn part(&self) -> bool {
        self.root != "/" && self.fstype != "btrfs"
    }
    /// The options of the file system, and those of the mount.
    fn all(&self) -> String {
        let mut words: Vec<&str> = self.opts.split(',').collect();
        let read_only = flag(&self.opts, "ro") || flag(&self.system, "ro");
        words.retain(|word| !["ro", "rw"].contains(word));
        words.extend(self.system.split(',').filter(|word| !["ro", "rw", ""].contains(word)));
        words.insert(0, if read_only { "ro" } else { "rw" });
        words.join(",")
    }
    /// What gives what is mounted these options again.
    pub fn reopen(&self, path: &str) -> Command {
        let opts = if self.part() { format!("remount,bind,{}", self.opts) } else { format!("remount,{}", self.all()) };
        if self.fstype == "tmpfs" && !self.part() && !self.system.contains("size=") {
            return Command::sh(HALF).args([opts.as_str(), path]);
        }
        Command::new("mount").args(["-o", &opts, "--", path])
    }
    /// What mounts it again. `listed` says that fstab tells how.
    pub fn mount(&self, path: &str, top: bool, listed: Option<Command>) -> Result<Vec<Command>> {
        const CLOSED: [&str; 5] = ["cifs", "smb3", "davfs", "ceph", "autofs"];
        let (src, fstype) = (&self.src, &self.fstype);
        let memory = ["tmpfs", "ramfs"].contains(&fstype.as_str());
        if self.held {
            bail!("{path} was a {fstype} with files in it, and they went with it");
        }
        if memory && !top && self.bind.is_none() {
            bail!("below what was mounted at {path} there was a {fstype}, and nobody knows what was in it");
        }
        if let Some(place) = &self.bind {
            let bind = Command::new("mount").args(["--bind", "--", place, path]);
            return Ok(vec![
                bind,
                Command::new("mount").args(["-o", &format!("remount,bind,{}", self.opts), "--", path]),
            ]);
        }
        let closed = CLOSED.contains(&fstype.as_str()) || fstype.starts_with("fuse");
        match listed {
            Some(command) if self.part() || closed => Ok(vec![command]),
            _ if self.part() => bail!("{path} showed the directory {} of {src}, which is seen nowhere else", self.root),
            _ if closed => bail!(
                "{path} was a {fstype}, and the kernel does not tell all that it takes to mount it; fstab has no line for it"
            ),
            _ => Ok(vec![Command::new("mount").args(["-t", fstype, "-o", &self.all(), "--", src, path])]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(line: &str) -> Layer {
        Layer::of(&mountinfo::Mounted::parse(&format!("36 35 {line}")).unwrap())
    }

    fn mounted(layer: &Layer, top: bool, listed: bool) -> Result<Vec<String>> {
        let listed = listed.then(|| Command::new("mount").args(["--", "/mnt"]));
        Ok(layer.mount("/mnt", top, listed)?.iter().map(Command::line).collect())
    }

    #[test]
    fn what_was_mounted_is_mounted_again_or_refused() {
        let disk = layer("8:1 / /mnt ro,noatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro");
        assert_eq!(
            mounted(&disk, true, true).unwrap(),
            ["mount -t ext4 -o ro,noatime,errors=remount-ro -- /dev/sda1 /mnt"]
        );
        let memory = layer("0:9 / /mnt rw,noexec - tmpfs tmpfs rw,inode64");
        assert_eq!(mounted(&memory, true, false).unwrap(), ["mount -t tmpfs -o rw,noexec,inode64 -- tmpfs /mnt"]);
        assert!(mounted(&memory, false, true).is_err(), "nobody looked into it");
        assert!(mounted(&Layer { held: true, ..memory }, true, true).is_err(), "its files went with it");
        let part = layer("8:1 /srv/a /mnt ro - ext4 /dev/sda1 rw");
        assert!(mounted(&part, true, false).is_err(), "seen nowhere else");
        assert_eq!(mounted(&part, true, true).unwrap(), ["mount -- /mnt"]);
        let bound = Layer { bind: Some("/srv/a".to_owned()), ..part.clone() };
        assert_eq!(
            mounted(&bound, true, false).unwrap(),
            ["mount --bind -- /srv/a /mnt", "mount -o remount,bind,ro -- /mnt"]
        );
        assert_eq!(part.reopen("/mnt").line(), "mount -o remount,bind,ro -- /mnt");
        let share = layer("0:8 / /mnt rw - cifs //nas/a rw,username=me");
        assert!(mounted(&share, true, false).is_err(), "its password is not told");
        assert_eq!(mounted(&share, true, true).unwrap(), ["mount -- /mnt"]);
    }
}
