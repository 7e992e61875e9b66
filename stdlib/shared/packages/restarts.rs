//! Services that run from files which an upgrade has replaced.

use crate::contract::{Command, Look, Result};
use std::time::Duration;

/// needrestart knows more than a look at what is mapped: interpreters and their modules. dnf's needs-restarting knows of
/// libraries that are only read at the start, but dnf 5's not of units that no package brought, nor, as rpm counts whole
/// seconds, of what was upgraded in the second of its start: what is mapped is looked at beside it. A process of another
/// namespace belongs to a container and not to the unit that started it; a job that runs once, such as a backup, is let
/// end, and what refuses to be stopped by hand, such as auditd, is left alone.
const ASKED: &str = r#"PATH=$PATH:/usr/sbin:/sbin
[ "$(id -u)" = 0 ] || { echo "only root can see which files all services run from" >&2; exit 1; }
named() {
  if command -v needrestart >/dev/null; then needrestart -b -r l 2>/dev/null | sed -n "s/^NEEDRESTART-SVC: *//p"; return; fi
  set --
  if command -v needs-restarting >/dev/null; then set -- needs-restarting -s; elif command -v dnf >/dev/null; then set -- dnf -q needs-restarting -s; fi
  [ $# = 0 ] || LC_ALL=C "$@" 2>/dev/null
  own=$(readlink /proc/self/ns/pid)
  grep -lsE " r-xp .* /(usr|bin|sbin|lib|lib32|lib64|opt)/[^ ]* \(deleted\)$" /proc/[0-9]*/maps | while IFS=/ read -r _ _ pid _; do
    [ "$(readlink "/proc/$pid/ns/pid")" = "$own" ] || continue
    while read -r line; do case $line in 0::*.service*|*:name=systemd:*.service*) unit=${line%%.service*}; echo "${unit##*/}.service";; esac; done <"/proc/$pid/cgroup"
  done
}
named | sort -u | while read -r unit; do
  case $(systemctl show -p Type -p Transient -p CanStop -- "$unit" 2>/dev/null) in *Type=oneshot*|*Transient=yes*|*CanStop=no*) ;; *) echo "$unit";; esac
done"#;

/// Which services want a restart.
#[derive(Debug, Clone, Copy)]
pub struct Restarts {
    /// Those that cannot be restarted without harm, too.
    pub all: bool,
}

impl Restarts {
    /// The names of the services, sorted.
    pub async fn ask(self, host: &dyn Look) -> Result<Vec<String>> {
        let gist = "needrestart -b, or needs-restarting -s and deleted files in /proc/*/maps and whose they are";
        let command = Command::gist(gist, ASKED).timeout(Some(Duration::from_secs(120)));
        let mut units = host.expect(&command).await?.lines();
        units.retain(|unit| unit.ends_with(".service") && (self.all || !harmful(unit)));
        units.sort();
        Ok(units)
    }
}

/// Whether a restart takes sessions, guests, containers or the network along: such a service waits for a reboot. Mostly what
/// Debian's needrestart.conf leaves alone (`override_rc`), and guests of Proxmox and LXC.
fn harmful(unit: &str) -> bool {
    let name = unit.trim_end_matches(".service");
    let kind = name.split('@').next().unwrap_or_default();
    let exact =
        ["user", "slim", "lxc", "lxc-net", "lxd", "incus", "elogind", "bird", "tinc", "frr", "quagga", "rc-local"];
    let families = [
        "dbus",
        "systemd-logind",
        "getty",
        "serial-getty",
        "console-getty",
        "display-manager",
        "gdm",
        "kdm",
        "sddm",
        "lightdm",
        "lxdm",
        "xdm",
        "networking",
        "NetworkManager",
        "ModemManager",
        "wpa_supplicant",
        "openvpn",
        "strongswan",
        "libreswan",
        "bluetooth",
        "lxcfs",
        "watchdog-mux",
        "pve-ha-",
        "corosync",
        "pve-container",
        "libvirt",
        "virtlogd",
        "virtlockd",
        "docker",
    ];
    exact.contains(&kind) || families.iter().any(|family| kind.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::harmful;

    #[test]
    fn what_takes_sessions_along_waits_for_a_reboot() {
        let wait =
            ["dbus-broker", "user@1000", "getty@tty1", "pve-container@101", "docker", "networking", "openvpn@home"];
        assert!(wait.iter().all(|unit| harmful(&format!("{unit}.service"))));
        let restarted = ["ssh", "postgresql@17-main", "slimserver", "systemd-networkd", "lxc-monitord", "user-manager"];
        assert!(!restarted.iter().any(|unit| harmful(&format!("{unit}.service"))));
    }
}
