//! The commands of the prompt: what they are called, what they take, what they are for.

use stdlib::contract::{Error, Result, nearest};

/// What a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// A host pattern.
    Pattern,
    /// A host.
    Host,
    /// A path on the controller.
    Path,
    /// A user, or `off`.
    User,
    /// `on` or `off`.
    Switch,
    /// A module or a function of one.
    Docs,
    /// A command.
    Command,
    /// A number.
    Number,
}

/// A command of the prompt.
#[derive(Debug)]
pub struct Command {
    /// Its name, without the colon.
    pub name: &'static str,
    /// Shorter names.
    pub short: &'static [&'static str],
    /// What it takes.
    pub takes: Takes,
    /// Its argument as help shows it.
    pub argument: &'static str,
    /// What it is for.
    pub help: &'static str,
}

macro_rules! commands {
    ($($name:literal $([$($short:literal),*])? $takes:ident $argument:literal $help:literal;)*) => {
        &[$(Command { name: $name, short: &[$($($short),*)?], takes: Takes::$takes, argument: $argument, help: $help }),*]
    };
}

/// All of them, in the order of the help.
pub const COMMANDS: &[Command] = commands! {
    "on" Pattern "PATTERN" "choose the hosts of the lines that follow";
    "check" Nothing "" "predict changes from now on, make none (as at the start)";
    "apply" Nothing "" "make changes from now on";
    "become" User "USER|off" "become another user from now on";
    "hosts" Pattern "[PATTERN]" "hosts of the inventory; the chosen ones are marked";
    "vars" Host "[HOST]" "the variables of a host, and where each comes from; without one, those of this session";
    "facts" Pattern "" "what the chosen hosts are: system, kernel, address, memory, uptime";
    "docs" ["d"] Docs "[NAME]" "what a module or function does; `NAME?` is the same";
    "load" Path "FILE" "run a file as if it were typed here: what it defines stays";
    "save" Path "FILE" "write the lines of this session as a playbook";
    "history" Number "[N]" "the last lines typed, of earlier sessions too";
    "diff" Switch "[on|off]" "show differences in full";
    "timing" Switch "[on|off]" "say how long each line took";
    "reset" Nothing "" "forget the variables, functions and imports of this session";
    "help" ["h", "?"] Command "[COMMAND]" "this";
    "quit" ["q", "exit"] Nothing "" "leave; so does Ctrl-D";
};

/// A command by its name.
pub fn find(name: &str) -> Result<&'static Command> {
    let found = COMMANDS.iter().find(|command| command.name == name || command.short.contains(&name));
    found.ok_or_else(|| {
        let error = Error::playbook(format!("there is no command :{name}"));
        match nearest(name, COMMANDS.iter().map(|command| command.name)) {
            Some(near) => error.hint(format!("did you mean :{near}?")),
            None => error.hint(":help lists them"),
        }
    })
}

/// A command line as its command and the rest.
pub fn parse(text: &str) -> Result<(&'static Command, &str)> {
    let text = text.trim().strip_prefix(':').unwrap_or(text);
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let command = find(name)?;
    let rest = rest.trim();
    let usage = || format!("write :{} {}", command.name, command.argument);
    if rest.is_empty() && !command.argument.is_empty() && !command.argument.starts_with('[') {
        return Err(Error::playbook(format!(":{} needs {}", command.name, command.argument)).hint(usage()));
    }
    if !rest.is_empty() && command.argument.is_empty() {
        return Err(Error::playbook(format!(":{} takes nothing", command.name)).hint(usage().trim_end()));
    }
    Ok((command, rest))
}

/// `on`, `off`, or the other than it is.
pub fn switch(text: &str, is: bool) -> Result<bool> {
    match text {
        "" => Ok(!is),
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(Error::playbook(format!("it is on or off, not `{other}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_with_its_argument() {
        for (text, read) in [
            (":on web:!web2", "on|web:!web2"),
            (":on  a , b ", "on|a , b"),
            (":q", "quit|"),
            (":?", "help|"),
            (":vars", "vars|"),
            (":aply", "there is no command :aply [did you mean :apply?]"),
            (":xyzzy", "there is no command :xyzzy [:help lists them]"),
            (":on", ":on needs PATTERN [write :on PATTERN]"),
            (":apply now", ":apply takes nothing [write :apply]"),
        ] {
            let found = match parse(text) {
                Ok((command, rest)) => format!("{}|{rest}", command.name),
                Err(error) => format!("{error} [{}]", error.hints.join(" ")),
            };
            assert_eq!(found, read, "{text}");
        }
    }
}
