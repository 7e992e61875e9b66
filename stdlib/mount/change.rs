//! The way from one state of a mount point to another.

use super::fstab::{self, Entry};
use super::state::{Live, MountState, flag, meant, shown};
use crate::bail;
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
}

const REMOUNT: &str = r#"mount -o remount -- "$1" || { umount -- "$1" && mount -- "$1"; }"#;

impl Place<'_> {
    /// The steps between two states; what goes, goes in the reverse order of what comes.
    pub fn steps(&self, now: &MountState, want: &MountState) -> Result<Vec<Step>> {
        let entry = self.entry(want)?;
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
            steps.extend(self.write(now, entry.as_ref()));
        }
        // Where fstab is not this operation's to decide, it tells still how to mount.
        let entry = if written { entry } else { fstab::find(&now.around.text, self.path) };
        match &want.mounted {
            Some(live) if !kept => steps.push(self.mount(live, entry.as_ref())?.into()),
            Some(live) if now.mounted != want.mounted || written && self.reopened(now, entry.as_ref()) => {
                let remount = match &entry {
                    Some(_) if self.standard() => Command::sh(REMOUNT).arg(self.path.as_str()),
                    _ => Command::new("mount").args(["-o", &format!("remount,{}", live.opts), "--", self.path]),
                };
                steps.push(remount.into());
            }
            _ => {}
        }
        if now.directory == Some(true) && want.directory == Some(false) {
            steps.push(Command::new("rmdir").args(["--", self.path]).into());
        }
        Ok(steps)
    }

    fn standard(&self) -> bool {
        self.fstab == "/etc/fstab"
    }

    /// The line that a state has in fstab.
    fn entry(&self, want: &MountState) -> Result<Option<Entry>> {
        let Some(line) = &want.fstab else { return Ok(None) };
        match self.own {
            Some(own) if shown(&own.line(), Some(&own.line())) == *line => Ok(Some(own.clone())),
            _ => meant(line).map(Some),
        }
    }

    /// Whether what is mounted must hear of new options. A bind mount has none of its own.
    fn reopened(&self, now: &MountState, entry: Option<&Entry>) -> bool {
        let before = now.fstab.as_deref().and_then(Entry::parse).map(|entry| entry.opts);
        let after = entry.map(|entry| shown(&entry.opts, Some(&entry.opts)));
        before != after && after.is_some_and(|opts| !flag(&opts, "bind") && !flag(&opts, "rbind"))
    }

    fn write(&self, now: &MountState, entry: Option<&Entry>) -> Vec<Step> {
        let text = &now.around.text;
        let digest = Content::digest(text.as_bytes());
        let mut steps = vec![Step::Write(Write {
            path: self.fstab.to_owned(),
            source: Source::Text(fstab::edit(text, self.path, entry)),
            mode: None,
            owner: None,
            group: None,
            backup: (self.backup && !text.is_empty()).then(|| format!("{}.{}~", self.fstab, &digest[..12])),
            validate: None,
            sensitive: text.contains("pass") || entry.is_some_and(|entry| entry.opts.contains("pass")),
        })];
        if now.around.systemd && self.standard() {
            steps.push(Command::new("systemctl").arg("daemon-reload").into());
        }
        steps
    }

    fn mount(&self, live: &Live, entry: Option<&Entry>) -> Result<Command> {
        let listed = entry.is_some_and(|entry| entry.src == live.src || live.root.is_some());
        if listed && self.standard() {
            return Ok(Command::new("mount").args(["--", self.path]));
        }
        if listed {
            return Ok(Command::new("mount").args(["-T", self.fstab, "--", self.path.as_str()]));
        }
        if let Some(root) = &live.root {
            bail!("{} showed the directory {root} of {}, and no line of fstab says how", self.path, live.src);
        }
        if live.opts.contains("withheld›") {
            bail!("{} was mounted with a password, which was not kept", self.path);
        }
        Ok(Command::new("mount").args(["-t", &live.fstype, "-o", &live.opts, "--", &live.src, self.path]))
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
