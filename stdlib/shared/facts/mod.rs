//! What a host says of itself. Each function is one question; questions that one command answers share it, so
//! that a session asks it once. Nothing but a POSIX `sh`, coreutils or busybox, `/proc` and `/etc/os-release` is
//! needed, and every read ends after five seconds.

mod ansible;
mod machine;
mod mounts;
mod network;
mod os;

pub use ansible::{NAMES, gather};
pub use machine::{
    boot_id, cores, date_time, env, fqdn, hostname, kernel, machine_id, memory, service_manager, uptime_seconds, user,
    virtualization,
};
pub use mounts::{Mount, mounts, used_percent};
pub use network::{Ipv4, Network, network};
pub use os::{Os, os};

use crate::contract::{Command, Error, Look, Result};
use std::time::Duration;

const LIMIT: Option<Duration> = Some(Duration::from_secs(5));

/// What a program prints; a failure is an error.
pub async fn ask(host: &dyn Look, program: &str, args: &[&str]) -> Result<String> {
    host.text(&Command::new(program).args(args.iter().copied()).timeout(LIMIT)).await
}

/// What a script of ours prints; a failure is an error.
pub async fn script(host: &dyn Look, script: &str) -> Result<String> {
    host.text(&Command::sh(script).timeout(LIMIT)).await
}

/// The same for a long script, which reports show by its gist.
pub async fn gist(host: &dyn Look, gist: &str, script: &str) -> Result<String> {
    host.text(&Command::gist(gist, script).timeout(LIMIT)).await
}

/// The error for an answer that is not what it should be.
pub fn strange(what: &str, answer: &str) -> Error {
    let start: String = answer.chars().take(80).collect();
    Error::host(format!("{what} answers something else than expected: `{}`", start.replace('\n', " ")))
}
