//! Many files in one stream: up, and down again.

use super::files::{Part, fetch, stream, unreadable, write};
use super::{Become, Connection, Keep, Shell, live};
use std::collections::BTreeMap;
use std::io::{Read, Seek, Write as _};
use std::path::Path;
use std::sync::atomic::AtomicU32;
use stdlib::contract::{Command, Error, Fetch, Output, Result, Source, Upload, Write};
use tokio_util::io::SyncIoBridge;

/// Unpacks a tar stream beside its place and renames each file into it: `DEST OWNER GROUP`. One process moves
/// all files of a directory. A file that is replaced keeps the owner and group that are not given.
const PLACE: &str = r#"
command -v tar >/dev/null || exit 69
set -e
umask 077
trap '' PIPE HUP
dest=$1 owner=$2 group=$3 uid=$(id -u) gid=$(id -g)
new=$dest/.hlrun.$$.tmp
trap 'rm -rf -- "$new"' EXIT
mkdir -- "$new"
cd -- "$new"
tar -xmopf - || { echo "not all of the files arrived" >&2; exit 1; }
[ -z "$owner$group" ] || chown -hR -- "$owner${group:+:$group}" .
own() {
  stat -c '%u %g' -- "$@" | while read -r u g; do
    f=./${1#"$dest/./"}
    [ -n "$owner" ] || [ "$u" = "$uid" ] || chown -h -- "$u" "$f" || exit
    [ -n "$group" ] || [ "$g" = "$gid" ] || chgrp -h -- "$g" "$f" || exit
    shift
  done
}
move() {
  old=
  [ -n "$owner" ] && [ -n "$group" ] || for f; do [ ! -f "$dest/$f" ] || { old=yes; break; }; done
  if [ -n "$old" ]; then kept "$@"; fi
  mv -f -- "$@" "$to"
}
kept() {
  n=$#
  while [ "$n" -gt 0 ]; do
    f=$dest/$1; shift; n=$((n - 1))
    [ ! -f "$f" ] || set -- "$@" "$f"
  done
  own "$@"
}
place() {
  for f in "$1"/* "$1"/.[!.]* "$1"/..?*; do [ ! -d "$f" ] || place "$f"; done
  to=$dest/$1/ d=$1
  set --
  for f in "$d"/* "$d"/.[!.]* "$d"/..?*; do
    [ -f "$f" ] || continue
    set -- "$@" "$f"
    [ $# -lt 400 ] || { move "$@"; set --; }
  done
  [ $# -eq 0 ] || move "$@"
}
place .
"#;

/// The exit code of scripts here for a host that has no `tar`.
const NO_TAR: i32 = 69;

/// Put files below a directory. A host without `tar` gets them one by one.
pub async fn upload(
    shell: &Shell,
    connection: &dyn Connection,
    whom: Option<&Become>,
    upload: &Upload,
    group: &AtomicU32,
) -> Result<Output> {
    let word = |value: &Option<String>| value.clone().unwrap_or_default();
    let command = Command::sh(PLACE).args([upload.dest.clone(), word(&upload.owner), word(&upload.group)]);
    let (into, mut from) = tokio::io::duplex(256 * 1024);
    let (files, src) = (upload.files.clone(), upload.src.clone());
    let pack = tokio::task::spawn_blocking(move || pack(&src, &files, SyncIoBridge::new(into)));
    let output = live(connection, whom, &command, Some(&mut from), &|_, _| {}, Keep::All, group).await;
    drop(from);
    // What could not be read here is why not all arrived there.
    pack.await.map_err(|e| Error::bug(format!("packing ended early: {e}")))??;
    let output = output?;
    match output.code {
        0 => Ok(output),
        NO_TAR => {
            for (below, mode) in &upload.files {
                let source = Source::Asset(format!("{}/{below}", upload.src));
                let one = Write {
                    mode: Some(mode.clone()),
                    owner: upload.owner.clone(),
                    group: upload.group.clone(),
                    ..Write::new(format!("{}/{below}", upload.dest), source)
                };
                write(shell, connection, whom, &one, group).await?;
            }
            Ok(Output { code: 0, ..output })
        }
        code => {
            let said = output.stderr_text();
            let mut said = said.lines().map(str::trim).filter(|line| !line.is_empty());
            let said = said.find(|line| line.contains("No space left")).or(said.next()).unwrap_or("no reason given");
            let hint = if said.contains("No space left") {
                "free some space on the host (df -h), then run it again; no file is half written"
            } else {
                "no file is half written"
            };
            let mut error = Error::host(format!("cannot write below {}: {said}", upload.dest)).hint(hint);
            error.rc = Some(code);
            error.stderr = output.stderr_text();
            Err(error)
        }
    }
}

/// A tar stream of these files. That nobody reads it to its end is for the reader to explain.
fn pack(src: &str, files: &BTreeMap<String, String>, into: impl std::io::Write) -> Result<()> {
    let mut tar = tar::Builder::new(std::io::BufWriter::with_capacity(128 * 1024, into));
    for (below, mode) in files {
        let path = format!("{src}/{below}");
        let failed = |e: std::io::Error| unreadable(&path, &e);
        let file = std::fs::File::open(&path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(u32::from_str_radix(mode, 8).unwrap_or(0o644));
        let mut content = Counted { file: file.take(size), count: 0 };
        match tar.append_data(&mut header, below, &mut content) {
            Ok(()) if content.count == size => {}
            Ok(()) => {
                return Err(Error::playbook(format!("{path} on the controller became shorter while it was read")));
            }
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            Err(e) => return Err(failed(e)),
        }
    }
    match tar.into_inner().and_then(|mut into| into.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::bug(format!("a tar stream: {e}"))),
        _ => Ok(()),
    }
}

/// A file that counts what is read of it.
struct Counted {
    file: std::io::Take<std::fs::File>,
    count: u64,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.count += read as u64;
        Ok(read)
    }
}

/// Streams these files of a directory: `DIRECTORY FILE...`.
const TAKE: &str = r#"
command -v tar >/dev/null || exit 69
cd -- "$1" && shift && exec tar -cf - "$@"
"#;

/// Bring files of a directory to the controller, each beside its place, then renamed over it. A host without
/// `tar` gives them one by one.
pub async fn download(
    connection: &dyn Connection,
    whom: Option<&Become>,
    wanted: &Fetch,
    group: &AtomicU32,
) -> Result<Output> {
    let dest = Path::new(&wanted.dest);
    let failed = |e: std::io::Error| Error::playbook(format!("cannot write {} on the controller: {e}", wanted.dest));
    std::fs::create_dir_all(dest).map_err(failed)?;
    for files in wanted.files.chunks(500) {
        let command = Command::sh(TAKE).arg(&wanted.path).args(files.iter().map(|below| format!("./{below}")));
        let packed = Part::beside(&dest.join("tar")).map_err(failed)?;
        let output = stream(connection, whom, &command, &packed.file, group).await?.map_err(failed)?;
        match output.code {
            0 => {
                let (dest, files) = (dest.to_owned(), files.to_vec());
                let unpack = tokio::task::spawn_blocking(move || unpack(&dest, &files, &packed.file));
                let unpacked = unpack.await.map_err(|e| Error::bug(format!("unpacking ended early: {e}")))?;
                unpacked.map_err(failed)?;
            }
            NO_TAR => {
                for below in files {
                    let (path, dest) = (format!("{}/{below}", wanted.path), format!("{}/{below}", wanted.dest));
                    fetch(connection, whom, &Fetch { path, dest, files: Vec::new() }, group).await?;
                }
            }
            _ => {
                let said = output.stderr_text();
                return Err(
                    Error::host(format!("cannot read below {}: {}", wanted.path, said.trim())).with_output(&output)
                );
            }
        }
    }
    Ok(Output::default())
}

/// The files of a tar stream below a directory; only those that were asked for, whatever the host sends.
fn unpack(dest: &Path, files: &[String], mut stream: &std::fs::File) -> std::io::Result<()> {
    stream.rewind()?;
    let mut tar = tar::Archive::new(std::io::BufReader::with_capacity(128 * 1024, stream));
    for entry in tar.entries()? {
        let mut entry = entry?;
        let below = |path: &Path| path.strip_prefix(".").unwrap_or(path).to_string_lossy().into_owned();
        let name = below(&entry.path()?);
        if !files.contains(&name) {
            continue;
        }
        let mut part = Part::beside(&dest.join(&name))?;
        let twin = entry.link_name()?.map(|twin| below(&twin));
        match (entry.header().entry_type(), twin) {
            // A second name of a file that came before.
            (tar::EntryType::Link, Some(twin)) if files.contains(&twin) => {
                std::io::copy(&mut std::fs::File::open(dest.join(twin))?, &mut part.file)?;
            }
            (tar::EntryType::Regular | tar::EntryType::GNUSparse, _) => {
                std::io::copy(&mut entry, &mut part.file)?;
            }
            _ => continue,
        }
        part.keep()?;
    }
    Ok(())
}
