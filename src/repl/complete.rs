//! What may stand where the cursor is.

use super::commands::{COMMANDS, Takes};
use super::context::{Frame, frames};
use super::known::{Known, entry};
use super::lex::{Kind, Piece, pieces};
use crate::script::{CLOSURES, KEYWORDS, word_options, words};
use std::path::Path;
use stdlib::contract::{Entry, Role};

/// Something that may stand where the cursor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Where what it replaces begins, in bytes; it ends at the cursor.
    pub from: usize,
    /// What comes there.
    pub text: String,
    /// What it is for.
    pub about: String,
}

/// Names and what each is for.
type Names = Vec<(String, String)>;

/// What may stand at a place of a text.
pub fn complete(text: &str, at: usize, known: &Known) -> Vec<Candidate> {
    let before = text.get(..at).unwrap_or(text);
    let margin = before.len() - before.trim_start().len();
    let (from, names) = match before[margin..].starts_with(':') {
        true => command(&before[margin..], known),
        false => line(before, known),
    };
    let from = if before[margin..].starts_with(':') { margin + from } else { from };
    let typed = &before[from..];
    let candidate = |(text, about): &(String, String)| Candidate { from, text: text.clone(), about: about.clone() };
    let begin: Vec<Candidate> = names.iter().filter(|(text, _)| begins(text, typed)).map(candidate).collect();
    if !begin.is_empty() || typed.len() < 2 {
        return begin;
    }
    names.iter().filter(|(text, _)| text.contains(typed)).map(candidate).collect()
}

/// A value in quotes may be begun without them.
fn begins(text: &str, typed: &str) -> bool {
    text.starts_with(typed) || text.strip_prefix('"').is_some_and(|text| text.starts_with(typed))
}

fn plain<S: AsRef<str>>(names: impl IntoIterator<Item = S>, about: &str) -> Names {
    names.into_iter().map(|name| (name.as_ref().to_owned(), about.to_owned())).collect()
}

/// A command of the prompt.
fn command(text: &str, known: &Known) -> (usize, Names) {
    let Some((name, _)) = text.split_once(char::is_whitespace) else {
        let all = COMMANDS.iter().map(|command| (format!(":{}", command.name), command.help.to_owned()));
        return (0, all.collect());
    };
    let from = text.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    match COMMANDS.iter().find(|command| command.name == &name[1..]).map(|command| command.takes) {
        Some(Takes::Pattern) => (term(text, from), pattern(known)),
        Some(Takes::Host) => (from, plain(&known.hosts, "host")),
        Some(Takes::Path) => (from, paths(&known.dir, &text[from..], false)),
        Some(Takes::User) => (from, plain(["root", "off"], "")),
        Some(Takes::Switch) => (from, plain(["on", "off"], "")),
        Some(Takes::Command) => {
            (from, COMMANDS.iter().map(|command| (command.name.to_owned(), command.help.to_owned())).collect())
        }
        Some(Takes::Docs) => match text[from..].split_once("::") {
            Some((module, _)) => (from + module.len() + 2, functions(module, known, "")),
            None => (from, modules(known)),
        },
        Some(Takes::Nothing | Takes::Number) | None => (text.len(), Vec::new()),
    }
}

/// Where the last term of a host pattern begins.
fn term(text: &str, from: usize) -> usize {
    text[from..].rfind([':', ',', '!', '&']).map_or(from, |at| from + at + 1)
}

fn pattern(known: &Known) -> Names {
    let groups = known.groups.iter().filter(|group| *group != "all");
    [plain(["all"], "every host"), plain(groups, "group"), plain(&known.hosts, "host")].concat()
}

/// A line of the script.
fn line(before: &str, known: &Known) -> (usize, Names) {
    let all = pieces(before);
    let (rest, typed) = match all.split_last() {
        Some((last, rest)) if last.kind == Kind::Text && !last.whole => return string(rest, last, known),
        Some((last, _)) if last.kind == Kind::Comment => return (before.len(), Vec::new()),
        Some((last, rest)) if matches!(last.kind, Kind::Word | Kind::Number) => (rest, last.text),
        _ => (all.as_slice(), ""),
    };
    let from = before.len() - typed.len();
    let back = |n: usize| rest.len().checked_sub(n).and_then(|at| rest.get(at)).map_or("", |piece| piece.text);
    match back(1) {
        "::" => return (from, functions(back(2), known, "(")),
        "." => return (from, properties(back(2), (back(3), back(4)), known)),
        _ => {}
    }
    let frames = frames(rest);
    let Some((last, around)) = frames.split_last() else { return (from, Vec::new()) };
    if last.open != "#{" {
        return (from, anything(known));
    }
    let call = around.last().filter(|frame| !frame.callee.is_empty());
    match (call, last.key) {
        (Some(call), None) => (from, keys(call, last)),
        (Some(call), Some(key)) => {
            let values = values(call, key);
            (from, if values.is_empty() { anything(known) } else { values })
        }
        (None, Some(_)) => (from, anything(known)),
        (None, None) => (from, Vec::new()),
    }
}

/// Inside of a text.
fn string(rest: &[Piece], last: &Piece, known: &Known) -> (usize, Names) {
    let inside = last.text.trim_start_matches(['"', '`']);
    let from = last.at + last.text.len() - inside.len();
    let frames = frames(rest);
    let word = rest.iter().rev().find(|piece| piece.kind != Kind::Blank).map_or("", |piece| piece.text);
    if word == "import" {
        return (from, paths(&known.dir, inside, true));
    }
    let Some((frame, around)) = frames.split_last() else { return (from, Vec::new()) };
    let callee = match frame.open {
        "(" => frame.callee.join("::"),
        _ => String::new(),
    };
    match (callee.as_str(), frame.before) {
        ("on" | "hosts", 0) | ("play", 1) => return (from + term(inside, 0), pattern(known)),
        _ => {}
    }
    match (around.last(), frame.key) {
        (Some(_), Some("src" | "template" | "script")) => (from, paths(&known.dir, inside, false)),
        (Some(call), Some(key)) => {
            let values = values(call, key)
                .into_iter()
                .filter_map(|(value, about)| value.strip_prefix('"').map(|value| (value.to_owned(), about)));
            (from, values.collect())
        }
        _ => (from, Vec::new()),
    }
}

fn modules(known: &Known) -> Names {
    let own = stdlib::modules().iter().map(|module| {
        let about = module.docs.lines().next().unwrap_or_default();
        (format!("{}::", module.name), about.to_owned())
    });
    own.chain(known.imports.iter().map(|(alias, _)| (format!("{alias}::"), "import".to_owned()))).collect()
}

fn functions(module: &str, known: &Known, end: &str) -> Names {
    let own = stdlib::modules().iter().filter(|m| m.name == module).flat_map(|m| &m.entries);
    let own = own.map(|entry| (format!("{}{end}", entry.name), first_line(entry.summary())));
    let imported = known.imports.iter().filter(|(alias, _)| alias == module).flat_map(|(_, names)| names);
    own.chain(imported.map(|name| (format!("{name}{end}"), String::new()))).collect()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// What comes after a dot.
fn properties(base: &str, before: (&str, &str), known: &Known) -> Names {
    match (base, before) {
        ("host", _) => plain(["name", "address", "groups", "vars"], "of the host"),
        ("vars", (".", "host")) => plain(&known.host_variables, "variable"),
        _ => [
            ("changed", "whether it changed anything"),
            ("failed", "whether it failed"),
            ("rc", "the exit code"),
            ("stdout", "what it printed"),
            ("stderr", "what it complained"),
            ("lines", "what it printed, line by line"),
            ("json()", "what it printed, as data"),
            ("diff", "what it changed"),
            ("notes", "what a person should know besides"),
            ("len()", "how many"),
            ("contains(", "whether it is in it"),
            ("map(", "what a closure makes of each"),
            ("filter(", "those for which a closure holds"),
        ]
        .map(|(name, about)| (name.to_owned(), about.to_owned()))
        .to_vec(),
    }
}

/// The options that a call takes and does not have yet.
fn keys(call: &Frame, map: &Frame) -> Names {
    let free = |name: &str| !map.keys.contains(&name);
    let Some(entry) = of(call) else {
        let options = call.callee.first().filter(|_| call.callee.len() == 1).map_or(&[][..], |word| word_options(word));
        return options.iter().filter(|name| free(name)).map(|name| (format!("{name}: "), String::new())).collect();
    };
    let subject = entry.subject().filter(|_| call.before > 0).map(|subject| subject.name.as_str());
    let own = entry.parameters.iter().filter(|p| free(&p.name) && Some(p.name.as_str()) != subject);
    let own = own.map(|p| (format!("{}: ", p.name), first_line(&p.docs)));
    let ours = CLOSURES.iter().filter(|name| entry.role != Role::Operation && free(name));
    own.chain(ours.map(|name| (format!("{name}: "), "|r| ...".to_owned()))).collect()
}

/// The values of an option, where they are few.
fn values(call: &Frame, key: &str) -> Names {
    let Some(parameter) = of(call).and_then(|entry| entry.parameters.iter().find(|p| p.name == key)) else {
        return Vec::new();
    };
    let quoted = parameter.values.iter().map(|value| format!("\"{value}\""));
    let flags = ["true", "false"].into_iter().filter(|_| parameter.takes.contains("boolean")).map(str::to_owned);
    quoted.chain(flags).map(|value| (value, String::new())).collect()
}

fn of(call: &Frame) -> Option<&'static Entry> {
    match call.callee.as_slice() {
        [module, name] => entry(module, name),
        _ => None,
    }
}

/// What may stand where an expression begins.
fn anything(known: &Known) -> Names {
    let functions = known.functions.iter().map(|name| (format!("{name}("), "function of this session".to_owned()));
    let words = words().map(|(name, _, about)| (format!("{name}("), about.to_owned()));
    [
        plain(&known.variables, "variable of this session"),
        functions.collect(),
        modules(known),
        words.collect(),
        plain(["host"], "the host of the line"),
        plain(["_"], "the last result"),
        plain(KEYWORDS.iter().chain(&["true", "false"]), ""),
    ]
    .concat()
}

/// Paths of the controller that begin so; playbooks without their ending, for imports.
fn paths(dir: &Path, typed: &str, playbooks: bool) -> Names {
    let (folder, _) = typed.rsplit_once('/').map_or(("", typed), |(folder, _)| (&typed[..folder.len() + 1], ""));
    let entries = std::fs::read_dir(dir.join(folder)).into_iter().flatten().flatten();
    let mut found: Names = entries
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') && !typed.ends_with('.') {
                return None;
            }
            match (entry.path().is_dir(), playbooks) {
                (true, _) => Some((format!("{folder}{name}/"), "folder".to_owned())),
                (false, true) => name.strip_suffix(".rhai").map(|stem| (format!("{folder}{stem}"), String::new())),
                (false, false) => Some((format!("{folder}{name}"), String::new())),
            }
        })
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Tab offers where `^` stands.
    fn offered(line: &str) -> Vec<String> {
        let known = Known {
            hosts: vec!["nas".to_owned(), "web1".to_owned(), "web2".to_owned()],
            groups: vec!["all".to_owned(), "web".to_owned()],
            host_variables: vec!["pool".to_owned()],
            variables: vec!["tools".to_owned()],
            functions: vec!["deploy".to_owned()],
            imports: vec![("lib".to_owned(), vec!["backup".to_owned()])],
            dir: Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks"),
        };
        let at = line.find('^').unwrap();
        let text = line.replace('^', "");
        let whole = |candidate: Candidate| text[..candidate.from].to_owned() + candidate.text.as_str();
        complete(&text, at, &known).into_iter().map(whole).collect()
    }

    #[test]
    fn tab_offers_what_may_stand_there() {
        for (line, wanted) in [
            (":o^", ":on"),
            (":on w^", ":on web :on web1 :on web2"),
            (":on all:!n^", ":on all:!nas"),
            (":vars n^", ":vars nas"),
            (":docs file::li^", ":docs file::link :docs file::line"),
            (":become o^", ":become off"),
            (":load ma^", ":load maintenance/"),
            (
                ":load maintenance/^",
                ":load maintenance/base.rhai :load maintenance/daily.rhai :load maintenance/health.rhai :load maintenance/templates/ :load maintenance/weekly.rhai",
            ),
            (":nonsense x^", ""),
            ("fil^", "file::"),
            ("x = file::li^", "x = file::link( x = file::line("),
            ("lib::^", "lib::backup("),
            ("dep^", "deploy("),
            ("too^", "tools"),
            ("pla^", "play("),
            ("def^", "defer("),
            ("swi^", "switch"),
            ("file::line(\"/a\", #{ line: \"b\", backr^", "file::line(\"/a\", #{ line: \"b\", backrefs: "),
            ("shell::run(\"a\", #{ chang^", "shell::run(\"a\", #{ changed_when: "),
            ("within(#{ retr^", "within(#{ retries: "),
            ("task(\"a\", #{ ^", "task(\"a\", #{ tags: "),
            (
                "file::line(\"/a\", #{ create: ^",
                "file::line(\"/a\", #{ create: true file::line(\"/a\", #{ create: false",
            ),
            ("systemd::running(\"a\", #{ scope: u^", "systemd::running(\"a\", #{ scope: \"user\""),
            ("systemd::running(\"a\", #{ scope: \"u^", "systemd::running(\"a\", #{ scope: \"user\""),
            ("on(\"w^", "on(\"web on(\"web1 on(\"web2"),
            ("play(\"w\", \"nas:&w^", "play(\"w\", \"nas:&web play(\"w\", \"nas:&web1 play(\"w\", \"nas:&web2"),
            ("play(\"w^", ""),
            ("host.na^", "host.name"),
            ("host.vars.p^", "host.vars.pool"),
            ("r.std^", "r.stdout r.stderr"),
            ("import \"maint^", "import \"maintenance/"),
            ("import \"lib/ex^", "import \"lib/exec"),
            ("file::file(\"/a\", #{ src: \"inv^", "file::file(\"/a\", #{ src: \"inventory.yaml"),
            ("// fil^", ""),
            ("let s = \"fil^", ""),
        ] {
            assert_eq!(offered(line).join(" "), wanted, "{line}");
        }
    }

    #[test]
    fn an_argument_that_is_given_is_not_offered_again() {
        let line = offered("file::line(\"/a\", #{ line: \"x\", ^");
        assert!(line.iter().all(|offer| !offer.ends_with(" line: ") && !offer.ends_with(" path: ")), "{line:?}");
        assert!(line.len() > 3, "{line:?}");
    }

    #[test]
    fn a_middle_of_a_name_finds_it_too() {
        assert_eq!(offered("apt::stalled^"), ["apt::installed("]);
    }
}
