//! `hlrun man`: the manual, from the same lines as the flags.

use super::args::{Cli, ManArgs};
use super::screen;
use clap::{Command, CommandFactory};
use std::io::Write;
use stdlib::contract::{Error, nearest};

/// Print a page or write all of them. Returns the exit code.
pub fn man(args: &ManArgs) -> u8 {
    let mut command = Cli::command();
    command.build();
    if let Some(dir) = &args.dir {
        let written = std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(command, dir));
        return match written {
            Ok(()) => 0,
            Err(e) => screen::fail(&[Error::playbook(format!("cannot write into {}: {e}", dir.display()))]),
        };
    }
    let page = match &args.command {
        None => command,
        Some(name) => match command.find_subcommand(name) {
            Some(page) => page.clone(),
            None => {
                let error = Error::playbook(format!("there is no command `{name}`"));
                return screen::fail(&[match nearest(name, command.get_subcommands().map(Command::get_name)) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint("hlrun --help lists them"),
                }]);
            }
        },
    };
    let mut text = Vec::new();
    if clap_mangen::Man::new(page).render(&mut text).is_ok() {
        let _ = std::io::stdout().lock().write_all(&text);
    }
    0
}
