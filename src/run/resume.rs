//! Going on where another run has stopped: what the script saw there it sees again, call by call, until a
//! host comes to its first call that did not end. From there on it is a run like any other.

use super::memory::{Call, Frame, Start, recall};
use super::{Options, Resume};
use crate::transport::{asset, asset_tree};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use stdlib::contract::{Content, Error, Kind, Result, Site};

/// A host in a play, and the host whose play it stands in.
pub(super) type Key = (String, String);

/// What one host saw, and how much of it was seen again.
#[derive(Default)]
struct Reel {
    frames: VecDeque<Frame>,
    calls: u64,
    announced: bool,
}

/// What the hosts of a run saw.
pub(super) struct Replay {
    pub run: String,
    reels: Mutex<HashMap<Key, Reel>>,
    /// What a person has answered, by question.
    answers: Mutex<HashMap<String, VecDeque<String>>>,
    /// Hosts that did not come to their end and are left alone.
    pub left_alone: BTreeSet<String>,
}

impl Replay {
    /// What is to be seen again of a run.
    pub fn open(state: &Path, resume: &Resume) -> Result<Replay> {
        let frames = recall(state, &resume.run)?;
        let unfinished = unfinished(&frames);
        let left_alone = match &resume.hosts {
            Some(hosts) => unfinished.difference(hosts).cloned().collect(),
            None => BTreeSet::new(),
        };
        let mut answers: HashMap<String, VecDeque<String>> = HashMap::new();
        for frame in &frames {
            if let Frame::Answer { place, answer } = frame {
                answers.entry(place.clone()).or_default().push_back(answer.clone());
            }
        }
        let reels = Mutex::new(reels(frames));
        Ok(Replay { run: resume.run.clone(), reels, answers: Mutex::new(answers), left_alone })
    }
    /// What a person has answered to a question, each time once.
    pub fn answered(&self, place: &str) -> Option<String> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).get_mut(place)?.pop_front()
    }
    fn reels(&self) -> MutexGuard<'_, HashMap<Key, Reel>> {
        self.reels.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Whether a host still sees what was.
    pub fn pending(&self, key: &Key) -> bool {
        self.reels().get(key).is_some_and(|reel| !reel.frames.is_empty())
    }
    /// How many calls a host has behind it when it goes on by itself; said once.
    pub fn over(&self, key: &Key) -> Option<u64> {
        let mut reels = self.reels();
        let reel = reels.get_mut(key).filter(|reel| reel.frames.is_empty() && reel.calls > 0 && !reel.announced)?;
        reel.announced = true;
        Some(reel.calls)
    }
    /// What came of a try; nothing if the host goes on by itself.
    pub fn attempt(
        &self,
        key: &Key,
        operation: &str,
        args: &Value,
        at: &Site,
        tries: usize,
    ) -> Result<Option<Result<stdlib::contract::Outcome>>> {
        let reels = self.reels();
        match reels.get(key).and_then(|reel| reel.frames.front()) {
            None => Ok(None),
            Some(Frame::Call(call))
                if call.record.operation == operation && call.args == *args && call.record.at == *at =>
            {
                let attempt = call.attempts.get(tries).cloned();
                attempt.map(Some).ok_or_else(|| self.diverged(&Frame::Call(call.clone()), operation))
            }
            Some(other) => Err(self.diverged(other, operation)),
        }
    }
    /// The answer to a question.
    pub fn answer(&self, key: &Key, operation: &str, args: &Value) -> Result<Option<(Frame, Result<Value>)>> {
        let mut reels = self.reels();
        let Some(reel) = reels.get_mut(key) else { return Ok(None) };
        match reel.frames.front() {
            None => Ok(None),
            Some(Frame::Fact { operation: known, args: given, answer, .. }) if known == operation && given == args => {
                let answer = answer.clone();
                Ok(reel.frames.pop_front().map(|frame| (frame, answer)))
            }
            Some(other) => Err(self.diverged(other, operation)),
        }
    }
    /// The value of a variable.
    pub fn variable(&self, key: &Key, name: &str) -> Option<(Frame, Value)> {
        let mut reels = self.reels();
        let reel = reels.get_mut(key)?;
        match reel.frames.front() {
            Some(Frame::Variable { name: known, value, .. }) if known == name => {
                let value = value.clone();
                reel.frames.pop_front().map(|frame| (frame, value))
            }
            _ => None,
        }
    }
    /// The end of a call: whether it was made by that run.
    pub fn settle(&self, key: &Key, operation: &str, at: &Site) -> Result<Option<Box<Call>>> {
        let mut reels = self.reels();
        let Some(reel) = reels.get_mut(key) else { return Ok(None) };
        match reel.frames.front() {
            None => Ok(None),
            Some(Frame::Call(call)) if call.record.operation == operation && call.record.at == *at => {
                reel.calls += 1;
                match reel.frames.pop_front() {
                    Some(Frame::Call(call)) => Ok(Some(call)),
                    _ => Ok(None),
                }
            }
            Some(other) => Err(self.diverged(other, operation)),
        }
    }
    fn diverged(&self, frame: &Frame, operation: &str) -> Error {
        let there = match frame {
            Frame::Call(call) => format!("{} {} at {}", call.record.operation, call.record.subject, call.record.at),
            Frame::Fact { operation, .. } => operation.clone(),
            Frame::Variable { name, .. } => format!("host.vars.{name}"),
            Frame::Start(_) | Frame::Answer { .. } | Frame::End { .. } => "nothing".to_owned(),
        };
        Error::playbook(format!(
            "the playbook does not go the way it went in run {}: there came {there}, and here comes {operation}",
            self.run
        ))
        .hint("something decides by what is no input, such as the time; run the playbook again from its start")
    }
}

/// The hosts that did not come to the end of every play they were in.
pub(super) fn unfinished(frames: &[Frame]) -> BTreeSet<String> {
    let mut open = BTreeSet::new();
    for frame in frames {
        match frame {
            Frame::Start(_) | Frame::Answer { .. } => {}
            Frame::Call(call) => drop(open.insert(call.origin.clone())),
            Frame::Fact { origin, .. } | Frame::Variable { origin, .. } => drop(open.insert(origin.clone())),
            Frame::End { origin, host, result, .. } if origin == host => match result.as_str() {
                "ok" => drop(open.remove(origin)),
                _ => drop(open.insert(origin.clone())),
            },
            Frame::End { .. } => {}
        }
    }
    open
}

/// The hosts whose play ended with a failure, the last one they were in.
fn failed(frames: &[Frame]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for frame in frames {
        if let Frame::End { origin, host, result, .. } = frame
            && origin == host
        {
            match result.as_str() {
                "failed" | "unreachable" => found.insert(origin.clone()),
                _ => found.remove(origin),
            };
        }
    }
    found
}

/// What each host saw, up to its first call that did not end. A host that did not come to its end asks again
/// what it asked after its last finished call: the answers may be what has to change.
fn reels(frames: Vec<Frame>) -> HashMap<Key, Reel> {
    let unfinished = unfinished(&frames);
    let failed: BTreeSet<String> = failed(&frames);
    // Where each host was last heard of in its own play.
    let mut own: HashMap<String, usize> = HashMap::new();
    let mut found: HashMap<Key, Vec<(usize, Frame)>> = HashMap::new();
    for (at, frame) in frames.into_iter().enumerate() {
        let key = match &frame {
            Frame::Call(call) => (call.origin.clone(), call.record.host.clone()),
            Frame::Fact { origin, host, .. } | Frame::Variable { origin, host, .. } => (origin.clone(), host.clone()),
            Frame::Start(_) | Frame::Answer { .. } | Frame::End { .. } => continue,
        };
        if key.0 == key.1 {
            own.insert(key.0.clone(), at);
        }
        found.entry(key).or_default().push((at, frame));
    }
    let reel = |(key, mut frames): (Key, Vec<(usize, Frame)>)| {
        let last = |frames: &[(usize, Frame)]| match frames.last() {
            // A failure elsewhere that the host went on after was caught.
            Some((at, _)) => key.0 == key.1 || own.get(&key.0).is_none_or(|own| own < at),
            None => false,
        };
        if unfinished.contains(&key.0) && last(&frames) {
            let mut ended = false;
            // Without a word of how the host ended (a crash), a failure before that was caught.
            let fatal = |call: &Call| {
                let kind = call.record.error.as_ref().map(|error| error.kind);
                call.failed() && (failed.contains(&key.0) || kind == Some(Kind::Interrupted))
            };
            while let Some((_, frame)) = frames.last() {
                match frame {
                    Frame::Call(call) if !ended && fatal(call) => ended = true,
                    Frame::Call(_) => break,
                    _ => {}
                }
                frames.pop();
            }
        }
        let frames = frames.into_iter().map(|(_, frame)| frame).collect();
        (key, Reel { frames, ..Reel::default() })
    };
    found.into_iter().map(reel).collect()
}

/// What differs between the start of a run and this one, so that going on would be wrong.
pub(super) fn differences(options: &Options, now: &Start, roots: &[PathBuf]) -> Vec<Error> {
    let (Some(resume), Some(state)) = (&options.resume, &options.state) else { return Vec::new() };
    let frames = match recall(state, &resume.run) {
        Ok(frames) => frames,
        Err(error) => return vec![error],
    };
    let Some(Frame::Start(then)) = frames.first() else {
        return vec![Error::playbook(format!("run {} does not say what it was started with", resume.run))];
    };
    let mut found = Vec::new();
    let differ = |what: String| Error::playbook(format!("{what} since run {}", resume.run));
    if then.playbook != now.playbook {
        found.push(Error::playbook(format!("run {} is one of {}, not of {}", resume.run, then.playbook, now.playbook)));
    }
    for (name, digest) in &then.sources {
        if now.sources.get(name) != Some(digest) {
            found.push(differ(format!("{name} has changed")));
        }
    }
    found.extend(changed(&then.params, &now.params).map(|name| differ(format!("the parameter `{name}` has changed"))));
    found.extend(changed(&then.options, &now.options).map(|name| differ(format!("--{name} is another"))));
    for (host, vars) in &then.hosts {
        match now.hosts.get(host) {
            None => found.push(differ(format!("{host} is no longer in the inventory"))),
            Some(now) => found
                .extend(changed(vars, now).map(|name| differ(format!("the variable `{name}` of {host} has changed")))),
        }
    }
    found.extend(
        now.hosts.keys().filter(|host| !then.hosts.contains_key(*host)).map(|host| differ(format!("{host} is new"))),
    );
    let mut assets: BTreeMap<&String, &String> = BTreeMap::new();
    for frame in &frames {
        if let Frame::Call(call) = frame
            && !call.failed()
        {
            assets.extend(&call.assets);
        }
    }
    let read = |name: &str| digest(name, roots).unwrap_or_default();
    let other = assets.into_iter().filter(|(name, digest)| read(name) != **digest);
    found.extend(other.map(|(name, _)| differ(format!("{name} has changed, and finished calls have used it"))));
    if let Some(last) = found.last_mut() {
        *last = last.clone().hint("run the playbook again: what is as wanted is not done twice");
    }
    found
}

/// The names whose values are not the same in both.
fn changed<'a, V: PartialEq + 'a, M>(then: &'a M, now: &'a M) -> impl Iterator<Item = &'a String> + use<'a, V, M>
where
    &'a M: IntoIterator<Item = (&'a String, &'a V)>,
{
    let pairs = |map: &'a M| map.into_iter().collect::<BTreeMap<_, _>>();
    let (then, now) = (pairs(then), pairs(now));
    let names: BTreeSet<&String> = then.keys().chain(now.keys()).copied().collect();
    names.into_iter().filter(move |name| then.get(name) != now.get(name))
}

/// The digest of a file on the controller, or of all that is below a directory.
pub(super) fn digest(name: &str, roots: &[PathBuf]) -> Option<String> {
    let found = asset(name, roots).ok().flatten()?;
    if !found.directory {
        return Some(found.sha256);
    }
    tree_digest(&asset_tree(name, roots).ok()?).into()
}

/// The digest of everything below a directory.
pub(super) fn tree_digest(tree: &[stdlib::contract::Asset]) -> String {
    let line = |a: &stdlib::contract::Asset| format!("{}\0{}\0{}\0{:?}\n", a.path, a.sha256, a.mode, a.link);
    Content::digest(tree.iter().map(line).collect::<String>().as_bytes())
}
