//! What happened, and what is left to do.

use super::{ConnectionArgs, InventoryArgs, OutputArgs};
use clap::Args;

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
    /// Pay: run the handlers, go on with the hosts that were unreachable, reboot
    #[arg(long, conflicts_with = "forget")]
    pub pay: bool,
    /// Reboot without asking
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub inventory: InventoryArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub output: OutputArgs,
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

/// Flags of `hlrun logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The run, or `last`
    #[arg(default_value = "last")]
    pub run: String,
    /// Go on with what is still to come, until the run ends
    #[arg(short, long)]
    pub follow: bool,
    /// Only this host
    #[arg(long)]
    pub host: Option<String>,
    /// As JSON Lines
    #[arg(long)]
    pub json: bool,
    /// When to use colours
    #[arg(long, env = "HLRUN_COLOR", default_value = "auto", value_parser = ["auto", "always", "never"])]
    pub color: String,
}

/// Flags of `hlrun diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The earlier run
    pub before: String,
    /// The later run
    #[arg(default_value = "last")]
    pub after: String,
    /// Only this host
    #[arg(long)]
    pub host: Option<String>,
    /// As one JSON document
    #[arg(long)]
    pub json: bool,
    /// Exit with 10 if anything differs
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// When to use colours
    #[arg(long, env = "HLRUN_COLOR", default_value = "auto", value_parser = ["auto", "always", "never"])]
    pub color: String,
}
