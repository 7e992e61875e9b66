//! `hlrun repl`: a script line by line, at a prompt or from a pipe.

use super::args::ReplArgs;
use super::config::Project;
use super::{run, screen};
use crate::inventory::Inventory;
use crate::repl::{Editor, Face, Input, Repl, Settings, Turn, history_file, remembered, unfinished};
use crate::report::{JsonLines, Listener, Paint, Terminal, View};
use crate::run::{Console, Interrupter, Options, state_dir};
use crate::script::Sources;
use std::io::{BufRead, IsTerminal};
use stdlib::contract::Result;

/// A session at the terminal.
struct Screen {
    view: View,
    json: bool,
}

impl Face for Screen {
    fn say(&self, line: &str) {
        // With --json, standard output is for events.
        if self.json { screen::err(line) } else { screen::out(line) }
    }
    fn paint(&self) -> Paint {
        Paint(self.view.color)
    }
    fn width(&self) -> usize {
        screen::width()
    }
    fn listeners(&self, settings: Settings, check: bool, sources: &Sources) -> Vec<Box<dyn Listener>> {
        if self.json {
            return vec![Box::new(JsonLines)];
        }
        let view = View { diff: settings.diff, check, prompt: true, width: screen::width(), ..self.view };
        let sources = sources.clone();
        vec![Box::new(Terminal::new(view, move |file| sources.text(file)))]
    }
    fn history(&self) -> Vec<String> {
        remembered(&history_file(&state_dir()))
    }
}

/// Run lines. Returns the exit code: of the first line that did not end well, where nobody is there to see it.
pub fn repl(args: &ReplArgs, project: Project) -> u8 {
    let inventory = match run::inventory(&args.inventory, Some(std::path::Path::new("."))) {
        Ok(inventory) => inventory,
        Err(errors) => return screen::fail(&errors),
    };
    let console = match console(args, project, inventory) {
        Ok(console) => console,
        Err(error) => return screen::fail(&[error]),
    };
    watch(console.interrupter());
    let face = Screen { view: screen::view(&args.output, false), json: args.output.json };
    let settings = Settings { diff: args.output.diff, timing: false, silent: args.output.json };
    let typed = std::io::stdin().is_terminal() && args.command.is_empty();
    let colour = face.view.color;
    let mut repl = Repl::new(console, face, settings);
    if typed {
        return match converse(&mut repl, colour) {
            Ok(()) => 0,
            Err(error) => screen::fail(&[error]),
        };
    }
    if args.command.is_empty() {
        let lines = std::io::stdin().lock().lines().map_while(std::result::Result::ok);
        return all(&mut repl, lines);
    }
    all(&mut repl, args.command.iter().flat_map(|text| text.lines()).map(str::to_owned))
}

fn console(args: &ReplArgs, project: Project, inventory: Inventory) -> Result<Console> {
    let options = run::options(&args.connection, project)?;
    let alone = inventory.hosts() == ["localhost"];
    let mut console = Console::new(inventory, Options { check: !args.apply, ..options })?;
    let on = args.on.as_deref().or(alone.then_some("localhost"));
    on.map(|pattern| console.choose(pattern)).transpose()?;
    Ok(console)
}

/// Lines from a terminal, until there are no more.
fn converse(repl: &mut Repl<Screen>, colour: bool) -> Result<()> {
    let mut editor = Editor::new(&state_dir(), colour)?;
    let paint = Paint(colour);
    let console = repl.console();
    let hosts = match console.inventory().hosts().len() {
        1 => "1 host".to_owned(),
        count => format!("{count} hosts"),
    };
    let mode = if console.check() { "nothing is changed before :apply" } else { "changes are made" };
    let about = format!("hlrun {} · {hosts} · {mode} · :help, Ctrl-D leaves", env!("CARGO_PKG_VERSION"));
    screen::out(&paint.dim(&about));
    loop {
        match editor.read(repl.console())? {
            Input::Line(line) => {
                if repl.enter(&line) == Turn::Quit {
                    return Ok(());
                }
            }
            Input::GivenUp => {}
            Input::End => return Ok(()),
        }
    }
}

/// Lines from elsewhere, up to the first that does not end well.
fn all(repl: &mut Repl<Screen>, lines: impl Iterator<Item = String>) -> u8 {
    let mut text = String::new();
    let mut lines = lines.peekable();
    while let Some(line) = lines.next() {
        text += &line;
        if unfinished(&text) && lines.peek().is_some() {
            text.push('\n');
            continue;
        }
        match repl.enter(&std::mem::take(&mut text)) {
            Turn::Done(0) => {}
            Turn::Done(exit) => {
                let left = lines.filter(|line| !line.trim().is_empty()).count();
                if left > 0 {
                    let lines = if left == 1 { "1 line".to_owned() } else { format!("{left} lines") };
                    screen::err(&format!("stopped here: {lines} more not run"));
                }
                return u8::try_from(exit).unwrap_or(70);
            }
            Turn::Quit => return 0,
        }
    }
    0
}

/// Ctrl-C stops the line under way; a second one while it stops ends hlrun, and so does a polite kill.
pub fn watch(interrupter: Interrupter) {
    use signal_hook::consts::{SIGINT, SIGTERM};
    std::thread::spawn(move || {
        let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) else { return };
        for signal in signals.forever() {
            if interrupter.interrupt() {
                // The terminal has shown ^C where our words come next.
                if std::io::stderr().is_terminal() {
                    screen::erase();
                }
                continue;
            }
            if signal == SIGTERM || interrupter.busy() {
                std::process::exit(130);
            }
        }
    });
}
