//! A socket of the host carried by a program there: for login users who may not open it, and hosts whose sshd
//! forwards no sockets. Each connection to the socket on this side gets a channel of its own.

use super::super::elevate::{begin, ready};
use super::super::scan::Scanner;
use super::super::{Become, Channel, Connection, frame, nonce};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use stdlib::contract::{Command, Error, Result};
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::AbortHandle;

/// What goes wrong in a channel, for whoever waits for its bytes.
pub type Complaints = Arc<Mutex<Option<Error>>>;

/// A socket on this side and what carries its bytes.
pub struct Relay {
    dir: tempfile::TempDir,
    said: Complaints,
    accepting: AbortHandle,
}

impl Relay {
    /// Listen for connections to be carried.
    pub async fn start(connection: &Arc<dyn Connection>, whom: Option<&Become>, socket: &str) -> Result<Relay> {
        let failed = |e: std::io::Error| Error::playbook(format!("no socket for docker on this side: {e}"));
        // Only we can look into it.
        let dir = tempfile::Builder::new().prefix("hlrun-").tempdir().map_err(failed)?;
        let listener = UnixListener::bind(dir.path().join("docker")).map_err(failed)?;
        let said = Complaints::default();
        let (connection, whom, socket) = (Arc::clone(connection), whom.cloned(), socket.to_owned());
        let complaints = Arc::clone(&said);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (connection, whom, socket) = (Arc::clone(&connection), whom.clone(), socket.clone());
                let complaints = Arc::clone(&complaints);
                tokio::spawn(async move {
                    if let Err(error) = carry(&*connection, whom.as_ref(), &socket, stream).await {
                        *complaints.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    }
                });
            }
        });
        Ok(Relay { dir, said, accepting: accepting.abort_handle() })
    }
    /// The socket on this side.
    pub fn here(&self) -> PathBuf {
        self.dir.path().join("docker")
    }
    /// Where complaints are found.
    pub fn complaints(&self) -> Complaints {
        Arc::clone(&self.said)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Whatever there is on the host that joins a socket to its own input and output. Debian has perl always, others
/// one of the rest.
const JOIN: &str = r#"s=$1; has() { command -v "$1" >/dev/null 2>&1; }
if has socat; then exec socat - "UNIX-CONNECT:$s"
elif has perl && perl -MIO::Socket::UNIX -MIO::Select -e 1 2>/dev/null; then exec perl -MIO::Socket::UNIX -MIO::Select -e '
  my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$ARGV[0]: $!\n";
  my $from = IO::Select->new($s, \*STDIN);
  sub put { my ($to, $bytes) = @_; while (length $bytes) { my $n = syswrite($to, $bytes) or exit 0; substr($bytes, 0, $n) = "" } }
  while (1) { for my $in ($from->can_read) {
    my $n = sysread($in, my $bytes, 65536);
    if ($in == $s) { exit 0 unless $n; put(\*STDOUT, $bytes) }
    elsif ($n) { put($s, $bytes) } else { $from->remove($in); shutdown($s, 1) }
  } }' "$s"
elif has python3; then exec python3 -c '
import os, select, socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); ins = [s, 0]
while True:
    for i in select.select(ins, [], [])[0]:
        b = i.recv(65536) if i is s else os.read(0, 65536)
        if i is s:
            if not b: sys.exit(0)
            while b: b = b[os.write(1, b):]
        elif b: s.sendall(b)
        else: ins.remove(0); s.shutdown(socket.SHUT_WR)' "$s"
elif nc -h 2>&1 | grep -q 'unix\|UNIX'; then exec nc -U "$s"
elif has docker; then exec docker --host "unix://$s" system dial-stdio
else echo 'socat, perl, python3, nc or docker is needed on the host to reach its socket' >&2; exit 127; fi"#;

async fn carry(connection: &dyn Connection, whom: Option<&Become>, socket: &str, stream: UnixStream) -> Result<()> {
    let nonce = nonce();
    let mut channel = connection.open().await?;
    let join = Command::gist("a socket, joined to input and output", JOIN).arg(socket);
    begin(&mut channel, whom, &nonce, &frame::line(&join, true)).await?;
    let Channel { mut stdin, stdout, stderr, .. } = channel;
    let (mut stdout, mut stderr) = (Scanner::new(stdout), Scanner::new(stderr));
    ready(&mut *stdin, &mut stdout, &mut stderr, whom, &nonce).await?;
    let (mut from, mut to) = stream.into_split();
    let there = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from, &mut stdin).await;
        let _ = stdin.shutdown().await;
    });
    let mut carried = 0;
    loop {
        let bytes = std::mem::take(stdout.ahead());
        carried += bytes.len();
        if to.write_all(&bytes).await.is_err() || stdout.fill().await.unwrap_or_default() == 0 {
            break;
        }
    }
    let _ = to.shutdown().await;
    there.abort();
    if carried > 0 {
        return Ok(());
    }
    while stderr.fill().await.is_ok_and(|n| n > 0) {}
    let said = String::from_utf8_lossy(stderr.ahead()).trim().to_owned();
    Err(Error::host(format!("docker does not answer at {socket}: {said}"))
        .hint("systemd::running(\"docker\") starts it; `journalctl -u docker` on the host tells why it does not run"))
}
