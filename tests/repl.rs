//! The prompt as a person has it: typed into tmux, and read from its screen. Without tmux those trials are
//! listed as ignored.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stderr)] // an integration test is no `cfg(test)` to clippy

#[path = "repl/piped.rs"]
mod piped;
#[path = "repl/screen.rs"]
mod screen;
#[path = "repl/typed.rs"]
mod typed;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let args = Arguments::from_args();
    let tmux = std::process::Command::new("tmux").arg("-V").output().is_ok_and(|output| output.status.success());
    if !tmux && !args.list {
        eprintln!("what is typed is left out: there is no tmux here (apt-get install tmux)");
    }
    let trial = |(name, promise): &(&'static str, fn()), ignored: bool| {
        let promise = *promise;
        let trial = move || {
            promise();
            Ok(())
        };
        Trial::test(*name, trial).with_ignored_flag(ignored)
    };
    let typed = typed::PROMISES.iter().map(|promise| trial(promise, !tmux));
    let trials = typed.chain(piped::PROMISES.iter().map(|promise| trial(promise, false)));
    libtest_mimic::run(&args, trials.collect()).exit();
}
