//! The files of packages, so that they come back whatever an index has then.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The files of some packages, and what keeps them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// The directory that they are in.
    pub root: String,
    /// Their names below it, one a line.
    pub names: String,
    /// The digest of an archive of them.
    pub kept: String,
}

/// The files in the answer of `pip show -f`, and the directories that they lie in below those of all packages, as
/// names below a directory; nothing if one lies elsewhere or is not listed.
pub fn listed(shown: &str, root: &str) -> Option<String> {
    let (mut names, mut place, mut listing) = (BTreeSet::new(), "", false);
    for line in shown.lines() {
        if let Some(at) = line.strip_prefix("Location: ") {
            (place, listing) = (at, false);
        } else if let Some(file) = line.strip_prefix("  ").filter(|_| listing) {
            if file.starts_with("Cannot locate") {
                return None;
            }
            let mut parts: Vec<&str> = place.split('/').filter(|part| !part.is_empty()).collect();
            let depth = parts.len();
            for part in file.split('/').filter(|part| !part.is_empty() && *part != ".") {
                if part == ".." { parts.pop().map(drop)? } else { parts.push(part) }
            }
            let below = |length: usize| {
                let path = format!("/{}", parts[..length].join("/"));
                Some(path.strip_prefix(root)?.trim_start_matches('/').to_owned())
            };
            let inside = format!("/{}", parts.join("/")).starts_with(&format!("{}/", place.trim_end_matches('/')));
            let directories = if inside { depth + 1..parts.len() } else { 0..0 };
            for length in directories.chain([parts.len()]) {
                names.insert(below(length)?);
            }
        } else {
            listing = line == "Files:";
        }
    }
    Some(names.into_iter().collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_packages_are_those_that_pip_lists() {
        let shown = "Name: a\nLocation: /v/lib/p\nRequires: \nFiles:\n  ../../bin/a\n  a/b/c.py\n  a.py\n---\nName: b\nLocation: /v/lib/p\nFiles:\n  b.py\n";
        assert_eq!(listed(shown, "/v").unwrap(), "bin/a\nlib/p/a\nlib/p/a.py\nlib/p/a/b\nlib/p/a/b/c.py\nlib/p/b.py");
        assert_eq!(listed(shown, "/w"), None);
        assert_eq!(listed("Location: /v/lib\nFiles:\n  Cannot locate RECORD\n", "/v"), None);
    }
}
