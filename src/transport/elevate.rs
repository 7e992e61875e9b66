//! Becoming another user: sudo, su, doas. The password goes through the channel's standard input, and
//! only after the prompt that we chose ourselves has appeared, so it is on no command line, in no log,
//! and is never read by anything but the program that asked for it.

use super::scan::Scanner;
use super::{Channel, header};
use std::time::Duration;
use stdlib::contract::{Error, Kind, Result, quote};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

/// The program that makes us another user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// sudo
    #[default]
    Sudo,
    /// su
    Su,
    /// doas; only where it wants no password, because it reads one from a terminal only
    Doas,
}

impl Method {
    /// The method of that name.
    pub fn parse(name: &str) -> Result<Method> {
        match name {
            "sudo" => Ok(Method::Sudo),
            "su" => Ok(Method::Su),
            "doas" => Ok(Method::Doas),
            other => {
                Err(Error::playbook(format!("unknown become method `{other}`")).hint("it is one of sudo, su, doas"))
            }
        }
    }
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Method::Sudo => "sudo",
            Method::Su => "su",
            Method::Doas => "doas",
        }
    }
}

/// Whom to become, and how.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Become {
    /// The user to become.
    pub user: String,
    /// The program.
    pub method: Method,
    /// The password it may ask for.
    pub password: Option<String>,
}

/// The longest that a host may think about a password; PAM delays wrong ones by some seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// The script that becomes the user and then `then`, a script in single quotes' reach of nobody. It
/// prints `READY nonce PGID` first.
pub fn script(whom: Option<&Become>, nonce: &str, then: &str) -> String {
    let ready = format!("read -r a b c d e f </proc/$$/stat; echo \"{nonce} $e\"; export LC_ALL=C.UTF-8; {then}");
    let Some(Become { user, method, .. }) = whom else { return ready };
    // The login's directory may be closed to the user.
    let inner = quote(&format!("cd 2>/dev/null || cd /; {ready}"));
    let quoted = quote(user);
    let already = format!("if [ \"$(id -un)\" = {quoted} ]; then {ready}; fi");
    let elevate = match method {
        Method::Sudo => format!("exec sudo -S -p {nonce} -u {quoted} -- sh -c {inner}"),
        Method::Su => format!("exec su -s /bin/sh {quoted} -c {inner}"),
        Method::Doas => format!("exec doas -n -u {quoted} sh -c {inner}"),
    };
    format!("{already}\n{elevate}")
}

/// Say the script to a channel.
pub async fn begin(channel: &mut Channel, whom: Option<&Become>, nonce: &str, then: &str) -> Result<()> {
    channel.stdin.write_all(&header(&script(whom, nonce, then))).await.map_err(lost)?;
    channel.stdin.flush().await.map_err(lost)
}

/// Wait for `READY`, answering the prompt on the way. Returns the process group of what runs then.
pub async fn ready<O, E>(
    stdin: &mut (dyn AsyncWrite + Send + Unpin),
    stdout: &mut Scanner<O>,
    stderr: &mut Scanner<E>,
    whom: Option<&Become>,
    nonce: &str,
) -> Result<u32>
where
    O: AsyncRead + Unpin,
    E: AsyncRead + Unpin,
{
    let answer = tokio::time::timeout(PATIENCE, wait(stdin, stdout, stderr, whom, nonce));
    let late = || Error::new(Kind::Timeout, format!("no shell on the host after {} s", PATIENCE.as_secs()));
    let group = answer.await.map_err(|_| late())??;
    if whom.is_some() {
        stderr.ahead().clear(); // the prompt is not part of what the command says
    }
    Ok(group)
}

async fn wait<O, E>(
    stdin: &mut (dyn AsyncWrite + Send + Unpin),
    stdout: &mut Scanner<O>,
    stderr: &mut Scanner<E>,
    whom: Option<&Become>,
    nonce: &str,
) -> Result<u32>
where
    O: AsyncRead + Unpin,
    E: AsyncRead + Unpin,
{
    let mut asked = 0;
    let mut open = true;
    loop {
        tokio::select! {
            biased;
            line = stdout.until(b"\n") => {
                let Ok(line) = line else {
                    while open && stderr.fill().await.is_ok_and(|n| n > 0) {}
                    let said = String::from_utf8_lossy(stderr.ahead()).replace(nonce, "").trim().to_owned();
                    return Err(refused(whom, &said, asked));
                };
                if let Some(group) = String::from_utf8_lossy(&line).strip_prefix(nonce) {
                    return Ok(group.trim().parse().unwrap_or_default());
                }
            }
            more = stderr.fill(), if open => {
                open = more.is_ok_and(|n| n > 0);
                let Some(whom) = whom else { continue };
                if prompts(stderr.ahead(), whom.method, nonce) <= asked {
                    continue;
                }
                asked += 1;
                match &whom.password {
                    Some(password) if asked == 1 => {
                        stdin.write_all(format!("{password}\n").as_bytes()).await.map_err(lost)?;
                        stdin.flush().await.map_err(lost)?;
                    }
                    Some(_) => return Err(refused(Some(whom), "wrong password", asked)),
                    None => return Err(refused(Some(whom), "a password is required", asked)),
                }
            }
        }
    }
}

fn prompts(said: &[u8], method: Method, nonce: &str) -> usize {
    match method {
        Method::Sudo => memchr::memmem::find_iter(said, nonce).count(),
        Method::Su => String::from_utf8_lossy(said).to_lowercase().matches("assword:").count(),
        Method::Doas => 0,
    }
}

fn refused(whom: Option<&Become>, said: &str, asked: usize) -> Error {
    let Some(whom) = whom else {
        let said = if said.is_empty() { "the connection was closed" } else { said };
        return Error::new(Kind::Unreachable, format!("no shell on the host: {said}"))
            .hint("the login shell of the user must be able to run `sh`");
    };
    let (method, user) = (whom.method.name(), &whom.user);
    let give = "give it with -K, with HLRUN_BECOME_PASSWORD_FILE, or as ansible_become_password for the host";
    let lower = said.to_lowercase();
    if lower.contains("wrong password")
        || lower.contains("incorrect password")
        || lower.contains("authentication failure")
    {
        return Error::host(format!("{method} refused the password for becoming {user}")).hint(give);
    }
    if lower.contains("password is required") || lower.contains("authorization required") {
        return Error::host(format!("{method} wants a password to become {user}, and none was given")).hint(give);
    }
    if lower.contains("not in the sudoers") || lower.contains("not allowed") || lower.contains("not permitted") {
        return Error::host(format!("the user may not become {user} with {method}: {said}"))
            .hint("allow it in /etc/sudoers.d on the host, or connect as another user (-u)");
    }
    if lower.contains("not found") {
        return Error::host(format!("{method} is not installed on the host"))
            .hint("install it, choose another with become_method (sudo, su, doas), or connect as that user");
    }
    let asked = if asked > 0 { " after the password" } else { "" };
    Error::host(format!("{method} to {user} failed{asked}: {said}"))
}

pub(super) fn lost(error: std::io::Error) -> Error {
    Error::new(Kind::Unreachable, format!("the connection was lost: {error}"))
        .hint("run it again when the host is back; what was finished is not done twice")
}
