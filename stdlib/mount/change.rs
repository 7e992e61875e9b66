//! The way from one state of a mount point to another.

use super::fstab::{self, Entry};
use super::state::{Live, MountState, flag, shown};
use crate::contract::{Command, Content, Error, Result, Source, Step, Write};
use crate::shared::HostPath;

/// Where, and how.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub path: &'a HostPath,
    pub fstab: &'a str,
    pub backup: bool,
    /// The line that the playbook asks for, passwords and all.
    pub own: Option<&'a Entry>,
    /// Whether it goes back to what was.
    pub back: bool,
}

/// `PATH ABOVE`: takes a mount point away, and the directories above it that were made for it and are empty.
const RMDIR: &str = r#"rmdir -- "$1" && d=${1%/*} && while [ -n "$2" ] && [ -n "$d" ] && [ "$d" != "$2" ] && rmdir -- "$d" 2>/dev/null; do d=${d%/*}; done; [ ! -e "$1" ]"#;

const REMOUNT: &str = r#"mount -o remount -- "$1" || { umount -- "$1" && mount -- "$1"; }"#;

impl Place<'_> {
    /// The steps between two states; what goes, goes in the reverse order of what comes.
    pub fn steps(&self, now: &MountState, want: &MountState) -> Result<Vec<Step>> {
        if self.back {
            return self.back(now, want);
        }
        let entry = self.own.filter(|_| want.fstab.is_some()).cloned();
        let mut steps: Vec<Step> = Vec::new();
        if now.directory == Some(false) && want.directory == Some(true) {
            steps.push(Command::new("mkdir").args(["-p", "--", self.path]).into());
        }
        let same = |a: &Live, b: &Live| (&a.src, &a.fstype, &a.root) == (&b.src, &b.fstype, &b.root);
        let kept = matches!((&now.mounted, &want.mounted), (Some(a), Some(b)) if same(a, b));
        if now.mounted.is_some() && !kept {
            let layers = if want.mounted.is_some() { 1 } else { now.around.layers.max(1) };
            let umount: Step = Command::new("umount").args(["--", self.path]).into();
            steps.extend(std::iter::repeat_n(umount, layers));
        }
        let written = now.fstab != want.fstab;
        if written {
            steps.extend(self.write(now, fstab::edit(&now.around.text, self.path, entry.as_ref())));
        }
        // Where fstab is not this operation's to decide, it tells still how to mount.
        let entry = if written { entry } else { fstab::find(&now.around.text, self.path) };
        match &want.mounted {
            Some(_) if !kept => steps.push(self.listed().into()),
            Some(live) if now.mounted != want.mounted || written && self.reopened(now, entry.as_ref()) => {
                let remount = match &entry {
                    Some(_) if self.standard() => Command::sh(REMOUNT).arg(self.path.as_str()),
                    _ => Command::new("mount").args(["-o", &format!("remount,{}", live.opts), "--", self.path]),
                };
                steps.push(remount.into());
            }
            _ => {}
        }
        Ok(steps)
    }

    /// The steps back: what was mounted is mounted again as the kernel told it, the lowest first.
    fn back(&self, now: &MountState, want: &MountState) -> Result<Vec<Step>> {
        let mut steps: Vec<Step> = Vec::new();
        if now.directory == Some(false) && want.directory == Some(true) {
            steps.push(Command::new("mkdir").args(["-p", "--", self.path]).into());
        }
        let pairs = || now.layers.iter().zip(&want.layers);
        let kept = pairs().take_while(|(now, want)| now.same(want)).count();
        let umount: Step = Command::new("umount").args(["--", self.path]).into();
        steps.extend(std::iter::repeat_n(umount, now.layers.len() - kept));
        let mut text = now.around.text.clone();
        if now.lines != want.lines {
            text = fstab::put_back(&text, self.path, &want.lines);
            steps.extend(self.write(now, text.clone()));
        }
        let entry = fstab::find(&text, self.path);
        let last = want.layers.len();
        for (at, layer) in want.layers.iter().enumerate().skip(kept) {
            let names =
                |entry: &&Entry| entry.src == layer.src || flag(&entry.opts, "bind") || flag(&entry.opts, "rbind");
            let listed = entry.as_ref().filter(|entry| at + 1 == last && names(entry)).map(|_| self.listed());
            steps.extend(layer.mount(self.path, at + 1 == last, listed)?.into_iter().map(Step::Run));
        }
        if let Some((is, was)) = pairs().next_back().filter(|_| kept == last && kept == now.layers.len())
            && (&is.opts, &is.system) != (&was.opts, &was.system)
        {
            steps.push(was.reopen(self.path).into());
        }
        if now.directory == Some(true) && want.directory == Some(false) {
            let above = want.above.as_deref().unwrap_or_default();
            steps.push(Command::sh(RMDIR).args([self.path.as_str(), above]).into());
        }
        Ok(steps)
    }

    /// What mounts it as fstab says.
    fn listed(&self) -> Command {
        match self.standard() {
            true => Command::new("mount").args(["--", self.path]),
            false => Command::new("mount").args(["-T", self.fstab, "--", self.path.as_str()]),
        }
    }

    fn standard(&self) -> bool {
        self.fstab == "/etc/fstab"
    }

    /// Whether what is mounted must hear of new options. A bind mount has none of its own.
    fn reopened(&self, now: &MountState, entry: Option<&Entry>) -> bool {
        let before = now.fstab.as_deref().and_then(Entry::parse).map(|entry| entry.opts);
        let after = entry.map(|entry| shown(&entry.opts, Some(&entry.opts)));
        before != after && after.is_some_and(|opts| !flag(&opts, "bind") && !flag(&opts, "rbind"))
    }

    fn write(&self, now: &MountState, wanted: String) -> Vec<Step> {
        let text = &now.around.text;
        let digest = Content::digest(text.as_bytes());
        let mut steps = vec![Step::Write(Write {
            sensitive: text.contains("pass") || wanted.contains("pass"),
            backup: (self.backup && !self.back && !text.is_empty())
                .then(|| format!("{}.{}~", self.fstab, &digest[..12])),
            ..Write::new(self.fstab, Source::Text(wanted))
        })];
        if now.around.systemd && self.standard() {
            steps.push(Command::new("systemctl").arg("daemon-reload").into());
        }
        steps
    }
}

/// What mount's own words mean, and what to try next.
pub fn explain(error: Error) -> Error {
    let said = error.stderr.clone();
    let has = |text: &str| said.contains(text);
    if has("need a /sbin/mount") || has("bad option; for several filesystems") {
        return error.hint("the program that mounts such a file system is not installed: nfs-common has mount.nfs, cifs-utils mount.cifs");
    }
    if has("target is busy") {
        return error.hint("something uses it: `fuser -vm PATH` or `lsof +f -- PATH` shows what; stop that first");
    }
    if has("wrong fs type") || has("unknown filesystem type") {
        return error.hint("is `fstype` right, and does the kernel know it? `blkid` shows what is on a device");
    }
    if has("must be superuser") || has("only root can") {
        return error.hint("within(#{ become: \"root\" }, || ...) mounts as root");
    }
    error
}
