//! What a playbook declares, read from its text without running it.

use super::PlaySpec;
use serde_json::Value;
use std::collections::BTreeSet;
use stdlib::contract::{Role, Site};

/// What a playbook declares.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Its `//!` lines.
    pub docs: String,
    /// Its parameters.
    pub params: Vec<Param>,
    /// Its plays, in order.
    pub plays: Vec<PlayFound>,
    /// Host patterns written out in `on` and `hosts`.
    pub patterns: Vec<(String, Site)>,
    /// Channels written out in calls that send something.
    pub channels: Vec<(String, Site)>,
    /// Host variables written out as `host.vars.NAME`.
    pub variables: Vec<(String, Site)>,
    /// The names in `vars` of its plays; nothing where they are not all written out.
    pub vars: Option<BTreeSet<String>>,
    /// Whether all of it could be read: every import, and what each says.
    pub whole: bool,
    /// Handlers, by play and name.
    pub(crate) handlers: Vec<HandlerFound>,
    /// Every tag of a play or task.
    pub tags: Vec<String>,
}

/// A handler that a play may ask for: what a debt of an earlier run is paid with.
#[derive(Debug, Clone)]
pub(crate) struct HandlerFound {
    /// The play.
    pub play: String,
    /// The handler.
    pub name: String,
    /// How many variables its closure captures.
    pub captured: usize,
    /// The closure, without what it captures.
    pub function: rhai::FnPtr,
}

impl Survey {
    /// The closure that pays a debt: the one of that name in that play, if it still takes as many values.
    pub(crate) fn handler(&self, play: &str, name: &str, captures: &Value) -> Option<&HandlerFound> {
        let count = captures.as_array()?.len();
        self.handlers.iter().find(|h| h.play == play && h.name == name && h.captured == count)
    }
    /// Whether a debt can be paid.
    pub fn pays(&self, play: &str, handler: &str, captures: &Value) -> bool {
        self.handler(play, handler, captures).is_some()
    }
}

/// A declared parameter.
#[derive(Debug, Clone)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its default; nothing if that is not written out.
    pub default: Option<Value>,
    /// Its help.
    pub help: String,
    /// Where it stands.
    pub at: Site,
}

/// A play.
#[derive(Debug, Clone, Default)]
pub struct PlayFound {
    /// Its name; nothing if that is not written out.
    pub name: Option<String>,
    /// Its host pattern; nothing if that is not written out.
    pub pattern: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its tasks, those of functions it calls included.
    pub tasks: Vec<TaskFound>,
    /// Its options, as far as they are written out.
    pub spec: PlaySpec,
    /// The options that are not.
    pub open: Vec<String>,
    /// What it calls, in the order of the text.
    pub calls: Vec<CallFound>,
    /// Where it stands.
    pub at: Site,
}

/// A call of the standard library in a play.
#[derive(Debug, Clone)]
pub struct CallFound {
    /// What is called, such as `file::line`.
    pub operation: String,
    /// What kind of thing that is.
    pub role: Role,
    /// What it is called on; nothing if that is not written out.
    pub subject: Option<String>,
    /// What is around it.
    pub around: Around,
    /// Whether its content is withheld.
    pub secret: bool,
    /// Files of the controller that it reads, as they are written.
    pub files: Vec<String>,
    /// Where it stands.
    pub at: Site,
}

/// What is around a call.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// The innermost task; the inner one is nothing if its name is not written out.
    pub task: Option<Option<String>>,
    /// The handler it belongs to, in the same way.
    pub handler: Option<Option<String>>,
    /// The hosts it is sent to, in the same way.
    pub on: Option<Option<String>>,
    /// Whom it is done as, where a scope says so.
    pub r#become: Option<String>,
    /// Whether nothing in it is shown.
    pub no_log: bool,
    /// Whether it depends on something.
    pub sometimes: bool,
    /// Whether it is in a loop.
    pub often: bool,
}

/// A task.
#[derive(Debug, Clone)]
pub struct TaskFound {
    /// Its name; nothing if that is not written out.
    pub name: Option<String>,
    /// Its tags, those of tasks around it included.
    pub tags: Vec<String>,
    /// Where it stands.
    pub at: Site,
}
