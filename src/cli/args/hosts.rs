//! What the inventory means.

use super::InventoryArgs;
use clap::Args;

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
