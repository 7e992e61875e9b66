//! A mount point as it is.

use super::fstab;
use super::layer::Layer;
use crate::contract::{Command, Look, Result};
use crate::shared::HostPath;
use crate::shared::mountinfo::{self, escape};
use serde::{Deserialize, Serialize};

/// A mount point, as far as an operation decides about it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct MountState {
    /// The directory is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<bool>,
    /// Its line in fstab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fstab: Option<String>,
    /// What is mounted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mounted: Option<Live>,
    /// All that is mounted here, the lowest first, for the way back.
    #[serde(rename = "$$layers", default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
    /// Its lines in fstab to the letter, and which lines they are.
    #[serde(rename = "$$lines", default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<(usize, String)>,
    /// Of a mount point that is not there, the next directory above it that is.
    #[serde(rename = "$$above", default, skip_serializing_if = "Option::is_none")]
    pub above: Option<String>,
    /// How the host is, which decides the way and not the goal.
    #[serde(skip)]
    pub around: Around,
}

/// What is mounted at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    pub src: String,
    pub fstype: String,
    pub opts: String,
    /// The directory of the file system that is seen, where it is not the whole of it and nobody asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
}

/// What the steps need to know.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// The whole of fstab.
    pub text: String,
    /// How many file systems are mounted over each other here.
    pub layers: usize,
    /// Whether systemd runs.
    pub systemd: bool,
    /// Whether the device that is wanted is there.
    pub device: bool,
    /// Whether the program is there that mounts such a file system.
    pub helper: bool,
}

/// What a playbook wants to be mounted; an operation that takes away wants nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    pub src: &'a str,
    pub fstype: &'a str,
    pub opts: &'a str,
}

/// `$1` the path, `$2` as mountinfo writes it, `$3` what is wanted there, `$4` its type, `$5` fstab. Nothing here
/// touches a file system that may be dead but by a command with two seconds.
const ASKED: &str = r#"p=$1 e=$2 w=$3 t=$4; sed "s/^/fstab /" "$5" 2>/dev/null; [ ! -d /run/systemd/system ] || echo systemd; case $w in UUID=*) d=/dev/disk/by-uuid/${w#*=};; LABEL=*) d=/dev/disk/by-label/${w#*=};; PARTUUID=*) d=/dev/disk/by-partuuid/${w#*=};; PARTLABEL=*) d=/dev/disk/by-partlabel/${w#*=};; *) d=$w;; esac; [ ! -e "$d" ] || echo "device $(readlink -f "$d")"; PATH=$PATH:/usr/sbin:/sbin; case $t in nfs*|cifs|smb3|davfs|fuse.*) ! command -v "mount.$t" >/dev/null || echo helper;; *) echo helper;; esac; grep -F " $e " /proc/self/mountinfo | { n=; while IFS= read -r l; do set -f; set -- $l; [ "$5" = "$e" ] || continue; n=1; printf "mount %s\n" "$l"; v=$3 r=$4; s=${l##* - }; set -- $s; k=$1; l=$(readlink -f "$2"); echo "source $l"; [ ! -r "/sys/block/${l##*/}/loop/backing_file" ] || echo "image $(cat "/sys/block/${l##*/}/loop/backing_file")"; done; if [ "$n" ]; then echo directory; case $w in /*) [ "$(timeout 2 stat -Lc %d:%i "$w" 2>/dev/null)" != "$(timeout 2 stat -Lc %d:%i "$p" 2>/dev/null)" ] || echo same;; esac; b=$r; case $k in tmpfs|ramfs) [ -z "$(ls -A "$p" | head -n 1)" ] || echo held; b=;; esac; [ "$b" = / ] || while IFS= read -r l; do set -f; set -- $l; [ "$3" = "$v" ] && [ "$5" != "$e" ] || continue; case $r in "$4") c=$5;; "${4%/}"/*) c=${5%/}${r#"${4%/}"};; *) continue;; esac; c=$(printf %b "$c"); if [ "$(timeout 2 stat -Lc %d:%i "$c" 2>/dev/null)" = "$(timeout 2 stat -Lc %d:%i "$p" 2>/dev/null)" ]; then printf "bind %s\n" "$c"; break; fi; done </proc/self/mountinfo; elif [ -d "$p" ]; then echo directory; else d=${p%/*}; while [ -n "$d" ] && [ ! -d "$d" ]; do d=${d%/*}; done; echo "above ${d:-/}"; fi; }"#;

/// Reads all of it, in one round trip.
pub async fn read(host: &dyn Look, path: &HostPath, wanted: Wanted<'_>, fstab: &str) -> Result<MountState> {
    let command = Command::gist("fstab; /proc/self/mountinfo; readlink -f, and stat for two seconds", ASKED).args([
        path.as_str(),
        &escape(path),
        wanted.src,
        wanted.fstype,
        fstab,
    ]);
    Ok(parse(&host.text(&command).await?, path, wanted))
}

fn parse(answer: &str, path: &str, wanted: Wanted<'_>) -> MountState {
    let said = |mark: &'static str| answer.lines().filter_map(move |line| line.strip_prefix(mark));
    let is = |word: &str| answer.lines().any(|line| line == word);
    let text: String = said("fstab ").map(|line| format!("{line}\n")).collect();
    let mounts: Vec<mountinfo::Mounted> = said("mount ").filter_map(mountinfo::Mounted::parse).collect();
    let last = |mark: &'static str| said(mark).next_back().unwrap_or_default();
    let live = mounts.last().map(|mount| {
        let bind = flag(wanted.opts, "bind") || flag(wanted.opts, "rbind");
        let src = if bind {
            is("same")
        } else if flag(wanted.opts, "loop") || !last("image ").is_empty() {
            last("image ") == wanted.src
        } else if !last("device ").is_empty() && last("device ").starts_with("/dev/") {
            last("device ") == last("source ")
        } else {
            // What has no device goes by its name; a tmpfs and its like have none that means something.
            let bare = |name: &str| name.trim_end_matches('/').to_owned();
            !wanted.src.contains(['/', ':'])
                || wanted.fstype.starts_with("fuse")
                || bare(&mount.src) == bare(wanted.src)
        };
        let fstype = bind || alike(wanted.fstype, &mount.fstype);
        let opts = obeyed(wanted.opts, &mount.opts);
        let pick = |same: bool, want: &str, live: &str| if same { want } else { live }.to_owned();
        let part = mount.root != "/" && mount.src.starts_with("/dev/") && !(bind && src) && mount.fstype != "btrfs";
        Live {
            root: part.then(|| mount.root.clone()),
            src: pick(src && !wanted.fstype.is_empty(), wanted.src, &mount.src),
            fstype: pick(fstype && !wanted.fstype.is_empty(), wanted.fstype, &mount.fstype),
            opts: shown(&pick(opts && !wanted.fstype.is_empty(), wanted.opts, &mount.opts), None),
        }
    });
    let above = Some(last("above ").to_owned()).filter(|above| !above.is_empty());
    let mut layers: Vec<Layer> = mounts.iter().map(Layer::of).collect();
    if let Some(top) = layers.last_mut() {
        top.bind = Some(last("bind ").to_owned()).filter(|place| !place.is_empty());
        top.held = is("held") && top.bind.is_none();
        if !last("image ").is_empty() {
            (top.src, top.opts) = (last("image ").to_owned(), format!("{},loop", top.opts));
        }
    }
    MountState {
        directory: Some(is("directory")),
        fstab: fstab::find(&text, path).map(|entry| entry.line()),
        mounted: live,
        layers,
        lines: fstab::lines(&text, path),
        above,
        around: Around {
            layers: mounts.len(),
            systemd: is("systemd"),
            device: !last("device ").is_empty(),
            helper: is("helper"),
            text,
        },
    }
}

/// Whether options name this one.
pub fn flag(opts: &str, name: &str) -> bool {
    opts.split(',').any(|word| word == name)
}

/// Whether a type is what is wanted: `auto` takes all, and version 4 of NFS has a name of its own.
fn alike(wanted: &str, live: &str) -> bool {
    let family = |name: &str| if name == "nfs4" { "nfs".to_owned() } else { name.to_owned() };
    wanted == "auto"
        || wanted == "none"
        || family(wanted) == family(live)
        || live.starts_with("fuse") && wanted.starts_with("fuse")
        || live == "fuseblk" && wanted.starts_with("ntfs")
}

/// Whether a mount is as its options say, in what the kernel shows in the same words: its flags.
fn obeyed(wanted: &str, live: &str) -> bool {
    const PAIRS: [(&str, &str); 5] =
        [("ro", "rw"), ("noexec", "exec"), ("nosuid", "suid"), ("nodev", "dev"), ("noatime", "atime")];
    wanted.split(',').all(|word| match word {
        "ro" | "rw" | "noexec" | "nosuid" | "nodev" | "noatime" | "nodiratime" => flag(live, word),
        positive => PAIRS.iter().find(|(_, yes)| *yes == positive).is_none_or(|(no, _)| !flag(live, no)),
    })
}

/// An entry as reports may show it: without its password. One that differs from `known` is told apart.
pub fn shown(line: &str, known: Option<&str>) -> String {
    let secret = |word: &str| ["password=", "pass=", "passwd="].iter().any(|key| word.starts_with(key));
    let secrets =
        |line: &str| -> Vec<String> { line.split([',', ' ']).filter(|word| secret(word)).map(str::to_owned).collect() };
    let mine = secrets(line);
    let other = known.is_some_and(|known| secrets(known) != mine);
    let mask = if other { "‹another one, withheld›" } else { "‹withheld›" };
    mine.iter().fold(line.to_owned(), |line, word| {
        let key = word.split('=').next().unwrap_or_default();
        line.replace(word.as_str(), &format!("{key}={mask}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_compared_in_what_the_kernel_shows() {
        for (wanted, live, want) in [
            ("defaults", "rw,relatime", true),
            ("ro,noatime", "rw,relatime", false),
            ("ro,noatime,vers=4.2", "ro,noatime", true),
            ("rw", "ro,relatime", false),
            ("defaults,exec", "rw,noexec", false),
        ] {
            assert_eq!(obeyed(wanted, live), want, "{wanted} and {live}");
        }
    }

    #[test]
    fn a_password_is_never_shown_and_another_one_is_another() {
        let line = |word: &str| format!("//nas/a /mnt cifs username=me,password={word},ro 0 0");
        let masked = shown(&line("x"), Some(&line("x")));
        assert_eq!(masked, "//nas/a /mnt cifs username=me,password=‹withheld›,ro 0 0");
        assert!(shown(&line("x"), Some(&line("y"))).contains("another"));
    }

    #[test]
    fn what_is_mounted_is_recognised_by_what_it_is() {
        let wanted = |src: &'static str, fstype: &'static str, opts: &'static str| Wanted { src, fstype, opts };
        let disk = "mount 36 35 8:1 / /srv rw,noatime - ext4 /dev/mapper/vg-srv rw\nsource /dev/dm-0\ndirectory\n";
        let nfs = "mount 36 35 0:4 / /srv rw - nfs4 nas:/export/ rw\nsource \ndirectory\n";
        let tmp = "mount 36 35 0:4 / /srv rw - tmpfs none rw\nsource /x/none\ndirectory\n";
        for (answer, wanted, want) in [
            (format!("device /dev/dm-0\n{disk}"), wanted("UUID=1", "ext4", "noatime"), true),
            (format!("device /dev/dm-1\n{disk}"), wanted("UUID=2", "ext4", "noatime"), false),
            (format!("device /dev/dm-0\n{disk}"), wanted("UUID=1", "ext4", "ro"), false),
            (nfs.to_owned(), wanted("nas:/export", "nfs", "defaults"), true),
            (nfs.to_owned(), wanted("nas:/other", "nfs", "defaults"), false),
            (tmp.to_owned(), wanted("tmpfs", "tmpfs", "size=64m"), true),
            (format!("{disk}same\n"), wanted("/data", "none", "bind"), true),
            (format!("{disk}image /a.iso\n"), wanted("/a.iso", "auto", "loop"), true),
            (format!("{disk}image /a.iso\n"), wanted("/b.iso", "auto", "loop"), false),
        ] {
            let live = parse(&answer, "/srv", wanted).mounted.unwrap();
            let same = (live.src.as_str(), live.fstype.as_str(), live.opts.as_str())
                == (wanted.src, wanted.fstype, wanted.opts);
            assert_eq!(same, want, "{wanted:?} in {answer}");
        }
    }
}
