//! What `dnf check-update` says.

use super::super::Upgrade;
use super::complaints;
use super::specs::{self, Row, key};
use crate::contract::{Command, Look, Result, refusal};
use std::collections::BTreeMap;

/// What could be upgraded, by `dnf check-update`, whose exit code 100 says that there is something.
pub async fn upgradable(host: &dyn Look) -> Result<Vec<Upgrade>> {
    let check = |security: bool| {
        let args = ["-q", "check-update"].into_iter().chain(security.then_some("--security"));
        let command = Command::new("dnf").args(args).env("LC_ALL", "C.UTF-8").ok_codes([0, 100]);
        async move {
            let output = host.run(&command).await?;
            if command.accepts(output.code) {
                Ok(offered(&output.text()))
            } else {
                Err(complaints::explain(refusal(&command, &output)))
            }
        }
    };
    let all = check(false).await?;
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<String> = all.keys().cloned().collect();
    let query = specs::query(names);
    let (secure, installed) = (check(true).await?, host.run(&query).await?);
    let mut installed = specs::versions(&specs::rows(&installed)?);
    let upgrade = |(name, to): (String, String)| {
        let from = installed.remove(&name).flatten();
        Upgrade { from, security: secure.get(&name) == Some(&to), to, name }
    };
    Ok(all.into_iter().map(upgrade).collect())
}

/// The answer of check-update: three words a package, wherever lines are broken; what obsoletes what comes after it.
fn offered(text: &str) -> BTreeMap<String, String> {
    let text = text.trim_start().strip_prefix("Upgrades\n").unwrap_or(text);
    let text = ["Obsoleting Packages", "\nObsoletes\n"]
        .iter()
        .fold(text, |text, end| text.split(end).next().unwrap_or_default());
    let text = text.split("\nSecurity: ").next().unwrap_or_default();
    let words: Vec<&str> = text.split_whitespace().collect();
    let row = |words: &[&str]| match words {
        [package, evr, _] => package.rsplit_once('.').map(|(name, arch)| Row::new(name, arch, evr)),
        _ => None,
    };
    words.chunks(3).filter_map(row).map(|row| (key(&row), row.evr)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_update_is_read_whatever_its_columns() {
        let text = "\ntoy.noarch   2-1   toy\na-very-long-name-that-wraps.x86_64\n      1:2-1.el9\n    updates\nObsoleting Packages\nnew.noarch 1-1 toy\n";
        let found = offered(text);
        assert_eq!(found["a-very-long-name-that-wraps"], "1:2-1.el9");
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a-very-long-name-that-wraps", "toy"]);
        let five = "Upgrades\nkernel-core.noarch 2-1 toy\ntoyd.x86_64        2-1 toy\nObsoletes\nnew.noarch 1-1 toy\n";
        assert_eq!(offered(five).keys().collect::<Vec<_>>(), ["kernel-core", "toyd"]);
    }
}
