//! Hosts over OpenSSH: one master connection per host, found again by the next run while it is warm.
//!
//! The `ssh` program of the controller does the talking, so `~/.ssh/config`, the agent, jump hosts and
//! certificates work as everywhere else. Channels are opened on the master's control socket directly
//! (native mux), never by an ssh process per command.

use super::{BOOT, Channel, Connection, Endpoint};
use async_trait::async_trait;
use openssh::{ControlPersist, ForwardType, KnownHosts, Session, SessionBuilder, Socket, Stdio};
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stdlib::contract::{Error, Kind, Result};

/// How strictly host keys are checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum HostKeys {
    /// The key must be known already.
    #[default]
    Strict,
    /// An unknown key is accepted and remembered; a changed one is refused.
    AcceptNew,
    /// Nothing is checked.
    Off,
}

impl HostKeys {
    /// What lines for the ssh configuration say of it: ssh takes the first that does.
    pub fn said(lines: &[String]) -> Option<HostKeys> {
        let pairs = lines.iter().filter_map(|line| line.split_once(' '));
        let mut said = pairs.filter(|(key, _)| key.eq_ignore_ascii_case("StrictHostKeyChecking"));
        said.find_map(|(_, word)| match word.trim().to_ascii_lowercase().as_str() {
            "no" | "off" | "false" => Some(HostKeys::Off),
            "accept-new" => Some(HostKeys::AcceptNew),
            "yes" | "true" | "ask" => Some(HostKeys::Strict),
            _ => None,
        })
    }
}

/// Where and how to connect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Target {
    /// Name or address, or an alias of `~/.ssh/config`.
    pub address: String,
    /// The port; nothing leaves it to ssh.
    pub port: Option<u16>,
    /// The user; nothing leaves it to ssh.
    pub user: Option<String>,
    /// The private key; nothing leaves it to ssh and the agent.
    pub key: Option<PathBuf>,
    /// Host key checking.
    pub host_keys: HostKeys,
    /// Lines for the ssh configuration, such as `ProxyJump bastion`.
    pub options: Vec<String>,
    /// The longest that connecting may take.
    pub connect_timeout: Duration,
    /// How long the connection stays warm after its last use; zero closes it at the end of the run.
    pub persist: Duration,
}

/// A connection over ssh.
pub struct Ssh {
    session: Arc<Session>,
    log: PathBuf,
    /// The sockets here that lead to somewhere there.
    forwards: tokio::sync::Mutex<BTreeSet<PathBuf>>,
}

impl Ssh {
    /// Connect, or find the warm connection of an earlier run. `runtime` is a private directory for
    /// sockets. Errors are of kind `unreachable` and say what to try.
    pub async fn connect(target: &Target, runtime: &Path) -> Result<Ssh> {
        let place = runtime.join(target.id());
        if !target.persist.is_zero()
            && let Some(session) = resume(&place).await
        {
            tracing::debug!(address = target.address, "found a warm connection");
            return Ok(Ssh::new(session, place.join("log")));
        }
        private_dir(runtime)?;
        let builder = builder(target, runtime)?;
        let dir = builder.launch_master(&target.address).await.map_err(|e| explain(target, &e))?;
        if target.persist.is_zero() {
            let log = dir.path().join("log");
            return Ok(Ssh::new(Session::new_native_mux(dir), log));
        }
        // The master listens wherever its directory lies: give it the name that the next run looks for.
        let fresh = dir.keep();
        let _ = std::fs::remove_dir_all(&place);
        let home = if std::fs::rename(&fresh, &place).is_ok() { place } else { fresh };
        let session = Session::resume_mux(home.join("master").into(), None);
        Ok(Ssh::new(session, home.join("log")))
    }
    fn new(session: Session, log: PathBuf) -> Ssh {
        Ssh { session: Arc::new(session), log, forwards: tokio::sync::Mutex::default() }
    }
}

impl Target {
    /// A name for this target, the same in every run.
    fn id(&self) -> String {
        let mut hasher = std::hash::DefaultHasher::new();
        (&self.address, self.port, &self.user, &self.key, &self.options, self.host_keys).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}

#[async_trait]
impl Connection for Ssh {
    async fn open(&self) -> Result<Channel> {
        let mut command = Arc::clone(&self.session).arc_raw_command(format!("exec sh -c '{BOOT}'"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().await.map_err(|e| self.gone(&e))?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin().take(), child.stdout().take(), child.stderr().take())
        else {
            return Err(Error::bug("an ssh channel without streams"));
        };
        let log = self.log.clone();
        let exit = async move {
            match child.wait().await {
                Ok(status) => {
                    use std::os::unix::process::ExitStatusExt;
                    Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
                }
                Err(e) => Err(severed(&e, &log)),
            }
        };
        Ok(Channel { stdin: Box::new(stdin), stdout: Box::new(stdout), stderr: Box::new(stderr), exit: Box::pin(exit) })
    }
    async fn alive(&self) -> bool {
        self.session.check().await.is_ok()
    }
    async fn forward(&self, to: &Endpoint) -> Result<Option<PathBuf>> {
        let Some(dir) = self.log.parent() else {
            return Err(Error::bug("a connection without a directory"));
        };
        let mut hasher = std::hash::DefaultHasher::new();
        to.hash(&mut hasher);
        let here = dir.join(format!("to-{:016x}", hasher.finish()));
        let mut made = self.forwards.lock().await;
        // An earlier run that used the same connection may have made it.
        if !made.contains(&here) && !here.exists() {
            let there = match to {
                Endpoint::Tcp(host, port) => Socket::TcpSocket { host: host.as_str().into(), port: *port },
                Endpoint::Unix(path) => Socket::UnixSocket { path: path.as_path().into() },
            };
            let socket = Socket::UnixSocket { path: here.as_path().into() };
            let forward = self.session.request_port_forward(ForwardType::Local, socket, there);
            forward.await.map_err(|e| {
                let cause = std::error::Error::source(&e).map(|cause| format!(": {cause}")).unwrap_or_default();
                Error::host(format!("the connection to the host forwards nothing: {e}{cause}"))
            })?;
        }
        made.insert(here.clone());
        Ok(Some(here))
    }
    fn complaint(&self, _to: &Endpoint) -> Option<String> {
        // ssh tells only its log.
        let said = std::fs::read_to_string(&self.log).ok()?;
        let last = said.lines().rev().find_map(|line| Some(line.split_once(": open failed: ")?.1.trim().to_owned()))?;
        Some(last.strip_prefix("connect failed: ").map(str::to_owned).unwrap_or(last))
    }
    async fn close(&self) {
        let Some(home) = self.log.parent() else { return };
        let master = Session::resume_mux(home.join("master").into(), None);
        let _ = tokio::time::timeout(Duration::from_secs(2), master.close()).await;
        let _ = std::fs::remove_dir_all(home);
    }
}

impl Ssh {
    fn gone(&self, error: &openssh::Error) -> Error {
        severed(error, &self.log)
    }
}

/// The error of a connection that was there and is not any more.
fn severed(error: &openssh::Error, log: &Path) -> Error {
    let said = std::fs::read_to_string(log).unwrap_or_default();
    let said = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned();
    let why = if said.is_empty() { error.to_string() } else { said };
    Error::new(Kind::Unreachable, format!("the connection was lost: {why}"))
        .hint("run it again when the host is back; what was finished is not done twice")
}

fn builder(target: &Target, runtime: &Path) -> Result<SessionBuilder> {
    let mut builder = SessionBuilder::default();
    builder
        .control_directory(runtime)
        .connect_timeout(target.connect_timeout)
        .server_alive_interval(Duration::from_secs(10))
        .known_hosts_check(match target.host_keys {
            HostKeys::Strict => KnownHosts::Strict,
            HostKeys::AcceptNew => KnownHosts::Add,
            HostKeys::Off => KnownHosts::Accept,
        });
    if let Some(seconds) = NonZeroUsize::new(target.persist.as_secs() as usize) {
        builder.control_persist(ControlPersist::IdleFor(seconds));
    }
    if let Some(user) = &target.user {
        builder.user(user.clone());
    }
    if let Some(port) = target.port {
        builder.port(port);
    }
    if let Some(key) = &target.key {
        builder.keyfile(key);
    }
    if !target.options.is_empty() {
        builder.config_file(config(target, runtime)?);
    }
    Ok(builder)
}

/// Arguments for the `ssh` program as lines of its configuration: `-o Key=value`, `-J jump`, `-A`, `-C`.
/// Anything else is passed over: the master connection takes no other.
pub fn config_lines(args: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = |flag: &str| match arg.strip_prefix(flag) {
            Some("") => args.next().cloned(),
            Some(rest) => Some(rest.to_owned()),
            None => None,
        };
        if let Some(option) = value("-o") {
            let (key, value) = option.split_once(['=', ' ']).unwrap_or((&option, ""));
            lines.push(format!("{key} {value}"));
        } else if let Some(jump) = value("-J") {
            lines.push(format!("ProxyJump {jump}"));
        } else if let Some(key) = value("-i") {
            lines.push(format!("IdentityFile {key}"));
        } else if arg == "-A" {
            lines.push("ForwardAgent yes".to_owned());
        } else if arg == "-C" {
            lines.push("Compression yes".to_owned());
        }
    }
    lines
}

/// An ssh configuration with the target's own options in front of the user's and the system's. They are for
/// the target alone: a jump host reads the same file.
fn config(target: &Target, runtime: &Path) -> Result<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let mut text = format!("Match originalhost {}\n", target.address);
    text += &target.options.iter().map(|line| format!("  {line}\n")).collect::<String>();
    text += &format!("Match all\nInclude {}\nInclude /etc/ssh/ssh_config\n", home.join(".ssh/config").display());
    let path = runtime.join(format!("{}.conf", target.id()));
    std::fs::write(&path, text).map_err(|e| Error::playbook(format!("cannot write {}: {e}", path.display())))?;
    Ok(path)
}

/// A directory that nobody but us can look into: whoever reaches a socket in it is on the hosts.
fn private_dir(path: &Path) -> Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let make = || {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        if path.metadata()?.permissions().mode() & 0o077 != 0 {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
        }
        Ok(())
    };
    make().map_err(|e: std::io::Error| Error::playbook(format!("no private directory {}: {e}", path.display())))
}

async fn resume(place: &Path) -> Option<Session> {
    let socket = place.join("master");
    if !socket.exists() {
        return None;
    }
    let session = Session::resume_mux(socket.into(), None);
    match tokio::time::timeout(Duration::from_secs(2), session.check()).await {
        Ok(Ok(())) => Some(session),
        _ => {
            let _ = std::fs::remove_dir_all(place);
            None
        }
    }
}

/// Close the warm connections below a runtime directory. Returns how many there were.
pub async fn close_idle(runtime: &Path) -> usize {
    let mut closed = 0;
    for entry in std::fs::read_dir(runtime).into_iter().flatten().flatten() {
        if let Some(session) = resume(&entry.path()).await {
            closed += usize::from(session.close().await.is_ok());
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    closed
}

/// What ssh's own words mean, and what to try next. The words are those of OpenSSH 7.4 to 10.
fn explain(target: &Target, error: &openssh::Error) -> Error {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    let said = cause.unwrap_or_else(|| error.to_string());
    let has = |text: &str| said.contains(text);
    let at = &target.address;
    let mut login = target.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    login += at;
    let port = target.port.map(|port| format!(" -p {port}")).unwrap_or_default();
    let key = target.key.as_ref().map(|key| format!(" -i {}", key.display())).unwrap_or_default();
    let ssh = format!("ssh{port}{key} {login}");
    let unreachable = |what: String| Error::new(Kind::Unreachable, what);
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned();
    let error = if has("REMOTE HOST IDENTIFICATION HAS CHANGED") || has("Host key for") && has("has changed") {
        unreachable(format!("the host key of {at} has changed: it was reinstalled, or someone is in between"))
            .hint(format!("if it was reinstalled: ssh-keygen -R {at}, then connect once by hand: {ssh}"))
    } else if has("Host key verification failed") || has("host key is known for") {
        unreachable(format!("the host key of {at} is not known yet"))
            .hint(format!("look at it and accept it once: {ssh}"))
            .hint("or accept new keys of all hosts: --host-keys accept-new")
    } else if has("Permission denied") || has("Too many authentication failures") {
        unreachable(format!("{at} refused the login as {}", target.user.as_deref().unwrap_or("the user ssh chose")))
            .hint(format!("see which keys are tried: {ssh} -v"))
            .hint(format!("put a key on the host: ssh-copy-id{port} {login}"))
    } else if has("Could not resolve hostname") {
        unreachable(format!("the name {at} does not resolve"))
            .hint("give the host an address in the inventory (ansible_host), or fix DNS")
    } else if has("Connection refused") {
        unreachable(format!("{at} refuses connections on port {}: nothing listens there", target.port.unwrap_or(22)))
            .hint(format!("is sshd running, and on this port? {ssh} -v"))
    } else if has("timed out") || has("No route to host") || has("Network is unreachable") {
        unreachable(format!("{at} does not answer within {} s", target.connect_timeout.as_secs()))
            .hint(format!("is it switched on and in this network? ping {at}"))
    } else if has("Load key") || has("no such identity") || has("bad permissions") || has("UNPROTECTED PRIVATE KEY") {
        unreachable(format!("the private key cannot be used: {last}"))
            .hint("check the path and its permissions (chmod 600), or load it into the agent with ssh-add")
    } else if has("Bad configuration option") || has("Bad owner or permissions") {
        Error::playbook(format!("ssh does not accept its configuration: {last}"))
    } else {
        unreachable(format!("cannot connect to {at}: {last}")).hint(format!("try it by hand: {ssh} -v"))
    };
    let mut error = error;
    error.stderr = said.trim().to_owned();
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_arguments_of_ssh_say_of_host_keys_counts() {
        for (args, said) in [
            (&["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"][..], Some(HostKeys::Off)),
            (&["-oStrictHostKeyChecking=accept-new"], Some(HostKeys::AcceptNew)),
            (&["-o", "stricthostkeychecking yes", "-o", "StrictHostKeyChecking=no"], Some(HostKeys::Strict)),
            (&["-J", "bastion", "-C"], None),
        ] {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            assert_eq!(HostKeys::said(&config_lines(&args)), said, "{args:?}");
        }
    }
}
