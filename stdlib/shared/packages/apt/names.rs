//! Packages as playbooks name them.

use super::super::glob;
use super::transaction::fetching;
use crate::bail;
use crate::contract::{Command, Look, Result};

/// A package that a playbook names: `curl`, `curl=8.5*`, `curl/trixie-backports`, or a `.deb` on the host or on the web.
#[derive(Debug, Clone)]
pub struct Named {
    /// As apt-get takes it.
    pub arg: String,
    /// The package alone.
    pub name: String,
    /// The version it must have; `*` stands for anything.
    version: Option<String>,
    /// Whether it must come from a release, which an installed package does not tell.
    release: bool,
}

impl Named {
    /// Whether an installed version is what is named.
    pub fn fits(&self, installed: Option<&str>) -> bool {
        let Some(installed) = installed.filter(|version| !version.ends_with(')')) else { return false };
        !self.release && self.version.as_ref().is_none_or(|version| glob(version, installed))
    }
}

/// Reads the names of packages; what is no name is an error before any host is touched.
pub fn parse(names: &[String]) -> Result<Vec<Named>> {
    names.iter().map(|name| one(name)).collect()
}

/// The names alone.
pub fn asked(names: &[String]) -> Vec<String> {
    names.iter().filter_map(|name| one(name).ok()).map(|named| named.name).collect()
}

/// The same for an operation that takes nothing but names.
pub fn plain(operation: &str, names: &[String]) -> Result<Vec<Named>> {
    let named = parse(names)?;
    match named.iter().find(|named| named.name != named.arg) {
        Some(other) => bail!(playbook: "{operation} takes names of packages only, not `{}`", other.arg),
        None => Ok(named),
    }
}

fn one(text: &str) -> Result<Named> {
    let file = text.starts_with('/') && text.ends_with(".deb");
    if file || text.starts_with("https://") || text.starts_with("http://") {
        return Ok(Named { arg: text.to_owned(), name: String::new(), version: None, release: false });
    }
    let (name, version, release) = match (text.split_once('='), text.split_once('/')) {
        (Some((name, version)), _) => (name, Some(version.to_owned()), false),
        (None, Some((name, _))) => (name, None, true),
        (None, None) => (text, None, false),
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.:".contains(c);
    let blank = |part: &str| part.is_empty() || part.contains(char::is_whitespace);
    if text == "*" {
        bail!(playbook: "`*` is no package"; hint: "apt::upgraded() upgrades all of them");
    }
    let rest = text.get(name.len()..).unwrap_or_default();
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric())
        || !name.chars().all(plain)
        // apt takes that for a package to remove.
        || name.ends_with('-')
        || rest.len() == 1
        || blank(text)
    {
        bail!(playbook: "`{text}` is no package's name";
            hint: "write \"curl\", \"curl=8.5*\", \"curl/trixie-backports\", or the path on the host or the URL of a .deb");
    }
    Ok(Named { arg: text.to_owned(), name: name.to_owned(), version, release })
}

/// Asks the `.deb` files among them what they contain; one on the web is fetched for that, and thrown away.
pub async fn resolve(host: &dyn Look, names: &mut [Named]) -> Result<()> {
    for named in names.iter_mut().filter(|named| named.name.is_empty()) {
        let control = Command::new("dpkg-deb").args(["-f", &named.arg, "Package", "Version"]);
        let output = host.run(&fetching(control)).await?;
        let lines = output.lines();
        let field = |field: &str| lines.iter().find_map(|line| line.strip_prefix(field)).map(|v| v.trim().to_owned());
        match (field("Package:"), field("Version:")) {
            (Some(name), Some(version)) => (named.name, named.version) = (name, Some(version)),
            _ => bail!("{} is no package: {}", named.arg, output.stderr_text().trim_end()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_compared() {
        let named = |text: &str| one(text).unwrap();
        assert!(named("curl").fits(Some("8.5")) && !named("curl").fits(None));
        assert!(named("curl=8.5*").fits(Some("8.5.0-2")) && !named("curl=8.5*").fits(Some("8.6")));
        assert!(!named("curl").fits(Some("8.5 (not configured)")));
        assert!(!named("curl/trixie").fits(Some("8.5")));
        assert_eq!(named("libc6:i386=2.41").name, "libc6:i386");
        for wrong in ["*", "", "-y", "curl jq", "curl=", "Curl!", "--purge", "x;reboot"] {
            assert!(one(wrong).is_err(), "{wrong}");
        }
    }
}
