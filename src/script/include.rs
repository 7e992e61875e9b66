//! `include_vars`: the variables in a file of the project.

use super::value::{from_json, throw};
use super::{Tag, site};
use rhai::{Dynamic, Engine, EvalAltResult, NativeCallContext};
use stdlib::contract::{Error, Result};

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("include_vars", |ctx: NativeCallContext, path: &str| {
        include(&ctx, path).map_err(|e| -> Box<EvalAltResult> {
            let e = if e.at.is_none() { e.at(site(&ctx)) } else { e };
            throw(e, ctx.call_position())
        })
    });
}

/// What the file says; in a play, as it is for the host: with the templates in it resolved.
fn include(ctx: &NativeCallContext, path: &str) -> Result<Dynamic> {
    let tag = Tag::of(ctx).ok_or_else(|| Error::bug("a script without a run"))?;
    let vars = tag.stage.vars_in(path)?;
    let vars = match &tag.host {
        Some(host) => host.actor.resolved(vars)?,
        None => vars,
    };
    Ok(from_json(&vars.into()))
}
