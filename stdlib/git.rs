//! Checkouts of git repositories, made by the host's own git.
//!
//! A directory that belongs to somebody else than who runs git is trusted for the call (`safe.directory`): the playbook
//! names it. Nothing ever asks for a login; keys and tokens come from the host.

mod answer;
mod back;
mod checkout;

pub use checkout::Checkout;

use crate::contract::{Command, Fact, Look, Module, Result};
use crate::shared::HostPath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.operation::<Checkout>().fact::<Head>();
}

/// Ask what is checked out in a directory.
///
/// The answer has `commit`, `branch` (empty if the commit is checked out by itself), `describe` (the nearest tag),
/// `repo` and `modified`, the files with local changes; it is `()` where there is no checkout.
///
/// ```rhai
/// print(git::head("/srv/app").commit);
/// ```
/// ```transcript
/// ? sh -c '(git rev-parse, symbolic-ref, describe, remote get-url, status)' sh /srv/app
/// = 9b3e4a7c0d1f2e3b4a5c6d7e8f9011223344aabb
/// = main
/// = v2-3-g9b3e4a7
/// = https://git.example.com/app.git
/// =  M conf.yml
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The directory.
    pub dest: HostPath,
}

/// What is checked out.
#[derive(Debug, Serialize)]
pub struct HeadAnswer {
    commit: String,
    branch: String,
    describe: String,
    repo: String,
    modified: Vec<String>,
}

const ASKED: &str = r#"d=$1; [ -e "$d/.git" ] || exit 0; export GIT_OPTIONAL_LOCKS=0; g() { git -c safe.directory="$d" -C "$d" "$@"; }; command -v git >/dev/null || { echo "git is not installed" >&2; exit 1; }; h=$(g rev-parse -q --verify HEAD) || exit 0; echo "$h"; g symbolic-ref -q --short HEAD || echo; g describe --tags --always 2>/dev/null || echo; g remote get-url origin 2>/dev/null || echo; g status --porcelain --untracked-files=no"#;

impl Fact for Head {
    type Answer = Option<HeadAnswer>;

    async fn ask(&self, host: &dyn Look) -> Result<Option<HeadAnswer>> {
        let text = host
            .text(
                &Command::gist("git rev-parse, symbolic-ref, describe, remote get-url, status", ASKED)
                    .arg(self.dest.as_str()),
            )
            .await?;
        let mut lines = text.lines();
        let mut line = || lines.next().unwrap_or_default().to_owned();
        let (commit, branch, describe, repo) = (line(), line(), line(), line());
        let modified = lines.filter_map(|line| line.get(3..)).map(str::to_owned).collect();
        let answer = HeadAnswer { repo: hidden(&repo), commit, branch, describe, modified };
        Ok(Some(answer).filter(|answer| !answer.commit.is_empty()))
    }
}

/// git in a directory that the playbook names, whomever it belongs to.
fn git(dest: &HostPath) -> Command {
    Command::new("git").args(["-c", &format!("safe.directory={dest}"), "-C", dest.as_str()])
}

/// The ssh that git uses, where the playbook says something about it.
fn ssh(key: Option<&str>, accept: bool) -> Option<String> {
    let key = key.map(|key| format!(" -i {} -o IdentitiesOnly=yes", crate::contract::quote(key)));
    let accept = accept.then_some(" -o StrictHostKeyChecking=accept-new");
    (key.is_some() || accept.is_some())
        .then(|| format!("ssh -o BatchMode=yes{}{}", key.unwrap_or_default(), accept.unwrap_or_default()))
}

/// Whether an address has a password in it.
fn secret(url: &str) -> bool {
    hidden(url) != url
}

/// An address as reports may show it: without its password.
fn hidden(url: &str) -> String {
    let hide = || {
        let (scheme, rest) = url.split_once("://")?;
        let (login, place) = rest.split_once('@').filter(|(login, _)| !login.contains('/'))?;
        let (user, _) = login.split_once(':')?;
        Some(format!("{scheme}://{user}:‹withheld›@{place}"))
    };
    hide().unwrap_or_else(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_is_never_shown() {
        for (url, want) in [
            ("https://me:tok@git.lan/a", "https://me:‹withheld›@git.lan/a"),
            ("https://git.lan/a@b:c", "https://git.lan/a@b:c"),
            ("git@git.lan:a", "git@git.lan:a"),
            ("ssh://git@git.lan:22/a", "ssh://git@git.lan:22/a"),
        ] {
            assert_eq!(hidden(url), want);
        }
    }
}
