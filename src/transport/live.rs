//! A command on a channel of its own: watched while it runs, fed from a stream, ended when it must end.

use super::elevate::{Become, begin, lost, ready};
use super::scan::Scanner;
use super::{Connection, frame, nonce};
use std::sync::atomic::{AtomicU32, Ordering};
use stdlib::contract::{Command, Output, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

/// Which of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Where output goes as it comes.
pub type Sink<'a> = &'a (dyn Fn(Stream, &[u8]) + Send + Sync);

/// Whether standard output is kept for the answer, or only passes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It is kept.
    All,
    /// It only goes to the sink: a file on its way, of any size.
    Nothing,
}

/// Run a command; `input` is streamed into it, and what it prints goes to `sink` as it comes and into the
/// answer. `group` gets the process group it runs in, for ending it.
pub async fn live(
    connection: &dyn Connection,
    whom: Option<&Become>,
    command: &Command,
    input: Option<&mut (dyn AsyncRead + Send + Unpin)>,
    sink: Sink<'_>,
    keep: Keep,
    group: &AtomicU32,
) -> Result<Output> {
    let nonce = nonce();
    let mut channel = connection.open().await?;
    // With an input, the script must not read ahead of the command: `exec` leaves stdin where it is.
    begin(&mut channel, whom, &nonce, &frame::line(command, true)).await?;
    let mut stdout = Scanner::new(channel.stdout);
    let mut stderr = Scanner::new(channel.stderr);
    let pgid = ready(&mut *channel.stdin, &mut stdout, &mut stderr, whom, &nonce).await?;
    group.store(pgid, Ordering::Relaxed);
    let mut stdin = channel.stdin;
    let feed = async {
        // A command that does not read to the end is no error of ours: its exit code tells.
        match (input, &command.stdin) {
            (Some(input), _) => {
                drop(tokio::io::copy_buf(&mut tokio::io::BufReader::with_capacity(256 * 1024, input), &mut stdin).await)
            }
            (None, Some(text)) => drop(stdin.write_all(text.as_bytes()).await),
            (None, None) => {}
        }
        let _ = stdin.shutdown().await;
        drop(stdin);
        Ok(())
    };
    let (_, stdout, stderr, code) = tokio::try_join!(
        feed,
        drain(stdout, Stream::Stdout, sink, keep),
        drain(stderr, Stream::Stderr, sink, Keep::All),
        channel.exit
    )?;
    Ok(Output { code, stdout, stderr })
}

async fn drain<R: AsyncRead + Unpin>(
    mut from: Scanner<R>,
    stream: Stream,
    sink: Sink<'_>,
    keep: Keep,
) -> Result<Vec<u8>> {
    let mut all = std::mem::take(from.ahead());
    if !all.is_empty() {
        sink(stream, &all);
    }
    let mut reader = from.into_reader();
    loop {
        if keep == Keep::Nothing {
            all.clear();
        }
        all.reserve(32 * 1024);
        let before = all.len();
        if reader.read_buf(&mut all).await.map_err(lost)? == 0 {
            return Ok(all);
        }
        sink(stream, &all[before..]);
    }
}
