//! Line by line, or one call.

use super::{ConnectionArgs, InventoryArgs, OutputArgs};
use clap::Args;

/// Flags of `hlrun repl`.
#[derive(Debug, Clone, Args)]
pub struct ReplArgs {
    /// The hosts of the first lines
    #[arg(long, env = "HLRUN_ON", value_name = "PATTERN")]
    pub on: Option<String>,
    /// Begin by making changes, instead of predicting them
    #[arg(long, conflicts_with = "check")]
    pub apply: bool,
    /// Begin by predicting changes, which is what happens anyway
    #[arg(short = 'C', long)]
    pub check: bool,
    /// Run this and leave; several are lines one after the other
    #[arg(short, long, value_name = "CODE")]
    pub command: Vec<String>,
    #[command(flatten)]
    pub inventory: InventoryArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Flags of `hlrun record`.
#[derive(Debug, Clone, Args)]
pub struct RecordArgs {
    /// The host
    pub host: String,
    /// The call, such as 'file::directory("/srv/media")'
    pub call: String,
    /// Really do it; without this, what would be done is predicted
    #[arg(long)]
    pub apply: bool,
    /// As a doc comment, with the call as its example
    #[arg(long)]
    pub doc: bool,
    #[command(flatten)]
    pub inventory: InventoryArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
