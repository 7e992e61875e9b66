//! The flags, Ansible's where they mean the same. Every flag that says how, and not what to list, is also
//! `HLRUN_<FLAG>` and a key of `hlrun.yaml`.

mod docs;
mod doctor;
mod explain;
mod history;
mod host;
mod hosts;
mod output;
mod params;
mod reach;
mod repl;
mod run;
mod shells;
mod undo;
mod vault;

pub use docs::DocsArgs;
pub use doctor::DoctorArgs;
pub use explain::ExplainArgs;
pub use history::{DiffArgs, LogsArgs, OwedArgs, RunsArgs, ShowArgs};
pub use host::{HostAdd, HostArgs, HostCommand};
pub use hosts::{HostsArgs, WhyArgs};
pub use output::{OutputArgs, color};
pub use params::{given, taken, with_playbook};
pub use reach::{ConnectionArgs, InventoryArgs, VaultArgs};
pub use repl::{RecordArgs, ReplArgs};
pub use run::{CheckArgs, ExecArgs, RunArgs};
pub use shells::{CompletionsArgs, InitArgs, ManArgs, Shell};
pub use undo::{ResumeArgs, UndoArgs};
pub use vault::{EncryptString, RekeyArgs, VaultAction, VaultCommand, VaultFiles};

use clap::{Command, Parser};
use std::ffi::OsString;
use std::path::PathBuf;

/// Playbooks for homelabs: written in Rhai, run on hosts over SSH.
#[derive(Debug, Parser)]
#[command(
    name = "hlrun",
    version,
    after_help = "Examples:\n  hlrun site.rhai -i inventory.yaml --check --diff   what would change\n  hlrun site.rhai -i inventory.yaml                  do it\n  hlrun exec -i inventory.yaml docker -- uptime      one command on many hosts\n  hlrun docs file::line                              how an operation is called\n\nExit codes: 0 as wanted, 1 playbook or inventory wrong (nothing touched), 2 a host failed, 4 a host\nunreachable (6 both), 10 changes with --detailed-exitcode, 64 usage, 70 bug in hlrun, 130 interrupted."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Subcommand,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    /// Run a playbook (`hlrun PLAYBOOK.rhai` is the same)
    Run(Box<RunArgs>),
    /// Check playbooks without touching a host
    Check(CheckArgs),
    /// Explain what a playbook would do, without running it
    Explain(ExplainArgs),
    /// Show what the inventory means
    Hosts(HostsArgs),
    /// Show why a variable of a host has its value
    Why(WhyArgs),
    /// Encrypt and decrypt files and values, as ansible-vault does
    Vault(VaultCommand),
    /// Run one command on many hosts
    Exec(Box<ExecArgs>),
    /// Run a script line by line, at a prompt or from a pipe
    Repl(Box<ReplArgs>),
    /// Run one operation on a host and print what was asked and done, as documentation shows it
    Record(Box<RecordArgs>),
    /// Show what playbooks can do
    Docs(DocsArgs),
    /// List past runs
    Runs(RunsArgs),
    /// Show a past run
    Show(ShowArgs),
    /// Show what happened in a run, line by line; with -f while it goes on
    Logs(LogsArgs),
    /// Show what differs between two runs
    Diff(DiffArgs),
    /// Take back what a run has changed
    Undo(Box<UndoArgs>),
    /// Go on where a run has stopped
    Resume(ResumeArgs),
    /// List what hosts are owed, or pay it
    Owed(Box<OwedArgs>),
    /// Make a working example homelab to begin with
    Init(InitArgs),
    /// Add a host to the inventory
    Host(HostArgs),
    /// Find out what is wrong with this machine and the hosts, and how to mend it
    Doctor(Box<DoctorArgs>),
    /// Show the configuration and where each value comes from
    Config,
    /// Print what a shell needs to complete words, live names of hosts and runs included
    Completions(CompletionsArgs),
    /// Print the manual page, or write all of them
    Man(ManArgs),
    /// Close the connections that are kept warm
    Disconnect,
}

/// `hlrun x.rhai` means `hlrun run x.rhai`: the command is put in where the first plain word is a playbook.
pub fn with_command(mut argv: Vec<OsString>) -> Vec<OsString> {
    let command = <Cli as clap::CommandFactory>::command();
    let known: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    let first = argv.iter().skip(1).position(|arg| is_playbook(arg) || known.iter().any(|name| arg == name));
    let word = |arg: &OsString| !arg.to_string_lossy().starts_with('-');
    if let Some(at) = first.map(|at| at + 1)
        && is_playbook(&argv[at])
        // A word before it that is no command is a command written wrong.
        && (at == 1 || !word(&argv[1]))
    {
        argv.insert(1, "run".into());
    }
    argv
}

fn is_playbook(arg: &OsString) -> bool {
    arg.to_string_lossy().ends_with(".rhai")
}

/// The playbook that `hlrun run` is given, if there is one.
pub fn playbook(argv: &[OsString]) -> Option<PathBuf> {
    if argv.get(1).is_none_or(|command| command != "run") {
        return None;
    }
    argv.iter().skip(2).take_while(|arg| *arg != "--").find(|arg| is_playbook(arg)).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_can_be_configured() {
        let command = <Cli as clap::CommandFactory>::command();
        let run = command.find_subcommand("run").unwrap();
        let flags = run.get_arguments().filter(|arg| arg.get_env().is_none()).filter_map(|arg| arg.get_long());
        let flags: Vec<&str> = flags.collect();
        assert!(flags.is_empty(), "without a variable: {flags:?}");
    }
}
