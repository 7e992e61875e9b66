//! What a module writes: operations, actions and facts.

use super::{Command, Error, Keepsake, Look, Output, Result, Step};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use std::future::Future;

/// What an entry has to do with reboots of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reboot {
    /// Nothing.
    Unrelated,
    /// After it one may be due: at the end of a play the host is asked.
    Suspected,
    /// It is the question, and answers `{ boot, reasons }`: which boot this is, and why there should be another.
    Told,
    /// It reboots the host.
    Made,
}

/// Something that should be true of a host. The fields are the parameters.
///
/// `read` is the only place that talks to the host; `want` and `steps` are pure. Applying an operation
/// twice changes nothing the second time, because the second `read` answers what was wanted.
pub trait Operation: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// What matters about the host for this operation: only what it decides.
    type State: Serialize + DeserializeOwned + Send + Sync;
    /// Whether `undo` can go back from it.
    const REVERSIBLE: bool = true;
    /// Whether a change may leave the host waiting for a reboot.
    const REBOOT: Reboot = Reboot::Unrelated;

    /// Load what the parameters only name (a template, a file on the controller) and check what the
    /// schema cannot say. Runs before anything is compared.
    fn prepare(&mut self, _host: &dyn Look) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
    /// What must be up to date on the host before anything can be compared, such as lists of packages.
    fn refresh(&self, _host: &dyn Look) -> impl Future<Output = Result<Refresh>> + Send {
        async { Ok(Refresh::default()) }
    }
    /// The state as it is.
    fn read(&self, host: &dyn Look) -> impl Future<Output = Result<Self::State>> + Send;
    /// The same after the steps have failed, where `read` asks more than a host can answer then.
    fn reached(&self, host: &dyn Look) -> impl Future<Output = Result<Self::State>> + Send {
        self.read(host)
    }
    /// The state as it should be.
    fn want(&self, now: &Self::State) -> Result<Self::State>;
    /// The way from one to the other.
    fn steps(&self, now: &Self::State, want: &Self::State) -> Result<Vec<Step>>;
    /// What must hold before the steps can work, where the state does not say it, such as the directory of a
    /// new file. Asked in check mode only, so that it does not predict what must fail; and not while changes
    /// predicted above may bring it about.
    fn premise(&self, _host: &dyn Look, _now: &Self::State) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
    /// What the steps take away and the state names by digest only: it is kept, so that undo can put it back.
    fn keeps(&self, _now: &Self::State, _want: &Self::State) -> Vec<Keepsake> {
        Vec::new()
    }
    /// Get ready to go back, in place of `prepare`. What parameters name on the controller may have changed or
    /// gone since, so nothing is loaded from there: what matters is in the states before and after. The answer
    /// is the state to go back to: the one before, or the nearest that can be reached.
    fn recall(
        &mut self,
        host: &dyn Look,
        before: Self::State,
        _after: &Self::State,
    ) -> impl Future<Output = Result<Self::State>> + Send {
        async {
            self.prepare(host).await?;
            Ok(before)
        }
    }
    /// What must hold for the way back and can be asked beforehand, such as that a repository still has the
    /// old version.
    fn returnable(
        &self,
        _host: &dyn Look,
        _now: &Self::State,
        _want: &Self::State,
    ) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
    /// What the way back leaves although the change brought it, as `recall` has found out: said in the plan. Pure.
    fn leaves(&self) -> Vec<String> {
        Vec::new()
    }
    /// Whether its differences must never be shown or kept.
    fn sensitive(&self) -> bool {
        false
    }
    /// What a person should know that no difference tells, such as packages that are held. `said` is what the steps
    /// printed, if they were taken. Pure.
    fn notes(&self, _said: &[Output]) -> Vec<String> {
        Vec::new()
    }
    /// The error of a step that failed, in this operation's own words. Pure.
    fn explain(&self, error: Error) -> Error {
        error
    }
    /// What to do when a step has failed, so that the host is not left worse than it was. Pure.
    fn rescue(&self, _now: &Self::State, _want: &Self::State, _failed: &Step) -> Option<Rescue> {
        None
    }
    /// What decides what it does: paths on the host, as a stack's files, and other things by name, such as `package
    /// curl`. Where a change above was only predicted of one of them, or of a path below or above it, check mode does not
    /// know what this would do. Asked once there is a plan. Pure.
    fn depends(&self) -> Vec<String> {
        Vec::new()
    }
    /// What the steps change in a way that only the host can tell: paths on the host with all that is below, as of an
    /// archive that is unpacked, and other things by name, such as `package curl`. What would be there afterwards is unknown
    /// to check mode. Pure.
    fn alters(&self) -> Vec<String> {
        Vec::new()
    }
    /// What is worth telling whatever comes of it, such as a variable that nobody set.
    fn remark(&self) -> Option<String> {
        None
    }
}

/// The way back from steps that were begun and failed.
#[derive(Debug, Clone)]
pub struct Rescue {
    /// What is done.
    pub steps: Vec<Step>,
    /// What the error says then, such as `rolled back: web has nginx@sha256:... back`.
    pub done: String,
}

/// What brings a host's own knowledge up to date. It is no change in itself: check mode leaves it out and
/// predicts from what the host knows, and an operation that has nothing else to do is `ok`.
#[derive(Debug, Clone, Default)]
pub struct Refresh {
    /// What to do before the state is read.
    pub steps: Vec<Step>,
    /// What check mode says instead, such as "predicted from package lists of 3 days ago".
    pub instead: Option<String>,
    /// Whether it decides what there is to do, so that nothing can be predicted without it.
    pub decides: bool,
}

/// Whether an action has anything to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// It runs.
    Run,
    /// It does not, for this reason.
    Skip(String),
}

/// Something that just runs. It says so in its name, a verb; check mode reports it as unknown.
pub trait Action: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// Why `undo` cannot go back from it.
    const STAYS: &'static str = "it ran, and what it did is not known";
    /// Whether it reboots the host.
    const REBOOT: Reboot = Reboot::Unrelated;

    /// Load what the parameters only name and check what the schema cannot say.
    fn prepare(&mut self, _host: &dyn Look) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
    /// Whether it must run at all (`creates`, `removes`). Reads only.
    fn need(&self, _host: &dyn Look) -> impl Future<Output = Result<Need>> + Send {
        async { Ok(Need::Run) }
    }
    /// What it does.
    fn steps(&self) -> Result<Vec<Step>>;
    /// What check mode says of it.
    fn foretold(&self) -> &str {
        "it runs, and what it does is not known before it has run"
    }
    /// Whether it leaves everything as it is, as a message does: then it is no change, and check mode leaves it out
    /// and says so, instead of calling it unknown.
    fn harmless(&self) -> bool {
        false
    }
    /// Whether what it did changed the host.
    fn changed(&self, _output: &Output) -> bool {
        true
    }
    /// The error of a step that failed, in this action's own words. Pure.
    fn explain(&self, error: Error) -> Error {
        error
    }
    /// Whether its output must never be shown or kept.
    fn sensitive(&self) -> bool {
        false
    }
}

/// A question. Asking never changes anything, so check mode asks it too.
pub trait Fact: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The answer, as the playbook gets it.
    type Answer: Serialize + Send;
    /// Whether it is about a reboot that is due.
    const REBOOT: Reboot = Reboot::Unrelated;

    /// Ask.
    fn ask(&self, host: &dyn Look) -> impl Future<Output = Result<Self::Answer>> + Send;
}

impl From<Command> for Vec<Step> {
    fn from(command: Command) -> Vec<Step> {
        vec![Step::Run(command)]
    }
}
