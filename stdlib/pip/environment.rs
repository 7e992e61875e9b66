//! Where Python packages live, what is there, and the way from one state to another.

use super::files::{Files, listed};
use crate::bail;
use crate::contract::{Command, Error, KEPT, Keepsake, Look, Result, Step};
use crate::shared::{Bundle, Many, words};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

/// The packages that an operation decides about, with their versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipState {
    /// Whether the virtual environment is there, if it is to be in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    virtualenv: Option<bool>,
    packages: BTreeMap<String, Option<String>>,
    /// What else is in the virtual environment, with which it would go.
    #[serde(default, rename = "$others", skip_serializing_if = "BTreeMap::is_empty")]
    others: BTreeMap<String, String>,
    /// The files of these packages, so that they come back whatever an index has then.
    #[serde(default, rename = "$$files", skip_serializing_if = "Option::is_none")]
    files: Option<Files>,
    #[serde(skip)]
    around: Around,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Around {
    /// The directory of the virtual environment has something else in it.
    full: bool,
    /// The packages belong to the system's own package manager.
    managed: bool,
}

/// What the first look decided: which packages there should be, with all dependencies. The look after the steps answers
/// for the same packages, and pip must have no plan left.
#[derive(Debug, Default)]
pub struct Memory {
    decided: OnceLock<BTreeMap<String, Option<String>>>,
    /// Whether there was anything to change at the first look: then undo needs to know the packages' files.
    differs: OnceLock<bool>,
    /// On the way back, the packages that it is about.
    back: Option<Vec<String>>,
}

impl Memory {
    /// Get ready to go back.
    pub fn recall(&mut self, before: &PipState, after: &PipState) {
        self.back = Some(before.packages.keys().chain(after.packages.keys()).cloned().collect());
        self.differs = OnceLock::from(true);
    }
}

/// Where packages are installed, and how.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    pub virtualenv: Option<&'a str>,
    pub command: &'a str,
    pub site_packages: bool,
    pub executable: Option<&'a str>,
    pub extra: &'a Many<String>,
    pub break_system: bool,
    pub umask: Option<&'a str>,
    pub memory: &'a Memory,
    /// Whether packages are taken away: then no argument says where they came from.
    pub removes: bool,
}

/// What a virtual environment has by itself.
const BASIC: [&str; 3] = ["pip", "setuptools", "wheel"];

/// The packages that come back, as pip takes them.
fn back(now: &PipState, want: &PipState) -> Vec<String> {
    let differ = want.packages.iter().filter(|(name, version)| now.packages.get(*name) != Some(*version));
    differ.filter_map(|(name, version)| Some(format!("{name}=={}", version.as_ref()?))).collect()
}

fn listed_after(words: Vec<String>) -> Vec<String> {
    std::iter::once("--".to_owned()).chain(words).collect()
}

/// `$1` the pip, `$2` the virtual environment, `$3` the command that makes one, `$4` `plan` or `list`, then what to
/// install. `has` is what Python sees; where that is the system's packages, too, `own` is what lies in the environment
/// itself. A plan for an environment that is not there yet is made in one that goes afterwards.
const ASKED: &str = r#"e=$1 v=$2 c=$3 m=$4; shift 4
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 LC_ALL=C.UTF-8
if [ -n "$v" ] && [ ! -x "$v/bin/python" ]; then
  if [ -e "$v" ] && [ -n "$(ls -A "$v" 2>/dev/null)" ]; then echo full; exit; fi
  echo new; [ "$m" = plan ] || exit 0
  t=$(mktemp -d) || exit; trap "rm -rf $t" EXIT
  $c "$t/v" >"$t/log" 2>&1 || { cat "$t/log" >&2; exit 1; }
  v=$t/v
fi
p=python3; [ -z "$v" ] || p=$v/bin/python
for needed in "$p" ${e:+"$e"}; do command -v "$needed" >/dev/null || { echo "$needed is not installed" >&2; exit 1; }; done
pip() { if [ -n "$e" ]; then "$e" "$@"; else "$p" -m pip "$@"; fi; }
"$p" -c 'import os, sys, sysconfig
sys.prefix == sys.base_prefix and os.path.exists(sysconfig.get_path("stdlib") + "/EXTERNALLY-MANAGED") and print("managed")'
l=$(pip list --format=freeze) || exit; printf "%s\n" "$l" | sed "s/^/has /"
case $c in *--system-site-packages*) l=$(pip list --local --format=freeze) || exit; printf "%s\n" "$l" | sed "s/^/own /" ;; esac
[ "$m" = plan ] || exit 0
r=$(pip install -q --dry-run --report - "$@") || exit
printf "%s" "$r" | "$p" -c 'import json, sys
for new in json.load(sys.stdin)["install"]: print("plan", new["metadata"]["name"] + "==" + new["metadata"]["version"])'"#;

impl Environment<'_> {
    pub fn valid(&self) -> Result<()> {
        if self.virtualenv.is_some() && self.executable.is_some() {
            bail!(playbook: "`virtualenv` and `executable` both say where packages go: give one of them");
        }
        if let Some(umask) = self.umask.filter(|umask| umask.len() < 3 || u32::from_str_radix(umask, 8).is_err()) {
            bail!(playbook: "`umask` is octal, such as \"0022\", not `{umask}`");
        }
        if self.extra().is_none() || self.command.trim().is_empty() {
            bail!(playbook: "`extra_args` has a quote that does not end, or `virtualenv_command` is empty");
        }
        Ok(())
    }

    fn extra(&self) -> Option<Vec<String>> {
        match self.extra {
            Many::One(line) => words(line),
            Many::Several(words) => Some(words.clone()),
        }
    }

    /// Whether an address with a password is among the arguments.
    pub fn secret(&self) -> bool {
        let login =
            |word: &String| word.split_once("://").is_some_and(|(_, rest)| rest.contains('@') && rest.contains(':'));
        self.extra().unwrap_or_default().iter().any(login)
    }

    fn maker(&self) -> String {
        let site = if self.site_packages { " --system-site-packages" } else { "" };
        format!("{}{site}", self.command)
    }

    /// What is there; with `install`, the first time, with what pip would do about it. On the way back, pip has no plan.
    pub async fn read(&self, host: &dyn Look, asked: &[String], install: Option<&[String]>) -> Result<PipState> {
        let install = install.filter(|_| self.memory.back.is_none());
        let mode = if install.is_some() { "plan" } else { "list" };
        let args = [self.executable.unwrap_or_default(), self.virtualenv.unwrap_or_default(), &self.maker(), mode];
        let mut command =
            Command::gist("pip list; pip install --dry-run, for a new environment in a temporary one", ASKED)
                .args(args)
                .timeout(Some(Duration::from_secs(600)));
        if let Some(install) = install {
            command = command.args(self.extra().unwrap_or_default()).args(install);
        }
        let text = host.expect(&command).await.map_err(explain)?.text();
        let said = |mark: &'static str| -> BTreeMap<String, String> {
            let lines = text.lines().filter_map(move |line| line.strip_prefix(mark)?.split_once("=="));
            lines.map(|(name, version)| (plain(name), version.to_owned())).collect()
        };
        let is = |word: &str| text.lines().any(|line| line == word);
        let (has, plan, new) = (said("has "), said("plan "), is("new"));
        let names: Vec<String> = match &self.memory.back {
            Some(names) => names.clone(),
            None => asked.iter().filter_map(|name| name_of(name)).chain(plan.keys().cloned()).collect(),
        };
        if install.is_some() && !is("full") && self.memory.decided.get().is_none() {
            let version = |name: &String| (name.clone(), plan.get(name).or_else(|| has.get(name)).cloned());
            // The first look is the only one that decides.
            let _ = self.memory.decided.set(names.iter().map(version).collect());
        }
        let decided = self.memory.decided.get().into_iter().flat_map(BTreeMap::keys).cloned();
        let found = |name: String| {
            let version = has.get(&name).filter(|_| !new).cloned();
            (name, version)
        };
        let mut now = PipState {
            virtualenv: self.virtualenv.map(|_| !new && !is("full")),
            packages: names.iter().cloned().chain(decided).map(found).collect(),
            around: Around { full: is("full"), managed: is("managed") },
            ..PipState::default()
        };
        let removes = || install.is_none() && now.packages.values().any(Option::is_some);
        if *self.memory.differs.get_or_init(|| new || !plan.is_empty() || removes()) && !new {
            let other = |(name, _): &(&String, &String)| !now.packages.contains_key(*name);
            if self.virtualenv.is_some() {
                // What it sees of the system's packages stays without it.
                let own = if self.site_packages { said("own ") } else { has.clone() };
                now.others = own.iter().filter(other).map(|(name, version)| (name.clone(), version.clone())).collect();
            }
            now.files = self.files(host, &now).await?;
        }
        Ok(now)
    }

    /// The files of the packages that are there, if they can be kept.
    async fn files(&self, host: &dyn Look, now: &PipState) -> Result<Option<Files>> {
        let here: Vec<&String> =
            now.packages.iter().filter(|(_, version)| version.is_some()).map(|(name, _)| name).collect();
        if here.is_empty() {
            return Ok(None);
        }
        let show = self.command("show").arg("-f").arg("--").args(here.into_iter().cloned());
        let root = self.virtualenv.unwrap_or("/");
        let Some(names) = listed(&host.expect(&show).await.map_err(explain)?.text(), root) else { return Ok(None) };
        let (_, kept) = Bundle::read(host, root, &names).await?;
        Ok(kept.map(|kept| Files { root: root.to_owned(), names, kept }))
    }

    /// What the steps take away.
    pub fn keeps(&self, now: &PipState) -> Vec<Keepsake> {
        let keepsake = |files: &Files| Bundle::keepsake(&files.root, &files.names, &files.kept);
        now.files.iter().map(keepsake).collect()
    }

    /// What can be asked before packages come back from an index, because their files were too large to be kept.
    pub async fn returnable(&self, host: &dyn Look, now: &PipState, want: &PipState) -> Result<()> {
        if want.virtualenv == Some(false)
            && let Some(other) = now.others.keys().find(|name| !BASIC.contains(&name.as_str()))
        {
            bail!("{} has {other}, which something else installed and which would go with it", self.virtualenv.unwrap_or_default();
                hint: "pip::absent(\"{other}\", ...) takes it away")
        }
        let back = back(now, want);
        if want.files.is_some() || back.is_empty() || now.virtualenv == Some(false) {
            return Ok(());
        }
        let again = self.pip("install", self.again(), &listed_after(back));
        let Step::Run(again) = again else { return Ok(()) };
        let ask = Command { long: false, ..again.arg("--dry-run").arg("-q") };
        let asked = host.run(&ask.timeout(Some(Duration::from_secs(600)))).await?;
        if asked.success() {
            return Ok(());
        }
        let said = asked.stderr_text();
        bail!(
            "its files were too large to be kept, and pip does not find it again: {}",
            said.lines().next().unwrap_or_default().trim()
        )
    }

    /// The arguments of a way back through an index.
    fn again(&self) -> Vec<String> {
        let mut extra = self.extra().unwrap_or_default();
        extra.push("--no-deps".to_owned());
        extra
    }

    /// What should be there: as pip planned it; or without these.
    pub fn want(&self, now: &PipState, without: Option<&[String]>) -> Result<PipState> {
        let virtualenv = self.virtualenv.unwrap_or_default();
        if now.around.full {
            bail!("{virtualenv} is no virtual environment, and not empty";
                hint: "name another directory, or file::absent(\"{virtualenv}\") deletes it");
        }
        let mut want = now.clone();
        match without {
            Some(names) => {
                let none = names.iter().filter_map(|name| name_of(name)).map(|name| (name, None));
                want.packages.extend(none);
            }
            None => {
                want.packages.extend(self.memory.decided.get().cloned().unwrap_or_default());
                want.virtualenv = now.virtualenv.map(|_| true);
            }
        }
        if now.around.managed && !self.break_system && want.packages != now.packages {
            bail!("the packages of this Python belong to the system's package manager (PEP 668)";
                hint: "virtualenv: \"/srv/NAME/venv\" gives it packages of its own (Debian: python3-venv)";
                hint: "or install it with apt or dnf, such as apt::installed(\"python3-NAME\")";
                hint: "break_system_packages: true does it all the same");
        }
        Ok(want)
    }

    pub fn steps(&self, now: &PipState, want: &PipState, install: Option<&[String]>) -> Result<Vec<Step>> {
        if want.virtualenv == Some(false) && now.virtualenv == Some(true) {
            return Ok(Command::new("rm").args(["-rf", "--", self.virtualenv.unwrap_or_default()]).into());
        }
        let mut steps: Vec<Step> = Vec::new();
        if want.virtualenv == Some(true) && now.virtualenv == Some(false) {
            let maker = words(&self.maker()).unwrap_or_default();
            let mut maker = maker.into_iter();
            let command = Command::new(maker.next().unwrap_or_default()).args(maker);
            steps.push(self.masked(command.arg(self.virtualenv.unwrap_or_default())).into());
        }
        let differ = want.packages.iter().filter(|(name, version)| now.packages.get(*name) != Some(*version));
        let differ: Vec<_> = differ.collect();
        let forward = self.memory.decided.get() == Some(&want.packages);
        if let Some(install) = install.filter(|_| forward && !differ.is_empty()) {
            steps.push(self.pip("install", self.extra().unwrap_or_default(), install));
            return Ok(steps);
        }
        let there = |name: &String| now.packages.get(name).is_some_and(Option::is_some);
        let back = back(now, want);
        // What comes back as files takes no other version's place: that goes first.
        let kept = want.files.as_ref().filter(|_| !back.is_empty());
        let goes = |name: &String, version: &Option<String>| there(name) && (version.is_none() || kept.is_some());
        let gone = differ.iter().filter(|(name, version)| goes(name, version)).map(|(name, _)| (*name).clone());
        let gone: Vec<String> = listed_after(gone.collect());
        if gone.len() > 1 {
            steps.push(self.pip("uninstall", vec!["-y".to_owned()], &gone));
        }
        match kept {
            Some(files) => steps.extend(Bundle::unpack(&files.root, &files.kept)),
            None if self.removes && !back.is_empty() => {
                bail!("the files of {} were not kept, and where they came from is not known", back.join(" ");
                    hint: "up to {} MiB are kept, where the host has GNU tar", KEPT >> 20)
            }
            None if !back.is_empty() => steps.push(self.pip("install", self.again(), &listed_after(back))),
            None => {}
        }
        Ok(steps)
    }

    fn command(&self, verb: &str) -> Command {
        let pip = match (self.virtualenv, self.executable) {
            (Some(virtualenv), _) => Command::new(format!("{virtualenv}/bin/python")).args(["-m", "pip"]),
            (None, Some(executable)) => Command::new(executable),
            (None, None) => Command::new("python3").args(["-m", "pip"]),
        };
        pip.arg(verb)
    }

    fn pip(&self, verb: &str, extra: Vec<String>, rest: &[String]) -> Step {
        let pip = self.masked(self.command(verb).args(extra).args(rest.iter().cloned()));
        let pip = pip.env("LC_ALL", "C.UTF-8").env("PIP_DISABLE_PIP_VERSION_CHECK", "1").env("PIP_NO_INPUT", "1");
        let pip = if self.break_system { pip.env("PIP_BREAK_SYSTEM_PACKAGES", "1") } else { pip };
        pip.env("PIP_ROOT_USER_ACTION", "ignore").long().into()
    }

    fn masked(&self, command: Command) -> Command {
        match self.umask {
            None => command,
            Some(umask) => {
                Command::sh(r#"umask "$1"; shift; exec "$@""#).args([umask, &command.program]).args(command.args)
            }
        }
    }
}

/// The name of a package as it is compared: `Zope.Interface` is `zope-interface`.
pub fn plain(name: &str) -> String {
    let mut out = String::new();
    for c in name.trim().to_lowercase().chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.push(c),
        }
    }
    out
}

/// The name in what pip takes: `flask[async]>=3` is `flask`. A file or an address has none before it is looked into.
pub fn name_of(asked: &str) -> Option<String> {
    let end = asked.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c)).unwrap_or(asked.len());
    let (name, rest) = asked.split_at(end);
    let file = rest.starts_with(['/', ':', '+'])
        || name.is_empty()
        || [".whl", ".gz", ".zip"].iter().any(|e| asked.ends_with(e));
    (!file).then(|| plain(name))
}

/// What pip's own words mean, and what to try next.
pub fn explain(error: Error) -> Error {
    let said = format!("{} {}", error.message, error.stderr);
    let has = |text: &str| said.contains(text);
    let hint = if has("no such option: --dry-run") || has("no such option: --report") {
        "pip 22.2 or newer is needed to plan; in a virtual environment: virtualenv_command: \"python3 -m venv --upgrade-deps\""
    } else if has("ensurepip is not") || has("No module named venv") {
        "apt::installed(\"python3-venv\") brings what makes virtual environments"
    } else if has("No module named pip") || has("pip3 is not installed") || has("pip is not installed") {
        "apt::installed(\"python3-pip\") brings pip, or use a virtual environment"
    } else if has("python3 is not installed") {
        "apt::installed([\"python3\", \"python3-venv\"]) brings it"
    } else if has("externally-managed-environment") {
        "use a virtual environment (virtualenv), or break_system_packages: true"
    } else if has("No matching distribution") {
        "is the name right, and does the index have such a version for this Python?"
    } else if has("Permission denied") {
        "within(#{ become: \"root\" }, || ...), or the owner of the virtual environment"
    } else {
        return error;
    };
    error.hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_what_pip_takes() {
        for (asked, want) in [
            ("Flask", Some("flask")),
            ("zope.interface[x]>=1,<2", Some("zope-interface")),
            ("a~=1; python_version<'3'", Some("a")),
            ("name @ https://x/y.zip", None),
            ("git+https://x/y", None),
            ("./dir", None),
            ("/srv/a-1.whl", None),
            ("a-1.0-py3-none-any.whl", None),
        ] {
            assert_eq!(name_of(asked).as_deref(), want, "{asked}");
        }
    }

    #[test]
    fn undo_puts_versions_back_and_takes_new_ones_away() {
        let memory = Memory::default();
        let extra = Many::One("--no-index".to_owned());
        let environment = Environment {
            virtualenv: Some("/v"),
            command: "python3 -m venv",
            site_packages: false,
            executable: None,
            extra: &extra,
            break_system: false,
            umask: Some("0077"),
            memory: &memory,
            removes: false,
        };
        let state = |packages: &[(&str, Option<&str>)]| PipState {
            virtualenv: Some(true),
            packages: packages.iter().map(|(n, v)| ((*n).to_owned(), v.map(str::to_owned))).collect(),
            ..PipState::default()
        };
        let now = state(&[("a", Some("2")), ("b", Some("1"))]);
        let steps = |want: &PipState| -> Vec<String> {
            let lines = environment.steps(&now, want, Some(&[])).unwrap();
            lines.iter().map(|step| step.line().split(" exec \"$@\"' sh ").last().unwrap().to_owned()).collect()
        };
        assert_eq!(
            steps(&state(&[("a", Some("1")), ("b", None)])),
            [
                "0077 /v/bin/python -m pip uninstall -y -- b",
                "0077 /v/bin/python -m pip install --no-index --no-deps -- a==1"
            ]
        );
        assert_eq!(steps(&PipState { virtualenv: Some(false), ..PipState::default() }), ["rm -rf -- /v"]);
        let files = Some(Files { root: "/v".to_owned(), names: "x".to_owned(), kept: "0".repeat(64) });
        let kept = steps(&PipState { files, ..state(&[("a", Some("1")), ("b", Some("1"))]) });
        assert_eq!(kept[0], "0077 /v/bin/python -m pip uninstall -y -- a");
        assert_eq!(kept[1], "write /v/.hlrun-000000000000.tar mode=0600 kept=000000000000");
        let removes = Environment { removes: true, ..environment };
        let error = removes.steps(&now, &state(&[("a", Some("1"))]), None).unwrap_err();
        assert!(error.message.contains("a==1 were not kept"), "{error}");
    }
}
