//! `git::checkout`.

use super::answer::{explain, parse};
use super::back::Rest;
use super::{git, hidden, secret, ssh};
use crate::bail;
use crate::contract::{Command, Error, Keepsake, Look, Operation, Result, Step};
use crate::shared::{HostPath, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

/// Make sure a directory is a checkout of a repository, at this branch, tag or commit.
///
/// Local changes and local commits are protected: where something must change and there are any, the call fails and names
/// them. With `force` they are lost, and the diff says which. `behind` in the diff is the number of commits to come,
/// `ahead` of those that go. Check mode asks the repository and leaves the checkout alone.
///
/// ```rhai
/// git::checkout("/srv/app", #{ repo: "https://git.example.com/app.git", version: "v2" });
/// ```
/// ```transcript
/// ? sh -c '(git rev-parse, remote get-url, status, submodule status; ls-remote; what is new into a temporary directory, rev-list --count)' sh /srv/app https://git.example.com/app.git v2 origin '' 1
/// = head 1f0c2d9be1f5c3a2b1d4e6f708192a3b4c5d6e7f
/// = branch main
/// = url https://git.example.com/app.git
/// = target 9b3e4a7c0d1f2e3b4a5c6d7e8f9011223344aabb tag v2
/// = count 0 12
/// ? sh -c '(git for-each-ref, config, ls-files)' sh /srv/app
/// = ref refs/heads/main 1f0c2d9be1f5c3a2b1d4e6f708192a3b4c5d6e7f
/// ! GIT_TERMINAL_PROMPT=0 git -c safe.directory=/srv/app -C /srv/app fetch -q --force origin +refs/tags/v2:refs/tags/v2
/// ! git -c safe.directory=/srv/app -C /srv/app checkout -q --detach 9b3e4a7c0d1f2e3b4a5c6d7e8f9011223344aabb
/// ! GIT_TERMINAL_PROMPT=0 git -c safe.directory=/srv/app -C /srv/app submodule -q update --init --recursive
/// ? sh -c '(git rev-parse, remote get-url, status, submodule status; ls-remote; what is new into a temporary directory, rev-list --count)' sh /srv/app https://git.example.com/app.git v2 origin '' 1
/// = head 9b3e4a7c0d1f2e3b4a5c6d7e8f9011223344aabb
/// = url https://git.example.com/app.git
/// = target 9b3e4a7c0d1f2e3b4a5c6d7e8f9011223344aabb tag v2
/// ? sh -c '(git for-each-ref, config, ls-files)' sh /srv/app
/// = ref refs/heads/main 1f0c2d9be1f5c3a2b1d4e6f708192a3b4c5d6e7f
/// = ref refs/tags/v2 9b3e4a7c0d1f2e3b4a5c6d7e8f9011223344aabb
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Checkout {
    /// The directory.
    pub dest: HostPath,
    /// The repository: a URL, `git@host:path`, or a path on the host.
    pub repo: String,
    /// A branch, a tag or a commit; without it, the repository's default branch.
    #[serde(default = "head")]
    pub version: String,
    /// The name of the remote.
    #[serde(default = "origin")]
    pub remote: String,
    /// How many commits to fetch; without it, all.
    pub depth: Option<u32>,
    /// Throw local changes and local commits away.
    #[serde(default)]
    pub force: bool,
    /// Look for new commits; with false, a checkout that is there stays as it is.
    #[serde(default = "yes")]
    pub update: bool,
    /// Clone where there is nothing yet; with false, nothing stays nothing.
    #[serde(default = "yes")]
    pub clone: bool,
    /// Check out submodules too.
    #[serde(default = "yes")]
    pub recursive: bool,
    /// The private key for ssh, a file on the host.
    pub key_file: Option<HostPath>,
    /// Accept the repository's host key if it is not known yet; one that changed is refused.
    #[serde(default)]
    pub accept_hostkey: bool,
    /// The longest that asking the repository may take.
    #[serde(default = "minute")]
    pub timeout: Span,
    /// Whether there was anything to change at the first look: then undo needs to know the rest.
    #[serde(skip)]
    differs: OnceLock<bool>,
    /// The state after the change that is taken back.
    #[serde(skip)]
    back: Option<Box<CheckoutState>>,
}

fn head() -> String {
    "HEAD".to_owned()
}

fn origin() -> String {
    "origin".to_owned()
}

fn yes() -> bool {
    true
}

fn minute() -> Span {
    Span(Duration::from_secs(60))
}

/// A checkout, compared with what is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutState {
    /// The commit; nothing where there is no checkout.
    pub(super) commit: Option<String>,
    /// The branch; nothing if the commit is checked out by itself.
    pub(super) branch: Option<String>,
    /// Where it comes from.
    pub(super) repo: Option<String>,
    /// Commits that are not here yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) behind: Option<u64>,
    /// Commits that are only here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ahead: Option<u64>,
    /// Files with local changes, and which.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) local: BTreeMap<String, String>,
    /// Submodules that are not where they should be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) submodules: Vec<String>,
    /// Whether an empty directory was there.
    #[serde(default, rename = "$$was_empty", skip_serializing_if = "std::ops::Not::not")]
    pub(super) was_empty: bool,
    /// What undo puts back.
    #[serde(default, rename = "$$rest", skip_serializing_if = "Option::is_none")]
    pub(super) rest: Option<Rest>,
    #[serde(skip)]
    pub(super) around: Around,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Around {
    /// The directory is there, is no checkout, and is not empty.
    pub(super) full: bool,
    /// The wanted commit, what names it, and its name there.
    pub(super) target: Option<(String, Named, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Branch,
    Tag,
    Commit,
}

/// Everything in one round trip: `$1` the directory, `$2` the repository, `$3` the version, `$4` the remote, `$5` the
/// ssh command, `$6` whether to ask the repository. Commits are counted in a store of their own that goes afterwards:
/// the checkout is only read.
const GIST: &str = "git rev-parse, remote get-url, status, submodule status; ls-remote; what is new into a temporary directory, rev-list --count";
const ASKED: &str = r#"d=$1; command -v git >/dev/null || { echo "git is not installed" >&2; exit 1; }; export GIT_TERMINAL_PROMPT=0 GIT_OPTIONAL_LOCKS=0 LC_ALL=C; [ -z "$5" ] || export GIT_SSH_COMMAND="$5"; g() { git -c safe.directory="$d" -c gc.auto=0 -C "$d" "$@"; }; h=; if [ -e "$d/.git" ]; then h=$(g rev-parse -q --verify HEAD); echo "head $h"; g symbolic-ref -q --short HEAD | sed "s/^/branch /"; g remote get-url "$4" 2>/dev/null | sed "s/^/url /"; g status --porcelain --untracked-files=no --ignore-submodules=all | sed "s/^/local /"; g submodule status --recursive 2>/dev/null | sed -n "s/^[-+U]\([0-9a-f]*\) \([^ ]*\).*/submodule \2/p"; elif [ -d "$d" ]; then if [ -z "$(ls -A "$d")" ]; then echo empty; else echo full; fi; elif [ -e "$d" ]; then echo full; fi; [ -n "$6" ] || exit 0; r=$(git ls-remote --symref -- "$2" HEAD "refs/heads/$3" "refs/tags/$3" "refs/tags/$3^{}") || exit; pick() { printf "%s\n" "$r" | while read -r c n; do [ "$n" != "$1" ] || { echo "$c"; break; }; done; }; k=branch n=refs/heads/$3; if [ "$3" = HEAD ]; then t=$(pick HEAD); n=$(printf "%s\n" "$r" | sed -n "s/^ref: \(.*\)[[:blank:]]HEAD\$/\1/p"); else t=$(pick "$n"); fi; if [ -z "$t" ]; then k=tag n=refs/tags/$3; t=$(pick "$n^{}"); [ -n "$t" ] || t=$(pick "$n"); fi; if [ -z "$t" ] && [ -n "$h" ]; then k=commit; t=$(g rev-parse -q --verify "$3^{commit}"); fi; [ -z "$t" ] || echo "target $t $k ${n#refs/*/}"; if [ -z "$h" ] || [ -z "$t" ] || [ "$h" = "$t" ] || [ "$(g rev-parse --is-shallow-repository)" = true ]; then exit 0; fi; if ! g cat-file -e "$t" 2>/dev/null; then o=$(mktemp -d) || exit; trap "rm -rf $o" EXIT; a=$(cd "$d" && cd "$(g rev-parse --git-path objects)" && pwd); export GIT_ALTERNATE_OBJECT_DIRECTORIES="$a" GIT_OBJECT_DIRECTORY="$o"; g fetch -q --no-tags --no-write-fetch-head -- "$2" "$n" || exit; fi; g rev-list --left-right --count "$h...$t" | tr "\t" " " | sed "s/^/count /""#;

impl Checkout {
    fn git(&self) -> Command {
        git(&self.dest)
    }

    pub(super) fn online(&self) -> Command {
        self.dressed(self.git())
    }

    fn dressed(&self, command: Command) -> Command {
        let command = command.env("GIT_TERMINAL_PROMPT", "0");
        match ssh(self.key_file.as_deref(), self.accept_hostkey) {
            Some(ssh) => command.env("GIT_SSH_COMMAND", ssh),
            None => command,
        }
    }

    /// The target of this playbook, if a state is that one.
    fn target<'a>(&self, now: &'a CheckoutState, want: &CheckoutState) -> Option<&'a (String, Named, String)> {
        now.around.target.as_ref().filter(|(commit, ..)| want.commit.as_ref() == Some(commit))
    }

    fn cloned(&self, now: &CheckoutState, want: &CheckoutState) -> Vec<Step> {
        let mut clone = self.dressed(Command::new("git")).args(["clone", "-q", "-o", &self.remote]);
        let named = self.target(now, want).filter(|(_, named, _)| *named != Named::Commit);
        if let Some((_, _, name)) = named {
            clone = clone.args(["--branch", name]);
            if let Some(depth) = self.depth {
                clone = clone.args(["--depth", &depth.to_string()]);
            }
        }
        if self.recursive {
            clone = clone.arg("--recurse-submodules");
        }
        vec![clone.args(["--", &self.repo, self.dest.as_str()]).long().into()]
    }

    /// The fetch that brings the wanted commit: a clone of one branch has no other by itself.
    fn fetched(&self, now: &CheckoutState, want: &CheckoutState) -> Step {
        let mut fetch = self.online().args(["fetch", "-q", "--force"]);
        if let Some(depth) = self.depth {
            fetch = fetch.args(["--depth", &depth.to_string()]);
        }
        fetch = fetch.arg(&self.remote);
        match self.target(now, want) {
            Some((_, Named::Branch, name)) => {
                fetch = fetch.arg(format!("+refs/heads/{name}:refs/remotes/{}/{name}", self.remote));
            }
            Some((_, Named::Tag, name)) => fetch = fetch.arg(format!("+refs/tags/{name}:refs/tags/{name}")),
            _ => {}
        }
        fetch.long().into()
    }

    /// What stands in the way of a change that may lose nothing.
    fn protected(&self, now: &CheckoutState) -> Result<()> {
        if self.force {
            return Ok(());
        }
        if let Some(first) = now.local.keys().next() {
            let more = if now.local.len() > 1 { format!(" and {} more", now.local.len() - 1) } else { String::new() };
            bail!("{} has local changes: {first}{more}", self.dest;
                hint: "`git -C {} diff` shows them; force: true throws them away", self.dest);
        }
        if let Some(ahead) = now.ahead {
            bail!("{} has {ahead} commits of its own that {} has not", self.dest, hidden(&self.repo);
                hint: "`git -C {} log @{{u}}..` shows them; force: true throws them away", self.dest);
        }
        Ok(())
    }

    async fn look(&self, host: &dyn Look) -> Result<CheckoutState> {
        let ssh = ssh(self.key_file.as_deref(), self.accept_hostkey).unwrap_or_default();
        let ask = |online: bool| {
            let online = if online { "1" } else { "" };
            let args = [self.dest.as_str(), &self.repo, &self.version, &self.remote, &ssh, online];
            Command::gist(GIST, ASKED).args(args).timeout(Some(self.timeout.0))
        };
        // On the way back the repository is asked only for a checkout that is made again.
        if self.back.is_some() {
            let now = parse(&host.expect(&ask(false)).await.map_err(explain)?.text(), &self.version);
            if now.commit.is_some() || now.around.full || self.back.as_ref().is_some_and(|after| after.commit.is_some())
            {
                return Ok(CheckoutState { submodules: Vec::new(), ..now });
            }
        }
        // The repository is asked only for what may be done.
        if !self.update || !self.clone {
            let now = parse(&host.expect(&ask(false)).await.map_err(explain)?.text(), &self.version);
            let stays = if now.commit.is_some() { !self.update } else { !self.clone };
            if stays {
                return Ok(now);
            }
        }
        let mut now = parse(&host.expect(&ask(true)).await.map_err(explain)?.text(), &self.version);
        if !self.recursive {
            now.submodules.clear();
        }
        Ok(now)
    }

    /// Whether a state is the one of this playbook.
    pub(super) fn meant(&self, now: &CheckoutState, want: &CheckoutState) -> bool {
        self.target(now, want).is_some()
    }

    /// The step that makes the remote what it should be.
    pub(super) fn remote(&self, now: &CheckoutState, want: &CheckoutState) -> Result<Vec<Step>> {
        if now.repo == want.repo {
            return Ok(Vec::new());
        }
        let Some(url) = &want.repo else {
            return Ok(self.git().args(["remote", "remove", &self.remote]).into());
        };
        let verb = if now.repo.is_some() { "set-url" } else { "add" };
        let url = if *url == hidden(&self.repo) { &self.repo } else { url };
        if url.contains("withheld›") {
            bail!("the address that {} had before was not kept: it had a password in it", self.dest);
        }
        Ok(self.git().args(["remote", verb, &self.remote, url]).into())
    }

    pub(super) fn steps_there(&self, now: &CheckoutState, want: &CheckoutState) -> Result<Vec<Step>> {
        let Some(commit) = &want.commit else { return Ok(Vec::new()) };
        let fresh = now.commit.is_none();
        let mut steps: Vec<Step> = Vec::new();
        if fresh {
            steps.extend(self.cloned(now, want));
        } else {
            steps.extend(self.remote(now, want)?);
            if (&now.commit, &now.branch) != (&want.commit, &want.branch) {
                steps.push(self.fetched(now, want));
            }
        }
        let force: &[&str] = if self.force { &["-f"] } else { &[] };
        let tip = fresh && self.target(now, want).is_some_and(|(_, named, _)| *named != Named::Commit);
        if !tip && (&now.commit, &now.branch) != (&want.commit, &want.branch) {
            let checkout = self.git().args(["checkout", "-q"]).args(force.iter().copied());
            match &want.branch {
                Some(branch) => steps.push(checkout.args(["-B", branch, commit]).into()),
                None => steps.push(checkout.args(["--detach", commit]).into()),
            }
            if let Some((_, Named::Branch, name)) = self.target(now, want) {
                // A clone of one branch refuses to be told of another's upstream in any other way.
                let mut set = |key: &str, value: &str| {
                    steps.push(self.git().args(["config", &format!("branch.{name}.{key}"), value]).into());
                };
                set("remote", &self.remote);
                set("merge", &format!("refs/heads/{name}"));
            }
        } else if !fresh && now.local != want.local {
            steps.push(self.git().args(["reset", "-q", "--hard"]).into());
        }
        if self.recursive && !fresh {
            let submodules = self.online().args(["submodule", "-q", "update", "--init", "--recursive"]);
            steps.push(submodules.args(force.iter().copied()).long().into());
        }
        Ok(steps)
    }
}

impl Operation for Checkout {
    type State = CheckoutState;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        for (name, value) in [("repo", &self.repo), ("version", &self.version), ("remote", &self.remote)] {
            if value.trim().is_empty() || value.starts_with('-') || value.contains(['\n', '\0']) {
                bail!(playbook: "git::checkout: `{name}` cannot be `{value}`");
            }
        }
        Ok(())
    }

    fn alters(&self) -> Vec<String> {
        vec![self.dest.to_string()]
    }

    async fn read(&self, host: &dyn Look) -> Result<CheckoutState> {
        let mut now = self.look(host).await?;
        let differs = || self.want(&now).is_ok_and(|want| want != now);
        if *self.differs.get_or_init(differs) && now.commit.is_some() {
            now.rest = Some(Rest::read(host, &self.dest, &now.local).await?);
        }
        Ok(now)
    }

    fn want(&self, now: &CheckoutState) -> Result<CheckoutState> {
        if if now.commit.is_some() { !self.update } else { !self.clone } {
            return Ok(now.clone());
        }
        if now.around.full {
            bail!("{} is no git checkout, and not empty", self.dest;
                hint: "move it away, or file::absent(\"{}\") deletes it", self.dest);
        }
        let looks_like_commit = self.version.len() >= 7 && self.version.chars().all(|c| c.is_ascii_hexdigit());
        let (commit, named, name) = match &now.around.target {
            Some(target) => target.clone(),
            None if looks_like_commit => (self.version.clone(), Named::Commit, String::new()),
            None if self.version == "HEAD" => bail!("{} is empty: it has no commit", hidden(&self.repo)),
            None => bail!("{} has no branch or tag `{}`", hidden(&self.repo), self.version;
                hint: "`git ls-remote {}` shows what it has; a commit is given with 7 to 40 hex digits", hidden(&self.repo)),
        };
        let want = CheckoutState {
            commit: Some(commit),
            branch: (named == Named::Branch).then_some(name),
            repo: Some(hidden(&self.repo)),
            local: if self.force { BTreeMap::new() } else { now.local.clone() },
            around: now.around.clone(),
            ..CheckoutState::default()
        };
        if now.commit.is_some() && (&now.commit, &now.branch) != (&want.commit, &want.branch) {
            self.protected(now)?;
        }
        Ok(want)
    }

    fn steps(&self, now: &CheckoutState, want: &CheckoutState) -> Result<Vec<Step>> {
        match &self.back {
            Some(after) => self.steps_back(now, want, after),
            None => self.steps_there(now, want),
        }
    }

    fn keeps(&self, now: &CheckoutState, _want: &CheckoutState) -> Vec<Keepsake> {
        now.rest.iter().filter_map(|rest| rest.keeps(&self.dest)).collect()
    }

    async fn recall(&mut self, host: &dyn Look, before: CheckoutState, after: &CheckoutState) -> Result<CheckoutState> {
        self.prepare(host).await?;
        self.differs = OnceLock::from(true);
        self.back = Some(Box::new(after.clone()));
        // How far it is from the repository is known on the way there only.
        Ok(CheckoutState { ahead: None, behind: None, submodules: Vec::new(), ..before })
    }

    async fn returnable(&self, host: &dyn Look, now: &CheckoutState, want: &CheckoutState) -> Result<()> {
        self.way_back(host, now, want).await
    }

    /// An address with a password in it is said in every step.
    fn sensitive(&self) -> bool {
        secret(&self.repo)
    }

    fn explain(&self, error: Error) -> Error {
        explain(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn checkout(more: Value) -> Checkout {
        let mut args = json!({ "dest": "/srv/app", "repo": "/srv/app.git" });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(args).unwrap()
    }

    fn lines(op: &Checkout, now: &CheckoutState, want: &CheckoutState) -> Vec<String> {
        let strip = |line: String| {
            line.replace("GIT_TERMINAL_PROMPT=0 ", "").replace("-c safe.directory=/srv/app -C /srv/app ", "")
        };
        op.steps(now, want).unwrap().iter().map(Step::line).map(strip).collect()
    }

    const HERE: &str = "head aaaaaaaaaa\nbranch main\nurl /srv/app.git\n";

    #[test]
    fn local_work_is_protected_unless_it_is_given_up() {
        let target = "target bbbbbbbbbb branch main\ncount 2 3\n";
        let changed = parse(&format!("{HERE}local  M a b\n{target}"), "main");
        let ahead = parse(&format!("{HERE}{target}"), "main");
        let polite = checkout(json!({ "version": "main" }));
        assert!(polite.want(&changed).unwrap_err().message.contains("local changes: a b"));
        assert!(polite.want(&ahead).unwrap_err().message.contains("2 commits of its own"));
        let rude = checkout(json!({ "version": "main", "force": true, "recursive": false }));
        let want = rude.want(&changed).unwrap();
        assert_eq!((want.local.len(), want.behind, want.commit.as_deref()), (0, None, Some("bbbbbbbbbb")));
        let steps = lines(&rude, &changed, &want);
        assert_eq!(
            steps,
            [
                "git fetch -q --force origin +refs/heads/main:refs/remotes/origin/main",
                "git checkout -q -f -B main bbbbbbbbbb",
                "git config branch.main.remote origin",
                "git config branch.main.merge refs/heads/main"
            ]
        );
        let back = Checkout { back: Some(Box::new(want.clone())), ..rude };
        assert!(back.steps(&want, &changed).unwrap_err().message.contains("not kept"));
    }

    #[test]
    fn undo_goes_back_to_the_old_commit_and_from_a_clone_to_nothing() {
        let mut op = checkout(json!({ "version": "v2", "recursive": false }));
        let (now, old) =
            (parse("head bbbbbbbbbb\nurl /srv/app.git\ntarget bbbbbbbbbb tag v2\n", "v2"), parse(HERE, "v2"));
        op.back = Some(Box::new(now.clone()));
        assert_eq!(lines(&op, &now, &old), ["git checkout -q -f -B main aaaaaaaaaa"]);
        assert_eq!(lines(&op, &now, &CheckoutState::default()), ["rm -rf -- /srv/app"]);
    }

    #[test]
    fn a_commit_is_named_by_its_first_digits() {
        let op = checkout(json!({ "version": "bbbbbbb" }));
        let now = parse("head bbbbbbbbbb\nurl /srv/app.git\ntarget bbbbbbbbbb commit \n", "bbbbbbb");
        assert_eq!(op.want(&now).unwrap(), now);
        let missing = checkout(json!({ "version": "nope" }));
        assert!(missing.want(&parse(HERE, "nope")).unwrap_err().message.contains("no branch or tag `nope`"));
    }
}
