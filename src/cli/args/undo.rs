//! Going back, and going on.

use super::{ConnectionArgs, InventoryArgs, OutputArgs};
use clap::Args;

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
const UNDO: &str = "Every host goes back from the last change to the first, through the same operations, and \
each change is proved by reading again. What stays is said before anything is done: actions such as shell::run, \
what was too large to be kept, and what somebody has changed since, unless --force. Handlers that the run has run \
are run again at the end. An undo is a run like any other: `hlrun undo` once more takes it back.

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
const RESUME: &str = "The command line of the run is run again, in the same place. Every host goes on at its first \
call that did not end; what came before is not done again: the script sees the results and answers that it saw then, \
so that it takes the same way. Whatever stopped it may be mended first, but playbook, parameters, variables and \
templates must be the same: what differs is said, and nothing is done.";
