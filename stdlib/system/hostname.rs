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
/// ? sh -c 'uname -n; sed "s/^/info /" /etc/machine-info 2>/dev/null; sed "s/^/file /" /etc/hostname 2>/dev/null || true' sh
/// = debian
/// = file debian
/// ! sh -c 'hostnamectl set-hostname "$1" 2>/dev/null || { printf "%s\n" "$1" >/etc/hostname && hostname "$1"; }' sh nas
/// ? sh -c 'uname -n; sed "s/^/info /" /etc/machine-info 2>/dev/null; sed "s/^/file /" /etc/hostname 2>/dev/null || true' sh
/// = nas
/// = file nas
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hostname {
    /// The name: `nas`, or with its domain `nas.example.com`.
    pub name: String,
    /// Whether it goes back to what was.
    #[serde(skip)]
    back: bool,
}

/// What a machine is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostnameState {
    /// Now.
    now: String,
    /// After a reboot; nothing where no file says it.
    boot: Option<String>,
    /// `/etc/hostname`, to the letter.
    #[serde(rename = "$$file", default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// `/etc/machine-info`, in which hostnamed forgets the pretty name.
    #[serde(rename = "$$info", default, skip_serializing_if = "Option::is_none")]
    info: Option<String>,
}

/// hostnamed tells others of the new name; where it does not run, or may not replace the file (a container's is
/// mounted), the name is set as it always was.
const SET: &str =
    r#"hostnamectl set-hostname "$1" 2>/dev/null || { printf "%s\n" "$1" >/etc/hostname && hostname "$1"; }"#;

const ASKED: &str =
    r#"uname -n; sed "s/^/info /" /etc/machine-info 2>/dev/null; sed "s/^/file /" /etc/hostname 2>/dev/null || true"#;

/// A file as it was, written into the one that is there: a container's is mounted.
fn file(path: &str, now: Option<&String>, want: Option<&String>) -> Option<Step> {
    match want {
        _ if now == want => None,
        Some(text) => Some(Command::sh(r#"printf "%s" "$2" >"$1""#).args([path, text]).into()),
        None => Some(Command::new("rm").args(["-f", path]).into()),
    }
}

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
        let text = host.expect(&Command::sh(ASKED)).await?.text();
        let now = text.lines().next().unwrap_or_default().trim().to_owned();
        let part = |mark: &str| -> Option<String> {
            let lines = text.split_inclusive('\n').filter_map(|line| line.strip_prefix(mark));
            Some(lines.collect::<String>()).filter(|part| !part.is_empty())
        };
        let (file, info) = (part("file "), part("info "));
        let mut lines = file.as_deref().unwrap_or_default().lines().map(str::trim);
        let boot = lines.find(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned);
        Ok(HostnameState { now, boot, file, info })
    }
    fn want(&self, _now: &HostnameState) -> Result<HostnameState> {
        let name = self.name.clone();
        Ok(HostnameState { now: name.clone(), boot: Some(name), file: None, info: None })
    }
    async fn recall(
        &mut self,
        host: &dyn Look,
        before: HostnameState,
        _after: &HostnameState,
    ) -> Result<HostnameState> {
        self.back = true;
        self.prepare(host).await?;
        Ok(before)
    }
    fn steps(&self, now: &HostnameState, want: &HostnameState) -> Result<Vec<Step>> {
        let set: Step = Command::sh(SET).arg(&want.now).into();
        if !self.back {
            return Ok(vec![set]);
        }
        let mut steps: Vec<Step> = Vec::new();
        let mut written = now.clone();
        if now.now != want.now && want.boot.as_ref() == Some(&want.now) {
            steps.push(set);
            written.file = Some(format!("{}\n", want.now));
        } else if now.now != want.now {
            steps.push(Command::new("hostname").arg(&want.now).into());
        }
        steps.extend(file("/etc/hostname", written.file.as_ref(), want.file.as_ref()));
        steps.extend(file("/etc/machine-info", now.info.as_ref(), want.info.as_ref()));
        Ok(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undo_goes_back_to_names_that_differ_and_to_files_as_they_were() {
        let state = |now: &str, file: Option<&str>, info: Option<&str>| {
            let boot = file.and_then(|file| file.lines().last()).map(str::to_owned);
            HostnameState { now: now.into(), boot, file: file.map(str::to_owned), info: info.map(str::to_owned) }
        };
        let name = Hostname { name: "nas".to_owned(), back: true };
        let now = state("nas", Some("nas\n"), None);
        let steps = |want| -> Vec<String> { name.steps(&now, &want).unwrap().iter().map(Step::line).collect() };
        assert_eq!(steps(state("dhcp-7", None, None)), ["hostname dhcp-7", "rm -f /etc/hostname"]);
        let put = r#"sh -c 'printf "%s" "$2" >"$1"' sh"#;
        assert_eq!(steps(state("nas", Some("old\n"), None)), [format!("{put} /etc/hostname 'old\n'")]);
        let pretty = state("old", Some("# mine\nold\n"), Some("PRETTY_HOSTNAME=x\n"));
        let both =
            [format!("{put} /etc/hostname '# mine\nold\n'"), format!("{put} /etc/machine-info 'PRETTY_HOSTNAME=x\n'")];
        assert_eq!(steps(pretty)[1..], both);
        assert_eq!(steps(state("old", Some("old\n"), None)).len(), 1);
    }
}
