//! A host in a play: the one method that every read goes through, the one that every change goes through,
//! and around both what no module knows of: privilege, time limits, check mode, tags, reports.

use super::ahead::Ahead;
use super::lines::Lines;
use super::link::{Link, Manner, interrupted, scoped};
use super::memory::{Call, Frame, How};
use super::playing::PlayState;
use super::resume::{Key, tree_digest};
use super::shared::Shared;
use super::stuck;
use super::undo::word;
use crate::inventory::Overlay;
use crate::report::Event;
use crate::script::{Actor, Patience, PlaySpec, Scope};
use crate::transport::{Become, Method, Stream, asset, asset_tree, find, http_get};
use async_trait::async_trait;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stdlib::contract::{
    Asset, Await, Back, Command, Content, Entry, Error, Fetch, Host, KEPT, Keepsake, Kind, Look, Mode, Outcome, Output,
    Past, Reboot, Record, Request, Restored, Result, Site, Source, Status, Step, Upload, Write,
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

    /// Which host this is, in the memory of a run.
    fn key(&self) -> Key {
        (self.origin().to_owned(), self.host.clone())
    }

    /// Whether what comes now was done by the run that is resumed.
    fn again(&self) -> bool {
        self.run.replay.as_ref().is_some_and(|replay| replay.pending(&self.key()))
    }

    /// Tell, once, that the host goes on by itself.
    fn goes_on(&self) {
        if let Some(done) = self.run.replay.as_ref().and_then(|replay| replay.over(&self.key())) {
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
    fn remember(&self, record: &Record, again: Option<Box<Call>>) {
        let (args, attempts, assets, handler) = {
            let mut now = self.now();
            let handler = now.tasks.iter().rev().find(|(_, tags)| tags.iter().any(|tag| tag == "handlers"));
            let handler = handler.map(|(name, _)| name.clone());
            (now.args.take(), std::mem::take(&mut now.attempts), std::mem::take(&mut now.assets), handler)
        };
        self.run.note(|| match again {
            Some(call) => Frame::Call(Box::new(Call { replayed: true, ..*call })),
            None => {
                let record = Record { steps: Vec::new(), diff: Vec::new(), before: Value::Null, ..record.clone() };
                let (origin, how) = (self.origin().to_owned(), self.how());
                let call = Call { origin, record, args, how, handler, attempts, assets, replayed: false };
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

#[async_trait]
impl Look for Session {
    fn name(&self) -> &str {
        &self.host
    }
    async fn run(&self, asked: &Command) -> Result<Output> {
        if self.run.cancel.is_cancelled() {
            return Err(interrupted());
        }
        let manner = self.manner(Some(self.run.options.read_timeout))?;
        let (link, command) = (self.link()?, self.dressed(asked));
        let operating = self.now().operating;
        if operating && !command.long && !self.withheld() {
            let foreseen = self.ahead().read(link, &command, &manner);
            if let Some(answer) = foreseen
                && let Some(output) = answer.fresh().await
            {
                return Ok(output);
            }
        }
        let answer = link.read(&command, &manner).await;
        if let (Some(recorder), Ok(output)) = (&self.run.recorder, &answer) {
            recorder.asked(asked, output, self.withheld());
        }
        answer
    }
    async fn asset(&self, path: &str) -> Result<Option<Asset>> {
        let found = asset(path, &self.run.roots)?;
        let digest = found.as_ref().map(|asset| asset.sha256.clone()).unwrap_or_default();
        self.now().assets.insert(path.to_owned(), digest);
        if let Some(recorder) = &self.run.recorder {
            recorder.asset(path, found.as_ref(), self.withheld());
        }
        Ok(found)
    }
    async fn asset_tree(&self, path: &str) -> Result<Vec<Asset>> {
        let found = asset_tree(path, &self.run.roots)?;
        self.now().assets.insert(path.to_owned(), tree_digest(&found));
        if let Some(recorder) = &self.run.recorder {
            recorder.tree(path, &found);
        }
        Ok(found)
    }
    async fn http_get(&self, url: &str) -> Result<Vec<u8>> {
        let body = http_get(url).await?;
        if let Some(recorder) = &self.run.recorder {
            recorder.got(url, &body);
        }
        Ok(body)
    }
    async fn http(&self, request: &Request) -> Result<Output> {
        if !request.reads() {
            return Err(Error::bug(format!("a question that changes something: {}", request.line())));
        }
        if self.run.cancel.is_cancelled() {
            return Err(interrupted());
        }
        self.hide_all(request);
        let manner = self.manner(None)?;
        let output = self.link()?.request(request, &manner).await?;
        if let Some(recorder) = &self.run.recorder {
            recorder.answered(request, &output, self.withheld());
        }
        Ok(output)
    }
    async fn render(&self, name: &str, template: &str, vars: &BTreeMap<String, Value>) -> Result<String> {
        self.run.learn(&self.host, template, &self.play.spec.vars, self).await?;
        let locals = vars.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        let context = self.run.inventory.context(&self.host, &self.overlay(locals))?;
        // Errors name the file as the user would.
        let found = find(name, &self.run.roots);
        let here = std::env::current_dir().unwrap_or_default();
        let shown =
            found.as_deref().map(|path| path.strip_prefix(&here).unwrap_or(path).to_string_lossy().into_owned());
        self.run.templates.render(shown.as_deref().unwrap_or(name), template, context)
    }
    fn hide(&self, secret: &str) {
        self.run.bus.hide(secret);
    }
}

#[async_trait]
impl Host for Session {
    async fn change(&self, step: &Step) -> Result<Output> {
        if self.run.options.check {
            return Err(Error::bug(format!("a change in check mode: {}", step.line())));
        }
        if self.run.cancel.is_cancelled() {
            return Err(interrupted());
        }
        self.ahead().change();
        let manner = self.manner(None)?;
        let told = step;
        let step = match step {
            Step::Run(command) => Step::Run(self.dressed(command)),
            Step::Write(write) => Step::Write(self.found(write)?),
            Step::Upload(upload) => Step::Upload(self.rooted(upload)),
            Step::Fetch(fetch) => Step::Fetch(self.placed(fetch)),
            Step::Http(request) => {
                self.hide_all(request);
                step.clone()
            }
            Step::Download(download) => {
                self.hide_all(&download.request);
                step.clone()
            }
            Step::Await(wait) => Step::Await(Await { until: self.dressed(&wait.until), ..wait.clone() }),
        };
        if matches!(step, Step::Await(_)) {
            self.run.unlearn(&self.host);
        }
        let quiet = self.withheld();
        let operation = self.now().operation.clone();
        let lines = Lines::new();
        let tell = |stream: Stream, text: String| {
            let stream = if stream == Stream::Stdout { "stdout" } else { "stderr" }.to_owned();
            let (host, operation) = (self.host.clone(), operation.clone());
            self.run.bus.emit(Event::TaskOutput { host, operation, stream, text });
        };
        let sink = |stream: Stream, bytes: &[u8]| {
            if !quiet {
                lines.add(stream, bytes, &tell);
            }
        };
        let done = self.link()?.change(&step, &manner, &sink).await;
        lines.rest(&tell);
        if let Some(recorder) = &self.run.recorder {
            recorder.changed(told, &done, quiet);
        }
        done
    }
    async fn keep(&self, keepsake: &Keepsake) {
        let Some(vault) = self.run.vault.as_ref().filter(|vault| !vault.has(&keepsake.sha256)) else { return };
        if keepsake.size > KEPT {
            return;
        }
        match self.run(&keepsake.command).await {
            Ok(output) if Content::digest(&output.stdout) == keepsake.sha256 => {
                if let Err(error) = vault.put(&output.stdout) {
                    tracing::warn!("{error}");
                }
            }
            Ok(_) => tracing::debug!("not kept, because it has changed: {}", keepsake.command.line()),
            Err(error) => tracing::debug!("not kept: {error}"),
        }
    }
    fn look(&self) -> &dyn Look {
        self
    }
}

impl Actor for Session {
    fn host(&self) -> &str {
        &self.host
    }
    fn play(&self) -> String {
        self.play.spec.name.clone()
    }
    fn address(&self) -> Result<String> {
        let overlay = Overlay::from(self.play.spec.vars.clone());
        self.run.inventory.connection(&self.host, &overlay).map(|connection| connection.address)
    }
    fn groups(&self) -> Vec<String> {
        self.run.inventory.groups_of(&self.host)
    }
    fn variable(&self, name: &str) -> Result<Value> {
        if let Some((frame, value)) = self.run.replay.as_ref().and_then(|replay| replay.variable(&self.key(), name)) {
            self.run.note(|| frame);
            return Ok(value);
        }
        let text = format!("{{{{ {name} }}}}");
        self.run.wait(self.run.learn(&self.host, &text, &self.play.spec.vars, self))?;
        let value = self.run.inventory.resolve(&self.host, name, &self.overlay(serde_json::Map::new()))?;
        // What the host itself has a say in may be another the next time.
        let overlay = Overlay::from(self.play.spec.vars.clone());
        let names = self.run.inventory.names_used(&self.host, &text, &overlay)?;
        if names.iter().any(|name| name.starts_with("ansible_")) {
            let (origin, host) = self.key();
            self.run.note(|| Frame::Variable { origin, host, name: name.to_owned(), value: value.clone() });
        }
        Ok(value)
    }
    fn variables(&self) -> Vec<String> {
        let own = self.play.spec.vars.keys().cloned();
        let merged = self.run.inventory.variables(&self.host);
        own.chain(merged.iter().flat_map(|vars| vars.keys().cloned())).collect()
    }
    fn enter(&self, scope: Scope) {
        self.now().scopes.push(scope);
    }
    fn leave(&self) {
        self.now().scopes.pop();
    }
    fn patience(&self) -> Patience {
        Patience {
            retries: self.said(|s| s.retries).unwrap_or(0),
            delay: self.said(|s| s.delay).unwrap_or(Duration::from_secs(5)),
        }
    }
    fn scopes(&self) -> Vec<Scope> {
        self.now().scopes.iter().skip(1).cloned().collect()
    }
    fn along(&self) -> PlaySpec {
        let scopes = self.now().scopes.clone();
        let inner = |of: &dyn Fn(&Scope) -> Option<bool>| scopes.iter().rev().find_map(of);
        let scope = Scope {
            env: scopes.iter().rev().flat_map(|s| s.env.clone()).collect(),
            no_log: inner(&|s| s.no_log),
            ignore_errors: inner(&|s| s.ignore_errors),
            ..Scope::default()
        };
        let origin = Some(self.origin().to_owned());
        PlaySpec { vars: self.play.spec.vars.clone(), tags: self.tags(), scope, origin, ..PlaySpec::default() }
    }
    fn thrown(&self) {
        self.now().thrown += 1;
    }
    fn enter_task(&self, name: &str, tags: &[String]) -> Option<String> {
        self.now().tasks.push((name.to_owned(), tags.to_vec()));
        self.run.start_at(self.origin(), name);
        // Before --start-at-task, the task to start at may be inside.
        let started = self.run.options.start_at_task.is_none();
        if tags.is_empty() || !started { None } else { self.run.left_out(self.origin(), &self.tags()) }
    }
    fn leave_task(&self) {
        self.now().tasks.pop();
    }
    fn begin(&self, entry: &'static Entry, subject: &str, at: &Site) -> Result<Option<String>> {
        if self.run.cancel.is_cancelled() {
            return Err(interrupted());
        }
        if self.play.stopped() {
            return Err(Error::new(Kind::Interrupted, "stopped: another host failed, and any_errors_fatal is set"));
        }
        if let Some(reason) = self.run.left_out(self.origin(), &self.tags()) {
            return Ok(Some(reason));
        }
        let (task, again) = (self.task(), self.again());
        if !again && let Some(reason) = self.run.step(task.as_deref(), &entry.path(), subject, at)? {
            return Ok(Some(reason));
        }
        {
            let mut now = self.now();
            now.at = at.clone();
            now.attempts.clear();
            now.assets.clear();
        }
        if again {
            return Ok(None);
        }
        self.goes_on();
        let (host, operation, subject) = (self.host.clone(), entry.path(), self.shown(subject));
        {
            let mut now = self.now();
            (now.operation, now.subject, now.at) = (operation.clone(), subject.clone(), at.clone());
            now.sensitive = false;
        }
        self.run.bus.emit(Event::TaskStart { host, operation, subject, task, at: at.clone() });
        Ok(None)
    }
    fn attempt(&self, entry: &'static Entry, args: &Value, any_code: bool) -> Result<Outcome> {
        let mode = match self.run.options.check {
            true => Mode::Check { pending: self.run.pending(&self.host) },
            false => Mode::Apply,
        };
        let (at, tries) = {
            let mut now = self.now();
            now.args = args.clone();
            now.sensitive = args.get("sensitive") == Some(&Value::Bool(true));
            (now.at.clone(), now.attempts.len())
        };
        if let Some(replay) = &self.run.replay {
            let seen = replay.attempt(&self.key(), &entry.path(), args, &at, tries);
            if let Some(outcome) = seen.map_err(|error| self.run.diverge(error))? {
                self.now().attempts.push(outcome.clone());
                return outcome;
            }
        }
        self.ahead().begin();
        self.now().operating = true;
        let work = entry.typed.conduct(args.clone(), self, mode, any_code);
        let outcome = self.run.wait(async {
            tokio::select! {
                outcome = work => outcome,
                never = self.watch() => match never {},
            }
        });
        self.now().operating = false;
        self.now().attempts.push(outcome.clone());
        let outcome = outcome?;
        if matches!(outcome.status, Status::Ok | Status::Changed) {
            self.ahead().keep();
        }
        if matches!(outcome.status, Status::WouldChange | Status::Unknown) {
            self.run.set_pending(&self.host);
        }
        Ok(outcome)
    }
    fn ask(&self, entry: &'static Entry, args: &Value) -> Result<Value> {
        if self.run.cancel.is_cancelled() {
            return Err(interrupted());
        }
        {
            let mut now = self.now();
            now.args = args.clone();
            now.attempts.clear();
        }
        if let Some(replay) = &self.run.replay {
            let seen = replay.answer(&self.key(), &entry.path(), args).map_err(|error| self.run.diverge(error))?;
            if let Some((frame, answer)) = seen {
                self.run.note(|| frame);
                return answer;
            }
            self.goes_on();
        }
        let answer = self.run.wait(entry.typed.ask(args.clone(), self));
        let ((origin, host), operation) = (self.key(), entry.path());
        self.run.note(|| Frame::Fact { origin, host, operation, args: args.clone(), answer: answer.clone() });
        match (entry.reboot, &answer) {
            (Reboot::Suspected, _) => self.now().reboot = true,
            (Reboot::Told, Ok(due)) => self.run.due(&self.play.spec.name, &self.host, due),
            _ => {}
        }
        answer
    }
    fn inquire(&self, question: &str, echo: bool, at: &Site) -> Result<String> {
        self.play.inquire(&self.host, question, echo, at)
    }
    fn retry(&self, entry: &'static Entry, subject: &str, left: u64, reason: &str, delay: Duration) -> Result<()> {
        if self.again() {
            return Ok(());
        }
        let (host, operation) = (self.host.clone(), entry.path());
        let reason = if self.withheld() { WITHHELD.to_owned() } else { reason.to_owned() };
        let subject = self.shown(subject);
        self.run.bus.emit(Event::TaskRetry { host, operation, subject, left, reason });
        self.run.wait(async {
            tokio::select! {
                () = tokio::time::sleep(delay) => Ok(()),
                () = self.run.cancel.cancelled() => Err(interrupted()),
            }
        })
    }
    fn settle(&self, record: Record) -> Result<Record> {
        let mut record = record;
        record.play = self.play.spec.name.clone();
        record.task = self.task();
        if self.withheld() {
            record.sensitive = true;
        }
        let whole = record.clone();
        if record.sensitive {
            record.diff.clear();
            record.steps.clear();
            record.before = Value::Null;
            record.error = record.error.map(|error| withheld(&error));
        }
        if let Some(recorder) = self.run.recorder.as_ref().filter(|_| self.run.options.check) {
            recorder.predicted(&record.steps);
        }
        let error = record.error.clone();
        let ignored = error.as_ref().is_some_and(|e| e.kind == Kind::Host || e.kind == Kind::Timeout)
            && self.said(|s| s.ignore_errors).unwrap_or(false);
        record.ignored = ignored;
        let again = match &self.run.replay {
            Some(replay) => {
                let seen = replay.settle(&self.key(), &record.operation, &record.at);
                seen.map_err(|error| self.run.diverge(error))?
            }
            None => None,
        };
        let made = again.is_none();
        match word(&record.operation).map(|entry| entry.reboot) {
            Some(Reboot::Suspected) if record.status == Status::Changed => self.now().reboot = true,
            Some(Reboot::Made) if record.status == Status::Changed && made => {
                self.now().reboot = false;
                self.run.rebooted(&self.play.spec.name, &self.host);
            }
            Some(Reboot::Made) if record.status == Status::Changed => self.now().reboot = false,
            _ => {}
        }
        self.remember(&Record { ignored, ..whole }, again);
        self.run.count(&self.host, |stats| match record.status {
            Status::Ok => stats.ok += 1,
            Status::Changed if !made => stats.ok += 1,
            Status::Changed | Status::WouldChange => {
                stats.ok += 1;
                stats.changed += 1;
            }
            Status::Unknown => {
                stats.skipped += 1;
                stats.unknown += 1;
            }
            Status::Skipped => stats.skipped += 1,
            Status::Failed | Status::Unreachable if ignored => {
                stats.ok += 1;
                stats.ignored += 1;
            }
            Status::Failed | Status::Unreachable => {}
        });
        let mut told = record.clone();
        told.subject = self.shown(&told.subject);
        if record.sensitive {
            told.stdout.clear();
            told.stderr.clear();
            told.reason = None;
        }
        // What a tag leaves out is no news.
        if made && !(told.status == Status::Skipped && self.run.left_out(self.origin(), &self.tags()).is_some()) {
            self.run.bus.emit(Event::TaskEnd { record: Box::new(told) });
        }
        match error {
            Some(error) if !ignored => {
                self.now().thrown += 1;
                Err(error)
            }
            _ => Ok(record),
        }
    }
    fn unknown(&self, message: &str, at: Site) {
        let (host, message) = (self.host.clone(), message.to_owned());
        self.run.bus.emit(Event::PlanUnknown { host, message, at });
    }
    fn replaying(&self) -> bool {
        self.again()
    }
    fn only_owed(&self) -> bool {
        self.run.options.only_owed
    }
    fn owe(&self, handler: &str, captures: Value) {
        self.run.owe(&self.play.spec.name, &self.host, handler, captures);
    }
    fn paid(&self, handler: &str) {
        self.run.pay(&self.play.spec.name, &self.host, handler);
    }
    fn debts(&self) -> Vec<(String, Value)> {
        self.run.debts(&self.play.spec.name, &self.host)
    }
    fn end(&self, result: Result<(), Error>) {
        if result.is_ok() && !self.run.options.check {
            self.ahead().save();
        }
        let gone = |error: &Error| [Kind::Unreachable, Kind::Interrupted].contains(&error.kind);
        if self.now().reboot && !self.run.options.check && !result.as_ref().is_err_and(gone) {
            self.look_for_reboot();
        }
        // Inside another play, a failure is that play's to tell and to count.
        let nested = self.play.spec.nested;
        let thrown = self.now().thrown;
        let (word, error) = match &result {
            Ok(()) => ("ok", None),
            Err(error) if error.kind == Kind::Unreachable => ("unreachable", Some(Box::new(error.clone()))),
            Err(error) if error.kind == Kind::Interrupted => ("interrupted", None),
            Err(error) => ("failed", Some(Box::new(error.clone()))),
        };
        self.run.count(&self.host, |stats| match word {
            _ if nested => {}
            "ok" => stats.rescued += thrown,
            "unreachable" => {
                stats.unreachable = 1;
                stats.rescued += thrown.saturating_sub(1);
            }
            "failed" => {
                stats.failures += 1;
                stats.rescued += thrown.saturating_sub(1);
            }
            _ => {}
        });
        if word != "ok" {
            self.play.failed();
        }
        if !nested && word != "ok" {
            self.run.lose(&self.host, &self.play.spec.name, word);
        }
        let error = error.filter(|_| !nested);
        let (origin, ended) = (self.origin().to_owned(), word.to_owned());
        let (play, host) = (self.play.spec.name.clone(), self.host.clone());
        self.run.note(|| Frame::End { origin, host, play, result: ended });
        let (play, host, result) = (self.play.spec.name.clone(), self.host.clone(), word.to_owned());
        self.run.bus.emit(Event::HostEnd { play, host, result, error });
    }
}
