//! `apt::repository`: a source of packages, in deb822 format, with its key.

use super::{minutes, transaction};
use crate::bail;
use crate::contract::{Command, Content, Error, Look, Operation, Result, Source, Step};
use crate::shared::{Attributes, FileState, HostPath, Keep, Loaded, Many, Mode, Reading, Span};
use futures_util::try_join;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Make sure apt knows a repository and trusts its key for it alone.
///
/// It is written to `/etc/apt/sources.list.d/NAME.sources`, its key to `/etc/apt/keyrings/NAME.asc` (or
/// `.gpg`, if it is not armored), and its lists are fetched.
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
/// TRANSCRIPT
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// What the files are called, without a suffix.
    pub name: String,
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
        let given = [self.key.is_some(), self.key_url.is_some(), self.key_src.is_some()];
        if given.iter().filter(|given| **given).count() > 1 {
            bail!(playbook: "`key`, `key_url` and `key_src` all say what the key is: give one of them");
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
        self.check()?;
        let path = |directory: &str, suffix: &str| {
            let path = format!("/etc/apt/{directory}/{}.{suffix}", self.name);
            HostPath::parse(&path).map_err(Error::bug)
        };
        let key = if self.present { self.load_key(host).await? } else { None };
        let (asc, gpg) = (path("keyrings", "asc")?, path("keyrings", "gpg")?);
        let at = key.as_ref().map(|key| if armored(key) { &asc } else { &gpg });
        let sources = (path("sources.list.d", "sources")?, Loaded::text(self.text(at)));
        let load = |bytes: Vec<u8>| Loaded {
            content: Content::of(&bytes),
            source: Some(match String::from_utf8(bytes) {
                Ok(text) => Source::Text(text),
                Err(bytes) => Source::Bytes(bytes.into_bytes()),
            }),
        };
        let (text, bytes) = key.map_or((None, None), |key| if armored(&key) { (Some(key), None) } else { (None, Some(key)) });
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
            let targets = Command::new("apt-get").args(["indextargets", "--format", "$(SOURCESENTRY)"]);
            let entry = format!("{}:", files.sources.0);
            Ok(Some(host.run(&targets).await?.lines().iter().any(|line| line.starts_with(&entry))))
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
            Some(loaded) => {
                FileState { content: Some(loaded.content.clone()), mode: Some("0644".to_owned()), ..FileState::default() }
            }
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
        let mut write = |path: &HostPath, loaded: Option<&Loaded>, now: &FileState, want: &FileState| {
            let ours = loaded.filter(|loaded| want.content.as_ref().is_some_and(|c| c.sha256 == loaded.content.sha256));
            let source = ours.and_then(|loaded| loaded.source.clone());
            now.steps(path, want, source, &Keep::default()).map(|new| steps.extend(new))
        };
        write(&files.armored.0, files.armored.1.as_ref(), &now.armored, &want.armored)?;
        write(&files.binary.0, files.binary.1.as_ref(), &now.binary, &want.binary)?;
        write(&files.sources.0, Some(&files.sources.1), &now.sources, &want.sources)?;
        let key = want.armored.content.is_some() || want.binary.content.is_some();
        if key && now.armored.content.is_none() && now.binary.content.is_none() {
            steps.insert(0, Command::new("mkdir").args(["-p", "-m", "0755", "--", "/etc/apt/keyrings"]).into());
        }
        if want.lists == Some(true) {
            steps.push(transaction::update_one(&files.sources.0, self.lock_timeout).into());
        }
        Ok(steps)
    }

    fn explain(&self, error: Error) -> Error {
        let unsigned = ["NO_PUBKEY", "is not signed", "couldn't be verified"].iter().any(|w| error.stderr.contains(w));
        let missing = ["does not have a Release file", "404 ", "Could not resolve", "Failed to fetch"];
        let missing = missing.iter().any(|word| error.stderr.contains(word));
        let mut error = transaction::explain(error);
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
