//! A host in a play: the one method that every read goes through, the one that every change goes through,
//! and around both what no module knows of: privilege, time limits, check mode, tags, reports.

mod actor;
mod look;

use super::ahead::Ahead;
use super::link::{Link, Manner, scoped};
use super::memory::{Call, Frame, How};
use super::playing::PlayState;
use super::resume::{Key, Replay};
use super::shared::Shared;
use super::stuck;
use crate::inventory::Overlay;
use crate::report::Event;
use crate::script::Scope;
use crate::transport::{Become, Method, find};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stdlib::contract::{
    Back, Command, Entry, Error, Fetch, KEPT, Outcome, Past, Reboot, Record, Request, Restored, Result, Site, Source,
    Upload, Write, docker,
};

/// A host in a play.
pub(super) struct Session {
    run: Arc<Shared>,
    play: Arc<PlayState>,
    host: String,
    link: Result<Arc<Link>>,
    r#become: crate::inventory::Become,
    now: Mutex<Now>,
    ahead: Mutex<Ahead>,
}

/// What changes while the closure runs.
#[derive(Default)]
struct Now {
    scopes: Vec<Scope>,
    tasks: Vec<(String, Vec<String>)>,
    /// The operation under way, for the live output: what it is called on, and where.
    operation: String,
    subject: String,
    at: Site,
    /// Whether the call under way asked for its content to be withheld.
    sensitive: bool,
    /// Whether the call under way tells people something.
    sending: bool,
    /// Whether an operation reads, rather than a question of the playbook's own.
    operating: bool,
    /// Failures that were thrown and may still be caught.
    thrown: u64,
    /// The call under way: its arguments, each try, and the controller's files it read.
    args: Value,
    attempts: Vec<Result<Outcome>>,
    assets: BTreeMap<String, String>,
    /// Whether a reboot may be due.
    reboot: bool,
}

impl Session {
    pub fn new(run: Arc<Shared>, play: Arc<PlayState>, host: &str) -> Session {
        let connection = run.inventory.connection(host, &Overlay::from(play.spec.vars.clone()));
        let (link, r#become) = match connection {
            Ok(connection) => (Ok(run.link(host, &connection)), connection.r#become),
            Err(error) => (Err(error), crate::inventory::Become::default()),
        };
        if let Some(password) = &r#become.password {
            run.bus.hide(password);
        }
        let scopes = vec![play.spec.scope.clone()];
        let now = Mutex::new(Now { scopes, ..Now::default() });
        let state = run.options.state.as_deref().filter(|_| run.remembers && !play.spec.name.is_empty());
        let ahead = Mutex::new(Ahead::open(state, &run.playbook, &play.spec.name, host));
        Session { run, play, host: host.to_owned(), link, r#become, now, ahead }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ahead(&self) -> MutexGuard<'_, Ahead> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self) -> Result<&Arc<Link>> {
        self.link.as_ref().map_err(Clone::clone)
    }

    /// What the innermost scope that says something says.
    fn said<T>(&self, of: impl Fn(&Scope) -> Option<T>) -> Option<T> {
        self.now().scopes.iter().rev().find_map(of)
    }

    fn manner(&self, default: Option<Duration>) -> Result<Manner> {
        let whom = self.whom()?.filter(|b| self.link().is_ok_and(|l| l.user() != Some(&b.user)));
        Ok(Manner { whom, timeout: self.said(|s| s.timeout).or(default) })
    }

    /// Whom to become, whoever we are.
    fn whom(&self) -> Result<Option<Become>> {
        let options = &self.run.options;
        let wanted = self.said(|s| s.r#become).or(self.r#become.wanted).or(options.r#become).unwrap_or(false);
        Ok(if wanted {
            let user = self.said(|s| s.become_user.clone()).or_else(|| self.r#become.user.clone());
            let user = user.or_else(|| options.become_user.clone()).unwrap_or_else(|| "root".to_owned());
            let method = match self.said(|s| s.become_method.clone()) {
                Some(name) => Method::parse(&name)?,
                None => self.r#become.method.map(method).or(options.become_method).unwrap_or_default(),
            };
            let password = self.r#become.password.clone().or_else(|| options.become_password.clone());
            Some(Become { user, method, password })
        } else {
            None
        })
    }

    /// A command with what the scopes around say of environment and directory.
    fn dressed(&self, command: &Command) -> Command {
        let now = self.now();
        let mut env: Vec<(String, String)> = Vec::new();
        for (name, value) in now.scopes.iter().rev().flat_map(|s| &s.env) {
            if env.iter().all(|(known, _)| known != name) {
                env.push((name.clone(), value.clone()));
            }
        }
        let cwd = now.scopes.iter().rev().find_map(|s| s.cwd.clone());
        scoped(command, &env, cwd.as_deref())
    }

    /// Whether nothing of the call under way may be shown or kept.
    fn withheld(&self) -> bool {
        let sensitive = self.now().sensitive;
        sensitive || self.no_log()
    }

    fn no_log(&self) -> bool {
        self.said(|s| s.no_log).unwrap_or(false)
    }

    /// A subject as reports may show it.
    fn shown(&self, subject: &str) -> String {
        if self.no_log() { WITHHELD.to_owned() } else { subject.to_owned() }
    }

    /// A write whose file on the controller is named by its full path, or whose kept content is at hand.
    fn found(&self, write: &Write) -> Result<Write> {
        let mut write = write.clone();
        if let Source::Asset(path) = &write.source
            && let Some(found) = find(path, &self.run.roots)
        {
            write.source = Source::Asset(found.to_string_lossy().into_owned());
        }
        if let Source::Kept(sha256) = &write.source {
            let kept = self.run.vault.as_ref().and_then(|vault| vault.get(sha256));
            write.source = Source::Bytes(kept.ok_or_else(|| not_kept(&write.path))?);
        }
        Ok(write)
    }

    /// Keep the secrets of a request out of everything that is told.
    fn hide_all(&self, request: &Request) {
        request.secrets().for_each(|secret| self.run.bus.hide(secret));
    }

    /// Keep the secrets of a call out of everything that is told.
    fn hide_secrets(&self, call: &docker::Call) {
        call.secrets().iter().for_each(|secret| self.run.bus.hide(secret));
    }

    /// An upload whose directory on the controller is named by its full path.
    fn rooted(&self, upload: &Upload) -> Upload {
        let found = find(&upload.src, &self.run.roots);
        let src = found.map_or_else(|| upload.src.clone(), |found| found.to_string_lossy().into_owned());
        Upload { src, ..upload.clone() }
    }

    /// A fetch to a place beside the playbook, where it is looked for too.
    fn placed(&self, fetch: &Fetch) -> Fetch {
        let beside = self.run.roots.first().map(|root| root.join(&fetch.dest));
        let dest = beside.map_or_else(|| fetch.dest.clone(), |dest| dest.to_string_lossy().into_owned());
        Fetch { dest, ..fetch.clone() }
    }

    fn overlay(&self, mut locals: serde_json::Map<String, Value>) -> Overlay {
        locals.insert("ansible_check_mode".to_owned(), self.run.options.check.into());
        Overlay { facts: self.run.facts(&self.host), vars: self.play.spec.vars.clone(), locals }
    }

    fn tags(&self) -> Vec<String> {
        let now = self.now();
        self.play.spec.tags.iter().chain(now.tasks.iter().flat_map(|(_, tags)| tags)).cloned().collect()
    }

    /// Tell what the call under way waits for, if it takes much longer than usual. It goes on all the same.
    async fn watch(&self) -> std::convert::Infallible {
        if let (Ok(link), Ok(manner)) = (&self.link, self.manner(None)) {
            let call = {
                let now = self.now();
                let (operation, subject, at) = (now.operation.clone(), now.subject.clone(), now.at.clone());
                stuck::Call { host: self.host.clone(), operation, subject, at }
            };
            let quiet = self.withheld();
            stuck::watch(&self.run, link, manner.whom.as_ref(), &call, quiet).await;
        }
        std::future::pending().await
    }

    /// The host whose play this belongs to.
    fn origin(&self) -> &str {
        self.play.spec.origin.as_deref().unwrap_or(&self.host)
    }

    /// Take a change back, in the scope it was made in, or say what that would take.
    pub fn restore(&self, entry: &'static Entry, args: &Value, past: &Past, back: Back) -> Result<Restored> {
        {
            let mut now = self.now();
            now.args = args.clone();
            now.sensitive = args.get("sensitive") == Some(&Value::Bool(true));
        }
        let restored = self.run.wait(entry.typed.restore(args.clone(), past, self, back));
        self.now().attempts.push(restored.clone().map(|restored| restored.outcome));
        restored
    }

    /// Whether a content was kept.
    pub fn keeps(&self, sha256: &str) -> bool {
        self.run.vault.as_ref().is_some_and(|vault| vault.has(sha256))
    }

    /// A text without what must never be shown.
    pub fn redacted(&self, text: &str) -> String {
        self.run.bus.redacted(text)
    }

    /// Whether the call under way is no part of the playbook's work: a message outside of plays.
    fn aside(&self) -> bool {
        let spec = &self.play.spec;
        spec.aside || (spec.name.is_empty() && !spec.nested && self.now().sending)
    }

    /// What the run that is resumed saw, where that matters here.
    fn replay(&self) -> Option<&Replay> {
        self.run.replay.as_ref().filter(|_| !self.aside())
    }

    /// Remember something, where it belongs to the playbook's work.
    fn note(&self, frame: impl FnOnce() -> Frame) {
        if !self.aside() {
            self.run.note(frame);
        }
    }

    /// Count something on this host, likewise.
    fn count(&self, how: impl FnOnce(&mut crate::report::Stats)) {
        if !self.aside() {
            self.run.count(&self.host, how);
        }
    }

    /// Which host this is, in the memory of a run.
    fn key(&self) -> Key {
        (self.origin().to_owned(), self.host.clone())
    }

    /// Whether what comes now was done by the run that is resumed.
    fn again(&self) -> bool {
        self.replay().is_some_and(|replay| replay.pending(&self.key()))
    }

    /// Tell, once, that the host goes on by itself.
    fn goes_on(&self) {
        if let Some(done) = self.replay().and_then(|replay| replay.over(&self.key())) {
            self.run.bus.emit(Event::HostResume { host: self.host.clone(), done });
        }
    }

    /// How calls are made here, as undo needs to know it.
    fn how(&self) -> How {
        let whom = self.whom().ok().flatten();
        let bare = self.dressed(&Command::default());
        How {
            user: whom.as_ref().map(|whom| whom.user.clone()),
            method: whom.map(|whom| whom.method.name().to_owned()),
            env: bare.env.into_iter().collect(),
            cwd: bare.cwd,
        }
    }

    /// Remember how a call ended.
    fn remember(&self, record: Record, again: Option<Box<Call>>) {
        let (args, attempts, assets, handler) = {
            let mut now = self.now();
            let handler = now.tasks.iter().rev().find(|(_, tags)| tags.iter().any(|tag| tag == "handlers"));
            let handler = handler.map(|(name, _)| name.clone());
            (now.args.take(), std::mem::take(&mut now.attempts), std::mem::take(&mut now.assets), handler)
        };
        let past = |attempt: &Result<Outcome>| Some(attempt.as_ref().err()?.halfway.as_ref()?.past.clone());
        let halfway =
            attempts.iter().enumerate().filter_map(|(number, attempt)| Some((number, past(attempt)?))).collect();
        self.note(|| match again {
            Some(call) => Frame::Call(Box::new(Call { replayed: true, ..*call })),
            None => {
                let record = Record { steps: Vec::new(), diff: Vec::new(), before: Value::Null, ..record };
                let (origin, how) = (self.origin().to_owned(), self.how());
                let call = Call { origin, record, args, how, handler, attempts, halfway, assets, replayed: false };
                Frame::Call(Box::new(call))
            }
        });
    }

    /// Ask the host whether a reboot is due.
    fn look_for_reboot(&self) {
        let entries = stdlib::modules().iter().flat_map(|module| &module.entries);
        for entry in entries.filter(|entry| entry.reboot == Reboot::Told) {
            match self.run.wait(entry.typed.ask(Value::Object(serde_json::Map::new()), self)) {
                Ok(due) => self.run.due(&self.play.spec.name, &self.host, &due),
                Err(error) => tracing::debug!("whether a reboot is due is not known: {error}"),
            }
        }
    }

    fn task(&self) -> Option<String> {
        self.now().tasks.last().map(|(name, _)| name.clone())
    }
}

/// The error of a content that undo would need.
pub(super) fn not_kept(path: &str) -> Error {
    Error::host(format!("what {path} contained was not kept"))
        .hint(format!("contents of up to {} MiB are kept, as long as their runs and while there is room", KEPT >> 20))
}

/// The program that the inventory names.
pub(super) fn method(method: crate::inventory::Method) -> Method {
    match method {
        crate::inventory::Method::Sudo => Method::Sudo,
        crate::inventory::Method::Su => Method::Su,
        crate::inventory::Method::Doas => Method::Doas,
    }
}

/// What stands for something that may not be shown.
const WITHHELD: &str = "‹withheld›";

/// An error without anything that the host said: it may repeat what must not be shown.
fn withheld(error: &Error) -> Error {
    let what = match error.rc {
        Some(rc) => format!("it failed with exit code {rc}; what it said is withheld"),
        None => "it failed; why is withheld".to_owned(),
    };
    let mut bare = Error::new(error.kind, what);
    bare.rc = error.rc;
    bare.host.clone_from(&error.host);
    bare.operation.clone_from(&error.operation);
    bare.at.clone_from(&error.at);
    bare
}
