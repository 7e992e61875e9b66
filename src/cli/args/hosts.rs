//! What the inventory means.

use super::InventoryArgs;
use clap::Args;
use std::path::PathBuf;

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
    /// With the variables beside playbooks in this directory
    #[arg(long, value_name = "DIR")]
    pub playbook_dir: Option<PathBuf>,
    /// Show what is encrypted or called a secret
    #[arg(long)]
    pub reveal: bool,
}

/// Flags of `hlrun why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The host
    pub host: String,
    /// The variable
    pub variable: String,
    #[command(flatten)]
    pub inventory: InventoryArgs,
    /// With what this playbook, and the directory it lies in, say
    #[arg(long, value_name = "FILE")]
    pub playbook: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// Show what is encrypted or called a secret
    #[arg(long)]
    pub reveal: bool,
}
