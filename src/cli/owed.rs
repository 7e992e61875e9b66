//! `hlrun owed`: handlers that were asked for and have not run.

use super::args::OwedArgs;
use super::screen;
use crate::run::{Debts, state_dir};

/// List debts, or forget them. Returns the exit code.
pub fn owed(args: &OwedArgs) -> u8 {
    let debts = Debts::open(&state_dir());
    let wanted = |host: &str, handler: &str| {
        args.host.as_ref().is_none_or(|wanted| wanted == host) && args.handler.as_ref().is_none_or(|h| h == handler)
    };
    let mut count = 0;
    for debt in debts.all().into_iter().filter(|d| wanted(&d.host, &d.handler)) {
        count += 1;
        let mark = if args.forget { "forgotten: " } else { "" };
        screen::out(&format!(
            "{mark}{} on {} (play \"{}\" of {}, run {})",
            debt.handler, debt.host, debt.play, debt.playbook, debt.run
        ));
        if args.forget
            && let Err(error) = debts.pay(&debt)
        {
            return screen::fail(&[error]);
        }
    }
    if count == 0 {
        screen::out("nothing is owed");
    }
    0
}
