//! A play under way: its hosts, its batches, and when it stops.

use super::session::Session;
use super::shared::Shared;
use crate::report::Event;
use crate::script::{Actor, Play, PlaySpec, Serial};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use stdlib::contract::{Error, Result, Site};

/// A play under way.
pub(super) struct PlayState {
    pub spec: PlaySpec,
    hosts: Vec<String>,
    run: Arc<Shared>,
    began: Instant,
    batch: Mutex<(usize, usize)>,
    answers: Mutex<Answers>,
}

/// What a person has answered in this batch.
#[derive(Default)]
struct Answers {
    /// At each place, in turn.
    given: HashMap<String, Vec<String>>,
    /// How often a host has been at a place.
    visits: HashMap<(String, String), usize>,
}

impl PlayState {
    pub fn begin(run: Arc<Shared>, spec: PlaySpec) -> Result<Arc<PlayState>> {
        let hosts = run.hosts(&spec)?;
        if !spec.name.is_empty() {
            let (play, pattern) = (spec.name.clone(), spec.pattern.clone());
            run.bus.emit(Event::PlayStart { play, pattern, hosts: hosts.clone(), at: spec.at.clone() });
        }
        Ok(Arc::new(PlayState {
            spec,
            hosts,
            run,
            began: Instant::now(),
            batch: Mutex::default(),
            answers: Mutex::default(),
        }))
    }
    /// Whether the hosts that are still at work must stop.
    pub fn stopped(&self) -> bool {
        self.spec.any_errors_fatal && self.batch().1 > 0
    }
    fn batch(&self) -> MutexGuard<'_, (usize, usize)> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Ask the person what no other host of the batch has asked at this place.
    pub fn inquire(&self, host: &str, question: &str, echo: bool, at: &Site) -> Result<String> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let place = format!("{at} {question}");
        let visit = answers.visits.entry((host.to_owned(), place.clone())).or_default();
        let turn = *visit;
        *visit += 1;
        if let Some(answer) = answers.given.get(&place).and_then(|given| given.get(turn)) {
            return Ok(answer.clone());
        }
        let answer = self.run.ask(&format!("{} {place}", self.spec.name), question, echo)?;
        answers.given.entry(place).or_default().push(answer.clone());
        Ok(answer)
    }
    /// A host did not end well.
    pub fn failed(&self) {
        self.batch().1 += 1;
    }
}

/// Hosts in batches: the sizes one after another, the last one for all that is left.
pub fn batches(hosts: &[String], sizes: &[Serial]) -> Vec<Vec<String>> {
    let size = |serial: &Serial| match serial {
        Serial::Count(n) => *n,
        Serial::Percent(p) => ((p / 100.0 * hosts.len() as f64) as usize).max(1),
    };
    let mut batches = Vec::new();
    let mut rest = hosts;
    while !rest.is_empty() {
        let n = sizes.get(batches.len()).or(sizes.last()).map_or(rest.len(), size).clamp(1, rest.len());
        batches.push(rest[..n].to_vec());
        rest = &rest[n..];
    }
    batches
}

impl Play for PlayState {
    fn batches(&self) -> Vec<Vec<String>> {
        batches(&self.hosts, &self.spec.serial)
    }
    fn forks(&self) -> usize {
        self.spec.forks.unwrap_or(self.run.options.forks).max(1)
    }
    fn actor(self: Arc<Self>, host: &str) -> Arc<dyn Actor> {
        if !self.spec.aside {
            self.run.count(host, |_| {});
        }
        Arc::new(Session::new(Arc::clone(&self.run), self, host))
    }
    fn begin_batch(&self, hosts: &[String]) {
        *self.batch() = (hosts.len(), 0);
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner) = Answers::default();
        if !self.spec.serial.is_empty() {
            self.run.bus.emit(Event::BatchStart { play: self.spec.name.clone(), hosts: hosts.to_vec() });
        }
    }
    fn end_batch(&self) -> Result<()> {
        let (size, failed) = *self.batch();
        if self.spec.nested || failed == 0 {
            return Ok(());
        }
        let name = if self.spec.name.is_empty() {
            format!("on(\"{}\")", self.spec.pattern)
        } else {
            format!("play \"{}\"", self.spec.name)
        };
        let stop = |why: String| Err(Error::host(format!("{name} stops here: {why}")));
        if self.spec.any_errors_fatal {
            return stop(format!("{failed} of {size} hosts failed, and any_errors_fatal is set"));
        }
        if let Some(most) = self.spec.max_fail_percentage
            && failed as f64 * 100.0 / size as f64 > most
        {
            return stop(format!("{failed} of {size} hosts failed, more than max_fail_percentage {most}"));
        }
        if failed == size {
            return stop(if size == 1 { "its host failed".to_owned() } else { format!("all {size} hosts failed") });
        }
        Ok(())
    }
    fn end(&self) {
        if !self.spec.name.is_empty() {
            let duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.run.bus.emit(Event::PlayEnd { play: self.spec.name.clone(), duration_ms });
        }
    }
}
