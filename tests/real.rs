//! What hlrun promises, kept or not on real hosts: ten Debian machines of the lab (tests/lab).
//!
//!     HLRUN_LAB=/var/tmp/hlrun-lab cargo test --test real
//!
//! Without `HLRUN_LAB` every trial is listed as ignored, and without `HLRUN_LAB_VM` those on virtual machines are. Trials run side by side and lock the hosts they
//! use, so what breaks a host breaks it for itself only. `HLRUN_BIN` names another binary to test.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stderr)] // an integration test is no `cfg(test)` to clippy

#[path = "real/comforts.rs"]
mod comforts;
#[path = "real/compose.rs"]
mod compose;
#[path = "real/docker.rs"]
mod docker;
#[path = "real/faults.rs"]
mod faults;
#[path = "real/fleet.rs"]
mod fleet;
#[path = "real/hostile.rs"]
mod hostile;
#[path = "real/lab.rs"]
mod lab;
#[path = "lab/late.rs"]
mod late;
#[path = "real/machine.rs"]
mod machine;
#[path = "real/notify.rs"]
mod notify;
#[path = "real/operations.rs"]
mod operations;
#[path = "real/packages.rs"]
mod packages;
#[path = "real/privilege.rs"]
mod privilege;
#[path = "pty/mod.rs"]
mod pty;
#[path = "real/semantics.rs"]
mod semantics;
#[path = "real/undo.rs"]
mod undo;
#[path = "real/weekly.rs"]
mod weekly;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let mut args = Arguments::from_args();
    let lab = std::env::var_os("HLRUN_LAB").is_some();
    if !lab && !args.list {
        eprintln!("real hosts left out; to have them: tests/lab/lab.sh up 10, then HLRUN_LAB=/var/tmp/hlrun-lab");
    }
    args.test_threads.get_or_insert(2);
    let all = [
        operations::PROMISES,
        fleet::PROMISES,
        packages::PROMISES,
        faults::PROMISES,
        hostile::PROMISES,
        machine::PROMISES,
        privilege::PROMISES,
        semantics::PROMISES,
        comforts::PROMISES,
        compose::PROMISES,
        docker::PROMISES,
        notify::PROMISES,
        undo::PROMISES,
        weekly::PROMISES,
    ];
    let trials = all.concat().into_iter().map(|(name, promise)| trial(name, promise));
    let trials = trials.chain(operations::promises().into_iter().map(|(name, promise)| trial(name, promise)));
    let machines = std::env::var_os("HLRUN_LAB_VM").is_some();
    let left_out = |trial: &Trial| !lab || !machines && trial.name().starts_with(weekly::MACHINE);
    let trials = trials.map(|trial| {
        let left_out = left_out(&trial);
        trial.with_ignored_flag(left_out)
    });
    libtest_mimic::run(&args, trials.collect()).exit();
}

fn trial(name: impl Into<String>, promise: impl Fn() + Send + 'static) -> Trial {
    let name = name.into();
    Trial::test(name.clone(), move || {
        if !late::late(&name) {
            promise();
        }
        Ok(())
    })
}
