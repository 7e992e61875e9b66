//! `system::hostname`.

use crate::bail;
use crate::contract::{Command, Look, Operation, Result, Step};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Make sure the machine has this name, now and after a reboot.
///
/// The name in `/etc/hosts` is yours: `file::line("/etc/hosts", #{ regexp: "^127\\.0\\.1\\.1", line })`.
///
/// ```rhai
/// system::hostname("nas");
/// ```
/// ```transcript
/// ? sh -c 'uname -n; cat /etc/hostname 2>/dev/null || true' sh
/// = debian
/// = debian
/// ! sh -c 'hostnamectl set-hostname "$1" 2>/dev/null || { printf "%s\n" "$1" >/etc/hostname && hostname "$1"; }' sh nas
/// ? sh -c 'uname -n; cat /etc/hostname 2>/dev/null || true' sh
/// = nas
/// = nas
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hostname {
    /// The name: `nas`, or with its domain `nas.example.com`.
    pub name: String,
}

/// What a machine is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostnameState {
    /// Now.
    now: String,
    /// After a reboot; nothing where no file says it.
    boot: Option<String>,
}

/// hostnamed tells others of the new name; where it does not run, or may not replace the file (a container's is
/// mounted), the name is set as it always was.
const SET: &str =
    r#"hostnamectl set-hostname "$1" 2>/dev/null || { printf "%s\n" "$1" >/etc/hostname && hostname "$1"; }"#;

impl Operation for Hostname {
    type State = HostnameState;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        let label = |label: &str| {
            let plain = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            plain && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
        };
        if self.name.len() > 64 || !self.name.split('.').all(label) {
            bail!(playbook: "`{}` is no host name", self.name;
                hint: "letters, digits and hyphens, at most 64, with dots between the parts of a domain");
        }
        Ok(())
    }
    async fn read(&self, host: &dyn Look) -> Result<HostnameState> {
        let text = host.text(&Command::sh("uname -n; cat /etc/hostname 2>/dev/null || true")).await?;
        let mut lines = text.lines().map(str::trim);
        let now = lines.next().unwrap_or_default().to_owned();
        let boot = lines.find(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned);
        Ok(HostnameState { now, boot })
    }
    fn want(&self, _now: &HostnameState) -> Result<HostnameState> {
        Ok(HostnameState { now: self.name.clone(), boot: Some(self.name.clone()) })
    }
    fn steps(&self, now: &HostnameState, want: &HostnameState) -> Result<Vec<Step>> {
        if want.boot.as_ref() == Some(&want.now) {
            return Ok(Command::sh(SET).arg(&want.now).into());
        }
        let mut steps: Vec<Step> = Vec::new();
        match &want.boot {
            Some(boot) if now.boot != want.boot => {
                steps.push(Command::sh(r#"printf "%s\n" "$1" >/etc/hostname"#).arg(boot).into());
            }
            None if now.boot.is_some() => steps.push(Command::new("rm").args(["-f", "/etc/hostname"]).into()),
            _ => {}
        }
        if now.now != want.now {
            steps.push(Command::new("hostname").arg(&want.now).into());
        }
        Ok(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undo_goes_back_to_names_that_differ() {
        let state = |now: &str, boot: Option<&str>| HostnameState { now: now.into(), boot: boot.map(str::to_owned) };
        let name = Hostname { name: "nas".to_owned() };
        let steps = |want| -> Vec<String> {
            name.steps(&state("nas", Some("nas")), &want).unwrap().iter().map(Step::line).collect()
        };
        assert_eq!(steps(state("dhcp-7", None)), ["rm -f /etc/hostname", "hostname dhcp-7"]);
        assert_eq!(steps(state("nas", Some("old"))), [r#"sh -c 'printf "%s\n" "$1" >/etc/hostname' sh old"#]);
    }
}
