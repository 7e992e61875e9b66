//! Definitions for editors: every module and function with its documentation, in Rhai's `.d.rhai` form.

use super::options::{PLAY, TASK, WITHIN};
use stdlib::contract::Role;

/// The definitions of the standard library and of the words of plays.
pub fn definitions() -> String {
    let mut text = String::from("module static;\n\n");
    for (call, doc) in WORDS {
        text += &format!("/// {doc}\nfn {call};\n\n");
    }
    for module in stdlib::modules() {
        text += &doc(&module.docs, "");
        text += &format!("module {} {{\n", module.name);
        for entry in &module.entries {
            text += &doc(&entry.docs, "    ");
            for parameter in &entry.parameters {
                let docs = parameter.docs.replace('\n', " ");
                text += &format!("    /// - `{}`: {} ({})\n", parameter.name, docs, parameter.takes);
            }
            let answer = if entry.role == Role::Fact { "?" } else { "Record" };
            let name = &entry.name;
            match entry.subject() {
                Some(subject) => {
                    text += &format!("    fn {name}({}: ?) -> {answer};\n", subject.name);
                    text += &format!("    fn {name}({}: ?, options: map) -> {answer};\n\n", subject.name);
                }
                None => {
                    text += &format!("    fn {name}() -> {answer};\n");
                    text += &format!("    fn {name}(options: map) -> {answer};\n\n");
                }
            }
        }
        text += "}\n\n";
    }
    text
}

fn doc(text: &str, margin: &str) -> String {
    text.lines().map(|line| format!("{margin}/// {line}").trim_end().to_owned() + "\n").collect()
}

/// The words of plays.
const WORDS: &[(&str, &str)] = &[
    (
        "play(name: String, pattern: String, options: map, body: Fn) -> map",
        "Run a closure on every host of a pattern, and wait for all; the value is a map from host to result.",
    ),
    (
        "on(pattern: String, body: Fn) -> map",
        "Run a closure on other hosts from inside a play; the value is a map from host to result.",
    ),
    ("task(name: String, options: map, body: Fn) -> ?", "Name and tag a group of calls."),
    (
        "within(options: map, body: Fn) -> ?",
        "Make the calls inside as another user, in a directory, with retries, with a time limit...",
    ),
    (
        "defer(name: String, body: Fn)",
        "Run a handler once per host at the end of the play; it is owed until it has run.",
    ),
    ("flush()", "Run the handlers that were asked for now."),
    ("param(name: String, value: ?, help: String) -> ?", "Declare a parameter: it becomes a flag of the playbook."),
    ("hosts(pattern: String) -> array", "The names of the hosts that a pattern means."),
    ("sleep(span: ?)", "Wait so many seconds, or a span such as \"5s\"; Ctrl-C ends it."),
    (
        "pause(span: ?) -> ?",
        "Wait so many seconds, or a span such as \"5s\", but not in check mode; pause(#{ prompt, echo }) asks the person \
         at the terminal, once for all hosts of a batch, and its value is the answer.",
    ),
    ("warn(text: String)", "Tell something that a person should know."),
    (
        "include_vars(path: String) -> map",
        "The variables in a file of the project, or in those of a directory; in a play, resolved for the host.",
    ),
    ("assert(holds: bool, message: String)", "Stop this host with a message unless something holds."),
    ("fail(message: String)", "Stop this host with a message."),
    (
        "finally(body: Fn)",
        "Run a closure when the playbook is over, however it ended; it gets what the run came to: .ok, .verdict, .title, \
         .body, .hosts, .changed, .failed, .unreachable, .error, .seconds.",
    ),
];

/// Words of the language itself.
pub const KEYWORDS: &[&str] = &[
    "let", "const", "if", "else", "switch", "for", "in", "while", "loop", "do", "break", "continue", "return", "fn",
    "try", "catch", "throw", "import", "as", "export", "global", "this",
];

/// The words of plays: name, call and what each is for.
pub fn words() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    WORDS.iter().map(|(call, doc)| (call.split('(').next().unwrap_or_default(), *call, *doc))
}

/// A word of plays: its call and what it is for.
pub fn word(name: &str) -> Option<(&'static str, &'static str)> {
    words().find(|(known, ..)| *known == name).map(|(_, call, doc)| (call, doc))
}

/// The options that a word of plays takes.
pub fn word_options(name: &str) -> &'static [&'static str] {
    match name {
        "play" => PLAY,
        "within" => WITHIN,
        "task" => TASK,
        _ => &[],
    }
}
