//! The lists of packages: how old they are, and fresh ones.

use super::transaction::apt_get;
use crate::contract::Command;
use crate::shared::Span;

/// How long ago the lists of packages were fetched, in seconds; `never` if there are none.
const AGE: &str = r#"cd /var/lib/apt && ls lists | grep -q _ && s=$(stat -c %Y lists) && [ "$s" -gt 0 ] && echo $(($(date +%s) - s)) || echo never"#;

/// Fetch the lists, waiting while another apt does; every list that cannot be had is an error. It must not
/// contain `%s`, which stands for a new file in [`validation`].
const UPDATE: &str = r#"left=$1; shift; until said=$(apt-get -q -o APT::Update::Error-Mode=any "$@" update 2>&1); do case $said in *"Could not get lock"*) left=$((left - 2)); [ "$left" -lt 0 ] || { sleep 2; continue; };; esac; echo "$said" >&2; exit 100; done; [ $# -gt 0 ] || touch /var/lib/apt/lists; echo "$said""#;

/// Refuses a new file of sources that does not go with the others, for which apt would not read any; then makes of it what
/// apt reads, before the rest of [`UPDATE`].
const ALONE: &str = r#"d=$(mktemp -d) && trap 'rm -rf "$d"' EXIT && cp -- "$2" "$d/new.sources" && mkdir "$d/all" && cp -a /etc/apt/sources.list.d/. "$d/all" && cp -- "$2" "$d/all/$3" && said=$(apt-get -o Dir::Etc::SourceParts="$d/all" indextargets 2>&1 >/dev/null) || { echo "$said" >&2; exit 100; }; set -- "$1" -o Dir::Etc::SourceList="$d/new.sources" -o Dir::Etc::SourceParts=- -o APT::Get::List-Cleanup=0 || exit; "#;

/// The command that fetches the lists of packages.
pub fn update(lock: Span) -> Command {
    let command =
        Command::gist("apt-get update, again while it is locked", UPDATE).arg(lock.0.as_secs().to_string()).long();
    Command { env: apt_get().env, ..command }
}

/// The command that accepts a new file of sources (`%s`) of this name if it goes with the others and all its lists can be
/// fetched.
pub fn validation(name: &str, lock: Span) -> Command {
    let command = Command::gist("apt-get update, of this file alone", format!("{ALONE}{UPDATE}"));
    let command = command.args([lock.0.as_secs().to_string(), "%s".to_owned(), name.to_owned()]);
    Command { env: apt_get().env, ..command }
}

/// The command that fetches the lists of one file of sources.
pub fn update_one(sources: &str, lock: Span) -> Command {
    let only = [format!("Dir::Etc::SourceList={sources}"), "Dir::Etc::SourceParts=-".to_owned()];
    let only = only.into_iter().chain(["APT::Get::List-Cleanup=0".to_owned()]);
    update(lock).args(only.flat_map(|option| ["-o".to_owned(), option]))
}

/// Asks how old the lists are.
pub fn age() -> Command {
    Command::sh(AGE)
}
