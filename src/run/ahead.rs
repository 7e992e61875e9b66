//! Read-ahead: the reads that a play made on a host last time are asked all at once when it starts, and
//! answer what it asks until the first change. A converged play then costs about one round trip.
//!
//! Only the reads of operations are remembered, never a playbook's own queries: those may stand in a branch
//! that this run does not take.

use super::link::{Link, Manner};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stdlib::contract::{Command, Content, Output, Result};
use tokio::task::JoinHandle;

/// How long an answer given in advance counts, from when the host gave it.
const FRESH: Duration = Duration::from_secs(5);

/// Reads remembered per play and host.
const MOST: usize = 1000;

/// A read, as data.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Ask {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    command: Command,
}

impl Ask {
    fn new(command: &Command, manner: &Manner) -> Ask {
        Ask { user: manner.whom.as_ref().map(|whom| whom.user.clone()), command: command.clone() }
    }
}

/// What a host was asked in a play, last time and this time.
#[derive(Default)]
pub(super) struct Ahead {
    path: Option<PathBuf>,
    play: String,
    known: Vec<Ask>,
    asked: Vec<Ask>,
    /// The reads of the call under way since its last change: what it asks when nothing is to be done.
    call: Vec<Ask>,
    answers: HashMap<Ask, Foreseen>,
    started: bool,
}

/// An answer on its way.
pub(super) struct Foreseen(JoinHandle<(Instant, Result<Output>)>);

impl Foreseen {
    /// The answer, if it came and still counts.
    pub async fn fresh(self) -> Option<Output> {
        let (answered, output) = self.0.await.ok()?;
        output.ok().filter(|_| answered.elapsed() < FRESH)
    }
}

/// The memory of one host and playbook: per play, what is asked.
type Memory = BTreeMap<String, Vec<Ask>>;

impl Ahead {
    /// What is remembered below a state directory.
    pub fn open(state: Option<&Path>, playbook: &str, play: &str, host: &str) -> Ahead {
        let name = Content::digest(format!("{playbook}\0{host}").as_bytes());
        let path = state.map(|state| state.join("reads").join(format!("{}.json", &name[..24])));
        let known = path.as_deref().map(load).unwrap_or_default().remove(play).unwrap_or_default();
        Ahead { path, play: play.to_owned(), known, ..Ahead::default() }
    }

    /// A call begins.
    pub fn begin(&mut self) {
        self.call.clear();
    }

    /// A read of an operation. Its answer, if it was asked in advance.
    pub fn read(&mut self, link: &Arc<Link>, command: &Command, manner: &Manner) -> Option<Foreseen> {
        let ask = Ask::new(command, manner);
        if !std::mem::replace(&mut self.started, true) {
            for known in self.known.iter().filter(|known| known.user == ask.user) {
                let (link, command, manner) = (Arc::clone(link), known.command.clone(), manner.clone());
                let answer = tokio::spawn(async move {
                    let output = link.read(&command, &manner).await;
                    (Instant::now(), output)
                });
                self.answers.insert(known.clone(), Foreseen(answer));
            }
        }
        let answer = self.answers.remove(&ask);
        if !self.call.contains(&ask) {
            self.call.push(ask);
        }
        answer
    }

    /// Something changes: what was asked before does not count any more.
    pub fn change(&mut self) {
        self.call.clear();
        self.answers.clear();
    }

    /// The call ended as it should: next time, ask what it asked last.
    pub fn keep(&mut self) {
        for ask in std::mem::take(&mut self.call) {
            if self.asked.len() < MOST && !self.asked.contains(&ask) {
                self.asked.push(ask);
            }
        }
    }

    /// The play is over for the host: remember.
    pub fn save(&mut self) {
        let Some(path) = self.path.take().filter(|_| self.asked != self.known) else { return };
        let mut memory = load(&path);
        memory.insert(self.play.clone(), std::mem::take(&mut self.asked));
        // A memory that cannot be kept costs time next time, nothing else.
        let _ = store(&path, &memory);
    }
}

fn load(path: &Path) -> Memory {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn store(path: &Path, memory: &Memory) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    if let Some(dir) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let new = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
    file.write_all(serde_json::to_string(memory)?.as_bytes())?;
    std::fs::rename(&new, path)
}
