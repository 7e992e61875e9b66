//! The modules as Rhai sees them: arguments become JSON, results become values, and what a script may
//! say about any call (`changed_when`, `failed_when`, retries) is said here.

use super::stage::{Patience, PlaySpec};
use super::value::{Answer, Rhai, from_json, throw, to_json};
use super::{HostContext, Tag, site};
use rhai::{Dynamic, Engine, FnPtr, FuncRegistration, Module, NativeCallContext, RhaiFunc};
use serde_json::{Map, Value};
use std::any::TypeId;
use std::sync::Arc;
use std::time::Instant;
use stdlib::contract::{Entry, Error, Kind, Outcome, Record, Role, Site, Status};

/// Options that every action takes beside its own: closures that look at the record.
pub const CLOSURES: &[&str] = &["changed_when", "failed_when"];

/// Register every module of the standard library.
pub fn register(engine: &mut Engine) {
    for module in stdlib::modules() {
        let mut namespace = Module::new();
        for entry in &module.entries {
            for arity in 0..=2 {
                let types = vec![TypeId::of::<Dynamic>(); arity];
                let native = move |ctx: Option<NativeCallContext>, args: &mut [&mut Dynamic]| match ctx {
                    Some(ctx) => call(&ctx, entry, args),
                    None => Err(throw(Error::bug("a call without a context"), rhai::Position::NONE)),
                };
                let func =
                    RhaiFunc::Method { func: Arc::new(native), has_context: true, is_pure: true, is_volatile: true };
                let name = FuncRegistration::new(entry.name.as_str()).in_internal_namespace();
                name.set_into_module_raw(&mut namespace, types, func);
            }
        }
        engine.register_static_module(module.name, namespace.into());
    }
}

/// A call on its way.
struct Call<'a> {
    ctx: &'a NativeCallContext<'a>,
    host: Arc<HostContext>,
    entry: &'static Entry,
    args: Value,
    subject: String,
    changed_when: Option<Dynamic>,
    failed_when: Option<Dynamic>,
    at: Site,
}

fn call(ctx: &NativeCallContext, entry: &'static Entry, args: &mut [&mut Dynamic]) -> Rhai<Dynamic> {
    let pos = ctx.call_position();
    let made = prepare(ctx, entry, args).and_then(|call| match entry.role {
        Role::Fact => call.ask(),
        Role::Operation | Role::Action => call.conduct(),
    });
    made.map_err(|error| match error {
        Stop::Ours(error) => throw(error.at(site(ctx)), pos),
        Stop::Script(error) => error,
    })
}

/// Why a call stops: our error, or one of a closure of the script.
enum Stop {
    Ours(Error),
    Script(Box<rhai::EvalAltResult>),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Ours(error)
    }
}

fn prepare<'a>(
    ctx: &'a NativeCallContext<'a>,
    entry: &'static Entry,
    args: &mut [&mut Dynamic],
) -> std::result::Result<Call<'a>, Stop> {
    let tag = Tag::of(ctx);
    let host = tag.as_ref().and_then(|tag| tag.host.clone());
    let host = match tag.filter(|_| host.is_none() && entry.sends()) {
        Some(tag) => Some(controller(ctx, &tag)?),
        None => host,
    };
    let host = host.ok_or_else(|| {
        Error::playbook(format!("{} needs a host to work on", entry.path()))
            .hint("call it inside play(\"...\", \"all\", |host| { ... }), or on(\"localhost\", || ...)")
    })?;
    // The last argument is the options if it is a map; a single map may also be all arguments by name.
    let (subject, options) = match args {
        [] => (None, rhai::Map::new()),
        [one] => match one.as_map_ref() {
            Ok(map) => (None, map.clone()),
            Err(_) => (Some((**one).clone()), rhai::Map::new()),
        },
        [subject, options, ..] => match options.as_map_ref() {
            Ok(map) => (Some((**subject).clone()), map.clone()),
            Err(kind) => {
                let error = Error::playbook(format!("the options of {} are a map, not {kind}", entry.path()));
                return Err(error.hint(entry.usage()).into());
            }
        },
    };
    let mut options = options;
    let mut closure = |name: &str| {
        let takes = entry.role != Role::Operation && entry.parameters.iter().all(|p| p.name != name);
        if takes { options.remove(name) } else { None }
    };
    let changed_when = closure("changed_when");
    let failed_when = closure("failed_when");
    let subject = subject.map(|value| to_json(&value, &format!("the subject of {}", entry.path()))).transpose()?;
    let mut named = Map::new();
    for (key, value) in options.iter().filter(|(_, value)| !value.is_unit()) {
        named.insert(key.to_string(), to_json(value, &format!("`{key}` of {}", entry.path()))?);
    }
    let args = entry.arguments(subject, named)?;
    let subject = entry.subject().and_then(|p| args.get(&p.name)).map(shown).unwrap_or_default();
    Ok(Call { ctx, host, entry, args, subject, changed_when, failed_when, at: site(ctx) })
}

/// The controller, for what needs no host.
fn controller(ctx: &NativeCallContext, tag: &Tag) -> Result<Arc<HostContext>, Error> {
    let spec =
        PlaySpec { pattern: "localhost".to_owned(), at: site(ctx), nested: true, aside: true, ..PlaySpec::default() };
    Ok(HostContext::new(tag.stage.play(spec)?.actor("localhost")))
}

/// A subject as a report shows it.
fn shown(subject: &Value) -> String {
    match subject {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

impl Call<'_> {
    fn ask(&self) -> std::result::Result<Dynamic, Stop> {
        let actor = &self.host.actor;
        let began = Instant::now();
        let Patience { retries, delay } = actor.patience();
        let mut left = retries;
        loop {
            let error = match actor.ask(self.entry, &self.args) {
                Ok(answer) => {
                    let value = self.answer(&answer);
                    if self.accepts(&value)? {
                        return Ok(value);
                    }
                    self.not_so()
                }
                Err(error) => self.blame(error),
            };
            if left == 0 || matches!(error.kind, Kind::Interrupted | Kind::Playbook) {
                // A question that is answered is no news; one that is not is a failure like any other.
                return Ok(Dynamic::from(Answer(Arc::new(actor.settle(self.failed(error, began))?))));
            }
            left -= 1;
            actor.retry(self.entry, &self.subject, left, &error.message, delay)?;
        }
    }

    /// The record of a call that failed.
    fn failed(&self, error: Error, began: Instant) -> Record {
        let error = error.at(self.at.clone());
        self.told(Record::failed(self.host.actor.host(), &self.entry.path(), &self.subject, error), began)
    }

    /// What a fact answered. Where that is what a command printed, it is a record like any other.
    fn answer(&self, answer: &Value) -> Dynamic {
        let (Some(rc), Some(stdout), Some(stderr)) = (answer.get("rc"), answer.get("stdout"), answer.get("stderr"))
        else {
            return from_json(answer);
        };
        let mut record = Record::new(self.host.actor.host(), &self.entry.path(), &self.subject, Outcome::skipped(""));
        record.status = Status::Ok;
        record.rc = rc.as_i64().and_then(|rc| i32::try_from(rc).ok());
        record.stdout = stdout.as_str().unwrap_or_default().to_owned();
        record.stderr = stderr.as_str().unwrap_or_default().to_owned();
        record.headers = answer.get("headers").and_then(|headers| serde_json::from_value(headers.clone()).ok());
        Dynamic::from(Answer(Arc::new(record)))
    }

    fn conduct(&self) -> std::result::Result<Dynamic, Stop> {
        let actor = &self.host.actor;
        if let Some(reason) = actor.begin(self.entry, &self.subject, &self.at)? {
            let record = self.record(Outcome::skipped(reason), Instant::now());
            return Ok(Dynamic::from(Answer(Arc::new(actor.settle(record)?))));
        }
        let began = Instant::now();
        let Patience { retries, delay } = actor.patience();
        let mut left = retries;
        let mut made: Option<Record> = None;
        loop {
            let record = self.once(began)?;
            let value = Dynamic::from(Answer(Arc::new(record.clone())));
            let done = record.status == Status::Unknown || (record.error.is_none() && self.accepts(&value)?);
            let hopeless = record.error.as_ref().is_some_and(|e| matches!(e.kind, Kind::Interrupted | Kind::Playbook));
            if done || left == 0 || hopeless {
                let mut record = record;
                if !done && record.error.is_none() {
                    record.status = Status::Failed;
                    record.error = Some(self.not_so());
                }
                // What an earlier try changed is changed.
                if let Some(made) = made.filter(|_| record.status == Status::Ok) {
                    record = Record { duration_ms: record.duration_ms, ..made };
                }
                return Ok(Dynamic::from(Answer(Arc::new(actor.settle(record)?))));
            }
            let reason = match &record.error {
                Some(error) => error.message.clone(),
                None => "the condition does not hold".to_owned(),
            };
            if record.status == Status::Changed {
                made = Some(record);
            }
            left -= 1;
            actor.retry(self.entry, &self.subject, left, &reason, delay)?;
        }
    }

    /// One try, and what the call's own closures say of it.
    fn once(&self, began: Instant) -> std::result::Result<Record, Stop> {
        let any_code = self.failed_when.is_some();
        let mut record = match self.host.actor.attempt(self.entry, &self.args, any_code) {
            Ok(outcome) => self.record(outcome, began),
            Err(error) => self.failed(error, began),
        };
        let ran = matches!(record.status, Status::Ok | Status::Changed);
        if ran
            && let Some(rule) = &self.failed_when
            && self.decide(rule, &record)?
        {
            let mut error = Error::host("failed_when says that this is a failure");
            error.rc = record.rc;
            error.stdout = record.stdout.clone();
            error.stderr = record.stderr.clone();
            record.status = Status::Failed;
            record.error = Some(self.blame(error));
        }
        if ran
            && record.error.is_none()
            && let Some(rule) = &self.changed_when
        {
            record.status = if self.decide(rule, &record)? { Status::Changed } else { Status::Ok };
        }
        Ok(record)
    }

    fn record(&self, outcome: Outcome, began: Instant) -> Record {
        self.told(Record::new(self.host.actor.host(), &self.entry.path(), &self.subject, outcome), began)
    }

    /// A record with where it was called, and how long it took.
    fn told(&self, record: Record, began: Instant) -> Record {
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Record { at: self.at.clone(), duration_ms, ..record }
    }

    fn blame(&self, error: Error) -> Error {
        error.of(&self.entry.path()).on(self.host.actor.host()).at(self.at.clone())
    }

    fn not_so(&self) -> Error {
        self.blame(Error::host("the condition of `until` does not hold, and no tries are left"))
    }

    /// A rule is a boolean or a closure over the record.
    fn decide(&self, rule: &Dynamic, record: &Record) -> std::result::Result<bool, Stop> {
        if let Ok(decided) = rule.as_bool() {
            return Ok(decided);
        }
        let Some(function) = rule.read_lock::<FnPtr>() else {
            return Err(Error::playbook("changed_when and failed_when are true, false, or |r| ...").into());
        };
        self.truth(&function, Dynamic::from(Answer(Arc::new(record.clone()))))
    }

    /// Whether the scope's `until` holds for a value; without one, anything does.
    fn accepts(&self, value: &Dynamic) -> std::result::Result<bool, Stop> {
        match self.host.until() {
            Some(until) => self.truth(&until, value.clone()),
            None => Ok(true),
        }
    }

    fn truth(&self, function: &FnPtr, argument: Dynamic) -> std::result::Result<bool, Stop> {
        let answer = function.call_raw(self.ctx, None, [argument]).map_err(Stop::Script)?;
        answer.as_bool().map_err(|kind| {
            Stop::Ours(Error::playbook(format!(
                "a condition of {} must be true or false, not {kind}",
                self.entry.path()
            )))
        })
    }
}
