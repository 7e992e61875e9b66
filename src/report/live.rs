//! What is going on right now, redrawn at the bottom of the screen while it goes on.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

/// Calls shown at once.
const SHOWN: usize = 8;

/// What is over sooner is not worth showing.
const WORTH: Duration = Duration::from_millis(500);

/// How often the screen is redrawn.
const PACE: Duration = Duration::from_millis(200);

/// What each host is doing.
pub struct Live {
    on: bool,
    width: usize,
    play: String,
    began: Instant,
    total: usize,
    ended: usize,
    hosts: BTreeMap<String, Doing>,
    drawn: usize,
    redrawn: Instant,
}

struct Doing {
    what: String,
    since: Instant,
    last: String,
}

impl Live {
    /// Draws only if `on`.
    pub fn new(on: bool, width: usize) -> Live {
        let now = Instant::now();
        let (play, hosts) = (String::new(), BTreeMap::new());
        Live { on, width, play, began: now, total: 0, ended: 0, hosts, drawn: 0, redrawn: now }
    }
    /// A play begins on this many hosts.
    pub fn play(&mut self, name: &str, total: usize) {
        (self.play, self.began, self.total, self.ended) = (name.to_owned(), Instant::now(), total, 0);
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
    /// It is done with it.
    pub fn done(&mut self, host: &str) {
        self.hosts.remove(host);
    }
    /// It is done with the play.
    pub fn ended(&mut self, host: &str) {
        self.done(host);
        self.ended += 1;
    }
    /// Take it off the screen.
    pub fn clear(&mut self) {
        if self.drawn > 0 {
            let _ = write!(std::io::stderr().lock(), "\x1b[{}A\x1b[J", self.drawn);
            self.drawn = 0;
        }
    }
    /// Put it on the screen again, if it has been there for a moment: events may come without a pause.
    pub fn refresh(&mut self) {
        if self.on && self.redrawn.elapsed() >= PACE {
            self.draw();
        }
    }
    /// Put it on the screen.
    pub fn draw(&mut self) {
        if !self.on {
            return;
        }
        self.clear();
        self.redrawn = Instant::now();
        // The window may have been made narrower: a line that wraps would stay on the screen.
        let width = terminal_size::terminal_size().map_or(self.width, |(width, _)| usize::from(width.0));
        let mut err = std::io::stderr().lock();
        for line in self.lines() {
            let line: String = line.chars().take(width.saturating_sub(1)).collect();
            let _ = writeln!(err, "\x1b[2m{line}\x1b[0m");
            self.drawn += 1;
        }
    }
    fn lines(&self) -> Vec<String> {
        let mut busy: Vec<(&String, &Doing)> = self.hosts.iter().filter(|(_, d)| d.since.elapsed() > WORTH).collect();
        if busy.is_empty() {
            return Vec::new();
        }
        busy.sort_by_key(|(_, doing)| doing.since);
        let mut lines = Vec::new();
        if self.total > 1 {
            let (play, total, took) = (&self.play, self.total, clock(self.began.elapsed()));
            lines.push(format!(
                "{play} · {} of {total} hosts done · {} at work · {took}",
                self.ended,
                self.hosts.len()
            ));
        }
        let name = busy.iter().take(SHOWN).map(|(host, _)| host.chars().count()).max().unwrap_or_default();
        for (host, doing) in busy.iter().take(SHOWN) {
            let line = format!("  {host:<name$}  {:>5}  {}  {}", clock(doing.since.elapsed()), doing.what, doing.last);
            lines.push(line.trim_end().to_owned());
        }
        if busy.len() > SHOWN {
            lines.push(format!("  and {} hosts more", busy.len() - SHOWN));
        }
        lines
    }
}

/// A span as a clock shows it: `5 s`, `2:05`, `1:02:05`.
pub(super) fn clock(span: Duration) -> String {
    match span.as_secs() {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3600 => format!("{}:{:02}", s / 60, s % 60),
        s => format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_shown_as_a_clock_shows_them() {
        let shown = [5, 60, 125, 3725].map(|s| clock(Duration::from_secs(s)));
        assert_eq!(shown, ["5 s", "1:00", "2:05", "1:02:05"]);
    }

    #[test]
    fn the_longest_at_work_come_first_and_the_rest_is_counted() {
        let mut live = Live::new(true, 80);
        live.play("Base", 12);
        for i in (0..11).rev() {
            live.begin(&format!("h{i}"), "apt::upgraded");
            let doing = live.hosts.get_mut(&format!("h{i}")).unwrap();
            doing.since -= Duration::from_secs(60 + i);
        }
        live.ended("gone");
        live.output("h10", "Setting up a\nSetting up b\n");
        let lines = live.lines();
        assert_eq!(lines[0], "Base · 1 of 12 hosts done · 11 at work · 0 s");
        assert_eq!(lines[1], "  h10   1:10  apt::upgraded  Setting up b");
        assert_eq!(lines[2], "  h9    1:09  apt::upgraded");
        assert_eq!(lines.last().unwrap(), "  and 3 hosts more");
    }
}
