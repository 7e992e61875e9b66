//! `hlrun owed`: what hosts have not got yet, and how they get it.

use super::args::{InventoryArgs, OwedArgs};
use super::config::Project;
use super::{again, run as running, screen};
use crate::report::{JsonLines, Terminal};
use crate::run::{Debt, Debts, Options, Owing, Runtime, Undoing, state_dir};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

/// The playbook that reboots.
const REBOOTS: &str = include_str!("../../playbooks/lib/reboots.rhai");

/// List debts, pay or forget them. Returns the exit code.
pub fn owed(args: &OwedArgs, project: Project) -> u8 {
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
        false if args.pay => pay(&due, &debts).max(reboot(args, project, &due)),
        false if args.forget => 0,
        false => {
            // Messages and reboots are nothing that a playbook brings about.
            let next = match due.iter().all(|debt| matches!(debt.kind, Owing::Message | Owing::Reboot)) {
                true => "",
                false => ", and so does the next run of the playbook, but for reboots",
            };
            screen::out(&format!("\nhlrun owed --pay pays it{next}; --forget if it was done by hand"));
            0
        }
    }
}

/// Send the messages that runs of a playbook owe, by these channels. Returns the exit code.
pub fn messages(runtime: Runtime, playbook: &Path, channels: &[String]) -> u8 {
    let paid = match runtime.pay_messages(playbook, channels) {
        Ok(paid) => paid,
        Err(error) => return screen::fail(&[error]),
    };
    for (channel, title, why) in &paid {
        match why {
            None => screen::out(&format!("sent to {channel}: \"{title}\"")),
            Some(why) => screen::err(&format!("not delivered to {channel}: {why}; it is still owed")),
        }
    }
    if paid.iter().any(|(.., why)| why.is_some()) { 2 } else { 0 }
}

fn described(debt: &Debt) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let playbook = Path::new(&debt.playbook);
    let playbook = playbook.strip_prefix(&here).unwrap_or(playbook).display();
    let Debt { host, play, handler, run, .. } = debt;
    match debt.kind {
        Owing::Handler => format!("{handler} on {host} (play \"{play}\" of {playbook}, run {run})"),
        Owing::Message => {
            let message = &debt.captures["message"];
            let title = [&message["title"], &message["body"]].into_iter().find_map(|text| text.as_str());
            let title = title.and_then(|text| text.lines().next()).unwrap_or_default();
            format!("notification to {handler}: \"{title}\" ({playbook}, run {run})")
        }
        Owing::Missed => format!("{host} was unreachable: it missed {playbook} from play \"{play}\" on (run {run})"),
        Owing::Reboot => format!("{host} waits for a reboot: {} (since run {run})", debt.reasons().join(", ")),
    }
}

/// Reboot the hosts that wait for it, after a question. Each proves that it is another boot; one that has been rebooted
/// meanwhile is left alone. Returns the exit code.
fn reboot(args: &OwedArgs, project: Project, due: &[Debt]) -> u8 {
    let due: Vec<&Debt> = due.iter().filter(|debt| debt.kind == Owing::Reboot).collect();
    if due.is_empty() {
        return 0;
    }
    let hosts: Vec<&str> = due.iter().map(|debt| debt.host.as_str()).collect();
    if !args.yes && !agreed(&hosts) {
        screen::err("nothing was rebooted");
        return 1;
    }
    // Hosts are found again as the run has found them that left them so.
    let mut groups: BTreeMap<&str, Vec<&Debt>> = BTreeMap::new();
    for debt in due {
        groups.entry(debt.seen()).or_default().push(debt);
    }
    let code = |(run, due): (&str, Vec<&Debt>)| {
        rebooted(args, project.clone(), run, &due).unwrap_or_else(|e| screen::fail(&e))
    };
    groups.into_iter().map(code).max().unwrap_or_default()
}

fn rebooted(args: &OwedArgs, project: Project, run: &str, due: &[&Debt]) -> Result<u8, Vec<stdlib::contract::Error>> {
    let undoing = Undoing::open(&state_dir(), run).map_err(|error| vec![error])?;
    let origin = undoing.origin().cloned().unwrap_or_default();
    let sources = if args.inventory.inventory.is_empty() { origin.inventory } else { args.inventory.inventory.clone() };
    let extra_vars = [origin.extra_vars, args.inventory.extra_vars.clone()].concat();
    let like = InventoryArgs { inventory: sources, extra_vars, ..args.inventory.clone() };
    let inventory = running::inventory(&like, origin.beside.as_deref())?;
    let options = running::options(&args.connection, project).map_err(|error| vec![error])?;
    let boot = |debt: &&Debt| (debt.host.clone(), Value::from(debt.boot().unwrap_or_default()));
    let hosts: Vec<&str> = due.iter().map(|debt| debt.host.as_str()).collect();
    let boots: Map<String, Value> = due.iter().map(boot).collect();
    let params = Map::from_iter([("hosts".to_owned(), hosts.join(",").into()), ("boots".to_owned(), boots.into())]);
    let mut runtime = Runtime::new(inventory, Options { params, ..options });
    if args.output.json {
        runtime.listen(JsonLines);
    } else {
        runtime.listen(Terminal::new(screen::view(&args.output, false), |_| None));
    }
    running::watch(runtime.cancellation());
    runtime.run_text(REBOOTS, "").map(|summary| running::finish(&summary, false))
}

/// Ask whoever sits there; nobody there is no.
fn agreed(hosts: &[&str]) -> bool {
    if !std::io::stdin().is_terminal() {
        screen::err("nobody is there to ask: --yes reboots without a question");
        return false;
    }
    let mut err = std::io::stderr();
    let _ = write!(err, "Reboot {}? [y/N] ", hosts.join(", "));
    let _ = err.flush();
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.is_ok() && matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
}

/// Run what pays the debts: first go on with what was missed, which may pay handlers too. Returns the exit code.
fn pay(due: &[Debt], debts: &Debts) -> u8 {
    let mut worst = 0;
    for kind in [Owing::Missed, Owing::Handler, Owing::Message] {
        // One run pays all debts of the same run, or of the same playbook.
        let mut groups: BTreeMap<&str, (&Debt, Vec<&str>)> = BTreeMap::new();
        for debt in due.iter().filter(|debt| debt.kind == kind) {
            let key = if kind == Owing::Missed { &debt.run } else { &debt.playbook };
            groups.entry(key).or_insert_with(|| (debt, Vec::new())).1.push(match kind {
                Owing::Message => &debt.handler,
                _ => &debt.host,
            });
        }
        for (debt, hosts) in groups.into_values() {
            // What went on meanwhile may have paid it.
            if !debts.all().iter().any(|left| left.kind == kind && left.run == debt.run) {
                continue;
            }
            let hosts = hosts.join(",");
            let more = match kind {
                Owing::Missed => vec!["--resume", &debt.run, "--only-hosts", &hosts],
                Owing::Message => vec!["--only-messages", "--only-hosts", &hosts],
                Owing::Handler | Owing::Reboot => vec!["--only-owed", "--only-hosts", &hosts],
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
