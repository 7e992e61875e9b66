//! What the kernel says is mounted, and how it and `/etc/fstab` write names.

use crate::contract::{Command, Output};
use crate::shared::is_below;

/// A line of `/proc/self/mountinfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mounted {
    /// What of the file system is seen here: `/`, or a directory in it.
    pub root: String,
    /// Where.
    pub path: String,
    /// How, as far as the mount decides: `rw,noatime`.
    pub opts: String,
    /// The type of the file system.
    pub fstype: String,
    /// What, such as `/dev/sda1` or `nas:/export`.
    pub src: String,
    /// How, as far as the file system decides: `rw,size=64k`.
    pub system: String,
}

impl Mounted {
    /// Reads a line.
    pub fn parse(line: &str) -> Option<Mounted> {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3).map(unescape);
        let mut system = system.split(' ').map(unescape);
        Some(Mounted {
            root: mount.next()?,
            path: mount.next()?,
            opts: mount.next()?,
            fstype: system.next()?,
            src: system.next()?,
            system: system.next().unwrap_or_default(),
        })
    }
}

/// Asks for everything that is mounted at a path or below it, and for little else.
pub fn below(path: &str) -> Command {
    Command::new("grep").args(["-F", "-e", &format!(" {}", escape(path)), "/proc/self/mountinfo"])
}

/// The paths in the answer.
pub fn below_answer(path: &str, output: &Output) -> Vec<String> {
    let found = output.text();
    let found = found.lines().filter_map(Mounted::parse).map(|mounted| mounted.path);
    found.filter(|at| at == path || is_below(at, path)).collect()
}

/// A name without blanks: a space is `\040`.
pub fn escape(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match c {
            ' ' | '\t' | '\n' | '\\' => out += &format!("\\{:03o}", u32::from(c)),
            c => out.push(c),
        }
    }
    out
}

/// The name that was meant.
pub fn unescape(word: &str) -> String {
    let mut out: Vec<u8> = Vec::new();
    let bytes = word.as_bytes();
    let mut i = 0;
    while let Some(byte) = bytes.get(i) {
        let code = word.get(i + 1..i + 4).filter(|_| *byte == b'\\').and_then(|o| u8::from_str_radix(o, 8).ok());
        out.push(code.unwrap_or(*byte));
        i += if code.is_some() { 4 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_way_there_and_back() {
        for name in ["/mnt/a b", "/tab\there", r"/back\slash", "/plain", "/ünï code", r"/a\040b"] {
            assert_eq!(unescape(&escape(name)), name);
            assert!(!escape(name).contains([' ', '\t']), "{name}");
        }
    }

    #[test]
    fn only_what_is_at_or_below_a_path_counts() {
        let line = |path: &str| format!("36 35 98:0 / {path} rw,noatime master:1 - ext4 /dev/sda1 rw\n");
        let stdout = [line("/srv"), line("/srv2"), line(r"/srv/a\040b")].concat().into_bytes();
        assert_eq!(below_answer("/srv", &Output { stdout, ..Output::default() }), ["/srv", "/srv/a b"]);
    }
}
