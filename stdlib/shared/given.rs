//! A content as playbooks give it: the text itself, a file, or a template.

use crate::bail;
use crate::contract::{Asset, Content, Look, Result, Source};
use serde_json::Value;
use std::collections::BTreeMap;

/// The parameters that say what a file contains; at most one of the first three is given.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The content itself.
    pub content: &'a Option<String>,
    /// The file on the controller that has it.
    pub src: &'a Option<String>,
    /// The Jinja template on the controller that makes it.
    pub template: &'a Option<String>,
    /// Variables for the template.
    pub vars: &'a BTreeMap<String, Value>,
}

/// A wanted content and where it comes from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it is.
    pub content: Content,
    /// What to write; nothing for a file that lies on the host already.
    pub source: Option<Source>,
}

impl Loaded {
    /// A text at hand.
    pub fn text(text: String) -> Loaded {
        Loaded { content: Content::of(text.as_bytes()), source: Some(Source::Text(text)) }
    }
}

impl Given<'_> {
    /// The content, if one is given. `path` is for whom it is.
    pub async fn load(&self, host: &dyn Look, path: &str) -> Result<Option<Loaded>> {
        let given = [("content", self.content), ("src", self.src), ("template", self.template)];
        let given: Vec<&str> = given.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| *name).collect();
        if let [first, second, ..] = given[..] {
            bail!(playbook: "`{first}` and `{second}` both say what {path} contains: give one of them");
        }
        if !self.vars.is_empty() && self.template.is_none() {
            bail!(playbook: "`vars` are for a `template`, and there is none");
        }
        if let Some(text) = self.content {
            return Ok(Some(Loaded::text(text.clone())));
        }
        if let Some(name) = self.template {
            let asset = asset(host, name, "template").await?;
            let Some(Ok(template)) = asset.content.map(String::from_utf8) else {
                bail!(playbook: "the template `{name}` is no UTF-8 text of up to 1 MiB");
            };
            return Ok(Some(Loaded::text(host.render(name, &template, self.vars).await?)));
        }
        let Some(name) = self.src else { return Ok(None) };
        let asset = asset(host, name, "file").await?;
        let content = match &asset.content {
            Some(bytes) => Content::of(bytes),
            None => Content { sha256: asset.sha256, size: asset.size, text: None },
        };
        Ok(Some(Loaded { content, source: Some(Source::Asset(name.clone())) }))
    }
}

/// A file on the controller that must be there.
async fn asset(host: &dyn Look, name: &str, what: &str) -> Result<Asset> {
    match host.asset(name).await? {
        Some(asset) if asset.directory => {
            bail!(playbook: "`{name}` is a directory"; hint: "file::tree(dest, #{{ src: \"{name}\" }}) copies one")
        }
        Some(asset) => Ok(asset),
        None => bail!(playbook: "no {what} `{name}` on the controller";
            hint: "it is looked for beside the playbook, in its `files` and `templates`, and in the project"),
    }
}
