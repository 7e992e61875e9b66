//! One entry point: a playbook, an inventory and options in; events and a summary out.

mod ahead;
mod console;
mod follow;
mod journal;
mod keep;
mod lines;
mod link;
mod memory;
mod options;
mod owed;
mod playing;
mod record;
mod resume;
mod session;
mod shared;
mod stage;
mod stuck;
mod summary;
mod tags;
mod tell;
mod undo;
mod vault;
mod visit;

pub use console::{Console, Entered, Interrupter};
pub use follow::Follow;
pub use journal::{find as find_run, find_applied, is_running, read as read_run, runs};
pub use link::human;
pub use memory::Origin;
pub use options::{Options, Resume, runtime_dir, state_dir};
pub use owed::{Debt, Debts, Owing};
pub use playing::batches;
pub use record::Recorder;
pub use shared::arrange;
pub use stage::{Answer, Person, Prompt};
pub use tags::left_out;
pub use tokio_util::sync::CancellationToken;
pub use undo::{Entry as UndoEntry, Fate, Plan as UndoPlan, Undoing};
pub use visit::{Visit, visit};

use crate::inventory::Inventory;
use crate::report::{Bus, Envelope, Event, Listener, Owed, Stats};
use crate::script::{Known, Limits, Program, Stage, Survey, check, compile, compile_text};
use serde_json::Value;
use shared::Shared;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Instant;
use stdlib::contract::{Error, Kind, Result, nearest};

/// A runtime: an inventory, options, and whoever wants to know. Running a playbook uses it up.
///
/// ```no_run
/// use hlrun::{inventory::Inventory, run::{Options, Runtime}};
/// let inventory = Inventory::load(&["inventory.yaml".into()], None, Default::default()).unwrap();
/// let mut runtime = Runtime::new(inventory, Options { check: true, ..Options::default() });
/// let events = runtime.events();
/// let summary = runtime.run_file("site.rhai".as_ref()).unwrap();
/// println!("{} events, exit code {}", events.iter().count(), summary.exit);
/// ```
///
/// It blocks the calling thread and brings its own async runtime: inside another one, call it on a thread
/// made for blocking.
pub struct Runtime {
    inventory: Inventory,
    options: Options,
    listeners: Vec<Box<dyn Listener>>,
    cancel: CancellationToken,
    prompt: Option<Prompt>,
    person: Option<Person>,
    limits: Limits,
}

/// What came of a run.
#[derive(Debug)]
pub struct Summary {
    /// Its id, for `hlrun show`.
    pub run: String,
    /// The exit code: 0, 1, 2, 4, 6, 70 or 130, as the README lists them.
    pub exit: i32,
    /// Whether anything was changed, or would be, or in check mode might be.
    pub changed: bool,
    /// Per host.
    pub stats: BTreeMap<String, Stats>,
    /// Handlers that were asked for and did not run.
    pub owed: Vec<Owed>,
    /// Why it stopped early, if it did.
    pub error: Option<Error>,
    /// The value of the script.
    pub value: Value,
}

impl Runtime {
    /// A runtime.
    pub fn new(inventory: Inventory, options: Options) -> Runtime {
        let cancel = CancellationToken::new();
        Runtime {
            inventory,
            options,
            listeners: Vec::new(),
            cancel,
            prompt: None,
            person: None,
            limits: Limits::default(),
        }
    }
    /// Tell this listener everything.
    pub fn listen(&mut self, listener: impl Listener + 'static) -> &mut Runtime {
        self.listeners.push(Box::new(listener));
        self
    }
    /// Everything as a stream; it ends with the run.
    pub fn events(&mut self) -> mpsc::Receiver<Envelope> {
        let (send, receive) = mpsc::channel();
        self.listen(move |envelope: &Envelope| drop(send.send(envelope.clone())));
        receive
    }
    /// Stops the run when it is cancelled.
    pub fn cancellation(&self) -> CancellationToken {
        self.cancel.clone()
    }
    /// Ask before each task.
    pub fn prompt(&mut self, prompt: Prompt) -> &mut Runtime {
        self.prompt = Some(prompt);
        self
    }
    /// Who is at the terminal.
    pub fn person(&mut self, person: Person) -> &mut Runtime {
        self.person = Some(person);
        self
    }
    /// What scripts may use up.
    pub fn limits(&mut self, limits: Limits) -> &mut Runtime {
        self.limits = limits;
        self
    }

    /// Compile a playbook and check it against the inventory and the options, without touching a host.
    /// All errors at once.
    pub fn prepare(&self, path: &Path) -> Result<Program, Vec<Error>> {
        let program = self.compile(path)?;
        self.verify(&program)?;
        Ok(program)
    }

    /// Compile a playbook, without checking it against anything.
    pub fn compile(&self, path: &Path) -> Result<Program, Vec<Error>> {
        compile(path, self.options.project.as_deref(), &self.limits)
    }

    /// Run a playbook file. The errors are those found before any host was touched.
    pub fn run_file(self, path: &Path) -> Result<Summary, Vec<Error>> {
        let program = self.prepare(path)?;
        Ok(self.perform(program, identity(path)))
    }

    /// Run a playbook that is a text at hand; `name` stands for it in messages.
    pub fn run_text(self, text: &str, name: &str) -> Result<Summary, Vec<Error>> {
        let here = std::env::current_dir().unwrap_or_default();
        let program = compile_text(text, name, &here, &self.limits)?;
        self.verify(&program)?;
        Ok(self.perform(program, name.to_owned()))
    }

    /// Run a program that [`Runtime::prepare`] made.
    pub fn run(self, program: Program, path: &Path) -> Summary {
        self.perform(program, identity(path))
    }

    /// Check a program against the inventory and the options: patterns, variables, tags, tasks, parameters.
    pub fn verify(&self, program: &Program) -> Result<(), Vec<Error>> {
        let survey = &program.survey;
        let mut errors = judge(&self.inventory, survey);
        if let Some(limit) = &self.options.limit {
            errors.extend(self.inventory.select(limit).err().map(|e| e.hint("it was given with --limit")));
        }
        let special = ["all", "always", "never", "tagged", "untagged"];
        for tag in self.options.tags.iter().chain(&self.options.skip_tags) {
            let known = || survey.tags.iter().map(String::as_str).chain(special);
            if known().all(|k| k != tag) {
                let error = Error::playbook(format!("no play or task of {} has the tag `{tag}`", program.name));
                errors.push(match nearest(tag, known()) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint(format!("its tags are: {}", survey.tags.join(", "))),
                });
            }
        }
        if let Some(start) = &self.options.start_at_task {
            let tasks = || survey.plays.iter().flat_map(|p| &p.tasks).filter_map(|t| t.name.as_deref());
            if tasks().all(|task| task != start) {
                let error = Error::playbook(format!("{} has no task \"{start}\" to start at", program.name));
                errors.push(match nearest(start, tasks()) {
                    Some(near) => error.hint(format!("did you mean \"{near}\"?")),
                    None => error.hint("--list-tasks lists them"),
                });
            }
        }
        for name in self.options.params.keys() {
            if survey.params.iter().all(|p| p.name != *name) {
                let error = Error::playbook(format!("{} has no parameter `{name}`", program.name));
                errors.push(match nearest(name, survey.params.iter().map(|p| p.name.as_str())) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint("hlrun PLAYBOOK --help lists them"),
                });
            }
        }
        errors.extend(tell::wrong(&self.inventory, &self.options, survey));
        errors.extend(resume::differences(&self.options, &self.start(program), &self.roots(program)));
        errors.extend(self.inventory.test_vault());
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn roots(&self, program: &Program) -> Vec<PathBuf> {
        roots(&program.dir, self.options.project.as_deref())
    }

    /// What a program is started with.
    fn start(&self, program: &Program) -> memory::Start {
        let options = &self.options;
        let mut params = options.params.clone();
        for param in &program.survey.params {
            params.entry(param.name.clone()).or_insert_with(|| param.default.clone().unwrap_or_default());
        }
        let chosen = [
            ("limit", options.limit.clone().unwrap_or_default()),
            ("tags", options.tags.join(",")),
            ("skip-tags", options.skip_tags.join(",")),
            ("start-at-task", options.start_at_task.clone().unwrap_or_default()),
            ("become", format!("{:?}", options.r#become)),
            ("become-user", options.become_user.clone().unwrap_or_default()),
            ("step", options.step.to_string()),
        ];
        let digest = |value: &Value| stdlib::contract::Content::digest(value.to_string().as_bytes())[..16].to_owned();
        let hosts = self.inventory.hosts().into_iter().filter_map(|host| {
            let vars = self.inventory.variables(host).ok()?;
            Some((host.to_owned(), vars.iter().map(|(name, v)| (name.clone(), digest(&v.value))).collect()))
        });
        memory::Start {
            playbook: identity(&program.dir.join(Path::new(&program.name).file_name().unwrap_or_default())),
            sources: program.sources.digests(),
            params,
            options: chosen.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            hosts: hosts.collect(),
            origin: options.origin.clone(),
        }
    }

    fn perform(mut self, mut program: Program, playbook: String) -> Summary {
        let began = Instant::now();
        let id = run_id();
        if let Some(state) = &self.options.state {
            match journal::Journal::begin(state, &id) {
                Ok(journal) => self.listeners.push(Box::new(journal)),
                Err(error) => tracing::warn!("{error}"),
            }
        }
        let bus = Bus::new(&id, std::mem::take(&mut self.listeners));
        let hide = bus.clone();
        self.inventory.vault().watch(move |secret| hide.hide(secret));
        // Before anything is told: what a channel keeps secret may come up anywhere.
        for (name, _) in &program.survey.channels {
            let found = tell::channel(&self.inventory, &self.options, name);
            found.iter().flat_map(|(_, channel)| channel.secrets()).for_each(|secret| bus.hide(&secret));
        }
        let limit = self.options.limit.as_ref().map(|pattern| self.inventory.select(pattern).unwrap_or_default());
        let limit: Option<BTreeSet<String>> = limit.map(|hosts| hosts.into_iter().collect());
        let hosts = self.inventory.hosts().into_iter().map(str::to_owned);
        let hosts = hosts.filter(|host| limit.as_ref().is_none_or(|limit| limit.contains(host))).collect();
        let start = self.start(&program);
        let params =
            start.params.clone().into_iter().map(|(name, value)| (name.clone(), journaled(&name, value))).collect();
        let (name, digest, check) = (program.name.clone(), program.digest.clone(), self.options.check);
        let resumes = self.options.resume.as_ref().map(|resume| resume.run.clone());
        bus.emit(Event::RunStart { playbook: name, digest, check, hosts, params, undoes: None, resumes });
        let roots = self.roots(&program);
        let (stats, owed, result) = match keep::Keep::new() {
            Ok(keep) => {
                let mut shared = Shared::new(
                    id.clone(),
                    playbook,
                    self.inventory,
                    self.options,
                    bus.clone(),
                    self.cancel,
                    roots,
                    limit,
                    self.prompt,
                    keep,
                );
                shared.person = self.person;
                let shared = Arc::new(shared);
                shared.remember(start, false);
                let stage: Arc<dyn Stage> = Arc::new(Arc::clone(&shared));
                let result = program.run(&stage);
                let result = match shared.diverged() {
                    Some(error) => Err(error),
                    None => result,
                };
                shared.reckon(&result);
                (shared.stats(), shared.owed(&program.survey), result)
            }
            Err(error) => (BTreeMap::new(), Vec::new(), Err(error)),
        };
        let (value, error) = match result {
            Ok(value) => (crate::script::to_json(&value, "the value").unwrap_or_default(), None),
            Err(error) => (Value::Null, Some(error)),
        };
        let exit = exit_code(&stats, error.as_ref());
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let boxed = error.clone().map(Box::new);
        bus.emit(Event::RunEnd { exit, stats: stats.clone(), owed: owed.clone(), duration_ms, error: boxed });
        bus.finish();
        let changed = stats.values().any(|s| s.changed > 0 || s.unknown > 0);
        Summary { run: id, exit, changed, stats, owed, error, value }
    }
}

/// What a script gets wrong about the inventory.
fn judge(inventory: &Inventory, survey: &Survey) -> Vec<Error> {
    let mut errors = Vec::new();
    let mut variables = BTreeSet::new();
    for host in inventory.hosts() {
        match inventory.variables(host) {
            Ok(vars) => variables.extend(vars.keys().cloned()),
            Err(error) => errors.push(error),
        }
    }
    let select = |pattern: &str| inventory.select(pattern);
    errors.extend(check(survey, &Known { select: &select, variables: &variables }));
    errors
}

/// The one name of a playbook, whatever way leads to it.
fn identity(path: &Path) -> String {
    let full = path.canonicalize().or_else(|_| std::path::absolute(path));
    full.unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

/// A parameter as the journal may keep it: what is called a secret is none there.
fn journaled(name: &str, value: Value) -> Value {
    if is_secret(name) { Value::String("‹secret›".to_owned()) } else { value }
}

/// Whether a name says that its value is a secret.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let words = ["password", "passwd", "secret", "token", "api_key", "apikey"];
    words.iter().any(|word| name.contains(word)) || name.ends_with("_pass")
}

/// Where files of the controller are looked for: beside the playbook, in its `files`, `templates` and
/// `scripts`, then the same in the project.
pub fn roots(dir: &Path, project: Option<&Path>) -> Vec<PathBuf> {
    let places = ["", "files", "templates"];
    let dirs = std::iter::once(dir).chain(project.filter(|p| *p != dir));
    dirs.flat_map(|dir| places.iter().map(move |place| dir.join(place))).collect()
}

/// Sorts by time, and is short enough to type.
fn run_id() -> String {
    let now = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S-%3f");
    let chance = crate::transport::nonce();
    format!("{now}{}", &chance[chance.len() - 1..])
}

fn exit_code(stats: &BTreeMap<String, Stats>, error: Option<&Error>) -> i32 {
    let failed = stats.values().any(|s| s.failures > 0);
    let unreachable = stats.values().any(|s| s.unreachable > 0);
    match error.map(|e| e.kind) {
        Some(Kind::Interrupted) => return 130,
        Some(Kind::Bug) => return 70,
        _ => {}
    }
    match (failed, unreachable, error) {
        (true, true, _) => 6,
        (false, true, _) => 4,
        (true, false, _) => 2,
        (false, false, Some(error)) if error.kind == Kind::Playbook && stats.is_empty() => 1,
        (false, false, Some(_)) => 2,
        (false, false, None) => 0,
    }
}
