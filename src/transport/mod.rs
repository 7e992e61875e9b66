//! The effects on hosts: connections, the shells on them, and files on their way.
//!
//! A connection opens channels; on each runs `sh`, and everything else is said to that `sh` through
//! standard input. So nothing is needed on a host but a POSIX shell and coreutils or busybox, no value
//! ever passes through the login shell, and ssh and local connections differ in one function.

mod dial;
mod docker;
mod download;
mod elevate;
mod files;
mod frame;
mod http;
pub mod keys;
mod live;
mod local;
mod mail;
mod scan;
mod shell;
mod ssh;
mod tree;

pub use dial::dial;
pub use docker::{Engine, Trouble};
pub use download::download as http_download;
pub use elevate::{Become, Method};
pub use files::{asset, asset_tree, fetch, find, write};
pub use http::{get as http_get, http};
pub use live::{Keep, Sink, Stream, live};
pub use local::Local;
pub use mail::mail;
pub use shell::Shell;
pub use ssh::{HostKeys, Ssh, Target, close_idle, config_lines};
pub use tree::{download, upload};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use std::path::PathBuf;
use stdlib::contract::Result;
use tokio::io::{AsyncRead, AsyncWrite};

/// One `sh` on a host, reading what to do from its standard input.
pub struct Channel {
    /// What we say.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// What it answers.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// What it complains.
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// Its exit code, once it has ended; an error of kind `unreachable` if the connection was lost.
    pub exit: BoxFuture<'static, Result<i32>>,
}

/// Where a forwarded connection comes out, as the host sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A name or address, and a port.
    Tcp(String, u16),
    /// A unix socket, such as that of a container engine; the host opens it as the user who is logged in.
    Unix(PathBuf),
}

/// A way to a host.
#[async_trait]
pub trait Connection: Send + Sync {
    /// Open a channel. The `sh` on it runs [`BOOT`].
    async fn open(&self) -> Result<Channel>;
    /// Whether the connection still answers.
    async fn alive(&self) -> bool;
    /// A socket here whose connections come out at a place as the host sees it: names are resolved there. The
    /// same socket for the same place, for as long as the connection lives. Nothing means: go there directly.
    async fn forward(&self, to: &Endpoint) -> Result<Option<PathBuf>>;
    /// Why the host did not make the last connection to a place, if it said.
    fn complaint(&self, _to: &Endpoint) -> Option<String> {
        None
    }
    /// Give it up, for the runs to come too: the next connection is a fresh one.
    async fn close(&self);
}

/// What the `sh` of every channel runs first: read one line, undo its escapes, and become that script.
/// `read` takes a line byte by byte, so what follows the line is still there for the script to read.
/// The line has no character that any login shell treats differently from sh inside single quotes.
pub const BOOT: &str = r#"IFS= read -r s; eval "$(printf %b "$s")""#;

/// A script as the one line that [`BOOT`] reads.
pub fn header(script: &str) -> Vec<u8> {
    let mut line = script.replace('\\', r"\\").replace('\n', r"\012");
    line.push('\n');
    line.into_bytes()
}

/// A word that no output contains by chance: it marks where an answer ends.
pub fn nonce() -> String {
    use std::hash::{BuildHasher, Hasher};
    let random = || std::hash::RandomState::new().build_hasher().finish();
    format!("hlrun-{:016x}{:016x}", random(), random())
}
