//! `hlrun run`: a playbook, once.

use super::args::{ConnectionArgs, InventoryArgs, RunArgs};
use super::config::Project;
use super::silent::Silent;
use super::{USAGE, extra, screen, secrets};
use crate::inventory::Inventory;
use crate::report::{JsonLines, Terminal};
use crate::run::{
    Answer, CancellationToken, Options, Person, Prompt, Resume, Runtime, Summary, find_run, left_out, state_dir,
};
use crate::script::{Limits, Program, inspect};
use crate::transport::{HostKeys, Method};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;
use stdlib::contract::{Error, Result};
use stdlib::shared::Span;

/// A playbook, compiled before the flags are read: its parameters are flags. What is wrong with it is told
/// together with what is wrong for the inventory; where it cannot be read at all, at once.
pub fn compiled(path: &Path) -> Result<(Program, Vec<Error>), Vec<Error>> {
    let project = path.parent().and_then(super::config::above);
    let (program, mut errors) = inspect(path, project.as_deref(), &Limits::default());
    let Some(mut program) = program else { return Err(errors) };
    let taken = super::args::taken(&program.survey.params);
    // A flag that is there twice cannot even be read.
    program.survey.params.retain(|param| taken.iter().all(|error| error.at.as_ref() != Some(&param.at)));
    errors.extend(taken);
    Ok((program, errors))
}

/// What is wrong with a program for this inventory and these options, as far as the program could be read.
pub fn verify(inventory: &Inventory, options: Options, program: &Program) -> Vec<Error> {
    let options = match program.survey.whole {
        true => options,
        false => Options { tags: Vec::new(), skip_tags: Vec::new(), start_at_task: None, ..options },
    };
    Runtime::new(inventory.clone(), options).verify(program).err().unwrap_or_default()
}

/// The inventory that the flags name, with the variables beside a playbook.
pub fn inventory(args: &InventoryArgs, beside: Option<&Path>) -> Result<Inventory, Vec<Error>> {
    let vault = secrets::vault(&args.vault);
    let extra = extra::extra_vars(&args.extra_vars, &vault)?;
    let inventory = Inventory::load_with(&args.inventory, beside, extra, vault)?;
    inventory.warnings().iter().for_each(screen::warn);
    Ok(inventory)
}

/// The options that the flags name.
pub fn options(args: &ConnectionArgs, project: Project) -> Result<Options> {
    let span =
        |flag: &str, text: &str| Span::parse(text).map(|s| s.0).map_err(|e| Error::playbook(format!("--{flag}: {e}")));
    Ok(Options {
        forks: args.forks,
        r#become: args.r#become.then_some(true),
        become_user: args.become_user.clone(),
        become_method: args.become_method.as_deref().map(Method::parse).transpose()?,
        become_password: become_password(args)?,
        user: args.user.clone(),
        key: args.private_key.clone(),
        host_keys: match args.host_keys.as_str() {
            "accept-new" => HostKeys::AcceptNew,
            "off" => HostKeys::Off,
            _ => HostKeys::Strict,
        },
        connect_timeout: span("timeout", &args.timeout)?.max(Duration::from_secs(1)),
        read_timeout: span("read-timeout", &args.read_timeout)?,
        stuck_after: span("stuck-after", &args.stuck_after)?,
        persist: span("ssh-persist", &args.ssh_persist)?,
        channels: project.channels,
        project: project.dir,
        ..Options::default()
    })
}

/// The password for becoming another user: asked for once, or read from a file, or printed by a program.
fn become_password(args: &ConnectionArgs) -> Result<Option<String>> {
    if let Some(path) = &args.become_password_file {
        let password = secrets::read(path, None)?;
        return Ok(Some(String::from_utf8_lossy(&password).trim_end_matches(['\n', '\r']).to_owned()));
    }
    if !args.ask_become_pass {
        return Ok(None);
    }
    secrets::ask("BECOME password: ").map(Some).map_err(|error| {
        error.hint("-K asks for it; give it with --become-password-file or HLRUN_BECOME_PASSWORD_FILE")
    })
}

/// Run a playbook. Returns the exit code.
pub fn run(
    args: Box<RunArgs>,
    program: Option<(Program, Vec<Error>)>,
    given: std::result::Result<Map<String, Value>, String>,
    project: Project,
    words: Vec<OsString>,
) -> u8 {
    let params = match given {
        Ok(params) => params,
        Err(message) => {
            screen::err(&format!("error: {message}"));
            return USAGE;
        }
    };
    let listing = args.list_hosts || args.list_tasks || args.list_tags || args.syntax_check;
    let beside = args.playbook.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let project = project.or_above(beside);
    let inventory = match inventory(&args.inventory, Some(beside)) {
        Ok(inventory) => inventory,
        Err(errors) => {
            let wrong = program.map(|(_, wrong)| wrong).unwrap_or_default();
            return screen::fail(&[wrong, errors].concat());
        }
    };
    let options = match options(&args.connection, project) {
        Ok(options) => options,
        Err(error) => return screen::fail(&[error]),
    };
    let resume = match args.resume.as_deref().map(|run| find_run(&state_dir(), run)).transpose() {
        Ok(run) => run.map(|run| Resume { run, hosts: of(&args.only_hosts) }),
        Err(error) => return screen::fail(&[error]),
    };
    let options = Options {
        check: args.check,
        limit: args.limit.clone(),
        tags: args.tags.clone(),
        skip_tags: args.skip_tags.clone(),
        start_at_task: args.start_at_task.clone(),
        step: args.step,
        skip_owed: args.skip_owed,
        only_owed: args.only_owed,
        owed_hosts: of(&args.only_hosts),
        resume,
        origin: Some(super::again::origin(&words, &args.inventory, beside)),
        params,
        ..options
    };
    let (program, mut errors) = match program.map_or_else(|| compiled(&args.playbook), Ok) {
        Ok(program) => program,
        Err(errors) => return screen::fail(&errors),
    };
    errors.extend(verify(&inventory, options.clone(), &program));
    if !errors.is_empty() {
        return screen::fail(&errors);
    }
    let mut runtime = Runtime::new(inventory.clone(), options);
    if args.only_messages {
        return super::owed::messages(runtime, &args.playbook, &args.only_hosts);
    }
    if listing {
        return list(&args, &program, &inventory);
    }
    if args.output.json {
        runtime.listen(JsonLines);
    } else {
        let sources = program.sources.clone();
        let view = screen::view(&args.output, args.check);
        runtime.listen(Terminal::new(view, move |file| sources.text(file)));
    }
    if args.step {
        let cancel = runtime.cancellation();
        runtime.prompt(Prompt::new(move |question| ask(question, &cancel)));
    }
    if std::io::stdin().is_terminal() {
        let cancel = runtime.cancellation();
        runtime.person(Person::new(move |question, echo| {
            let line = read_typed(&format!("{question}: "), echo, &cancel)?;
            Some(line.trim_end_matches(['\n', '\r']).to_owned())
        }));
    }
    watch(runtime.cancellation());
    finish(&runtime.run(program, &args.playbook), args.detailed_exitcode)
}

/// Some hosts, if any are named.
fn of(hosts: &[String]) -> Option<BTreeSet<String>> {
    (!hosts.is_empty()).then(|| hosts.iter().cloned().collect())
}

/// The exit code of a run.
pub fn finish(summary: &Summary, detailed: bool) -> u8 {
    match summary.exit {
        0 if detailed && summary.changed => 10,
        exit => u8::try_from(exit).unwrap_or(70),
    }
}

/// Stop the run at Ctrl-C or a polite kill; a second one ends hlrun at once.
pub fn watch(cancel: CancellationToken) {
    std::thread::spawn(move || {
        let Ok(mut signals) =
            signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM])
        else {
            return;
        };
        for (count, _) in signals.forever().enumerate() {
            if count > 0 {
                std::process::exit(130);
            }
            screen::err("\nstopping; once more to stop at once");
            cancel.cancel();
        }
    });
}

/// Ask at the terminal; an interruption is an answer too.
fn ask(question: &str, cancel: &CancellationToken) -> Answer {
    let line = read_typed(&format!("{question} (N)o/(y)es/(c)ontinue/(q)uit: "), true, cancel);
    match line.as_deref().map(|line| line.trim().to_lowercase()).as_deref() {
        None | Some("q" | "quit") => Answer::Quit,
        Some("y" | "yes") => Answer::Yes,
        Some("c" | "continue") => Answer::Continue,
        Some(_) => Answer::No,
    }
}

/// What is typed at a terminal after a question; nothing if the run is interrupted or the terminal is gone.
fn read_typed(question: &str, echo: bool, cancel: &CancellationToken) -> Option<String> {
    let _silent = if echo { None } else { Silent::begin() };
    let mut err = std::io::stderr();
    let _ = write!(err, "{question}");
    let _ = err.flush();
    let (typed, line) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        if !echo {
            return drop(typed.send(rpassword::read_password().ok()));
        }
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        drop(typed.send(read.ok().filter(|count| *count > 0).map(|_| line)));
    });
    loop {
        match line.recv_timeout(Duration::from_millis(50)) {
            Ok(line) => break line,
            Err(RecvTimeoutError::Timeout) if !cancel.is_cancelled() => {}
            Err(_) => break None,
        }
    }
}

fn list(args: &RunArgs, program: &Program, inventory: &Inventory) -> u8 {
    screen::out(&format!("playbook: {}", program.name));
    let limit = args.limit.as_deref().and_then(|limit| inventory.select(limit).ok());
    for (number, play) in program.survey.plays.iter().enumerate() {
        let name = play.name.as_deref().unwrap_or("(named when it runs)");
        let pattern = play.pattern.as_deref().unwrap_or("(chosen when it runs)");
        let tags = play.tags.join(", ");
        screen::out(&format!("\n  play #{} ({pattern}): {name}\tTAGS: [{tags}]", number + 1));
        if args.list_hosts
            && let Some(pattern) = &play.pattern
        {
            let hosts = inventory.select(pattern).unwrap_or_default().into_iter();
            let hosts: Vec<String> = hosts.filter(|h| limit.as_ref().is_none_or(|l| l.contains(h))).collect();
            screen::out(&format!("    pattern: [{pattern}]\n    hosts ({}):", hosts.len()));
            hosts.iter().for_each(|host| screen::out(&format!("      {host}")));
        }
        if args.list_tasks {
            screen::out("    tasks:");
            for task in play.tasks.iter().filter(|task| left_out(&task.tags, &args.tags, &args.skip_tags).is_none()) {
                let name = task.name.as_deref().unwrap_or("(named when it runs)");
                screen::out(&format!("      {name}\tTAGS: [{}]", task.tags.join(", ")));
            }
        }
        if args.list_tags {
            let mut tags: Vec<&String> = play.tags.iter().chain(play.tasks.iter().flat_map(|t| &t.tags)).collect();
            tags.sort();
            tags.dedup();
            let tags: Vec<&str> = tags.into_iter().map(String::as_str).collect();
            screen::out(&format!("      TASK TAGS: [{}]", tags.join(", ")));
        }
    }
    0
}
