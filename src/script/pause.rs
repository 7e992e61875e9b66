//! `pause`: waits for a while or for a person. In check mode for neither.

use super::engine::sleep;
use super::options::{PAUSE, flag, known, text};
use super::value::throw;
use super::{Tag, site};
use rhai::{Engine, EvalAltResult, Map, NativeCallContext};
use std::time::Duration;
use stdlib::contract::{Error, Result};
use stdlib::shared::Span;

type Rhai<T> = std::result::Result<T, Box<EvalAltResult>>;

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("pause", |ctx: NativeCallContext, seconds: i64| {
        wait(&ctx, Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
    });
    engine.register_fn("pause", |ctx: NativeCallContext, seconds: f64| {
        wait(&ctx, Duration::try_from_secs_f64(seconds).unwrap_or_default())
    });
    engine.register_fn("pause", |ctx: NativeCallContext, span: &str| {
        let span = Span::parse(span).map_err(|e| {
            let error = Error::playbook(format!("pause(): {e}"));
            throw(error.hint("to ask something: pause(#{ prompt: \"...\" })").at(site(&ctx)), ctx.call_position())
        })?;
        wait(&ctx, span.0)
    });
    engine.register_fn("pause", |ctx: NativeCallContext, options: Map| -> Rhai<String> {
        ask(&ctx, &options).map_err(|e| throw(e.at(site(&ctx)), ctx.call_position()))
    });
}

fn wait(ctx: &NativeCallContext, span: Duration) -> Rhai<()> {
    if Tag::of(ctx).is_some_and(|tag| tag.stage.checks()) {
        return Ok(());
    }
    sleep(ctx, span)
}

/// What the person types; in check mode, nothing.
fn ask(ctx: &NativeCallContext, options: &Map) -> Result<String> {
    known("pause", options, PAUSE)?;
    let prompt = text(options, "pause", "prompt")?.unwrap_or_else(|| "Press enter to continue".into());
    let echo = flag(options, "pause", "echo")?.unwrap_or(true);
    let tag = Tag::of(ctx).ok_or_else(|| Error::bug("a script without a run"))?;
    if tag.stage.checks() {
        tag.stage.print(tag.host.as_ref().map(|host| host.actor.host()), &format!("it would ask: {prompt}"));
        return Ok(String::new());
    }
    match &tag.host {
        Some(host) => host.actor.inquire(&prompt, echo, &site(ctx)),
        None => tag.stage.inquire(&prompt, echo),
    }
}
