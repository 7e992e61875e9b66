//! The files that say what is loaded at boot, with which parameters, and what is not.

use crate::contract::{Command, Look, Result, Source, Step, Write};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The name of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleName(String);

impl ModuleName {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// As the kernel has it.
    pub fn underscored(&self) -> String {
        self.0.replace('-', "_")
    }
    /// Either way, for `grep`.
    pub fn pattern(&self) -> String {
        self.underscored().replace('_', "[-_]")
    }
    fn is(&self, other: &str) -> bool {
        self.underscored() == other.replace('-', "_")
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ModuleName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ModuleName, D::Error> {
        let name = String::deserialize(deserializer)?;
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        if plain && name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Ok(ModuleName(name));
        }
        Err(de::Error::custom(format!("`{name}` is no module, such as \"br_netfilter\"")))
    }
}

impl JsonSchema for ModuleName {
    fn schema_name() -> Cow<'static, str> {
        "ModuleName".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// Lines, by the file that they are in.
pub type Lines = BTreeMap<String, Vec<String>>;

/// All lines of all files.
#[derive(Debug, Clone, Default)]
pub struct Files {
    lines: Lines,
    /// What else there is to say of each file.
    rest: BTreeMap<String, Rest>,
}

/// What lines do not say of a file.
#[derive(Debug, Clone, Default)]
struct Rest {
    /// `MODE:UID:GID`
    attributes: String,
    /// Its last line does not end.
    open: bool,
}

/// A file as it was, to the byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whole {
    text: String,
    /// `MODE:UID:GID`
    attributes: String,
}

/// Files as they were, by path.
pub type Wholes = BTreeMap<String, Whole>;

const LOAD: &str = "/etc/modules-load.d/";
const CONFIGURE: &str = "/etc/modprobe.d/";
const READ: &str = r#"set -- /etc/modules /etc/modules-load.d/*.conf /etc/modprobe.d/*.conf; grep -sH "" "$@"; for f; do [ -f "$f" ] || continue; stat -L -c "file %a:%u:%g:%n" "$f"; [ -z "$(tail -c 1 "$f")" ] || echo "open $f"; done"#;
const GIST: &str = "grep, stat of /etc/modules, /etc/modules-load.d/*.conf, /etc/modprobe.d/*.conf";

/// The file that loads a module.
pub fn load_file(name: &ModuleName) -> String {
    format!("{LOAD}{name}.conf")
}

/// The file that keeps it from being loaded.
pub fn blacklist_file(name: &ModuleName) -> String {
    format!("{CONFIGURE}blacklist-{name}.conf")
}

/// The lines with a module's parameters: those there are, if they say the same, or new ones.
pub fn options(name: &ModuleName, params: &[&str], now: Lines) -> Lines {
    let said: BTreeSet<&str> = now.values().flatten().flat_map(|line| line.split_whitespace().skip(2)).collect();
    if said == params.iter().copied().collect() {
        return now;
    }
    let lines = params.iter().map(|param| format!("options {name} {param}")).collect();
    BTreeMap::from([(format!("{CONFIGURE}{name}.conf"), lines)])
}

impl Files {
    /// Reads them in one command.
    pub async fn read(host: &dyn Look) -> Result<Files> {
        let mut files = Files::default();
        for line in host.expect(&Command::gist(GIST, READ)).await?.lines() {
            if let Some(path) = line.strip_prefix("open ") {
                files.rest.entry(path.to_owned()).or_default().open = true;
            } else if let Some(said) = line.strip_prefix("file ") {
                let mut words = said.splitn(4, ':');
                let attributes = words.by_ref().take(3).collect::<Vec<_>>().join(":");
                files.rest.entry(words.next().unwrap_or_default().to_owned()).or_default().attributes = attributes;
            } else if let Some((path, line)) = line.split_once(':') {
                files.lines.entry(path.to_owned()).or_default().push(line.to_owned());
            }
        }
        Ok(files)
    }

    /// These files as they are, to the byte; those that are not there are left out.
    pub fn wholes<'a>(&self, paths: impl Iterator<Item = &'a String>) -> Wholes {
        let whole = |path: &String| {
            let rest = self.rest.get(path)?;
            let mut text: String = self.lines.get(path).into_iter().flatten().map(|line| format!("{line}\n")).collect();
            if rest.open {
                text.pop();
            }
            Some((path.clone(), Whole { text, attributes: rest.attributes.clone() }))
        };
        paths.filter_map(whole).collect()
    }

    /// Files with nothing but these lines.
    #[cfg(test)]
    pub fn of(lines: &Lines) -> Files {
        Files { lines: lines.clone(), ..Files::default() }
    }

    fn lines(&self, about: impl Fn(&str, &[&str]) -> bool) -> Lines {
        let chosen = |path: &str, line: &str| {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            about(path, &line.split_whitespace().collect::<Vec<_>>())
        };
        let of = |(path, lines): (&String, &Vec<String>)| {
            let lines: Vec<String> = lines.iter().filter(|line| chosen(path, line)).cloned().collect();
            (!lines.is_empty()).then(|| (path.clone(), lines))
        };
        self.lines.iter().filter_map(of).collect()
    }
    /// The lines that load a module at boot.
    pub fn loading(&self, name: &ModuleName) -> Lines {
        self.lines(|path, words| !path.starts_with(CONFIGURE) && words.first().is_some_and(|word| name.is(word)))
    }
    /// The lines with its parameters.
    pub fn options(&self, name: &ModuleName) -> Lines {
        self.about("options", name)
    }
    /// The lines that keep it from being loaded.
    pub fn blacklisting(&self, name: &ModuleName) -> Lines {
        self.about("blacklist", name)
    }
    fn about(&self, verb: &str, name: &ModuleName) -> Lines {
        self.lines(|path, words| {
            path.starts_with(CONFIGURE)
                && words.first() == Some(&verb)
                && words.get(1).is_some_and(|word| name.is(word))
        })
    }

    /// The steps from some lines to others. New lines stand where the first of the old ones stood, or at the end;
    /// a file of ours goes when nothing is left in it. A file that is still as the change that is taken back has left it
    /// becomes what it was before, to the byte.
    pub fn steps(&self, now: &Lines, want: &Lines, back: Option<&(Wholes, Wholes)>) -> Vec<Step> {
        let paths: BTreeSet<&String> = now.keys().chain(want.keys()).collect();
        let none = Vec::new();
        let changed = paths.into_iter().filter(|path| now.get(*path) != want.get(*path));
        let step = |path: &String| {
            if let Some((before, after)) = back
                && self.wholes(std::iter::once(path)).get(path) == after.get(path)
            {
                return match before.get(path) {
                    Some(whole) => whole.written(path),
                    None => Command::new("rm").args(["-f", "--", path]).into(),
                };
            }
            let (old, new) = (now.get(path).unwrap_or(&none), want.get(path).unwrap_or(&none));
            let all = self.lines.get(path).unwrap_or(&none);
            let place = all.iter().position(|line| old.contains(line)).unwrap_or(all.len());
            let mut lines: Vec<&String> = all.iter().filter(|line| !old.contains(line)).collect();
            let place = place.min(lines.len());
            lines.splice(place..place, new);
            if lines.is_empty() && (path.starts_with(LOAD) || path.starts_with(CONFIGURE)) {
                return Command::new("rm").args(["-f", "--", path]).into();
            }
            let text = lines.iter().map(|line| format!("{line}\n")).collect();
            Step::Write(Write::new(path.clone(), Source::Text(text)))
        };
        changed.map(step).collect()
    }
}

impl Whole {
    fn written(&self, path: &str) -> Step {
        let mut words = self.attributes.split(':').map(str::to_owned);
        Step::Write(Write {
            mode: words.next().map(|mode| format!("{mode:0>4}")),
            owner: words.next(),
            group: words.next(),
            ..Write::new(path, Source::Text(self.text.clone()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::replay::written;

    fn files() -> Files {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        let lines = BTreeMap::from([
            ("/etc/modules".to_owned(), lines(&["# mine", "br-netfilter # bridges", "loop"])),
            ("/etc/modules-load.d/dummy.conf".to_owned(), lines(&["dummy"])),
            ("/etc/modprobe.d/a.conf".to_owned(), lines(&["options dummy numdummies=2", "blacklist dummy"])),
        ]);
        Files::of(&lines)
    }

    fn name(name: &str) -> ModuleName {
        ModuleName(name.to_owned())
    }

    #[test]
    fn lines_about_a_module_are_found_however_it_is_written() {
        assert_eq!(files().loading(&name("br_netfilter"))["/etc/modules"], ["br-netfilter # bridges"]);
        assert_eq!(files().loading(&name("netfilter")), Lines::new());
        assert_eq!(files().options(&name("dummy"))["/etc/modprobe.d/a.conf"], ["options dummy numdummies=2"]);
        assert_eq!(files().blacklisting(&name("dummy"))["/etc/modprobe.d/a.conf"], ["blacklist dummy"]);
    }

    #[test]
    fn a_file_comes_back_to_the_byte_unless_somebody_has_changed_it_since() {
        let path = "/etc/modprobe.d/a.conf".to_owned();
        let whole = |text: &str| Whole { text: text.to_owned(), attributes: "600:0:7".to_owned() };
        let mut now = files();
        now.rest.insert(path.clone(), Rest { attributes: "600:0:7".to_owned(), open: false });
        let before = BTreeMap::from([(path.clone(), whole("# mine\n\noptions dummy x=1 # why"))]);
        let after = now.wholes(std::iter::once(&path));
        let (is, was) =
            (now.options(&name("dummy")), BTreeMap::from([(path.clone(), vec!["options dummy x=1 # why".to_owned()])]));
        let steps = now.steps(&is, &was, Some(&(before.clone(), after.clone())));
        assert_eq!(steps[0].line(), "write /etc/modprobe.d/a.conf mode=0600 owner=0 group=7");
        assert_eq!(written(&steps[0]), ["# mine", "", "options dummy x=1 # why"]);
        now.lines.get_mut(&path).unwrap().push("blacklist other".to_owned());
        let steps = now.steps(&is, &was, Some(&(before, after)));
        assert_eq!(written(&steps[0]), ["options dummy x=1 # why", "blacklist dummy", "blacklist other"]);
    }

    #[test]
    fn lines_come_and_go_and_the_rest_of_a_file_stays() {
        let steps = |now: &Lines, want: &Lines| -> Vec<String> {
            let steps = files().steps(now, want, None);
            steps.iter().map(|step| format!("{} {:?}", step.line(), written(step))).collect()
        };
        let (none, bridges) = (Lines::new(), files().loading(&name("br_netfilter")));
        assert_eq!(steps(&bridges, &none), [r##"write /etc/modules ["# mine", "loop"]"##]);
        assert_eq!(steps(&files().loading(&name("dummy")), &none), ["rm -f -- /etc/modules-load.d/dummy.conf []"]);
        let now = files().options(&name("dummy"));
        assert_eq!(options(&name("dummy"), &["numdummies=2"], now.clone()), now);
        let want = options(&name("dummy"), &["a=1", "b=2"], now.clone());
        assert_eq!(
            steps(&now, &want),
            [
                r#"write /etc/modprobe.d/a.conf ["blacklist dummy"]"#,
                r#"write /etc/modprobe.d/dummy.conf ["options dummy a=1", "options dummy b=2"]"#
            ]
        );
    }
}
