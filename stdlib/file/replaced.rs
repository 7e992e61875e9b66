//! `file::replaced`: every match of a pattern.

use super::pattern;
use crate::bail;
use crate::contract::{Keepsake, Look, Operation, Result, Step};
use crate::shared::{Attributes, FileState, HostPath, Id, Keep, Many, Mode, Reading, validation};
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Range;

/// Make sure no match of a pattern is left in a file: each becomes the replacement.
///
/// `^` and `$` match at every line. `after` and `before` limit it to a part of the file; if they do not
/// match, nothing is replaced.
///
/// ```rhai
/// file::replaced("/etc/nginx/nginx.conf", #{
///     regexp: #"^(\s*)worker_connections \d+;"#,
///     replacement: #"\1worker_connections 4096;"#,
/// });
/// ```
/// ```transcript
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/nginx/nginx.conf
/// = 644:root:root:0:0:37:1749081600:regular file
/// ? find /etc/nginx/nginx.conf -maxdepth 0 -type f -exec cat '{}' ';'
/// = events {
/// =   worker_connections 768;
/// = }
/// ! write /etc/nginx/nginx.conf
/// + events {
/// +   worker_connections 4096;
/// + }
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/nginx/nginx.conf
/// = 644:root:root:0:0:38:1763666100:regular file
/// ? find /etc/nginx/nginx.conf -maxdepth 0 -type f -exec cat '{}' ';'
/// = events {
/// =   worker_connections 4096;
/// = }
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replaced {
    /// The file on the host; a symbolic link is followed.
    pub path: HostPath,
    /// The pattern.
    pub regexp: String,
    /// What every match becomes; `\1` and `\g<name>` are groups of the pattern. Without it, matches go.
    #[serde(default)]
    pub replacement: String,
    /// Replace only what comes after the first match of this pattern, where `.` matches newlines too.
    pub after: Option<String>,
    /// Replace only what comes before the first match of this pattern, where `.` matches newlines too.
    pub before: Option<String>,
    /// Permissions such as `"0644"`.
    pub mode: Option<Mode>,
    /// The owner, by name or number.
    pub owner: Option<Id>,
    /// The group, by name or number.
    pub group: Option<Id>,
    /// Keep the old content beside the file, as `PATH.DIGEST~`.
    #[serde(default)]
    pub backup: bool,
    /// A command that must accept the new content first, such as `"nginx -tc %s"`; `%s` is its path.
    pub validate: Option<Many<String>>,
    #[serde(skip)]
    keep: Keep,
}

impl Replaced {
    fn attributes(&self) -> Attributes<'_> {
        Attributes { mode: self.mode.as_ref(), owner: self.owner.as_ref(), group: self.group.as_ref() }
    }

    /// The part of the text in which matches are replaced.
    fn part(&self, text: &str) -> Result<Option<Range<usize>>> {
        let first = |parameter: &str, pattern: &str, from: usize| {
            let pattern = pattern::section(parameter, pattern)?;
            Ok(pattern.find_at(text, from).map(|found| found.range()))
        };
        let start = match &self.after {
            None => Some(0),
            Some(after) => first("after", after, 0)?.map(|found| found.end),
        };
        let Some(start) = start else { return Ok(None) };
        let end = match &self.before {
            None => Some(text.len()),
            Some(before) => first("before", before, start)?.map(|found| found.start),
        };
        Ok(end.map(|end| start..end))
    }

    fn edit(&self, text: &str) -> Result<String> {
        let regexp = pattern::lines("regexp", &self.regexp)?;
        let Some(part) = self.part(text)? else { return Ok(text.to_owned()) };
        let mut out = text[..part.start].to_owned();
        let mut done = part.start;
        for captures in regexp.captures_iter(&text[part.clone()]) {
            let Some(found) = captures.get(0) else { continue };
            out.push_str(&text[done..part.start + found.start()]);
            out.push_str(&pattern::expand(&self.replacement, &captures)?);
            done = part.start + found.end();
        }
        out.push_str(&text[done..]);
        Ok(out)
    }
}

impl Operation for Replaced {
    type State = FileState;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        self.edit("")?;
        let validate = self.validate.as_ref().map(validation).transpose()?;
        self.keep = Keep { backup: self.backup, validate, sensitive: false };
        Ok(())
    }

    async fn read(&self, host: &dyn Look) -> Result<FileState> {
        FileState::read(host, &self.path, self.attributes(), Reading::Text).await
    }

    fn want(&self, now: &FileState) -> Result<FileState> {
        let Some(content) = &now.content else { bail!("{} does not exist", self.path) };
        let edited = self.edit(content.text.as_deref().unwrap_or_default())?;
        if self.edit(&edited)? != edited {
            bail!(playbook: "the edit of {} does not settle: done again, it would change it again", self.path;
                hint: "make `regexp` not match what `replacement` writes, or match it whole");
        }
        let mut want = self.attributes().on(now);
        want.content = Some(FileState::text(edited));
        Ok(want)
    }

    fn steps(&self, now: &FileState, want: &FileState) -> Result<Vec<Step>> {
        now.steps(&self.path, want, None, &self.keep)
    }

    fn keeps(&self, now: &FileState, want: &FileState) -> Vec<Keepsake> {
        now.keeps(&self.path, want)
    }

    async fn recall(&mut self, _host: &dyn Look, before: FileState, _after: &FileState) -> Result<FileState> {
        self.keep = Keep::default();
        Ok(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn edit(args: Value, text: &str) -> String {
        let mut args = args;
        args["path"] = json!("/x");
        serde_json::from_value::<Replaced>(args).unwrap().edit(text).unwrap()
    }

    #[test]
    fn every_match_of_the_part_is_replaced() {
        assert_eq!(edit(json!({ "regexp": "^a$", "replacement": "b" }), "a\nxa\na\n"), "b\nxa\nb\n");
        assert_eq!(edit(json!({ "regexp": r"(\w+)=", "replacement": r"\1: $1" }), "k=v"), "k: $1v");
        let args = json!({ "regexp": "x", "replacement": "y", "after": r"\[b\]", "before": r"\[c\]" });
        assert_eq!(edit(args.clone(), "[a]\nx\n[b]\nx\n[c]\nx\n"), "[a]\nx\n[b]\ny\n[c]\nx\n");
        assert_eq!(edit(args, "[b]\nx\n"), "[b]\nx\n");
        assert_eq!(edit(json!({ "regexp": "^x\n" }), "x\ny\n"), "y\n");
    }
}
