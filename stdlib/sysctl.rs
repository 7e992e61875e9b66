//! Parameters of the kernel: the value that it has, and the line in a file that sets it at boot.
//!
//! Both are compared, and each is changed on its own: no other line of the file is applied. The file is
//! `/etc/sysctl.d/99-hlrun.conf` unless `file` says otherwise, because `/etc/sysctl.conf` is no longer read at boot
//! everywhere (Debian 13). In a container most parameters belong to the machine below it and cannot be changed.

mod key;

use crate::bail;
use crate::contract::{Command, Error, Fact, Look, Module, Operation, Output, Result, Step};
use crate::shared::{Attributes, FileState, HostPath, Keep, Reading};
use futures_util::try_join;
use key::{Key, Setting};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.operation::<Set>().operation::<Absent>().fact::<Value>();
}

fn default_file() -> HostPath {
    HostPath::parse("/etc/sysctl.d/99-hlrun.conf").unwrap_or_else(|_| unreachable!("it is absolute"))
}

fn yes() -> bool {
    true
}

/// The value that the kernel has; nothing if there is no such parameter.
fn running(key: &Key, output: &Output) -> Result<Option<String>> {
    let said = output.stderr_text();
    match output.code {
        0 => Ok(Some(key::normal(&output.text()))),
        _ if said.contains("No such file") => Ok(None),
        _ if said.contains("Permission denied") => bail!("{} may not be read", key.name();
            hint: "within(#{{ become: \"root\" }}, || ...) reads as root; some parameters can only be written"),
        code => bail!("{} cannot be read (exit code {code}): {}", key.name(), said.trim_end()),
    }
}

/// A parameter as it is or should be.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SysctlState {
    /// The value that the kernel has, where that is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    running: Option<String>,
    #[serde(flatten)]
    file: FileState,
}

/// Make sure a parameter of the kernel has a value, now and after a boot.
///
/// ```rhai
/// sysctl::set("net.ipv4.ip_forward", #{ value: 1 });
/// ```
/// ```transcript
/// ? cat -- /proc/sys/net/ipv4/ip_forward
/// = 0
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/sysctl.d/99-hlrun.conf
/// = 644:root:root:0:0:17:1749081600:regular file
/// ? find /etc/sysctl.d/99-hlrun.conf -maxdepth 0 -type f -exec cat '{}' ';'
/// = vm.swappiness=10
/// ! write /etc/sysctl.d/99-hlrun.conf
/// + vm.swappiness=10
/// + net.ipv4.ip_forward=1
/// ! sysctl -w net.ipv4.ip_forward=1
/// ? cat -- /proc/sys/net/ipv4/ip_forward
/// = 1
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/sysctl.d/99-hlrun.conf
/// = 644:root:root:0:0:39:1763666100:regular file
/// ? find /etc/sysctl.d/99-hlrun.conf -maxdepth 0 -type f -exec cat '{}' ';'
/// = vm.swappiness=10
/// = net.ipv4.ip_forward=1
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The parameter, such as `net.ipv4.ip_forward`; slashes instead of dots are understood, too.
    pub name: Key,
    /// Its value; several are separated by blanks, and true is 1.
    pub value: Setting,
    /// The file that sets it at boot.
    #[serde(default = "default_file")]
    pub file: HostPath,
    /// Set the value that the kernel has now, too.
    #[serde(default = "yes")]
    pub reload: bool,
    /// Leave the kernel alone if it has no such parameter.
    #[serde(default)]
    pub ignore_errors: bool,
}

impl Operation for Set {
    type State = SysctlState;

    async fn read(&self, host: &dyn Look) -> Result<SysctlState> {
        let cat = Command::new("cat").args(["--", &self.name.path()]);
        let now = async { if self.reload { running(&self.name, &host.run(&cat).await?) } else { Ok(None) } };
        let file = FileState::read(host, &self.file, Attributes::default(), Reading::Text);
        let (now, file) = try_join!(now, file)?;
        if now.is_none() && self.reload && !self.ignore_errors {
            bail!("the kernel has no parameter {}", self.name.name();
                hint: "its module may not be loaded: modprobe::loaded(...) first";
                hint: "ignore_errors: true writes the file alone until there is one");
        }
        Ok(SysctlState { running: now, file })
    }

    fn want(&self, now: &SysctlState) -> Result<SysctlState> {
        let text = now.file.content.as_ref().and_then(|content| content.text.as_deref());
        let text = self.name.set_in(text.unwrap_or_default(), self.value.as_str());
        let running = now.running.as_ref().map(|_| self.value.as_str().to_owned());
        Ok(SysctlState { running, file: FileState { content: Some(FileState::text(text)), ..now.file.clone() } })
    }

    fn steps(&self, now: &SysctlState, want: &SysctlState) -> Result<Vec<Step>> {
        let mut steps = now.file.steps(&self.file, &want.file, None, &Keep::default())?;
        if now.file.content == want.file.content {
            steps.clear();
        }
        if let Some(value) = want.running.as_ref().filter(|_| now.running != want.running) {
            steps.push(Command::new("sysctl").args(["-w".to_owned(), format!("{}={value}", self.name.name())]).into());
        }
        Ok(steps)
    }

    async fn premise(&self, host: &dyn Look, now: &SysctlState) -> Result<()> {
        now.file.place(host, &self.file).await
    }

    fn explain(&self, error: Error) -> Error {
        if error.message.contains("Read-only file system") || error.message.contains("ermission denied") {
            return error
                .hint("in a container the kernel belongs to the machine below it: set it there")
                .hint("reload: false writes the file alone");
        }
        if error.message == "sysctl is not installed" {
            return error.hint("apt::installed(\"procps\") brings it on Debian");
        }
        error
    }
}

/// Make sure a file sets a parameter no more; the kernel keeps the value that it has until the next boot.
///
/// ```rhai
/// sysctl::absent("vm.swappiness");
/// ```
/// ```transcript
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/sysctl.d/99-hlrun.conf
/// = 644:root:root:0:0:39:1749081600:regular file
/// ? find /etc/sysctl.d/99-hlrun.conf -maxdepth 0 -type f -exec cat '{}' ';'
/// = vm.swappiness=10
/// = net.ipv4.ip_forward=1
/// ! write /etc/sysctl.d/99-hlrun.conf
/// + net.ipv4.ip_forward=1
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/sysctl.d/99-hlrun.conf
/// = 644:root:root:0:0:22:1763666100:regular file
/// ? find /etc/sysctl.d/99-hlrun.conf -maxdepth 0 -type f -exec cat '{}' ';'
/// = net.ipv4.ip_forward=1
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// The parameter.
    pub name: Key,
    /// The file that sets it at boot.
    #[serde(default = "default_file")]
    pub file: HostPath,
}

impl Operation for Absent {
    type State = FileState;

    async fn read(&self, host: &dyn Look) -> Result<FileState> {
        FileState::read(host, &self.file, Attributes::default(), Reading::Text).await
    }
    fn want(&self, now: &FileState) -> Result<FileState> {
        let text = now.content.as_ref().and_then(|content| content.text.as_deref());
        let content = text.map(|text| FileState::text(self.name.taken_from(text)));
        Ok(FileState { content, ..now.clone() })
    }
    fn steps(&self, now: &FileState, want: &FileState) -> Result<Vec<Step>> {
        now.steps(&self.file, want, None, &Keep::default())
    }
}

/// Ask for the value that the kernel has; `()` if it has no such parameter.
///
/// ```rhai
/// sysctl::value("vm.swappiness");
/// ```
/// ```transcript
/// ? cat -- /proc/sys/vm/swappiness
/// = 60
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// The parameter.
    pub name: Key,
}

impl Fact for Value {
    type Answer = Option<String>;

    async fn ask(&self, host: &dyn Look) -> Result<Option<String>> {
        running(&self.name, &host.run(&Command::new("cat").args(["--", &self.name.path()])).await?)
    }
}
