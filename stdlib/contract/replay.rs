//! A host that answers from a transcript: the same text is documentation, golden test and log.
//!
//! ```text
//! ? zfs list -H -t snapshot -o name tank/media     a read, as an operator would type it
//! = tank/media@old                                 a line it printed
//! - cannot open 'tank/media'                       a line it printed to standard error; a header of an HTTP answer
//! * 1                                              the code it exited with, if not 0; the status of an HTTP answer
//! ! zfs snapshot tank/media@nightly                a change
//! + content                                        a line of the file that a `! write` puts there, a file that
//!                                                  an `! upload` or `! fetch` carries, a setting of what a
//!                                                  `! docker ... create` makes
//! ```
//! Reads between two changes may come in any order and more than once. A text that does not end in a
//! newline ends with a line `\`.

use super::{Asset, Command, Content, Dial, Error, Host, Look, Output, Request, Result, Source, Step, docker};
use async_trait::async_trait;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

/// One exchange with a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exchange {
    /// A read and its answer.
    Read(String, Output),
    /// A change, the lines it writes, and its answer.
    Change(String, Vec<String>, Output),
}

/// A transcript as data.
pub fn parse(transcript: &str) -> Result<Vec<Exchange>> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for (number, line) in transcript.lines().enumerate() {
        let wrong = |what: &str| Error::bug(format!("transcript line {}: {what}: {line}", number + 1));
        let (mark, rest) = match line.split_at_checked(1) {
            Some((mark, rest)) => (mark, rest.strip_prefix(' ').unwrap_or(rest)),
            None => continue,
        };
        match mark {
            "?" => exchanges.push(Exchange::Read(rest.to_owned(), Output::default())),
            "!" => exchanges.push(Exchange::Change(rest.to_owned(), Vec::new(), Output::default())),
            _ => match exchanges.last_mut().ok_or_else(|| wrong("an answer without a question"))? {
                Exchange::Change(_, written, _) if mark == "+" => written.push(rest.to_owned()),
                Exchange::Read(asked, output) | Exchange::Change(asked, _, output) => match mark {
                    "=" => output.stdout.extend(format!("{rest}\n").bytes()),
                    "-" if asked.starts_with("http ") => {
                        let (name, value) = rest.split_once(": ").ok_or_else(|| wrong("no header"))?;
                        output.headers.get_or_insert_default().insert(name.to_owned(), value.to_owned());
                    }
                    "-" => output.stderr.extend(format!("{rest}\n").bytes()),
                    "*" => output.code = rest.parse().map_err(|_| wrong("no exit code"))?,
                    "\\" => drop(output.stdout.pop()),
                    _ => return Err(wrong("a line starts with one of ? ! = - + * \\")),
                },
            },
        }
    }
    Ok(exchanges)
}

/// A transcript as text.
pub fn print(exchanges: &[Exchange]) -> String {
    let mut text = String::new();
    let mut lines = |mark: &str, bytes: &[u8]| {
        for line in String::from_utf8_lossy(bytes).lines() {
            text += format!("{mark} {line}").trim_end();
            text.push('\n');
        }
    };
    for exchange in exchanges {
        let output = match exchange {
            Exchange::Read(asked, output) => {
                lines("?", asked.as_bytes());
                output
            }
            Exchange::Change(made, written, output) => {
                lines("!", made.as_bytes());
                lines("+", written.join("\n").as_bytes());
                output
            }
        };
        lines("=", &output.stdout);
        if !output.stdout.is_empty() && !output.stdout.ends_with(b"\n") {
            lines("\\", b"\n");
        }
        lines("-", &output.stderr);
        for (name, value) in output.headers.iter().flatten() {
            lines("-", format!("{name}: {value}").as_bytes());
        }
        if output.code != 0 {
            lines("*", output.code.to_string().as_bytes());
        }
    }
    text
}

/// The lines of the file that a step writes, as a transcript shows them after `+ `.
pub fn written(step: &Step) -> Vec<String> {
    match step {
        Step::Write(write) if write.sensitive => vec!["(content withheld)".to_owned()],
        Step::Write(write) => match &write.source {
            Source::Text(text) => text.lines().map(str::to_owned).collect(),
            Source::Bytes(bytes) => vec![format!("({} bytes)", bytes.len())],
            Source::Asset(_) | Source::Kept(_) => Vec::new(),
        },
        Step::Upload(upload) => upload.files.iter().map(|(below, mode)| format!("{mode} {below}")).collect(),
        Step::Fetch(fetch) => fetch.files.clone(),
        Step::Send(delivery) => delivery.lines(),
        Step::Docker(call) => call.written(),
        Step::Run(_) | Step::Http(_) | Step::Download(_) | Step::Await(_) => Vec::new(),
    }
}

/// A host made of a transcript. It knows only what the transcript says, and notes what it was asked.
pub struct Replay {
    script: Vec<Exchange>,
    heard: Mutex<Vec<Exchange>>,
    /// Which change of the script comes next.
    next: Mutex<usize>,
}

impl Replay {
    /// A host that answers as the transcript says.
    pub fn new(transcript: &str) -> Result<Replay> {
        Ok(Replay { script: parse(transcript)?, heard: Mutex::default(), next: Mutex::new(0) })
    }
    /// The same host after all its changes: the state that the transcript ends in.
    pub fn finished(transcript: &str) -> Result<Replay> {
        let replay = Replay::new(transcript)?;
        let last = replay.script.iter().rposition(|e| matches!(e, Exchange::Change(..)));
        *lock(&replay.next) = last.map_or(0, |i| i + 1);
        Ok(replay)
    }
    /// What was asked and changed, in order, a repeated read once between two changes.
    pub fn heard(&self) -> Vec<Exchange> {
        lock(&self.heard).clone()
    }
    /// The changes that the transcript tells of and that were not made.
    pub fn unmade(&self) -> Vec<String> {
        let rest = self.script.iter().skip(*lock(&self.next));
        rest.filter_map(|e| if let Exchange::Change(made, ..) = e { Some(made.clone()) } else { None }).collect()
    }
    fn read(&self, asked: &str) -> Result<Output> {
        let next = *lock(&self.next);
        let phase = self.script.iter().skip(next).take_while(|e| matches!(e, Exchange::Read(..)));
        let answer = phase.filter_map(|e| if let Exchange::Read(a, o) = e { Some((a, o)) } else { None });
        let answer = answer.filter(|(a, _)| *a == asked).map(|(_, o)| o.clone()).next();
        let answer = answer.or_else(|| {
            if LASTING.iter().any(|word| asked.starts_with(word)) { earlier(&self.script[..next], asked) } else { None }
        });
        let answer = answer.ok_or_else(|| Error::bug(format!("the transcript has no answer here to: ? {asked}")))?;
        let exchange = Exchange::Read(asked.to_owned(), answer.clone());
        let mut heard = lock(&self.heard);
        let since = heard.iter().rposition(|e| matches!(e, Exchange::Change(..))).map_or(0, |i| i + 1);
        if !heard[since..].contains(&exchange) {
            heard.push(exchange);
        }
        Ok(answer)
    }
}

/// What is asked of the controller, or about what a host is at all (`which of ...`), and not changed by what is done to
/// the host: an answer holds until the transcript gives another.
const LASTING: [&str; 5] = ["asset ", "tree ", "get ", "channel ", "sh -c '(which of "];

fn earlier(script: &[Exchange], asked: &str) -> Option<Output> {
    script.iter().rev().find_map(|e| match e {
        Exchange::Read(a, output) if a == asked => Some(output.clone()),
        _ => None,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[async_trait]
impl Look for Replay {
    fn name(&self) -> &str {
        "replay"
    }
    async fn run(&self, command: &Command) -> Result<Output> {
        self.read(&command.line())
    }
    async fn asset(&self, path: &str) -> Result<Option<Asset>> {
        let output = self.read(&format!("asset {path}"))?;
        Ok(output.success().then(|| Asset {
            path: path.to_owned(),
            size: output.stdout.len() as u64,
            sha256: Content::digest(&output.stdout),
            mode: "0644".to_owned(),
            content: Some(output.stdout),
            ..Asset::default()
        }))
    }
    async fn asset_tree(&self, path: &str) -> Result<Vec<Asset>> {
        let output = self.read(&format!("tree {path}"))?;
        // Each line: MODE PATH [CONTENT]; a path that ends in `/` is a directory.
        let entries = output.lines().into_iter().map(|line| {
            let mut words = line.splitn(3, ' ');
            let (mode, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let content = words.next().unwrap_or_default();
            let directory = path.ends_with('/');
            Asset {
                path: path.trim_end_matches('/').to_owned(),
                size: content.len() as u64,
                sha256: if directory { String::new() } else { Content::digest(content.as_bytes()) },
                mode: mode.to_owned(),
                directory,
                ..Asset::default()
            }
        });
        Ok(entries.collect())
    }
    async fn http_get(&self, url: &str) -> Result<Vec<u8>> {
        Ok(self.read(&format!("get {url}"))?.stdout)
    }
    async fn http(&self, request: &Request) -> Result<Output> {
        self.read(&request.line())
    }
    async fn dial(&self, dial: &Dial) -> Result<Output> {
        self.read(&dial.line())
    }
    async fn channel(&self, name: &str) -> Result<Value> {
        let text = self.read(&format!("channel {name}"))?.text();
        serde_json::from_str(&text).map_err(|e| Error::bug(format!("a channel is JSON in a transcript: {e}")))
    }
    async fn docker(&self, call: &docker::Call) -> Result<Output> {
        self.read(&call.line())
    }
    async fn render(&self, name: &str, template: &str, vars: &BTreeMap<String, Value>) -> Result<String> {
        let mut env = minijinja::Environment::new();
        let syntax = minijinja::syntax::SyntaxConfig::builder().keep_trailing_newline(true).build();
        env.set_syntax(syntax.map_err(|e| Error::bug(e.to_string()))?);
        // Chance of its own kind: always the same.
        env.add_function("lookup", |name: String, _path: String, _: minijinja::value::Kwargs| format!("a {name}"));
        let vars = minijinja::Value::from(minijinja::value::Serde(vars));
        env.render_named_str(name, template, vars).map_err(|e| Error::playbook(e.to_string()))
    }
}

#[async_trait]
impl Host for Replay {
    async fn change(&self, step: &Step) -> Result<Output> {
        let line = step.line();
        let mut next = lock(&self.next);
        let at = self.script.iter().skip(*next).position(|e| matches!(e, Exchange::Change(..))).map(|i| i + *next);
        let Some((at, Exchange::Change(made, lines, output))) = at.map(|at| (at, &self.script[at])) else {
            return Err(Error::bug(format!("the transcript has no change left for: ! {line}")));
        };
        let writes = written(step);
        if *made != line || *lines != writes {
            let print = |line: &str, lines: &[String]| {
                print(&[Exchange::Change(line.to_owned(), lines.to_vec(), Output::default())])
            };
            return Err(Error::bug(format!(
                "the transcript changes\n{}but the operation changes\n{}",
                print(made, lines),
                print(&line, &writes)
            )));
        }
        *next = at + 1;
        lock(&self.heard).push(Exchange::Change(line, writes, output.clone()));
        Ok(output.clone())
    }
    fn look(&self) -> &dyn Look {
        self
    }
}
