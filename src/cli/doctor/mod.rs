//! `hlrun doctor`: what is wrong with the controller and the hosts, each with the command that mends it.

mod controller;
mod health;
mod host;

pub(super) use host::look;

use super::args::{DoctorArgs, color};
use super::config::Project;
use super::{run, screen};
use crate::report::Paint;
use crate::run::visit;
use serde::Serialize;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Health {
    Ok,
    Fixed,
    Warning,
    Failed,
    Unreachable,
}

/// What one look found.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub check: &'static str,
    pub health: Health,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    fn new(health: Health, check: &'static str, message: impl Into<String>) -> Finding {
        Finding { check, health, message: message.into(), remedy: None }
    }
    pub fn ok(check: &'static str, message: impl Into<String>) -> Finding {
        Finding::new(Health::Ok, check, message)
    }
    pub fn fixed(check: &'static str, message: impl Into<String>) -> Finding {
        Finding::new(Health::Fixed, check, message)
    }
    pub fn warning(check: &'static str, message: impl Into<String>) -> Finding {
        Finding::new(Health::Warning, check, message)
    }
    pub fn failed(check: &'static str, message: impl Into<String>) -> Finding {
        Finding::new(Health::Failed, check, message)
    }
    pub fn unreachable(check: &'static str, message: impl Into<String>) -> Finding {
        Finding::new(Health::Unreachable, check, message)
    }
    /// With the command that mends it.
    pub fn remedy(mut self, command: impl Into<String>) -> Finding {
        self.remedy = Some(command.into());
        self
    }
}

/// What may be mended.
#[derive(Clone, Copy)]
pub(super) struct Mend {
    pub fix: bool,
    pub accept: bool,
    /// The command that pins a host key without asking.
    pub pin: &'static str,
}

/// Look at everything. Returns the exit code.
pub fn doctor(args: &DoctorArgs, project: Project, config: Option<String>) -> u8 {
    let mend = Mend { fix: args.fix, accept: args.accept_key, pin: "hlrun doctor --fix --accept-key" };
    let found = controller::look(config, mend);
    let mut all = vec![("controller".to_owned(), found)];
    let looked = run::inventory(&args.inventory, None).and_then(|inventory| {
        let hosts = inventory.select(&args.pattern).map_err(|e| vec![e])?;
        let options = run::options(&args.connection, project).map_err(|e| vec![e])?;
        let limit = options.connect_timeout;
        let look = |host: &str, at| (host.to_owned(), host::look(at, limit, mend));
        visit(inventory, options, &hosts, look).map_err(|e| vec![e])
    });
    match looked {
        Ok(hosts) => all.extend(hosts),
        Err(errors) => {
            show(args, &all);
            return screen::fail(&errors);
        }
    }
    show(args, &all);
    exit(&all)
}

/// 0 if all is well, 1 if the controller is not, 2 and 4 as a run that fails on hosts.
pub(super) fn exit(all: &[(String, Vec<Finding>)]) -> u8 {
    let any =
        |of: Health, groups: &[(String, Vec<Finding>)]| groups.iter().any(|(_, f)| f.iter().any(|f| f.health == of));
    let (controller, hosts) = all.split_at(1.min(all.len()));
    match (any(Health::Failed, hosts), any(Health::Unreachable, hosts)) {
        (true, true) => 6,
        (false, true) => 4,
        (true, false) => 2,
        (false, false) => u8::from(any(Health::Failed, controller)),
    }
}

fn show(args: &DoctorArgs, all: &[(String, Vec<Finding>)]) {
    let paint = Paint(color(&args.color).wanted());
    let width = all.iter().map(|(_, found)| widest(found)).max().unwrap_or_default();
    for (name, found) in all {
        if args.json {
            let host = Some(name).filter(|name| *name != "controller");
            for finding in found {
                let line = serde_json::json!({
                    "host": host, "check": finding.check, "health": finding.health,
                    "message": finding.message, "remedy": finding.remedy,
                });
                screen::out(&line.to_string());
            }
            continue;
        }
        show_one(name, found, width, args.verbose > 0, paint);
    }
}

/// How wide the names of checks are.
pub(super) fn widest(found: &[Finding]) -> usize {
    found.iter().map(|finding| finding.check.len()).max().unwrap_or_default()
}

/// One host, or the controller: what is wrong with it, or `all`.
pub(super) fn show_one(name: &str, found: &[Finding], width: usize, all: bool, paint: Paint) {
    let well = found.iter().filter(|f| f.health == Health::Ok).count();
    let bad = found.len() - well;
    let count = if bad == 0 { format!("{well} checks, all well") } else { format!("{well} of {} well", found.len()) };
    let sign = if bad == 0 { paint.green("✓") } else { paint.yellow("!") };
    screen::out(&format!("{sign} {}  {}", paint.bold(name), paint.dim(&count)));
    for finding in found.iter().filter(|f| f.health != Health::Ok || all) {
        let check = format!("{:<width$}", finding.check);
        let word = match finding.health {
            Health::Ok => paint.green("ok         "),
            Health::Fixed => paint.yellow("fixed      "),
            Health::Warning => paint.purple("warning    "),
            Health::Failed => paint.red("failed     "),
            Health::Unreachable => paint.bright_red("unreachable"),
        };
        screen::out(&format!("  {word}  {check}  {}", finding.message));
        if let Some(remedy) = &finding.remedy {
            screen::out(&format!("  {:11}  {:width$}  {} {remedy}", "", "", paint.cyan("->")));
        }
    }
}
