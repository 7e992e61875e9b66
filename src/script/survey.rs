//! What a playbook declares, read from its text without running it.

use serde_json::Value;
use std::collections::BTreeSet;
use stdlib::contract::Site;

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
    /// Where it stands.
    pub at: Site,
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
