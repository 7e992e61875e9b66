//! What can be asked of a mount point.

use super::change::{Place, explain};
use super::fstab::Entry;
use super::state::{Live, MountState, Wanted, flag, read, shown};
use crate::bail;
use crate::contract::{Action, Command, Error, Look, Operation, Result, Step};
use crate::shared::HostPath;
use schemars::JsonSchema;
use serde::Deserialize;

const FSTAB: &str = "/etc/fstab";

fn defaults() -> String {
    "defaults".to_owned()
}

fn yes() -> bool {
    true
}

/// Make sure a file system is mounted, now and at boot.
///
/// Its line is in fstab, its mount point exists, and it is mounted from this source with these options. What else is
/// mounted there goes first. New options reach it by a remount, or where it refuses that, by mounting it anew.
///
/// ```rhai
/// mount::mounted("/mnt/nas", #{ src: "nas:/export", fstype: "nfs", opts: "ro,soft" });
/// ```
/// ```transcript
/// ? sh -c '(fstab; /proc/self/mountinfo; readlink -f, and stat for two seconds)' sh /mnt/nas /mnt/nas nas:/export nfs /etc/fstab
/// = fstab UUID=1 / ext4 errors=remount-ro 0 1
/// = systemd
/// = helper
/// ! mkdir -p -- /mnt/nas
/// ! write /etc/fstab
/// + UUID=1 / ext4 errors=remount-ro 0 1
/// + nas:/export /mnt/nas nfs ro,soft 0 0
/// ! systemctl daemon-reload
/// ! mount -- /mnt/nas
/// ? sh -c '(fstab; /proc/self/mountinfo; readlink -f, and stat for two seconds)' sh /mnt/nas /mnt/nas nas:/export nfs /etc/fstab
/// = fstab UUID=1 / ext4 errors=remount-ro 0 1
/// = fstab nas:/export /mnt/nas nfs ro,soft 0 0
/// = systemd
/// = helper
/// = mount 70 29 0:52 / /mnt/nas ro,relatime shared:33 - nfs4 nas:/export ro,vers=4.2,soft
/// = source
/// = directory
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mounted {
    /// The mount point.
    pub path: HostPath,
    /// What is mounted: a device, `UUID=`, `LABEL=`, `nas:/export`, `//nas/share`, a directory, an image.
    pub src: String,
    /// The type of the file system: `ext4`, `nfs`, `cifs`, `tmpfs`; `none` for `bind`.
    pub fstype: String,
    /// Its options, with commas between them.
    #[serde(default = "defaults")]
    pub opts: String,
    /// Whether `dump` backs it up; hardly anybody's is not 0.
    #[serde(default)]
    pub dump: u32,
    /// When it is checked at boot: 1 for the root, 2 for others, 0 for never.
    #[serde(default)]
    pub passno: u32,
    /// Whether it is mounted at boot; false adds `noauto`.
    #[serde(default = "yes")]
    pub boot: bool,
    /// The fstab to change, instead of `/etc/fstab`.
    pub fstab: Option<HostPath>,
    /// Keep the old fstab beside it, as `/etc/fstab.DIGEST~`.
    #[serde(default)]
    pub backup: bool,
    /// Whether it goes back to what was.
    #[serde(skip)]
    back: bool,
}

/// Make sure fstab has a line for a file system, without mounting it now.
///
/// ```rhai
/// mount::present("/mnt/nas", #{ src: "nas:/export", fstype: "nfs", opts: "ro,soft" });
/// ```
/// ```transcript
/// ? sh -c '(fstab; /proc/self/mountinfo; readlink -f, and stat for two seconds)' sh /mnt/nas /mnt/nas nas:/export nfs /etc/fstab
/// = fstab UUID=1 / ext4 errors=remount-ro 0 1
/// = systemd
/// = helper
/// ! write /etc/fstab
/// + UUID=1 / ext4 errors=remount-ro 0 1
/// + nas:/export /mnt/nas nfs ro,soft 0 0
/// ! systemctl daemon-reload
/// ? sh -c '(fstab; /proc/self/mountinfo; readlink -f, and stat for two seconds)' sh /mnt/nas /mnt/nas nas:/export nfs /etc/fstab
/// = fstab UUID=1 / ext4 errors=remount-ro 0 1
/// = fstab nas:/export /mnt/nas nfs ro,soft 0 0
/// = systemd
/// = helper
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Present {
    /// The mount point.
    pub path: HostPath,
    /// What is mounted: a device, `UUID=`, `LABEL=`, `nas:/export`, `//nas/share`, a directory, an image.
    pub src: String,
    /// The type of the file system: `ext4`, `nfs`, `cifs`, `tmpfs`; `none` for `bind`.
    pub fstype: String,
    /// Its options, with commas between them.
    #[serde(default = "defaults")]
    pub opts: String,
    /// Whether `dump` backs it up; hardly anybody's is not 0.
    #[serde(default)]
    pub dump: u32,
    /// When it is checked at boot: 1 for the root, 2 for others, 0 for never.
    #[serde(default)]
    pub passno: u32,
    /// Whether it is mounted at boot; false adds `noauto`.
    #[serde(default = "yes")]
    pub boot: bool,
    /// The fstab to change, instead of `/etc/fstab`.
    pub fstab: Option<HostPath>,
    /// Keep the old fstab beside it, as `/etc/fstab.DIGEST~`.
    #[serde(default)]
    pub backup: bool,
    /// Whether it goes back to what was.
    #[serde(skip)]
    back: bool,
}

/// Make sure nothing is mounted at a place; fstab stays as it is.
///
/// ```rhai
/// mount::unmounted("/mnt/nas");
/// ```
/// ```transcript
/// ? sh -c '(fstab; /proc/self/mountinfo; readlink -f, and stat for two seconds)' sh /mnt/nas /mnt/nas '' '' /etc/fstab
/// = fstab UUID=1 / ext4 errors=remount-ro 0 1
/// = fstab nas:/export /mnt/nas nfs ro,soft 0 0
/// = systemd
/// = helper
/// = mount 70 29 0:52 / /mnt/nas ro,relatime shared:33 - nfs4 nas:/export ro,vers=4.2,soft
/// = source
/// = directory
/// ! umount -- /mnt/nas
/// ? sh -c '(fstab; /proc/self/mountinfo; readlink -f, and stat for two seconds)' sh /mnt/nas /mnt/nas '' '' /etc/fstab
/// = fstab UUID=1 / ext4 errors=remount-ro 0 1
/// = fstab nas:/export /mnt/nas nfs ro,soft 0 0
/// = systemd
/// = helper
/// = directory
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unmounted {
    /// The mount point.
    pub path: HostPath,
    /// Whether it goes back to what was.
    #[serde(skip)]
    back: bool,
}

/// Make sure nothing is mounted at a place, now and at boot: it is unmounted and its line in fstab goes.
///
/// The mount point itself stays, an empty directory.
///
/// ```rhai
/// mount::absent("/mnt/nas");
/// ```
/// ```transcript
/// ? sh -c '(fstab; /proc/self/mountinfo; readlink -f, and stat for two seconds)' sh /mnt/nas /mnt/nas '' '' /etc/fstab
/// = fstab UUID=1 / ext4 errors=remount-ro 0 1
/// = fstab nas:/export /mnt/nas nfs ro,soft 0 0
/// = systemd
/// = helper
/// = mount 70 29 0:52 / /mnt/nas ro,relatime shared:33 - nfs4 nas:/export ro,vers=4.2,soft
/// = source
/// = directory
/// ! umount -- /mnt/nas
/// ! write /etc/fstab
/// + UUID=1 / ext4 errors=remount-ro 0 1
/// ! systemctl daemon-reload
/// ? sh -c '(fstab; /proc/self/mountinfo; readlink -f, and stat for two seconds)' sh /mnt/nas /mnt/nas '' '' /etc/fstab
/// = fstab UUID=1 / ext4 errors=remount-ro 0 1
/// = systemd
/// = helper
/// = directory
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// The mount point.
    pub path: HostPath,
    /// The fstab to change, instead of `/etc/fstab`.
    pub fstab: Option<HostPath>,
    /// Keep the old fstab beside it, as `/etc/fstab.DIGEST~`.
    #[serde(default)]
    pub backup: bool,
    /// Whether it goes back to what was.
    #[serde(skip)]
    back: bool,
}

/// Mount a file system anew with the options in fstab, or with these, without unmounting it.
///
/// ```rhai
/// mount::remounted("/mnt/nas", #{ opts: "rw" });
/// ```
/// ```transcript
/// ? sh -c '(fstab; /proc/self/mountinfo; readlink -f, and stat for two seconds)' sh /mnt/nas /mnt/nas '' '' /etc/fstab
/// = fstab UUID=1 / ext4 errors=remount-ro 0 1
/// = fstab nas:/export /mnt/nas nfs ro,soft 0 0
/// = systemd
/// = helper
/// = mount 70 29 0:52 / /mnt/nas ro,relatime shared:33 - nfs4 nas:/export ro,vers=4.2,soft
/// = source
/// = directory
/// ! mount -o remount,rw -- /mnt/nas
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remounted {
    /// The mount point.
    pub path: HostPath,
    /// Options, with commas between them; without them, those in fstab.
    pub opts: Option<String>,
}

/// What two operations share: a line of fstab that a playbook asks for.
macro_rules! listed {
    ($name:ident) => {
        impl $name {
            fn file(&self) -> &str {
                self.fstab.as_deref().unwrap_or(FSTAB)
            }
            fn entry(&self) -> Entry {
                let noauto = if self.boot || flag(&self.opts, "noauto") { "" } else { ",noauto" };
                Entry {
                    src: self.src.clone(),
                    path: self.path.to_string(),
                    fstype: self.fstype.clone(),
                    opts: format!("{}{noauto}", self.opts),
                    dump: self.dump,
                    passno: self.passno,
                }
            }
            fn steps_between(&self, now: &MountState, want: &MountState) -> Result<Vec<Step>> {
                let own = self.entry();
                Place { path: &self.path, fstab: self.file(), backup: self.backup, own: Some(&own), back: self.back }.steps(now, want)
            }
            fn line(&self) -> String {
                let line = self.entry().line();
                shown(&line, Some(&line))
            }
            async fn look(&self, host: &dyn Look) -> Result<MountState> {
                let wanted = Wanted { src: &self.src, fstype: &self.fstype, opts: &self.opts };
                let mut now = read(host, &self.path, wanted, self.file()).await?;
                let own = self.entry().line();
                now.fstab = now.fstab.map(|line| shown(&line, Some(&own)));
                Ok(now)
            }
            fn valid(&self) -> Result<()> {
                let empty = [&self.src, &self.fstype, &self.opts].iter().any(|word| word.trim().is_empty());
                if empty || [&self.src, &self.fstype, &self.opts].iter().any(|word| word.contains('\n')) {
                    bail!(playbook: "`src`, `fstype` and `opts` of a mount are each one word, and not empty");
                }
                Ok(())
            }
        }
    };
}

listed!(Mounted);
listed!(Present);

impl Operation for Mounted {
    type State = MountState;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        self.valid()
    }
    async fn read(&self, host: &dyn Look) -> Result<MountState> {
        self.look(host).await
    }
    fn want(&self, now: &MountState) -> Result<MountState> {
        let opts = shown(&self.opts, None);
        let live = Live { src: self.src.clone(), fstype: self.fstype.clone(), opts, root: None };
        let around = now.around.clone();
        Ok(MountState {
            directory: Some(true),
            fstab: Some(self.line()),
            mounted: Some(live),
            around,
            ..MountState::default()
        })
    }
    async fn recall(&mut self, _host: &dyn Look, before: MountState, _after: &MountState) -> Result<MountState> {
        self.back = true;
        Ok(before)
    }
    fn steps(&self, now: &MountState, want: &MountState) -> Result<Vec<Step>> {
        self.steps_between(now, want)
    }
    async fn premise(&self, _host: &dyn Look, now: &MountState) -> Result<()> {
        let device = self.src.starts_with('/') && !self.src.starts_with("//")
            || ["UUID=", "LABEL=", "PARTUUID=", "PARTLABEL="].iter().any(|tag| self.src.starts_with(tag));
        if device && !now.around.device && !self.fstype.starts_with("fuse") {
            bail!("there is no {} to mount", self.src; hint: "lsblk -f shows the devices, their labels and UUIDs");
        }
        if !now.around.helper {
            bail!("the host has no program mount.{}", self.fstype;
                hint: "nfs-common (nfs-utils) has mount.nfs, cifs-utils has mount.cifs");
        }
        Ok(())
    }
    fn alters(&self) -> Vec<String> {
        vec![self.path.to_string(), self.file().to_owned()]
    }
    fn explain(&self, error: Error) -> Error {
        explain(error)
    }
}

impl Operation for Present {
    type State = MountState;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        self.valid()
    }
    async fn read(&self, host: &dyn Look) -> Result<MountState> {
        Ok(MountState { directory: None, mounted: None, layers: Vec::new(), ..self.look(host).await? })
    }
    fn want(&self, now: &MountState) -> Result<MountState> {
        Ok(MountState { fstab: Some(self.line()), ..now.clone() })
    }
    async fn recall(&mut self, _host: &dyn Look, before: MountState, _after: &MountState) -> Result<MountState> {
        self.back = true;
        Ok(before)
    }
    fn steps(&self, now: &MountState, want: &MountState) -> Result<Vec<Step>> {
        self.steps_between(now, want)
    }
    fn alters(&self) -> Vec<String> {
        vec![self.file().to_owned()]
    }
}

/// A place as it is, whatever should be there.
async fn look(host: &dyn Look, path: &HostPath, fstab: &str) -> Result<MountState> {
    let now = read(host, path, Wanted::default(), fstab).await?;
    Ok(MountState { directory: None, fstab: now.fstab.map(|line| shown(&line, None)), ..now })
}

impl Operation for Unmounted {
    type State = MountState;

    async fn read(&self, host: &dyn Look) -> Result<MountState> {
        Ok(MountState { fstab: None, lines: Vec::new(), ..look(host, &self.path, FSTAB).await? })
    }
    fn want(&self, now: &MountState) -> Result<MountState> {
        Ok(MountState { mounted: None, ..now.clone() })
    }
    async fn recall(&mut self, _host: &dyn Look, before: MountState, _after: &MountState) -> Result<MountState> {
        self.back = true;
        Ok(before)
    }
    fn steps(&self, now: &MountState, want: &MountState) -> Result<Vec<Step>> {
        Place { path: &self.path, fstab: FSTAB, backup: false, own: None, back: self.back }.steps(now, want)
    }
    fn alters(&self) -> Vec<String> {
        vec![self.path.to_string()]
    }
    fn explain(&self, error: Error) -> Error {
        explain(error)
    }
}

impl Operation for Absent {
    type State = MountState;

    async fn read(&self, host: &dyn Look) -> Result<MountState> {
        look(host, &self.path, self.fstab.as_deref().unwrap_or(FSTAB)).await
    }
    fn want(&self, now: &MountState) -> Result<MountState> {
        Ok(MountState { mounted: None, fstab: None, ..now.clone() })
    }
    async fn recall(&mut self, _host: &dyn Look, before: MountState, _after: &MountState) -> Result<MountState> {
        self.back = true;
        Ok(before)
    }
    fn steps(&self, now: &MountState, want: &MountState) -> Result<Vec<Step>> {
        let fstab = self.fstab.as_deref().unwrap_or(FSTAB);
        Place { path: &self.path, fstab, backup: self.backup, own: None, back: self.back }.steps(now, want)
    }
    fn alters(&self) -> Vec<String> {
        vec![self.path.to_string(), self.fstab.as_deref().unwrap_or(FSTAB).to_owned()]
    }
    fn explain(&self, error: Error) -> Error {
        explain(error)
    }
}

impl Action for Remounted {
    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        if look(host, &self.path, FSTAB).await?.mounted.is_none() {
            bail!("nothing is mounted at {}", self.path; hint: "mount::mounted(path, #{{ src, fstype }}) mounts something");
        }
        Ok(())
    }
    fn steps(&self) -> Result<Vec<Step>> {
        let opts = self.opts.as_ref().map(|opts| format!(",{opts}")).unwrap_or_default();
        Ok(Command::new("mount").args(["-o", &format!("remount{opts}"), "--", self.path.as_str()]).into())
    }
    fn explain(&self, error: Error) -> Error {
        explain(error)
    }
}
