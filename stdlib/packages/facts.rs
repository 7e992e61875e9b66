//! Questions about packages.

use crate::contract::{Fact, Look, Result};
use crate::shared::packages::{self, Restarts, Tool, Upgrade};
use schemars::JsonSchema;
use serde::Deserialize;

/// Ask which packages could be upgraded, according to the lists that the host has.
///
/// The answer is a list of maps with `name`, `from`, `to` and `security`, whether it mends a security hole; `from` is `()`
/// for a package that an upgrade would bring along. Held packages are not among them.
///
/// ```rhai
/// packages::upgradable();
/// ```
/// ```transcript
/// ? sh -c '(which of apt-get, dnf and pacman)' sh
/// = apt
/// ? LC_ALL=C.UTF-8 apt-get -qsyV dist-upgrade
/// = Inst openssl [3.5.1-1] (3.5.4-1 Debian:13.2/stable [amd64])
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upgradable {
    /// The tool, `"apt"`, `"dnf"` or `"pacman"`; without it, the one that the host has.
    pub r#use: Option<Tool>,
}

impl Fact for Upgradable {
    type Answer = Vec<Upgrade>;

    async fn ask(&self, host: &dyn Look) -> Result<Vec<Upgrade>> {
        let tool = match self.r#use {
            Some(tool) => tool,
            None => packages::tool(host).await?,
        };
        packages::upgradable(host, tool).await
    }
}

/// Ask which tool manages the host's packages: `"apt"`, `"dnf"` or `"pacman"`. A host with none of them is an error.
///
/// ```rhai
/// if packages::manager() == "dnf" { print("a Fedora, or one of its kin"); }
/// ```
/// ```transcript
/// ? sh -c '(which of apt-get, dnf and pacman)' sh
/// = dnf
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manager {}

impl Fact for Manager {
    type Answer = Tool;

    async fn ask(&self, host: &dyn Look) -> Result<Tool> {
        packages::tool(host).await
    }
}

/// Ask which services still run from files that an upgrade has replaced: a list of names.
///
/// needrestart is asked where the host has it. Where not, it is looked for deleted files in what processes have mapped,
/// and dnf's needs-restarting is asked beside. Only root can see that. Services that take sessions, guests, containers or
/// the network along, such as dbus, a guest of Proxmox, docker or NetworkManager, are left out: they wait for a reboot. So are
/// jobs that run once, such as a backup, which end by themselves, and what refuses to be stopped by hand, such as auditd.
///
/// ```rhai
/// for service in packages::restarts_needed() { systemd::restarted(service); }
/// ```
/// ```transcript
/// ? sh -c '(needrestart -b, or needs-restarting -s and deleted files in /proc/*/maps and whose they are)' sh
/// = dbus.service
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestartsNeeded {
    /// Also those that should not be restarted while the system runs.
    #[serde(default)]
    pub all: bool,
}

impl Fact for RestartsNeeded {
    type Answer = Vec<String>;

    async fn ask(&self, host: &dyn Look) -> Result<Vec<String>> {
        Restarts { all: self.all }.ask(host).await
    }
}
