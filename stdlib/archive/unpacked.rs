//! `archive::unpacked`.

use super::scripts::{BESIDE, LISTING, PLACE, READ};
use crate::bail;
use crate::contract::{
    Command, Content, Download, Keepsake, Look, Operation, Refresh, Request, Result, Source, Step, Write,
};
use crate::shared::{Bundle, HostPath, Id, Many, Mode, stat};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// Make sure a directory has what an archive contains.
///
/// The archive is a file of the controller (`src`), lies on the host (`remote_src`) or on the web (`url`). Its digest
/// is kept in the directory, in a file `.hlrun-archive-NAME`, and with it size, time, owner and permissions of every
/// file that came out of it. So the same archive is not unpacked twice, but another one from the same place is, and
/// so is the same one when a file of it was changed or deleted, or when a parameter is another. Nothing but that
/// list is looked at: no content is read and no archive opened to see that all is well. Files that an earlier archive
/// had and this one has not stay. With `creates`, all that counts is whether that path exists. An archive with a name
/// that leads out of the directory is refused as a whole.
///
/// ```rhai
/// archive::unpacked("/opt/tool", #{ src: "tool.tar.gz", strip: 1, owner: "root" });
/// ```
/// ```transcript
/// ? asset tool.tar.gz
/// = hello
/// ? sh -s -- /opt/tool /opt/tool/.hlrun-archive-69d11cdf '' /opt/tool/.hlrun-archive-69d11cdf.new
/// ! write /opt/tool/.hlrun-archive.part mode=0600 from=tool.tar.gz
/// ! sh -s -- /opt/tool /opt/tool/.hlrun-archive-69d11cdf.new /opt/tool/.hlrun-archive.part tool.tar.gz root '' '' '' -x -f /opt/tool/.hlrun-archive.part --strip-components=1
/// ? sh -s -- /opt/tool /opt/tool/.hlrun-archive-69d11cdf '' /opt/tool/.hlrun-archive-69d11cdf.new
/// = //
/// = tool
/// ? sh -c '(stat; sha256sum; readlink; tar of what will be replaced)' sh /opt/tool 16777216 sha256sum
/// ! sh -s -- /opt/tool /opt/tool/.hlrun-archive-69d11cdf.new '' /opt/tool/.hlrun-archive-69d11cdf 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 'strip=1 owner=root'
/// ? sh -s -- /opt/tool /opt/tool/.hlrun-archive-69d11cdf '' /opt/tool/.hlrun-archive-69d11cdf.new
/// = 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
/// = strip=1 owner=root
/// ? sh -c '(stat; sha256sum; readlink; tar of what will be replaced)' sh /opt/tool 16777216 sha256sum
/// = 644:0:0:120:1763666100:regular file:./.hlrun-archive-69d11cdf
/// = 755:0:0:5:1749081600:regular file:./tool
/// = 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae  ./.hlrun-archive-69d11cdf
/// = 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  ./tool
/// = kept baa5a0964d3320fbc0c6a922140453c8513ea24ab8fd0577034804a967248096
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unpacked {
    /// The directory on the host; it exists.
    pub dest: HostPath,
    /// The archive on the controller, looked for beside the playbook.
    pub src: Option<String>,
    /// The archive on the host.
    pub remote_src: Option<HostPath>,
    /// The archive on the web, as the host sees it; with `checksum` or `creates`.
    pub url: Option<String>,
    /// The SHA-256 of the archive at `url`, in hexadecimal digits.
    pub checksum: Option<String>,
    /// Do nothing if this path exists already.
    pub creates: Option<HostPath>,
    /// Leave out so many leading directories of each name; for tar.
    #[serde(default)]
    pub strip: u32,
    /// The owner of everything unpacked, by name or number; without it, whom the archive names (as root, with tar).
    pub owner: Option<Id>,
    /// The group of everything unpacked, by name or number.
    pub group: Option<Id>,
    /// Permissions of everything unpacked, as chmod takes them: `"u=rwX,go=rX"` makes files executable only if they
    /// are so already.
    pub mode: Option<Mode>,
    /// Leave these out, as patterns that tar and unzip know.
    #[serde(default)]
    pub exclude: Many<String>,
    /// Take these only: names as the archive has them, or patterns that tar and unzip know.
    #[serde(default)]
    pub include: Many<String>,
    /// Leave a file alone that was written later than the archive's.
    #[serde(default)]
    pub keep_newer: bool,
    /// More options for tar or unzip, such as `"--transform=s/^x/y/"`.
    #[serde(default)]
    pub extra_opts: Many<String>,
    /// The digest of the archive, once it is known.
    #[serde(skip)]
    digest: String,
    /// What the look before anything was brought saw, if there is nothing to do.
    #[serde(skip)]
    done: OnceLock<UnpackedState>,
    /// The names of all that the archive brings, once it is unpacked beside.
    #[serde(skip)]
    names: OnceLock<String>,
    /// Whether it is on the way back.
    #[serde(skip)]
    back: bool,
}

/// What was unpacked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct UnpackedState {
    /// The digest of the archive, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    archive: Option<String>,
    /// The parameters that make a difference, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    how: Option<String>,
    /// Files that are gone or not as they were unpacked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    not_as_unpacked: Vec<String>,
    /// Whether the path that it creates exists, if that is what counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<bool>,
    /// What lies at the names that the archive brings, so that it can come back.
    #[serde(default, rename = "$there", skip_serializing_if = "Option::is_none")]
    there: Option<Bundle>,
    /// What keeps it.
    #[serde(default, rename = "$$kept", skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
    /// These names.
    #[serde(default, rename = "$$names", skip_serializing_if = "Option::is_none")]
    names: Option<String>,
}

impl Unpacked {
    /// Where the archive is, as the playbook says it.
    fn from(&self) -> &str {
        let remote = self.remote_src.as_ref().map(HostPath::as_str);
        self.src.as_deref().or(remote).or(self.url.as_deref()).unwrap_or_default()
    }
    fn name(&self) -> String {
        let name = self.from().split(['?', '#']).next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        name.to_lowercase()
    }
    /// What makes a difference to what is unpacked, in words.
    fn how(&self) -> String {
        let id = |id: &Option<Id>| id.iter().map(|id| id.as_str().to_owned()).collect();
        let mode = self.mode.iter().map(|mode| mode.as_str().to_owned()).collect();
        let strip = if self.strip == 0 { Vec::new() } else { vec![self.strip.to_string()] };
        let many = |words: &Many<String>| words.as_slice().to_vec();
        let all: [(&str, Vec<String>); 7] = [
            ("strip", strip),
            ("owner", id(&self.owner)),
            ("group", id(&self.group)),
            ("mode", mode),
            ("include", many(&self.include)),
            ("exclude", many(&self.exclude)),
            ("extra_opts", many(&self.extra_opts)),
        ];
        let words = all.iter().flat_map(|(name, values)| values.iter().map(move |value| format!("{name}={value}")));
        words.collect::<Vec<_>>().join(" ").replace('\n', " ")
    }
    /// What tar or unzip is told.
    fn arguments(&self, archive: &str) -> Vec<String> {
        let zip = [".zip", ".jar", ".war"].iter().any(|end| self.name().ends_with(end));
        let options = self.extra_opts.as_slice().iter().cloned();
        let (include, exclude) = (self.include.as_slice().iter().cloned(), self.exclude.as_slice().iter().cloned());
        let archive = archive.to_owned();
        if zip {
            let without = exclude.clone().next().map(|_| "-x".to_owned());
            let words = std::iter::once("-qo".to_owned()).chain(options).chain([archive]).chain(include);
            return words.chain(without).chain(exclude).collect();
        }
        let strip = (self.strip > 0).then(|| format!("--strip-components={}", self.strip));
        let words = ["-x".to_owned(), "-f".to_owned(), archive].into_iter().chain(options).chain(strip);
        words.chain(exclude.map(|pattern| format!("--exclude={pattern}"))).chain(include).collect()
    }
    /// The name of the file that remembers what was unpacked.
    fn remembered(&self) -> String {
        format!(".hlrun-archive-{}", &Content::digest(self.from().as_bytes())[..8])
    }
    fn mark(&self) -> String {
        self.dest.join(&self.remembered())
    }
    /// Where it is unpacked first.
    fn beside(&self) -> String {
        format!("{}.new", self.mark())
    }
    /// What was unpacked before, without what undo needs to know.
    async fn look(&self, host: &dyn Look) -> Result<UnpackedState> {
        let mut now = UnpackedState::default();
        if let Some(path) = &self.creates {
            now.created = Some(host.succeeds(&Command::new("test").args(["-e", path])).await?);
            if now.created == Some(true) && self.names.get().is_none() {
                return Ok(now);
            }
        }
        let mark = if self.creates.is_some() { String::new() } else { self.mark() };
        let newer = if self.keep_newer { "1" } else { "" };
        let ask = Command::new("sh").args(["-s", "--", &self.dest, &mark, newer, &self.beside()]);
        let said = host.expect(&ask.stdin(format!("{LISTING}{READ}"))).await?.lines();
        let mut parts = said.split(|line| line == "//");
        let kept = parts.next().unwrap_or_default();
        now.archive = kept.first().cloned();
        now.how = kept.get(1).cloned();
        now.not_as_unpacked = kept.get(2..).unwrap_or_default().to_vec();
        if let Some(names) = parts.next() {
            // What is remembered beside it goes and comes with it.
            self.names.get_or_init(|| [&[self.remembered()], names].concat().join("\n"));
        }
        Ok(now)
    }
    fn wanted(&self) -> UnpackedState {
        let created = self.creates.as_ref().map(|_| true);
        UnpackedState {
            archive: created.is_none().then(|| self.digest.clone()),
            how: created.is_none().then(|| self.how()),
            created,
            ..UnpackedState::default()
        }
    }
    /// The steps that bring the archive and unpack it beside, so that it is known what it replaces.
    fn brought(&self) -> Vec<Step> {
        let part = self.dest.join(".hlrun-archive.part");
        let mut steps = Vec::new();
        let archive = match (&self.src, &self.remote_src, &self.url) {
            (_, Some(path), _) => path.to_string(),
            (Some(src), ..) => {
                steps.push(Step::Write(Write {
                    mode: Some("0600".to_owned()),
                    ..Write::new(part.clone(), Source::Asset(src.clone()))
                }));
                part
            }
            (.., url) => {
                steps.push(Step::Download(Download {
                    request: Request::get(url.clone().unwrap_or_default()),
                    path: part.clone(),
                    checksum: self.checksum.as_ref().map(|sum| format!("sha256:{}", sum.trim_start_matches("sha256:"))),
                    mtime: None,
                    mode: Some("0600".to_owned()),
                    owner: None,
                    group: None,
                    backup: None,
                }));
                part
            }
        };
        let word = |id: &Option<Id>| id.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default();
        let mode = self.mode.as_ref().map(|mode| mode.as_str().to_owned()).unwrap_or_default();
        let patterns = self.include.as_slice().first().map(|_| "yes".to_owned()).unwrap_or_default();
        let arguments = self.arguments(&archive);
        let (owner, group) = (word(&self.owner), word(&self.group));
        let args = [self.dest.to_string(), self.beside(), archive, self.name(), owner, group, mode, patterns];
        let command = Command::new("sh").args(["-s", "--"]).args(args).args(arguments);
        steps.push(command.stdin(BESIDE).long().into());
        steps
    }
}

impl Operation for Unpacked {
    type State = UnpackedState;

    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        let given = [self.src.is_some(), self.remote_src.is_some(), self.url.is_some()];
        if given.iter().filter(|given| **given).count() != 1 {
            bail!(playbook: "archive::unpacked needs one of `src` (on the controller), `remote_src` (on the host) and `url`");
        }
        if self.creates.is_some() {
            return Ok(());
        }
        if let Some(src) = &self.src {
            match host.asset(src).await? {
                Some(asset) if !asset.directory => self.digest = asset.sha256,
                _ => bail!(playbook: "no archive `{src}` on the controller";
                    hint: "it is looked for beside the playbook, in its `files`, and in the project"),
            }
        } else if let Some(path) = &self.remote_src {
            match stat::digest_answer(&host.run(&stat::following(stat::digest(path))).await?) {
                Some(digest) => self.digest = digest,
                None => bail!("there is no archive {path} on the host that may be read"),
            }
        } else {
            let given = self.checksum.as_deref().unwrap_or_default().to_lowercase();
            let digest = given.strip_prefix("sha256:").unwrap_or(&given);
            if digest.len() != 64 || !digest.chars().all(|c| c.is_ascii_hexdigit()) {
                bail!(playbook: "an archive from a `url` needs its `checksum` (SHA-256), or `creates`";
                    hint: "without either, nobody could tell whether it was unpacked already");
            }
            self.digest = digest.to_owned();
        }
        Ok(())
    }

    /// What there is to unpack is unpacked beside before anything is compared: only then is known what it replaces.
    async fn refresh(&self, host: &dyn Look) -> Result<Refresh> {
        let now = self.look(host).await?;
        let compared = |state: &UnpackedState| (state.archive.clone(), state.how.clone(), state.created);
        if now.not_as_unpacked.is_empty() && compared(&now) == compared(&self.wanted()) {
            self.done.get_or_init(|| now);
            return Ok(Refresh::default());
        }
        Ok(Refresh { steps: self.brought(), ..Refresh::default() })
    }

    async fn read(&self, host: &dyn Look) -> Result<UnpackedState> {
        if let Some(done) = self.done.get() {
            return Ok(done.clone());
        }
        let mut now = self.look(host).await?;
        if let Some(names) = self.names.get() {
            let (there, kept) = Bundle::read(host, &self.dest, names).await?;
            now = UnpackedState { there: Some(there), kept, names: Some(names.clone()), ..now };
        }
        if self.back {
            // Each name is compared by itself.
            now.not_as_unpacked.clear();
        }
        Ok(now)
    }

    fn want(&self, _now: &UnpackedState) -> Result<UnpackedState> {
        Ok(self.wanted())
    }

    fn steps(&self, now: &UnpackedState, want: &UnpackedState) -> Result<Vec<Step>> {
        if self.back {
            let (Some(now), Some(there)) = (&now.there, &want.there) else {
                bail!("what it replaced in {} is not known: a name in the archive has a line break", self.dest)
            };
            return now.steps(&self.dest, there, want.kept.as_ref());
        }
        let mark = if want.created.is_some() { String::new() } else { self.mark() };
        let newer = if self.keep_newer { "u" } else { "" }.to_owned();
        let args = [self.dest.to_string(), self.beside(), newer, mark, self.digest.clone(), self.how()];
        let command = Command::new("sh").args(["-s", "--"]).args(args);
        Ok(command.stdin(format!("{LISTING}{PLACE}")).long().into())
    }

    fn keeps(&self, now: &UnpackedState, _want: &UnpackedState) -> Vec<Keepsake> {
        let names = now.names.as_deref().unwrap_or_default();
        now.there.iter().filter_map(|there| there.keeps(&self.dest, names, now.kept.as_ref())).collect()
    }

    async fn recall(
        &mut self,
        _host: &dyn Look,
        before: UnpackedState,
        after: &UnpackedState,
    ) -> Result<UnpackedState> {
        if let Some(names) = after.names.clone().or(before.names.clone()) {
            self.names = OnceLock::from(names);
        }
        self.back = true;
        Ok(UnpackedState { not_as_unpacked: Vec::new(), ..before })
    }

    async fn returnable(&self, host: &dyn Look, now: &UnpackedState, want: &UnpackedState) -> Result<()> {
        match (&now.there, &want.there) {
            (Some(now), Some(want)) => now.returnable(host, &self.dest, want).await,
            _ => Ok(()),
        }
    }

    fn alters(&self) -> Vec<String> {
        vec![self.dest.to_string()]
    }
    fn depends(&self) -> Vec<String> {
        self.remote_src.iter().map(ToString::to_string).collect()
    }
    async fn premise(&self, host: &dyn Look, _now: &UnpackedState) -> Result<()> {
        if host.succeeds(&Command::new("test").args(["-d", &self.dest])).await? {
            return Ok(());
        }
        bail!("{} does not exist", self.dest; hint: "make it first with file::directory")
    }
}
