//! What a playbook would do.

use super::InventoryArgs;
use clap::Args;
use std::path::PathBuf;

/// Flags of `hlrun explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The playbook
    pub playbook: PathBuf,
    #[command(flatten)]
    pub inventory: InventoryArgs,
    /// Only these hosts
    #[arg(short, long, env = "HLRUN_LIMIT", value_name = "PATTERN")]
    pub limit: Option<String>,
    /// As one JSON document
    #[arg(long)]
    pub json: bool,
    /// When to use colours
    #[arg(long, env = "HLRUN_COLOR", default_value = "auto", value_parser = ["auto", "always", "never"])]
    pub color: String,
}
