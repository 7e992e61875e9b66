//! New hosts.

use super::{ConnectionArgs, InventoryArgs};
use clap::{Args, Subcommand};

/// Flags of `hlrun host`.
#[derive(Debug, Args)]
pub struct HostArgs {
    /// What to do
    #[command(subcommand)]
    pub command: HostCommand,
}

/// What to do with hosts.
#[derive(Debug, Subcommand)]
pub enum HostCommand {
    /// Look at a new host, pin its key, and write it into the inventory
    Add(Box<HostAdd>),
}

/// Flags of `hlrun host add`.
#[derive(Debug, Args)]
pub struct HostAdd {
    /// Its name in the inventory
    pub name: String,
    /// Where it is and whom to log in as
    #[arg(value_name = "USER@ADDRESS[:PORT]")]
    pub login: String,
    /// A group that it belongs to; may be given several times
    #[arg(short, long)]
    pub group: Vec<String>,
    /// Pin the host key without asking
    #[arg(long)]
    pub accept_key: bool,
    /// Write it without looking at it
    #[arg(long)]
    pub no_test: bool,
    #[command(flatten)]
    pub inventory: InventoryArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
