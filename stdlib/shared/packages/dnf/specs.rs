//! Packages as playbooks name them, and as rpm tells them.

use super::super::{Packages, glob};
use crate::bail;
use crate::contract::{Command, Output, Result};
use std::collections::BTreeSet;

/// An installed package, or one that would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its architecture.
    pub arch: String,
    /// Epoch (unless it is 0), version and release.
    pub evr: String,
}

impl Row {
    /// A package in parts.
    pub fn new(name: &str, arch: &str, evr: &str) -> Row {
        let evr = evr.strip_prefix("0:").unwrap_or(evr);
        Row { name: name.to_owned(), arch: arch.to_owned(), evr: evr.to_owned() }
    }
    /// As dnf takes exactly this one.
    pub fn label(&self) -> String {
        format!("{}-{}.{}", self.name, self.evr, self.arch)
    }
}

/// What a package is called in a state: its name; with the architecture where it is the second one of a machine.
pub fn key(row: &Row) -> String {
    let second = row.arch.len() == 4 && row.arch.starts_with('i') && row.arch.ends_with("86");
    if second { format!("{}.{}", row.name, row.arch) } else { row.name.clone() }
}

/// Checks what a playbook names; what is no name is an error before any host is touched.
pub fn check(names: &[String]) -> Result<()> {
    for text in names {
        if text == "*" {
            bail!(playbook: "`*` is no package"; hint: "dnf::upgraded() upgrades all of them");
        }
        if text.trim().is_empty() || text.starts_with('-') || text.contains(char::is_whitespace) {
            bail!(playbook: "`{text}` is no package's name";
                hint: "write \"vim\", \"vim-9.1*\", \"/usr/bin/dig\", or the path on the host or the URL of an .rpm");
        }
    }
    Ok(())
}

/// Whether rpm's database can tell if it is installed; groups, files and what packages provide are dnf's to tell.
pub fn plain(spec: &str) -> bool {
    !spec.starts_with('@') && !spec.contains('/') && !spec.contains('(')
}

/// Asks which of these are installed.
pub fn query<S: Into<String>>(specs: impl IntoIterator<Item = S>) -> Command {
    Command::new("rpm").args(["-qa", "--qf", r"%{NAME} %{ARCH} %{EVR}\n"]).args(specs)
}

/// The answer to [`query`].
pub fn rows(output: &Output) -> Result<Vec<Row>> {
    if !output.success() {
        bail!("rpm does not answer: {}", output.stderr_text().trim_end(); hint: "is it a Fedora, or one of its kin?");
    }
    let row = |line: String| match line.split(' ').collect::<Vec<_>>()[..] {
        [name, arch, evr] => Some(Row::new(name, arch, evr)),
        _ => None,
    };
    Ok(output.lines().into_iter().filter_map(row).collect())
}

/// The versions of these rows; of a package that is there several times, such as a kernel, all of them.
pub fn versions(rows: &[Row]) -> Packages {
    let names: BTreeSet<String> = rows.iter().map(key).collect();
    let version = |name: &String| {
        let all: BTreeSet<&str> = rows.iter().filter(|row| key(row) == *name).map(|row| row.evr.as_str()).collect();
        Some(Vec::from_iter(all).join(", "))
    };
    names.into_iter().map(|name| (name.clone(), version(&name))).collect()
}

/// Whether an installed package is what is named: by name, `name.arch`, `name-version` or `name-version-release`.
pub fn fits(spec: &str, row: &Row) -> bool {
    let Row { name, arch, evr } = row;
    let bare = evr.split_once(':').map_or(evr.as_str(), |(_, rest)| rest);
    let version = bare.split('-').next().unwrap_or_default();
    let forms = [
        name.clone(),
        format!("{name}.{arch}"),
        format!("{name}-{version}"),
        format!("{name}-{bare}"),
        format!("{name}-{bare}.{arch}"),
        format!("{name}-{evr}"),
        format!("{name}-{evr}.{arch}"),
    ];
    forms.iter().any(|form| glob(spec, form))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_what_is_installed() {
        let row = Row::new("vim-enhanced", "x86_64", "2:9.1-3.el9");
        for spec in
            ["vim-enhanced", "vim-enhanced.x86_64", "vim-enhanced-9.1", "vim-enhanced-9*", "vim-enhanced-2:9.1-3.el9"]
        {
            assert!(fits(spec, &row), "{spec}");
        }
        for spec in ["vim", "vim-enhanced-8*", "vim-enhanced.i686"] {
            assert!(!fits(spec, &row), "{spec}");
        }
        let kernels = [Row::new("kernel", "x86_64", "1-1"), Row::new("kernel", "x86_64", "2-1")];
        assert_eq!(versions(&kernels)["kernel"].as_deref(), Some("1-1, 2-1"));
        assert!(check(&["-y".to_owned()]).is_err() && check(&["a b".to_owned()]).is_err());
        assert!(!plain("@toys") && !plain("/usr/bin/vi") && !plain("https://x/y.rpm") && plain("toy-1*"));
    }
}
