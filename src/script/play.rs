//! Plays: a closure of the script on many hosts at once, and the words that structure what it does there.

use super::options::{TASK, WITHIN, known, scope, spec, strings};
use super::stage::{Play, PlaySpec, Scope, Stage};
use super::value::{HostValue, Rhai, from_json, throw, to_json, unshared, unshared_fn};
use super::{HostContext, Tag, error::translate, site};
use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, GlobalRuntimeState, Map, NativeCallContext, Position};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stdlib::contract::{Error, Kind};

/// A handler that was asked for.
pub(crate) struct Handler {
    name: String,
    body: FnPtr,
    global: GlobalRuntimeState,
    /// The scopes it was asked for in; one of an earlier run has its play's only.
    scopes: Vec<Scope>,
}

thread_local! {
    /// The host whose closure this thread runs, for `print`.
    static HERE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// The host whose closure this thread runs.
pub(crate) fn here() -> Option<String> {
    HERE.with(|here| here.borrow().last().cloned())
}

/// Teach an engine the words of plays.
pub(crate) fn register(engine: &mut Engine) {
    engine.register_fn("play", |ctx: NativeCallContext, name: &str, pattern: &str, body: FnPtr| {
        play(&ctx, name, pattern, &Map::new(), &body)
    });
    engine.register_fn("play", |ctx: NativeCallContext, name: &str, pattern: &str, options: Map, body: FnPtr| {
        play(&ctx, name, pattern, &options, &body)
    });
    engine.register_fn("on", |ctx: NativeCallContext, pattern: &str, body: FnPtr| on(&ctx, pattern, &body));
    engine.register_fn("on", |ctx: NativeCallContext, host: HostValue, body: FnPtr| on(&ctx, host.0.host(), &body));
    engine.register_fn("task", |ctx: NativeCallContext, name: &str, body: FnPtr| task(&ctx, name, &Map::new(), &body));
    engine.register_fn("task", |ctx: NativeCallContext, name: &str, options: Map, body: FnPtr| {
        task(&ctx, name, &options, &body)
    });
    engine.register_fn("within", |ctx: NativeCallContext, options: Map, body: FnPtr| within(&ctx, &options, &body));
    engine.register_fn("defer", |ctx: NativeCallContext, name: &str, body: FnPtr| defer(&ctx, name, &body));
    engine.register_fn("flush", |ctx: NativeCallContext| -> Rhai<()> {
        let host = host(&ctx, "flush()").map_err(|e| throw(e, ctx.call_position()))?;
        flush(ctx.engine(), &host)
    });
    engine.register_fn("hosts", |ctx: NativeCallContext, pattern: &str| -> Rhai<Array> {
        let found = stage(&ctx).and_then(|stage| stage.select(pattern));
        let found = found.map_err(|e| throw(e.at(site(&ctx)), ctx.call_position()))?;
        Ok(found.into_iter().map(Dynamic::from).collect())
    });
    engine.register_fn("param", |ctx: NativeCallContext, name: &str, default: Dynamic| param(&ctx, name, &default));
    engine.register_fn("param", |ctx: NativeCallContext, name: &str, default: Dynamic, _help: &str| {
        param(&ctx, name, &default)
    });
    engine.register_fn("fail", |ctx: NativeCallContext, message: &str| -> Rhai<()> { Err(failed(&ctx, message)) });
    engine.register_fn("assert", |ctx: NativeCallContext, holds: bool| assert(&ctx, holds, "what must hold does not"));
    engine.register_fn("assert", |ctx: NativeCallContext, holds: bool, message: &str| assert(&ctx, holds, message));
    engine.register_fn("warn", |ctx: NativeCallContext, text: &str| -> Rhai<()> {
        let stage = stage(&ctx).map_err(|e| throw(e, ctx.call_position()))?;
        stage.warn(text.to_owned());
        Ok(())
    });
}

/// What a playbook itself says is wrong.
fn failed(ctx: &NativeCallContext, message: &str) -> Box<EvalAltResult> {
    throw(Error::host(message).at(site(ctx)), ctx.call_position())
}

fn assert(ctx: &NativeCallContext, holds: bool, message: &str) -> Rhai<()> {
    if holds { Ok(()) } else { Err(failed(ctx, message)) }
}

fn stage(ctx: &NativeCallContext) -> Result<Arc<dyn Stage>, Error> {
    Tag::of(ctx).map(|tag| tag.stage).ok_or_else(|| Error::bug("a script without a run"))
}

fn host(ctx: &NativeCallContext, what: &str) -> Result<Arc<HostContext>, Error> {
    let error = || Error::playbook(format!("{what} needs a host: call it inside play(...) or on(...)")).at(site(ctx));
    Tag::of(ctx).and_then(|tag| tag.host).ok_or_else(error)
}

fn param(ctx: &NativeCallContext, name: &str, default: &Dynamic) -> Rhai<Dynamic> {
    let value = to_json(default, &format!("the default of parameter `{name}`"))
        .and_then(|default| stage(ctx)?.param(name, default))
        .map_err(|e| throw(e.at(site(ctx)), ctx.call_position()))?;
    Ok(from_json(&value))
}

fn play(ctx: &NativeCallContext, name: &str, pattern: &str, options: &Map, body: &FnPtr) -> Rhai<Dynamic> {
    let pos = ctx.call_position();
    let fail = |e: Error| throw(e.at(site(ctx)), pos);
    let tag = Tag::of(ctx).ok_or_else(|| fail(Error::bug("a script without a run")))?;
    if tag.host.is_some() {
        return Err(fail(Error::playbook("a play cannot be inside another play").hint("use on(\"pattern\", || ...)")));
    }
    let spec = spec(name, pattern, options).map_err(fail)?;
    let play = tag.stage.play(PlaySpec { at: site(ctx), ..spec }).map_err(fail)?;
    let results = perform(ctx, &tag, &play, body);
    play.end();
    results
}

fn on(ctx: &NativeCallContext, pattern: &str, body: &FnPtr) -> Rhai<Dynamic> {
    let pos = ctx.call_position();
    let fail = |e: Error| throw(e.at(site(ctx)), pos);
    let tag = Tag::of(ctx).ok_or_else(|| fail(Error::bug("a script without a run")))?;
    let nested = tag.host.is_some();
    let along = tag.host.as_ref().map(|host| host.actor.along()).unwrap_or_default();
    let spec = PlaySpec { pattern: pattern.to_owned(), at: site(ctx), nested, ..along };
    let play = tag.stage.play(spec).map_err(fail)?;
    let results = perform(ctx, &tag, &play, body);
    play.end();
    results
}

/// The closure on every host of a play, batch after batch. The value is a map from host to result.
pub(super) fn perform(ctx: &NativeCallContext, tag: &Tag, play: &Arc<dyn Play>, body: &FnPtr) -> Rhai<Dynamic> {
    let mut results = Map::new();
    let mut first_error = None;
    let nested = tag.host.is_some();
    for batch in play.batches() {
        play.begin_batch(&batch);
        for (host, result) in run_batch(ctx, tag, play, body, &batch) {
            match result {
                Ok(value) => drop(results.insert(host.into(), value)),
                Err(error) => drop(first_error.get_or_insert(error)),
            }
        }
        if tag.stage.interrupted() {
            return Err(throw(Error::new(Kind::Interrupted, "interrupted"), ctx.call_position()));
        }
        if let Err(error) = play.end_batch() {
            let fatal = Dynamic::from(super::value::Failure(error));
            return Err(Box::new(EvalAltResult::ErrorTerminated(fatal, ctx.call_position())));
        }
    }
    // Inside another play, a failure elsewhere is a failure here.
    match first_error {
        Some(error) if nested => {
            if let Some(host) = &tag.host {
                host.actor.thrown();
            }
            Err(throw(error, ctx.call_position()))
        }
        _ => Ok(results.into()),
    }
}

fn run_batch(
    ctx: &NativeCallContext,
    tag: &Tag,
    play: &Arc<dyn Play>,
    body: &FnPtr,
    batch: &[String],
) -> Vec<(String, Result<Dynamic, Error>)> {
    let queue: Mutex<VecDeque<(usize, FnPtr)>> = Mutex::new((0..batch.len()).map(|i| (i, unshared_fn(body))).collect());
    let done = Mutex::new(Vec::new());
    let (engine, name, source, pos) = (ctx.engine(), ctx.fn_name(), ctx.call_source(), ctx.call_position());
    let global = ctx.global_runtime_state();
    let worker = || {
        loop {
            // Not `while let`: that would hold the lock while the host runs.
            let next = lock(&queue).pop_front();
            let Some((index, body)) = next else { break };
            let host = HostContext::new(Arc::clone(play).actor(&batch[index]));
            let mut global = global.clone();
            global.tag = Dynamic::from(Tag { host: Some(Arc::clone(&host)), ..tag.clone() });
            let ctx = NativeCallContext::new_with_all_fields(engine, name, source, &global, pos);
            HERE.with(|here| here.borrow_mut().push(batch[index].clone()));
            let result = run_host(&ctx, &host, &body);
            HERE.with(|here| here.borrow_mut().pop());
            lock(&done).push((index, result));
        }
    };
    let threads = play.forks().clamp(1, batch.len().max(1));
    if threads == 1 {
        worker();
    } else {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let started = std::thread::Builder::new().stack_size(4 << 20).spawn_scoped(scope, worker);
                if started.is_err() {
                    break; // fewer threads than forks: the ones that started take the rest
                }
            }
        });
    }
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(index, result)| (batch[index].clone(), result)).collect()
}

/// A closure on one host, and then the handlers that it asked for.
fn run_host(ctx: &NativeCallContext, host: &Arc<HostContext>, body: &FnPtr) -> Result<Dynamic, Error> {
    let argument = Dynamic::from(HostValue(Arc::clone(&host.actor)));
    let value = if host.actor.only_owed() { Ok(Dynamic::UNIT) } else { call_with(ctx, body, argument) };
    let result = value.and_then(|value| {
        recall(ctx, host);
        flush(ctx.engine(), host)?;
        Ok(unshared(&value))
    });
    let result = result.map_err(|error| translate(&error, ctx.call_source().unwrap_or_default()).on(host.actor.host()));
    host.actor.end(result.as_ref().map(|_| ()).map_err(Clone::clone));
    result
}

/// Call a closure with an argument, or without one where it takes none.
pub(super) fn call_with(ctx: &NativeCallContext, body: &FnPtr, argument: Dynamic) -> Rhai<Dynamic> {
    match body.call_raw(ctx, None, [argument]) {
        Err(error) if takes_none(&error, body) => body.call_raw(ctx, None, []),
        answer => answer,
    }
}

fn takes_none(error: &EvalAltResult, body: &FnPtr) -> bool {
    matches!(error, EvalAltResult::ErrorFunctionNotFound(name, _) if name.starts_with(body.fn_name()))
}

/// Take up the handlers that earlier runs owe: the closure of the same name in this play, with the values it
/// had then. A debt that nothing in the playbook can pay stays, and the report says so.
fn recall(ctx: &NativeCallContext, host: &Arc<HostContext>) {
    let Some(Tag { survey, .. }) = Tag::of(ctx) else { return };
    let play = host.actor.play();
    for (name, captures) in host.actor.debts() {
        if lock(&host.handlers).iter().any(|handler| handler.name == name) {
            continue;
        }
        let Some(found) = survey.handler(&play, &name, &captures) else { continue };
        let mut body = found.function.clone();
        body.set_curry(captures.as_array().into_iter().flatten().map(|value| match value.get("$host") {
            Some(_) => Dynamic::from(HostValue(Arc::clone(&host.actor))),
            None => from_json(value),
        }));
        let global = ctx.global_runtime_state().clone();
        lock(&host.handlers).push(Handler { name, body, global, scopes: Vec::new() });
    }
}

/// Run the handlers that were asked for, in the order of asking, once each.
fn flush(engine: &Engine, host: &Arc<HostContext>) -> Rhai<()> {
    loop {
        let next = {
            let mut handlers = lock(&host.handlers);
            if handlers.is_empty() { None } else { Some(handlers.remove(0)) }
        };
        let Some(handler) = next else { return Ok(()) };
        let ctx = NativeCallContext::new_with_all_fields(engine, "defer", None, &handler.global, Position::NONE);
        host.actor.enter_task(&handler.name, &["handlers".to_owned()]);
        handler.scopes.iter().for_each(|scope| host.actor.enter(scope.clone()));
        let argument = Dynamic::from(HostValue(Arc::clone(&host.actor)));
        let ran = call_with(&ctx, &handler.body, argument);
        handler.scopes.iter().for_each(|_| host.actor.leave());
        host.actor.leave_task();
        ran.map(drop)?;
        host.actor.paid(&handler.name);
    }
}

fn defer(ctx: &NativeCallContext, name: &str, body: &FnPtr) -> Rhai<()> {
    let host = host(ctx, "defer()").map_err(|e| throw(e, ctx.call_position()))?;
    let mut handlers = lock(&host.handlers);
    if handlers.iter().any(|handler| handler.name == name) {
        return Ok(());
    }
    let body = unshared_fn(body);
    let values: Option<Vec<serde_json::Value>> = body
        .iter_curry()
        .map(|value| match value.read_lock::<HostValue>() {
            Some(_) => Some(serde_json::json!({ "$host": true })),
            None => to_json(value, "a captured value").ok(),
        })
        .collect();
    host.actor.owe(name, serde_json::json!(values));
    let (name, global, scopes) = (name.to_owned(), ctx.global_runtime_state().clone(), host.actor.scopes());
    handlers.push(Handler { name, body, global, scopes });
    Ok(())
}

fn task(ctx: &NativeCallContext, name: &str, options: &Map, body: &FnPtr) -> Rhai<Dynamic> {
    let pos = ctx.call_position();
    let fail = |e: Error| throw(e.at(site(ctx)), pos);
    known("task", options, TASK).map_err(fail)?;
    let tags = strings(options, "tags").map_err(fail)?;
    let host = host(ctx, "task()").map_err(|e| throw(e, pos))?;
    let left_out = host.actor.enter_task(name, &tags).is_some();
    let result = if left_out { Ok(Dynamic::UNIT) } else { body.call_raw(ctx, None, []) };
    host.actor.leave_task();
    result
}

fn within(ctx: &NativeCallContext, options: &Map, body: &FnPtr) -> Rhai<Dynamic> {
    let pos = ctx.call_position();
    let fail = |e: Error| throw(e.at(site(ctx)), pos);
    known("within", options, WITHIN).map_err(fail)?;
    let host = host(ctx, "within()").map_err(|e| throw(e, pos))?;
    let scope = scope(options).map_err(fail)?;
    let until = options.get("until").map(|until| until.clone().try_cast_result::<FnPtr>()).transpose();
    let until = until.map_err(|_| fail(Error::playbook("`until` is a condition: until: |r| r.rc == 0")))?;
    host.actor.enter(scope);
    lock(&host.untils).push(until);
    let result = body.call_raw(ctx, None, []);
    lock(&host.untils).pop();
    host.actor.leave();
    result
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
