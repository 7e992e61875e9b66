//! What is kept of a run: its events, one per line, as `--json` prints them.

use crate::report::{Envelope, Event, Listener};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use stdlib::contract::{Error, Result, nearest};

/// Runs kept; older ones are removed when a new one begins.
const KEPT: usize = 500;

/// Output of one call that the record itself carries; more is in its `task.output` events only.
const CARRIED: usize = 256 * 1024;

/// Writes a run's events to its file.
pub struct Journal {
    file: BufWriter<File>,
}

impl Journal {
    /// Begin the journal of a run below a state directory.
    pub fn begin(state: &Path, run: &str) -> Result<Journal> {
        let dir = state.join("runs");
        let failed = |e: std::io::Error| Error::playbook(format!("cannot keep a journal in {}: {e}", dir.display()));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(failed)?;
        private(&dir).map_err(failed)?;
        prune(&dir);
        let file = File::create_new(dir.join(format!("{run}.jsonl"))).map_err(failed)?;
        // Held as long as the run lasts, however it ends: it tells a run that goes on from one that was cut off.
        file.lock().map_err(failed)?;
        Ok(Journal { file: BufWriter::new(file) })
    }
}

fn private(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
}

fn prune(dir: &Path) {
    let mut runs = list(dir);
    runs.sort();
    for old in runs.iter().take(runs.len().saturating_sub(KEPT - 1)) {
        let _ = std::fs::remove_file(old);
        let _ = std::fs::remove_file(old.with_extension("memory"));
    }
}

fn list(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|e| e == "jsonl")).collect()
}

impl Listener for Journal {
    fn hear(&mut self, envelope: &Envelope) {
        let long = |text: &str| text.len() > CARRIED;
        let line = match &envelope.event {
            Event::TaskEnd { record } if long(&record.stdout) || long(&record.stderr) => {
                let mut shorter = envelope.clone();
                if let Event::TaskEnd { record } = &mut shorter.event {
                    for text in [&mut record.stdout, &mut record.stderr] {
                        if long(text) {
                            let mut cut = text.len() - CARRIED;
                            while !text.is_char_boundary(cut) {
                                cut += 1;
                            }
                            *text = format!("[{cut} bytes more are in the task.output events]\n{}", &text[cut..]);
                        }
                    }
                }
                serde_json::to_string(&shorter)
            }
            _ => serde_json::to_string(envelope),
        };
        // A full disk on the controller must not stop a run in the middle of its work.
        if let Ok(line) = line {
            let _ = writeln!(self.file, "{line}");
        }
        if !matches!(envelope.event, Event::TaskOutput { .. } | Event::TaskStart { .. }) {
            let _ = self.file.flush();
        }
    }
    // Whoever follows a run wants to see what its hosts are at.
    fn idle(&mut self) {
        let _ = self.file.flush();
    }
}

/// The ids of the runs that are kept, newest first.
pub fn runs(state: &Path) -> Vec<String> {
    let stems = list(&state.join("runs")).into_iter();
    let mut ids: Vec<String> =
        stems.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    ids.sort();
    ids.reverse();
    ids
}

/// The time before which nothing that is stored is of use to a run, once runs are removed: a day before the
/// oldest one ended, so that a clock that was set back costs nothing.
pub(super) fn oldest(state: &Path) -> Option<SystemTime> {
    let runs = list(&state.join("runs"));
    if runs.len() < KEPT {
        return None;
    }
    let times = runs.into_iter().filter_map(|path| path.metadata().ok()?.modified().ok());
    times.min()?.checked_sub(Duration::from_secs(86_400))
}

/// The first and the last event of a run, without what lies between.
pub(super) fn ends(state: &Path, run: &str) -> Option<(Envelope, Option<Envelope>)> {
    let text = std::fs::read_to_string(state.join("runs").join(format!("{run}.jsonl"))).ok()?;
    let parse = |line: &str| serde_json::from_str::<Envelope>(line).ok();
    let last = text.lines().next_back().and_then(parse).filter(|e| matches!(e.event, Event::RunEnd { .. }));
    Some((parse(text.lines().next()?)?, last))
}

/// Whether a run goes on.
pub fn is_running(state: &Path, id: &str) -> bool {
    let file = File::open(state.join("runs").join(format!("{id}.jsonl")));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)))
}

/// The full id of a run: it may be shortened as long as it stays unique, and `last` is the newest.
pub fn find(state: &Path, run: &str) -> Result<String> {
    let ids = runs(state);
    let found: Vec<&String> = match run {
        "last" => ids.first().into_iter().collect(),
        _ => ids.iter().filter(|id| id.starts_with(run) || id.ends_with(run)).collect(),
    };
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let error = Error::playbook(format!("there is no run `{run}`"));
            Err(match nearest(run, ids.iter().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint("hlrun runs lists them"),
            })
        }
        several => {
            Err(Error::playbook(format!("`{run}` is the beginning of {} runs", several.len())).hint("give more of it"))
        }
    }
}

/// The same among those runs that made changes, or might have: `last` is the newest of them.
pub fn find_applied(state: &Path, run: &str) -> Result<String> {
    let id = match run {
        "last" => runs(state).into_iter().find(|id| applied(state, id)),
        _ => Some(find(state, run)?),
    };
    let none = || Error::playbook("no run has changed anything yet").hint("hlrun runs lists them");
    let id = id.ok_or_else(none)?;
    if applied(state, &id) {
        return Ok(id);
    }
    Err(Error::playbook(format!("run {id} was a dry run: it changed nothing")))
}

fn applied(state: &Path, id: &str) -> bool {
    ends(state, id).is_some_and(|(start, _)| matches!(start.event, Event::RunStart { check: false, .. }))
}

/// The events of a run. A line that cannot be read (a crash in the middle of it) is left out.
pub fn read(state: &Path, run: &str) -> Result<Vec<Envelope>> {
    let id = find(state, run)?;
    let path = state.join("runs").join(format!("{id}.jsonl"));
    let text =
        std::fs::read_to_string(&path).map_err(|e| Error::playbook(format!("cannot read {}: {e}", path.display())))?;
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}
