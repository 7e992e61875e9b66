//! What shells and readers of manuals want.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// A shell that hlrun completes words for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
    /// nushell
    Nushell,
}

/// Flags of `hlrun completions`.
#[derive(Debug, Args)]
#[command(
    after_help = "  bash     echo 'source <(hlrun completions bash)' >> ~/.bashrc\n  zsh      echo 'source <(hlrun completions zsh)' >> ~/.zshrc   (after compinit)\n  fish     hlrun completions fish > ~/.config/fish/completions/hlrun.fish\n  nushell  hlrun completions nushell | save -f ($nu.user-autoload-dirs.0 | path join hlrun.nu)"
)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// Flags of `hlrun man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The page of this command
    pub command: Option<String>,
    /// Write all pages into this directory
    #[arg(long, conflicts_with = "command")]
    pub dir: Option<PathBuf>,
}

/// Flags of `hlrun init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where: a directory that is not there yet, or has none of the files
    pub dir: PathBuf,
}
