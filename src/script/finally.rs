//! `finally`: closures that run when the playbook is over, however it ended.

use super::play::call_with;
use super::value::{Rhai, from_json, throw, unshared_fn};
use super::{Stage, Tag, site};
use rhai::{Engine, FnPtr, GlobalRuntimeState, NativeCallContext, Position};
use std::sync::{Arc, Mutex, PoisonError};
use stdlib::contract::Error;

/// The closures that wait for the end.
#[derive(Clone, Default)]
pub(crate) struct Last(Arc<Mutex<Vec<(FnPtr, GlobalRuntimeState)>>>);

impl Last {
    /// Run what waits, in the order in which it was asked for. A run that was interrupted does nothing more.
    pub fn run(&self, engine: &Engine, stage: &Arc<dyn Stage>, error: Option<&Error>) -> Rhai<()> {
        loop {
            let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.is_empty() || stage.interrupted() {
                return Ok(());
            }
            let (body, global) = waiting.remove(0);
            drop(waiting);
            let ctx = NativeCallContext::new_with_all_fields(engine, "finally", None, &global, Position::NONE);
            call_with(&ctx, &body, from_json(&stage.summary(error))).map(drop)?;
        }
    }
}

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("finally", |ctx: NativeCallContext, body: FnPtr| -> Rhai<()> {
        let wrong = |error: Error| throw(error.at(site(&ctx)), ctx.call_position());
        let tag = Tag::of(&ctx).ok_or_else(|| wrong(Error::bug("a script without a run")))?;
        if tag.host.is_some() {
            return Err(wrong(
                Error::playbook("finally() is for the whole playbook: it cannot be inside a play")
                    .hint("what a host needs at the end of its play is defer(\"name\", || ...)"),
            ));
        }
        let mut last = tag.last.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.push((unshared_fn(&body), ctx.global_runtime_state().clone()));
        Ok(())
    });
}
