//! What a script needs of the run around it, without knowing how runs are made.

use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use stdlib::contract::{Entry, Error, Outcome, Record, Result, Site};

/// The run a script belongs to.
pub trait Stage: Send + Sync {
    /// The value of a declared parameter.
    fn param(&self, name: &str, default: Value) -> Result<Value>;
    /// The hosts that a pattern means, in inventory order.
    fn select(&self, pattern: &str) -> Result<Vec<String>>;
    /// Begin a play. Its hosts are those of the pattern that the run may touch and that have not failed.
    fn play(&self, spec: PlaySpec) -> Result<Arc<dyn Play>>;
    /// Whether the run was interrupted.
    fn interrupted(&self) -> bool;
    /// The playbook printed something.
    fn print(&self, host: Option<&str>, text: &str);
    /// Something a person should know.
    fn warn(&self, message: String);
    /// Whether nothing is changed.
    fn checks(&self) -> bool {
        false
    }
    /// Ask the person at the terminal; without `echo` the answer is not shown.
    fn inquire(&self, _question: &str, _echo: bool) -> Result<String> {
        Err(Error::playbook("no person to ask"))
    }
    /// What the run has come to so far; `error` is what stopped it.
    fn summary(&self, _error: Option<&Error>) -> Value {
        Value::Null
    }
    /// The variables in a file of the project, or in those of a directory, as they are written.
    fn vars_in(&self, path: &str) -> Result<Map<String, Value>> {
        Err(Error::playbook(format!("no project to find {path} in")))
    }
}

/// A play under way.
pub trait Play: Send + Sync {
    /// Its hosts, in batches that go one after the other.
    fn batches(&self) -> Vec<Vec<String>>;
    /// Hosts at once.
    fn forks(&self) -> usize;
    /// A host on this stage.
    fn actor(self: Arc<Self>, host: &str) -> Arc<dyn Actor>;
    /// A batch begins.
    fn begin_batch(&self, hosts: &[String]);
    /// A batch is over. An error ends the run: too many hosts have failed.
    fn end_batch(&self) -> Result<()>;
    /// The play is over.
    fn end(&self);
}

/// A host in a play. One thread at a time uses it.
pub trait Actor: Send + Sync {
    /// Its name.
    fn host(&self) -> &str;
    /// The play it is in.
    fn play(&self) -> String {
        String::new()
    }
    /// Its address.
    fn address(&self) -> Result<String>;
    /// The groups it is in.
    fn groups(&self) -> Vec<String>;
    /// A variable of it, templates in it resolved.
    fn variable(&self, name: &str) -> Result<Value>;
    /// The names of its variables.
    fn variables(&self) -> Vec<String>;
    /// These variables, with the templates in them resolved as those of the host are.
    fn resolved(&self, vars: Map<String, Value>) -> Result<Map<String, Value>> {
        Ok(vars)
    }
    /// Add a scope around what follows.
    fn enter(&self, scope: Scope);
    /// Take the innermost scope away.
    fn leave(&self);
    /// The scopes around, the play's own not included.
    fn scopes(&self) -> Vec<Scope> {
        Vec::new()
    }
    /// What an `on` at this place takes along: variables, tags, and of the scopes all but privilege.
    fn along(&self) -> PlaySpec {
        PlaySpec::default()
    }
    /// A failure on another host was thrown at this one.
    fn thrown(&self) {}
    /// What the scopes around say about trying again.
    fn patience(&self) -> Patience;
    /// Begin a task around what follows. A reason means: leave all of it out. A task without tags of its own
    /// is never left out as a whole, because tasks inside may be chosen.
    fn enter_task(&self, name: &str, tags: &[String]) -> Option<String>;
    /// End the innermost task.
    fn leave_task(&self);
    /// Begin a call. Nothing means: run it; a reason means: leave it out.
    fn begin(&self, entry: &'static Entry, subject: &str, at: &Site) -> Result<Option<String>>;
    /// Conduct an operation or run an action, once.
    fn attempt(&self, entry: &'static Entry, args: &Value, any_code: bool) -> Result<Outcome>;
    /// Ask a fact, once.
    fn ask(&self, entry: &'static Entry, args: &Value) -> Result<Value>;
    /// Tell that a call failed and is tried again, and wait.
    fn retry(&self, entry: &'static Entry, subject: &str, left: u64, reason: &str, delay: Duration) -> Result<()>;
    /// Count and tell a record. Its error comes back, unless the scope ignores errors.
    fn settle(&self, record: Record) -> Result<Record>;
    /// A decision was made by something that check mode cannot know.
    fn unknown(&self, message: &str, at: Site);
    /// A handler was asked for: it is owed until it is paid. `captures` are the values it needs.
    fn owe(&self, handler: &str, captures: Value);
    /// Whether what comes now was done by the run that is resumed, so that there is nothing to wait for.
    fn replaying(&self) -> bool {
        false
    }
    /// Whether nothing of the play is to be done but the handlers that are owed.
    fn only_owed(&self) -> bool {
        false
    }
    /// A handler has run.
    fn paid(&self, handler: &str);
    /// What earlier runs owe this host in this play: handlers and the values they need.
    fn debts(&self) -> Vec<(String, Value)>;
    /// Ask the person at the terminal, once for all hosts of the batch that come to this place.
    fn inquire(&self, _question: &str, _echo: bool, _at: &Site) -> Result<String> {
        Err(Error::playbook("no person to ask"))
    }
    /// The host is done with the play.
    fn end(&self, result: Result<(), Error>);
}

/// The play as its playbook describes it.
#[derive(Debug, Clone, Default)]
pub struct PlaySpec {
    /// Its name; empty for `on`.
    pub name: String,
    /// Its host pattern.
    pub pattern: String,
    /// Where it stands.
    pub at: Site,
    /// Whether it is an `on` inside another play: neither limit nor failures elsewhere apply.
    pub nested: bool,
    /// Whether it is no part of the playbook's work, as a message about it: it is not counted, and a resumed run
    /// does it again.
    pub aside: bool,
    /// The host whose play an `on` stands in: what is chosen there is chosen here.
    pub origin: Option<String>,
    /// The sizes of its batches; the last one repeats.
    pub serial: Vec<Serial>,
    /// Hosts at once.
    pub forks: Option<usize>,
    /// The order of its hosts.
    pub order: Order,
    /// More failed hosts than this percentage end the run.
    pub max_fail_percentage: Option<f64>,
    /// Any failed host ends the run after its batch.
    pub any_errors_fatal: bool,
    /// Its scope.
    pub scope: Scope,
    /// Its variables.
    pub vars: Map<String, Value>,
    /// Its tags; its calls have them too.
    pub tags: Vec<String>,
}

/// The size of a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Serial {
    /// So many hosts.
    Count(usize),
    /// So many percent of the hosts, at least one.
    Percent(f64),
}

/// The order of hosts in a play.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// As in the inventory.
    #[default]
    Inventory,
    /// As in the inventory, backwards.
    ReverseInventory,
    /// By name.
    Sorted,
    /// By name, backwards.
    ReverseSorted,
    /// By chance.
    Shuffle,
}

/// How the calls inside are made. What is not said is as around.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Whether to become another user.
    pub r#become: Option<bool>,
    /// Whom.
    pub become_user: Option<String>,
    /// How.
    pub become_method: Option<String>,
    /// The longest that a command may take.
    pub timeout: Option<Duration>,
    /// How many tries more after a failure.
    pub retries: Option<u64>,
    /// How long to wait between them.
    pub delay: Option<Duration>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// The directory for commands.
    pub cwd: Option<String>,
    /// Whether a failure stops the host.
    pub ignore_errors: Option<bool>,
    /// Whether contents are withheld from reports and the journal.
    pub no_log: Option<bool>,
}

/// How often to try.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How many tries more after a failure.
    pub retries: u64,
    /// How long to wait between them.
    pub delay: Duration,
}
