//! `hlrun exec`: one command on many hosts.

use super::args::ExecArgs;
use super::config::Project;
use super::{run, screen};
use crate::report::{JsonLines, Terminal};
use crate::run::{Options, Runtime};
use serde_json::{Value, json};

/// The playbook that runs it.
const PLAYBOOK: &str = include_str!("../../playbooks/lib/exec.rhai");

/// Run a command. Returns the exit code.
pub fn exec(args: Box<ExecArgs>, project: Project) -> u8 {
    let inventory = match run::inventory(&args.inventory, None) {
        Ok(inventory) => inventory,
        Err(errors) => return screen::fail(&errors),
    };
    if let Err(error) = inventory.select(&args.pattern) {
        return screen::fail(&[error]);
    }
    let options = match run::options(&args.connection, project) {
        Ok(options) => options,
        Err(error) => return screen::fail(&[error]),
    };
    let params = json!({ "pattern": args.pattern, "command": args.line });
    let params = if let Value::Object(params) = params { params } else { Default::default() };
    let mut runtime = Runtime::new(inventory, Options { params, ..options });
    if args.output.json {
        runtime.listen(JsonLines);
    } else {
        let mut view = screen::view(&args.output, false);
        view.terse = view.verbose == 0;
        view.verbose = view.verbose.max(1);
        runtime.listen(Terminal::new(view, |_| None));
    }
    run::watch(runtime.cancellation());
    match runtime.run_text(PLAYBOOK, "") {
        Ok(summary) => run::finish(&summary, false),
        Err(errors) => screen::fail(&errors),
    }
}
