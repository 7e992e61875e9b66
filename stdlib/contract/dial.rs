//! Questions over TCP beside HTTP, as data. They are asked from the host's point of view, by us: the host needs no
//! program for it.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A question over a connection of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dial {
    /// Who is asked: a name or address, as the host knows it.
    pub server: String,
    /// At which port.
    pub port: u16,
    /// What.
    pub ask: Ask,
    /// The longest that the answer may take.
    pub timeout: Duration,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// The records of a name. The answer has one per line, `NAME TTL IN TYPE DATA`, and the server's verdict as its
    /// code: 0, or 3 for a name that there is not.
    Dns {
        /// The name.
        name: String,
        /// The type of the records, such as `A`.
        kind: String,
    },
    /// The certificates of a server that speaks TLS, whoever vouches for them. The answer has them in PEM form, its
    /// own first.
    Tls {
        /// The name that is asked for.
        name: String,
    },
}

impl Dial {
    /// As a transcript shows it.
    pub fn line(&self) -> String {
        let Dial { server, port, ask, .. } = self;
        match ask {
            Ask::Dns { name, kind } => format!("dns {name} {kind} @{server}:{port}"),
            Ask::Tls { name } => format!("tls {server}:{port} name={name}"),
        }
    }
}
