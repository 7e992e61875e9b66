//! The line to one host, for a whole run: one connection, a shell per user, and what is lost with them.

use crate::transport::{
    Become, Connection, Engine, Keep, Local, Shell, Ssh, Stream, Target, Trouble, dial, download, fetch, http,
    http_download, live, upload, write,
};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use stdlib::contract::{Await, Command, Dial, Error, Kind, Output, Request, Result, Step, docker, refusal};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Where a host is.
#[derive(Debug, Clone)]
pub enum Place {
    /// This machine.
    Local,
    /// Over ssh.
    Ssh(Target),
}

/// How a command is run.
#[derive(Clone, Default)]
pub struct Manner {
    /// Whom to become for it.
    pub whom: Option<Become>,
    /// The longest it may take.
    pub timeout: Option<Duration>,
}

/// The line to one host.
pub struct Link {
    place: Place,
    runtime: PathBuf,
    watch: std::sync::Mutex<Watch>,
    connection: Mutex<Option<Arc<dyn Connection>>>,
    shells: Mutex<HashMap<Option<Become>, Arc<Shell>>>,
    engines: Mutex<Engines>,
}

/// Lines to engines, by who we are there and by their sockets.
type Engines = HashMap<(Option<Become>, String), Arc<Engine>>;

/// Who watches over a line: the run that uses it.
#[derive(Clone)]
pub struct Watch {
    /// Stops what is under way.
    pub cancel: CancellationToken,
    /// Is told how long connecting took.
    pub connected: Arc<dyn Fn(Duration) + Send + Sync>,
}

impl Link {
    /// A line that connects when it is first used.
    pub fn new(place: Place, runtime: PathBuf, watch: Watch) -> Link {
        let watch = std::sync::Mutex::new(watch);
        let (connection, shells, engines) = (Mutex::default(), Mutex::default(), Mutex::default());
        Link { place, runtime, watch, connection, shells, engines }
    }

    /// Another run uses the line from now on.
    pub fn hand_over(&self, watch: Watch) {
        *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = watch;
    }

    fn watch(&self) -> Watch {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn cancel(&self) -> CancellationToken {
        self.watch().cancel
    }

    /// Who we are on the host, if that is known without asking.
    pub fn user(&self) -> Option<&String> {
        match &self.place {
            Place::Local => None,
            Place::Ssh(target) => target.user.as_ref(),
        }
    }

    /// Run a command that only reads. A connection lost on the way is made again, once.
    pub async fn read(&self, command: &Command, manner: &Manner) -> Result<Output> {
        match self.run(command, manner, &|_, _| {}).await {
            Err(error) if error.kind == Kind::Unreachable && self.forget().await => {
                tracing::debug!("connection lost during a read; connecting again");
                self.run(command, manner, &|_, _| {}).await
            }
            answer => answer,
        }
    }

    /// Make a request that only reads. A connection lost on the way is made again, once.
    pub async fn request(&self, request: &Request, manner: &Manner) -> Result<Output> {
        self.freshen().await;
        let connection = self.connection().await?;
        self.bounded(http(&*connection, request), manner, &AtomicU32::new(0)).await
    }

    /// Ask something over TCP. A connection lost on the way is made again, once.
    pub async fn dial(&self, question: &Dial, manner: &Manner) -> Result<Output> {
        self.freshen().await;
        let connection = self.connection().await?;
        self.bounded(dial(&*connection, question), manner, &AtomicU32::new(0)).await
    }

    /// Ask the host's Docker engine. A connection lost on the way is made again, once, and so is the line to an
    /// engine that went away.
    pub async fn ask_docker(&self, call: &docker::Call, manner: &Manner) -> Result<Output> {
        match self.docker(call, manner, &|_, _| {}).await {
            Err(Trouble::Silent(why)) => {
                tracing::debug!("docker went away during a question ({why}); asking again");
                self.docker(call, manner, &|_, _| {}).await
            }
            Err(Trouble::Ours(error)) if error.kind == Kind::Unreachable && self.forget().await => {
                self.docker(call, manner, &|_, _| {}).await
            }
            answer => answer,
        }
        .map_err(|trouble| trouble.told(call.socket()))
    }

    async fn docker(
        &self,
        call: &docker::Call,
        manner: &Manner,
        sink: &(dyn Fn(Stream, &[u8]) + Send + Sync),
    ) -> std::result::Result<Output, Trouble> {
        let key = (manner.whom.clone(), call.socket().to_owned());
        let work = async {
            let connection = self.connection().await.map_err(Trouble::Ours)?;
            let mut engines = self.engines.lock().await;
            let engine = match engines.get(&key) {
                Some(engine) => Arc::clone(engine),
                None => {
                    let engine = Engine::open(&connection, key.0.as_ref(), &key.1).await.map_err(Trouble::Ours)?;
                    let engine = Arc::new(engine);
                    engines.insert(key.clone(), Arc::clone(&engine));
                    engine
                }
            };
            drop(engines);
            let answer = engine.call(call, sink).await;
            if let Err(Trouble::Silent(_)) = &answer {
                self.engines.lock().await.remove(&key);
                if !connection.alive().await {
                    return Err(Trouble::Ours(lost()));
                }
            }
            answer
        };
        // What waits has a limit of its own.
        let limit = call.patience().map(|own| own + ANSWER).or(manner.timeout).unwrap_or(Duration::MAX);
        let cancel = self.cancel();
        tokio::select! {
            answer = work => answer,
            () = tokio::time::sleep(limit.min(FOREVER)) => Err(Trouble::Ours(late(limit))),
            () = cancel.cancelled() => Err(Trouble::Ours(interrupted())),
        }
    }

    /// Carry out a step. Never tried twice: what was lost on the way may have been done.
    pub async fn change(
        &self,
        step: &Step,
        manner: &Manner,
        sink: &(dyn Fn(Stream, &[u8]) + Send + Sync),
    ) -> Result<Output> {
        let parting = matches!(step, Step::Run(command) if command.may_disconnect);
        if parting && matches!(self.place, Place::Local) {
            return Err(Error::playbook("this is the machine that hlrun runs on: its reboot would end the run")
                .hint("run hlrun on another machine for it, or leave it out: play(name, \"all:!thishost\", ...)"));
        }
        if !matches!(step, Step::Await(_)) {
            self.freshen().await;
            // A connection that cannot be made is one thing, a change that was lost on the way another.
            self.connection().await?;
        }
        let whom = manner.whom.as_ref();
        let group = AtomicU32::new(0);
        let done = match step {
            Step::Run(command) => self.run(command, manner, sink).await,
            Step::Write(file) => {
                let shell = self.shell(whom).await?;
                let connection = self.connection().await?;
                self.bounded(write(&shell, &*connection, whom, file, &group), manner, &group).await
            }
            Step::Upload(files) => {
                let shell = self.shell(whom).await?;
                let connection = self.connection().await?;
                self.bounded(upload(&shell, &*connection, whom, files, &group), manner, &group).await
            }
            Step::Http(request) => {
                let connection = self.connection().await?;
                self.bounded(http(&*connection, request), manner, &group).await
            }
            Step::Download(file) => {
                let connection = self.connection().await?;
                self.bounded(http_download(&*connection, whom, file, &group), manner, &group).await
            }
            Step::Fetch(file) if file.files.is_empty() => {
                let connection = self.connection().await?;
                self.bounded(fetch(&*connection, whom, file, &group), manner, &group).await
            }
            Step::Fetch(files) => {
                let connection = self.connection().await?;
                self.bounded(download(&*connection, whom, files, &group), manner, &group).await
            }
            Step::Send(_) => return Err(Error::bug("a message goes from the controller, by no host's line")),
            Step::Docker(call) => self.docker(call, manner, sink).await.map_err(|trouble| unfinished(trouble, call)),
            Step::Await(wait) => return self.wait_for(wait, manner, sink).await,
        };
        done.or_else(|error| match error.kind {
            Kind::Unreachable | Kind::Timeout if parting => Ok(Output::default()),
            _ => Err(error),
        })
        .map_err(|error| match error.kind {
            Kind::Unreachable => {
                let message = format!("{}; it is not known whether this was finished: {}", error.message, step.line());
                let mut error = error;
                error.message = message;
                error
            }
            _ => error,
        })
    }

    /// Ask something beside what is under way, on a channel of its own, and not for long.
    pub async fn aside(&self, command: &Command, whom: Option<&Become>) -> Result<Output> {
        let answer = async {
            let connection = self.connection().await?;
            live(&*connection, whom, command, None, &|_, _| {}, Keep::All, &AtomicU32::new(0)).await
        };
        tokio::time::timeout(ANSWER, answer).await.map_err(|_| late(ANSWER))?
    }

    /// Whether the host is this machine.
    pub fn is_local(&self) -> bool {
        matches!(self.place, Place::Local)
    }

    async fn run(
        &self,
        command: &Command,
        manner: &Manner,
        sink: &(dyn Fn(Stream, &[u8]) + Send + Sync),
    ) -> Result<Output> {
        let manner = Manner { timeout: command.timeout.or(manner.timeout), ..manner.clone() };
        let whom = manner.whom.as_ref();
        if command.long || !Shell::takes(command) {
            let group = AtomicU32::new(0);
            let connection = self.connection().await?;
            return self
                .bounded(live(&*connection, whom, command, None, sink, Keep::All, &group), &manner, &group)
                .await;
        }
        let shell = self.shell(whom).await?;
        let limit = manner.timeout.unwrap_or(Duration::MAX);
        let cancel = self.cancel();
        tokio::select! {
            answer = shell.run(command) => answer,
            () = tokio::time::sleep(limit.min(FOREVER)) => {
                self.shells.lock().await.remove(&manner.whom);
                self.end(shell.group(), whom).await;
                Err(late(limit))
            }
            () = cancel.cancelled() => {
                self.shells.lock().await.remove(&manner.whom);
                self.end(shell.group(), whom).await;
                Err(interrupted())
            }
        }
    }

    /// Ask over fresh connections, once a second, until the answer is yes or the time is over. `sink` hears what
    /// it waits for, whenever that changes.
    async fn wait_for(
        &self,
        wait: &Await,
        manner: &Manner,
        sink: &(dyn Fn(Stream, &[u8]) + Send + Sync),
    ) -> Result<Output> {
        let began = Instant::now();
        let mut told = String::new();
        loop {
            let left = wait.timeout.saturating_sub(began.elapsed()).max(Duration::from_secs(1));
            let manner = Manner { timeout: Some(left.min(ANSWER)), ..manner.clone() };
            let attempt = async {
                self.renew().await;
                self.run(&wait.until, &manner, &|_, _| {}).await
            };
            let asked = tokio::time::timeout(ATTEMPT.min(left + Duration::from_secs(1)), attempt).await;
            let asked = asked.unwrap_or_else(|_| Err(Error::new(Kind::Unreachable, "it does not answer")));
            let why = match &asked {
                Ok(output) if wait.until.accepts(output.code) => return asked,
                Ok(output) => refusal(&wait.until, output).message.clone(),
                Err(error) if error.kind == Kind::Interrupted => return asked,
                Err(error) => error.message.clone(),
            };
            if began.elapsed() >= wait.timeout {
                let gone = |error: Error| {
                    let within = format!("unreachable {} s after {}", wait.timeout.as_secs(), wait.after);
                    Error::new(Kind::Unreachable, format!("{within}: {}", error.message)).hint(
                        "look at its console; when it is back, run this again: what was finished is not done twice",
                    )
                };
                return asked.map_err(gone);
            }
            if why != told {
                sink(Stream::Stderr, format!("waiting after {}: {why}\n", wait.after).as_bytes());
                told = why;
            }
            let cancel = self.cancel();
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                () = cancel.cancelled() => return Err(interrupted()),
            }
        }
    }

    /// Something with a channel of its own, within its time, ended when it must end.
    async fn bounded(
        &self,
        work: impl Future<Output = Result<Output>>,
        manner: &Manner,
        group: &AtomicU32,
    ) -> Result<Output> {
        let limit = manner.timeout.unwrap_or(Duration::MAX);
        let cancel = self.cancel();
        tokio::select! {
            done = work => done,
            () = tokio::time::sleep(limit.min(FOREVER)) => {
                self.end(group.load(Ordering::Relaxed), manner.whom.as_ref()).await;
                Err(late(limit))
            }
            () = cancel.cancelled() => {
                self.end(group.load(Ordering::Relaxed), manner.whom.as_ref()).await;
                Err(interrupted())
            }
        }
    }

    /// End a process group on the host: asked first, then made to. Waits for a moment only: a host that
    /// hangs must not hold us.
    async fn end(&self, group: u32, whom: Option<&Become>) {
        if group <= 1 {
            return;
        }
        let Ok(connection) = self.connection().await else { return };
        // dash wants `--` before a group, busybox refuses it.
        let script = r#"to() { kill -s "$1" -- "-$2" 2>/dev/null || kill -s "$1" "-$2" 2>/dev/null; }
to TERM "$1" || exit 0
for i in 1 2 3 4 5 6 7; do to 0 "$1" || exit 0; sleep 0.1 2>/dev/null || sleep 1; done
to KILL "$1""#;
        let command = Command::sh(script).arg(group.to_string());
        let unwatched = AtomicU32::new(0);
        let ending = live(&*connection, whom, &command, None, &|_, _| {}, Keep::Nothing, &unwatched);
        let _ = tokio::time::timeout(Duration::from_secs(2), ending).await;
    }

    async fn shell(&self, whom: Option<&Become>) -> Result<Arc<Shell>> {
        let whom = whom.cloned();
        if let Some(shell) = self.shells.lock().await.get(&whom).filter(|s| s.alive()) {
            return Ok(Arc::clone(shell));
        }
        let connection = self.connection().await?;
        let mut shells = self.shells.lock().await;
        if let Some(shell) = shells.get(&whom).filter(|s| s.alive()) {
            return Ok(Arc::clone(shell));
        }
        let start = Shell::start(&*connection, whom.as_ref());
        let cancel = self.cancel();
        let shell = tokio::select! {
            shell = start => Arc::new(shell?),
            () = cancel.cancelled() => return Err(interrupted()),
        };
        shells.insert(whom, Arc::clone(&shell));
        Ok(shell)
    }

    async fn connection(&self) -> Result<Arc<dyn Connection>> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = &*slot {
            return Ok(Arc::clone(connection));
        }
        let began = Instant::now();
        let cancel = self.cancel();
        let connection: Arc<dyn Connection> = match &self.place {
            Place::Local => Arc::new(Local),
            Place::Ssh(target) => tokio::select! {
                made = Ssh::connect(target, &self.runtime) => Arc::new(made?),
                () = cancel.cancelled() => return Err(interrupted()),
            },
        };
        (self.watch().connected)(began.elapsed());
        *slot = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// Nothing of the connection is of use any more.
    async fn clear(&self) {
        self.shells.lock().await.clear();
        self.engines.lock().await.clear();
    }

    /// Give the connection up, so that the next one is fresh: a warm one may be that of a machine that is gone.
    async fn renew(&self) {
        self.clear().await;
        if let Some(connection) = self.connection.lock().await.take() {
            connection.close().await;
        }
    }

    /// Forget a connection that is dead; whether there was one.
    async fn forget(&self) -> bool {
        self.clear().await;
        self.connection.lock().await.take().is_some()
    }

    /// Before a change: replace what is known to be dead, so that only a loss during it is a loss.
    async fn freshen(&self) {
        let dead = self.shells.lock().await.values().any(|shell| !shell.alive());
        if dead && let Some(connection) = self.connection.lock().await.clone() {
            self.shells.lock().await.retain(|_, shell| shell.alive());
            if !connection.alive().await {
                self.forget().await;
            }
        }
    }
}

/// The longest that a question may take beside what is under way, or while waiting.
const ANSWER: Duration = Duration::from_secs(10);

/// The longest that one try of a wait may take, login and all: a machine that goes down in the middle of it says nothing
/// any more, and the next try may find it back.
const ATTEMPT: Duration = Duration::from_secs(60);

/// The longest time that a timer takes.
const FOREVER: Duration = Duration::from_secs(365 * 86_400);

fn late(limit: Duration) -> Error {
    Error::new(Kind::Timeout, format!("it took longer than {} and was ended", human(limit)))
        .hint("give it more time with within(#{ timeout: \"10m\" }, || ...)")
}

fn lost() -> Error {
    Error::new(Kind::Unreachable, "the connection was lost while docker was asked")
        .hint("run it again when the host is back; what was finished is not done twice")
}

/// The error of a call that the engine did not answer to the end.
fn unfinished(trouble: Trouble, call: &docker::Call) -> Error {
    match trouble {
        Trouble::Silent(why) => {
            let message =
                format!("docker went away ({why}); it is not known whether this was finished: {}", call.line());
            Error::host(message).hint(
                "was it restarted? `systemctl status docker` on the host; then run this again: what was finished \
                       is not done twice",
            )
        }
        other => other.told(call.socket()),
    }
}

/// The error of everything that an interruption stops.
pub fn interrupted() -> Error {
    Error::new(Kind::Interrupted, "interrupted before it was done")
}

/// A span of time as people say it.
pub fn human(span: Duration) -> String {
    match span.as_secs() {
        0 => format!("{} ms", span.as_millis()),
        s @ 1..120 => format!("{s} s"),
        s @ 120..7200 => format!("{} min", s / 60),
        s => format!("{} h", s / 3600),
    }
}

/// A command with the scope's environment and directory, where it has none of its own.
pub fn scoped(command: &Command, env: &[(String, String)], cwd: Option<&str>) -> Command {
    let mut command = command.clone();
    for (name, value) in env {
        command.env.entry(name.clone()).or_insert_with(|| value.clone());
    }
    if command.cwd.is_none() {
        command.cwd = cwd.map(str::to_owned);
    }
    command
}
