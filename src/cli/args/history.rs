//! What happened, and what is left to do.

use super::OutputArgs;
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
