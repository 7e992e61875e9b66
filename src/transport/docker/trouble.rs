//! What may go wrong between an engine and us.

use bollard::errors::Error as Bollard;
use stdlib::contract::{Error, Output};

/// Why there is no answer.
#[derive(Debug)]
pub enum Trouble {
    /// The engine said no: a status and its words. That is an answer.
    Refused(u16, String),
    /// The engine did not answer, or went away while it did.
    Silent(String),
    /// Anything else, ready to be told.
    Ours(Error),
}

impl Trouble {
    /// The engine's refusal as an answer, anything else as it is.
    pub fn answer(self) -> Result<Output, Trouble> {
        match self {
            Trouble::Refused(status, said) => {
                Ok(Output { code: i32::from(status), stderr: format!("{said}\n").into_bytes(), ..Output::default() })
            }
            other => Err(other),
        }
    }
    /// The error of an engine that cannot be talked to.
    pub fn told(self, socket: &str) -> Error {
        match self {
            Trouble::Refused(status, said) => Error::host(format!("docker answered {status}: {said}")),
            Trouble::Silent(why) => Error::host(format!("docker does not answer at {socket}: {why}")).hint(
                "systemd::running(\"docker\") starts it; `journalctl -u docker` on the host tells why it does not run",
            ),
            Trouble::Ours(error) => error,
        }
    }
}

impl From<Bollard> for Trouble {
    fn from(error: Bollard) -> Trouble {
        match error {
            Bollard::DockerResponseServerError { status_code, message } => Trouble::Refused(status_code, message),
            Bollard::DockerStreamError { error } => Trouble::Refused(500, error),
            Bollard::JsonDataError { message, .. } => Trouble::Ours(
                Error::host(format!("docker's answer is not understood: {message}"))
                    .hint("is it Docker 20.10 or newer, or podman 4 or newer?"),
            ),
            Bollard::HttpClientError { .. } | Bollard::URLParseError { .. } | Bollard::InvalidURIError { .. } => {
                Trouble::Ours(Error::playbook(format!("no name for docker: {error}")))
            }
            silent => Trouble::Silent(deepest(&silent)),
        }
    }
}

/// The innermost cause, in whose words there is most to learn.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
