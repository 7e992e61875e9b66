//! Whatever lies at a path before it is deleted: what it is, and the way to put it back.

use super::HostPath;
use super::stat::{self, Kind};
use crate::bail;
use crate::contract::{Command, Content, KEPT, Keepsake, Look, Result, Source, Step, Write};
use serde::{Deserialize, Serialize};

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relic {
    /// What it is.
    pub kind: Kind,
    /// Four octal digits; a link has none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Owner and group, by number.
    pub owner: String,
    /// The content of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// The digest of an archive of a directory that is small enough to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// Where a link points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// An archive of `$1` that is the same for the same tree, if it is at most `$2` KiB; `$3` takes it.
const ARCHIVE: &str = r#"k=$(du -skx -- "$1" | cut -f1) && [ "$k" -le "$2" ] && tar --sort=name --version >/dev/null 2>&1 || exit 3; cd -- "${1%/*}/" && { tar -c --sort=name --format=gnu --numeric-owner -f - -- "${1##*/}" || echo incomplete >&2; } | "$3""#;

/// Put an archive `$1` back into the directory `$2`.
const UNPACK: &str = r#"tar -xp --numeric-owner -f "$1" -C "$2"; code=$?; rm -f -- "$1"; exit $code"#;

fn archive(path: &str, taker: &str) -> Command {
    Command::sh(ARCHIVE).args([path, &(KEPT / 1024).to_string(), taker])
}

impl Relic {
    /// Looks at a path; nothing if nothing is there.
    pub async fn read(host: &dyn Look, path: &HostPath) -> Result<Option<Relic>> {
        let found = match stat::answer(path, &host.run(&stat::command(path)).await?) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            // Nothing can be below what is no directory.
            Err(error) if error.message.ends_with("no directory") => return Ok(None),
            Err(error) => return Err(error),
        };
        let (digest, readlink) = (stat::digest(path), Command::new("readlink").args(["--", path]));
        let (mut content, mut archived, mut target) = (None, None, None);
        match found.kind {
            Kind::File => {
                let sha256 = stat::digest_answer(&host.run(&digest).await?);
                content = sha256.map(|sha256| Content { sha256, size: found.size, text: None });
            }
            Kind::Link => target = Some(host.text(&readlink).await?),
            Kind::Directory => {
                let output = host.run(&archive(path, "sha256sum")).await?;
                archived = stat::digest_answer(&output).filter(|_| output.success() && output.stderr.is_empty());
            }
            Kind::Other => {}
        }
        let mode = (found.kind != Kind::Link).then(|| format!("{:04o}", found.mode));
        let owner = format!("{}:{}", found.uid, found.gid);
        Ok(Some(Relic { kind: found.kind, mode, owner, content, archive: archived, target }))
    }

    /// What must be kept of it.
    pub fn keeps(&self, path: &HostPath) -> Vec<Keepsake> {
        let file = self.content.as_ref().map(|c| (stat::content(path), c.sha256.clone(), c.size));
        let tree = self.archive.as_ref().map(|sha256| (archive(path, "cat"), sha256.clone(), 0));
        let both = file.into_iter().chain(tree);
        both.map(|(command, sha256, size)| Keepsake { command, sha256, size }).collect()
    }

    /// The steps that put it back where nothing is now.
    pub fn steps(&self, path: &HostPath) -> Result<Vec<Step>> {
        let chown = Command::new("chown").args(["-h", &self.owner, "--", path]);
        Ok(match (&self.content, &self.archive, &self.target) {
            (Some(content), ..) => {
                let (owner, group) = self.owner.split_once(':').unwrap_or((&self.owner, "0"));
                vec![Step::Write(Write {
                    mode: self.mode.clone(),
                    owner: Some(owner.to_owned()),
                    group: Some(group.to_owned()),
                    sensitive: true,
                    ..Write::new(path.as_str(), Source::Kept(content.sha256.clone()))
                })]
            }
            (_, Some(sha256), _) => {
                let part = format!("{}/.hlrun-{:.12}.tar", path.parent().trim_end_matches('/'), sha256);
                let write = Write::private(part.clone(), Source::Kept(sha256.clone()));
                vec![write.into(), Command::sh(UNPACK).args([&part, path.parent()]).into()]
            }
            (.., Some(target)) => {
                vec![Command::new("ln").args(["-s", "--", target, path]).into(), chown.into()]
            }
            _ => bail!("{path} was {}, and what it contained was not kept", self.kind.words();
                hint: "files and directories of up to {} MiB are kept", KEPT >> 20),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::replay::Replay;
    use futures_util::FutureExt;

    fn relic(transcript: &str) -> Option<Relic> {
        let host = Replay::new(transcript).unwrap();
        Relic::read(&host, &HostPath::parse("/srv/x").unwrap()).now_or_never().unwrap().unwrap()
    }

    fn back(transcript: &str) -> Vec<String> {
        let path = HostPath::parse("/srv/x").unwrap();
        relic(transcript).unwrap().steps(&path).unwrap().iter().map(Step::line).collect()
    }

    #[test]
    fn a_link_and_a_file_come_back_as_they_were() {
        let link = "? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /srv/x\n= 777:me:me:7:8:1:0:symbolic link\n\
                    ? readlink -- /srv/x\n= ../y\n";
        assert_eq!(back(link), ["ln -s -- ../y /srv/x", "chown -h 7:8 -- /srv/x"]);
        let sha256 = Content::digest(b"a");
        let file = format!(
            "? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /srv/x\n= 4755:me:me:7:8:1:0:regular file\n\
             ? find /srv/x -maxdepth 0 -type f -exec sha256sum '{{}}' ';'\n= {sha256}  /srv/x\n"
        );
        let line = format!("write /srv/x mode=4755 owner=7 group=8 kept={}", &sha256[..12]);
        assert_eq!(back(&file), [line]);
        assert_eq!(relic(&file).unwrap().keeps(&HostPath::parse("/srv/x").unwrap())[0].sha256, sha256);
    }

    #[test]
    fn what_was_not_kept_does_not_come_back() {
        let pipe = "? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /srv/x\n= 644:me:me:7:8:0:0:fifo\n";
        let path = HostPath::parse("/srv/x").unwrap();
        assert!(relic(pipe).unwrap().steps(&path).unwrap_err().message.contains("not kept"));
    }
}
