//! Colours, where they are wanted and can be seen. Words carry the meaning; colours only help.

use std::io::IsTerminal;

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether to use them on standard output: the flag first, then NO_COLOR, then CLICOLOR_FORCE and
    /// FORCE_COLOR, then whether it is a terminal that is not dumb.
    pub fn wanted(self) -> bool {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto if std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()) => false,
            Color::Auto if set("CLICOLOR_FORCE") || set("FORCE_COLOR") => true,
            Color::Auto => std::io::stdout().is_terminal() && std::env::var("TERM").is_ok_and(|term| term != "dumb"),
        }
    }
}

/// Paints, or does not.
#[derive(Debug, Clone, Copy)]
pub struct Paint(pub bool);

impl Paint {
    fn code(self, code: &str, text: &str) -> String {
        if self.0 && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
    /// ok
    pub fn green(self, text: &str) -> String {
        self.code("32", text)
    }
    /// changed
    pub fn yellow(self, text: &str) -> String {
        self.code("33", text)
    }
    /// skipped, hunks
    pub fn cyan(self, text: &str) -> String {
        self.code("36", text)
    }
    /// failed
    pub fn red(self, text: &str) -> String {
        self.code("31", text)
    }
    /// unreachable
    pub fn bright_red(self, text: &str) -> String {
        self.code("1;31", text)
    }
    /// warning
    pub fn purple(self, text: &str) -> String {
        self.code("1;35", text)
    }
    /// asides
    pub fn dim(self, text: &str) -> String {
        self.code("2", text)
    }
    /// headings
    pub fn bold(self, text: &str) -> String {
        self.code("1", text)
    }
    /// A line of a diff.
    pub fn diff(self, line: &str) -> String {
        match line.as_bytes().first() {
            Some(b'+') => self.green(line),
            Some(b'-') => self.red(line),
            Some(b'@') => self.cyan(line),
            Some(b'~') => self.yellow(line),
            _ => line.to_owned(),
        }
    }
    /// A line of a drawn error.
    pub fn error(self, line: &str) -> String {
        let (head, rest) = match line.split_once(": ") {
            Some((head @ ("error" | "bug in hlrun"), rest)) => (self.bright_red(&format!("{head}:")), self.bold(rest)),
            Some(("hint", rest)) => (self.cyan("hint:"), rest.to_owned()),
            _ if line.trim_start().starts_with("-->") || line.contains(" |") => return self.dim(line),
            _ => return line.to_owned(),
        };
        format!("{head} {rest}")
    }
}
