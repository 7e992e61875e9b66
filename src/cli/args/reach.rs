//! Which hosts there are, and how they are reached.

use clap::Args;
use clap::builder::FalseyValueParser;
use std::path::PathBuf;
use stdlib::shared::Span;

/// A number of things that are at least one.
fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "it must be a whole number from 1".to_owned())
}

/// A span of time, as text.
fn span(text: &str) -> Result<String, String> {
    Span::parse(text).map(|_| text.to_owned()).map_err(|e| e.to_string())
}

/// A span of time that is not nothing, as text.
fn some_span(text: &str) -> Result<String, String> {
    match Span::parse(text) {
        Ok(span) if span.0.is_zero() => Err("it must be more than nothing".to_owned()),
        Ok(_) => Ok(text.to_owned()),
        Err(e) => Err(e.to_string()),
    }
}

/// Where hosts come from.
#[derive(Debug, Clone, Args)]
pub struct InventoryArgs {
    /// Inventory: a file (YAML, INI), a directory, or a list of hosts with a comma; several are merged
    #[arg(short, long, env = "HLRUN_INVENTORY", value_name = "FILE", value_delimiter = None)]
    pub inventory: Vec<PathBuf>,
    /// Variables that win over all others: k=v, JSON, or @FILE
    #[arg(short, long, env = "HLRUN_EXTRA_VARS", value_name = "VARS")]
    pub extra_vars: Vec<String>,
    #[command(flatten)]
    pub vault: VaultArgs,
}

/// Where vault passwords come from.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Vault")]
pub struct VaultArgs {
    /// Ask for the vault password
    #[arg(short = 'J', long, alias = "ask-vault-password", env = "HLRUN_ASK_VAULT_PASS", value_parser = FalseyValueParser::new(), global = true)]
    pub ask_vault_pass: bool,
    /// Read the vault password from a file, or from what an executable file prints
    #[arg(
        long,
        alias = "vault-pass-file",
        env = "HLRUN_VAULT_PASSWORD_FILE",
        value_name = "FILE",
        value_delimiter = ',',
        global = true
    )]
    pub vault_password_file: Vec<PathBuf>,
    /// The same for one vault id: LABEL@FILE, or LABEL@prompt to be asked
    #[arg(long, env = "HLRUN_VAULT_ID", value_name = "LABEL@FILE", value_delimiter = ',', global = true)]
    pub vault_id: Vec<String>,
}

/// How hosts are reached.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionArgs {
    /// Connect as this user, where the inventory gives none
    #[arg(short, long, env = "HLRUN_USER")]
    pub user: Option<String>,
    /// Private key, where the inventory gives none
    #[arg(long, env = "HLRUN_PRIVATE_KEY", value_name = "FILE")]
    pub private_key: Option<PathBuf>,
    /// Host keys: strict (known ones only), accept-new, or off
    #[arg(long, env = "HLRUN_HOST_KEYS", default_value = "strict", value_parser = ["strict", "accept-new", "off"])]
    pub host_keys: String,
    /// The longest that connecting may take
    #[arg(short = 'T', long, env = "HLRUN_TIMEOUT", default_value = "10s", value_name = "TIME", value_parser = span)]
    pub timeout: String,
    /// The longest that a read may take
    #[arg(long, env = "HLRUN_READ_TIMEOUT", default_value = "60s", value_name = "TIME", value_parser = some_span)]
    pub read_timeout: String,
    /// Tell what a call waits for that takes longer than this, or than usual; 0 never asks
    #[arg(long, env = "HLRUN_STUCK_AFTER", default_value = "60s", value_name = "TIME", value_parser = span)]
    pub stuck_after: String,
    /// How long connections stay warm after a run; 0 closes them
    #[arg(long, env = "HLRUN_SSH_PERSIST", default_value = "60s", value_name = "TIME", value_parser = span)]
    pub ssh_persist: String,
    /// Hosts at once
    #[arg(short, long, env = "HLRUN_FORKS", default_value_t = 10, value_parser = positive)]
    pub forks: usize,
    /// Become another user
    #[arg(short, long, env = "HLRUN_BECOME", value_parser = FalseyValueParser::new())]
    pub r#become: bool,
    /// Whom to become
    #[arg(long, env = "HLRUN_BECOME_USER", value_name = "USER")]
    pub become_user: Option<String>,
    /// How: sudo, su or doas
    #[arg(long, env = "HLRUN_BECOME_METHOD", value_name = "METHOD", value_parser = ["sudo", "su", "doas"])]
    pub become_method: Option<String>,
    /// Ask for the password for that
    #[arg(short = 'K', long, env = "HLRUN_ASK_BECOME_PASS", value_parser = FalseyValueParser::new())]
    pub ask_become_pass: bool,
    /// Read that password from a file, or from what an executable file prints
    #[arg(long, env = "HLRUN_BECOME_PASSWORD_FILE", value_name = "FILE")]
    pub become_password_file: Option<PathBuf>,
}
