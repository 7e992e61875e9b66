//! What is installed and what runs.

use super::query;
use crate::contract::{Fact, Look, Result};
use crate::shared::facts::strange;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The lists of a full machine take a while on a small board.
const LIMIT: Duration = Duration::from_secs(30);

fact! {
    /// Ask for the packages that are installed, with their versions: a map.
    ///
    /// dpkg, rpm, pacman and apk are understood. Of a package that is there in several versions or for several architectures,
    /// the last version is told.
    ///
    /// ```rhai
    /// if "docker-ce" in facts::packages() { print(facts::packages()["docker-ce"]); }
    /// ```
    /// ```transcript
    /// ? sh -c '(dpkg-query -W, or rpm -qa, pacman -Q, apk list -I)' sh
    /// = curl 8.14.1-2
    /// = docker-ce 5:28.3.3-1
    /// ```
    Packages -> BTreeMap<String, String>: |host| pairs(&query(host, "dpkg-query -W, or rpm -qa, pacman -Q, apk list -I", PACKAGES, LIMIT).await?)
}

fact! {
    /// Ask for the services of systemd: a map from names such as `ssh.service`.
    ///
    /// Each has `state` (`running`, `exited`, `failed`, `dead`; `stopped` if systemd has not loaded it) and `status` (`enabled`,
    /// `disabled`, `static`, `masked`; `unknown` without a file).
    ///
    /// ```rhai
    /// if facts::services()["ssh.service"].state != "running" { warn("no sshd"); }
    /// ```
    /// ```transcript
    /// ? sh -c '(systemctl list-units, list-unit-files)' sh
    /// = unit ssh.service loaded active running OpenBSD Secure Shell server
    /// = unit gone.service not-found inactive dead gone.service
    /// = file ssh.service enabled enabled
    /// = file rsync.service disabled enabled
    /// ```
    Services -> BTreeMap<String, Service>: |host| services(&query(host, "systemctl list-units, list-unit-files", SERVICES, LIMIT).await?)?
}

const PACKAGES: &str = r#"if command -v dpkg-query >/dev/null && { command -v apt-get || ! { command -v rpm || command -v pacman; }; } >/dev/null; then dpkg-query -W -f "\${db:Status-Status} \${Package} \${Version}\n" | sed -n "s/^installed //p"; elif command -v rpm >/dev/null; then rpm -qa --qf "%{NAME} %{EVR}\n"; elif command -v pacman >/dev/null; then pacman -Q; elif command -v apk >/dev/null; then apk list -I 2>/dev/null | sed -n "s/^\([^ ]*\)-\([0-9][^ ]*\) .*/\1 \2/p"; else echo "neither dpkg, rpm, pacman nor apk is here" >&2; exit 1; fi"#;

const SERVICES: &str = r#"systemctl list-units --all --type=service --plain --no-legend --no-pager | sed "s/^/unit /"; systemctl list-unit-files --type=service --no-legend --no-pager | sed "s/^/file /""#;

fn pairs(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.map(|(name, version)| (name.to_owned(), version.trim().to_owned())).collect()
}

/// A service.
#[derive(Debug, Serialize)]
pub struct Service {
    state: String,
    status: String,
}

fn services(text: &str) -> Result<BTreeMap<String, Service>> {
    let mut found = BTreeMap::new();
    for line in text.lines() {
        // A failed unit has a dot in front of it.
        let words: Vec<&str> = line.split_whitespace().filter(|word| !matches!(*word, "●" | "×" | "○" | "*")).collect();
        match words[..] {
            ["unit", _, "not-found", ..] => {}
            ["unit", name, _, _, state, ..] => {
                let service = Service { state: state.to_owned(), status: "unknown".to_owned() };
                found.insert(name.to_owned(), service);
            }
            ["file", name, status, ..] => {
                let stopped = || Service { state: "stopped".to_owned(), status: String::new() };
                found.entry(name.to_owned()).or_insert_with(stopped).status = status.to_owned();
            }
            _ => {}
        }
    }
    if found.is_empty() { Err(strange("systemctl", text)) } else { Ok(found) }
}
