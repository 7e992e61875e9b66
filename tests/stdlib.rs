//! Every operation, action and fact of the standard library does what its documentation says: its example
//! is run by the real script engine against a host made of its transcript.

#![allow(clippy::unwrap_used)] // an integration test is no `cfg(test)` to clippy

use hlrun::script::{Actor, Limits, Patience, Play, PlaySpec, Scope, Stage, compile_text};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stdlib::contract::replay::{Exchange, Replay, parse, print};
use stdlib::contract::{Entry, Error, Mode, Outcome, Record, Result, Role, Site, Status};

fn main() {
    let mut trials = Vec::new();
    for module in stdlib::modules() {
        let name = module.name;
        trials.push(Trial::test(format!("{name} says what it is for"), move || {
            require(!module.docs.trim().is_empty(), "no //! docs")
        }));
        for entry in &module.entries {
            let path = entry.path();
            trials.push(Trial::test(format!("{path} is documented"), move || documented(entry)));
            trials.push(Trial::test(format!("{path} does what its transcript says"), move || applied(entry)));
            if entry.role != Role::Fact {
                trials.push(Trial::test(format!("{path} changes nothing in check mode"), move || checked(entry)));
            }
            if entry.role == Role::Operation {
                trials.push(Trial::test(format!("{path} changes nothing the second time"), move || again(entry)));
            }
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn require(holds: bool, otherwise: impl Into<Failed>) -> std::result::Result<(), Failed> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

fn documented(entry: &Entry) -> std::result::Result<(), Failed> {
    require(!entry.summary().is_empty(), "no summary")?;
    require(block(entry, "rhai").is_some(), "no ```rhai example")?;
    require(block(entry, "transcript").is_some(), "no ```transcript")?;
    for parameter in &entry.parameters {
        require(!parameter.docs.is_empty(), format!("`{}` has no documentation", parameter.name))?;
    }
    Ok(())
}

fn applied(entry: &'static Entry) -> std::result::Result<(), Failed> {
    let written = transcript(entry)?;
    let host = Arc::new(Replay::new(&written)?);
    let status = example(entry, &host, Mode::Apply)?;
    let heard = ordered(host.heard());
    require(heard == ordered(parse(&written)?), format!("the documentation says\n{written}\nbut it was\n{heard}"))?;
    let expected = changes(&host.heard()) > 0;
    let changed = status == Some(Status::Changed);
    require(entry.role != Role::Operation || changed == expected, format!("it ended as {status:?}"))
}

fn checked(entry: &'static Entry) -> std::result::Result<(), Failed> {
    let written = transcript(entry)?;
    let host = Arc::new(Replay::new(&written)?);
    let status = example(entry, &host, Mode::Check { pending: true })?;
    require(changes(&host.heard()) == 0, "it changed something")?;
    let would = changes(&parse(&written)?) > 0;
    let expected = match entry.role {
        _ if !would => status != Some(Status::WouldChange),
        // A message is left out rather than unknown.
        Role::Action if entry.sends() => status == Some(Status::Skipped),
        Role::Action => status == Some(Status::Unknown),
        _ => status == Some(Status::WouldChange),
    };
    require(expected, format!("it ended as {status:?}"))
}

fn again(entry: &'static Entry) -> std::result::Result<(), Failed> {
    let host = Arc::new(Replay::finished(&transcript(entry)?)?);
    let status = example(entry, &host, Mode::Apply)?;
    require(changes(&host.heard()) == 0, "it changed something")?;
    require(status == Some(Status::Ok), format!("it ended as {status:?}"))
}

/// A transcript as text; reads between two changes need not wait for each other, so their order is no promise.
fn ordered(mut exchanges: Vec<Exchange>) -> String {
    let is_read = |e: &Exchange| matches!(e, Exchange::Read(..));
    for phase in exchanges.chunk_by_mut(|a, b| is_read(a) && is_read(b)) {
        phase.sort_by_key(|e| print(std::slice::from_ref(e)));
    }
    print(&exchanges)
}

fn changes(heard: &[Exchange]) -> usize {
    heard.iter().filter(|e| matches!(e, Exchange::Change(..))).count()
}

fn transcript(entry: &Entry) -> std::result::Result<String, Failed> {
    Ok(block(entry, "transcript").ok_or("no ```transcript")?)
}

/// The text of a fenced block of the documentation.
fn block(entry: &Entry, language: &str) -> Option<String> {
    let (_, rest) = entry.docs.split_once(&format!("```{language}\n"))?;
    Some(rest.split_once("```")?.0.to_owned())
}

/// Run the example of an entry on a host. How its last call ended, if it made one.
fn example(entry: &'static Entry, host: &Arc<Replay>, mode: Mode) -> std::result::Result<Option<Status>, Failed> {
    let code = block(entry, "rhai").ok_or("no ```rhai example")?;
    let script = format!("on(\"replay\", |host| {{ {code} }});");
    let fail = |errors: Vec<Error>| {
        Failed::from(errors.iter().map(|e| format!("{e} {:?} {:?}", e.hints, e.at)).collect::<Vec<_>>().join("\n"))
    };
    let mut program = compile_text(&script, "example", Path::new("."), &Limits::default()).map_err(fail)?;
    let theatre = Arc::new(Theatre { host: Arc::clone(host), mode, ended: Mutex::default(), error: Mutex::default() });
    let stage: Arc<dyn Stage> = Arc::new(Hall(Arc::clone(&theatre)));
    program.run(&stage).map(drop).map_err(|e| fail(vec![e]))?;
    if let Some(error) = theatre.error.lock().unwrap().take() {
        return Err(fail(vec![error]));
    }
    let ended = *theatre.ended.lock().unwrap();
    Ok(ended)
}

/// A run with one host, which is a transcript.
struct Theatre {
    host: Arc<Replay>,
    mode: Mode,
    ended: Mutex<Option<Status>>,
    error: Mutex<Option<Error>>,
}

struct Hall(Arc<Theatre>);

impl Stage for Hall {
    fn param(&self, _: &str, default: Value) -> Result<Value> {
        Ok(default)
    }
    fn select(&self, pattern: &str) -> Result<Vec<String>> {
        Ok(vec![pattern.to_owned()])
    }
    fn play(&self, _: PlaySpec) -> Result<Arc<dyn Play>> {
        Ok(Arc::new(Hall(Arc::clone(&self.0))))
    }
    fn interrupted(&self) -> bool {
        false
    }
    fn print(&self, _: Option<&str>, _: &str) {}
    fn warn(&self, _: String) {}
}

impl Play for Hall {
    fn batches(&self) -> Vec<Vec<String>> {
        vec![vec!["replay".to_owned()]]
    }
    fn forks(&self) -> usize {
        1
    }
    fn actor(self: Arc<Self>, _: &str) -> Arc<dyn Actor> {
        Arc::new(Player(Arc::clone(&self.0)))
    }
    fn begin_batch(&self, _: &[String]) {}
    fn end_batch(&self) -> Result<()> {
        Ok(())
    }
    fn end(&self) {}
}

struct Player(Arc<Theatre>);

#[allow(clippy::disallowed_methods)] // the test's own async runtime
fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

impl Actor for Player {
    fn host(&self) -> &str {
        "replay"
    }
    fn address(&self) -> Result<String> {
        Ok("192.0.2.1".to_owned())
    }
    fn groups(&self) -> Vec<String> {
        Vec::new()
    }
    fn variable(&self, _: &str) -> Result<Value> {
        Ok(Value::Null)
    }
    fn variables(&self) -> Vec<String> {
        Vec::new()
    }
    fn enter(&self, _: Scope) {}
    fn leave(&self) {}
    fn patience(&self) -> Patience {
        Patience { retries: 0, delay: Duration::ZERO }
    }
    fn enter_task(&self, _: &str, _: &[String]) -> Option<String> {
        None
    }
    fn leave_task(&self) {}
    fn begin(&self, _: &'static Entry, _: &str, _: &Site) -> Result<Option<String>> {
        Ok(None)
    }
    fn attempt(&self, entry: &'static Entry, args: &Value, any_code: bool) -> Result<Outcome> {
        wait(entry.typed.conduct(args.clone(), &*self.0.host, self.0.mode, any_code))
    }
    fn ask(&self, entry: &'static Entry, args: &Value) -> Result<Value> {
        wait(entry.typed.ask(args.clone(), &*self.0.host))
    }
    fn retry(&self, _: &'static Entry, _: &str, _: u64, _: &str, _: Duration) -> Result<()> {
        Ok(())
    }
    fn settle(&self, record: Record) -> Result<Record> {
        *self.0.ended.lock().unwrap() = Some(record.status);
        match record.error.clone() {
            Some(error) => Err(error),
            None => Ok(record),
        }
    }
    fn unknown(&self, _: &str, _: Site) {}
    fn owe(&self, _: &str, _: Value) {}
    fn paid(&self, _: &str) {}
    fn debts(&self) -> Vec<(String, Value)> {
        Vec::new()
    }
    fn end(&self, result: std::result::Result<(), Error>) {
        *self.0.error.lock().unwrap() = result.err();
    }
}
