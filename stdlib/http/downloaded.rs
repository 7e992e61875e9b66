//! `http::downloaded`: a file from the web.

use crate::bail;
use crate::contract::{Body, Command, Download, Keepsake, Look, Operation, Request, Result, Step};
use crate::shared::stat::{self, Kind};
use crate::shared::web::{Web, date, date_text};
use crate::shared::{HostPath, Id, Mode, Relic, Span, directory_of};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Make sure a file is what a web address offers.
///
/// With a `checksum`, the file is compared with that and nothing is asked of the server while it is right; what is
/// fetched takes the old file's place only when its checksum is. Without one, the file is compared by the size and
/// the date that the server tells (`Content-Length`, `Last-Modified`; a file that is newer than the server's is as good),
/// and gets the server's date; a change that leaves the size alone is not noticed then. Where the server tells no
/// date, and with `force`, the whole content is fetched and its digest compared, each time: a `checksum` saves that.
///
/// The host's own curl fetches it, and takes up what an earlier try left unfinished; a host without curl gets it
/// through the controller.
///
/// ```rhai
/// http::downloaded("/usr/local/bin/tool", #{
///     url: "https://example.com/tool-1.2",
///     checksum: "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
///     mode: "0755",
/// });
/// ```
/// ```transcript
/// ? LC_ALL=C stat -L -c %a:%U:%G:%u:%g:%s:%Y:%F -- /usr/local/bin/tool
/// = 755:root:root:0:0:3:1749081600:regular file
/// ? find -L /usr/local/bin/tool -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// = dd40b51d8b0fba30df6d7dd8bdd8da3de2b2e5ad6e1c6d3d3f8dbe9cf9f1d6d0  /usr/local/bin/tool
/// ? readlink -f -- /usr/local/bin/tool
/// = /usr/local/bin/tool
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /usr/local/bin/tool
/// = 755:root:root:0:0:3:1749081600:regular file
/// ? find /usr/local/bin/tool -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// = dd40b51d8b0fba30df6d7dd8bdd8da3de2b2e5ad6e1c6d3d3f8dbe9cf9f1d6d0  /usr/local/bin/tool
/// ! download /usr/local/bin/tool from=https://example.com/tool-1.2 mode=0755 checksum=sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
/// ? LC_ALL=C stat -L -c %a:%U:%G:%u:%g:%s:%Y:%F -- /usr/local/bin/tool
/// = 755:root:root:0:0:5:1763666100:regular file
/// ? find -L /usr/local/bin/tool -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// = 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824  /usr/local/bin/tool
/// ? readlink -f -- /usr/local/bin/tool
/// = /usr/local/bin/tool
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /usr/local/bin/tool
/// = 755:root:root:0:0:5:1763666100:regular file
/// ? find /usr/local/bin/tool -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// = 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824  /usr/local/bin/tool
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Downloaded {
    /// The file on the host; a symbolic link is followed.
    pub path: HostPath,
    /// The address, as the host sees it.
    pub url: String,
    /// What the file must come to: `"sha256:HEX"` (or md5, sha1, sha224, sha384, sha512), or `"sha256:URL"` of a list
    /// such as SHA256SUMS that names the file.
    pub checksum: Option<String>,
    /// Permissions such as `"0755"`; without it, those it has, or 0644 for a new file.
    pub mode: Option<Mode>,
    /// The owner, by name or number.
    pub owner: Option<Id>,
    /// The group, by name or number.
    pub group: Option<Id>,
    /// Headers by name.
    pub headers: Option<BTreeMap<String, Value>>,
    /// The user for basic authentication.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// A token, sent as `Authorization: Bearer TOKEN`.
    pub bearer: Option<String>,
    /// Compare the content itself, not date and size, where there is no checksum.
    #[serde(default)]
    pub force: bool,
    /// The longest that the server may be silent; 30 s without it.
    pub timeout: Option<Span>,
    /// Refuse a server whose certificate nobody vouches for.
    #[serde(default = "super::yes")]
    pub validate_certs: bool,
    /// A file with certificates (PEM) that vouch, too: an absolute path is on the host, any other on the controller.
    pub ca_path: Option<String>,
    /// Keep the old file beside the new one, as `PATH.TIME~` with the time it was last written.
    #[serde(default)]
    pub backup: bool,
    #[serde(skip)]
    request: Request,
    /// The checksum that is wanted, if one is known.
    #[serde(skip)]
    wanted: Option<String>,
    /// What the server says, where no checksum is known.
    #[serde(skip)]
    offer: Offer,
    /// Whether there was anything to change at the first look: then undo needs to know the file.
    #[serde(skip)]
    differs: OnceLock<bool>,
    /// Whether it is on the way back.
    #[serde(skip)]
    back: bool,
}

/// What a server says of a file.
#[derive(Debug, Clone, Copy, Default)]
struct Offer {
    mtime: Option<i64>,
    size: Option<u64>,
}

/// A file as it is or should be. What is not compared is left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DownloadedState {
    exists: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    date: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    /// The file itself, where the path is a symbolic link.
    #[serde(default, rename = "$real", skip_serializing_if = "Option::is_none")]
    real: Option<String>,
    /// The file, so that it can come back.
    #[serde(default, rename = "$file", skip_serializing_if = "Option::is_none")]
    file: Option<Relic>,
    /// When it was last written.
    #[serde(default, rename = "$$mtime")]
    mtime: i64,
    /// The date that the server told, which `date` is compared with.
    #[serde(default, rename = "$$offered", skip_serializing_if = "Option::is_none")]
    offered: Option<i64>,
}

/// The checksums that a host can compute, and how many hexadecimal digits they have.
const ALGORITHMS: [(&str, usize); 6] =
    [("md5", 32), ("sha1", 40), ("sha224", 56), ("sha256", 64), ("sha384", 96), ("sha512", 128)];

impl Downloaded {
    /// The wanted checksum as `ALGORITHM:HEX`, looked up in a list if need be.
    async fn checksum(&self, host: &dyn Look, given: &str) -> Result<String> {
        let (algorithm, value) = given.split_once(':').unwrap_or(("", given));
        let Some((algorithm, digits)) = ALGORITHMS.iter().find(|(name, _)| *name == algorithm) else {
            bail!(playbook: "`checksum` is ALGORITHM:HEX or ALGORITHM:URL, not `{given}`"; hint: "the algorithm is mostly sha256")
        };
        let is_hex = |word: &str| word.len() == *digits && word.chars().all(|c| c.is_ascii_hexdigit());
        if is_hex(value) {
            return Ok(format!("{algorithm}:{}", value.to_lowercase()));
        }
        if !value.starts_with("http") {
            bail!(playbook: "`checksum`: {algorithm} has {digits} hexadecimal digits, and this has {}", value.len());
        }
        let list = host.http(&Request { url: value.to_owned(), ..self.request.clone() }).await?;
        if list.code != 200 {
            bail!("{value} answered {}", list.code);
        }
        let name = self.url.split(['?', '#']).next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        let text = list.text();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        let named =
            |word: &str| word.trim_start_matches(['*', '(']).trim_end_matches(')').rsplit('/').next() == Some(name);
        let right = lines.iter().find(|words| words.iter().any(|word| named(word)));
        // A list of a single checksum needs no name.
        let right = right.or(lines.iter().find(|words| words.len() == 1 && lines.len() == 1));
        match right.and_then(|words| words.iter().find(|word| is_hex(word))) {
            Some(hex) => Ok(format!("{algorithm}:{}", hex.to_lowercase())),
            None => bail!("{value} has no {algorithm} checksum of {name}"),
        }
    }

    /// The digest of what the server has.
    async fn digest(&self, host: &dyn Look) -> Result<String> {
        let all = Request { want: Body::Digest, ..self.request.clone() };
        let told = host.http(&all).await?;
        if !all.accepts(told.code) {
            return Err(crate::contract::refused(&all, &told));
        }
        let text = told.text();
        Ok(text.split_once(' ').map_or(text.as_str(), |(sha256, _)| sha256).to_owned())
    }

    /// What the server says of the file, without its content.
    async fn ask(&self, host: &dyn Look) -> Result<Offer> {
        let head = Request { method: "HEAD".to_owned(), want: Body::Nothing, ..self.request.clone() };
        let mut told = host.http(&head).await?;
        // Some servers sign addresses for GET only, or know no HEAD.
        if told.code != 200 {
            let get = Request { want: Body::Nothing, ..self.request.clone() };
            told = host.http(&get).await?;
            if !get.accepts(told.code) {
                return Err(crate::contract::refused(&get, &told));
            }
        }
        Ok(Offer {
            mtime: told.header("last-modified").and_then(date),
            size: told.header("content-length").and_then(|size| size.parse().ok()),
        })
    }
}

impl Downloaded {
    /// Whether a file that is there is not as it should be.
    fn differs(&self, now: &DownloadedState) -> bool {
        let want = self.wanted_of(now);
        let all = |state: &DownloadedState| {
            let DownloadedState { checksum, date, size, mode, owner, group, .. } = state.clone();
            (checksum, date, size, mode, owner, group)
        };
        all(now) != all(&want)
    }

    fn wanted_of(&self, now: &DownloadedState) -> DownloadedState {
        let bits = now.mode.as_deref().and_then(|mode| u32::from_str_radix(mode, 8).ok());
        DownloadedState {
            exists: true,
            checksum: self.wanted.clone(),
            date: self.offer.mtime.map(date_text),
            size: self.offer.size,
            mode: self.mode.as_ref().map(|mode| mode.of(bits.unwrap_or(0o644), false)),
            owner: self.owner.as_ref().map(|id| id.as_str().to_owned()),
            group: self.group.as_ref().map(|id| id.as_str().to_owned()),
            ..DownloadedState::default()
        }
    }

    /// The file itself.
    fn at(&self, state: &DownloadedState) -> HostPath {
        let real = state.real.as_ref().and_then(|real| HostPath::parse(real).ok());
        real.unwrap_or_else(|| self.path.clone())
    }

    /// The way back, if that is where we go: the file that was there, with its time, by which it is compared.
    fn steps_back(&self, now: &DownloadedState, want: &DownloadedState) -> Result<Option<Vec<Step>>> {
        if !self.back {
            return Ok(None);
        }
        let path = self.at(if want.real.is_some() { want } else { now });
        let Some(file) = &want.file else {
            return Ok(Some(Command::new("rm").args(["-f", "--", &path]).into()));
        };
        let mut steps = file.steps(&path)?;
        steps.push(Command::new("touch").args(["-d", &format!("@{}", want.mtime), "--", &path]).into());
        Ok(Some(steps))
    }
}

impl Operation for Downloaded {
    type State = DownloadedState;

    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        let web = Web {
            url: &self.url,
            headers: self.headers.as_ref(),
            user: self.user.as_ref(),
            password: self.password.as_ref(),
            bearer: self.bearer.as_ref(),
            timeout: self.timeout,
            validate_certs: self.validate_certs,
            ca_path: self.ca_path.as_ref(),
            ..Web::default()
        };
        self.request = web.request(host).await?;
        self.wanted = match &self.checksum {
            Some(given) => Some(self.checksum(host, given).await?),
            None => {
                if !self.force {
                    self.offer = self.ask(host).await?;
                }
                if self.offer.mtime.is_some() { None } else { Some(self.digest(host).await?) }
            }
        };
        Ok(())
    }

    async fn read(&self, host: &dyn Look) -> Result<DownloadedState> {
        let Some(found) = stat::reached(host, &self.path).await? else {
            self.differs.get_or_init(|| true);
            return Ok(DownloadedState { offered: self.offer.mtime, ..DownloadedState::default() });
        };
        if found.kind != Kind::File {
            bail!("{} is {}, not a file", self.path, found.kind.words(); hint: "name the file that it should become");
        }
        let mut checksum = None;
        if let Some((algorithm, _)) = self.wanted.as_ref().and_then(|wanted| wanted.split_once(':')) {
            let said = host.expect(&stat::following(stat::sum(&self.path, &format!("{algorithm}sum")))).await?;
            let Some(hex) = stat::sum_answer(&said) else {
                bail!("{} cannot be read: {}", self.path, said.stderr_text().trim(); hint: "within(#{{ become: \"root\" }}, || ...) reads as root")
            };
            checksum = Some(format!("{algorithm}:{hex}"));
        }
        // A file that is as new as the server's is as good as the server's.
        let date =
            self.offer.mtime.map(|offered| date_text(if found.mtime >= offered { offered } else { found.mtime }));
        let mut now = DownloadedState {
            exists: true,
            checksum,
            date,
            size: self.offer.size.map(|_| found.size),
            mode: self.mode.as_ref().map(|_| format!("{:04o}", found.mode)),
            owner: self.owner.as_ref().map(|id| found.owner_like(id)),
            group: self.group.as_ref().map(|id| found.group_like(id)),
            mtime: found.mtime,
            offered: self.offer.mtime,
            ..DownloadedState::default()
        };
        if *self.differs.get_or_init(|| self.differs(&now)) {
            let real = host.text(&Command::new("readlink").args(["-f", "--", &self.path])).await?;
            now.real = Some(real).filter(|real| *real != *self.path);
            now.file = Relic::read(host, &self.at(&now)).await?;
        }
        Ok(now)
    }

    fn want(&self, now: &DownloadedState) -> Result<DownloadedState> {
        Ok(self.wanted_of(now))
    }

    fn steps(&self, now: &DownloadedState, want: &DownloadedState) -> Result<Vec<Step>> {
        if let Some(back) = self.steps_back(now, want)? {
            return Ok(back);
        }
        let content = |state: &DownloadedState| (state.exists, state.checksum.clone(), state.date.clone(), state.size);
        if content(now) != content(want) {
            return Ok(vec![Step::Download(Download {
                request: self.request.clone(),
                path: self.path.to_string(),
                checksum: want.checksum.clone(),
                mtime: self.offer.mtime,
                mode: want.mode.clone(),
                owner: want.owner.clone(),
                group: want.group.clone(),
                backup: (self.backup && now.exists).then(|| format!("{}.{}~", self.path, now.mtime)),
            })]);
        }
        Ok(stat::attributes(&self.path, [&now.mode, &now.owner, &now.group], [&want.mode, &want.owner, &want.group]))
    }

    fn keeps(&self, now: &DownloadedState, _want: &DownloadedState) -> Vec<Keepsake> {
        now.file.iter().flat_map(|file| file.keeps(&self.at(now))).collect()
    }

    /// Nothing is asked of the server: what counts is what was there.
    async fn recall(
        &mut self,
        _host: &dyn Look,
        before: DownloadedState,
        after: &DownloadedState,
    ) -> Result<DownloadedState> {
        self.wanted = after.checksum.clone().or(before.checksum.clone());
        self.offer = Offer { mtime: after.offered.or(before.offered), size: after.size.or(before.size) };
        self.differs = OnceLock::from(true);
        self.back = true;
        Ok(before)
    }

    async fn premise(&self, host: &dyn Look, _now: &DownloadedState) -> Result<()> {
        directory_of(host, &self.path).await
    }
}
