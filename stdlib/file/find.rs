//! `file::find`.

use super::listing;
use crate::bail;
use crate::contract::{Command, Fact, Look, Result};
use crate::shared::stat::{Kind, Stat};
use crate::shared::{HostPath, Many, Span};
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileType {
    /// Regular files.
    #[default]
    File,
    /// Directories.
    Directory,
    /// Symbolic links.
    Link,
    /// Whatever it is.
    Any,
}

/// Ask which files are below directories.
///
/// The answer is a list, sorted by path; each has `path`, `size`, `mode`, `owner`, `group`, `mtime` (seconds since
/// 1970) and `kind`. A directory that does not exist has nothing below it.
///
/// ```rhai
/// file::find("/var/backups", #{ patterns: "*.tar.gz", age: "30d" });
/// ```
/// ```transcript
/// ? find /var/backups/. -mindepth 1 -maxdepth 1 -type f '!' -name '.*' '(' -name '*.tar.gz' ')' -mmin +43200 -exec env LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F:%n '{}' +
/// = 644:root:root:0:0:9:1749081600:regular file:/var/backups/./old one.tar.gz
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Find {
    /// The directory to look in, or several.
    pub paths: Many<HostPath>,
    /// Shell patterns for names, such as `"*.log"`; with `use_regex`, regular expressions for whole names.
    #[serde(default)]
    pub patterns: Many<String>,
    /// Leave out names like these.
    #[serde(default)]
    pub excludes: Many<String>,
    /// The patterns are regular expressions.
    #[serde(default)]
    pub use_regex: bool,
    /// `"file"`, `"directory"`, `"link"` or `"any"`.
    #[serde(default)]
    pub file_type: FileType,
    /// Look into directories below, too.
    #[serde(default)]
    pub recurse: bool,
    /// How many directories deep to look, with `recurse`.
    pub depth: Option<u32>,
    /// Find names that begin with a dot, too.
    #[serde(default)]
    pub hidden: bool,
    /// Last written at least so long ago, such as `"30d"`; with a minus in front, at most.
    pub age: Option<String>,
    /// At least so large, such as `"10m"` (k, m, g, t); with a minus in front, at most.
    pub size: Option<String>,
    /// Files with a line that matches this extended regular expression (`grep -E`).
    pub contains: Option<String>,
}

/// Something found.
#[derive(Debug, Serialize)]
pub struct Found {
    path: String,
    kind: Kind,
    size: u64,
    mode: String,
    owner: String,
    group: String,
    mtime: i64,
}

impl Find {
    fn command(&self, root: &str) -> Result<Command> {
        let mut find = Command::new("find").args([&format!("{root}/."), "-mindepth", "1"]);
        match (self.recurse, self.depth) {
            (false, _) => find = find.args(["-maxdepth", "1"]),
            (true, Some(depth)) => find = find.args(["-maxdepth", &depth.to_string()]),
            (true, None) => {}
        }
        let kind = match self.file_type {
            FileType::File => Some("f"),
            FileType::Directory => Some("d"),
            FileType::Link => Some("l"),
            FileType::Any => None,
        };
        if let Some(kind) = kind {
            find = find.args(["-type", kind]);
        }
        if !self.hidden {
            find = find.args(["!", "-name", ".*"]);
        }
        if !self.use_regex {
            let any = |find: Command, patterns: &[String]| {
                let words = patterns.iter().enumerate().flat_map(|(at, pattern)| {
                    let or = (at > 0).then(|| "-o".to_owned());
                    or.into_iter().chain(["-name".to_owned(), pattern.clone()])
                });
                find.arg("(").args(words.collect::<Vec<_>>()).arg(")")
            };
            if !self.patterns.as_slice().is_empty() {
                find = any(find, self.patterns.as_slice());
            }
            if !self.excludes.as_slice().is_empty() {
                find = any(find.arg("!"), self.excludes.as_slice());
            }
        }
        if let Some(age) = &self.age {
            let (sign, span) = age.strip_prefix('-').map_or(("+", age.as_str()), |rest| ("-", rest));
            let Ok(span) = Span::parse(span) else {
                bail!(playbook: "`age` is a span such as \"30d\" or \"-2h\", not `{age}`")
            };
            find = find.args(["-mmin", &format!("{sign}{}", span.0.as_secs() / 60)]);
        }
        if let Some(size) = &self.size {
            let (most, bytes) = (size.starts_with('-'), bytes(size.trim_start_matches('-')));
            let Some(bytes) = bytes else {
                bail!(playbook: "`size` is a number of bytes with k, m, g or t, not `{size}`")
            };
            // `+` and `-` are strict.
            let limit = if most { format!("-{}c", bytes + 1) } else { format!("+{}c", bytes.saturating_sub(1)) };
            if most || bytes > 0 {
                find = find.args(["-size", &limit]);
            }
        }
        if let Some(regex) = &self.contains {
            find = find.args(["-exec", "grep", "-Eqse", regex, "{}", ";"]);
        }
        let format = format!("{}:%n", crate::shared::stat::FORMAT);
        Ok(find.args(["-exec", "env", "LC_ALL=C", "stat", "-c", &format, "{}", "+"]))
    }

    fn regexes(&self, parameter: &str, patterns: &[String]) -> Result<Vec<Regex>> {
        let patterns = patterns.iter().filter(|_| self.use_regex);
        patterns.map(|pattern| super::pattern::line(parameter, &format!("^(?:{pattern})$"))).collect()
    }
}

fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

impl Fact for Find {
    type Answer = Vec<Found>;

    async fn ask(&self, host: &dyn Look) -> Result<Vec<Found>> {
        let patterns = self.regexes("patterns", self.patterns.as_slice())?;
        let excludes = self.regexes("excludes", self.excludes.as_slice())?;
        let mut all = Vec::new();
        for root in self.paths.as_slice() {
            let output = host.run(&self.command(root)?).await?;
            for (below, Stat { kind, size, mode, owner, group, mtime, .. }) in listing::stats(root, &output)? {
                let name = below.rsplit('/').next().unwrap_or_default();
                let chosen = patterns.is_empty() || patterns.iter().any(|pattern| pattern.is_match(name));
                if chosen && !excludes.iter().any(|pattern| pattern.is_match(name)) {
                    let (path, mode) = (root.join(&below), format!("{mode:04o}"));
                    all.push(Found { path, kind, size, mode, owner, group, mtime });
                }
            }
        }
        all.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        let sizes = ["10", "2k", "1M", "3x", "k"].map(bytes);
        assert_eq!(sizes, [Some(10), Some(2048), Some(1 << 20), None, None]);
    }
}
