//! The operating system, from `/etc/os-release`, in Ansible's words.

use super::{script, strange};
use crate::contract::{Look, Result};
use serde::Serialize;

/// The operating system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Os {
    /// `Debian`, `RedHat`, `Archlinux`, `Alpine`, `Suse`, or the distribution's own name.
    pub family: String,
    /// `Debian`, `Ubuntu`, `Fedora`, `Rocky`, `Archlinux`, `Alpine`...
    pub distribution: String,
    /// The full version, such as `12.11` or `24.04`; empty on a rolling release.
    pub version: String,
    /// The version up to the first dot.
    pub major_version: String,
    /// The codename, such as `bookworm`; empty where there is none.
    pub release: String,
    /// The name people read, such as `Debian GNU/Linux 12 (bookworm)`.
    pub description: String,
}

/// Asks for the operating system.
pub async fn os(host: &dyn Look) -> Result<Os> {
    let files = "cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release || exit; \
                 echo \"DEBIAN_VERSION=$(cat /etc/debian_version 2>/dev/null)\"";
    let text = script(host, files).await?;
    let field = |name: &str| {
        let line = text.lines().rev().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
        line.map(value).unwrap_or_default()
    };
    let id = field("ID").to_lowercase();
    if id.is_empty() {
        return Err(strange("/etc/os-release", &text));
    }
    let name = field("NAME");
    let distribution = distribution(&id, &name);
    let mut version = field("VERSION_ID");
    let precise = field("DEBIAN_VERSION");
    if distribution == "Debian" && precise.starts_with(|c: char| c.is_ascii_digit()) {
        version = precise;
    }
    Ok(Os {
        family: family(&id, &field("ID_LIKE"), &distribution),
        major_version: version.split('.').next().unwrap_or_default().to_owned(),
        version,
        release: field("VERSION_CODENAME"),
        description: field("PRETTY_NAME"),
        distribution,
    })
}

/// A value as the file's grammar has it: bare, or quoted with `\` in front of `"`, `$`, `` ` `` and itself.
fn value(text: &str) -> String {
    let text = text.trim();
    let quoted = |mark: char| text.strip_prefix(mark).and_then(|t| t.strip_suffix(mark));
    if let Some(inner) = quoted('\'') {
        return inner.to_owned();
    }
    let inner = quoted('"').unwrap_or(text);
    let mut out = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

fn distribution(id: &str, name: &str) -> String {
    let known = match id {
        "debian" | "raspbian" => "Debian",
        "ubuntu" => "Ubuntu",
        "fedora" => "Fedora",
        "centos" => "CentOS",
        "rhel" => "RedHat",
        "rocky" => "Rocky",
        "almalinux" => "AlmaLinux",
        "ol" => "OracleLinux",
        "amzn" => "Amazon",
        "arch" | "archarm" => "Archlinux",
        "manjaro" | "manjaro-arm" => "Manjaro",
        "endeavouros" => "EndeavourOS",
        "alpine" => "Alpine",
        "opensuse-leap" => "openSUSE Leap",
        "opensuse-tumbleweed" => "openSUSE Tumbleweed",
        "opensuse-microos" => "openSUSE MicroOS",
        "sles" => "SLES",
        "gentoo" => "Gentoo",
        "nixos" => "NixOS",
        "void" => "Void",
        "kali" => "Kali",
        "linuxmint" => "Linux Mint",
        "pop" => "Pop!_OS",
        "openwrt" => "OpenWrt",
        _ => return if name.is_empty() { id.to_owned() } else { name.to_owned() },
    };
    known.to_owned()
}

fn family(id: &str, like: &str, distribution: &str) -> String {
    let of = |id: &str| match id {
        "debian" | "ubuntu" | "raspbian" | "linuxmint" | "kali" | "pop" | "devuan" => Some("Debian"),
        "fedora" | "rhel" | "centos" | "rocky" | "almalinux" | "ol" | "amzn" => Some("RedHat"),
        "arch" | "archarm" | "manjaro" | "endeavouros" => Some("Archlinux"),
        "alpine" => Some("Alpine"),
        "suse" | "opensuse" | "sles" | "opensuse-leap" | "opensuse-tumbleweed" | "opensuse-microos" => Some("Suse"),
        "gentoo" => Some("Gentoo"),
        _ => None,
    };
    let found = std::iter::once(id).chain(like.split_whitespace()).find_map(of);
    found.map_or_else(|| distribution.to_owned(), str::to_owned)
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_are_read_by_the_files_grammar() {
        for (text, want) in
            [("debian", "debian"), ("\"a \\\"b\\\" \\$c\"", "a \"b\" $c"), ("'x y'", "x y"), ("\"\"", "")]
        {
            assert_eq!(super::value(text), want);
        }
        assert_eq!(super::family("x", "ubuntu debian", "X"), "Debian");
        assert_eq!(super::family("x", "", "X"), "X");
    }
}
