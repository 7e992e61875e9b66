//! `dnf::repository`: a source of packages, with its key.

use crate::bail;
use crate::contract::{Command, Content, Error, Keepsake, Look, Operation, Result, Step};
use crate::shared::packages::dnf::complaints;
use crate::shared::{Attributes, FileState, Given, HostPath, Keep, Loaded, Many, Mode, Reading};
use futures_util::try_join;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Fetches the lists of a new file alone, with a cache of its own.
const ALONE: &str = r#"d=$(mktemp -d) && trap 'rm -rf "$d"' EXIT && cp -- "$1" "$d/new.repo" && dnf -q -y --setopt=reposdir="$d" --setopt=cachedir="$d/cache" --setopt=skip_if_unavailable=0 makecache"#;

/// Make sure dnf knows a repository.
///
/// It is written to `/etc/yum.repos.d/NAME.repo`, a key that is given to `/etc/pki/rpm-gpg/RPM-GPG-KEY-NAME`. Its lists
/// are fetched first: a repository that dnf cannot read never takes the place of one that works. Keys that `gpgkey`
/// names are trusted when the first package of it is installed.
///
/// ```rhai
/// dnf::repository("docker", #{
///     baseurl: "https://download.docker.com/linux/centos/$releasever/$basearch/stable",
///     gpgkey: "https://download.docker.com/linux/centos/gpg",
/// });
/// ```
/// ```transcript
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/yum.repos.d/docker.repo
/// - stat: cannot statx '/etc/yum.repos.d/docker.repo': No such file or directory
/// * 1
/// ? find /etc/yum.repos.d/docker.repo -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// - find: '/etc/yum.repos.d/docker.repo': No such file or directory
/// * 1
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/pki/rpm-gpg/RPM-GPG-KEY-docker
/// - stat: cannot statx '/etc/pki/rpm-gpg/RPM-GPG-KEY-docker': No such file or directory
/// * 1
/// ? find /etc/pki/rpm-gpg/RPM-GPG-KEY-docker -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// - find: '/etc/pki/rpm-gpg/RPM-GPG-KEY-docker': No such file or directory
/// * 1
/// ! write /etc/yum.repos.d/docker.repo mode=0644 validate='LC_ALL=C.UTF-8 sh -c '\''(dnf makecache, of this file alone)'\'' sh %s'
/// + [docker]
/// + name=docker
/// + baseurl=https://download.docker.com/linux/centos/$releasever/$basearch/stable
/// + enabled=1
/// + gpgcheck=1
/// + gpgkey=https://download.docker.com/linux/centos/gpg
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/yum.repos.d/docker.repo
/// = 644:root:root:0:0:172:1763666100:regular file
/// ? find /etc/yum.repos.d/docker.repo -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// = 01b847564ec63d45264ae13cd4fea8c2e82f02dfc017493aa479625f1fb0e343  /etc/yum.repos.d/docker.repo
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/pki/rpm-gpg/RPM-GPG-KEY-docker
/// - stat: cannot statx '/etc/pki/rpm-gpg/RPM-GPG-KEY-docker': No such file or directory
/// * 1
/// ? find /etc/pki/rpm-gpg/RPM-GPG-KEY-docker -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// - find: '/etc/pki/rpm-gpg/RPM-GPG-KEY-docker': No such file or directory
/// * 1
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// What it is called: the file, and the section in it.
    pub name: String,
    /// What it is, for people; without it, its name.
    pub description: Option<String>,
    /// Where it is: one address or a list.
    #[serde(default)]
    pub baseurl: Many<String>,
    /// The address of a list of its mirrors.
    pub mirrorlist: Option<String>,
    /// The address of a metalink file.
    pub metalink: Option<String>,
    /// Whether packages have to be signed.
    #[serde(default = "yes")]
    pub gpgcheck: bool,
    /// Whether the lists have to be signed, too.
    #[serde(default)]
    pub repo_gpgcheck: bool,
    /// Where the host finds the keys: addresses, or `file:///...` for one that it has.
    #[serde(default)]
    pub gpgkey: Many<String>,
    /// The key itself, armored, instead of `gpgkey`.
    pub key: Option<String>,
    /// The file on the controller that has the key, instead of `gpgkey`.
    pub key_src: Option<String>,
    /// Whether dnf uses it.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Other settings, such as `#{ priority: "90", metadata_expire: "6h", sslverify: "0" }`.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Whether it should be there; with false, its files go.
    #[serde(default = "yes")]
    pub present: bool,
    /// Fetch its lists before it is taken.
    #[serde(default = "yes")]
    pub update_cache: bool,
    #[serde(skip)]
    files: Option<Files>,
}

fn yes() -> bool {
    true
}

/// What the files should contain; of the key, nothing if there should be none.
#[derive(Debug)]
struct Files {
    repo: Loaded,
    key: Option<Loaded>,
}

/// A repository as it is or should be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RepositoryState {
    repo: FileState,
    key: FileState,
}

impl Repository {
    fn check(&self) -> Result<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if self.name.is_empty() || !self.name.chars().all(plain) || self.name.starts_with('.') {
            bail!(playbook: "`{}` is no name for a repository", self.name;
                hint: "dnf takes letters, digits, `-`, `_`, `.` and `:`");
        }
        let places = [!self.baseurl.as_slice().is_empty(), self.mirrorlist.is_some(), self.metalink.is_some()];
        if self.present && !places.contains(&true) {
            bail!(playbook: "dnf::repository needs `baseurl`, `mirrorlist` or `metalink`");
        }
        if (self.key.is_some() || self.key_src.is_some()) && !self.gpgkey.as_slice().is_empty() {
            bail!(playbook: "`gpgkey` and `key` or `key_src` all say what the key is: give one of them");
        }
        Ok(())
    }

    fn text(&self) -> String {
        let one =
            |name: &str, value: Option<String>| value.map(|value| format!("{name}={value}\n")).unwrap_or_default();
        let many = |name: &str, values: &[String]| match values {
            [] => String::new(),
            values => format!("{name}={}\n", values.join("\n    ")),
        };
        let flag = |name: &str, on: bool| format!("{name}={}\n", u8::from(on));
        let key = self.key.is_some() || self.key_src.is_some();
        let own = key.then(|| format!("file:///etc/pki/rpm-gpg/RPM-GPG-KEY-{}", self.name));
        let mut text = format!("[{}]\nname={}\n", self.name, self.description.as_ref().unwrap_or(&self.name));
        text += &many("baseurl", self.baseurl.as_slice());
        text += &one("mirrorlist", self.mirrorlist.clone());
        text += &one("metalink", self.metalink.clone());
        text += &flag("enabled", self.enabled);
        text += &flag("gpgcheck", self.gpgcheck);
        text += &one("repo_gpgcheck", self.repo_gpgcheck.then(|| "1".to_owned()));
        text += &many("gpgkey", self.gpgkey.as_slice());
        text += &one("gpgkey", own);
        self.options.iter().for_each(|(name, value)| text += &format!("{name}={value}\n"));
        text
    }

    fn places(&self) -> Result<(HostPath, HostPath)> {
        let parse = |path: String| HostPath::parse(&path).map_err(Error::bug);
        Ok((
            parse(format!("/etc/yum.repos.d/{}.repo", self.name))?,
            parse(format!("/etc/pki/rpm-gpg/RPM-GPG-KEY-{}", self.name))?,
        ))
    }

    fn files(&self) -> Result<&Files> {
        self.files.as_ref().ok_or_else(|| Error::bug("dnf::repository was not prepared"))
    }
}

impl Operation for Repository {
    type State = RepositoryState;

    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        self.check()?;
        let given = Given { content: &self.key, src: &self.key_src, template: &None, vars: &BTreeMap::new() };
        let key = if self.present { given.load(host, "the key").await? } else { None };
        self.files = Some(Files { repo: Loaded::text(self.text()), key });
        Ok(())
    }
    async fn read(&self, host: &dyn Look) -> Result<RepositoryState> {
        let files = self.files()?;
        let (repo, key) = self.places()?;
        let mode = Mode::octal(0o644);
        let attributes = Attributes { mode: Some(&mode), ..Attributes::default() };
        let (repo_digest, key_digest) =
            (&files.repo.content.sha256, files.key.as_ref().map(|key| key.content.sha256.clone()).unwrap_or_default());
        let (repo, key) = try_join!(
            FileState::read(host, &repo, attributes, Reading::Digest(repo_digest)),
            FileState::read(host, &key, attributes, Reading::Digest(&key_digest))
        )?;
        Ok(RepositoryState { repo, key })
    }
    fn want(&self, _now: &RepositoryState) -> Result<RepositoryState> {
        let files = self.files()?;
        let file = |loaded: Option<&Loaded>| match loaded {
            Some(loaded) => FileState {
                content: Some(loaded.content.clone()),
                mode: Some("0644".to_owned()),
                ..FileState::default()
            },
            None => FileState::default(),
        };
        Ok(RepositoryState { repo: file(self.present.then_some(&files.repo)), key: file(files.key.as_ref()) })
    }
    fn steps(&self, now: &RepositoryState, want: &RepositoryState) -> Result<Vec<Step>> {
        let files = self.files()?;
        let (repo, key) = self.places()?;
        let ours = |loaded: Option<&Loaded>, want: &FileState| {
            let same = |loaded: &&Loaded| want.content.as_ref().is_some_and(|c| c.sha256 == loaded.content.sha256);
            loaded.filter(same).and_then(|loaded| loaded.source.clone())
        };
        let alone = Command::gist("dnf makecache, of this file alone", ALONE).arg("%s").env("LC_ALL", "C.UTF-8");
        let fetch = self.present && self.enabled && self.update_cache;
        let checked = Keep { validate: fetch.then_some(alone), ..Keep::default() };
        let key_steps = now.key.steps(&key, &want.key, ours(files.key.as_ref(), &want.key), &Keep::default())?;
        let repo_steps = now.repo.steps(&repo, &want.repo, ours(Some(&files.repo), &want.repo), &checked)?;
        // A key that is in use goes after the file that names it.
        Ok(if want.key.content.is_some() {
            let directory = Command::new("mkdir").args(["-p", "-m", "0755", "--", "/etc/pki/rpm-gpg"]);
            let new = now.key.content.is_none().then(|| directory.into());
            new.into_iter().chain(key_steps).chain(repo_steps).collect()
        } else {
            repo_steps.into_iter().chain(key_steps).collect()
        })
    }
    fn keeps(&self, now: &RepositoryState, want: &RepositoryState) -> Vec<Keepsake> {
        let Ok((repo, key)) = self.places() else { return Vec::new() };
        [now.repo.keeps(&repo, &want.repo), now.key.keeps(&key, &want.key)].concat()
    }
    async fn recall(
        &mut self,
        _host: &dyn Look,
        before: RepositoryState,
        _after: &RepositoryState,
    ) -> Result<RepositoryState> {
        let was = |file: &FileState| file.content.clone().map(|content| Loaded { content, source: None });
        let repo = was(&before.repo).unwrap_or(Loaded { content: Content::default(), source: None });
        self.files = Some(Files { repo, key: was(&before.key) });
        Ok(before)
    }
    fn explain(&self, error: Error) -> Error {
        complaints::explain(error)
    }
}
