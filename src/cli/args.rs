//! The flags, Ansible's where they mean the same. Every flag that says how, and not what to list, is also
//! `HLRUN_<FLAG>` and a key of `hlrun.yaml`.

use crate::report::Color;
use crate::script::Param;
use clap::builder::FalseyValueParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Parser};
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::path::PathBuf;
use stdlib::contract::Error;
use stdlib::shared::Span;

/// Playbooks for homelabs: written in Rhai, run on hosts over SSH.
#[derive(Debug, Parser)]
#[command(
    name = "hlrun",
    version,
    after_help = "Examples:\n  hlrun site.rhai -i inventory.yaml --check --diff   what would change\n  hlrun site.rhai -i inventory.yaml                  do it\n  hlrun exec -i inventory.yaml docker -- uptime      one command on many hosts\n  hlrun docs file::line                              how an operation is called\n\nExit codes: 0 as wanted, 1 playbook or inventory wrong (nothing touched), 2 a host failed, 4 a host\nunreachable (6 both), 10 changes with --detailed-exitcode, 64 usage, 70 bug in hlrun, 130 interrupted."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Subcommand,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    /// Run a playbook (`hlrun PLAYBOOK.rhai` is the same)
    Run(Box<RunArgs>),
    /// Check playbooks without touching a host
    Check(CheckArgs),
    /// Show what the inventory means
    Hosts(HostsArgs),
    /// Run one command on many hosts
    Exec(Box<ExecArgs>),
    /// Show what playbooks can do
    Docs(DocsArgs),
    /// List past runs
    Runs(RunsArgs),
    /// Show a past run
    Show(ShowArgs),
    /// Take back what a run has changed
    Undo(Box<UndoArgs>),
    /// Go on where a run has stopped
    Resume(ResumeArgs),
    /// List what hosts are owed, or pay it
    Owed(OwedArgs),
    /// Show the configuration and where each value comes from
    Config,
    /// Close the connections that are kept warm
    Disconnect,
}

/// A number of things that are at least one.
fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "it must be a whole number from 1".to_owned())
}

/// A span of time, as text.
fn span(text: &str) -> Result<String, String> {
    Span::parse(text).map(|_| text.to_owned()).map_err(|e| e.to_string())
}

/// A span of time that is not nothing, as text.
fn some_span(text: &str) -> Result<String, String> {
    match Span::parse(text) {
        Ok(span) if span.0.is_zero() => Err("it must be more than nothing".to_owned()),
        Ok(_) => Ok(text.to_owned()),
        Err(e) => Err(e.to_string()),
    }
}

/// Where hosts come from.
#[derive(Debug, Clone, Args)]
pub struct InventoryArgs {
    /// Inventory file, or a list of hosts with a comma; several are merged
    #[arg(short, long, env = "HLRUN_INVENTORY", value_name = "FILE", value_delimiter = None)]
    pub inventory: Vec<PathBuf>,
    /// Variables that win over all others: k=v, JSON, or @FILE
    #[arg(short, long, env = "HLRUN_EXTRA_VARS", value_name = "VARS")]
    pub extra_vars: Vec<String>,
}

/// How hosts are reached.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionArgs {
    /// Connect as this user, where the inventory gives none
    #[arg(short, long, env = "HLRUN_USER")]
    pub user: Option<String>,
    /// Private key, where the inventory gives none
    #[arg(long, env = "HLRUN_PRIVATE_KEY", value_name = "FILE")]
    pub private_key: Option<PathBuf>,
    /// Host keys: strict (known ones only), accept-new, or off
    #[arg(long, env = "HLRUN_HOST_KEYS", default_value = "strict", value_parser = ["strict", "accept-new", "off"])]
    pub host_keys: String,
    /// The longest that connecting may take
    #[arg(short = 'T', long, env = "HLRUN_TIMEOUT", default_value = "10s", value_name = "TIME", value_parser = span)]
    pub timeout: String,
    /// The longest that a read may take
    #[arg(long, env = "HLRUN_READ_TIMEOUT", default_value = "60s", value_name = "TIME", value_parser = some_span)]
    pub read_timeout: String,
    /// How long connections stay warm after a run; 0 closes them
    #[arg(long, env = "HLRUN_SSH_PERSIST", default_value = "60s", value_name = "TIME", value_parser = span)]
    pub ssh_persist: String,
    /// Hosts at once
    #[arg(short, long, env = "HLRUN_FORKS", default_value_t = 10, value_parser = positive)]
    pub forks: usize,
    /// Become another user
    #[arg(short, long, env = "HLRUN_BECOME", value_parser = FalseyValueParser::new())]
    pub r#become: bool,
    /// Whom to become
    #[arg(long, env = "HLRUN_BECOME_USER", value_name = "USER")]
    pub become_user: Option<String>,
    /// How: sudo, su or doas
    #[arg(long, env = "HLRUN_BECOME_METHOD", value_name = "METHOD", value_parser = ["sudo", "su", "doas"])]
    pub become_method: Option<String>,
    /// Ask for the password for that
    #[arg(short = 'K', long, env = "HLRUN_ASK_BECOME_PASS", value_parser = FalseyValueParser::new())]
    pub ask_become_pass: bool,
    /// Read that password from a file, or from what an executable file prints
    #[arg(long, env = "HLRUN_BECOME_PASSWORD_FILE", value_name = "FILE")]
    pub become_password_file: Option<PathBuf>,
}

/// How results are shown.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Show differences in full
    #[arg(short = 'D', long, env = "HLRUN_DIFF", value_parser = FalseyValueParser::new())]
    pub diff: bool,
    /// Show what was ok too, and all output; -vv the steps
    #[arg(short, long, action = ArgAction::Count, env = "HLRUN_VERBOSE")]
    pub verbose: u8,
    /// Print events as JSON Lines, and nothing else, on standard output
    #[arg(long, env = "HLRUN_JSON", value_parser = FalseyValueParser::new())]
    pub json: bool,
    /// When to use colours
    #[arg(long, env = "HLRUN_COLOR", default_value = "auto", value_parser = ["auto", "always", "never"])]
    pub color: String,
}

impl OutputArgs {
    /// When to use colours.
    pub fn color(&self) -> Color {
        match self.color.as_str() {
            "always" => Color::Always,
            "never" => Color::Never,
            _ => Color::Auto,
        }
    }
}

/// Flags of `hlrun run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The playbook; its parameters are flags of their own (see `hlrun PLAYBOOK --help`)
    pub playbook: PathBuf,
    #[command(flatten)]
    pub inventory: InventoryArgs,
    /// Only these hosts
    #[arg(short, long, env = "HLRUN_LIMIT", value_name = "PATTERN")]
    pub limit: Option<String>,
    /// Only calls with one of these tags
    #[arg(short, long, env = "HLRUN_TAGS", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// No calls with one of these tags
    #[arg(long, env = "HLRUN_SKIP_TAGS", value_delimiter = ',')]
    pub skip_tags: Vec<String>,
    /// Predict changes, make none
    #[arg(short = 'C', long, env = "HLRUN_CHECK", value_parser = FalseyValueParser::new())]
    pub check: bool,
    /// Begin at the task of this name
    #[arg(long, env = "HLRUN_START_AT_TASK", value_name = "TASK")]
    pub start_at_task: Option<String>,
    /// Ask before each task
    #[arg(long, env = "HLRUN_STEP", value_parser = FalseyValueParser::new())]
    pub step: bool,
    /// List the hosts of each play, and do nothing
    #[arg(long, env = "HLRUN_LIST_HOSTS", value_parser = FalseyValueParser::new())]
    pub list_hosts: bool,
    /// List the tasks of each play, and do nothing
    #[arg(long, env = "HLRUN_LIST_TASKS", value_parser = FalseyValueParser::new())]
    pub list_tasks: bool,
    /// List the tags, and do nothing
    #[arg(long, env = "HLRUN_LIST_TAGS", value_parser = FalseyValueParser::new())]
    pub list_tags: bool,
    /// Check the playbook, and do nothing
    #[arg(long, env = "HLRUN_SYNTAX_CHECK", value_parser = FalseyValueParser::new())]
    pub syntax_check: bool,
    /// Exit with 10 if anything was changed, or would be
    #[arg(long, env = "HLRUN_DETAILED_EXITCODE", value_parser = FalseyValueParser::new())]
    pub detailed_exitcode: bool,
    /// Leave alone what earlier runs owe
    #[arg(long, env = "HLRUN_SKIP_OWED", value_parser = FalseyValueParser::new())]
    pub skip_owed: bool,
    /// Run nothing but the handlers that earlier runs owe
    #[arg(long, env = "HLRUN_ONLY_OWED", value_parser = FalseyValueParser::new(), conflicts_with = "skip_owed")]
    pub only_owed: bool,
    /// Go on where this run has stopped (`hlrun resume RUN` fills in the rest)
    #[arg(long, env = "HLRUN_RESUME", value_name = "RUN")]
    pub resume: Option<String>,
    /// With --resume: of the hosts that did not come to their end, only these
    #[arg(long, env = "HLRUN_RESUME_HOSTS", value_name = "HOSTS", value_delimiter = ',')]
    pub resume_hosts: Vec<String>,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Flags of `hlrun exec`.
#[derive(Debug, Clone, Args)]
pub struct ExecArgs {
    /// The hosts
    pub pattern: String,
    /// One line for the shell, or a program and its arguments
    #[arg(last = true, required = true)]
    pub line: Vec<String>,
    #[command(flatten)]
    pub inventory: InventoryArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Flags of `hlrun check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The playbooks
    #[arg(required = true)]
    pub playbooks: Vec<PathBuf>,
    #[command(flatten)]
    pub inventory: InventoryArgs,
}

/// Flags of `hlrun hosts`.
#[derive(Debug, Args)]
pub struct HostsArgs {
    /// Only these
    #[arg(default_value = "all")]
    pub pattern: String,
    #[command(flatten)]
    pub inventory: InventoryArgs,
    /// Their variables, and the file and line of each
    #[arg(long, conflicts_with_all = ["graph", "json"])]
    pub vars: bool,
    /// The tree of groups
    #[arg(long, conflicts_with = "json")]
    pub graph: bool,
    /// As `ansible-inventory --list` prints it
    #[arg(long)]
    pub json: bool,
}

/// Flags of `hlrun docs`.
#[derive(Debug, Args)]
pub struct DocsArgs {
    /// A module such as `file`, or one thing in it such as `file::line`
    pub what: Option<String>,
    /// Definitions for editors
    #[arg(long, conflicts_with = "what")]
    pub definitions: bool,
    /// Everything in one table, in Markdown
    #[arg(long, conflicts_with_all = ["what", "definitions"])]
    pub index: bool,
}

/// Flags of `hlrun runs`.
#[derive(Debug, Args)]
pub struct RunsArgs {
    /// How many
    #[arg(short, long, default_value_t = 20)]
    pub number: usize,
    /// As JSON Lines
    #[arg(long)]
    pub json: bool,
}

/// Flags of `hlrun undo`.
#[derive(Debug, Args)]
#[command(after_help = UNDO)]
pub struct UndoArgs {
    /// The run, the beginning or end of its id, or `last`: the newest that was no dry run
    #[arg(default_value = "last")]
    pub run: String,
    /// Only on these hosts
    #[arg(long, visible_alias = "limit", value_name = "PATTERN")]
    pub host: Option<String>,
    /// Only these steps, by the numbers that the plan shows
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub step: Vec<usize>,
    /// Show the plan, and do nothing
    #[arg(short = 'C', long)]
    pub check: bool,
    /// Go back without asking
    #[arg(short, long)]
    pub yes: bool,
    /// Go back where somebody has changed the same thing since, too
    #[arg(long)]
    pub force: bool,
    /// Do not run handlers again
    #[arg(long)]
    pub no_handlers: bool,
    #[command(flatten)]
    pub inventory: InventoryArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What the help of `hlrun undo` ends with.
const UNDO: &str = "Every host goes back from the last change to the first, through the same operations, and each \
change is proved by reading again. Said before anything is done: what stays (actions such as shell::run; what was too \
large to be kept), and what somebody has changed since, which is left alone unless --force. Handlers that the run has \
run are run again at the end. An undo is a run like any other: `hlrun undo` once more takes it back.

The inventory is the one that the run had, unless -i names another.

Examples:
  hlrun undo                      the newest run, after a look at the plan
  hlrun undo last --check         only the plan
  hlrun undo 20260314 --step 3    one step of a run, on all its hosts
  hlrun undo last --host nas -y   one host, without a question";

/// Flags of `hlrun resume`.
#[derive(Debug, Args)]
#[command(after_help = RESUME)]
pub struct ResumeArgs {
    /// The run, or the beginning or end of its id; without it, the newest that did not end well
    pub run: Option<String>,
    /// Of the hosts that did not come to their end, only these
    #[arg(long, value_name = "HOSTS", value_delimiter = ',')]
    pub host: Vec<String>,
}

/// What the help of `hlrun resume` ends with.
const RESUME: &str = "The command line of the run is run again, in the same place. Every host goes on at its first call \
that did not end; what came before is not done again: the script sees the results and answers that it saw then, so that \
it takes the same way. Whatever stopped it may be mended first, but playbook, parameters, variables and templates must \
be the same: what differs is said, and nothing is done.";

/// Flags of `hlrun owed`.
#[derive(Debug, Args)]
pub struct OwedArgs {
    /// Only what is owed to this host
    #[arg(long)]
    pub host: Option<String>,
    /// Only this handler
    #[arg(long)]
    pub handler: Option<String>,
    /// Forget them: they have been done by hand
    #[arg(long)]
    pub forget: bool,
    /// Pay: run the handlers, go on with hosts that were unreachable
    #[arg(long, conflicts_with = "forget")]
    pub pay: bool,
}

/// Flags of `hlrun show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The run, or `last`
    #[arg(default_value = "last")]
    pub run: String,
    /// Only this host
    #[arg(long)]
    pub host: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `hlrun x.rhai` means `hlrun run x.rhai`: the command is put in where the first plain word is a playbook.
pub fn with_command(mut argv: Vec<OsString>) -> Vec<OsString> {
    let command = <Cli as clap::CommandFactory>::command();
    let known: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    let first = argv.iter().skip(1).position(|arg| is_playbook(arg) || known.iter().any(|name| arg == name));
    let word = |arg: &OsString| !arg.to_string_lossy().starts_with('-');
    if let Some(at) = first.map(|at| at + 1)
        && is_playbook(&argv[at])
        // A word before it that is no command is a command written wrong.
        && (at == 1 || !word(&argv[1]))
    {
        argv.insert(1, "run".into());
    }
    argv
}

fn is_playbook(arg: &OsString) -> bool {
    arg.to_string_lossy().ends_with(".rhai")
}

/// The playbook that `hlrun run` is given, if there is one.
pub fn playbook(argv: &[OsString]) -> Option<PathBuf> {
    if argv.get(1).is_none_or(|command| command != "run") {
        return None;
    }
    argv.iter().skip(2).take_while(|arg| *arg != "--").find(|arg| is_playbook(arg)).map(PathBuf::from)
}

/// Parameters that would be flags which hlrun has already.
pub fn taken(params: &[Param]) -> Vec<Error> {
    let command = <Cli as clap::CommandFactory>::command();
    let run = command.get_subcommands().filter(|sub| sub.get_name() == "run");
    let flags: Vec<String> =
        run.flat_map(|run| run.get_arguments().filter_map(|arg| arg.get_long())).map(str::to_owned).collect();
    let ours = |flag: &str| flags.iter().map(String::as_str).chain(["help", "version"]).any(|known| known == flag);
    let taken = params.iter().filter(|param| ours(&param.name.replace('_', "-")));
    taken
        .map(|param| {
            let flag = param.name.replace('_', "-");
            let error =
                Error::playbook(format!("parameter `{}` would be --{flag}, a flag of hlrun itself", param.name));
            error.hint("give it another name").at(param.at.clone())
        })
        .collect()
}

/// The command line of a playbook: its parameters are flags, and its help begins with what it says itself.
pub fn with_playbook(command: Command, name: &str, docs: &str, params: &[Param]) -> Command {
    command.mut_subcommand("run", |mut run| {
        run = run.override_usage(format!("hlrun {name} [OPTIONS]"));
        if !docs.trim().is_empty() {
            run = run.about(docs.trim().to_owned()).long_about(None);
        }
        for param in params {
            let flag = param.name.replace('_', "-");
            let default = param.default.as_ref().map(shown).unwrap_or_default();
            let help =
                if default.is_empty() { param.help.clone() } else { format!("{} [default: {default}]", param.help) };
            let mut arg = Arg::new(id(&param.name)).long(flag.clone()).value_name("VALUE").help(help.trim().to_owned());
            if flag != param.name {
                arg = arg.alias(param.name.clone());
            }
            if matches!(param.default, Some(Value::Bool(_))) {
                arg = arg.num_args(0..=1).require_equals(true).default_missing_value("true");
            }
            if matches!(param.default, Some(Value::Number(_)) | None) {
                arg = arg.allow_negative_numbers(true);
            }
            run = run.arg(arg.help_heading("Parameters of the playbook"));
        }
        run
    })
}

fn id(name: &str) -> String {
    format!("param:{name}")
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The parameters given on the command line, with the types of their defaults; the error says what is wrong.
pub fn given(matches: &ArgMatches, params: &[Param]) -> Result<Map<String, Value>, String> {
    let mut given = Map::new();
    let Some(("run", matches)) = matches.subcommand() else { return Ok(given) };
    for param in params {
        let Ok(Some(text)) = matches.try_get_one::<String>(&id(&param.name)) else { continue };
        let value = typed(text, param.default.as_ref());
        let flag = param.name.replace('_', "-");
        given.insert(param.name.clone(), value.map_err(|expected| format!("--{flag} takes {expected}, not `{text}`"))?);
    }
    Ok(given)
}

/// A flag's text with the type of the parameter's default, or what is expected instead.
fn typed(text: &str, default: Option<&Value>) -> Result<Value, &'static str> {
    match default {
        Some(Value::Array(like)) => {
            let like = element(like);
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            let items: Result<_, _> = items.map(|item| typed(item, Some(&like))).collect();
            items.map(Value::Array).map_err(|_| match like {
                Value::Bool(_) => "true or false, several with commas",
                Value::Number(n) if n.is_i64() => "whole numbers with commas between them",
                _ => "numbers with commas between them",
            })
        }
        Some(Value::Object(_)) => match serde_json::from_str(text) {
            Ok(object @ Value::Object(_)) => Ok(object),
            _ => Err("a JSON object"),
        },
        Some(Value::Bool(_)) => match text.to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(Value::Bool(true)),
            "false" | "no" | "off" | "0" => Ok(Value::Bool(false)),
            _ => Err("true or false"),
        },
        Some(Value::Number(n)) if n.is_i64() => text.parse::<i64>().map(Value::from).map_err(|_| "a whole number"),
        Some(Value::Number(_)) => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Value::from(number)),
            _ => Err("a number"),
        },
        Some(Value::String(_) | Value::Null) => Ok(Value::String(text.to_owned())),
        // The default is computed when the playbook runs: its type is not known yet.
        None => Ok(match serde_json::from_str(text) {
            Ok(scalar @ (Value::Number(_) | Value::Bool(_))) => scalar,
            _ => Value::String(text.to_owned()),
        }),
    }
}

/// A value of the type that all elements of a list have; text where they differ or there are none.
fn element(like: &[Value]) -> Value {
    let all = |is: fn(&Value) -> bool| !like.is_empty() && like.iter().all(is);
    match () {
        () if all(Value::is_i64) => Value::from(0),
        () if all(Value::is_number) => Value::from(0.5),
        () if all(Value::is_boolean) => Value::Bool(false),
        () => Value::String(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_flag_can_be_configured() {
        let command = <Cli as clap::CommandFactory>::command();
        let run = command.find_subcommand("run").unwrap();
        let flags = run.get_arguments().filter(|arg| arg.get_env().is_none()).filter_map(|arg| arg.get_long());
        let flags: Vec<&str> = flags.collect();
        assert!(flags.is_empty(), "without a variable: {flags:?}");
    }

    #[test]
    fn a_parameter_has_the_type_of_its_default() {
        let ok = |text: &str, default: Value| typed(text, Some(&default)).unwrap();
        assert_eq!(ok("8, 9", json!([1, 2])), json!([8, 9]));
        assert_eq!(ok("8,9.5", json!([1, 2.5])), json!([8.0, 9.5]));
        assert_eq!(ok("yes,off", json!([true])), json!([true, false]));
        assert_eq!(ok("8,9", json!([])), json!(["8", "9"]));
        assert_eq!(ok("8", json!("a")), json!("8"));
        assert_eq!(typed("8,x", Some(&json!([1]))), Err("whole numbers with commas between them"));
        assert_eq!(typed("nan", Some(&json!(1.5))), Err("a number"));
        assert_eq!(typed("[1]", Some(&json!({}))), Err("a JSON object"));
        let unknown = ["3", "1.5", "true", "null", "[1]", "x"].map(|text| typed(text, None).unwrap());
        assert_eq!(json!(unknown), json!([3, 1.5, true, "null", "[1]", "x"]));
    }
}
