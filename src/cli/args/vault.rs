//! Encrypting and decrypting.

use super::VaultArgs;
use clap::Args;
use std::path::PathBuf;

/// Flags of `hlrun vault`.
#[derive(Debug, Args)]
pub struct VaultCommand {
    #[command(flatten)]
    pub keys: VaultArgs,
    #[command(subcommand)]
    pub action: VaultAction,
}

/// What to do with what is encrypted.
#[derive(Debug, clap::Subcommand)]
pub enum VaultAction {
    /// Encrypt files in place (`-`: standard input to standard output)
    Encrypt(VaultFiles),
    /// Decrypt files in place (`-`: standard input to standard output)
    Decrypt(VaultFiles),
    /// Print what is in encrypted files
    View(VaultFiles),
    /// Edit an encrypted file, or a new one, with $EDITOR
    Edit(VaultFiles),
    /// Encrypt files with another password
    Rekey(RekeyArgs),
    /// Encrypt one value, for a file that is not encrypted
    EncryptString(EncryptString),
}

/// Files that are or will be encrypted.
#[derive(Debug, Args)]
pub struct VaultFiles {
    /// The files
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// The vault id to encrypt with, where there are several
    #[arg(long, value_name = "LABEL")]
    pub encrypt_vault_id: Option<String>,
}

/// Flags of `hlrun vault rekey`.
#[derive(Debug, Args)]
pub struct RekeyArgs {
    /// The files
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// The new password: LABEL@FILE, or LABEL@prompt to be asked
    #[arg(long, value_name = "LABEL@FILE", conflicts_with = "new_vault_password_file")]
    pub new_vault_id: Option<String>,
    /// The new password, in a file or printed by an executable one
    #[arg(long, value_name = "FILE")]
    pub new_vault_password_file: Option<PathBuf>,
}

/// Flags of `hlrun vault encrypt-string`.
#[derive(Debug, Args)]
pub struct EncryptString {
    /// The value; without it, it is asked for or read from standard input (the last newline is not part of it)
    pub text: Option<String>,
    /// The name of the variable, for YAML that is ready to paste
    #[arg(short, long)]
    pub name: Option<String>,
    /// The vault id to encrypt with, where there are several
    #[arg(long, value_name = "LABEL")]
    pub encrypt_vault_id: Option<String>,
}
