//! `file::block`: several lines between two marks.

use super::pattern;
use crate::bail;
use crate::contract::{Keepsake, Look, Operation, Result, Step};
use crate::shared::{Attributes, FileState, HostPath, Id, Keep, Many, Mode, Reading, validation};
use schemars::JsonSchema;
use serde::Deserialize;

/// Make sure a file has a block of lines between two marks, or has it not.
///
/// The marks are lines that say whose the block is; blocks of the same file need a different `marker`
/// each. An empty block, or `present: false`, takes it away together with its marks.
///
/// ```rhai
/// file::block("/etc/hosts", #{ block: "10.0.0.2 nas\n10.0.0.3 pi1", marker: "# {mark} homelab" });
/// ```
/// ```transcript
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/hosts
/// = 644:root:root:0:0:20:1749081600:regular file
/// ? find /etc/hosts -maxdepth 0 -type f -exec cat '{}' ';'
/// = 127.0.0.1 localhost
/// ! write /etc/hosts
/// + 127.0.0.1 localhost
/// + # BEGIN homelab
/// + 10.0.0.2 nas
/// + 10.0.0.3 pi1
/// + # END homelab
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/hosts
/// = 644:root:root:0:0:76:1763666100:regular file
/// ? find /etc/hosts -maxdepth 0 -type f -exec cat '{}' ';'
/// = 127.0.0.1 localhost
/// = # BEGIN homelab
/// = 10.0.0.2 nas
/// = 10.0.0.3 pi1
/// = # END homelab
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// The file on the host; a symbolic link is followed.
    pub path: HostPath,
    /// The lines.
    #[serde(default)]
    pub block: String,
    /// The line before and after the block; `{mark}` becomes `BEGIN` and `END`. By default it is Ansible's own,
    /// `# {mark} ANSIBLE MANAGED BLOCK`, so that blocks which Ansible made are found.
    #[serde(default = "marker")]
    pub marker: String,
    /// Add a new block after the last line that matches this pattern; `"BOF"` is the beginning of the
    /// file, `"EOF"` the end.
    pub after: Option<String>,
    /// Add a new block before the last line that matches this pattern; `"BOF"` is the beginning of the
    /// file.
    pub before: Option<String>,
    /// Whether the block should be there.
    #[serde(default = "yes")]
    pub present: bool,
    /// Create the file if it is missing.
    #[serde(default)]
    pub create: bool,
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

fn marker() -> String {
    "# {mark} ANSIBLE MANAGED BLOCK".to_owned()
}

fn yes() -> bool {
    true
}

impl Block {
    fn attributes(&self) -> Attributes<'_> {
        Attributes { mode: self.mode.as_ref(), owner: self.owner.as_ref(), group: self.group.as_ref() }
    }

    /// The text with the block, or without it.
    fn edit(&self, text: &str) -> Result<String> {
        let (begin, end) = (self.marker.replace("{mark}", "BEGIN"), self.marker.replace("{mark}", "END"));
        let mut lines: Vec<&str> = text.lines().collect();
        let at = |lines: &[&str], mark: &str| lines.iter().rposition(|line| line.trim_end_matches('\r') == mark);
        let place = match (at(&lines, &begin), at(&lines, &end)) {
            (Some(first), Some(last)) => {
                let (first, last) = (first.min(last), first.max(last));
                lines.drain(first..=last);
                Some(first)
            }
            (Some(_), None) | (None, Some(_)) => {
                bail!("{} has one of the marks of the block without the other", self.path;
                    hint: "take the line `{}` or `{}` out by hand: nobody can know how far the block goes", begin, end)
            }
            (None, None) => None,
        };
        let block = self.block.strip_suffix('\n').unwrap_or(&self.block);
        if !self.present || block.is_empty() {
            return Ok(match place {
                Some(_) => lines.iter().map(|line| format!("{line}\n")).collect(),
                None => text.to_owned(),
            });
        }
        let anchor = |parameter: &str, pattern: &Option<String>| match pattern.as_deref() {
            None | Some("EOF") => Ok(None),
            Some("BOF") => Ok(Some(0)),
            Some(pattern) => {
                let past = usize::from(parameter == "after");
                pattern::line(parameter, pattern).map(|r| lines.iter().rposition(|l| r.is_match(l)).map(|i| i + past))
            }
        };
        let place = match place {
            Some(place) => place,
            None => anchor("after", &self.after)?.or(anchor("before", &self.before)?).unwrap_or(lines.len()),
        };
        lines.splice(place..place, [begin.as_str(), block, end.as_str()]);
        Ok(lines.iter().map(|line| format!("{line}\n")).collect())
    }
}

impl Operation for Block {
    type State = FileState;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        if !self.marker.contains("{mark}") || self.marker.contains('\n') {
            bail!(playbook: "`marker` is one line with {{mark}} in it, which becomes BEGIN and END");
        }
        if self.after.is_some() && self.before.is_some() {
            bail!(playbook: "`after` and `before` both say where to add the block: give one of them");
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
        want.content = Some(FileState::text(self.edit(text)?));
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

    fn edit(args: Value, text: &str) -> Result<String> {
        let mut args = args;
        args["path"] = json!("/x");
        args["marker"] = json!("# {mark} x");
        serde_json::from_value::<Block>(args).unwrap().edit(text)
    }

    #[test]
    fn a_block_is_added_replaced_and_removed() {
        let with = "a\n# BEGIN x\n1\n2\n# END x\nb\n";
        assert_eq!(edit(json!({ "block": "1\n2\n", "after": "^a" }), "a\nb\n").unwrap(), with);
        assert_eq!(edit(json!({ "block": "1\n2", "before": "^b" }), "a\nb").unwrap(), with);
        assert_eq!(edit(json!({ "block": "1\n2" }), with).unwrap(), with);
        assert_eq!(edit(json!({ "block": "3" }), with).unwrap(), "a\n# BEGIN x\n3\n# END x\nb\n");
        assert_eq!(edit(json!({ "present": false }), with).unwrap(), "a\nb\n");
        assert_eq!(edit(json!({ "block": "" }), "a").unwrap(), "a");
        assert_eq!(edit(json!({ "block": "1", "after": "BOF" }), "a\n").unwrap(), "# BEGIN x\n1\n# END x\na\n");
        assert!(edit(json!({ "block": "1" }), "# BEGIN x\n1\n").is_err());
    }
}
