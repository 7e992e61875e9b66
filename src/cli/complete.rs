//! Words completed in the shell: the shell asks hlrun itself, so the names of hosts, groups, tags, tasks and
//! runs are those of this moment.

use super::args::{self, Cli, Shell};
use super::{config, run};
use crate::inventory::Inventory;
use crate::run::{runs, state_dir};
use crate::script::Survey;
use clap::{Arg, Command, CommandFactory};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, complete};
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// Set by the shell when it asks, to its own name.
const VARIABLE: &str = "HLRUN_COMPLETE";

/// What nushell needs: it has one completer for all programs, which ours is put in front of.
const NUSHELL: &str = r#"let hlrun_before = $env.config.completions?.external?.completer?
$env.config.completions.external = {
    enable: true
    completer: {|spans: list<string>|
        if ($spans.0 | path basename) == "hlrun" {
            with-env { VARIABLE: "nushell" } { ^COMPLETER -- ...$spans } | from json
        } else if $hlrun_before != null {
            do $hlrun_before $spans
        }
    }
}
"#;

/// Print what a shell needs. Returns the exit code.
pub fn register(shell: Shell) -> u8 {
    let completer = program();
    let mut text = Vec::new();
    let known: &dyn EnvCompleter = match shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
        Shell::Nushell => {
            let script = NUSHELL.replace("VARIABLE", VARIABLE).replace("COMPLETER", &completer);
            let _ = std::io::stdout().lock().write_all(script.as_bytes());
            return 0;
        }
    };
    if known.write_registration(VARIABLE, "hlrun", "hlrun", &completer, &mut text).is_ok() {
        let _ = std::io::stdout().lock().write_all(&text);
    }
    0
}

/// How the shell calls us: by name where that finds us, else by path.
fn program() -> String {
    let own = std::env::current_exe().ok();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("hlrun")).find(|file| file.is_file());
    match (found.and_then(|file| file.canonicalize().ok()), own) {
        (found, Some(own)) if found.as_ref() != own.canonicalize().ok().as_ref() => own.display().to_string(),
        _ => "hlrun".to_owned(),
    }
}

/// Answer a shell that asks. Nothing if none does.
pub fn answer(argv: &[OsString]) -> Option<u8> {
    let shell = std::env::var(VARIABLE).ok().filter(|shell| !shell.is_empty())?;
    let mut words: Vec<OsString> = argv.iter().skip_while(|arg| *arg != "--").skip(1).cloned().collect();
    let given = |name: &str| std::env::var(name).ok();
    let index = given("_CLAP_COMPLETE_INDEX").and_then(|index| index.parse().ok());
    let mut index: usize = index.unwrap_or(words.len().saturating_sub(1));
    if words.len() == index {
        words.push(OsString::new());
    }
    // The word under the cursor is no playbook yet.
    let mut before = args::with_command(words.iter().take(index).cloned().collect());
    let added = before.len().saturating_sub(index);
    index += added;
    before.extend(words.into_iter().skip(index - added));
    let here = std::env::current_dir().ok();
    let found = complete(&mut command(&before), before, index, here.as_deref()).unwrap_or_default();
    let _ = std::io::stdout().lock().write_all(shown(&shell, &found, given("_CLAP_IFS").as_deref()).as_bytes());
    Some(0)
}

/// Candidates as a shell reads them.
fn shown(shell: &str, found: &[CompletionCandidate], separator: Option<&str>) -> String {
    let value = |candidate: &CompletionCandidate| candidate.get_value().to_string_lossy().into_owned();
    let help = |candidate: &CompletionCandidate| {
        let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        help.lines().next().unwrap_or_default().to_owned()
    };
    let join = |lines: Vec<String>| lines.join(separator.unwrap_or("\n"));
    match shell {
        "zsh" => join(
            found
                .iter()
                .map(|c| {
                    let (value, help) =
                        (value(c).replace('\\', r"\\").replace(':', r"\:"), help(c).replace('\\', r"\\"));
                    if help.is_empty() { value } else { format!("{value}:{help}") }
                })
                .collect(),
        ),
        "fish" => found.iter().map(|c| format!("{}\t{}\n", value(c), help(c))).collect(),
        "nushell" => {
            let all = found.iter().map(|c| serde_json::json!({ "value": value(c), "description": help(c) }));
            serde_json::Value::Array(all.collect()).to_string()
        }
        _ => join(found.iter().map(value).collect()),
    }
}

/// The command line with what completes its words.
fn command(words: &[OsString]) -> Command {
    let mut command = Cli::command();
    let config = config::find(words).ok().flatten();
    let mut survey = Survey::default();
    if let Some(path) = args::playbook(words).filter(|path| path.is_file())
        && let Ok((program, _)) = run::compiled(&path)
    {
        survey = program.survey.clone();
        command = args::with_playbook(command, &program.name, &survey.docs, &survey.params);
    }
    if let Some(config) = &config {
        command = config.defaults(command.clone()).unwrap_or(command);
    }
    let names = Arc::new(Names { inventory: inventory(words, &command), survey });
    dressed(command, &names)
}

/// What there is to complete with.
struct Names {
    inventory: Option<Inventory>,
    survey: Survey,
}

/// The inventory of the line as far as it is written, or that of the configuration.
fn inventory(words: &[OsString], command: &Command) -> Option<Inventory> {
    let mut given: Vec<PathBuf> = Vec::new();
    for pair in words.windows(2) {
        if pair[0] == "-i" || pair[0] == "--inventory" {
            given.push(PathBuf::from(&pair[1]));
        }
    }
    given.extend(words.iter().filter_map(|w| w.to_str()?.strip_prefix("--inventory=")).map(PathBuf::from));
    if given.is_empty() {
        given.extend(std::env::var_os("HLRUN_INVENTORY").map(PathBuf::from));
    }
    if given.is_empty() {
        let run = command.find_subcommand("run")?;
        let arg = run.get_arguments().find(|arg| arg.get_id() == "inventory")?;
        given.extend(arg.get_default_values().iter().map(PathBuf::from));
    }
    Inventory::load(&given, None, Default::default()).ok()
}

fn dressed(command: Command, names: &Arc<Names>) -> Command {
    let ids: Vec<String> = command.get_arguments().map(|arg| arg.get_id().to_string()).collect();
    let command = ids.into_iter().fold(command, |command, id| command.mut_arg(&id, |arg| completed(arg, &id, names)));
    let below: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    below.into_iter().fold(command, |command, name| command.mut_subcommand(name, |sub| dressed(sub, names)))
}

fn completed(arg: Arg, id: &str, names: &Arc<Names>) -> Arg {
    let names = Arc::clone(names);
    let words = move |of: fn(&Names) -> Vec<(String, String)>, separators: &'static [char]| {
        ArgValueCompleter::new(move |current: &OsStr| candidates(of(&names), current, separators))
    };
    match id {
        "limit" | "pattern" => arg.add(words(patterns, &[':', ',', '&', '!'])),
        "host" => arg.add(words(hosts, &[])),
        "group" => arg.add(words(groups, &[])),
        "tags" | "skip_tags" => arg.add(words(tags, &[','])),
        "start_at_task" => arg.add(words(tasks, &[])),
        "run" | "before" | "after" => arg.add(words(journals, &[])),
        "what" => arg.add(words(documented, &[])),
        "playbook" | "playbooks" => {
            let is_playbook = |path: &std::path::Path| path.is_dir() || path.extension().is_some_and(|e| e == "rhai");
            arg.add(ArgValueCompleter::new(PathCompleter::any().filter(is_playbook)))
        }
        "inventory" | "private_key" | "become_password_file" => arg.add(ArgValueCompleter::new(PathCompleter::file())),
        _ => arg,
    }
}

/// Those that go on from what is typed behind the last separator.
fn candidates(all: Vec<(String, String)>, current: &OsStr, separators: &[char]) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let (kept, word) = current.split_at(current.rfind(separators).map_or(0, |at| at + 1));
    let fitting = all.into_iter().filter(|(name, _)| name.starts_with(word));
    fitting
        .map(|(name, help)| {
            CompletionCandidate::new(format!("{kept}{name}")).help((!help.is_empty()).then(|| help.into()))
        })
        .collect()
}

fn hosts(names: &Names) -> Vec<(String, String)> {
    let Some(inventory) = &names.inventory else { return Vec::new() };
    let host = |host: &str| (host.to_owned(), inventory.groups_of(host).join(" "));
    inventory.hosts().into_iter().map(host).collect()
}

fn groups(names: &Names) -> Vec<(String, String)> {
    let Some(inventory) = &names.inventory else { return Vec::new() };
    inventory
        .groups()
        .map(|(name, _)| (name.to_owned(), format!("group of {}", inventory.hosts_of(name).len())))
        .collect()
}

fn patterns(names: &Names) -> Vec<(String, String)> {
    [hosts(names), groups(names)].concat()
}

fn tags(names: &Names) -> Vec<(String, String)> {
    names.survey.tags.iter().map(|tag| (tag.clone(), String::new())).collect()
}

fn tasks(names: &Names) -> Vec<(String, String)> {
    let tasks = names.survey.plays.iter().flat_map(|play| &play.tasks);
    tasks.filter_map(|task| Some((task.name.clone()?, String::new()))).collect()
}

fn journals(_: &Names) -> Vec<(String, String)> {
    let ids = runs(&state_dir()).into_iter().take(50).map(|id| (id, String::new()));
    std::iter::once(("last".to_owned(), "the newest".to_owned())).chain(ids).collect()
}

fn documented(_: &Names) -> Vec<(String, String)> {
    let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    let modules = stdlib::modules().iter().map(|module| (module.name.to_owned(), first(&module.docs)));
    let entries = stdlib::modules().iter().flat_map(|module| &module.entries);
    modules.chain(entries.map(|entry| (entry.path(), first(entry.summary())))).collect()
}
