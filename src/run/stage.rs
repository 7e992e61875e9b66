//! The run as scripts see it.

use super::memory::Frame;
use super::playing::PlayState;
use super::shared::Shared;
use crate::report::Event;
use crate::script::{Play, PlaySpec, Stage};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use stdlib::contract::{Error, Kind, Result, Site};

impl Stage for Arc<Shared> {
    fn param(&self, name: &str, default: Value) -> Result<Value> {
        Ok(self.options.params.get(name).cloned().unwrap_or(default))
    }
    fn select(&self, pattern: &str) -> Result<Vec<String>> {
        self.inventory.select(pattern)
    }
    fn play(&self, spec: PlaySpec) -> Result<Arc<dyn Play>> {
        Ok(PlayState::begin(Arc::clone(self), spec)?)
    }
    fn interrupted(&self) -> bool {
        self.cancel.is_cancelled()
    }
    fn print(&self, host: Option<&str>, text: &str) {
        // What a finished call of the run that is resumed led to was printed then.
        let again = |host: &str| self.replay.as_ref().is_some_and(|r| r.pending(&(host.to_owned(), host.to_owned())));
        if host.is_some_and(again) {
            return;
        }
        self.bus.emit(Event::Print { host: host.map(str::to_owned), text: text.to_owned() });
    }
    fn warn(&self, message: String) {
        self.bus.emit(Event::Warning { message });
    }
    fn checks(&self) -> bool {
        self.options.check
    }
    fn summary(&self, error: Option<&Error>) -> Value {
        Shared::summary(self, error)
    }
    fn vars_in(&self, path: &str) -> Result<Map<String, Value>> {
        self.inventory.vars_in(path, &self.roots)
    }
    fn inquire(&self, question: &str, echo: bool) -> Result<String> {
        self.ask(question, question, echo)
    }
}

impl Shared {
    /// What a person answers; or has answered already, if the run that this one resumes came to the same place.
    pub fn ask(&self, place: &str, question: &str, echo: bool) -> Result<String> {
        let answer = match self.replay.as_ref().and_then(|replay| replay.answered(place)) {
            Some(answer) => {
                if !echo {
                    self.bus.hide(&answer);
                }
                answer
            }
            None => self.ask_anew(question, echo)?,
        };
        self.note(|| Frame::Answer { place: place.to_owned(), answer: answer.clone() });
        Ok(answer)
    }

    fn ask_anew(&self, question: &str, echo: bool) -> Result<String> {
        let Some(person) = &self.person else {
            let error = Error::playbook("pause() asks a person, and there is no terminal to ask on");
            return Err(error.hint("run it on a terminal, or make the answer a parameter: param(\"answer\", \"\")"));
        };
        self.bus.settle();
        let answer = (person.0)(question, echo);
        match answer {
            Some(answer) => {
                if !echo {
                    self.bus.hide(&answer);
                }
                Ok(answer)
            }
            None => {
                self.cancel.cancel();
                Err(Error::new(Kind::Interrupted, "stopped at pause()"))
            }
        }
    }
}

/// Who is asked by `pause`: gets a question and whether the answer may be seen; no answer is an interruption.
pub struct Person(Asked);

type Asked = Box<dyn Fn(&str, bool) -> Option<String> + Send + Sync>;

impl Person {
    /// A person who is asked by `ask`.
    pub fn new(ask: impl Fn(&str, bool) -> Option<String> + Send + Sync + 'static) -> Person {
        Person(Box::new(ask))
    }
}

/// Asks a person before each task (`--step`); what was answered counts for every host.
pub struct Prompt {
    ask: Box<dyn Fn(&str) -> Answer + Send + Sync>,
    state: Mutex<(bool, HashMap<String, bool>)>,
}

/// What a person answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Do it.
    Yes,
    /// Leave it out.
    No,
    /// Do it and everything after it.
    Continue,
    /// Stop here.
    Quit,
}

impl Prompt {
    /// A prompt that asks by `ask`, which gets the question.
    pub fn new(ask: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Prompt {
        Prompt { ask: Box::new(ask), state: Mutex::default() }
    }
    pub(super) fn ask(&self, task: Option<&str>, operation: &str, subject: &str, at: &Site) -> Result<Option<String>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0 {
            return Ok(None);
        }
        let (key, question) = match task {
            Some(task) => (task.to_owned(), format!("task: {task}")),
            None => (at.to_string(), format!("{operation} {subject}")),
        };
        let yes = match state.1.get(&key) {
            Some(answer) => *answer,
            None => match (self.ask)(&question) {
                Answer::Yes => true,
                Answer::No => false,
                Answer::Continue => {
                    state.0 = true;
                    true
                }
                Answer::Quit => return Err(Error::new(Kind::Interrupted, "stopped at --step")),
            },
        };
        state.1.insert(key, yes);
        Ok((!yes).then(|| "--step".to_owned()))
    }
}
