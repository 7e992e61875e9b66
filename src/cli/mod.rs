//! The command line: one file per subcommand.

mod again;
mod args;
mod check;
mod complete;
mod config;
mod diff;
mod docs;
mod doctor;
mod exec;
mod explain;
mod extra;
mod host;
mod hosts;
mod init;
mod logs;
mod man;
mod owed;
mod pin;
mod record;
mod repl;
mod run;
mod runs;
mod screen;
mod secrets;
mod silent;
mod undo;
mod vault;
mod why;

use clap::{CommandFactory, FromArgMatches};
use std::ffi::OsString;

/// Exit code: the playbook, inventory or configuration is wrong; nothing was touched.
const WRONG: u8 = 1;
/// Exit code: the command line is wrong.
const USAGE: u8 = 64;

/// Run hlrun with these arguments, the program's name first. Returns the exit code.
pub fn main(argv: Vec<OsString>) -> u8 {
    if let Some(code) = complete::answer(&argv) {
        return code;
    }
    let argv = args::with_command(argv);
    let found = match config::find(&argv) {
        Ok(found) => found,
        Err(errors) => return screen::fail(&errors),
    };
    // A playbook's parameters are flags of its own: it is read before the flags are.
    let program = match args::playbook(&argv).map(|path| run::compiled(&path)).transpose() {
        Ok(program) => program,
        Err(errors) => return screen::fail(&errors),
    };
    let params = program.as_ref().map(|(program, _)| program.survey.params.clone()).unwrap_or_default();
    let mut command = args::Cli::command();
    if let Some((program, _)) = &program {
        command = args::with_playbook(command, &program.name, &program.survey.docs, &params);
    }
    command = match found.as_ref().map(|config| config.defaults(command.clone())).transpose() {
        Ok(with) => with.unwrap_or(command),
        Err(errors) => return screen::fail(&errors),
    };
    let typed = argv.clone();
    let matches = match command.try_get_matches_from(argv) {
        Ok(matches) => matches,
        Err(error) => {
            // A flag that is not there may be one of what could not be read.
            if let Some((_, wrong)) = program.filter(|(_, wrong)| !wrong.is_empty()) {
                return screen::fail(&wrong);
            }
            let code = if error.use_stderr() { USAGE } else { 0 };
            let _ = error.print();
            return code;
        }
    };
    let cli = match args::Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return USAGE;
        }
    };
    let project = found.as_ref().map(config::Config::project).unwrap_or_default();
    match cli.command {
        args::Subcommand::Run(args) => {
            let taken = params.iter().find(|param| extra::names(&args.inventory.extra_vars, &param.name));
            let given = match taken {
                Some(param) => {
                    let flag = param.name.replace('_', "-");
                    Err(format!(
                        "`{}` is a parameter of the playbook, and -e sets variables: write --{flag} ...",
                        param.name
                    ))
                }
                None => args::given(&matches, &params),
            };
            run::run(args, program, given, project, typed)
        }
        args::Subcommand::Check(args) => check::check(&args, project),
        args::Subcommand::Explain(args) => explain::explain(&args, project),
        args::Subcommand::Hosts(args) => hosts::hosts(&args),
        args::Subcommand::Why(args) => why::why(&args),
        args::Subcommand::Vault(args) => vault::vault(&args),
        args::Subcommand::Exec(args) => exec::exec(args, project),
        args::Subcommand::Repl(args) => repl::repl(&args, project),
        args::Subcommand::Record(args) => record::record(&args, project),
        args::Subcommand::Docs(args) => docs::docs(&args),
        args::Subcommand::Runs(args) => runs::runs(&args),
        args::Subcommand::Undo(args) => undo::undo(*args, project),
        args::Subcommand::Resume(args) => again::resume(&args),
        args::Subcommand::Owed(args) => owed::owed(&args, project),
        args::Subcommand::Show(args) => runs::show(&args),
        args::Subcommand::Logs(args) => logs::logs(&args),
        args::Subcommand::Diff(args) => diff::diff(&args),
        args::Subcommand::Doctor(args) => {
            let config = found.as_ref().map(|config| config.path.display().to_string());
            doctor::doctor(&args, project, config)
        }
        args::Subcommand::Init(args) => init::init(&args),
        args::Subcommand::Host(args) => host::host(&args.command, project),
        args::Subcommand::Completions(args) => complete::register(args.shell),
        args::Subcommand::Man(args) => man::man(&args),
        args::Subcommand::Config => config::show(found.as_ref()),
        args::Subcommand::Disconnect => runs::disconnect(),
    }
}
