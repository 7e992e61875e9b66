//! Events for a person: what changed, what failed, what is owed; quiet about the rest.

use super::event::{Envelope, Event, Stats};
use super::live::Live;
use super::style::Paint;
use super::words::{first_line, hosts, is_action, plural, seconds, shorten, verdict};
use super::{Listener, recap};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::{Duration, Instant};
use stdlib::contract::{Error, Record, Status, render};

/// How much to show.
#[derive(Debug, Clone, Copy, Default)]
pub struct View {
    /// Show differences in full.
    pub diff: bool,
    /// 1: calls that were ok, and all output; 2: steps too.
    pub verbose: u8,
    /// Mark every line as a prediction.
    pub check: bool,
    /// Use colours.
    pub color: bool,
    /// Redraw what is going on at the bottom of the screen.
    pub live: bool,
    /// Nothing but what commands print, and failures.
    pub terse: bool,
    /// It is the answer to a line at a prompt: no headings, no recap, and what was ok is an answer too.
    pub prompt: bool,
    /// How wide the screen is.
    pub width: usize,
}

/// Gives the text of a file.
type Sources = Box<dyn Fn(&str) -> Option<String> + Send>;

/// How long a result waits for the same one of hosts that are still at work. What they are at is shown live.
const COMPANY: Duration = Duration::from_secs(5);

/// Differences longer than this are cut.
const LONGEST: usize = 400;

/// Shows events on standard output; what is going on goes to standard error.
pub struct Terminal {
    view: View,
    paint: Paint,
    sources: Sources,
    /// The hosts of the play, in order; those at work now; those of them that are done with it.
    order: Vec<String>,
    batch: Vec<String>,
    ended: BTreeSet<String>,
    groups: Vec<Group>,
    live: Live,
    slow: Vec<(u64, String)>,
    changes: BTreeMap<String, u64>,
    reported: Vec<String>,
    titled: Option<String>,
    play: Option<String>,
    /// Whether it was told what an interruption has stopped.
    interrupted: bool,
    /// Whether another run could go on where this one stops.
    resumable: bool,
}

/// The same news of several hosts.
struct Group {
    key: String,
    since: Instant,
    hosts: Vec<String>,
    news: News,
}

/// What there is to tell.
enum News {
    /// A result: its word, what it was, and the lines below.
    Result(String, String, Vec<String>),
    /// Something a playbook printed; it waits for nobody, but not in front of older news.
    Print(String),
    /// An error that ended a host's play.
    Error(Box<Error>),
}

impl Terminal {
    /// A terminal; `sources` gives the text of a file for drawing errors.
    pub fn new(view: View, sources: impl Fn(&str) -> Option<String> + Send + 'static) -> Terminal {
        Terminal {
            view,
            paint: Paint(view.color),
            sources: Box::new(sources),
            order: Vec::new(),
            batch: Vec::new(),
            ended: BTreeSet::new(),
            groups: Vec::new(),
            live: Live::new(view.live, view.width),
            slow: Vec::new(),
            changes: BTreeMap::new(),
            reported: Vec::new(),
            titled: None,
            play: None,
            interrupted: false,
            resumable: false,
        }
    }

    fn say(&mut self, line: &str) {
        self.live.clear();
        let mark = if self.view.check && !self.view.prompt { self.paint.dim("[check] ") } else { String::new() };
        let mut out = std::io::stdout().lock();
        // A reader that went away (`| head`) is not our error.
        let _ = writeln!(out, "{mark}{line}");
    }

    fn warn(&mut self, line: &str) {
        self.live.clear();
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }

    /// The play's heading, once something in it is worth a line.
    fn title(&mut self) {
        if let Some(play) = self.play.clone().filter(|_| !self.view.terse && !self.view.prompt)
            && self.titled.as_ref() != Some(&play)
        {
            let line = self.paint.bold(&format!("PLAY [{play}]"));
            self.say(&line);
            self.titled = Some(play);
        }
    }

    fn word(&self, status: Status, ignored: bool) -> String {
        let word = format!("{:<12}", if ignored { "ignored" } else { status.word() });
        match status {
            Status::Ok => self.paint.green(&word),
            Status::Changed | Status::WouldChange => self.paint.yellow(&word),
            Status::Unknown => self.paint.purple(&word),
            Status::Skipped => self.paint.cyan(&word),
            Status::Failed => self.paint.red(&word),
            Status::Unreachable => self.paint.bright_red(&word),
        }
    }

    fn record(&mut self, record: &Record) {
        self.live.done(&record.host);
        self.slow.push((record.duration_ms, format!("{} {} on {}", record.operation, record.subject, record.host)));
        if matches!(record.status, Status::Changed | Status::WouldChange) {
            *self.changes.entry(record.host.clone()).or_default() += 1;
        }
        let quiet = matches!(record.status, Status::Ok | Status::Skipped) && record.notes.is_empty();
        if self.view.terse || (quiet && self.view.verbose == 0 && !self.view.prompt) {
            return;
        }
        let interrupted = record.error.as_ref().is_some_and(|e| e.kind == stdlib::contract::Kind::Interrupted);
        if interrupted {
            self.interrupted = true;
            let word = self.paint.purple(&format!("{:<12}", "interrupted"));
            let what = format!("{} {}", record.operation, shorten(&record.subject, 100));
            let lines = vec![self.paint.dim("  it was ended; whether it was finished is not known")];
            return self.group(format!("interrupted {what}"), &record.host, News::Result(word, what, lines));
        }
        let thrown = record.error.is_some() && !record.ignored;
        if thrown && record.diff.is_empty() {
            return; // told when the host ends, drawn with its place, unless the playbook catches it
        }
        let mut lines = Vec::new();
        if thrown {
            lines.push(self.paint.dim("  what it had changed by then:"));
        }
        let rendered = render(&record.diff, &record.subject);
        if record.sensitive && record.diff.is_empty() && !quiet {
            lines.push("  ‹diff hidden: secret›".to_owned());
        } else if self.view.diff {
            let more = rendered.len().saturating_sub(LONGEST);
            lines.extend(rendered.iter().take(LONGEST).map(|line| format!("  {}", self.paint.diff(line))));
            if more > 0 {
                lines.push(format!("  ... {more} lines more: hlrun show last --diff"));
            }
        } else if rendered
            .iter()
            .all(|line| line.starts_with(['~', '+', '-']) && !line.starts_with("---") && !line.starts_with("+++"))
        {
            lines.extend(rendered.iter().take(20).map(|line| format!("  {}", self.paint.diff(line))));
            if rendered.len() > 20 {
                lines.push(format!("  ... {} more: --diff shows all", rendered.len() - 20));
            }
        }
        if let Some(reason) = &record.reason {
            lines.push(format!("  {}", self.paint.dim(reason)));
        }
        lines.extend(record.notes.iter().map(|note| format!("  {}", self.paint.purple(note))));
        if let Some(error) = record.error.as_ref().filter(|_| record.ignored) {
            lines.push(format!("  {}", self.paint.dim(&error.message)));
        }
        if self.view.verbose >= 2 {
            lines.extend(record.steps.iter().map(|step| self.paint.dim(&format!("  ! {}", first_line(&step.line())))));
        }
        let word = self.word(record.status, record.ignored);
        let what = format!("{} {}", record.operation, shorten(&record.subject, 100));
        let what = what.trim_end().to_owned();
        let key = format!("{:?} {what} {word} {lines:?}", record.at);
        self.group(key, &record.host, News::Result(word, what, lines));
    }

    /// Add news to what waits for company.
    fn group(&mut self, key: String, host: &str, news: News) {
        match self.groups.iter_mut().find(|group| group.key == key) {
            Some(group) => group.hosts.push(host.to_owned()),
            None => self.groups.push(Group { key, since: Instant::now(), hosts: vec![host.to_owned()], news }),
        }
        self.flush(false);
    }

    /// Show the news that have waited long enough, or have all the company they can get.
    fn flush(&mut self, all: bool) {
        while let Some(group) = self.groups.first() {
            let waits = !matches!(group.news, News::Print(_));
            let more = |host: &String| !self.ended.contains(host) && !group.hosts.contains(host);
            if waits && !all && group.since.elapsed() < COMPANY && self.batch.iter().any(more) {
                return;
            }
            let mut group = self.groups.remove(0);
            group.hosts.sort_by_key(|host| self.order.iter().position(|known| known == host));
            let hosts = hosts(&group.hosts, self.view.width);
            match group.news {
                News::Result(word, what, lines) => {
                    self.title();
                    self.say(&format!("{word} {}  {what}", self.paint.bold(&hosts)));
                    lines.iter().for_each(|line| self.say(line));
                }
                News::Print(text) => {
                    if !hosts.is_empty() {
                        self.title();
                    }
                    let host = if hosts.is_empty() { String::new() } else { self.paint.dim(&format!("{hosts}: ")) };
                    self.say(&format!("{host}{text}"));
                }
                News::Error(error) => {
                    self.title();
                    let mut error = *error;
                    error.host = Some(hosts);
                    self.reported.push(error.message.clone());
                    self.draw(&error);
                }
            }
        }
    }

    fn draw(&mut self, error: &Error) {
        let lines = super::draw(error, &self.sources);
        for line in lines {
            let line = self.paint.error(&line);
            self.say(&line);
        }
    }

    fn end(
        &mut self,
        exit: i32,
        stats: &BTreeMap<String, Stats>,
        owed: &[super::Owed],
        duration_ms: u64,
        error: Option<&Error>,
    ) {
        if let Some(error) = error {
            let told = self.reported.iter().any(|message| *message == error.message);
            let told = told || (self.view.terse && !self.reported.is_empty());
            if self.view.prompt && error.kind == stdlib::contract::Kind::Interrupted && !self.interrupted {
                let line = self.paint.purple("interrupted");
                self.say(&line);
            }
            if !told && error.kind != stdlib::contract::Kind::Interrupted {
                // Why the rest of a play was left out is one line: what went wrong was drawn above.
                let stops = error.operation.is_none() && !self.reported.is_empty();
                let place = error.at.clone().filter(|_| !stops);
                let mut error = error.clone();
                error.at = place;
                self.draw(&error);
            }
        }
        if stats.is_empty() || (self.view.terse && exit == 0) {
            return;
        }
        if self.view.prompt {
            return self.tell_owed(owed);
        }
        self.say("");
        let verdict = verdict(self.view.check, exit, stats, &self.changes, duration_ms);
        let verdict = match exit {
            0 => self.paint.green(&verdict),
            _ => self.paint.red(&verdict),
        };
        self.say(&verdict);
        if self.view.terse {
            return;
        }
        let title = "PLAY RECAP ";
        let stars = "*".repeat(self.view.width.clamp(80, 120) - title.len() - 1);
        let title = self.paint.bold(&format!("{title}{stars}"));
        self.say(&title);
        for (host, stats) in stats {
            let line = recap(host, stats);
            let line = match stats {
                s if s.unreachable > 0 => self.paint.bright_red(&line),
                s if s.failures > 0 => self.paint.red(&line),
                s if s.changed > 0 => self.paint.yellow(&line),
                _ => self.paint.green(&line),
            };
            self.say(&line);
        }
        self.tell_owed(owed);
        let mut slow = std::mem::take(&mut self.slow);
        slow.retain(|(ms, _)| *ms >= 1000);
        slow.sort();
        let slowest = slow.iter().rev().take(if self.view.verbose > 0 { 10 } else { 3 });
        for line in
            slowest.map(|(ms, what)| format!("slow: {} {}", seconds(*ms), shorten(what, 90))).collect::<Vec<_>>()
        {
            let line = self.paint.dim(&line);
            self.say(&line);
        }
        if exit == 130 {
            self.warn("interrupted: what is listed above is done; hlrun resume goes on where it stopped");
        } else if self.resumable && exit != 0 && exit != 70 {
            let line = self.paint.dim("hlrun resume goes on where it stopped");
            self.say(&line);
        }
    }

    fn tell_owed(&mut self, owed: &[super::Owed]) {
        for owed in owed {
            let fate = match owed.payable {
                true => "the next run of this playbook pays it",
                false => "no handler written out in this playbook pays it: do it by hand, then hlrun owed --forget",
            };
            let what = format!("{} on {} (play \"{}\", run {})", owed.handler, owed.host, owed.play, owed.run);
            let line = format!("owed: {what}; {fate}");
            let line = self.paint.purple(&line);
            self.say(&line);
        }
    }
}

impl Listener for Terminal {
    fn hear(&mut self, envelope: &Envelope) {
        match &envelope.event {
            Event::PlayStart { play, hosts, .. } => {
                self.flush(true);
                self.order.clone_from(hosts);
                self.batch.clone_from(hosts);
                self.ended.clear();
                self.play = Some(play.clone());
                self.titled = None;
                self.live.play(play, hosts.len());
                if hosts.is_empty() {
                    let line = format!("play \"{play}\": no hosts left to run on");
                    let line = self.paint.purple(&line);
                    self.warn(&line);
                }
            }
            Event::BatchStart { hosts, .. } => {
                self.flush(true);
                self.batch.clone_from(hosts);
            }
            Event::TaskStart { host, operation, subject, task, .. } => {
                let what = format!("{operation} {}", shorten(subject, 40));
                self.live.begin(host, &task.as_ref().map_or(what.clone(), |task| format!("{task}: {what}")));
            }
            Event::TaskOutput { host, text, stream, operation } => {
                self.live.output(host, text);
                if self.view.verbose >= 1 || (self.view.prompt && is_action(operation)) {
                    self.flush(true);
                    self.title();
                    let mark = if stream == "stderr" { "!" } else { "|" };
                    let alone = self.view.prompt && self.batch.len() == 1;
                    for line in text.lines() {
                        let whose = if alone { mark.to_owned() } else { format!("{host} {mark}") };
                        let line = format!("{} {line}", self.paint.dim(&whose));
                        self.say(&line);
                    }
                }
            }
            Event::TaskRetry { host, operation, subject, left, reason } => {
                let line = format!("retrying: {host}  {operation} {subject} ({left} left): {}", first_line(reason));
                let line = self.paint.purple(&line);
                self.warn(&line);
            }
            Event::TaskStuck { host, operation, subject, duration_ms, usual_ms, waits, hint } => {
                let usual = usual_ms.map(|ms| format!(", usually {}", seconds(ms))).unwrap_or_default();
                let what = format!("{operation} {}", shorten(subject, 60));
                let line = format!("waiting: {host}  {} ({}{usual})", what.trim_end(), seconds(*duration_ms));
                let line = self.paint.purple(&line);
                self.warn(&line);
                self.warn(&format!("  it waits for {waits}"));
                if let Some(hint) = hint {
                    let line = self.paint.error(&format!("hint: {hint}"));
                    self.warn(&format!("  {line}"));
                }
            }
            Event::TaskEnd { record } => self.record(record),
            Event::Print { host, text } => {
                let key = format!("print {}", envelope.seq);
                self.group(key, host.as_deref().unwrap_or_default(), News::Print(text.clone()));
            }
            Event::PlanUnknown { host, message, at } => {
                self.flush(true);
                self.title();
                let line = format!("{} {host}  decided at {at} by {message}", self.word(Status::Unknown, false));
                self.say(&line);
            }
            Event::Warning { message } => {
                let line = self.paint.purple(&format!("warning: {message}"));
                self.warn(&line);
            }
            Event::Debt { host, handler, state, .. } => {
                let line = format!("{state}: {handler} on {host}");
                self.say(&line);
            }
            Event::HostResume { host, done } => {
                let line = format!("resumes      {}  after {}", self.paint.bold(host), plural(*done, "finished call"));
                self.title();
                self.say(&line);
            }
            Event::HostEnd { host, error, .. } => {
                self.live.ended(host);
                self.ended.insert(host.clone());
                if let Some(error) = error {
                    let key = format!("{:?} {} {:?}", error.at, error.message, error.hints);
                    self.group(key, host, News::Error(error.clone()));
                }
            }
            Event::PlayEnd { .. } => {
                self.flush(true);
                self.live.clear();
            }
            Event::RunEnd { exit, stats, owed, duration_ms, error } => {
                self.flush(true);
                self.live.clear();
                self.end(*exit, stats, owed, *duration_ms, error.as_deref());
            }
            Event::RunStart { check, undoes, .. } => self.resumable = !check && undoes.is_none(),
            Event::HostConnect { .. } | Event::Value { .. } => {}
        }
        self.flush(false);
        self.live.refresh();
    }
    fn settle(&mut self) {
        self.flush(true);
        self.live.clear();
    }
    fn idle(&mut self) {
        self.flush(false);
        self.live.draw();
    }
}
