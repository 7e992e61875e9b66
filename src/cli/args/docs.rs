//! Documentation.

use clap::Args;

/// Flags of `hlrun docs`.
#[derive(Debug, Args)]
pub struct DocsArgs {
    /// A module such as `file`, or one thing in it such as `file::line`
    pub what: Option<String>,
    /// Definitions for editors
    #[arg(long, conflicts_with = "what")]
    pub definitions: bool,
    /// Everything in one table, in Markdown
    #[arg(long, conflicts_with_all = ["what", "definitions"])]
    pub index: bool,
}
