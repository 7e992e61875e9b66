//! The Docker engine of a host: bollard, its bytes carried by the connection to the host. The engine's socket is
//! opened by the user who is logged in; where that user may not, or sshd forwards no sockets, a program on the host
//! relays it as the user whom we become.

mod answer;
mod relay;
mod streams;
mod trouble;

use super::{Become, Connection, Endpoint, Stream, live};
use relay::Relay;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use stdlib::contract::{Command, Error, Result};
pub use trouble::Trouble;

/// A line to an engine, for as long as the connection to its host lives.
pub struct Engine {
    docker: bollard::Docker,
    /// The socket on this side.
    here: PathBuf,
    /// What carries its bytes, if the connection does not.
    _relay: Option<Relay>,
}

/// How long an engine may think, as bollard sees it: whoever calls has limits of its own.
const PATIENCE: u64 = 24 * 3600;

impl Engine {
    /// Find the engine behind a socket of the host. Errors say what is wrong with it and what to do.
    pub async fn open(connection: &Arc<dyn Connection>, whom: Option<&Become>, socket: &str) -> Result<Engine> {
        let direct = match connection.forward(&Endpoint::Unix(PathBuf::from(socket))).await {
            Ok(here) => Engine::at(here.unwrap_or_else(|| PathBuf::from(socket)), None).await,
            Err(error) => Err(Trouble::Ours(error)),
        };
        let Err(trouble) = direct else { return direct.map_err(|trouble| trouble.told(socket)) };
        if let Trouble::Refused(..) = trouble {
            return Err(trouble.told(socket));
        }
        tracing::debug!("the socket of docker cannot be opened directly: {trouble:?}");
        look(&**connection, whom, socket).await?;
        let relay = Relay::start(connection, whom, socket).await?;
        let (here, said) = (relay.here(), relay.complaints());
        match Engine::at(here, Some(relay)).await {
            Ok(engine) => Ok(engine),
            Err(trouble) => {
                Err(said.lock().map(|mut said| said.take()).ok().flatten().unwrap_or_else(|| trouble.told(socket)))
            }
        }
    }

    async fn at(here: PathBuf, relay: Option<Relay>) -> std::result::Result<Engine, Trouble> {
        let docker =
            bollard::Docker::connect_with_unix(&here.to_string_lossy(), PATIENCE, bollard::API_DEFAULT_VERSION)?;
        // bollard spells credentials in plain base64; the engine reads them in the alphabet of URLs.
        let docker = docker.with_request_modifier(|mut request| {
            let header = request.headers().get("x-registry-auth").and_then(|value| value.to_str().ok());
            let header = header.map(|value| value.replace('+', "-").replace('/', "_"));
            if let Some(value) = header.and_then(|value| value.parse().ok()) {
                request.headers_mut().insert("x-registry-auth", value);
            }
            request
        });
        let docker = docker.negotiate_version().await?;
        Ok(Engine { docker, here, _relay: relay })
    }

    /// The socket on this side, for what bollard does not know.
    fn here(&self) -> &Path {
        &self.here
    }
}

/// What there is to see of the socket, for whoever has to open it. Nothing is wrong: then it is only that nobody
/// carries its bytes yet.
async fn look(connection: &dyn Connection, whom: Option<&Become>, socket: &str) -> Result<()> {
    let script = r#"if [ -e "$1" ]; then
  [ -r "$1" ] && [ -w "$1" ] && echo open || { echo denied; id -un; }
elif command -v dockerd >/dev/null 2>&1 || command -v docker >/dev/null 2>&1; then echo stopped
else echo absent; fi"#;
    let command = Command::gist("the socket of docker", script).arg(socket);
    let unwatched = AtomicU32::new(0);
    let seen = live(connection, whom, &command, None, &|_: Stream, _: &[u8]| {}, super::Keep::All, &unwatched).await?;
    let lines = seen.lines();
    let user = lines.get(1).map_or("the user", String::as_str);
    match lines.first().map(String::as_str) {
        Some("denied") => Err(Error::host(format!("{user} may not open {socket}, the socket of docker"))
            .hint("become somebody who may: within(#{ become: \"root\" }, || ...)")
            .hint(format!("or let the user: user::present(\"{user}\", #{{ groups: [\"docker\"], append: true }})"))),
        Some("stopped") => Err(Error::host(format!("docker does not run on the host: there is no {socket}"))
            .hint("systemd::running(\"docker\") starts it; `journalctl -u docker` on the host tells why it does not")
            .hint("where it listens elsewhere: `socket: \"/run/user/1000/docker.sock\"`")),
        Some("absent") => Err(Error::host(format!("docker is not installed on the host: there is no {socket}"))
            .hint("apt::installed(\"docker.io\") or the packages of docker.com; for podman: `socket: \"/run/podman/podman.sock\"`")),
        _ => Ok(()),
    }
}
