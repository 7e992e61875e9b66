//! A journal read while it grows: told by the kernel, never by asking again and again.

use super::journal::{find, is_running};
use crate::report::{Envelope, Event};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecursiveMode, Watcher};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use stdlib::contract::{Error, Result};

const CLOSED: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));

/// The events of a run, those to come included. It ends with the run, however that ends.
pub struct Follow {
    state: PathBuf,
    id: String,
    file: BufReader<File>,
    line: String,
    ended: bool,
    grown: mpsc::Receiver<()>,
    _watcher: notify::RecommendedWatcher,
}

impl Follow {
    /// Follow a run from its beginning.
    pub fn begin(state: &Path, run: &str) -> Result<Follow> {
        let id = find(state, run)?;
        let path = state.join("runs").join(format!("{id}.jsonl"));
        let (send, grown) = mpsc::channel();
        let failed = |e: notify::Error| Error::playbook(format!("cannot watch {}: {e}", path.display()));
        // Also told when the file is closed: that is how a run ends that could not say so.
        let told = move |event: notify::Result<notify::Event>| {
            let grown = |kind: EventKind| matches!(kind, EventKind::Modify(_) | CLOSED);
            if event.is_ok_and(|event| grown(event.kind)) {
                let _ = send.send(());
            }
        };
        let mut watcher = notify::recommended_watcher(told).map_err(failed)?;
        watcher.watch(&path, RecursiveMode::NonRecursive).map_err(failed)?;
        let file = File::open(&path).map_err(|e| Error::playbook(format!("cannot read {}: {e}", path.display())))?;
        let (file, line) = (BufReader::new(file), String::new());
        Ok(Follow { state: state.to_owned(), id, file, line, ended: false, grown, _watcher: watcher })
    }

    /// The next event that is there already; half a line waits for its other half.
    fn ready(&mut self) -> Option<Envelope> {
        while self.file.read_line(&mut self.line).is_ok_and(|n| n > 0) {
            if self.line.ends_with('\n') {
                let line = std::mem::take(&mut self.line);
                if let Ok(envelope) = serde_json::from_str(&line) {
                    return Some(envelope);
                }
            }
        }
        None
    }
}

impl Iterator for Follow {
    type Item = Envelope;
    fn next(&mut self) -> Option<Envelope> {
        while !self.ended {
            // Asked before reading: what was written before the end is read after it.
            let running = is_running(&self.state, &self.id);
            while self.grown.try_recv().is_ok() {}
            if let Some(envelope) = self.ready() {
                self.ended = matches!(envelope.event, Event::RunEnd { .. });
                return Some(envelope);
            }
            self.ended = !running || self.grown.recv().is_err();
        }
        None
    }
}
