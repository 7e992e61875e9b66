//! What hosts are asked and told, as a transcript: the form that documentation, tests and logs share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use stdlib::contract::replay::{Exchange, print, written};
use stdlib::contract::{Asset, Command, Dial, Output, Request, Result, Step, docker};

/// Notes every exchange with a host.
#[derive(Default)]
pub struct Recorder {
    heard: Mutex<Vec<Exchange>>,
    secrets: Mutex<Vec<String>>,
}

/// What stands for an answer that may not be shown.
const WITHHELD: &str = "(output withheld)\n";

impl Recorder {
    fn heard(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A read and its answer; a repeated one is noted once between two changes, as a replay does.
    fn read(&self, asked: String, output: Output) {
        let mut heard = self.heard();
        let since = heard.iter().rposition(|e| matches!(e, Exchange::Change(..))).map_or(0, |i| i + 1);
        let exchange = Exchange::Read(asked, output);
        if !heard[since..].contains(&exchange) {
            heard.push(exchange);
        }
    }

    pub(super) fn asked(&self, command: &Command, output: &Output, withheld: bool) {
        self.read(command.line(), told(output, withheld));
    }

    pub(super) fn asset(&self, path: &str, asset: Option<&Asset>, withheld: bool) {
        let content = asset.and_then(|asset| asset.content.clone()).unwrap_or_default();
        let output = Output { code: i32::from(asset.is_none()), stdout: content, ..Output::default() };
        self.read(format!("asset {path}"), told(&output, withheld));
    }

    pub(super) fn tree(&self, path: &str, assets: &[Asset]) {
        let line = |asset: &Asset| {
            let slash = if asset.directory { "/" } else { "" };
            format!("{} {}{slash}\n", asset.mode, asset.path)
        };
        let stdout = assets.iter().map(line).collect::<String>().into_bytes();
        self.read(format!("tree {path}"), Output { stdout, ..Output::default() });
    }

    pub(super) fn dialled(&self, dial: &Dial, output: &Output) {
        self.read(dial.line(), output.clone());
    }

    pub(super) fn channel(&self, name: &str, config: &serde_json::Value) {
        let stdout = format!("{config}\n").into_bytes();
        self.read(format!("channel {name}"), Output { stdout, ..Output::default() });
    }

    pub(super) fn got(&self, url: &str, body: &[u8]) {
        self.read(format!("get {url}"), Output { stdout: body.to_vec(), ..Output::default() });
    }

    pub(super) fn answered(&self, request: &Request, output: &Output, withheld: bool) {
        request.secrets().for_each(|secret| self.hide(secret));
        self.read(request.line(), told(output, withheld));
    }

    pub(super) fn docker(&self, call: &docker::Call, output: &Output, withheld: bool) {
        call.secrets().iter().for_each(|secret| self.hide(secret));
        self.read(call.line(), told(output, withheld));
    }

    pub(super) fn changed(&self, step: &Step, done: &Result<Output>, withheld: bool) {
        let output = done.as_ref().cloned().unwrap_or_else(|e| Output {
            code: e.rc.unwrap_or(1),
            stdout: e.stdout.clone().into_bytes(),
            stderr: e.stderr.clone().into_bytes(),
            ..Output::default()
        });
        if let Step::Docker(call) = step {
            call.secrets().iter().for_each(|secret| self.hide(secret));
        }
        self.heard().push(Exchange::Change(step.line(), lines(step, withheld), told(&output, withheld)));
    }

    /// Steps that were predicted and not taken.
    pub fn predicted(&self, steps: &[Step]) {
        let steps = steps.iter().map(|step| Exchange::Change(step.line(), written(step), Output::default()));
        self.heard().extend(steps);
    }

    /// Never show this text.
    pub fn hide(&self, secret: &str) {
        // Where it is quoted for a shell, it is a secret still.
        let texts = [secret.to_owned(), secret.replace('\'', r"'\''")];
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.extend(texts.into_iter().filter(|text| text.len() >= 3));
    }

    /// All of it as text.
    pub fn transcript(&self) -> String {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.iter().fold(print(&self.heard()), |text, secret| text.replace(secret, "‹secret›"))
    }
}

fn told(output: &Output, withheld: bool) -> Output {
    let mask = |bytes: &[u8]| if withheld && !bytes.is_empty() { WITHHELD.into() } else { bytes.to_vec() };
    let headers = output.headers.clone().filter(|_| !withheld);
    Output { code: output.code, stdout: mask(&output.stdout), stderr: mask(&output.stderr), headers }
}

fn lines(step: &Step, withheld: bool) -> Vec<String> {
    let lines = written(step);
    if withheld && !lines.is_empty() { vec!["(content withheld)".to_owned()] } else { lines }
}
