//! What happened: one record per call of an operation or action on a host.

use super::{Change, Error, Kind, Outcome, Site, Source, Step, Write};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It was as wanted already.
    Ok,
    /// It was changed, and read again to prove it.
    Changed,
    /// Check mode: it would be changed, as the diff says.
    WouldChange,
    /// Check mode: it cannot be known without changing something first.
    Unknown,
    /// There was nothing to do, or a tag left it out.
    Skipped,
    /// The machine said no.
    Failed,
    /// The machine could not be reached.
    Unreachable,
}

impl Status {
    /// The word a report shows.
    pub fn word(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Changed => "changed",
            Status::WouldChange => "would change",
            Status::Unknown => "unknown",
            Status::Skipped => "skipped",
            Status::Failed => "failed",
            Status::Unreachable => "unreachable",
        }
    }
}

/// What happened when an operation or action was called on a host. Built by the engine only.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Record {
    /// The host's name.
    pub host: String,
    /// The play it belongs to.
    pub play: String,
    /// The innermost task around it, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Such as `zfs::snapshot`.
    pub operation: String,
    /// What it was called on, such as a path or a package.
    pub subject: String,
    /// How it ended.
    pub status: Status,
    /// The differences found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<Change>,
    /// What was done, or would be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// The state before, which undo goes back to.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// The exit code of the last command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rc: Option<i32>,
    /// Its standard output.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    /// Its standard error.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// Of an answer over HTTP, its headers; its status is the exit code and its body standard output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// Why it was skipped or is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What a person should know besides, such as packages that are held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
    /// Whether the failure was ignored on request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignored: bool,
    /// Where in the playbook it was called.
    pub at: Site,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Whether its content is withheld.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
}

/// A state without what is only remembered for the way back.
fn shown(state: Value) -> Value {
    match state {
        Value::Object(fields) => fields.into_iter().filter(|(key, _)| !key.starts_with('$')).collect(),
        other => other,
    }
}

/// A step without a content that must not be shown.
fn withheld(step: Step) -> Step {
    match step {
        Step::Write(write) if write.sensitive && matches!(write.source, Source::Text(_) | Source::Bytes(_)) => {
            Step::Write(Write { source: Source::Text("‹withheld›".to_owned()), ..write })
        }
        other => other,
    }
}

impl Record {
    /// A record of what `outcome` says; the engine fills in where and when.
    pub fn new(host: &str, operation: &str, subject: &str, outcome: Outcome) -> Record {
        let Outcome { status, diff, steps, before, output, reason, notes, sensitive, .. } = outcome;
        let (rc, stdout, stderr) = match &output {
            Some(output) if !sensitive => (Some(output.code), output.text(), output.stderr_text()),
            Some(output) => (Some(output.code), String::new(), String::new()),
            None => (None, String::new(), String::new()),
        };
        Record {
            host: host.to_owned(),
            play: String::new(),
            task: None,
            operation: operation.to_owned(),
            subject: subject.to_owned(),
            status,
            diff: if sensitive { Vec::new() } else { diff },
            steps: if sensitive { Vec::new() } else { steps.into_iter().map(withheld).collect() },
            before: if sensitive { Value::Null } else { shown(before) },
            rc,
            stdout,
            stderr,
            headers: output.and_then(|output| output.headers).filter(|_| !sensitive),
            reason,
            notes: if sensitive { Vec::new() } else { notes },
            error: None,
            ignored: false,
            at: Site::default(),
            duration_ms: 0,
            sensitive,
        }
    }
    /// A record of a call that failed: what was said, and what it had changed by then.
    pub fn failed(host: &str, operation: &str, subject: &str, error: Error) -> Record {
        let mut error = error.of(operation).on(host);
        let mut record = Record::new(host, operation, subject, Outcome::new(Status::Failed));
        if error.kind == Kind::Unreachable {
            record.status = Status::Unreachable;
        }
        record.rc = error.rc;
        record.stdout.clone_from(&error.stdout);
        record.stderr.clone_from(&error.stderr);
        if let Some(halfway) = error.halfway.take().filter(|halfway| !halfway.diff.is_empty()) {
            (record.diff, record.before) = (halfway.diff, shown(halfway.past.before));
        }
        record.error = Some(error);
        record
    }
}
