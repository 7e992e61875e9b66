//! Values on their way between Rhai and JSON, and the types that playbooks meet.

use super::stage::Actor;
use super::{Tag, site};
use rhai::{Dynamic, Engine, EvalAltResult, FnPtr, ImmutableString, NativeCallContext, Position};
use serde_json::{Map, Number, Value};
use std::sync::Arc;
use stdlib::contract::{Error, Record, Status, nearest, render};

/// A result as Rhai wants it.
pub type Rhai<T> = std::result::Result<T, Box<EvalAltResult>>;

/// An hlrun error as a playbook meets it in `catch`.
#[derive(Debug, Clone)]
pub struct Failure(pub Error);

/// What came of a call, as a playbook meets it.
#[derive(Debug, Clone)]
pub struct Answer(pub Arc<Record>);

/// The host of a play, as a playbook meets it.
#[derive(Clone)]
pub struct HostValue(pub Arc<dyn Actor>);

/// The variables of a host: `host.vars.name`, or `host.vars.get("name", default)`.
#[derive(Clone)]
pub struct Vars(Arc<dyn Actor>);

/// Our error as Rhai's: thrown at a position, catchable unless it ends the run.
pub fn throw(error: Error, pos: Position) -> Box<EvalAltResult> {
    let fatal = error.kind == stdlib::contract::Kind::Interrupted;
    let value = Dynamic::from(Failure(error));
    Box::new(if fatal { EvalAltResult::ErrorTerminated(value, pos) } else { EvalAltResult::ErrorRuntime(value, pos) })
}

/// A Rhai value as JSON. Functions cannot be: `what` names the argument for the error.
pub fn to_json(value: &Dynamic, what: &str) -> Result<Value, Error> {
    let wrong = |kind: &str| Error::playbook(format!("{what} cannot be {kind}"));
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if let Ok(b) = value.as_bool() {
        return Ok(Value::Bool(b));
    }
    if let Ok(i) = value.as_int() {
        return Ok(Value::from(i));
    }
    if let Ok(f) = value.as_float() {
        return Number::from_f64(f).map(Value::Number).ok_or_else(|| wrong("a number that is not finite"));
    }
    if let Ok(c) = value.as_char() {
        return Ok(Value::String(c.to_string()));
    }
    if let Ok(s) = value.as_immutable_string_ref() {
        return Ok(Value::String(s.to_string()));
    }
    if let Ok(items) = value.as_array_ref() {
        return items.iter().map(|item| to_json(item, what)).collect::<Result<_, _>>().map(Value::Array);
    }
    if let Ok(map) = value.as_map_ref() {
        let fields = map.iter().map(|(key, item)| Ok((key.to_string(), to_json(item, &format!("{what}.{key}"))?)));
        return fields.collect::<Result<Map<_, _>, _>>().map(Value::Object);
    }
    if let Ok(blob) = value.as_blob_ref() {
        return Ok(Value::Array(blob.iter().map(|b| Value::from(*b)).collect()));
    }
    if value.is_fnptr() {
        return Err(wrong("a function"));
    }
    if let Some(range) = value.read_lock::<std::ops::Range<i64>>() {
        return Ok(Value::Array(range.clone().map(Value::from).collect()));
    }
    if let Some(host) = value.read_lock::<HostValue>() {
        return Ok(Value::String(host.0.host().to_owned()));
    }
    if value.read_lock::<Answer>().is_some() {
        return Err(wrong("a record").hint("pass a part of it, such as .stdout"));
    }
    Err(wrong(&format!("a value of type {}", value.type_name())))
}

/// JSON as a Rhai value.
pub fn from_json(value: &Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(b) => (*b).into(),
        Value::Number(n) => match n.as_i64() {
            Some(i) => i.into(),
            None => n.as_f64().unwrap_or(f64::NAN).into(),
        },
        Value::String(s) => s.as_str().into(),
        Value::Array(items) => items.iter().map(from_json).collect::<rhai::Array>().into(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(k, v)| (k.as_str().into(), from_json(v)));
            fields.collect::<rhai::Map>().into()
        }
    }
}

/// A value that shares nothing with other threads: what a closure captured is copied.
pub fn unshared(value: &Dynamic) -> Dynamic {
    let value = value.flatten_clone();
    if let Ok(array) = value.as_array_ref() {
        return array.iter().map(unshared).collect::<rhai::Array>().into();
    }
    if let Ok(map) = value.as_map_ref() {
        return map.iter().map(|(k, v)| (k.clone(), unshared(v))).collect::<rhai::Map>().into();
    }
    let function = value.read_lock::<FnPtr>().map(|function| unshared_fn(&function));
    function.map_or(value, Dynamic::from)
}

/// A closure whose captures share nothing with other threads.
pub fn unshared_fn(function: &FnPtr) -> FnPtr {
    let mut function = function.clone();
    for captured in function.iter_curry_mut() {
        *captured = unshared(captured);
    }
    function
}

/// Parse text as JSON, for `.json()` and `parse_json`.
fn parse_json(text: &str, pos: Position) -> Rhai<Dynamic> {
    let parsed = serde_json::from_str::<Value>(text);
    parsed.map(|value| from_json(&value)).map_err(|e| {
        let start: String = text.chars().take(60).collect();
        throw(Error::host(format!("this is not JSON: {e}: {start:?}")), pos)
    })
}

/// Teach an engine the types that playbooks meet.
pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Answer>("Record");
    engine.register_get("changed", |ctx: NativeCallContext, a: &mut Answer| {
        doubt(&ctx, a, "whether it changed anything; taken as yes");
        matches!(a.0.status, Status::Changed | Status::WouldChange | Status::Unknown)
    });
    engine.register_get("failed", |ctx: NativeCallContext, a: &mut Answer| {
        doubt(&ctx, a, "whether it failed; taken as no");
        matches!(a.0.status, Status::Failed | Status::Unreachable)
    });
    engine.register_get("skipped", |a: &mut Answer| a.0.status == Status::Skipped);
    engine.register_get("unknown", |a: &mut Answer| a.0.status == Status::Unknown);
    // Of an answer over HTTP, the status that people mean is the server's.
    engine.register_get("status", |a: &mut Answer| match (&a.0.headers, a.0.rc) {
        (Some(_), Some(status)) => Dynamic::from(i64::from(status)),
        _ => a.0.status.word().into(),
    });
    engine.register_get("headers", |ctx: NativeCallContext, a: &mut Answer| {
        doubt(&ctx, a, "which headers it is answered; taken as none");
        let headers = a.0.headers.iter().flatten();
        headers.map(|(name, value)| (name.as_str().into(), value.clone().into())).collect::<rhai::Map>()
    });
    engine.register_get("body", |ctx: NativeCallContext, a: &mut Answer| {
        doubt(&ctx, a, "what it is answered; taken as nothing");
        a.0.stdout.clone()
    });
    engine.register_get("message", |a: &mut Answer| {
        let error = a.0.error.as_ref().map(|e| e.message.clone());
        error.or_else(|| a.0.reason.clone()).unwrap_or_default()
    });
    engine.register_get("rc", |ctx: NativeCallContext, a: &mut Answer| {
        doubt(&ctx, a, "its exit code; taken as 0");
        i64::from(a.0.rc.unwrap_or_default())
    });
    engine.register_get("stdout", |ctx: NativeCallContext, a: &mut Answer| {
        doubt(&ctx, a, "what it prints; taken as nothing");
        stripped(&a.0.stdout)
    });
    engine.register_get("stderr", |ctx: NativeCallContext, a: &mut Answer| {
        doubt(&ctx, a, "what it complains; taken as nothing");
        stripped(&a.0.stderr)
    });
    engine.register_get("lines", |ctx: NativeCallContext, a: &mut Answer| {
        doubt(&ctx, a, "what it prints; taken as nothing");
        a.0.stdout.lines().map(|line| line.to_owned().into()).collect::<rhai::Array>()
    });
    engine.register_get("diff", |a: &mut Answer| {
        render(&a.0.diff, &a.0.subject).into_iter().map(Dynamic::from).collect::<rhai::Array>()
    });
    engine.register_get("notes", |a: &mut Answer| {
        a.0.notes.iter().map(|note| note.clone().into()).collect::<rhai::Array>()
    });
    engine.register_fn("json", |ctx: NativeCallContext, a: &mut Answer| -> Rhai<Dynamic> {
        match a.0.status {
            Status::Unknown => {
                doubt(&ctx, a, "what it prints; taken as ()");
                Ok(Dynamic::UNIT)
            }
            Status::Skipped => Ok(Dynamic::UNIT),
            _ => parse_json(&a.0.stdout, ctx.call_position()),
        }
    });
    engine.register_fn("to_string", |a: &mut Answer| describe(&a.0));
    engine.register_fn("to_debug", |a: &mut Answer| describe(&a.0));

    engine.register_type_with_name::<Failure>("Error");
    engine.register_get("kind", |f: &mut Failure| f.0.kind.word().to_owned());
    engine.register_get("host", |f: &mut Failure| f.0.host.clone().unwrap_or_default());
    engine.register_get("operation", |f: &mut Failure| f.0.operation.clone().unwrap_or_default());
    engine.register_get("message", |f: &mut Failure| f.0.message.clone());
    engine.register_get("stderr", |f: &mut Failure| stripped(&f.0.stderr));
    engine.register_get("stdout", |f: &mut Failure| stripped(&f.0.stdout));
    engine.register_get("rc", |f: &mut Failure| i64::from(f.0.rc.unwrap_or_default()));
    engine.register_fn("to_string", |f: &mut Failure| f.0.message.clone());
    engine.register_fn("to_debug", |f: &mut Failure| format!("{}: {}", f.0.kind.word(), f.0.message));

    engine.register_type_with_name::<HostValue>("Host");
    engine.register_get("name", |h: &mut HostValue| h.0.host().to_owned());
    engine.register_get("address", |ctx: NativeCallContext, h: &mut HostValue| -> Rhai<String> {
        h.0.address().map_err(|e| throw(e, ctx.call_position()))
    });
    engine.register_get("groups", |h: &mut HostValue| {
        h.0.groups().into_iter().map(Dynamic::from).collect::<rhai::Array>()
    });
    engine.register_get("vars", |h: &mut HostValue| Vars(Arc::clone(&h.0)));
    engine.register_fn("to_string", |h: &mut HostValue| h.0.host().to_owned());
    engine.register_fn("to_debug", |h: &mut HostValue| h.0.host().to_owned());
    engine.register_fn("+", |text: ImmutableString, h: HostValue| format!("{text}{}", h.0.host()));

    engine.register_type_with_name::<Vars>("Vars");
    engine.register_indexer_get(|ctx: NativeCallContext, vars: &mut Vars, name: ImmutableString| -> Rhai<Dynamic> {
        variable(&vars.0, &name).map_err(|e| throw(e, ctx.call_position()))
    });
    engine.register_fn(
        "get",
        |ctx: NativeCallContext, vars: &mut Vars, name: &str, default: Dynamic| -> Rhai<Dynamic> {
            let value = variable(&vars.0, name);
            if MAGIC.contains(&name) || vars.0.variables().iter().any(|known| known == name) {
                return value.map_err(|e| throw(e, ctx.call_position()));
            }
            Ok(value.unwrap_or(default))
        },
    );
    engine.register_fn("contains", |vars: &mut Vars, name: &str| vars.0.variables().iter().any(|known| known == name));
    engine.register_fn("keys", |vars: &mut Vars| {
        vars.0.variables().into_iter().map(Dynamic::from).collect::<rhai::Array>()
    });
    engine.register_fn("parse_json", |ctx: NativeCallContext, text: &str| parse_json(text, ctx.call_position()));
    engine.register_fn("to_json", |ctx: NativeCallContext, value: Dynamic| -> Rhai<String> {
        to_json(&value, "the value").map(|v| v.to_string()).map_err(|e| throw(e, ctx.call_position()))
    });
}

/// Variables that every host has without anyone giving them.
pub(super) const MAGIC: &[&str] = &[
    "inventory_hostname",
    "inventory_hostname_short",
    "group_names",
    "groups",
    "hostvars",
    "vars",
    "inventory_dir",
    "inventory_file",
    "playbook_dir",
    "ansible_managed",
    "ansible_facts",
    "ansible_check_mode",
];

fn variable(actor: &Arc<dyn Actor>, name: &str) -> Result<Dynamic, Error> {
    let names = actor.variables();
    if names.iter().any(|known| known == name) || MAGIC.contains(&name) || name.starts_with("ansible_") {
        return actor.variable(name).map(|value| from_json(&value));
    }
    let error = Error::playbook(format!("{} has no variable `{name}`", actor.host()));
    Err(match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("give it in the inventory, or a default: host.vars.get(\"{name}\", ...)")),
    })
}

/// Tell that the playbook uses something which check mode cannot know.
fn doubt(ctx: &NativeCallContext, answer: &Answer, what: &str) {
    if answer.0.status == Status::Unknown
        && let Some(host) = Tag::of(ctx).and_then(|tag| tag.host)
    {
        host.actor.unknown(&format!("{}: {what}", answer.0.operation), site(ctx));
    }
}

fn describe(record: &Record) -> String {
    format!("{} {} {}", record.status.word(), record.operation, record.subject)
}

fn stripped(text: &str) -> String {
    text.trim_end_matches(['\n', '\r']).to_owned()
}
