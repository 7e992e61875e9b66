//! All of Rhai: the language of playbooks, from text to calls.
//!
//! A run implements [`Stage`]; this folder knows nothing of connections or journals.

mod bridge;
mod captures;
mod define;
mod engine;
mod error;
mod explain;
mod file;
mod finally;
mod include;
mod line;
mod lint;
mod needs;
mod options;
mod pause;
mod play;
mod resolve;
mod shapes;
mod stage;
mod survey;
mod value;

pub use bridge::CLOSURES;
pub use define::{KEYWORDS, definitions, word, word_options, words};
pub use engine::{Limits, Program, compile, compile_text, inspect};
pub use line::{Answered, Line, Lines, Shown};
pub use lint::{Known, check};
pub use resolve::Sources;
pub use stage::{Actor, Order, Patience, Play, PlaySpec, Scope, Serial, Stage};
pub use survey::{Around, CallFound, Param, PlayFound, Survey, TaskFound};
pub use value::{from_json, to_json};

use play::Handler;
use rhai::{FnPtr, NativeCallContext};
use std::sync::{Arc, Mutex, PoisonError};
use stdlib::contract::Site;

/// What the engine carries along with every call: the run, and the host if there is one.
#[derive(Clone)]
pub(crate) struct Tag {
    pub stage: Arc<dyn Stage>,
    pub host: Option<Arc<HostContext>>,
    /// What the playbook declares.
    pub survey: Arc<Survey>,
    /// What runs when it is over.
    pub last: finally::Last,
}

impl Tag {
    /// The tag of a call.
    pub fn of(ctx: &NativeCallContext) -> Option<Tag> {
        ctx.tag().and_then(|tag| tag.clone().try_cast::<Tag>())
    }
}

/// A host while a closure of the script runs for it.
pub(crate) struct HostContext {
    pub actor: Arc<dyn Actor>,
    handlers: Mutex<Vec<Handler>>,
    untils: Mutex<Vec<Option<FnPtr>>>,
}

impl HostContext {
    fn new(actor: Arc<dyn Actor>) -> Arc<HostContext> {
        Arc::new(HostContext { actor, handlers: Mutex::default(), untils: Mutex::default() })
    }
    /// The condition of the innermost scope that has one.
    fn until(&self) -> Option<FnPtr> {
        let untils = self.untils.lock().unwrap_or_else(PoisonError::into_inner);
        untils.iter().rev().flatten().next().cloned()
    }
}

/// Where a call stands in the user's files.
pub(crate) fn site(ctx: &NativeCallContext) -> Site {
    let pos = ctx.call_position();
    Site {
        file: ctx.call_source().unwrap_or_default().to_owned(),
        line: pos.line().unwrap_or_default(),
        column: pos.position().unwrap_or_default(),
    }
}
