//! A host as the script calls it: what surrounds each call, from its tags to its report.

use super::super::link::interrupted;
use super::super::memory::Frame;
use super::super::undo::word;
use super::{Session, WITHHELD, withheld};
use crate::inventory::Overlay;
use crate::report::Event;
use crate::script::{Actor, Patience, PlaySpec, Scope};
use serde_json::{Map, Value};
use std::time::Duration;
use stdlib::contract::{Entry, Error, Kind, Mode, Outcome, Reboot, Record, Result, Site, Status};

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
        if let Some((frame, value)) = self.replay().and_then(|replay| replay.variable(&self.key(), name)) {
            self.note(|| frame);
            return Ok(value);
        }
        let text = format!("{{{{ {name} }}}}");
        let learned = self.run.wait(self.run.learn(&self.host, &text, &self.play.spec.vars, self))?;
        let value = self.run.inventory.resolve(&self.host, name, &self.overlay(Map::new()))?;
        // What the host itself has a say in may be another the next time.
        if learned {
            let (origin, host) = self.key();
            self.note(|| Frame::Variable { origin, host, name: name.to_owned(), value: value.clone() });
        }
        Ok(value)
    }
    fn variables(&self) -> Vec<String> {
        let own = self.play.spec.vars.keys().cloned();
        let merged = self.run.inventory.variables(&self.host);
        own.chain(merged.iter().flat_map(|vars| vars.keys().cloned())).collect()
    }
    fn resolved(&self, vars: Map<String, Value>) -> Result<Map<String, Value>> {
        let wanted: Vec<String> = vars.keys().cloned().collect();
        let mut overlay = self.overlay(Map::new());
        overlay.vars.extend(vars);
        for name in &wanted {
            self.run.wait(self.run.learn(&self.host, &format!("{{{{ {name} }}}}"), &overlay.vars, self))?;
        }
        overlay.facts = self.run.facts(&self.host);
        let resolve = |name: String| {
            let value = self.run.inventory.resolve(&self.host, &name, &overlay)?;
            Ok((name, value))
        };
        wanted.into_iter().map(resolve).collect()
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
        // What is no part of the work is chosen by no tag, and told when the work is done.
        self.now().sending = entry.sends();
        let aside = self.aside();
        if aside && self.run.options.only_owed {
            return Ok(Some("--only-owed".to_owned()));
        }
        if let Some(reason) = self.run.left_out(self.origin(), &self.tags()).filter(|_| !aside) {
            return Ok(Some(reason));
        }
        let (task, again) = (self.task(), self.again());
        if !again
            && !aside
            && let Some(reason) = self.run.step(task.as_deref(), &entry.path(), subject, at)?
        {
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
            true => Mode::Check { pending: self.run.keep.pending(&self.host) },
            false => Mode::Apply,
        };
        let (at, tries) = {
            let mut now = self.now();
            now.args = args.clone();
            now.sensitive = args.get("sensitive") == Some(&Value::Bool(true));
            (now.at.clone(), now.attempts.len())
        };
        if let Some(replay) = self.replay() {
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
            let subject = self.now().subject.clone();
            self.run.keep.foretell(&self.host, &subject, &outcome);
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
        if let Some(replay) = self.replay() {
            let seen = replay.answer(&self.key(), &entry.path(), args).map_err(|error| self.run.diverge(error))?;
            if let Some((frame, answer)) = seen {
                self.note(|| frame);
                return answer;
            }
            self.goes_on();
        }
        let answer = self.run.wait(entry.typed.ask(args.clone(), self));
        let ((origin, host), operation) = (self.key(), entry.path());
        self.note(|| Frame::Fact { origin, host, operation, args: args.clone(), answer: answer.clone() });
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
        let again = match self.replay() {
            Some(replay) => {
                let seen = replay.settle(&self.key(), &record.operation, &record.at);
                seen.map_err(|error| self.run.diverge(error))?
            }
            None => None,
        };
        let made = again.is_none();
        match word(&record.operation).map(|entry| entry.reboot) {
            Some(Reboot::Suspected) if record.status == Status::Changed => self.now().reboot = true,
            Some(Reboot::Made) if record.status == Status::Changed => {
                self.now().reboot = false;
                if made {
                    self.run.rebooted(&self.play.spec.name, &self.host);
                }
            }
            _ => {}
        }
        self.remember(Record { ignored, ..whole }, again);
        self.count(|stats| match record.status {
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
            told.notes.clear();
        }
        if made && matches!(told.status, Status::Changed | Status::WouldChange) {
            self.run.story(|story| story.changed(&self.host, &told.operation, &told.subject));
        }
        if made && !told.notes.is_empty() {
            self.run.story(|story| story.noted(&self.host, &told.notes));
        }
        // What a tag leaves out is no news.
        if made && !(told.status == Status::Skipped && self.run.left_out(self.origin(), &self.tags()).is_some()) {
            self.run.bus.emit(Event::TaskEnd { record: Box::new(told) });
        }
        self.now().sending = false;
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
        self.count(|stats| match word {
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
        if let Some(error) = &error {
            self.run.story(|story| story.failed(&self.host, error));
        }
        let (origin, ended) = (self.origin().to_owned(), word.to_owned());
        let (play, host) = (self.play.spec.name.clone(), self.host.clone());
        self.note(|| Frame::End { origin, host, play, result: ended });
        let (play, host, result) = (self.play.spec.name.clone(), self.host.clone(), word.to_owned());
        self.run.bus.emit(Event::HostEnd { play, host, result, error });
    }
}
