//! `hlrun resume`: the command line of a run once more, told to go on where it stopped.

use super::args::{InventoryArgs, ResumeArgs};
use super::screen;
use crate::report::Event;
use crate::run::{Origin, Undoing, find_run, read_run, runs, state_dir};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use stdlib::contract::{Error, Result};

/// Flags that a command line loses when it is run again, and whether a value follows.
const LOST: [(&str, bool); 4] =
    [("--resume", true), ("--only-hosts", true), ("--only-owed", false), ("--only-messages", false)];

/// What a run remembers of the command line that started it.
pub fn origin(typed: &[OsString], inventory: &InventoryArgs, beside: &Path) -> Origin {
    let full = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut args: Vec<String> = Vec::new();
    let mut words = typed.iter().skip(1).map(|word| word.to_string_lossy().into_owned());
    while let Some(word) = words.next() {
        let (flag, joined) = word.split_once('=').map_or((word.as_str(), false), |(flag, _)| (flag, true));
        match LOST.iter().find(|(lost, _)| *lost == flag) {
            Some((_, value)) => drop((*value && !joined).then(|| words.next())),
            None => args.push(word),
        }
    }
    let env =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Origin {
        args,
        cwd: std::env::current_dir().unwrap_or_default(),
        env: env.filter(|(name, _)| name.starts_with("HLRUN_")).collect(),
        inventory: inventory.inventory.iter().map(|path| place(path)).collect(),
        beside: Some(full(beside)),
        extra_vars: inventory.extra_vars.iter().map(|text| typed_at(text)).collect(),
    }
}

/// Variables as they were typed; a file by its full path.
fn typed_at(text: &str) -> String {
    match text.trim().strip_prefix('@') {
        Some(file) => format!("@{}", place(Path::new(file)).display()),
        None => text.to_owned(),
    }
}

/// An inventory by its full path; a list of hosts is none.
pub fn place(path: &Path) -> PathBuf {
    if path.to_string_lossy().contains(',') && !path.exists() {
        return path.to_owned();
    }
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The same command line again, with more flags, in the place where it was typed.
#[allow(clippy::disallowed_methods)] // hlrun itself, on the controller
pub fn command(run: &str, more: &[&str]) -> Result<std::process::Command> {
    let undoing = Undoing::open(&state_dir(), run)?;
    let Some(origin) = undoing.origin().filter(|origin| origin.args.first().is_some_and(|word| word == "run")) else {
        return Err(Error::playbook(format!("run {run} was not started by `hlrun run`, so it cannot go on"))
            .hint("start it again: what is as wanted is not done twice"));
    };
    let program = std::env::current_exe().map_err(|e| Error::bug(format!("hlrun does not find itself: {e}")))?;
    let mut command = std::process::Command::new(program);
    let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HLRUN_"));
    for (name, _) in ours {
        command.env_remove(name);
    }
    // Before the words of the playbook: what comes after `--` is no flag.
    command.arg("run").args(more).args(&origin.args[1..]).envs(origin.env.clone()).current_dir(&origin.cwd);
    Ok(command)
}

/// Go on where a run has stopped. Returns the exit code, if it does not get that far.
pub fn resume(args: &ResumeArgs) -> u8 {
    let state = state_dir();
    let run = match &args.run {
        Some(run) => find_run(&state, run),
        None => stopped(runs(&state)).ok_or_else(|| {
            Error::playbook("every run has ended well: there is nothing to go on with").hint("hlrun runs lists them")
        }),
    };
    let hosts = args.host.join(",");
    let made = run.and_then(|run| {
        let mut more = vec!["--resume", run.as_str()];
        if !hosts.is_empty() {
            more.extend(["--only-hosts", hosts.as_str()]);
        }
        command(&run, &more)
    });
    match made {
        Ok(mut command) => screen::fail(&[Error::bug(format!("hlrun does not start again: {}", command.exec()))]),
        Err(error) => screen::fail(&[error]),
    }
}

/// The newest run that made changes, or might have, did not end well, and was not gone on with; an undo is none.
fn stopped(runs: Vec<String>) -> Option<String> {
    let mut resumed = Vec::new();
    for run in runs {
        let Ok(events) = read_run(&state_dir(), &run) else { continue };
        let start = events.iter().find_map(|e| match &e.event {
            Event::RunStart { check: false, undoes: None, resumes, .. } => Some(resumes.clone()),
            _ => None,
        });
        let Some(resumes) = start else { continue };
        let well = events.iter().any(|e| matches!(e.event, Event::RunEnd { exit: 0, .. }));
        if !well && !resumed.contains(&run) {
            return Some(run);
        }
        resumed.extend(resumes);
    }
    None
}
