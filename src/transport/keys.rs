//! Host keys, with the tools that OpenSSH brings: what is known, what a host shows, and pinning it.

use super::Target;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use stdlib::contract::{Error, Kind, Result};

/// What ssh makes of a target, its configuration read.
#[derive(Debug, Clone, Default)]
pub struct Way {
    /// The name or address that is connected to.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The user who logs in.
    pub user: String,
    /// The name under which the host's key is known.
    pub known_as: String,
    /// Where known keys are kept; new ones go into the first.
    pub known_hosts: Vec<PathBuf>,
    /// Private keys that are tried.
    pub identities: Vec<PathBuf>,
    /// Whether it leads through another host or program, so that nothing can be said of the network.
    pub indirect: bool,
}

/// A key that a host shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    /// Such as `ssh-ed25519`.
    pub kind: String,
    /// The key itself, in base64.
    pub body: String,
}

/// A program of the controller, with a text as its input.
#[allow(clippy::disallowed_methods)] // none of a host's business
pub fn tool(program: &str, args: &[String], input: &str) -> Result<Output> {
    let failed = |e: std::io::Error| Error::playbook(format!("cannot run {program}: {e}")).hint("is it installed?");
    let mut command = std::process::Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output().map_err(failed)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// The words that tell ssh of a target: options, port, key, and whom to log in as where.
pub fn ssh_words(target: &Target) -> Vec<String> {
    let mut args: Vec<String> = target.options.iter().flat_map(|line| ["-o".to_owned(), line.clone()]).collect();
    args.extend(target.port.iter().flat_map(|port| ["-p".to_owned(), port.to_string()]));
    args.extend(target.key.iter().flat_map(|key| ["-i".to_owned(), key.display().to_string()]));
    let user = target.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    args.push(format!("{user}{}", target.address));
    args
}

/// Ask ssh how it would reach a target.
pub fn way(target: &Target) -> Result<Way> {
    let mut args = ssh_words(target);
    args.insert(0, "-G".to_owned());
    let output = tool("ssh", &args, "")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::playbook(format!("ssh does not accept its configuration: {said}")));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let all = |key: &str| {
        let values = text.lines().filter_map(|line| line.split_once(' ')).filter(|(k, _)| *k == key);
        values.map(|(_, value)| value.trim().to_owned()).collect::<Vec<_>>()
    };
    let one = |key: &str| all(key).into_iter().next().filter(|value| value != "none" && !value.is_empty());
    let host = one("hostname").unwrap_or_else(|| target.address.clone());
    let port = one("port").and_then(|port| port.parse().ok()).unwrap_or(22);
    let alias = one("hostkeyalias");
    let known_as = alias.unwrap_or_else(|| if port == 22 { host.clone() } else { format!("[{host}]:{port}") });
    let files = |key: &str| one(key).unwrap_or_default().split_whitespace().map(home).collect::<Vec<_>>();
    let mut known_hosts = files("userknownhostsfile");
    known_hosts.extend(files("globalknownhostsfile"));
    Ok(Way {
        user: one("user").unwrap_or_default(),
        identities: all("identityfile").iter().map(|file| home(file)).collect(),
        indirect: one("proxyjump").or_else(|| one("proxycommand")).is_some(),
        host,
        port,
        known_as: known_as.to_lowercase(),
        known_hosts,
    })
}

fn home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}

/// The keys that are known for a host.
pub fn known(way: &Way) -> Vec<HostKey> {
    let files = way.known_hosts.iter().filter(|file| file.is_file());
    let found = files.filter_map(|file| {
        let file = file.display().to_string();
        tool("ssh-keygen", &words(&["-F", &way.known_as, "-f", &file]), "").ok()
    });
    found.flat_map(|output| keys(&String::from_utf8_lossy(&output.stdout))).collect()
}

/// The keys that a host shows, the best first.
pub fn scan(way: &Way, limit: Duration) -> Result<Vec<HostKey>> {
    let seconds = limit.as_secs().max(1).to_string();
    let output = tool("ssh-keyscan", &words(&["-T", &seconds, "-p", &way.port.to_string(), &way.host]), "")?;
    let mut found = keys(&String::from_utf8_lossy(&output.stdout));
    let rank = |key: &HostKey| match key.kind.as_str() {
        "ssh-ed25519" => 0,
        kind if kind.starts_with("ecdsa") => 1,
        _ => 2,
    };
    found.sort_by_key(rank);
    if found.is_empty() {
        let said = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned();
        return Err(Error::new(Kind::Unreachable, format!("{} port {} shows no host key: {said}", way.host, way.port)));
    }
    Ok(found)
}

/// Lines of a `known_hosts` file: names, kind, key.
fn keys(text: &str) -> Vec<HostKey> {
    let line = |line: &str| {
        let mut words = line.split_whitespace().filter(|word| !word.starts_with('@'));
        let (_, kind, body) = (words.next()?, words.next()?, words.next()?);
        Some(HostKey { kind: kind.to_owned(), body: body.to_owned() })
    };
    text.lines().filter(|text| !text.starts_with('#')).filter_map(line).collect()
}

impl HostKey {
    /// Its fingerprint, such as `SHA256:...`.
    pub fn fingerprint(&self) -> Result<String> {
        let output = tool("ssh-keygen", &words(&["-l", "-f", "-"]), &format!("{} {}\n", self.kind, self.body))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let found = text.split_whitespace().find(|word| word.starts_with("SHA256:")).map(str::to_owned);
        found.ok_or_else(|| Error::host("ssh-keygen gives no fingerprint for the host's key"))
    }
    /// Remember it for a host. Nothing else in the file changes.
    pub fn pin(&self, way: &Way) -> Result<PathBuf> {
        let file = way.known_hosts.first().cloned().unwrap_or_else(|| home("~/.ssh/known_hosts"));
        let failed = |e: std::io::Error| Error::playbook(format!("cannot write {}: {e}", file.display()));
        if let Some(dir) = file.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        }
        let open = is_open(&file).map_err(failed)?;
        let mut options = std::fs::File::options();
        let mut to = options.create(true).append(true).mode(0o600).open(&file).map_err(failed)?;
        let line = format!("{}{} {} {}\n", if open { "\n" } else { "" }, way.known_as, self.kind, self.body);
        to.write_all(line.as_bytes()).map_err(failed)?;
        Ok(file)
    }
}

/// Whether the last line of a file has no end.
fn is_open(file: &Path) -> std::io::Result<bool> {
    match std::fs::read(file) {
        Ok(bytes) => Ok(bytes.last().is_some_and(|last| *last != b'\n')),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// What `ssh -V` says of itself.
pub fn ssh_version() -> Result<String> {
    let output = tool("ssh", &words(&["-V"]), "")?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Ok(said.split([',', '\n']).next().unwrap_or_default().trim().to_owned())
}

/// The keys that the agent holds; none where there is no agent.
pub fn agent_keys() -> Option<usize> {
    let output = tool("ssh-add", &words(&["-l"]), "").ok()?;
    match output.status.code() {
        Some(0) => Some(String::from_utf8_lossy(&output.stdout).lines().count()),
        Some(1) => Some(0),
        _ => None,
    }
}

/// Copy our public key to a host; it asks for the password on the terminal. Whether it could.
#[allow(clippy::disallowed_methods)] // on the controller, and it talks to the person
pub fn copy_key(target: &Target) -> Result<bool> {
    let status = std::process::Command::new("ssh-copy-id").args(ssh_words(target)).status();
    status.map(|status| status.success()).map_err(|e| Error::playbook(format!("cannot run ssh-copy-id: {e}")))
}
