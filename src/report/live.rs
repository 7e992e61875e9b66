//! What is going on right now, redrawn at the bottom of the screen while it goes on.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Instant;

/// Calls shown at once.
const SHOWN: usize = 8;

/// What each host is doing.
pub struct Live {
    on: bool,
    width: usize,
    hosts: BTreeMap<String, Doing>,
    drawn: usize,
}

struct Doing {
    what: String,
    since: Instant,
    last: String,
}

impl Live {
    /// Draws only if `on`.
    pub fn new(on: bool, width: usize) -> Live {
        Live { on, width, hosts: BTreeMap::new(), drawn: 0 }
    }
    /// A host begins something.
    pub fn begin(&mut self, host: &str, what: &str) {
        if self.on {
            let doing = Doing { what: what.to_owned(), since: Instant::now(), last: String::new() };
            self.hosts.insert(host.to_owned(), doing);
        }
    }
    /// It printed something.
    pub fn output(&mut self, host: &str, text: &str) {
        if let Some(doing) = self.hosts.get_mut(host) {
            let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            doing.last = line.rsplit('\r').next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
        }
    }
    /// It is done.
    pub fn done(&mut self, host: &str) {
        self.hosts.remove(host);
    }
    /// Take it off the screen.
    pub fn clear(&mut self) {
        if self.drawn > 0 {
            let _ = write!(std::io::stderr().lock(), "\x1b[{}A\x1b[J", self.drawn);
            self.drawn = 0;
        }
    }
    /// Put it on the screen.
    pub fn draw(&mut self) {
        if !self.on {
            return;
        }
        self.clear();
        let mut busy: Vec<(&String, &Doing)> =
            self.hosts.iter().filter(|(_, d)| d.since.elapsed().as_millis() > 500).collect();
        busy.sort_by_key(|(_, doing)| doing.since);
        let more = busy.len().saturating_sub(SHOWN);
        let mut err = std::io::stderr().lock();
        for (host, doing) in busy.iter().take(SHOWN) {
            let line = format!("  {host}  {} · {} s  {}", doing.what, doing.since.elapsed().as_secs(), doing.last);
            let line: String = line.chars().take(self.width.saturating_sub(1)).collect();
            let _ = writeln!(err, "\x1b[2m{line}\x1b[0m");
            self.drawn += 1;
        }
        if more > 0 {
            let _ = writeln!(err, "\x1b[2m  and {more} hosts more\x1b[0m");
            self.drawn += 1;
        }
    }
}
