//! What is wrong with the controller and the hosts.

use super::{ConnectionArgs, InventoryArgs};
use clap::Args;

/// Flags of `hlrun doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The hosts to look at
    #[arg(default_value = "all")]
    pub pattern: String,
    /// Mend what is safe to mend, and say what was done
    #[arg(long)]
    pub fix: bool,
    /// With --fix: pin unknown host keys without asking
    #[arg(long, requires = "fix")]
    pub accept_key: bool,
    /// Show what is well too
    #[arg(short, long, env = "HLRUN_VERBOSE", action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// As JSON Lines
    #[arg(long)]
    pub json: bool,
    /// When to use colours
    #[arg(long, env = "HLRUN_COLOR", default_value = "auto", value_parser = ["auto", "always", "never"])]
    pub color: String,
    #[command(flatten)]
    pub inventory: InventoryArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
