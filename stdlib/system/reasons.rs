//! Why a machine should be rebooted.

use super::rebooted::BOOT;
use crate::contract::{Command, Fact, Look, Reboot, Result};
use futures_util::try_join;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::time::Duration;

/// Asked once: Debian's flag with its packages, dnf's opinion, the kernels, and which of them Proxmox is told to boot
/// (proxmox-boot-tool keeps that there). In a container the kernel is another's.
const ASKED: &str = r#"[ ! -e /run/reboot-required ] || { echo required; sort -u /run/reboot-required.pkgs 2>/dev/null | sed "s/^/package /"; }
if command -v needs-restarting >/dev/null; then set -- needs-restarting -r
elif command -v dnf >/dev/null; then set -- dnf -q needs-restarting -r
else set --; fi
[ $# = 0 ] || LC_ALL=C timeout 30 "$@" 2>/dev/null | sed "s/^/dnf /"
systemd-detect-virt -cq 2>/dev/null || {
  echo "running $(uname -r)"
  for f in /etc/kernel/next-boot-pin /etc/kernel/proxmox-boot-pin; do [ ! -s "$f" ] || { echo "pinned $(head -n 1 "$f")"; break; }; done
  for d in /lib/modules/*/kernel; do [ ! -d "$d" ] || { d=${d%/kernel}; echo "kernel ${d##*/}"; }; done
}"#;

/// Ask whether the machine should be rebooted.
///
/// Yes if Debian's `/run/reboot-required` says so, if `dnf needs-restarting -r` does, or if a newer kernel is installed
/// than the one that runs (with Proxmox: if another one is pinned than runs). `system::reboot_reasons` tells why.
///
/// ```rhai
/// if system::reboot_required() { system::rebooted(); }
/// ```
/// ```transcript
/// ? sh -c '(/run/reboot-required; needs-restarting -r; uname -r against /lib/modules)' sh
/// = running 6.1.0-39-amd64
/// = kernel 6.1.0-38-amd64
/// = kernel 6.1.0-39-amd64
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RebootRequired {}

impl Fact for RebootRequired {
    type Answer = bool;
    const REBOOT: Reboot = Reboot::Suspected;

    async fn ask(&self, host: &dyn Look) -> Result<bool> {
        Ok(!reasons(host).await?.is_empty())
    }
}

/// Ask why the machine should be rebooted: a list of reasons, empty if there are none.
///
/// ```rhai
/// for reason in system::reboot_reasons() { print(reason); }
/// ```
/// ```transcript
/// ? sh -c '(/run/reboot-required; needs-restarting -r; uname -r against /lib/modules)' sh
/// = required
/// = package dbus
/// = running 6.1.0-38-amd64
/// = kernel 6.1.0-38-amd64
/// = kernel 6.1.0-39-amd64
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RebootReasons {}

impl Fact for RebootReasons {
    type Answer = Vec<String>;
    const REBOOT: Reboot = Reboot::Suspected;

    async fn ask(&self, host: &dyn Look) -> Result<Vec<String>> {
        reasons(host).await
    }
}

/// Ask which boot this is and why there should be another: `.boot` is another text after each reboot, `.reasons` are
/// those of `system::reboot_reasons`. `hlrun owed` lists the hosts that a run has left with reasons.
///
/// ```rhai
/// let due = system::reboot_due();
/// ```
/// ```transcript
/// ? sh -c 's=$(cat /proc/1/stat 2>/dev/null); s=${s##*) }; set -- $s; echo "$(cat /proc/sys/kernel/random/boot_id) ${20}"' sh
/// = 5c2f3f6e-7b0b-4f1e-9d4c-0a4f3b1d2e6a 3
/// ? sh -c '(/run/reboot-required; needs-restarting -r; uname -r against /lib/modules)' sh
/// = required
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RebootDue {}

/// A boot, and what speaks for another.
#[derive(Debug, Serialize)]
pub struct Due {
    boot: String,
    reasons: Vec<String>,
}

impl Fact for RebootDue {
    type Answer = Due;
    const REBOOT: Reboot = Reboot::Told;

    async fn ask(&self, host: &dyn Look) -> Result<Due> {
        let boot = Command::sh(BOOT);
        let (boot, reasons) = try_join!(host.text(&boot), reasons(host))?;
        Ok(Due { boot, reasons })
    }
}

async fn reasons(host: &dyn Look) -> Result<Vec<String>> {
    let command = Command::gist("/run/reboot-required; needs-restarting -r; uname -r against /lib/modules", ASKED)
        .timeout(Some(Duration::from_secs(45)));
    Ok(parse(&host.text(&command).await?))
}

fn parse(text: &str) -> Vec<String> {
    let said = |mark: &'static str| text.lines().filter_map(move |line| line.strip_prefix(mark)).map(str::trim);
    let packages: Vec<String> = said("package ").map(|name| format!("{name} was updated")).collect();
    let mut reasons = match text.lines().any(|line| line == "required") {
        true if packages.is_empty() => vec!["/run/reboot-required is there".to_owned()],
        true => packages,
        false => Vec::new(),
    };
    if said("dnf ").any(|line| line.starts_with("Reboot is required")) {
        let named = said("dnf ").filter_map(|line| line.strip_prefix("* "));
        let named: Vec<String> = named.map(|name| format!("{name} was updated since it started")).collect();
        reasons.extend(if named.is_empty() { vec!["dnf needs-restarting says so".to_owned()] } else { named });
    }
    let kernels: Vec<&str> = said("kernel ").collect();
    if let Some(running) = said("running ").next().filter(|_| !kernels.is_empty()) {
        let alike = kernels.iter().filter(|kernel| flavour(kernel) == flavour(running));
        match (said("pinned ").next(), alike.copied().max_by(|a, b| order(a, b))) {
            (Some(pinned), _) if pinned == running => {}
            (Some(pinned), _) => reasons.push(format!("kernel {pinned} is pinned, {running} runs")),
            (None, Some(newest)) if order(newest, running) == Ordering::Greater => {
                reasons.push(format!("kernel {newest} is installed, {running} runs"));
            }
            _ if !kernels.contains(&running) => {
                reasons.push(format!("kernel {running} runs and is not installed any more"));
            }
            _ => {}
        }
    }
    reasons
}

/// What comes after a kernel's version: kernels for other machines lie beside each other (`rpi-v8`, `rpi-2712`).
fn flavour(release: &str) -> &str {
    let parts = release.match_indices('-').map(|(at, _)| &release[at + 1..]);
    parts.into_iter().find(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic())).unwrap_or_default()
}

/// Releases in the order of their numbers: `6.1.0-9` comes before `6.1.0-38`.
fn order(a: &str, b: &str) -> Ordering {
    let numbers = |release: &str| -> Vec<u64> {
        let words = release.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
        words.map(|word| word.parse().unwrap_or(u64::MAX)).collect()
    };
    numbers(a).cmp(&numbers(b))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reasons_are_told_and_only_true_ones() {
        for (said, want) in [
            ("required\npackage dbus\n", vec!["dbus was updated"]),
            ("required\n", vec!["/run/reboot-required is there"]),
            ("dnf No such command: needs-restarting\n", vec![]),
            (
                "dnf Core libraries or services have been updated since boot-up:\ndnf   * systemd\ndnf \n\
                 dnf Reboot is required to fully utilize these updates.\n",
                vec!["systemd was updated since it started"],
            ),
            (
                "running 6.1.0-9-amd64\nkernel 6.1.0-9-amd64\nkernel 6.1.0-38-amd64\n",
                vec!["kernel 6.1.0-38-amd64 is installed, 6.1.0-9-amd64 runs"],
            ),
            ("running 6.12.25+rpt-rpi-v8\nkernel 6.12.25+rpt-rpi-v8\nkernel 6.12.34+rpt-rpi-2712\n", vec![]),
            (
                "running 6.10.2-arch1-1\nkernel 6.10.3-arch1-2\n",
                vec!["kernel 6.10.2-arch1-1 runs and is not installed any more"],
            ),
            ("running 6.8.12-9-pve\n", vec![]),
            ("running 6.8.12-9-pve\npinned 6.8.12-9-pve\nkernel 6.8.12-9-pve\nkernel 6.8.12-15-pve\n", vec![]),
            (
                "running 6.8.12-15-pve\npinned 6.8.12-9-pve\nkernel 6.8.12-9-pve\nkernel 6.8.12-15-pve\n",
                vec!["kernel 6.8.12-9-pve is pinned, 6.8.12-15-pve runs"],
            ),
        ] {
            assert_eq!(parse(said), want, "{said}");
        }
    }
}
