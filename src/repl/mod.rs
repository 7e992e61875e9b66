//! A script at a prompt: lines in, what came of them out. Who reads the lines, and what shows the answers,
//! is somebody else's: see [`Face`] and [`Editor`].

mod answer;
mod commands;
mod complete;
mod context;
mod editor;
mod help;
mod known;
mod lex;
mod list;
mod paint;
mod save;

pub use editor::{Editor, Input, history_file, remembered};
pub use known::Known;
pub use lex::unfinished;

use crate::report::{Listener, Paint, draw};
use crate::run::Console;
use crate::script::{Answered, Line, Sources};
use save::Kept;
use std::path::Path;
use stdlib::contract::{Error, Result};

/// What shows the answers.
pub trait Face {
    /// Show a line.
    fn say(&self, line: &str);
    /// The colours.
    fn paint(&self) -> Paint;
    /// How wide it is.
    fn width(&self) -> usize;
    /// Those who tell what a line does while it does it.
    fn listeners(&self, settings: Settings, check: bool, sources: &Sources) -> Vec<Box<dyn Listener>>;
    /// The lines typed so far, the newest last.
    fn history(&self) -> Vec<String>;
}

/// How answers are shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// Differences in full.
    pub diff: bool,
    /// How long each line took.
    pub timing: bool,
    /// Values are told as events, and by nobody else.
    pub silent: bool,
}

/// What came of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is done; the exit code says how.
    Done(i32),
    /// No more lines are wanted.
    Quit,
}

/// The exit code of a line that is wrong.
const WRONG: i32 = 1;

/// A session at the prompt.
pub struct Repl<F: Face> {
    console: Console,
    face: F,
    settings: Settings,
    kept: Vec<Kept>,
}

impl<F: Face> Repl<F> {
    /// A session on a console.
    pub fn new(console: Console, face: F, settings: Settings) -> Repl<F> {
        Repl { console, face, settings, kept: Vec::new() }
    }
    /// The console.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// Take a line: a command, a question, or a piece of the script.
    pub fn enter(&mut self, text: &str) -> Turn {
        let line = text.trim();
        if line.is_empty() {
            return Turn::Done(0);
        }
        let done = match help::asked(line) {
            Some(name) => self.docs(name),
            None if line.starts_with(':') => match self.command(line) {
                Ok(Some(turn)) => return turn,
                Ok(None) => Ok(()),
                Err(errors) => Err(errors),
            },
            None => return self.script(text),
        };
        match done {
            Ok(()) => Turn::Done(0),
            Err(errors) => self.wrong(&errors),
        }
    }

    /// A piece of the script.
    fn script(&mut self, text: &str) -> Turn {
        match self.console.check_line(text) {
            Ok(line) => Turn::Done(self.run(line, text)),
            Err(errors) => self.wrong(&errors),
        }
    }

    fn run(&mut self, line: Line, text: &str) -> i32 {
        let kept = Kept::of(&line, text, &self.console);
        let listeners = self.face.listeners(self.settings, self.console.check(), self.console.lines().sources());
        let entered = self.console.run(line, listeners);
        if let Some(answered) = entered.answered.as_ref().filter(|_| !self.settings.silent) {
            let lines = answer::lines(answered, self.face.paint(), self.face.width());
            lines.iter().for_each(|line| self.face.say(line));
        }
        if self.settings.timing {
            self.face.say(&self.face.paint().dim(&format!("{} ms", entered.duration_ms)));
        }
        if entered.exit == 0 {
            let acted = entered.stats.values().any(|s| s.ok + s.skipped > 0);
            self.kept.push(kept.acted(acted));
        }
        entered.exit
    }

    /// Tell what is wrong with a line.
    fn wrong(&self, errors: &[Error]) -> Turn {
        let sources = self.console.lines().sources();
        for line in errors.iter().flat_map(|error| draw(error, &|file| sources.text(file))) {
            self.face.say(&self.face.paint().error(&line));
        }
        Turn::Done(WRONG)
    }

    /// A command of the prompt.
    fn command(&mut self, text: &str) -> Result<Option<Turn>, Vec<Error>> {
        let one = |error: Error| vec![error];
        let (command, rest) = commands::parse(text).map_err(one)?;
        match command.name {
            "on" => self.console.choose(rest).map_err(one)?,
            "check" => self.console.set_check(true),
            "apply" => self.console.set_check(false),
            "become" => self.console.set_become(Some(rest).filter(|user| *user != "off")),
            "hosts" => self.hosts(if rest.is_empty() { "all" } else { rest }).map_err(one)?,
            "vars" if rest.is_empty() => self.variables(),
            "vars" => self.host_variables(rest).map_err(one)?,
            "facts" => return self.facts().map(Some),
            "docs" => self.docs(rest)?,
            "load" => return self.load(Path::new(rest)).map(Some),
            "save" => self.save(Path::new(rest)).map_err(one)?,
            "history" => self.history(rest).map_err(one)?,
            "diff" => self.settings.diff = commands::switch(rest, self.settings.diff).map_err(one)?,
            "timing" => self.settings.timing = commands::switch(rest, self.settings.timing).map_err(one)?,
            "reset" => {
                self.console.reset();
                self.kept.clear();
            }
            "help" => self.help(rest).map_err(one)?,
            _ => return Ok(Some(Turn::Quit)),
        }
        Ok(None)
    }

    fn say(&self, lines: impl IntoIterator<Item = String>) {
        lines.into_iter().for_each(|line| self.face.say(&line));
    }

    /// Run a file as if it were typed.
    fn load(&mut self, path: &Path) -> Result<Turn, Vec<Error>> {
        let line = self.console.check_file(path)?;
        let text = std::fs::read_to_string(path).unwrap_or_default();
        Ok(Turn::Done(self.run(line, &text)))
    }

    /// Write the session as a playbook.
    fn save(&mut self, path: &Path) -> Result<()> {
        use std::io::Write;
        let text = save::playbook(&self.kept);
        let failed = |e: std::io::Error| {
            let error = Error::playbook(format!("cannot write {}: {e}", path.display()));
            match e.kind() {
                std::io::ErrorKind::AlreadyExists => error.hint("what is there is not overwritten: take another name"),
                _ => error,
            }
        };
        let mut file = std::fs::File::create_new(path).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        let count = self.kept.iter().filter(|kept| kept.wanted()).count();
        let lines = if count == 1 { "1 line".to_owned() } else { format!("{count} lines") };
        self.face.say(&format!("{lines} in {0}: hlrun check {0}", path.display()));
        Ok(())
    }

    fn history(&self, count: &str) -> Result<()> {
        let most = match count {
            "" => 20,
            text => text.parse().map_err(|_| Error::playbook(format!("`{text}` is no number")))?,
        };
        let lines = self.face.history();
        self.say(lines.into_iter().rev().take(most).collect::<Vec<_>>().into_iter().rev());
        Ok(())
    }
}
