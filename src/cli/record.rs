//! `hlrun record`: one call on a real host, as the transcript that documentation shows.

use super::args::RecordArgs;
use super::config::Project;
use super::{run, screen};
use crate::inventory::Inventory;
use crate::report::draw;
use crate::run::{Console, Entered, Options, Recorder};
use stdlib::contract::{Error, Result};

/// Record a call. Returns the exit code.
pub fn record(args: &RecordArgs, project: Project) -> u8 {
    let recorded = run::inventory(&args.inventory, None).and_then(|inventory| recorded(args, inventory, project));
    let (recorder, entered) = match recorded {
        Ok(recorded) => recorded,
        Err(errors) => return screen::fail(&errors),
    };
    let transcript = recorder.transcript();
    match args.doc {
        false => screen::out(transcript.trim_end()),
        true => {
            let text = format!("```rhai\n{}\n```\n```transcript\n{transcript}```", args.call.trim());
            text.lines().for_each(|line| screen::out(format!("/// {line}").trim_end()));
        }
    }
    if !args.apply && entered.changed {
        screen::err("nothing was changed: what `!` would answer, and the reads after it, come with --apply");
    }
    u8::try_from(entered.exit).unwrap_or(70)
}

fn recorded(
    args: &RecordArgs,
    inventory: Inventory,
    project: Project,
) -> Result<(std::sync::Arc<Recorder>, Entered), Vec<Error>> {
    let one = |error: Error| vec![error];
    let options = run::options(&args.connection, project).map_err(one)?;
    let options = Options { check: !args.apply, state: options.state.filter(|_| args.apply), ..options };
    let mut console = Console::new(inventory, options).map_err(one)?;
    console.choose(&args.host).map_err(one)?;
    if console.chosen().len() != 1 {
        let count = console.chosen().len();
        return Err(vec![Error::playbook(format!("`{}` is {count} hosts, and a record is of one", args.host))]);
    }
    let line = console.check_line(&args.call)?;
    if !line.needs_host() {
        let error = Error::playbook("this asks nothing of a host");
        return Err(vec![error.hint("give a call, such as 'file::directory(\"/srv/media\")'")]);
    }
    let recorder = console.record();
    super::repl::watch(console.interrupter());
    let sources = console.lines().sources().clone();
    let told = move |envelope: &crate::report::Envelope| {
        let error = match &envelope.event {
            crate::report::Event::HostEnd { error, .. } | crate::report::Event::RunEnd { error, .. } => error,
            _ => return,
        };
        for line in error.iter().flat_map(|error| draw(error, &|file| sources.text(file))) {
            screen::err(&line);
        }
    };
    let entered = console.run(line, vec![Box::new(told)]);
    Ok((recorder, entered))
}
