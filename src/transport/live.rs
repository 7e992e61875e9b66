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
    // Whether the newline that may begin the marker was shown already: a line is to be seen when it is
    // printed, not when the next one comes. A file on its way is not for eyes.
    let mut ahead = false;
    let mut within_line = false;
    loop {
        let at = memmem::find(from.ahead(), end);
        let sure = at.unwrap_or_else(|| from.ahead().len() - begun(from.ahead(), end));
        let rest = from.ahead().split_off(sure);
        let bytes = std::mem::replace(from.ahead(), rest);
        if !bytes.is_empty() {
            let fresh = &bytes[usize::from(ahead)..];
            if !fresh.is_empty() {
                sink(stream, fresh);
            }
            (ahead, within_line) = (false, bytes.last() != Some(&b'\n'));
            if keep == Keep::All {
                kept.extend_from_slice(&bytes);
            }
        }
        if at.is_some() {
            let _ = from.until(end).await;
            let code = from.until(b"\n").await.ok();
            let code = code.and_then(|code| String::from_utf8_lossy(&code).trim().parse().ok());
            return Ok((kept, code));
        }
        if keep == Keep::All && within_line && !ahead && !from.ahead().is_empty() {
            sink(stream, b"\n");
            ahead = true;
        }
        if from.fill().await.map_err(lost)? == 0 {
            let last = std::mem::take(from.ahead());
            if last.len() > usize::from(ahead) {
                sink(stream, &last[usize::from(ahead)..]);
            }
            if keep == Keep::All {
                kept.extend_from_slice(&last);
            }
            return Ok((kept, None));
        }
    }
}

/// How many bytes at the end may be the beginning of the marker.
fn begun(bytes: &[u8], end: &[u8]) -> usize {
    let longest = bytes.len().min(end.len() - 1);
    (1..=longest).rev().find(|n| bytes.ends_with(&end[..*n])).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// What is shown of pieces that come one after the other, and what is kept.
    fn drained(pieces: &[&str]) -> (Vec<String>, String, Option<i32>) {
        let (mut host, ours) = tokio::io::duplex(1024);
        let shown: Mutex<Vec<String>> = Mutex::default();
        let sink = |_: Stream, bytes: &[u8]| shown.lock().unwrap().push(String::from_utf8_lossy(bytes).into_owned());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        #[allow(clippy::disallowed_methods)] // the test's own async runtime
        let (kept, code) = runtime.block_on(async {
            let print = async {
                for piece in pieces {
                    host.write_all(piece.as_bytes()).await.unwrap();
                    // The other side reads what there is before more comes.
                    for _ in 0..8 {
                        tokio::task::yield_now().await;
                    }
                }
                drop(host);
            };
            let drain = drain(Scanner::new(ours), Stream::Stdout, &sink, Keep::All, b"\nMARK ");
            tokio::join!(drain, print).0.unwrap()
        });
        (shown.into_inner().unwrap(), String::from_utf8(kept).unwrap(), code)
    }

    #[test]
    fn a_line_is_shown_when_it_is_printed() {
        for (pieces, shown, kept) in [
            (&["one\n", "two\n", "\nMARK 0\n"][..], &["one", "\n", "two", "\n"][..], "one\ntwo\n"),
            (&["one", "\n\nMA", "RK 0\n"], &["one", "\n"], "one\n"),
            (&["one", "\nMARK 0\n"], &["one"], "one"),
            (&["\n", "\n", "a\n\n", "\nMARK 0\n"], &["\n", "\na\n"], "\n\na\n\n"),
            (&["a\nMARS\n", "\nMARK 0\n"], &["a\nMARS", "\n"], "a\nMARS\n"),
        ] {
            let (seen, found, code) = drained(pieces);
            assert_eq!((found.as_str(), code), (kept, Some(0)), "{pieces:?}");
            let told = seen.concat();
            assert_eq!(told.trim_end_matches('\n'), kept.trim_end_matches('\n'), "{pieces:?}: {seen:?}");
            assert!(seen.concat().starts_with(&shown.concat()), "{pieces:?}: {seen:?}");
        }
        let (seen, ..) = drained(&["one\n", "\nMARK 0\n"]);
        assert_eq!(seen, ["one", "\n"]);
        let (seen, kept, code) = drained(&["lost\n"]);
        assert_eq!((seen.concat().as_str(), kept.as_str(), code), ("lost\n", "lost\n", None));
    }
}
