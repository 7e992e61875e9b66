//! Files: written whole or not at all, and brought back the same way.

use super::{Become, Connection, Keep, Shell, live};
use sha2::{Digest, Sha256};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;
use std::sync::{Mutex, PoisonError};
use stdlib::contract::{Asset, Command, Error, Fetch, Output, Result, Source, Write, nearest};

/// Contents of assets up to this size are held in memory.
const HELD: u64 = 1024 * 1024;

/// What [`WRITE`] exits with where the new content was not accepted.
const REFUSED: i32 = 65;

/// Writes a file whole: `PATH SIZE MODE OWNER GROUP BACKUP [VALIDATE...]`, the content on stdin. A new
/// file gets 0644; an existing one keeps its mode and owner. A symbolic link is followed.
const WRITE: &str = r#"
set -e
umask 077
trap '' PIPE HUP
path=$1 size=$2 mode=$3 owner=$4 group=$5 backup=$6
shift 6
if [ -L "$path" ]; then path=$(readlink -f -- "$path"; echo x); path=${path%?x}; fi
case $path in */*) dir=${path%/*}; [ -n "$dir" ] || dir=/ ;; *) dir=. ;; esac
new=$dir/.hlrun.$$.tmp
trap 'rm -f -- "$new"' EXIT
cat >"$new"
[ "$(wc -c <"$new")" -eq "$size" ] || { echo "only part of the content arrived" >&2; exit 1; }
if [ -e "$path" ]; then
  old=$(stat -c '%a %u:%g' -- "$path")
  [ -n "$mode" ] || mode=${old%% *}
  had=${old#* }
  [ -n "$owner" ] || owner=${had%:*}
  [ -n "$group" ] || group=${had#*:}
fi
[ "$(stat -c '%u:%g' -- "$new")" = "$owner:$group" ] || [ -z "$owner$group" ] || chown -- "$owner${group:+:$group}" "$new"
chmod -- "${mode:-0644}" "$new"
if [ $# -gt 0 ]; then
  n=$#
  while [ "$n" -gt 0 ]; do
    arg=$1; shift; n=$((n - 1))
    case $arg in *%s*) arg=${arg%%"%s"*}$new${arg#*"%s"} ;; esac
    set -- "$@" "$arg"
  done
  "$@" </dev/null || { code=$?; echo "the new content was not accepted (exit code $code)" >&2; exit 65; }
fi
[ -z "$backup" ] || [ ! -e "$path" ] || cp -p -- "$path" "$backup"
sync -- "$new" 2>/dev/null || fsync "$new" 2>/dev/null || sync
mv -f -- "$new" "$path"
"#;

/// Put a file in its place: whole or not at all. Small texts go through the shell, anything else is
/// streamed on a channel of its own.
pub async fn write(
    shell: &Shell,
    connection: &dyn Connection,
    whom: Option<&Become>,
    write: &Write,
    group: &AtomicU32,
) -> Result<Output> {
    let size = match &write.source {
        Source::Text(text) => text.len() as u64,
        Source::Bytes(bytes) => bytes.len() as u64,
        Source::Asset(path) => std::fs::metadata(path).map_err(|e| unreadable(path, &e))?.len(),
        Source::Kept(_) => return Err(Error::bug("a kept content was not looked up")),
    };
    let word = |value: &Option<String>| value.clone().unwrap_or_default();
    let mut command = Command::sh(WRITE).args([
        write.path.clone(),
        size.to_string(),
        word(&write.mode),
        word(&write.owner),
        word(&write.group),
        word(&write.backup),
    ]);
    if let Some(validate) = &write.validate {
        command = command.arg(&validate.program).args(&validate.args);
    }
    let output = match &write.source {
        Source::Text(text) => {
            let command = command.stdin(text.clone());
            if Shell::takes(&command) {
                shell.run(&command).await?
            } else {
                live(connection, whom, &command, None, &|_, _| {}, Keep::All, group).await?
            }
        }
        Source::Bytes(bytes) => {
            let mut input: &[u8] = bytes;
            live(connection, whom, &command, Some(&mut input), &|_, _| {}, Keep::All, group).await?
        }
        Source::Asset(path) => {
            let mut input = tokio::fs::File::open(path).await.map_err(|e| unreadable(path, &e))?;
            live(connection, whom, &command, Some(&mut input), &|_, _| {}, Keep::All, group).await?
        }
        Source::Kept(_) => return Err(Error::bug("a kept content was not looked up")),
    };
    if output.success() {
        return Ok(output);
    }
    let said = output.stderr_text();
    let said = said.lines().map(str::trim).rfind(|l| !l.is_empty()).unwrap_or("no reason given");
    let (said, hint) =
        if said.contains("nonexistent") || said.contains("cannot create") && said.contains("No such file") {
            ("its directory does not exist", "make it first with file::directory")
        } else if said.contains("No space left") {
            (said, "free some space on the host (df -h), then run it again; the old file is untouched")
        } else {
            (said, "the old file is untouched")
        };
    let by = write.validate.as_ref().filter(|_| output.code == REFUSED);
    let words = by.map(|command| format!(": {}", command.line())).unwrap_or_default();
    let mut error = Error::host(format!("cannot write {}: {said}{words}", write.path)).hint(hint);
    error.rc = Some(output.code);
    // What is wrong with it is said by the command that did not accept it, which may have quoted it.
    Err(if by.is_some() && !write.sensitive { error.with_output(&output) } else { error })
}

/// Bring a file to the controller: beside its place, then renamed over it.
pub async fn fetch(
    connection: &dyn Connection,
    whom: Option<&Become>,
    fetch: &Fetch,
    group: &AtomicU32,
) -> Result<Output> {
    let dest = Path::new(&fetch.dest);
    let failed = |e: std::io::Error| Error::playbook(format!("cannot write {} on the controller: {e}", dest.display()));
    let part = Part::beside(dest).map_err(failed)?;
    let command = Command::new("cat").arg("--").arg(&fetch.path);
    let output = stream(connection, whom, &command, &part.file, group).await?.map_err(failed)?;
    if !output.success() {
        let said = output.stderr_text();
        return Err(Error::host(format!("cannot read {}: {}", fetch.path, said.trim())).with_output(&output));
    }
    part.keep().map_err(failed)?;
    Ok(output)
}

/// Run a command whose standard output goes into a file of the controller; the inner result is that of writing.
pub(super) async fn stream(
    connection: &dyn Connection,
    whom: Option<&Become>,
    command: &Command,
    file: &std::fs::File,
    group: &AtomicU32,
) -> Result<std::io::Result<Output>> {
    let written = Mutex::new(Ok(()));
    let sink = |stream: super::Stream, bytes: &[u8]| {
        let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
        if stream == super::Stream::Stdout && written.is_ok() {
            let mut file: &std::fs::File = file;
            *written = file.write_all(bytes);
        }
    };
    let output = live(connection, whom, command, None, &sink, Keep::Nothing, group).await?;
    Ok(written.into_inner().unwrap_or_else(PoisonError::into_inner).map(|()| output))
}

/// A file of the controller on its way: beside its place, and gone again unless it is kept.
pub(super) struct Part {
    /// What is written.
    pub file: std::fs::File,
    path: PathBuf,
    place: PathBuf,
}

impl Part {
    /// Begin one, in a directory that is made if need be.
    pub fn beside(place: &Path) -> std::io::Result<Part> {
        if let Some(dir) = place.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let path = place.with_file_name(format!(".hlrun.{}.{}.tmp", std::process::id(), super::nonce()));
        let file = std::fs::File::options().read(true).write(true).create_new(true).open(&path)?;
        Ok(Part { file, path, place: place.to_owned() })
    }
    /// Put it in its place.
    pub fn keep(self) -> std::io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, &self.place)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path); // after a rename there is none
    }
}

/// A file on the controller, looked for in these directories in turn. Nothing if there is none.
pub fn asset(path: &str, roots: &[PathBuf]) -> Result<Option<Asset>> {
    let Some(found) = find(path, roots) else { return Ok(None) };
    describe(&found, found.to_string_lossy().into_owned(), true).map(Some)
}

/// Everything below a directory on the controller, sorted by path, without contents.
pub fn asset_tree(path: &str, roots: &[PathBuf]) -> Result<Vec<Asset>> {
    let Some(root) = find(path, roots).filter(|root| root.is_dir()) else {
        let error = Error::playbook(format!("no directory `{path}` on the controller"));
        let names: Vec<String> = roots
            .iter()
            .flat_map(|root| names(&root.join(Path::new(path).parent().unwrap_or(Path::new("")))))
            .collect();
        let file = Path::new(path).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        return Err(match nearest(&file, names.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("directories are looked for beside the playbook, in its `files`, and in the project"),
        });
    };
    let mut found = Vec::new();
    walk(&root, Path::new(""), &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn walk(root: &Path, below: &Path, found: &mut Vec<Asset>) -> Result<()> {
    let dir = root.join(below);
    for entry in std::fs::read_dir(&dir).map_err(|e| unreadable(&dir.to_string_lossy(), &e))?.flatten() {
        let path = below.join(entry.file_name());
        let asset = describe(&root.join(&path), path.to_string_lossy().into_owned(), false)?;
        let directory = asset.directory;
        found.push(asset);
        if directory {
            walk(root, &path, found)?;
        }
    }
    Ok(())
}

/// Where a file of the controller is, looked for in these directories in turn.
pub fn find(path: &str, roots: &[PathBuf]) -> Option<PathBuf> {
    let candidates = roots.iter().map(|root| root.join(path));
    candidates.filter(|candidate| candidate.exists()).map(|c| std::path::absolute(&c).unwrap_or(c)).next()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn describe(path: &Path, name: String, contents: bool) -> Result<Asset> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |e: std::io::Error| unreadable(&path.to_string_lossy(), &e);
    let meta = if contents { path.metadata() } else { path.symlink_metadata() }.map_err(failed)?;
    let mode = format!("{:04o}", meta.permissions().mode() & 0o7777);
    let mut asset = Asset { path: name, mode, directory: meta.is_dir(), ..Asset::default() };
    if meta.file_type().is_symlink() {
        asset.link = Some(std::fs::read_link(path).map_err(failed)?.to_string_lossy().into_owned());
    } else if meta.is_file() {
        asset.size = meta.len();
        let hex = |digest: &[u8]| digest.iter().map(|b| format!("{b:02x}")).collect::<String>();
        if contents && meta.len() <= HELD {
            let bytes = std::fs::read(path).map_err(failed)?;
            asset.sha256 = hex(&Sha256::digest(&bytes));
            asset.content = Some(bytes);
        } else {
            let mut hasher = Sha256::new();
            std::io::copy(&mut std::fs::File::open(path).map_err(failed)?, &mut hasher).map_err(failed)?;
            asset.sha256 = hex(&hasher.finalize());
        }
    }
    Ok(asset)
}

pub(super) fn unreadable(path: &str, error: &std::io::Error) -> Error {
    Error::playbook(format!("cannot read {path} on the controller: {error}"))
}
