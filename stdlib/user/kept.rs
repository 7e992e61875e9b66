//! What goes with a user, kept so that undo can bring it back as it was.

use super::state::UserState;
use crate::bail;
use crate::contract::{Command, Keepsake, Look, Result, Source, Step, Write};
use crate::shared::account::{getent, users};
use crate::shared::{HostPath, Relic};
use serde::{Deserialize, Serialize};

/// All that the files of accounts say of a user, named by its digest: his line, his password and its days, his groups,
/// his own group, his ranges of numbers for containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub sha256: String,
    pub uid: u32,
}

/// A file or directory that goes, such as a home directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    pub path: HostPath,
    pub relic: Relic,
}

/// `NAME TAKER`: every line about a user, in the order of the files, for `TAKER` to read.
const ACCOUNT: &str = r#"t=$2 n=$1; set --; for f in passwd shadow group subuid subgid; do [ ! -r /etc/$f ] || set -- "$@" /etc/$f; done; awk -F: -v n="$n" '{ f = substr(FILENAME, 6) } $1 == n { print f ":" $0 } f == "group" { k = split($4, m, ","); for (i = 1; i <= k; i++) if (m[i] == n) print "member:" $1 }' "$@" | "$t""#;

const ACCOUNT_GIST: &str = "awk: all about the user in /etc/passwd, shadow, group, subuid, subgid";

/// `FILE SHARED`: makes the user of whom the file tells. What useradd would choose itself, it is told.
const RESTORE: &str = r#"set -e; trap 'rm -f -- "$1"' EXIT; f=$1 o=$2 own=; while IFS=: read -r k a b c d e g h _; do case $k in passwd) n=$a uid=$c gid=$d text=$e home=$g shell=$h;; shadow) hash=$b day=$c min=$d max=$e warn=$g idle=$h;; esac; done <"$f"; end=$(sed -n "s/^shadow:\([^:]*:\)\{7\}\([^:]*\):.*/\2/p" "$f"); own=$(sed -n "s/^group:[^:]*:[^:]*:\([0-9]*\):.*/\1/p" "$f"); [ -z "$own" ] || getent group "$n" >/dev/null || groupadd -o -g "$own" "$n"; useradd -M -N ${o:+-o} -u "$uid" -g "$gid" -c "$text" -d "$home" -s "$shell" -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 "$n"; if grep -q ^shadow: "$f"; then printf "%s:%s\n" "$n" "$hash" | chpasswd -e; chage -d "${day:--1}" -m "${min:--1}" -M "${max:--1}" -W "${warn:--1}" -I "${idle:--1}" -E "${end:--1}" "$n"; fi; while IFS=: read -r k a b c _; do case $k in member) ! getent group "$a" >/dev/null || usermod -a -G "$a" "$n";; subuid) usermod --add-subuids "$b-$((b + c - 1))" "$n";; subgid) usermod --add-subgids "$b-$((b + c - 1))" "$n";; esac; done <"$f""#;

const RESTORE_GIST: &str = "groupadd; useradd; chpasswd -e; chage; usermod, as the file says";

/// `HOME SKELETON KEY`: prints what a home directory contains more than it was made with.
const MORE: &str = r#"more() { cd -- "$1" 2>/dev/null || return 0; find . -mindepth 1 | while IFS= read -r p; do p=${p#./} s=$2/${p#./}; case $p in "$3" | "$3.pub") continue;; esac; if [ -L "$p" ]; then [ -L "$s" ] && [ "$(readlink -- "$p")" = "$(readlink -- "$s")" ]; elif [ -d "$p" ]; then [ -d "$s" ] || case $3 in "$p"/*) ;; *) false;; esac; else [ ! -L "$s" ] && [ -f "$s" ] && cmp -s -- "$p" "$s"; fi || printf "%s\n" "$p"; done; }; "#;

fn account(name: &str, taker: &str) -> Command {
    Command::gist(ACCOUNT_GIST, ACCOUNT).args([name, taker])
}

impl Account {
    /// Asks for all of it.
    pub async fn read(host: &dyn Look, name: &str, uid: u32) -> Result<Account> {
        let said = host.text(&account(name, "sha256sum")).await?;
        Ok(Account { sha256: said.chars().take(64).collect(), uid })
    }
    /// The steps that make the user of it.
    pub fn steps(&self, shared: bool) -> Vec<Step> {
        let path = format!("/run/.hlrun-{:.12}.account", self.sha256);
        let write = Write::private(path.clone(), Source::Kept(self.sha256.clone()));
        let shared = if shared { "shared" } else { "" };
        vec![write.into(), Command::gist(RESTORE_GIST, RESTORE).args([path.as_str(), shared]).into()]
    }
    /// His number must not be another's by now.
    pub async fn free(&self, host: &dyn Look, name: &str) -> Result<()> {
        let taken = users(&host.run(&getent("passwd", Some(&self.uid.to_string()))).await?)?;
        match taken.iter().find(|other| other.name != name) {
            Some(other) => bail!("the uid {} that {name} had is {}'s by now", self.uid, other.name),
            None => Ok(()),
        }
    }
}

impl Gone {
    /// Looks at what lies at a path; nothing if nothing does.
    pub async fn read(host: &dyn Look, path: &str) -> Result<Option<Gone>> {
        let Ok(path) = HostPath::parse(path) else { return Ok(None) };
        Ok(Relic::read(host, &path).await?.map(|relic| Gone { path, relic }))
    }
    /// Whether what it contains can be kept.
    pub fn kept(&self) -> bool {
        self.relic.archive.is_some() || self.relic.content.is_some()
    }
    /// The steps that put it back.
    pub fn steps(&self) -> Result<Vec<Step>> {
        self.relic.steps(&self.path)
    }
}

/// What must be kept of a user who goes, or of what is his.
pub fn keeps(now: &UserState, want: &UserState, name: &str) -> Vec<Keepsake> {
    let account = now.account.iter().filter(|_| !want.exists);
    let account = account.map(|a| Keepsake { command: account_text(name), sha256: a.sha256.clone(), size: 0 });
    account.chain(now.gone.iter().flat_map(|gone| gone.relic.keeps(&gone.path))).collect()
}

fn account_text(name: &str) -> Command {
    account(name, "cat")
}

/// Asks what a home directory contains more than it was made with: the first few.
pub async fn more(host: &dyn Look, home: &str, skeleton: &str, key: &str) -> Result<Vec<String>> {
    let script = format!("{MORE}more \"$@\" | head -n 4");
    let command = Command::gist("what differs from the skeleton: find; cmp", script).args([home, skeleton, key]);
    Ok(host.text(&command).await?.lines().map(str::to_owned).collect())
}

/// Takes a home directory away, unless it contains more than it was made with by then.
pub fn remove_home(home: &str, skeleton: &str, key: &str) -> Command {
    let script = format!(
        "{MORE}[ -n \"$1\" ] && m=$(more \"$@\" | head -n 1) && if [ -n \"$m\" ]; then echo \"$1 contains $m by now\" >&2; exit 1; fi && rm -rf -- \"$1\""
    );
    Command::gist("rm -rf, if nothing differs from the skeleton", script).args([home, skeleton, key])
}
