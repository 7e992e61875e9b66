//! `hlrun owed`: what hosts have not got yet, and how they get it.

use super::args::OwedArgs;
use super::{again, screen};
use crate::run::{Debt, Debts, Owing, state_dir};
use std::collections::BTreeMap;
use std::path::Path;

/// List debts, pay or forget them. Returns the exit code.
pub fn owed(args: &OwedArgs) -> u8 {
    let debts = Debts::open(&state_dir());
    let wanted = |host: &str, handler: &str| {
        args.host.as_ref().is_none_or(|wanted| wanted == host) && args.handler.as_ref().is_none_or(|h| h == handler)
    };
    let due: Vec<Debt> = debts.all().into_iter().filter(|d| wanted(&d.host, &d.handler)).collect();
    for debt in &due {
        let mark = if args.forget { "forgotten: " } else { "" };
        screen::out(&format!("{mark}{}", described(debt)));
        if args.forget
            && let Err(error) = debts.pay(debt)
        {
            return screen::fail(&[error]);
        }
    }
    match due.is_empty() {
        true => {
            screen::out("nothing is owed");
            0
        }
        false if args.pay => pay(&due, &debts),
        false if args.forget => 0,
        false => {
            screen::out(
                "\nhlrun owed --pay pays it, and so does the next run of the playbook; --forget if it was done by hand",
            );
            0
        }
    }
}

fn described(debt: &Debt) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let playbook = Path::new(&debt.playbook);
    let playbook = playbook.strip_prefix(&here).unwrap_or(playbook).display();
    let Debt { host, play, handler, run, .. } = debt;
    match debt.kind {
        Owing::Handler => format!("{handler} on {host} (play \"{play}\" of {playbook}, run {run})"),
        Owing::Missed => format!("{host} was unreachable: it missed {playbook} from play \"{play}\" on (run {run})"),
    }
}

/// Run what pays the debts: first go on with what was missed, which may pay handlers too. Returns the exit code.
fn pay(due: &[Debt], debts: &Debts) -> u8 {
    let mut worst = 0;
    for kind in [Owing::Missed, Owing::Handler] {
        // One run pays all debts of the same run, or of the same playbook.
        let mut groups: BTreeMap<&str, (&Debt, Vec<&str>)> = BTreeMap::new();
        for debt in due.iter().filter(|debt| debt.kind == kind) {
            let key = if kind == Owing::Missed { &debt.run } else { &debt.playbook };
            groups.entry(key).or_insert_with(|| (debt, Vec::new())).1.push(&debt.host);
        }
        for (debt, hosts) in groups.into_values() {
            // What went on meanwhile may have paid it.
            if !debts.all().iter().any(|left| left.kind == kind && left.run == debt.run) {
                continue;
            }
            let hosts = hosts.join(",");
            let more = match kind {
                Owing::Missed => vec!["--resume", &debt.run, "--only-hosts", &hosts],
                Owing::Handler => vec!["--only-owed", "--only-hosts", &hosts],
            };
            worst = worst.max(run(&debt.run, &more));
        }
    }
    worst
}

/// Run a command line again and wait for its end; Ctrl-C is for what runs, and we hear how it ends.
fn run(run: &str, more: &[&str]) -> u8 {
    let mut command = match again::command(run, more) {
        Ok(command) => command,
        Err(error) => return screen::fail(&[error]),
    };
    // Heard, and left to the one that runs.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGINT, std::sync::Arc::default());
    match command.status() {
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(70),
        Err(error) => {
            screen::err(&format!("error: hlrun does not start again: {error}"));
            70
        }
    }
}
