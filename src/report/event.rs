//! What a run tells the world: one event per line in `--json` and in the journal, the same in both.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use stdlib::contract::{Record, Site};

/// The version of the event format; it grows when a field changes its meaning, not when one is added.
pub const VERSION: u32 = 1;

/// An event with when and where it belongs.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Envelope {
    /// The version of the format.
    pub v: u32,
    /// When, in UTC, as RFC 3339 with milliseconds.
    pub ts: String,
    /// The run's id.
    pub run: String,
    /// Counts the events of a run from 1.
    pub seq: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "event")]
pub enum Event {
    /// A run begins.
    #[serde(rename = "run.start")]
    RunStart {
        /// The playbook, or what was typed.
        playbook: String,
        /// SHA-256 of the playbook's text.
        digest: String,
        /// Whether nothing is changed.
        check: bool,
        /// The hosts of the inventory that the run may touch.
        hosts: Vec<String>,
        /// The playbook's parameters as given or by default.
        params: serde_json::Map<String, serde_json::Value>,
        /// The run that it takes back, if it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undoes: Option<String>,
        /// The run that it goes on from, if it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resumes: Option<String>,
    },
    /// A play begins.
    #[serde(rename = "play.start")]
    PlayStart {
        /// Its name.
        play: String,
        /// Its host pattern.
        pattern: String,
        /// Its hosts, in order.
        hosts: Vec<String>,
        /// Where it stands.
        at: Site,
    },
    /// Some hosts of a play begin together.
    #[serde(rename = "batch.start")]
    BatchStart {
        /// The play's name.
        play: String,
        /// The hosts.
        hosts: Vec<String>,
    },
    /// A host goes on where the run that is resumed has left it.
    #[serde(rename = "host.resume")]
    HostResume {
        /// The host.
        host: String,
        /// How many of its calls were made by that run.
        done: u64,
    },
    /// A connection stands.
    #[serde(rename = "host.connect")]
    HostConnect {
        /// The host.
        host: String,
        /// How long it took, in milliseconds.
        duration_ms: u64,
    },
    /// A call begins.
    #[serde(rename = "task.start")]
    TaskStart {
        /// The host.
        host: String,
        /// The operation.
        operation: String,
        /// What it is called on.
        subject: String,
        /// The innermost task around it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<String>,
        /// Where it is called.
        at: Site,
    },
    /// A running command printed something.
    #[serde(rename = "task.output")]
    TaskOutput {
        /// The host.
        host: String,
        /// The operation.
        operation: String,
        /// `stdout` or `stderr`.
        stream: String,
        /// Whole lines, without the last newline; bytes that are not UTF-8 become the replacement character.
        text: String,
    },
    /// A call failed and is tried again.
    #[serde(rename = "task.retry")]
    TaskRetry {
        /// The host.
        host: String,
        /// The operation.
        operation: String,
        /// What it is called on.
        subject: String,
        /// How many tries are left.
        left: u64,
        /// Why.
        reason: String,
    },
    /// A call takes much longer than usual.
    #[serde(rename = "task.stuck")]
    TaskStuck {
        /// The host.
        host: String,
        /// The operation.
        operation: String,
        /// What it is called on.
        subject: String,
        /// How long it has taken so far, in milliseconds.
        duration_ms: u64,
        /// How long it usually takes, in milliseconds, if earlier runs tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usual_ms: Option<u64>,
        /// What it waits for.
        waits: String,
        /// What can be done about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// A call ended.
    #[serde(rename = "task.end")]
    TaskEnd {
        /// How.
        #[serde(flatten)]
        record: Box<Record>,
    },
    /// A playbook decided something by a value that check mode cannot know.
    #[serde(rename = "plan.unknown")]
    PlanUnknown {
        /// The host.
        host: String,
        /// What it is.
        message: String,
        /// Where it decided.
        at: Site,
    },
    /// A playbook printed something.
    #[serde(rename = "print")]
    Print {
        /// The host it ran for, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        /// What.
        text: String,
    },
    /// What a line of a session evaluated to.
    #[serde(rename = "value")]
    Value {
        /// The host it ran for, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        /// The value.
        value: serde_json::Value,
    },
    /// Something a person should know.
    #[serde(rename = "warning")]
    Warning {
        /// What.
        message: String,
    },
    /// A handler that was asked for is owed, or is paid.
    #[serde(rename = "debt")]
    Debt {
        /// The host.
        host: String,
        /// The play.
        play: String,
        /// The handler's name.
        handler: String,
        /// `owed` or `paid`.
        state: String,
    },
    /// A host is done with a play.
    #[serde(rename = "host.end")]
    HostEnd {
        /// The play's name.
        play: String,
        /// The host.
        host: String,
        /// `ok`, `failed` or `unreachable`.
        result: String,
        /// Why it did not end well.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Box<stdlib::contract::Error>>,
    },
    /// A play is over.
    #[serde(rename = "play.end")]
    PlayEnd {
        /// Its name.
        play: String,
        /// How long it took, in milliseconds.
        duration_ms: u64,
    },
    /// A run is over.
    #[serde(rename = "run.end")]
    RunEnd {
        /// The exit code.
        exit: i32,
        /// Per host, with Ansible's names.
        stats: BTreeMap<String, Stats>,
        /// Handlers that were asked for and did not run.
        owed: Vec<Owed>,
        /// How long it took, in milliseconds.
        duration_ms: u64,
        /// Why it stopped early, if it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Box<stdlib::contract::Error>>,
    },
}

/// What happened on a host, counted as Ansible counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Stats {
    /// Calls that ended well, changed ones included.
    pub ok: u64,
    /// Calls that changed something, or would.
    pub changed: u64,
    /// 1 if the host could not be reached.
    pub unreachable: u64,
    /// Calls that failed.
    pub failures: u64,
    /// Calls left out.
    pub skipped: u64,
    /// Failures that the playbook caught.
    pub rescued: u64,
    /// Failures ignored on request.
    pub ignored: u64,
    /// Calls whose effect check mode cannot know.
    #[serde(default)]
    pub unknown: u64,
}

/// A handler that was asked for and did not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Owed {
    /// The host it is owed to.
    pub host: String,
    /// The play that asked for it.
    pub play: String,
    /// The handler's name.
    pub handler: String,
    /// The run that asked for it.
    pub run: String,
    /// Whether the next run of the playbook can pay it: it still has the handler.
    #[serde(default)]
    pub payable: bool,
}
