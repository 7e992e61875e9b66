//! Services that run from files which an upgrade has replaced.

use crate::contract::{Command, Look, Result};
use std::time::Duration;

/// needrestart knows more than a look at what is mapped: interpreters and their modules. dnf's needs-restarting knows of
/// libraries that are only read at the start, but dnf 5's not of units that no package brought, nor, as rpm counts whole
/// seconds, of what was upgraded in the second of its start: what is mapped is looked at beside it. A process of another
/// namespace belongs to a container and not to the unit that started it; a job that runs once, such as a backup, is let
/// end.
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
  case $(systemctl show -p Type -p Transient -- "$unit" 2>/dev/null) in *=oneshot*|*=yes*) ;; *) echo "$unit";; esac
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

/// Services that take sessions, or half of the system, with them: they wait for a reboot.
fn harmful(unit: &str) -> bool {
    let name = unit.trim_end_matches(".service");
    let kind = name.split('@').next().unwrap_or_default();
    matches!(
        kind,
        "dbus"
            | "dbus-broker"
            | "systemd-logind"
            | "user"
            | "getty"
            | "serial-getty"
            | "console-getty"
            | "display-manager"
            | "gdm"
            | "gdm3"
            | "sddm"
            | "lightdm"
    )
}

#[cfg(test)]
mod tests {
    use super::harmful;

    #[test]
    fn what_takes_sessions_along_waits_for_a_reboot() {
        assert!(["dbus.service", "user@1000.service", "getty@tty1.service"].iter().all(|unit| harmful(unit)));
        assert!(!["ssh.service", "docker.service", "postgresql@17-main.service"].iter().any(|unit| harmful(unit)));
    }
}
