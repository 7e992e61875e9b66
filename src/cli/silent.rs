//! The terminal without an echo.

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::File;

/// As long as this is there, the terminal does not show what is typed. It begins before a password is asked for: rpassword
/// turns the echo off only when it has asked.
pub(super) struct Silent {
    terminal: File,
    before: Termios,
}

impl Silent {
    /// Nothing where there is no terminal.
    pub fn begin() -> Option<Silent> {
        let terminal = File::options().read(true).write(true).open("/dev/tty").ok()?;
        let before = tcgetattr(&terminal).ok()?;
        let mut without = before.clone();
        without.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Now, &without).ok()?;
        Some(Silent { terminal, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}
