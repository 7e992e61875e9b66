//! The machine that hlrun runs on.

use super::{Finding, Mend};
use crate::run::{runtime_dir, state_dir};
use crate::transport::keys::{Way, agent_keys, ssh_version, tool, way};
use crate::transport::{HostKeys, Target};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

/// A socket's path may be this long, and ssh puts a name of its own behind it while it connects.
const SOCKET: usize = 104;
const BEHIND: usize = "/0123456789abcdef/master.0123456789abcdef".len();

/// Look at the controller.
pub fn look(config: Option<String>, mend: Mend) -> Vec<Finding> {
    let mut found = Vec::new();
    match ssh_version() {
        Ok(version) => found.push(Finding::ok("ssh", version)),
        Err(error) => found.push(Finding::failed("ssh", error.message.clone()).remedy("apt install openssh-client")),
    }
    // What ssh would do for any host.
    let any = Target { address: "any".to_owned(), host_keys: HostKeys::Strict, ..Target::default() };
    match way(&any) {
        Ok(way) => {
            found.push(keys(&way));
            found.extend(way.identities.iter().filter_map(|key| private(key, mend)));
            found.push(known_hosts(&way));
        }
        Err(error) => found.push(Finding::failed("keys", error.message.clone())),
    }
    found.push(directory("state", &state_dir(), mend));
    let runtime = runtime_dir();
    found.push(directory("sockets", &runtime, mend));
    if runtime.as_os_str().len() + BEHIND > SOCKET {
        let long = format!("{} is too long a path for a socket of ssh", runtime.display());
        found.push(Finding::failed("sockets", long).remedy("export XDG_RUNTIME_DIR=/run/user/$(id -u)"));
    }
    found.extend(disk(&state_dir()));
    found.push(clock());
    found.push(match config {
        Some(path) => Finding::ok("config", path),
        None => Finding::ok("config", "no hlrun.yaml from here upward: defaults"),
    });
    found
}

/// A key in a file, or in the agent: without one, every login is refused.
fn keys(way: &Way) -> Finding {
    let files: Vec<String> = way.identities.iter().filter(|f| f.is_file()).map(|f| f.display().to_string()).collect();
    match (agent_keys(), files.as_slice()) {
        (Some(count @ 1..), _) => Finding::ok("keys", format!("{count} in the agent")),
        (_, []) => Finding::ok("keys", "none in ~/.ssh and none in an agent: the inventory must name one (key_file)"),
        (_, files) => Finding::ok("keys", files.join(" ")),
    }
}

/// ssh refuses a private key that others can read.
fn private(key: &Path, mend: Mend) -> Option<Finding> {
    let mode = key.metadata().ok()?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return None;
    }
    let shown = key.display();
    if mend.fix && std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).is_ok() {
        return Some(Finding::fixed("keys", format!("{shown} had mode {mode:04o}, now 0600")));
    }
    let why = format!("{shown} has mode {mode:04o}: ssh refuses a key that others can read");
    Some(Finding::failed("keys", why).remedy(format!("chmod 600 {shown}")))
}

fn known_hosts(way: &Way) -> Finding {
    let lines = |path: &Path| std::fs::read_to_string(path).map(|text| text.lines().count());
    let Some(first) = way.known_hosts.first() else { return Finding::warning("known hosts", "ssh keeps none") };
    match lines(first) {
        Ok(count) => Finding::ok("known hosts", format!("{count} in {}", first.display())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Finding::ok("known hosts", format!("none yet: {} will be made", first.display()))
        }
        Err(e) => Finding::failed("known hosts", format!("{}: {e}", first.display()))
            .remedy(format!("chmod u+rw {}", first.display())),
    }
}

/// A directory of ours: there, writable, and nobody else's business.
fn directory(check: &'static str, dir: &Path, mend: Mend) -> Finding {
    let shown = dir.display().to_string();
    let make = || std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    match dir.metadata() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            if mend.fix {
                return match make() {
                    Ok(()) => Finding::fixed(check, format!("{shown} made, mode 0700")),
                    Err(e) => Finding::failed(check, format!("cannot make {shown}: {e}")),
                };
            }
            Finding::ok(check, format!("{shown} is made by the first run"))
        }
        Err(e) => Finding::failed(check, format!("{shown}: {e}")),
        Ok(meta) => {
            let mode = meta.permissions().mode() & 0o777;
            let remedy = format!("chmod 700 {shown}");
            if mode & 0o077 != 0 {
                if mend.fix && std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).is_ok() {
                    return Finding::fixed(check, format!("{shown} had mode {mode:04o}, now 0700"));
                }
                return Finding::failed(check, format!("{shown} has mode {mode:04o}: others can look into it"))
                    .remedy(remedy);
            }
            match tempfile_in(dir) {
                Ok(()) => Finding::ok(check, shown),
                Err(e) => Finding::failed(check, format!("cannot write in {shown}: {e}")).remedy(remedy),
            }
        }
    }
}

fn tempfile_in(dir: &Path) -> std::io::Result<()> {
    let path = dir.join(format!(".doctor.{}", std::process::id()));
    std::fs::write(&path, "")?;
    std::fs::remove_file(path)
}

/// Space where journals are kept, or will be.
fn disk(state: &Path) -> Vec<Finding> {
    let Some(place) = state.ancestors().find(|dir| dir.exists()) else { return Vec::new() };
    let output = tool("df", &["-P".to_owned(), place.display().to_string()], "");
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    super::health::full("disk", &text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>())
}

/// A clock that is wrong makes every certificate, token and log wrong. The kernel knows whether it is kept.
fn clock() -> Finding {
    let kept = Path::new("/run/systemd/timesync/synchronized").exists();
    let others = ["/run/chrony", "/run/chronyd.pid", "/run/ntpd.pid", "/run/chrony/chronyd.pid"];
    let now = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
    match kept || others.iter().any(|path| Path::new(path).exists()) {
        true => Finding::ok("clock", format!("{now}, kept by NTP")),
        false => Finding::ok("clock", format!("{now}; nothing seems to keep it (compared with each host below)")),
    }
}

/// How far two clocks may be apart: TLS and Kerberos forgive this much, people less.
pub(super) const SKEW: Duration = Duration::from_secs(5);
