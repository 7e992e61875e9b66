//! The way back with dnf.

use super::super::Packages;
use std::collections::BTreeSet;

/// The way from some versions to others.
#[derive(Debug, Default)]
pub(super) struct Way {
    install: Vec<String>,
    remove: Vec<String>,
}

impl Way {
    pub fn between(now: &Packages, want: &Packages) -> Way {
        let mut way = Way::default();
        let set = |packages: &Packages, name: &str| -> BTreeSet<String> {
            let versions = packages.get(name).cloned().flatten().unwrap_or_default();
            versions.split(", ").filter(|evr| !evr.is_empty()).map(str::to_owned).collect()
        };
        for name in want.keys() {
            // `name.i686` stands for the package of that architecture.
            let (bare, arch) = name
                .strip_suffix("86")
                .and_then(|_| name.rsplit_once('.'))
                .map_or((name.as_str(), String::new()), |(bare, arch)| (bare, format!(".{arch}")));
            let label = |evr: &String| format!("{bare}-{evr}{arch}");
            let (there, wanted) = (set(now, name), set(want, name));
            way.install.extend(wanted.difference(&there).map(label));
            // What another version takes the place of goes by itself.
            if wanted.is_subset(&there) {
                way.remove.extend(there.difference(&wanted).map(label));
            }
        }
        way
    }
    pub fn transactions(self) -> impl Iterator<Item = Vec<String>> {
        let part = |verb: &[&str], labels: Vec<String>| {
            let verb = verb.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
            (!labels.is_empty()).then(|| verb.into_iter().chain(labels).collect::<Vec<_>>())
        };
        let install = part(&["install"], self.install);
        let remove = part(&["--setopt=clean_requirements_on_remove=0", "remove"], self.remove);
        install.into_iter().chain(remove)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_installs_what_was_there_and_removes_what_came() {
        let packages = |all: &[(&str, Option<&str>)]| -> Packages {
            all.iter().map(|(name, evr)| ((*name).to_owned(), evr.map(str::to_owned))).collect()
        };
        let now = packages(&[
            ("toy", Some("2-1")),
            ("toydep", Some("2-1")),
            ("kernel", Some("1-1, 2-1")),
            ("gone", None),
            ("x.i686", Some("1-1")),
        ]);
        let want = packages(&[
            ("toy", Some("1-1")),
            ("toydep", None),
            ("kernel", Some("1-1")),
            ("gone", Some("3-1")),
            ("x.i686", None),
        ]);
        let way: Vec<String> = Way::between(&now, &want).transactions().map(|args| args.join(" ")).collect();
        let remove = "--setopt=clean_requirements_on_remove=0 remove kernel-2-1 toydep-2-1 x-1-1.i686";
        assert_eq!(way, ["install gone-3-1 toy-1-1", remove]);
    }
}
