//! The line that is typed: prompt, colours, completion, history.

use super::complete::complete;
use super::lex::unfinished;
use super::paint::{Class, classes};
use super::{Console, Known};
use nu_ansi_term::{Color, Style};
use reedline::{
    ColumnarMenu, Completer, EditCommand, Emacs, FileBackedHistory, Highlighter, KeyCode, KeyModifiers, MenuBuilder,
    Prompt, PromptEditMode, PromptHistorySearch, PromptHistorySearchStatus, Reedline, ReedlineEvent, ReedlineMenu,
    Signal, Span, StyledText, Suggestion, ValidationResult, Validator, default_emacs_keybindings,
};
use std::borrow::Cow;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use stdlib::contract::{Error, Result};

/// Lines that history keeps.
const KEPT: usize = 10_000;

/// The name of the menu of completions.
const MENU: &str = "completions";

/// Reads lines from a terminal.
pub struct Editor {
    reedline: Reedline,
    known: Arc<Mutex<Known>>,
    colour: bool,
}

/// What was typed.
pub enum Input {
    /// A line, or several that belong together.
    Line(String),
    /// Ctrl-C: the line was given up.
    GivenUp,
    /// Ctrl-D: no more lines come.
    End,
}

impl Editor {
    /// An editor whose history is kept below a state directory.
    pub fn new(state: &Path, colour: bool) -> Result<Editor> {
        let path = history_file(state);
        let failed = |e: std::io::Error| Error::playbook(format!("cannot keep a history in {}: {e}", path.display()));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(failed)?;
        // What is typed may hold a secret.
        let file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let history = FileBackedHistory::with_file(KEPT, path.clone());
        let history = history.map_err(|e| Error::playbook(format!("cannot read {}: {e}", path.display())))?;
        let known: Arc<Mutex<Known>> = Arc::default();
        let mut keys = default_emacs_keybindings();
        let menu = vec![ReedlineEvent::Menu(MENU.to_owned()), ReedlineEvent::MenuNext];
        keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, ReedlineEvent::UntilFound(menu));
        keys.add_binding(KeyModifiers::SHIFT, KeyCode::BackTab, ReedlineEvent::MenuPrevious);
        let newline = ReedlineEvent::Edit(vec![EditCommand::InsertNewline]);
        keys.add_binding(KeyModifiers::ALT, KeyCode::Enter, newline);
        let columns = ColumnarMenu::default().with_name(MENU).with_columns(4).with_marker("").with_column_padding(2);
        let reedline = Reedline::create()
            .with_history(Box::new(history))
            .with_history_exclusion_prefix(Some(" ".to_owned()))
            .with_completer(Box::new(Tab(Arc::clone(&known))))
            .with_menu(ReedlineMenu::EngineCompleter(Box::new(columns)))
            .with_partial_completions(true)
            .with_quick_completions(true)
            .with_validator(Box::new(Whole))
            .with_highlighter(Box::new(Colours(Arc::clone(&known))))
            .with_ansi_colors(colour)
            .use_bracketed_paste(true)
            .with_edit_mode(Box::new(Emacs::new(keys)));
        Ok(Editor { reedline, known, colour })
    }

    /// Read a line for a console.
    pub fn read(&mut self, console: &Console) -> Result<Input> {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Known::of(console);
        let sign = Sign::of(console, self.colour);
        let signal = self.reedline.read_line(&sign);
        // Kept at once: what comes next may end everything. A history that cannot be kept stops nobody.
        let _ = self.reedline.sync_history();
        match signal.map_err(|e| Error::playbook(format!("cannot read from this terminal: {e}")))? {
            Signal::Success(line) => Ok(Input::Line(line)),
            Signal::CtrlC => Ok(Input::GivenUp),
            Signal::CtrlD => Ok(Input::End),
            _ => Ok(Input::GivenUp),
        }
    }
}

/// Where the history is kept below a state directory.
pub fn history_file(state: &Path) -> PathBuf {
    state.join("repl-history")
}

/// The lines of a history file, the newest last.
pub fn remembered(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| line.replace("<\\n>", "\n")).collect()
}

struct Tab(Arc<Mutex<Known>>);

impl Completer for Tab {
    fn complete(&mut self, line: &str, pos: usize) -> Vec<Suggestion> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let suggestion = |candidate: super::complete::Candidate| Suggestion {
            span: Span::new(candidate.from, pos),
            description: Some(candidate.about).filter(|about| !about.is_empty()),
            value: candidate.text,
            ..Suggestion::default()
        };
        complete(line, pos, &known).into_iter().map(suggestion).collect()
    }
}

struct Whole;

impl Validator for Whole {
    fn validate(&self, line: &str) -> ValidationResult {
        if unfinished(line) { ValidationResult::Incomplete } else { ValidationResult::Complete }
    }
}

struct Colours(Arc<Mutex<Known>>);

impl Highlighter for Colours {
    fn highlight(&self, line: &str, _cursor: usize) -> StyledText {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut styled = StyledText::new();
        for (class, text) in classes(line, &known) {
            styled.push((style(class), text.to_owned()));
        }
        styled
    }
}

fn style(class: Class) -> Style {
    match class {
        Class::Plain => Style::new(),
        Class::Keyword => Color::Purple.normal(),
        Class::Play => Color::Purple.bold(),
        Class::Module => Color::Cyan.normal(),
        Class::Wrong => Color::Red.underline(),
        Class::Text => Color::Green.normal(),
        Class::Number | Class::Argument => Color::Yellow.normal(),
        Class::Comment => Style::new().dimmed(),
        Class::Command => Color::Blue.bold(),
        Class::Special => Style::new().bold(),
    }
}

/// The prompt: the hosts, and whether changes are made.
pub struct Sign {
    left: String,
    indent: String,
    apply: bool,
}

impl Sign {
    /// The prompt of a console.
    pub fn of(console: &Console, colour: bool) -> Sign {
        let paint = |style: Style, text: &str| if colour { style.paint(text).to_string() } else { text.to_owned() };
        let count = console.chosen().len();
        let hosts = match console.pattern() {
            None => "no hosts".to_owned(),
            Some(pattern) if console.chosen() == [pattern] => pattern.to_owned(),
            Some(pattern) => format!("{pattern} ({count})"),
        };
        let who = console.r#become().map(|user| format!(" as {user}")).unwrap_or_default();
        let (mode, style) = match console.check() {
            true => ("check", Color::Green.normal()),
            false => ("APPLY", Color::Red.bold().reverse()),
        };
        let mode = if console.check() { paint(style, mode) } else { paint(style, &format!(" {mode} ")) };
        let left = format!("{}{} {mode}", paint(Style::new().bold(), &hosts), paint(Style::new().dimmed(), &who));
        let indent = " ".repeat(hosts.chars().count() + who.chars().count() + 6);
        Sign { left, indent, apply: !console.check() }
    }
}

impl Prompt for Sign {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.left)
    }
    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }
    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("> ")
    }
    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Owned(format!("{}. ", self.indent))
    }
    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        let found = match search.status {
            PromptHistorySearchStatus::Passing => "",
            PromptHistorySearchStatus::Failing => "nothing like ",
        };
        Cow::Owned(format!(" {found}search: {} > ", search.term))
    }
    fn get_prompt_color(&self) -> reedline::Color {
        reedline::Color::Reset
    }
    fn get_indicator_color(&self) -> reedline::Color {
        if self.apply { reedline::Color::Red } else { reedline::Color::Green }
    }
}
