//! What the commands print themselves.

use super::WRONG;
use super::args::OutputArgs;
use crate::report::{Color, Paint, View, draw};
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use stdlib::contract::Error;

/// A line on standard output. A reader that went away is no error.
pub fn out(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A line on standard error.
pub fn err(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Errors found before anything was touched, each with its place. Returns the exit code.
pub fn fail(errors: &[Error]) -> u8 {
    let paint = Paint(std::io::stderr().is_terminal() && Color::Auto.wanted());
    for error in errors {
        for line in draw(error, &|file| std::fs::read_to_string(file).ok()) {
            err(&paint.error(&line));
        }
    }
    let count = if errors.len() == 1 { "1 error".to_owned() } else { format!("{} errors", errors.len()) };
    err(&format!("{count}, no host was touched"));
    WRONG
}

/// Something odd that works all the same, with its place. Told once.
pub fn warn(warning: &Error) {
    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let lines = draw(warning, &|file| std::fs::read_to_string(file).ok());
    let text = lines.join("\n").replacen("error:", "warning:", 1);
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if !told.contains(&text) {
        err(&text);
        told.push(text);
    }
}

/// How wide the screen is: COLUMNS, or the terminal's own word, or 80.
pub fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    columns.or_else(|| terminal_size::terminal_size().map(|(w, _)| usize::from(w.0))).unwrap_or(80)
}

/// The view that the flags ask for.
pub fn view(output: &OutputArgs, check: bool) -> View {
    let terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
    View {
        diff: output.diff,
        verbose: output.verbose,
        check,
        color: output.color().wanted(),
        live: terminal && std::env::var("TERM").is_ok_and(|term| term != "dumb"),
        terse: false,
        prompt: false,
        width: width(),
    }
}
