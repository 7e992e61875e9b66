//! What check mode has foretold of the paths of a host: the operations below build upon it.

use super::{Command, Step, Write};
use std::collections::BTreeMap;

/// What would be at a path by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foretold {
    /// A file, written so.
    File {
        /// How.
        write: Box<Write>,
        /// Nothing would be there before, whatever is there now: nothing of it is kept.
        anew: bool,
    },
    /// A directory.
    Directory {
        /// Nothing would lie in it, whatever lies there now.
        empty: bool,
    },
    /// Nothing.
    Nothing,
    /// Only the host can tell what.
    Unknown,
    /// Only the host can tell what, there and below: a checkout, an unpacked archive, another file system.
    Altered,
}

/// What is foretold of one host, by path.
#[derive(Debug, Default)]
pub struct Foresight(BTreeMap<String, Foretold>);

impl Foresight {
    /// Add what these steps would do, of an operation that alters these paths.
    pub fn add(&mut self, steps: &[Step], alters: &[String]) {
        for step in steps {
            match step {
                Step::Write(file) => self.write(file.clone()),
                Step::Upload(upload) => {
                    let paths = upload.files.keys().map(|below| format!("{}/{below}", upload.dest));
                    paths.for_each(|path| self.put(&path, Foretold::Unknown));
                }
                Step::Download(download) => self.put(&download.path, Foretold::Unknown),
                Step::Run(command) => self.run(command),
                _ => {}
            }
        }
        alters.iter().for_each(|path| self.put(path, Foretold::Altered));
    }

    /// It is not known what would be at a path.
    pub fn doubt(&mut self, path: &str) {
        self.0.insert(path.to_owned(), Foretold::Unknown);
    }

    /// What would be at a path; nothing if it is as the host says.
    pub fn at(&self, path: &str) -> Option<Foretold> {
        let above = || ancestors(path).find_map(|above| self.0.get(above).filter(|told| told.rules_below()));
        match self.0.get(path).or_else(above)? {
            Foretold::Directory { empty: true } if !self.0.contains_key(path) => Some(Foretold::Nothing),
            told => Some(told.clone()),
        }
    }

    /// Whether something was foretold of a path, or of one below it, or of one above it that says what lies below.
    pub fn reaches(&self, path: &str) -> bool {
        let below = |other: &str| ancestors(other).any(|above| above == path);
        self.at(path).is_some() || self.0.keys().any(|other| below(other))
    }

    fn write(&mut self, mut file: Write) {
        let anew = match self.at(&file.path) {
            // What is not given stays as it is.
            Some(Foretold::File { write: before, anew }) => {
                file.mode = file.mode.or(before.mode);
                file.owner = file.owner.or(before.owner);
                file.group = file.group.or(before.group);
                anew
            }
            before => before == Some(Foretold::Nothing),
        };
        self.0.insert(file.path.clone(), Foretold::File { write: Box::new(file), anew });
    }

    fn run(&mut self, command: &Command) {
        let args = command.args.iter().map(String::as_str);
        let paths: Vec<&str> = args.clone().filter(|arg| arg.starts_with('/')).collect();
        match command.program.as_str() {
            "rm" | "rmdir" => paths.iter().for_each(|path| self.put(path, Foretold::Nothing)),
            "mkdir" => paths.iter().for_each(|path| self.make(path, args.clone().any(|arg| arg == "-p"))),
            "ln" | "cp" => paths.last().into_iter().for_each(|path| self.put(path, Foretold::Unknown)),
            "chmod" | "chown" | "chgrp" => {
                let given = args.clone().find(|arg| !arg.starts_with('-')).unwrap_or_default();
                paths.iter().for_each(|path| self.give(path, &command.program, given));
            }
            _ => {}
        }
    }

    /// What lay below goes with what was there.
    fn put(&mut self, path: &str, told: Foretold) {
        self.0.retain(|other, _| ancestors(other).all(|above| above != path));
        self.0.insert(path.to_owned(), told);
    }

    fn make(&mut self, path: &str, above: bool) {
        let above = ancestors(path).filter(|_| above);
        for path in std::iter::once(path).chain(above) {
            match self.at(path) {
                Some(Foretold::Nothing) => self.0.insert(path.to_owned(), Foretold::Directory { empty: true }),
                None => self.0.insert(path.to_owned(), Foretold::Directory { empty: false }),
                Some(_) => None,
            };
        }
    }

    fn give(&mut self, path: &str, program: &str, given: &str) {
        let Some(Foretold::File { write: file, .. }) = self.0.get_mut(path) else { return };
        let (owner, group) = given.split_once(':').map_or((given, None), |(owner, group)| (owner, Some(group)));
        match program {
            "chmod" => file.mode = u32::from_str_radix(given, 8).ok().map(|mode| format!("{mode:04o}")),
            "chgrp" => file.group = Some(given.to_owned()),
            _ => {
                file.owner = Some(owner.to_owned());
                file.group = group.map(str::to_owned).or(file.group.take());
            }
        }
    }
}

impl Foretold {
    /// The content of a file, where it is known.
    pub fn text(&self) -> Option<&str> {
        if let Foretold::File { write, .. } = self { write.source.text() } else { None }
    }
    /// Whether it says what lies below, too.
    fn rules_below(&self) -> bool {
        matches!(self, Foretold::Nothing | Foretold::Altered | Foretold::Directory { empty: true })
    }
}

/// The directories that a path lies in, the nearest first.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.rmatch_indices('/').map(|(at, _)| if at == 0 { "/" } else { &path[..at] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Source;
    use Foretold::{Altered, Nothing, Unknown};

    fn after(lines: &[&str]) -> Foresight {
        let mut told = Foresight::default();
        for line in lines {
            let (program, args) = line.split_once(' ').unwrap();
            match program {
                "write" => told.add(&[Step::Write(Write::new(args, Source::Text("x".to_owned())))], &[]),
                "alter" => told.add(&[], &[args.to_owned()]),
                _ => told.add(&[Step::Run(Command::new(program).args(args.split(' ')))], &[]),
            }
        }
        told
    }

    #[test]
    fn the_last_that_touches_a_path_decides() {
        let empty = Foretold::Directory { empty: true };
        let file = |path: &str, anew: bool| {
            let write = Box::new(Write::new(path, Source::Text("x".to_owned())));
            Some(Foretold::File { write, anew })
        };
        for (lines, path, told) in [
            (&["rm -f -- /a"][..], "/b", None),
            (&["rm -f -- /a"], "/a", Some(Nothing)),
            (&["rm -rf -- /a"], "/a/b/c", Some(Nothing)),
            (&["rm -rf -- /a"], "/ab", None),
            (&["write /a/b", "rm -rf -- /a"], "/a/b", Some(Nothing)),
            (&["rm -rf -- /a", "mkdir -- /a"], "/a", Some(empty.clone())),
            (&["rm -rf -- /a", "mkdir -- /a"], "/a/b", Some(Nothing)),
            (&["rm -rf -- /a", "mkdir -p -m 00755 -- /a/b", "write /a/b/c"], "/a", Some(empty.clone())),
            (&["rm -rf -- /a", "mkdir -p -m 00755 -- /a/b", "write /a/b/c"], "/a/b", Some(empty)),
            (&["rm -rf -- /a", "mkdir -p -m 00755 -- /a/b", "write /a/b/c"], "/a/b/c", file("/a/b/c", true)),
            (&["write /a"], "/a", file("/a", false)),
            (&["rm -f -- /a", "write /a", "write /a"], "/a", file("/a", true)),
            (&["mkdir -p -- /a/b"], "/a", Some(Foretold::Directory { empty: false })),
            (&["mkdir -p -- /a/b"], "/a/b/c", None),
            (&["mkdir -- /a/b"], "/a", None),
            (&["rm -f -- /a", "ln -sfn -- /b /a"], "/a", Some(Unknown)),
            (&["rm -f -- /a", "ln -sfn -- /b /a"], "/b", None),
            (&["alter /a"], "/a/b", Some(Altered)),
            (&["alter /a", "write /a/b"], "/a/b", file("/a/b", false)),
            (&["alter /a", "mkdir -p -- /a/b"], "/a/b", Some(Altered)),
        ] {
            assert_eq!(after(lines).at(path), told, "{path} after {lines:?}");
        }
    }

    #[test]
    fn what_a_file_is_given_later_is_its_own() {
        let told = after(&["write /a", "chmod 00640 -- /a", "chown -h me:us -- /a", "chown -h you -- /a", "write /a"]);
        let Some(Foretold::File { write: file, .. }) = told.at("/a") else { panic!("{told:?}") };
        assert_eq!([file.mode, file.owner, file.group], ["0640", "you", "us"].map(|given| Some(given.to_owned())));
    }
}
