//! Modules of the kernel: loaded or not, now and at boot.
//!
//! `-` and `_` in a name are the same. In a container modules belong to the machine below it: what is loaded there
//! is seen, but nothing can be loaded or unloaded.

mod files;

use crate::bail;
use crate::contract::{Command, Error, Fact, Look, Module, Operation, Output, Result, Step};
use crate::shared::Many;
use files::{Files, Lines, ModuleName, Wholes};
use futures_util::try_join;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.operation::<Loaded>().operation::<Unloaded>().operation::<Blacklisted>().fact::<IsLoaded>();
}

/// A module, as far as an operation decides about it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ModuleState {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    loaded: Option<bool>,
    /// The lines about it, of each file.
    #[serde(default, skip_serializing_if = "Lines::is_empty")]
    files: Lines,
    /// The files of these lines, to the byte.
    #[serde(default, rename = "$$wholes", skip_serializing_if = "Wholes::is_empty")]
    wholes: Wholes,
    /// All lines of these files.
    #[serde(skip)]
    all: Files,
}

/// What an operation knows from one look to the next, so that undo puts files back to the byte.
#[derive(Debug, Default)]
struct Known {
    /// The files that had lines about the module at the first look.
    had: OnceLock<Vec<String>>,
    /// The files before and after the change that is taken back.
    back: Option<(Wholes, Wholes)>,
}

impl Known {
    fn state(&self, loaded: Option<bool>, files: Lines, all: Files) -> ModuleState {
        let had = self.had.get_or_init(|| files.keys().cloned().collect());
        let past = self.back.iter().flat_map(|(before, after)| before.keys().chain(after.keys()));
        let wholes = all.wholes(had.iter().chain(files.keys()).chain(past));
        ModuleState { loaded, files, wholes, all }
    }
    fn recall(&mut self, before: &ModuleState, after: &ModuleState) {
        self.back = Some((before.wholes.clone(), after.wholes.clone()));
    }
}

/// Where the kernel tells of a module: those loaded, then those it was built with.
const FIND: &str = r#"grep -s "^$1 " /proc/modules || grep -s "/$2[.]ko" "/lib/modules/$(uname -r)/modules.builtin""#;

fn find(name: &ModuleName) -> Command {
    Command::sh(FIND).args([name.underscored(), name.pattern()])
}

/// Whether it is a part of the kernel itself.
fn built_in(found: &Output) -> bool {
    found.success() && found.text().contains(".ko")
}

fn explain(error: Error) -> Error {
    let said = |text: &str| error.message.contains(text);
    if said("not found in directory") || said("ermitted") || said("ermission denied") {
        return error
            .hint("in a container modules belong to the machine below it: load them there")
            .hint("after an upgrade of the kernel, its modules are there after a reboot");
    }
    if said("is in use") {
        return error.hint("lsmod names what uses it");
    }
    if said("modprobe is not installed") {
        return error.hint("apt::installed(\"kmod\") brings it on Debian");
    }
    error
}

/// Make sure a module is loaded.
///
/// Parameters count when it is loaded: one that is loaded already keeps those it has until the next boot.
///
/// ```rhai
/// modprobe::loaded("br_netfilter", #{ persistent: true });
/// ```
/// ```transcript
/// ? sh -c 'grep -s "^$1 " /proc/modules || grep -s "/$2[.]ko" "/lib/modules/$(uname -r)/modules.builtin"' sh br_netfilter 'br[-_]netfilter'
/// * 1
/// ? sh -c '(grep, stat of /etc/modules, /etc/modules-load.d/*.conf, /etc/modprobe.d/*.conf)' sh
/// = /etc/modules:# /etc/modules: kernel modules to load at boot time.
/// ! modprobe -- br_netfilter
/// ! write /etc/modules-load.d/br_netfilter.conf
/// + br_netfilter
/// ? sh -c 'grep -s "^$1 " /proc/modules || grep -s "/$2[.]ko" "/lib/modules/$(uname -r)/modules.builtin"' sh br_netfilter 'br[-_]netfilter'
/// = br_netfilter 36864 0 - Live 0x0000000000000000
/// ? sh -c '(grep, stat of /etc/modules, /etc/modules-load.d/*.conf, /etc/modprobe.d/*.conf)' sh
/// = /etc/modules:# /etc/modules: kernel modules to load at boot time.
/// = /etc/modules-load.d/br_netfilter.conf:br_netfilter
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Loaded {
    /// The module.
    pub name: ModuleName,
    /// Its parameters, such as `"numdummies=2"`: a list, or one text with blanks between them.
    #[serde(default)]
    pub params: Many<String>,
    /// Load it at boot, too, with these parameters: in `/etc/modules-load.d` and `/etc/modprobe.d`.
    #[serde(default)]
    pub persistent: bool,
    #[serde(skip)]
    known: Known,
}

impl Loaded {
    fn params(&self) -> Vec<&str> {
        self.params.as_slice().iter().flat_map(|params| params.split_whitespace()).collect()
    }
}

impl Operation for Loaded {
    type State = ModuleState;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        match self.params().iter().find(|param| param.starts_with('-') || param.contains('#')) {
            Some(param) => bail!(playbook: "`params`: `{param}` is no parameter of a module, such as \"numdummies=2\""),
            None => Ok(()),
        }
    }
    async fn read(&self, host: &dyn Look) -> Result<ModuleState> {
        let find = find(&self.name);
        let files = async { if self.persistent { Files::read(host).await } else { Ok(Files::default()) } };
        let (found, all) = try_join!(host.run(&find), files)?;
        let mut files = all.loading(&self.name);
        if !self.params().is_empty() {
            files.extend(all.options(&self.name));
        }
        Ok(self.known.state(Some(found.success()), files, all))
    }
    fn want(&self, now: &ModuleState) -> Result<ModuleState> {
        let mut files = now.all.loading(&self.name);
        if self.persistent && files.is_empty() {
            files.insert(files::load_file(&self.name), vec![self.name.to_string()]);
        }
        let params = self.params();
        if self.persistent && !params.is_empty() {
            files.extend(files::options(&self.name, &params, now.all.options(&self.name)));
        }
        Ok(ModuleState { loaded: Some(true), files, ..ModuleState::default() })
    }
    async fn recall(&mut self, host: &dyn Look, before: ModuleState, after: &ModuleState) -> Result<ModuleState> {
        self.prepare(host).await?;
        self.known.recall(&before, after);
        Ok(before)
    }
    fn steps(&self, now: &ModuleState, want: &ModuleState) -> Result<Vec<Step>> {
        let mut steps = now.all.steps(&now.files, &want.files, self.known.back.as_ref());
        let load = Command::new("modprobe").args(["--", self.name.as_str()]).args(self.params());
        steps.splice(0..0, switch(now, want, &self.name, load));
        Ok(steps)
    }
    async fn premise(&self, host: &dyn Look, now: &ModuleState) -> Result<()> {
        if now.loaded == Some(true) {
            return Ok(());
        }
        host.expect(&Command::new("modprobe").args(["-n", "--", self.name.as_str()])).await.map(drop).map_err(explain)
    }
    fn explain(&self, error: Error) -> Error {
        explain(error)
    }
}

/// The command that loads or unloads, where that differs.
fn switch(now: &ModuleState, want: &ModuleState, name: &ModuleName, load: Command) -> Option<Step> {
    let unload = || Command::new("modprobe").args(["-r", "--", name.as_str()]);
    match (now.loaded, want.loaded) {
        (Some(false), Some(true)) => Some(load.into()),
        (Some(true), Some(false)) => Some(unload().into()),
        _ => None,
    }
}

/// Make sure a module is not loaded.
///
/// Something else may load it again; `modprobe::blacklisted` keeps it from that.
///
/// ```rhai
/// modprobe::unloaded("pcspkr", #{ persistent: true });
/// ```
/// ```transcript
/// ? sh -c 'grep -s "^$1 " /proc/modules || grep -s "/$2[.]ko" "/lib/modules/$(uname -r)/modules.builtin"' sh pcspkr pcspkr
/// = pcspkr 12288 0 - Live 0x0000000000000000
/// ? sh -c '(grep, stat of /etc/modules, /etc/modules-load.d/*.conf, /etc/modprobe.d/*.conf)' sh
/// = /etc/modules:# sound
/// = /etc/modules:pcspkr
/// ! modprobe -r -- pcspkr
/// ! write /etc/modules
/// + # sound
/// ? sh -c 'grep -s "^$1 " /proc/modules || grep -s "/$2[.]ko" "/lib/modules/$(uname -r)/modules.builtin"' sh pcspkr pcspkr
/// * 1
/// ? sh -c '(grep, stat of /etc/modules, /etc/modules-load.d/*.conf, /etc/modprobe.d/*.conf)' sh
/// = /etc/modules:# sound
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unloaded {
    /// The module.
    pub name: ModuleName,
    /// Do not load it at boot either: lines that load it, and those with its parameters, are taken out of every file.
    #[serde(default)]
    pub persistent: bool,
    #[serde(skip)]
    known: Known,
}

impl Operation for Unloaded {
    type State = ModuleState;

    async fn read(&self, host: &dyn Look) -> Result<ModuleState> {
        let find = find(&self.name);
        let files = async { if self.persistent { Files::read(host).await } else { Ok(Files::default()) } };
        let (found, all) = try_join!(host.run(&find), files)?;
        if built_in(&found) {
            bail!("{} is a part of the kernel itself, so it cannot be unloaded", self.name.as_str());
        }
        let mut files = all.loading(&self.name);
        files.extend(all.options(&self.name));
        Ok(self.known.state(Some(found.success()), files, all))
    }
    fn want(&self, _now: &ModuleState) -> Result<ModuleState> {
        Ok(ModuleState { loaded: Some(false), ..ModuleState::default() })
    }
    async fn recall(&mut self, _host: &dyn Look, before: ModuleState, after: &ModuleState) -> Result<ModuleState> {
        self.known.recall(&before, after);
        Ok(before)
    }
    fn steps(&self, now: &ModuleState, want: &ModuleState) -> Result<Vec<Step>> {
        let mut steps = now.all.steps(&now.files, &want.files, self.known.back.as_ref());
        let load = Command::new("modprobe").args(["--", self.name.as_str()]);
        steps.splice(0..0, switch(now, want, &self.name, load));
        Ok(steps)
    }
    fn explain(&self, error: Error) -> Error {
        explain(error)
    }
}

/// Make sure a module is never loaded by itself, for a device that is found; what is loaded stays so.
///
/// A module that the initial ramdisk brings is loaded before this is read: `update-initramfs -u` or `dracut -f` after
/// a change.
///
/// ```rhai
/// modprobe::blacklisted("nouveau");
/// ```
/// ```transcript
/// ? sh -c '(grep, stat of /etc/modules, /etc/modules-load.d/*.conf, /etc/modprobe.d/*.conf)' sh
/// ! write /etc/modprobe.d/blacklist-nouveau.conf
/// + blacklist nouveau
/// ? sh -c '(grep, stat of /etc/modules, /etc/modules-load.d/*.conf, /etc/modprobe.d/*.conf)' sh
/// = /etc/modprobe.d/blacklist-nouveau.conf:blacklist nouveau
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Blacklisted {
    /// The module.
    pub name: ModuleName,
    /// Whether it should be; with false, it is taken out of every file.
    #[serde(default = "yes")]
    pub blacklisted: bool,
    #[serde(skip)]
    known: Known,
}

fn yes() -> bool {
    true
}

impl Operation for Blacklisted {
    type State = ModuleState;

    async fn read(&self, host: &dyn Look) -> Result<ModuleState> {
        let all = Files::read(host).await?;
        Ok(self.known.state(None, all.blacklisting(&self.name), all))
    }
    fn want(&self, now: &ModuleState) -> Result<ModuleState> {
        let mut files = if self.blacklisted { now.files.clone() } else { Lines::new() };
        if self.blacklisted && files.is_empty() {
            files.insert(files::blacklist_file(&self.name), vec![format!("blacklist {}", self.name.as_str())]);
        }
        Ok(ModuleState { files, ..ModuleState::default() })
    }
    async fn recall(&mut self, _host: &dyn Look, before: ModuleState, after: &ModuleState) -> Result<ModuleState> {
        self.known.recall(&before, after);
        Ok(before)
    }
    fn steps(&self, now: &ModuleState, want: &ModuleState) -> Result<Vec<Step>> {
        Ok(now.all.steps(&now.files, &want.files, self.known.back.as_ref()))
    }
}

/// Ask whether a module is loaded, or a part of the kernel itself.
///
/// ```rhai
/// modprobe::is_loaded("zfs");
/// ```
/// ```transcript
/// ? sh -c 'grep -s "^$1 " /proc/modules || grep -s "/$2[.]ko" "/lib/modules/$(uname -r)/modules.builtin"' sh zfs zfs
/// = zfs 5820416 6 - Live 0x0000000000000000 (PO)
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IsLoaded {
    /// The module.
    pub name: ModuleName,
}

impl Fact for IsLoaded {
    type Answer = bool;

    async fn ask(&self, host: &dyn Look) -> Result<bool> {
        host.succeeds(&find(&self.name)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn undo_unloads_what_was_loaded_and_loads_what_was_not() {
        let loaded: Loaded =
            serde_json::from_value(json!({ "name": "dummy", "persistent": true, "params": "numdummies=2" })).unwrap();
        let before = ModuleState { loaded: Some(false), ..ModuleState::default() };
        let after = loaded.want(&before).unwrap();
        let lines = |now: &ModuleState, want: &ModuleState| -> Vec<String> {
            loaded.steps(now, want).unwrap().iter().map(Step::line).collect()
        };
        assert_eq!(
            lines(&before, &after),
            [
                "modprobe -- dummy numdummies=2",
                "write /etc/modprobe.d/dummy.conf",
                "write /etc/modules-load.d/dummy.conf"
            ]
        );
        let files = Files::of(&after.files);
        assert_eq!(
            lines(&ModuleState { all: files, ..after }, &before),
            ["modprobe -r -- dummy", "rm -f -- /etc/modprobe.d/dummy.conf", "rm -f -- /etc/modules-load.d/dummy.conf"]
        );
    }
}
