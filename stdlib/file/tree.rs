//! `file::tree`: a directory of the controller, copied up.

use super::listing;
use crate::bail;
use crate::contract::{Asset, Command, Content, Keepsake, Look, Operation, Result, Source, Step, Upload, Write};
use crate::shared::stat::{self, Kind, Stat};
use crate::shared::{Globs, HostPath, Id, Many, Mode};
use futures_util::{future::try_join_all, try_join};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Make sure a directory contains what a directory of the controller contains.
///
/// Files are compared by digest. What differs goes up in one stream, and each file is replaced whole and at once.
/// What only the host has stays, unless `delete` is true.
///
/// ```rhai
/// file::tree("/srv/site", #{ src: "site", delete: true });
/// ```
/// ```transcript
/// ? tree site
/// = 0755 img/
/// = 0644 index.html hello
/// ? LC_ALL=C stat -L -c %a:%U:%G:%u:%g:%s:%Y:%F -- /srv/site
/// = 755:root:root:0:0:4096:1749081600:directory
/// ? LC_ALL=C find /srv/site/. -mindepth 1 -exec stat -c %a:%U:%G:%u:%g:%s:%Y:%F:%n '{}' +
/// = 644:root:root:0:0:3:1749081600:regular file:/srv/site/./index.html
/// = 644:root:root:0:0:9:1749081600:regular file:/srv/site/./old page.html
/// ? find '/srv/site/./old page.html' -maxdepth 0 -type f -exec sha256sum '{}' +
/// = 6b23c0d5f35d1b11f9b683f0b0a617355deb11277d91ae091d399c655b87940d  /srv/site/./old page.html
/// ? find /srv/site/./index.html -maxdepth 0 -type f -exec sha256sum '{}' +
/// = dd40b51d8b0fba30df6d7dd8bdd8da3de2b2e5ad6e1c6d3d3f8dbe9cf9f1d6d0  /srv/site/./index.html
/// ! rm -rf -- '/srv/site/old page.html'
/// ! mkdir -p -- /srv/site/img
/// ! upload /srv/site from=site
/// + 0644 index.html
/// ? LC_ALL=C stat -L -c %a:%U:%G:%u:%g:%s:%Y:%F -- /srv/site
/// = 755:root:root:0:0:4096:1763666100:directory
/// ? LC_ALL=C find /srv/site/. -mindepth 1 -exec stat -c %a:%U:%G:%u:%g:%s:%Y:%F:%n '{}' +
/// = 644:root:root:0:0:5:1763666100:regular file:/srv/site/./index.html
/// = 755:root:root:0:0:4096:1763666100:directory:/srv/site/./img
/// ? find /srv/site/./index.html -maxdepth 0 -type f -exec sha256sum '{}' +
/// = 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824  /srv/site/./index.html
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// The directory on the host; it is created if need be.
    pub dest: HostPath,
    /// The directory on the controller, looked for beside the playbook; what it contains is copied.
    pub src: String,
    /// Delete what the host has below `dest` and the controller does not have.
    #[serde(default)]
    pub delete: bool,
    /// Leave these out, as shell patterns such as `"*.bak"` or `"cache/**"`: one without a `/` is meant for names
    /// at any depth. What is left out is not deleted either.
    pub exclude: Option<Many<String>>,
    /// Give files and directories the permissions that they have on the controller.
    #[serde(default)]
    pub preserve: bool,
    /// Permissions of every file; without it, 0644, or 0755 for a file that is executable.
    pub mode: Option<Mode>,
    /// Permissions of every directory, `dest` included; without it, those they have.
    pub directory_mode: Option<Mode>,
    /// The owner of everything copied, by name or number.
    pub owner: Option<Id>,
    /// The group of everything copied, by name or number.
    pub group: Option<Id>,
    /// What the directory on the controller contains.
    #[serde(skip)]
    assets: BTreeMap<String, Asset>,
    /// Whether it is on the way back.
    #[serde(skip)]
    back: bool,
    #[serde(skip)]
    left_out: Globs,
}

/// What lies at a path: the content of a file, or words such as `directory` and `link to x`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Node {
    /// A file that is compared.
    File(Content),
    /// Anything else.
    Other(String),
}

impl Node {
    fn is_directory(&self) -> bool {
        matches!(self, Node::Other(words) if words == "directory")
    }
}

/// A tree as it is or should be, by path below its root; the root itself is `.`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TreeState {
    #[serde(default)]
    files: BTreeMap<String, Node>,
    #[serde(default)]
    mode: BTreeMap<String, String>,
    #[serde(default)]
    owner: BTreeMap<String, String>,
    #[serde(default)]
    group: BTreeMap<String, String>,
    /// What the controller does not have and so goes: its permissions, owner and group.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    extra: BTreeMap<String, String>,
}

impl Tree {
    /// The permissions that something should have, given those it has.
    fn mode_of(&self, below: &str, now: Option<u32>) -> Option<String> {
        match self.assets.get(below) {
            Some(asset) if asset.link.is_some() => None,
            Some(asset) if self.preserve => Some(asset.mode.clone()),
            Some(asset) if !asset.directory => {
                let executable = u32::from_str_radix(&asset.mode, 8).is_ok_and(|mode| mode & 0o100 != 0);
                let base = if executable { 0o755 } else { 0o644 };
                Some(self.mode.as_ref().map_or_else(|| format!("{base:04o}"), |mode| mode.of(base, false)))
            }
            _ => self.directory_mode.as_ref().map(|mode| mode.of(now.unwrap_or(0o755), true)),
        }
    }

    fn at(&self, below: &str) -> String {
        if below == "." { self.dest.to_string() } else { self.dest.join(below) }
    }

    /// One found path, as far as this operation decides about it.
    fn note(&self, state: &mut TreeState, below: &str, found: &Stat, digest: Option<&String>, link: Option<&String>) {
        let node = match (found.kind, digest, link) {
            (Kind::File, Some(sha256), _) => {
                Node::File(Content { sha256: sha256.clone(), size: found.size, text: None })
            }
            (Kind::Link, _, Some(target)) => Node::Other(format!("link to {target}")),
            (Kind::Directory, ..) => Node::Other("directory".to_owned()),
            (Kind::Link, ..) => Node::Other("link".to_owned()),
            (Kind::File, ..) => Node::Other("file".to_owned()),
            (Kind::Other, ..) => Node::Other("special file".to_owned()),
        };
        state.files.insert(below.to_owned(), node);
        if below != "." && !self.assets.contains_key(below) {
            let attributes = format!("{:04o} {}:{}", found.mode, found.uid, found.gid);
            state.extra.insert(below.to_owned(), attributes);
            return;
        }
        if self.mode_of(below, None).is_some() {
            state.mode.insert(below.to_owned(), format!("{:04o}", found.mode));
        }
        if let Some(id) = &self.owner {
            state.owner.insert(below.to_owned(), found.owner_like(id));
        }
        if let Some(id) = &self.group {
            state.group.insert(below.to_owned(), found.group_like(id));
        }
    }

    fn conflict(&self, below: &str, now: &Node, want: &Node) -> Result<bool> {
        let clash = now.is_directory() != want.is_directory();
        if clash && !self.delete {
            bail!("{} is a {}, but `{}` on the controller is not", self.at(below),
                if now.is_directory() { "directory" } else { "file" }, format!("{}/{below}", self.src);
                hint: "delete: true replaces it");
        }
        Ok(clash)
    }
}

impl Operation for Tree {
    type State = TreeState;
    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        if self.delete && self.dest.matches('/').count() < 2 {
            bail!(playbook: "file::tree with `delete` refuses {}, which holds more than it copies", self.dest;
                hint: "name a directory of its own, such as /srv/site");
        }
        self.src.truncate(self.src.trim_end_matches('/').len());
        if self.preserve && (self.mode.is_some() || self.directory_mode.is_some()) {
            bail!(playbook: "`preserve` and a mode both say which permissions files get: give one of them");
        }
        self.left_out = Globs::new("exclude", self.exclude.as_ref().map_or(&[], Many::as_slice))?;
        let assets = host.asset_tree(&self.src).await?;
        let assets = assets.into_iter().filter(|asset| !self.left_out.matches(&asset.path));
        self.assets = assets.map(|asset| (asset.path.clone(), asset)).collect();
        Ok(())
    }

    async fn read(&self, host: &dyn Look) -> Result<TreeState> {
        if host.gone(&self.dest)? {
            return Ok(TreeState::default());
        }
        let names = || self.assets.keys().map(String::as_str);
        let stat = stat::following(stat::command(&self.dest));
        let listed = if self.delete { vec![listing::all(&self.dest)] } else { listing::some(&self.dest, names()) };
        let files = self.assets.values().filter(|asset| !asset.sha256.is_empty()).map(|asset| asset.path.as_str());
        let digested = listing::digests(&self.dest, files);
        let links = self.assets.values().filter(|asset| asset.link.is_some()).map(|asset| asset.path.as_str());
        let linked = listing::links(&self.dest, links);
        let all = |commands: &'_ [Command]| {
            let commands = commands.to_vec();
            async move { try_join_all(commands.iter().map(|command| host.run(command))).await }
        };
        let (root, stats, digests, links) = try_join!(host.run(&stat), all(&listed), all(&digested), all(&linked))?;
        let Some(root) = stat::answer(&self.dest, &root)? else { return Ok(TreeState::default()) };
        if root.kind != Kind::Directory {
            bail!("{} is {}, not a directory", self.dest, root.kind.words());
        }
        let heads = |outputs: &[crate::contract::Output]| {
            outputs.iter().flat_map(|output| listing::heads(&self.dest, output)).collect::<BTreeMap<_, _>>()
        };
        let (digests, links) = (heads(&digests), heads(&links));
        let mut found: BTreeMap<String, Stat> = BTreeMap::new();
        for output in &stats {
            found.extend(
                listing::stats(&self.dest, output)?.into_iter().filter(|(below, _)| !self.left_out.matches(below)),
            );
        }
        // What goes is looked at more closely, so that it can come back.
        let unread = |below: &str, kind: Kind| match self.assets.get(below) {
            None => true,
            // Another kind than on the controller: it was not asked for above.
            Some(asset) if kind == Kind::Link => asset.link.is_none(),
            Some(asset) => asset.sha256.is_empty(),
        };
        let extra = |kind: Kind| {
            let all = found.iter().filter(move |(below, stat)| stat.kind == kind && unread(below, kind));
            all.map(|(below, _)| below.as_str())
        };
        let (more, targets) =
            (listing::digests(&self.dest, extra(Kind::File)), listing::links(&self.dest, extra(Kind::Link)));
        let (more, targets) = try_join!(all(&more), all(&targets))?;
        let (mut digests, mut links) = (digests, links);
        digests.extend(heads(&more));
        links.extend(heads(&targets));
        for below in self.assets.keys() {
            if host.gone(&self.dest.join(below))? {
                found.remove(below);
            }
        }
        let mut state = TreeState::default();
        self.note(&mut state, ".", &root, None, None);
        for (below, stat) in &found {
            self.note(&mut state, below, stat, digests.get(below), links.get(below));
        }
        Ok(state)
    }

    fn want(&self, now: &TreeState) -> Result<TreeState> {
        let mut want = TreeState::default();
        want.files.insert(".".to_owned(), Node::Other("directory".to_owned()));
        for (below, asset) in &self.assets {
            let node = match &asset.link {
                Some(target) => Node::Other(format!("link to {target}")),
                None if asset.directory => Node::Other("directory".to_owned()),
                None => Node::File(Content { sha256: asset.sha256.clone(), size: asset.size, text: None }),
            };
            want.files.insert(below.clone(), node);
        }
        for below in want.files.keys() {
            let bits = now.mode.get(below).and_then(|mode| u32::from_str_radix(mode, 8).ok());
            if let Some(mode) = self.mode_of(below, bits) {
                want.mode.insert(below.clone(), mode);
            }
            if let Some(id) = &self.owner {
                want.owner.insert(below.clone(), id.as_str().to_owned());
            }
            if let Some(id) = &self.group {
                want.group.insert(below.clone(), id.as_str().to_owned());
            }
        }
        Ok(want)
    }

    fn steps(&self, now: &TreeState, want: &TreeState) -> Result<Vec<Step>> {
        if self.back {
            return Ok(self.steps_back(now, want));
        }
        let mut steps: Vec<Step> = Vec::new();
        let mut run = |command: Command, paths: Vec<String>| {
            steps.extend(listing::chunks(command.arg("--"), paths.into_iter()).into_iter().map(Step::Run));
        };
        let mut gone: Vec<&str> = Vec::new();
        for (below, node) in &now.files {
            let goes = match want.files.get(below) {
                None => true,
                Some(wanted) => self.conflict(below, node, wanted)?,
            };
            // What lies in a directory that goes, goes with it.
            if goes && !gone.last().is_some_and(|top| below.starts_with(&format!("{top}/"))) {
                gone.push(below);
            }
        }
        run(Command::new("rm").arg("-rf"), gone.iter().map(|below| self.at(below)).collect());
        let differs = |below: &&String| now.files.get(*below) != want.files.get(*below);
        let directories = want.files.iter().filter(|(_, node)| node.is_directory()).map(|(below, _)| below);
        run(Command::new("mkdir").arg("-p"), directories.filter(differs).map(|below| self.at(below)).collect());
        let (mut written, mut renewed): (BTreeSet<&String>, BTreeSet<&String>) = Default::default();
        let mut files = BTreeMap::new();
        for below in want.files.keys().filter(differs) {
            let Some(asset) = self.assets.get(below).filter(|asset| !asset.directory) else { continue };
            if let Some(target) = &asset.link {
                renewed.insert(below);
                steps.push(Command::new("ln").args(["-sfn", "--", target, &self.at(below)]).into());
                continue;
            }
            let mode = want.mode.get(below).cloned().unwrap_or_else(|| "0644".to_owned());
            // A new owner takes the special bits away: they come last.
            let whole = if mode.starts_with('0') { &mut written } else { &mut renewed };
            whole.insert(below);
            files.insert(below.clone(), mode);
        }
        if !files.is_empty() {
            let (dest, src) = (self.dest.to_string(), self.src.clone());
            let id = |id: &Option<Id>| id.as_ref().map(|id| id.as_str().to_owned());
            let (owner, group) = (id(&self.owner), id(&self.group));
            steps.push(Step::Upload(Upload { dest, src, files, owner, group }));
        }
        // The attributes of what was not written whole, each command for all that need the same.
        let mut set = |program: &str, now: &BTreeMap<String, String>, want: &BTreeMap<String, String>| {
            let mut groups: BTreeMap<&String, Vec<String>> = BTreeMap::new();
            for (below, value) in want.iter().filter(|(below, _)| !written.contains(below)) {
                if now.get(below) != Some(value) || renewed.contains(below) {
                    groups.entry(value).or_default().push(self.at(below));
                }
            }
            for (value, paths) in groups {
                let command = match program {
                    "chmod" => Command::new("chmod").arg(format!("0{value}")),
                    _ => Command::new(program).args(["-h", value]),
                };
                let commands = listing::chunks(command.arg("--"), paths.into_iter());
                steps.extend(commands.into_iter().map(Step::Run));
            }
        };
        set("chown", &now.owner, &want.owner);
        set("chgrp", &now.group, &want.group);
        set("chmod", &now.mode, &want.mode);
        Ok(steps)
    }

    fn keeps(&self, now: &TreeState, want: &TreeState) -> Vec<Keepsake> {
        let goes = now.files.iter().filter(|(below, node)| want.files.get(*below) != Some(node));
        let keepsake = |(below, node): (&String, &Node)| match node {
            Node::File(content) => Some(Keepsake {
                command: stat::content(&self.at(below)),
                sha256: content.sha256.clone(),
                size: content.size,
            }),
            Node::Other(_) => None,
        };
        goes.filter_map(keepsake).collect()
    }

    async fn recall(&mut self, _host: &dyn Look, before: TreeState, after: &TreeState) -> Result<TreeState> {
        self.back = true;
        self.left_out = Globs::new("exclude", self.exclude.as_ref().map_or(&[], Many::as_slice))?;
        // What was managed then, whatever the directory on the controller has now.
        let managed = before
            .files
            .iter()
            .chain(&after.files)
            .filter(|(below, _)| !before.extra.contains_key(*below) && !after.extra.contains_key(*below));
        let asset = |(below, node): (&String, &Node)| {
            let mode = after.mode.get(below).or(before.mode.get(below)).cloned().unwrap_or_default();
            let asset = Asset { path: below.clone(), mode, ..Asset::default() };
            let asset = match node {
                Node::File(content) => Asset { sha256: content.sha256.clone(), ..asset },
                Node::Other(words) if words == "directory" => Asset { directory: true, ..asset },
                Node::Other(words) => Asset { link: words.strip_prefix("link to ").map(str::to_owned), ..asset },
            };
            (below.clone(), asset)
        };
        // Whichever way it goes, the same is read: of two kinds, that with more to read.
        let mut managed: Vec<_> = managed.filter(|(below, _)| *below != ".").collect();
        managed.sort_by_key(|(_, node)| (matches!(node, Node::File(_)), node.is_directory()));
        self.assets = managed.into_iter().map(asset).collect();
        Ok(before)
    }
}

impl Tree {
    /// The way back: what came goes, as far as directories are empty then, and what went or was replaced comes
    /// back from what was kept of it.
    fn steps_back(&self, now: &TreeState, want: &TreeState) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let mut run = |command: Command, paths: Vec<String>| {
            let commands = listing::chunks(command.arg("--"), paths.into_iter());
            steps.extend(commands.into_iter().map(Step::Run));
        };
        let differs = |below: &str| now.files.get(below) != want.files.get(below);
        let gone = now.files.iter().rev().filter(|(below, node)| match want.files.get(*below) {
            None => true,
            // A file that is written over a link would go where that points.
            Some(wanted) => {
                matches!(node, Node::File(_)) != matches!(wanted, Node::File(_))
                    || node.is_directory() != wanted.is_directory()
            }
        });
        let (directories, files): (Vec<_>, Vec<_>) = gone.partition(|(_, node)| node.is_directory());
        run(Command::new("rm").arg("-f"), files.iter().map(|(below, _)| self.at(below)).collect());
        // The root is the first of all names; it goes last.
        run(Command::new("rmdir"), directories.iter().map(|(below, _)| self.at(below)).collect());
        let made = want.files.iter().filter(|(below, node)| node.is_directory() && differs(below));
        run(Command::new("mkdir"), made.map(|(below, _)| self.at(below)).collect());
        for (below, node) in want.files.iter().filter(|(below, _)| differs(below)) {
            let path = self.at(below);
            let attributes = want.extra.get(below).and_then(|words| words.split_once(' '));
            let owner = attributes.and_then(|(_, owner)| owner.split_once(':'));
            let given = |map: &BTreeMap<String, String>| map.get(below).cloned();
            match node {
                Node::File(content) => steps.push(Step::Write(Write {
                    mode: given(&want.mode).or(attributes.map(|(mode, _)| mode.to_owned())),
                    owner: given(&want.owner).or(owner.map(|(owner, _)| owner.to_owned())),
                    group: given(&want.group).or(owner.map(|(_, group)| group.to_owned())),
                    ..Write::new(path, Source::Kept(content.sha256.clone()))
                })),
                Node::Other(words) => {
                    if let Some(target) = words.strip_prefix("link to ") {
                        steps.push(Command::new("ln").args(["-sfn", "--", target, &path]).into());
                    }
                    if let Some((mode, owner)) = attributes {
                        steps.push(Command::new("chown").args(["-h", owner, "--", &path]).into());
                        if node.is_directory() {
                            steps.push(stat::chmod(&path, mode, true).into());
                        }
                    }
                }
            }
        }
        let links = &want.files;
        let mut set = |program: &str, now: &BTreeMap<String, String>, want: &BTreeMap<String, String>| {
            // A link has no permissions of its own: chmod would change what it points to.
            let link = |below: &str| matches!(links.get(below), Some(Node::Other(words)) if words != "directory");
            let differ = want.iter().filter(|(below, value)| now.get(*below) != Some(value) || differs(below));
            for (below, value) in differ.filter(|(below, _)| program != "chmod" || !link(below)) {
                let value = if program == "chmod" { format!("0{value}") } else { value.clone() };
                let how = if program == "chmod" { vec![value] } else { vec!["-h".to_owned(), value] };
                steps.push(Command::new(program).args(how).args(["--", &self.at(below)]).into());
            }
        };
        set("chown", &now.owner, &want.owner);
        set("chgrp", &now.group, &want.group);
        set("chmod", &now.mode, &want.mode);
        steps
    }
}
