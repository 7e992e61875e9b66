//! Questions about files.

use crate::bail;
use crate::contract::{Command, Content, Fact, Foretold, Look, Output, Result, Write};
use crate::shared::HostPath;
use crate::shared::stat::{self, Kind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::try_join;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Ask what is at a path.
///
/// The answer has `exists`, `kind` ("file", "directory", "link" or "other"), `size`, `mode`, `uid`,
/// `gid`, `owner`, `group`, `mtime` (seconds since 1970) and `target` (of a link); on demand `checksum` (also under the
/// name of its algorithm if that is sha256) and, if the host has the program `file`, `mime` and `charset`. Where
/// nothing exists, all but `exists` are `()`.
///
/// In check mode, a file that was only foretold above is answered as it would be: `exists`, `kind`, `size`, `mode`, `owner`,
/// `group` and a checksum by SHA-256, as far as that is known.
///
/// ```rhai
/// file::stat("/var/run/reboot-required");
/// ```
/// ```transcript
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /var/run/reboot-required
/// - stat: cannot statx '/var/run/reboot-required': No such file or directory
/// * 1
/// ? readlink -- /var/run/reboot-required
/// * 1
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stat {
    /// The path on the host.
    pub path: HostPath,
    /// Ask about what a link points to, not about the link.
    #[serde(default)]
    pub follow: bool,
    /// Compute the checksum of a file, too: with SHA-256, or as `algorithm` says.
    #[serde(default)]
    pub checksum: bool,
    /// How: `"sha256"`, `"sha1"`, `"md5"`, `"sha224"`, `"sha384"` or `"sha512"`; it asks for the checksum, too.
    pub algorithm: Option<Algorithm>,
    /// Ask what the content is, too, such as `text/plain`.
    #[serde(default)]
    pub mime: bool,
}

/// A way to compute a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    fn program(self) -> &'static str {
        match self {
            Algorithm::Md5 => "md5sum",
            Algorithm::Sha1 => "sha1sum",
            Algorithm::Sha224 => "sha224sum",
            Algorithm::Sha256 => "sha256sum",
            Algorithm::Sha384 => "sha384sum",
            Algorithm::Sha512 => "sha512sum",
        }
    }
}

/// What is at a path.
#[derive(Debug, Default, Serialize)]
pub struct Found {
    exists: bool,
    kind: Option<Kind>,
    size: Option<u64>,
    mode: Option<String>,
    uid: Option<u64>,
    gid: Option<u64>,
    owner: Option<String>,
    group: Option<String>,
    mtime: Option<i64>,
    target: Option<String>,
    checksum: Option<String>,
    sha256: Option<String>,
    mime: Option<String>,
    charset: Option<String>,
}

impl Found {
    /// The file as it would be, once it is written over what is there.
    fn foretold(file: &Write, there: Option<&stat::Stat>, algorithm: Option<Algorithm>) -> Found {
        let text = file.source.text();
        let sha256 = text.filter(|_| algorithm == Some(Algorithm::Sha256)).map(|text| Content::digest(text.as_bytes()));
        let kept = |of: fn(&stat::Stat) -> String| there.map(of);
        Found {
            exists: true,
            kind: Some(Kind::File),
            size: text.map(|text| text.len() as u64),
            mode: file.mode.clone().or(kept(|there| format!("{:04o}", there.mode))).or(Some("0644".to_owned())),
            owner: file.owner.clone().or(kept(|there| there.owner.clone())),
            group: file.group.clone().or(kept(|there| there.group.clone())),
            checksum: sha256.clone(),
            sha256,
            ..Found::default()
        }
    }
}

impl Fact for Stat {
    type Answer = Found;

    async fn ask(&self, host: &dyn Look) -> Result<Found> {
        let path: String = if self.follow {
            let real = host.run(&Command::new("readlink").args(["-f", "--", &self.path])).await?;
            let text = real.text();
            if real.success() { text.strip_suffix('\n').unwrap_or(&text).to_owned() } else { self.path.to_string() }
        } else {
            self.path.to_string()
        };
        let told = host.foretold_at(&path);
        if told == Some(Foretold::Nothing) {
            return Ok(Found::default());
        }
        let stat = stat::command(&path);
        let readlink = Command::new("readlink").args(["--", &path]);
        let algorithm = self.algorithm.or(self.checksum.then_some(Algorithm::Sha256));
        let checksum = async {
            let Some(algorithm) = algorithm else { return Ok(None) };
            host.run(&stat::sum(&path, algorithm.program())).await.map(|said| stat::sum_answer(&said))
        };
        let mime = async {
            if !self.mime {
                return Ok(String::new());
            }
            host.run(&Command::new("file").args(["-b", "--mime", "--", &path])).await.map(|said| said.text())
        };
        let (found, link, checksum, mime) = try_join!(host.run(&stat), host.run(&readlink), checksum, mime)?;
        let (mime, charset) =
            mime.trim_end().split_once("; charset=").map_or((None, None), |(m, c)| (Some(m), Some(c)));
        let found = stat::answer(&path, &found)?;
        if let Some(Foretold::File { write, anew }) = &told {
            return Ok(Found::foretold(write, found.as_ref().filter(|_| !anew), algorithm));
        }
        let Some(found) = found else {
            let made = matches!(told, Some(Foretold::Directory { .. }));
            return Ok(Found { exists: made, kind: made.then_some(Kind::Directory), ..Found::default() });
        };
        let target = link.text();
        Ok(Found {
            exists: true,
            kind: Some(found.kind),
            size: Some(found.size),
            mode: Some(format!("{:04o}", found.mode)),
            uid: found.uid.parse().ok(),
            gid: found.gid.parse().ok(),
            owner: Some(found.owner),
            group: Some(found.group),
            mtime: Some(found.mtime),
            target: link.success().then(|| target.strip_suffix('\n').unwrap_or(&target).to_owned()),
            sha256: checksum.clone().filter(|_| algorithm == Some(Algorithm::Sha256)),
            checksum,
            mime: mime.map(str::to_owned),
            charset: charset.map(str::to_owned),
        })
    }
}

/// How the content of a file is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As text; bytes that are not UTF-8 are an error.
    #[default]
    Text,
    /// In base64, whatever the bytes.
    Base64,
}

/// Ask for the content of a file.
///
/// In check mode, of a file that was only foretold above, it is the text that the file would have.
///
/// ```rhai
/// file::read("/etc/hostname");
/// ```
/// ```transcript
/// ? LC_ALL=C cat -- /etc/hostname
/// = nas
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// The file on the host.
    pub path: HostPath,
    /// `"text"`, or `"base64"` for a file that is no text.
    #[serde(default)]
    pub encoding: Encoding,
}

impl Fact for Read {
    type Answer = String;

    async fn ask(&self, host: &dyn Look) -> Result<String> {
        let told = host.foretold_at(&self.path);
        if told == Some(Foretold::Nothing) {
            bail!("{} would not exist by then", self.path);
        }
        let output = match told.as_ref().and_then(Foretold::text) {
            Some(text) => Output { stdout: text.as_bytes().to_vec(), ..Output::default() },
            None => host.run(&Command::new("cat").args(["--", &self.path]).env("LC_ALL", "C")).await?,
        };
        if !output.success() {
            let said = output.stderr_text();
            let why = said.trim_end().rsplit(": ").next().unwrap_or_default().to_owned();
            match why.as_str() {
                "No such file or directory" => bail!("{} does not exist", self.path;
                    hint: "file::stat(path).exists asks first"),
                "Permission denied" => bail!("{} may not be read", self.path;
                    hint: "within(#{{ become: \"root\" }}, || ...) reads as root"),
                _ => bail!("{} cannot be read: {why}", self.path),
            }
        }
        if self.encoding == Encoding::Base64 {
            return Ok(STANDARD.encode(&output.stdout));
        }
        match String::from_utf8(output.stdout) {
            Ok(text) => Ok(text),
            Err(_) => bail!("{} is not UTF-8 text", self.path; hint: "encoding: \"base64\" reads it anyway"),
        }
    }
}
