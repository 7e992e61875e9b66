//! A command on a channel of its own: watched while it runs, fed from a stream, ended when it must end.
//!
//! The shell tells where the command's output ends and what its exit code was, as it does for short
//! commands. So nothing that is printed late can be lost, a code such as 127 is a code like any other, and
//! what a command leaves running in the background does not hold us.

use super::elevate::{Become, begin, lost, ready};
use super::scan::Scanner;
use super::{Channel, Connection, frame, nonce};
use memchr::memmem;
use std::sync::atomic::{AtomicU32, Ordering};
use stdlib::contract::{Command, Error, Kind, Output, Result};
use tokio::io::{AsyncRead, AsyncWriteExt};

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
    let line = frame::line(command, false);
    let then = format!("{line}\nprintf '\\n{nonce} %d\\n' $?; printf '\\n{nonce} 0\\n' >&2");
    begin(&mut channel, whom, &nonce, &then).await?;
    let Channel { mut stdin, stdout, stderr, exit } = channel;
    let mut stdout = Scanner::new(stdout);
    let mut stderr = Scanner::new(stderr);
    let pgid = ready(&mut *stdin, &mut stdout, &mut stderr, whom, &nonce).await?;
    group.store(pgid, Ordering::Relaxed);
    let feed = async move {
        // A command that does not read to the end is no error of ours: its exit code tells.
        match (input, &command.stdin) {
            (Some(input), _) => {
                let mut input = tokio::io::BufReader::with_capacity(256 * 1024, input);
                drop(tokio::io::copy_buf(&mut input, &mut stdin).await);
            }
            (None, Some(text)) => drop(stdin.write_all(text.as_bytes()).await),
            (None, None) => {}
        }
        let _ = stdin.shutdown().await;
        drop(stdin);
        std::future::pending::<()>().await;
    };
    let end = format!("\n{nonce} ");
    let both = async {
        tokio::join!(
            drain(stdout, Stream::Stdout, sink, keep, end.as_bytes()),
            drain(stderr, Stream::Stderr, sink, Keep::All, end.as_bytes()),
        )
    };
    let (out, err) = tokio::select! {
        both = both => both,
        () = feed => unreachable!("it waits for ever"),
    };
    let ((stdout, code), (stderr, _)) = (out?, err?);
    match code {
        Some(code) => Ok(Output { code, stdout, stderr }),
        // The shell was ended before it could tell: by us, by a signal, or with the connection.
        None => match exit.await? {
            0 => Err(Error::new(Kind::Unreachable, "the connection was lost before the command ended")),
            code => Ok(Output { code, stdout, stderr }),
        },
    }
}

/// Everything up to the line that marks the end, and the code on it; no code if the stream ends before.
async fn drain<R: AsyncRead + Unpin>(
    mut from: Scanner<R>,
    stream: Stream,
    sink: Sink<'_>,
    keep: Keep,
    end: &[u8],
) -> Result<(Vec<u8>, Option<i32>)> {
    let mut kept = Vec::new();
    let mut pass = |bytes: &[u8]| {
        if !bytes.is_empty() {
            sink(stream, bytes);
            if keep == Keep::All {
                kept.extend_from_slice(bytes);
            }
        }
    };
    loop {
        if let Some(at) = memmem::find(from.ahead(), end) {
            let rest = from.ahead().split_off(at);
            pass(from.ahead());
            *from.ahead() = rest;
            let _ = from.until(end).await;
            let code = from.until(b"\n").await.ok();
            let code = code.and_then(|code| String::from_utf8_lossy(&code).trim().parse().ok());
            return Ok((kept, code));
        }
        // The marker may have begun: that much stays behind.
        let begun = (1..end.len()).rev().find(|length| from.ahead().ends_with(&end[..*length]));
        let sure = from.ahead().len() - begun.unwrap_or_default();
        let rest = from.ahead().split_off(sure);
        pass(from.ahead());
        *from.ahead() = rest;
        if from.fill().await.map_err(lost)? == 0 {
            let last = std::mem::take(from.ahead());
            pass(&last);
            return Ok((kept, None));
        }
    }
}
