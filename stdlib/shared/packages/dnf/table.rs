//! The table in which dnf says what it would do, before it asks whether it may.

use super::super::Packages;
use super::specs::{Row, key};
use std::collections::{BTreeMap, BTreeSet};

/// What dnf would do.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// What comes or goes, and under which heading.
    rows: Vec<(String, Row)>,
    /// Packages that it leaves out, with the reason.
    pub skipped: Vec<String>,
}

/// Reads the table, of dnf 4 or 5. Columns that are too long are on lines of their own, further to the right.
pub fn read(text: &str) -> Table {
    let mut begun = false;
    let (mut heading, mut entries): (String, Vec<(String, String)>) = Default::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["Package", "Arch" | "Architecture", "Version", ..] = words[..] {
            begun = true;
        } else if !begun || line.starts_with("====") {
        } else if line.is_empty() || line.starts_with("Transaction Summary") {
            heading.clear();
        } else if let Some(name) = line.strip_suffix(':').filter(|_| !line.starts_with(' ')) {
            name.clone_into(&mut heading);
        } else if heading.is_empty() || heading == "Changing reason" {
        } else if line.trim_start().starts_with("replacing ") || line.starts_with(' ') && !line.starts_with("  ") {
            entries.push((heading.clone(), line.trim().to_owned()));
        } else if let Some((_, last)) = entries.last_mut() {
            *last += &format!(" {}", line.trim());
        }
    }
    let mut table = Table::default();
    for (heading, entry) in entries {
        let what = heading.to_lowercase();
        if ["group", "module", "environment"].iter().any(|kind| what.contains(kind)) && !what.contains("package") {
            continue;
        }
        let words: Vec<&str> = entry.split_whitespace().collect();
        match words[..] {
            // dnf 5 says so of each package that is upgraded, and has columns for it.
            ["replacing", name, arch, evr, _, _, _] => {
                let same = table.rows.last().is_some_and(|(_, row)| row.name == name && row.arch == arch);
                table.rows.extend((!same).then(|| ("Removing".to_owned(), Row::new(name, arch, evr))));
            }
            ["replacing", package, evr, ..] => {
                let (name, arch) = package.rsplit_once('.').unwrap_or((package, ""));
                table.rows.push(("Removing".to_owned(), Row::new(name, arch, evr)));
            }
            [name, _, evr, ..] if heading.starts_with("Skipping") => {
                let why = heading.trim_start_matches("Skipping packages with ");
                table.skipped.push(format!("{name} {evr} ({why})"));
            }
            [name, arch, evr, ..] => table.rows.push((heading, Row::new(name, arch, evr))),
            _ => {}
        }
    }
    table
}

impl Table {
    /// The packages that it would touch.
    pub fn names(&self) -> BTreeSet<String> {
        self.rows.iter().map(|(_, row)| key(row)).collect()
    }
    /// Everything that would go.
    pub fn removed(&self) -> Vec<String> {
        self.rows.iter().filter(|(heading, _)| heading.starts_with("Removing")).map(|(_, row)| row.label()).collect()
    }
    /// The same packages afterwards, if they are `now` as they are.
    pub fn after(&self, now: &Packages) -> Packages {
        let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for name in self.names() {
            let there = now.get(&name).cloned().flatten().unwrap_or_default();
            let there = there.split(", ").filter(|evr| !evr.is_empty()).map(str::to_owned).collect();
            versions.insert(name, there);
        }
        for (heading, row) in &self.rows {
            let set = versions.entry(key(row)).or_default();
            match heading.split(' ').next().unwrap_or_default() {
                "Removing" => drop(set.remove(&row.evr)),
                "Upgrading" | "Downgrading" | "Reinstalling" => *set = BTreeSet::from([row.evr.clone()]),
                _ => drop(set.insert(row.evr.clone())),
            }
        }
        let told = |set: BTreeSet<String>| (!set.is_empty()).then(|| Vec::from_iter(set).join(", "));
        versions.into_iter().map(|(name, set)| (name, told(set))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_becomes_of_each_package() {
        let rule = "=".repeat(80);
        let text = format!(
            "Last metadata expiration check: 0:00:01 ago.\nDependencies resolved.\n{rule}\n Package  Architecture  Version  \
             Repository  Size\n{rule}\nInstalling:\n kernel-core   x86_64   2-1   toy   5.5 k\nUpgrading:\n toy   noarch   1:2-1   toy \
             5.5 k\n a-name-that-is-far-too-long-for-its-column\n               noarch   2-1   toy   5 k\n     replacing  \
             toy-old.noarch 1-1\nInstalling dependencies:\n toydep  noarch  2-1  toy  5 k\nRemoving:\n gone  i686  0:3-1  @System  0\n\
             Skipping packages with conflicts:\n late  noarch  9-1  toy  5 k\n\nTransaction Summary\n{rule}\nInstall  1 Package\n"
        );
        let table = read(&text);
        let now = [("kernel-core", "1-1"), ("toy", "1:1-1"), ("toy-old", "1-1"), ("gone.i686", "3-1")];
        let now: Packages = now.iter().map(|(name, evr)| ((*name).to_owned(), Some((*evr).to_owned()))).collect();
        let after = table.after(&now);
        let line = after.iter().map(|(n, v)| format!("{n} {}", v.as_deref().unwrap_or("-"))).collect::<Vec<_>>();
        let wanted = [
            "a-name-that-is-far-too-long-for-its-column 2-1",
            "gone.i686 -",
            "kernel-core 1-1, 2-1",
            "toy 1:2-1",
            "toy-old -",
            "toydep 2-1",
        ];
        assert_eq!(line, wanted);
        assert_eq!(table.skipped, ["late 9-1 (conflicts)"]);
        assert_eq!(read("Nothing to do.\nComplete!\n"), Table::default());
    }

    #[test]
    fn so_does_that_of_dnf_5() {
        let text = "Package              Arch   Version Repository      Size\nUpgrading:\n toy                 noarch 0:2-1   toy          \
                    0.0   B\n   replacing toy     noarch 0:1-1   <unknown>    0.0   B\n new                 x86_64 1:2-1   toy         \
                    42.5 KiB\n   replacing toy-old noarch 0:1-1   <unknown>   42.5 KiB\nInstalling:\n kernel-core         noarch \
                    0:2-1   toy          0.0   B\nChanging reason:\n mine                noarch 0:1-1   @System      0.0   B\n   \
                    External User -> User\nInstalling groups:\n RPM Toy Tools\n\nTransaction Summary:\n Installing:         1 package\n Upgrading:          2 packages\n";
        let now = [("kernel-core", "1-1"), ("toy", "1-1"), ("toy-old", "1-1"), ("new", "1:1-1"), ("mine", "1-1")];
        let now: Packages = now.iter().map(|(name, evr)| ((*name).to_owned(), Some((*evr).to_owned()))).collect();
        let after = read(text).after(&now);
        let line = after.iter().map(|(n, v)| format!("{n} {}", v.as_deref().unwrap_or("-"))).collect::<Vec<_>>();
        assert_eq!(line, ["kernel-core 1-1, 2-1", "new 1:2-1", "toy 2-1", "toy-old -"]);
    }
}
