//! Running and checking playbooks and commands.

use super::{ConnectionArgs, InventoryArgs, OutputArgs};
use clap::Args;
use clap::builder::FalseyValueParser;
use std::path::PathBuf;

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
    /// With --resume or --only-owed: of the hosts that have something left to do, only these
    #[arg(long, env = "HLRUN_ONLY_HOSTS", value_name = "HOSTS", value_delimiter = ',')]
    pub only_hosts: Vec<String>,
    /// Send the messages that earlier runs owe by the channels of --only-hosts, and run nothing
    #[arg(long, env = "HLRUN_ONLY_MESSAGES", value_parser = FalseyValueParser::new())]
    pub only_messages: bool,
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
