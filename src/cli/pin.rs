//! A host key that is not known yet: shown, and remembered if a person says so.

use super::screen;
use crate::transport::keys::{HostKey, Way};
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use stdlib::contract::Result;

/// What came of it.
pub(super) enum Asked {
    /// It is in this file now.
    Pinned(PathBuf),
    /// Somebody said no, or there was nobody to ask.
    Refused,
}

/// Show the key, ask unless `accept`, and pin it.
pub(super) fn ask_to_pin(way: &Way, key: &HostKey, accept: bool) -> Result<Asked> {
    let print = key.fingerprint()?;
    screen::err(&format!("{} shows the host key {} {print}", way.known_as, key.kind));
    if !accept {
        if !std::io::stdin().is_terminal() {
            return Ok(Asked::Refused);
        }
        let mut err = std::io::stderr();
        let _ = write!(err, "is that its key? On the host: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub (y/N): ");
        let _ = err.flush();
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line).unwrap_or_default();
        if read == 0 || !["y", "yes"].contains(&line.trim().to_lowercase().as_str()) {
            return Ok(Asked::Refused);
        }
    }
    key.pin(way).map(Asked::Pinned)
}
