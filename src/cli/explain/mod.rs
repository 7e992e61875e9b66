//! `hlrun explain`: what a playbook would do, from its text alone. What only a run can know is said to be so.

mod draw;

use super::args::{ExplainArgs, color};
use super::config::Project;
use super::{run, screen};
use crate::inventory::Inventory;
use crate::report::Paint;
use crate::run::{Options, arrange, batches, is_secret, roots};
use crate::script::{CallFound, Order, PlayFound, Program};
use crate::transport::find;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use stdlib::contract::{Role, Site};

/// A playbook explained.
#[derive(Serialize)]
struct Explained {
    playbook: String,
    about: String,
    parameters: Vec<Parameter>,
    plays: Vec<Play>,
    files: Vec<Asset>,
    secrets: Vec<String>,
    /// What only a run can know.
    unknown: Vec<String>,
}

#[derive(Serialize)]
struct Parameter {
    name: String,
    default: Option<Value>,
    help: String,
}

#[derive(Serialize)]
struct Asset {
    name: String,
    /// Nothing if it is not there.
    path: Option<String>,
    at: Site,
}

#[derive(Serialize)]
struct Play {
    name: Option<String>,
    pattern: Option<String>,
    /// In the order in which they come, a list for those that work at the same time; nothing if they are not known.
    batches: Option<Vec<Vec<String>>>,
    shuffled: bool,
    #[serde(rename = "become")]
    becomes: Option<String>,
    stops: Option<String>,
    tags: Vec<String>,
    calls: Vec<Call>,
    asks: Vec<String>,
    at: Site,
}

#[derive(Serialize)]
struct Call {
    operation: String,
    subject: Option<String>,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handler: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "become")]
    becomes: Option<String>,
    sometimes: bool,
    often: bool,
    secret: bool,
    reboots: bool,
    at: Site,
}

/// What stands for a name that is computed.
const LATER: &str = "(named when it runs)";

/// Explain a playbook. Returns the exit code.
pub fn explain(args: &ExplainArgs, project: Project) -> u8 {
    let (program, mut errors) = match run::compiled(&args.playbook) {
        Ok(compiled) => compiled,
        Err(errors) => return screen::fail(&errors),
    };
    let beside = args.playbook.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let project = project.or_above(beside);
    let inventory = match run::inventory(&args.inventory, Some(beside)) {
        Ok(inventory) => inventory,
        Err(wrong) => return screen::fail(&[errors, wrong].concat()),
    };
    // Without an inventory, patterns cannot be judged; everything else can.
    let known = !args.inventory.inventory.is_empty();
    if known {
        let options = Options {
            channels: project.channels,
            project: project.dir.clone(),
            limit: args.limit.clone(),
            ..Options::default()
        };
        errors.extend(run::verify(&inventory, options, &program));
    }
    if !errors.is_empty() {
        return screen::fail(&errors);
    }
    let explained =
        read(&program, &inventory, known, args.limit.as_deref(), &roots(&program.dir, project.dir.as_deref()));
    if args.json {
        screen::out(&serde_json::to_string_pretty(&explained).unwrap_or_default());
    } else {
        draw::draw(&explained, Paint(color(&args.color).wanted())).iter().for_each(|line| screen::out(line));
    }
    0
}

fn read(program: &Program, inventory: &Inventory, known: bool, limit: Option<&str>, roots: &[PathBuf]) -> Explained {
    let survey = &program.survey;
    let mut unknown = Vec::new();
    let plays = survey.plays.iter().map(|found| play(found, inventory, known, limit, &mut unknown)).collect();
    let calls = || survey.plays.iter().flat_map(|play| &play.calls);
    let mut secrets = BTreeSet::new();
    secrets.extend(
        survey.params.iter().filter(|p| is_secret(&p.name)).map(|p| format!("parameter {} ({})", p.name, p.at)),
    );
    secrets.extend(
        survey.variables.iter().filter(|(name, _)| is_secret(name)).map(|(name, at)| format!("variable {name} ({at})")),
    );
    secrets.extend(
        calls()
            .filter(|call| call.secret)
            .map(|call| format!("{} ({}): its content is never shown", call.operation, call.at)),
    );
    let mut files: Vec<Asset> = Vec::new();
    for (name, at) in calls().flat_map(|call| call.files.iter().map(|file| (file.clone(), call.at.clone()))) {
        if files.iter().all(|file| file.name != name) {
            let here = std::env::current_dir().unwrap_or_default();
            let shown = |path: PathBuf| path.strip_prefix(&here).unwrap_or(&path).display().to_string();
            files.push(Asset { path: find(&name, roots).map(shown), name, at });
        }
    }
    if !survey.whole {
        unknown.push("what an import brings that is chosen when the playbook runs".to_owned());
    }
    let parameter =
        |p: &crate::script::Param| Parameter { name: p.name.clone(), default: p.default.clone(), help: p.help.clone() };
    Explained {
        playbook: program.name.clone(),
        about: survey.docs.trim().to_owned(),
        parameters: survey.params.iter().map(parameter).collect(),
        plays,
        files,
        secrets: secrets.into_iter().collect(),
        unknown,
    }
}

fn play(found: &PlayFound, inventory: &Inventory, known: bool, limit: Option<&str>, unknown: &mut Vec<String>) -> Play {
    let name = found.name.clone().unwrap_or_else(|| LATER.to_owned());
    let mut hosts = match &found.pattern {
        Some(pattern) if known => inventory.select(pattern).ok(),
        Some(_) => None,
        None => {
            unknown.push(format!("the hosts of play \"{name}\" ({})", found.at));
            None
        }
    };
    if let (Some(hosts), Some(limit)) = (&mut hosts, limit.and_then(|limit| inventory.select(limit).ok())) {
        hosts.retain(|host| limit.contains(host));
    }
    let shuffled = found.spec.order == Order::Shuffle;
    if let Some(hosts) = hosts.as_mut().filter(|_| !shuffled) {
        arrange(hosts, found.spec.order);
    }
    unknown.extend(found.open.iter().map(|option| format!("option {option} of play \"{name}\" ({})", found.at)));
    for call in found.calls.iter().filter(|call| call.subject.is_none() && call.role != Role::Fact) {
        unknown.push(format!("what {} is called on ({})", call.operation, call.at));
    }
    let scope = &found.spec.scope;
    let asks: BTreeSet<String> =
        found.calls.iter().filter(|call| call.role == Role::Fact).map(|call| call.operation.clone()).collect();
    Play {
        name: found.name.clone(),
        pattern: found.pattern.clone(),
        batches: hosts.map(|hosts| batches(&hosts, &found.spec.serial)),
        shuffled,
        becomes: (scope.r#become == Some(true)).then(|| scope.become_user.clone().unwrap_or_else(|| "root".to_owned())),
        stops: match (found.spec.any_errors_fatal, found.spec.max_fail_percentage) {
            (true, _) => Some("at the first host that fails".to_owned()),
            (false, Some(most)) => Some(format!("when more than {most} % of its hosts fail")),
            _ => None,
        },
        tags: found.tags.clone(),
        calls: found.calls.iter().filter(|call| call.role != Role::Fact).map(call).collect(),
        asks: asks.into_iter().collect(),
        at: found.at.clone(),
    }
}

fn call(found: &CallFound) -> Call {
    let named = |name: &Option<Option<String>>| name.clone().map(|name| name.unwrap_or_else(|| LATER.to_owned()));
    let around = &found.around;
    Call {
        operation: found.operation.clone(),
        subject: found.subject.clone(),
        kind: if found.role == Role::Action { "action" } else { "operation" },
        task: named(&around.task),
        handler: named(&around.handler),
        on: named(&around.on),
        becomes: around.r#become.clone(),
        sometimes: around.sometimes,
        often: around.often,
        secret: found.secret,
        reboots: found.reboots(),
        at: found.at.clone(),
    }
}
