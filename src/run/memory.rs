//! What a run remembers beside its journal, sealed: all that it takes to go back, and all that the script
//! saw, so that it can go on after a failure. One frame per call, written before anybody hears of the call.

use super::vault::Vault;
use crate::report::{Bus, Event};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use stdlib::contract::{Error, Outcome, Past, Record, Result, Status};

/// Texts longer than this are stored apart, each once.
const INLINE: usize = 16 * 1024;

/// One thing that a run remembers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Frame {
    /// What the run was started with.
    Start(Box<Start>),
    /// A call that came to its end.
    Call(Box<Call>),
    /// A question and its answer.
    Fact { origin: String, host: String, operation: String, args: Value, answer: Result<Value> },
    /// What a person has answered, and at which question.
    Answer { place: String, answer: String },
    /// A variable whose value the host itself had a say in.
    Variable { origin: String, host: String, name: String, value: Value },
    /// A host is done with a play: `ok`, `failed`...
    End { origin: String, host: String, play: String, result: String },
}

/// What a run was started with: what must be the same for another run to go on where it stopped.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Start {
    /// The playbook, as an absolute path.
    pub playbook: String,
    /// The digests of its text and of what it imports, by name.
    pub sources: BTreeMap<String, String>,
    /// Its parameters.
    pub params: Map<String, Value>,
    /// What was chosen: tags, a limit...
    pub options: BTreeMap<String, String>,
    /// The digests of the variables of each host.
    pub hosts: BTreeMap<String, BTreeMap<String, String>>,
    /// The command line that started it, if it was one.
    pub origin: Option<Origin>,
}

/// The command line that started a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Origin {
    /// Its words after the program's name.
    pub args: Vec<String>,
    /// Where it was typed.
    pub cwd: PathBuf,
    /// The variables of hlrun that were set.
    pub env: Vec<(String, String)>,
    /// The inventories, as absolute paths.
    pub inventory: Vec<PathBuf>,
    /// The directory of the playbook, whose variables count too.
    pub beside: Option<PathBuf>,
    /// Variables that win over all others, as they were typed.
    pub extra_vars: Vec<String>,
}

/// How a call was made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct How {
    pub user: Option<String>,
    pub method: Option<String>,
    pub env: Vec<(String, String)>,
    pub cwd: Option<String>,
}

/// A call that came to its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Call {
    /// The host whose play it stands in.
    pub origin: String,
    /// What is known of it, whole.
    pub record: Record,
    pub args: Value,
    pub how: How,
    /// The handler it belongs to, if any.
    pub handler: Option<String>,
    /// Each try, and what came of it.
    pub attempts: Vec<Result<Outcome>>,
    /// What those had changed that failed on their way, by their number.
    #[serde(default)]
    pub halfway: BTreeMap<usize, Past>,
    /// The digests of the controller's files that it read.
    pub assets: BTreeMap<String, String>,
    /// Whether it was made by the run that this one resumes.
    pub replayed: bool,
}

impl Call {
    /// The states that it led from and to, if it changed anything.
    pub fn past(&self) -> Option<Past> {
        let changed = || {
            self.attempts.iter().enumerate().filter_map(|(number, attempt)| match attempt {
                Ok(done) => (done.status == Status::Changed).then_some((&done.before, &done.after)),
                Err(_) => self.halfway.get(&number).map(|past| (&past.before, &past.after)),
            })
        };
        Some(Past { before: changed().next()?.0.clone(), after: changed().next_back()?.1.clone() })
    }
    /// Whether it failed and the host did not go on by itself.
    pub fn failed(&self) -> bool {
        self.record.error.is_some() && !self.record.ignored
    }
}

/// Remembers, or has given up.
pub(super) struct Memory {
    file: Mutex<Place>,
    vault: Arc<Vault>,
    state: PathBuf,
    run: String,
    bus: Bus,
}

/// Where a run is remembered.
enum Place {
    /// Nowhere yet: what only asks leaves nothing behind.
    Waiting(Vec<u8>),
    File(File),
    Lost,
}

impl Memory {
    /// The memory of a run below a state directory. It begins with the first call.
    pub fn new(state: &Path, run: &str, vault: Arc<Vault>, bus: Bus) -> Memory {
        let file = Mutex::new(Place::Waiting(Vec::new()));
        Memory { file, vault, state: state.to_owned(), run: run.to_owned(), bus }
    }
    /// Begin now, whatever comes.
    pub fn begin(&self) {
        let mut place = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = self.open(&mut place);
        self.settle(&mut place, begun);
    }
    /// Remember something. A disk that is full must not stop a run in the middle of its work.
    pub fn note(&self, frame: &Frame) {
        // Hosts seal at the same time, and write one after the other.
        let sealed = self.seal(frame);
        let mut place = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = sealed.and_then(|sealed| {
            if matches!(frame, Frame::Call(_)) {
                self.open(&mut place)?;
            }
            match &mut *place {
                Place::Waiting(waiting) => waiting.extend(sealed),
                Place::File(file) => file.write_all(&sealed).map_err(unwritten)?,
                Place::Lost => {}
            }
            Ok(())
        });
        self.settle(&mut place, written);
    }
    fn settle(&self, place: &mut Place, done: Result<()>) {
        if let Err(error) = done
            && !matches!(place, Place::Lost)
        {
            *place = Place::Lost;
            let message = format!("{}; from here on, this run can be neither undone nor resumed", error.message);
            self.bus.emit(Event::Warning { message });
        }
    }
    fn seal(&self, frame: &Frame) -> Result<Vec<u8>> {
        let mut value = serde_json::to_value(frame).map_err(|e| Error::bug(format!("a frame is no JSON: {e}")))?;
        store(&mut value, &self.vault)?;
        let sealed = self.vault.seal(value.to_string().as_bytes(), &self.run)?;
        let length = u32::try_from(sealed.len()).map_err(|_| Error::host("a call is too large to be remembered"))?;
        Ok([&length.to_le_bytes(), sealed.as_slice()].concat())
    }
    fn open(&self, place: &mut Place) -> Result<()> {
        let Place::Waiting(waiting) = place else { return Ok(()) };
        let path = path(&self.state, &self.run);
        let failed = |e: std::io::Error| Error::playbook(format!("cannot remember the run in {}: {e}", path.display()));
        if let Some(dir) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        }
        let mut file = File::options().create_new(true).write(true).mode(0o600).open(&path).map_err(failed)?;
        file.write_all(waiting).map_err(unwritten)?;
        *place = Place::File(file);
        Ok(())
    }
}

impl Drop for Memory {
    /// What has become too much goes when the run is over, not while somebody waits for it.
    fn drop(&mut self) {
        if self.vault.grew() {
            self.vault.prune(super::journal::oldest(&self.state));
        }
    }
}

fn unwritten(error: std::io::Error) -> Error {
    Error::host(format!("the run cannot be remembered: {error}"))
}

fn path(state: &Path, run: &str) -> PathBuf {
    state.join("runs").join(format!("{run}.memory"))
}

/// What a run remembers. A crash in the middle of a frame costs that frame only.
pub(super) fn recall(state: &Path, run: &str) -> Result<Vec<Frame>> {
    let gone = |why: &str| {
        Error::playbook(format!("run {run} remembers nothing to go back to or to go on from: {why}"))
            .hint("runs of check mode and those of hlrun before 0.2 remember nothing")
    };
    let bytes = std::fs::read(path(state, run)).map_err(|e| gone(&e.to_string()))?;
    let vault = Vault::open(state)?;
    let (mut frames, mut rest) = (Vec::new(), bytes.as_slice());
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let Some((sealed, tail)) = tail.split_at_checked(u32::from_le_bytes(*length) as usize) else { break };
        rest = tail;
        let plain = vault.unseal(sealed, run).ok_or_else(|| gone("its key is another one"))?;
        let mut value = serde_json::from_slice(&plain).map_err(|e| gone(&e.to_string()))?;
        fetch(&mut value, &vault);
        frames.push(serde_json::from_value(value).map_err(|e| gone(&e.to_string()))?);
    }
    if frames.is_empty() { Err(gone("it is empty")) } else { Ok(frames) }
}

/// Store long texts apart.
fn store(value: &mut Value, vault: &Vault) -> Result<()> {
    match value {
        Value::String(text) if text.len() > INLINE => *value = json!({ "$kept": vault.put(text.as_bytes())? }),
        Value::Array(items) => items.iter_mut().try_for_each(|item| store(item, vault))?,
        Value::Object(fields) => fields.values_mut().try_for_each(|item| store(item, vault))?,
        _ => {}
    }
    Ok(())
}

/// Fetch long texts. One that is gone is nothing where its digest stands beside it, and says so elsewhere.
fn fetch(value: &mut Value, vault: &Vault) {
    if let Some(sha256) = value.get("$kept").and_then(Value::as_str) {
        let text = vault.get(sha256).and_then(|bytes| String::from_utf8(bytes).ok());
        *value = Value::String(text.unwrap_or_else(|| GONE.to_owned()));
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| fetch(item, vault)),
        Value::Object(fields) => {
            fields.values_mut().for_each(|item| fetch(item, vault));
            if fields.contains_key("sha256") && fields.get("text").is_some_and(|text| text == GONE) {
                fields.remove("text");
            }
        }
        _ => {}
    }
}

/// What stands for a text that is no longer stored.
const GONE: &str = "‹no longer kept›";

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(value: &str) -> Frame {
        let word = |text: &str| text.to_owned();
        Frame::Variable { origin: word("a"), host: word("a"), name: word("n"), value: json!(value) }
    }

    fn values(frames: &[Frame]) -> Vec<String> {
        let value = |frame: &Frame| match frame {
            Frame::Variable { value, .. } => value.as_str().unwrap_or_default().to_owned(),
            other => format!("{other:?}"),
        };
        frames.iter().map(value).collect()
    }

    #[test]
    fn what_is_remembered_is_sealed_and_survives_a_crash() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("runs")).unwrap();
        let vault = Arc::new(Vault::open(dir.path()).unwrap());
        let bus = Bus::new("r", Vec::new());
        let memory = Memory::new(dir.path(), "r", Arc::clone(&vault), bus);
        let long = "a long secret ".repeat(2000);
        memory.note(&frame("hunter2"));
        assert!(recall(dir.path(), "r").is_err(), "nothing was called yet");
        memory.begin();
        memory.note(&frame(&long));
        memory.note(&frame("last"));
        assert_eq!(values(&recall(dir.path(), "r").unwrap()), ["hunter2", &long, "last"]);
        let file = path(dir.path(), "r");
        let bytes = std::fs::read(&file).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("hunter2") && bytes.len() < 2000, "{}", bytes.len());
        std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(values(&recall(dir.path(), "r").unwrap()), ["hunter2", &long]);
        vault.prune(Some(std::time::SystemTime::now() + std::time::Duration::from_secs(60)));
        assert_eq!(values(&recall(dir.path(), "r").unwrap()), ["hunter2", GONE]);
        assert!(recall(dir.path(), "another").is_err());
    }
}
