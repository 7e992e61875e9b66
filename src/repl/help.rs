//! Help at the prompt: the commands, and what modules and functions do.

use super::commands::{COMMANDS, Command, find};
use super::paint::{Class, classes};
use super::{Face, Known, Repl};
use crate::report::{Paint, manual};
use crate::script::{word, words};
use stdlib::contract::{Error, Result, nearest};

/// `file?`, `file::line?`, `play?`: what it asks about.
pub fn asked(line: &str) -> Option<&str> {
    let name = line.strip_suffix('?')?.trim_end();
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let parts: Vec<&str> = name.split("::").collect();
    let plain = |part: &&str| !part.is_empty() && part.chars().all(good);
    (parts.len() <= 2 && parts.iter().all(plain)).then_some(name)
}

/// A line of the script in colours.
pub fn colours(text: &str, paint: Paint) -> String {
    let known = Known::default();
    let coloured = classes(text, &known).into_iter().map(|(class, text)| coloured(class, text, paint));
    coloured.collect()
}

fn coloured(class: Class, text: &str, paint: Paint) -> String {
    match class {
        Class::Keyword | Class::Play => paint.purple(text),
        Class::Module => paint.cyan(text),
        Class::Text => paint.green(text),
        Class::Number | Class::Argument => paint.yellow(text),
        Class::Comment => paint.dim(text),
        Class::Wrong => paint.red(text),
        Class::Command | Class::Special => paint.bold(text),
        Class::Plain => text.to_owned(),
    }
}

/// Documentation in colours: examples as they are when typed, transcripts in the background.
fn page(lines: Vec<String>, paint: Paint) -> Vec<String> {
    let mut shown = Vec::new();
    let mut block: Option<String> = None;
    for (index, line) in lines.into_iter().enumerate() {
        match (&block, line.strip_prefix("```")) {
            (None, Some(language)) => block = Some(language.to_owned()),
            (Some(_), Some(_)) => block = None,
            (Some(language), None) if language == "rhai" => shown.push(format!("    {}", colours(&line, paint))),
            (Some(_), None) => shown.push(paint.dim(&format!("    {line}"))),
            (None, None) if index == 0 => shown.push(paint.bold(&line)),
            (None, None) => shown.push(line),
        }
    }
    shown
}

impl<F: Face> Repl<F> {
    /// What a module or a function does; without a name, what modules there are.
    pub(super) fn docs(&self, name: &str) -> Result<(), Vec<Error>> {
        let paint = self.face.paint();
        if name.is_empty() {
            for module in stdlib::modules() {
                let about = module.docs.lines().next().unwrap_or_default();
                self.face.say(&format!("{}  {about}", paint.cyan(&format!("{:<10}", module.name))));
            }
            self.face.say("");
            self.face.say("file? lists what a module has, file::line? tells all about one thing");
            return Ok(());
        }
        if let Some((call, about)) = word(name) {
            self.say([paint.bold(call), about.to_owned()]);
            return Ok(());
        }
        match manual::find(name) {
            Ok(lines) => self.say(page(lines, paint)),
            Err(error) => {
                let near = nearest(name, words().map(|(name, ..)| name));
                let error = match near.filter(|_| error.hints.iter().all(|hint| !hint.starts_with("did you mean"))) {
                    Some(near) => Error::playbook(error.message.clone()).hint(format!("did you mean `{near}`?")),
                    None => error,
                };
                return Err(vec![error]);
            }
        }
        Ok(())
    }

    /// The commands, or one.
    pub(super) fn help(&self, name: &str) -> Result<()> {
        let paint = self.face.paint();
        let line = |command: &Command| {
            let usage = format!(":{} {}", command.name, command.argument);
            format!("{}  {}", paint.cyan(&format!("{usage:<18}")), command.help)
        };
        if !name.is_empty() {
            let command = find(name.trim_start_matches(':'))?;
            self.face.say(&line(command));
            if !command.short.is_empty() {
                let short: Vec<String> = command.short.iter().map(|short| format!(":{short}")).collect();
                self.face.say(&format!("also {}", short.join(", ")));
            }
            return Ok(());
        }
        self.say(COMMANDS.iter().map(line));
        self.face.say("");
        self.say(TEXT.lines().map(|line| match line.split_once("   ") {
            Some((code, about)) => format!("{}  {about}", colours(&format!("{code:<38}"), paint)),
            None => line.to_owned(),
        }));
        Ok(())
    }
}

/// What the rest of a line may be.
const TEXT: &str = "\
A line that calls operations runs on every chosen host, with `host`; any other is evaluated once.
apt::installed(\"htop\")   predicted while the prompt says check, made after :apply
let r = shell::query(\"df -h /\");   each host gets an r of its own
r.stdout   answers of several hosts are a table; `_` is the last one
fn up(x) { shell::run(x) }   functions, variables and imports stay
file::line?   how it is called, with an example
on(\"nas\", || shell::query(\"uptime\"))   elsewhere, once
Tab completes, Up and Ctrl-R go back, Ctrl-C stops the line under way, a blank in front hides a line from history.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_question_mark_asks_for_help() {
        for (line, name) in [
            ("file?", Some("file")),
            ("file::line ?", Some("file::line")),
            ("play?", Some("play")),
            ("a::b::c?", None),
            ("f()?", None),
            ("\"x\"?", None),
            ("?", None),
            ("file::?", None),
        ] {
            assert_eq!(asked(line), name, "{line}");
        }
    }
}
