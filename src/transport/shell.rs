//! A persistent `sh` per host and user: commands go in one after the other without waiting, answers come
//! out in order. A command costs one round trip, and commands that need not wait for each other share it.

use super::elevate::{Become, begin, lost, ready};
use super::scan::Scanner;
use super::{Connection, frame, nonce};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use stdlib::contract::{Command, Error, Kind, Output, Result, quote};
use tokio::io::{AsyncRead, AsyncWriteExt};
use tokio::sync::{Mutex, mpsc, oneshot};

/// Inputs up to this size travel in the command's own line.
pub const INLINE: usize = 32 * 1024;

/// A running `sh` that takes commands.
pub struct Shell {
    nonce: String,
    say: Mutex<Speaker>,
    group: Arc<AtomicU32>,
    dead: Arc<AtomicBool>,
}

struct Speaker {
    stdin: Box<dyn tokio::io::AsyncWrite + Send + Unpin>,
    out: mpsc::UnboundedSender<oneshot::Sender<(Vec<u8>, i32)>>,
    err: mpsc::UnboundedSender<oneshot::Sender<Vec<u8>>>,
}

impl Shell {
    /// Start one. With a user to become this waits until we are that user; without, the first command
    /// need not wait.
    pub async fn start(connection: &dyn Connection, whom: Option<&Become>) -> Result<Shell> {
        let nonce = nonce();
        let mut channel = connection.open().await?;
        begin(&mut channel, whom, &nonce, "exec sh").await?;
        let mut stdout = Scanner::new(channel.stdout);
        let mut stderr = Scanner::new(channel.stderr);
        let group = Arc::new(AtomicU32::new(0));
        if whom.is_some() {
            let pgid = ready(&mut *channel.stdin, &mut stdout, &mut stderr, whom, &nonce).await?;
            group.store(pgid, Ordering::Relaxed);
        }
        let dead = Arc::new(AtomicBool::new(false));
        let (out, out_queue) = mpsc::unbounded_channel();
        let (err, err_queue) = mpsc::unbounded_channel();
        let hello = whom.is_none().then(|| Arc::clone(&group));
        tokio::spawn(answers(stdout, nonce.clone(), out_queue, hello, Arc::clone(&dead)));
        tokio::spawn(complaints(stderr, nonce.clone(), err_queue));
        tokio::spawn(channel.exit);
        Ok(Shell { nonce, say: Mutex::new(Speaker { stdin: channel.stdin, out, err }), group, dead })
    }

    /// Whether it can take commands still.
    pub fn alive(&self) -> bool {
        !self.dead.load(Ordering::Relaxed)
    }

    /// The process group of everything it runs; 0 while unknown.
    pub fn group(&self) -> u32 {
        self.group.load(Ordering::Relaxed)
    }

    /// Whether a command fits: its input is small, and text without NUL.
    pub fn takes(command: &Command) -> bool {
        command.stdin.as_ref().is_none_or(|text| text.len() <= INLINE && !text.contains('\0'))
    }

    /// Run a command and wait for its end. An error of kind `unreachable` means that the connection was
    /// lost before the answer was complete.
    pub async fn run(&self, command: &Command) -> Result<Output> {
        let line = frame::line(command, false);
        let nonce = &self.nonce;
        let run = match &command.stdin {
            Some(text) => format!("printf %s {} | {line}", quote(text)),
            None => format!("{line} </dev/null"),
        };
        let say = format!("{run}\nprintf '\\n{nonce} %d\\n' $?; printf '\\n{nonce}\\n' >&2\n");
        let (out, out_answer) = oneshot::channel();
        let (err, err_answer) = oneshot::channel();
        {
            let mut speaker = self.say.lock().await;
            let gone = || lost(std::io::ErrorKind::BrokenPipe.into());
            speaker.out.send(out).map_err(|_| gone())?;
            speaker.err.send(err).map_err(|_| gone())?;
            speaker.stdin.write_all(say.as_bytes()).await.map_err(lost)?;
            speaker.stdin.flush().await.map_err(lost)?;
        }
        match tokio::join!(out_answer, err_answer) {
            (Ok((stdout, code)), Ok(stderr)) => Ok(Output { code, stdout, stderr, headers: None }),
            _ => {
                self.dead.store(true, Ordering::Relaxed);
                Err(Error::new(Kind::Unreachable, "the connection was lost before the command ended"))
            }
        }
    }
}

async fn answers<R: AsyncRead + Unpin>(
    mut stdout: Scanner<R>,
    nonce: String,
    mut queue: mpsc::UnboundedReceiver<oneshot::Sender<(Vec<u8>, i32)>>,
    hello: Option<Arc<AtomicU32>>,
    dead: Arc<AtomicBool>,
) {
    if let Some(group) = hello {
        // What a login shell may print first is in front of this line and is dropped with it.
        let Ok(_) = stdout.until(nonce.as_bytes()).await else { return dead.store(true, Ordering::Relaxed) };
        let Ok(line) = stdout.until(b"\n").await else { return dead.store(true, Ordering::Relaxed) };
        group.store(String::from_utf8_lossy(&line).trim().parse().unwrap_or_default(), Ordering::Relaxed);
    }
    let end = format!("\n{nonce} ");
    while let Some(answer) = queue.recv().await {
        let Ok(bytes) = stdout.until(end.as_bytes()).await else { break };
        let Ok(code) = stdout.until(b"\n").await else { break };
        let code = String::from_utf8_lossy(&code).trim().parse().unwrap_or(-1);
        let _ = answer.send((bytes, code));
    }
    dead.store(true, Ordering::Relaxed);
}

async fn complaints<R: AsyncRead + Unpin>(
    mut stderr: Scanner<R>,
    nonce: String,
    mut queue: mpsc::UnboundedReceiver<oneshot::Sender<Vec<u8>>>,
) {
    let end = format!("\n{nonce}\n");
    while let Some(answer) = queue.recv().await {
        let Ok(bytes) = stderr.until(end.as_bytes()).await else { break };
        let _ = answer.send(bytes);
    }
}
