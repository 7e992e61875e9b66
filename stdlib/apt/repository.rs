//! `apt::repository`: a source of packages, in deb822 format, with its key.

use super::oneline;
use crate::bail;
use crate::contract::{Command, Content, Error, Keepsake, Look, Operation, Result, Source, Step};
use crate::shared::packages::apt::{complaints, lists};
use crate::shared::packages::minutes;
use crate::shared::{Attributes, FileState, HostPath, Keep, Loaded, Many, Mode, Reading, Span};
use futures_util::try_join;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Make sure apt knows a repository and trusts its key for it alone.
///
/// It is written to `/etc/apt/sources.list.d/NAME.sources`, its key to `/etc/apt/keyrings/NAME.asc` (or
/// `.gpg`, if it is not armored). Its lists are fetched first: a repository that apt cannot read or does
/// not trust never takes the place of one that works.
///
/// ```rhai
/// apt::repository("docker", #{
///     uris: "https://download.docker.com/linux/debian",
///     suites: "trixie",
///     components: "stable",
///     key_url: "https://download.docker.com/linux/debian/gpg",
/// });
/// ```
/// ```transcript
/// ? get https://download.docker.com/linux/debian/gpg
/// = -----BEGIN PGP PUBLIC KEY BLOCK-----
/// =
/// = mQINBFit2ioBEADhWpZ8...
/// = -----END PGP PUBLIC KEY BLOCK-----
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/apt/sources.list.d/docker.sources
/// - stat: cannot statx '/etc/apt/sources.list.d/docker.sources': No such file or directory
/// * 1
/// ? find /etc/apt/sources.list.d/docker.sources -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// - find: '/etc/apt/sources.list.d/docker.sources': No such file or directory
/// * 1
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/apt/keyrings/docker.asc
/// - stat: cannot statx '/etc/apt/keyrings/docker.asc': No such file or directory
/// * 1
/// ? find /etc/apt/keyrings/docker.asc -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// - find: '/etc/apt/keyrings/docker.asc': No such file or directory
/// * 1
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/apt/keyrings/docker.gpg
/// - stat: cannot statx '/etc/apt/keyrings/docker.gpg': No such file or directory
/// * 1
/// ? find /etc/apt/keyrings/docker.gpg -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// - find: '/etc/apt/keyrings/docker.gpg': No such file or directory
/// * 1
/// ? apt-get indextargets --format '$(REPO_URI) $(RELEASE)'
/// = http://deb.debian.org/debian/ trixie
/// ! mkdir -p -m 0755 -- /etc/apt/keyrings
/// ! write /etc/apt/keyrings/docker.asc mode=0644
/// + -----BEGIN PGP PUBLIC KEY BLOCK-----
/// +
/// + mQINBFit2ioBEADhWpZ8...
/// + -----END PGP PUBLIC KEY BLOCK-----
/// ! write /etc/apt/sources.list.d/docker.sources mode=0644 validate='APT_LISTCHANGES_FRONTEND=none DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NEEDRESTART_MODE=l sh -c '\''(apt-get update, of this file alone)'\'' sh 300 %s docker.sources'
/// + Types: deb
/// + URIs: https://download.docker.com/linux/debian
/// + Suites: trixie
/// + Components: stable
/// + Signed-By: /etc/apt/keyrings/docker.asc
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/apt/sources.list.d/docker.sources
/// = 644:root:root:0:0:132:1763666100:regular file
/// ? find /etc/apt/sources.list.d/docker.sources -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// = 246a3faf1b1d500dd9668c3369812e5060f53d58012772ce3a07f52c6c4a4c56  /etc/apt/sources.list.d/docker.sources
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/apt/keyrings/docker.asc
/// = 644:root:root:0:0:97:1763666100:regular file
/// ? find /etc/apt/keyrings/docker.asc -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// = 39ac27d39517213c296c04dbfe85da10c4f8a1d72d02cf142e7c1ed0d9973508  /etc/apt/keyrings/docker.asc
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/apt/keyrings/docker.gpg
/// - stat: cannot statx '/etc/apt/keyrings/docker.gpg': No such file or directory
/// * 1
/// ? find /etc/apt/keyrings/docker.gpg -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// - find: '/etc/apt/keyrings/docker.gpg': No such file or directory
/// * 1
/// ? apt-get indextargets --format '$(REPO_URI) $(RELEASE)'
/// = http://deb.debian.org/debian/ trixie
/// = https://download.docker.com/linux/debian/ trixie
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// What the files are called, without a suffix.
    pub name: String,
    /// The repository as one line, such as `deb [arch=amd64] https://host/debian trixie main`, instead of
    /// `uris`, `suites`, `components`, `types` and `architectures`.
    pub repo: Option<String>,
    /// Where the repository is: one address or a list.
    #[serde(default)]
    pub uris: Many<String>,
    /// The suites, such as `trixie`, or `./` for a flat repository.
    #[serde(default)]
    pub suites: Many<String>,
    /// The components, such as `main`; a flat repository has none.
    #[serde(default)]
    pub components: Many<String>,
    /// `deb`, `deb-src` or both.
    #[serde(default = "deb")]
    pub types: Many<String>,
    /// Only these architectures, such as `amd64`.
    #[serde(default)]
    pub architectures: Many<String>,
    /// The key itself, armored.
    pub key: Option<String>,
    /// Where the controller fetches the key.
    pub key_url: Option<String>,
    /// The file on the controller that has the key.
    pub key_src: Option<String>,
    /// A key that the host has already, such as `/usr/share/keyrings/debian-archive-keyring.gpg`.
    pub signed_by: Option<HostPath>,
    /// Take packages from it although nothing is signed, such as from a machine of your own.
    #[serde(default)]
    pub trusted: bool,
    /// Whether apt uses it.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Whether it should be there; with false, its files go.
    #[serde(default = "yes")]
    pub present: bool,
    /// Fetch its lists after a change.
    #[serde(default = "yes")]
    pub update_cache: bool,
    /// How long to wait for another apt.
    #[serde(default = "minutes")]
    pub lock_timeout: Span,
    #[serde(skip)]
    files: Option<Files>,
}

/// The files of a repository.
#[derive(Debug)]
struct Files {
    sources: (HostPath, Loaded),
    /// The armored and the binary place of the key; one of them is wanted at most.
    armored: (HostPath, Option<Loaded>),
    binary: (HostPath, Option<Loaded>),
}

fn deb() -> Many<String> {
    Many::One("deb".to_owned())
}

fn yes() -> bool {
    true
}

/// A repository as it is or should be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RepositoryState {
    sources: FileState,
    armored: FileState,
    binary: FileState,
    /// Whether its lists were fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lists: Option<bool>,
}

impl Repository {
    async fn load_key(&self, host: &dyn Look) -> Result<Option<Vec<u8>>> {
        let given = [self.key.is_some(), self.key_url.is_some(), self.key_src.is_some(), self.signed_by.is_some()];
        if given.iter().filter(|given| **given).count() > 1 {
            bail!(playbook: "`key`, `key_url`, `key_src` and `signed_by` all say what the key is: give one of them");
        }
        let key = match (&self.key, &self.key_url, &self.key_src) {
            (Some(key), ..) => key.clone().into_bytes(),
            (_, Some(url), _) => host.http_get(url).await?,
            (.., Some(src)) => match host.asset(src).await?.and_then(|asset| asset.content) {
                Some(key) => key,
                None => bail!(playbook: "no key `{src}` on the controller";
                    hint: "it is looked for beside the playbook, in its `files`, and in the project"),
            },
            _ => return Ok(None),
        };
        // An armored key starts with this line; a binary one with a byte that no text starts with.
        if !armored(&key) && key.first().is_none_or(|byte| byte & 0x80 == 0) {
            bail!("what should be the key of {} is no OpenPGP key", self.name;
                hint: "is the address right? It may have answered with a page instead");
        }
        Ok(Some(key))
    }

    fn text(&self, key: Option<&HostPath>) -> String {
        let field = |name: &str, values: &Many<String>| match values.as_slice() {
            [] => String::new(),
            values => format!("{name}: {}\n", values.join(" ")),
        };
        let flag = |line: &str, given: bool| if given { format!("{line}\n") } else { String::new() };
        [
            flag("Enabled: no", !self.enabled),
            field("Types", &self.types),
            field("URIs", &self.uris),
            field("Suites", &self.suites),
            field("Components", &self.components),
            field("Architectures", &self.architectures),
            flag("Trusted: yes", self.trusted),
            key.map(|key| format!("Signed-By: {key}\n")).unwrap_or_default(),
        ]
        .concat()
    }

    fn check(&self) -> Result<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty() || !self.name.chars().all(plain) || self.name.starts_with('.') {
            bail!(playbook: "`{}` is no name for a file of sources", self.name;
                hint: "apt reads names of letters, digits, `-`, `_` and `.` only");
        }
        if !self.present {
            return Ok(());
        }
        for (name, values) in [("uris", &self.uris), ("suites", &self.suites), ("types", &self.types)] {
            if values.as_slice().is_empty() {
                bail!(playbook: "apt::repository needs `{name}`");
            }
        }
        let fields = [&self.uris, &self.suites, &self.components, &self.types, &self.architectures];
        if let Some(wrong) = fields.iter().flat_map(|many| many.as_slice()).find(|v| v.contains(char::is_whitespace)) {
            bail!(playbook: "`{wrong}` has a blank in it"; hint: "write several values as a list");
        }
        Ok(())
    }

    /// Takes one line apart into the parameters it stands for.
    fn expand(&mut self) -> Result<()> {
        let Some(line) = &self.repo else { return Ok(()) };
        if [&self.uris, &self.suites, &self.components, &self.architectures].iter().any(|m| !m.as_slice().is_empty()) {
            bail!(playbook: "`repo` says all that `uris`, `suites`, `components` and `architectures` say: give one or the other");
        }
        let line = oneline::parse(line)?;
        self.types = Many::One(line.kind);
        self.uris = Many::One(line.uri);
        self.suites = Many::One(line.suite);
        self.components = Many::Several(line.components);
        self.architectures = Many::Several(line.architectures);
        self.trusted |= line.trusted;
        // A key that is given is written to its own place, whatever the line says.
        if self.key.is_none() && self.key_url.is_none() && self.key_src.is_none() {
            let path = line.signed_by.map(|path| HostPath::parse(&path).map_err(Error::playbook));
            self.signed_by = path.transpose()?.or(self.signed_by.take());
        }
        Ok(())
    }

    fn place(&self, directory: &str, suffix: &str) -> Result<HostPath> {
        HostPath::parse(&format!("/etc/apt/{directory}/{}.{suffix}", self.name)).map_err(Error::bug)
    }

    fn files(&self) -> Result<&Files> {
        self.files.as_ref().ok_or_else(|| Error::bug("apt::repository was not prepared"))
    }
}

fn armored(key: &[u8]) -> bool {
    key.trim_ascii_start().starts_with(b"-----BEGIN PGP PUBLIC KEY BLOCK-----")
}

impl Operation for Repository {
    type State = RepositoryState;

    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        self.expand()?;
        self.check()?;
        let key = if self.present { self.load_key(host).await? } else { None };
        let (asc, gpg) = (self.place("keyrings", "asc")?, self.place("keyrings", "gpg")?);
        let at = key.as_ref().map(|key| if armored(key) { &asc } else { &gpg }).or(self.signed_by.as_ref());
        let sources = (self.place("sources.list.d", "sources")?, Loaded::text(self.text(at)));
        let load = |bytes: Vec<u8>| Loaded {
            content: Content::of(&bytes),
            source: Some(match String::from_utf8(bytes) {
                Ok(text) => Source::Text(text),
                Err(bytes) => Source::Bytes(bytes.into_bytes()),
            }),
        };
        let (text, bytes) =
            key.map_or((None, None), |key| if armored(&key) { (Some(key), None) } else { (None, Some(key)) });
        self.files = Some(Files { sources, armored: (asc, text.map(load)), binary: (gpg, bytes.map(load)) });
        Ok(())
    }

    async fn read(&self, host: &dyn Look) -> Result<RepositoryState> {
        let files = self.files()?;
        let mode = Mode::octal(0o644);
        let attributes = Attributes { mode: Some(&mode), ..Attributes::default() };
        let file = |path, loaded: Option<&Loaded>| {
            let digest = loaded.map_or(String::new(), |loaded| loaded.content.sha256.clone());
            async move { FileState::read(host, path, attributes, Reading::Digest(&digest)).await }
        };
        let lists = async {
            if !(self.present && self.enabled && self.update_cache) {
                return Ok(None);
            }
            let targets = Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI) $(RELEASE)"]);
            let known = host.run(&targets).await?.lines();
            let listed = |uri: &str, suite: &str| known.contains(&format!("{}/ {suite}", uri.trim_end_matches('/')));
            let mut wanted =
                self.uris.as_slice().iter().flat_map(|uri| self.suites.as_slice().iter().map(move |s| (uri, s)));
            Ok(Some(wanted.all(|(uri, suite)| listed(uri, suite))))
        };
        let (sources, armored, binary, lists) = try_join!(
            file(&files.sources.0, Some(&files.sources.1)),
            file(&files.armored.0, files.armored.1.as_ref()),
            file(&files.binary.0, files.binary.1.as_ref()),
            lists
        )?;
        Ok(RepositoryState { sources, armored, binary, lists })
    }

    fn want(&self, now: &RepositoryState) -> Result<RepositoryState> {
        let files = self.files()?;
        let file = |loaded: Option<&Loaded>| match loaded {
            Some(loaded) => FileState {
                content: Some(loaded.content.clone()),
                mode: Some("0644".to_owned()),
                ..FileState::default()
            },
            None => FileState::default(),
        };
        Ok(RepositoryState {
            sources: file(self.present.then_some(&files.sources.1)),
            armored: file(files.armored.1.as_ref()),
            binary: file(files.binary.1.as_ref()),
            lists: now.lists.map(|_| true),
        })
    }

    fn steps(&self, now: &RepositoryState, want: &RepositoryState) -> Result<Vec<Step>> {
        let files = self.files()?;
        let mut steps: Vec<Step> = Vec::new();
        let fetch = want.lists == Some(true);
        let mut write = |path: &HostPath, loaded: Option<&Loaded>, now: &FileState, want: &FileState, keep: &Keep| {
            let ours = loaded.filter(|loaded| want.content.as_ref().is_some_and(|c| c.sha256 == loaded.content.sha256));
            let source = ours.and_then(|loaded| loaded.source.clone());
            let new = now.steps(path, want, source, keep)?;
            let written = new.iter().any(|step| matches!(step, Step::Write(_)));
            steps.extend(new);
            Ok::<bool, Error>(written)
        };
        let keyed = want.armored.content.is_some() || want.binary.content.is_some();
        let checked = Keep {
            validate: fetch.then(|| lists::validation(&format!("{}.sources", self.name), self.lock_timeout)),
            ..Keep::default()
        };
        let plain = Keep::default();
        // A key that is still in use goes after the file that names it.
        let keys = [(&files.armored, &now.armored, &want.armored), (&files.binary, &now.binary, &want.binary)];
        for (file, now, want) in keys.iter().filter(|(.., want)| want.content.is_some()) {
            write(&file.0, file.1.as_ref(), now, want, &plain)?;
        }
        let (path, loaded) = &files.sources;
        let fetched = write(path, Some(loaded), &now.sources, &want.sources, &checked)?;
        for (file, now, want) in keys.iter().filter(|(.., want)| want.content.is_none()) {
            write(&file.0, None, now, want, &plain)?;
        }
        if keyed && now.armored.content.is_none() && now.binary.content.is_none() {
            steps.insert(0, Command::new("mkdir").args(["-p", "-m", "0755", "--", "/etc/apt/keyrings"]).into());
        }
        if fetch && !fetched && want.sources.content.is_some() {
            steps.push(lists::update_one(path, self.lock_timeout).into());
        }
        Ok(steps)
    }

    fn keeps(&self, now: &RepositoryState, want: &RepositoryState) -> Vec<Keepsake> {
        let Some(files) = &self.files else { return Vec::new() };
        let sources = now.sources.keeps(&files.sources.0, &want.sources);
        let armored = now.armored.keeps(&files.armored.0, &want.armored);
        [sources, armored, now.binary.keeps(&files.binary.0, &want.binary)].concat()
    }

    async fn recall(
        &mut self,
        _host: &dyn Look,
        before: RepositoryState,
        _after: &RepositoryState,
    ) -> Result<RepositoryState> {
        self.expand()?;
        let was = |file: &FileState| file.content.clone().map(|content| Loaded { content, source: None });
        let sources = was(&before.sources).unwrap_or(Loaded { content: Content::default(), source: None });
        self.files = Some(Files {
            sources: (self.place("sources.list.d", "sources")?, sources),
            armored: (self.place("keyrings", "asc")?, was(&before.armored)),
            binary: (self.place("keyrings", "gpg")?, was(&before.binary)),
        });
        Ok(before)
    }

    fn explain(&self, error: Error) -> Error {
        let unsigned = ["NO_PUBKEY", "is not signed", "couldn't be verified", "verification failed", "Missing key"]
            .iter()
            .any(|w| error.stderr.contains(w));
        let missing = ["does not have a Release file", "404 ", "Could not resolve", "Failed to fetch"];
        let missing = missing.iter().any(|word| error.stderr.contains(word));
        let mut error = complaints::explain(error);
        if unsigned {
            error.message = format!("the repository {} is not signed by its key", self.name);
            error.hint("give the key of its maker with `key_url`; `trusted: true` takes it unsigned")
        } else if missing {
            error.message = format!("the lists of the repository {} cannot be fetched", self.name);
            error.hint("check `uris`, `suites` and `components`, and that the host reaches the address")
        } else {
            error
        }
    }
}
