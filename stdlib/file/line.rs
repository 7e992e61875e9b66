//! `file::line`: one line of a file.

use super::pattern;
use crate::bail;
use crate::contract::{Keepsake, Look, Operation, Result, Step};
use crate::shared::{Attributes, FileState, HostPath, Id, Keep, Many, Mode, Reading, validation};
use schemars::JsonSchema;
use serde::Deserialize;

/// Make sure a file has a line, or has it not.
///
/// With `regexp`, the last line that matches becomes `line`; if none matches, `line` is added at the end,
/// or where `after` or `before` say. Without `regexp`, the line is compared as a whole. With
/// `present: false`, every line that matches goes.
///
/// ```rhai
/// file::line("/etc/ssh/sshd_config", #{
///     regexp: #"^#?\s*PermitRootLogin\b"#,
///     line: "PermitRootLogin no",
///     validate: "sshd -t -f %s",
/// });
/// ```
/// ```transcript
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/ssh/sshd_config
/// = 644:root:root:0:0:54:1749081600:regular file
/// ? find /etc/ssh/sshd_config -maxdepth 0 -type f -exec cat '{}' ';'
/// = Port 22
/// = #PermitRootLogin prohibit-password
/// = UsePAM yes
/// ! write /etc/ssh/sshd_config validate='sshd -t -f %s'
/// + Port 22
/// + PermitRootLogin no
/// + UsePAM yes
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/ssh/sshd_config
/// = 644:root:root:0:0:38:1763666100:regular file
/// ? find /etc/ssh/sshd_config -maxdepth 0 -type f -exec cat '{}' ';'
/// = Port 22
/// = PermitRootLogin no
/// = UsePAM yes
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The file on the host; a symbolic link is followed.
    pub path: HostPath,
    /// The line. With `present: false` and a `regexp`, it may be left out.
    pub line: Option<String>,
    /// The pattern of the line that this one replaces, or of the lines to remove.
    pub regexp: Option<String>,
    /// Add it after the last line that matches this pattern; `"BOF"` is the beginning of the file,
    /// `"EOF"` the end.
    pub after: Option<String>,
    /// Add it before the last line that matches this pattern; `"BOF"` is the beginning of the file.
    pub before: Option<String>,
    /// Whether the line should be there.
    #[serde(default = "yes")]
    pub present: bool,
    /// Create the file if it is missing.
    #[serde(default)]
    pub create: bool,
    /// `line` contains groups of `regexp`, such as `\1`; if nothing matches, nothing happens.
    #[serde(default)]
    pub backrefs: bool,
    /// Take the first line that matches a pattern, not the last.
    #[serde(default)]
    pub firstmatch: bool,
    /// Permissions such as `"0644"`.
    pub mode: Option<Mode>,
    /// The owner, by name or number.
    pub owner: Option<Id>,
    /// The group, by name or number.
    pub group: Option<Id>,
    /// Keep the old content beside the file, as `PATH.DIGEST~`.
    #[serde(default)]
    pub backup: bool,
    /// A command that must accept the new content first, such as `"visudo -cf %s"`; `%s` is its path.
    pub validate: Option<Many<String>>,
    #[serde(skip)]
    keep: Keep,
}

fn yes() -> bool {
    true
}

impl Line {
    fn attributes(&self) -> Attributes<'_> {
        Attributes { mode: self.mode.as_ref(), owner: self.owner.as_ref(), group: self.group.as_ref() }
    }

    /// The text with the line, or without it.
    fn edit(&self, text: &str) -> Result<String> {
        let regexp = self.regexp.as_deref().map(|p| pattern::line("regexp", p)).transpose()?;
        let wanted = self.line.as_deref().unwrap_or_default();
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        if !self.present {
            lines.retain(|l| match &regexp {
                Some(regexp) => !regexp.is_match(bare(l)),
                None => bare(l) != wanted,
            });
            return Ok(lines.concat());
        }
        let found = |is: &dyn Fn(&str) -> bool| {
            let mut numbered = lines.iter().enumerate().filter(|(_, l)| is(bare(l))).map(|(at, _)| at);
            if self.firstmatch { numbered.next() } else { numbered.last() }
        };
        if let Some((at, regexp)) = regexp.as_ref().and_then(|r| Some((found(&|l| r.is_match(l))?, r))) {
            let new = match regexp.captures(bare(lines[at])).filter(|_| self.backrefs) {
                Some(captures) => pattern::expand(wanted, &captures)?,
                None => wanted.to_owned(),
            };
            let new = format!("{}\n", new.strip_suffix('\n').unwrap_or(&new));
            let (head, tail) = (lines[..at].concat(), lines[at + 1..].concat());
            // A last line without its newline that is right otherwise is left as it is.
            let new = if bare(&new) == lines[at] { lines[at].to_owned() } else { new };
            return Ok(head + &new + &tail);
        }
        if self.backrefs || found(&|l| l == wanted).is_some() {
            return Ok(text.to_owned());
        }
        let anchor = |parameter: &str, pattern: &Option<String>| match pattern.as_deref() {
            None | Some("BOF" | "EOF") => Ok(None),
            Some(pattern) => pattern::line(parameter, pattern).map(|r| found(&|l| r.is_match(l))),
        };
        let at = if self.before.as_deref() == Some("BOF") || self.after.as_deref() == Some("BOF") {
            0
        } else {
            let after = anchor("after", &self.after)?.map(|at| at + 1);
            after.or(anchor("before", &self.before)?).unwrap_or(lines.len())
        };
        let mut head = lines[..at].concat();
        if !head.is_empty() && !head.ends_with('\n') {
            head.push('\n');
        }
        Ok(format!("{head}{wanted}\n{}", lines[at..].concat()))
    }
}

/// A line without its end, be it Unix's or Windows's.
fn bare(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

impl Operation for Line {
    type State = FileState;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        if self.line.is_none() && (self.present || self.regexp.is_none()) {
            bail!(playbook: "file::line needs `line`"; hint: "to remove lines by pattern: regexp and present: false");
        }
        if self.line.as_ref().is_some_and(|line| line.contains('\n')) {
            bail!(playbook: "`line` has a newline in it"; hint: "file::block manages several lines");
        }
        if self.backrefs && self.regexp.is_none() {
            bail!(playbook: "`backrefs` needs a `regexp` whose groups it puts into `line`");
        }
        if self.after.is_some() && self.before.is_some() {
            bail!(playbook: "`after` and `before` both say where to add the line: give one of them");
        }
        self.edit("")?;
        let validate = self.validate.as_ref().map(validation).transpose()?;
        self.keep = Keep { backup: self.backup, validate, sensitive: false };
        Ok(())
    }

    async fn read(&self, host: &dyn Look) -> Result<FileState> {
        FileState::read(host, &self.path, self.attributes(), Reading::Text).await
    }

    fn want(&self, now: &FileState) -> Result<FileState> {
        let text = match (&now.content, self.present) {
            (Some(content), _) => content.text.as_deref().unwrap_or_default(),
            (None, false) => return Ok(now.clone()),
            (None, true) if self.create => "",
            (None, true) => bail!("{} does not exist", self.path; hint: "create: true makes it"),
        };
        let mut want = self.attributes().on(now);
        let edited = self.edit(text)?;
        if self.edit(&edited)? != edited {
            bail!(playbook: "the edit of {} does not settle: done again, it would change it again", self.path;
                hint: "make `regexp` match the line it writes, or leave `backrefs` out");
        }
        want.content = Some(FileState::text(edited));
        Ok(want)
    }

    async fn premise(&self, host: &dyn Look, now: &FileState) -> Result<()> {
        now.place(host, &self.path).await
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
        serde_json::from_value::<Line>(args).unwrap().edit(text).unwrap()
    }

    #[test]
    fn a_line_replaces_the_last_match_or_is_added() {
        let args = json!({ "regexp": "^#?Port", "line": "Port 2222" });
        assert_eq!(edit(args.clone(), "#Port 1\nPort 22\nx\n"), "#Port 1\nPort 2222\nx\n");
        assert_eq!(edit(args.clone(), "x"), "x\nPort 2222\n");
        let mut first = args;
        first["firstmatch"] = json!(true);
        assert_eq!(edit(first, "#Port 1\nPort 22\n"), "Port 2222\nPort 22\n");
        assert_eq!(edit(json!({ "line": "b" }), "a\nb"), "a\nb");
        assert_eq!(edit(json!({ "line": "b" }), ""), "b\n");
        assert_eq!(edit(json!({ "line": "b" }), "b\r\n"), "b\r\n");
    }

    #[test]
    fn it_is_added_where_it_should_be() {
        assert_eq!(edit(json!({ "line": "b", "after": "^a" }), "a1\na2\nc\n"), "a1\na2\nb\nc\n");
        assert_eq!(edit(json!({ "line": "b", "after": "^a", "firstmatch": true }), "a1\na2\n"), "a1\nb\na2\n");
        assert_eq!(edit(json!({ "line": "b", "before": "^c" }), "a\nc\n"), "a\nb\nc\n");
        assert_eq!(edit(json!({ "line": "b", "before": "BOF" }), "a\n"), "b\na\n");
        assert_eq!(edit(json!({ "line": "b", "after": "^z" }), "a\n"), "a\nb\n");
        assert_eq!(edit(json!({ "line": "b", "after": "^a" }), "a"), "a\nb\n");
    }

    #[test]
    fn groups_are_put_back_and_lines_removed() {
        let args = json!({ "regexp": r"^(\s*)x=(\d+)$", "line": r"\1x=\g<2>0", "backrefs": true });
        assert_eq!(edit(args.clone(), "  x=1\n"), "  x=10\n");
        assert_eq!(edit(args, "y\n"), "y\n");
        assert_eq!(edit(json!({ "regexp": "^a", "present": false }), "a1\nb\na2\n"), "b\n");
        assert_eq!(edit(json!({ "line": "a", "present": false }), "a\nab\n"), "ab\n");
    }
}
