//! The way back of a checkout: what undo needs to know of it, and what it takes.

use super::checkout::{Checkout, CheckoutState};
use super::{git, hidden};
use crate::bail;
use crate::contract::{Command, KEPT, Keepsake, Look, Result, Step};
use crate::shared::{Bundle, HostPath};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a checkout decides nothing about and undo puts back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// Branches, tags and what is known of remotes, with their commits.
    refs: BTreeMap<String, String>,
    /// What branches follow.
    follow: BTreeMap<String, String>,
    /// Where a history that is not whole ends.
    shallow: Vec<String>,
    /// Submodules.
    modules: Vec<String>,
    /// The index and the files, one name a line.
    names: String,
    /// What keeps them.
    kept: Option<String>,
}

/// `DIRECTORY`: the lines of [`Rest`].
const REST: &str = r#"d=$1; export GIT_OPTIONAL_LOCKS=0 LC_ALL=C; g() { git -c safe.directory="$d" -C "$d" "$@"; }
g for-each-ref --format='%(refname) %(objectname) %(symref)' | sed -n 's/^\([^ ]* [0-9a-f]*\) $/ref \1/p'
g config --local --get-regexp '^branch[.]' | sed 's/^/follow /'
s=$(cd "$d" && g rev-parse --git-path shallow) && [ -f "$d/$s" ] && sed 's/^/shallow /' "$d/$s"
g ls-files -s | sed -n "s/^160000 [^	]*	/module /p"
[ ! -f "$d/.git/index" ] || echo 'name .git/index'
g ls-files -z | tr '\0' '\n' | LC_ALL=C sort | sed 's/^/name /'"#;

/// `DIRECTORY`: what is there and nowhere else: files that git does not know, stashes, commits, changes in submodules.
const OWN: &str = r#"d=$1; export GIT_OPTIONAL_LOCKS=0 LC_ALL=C; g() { git -c safe.directory='*' -C "$d" "$@"; }
g status --porcelain --ignored --untracked-files=normal --ignore-submodules=none | sed 's/^../file/'
g stash list | sed 's/:.*//; s/^/stash /'
g log --branches --not --remotes --tags --format='commit %h'"#;

/// `DIRECTORY SUBMODULE...`: the submodules in which something was changed.
const CHANGED: &str = r#"d=$1; shift; export GIT_OPTIONAL_LOCKS=0; for m; do [ -z "$(git -c safe.directory='*' -C "$d/$m" status --porcelain 2>/dev/null)" ] || echo "$m"; done"#;

impl Rest {
    /// Looks at a checkout. Where all files are too large to be kept, those with local changes are.
    pub async fn read(host: &dyn Look, dest: &HostPath, local: &BTreeMap<String, String>) -> Result<Rest> {
        let gist = "git for-each-ref, config, ls-files";
        let text = host.run(&Command::gist(gist, REST).arg(dest.as_str())).await?.text();
        let mut rest = Rest::default();
        let mut names: Vec<&str> = Vec::new();
        for line in text.lines() {
            let (word, said) = line.split_once(' ').unwrap_or((line, ""));
            let (key, value) = said.split_once(' ').unwrap_or((said, ""));
            match word {
                "ref" => drop(rest.refs.insert(key.to_owned(), value.to_owned())),
                "follow" => drop(rest.follow.insert(key.to_owned(), value.to_owned())),
                "shallow" => rest.shallow.push(said.to_owned()),
                "module" => rest.modules.push(said.to_owned()),
                "name" => names.push(said),
                _ => {}
            }
        }
        names.retain(|name| !rest.modules.iter().any(|module| module == name));
        let changed: Vec<&str> =
            names.iter().copied().filter(|name| *name == ".git/index" || local.contains_key(*name)).collect();
        for names in [names, changed] {
            rest.names = names.join("\n");
            (_, rest.kept) = Bundle::read(host, dest, &rest.names).await?;
            if rest.kept.is_some() || local.is_empty() {
                break;
            }
        }
        Ok(rest)
    }

    /// What the steps take away.
    pub fn keeps(&self, dest: &HostPath) -> Option<Keepsake> {
        self.kept.as_ref().map(|kept| Bundle::keepsake(dest, &self.names, kept))
    }
}

impl Checkout {
    /// The steps of the way back, from a state that is the one after but for what somebody else has done since.
    pub(super) fn steps_back(
        &self,
        now: &CheckoutState,
        want: &CheckoutState,
        after: &CheckoutState,
    ) -> Result<Vec<Step>> {
        let Some(commit) = &want.commit else {
            let empty = Command::new("find").args([self.dest.as_str(), "-mindepth", "1", "-delete"]);
            let gone = Command::new("rm").args(["-rf", "--", &self.dest]);
            return Ok(if want.was_empty { empty } else { gone }.into());
        };
        if now.commit.is_none() {
            return self.steps_anew(now, want);
        }
        let rest = |state: &CheckoutState| state.rest.clone().unwrap_or_default();
        let (is, was, left) = (rest(now), rest(want), rest(after));
        if !want.local.is_empty() && was.kept.is_none() {
            bail!("the local changes in {} were thrown away on request, and not kept", self.dest;
                hint: "up to {} MiB are kept, where the host has GNU tar", KEPT >> 20);
        }
        let git = || git(&self.dest);
        let mut steps: Vec<Step> = self.remote(now, want)?;
        let gone: Vec<&String> = is.modules.iter().filter(|module| !was.modules.contains(module)).collect();
        if !gone.is_empty() {
            steps.push(git().args(["submodule", "-q", "deinit", "-f", "--"]).args(gone.into_iter().cloned()).into());
        }
        let checkout = git().args(["checkout", "-q", "-f"]);
        steps.push(match &want.branch {
            Some(branch) => checkout.args(["-B", branch, commit]).into(),
            None => checkout.args(["--detach", commit]).into(),
        });
        // What somebody has moved since stays where it is.
        let untouched = |map: fn(&Rest) -> &BTreeMap<String, String>| {
            let (is, was, left) = (map(&is).clone(), map(&was).clone(), map(&left).clone());
            let keys: std::collections::BTreeSet<String> = was.keys().chain(left.keys()).cloned().collect();
            let changes =
                keys.into_iter().filter(move |key| is.get(key) == left.get(key) && left.get(key) != was.get(key));
            changes.collect::<Vec<String>>()
        };
        let head = want.branch.as_ref().map(|branch| format!("refs/heads/{branch}"));
        let moved = untouched(|rest| &rest.refs).into_iter().filter(|name| Some(name) != head.as_ref());
        let line = |name: String| match was.refs.get(&name) {
            Some(commit) => format!("update {name} {commit}\n"),
            None => format!("delete {name}\n"),
        };
        let moved: String = moved.map(line).collect();
        if !moved.is_empty() {
            steps.push(git().args(["update-ref", "--stdin"]).stdin(moved).into());
        }
        for key in untouched(|rest| &rest.follow) {
            let config = git().arg("config");
            steps.push(match was.follow.get(&key) {
                Some(value) => config.args([&key, value]).into(),
                None => config.args(["--unset-all", &key]).into(),
            });
        }
        if is.shallow == left.shallow && is.shallow != was.shallow {
            let write = r#"f=$(cd "$1" && git -c safe.directory="$1" rev-parse --git-path shallow) && cd "$1" && if [ -n "$2" ]; then printf '%s\n' "$2" >"$f"; else rm -f "$f"; fi"#;
            let ends = was.shallow.join("\n");
            steps.push(Command::gist("write .git/shallow", write).args([self.dest.as_str(), &ends]).into());
        }
        if self.recursive && !was.modules.is_empty() {
            let update = self.online().args(["submodule", "-q", "update", "--init", "--recursive", "-f"]);
            steps.push(update.long().into());
        }
        let deleted = want.local.iter().filter(|(_, what)| *what == "deleted").map(|(file, _)| self.dest.join(file));
        let deleted: Vec<String> = deleted.collect();
        if !deleted.is_empty() {
            steps.push(Command::new("rm").args(["-f", "--"]).args(deleted).into());
        }
        if let Some(kept) = &was.kept {
            steps.extend(Bundle::unpack(&self.dest, kept));
        }
        Ok(steps)
    }

    /// The steps that bring a checkout again which was made by the run and taken away.
    fn steps_anew(&self, now: &CheckoutState, want: &CheckoutState) -> Result<Vec<Step>> {
        if !self.meant(now, want) {
            bail!("{} is another commit of {} by now", self.version, hidden(&self.repo);
                hint: "run the playbook again instead");
        }
        self.steps_there(now, want)
    }

    /// What would be lost on the way back, or is gone already.
    pub(super) async fn way_back(&self, host: &dyn Look, now: &CheckoutState, want: &CheckoutState) -> Result<()> {
        let dest = self.dest.as_str();
        let (Some(_), Some(commit)) = (&now.commit, &want.commit) else {
            if now.commit.is_none() {
                return Ok(());
            }
            let own = host.expect(&Command::gist("git status, stash list, log", OWN).arg(dest)).await?.text();
            let Some(first) = own.lines().next() else { return Ok(()) };
            bail!("{dest} has what is nowhere else and would go with it: {first}"; hint: "save it elsewhere, or delete it");
        };
        let known = git(&self.dest).args(["cat-file", "-e", &format!("{commit}^{{commit}}")]);
        if !host.succeeds(&known).await? {
            bail!("{dest} does not have commit {commit} any longer");
        }
        let modules =
            |state: &CheckoutState| state.rest.iter().flat_map(|rest| rest.modules.clone()).collect::<Vec<_>>();
        let kept = modules(want);
        let gone: Vec<String> = modules(now).into_iter().filter(|module| !kept.contains(module)).collect();
        let changed = host.text(&Command::gist("git status", CHANGED).arg(dest).args(gone)).await?;
        match changed.lines().next() {
            Some(module) => bail!("the submodule {module} in {dest} has local changes, which would go with it"),
            None => Ok(()),
        }
    }
}
