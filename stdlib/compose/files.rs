//! Files that a service mounts from the directory of its stack, and what is remembered of a stack.
//!
//! A container sees a mounted file as it was when it started: what was written beside and renamed over it, as editors
//! and playbooks do, it does not see. So a service whose file has another content since then is made anew. Where the
//! container may write to the file itself, only another file in its place counts, never its own writing.

use super::project::{Project, Service};
use crate::contract::{Command, Look, Result};
use crate::shared::is_below;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What is remembered of a stack.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Its services.
    pub services: BTreeMap<String, Remembered>,
}

/// How a service was when it was made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// What compose called its configuration.
    pub hash: String,
    /// Its configuration, without secrets.
    pub config: Value,
    /// The files that it mounts.
    pub files: BTreeMap<String, Print>,
}

/// What is compared of a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Print {
    /// SHA-256 of its content, in hex.
    pub sha256: String,
    /// Its number in the file system: another file has another one.
    pub inode: u64,
}

/// A mounted file as it is.
#[derive(Debug, Clone)]
pub struct Mounted {
    /// What is compared of it.
    pub print: Print,
    /// When its content was last written, in seconds since 1970.
    pub written: i64,
    /// When it was last changed in any way.
    pub changed: i64,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// The mounted files of a stack, as they are.
#[derive(Debug, Default)]
pub struct Files {
    /// Each of them, by path.
    all: BTreeMap<String, Mounted>,
    /// Directories that may only be read: when something came or went there last, in seconds since 1970.
    dirs: BTreeMap<String, i64>,
}

/// `MEMORY FILES... -- PATHS...`: what is remembered, and digest, inode, both times and path of every small file that
/// these are, or that are in directories of the second kind. Of such a directory with all of its files, a line with `-`.
const ASK: &str = r#"
[ ! -e "$1" ] || cat -- "$1"
printf '\n--hlrun--\n'
shift
dirs=
for p; do
  if [ "$p" = -- ]; then dirs=1; elif [ -f "$p" ]; then echo "$p"; elif [ -n "$dirs" ] && [ -d "$p" ]; then
    find "$p" -type f | LC_ALL=C sort | head -n 200
    [ "$(find "$p" -type f | head -n 201 | wc -l)" -gt 200 ] || echo "- - - $(find "$p" -type d -exec stat -c %Z {} + | sort -n | tail -n 1) $p"
  fi
done | while IFS= read -r f; do
  case $f in "- "*) echo "$f"; continue ;; esac
  s=$(stat -c '%s %i %Y %Z' -- "$f") && [ "${s%% *}" -le 1048576 ] || continue
  d=$(sha256sum <"$f") && printf '%s %s %s\n' "${d%% *}" "${s#* }" "$f"
done
exit 0
"#;

/// What is remembered of a stack, and its mounted files: all single ones, and those in directories that may only be
/// read, by path.
pub async fn read(host: &dyn Look, project: &Project) -> Result<(Memory, Files)> {
    let mut paths: BTreeMap<&str, bool> = BTreeMap::new();
    for (path, read_only) in project.services.values().flat_map(|service| &service.mounts) {
        *paths.entry(path).or_insert(true) &= read_only;
    }
    let ask = Command::gist("cat, stat, sha256sum", ASK).arg(&project.memory);
    let these = |only: bool| paths.iter().filter(move |(_, read_only)| **read_only == only).map(|(path, _)| *path);
    let ask = ask.args(these(false)).arg("--").args(these(true));
    let text = host.expect(&ask).await?.text();
    let (memory, rest) = text.split_once("\n--hlrun--\n").unwrap_or_default();
    let mut files = Files::default();
    let mounted = rest.lines().filter_map(|line| {
        let [sha256, inode, written, changed, path] = line.splitn(5, ' ').collect::<Vec<_>>().try_into().ok()?;
        let changed = changed.parse().ok()?;
        if sha256 == "-" {
            files.dirs.insert(path.to_owned(), changed);
            return None;
        }
        let print = Print { sha256: sha256.to_owned(), inode: inode.parse().ok()? };
        let single = paths.get(path).copied();
        // A directory that the container may write to is its data.
        let read_only = single.or_else(|| within(path, &paths).then_some(true))?;
        Some((path.to_owned(), Mounted { print, written: written.parse().ok()?, changed, read_only }))
    });
    files.all = mounted.collect();
    Ok((serde_json::from_str(memory).unwrap_or_default(), files))
}

fn within(file: &str, paths: &BTreeMap<&str, bool>) -> bool {
    paths.iter().any(|(path, read_only)| *read_only && is_below(file, path))
}

/// What is shown of a file that the container sees another one of, and nobody knows which.
const WRITTEN: &str = "written since it was started";

impl Files {
    /// What a service mounts, as it is.
    pub fn prints(&self, service: &Service) -> BTreeMap<String, Print> {
        let inline =
            service.inline.iter().map(|(name, sha256)| (name.clone(), Print { sha256: sha256.clone(), inode: 0 }));
        self.of(service).map(|(path, file)| (path.clone(), file.print.clone())).chain(inline).collect()
    }

    /// The digests of what a service mounts, as its containers see it that were started at a time, if there are any.
    pub fn seen(
        &self,
        service: &Service,
        remembered: Option<&Remembered>,
        started: Option<i64>,
    ) -> BTreeMap<String, String> {
        let prints = self.prints(service).into_iter().map(|(path, print)| (path, print.sha256));
        let mut all: BTreeMap<String, String> = prints.collect();
        let Some(started) = started else { return all };
        let was = |path: &str| remembered.and_then(|remembered| remembered.files.get(path));
        // What was mounted then is known of one that mounts the same now.
        let known = remembered.filter(|remembered| remembered.hash == service.hash);
        let listed = |path: &str, since: &dyn Fn(i64) -> bool| {
            let mut dirs = self.dirs.iter().filter(|(dir, _)| service.mounts.contains_key(*dir));
            dirs.any(|(dir, changed)| is_below(path, dir) && since(*changed))
        };
        for (path, file) in self.of(service) {
            let came = known.is_some() && was(path).is_none() && file.changed >= started;
            if came && listed(path, &|_| true) {
                all.remove(path);
            } else {
                all.insert(path.clone(), seen(file, was(path), started).unwrap_or_else(|| WRITTEN.to_owned()));
            }
        }
        for (path, print) in known.into_iter().flat_map(|known| &known.files) {
            let went = !all.contains_key(path) && !self.all.contains_key(path);
            if went && listed(path, &|changed| changed >= started) || service.inline.contains_key(path) {
                all.insert(path.clone(), print.sha256.clone());
            }
        }
        all
    }

    fn of<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = (&'a String, &'a Mounted)> {
        let mounts = &service.mounts;
        self.all
            .iter()
            .filter(move |(path, _)| mounts.contains_key(*path) || mounts.keys().any(|dir| is_below(path, dir)))
    }
}

/// The digest of a file as containers see it that were started at a time; nothing if it is not known, and the file is
/// another one since. What is remembered of it tells a new content from a mere touch.
fn seen(file: &Mounted, remembered: Option<&Print>, started: i64) -> Option<String> {
    let other = match remembered {
        Some(was) => {
            file.changed >= started
                && was.sha256 != file.print.sha256
                && (file.read_only || was.inode != file.print.inode)
        }
        None => file.read_only && file.written > started,
    };
    if other { remembered.map(|was| was.sha256.clone()) } else { Some(file.print.sha256.clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mounted_file_counts_when_the_container_sees_an_old_one() {
        let print = |sha256: &str, inode| Print { sha256: sha256.to_owned(), inode };
        let file = |read_only, times| Mounted { print: print("new", 2), written: times, changed: times, read_only };
        for (file, remembered, expected, what) in [
            (file(true, 50), None, Some("new"), "older than the container"),
            (file(true, 150), None, None, "written since, and nothing is remembered"),
            (file(false, 150), None, Some("new"), "perhaps written by the container itself"),
            (file(true, 150), Some(print("old", 2)), Some("old"), "another content"),
            (file(true, 150), Some(print("new", 1)), Some("new"), "touched"),
            (file(true, 50), Some(print("old", 2)), Some("new"), "the container was started since by somebody else"),
            (file(false, 150), Some(print("old", 2)), Some("new"), "written in place, perhaps by the container"),
            (file(false, 150), Some(print("old", 1)), Some("old"), "another file in its place"),
        ] {
            assert_eq!(seen(&file, remembered.as_ref(), 100).as_deref(), expected, "{what}");
        }
    }
}
