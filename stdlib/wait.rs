//! Waiting until something holds: a port, a file, the connection.
//!
//! The host itself looks again and again, so waiting costs no round trips, and a time-out says what was seen last.
//! In check mode nothing is waited for. For an answer over HTTP or any other condition there is
//! `within(#{ retries, delay, until: |r| ... }, || ...)`.

use crate::bail;
use crate::contract::{Action, Await, Command, Error, Look, Module, Output, Result, Step};
use crate::shared::{HostPath, Span};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.action::<Port>().action::<Path>().action::<Connection>();
}

fn patience() -> Span {
    Span(Duration::from_secs(300))
}

fn second() -> Span {
    Span(Duration::from_secs(1))
}

/// The loop around a question `ask`, which sets `seen` to what it saw: `TIMEOUT DELAY INTERVAL ...`. The clock is
/// that since the machine started, which nobody sets.
const LOOP: &str = r#"
left=$1 pause=$3
now() { read -r t _ </proc/uptime && echo "${t%.*}"; }
[ "$2" = 0 ] || sleep "$2"
began=$(now)
shift 3
seen= told=
until ask "$@"; do
  [ "$seen" = "$told" ] || { echo "$seen"; told=$seen; }
  [ $(($(now) - began)) -lt "$left" ] || { echo "after $left s $seen" >&2; exit 124; }
  sleep "$pause"
done
"#;

/// A local port is looked up in the kernel's tables, which takes no connection; any other is connected to.
const PORT: &str = r#"
table() { cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v port="$1" -v states="$2" '
  { n = split($2, at, ":"); if (at[n] == port && index(states, $4)) found = 1 } END { exit !found }'; }
connect() {
  if command -v bash >/dev/null; then
    timeout 8 bash -c 'exec 3<>"/dev/tcp/$0/$1" || exit; [ -z "$2" ] || timeout 2 cat <&3; exit 0' "$@" </dev/null 2>/dev/null
  elif command -v nc >/dev/null; then nc -w 3 "$1" "$2" </dev/null 2>/dev/null
  else echo "to connect from this host, bash or nc must be there" >&2; return 69; fi
}
ask() {
  host=$1 port=$2 hex=$3 state=$4 regex=$5
  case $host:$regex in
    localhost: | 127.*: | ::1:) here=yes ;;
    *) here= ;;
  esac
  if [ "$state" = drained ]; then
    if table "$hex" '01 04 05 08 09 0B'; then seen="port $port has connections still"; return 1; fi
    return 0
  fi
  if [ -n "$here" ]; then if table "$hex" 0A; then open=yes; else open=; fi
  else
    open=yes
    banner=$(connect "$host" "$port" "$regex") || { [ $? != 69 ] || exit 69; open=; }
  fi
  if [ -z "$open" ]; then seen="port $port of $host is closed"; [ "$state" = stopped ]; return; fi
  if [ "$state" = stopped ]; then seen="port $port of $host is open still"; return 1; fi
  [ -z "$regex" ] || printf '%s\n' "$banner" | grep -Eq -- "$regex" || {
    seen="port $port of $host says $(printf '%s' "$banner" | head -n 1 | cut -c1-100)"; return 1; }
}
"#;

const PATH: &str = r#"
ask() {
  path=$1 state=$2 regex=$3
  if [ ! -e "$path" ] && [ ! -L "$path" ]; then seen="$path does not exist"; [ "$state" = absent ]; return; fi
  if [ "$state" = absent ]; then seen="$path exists still"; return 1; fi
  [ -z "$regex" ] || grep -Eq -- "$regex" "$path" || { seen="$path has no line that matches $regex"; return 1; }
}
"#;

fn poll(ask: &str, times: [Span; 3]) -> Command {
    let [timeout, delay, interval] = times.map(|span| span.0);
    // The loop ends itself; this ends what hangs in it.
    let limit = delay + timeout + Duration::from_secs(30);
    let times = [timeout.as_secs().to_string(), delay.as_secs_f64().to_string(), interval.as_secs_f64().to_string()];
    let command = Command::new("sh").args(["-s", "--"]).args(times).stdin(format!("{ask}{LOOP}"));
    command.timeout(Some(limit)).long()
}

/// The error of a wait that was in vain, in words about what was waited for.
fn in_vain(error: Error, subject: &str) -> Error {
    match error.rc {
        Some(124) => {
            let mut late = Error::new(crate::contract::Kind::Timeout, error.message.clone());
            late.rc = error.rc;
            late.hint(format!("is what should change {subject} at work? `timeout` gives it more time"))
        }
        _ => error,
    }
}

/// What a port should become.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PortState {
    /// Something listens.
    #[default]
    Started,
    /// Nothing listens.
    Stopped,
    /// Nobody is connected to it any more.
    Drained,
}

/// Wait until a port is open, closed, or without connections, as the host sees it.
///
/// A port of the host itself is looked up in the kernel's tables; another machine's is connected to, with bash or
/// nc of the host.
///
/// ```rhai
/// wait::port(8096, #{ timeout: "2m" });
/// ```
/// ```transcript
/// ! sh -s -- 120 0 1 localhost 8096 1FA0 started ''
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// The TCP port.
    pub port: u16,
    /// The machine; the host itself without it.
    #[serde(default = "localhost")]
    pub host: String,
    /// `"started"` (open), `"stopped"` (closed), or `"drained"` (no connections left).
    #[serde(default)]
    pub state: PortState,
    /// What the port must say by itself when it is connected to, as an extended regular expression (`grep -E`).
    pub search_regex: Option<String>,
    /// The longest to wait.
    #[serde(default = "patience")]
    pub timeout: Span,
    /// How long to wait before the first look.
    #[serde(default = "nothing")]
    pub delay: Span,
    /// How long to wait between two looks.
    #[serde(default = "second")]
    pub interval: Span,
}

fn localhost() -> String {
    "localhost".to_owned()
}

fn nothing() -> Span {
    Span(Duration::ZERO)
}

impl Action for Port {
    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        if self.search_regex.is_some() && self.state != PortState::Started {
            bail!(playbook: "`search_regex` is for a port that is open, not for this `state`");
        }
        Ok(())
    }
    fn steps(&self) -> Result<Vec<Step>> {
        let state = match self.state {
            PortState::Started => "started",
            PortState::Stopped => "stopped",
            PortState::Drained => "drained",
        };
        let regex = self.search_regex.clone().unwrap_or_default();
        let (port, hex) = (self.port.to_string(), format!("{:04X}", self.port));
        let command = poll(PORT, [self.timeout, self.delay, self.interval]);
        Ok(command.args([self.host.clone(), port, hex, state.to_owned(), regex]).into())
    }
    fn changed(&self, _output: &Output) -> bool {
        false
    }
    fn explain(&self, error: Error) -> Error {
        in_vain(error, &format!("port {}", self.port))
    }
}

/// What a path should become.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PathState {
    /// It exists.
    #[default]
    Present,
    /// It does not.
    Absent,
}

/// Wait until a file exists, contains something, or is gone.
///
/// ```rhai
/// wait::path("/run/app.sock", #{ timeout: "30s" });
/// ```
/// ```transcript
/// ! sh -s -- 30 0 1 /run/app.sock present ''
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Path {
    /// The path on the host.
    pub path: HostPath,
    /// `"present"` or `"absent"`.
    #[serde(default)]
    pub state: PathState,
    /// A line that the file must have, as an extended regular expression (`grep -E`).
    pub search_regex: Option<String>,
    /// The longest to wait.
    #[serde(default = "patience")]
    pub timeout: Span,
    /// How long to wait before the first look.
    #[serde(default = "nothing")]
    pub delay: Span,
    /// How long to wait between two looks.
    #[serde(default = "second")]
    pub interval: Span,
}

impl Action for Path {
    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        if self.search_regex.is_some() && self.state == PathState::Absent {
            bail!(playbook: "`search_regex` is for a file that exists, not for `state: \"absent\"`");
        }
        Ok(())
    }
    fn steps(&self) -> Result<Vec<Step>> {
        let state = if self.state == PathState::Present { "present" } else { "absent" };
        let regex = self.search_regex.clone().unwrap_or_default();
        let command = poll(PATH, [self.timeout, self.delay, self.interval]);
        Ok(command.args([self.path.to_string(), state.to_owned(), regex]).into())
    }
    fn changed(&self, _output: &Output) -> bool {
        false
    }
    fn explain(&self, error: Error) -> Error {
        in_vain(error, &self.path)
    }
}

/// Wait until the host can be logged in to, over a fresh connection.
///
/// A host that is about to go down answers still: `sleep("10s")` first, or `system::rebooted`, which has proof.
///
/// ```rhai
/// wait::connection(#{ timeout: "5m" });
/// ```
/// ```transcript
/// ! await within=300s true
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// The longest to wait.
    #[serde(default = "longest")]
    pub timeout: Span,
}

fn longest() -> Span {
    Span(Duration::from_secs(600))
}

impl Action for Connection {
    fn steps(&self) -> Result<Vec<Step>> {
        let after = "the first try".to_owned();
        Ok(vec![Await { after, until: Command::new("true"), timeout: self.timeout.0 }.into()])
    }
    fn changed(&self, _output: &Output) -> bool {
        false
    }
}
