//! A runtime that stays: a script line by line, on hosts that stay connected.

use super::keep::Keep;
use super::record::Recorder;
use super::shared::Shared;
use super::{CancellationToken, Options, exit_code, is_secret, journal::Journal, judge, roots, run_id};
use crate::inventory::Inventory;
use crate::report::{Bus, Envelope, Event, Listener, Owed, Stats};
use crate::script::{Answered, Limits, Line, Lines, PlaySpec, Shown, Stage};
use regex::Regex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Instant;
use stdlib::contract::{Content, Error, Kind, Result};

/// A runtime that takes a script line by line, as `hlrun repl` does.
///
/// Hosts stay connected from line to line, and what a line defines stays too. A line that calls operations
/// runs on the chosen hosts, as the body of a play; any other is evaluated once. Each is a run of its own.
///
/// ```no_run
/// use hlrun::{inventory::Inventory, run::{Console, Options}};
/// let mut console = Console::new(Inventory::localhost(), Options { check: true, ..Options::default() }).unwrap();
/// console.choose("localhost").unwrap();
/// console.enter("let kernel = shell::query(\"uname -r\").stdout;", Vec::new()).unwrap();
/// let entered = console.enter("`it runs ${kernel}`", Vec::new()).unwrap();
/// println!("{:?}, exit code {}", entered.answered, entered.exit);
/// ```
///
/// Like [`super::Runtime`] it blocks the calling thread.
pub struct Console {
    inventory: Inventory,
    options: Options,
    lines: Lines,
    keep: Arc<Keep>,
    pattern: Option<String>,
    chosen: Vec<String>,
    count: usize,
    recorder: Option<Arc<Recorder>>,
    under_way: Arc<Mutex<Option<CancellationToken>>>,
}

/// What came of a line.
#[derive(Debug)]
pub struct Entered {
    /// The id of its run, for `hlrun show`, if anything was done that is worth keeping.
    pub run: String,
    /// The exit code: 0, 2, 4, 6, 70 or 130, as the README lists them.
    pub exit: i32,
    /// Whether anything was changed, or would be, or in check mode might be.
    pub changed: bool,
    /// Per host.
    pub stats: BTreeMap<String, Stats>,
    /// Handlers that were asked for and did not run.
    pub owed: Vec<Owed>,
    /// Why it stopped, where no host has told already.
    pub error: Option<Error>,
    /// What it evaluated to, if it did not stop.
    pub answered: Option<Answered>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// Stops the line under way, from another thread.
#[derive(Clone)]
pub struct Interrupter(Arc<Mutex<Option<CancellationToken>>>);

impl Interrupter {
    /// Stop the line under way. Whether there was one that was not stopped before.
    pub fn interrupt(&self) -> bool {
        let under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let running = under_way.as_ref().filter(|cancel| !cancel.is_cancelled());
        running.inspect(|cancel| cancel.cancel()).is_some()
    }
    /// Whether a line is under way.
    pub fn busy(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl Console {
    /// A console without chosen hosts. It starts as `options.check` says.
    pub fn new(inventory: Inventory, options: Options) -> Result<Console> {
        let lines = Lines::new(options.project.clone(), Limits::default());
        let keep = Keep::new()?;
        let (pattern, chosen, recorder, under_way) = Default::default();
        Ok(Console { inventory, options, lines, keep, pattern, chosen, count: 0, recorder, under_way })
    }
    /// Choose the hosts of the lines that follow.
    pub fn choose(&mut self, pattern: &str) -> Result<()> {
        self.chosen = self.inventory.select(pattern)?;
        self.pattern = Some(pattern.to_owned());
        Ok(())
    }
    /// The pattern of the chosen hosts.
    pub fn pattern(&self) -> Option<&str> {
        self.pattern.as_deref()
    }
    /// The chosen hosts.
    pub fn chosen(&self) -> &[String] {
        &self.chosen
    }
    /// Whether changes are predicted only.
    pub fn check(&self) -> bool {
        self.options.check
    }
    /// Predict changes from now on, or make them. What was predicted before is forgotten.
    pub fn set_check(&mut self, check: bool) {
        self.options.check = check;
        self.keep.forget();
    }
    /// Become another user from now on, or nobody.
    pub fn set_become(&mut self, user: Option<&str>) {
        self.options.r#become = user.map(|_| true);
        self.options.become_user = user.map(str::to_owned);
    }
    /// Whom lines become.
    pub fn r#become(&self) -> Option<&str> {
        let user = self.options.become_user.as_deref().unwrap_or("root");
        self.options.r#become.filter(|wanted| *wanted).map(|_| user)
    }
    /// Give a parameter that lines declare with `param` a value.
    pub fn set_param(&mut self, name: &str, value: serde_json::Value) {
        self.options.params.insert(name.to_owned(), value);
    }
    /// The inventory.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }
    /// What the lines so far have defined, and their texts.
    pub fn lines(&self) -> &Lines {
        &self.lines
    }
    /// Forget what the lines so far have defined.
    pub fn reset(&mut self) {
        self.lines = Lines::new(self.options.project.clone(), Limits::default());
        self.keep.forget();
    }
    /// Stops the line under way.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(Arc::clone(&self.under_way))
    }
    /// Note what hosts are asked and told from now on.
    pub fn record(&mut self) -> Arc<Recorder> {
        Arc::clone(self.recorder.get_or_insert_default())
    }

    /// Read and check a line, without touching a host. All errors at once.
    pub fn check_line(&mut self, text: &str) -> Result<Line, Vec<Error>> {
        self.count += 1;
        self.checked(text, &format!("repl[{}]", self.count))
    }

    /// Read and check a file as one line: what it defines stays, its plays are played.
    pub fn check_file(&mut self, path: &Path) -> Result<Line, Vec<Error>> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|e| vec![Error::playbook(format!("cannot read {name}: {e}"))])?;
        self.checked(&text, &name)
    }

    /// Read and check a text that nobody has typed, under a name of its own.
    pub fn checked(&self, text: &str, name: &str) -> Result<Line, Vec<Error>> {
        let line = self.lines.compile(text, name, &self.chosen)?;
        let errors = judge(&self.inventory, &line.survey);
        if errors.is_empty() { Ok(line) } else { Err(errors) }
    }

    /// What variables of the chosen hosts say that are called a secret, and the password for becoming another user.
    fn host_secrets(&self) -> Vec<String> {
        let variables = self.chosen.iter().filter_map(|host| self.inventory.variables(host).ok());
        let mut found: Vec<String> = self.options.become_password.iter().cloned().collect();
        for (name, variable) in
            variables.flat_map(|vars| vars.iter().map(|(n, v)| (n.clone(), v.clone())).collect::<Vec<_>>())
        {
            found.extend(variable.value.as_str().filter(|_| is_secret(&name)).map(str::to_owned));
        }
        found
    }

    /// Check a line and run it. The errors are those found before any host was touched.
    pub fn enter(&mut self, text: &str, listeners: Vec<Box<dyn Listener>>) -> Result<Entered, Vec<Error>> {
        let line = self.check_line(text)?;
        Ok(self.run(line, listeners))
    }

    /// Run a line that was checked.
    pub fn run(&mut self, line: Line, mut listeners: Vec<Box<dyn Listener>>) -> Entered {
        let began = Instant::now();
        let id = run_id();
        let (cancel, check) = (CancellationToken::new(), self.options.check);
        *self.under_way.lock().unwrap_or_else(PoisonError::into_inner) = Some(cancel.clone());
        if let Some(state) = self.options.state.clone().filter(|_| !check) {
            listeners.push(Box::new(LateJournal { state, run: id.clone(), waiting: Vec::new(), journal: None }));
        }
        let bus = Bus::new(&id, listeners);
        let text = self.lines.sources().text(&line.name).unwrap_or_default();
        for secret in secrets(&text).map(str::to_owned).chain(self.host_secrets()) {
            bus.hide(&secret);
            self.recorder.iter().for_each(|recorder| recorder.hide(&secret));
        }
        let (hide, recorder) = (bus.clone(), self.recorder.clone());
        self.inventory.vault().watch(move |secret| {
            hide.hide(secret);
            recorder.iter().for_each(|recorder| recorder.hide(secret));
        });
        let (title, digest) = (title(&text), Content::digest(text.as_bytes()));
        let hosts = self.chosen.clone();
        bus.emit(Event::RunStart {
            playbook: format!("repl: {title}"),
            digest,
            check,
            hosts,
            params: Default::default(),
            undoes: None,
            resumes: None,
        });
        let dir = Path::new(&line.name).parent().filter(|dir| dir.is_dir()).unwrap_or(Path::new("")).to_owned();
        let roots = roots(&dir, self.options.project.as_deref());
        let (inventory, options, keep) = (self.inventory.clone(), self.options.clone(), Arc::clone(&self.keep));
        let mut shared = Shared::new(
            id.clone(),
            "repl".to_owned(),
            inventory,
            options,
            bus.clone(),
            cancel,
            roots,
            None,
            None,
            keep,
        );
        shared.remembers = false;
        shared.recorder = self.recorder.clone();
        let shared = Arc::new(shared);
        let start = super::memory::Start { playbook: "repl".to_owned(), ..Default::default() };
        shared.remember(start, true);
        let stage: Arc<dyn Stage> = Arc::new(Arc::clone(&shared));
        let pattern = self.pattern.clone().unwrap_or_default();
        let survey = line.survey.clone();
        let ran = self.lines.run(line, &stage, PlaySpec { name: title, pattern, ..PlaySpec::default() });
        *self.under_way.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let (stats, owed) = (shared.stats(), shared.owed(&survey));
        let owed: Vec<Owed> = owed.into_iter().filter(|owed| owed.run == id).collect();
        let exit = exit_code(&stats, ran.as_ref().err());
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &ran {
            Ok(Answered::Once(value)) => tell(&bus, None, value),
            Ok(Answered::Hosts(values)) => values.iter().for_each(|(host, value)| tell(&bus, Some(host), value)),
            Err(_) => {}
        }
        let failed = |s: &Stats| s.failures + s.unreachable > 0;
        // That a play stops since its hosts failed is no news: what went wrong was told of each.
        let told = |error: &Error| error.operation.is_none() && error.kind == Kind::Host && stats.values().any(failed);
        let (answered, error) = match ran {
            Ok(answered) => (Some(answered), None),
            Err(error) => (None, Some(error).filter(|error| !told(error))),
        };
        let boxed = error.clone().map(Box::new);
        bus.emit(Event::RunEnd { exit, stats: stats.clone(), owed: owed.clone(), duration_ms, error: boxed });
        bus.finish();
        let changed = stats.values().any(|s| s.changed > 0 || s.unknown > 0);
        Entered { run: id, exit, changed, stats, owed, error, answered, duration_ms }
    }
}

fn tell(bus: &Bus, host: Option<&String>, value: &Shown) {
    if !matches!(value, Shown::Nothing) {
        bus.emit(Event::Value { host: host.cloned(), value: value.json() });
    }
}

/// A journal that begins when an operation does: what only asks leaves none.
struct LateJournal {
    state: PathBuf,
    run: String,
    waiting: Vec<Envelope>,
    journal: Option<Journal>,
}

impl Listener for LateJournal {
    fn hear(&mut self, envelope: &Envelope) {
        match (&mut self.journal, &envelope.event) {
            // What was asked is nobody's history.
            (_, Event::Value { .. }) => {}
            (Some(journal), _) => journal.hear(envelope),
            (None, event) => {
                self.waiting.push(envelope.clone());
                if matches!(event, Event::TaskStart { .. }) {
                    self.journal = Journal::begin(&self.state, &self.run).ok();
                    for envelope in self.waiting.drain(..) {
                        self.journal.iter_mut().for_each(|journal| journal.hear(&envelope));
                    }
                }
            }
        }
    }
}

/// Texts in a line that stand where a secret stands: `password: "..."`.
fn secrets(text: &str) -> impl Iterator<Item = &str> {
    static SECRET: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r#"(?i)(?:password|passwd|secret|token|api_?key)\w*"?\s*[:=]\s*(?:"((?:[^"\\]|\\.)+)"|`([^`$]+)`)"#)
            .ok()
    });
    let found = SECRET.iter().flat_map(move |secret| secret.captures_iter(text));
    found.filter_map(|found| found.get(1).or(found.get(2)).map(|m| m.as_str()))
}

/// The longest title of a line.
const TITLE: usize = 72;

/// What a line is called in reports: its beginning.
fn title(text: &str) -> String {
    let mut words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for secret in secrets(text) {
        words = words.replace(secret, "‹secret›");
    }
    match words.chars().count() {
        0..=TITLE => words,
        _ => words.chars().take(TITLE - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_line_is_not_in_its_title() {
        for (line, shown) in [
            (r#"user::user("a", #{ password: "hunter2" })"#, r#"user::user("a", #{ password: "‹secret›" })"#),
            ("let api_token = `x y z`;", "let api_token = `‹secret›`;"),
            ("let a = 1;\n  let b = 2;", "let a = 1; let b = 2;"),
            (r#"file::absent("/etc/passwd")"#, r#"file::absent("/etc/passwd")"#),
        ] {
            assert_eq!(title(line), shown);
        }
        assert_eq!(title(&"x".repeat(100)).chars().count(), TITLE);
    }

    #[test]
    fn what_a_line_defines_stays_for_the_next() {
        let options = Options { check: true, state: None, ..Options::default() };
        let mut console = Console::new(Inventory::localhost(), options).unwrap();
        console.choose("localhost").unwrap();
        for (line, value) in [
            ("let x = 40; fn more(n) { n + 2 }", "null"),
            ("more(x)", "42"),
            ("_ + 1", "43"),
            ("switch _ { 43 => \"yes\", _ => \"no\" }", "\"yes\""),
            ("x += 1", "null"),
            ("fn more(n) { n * 2 } more(x)", "82"),
            ("let double = |n| more(n) + x; double.call(1)", "43"),
            ("double.call(2)", "45"),
            ("let name = host.name;", "null"),
            ("name + \"!\"", "\"localhost!\""),
            ("fn kernel() { shell::query(\"echo six\").stdout }", "null"),
            ("kernel()", "\"six\""),
            ("let list = []; for i in 0..3 { list.push(i); } list", "[0,1,2]"),
            ("on(\"localhost\", |host| host.name)", "\"localhost\""),
            ("let host = 5; host", "5"),
        ] {
            let entered = console.enter(line, Vec::new()).unwrap_or_else(|errors| panic!("{line}: {errors:?}"));
            let found = match &entered.answered {
                Some(Answered::Once(value)) => value.json(),
                Some(Answered::Hosts(values)) => values[0].1.json(),
                None => panic!("{line}: {:?}", entered.error),
            };
            assert_eq!(found.to_string(), value, "{line}");
        }
    }

    #[test]
    fn a_wrong_line_is_told_before_a_host_is_touched() {
        let options = Options { check: true, state: None, ..Options::default() };
        let mut console = Console::new(Inventory::localhost(), options).unwrap();
        let mut wrong = |line: &str| console.enter(line, Vec::new()).unwrap_err()[0].message.clone();
        assert_eq!(wrong("shell::query(\"true\")"), "this works on a host, and none is chosen");
        assert_eq!(wrong("shel::query(\"true\")"), "there is no module `shel`");
        assert_eq!(wrong("x + 1"), "there is no variable `x`");
        console.choose("localhost").unwrap();
        console.enter("let n = 1;", Vec::new()).unwrap();
        let mut wrong = |line: &str| console.enter(line, Vec::new()).unwrap_err()[0].message.clone();
        assert_eq!(wrong("shell::query(\"true\", #{ cdw: \"/\" })"), "unknown argument `cdw` for shell::query");
        let copy = "`n` is a copy inside a line for hosts: changing it there changes nothing outside";
        assert_eq!(wrong("n += shell::query(\"true\").rc"), copy);
        assert_eq!(wrong("play(\"x\", \"nowhere\", || 1)"), "`nowhere` matches no host and no group");
    }

    #[test]
    fn each_host_has_variables_of_its_own() {
        let inventory = Inventory::load(&["a,b,c,".into()], None, Default::default()).unwrap();
        let options = Options { check: true, state: None, ..Options::default() };
        let mut console = Console::new(inventory, options).unwrap();
        let values = |console: &mut Console, line: &str| match console.enter(line, Vec::new()) {
            Ok(Entered { answered: Some(Answered::Once(value)), .. }) => value.json().to_string(),
            Ok(Entered { answered: Some(Answered::Hosts(values)), .. }) => {
                values.iter().map(|(host, value)| format!("{host}={} ", value.json())).collect()
            }
            Ok(Entered { error, .. }) => format!("{error:?}"),
            Err(errors) => errors[0].message.clone(),
        };
        console.choose("a,b").unwrap();
        assert_eq!(values(&mut console, "let who = host.name; who"), "a=\"a\" b=\"b\" ");
        assert_eq!(values(&mut console, "_"), "a=\"a\" b=\"b\" ");
        assert_eq!(values(&mut console, "who += 1; who"), "a=\"a1\" b=\"b1\" ");
        console.choose("c").unwrap();
        assert_eq!(values(&mut console, "who"), "a=\"a1\" b=\"b1\" ");
        console.choose("b,c").unwrap();
        assert_eq!(values(&mut console, "who"), "there is no variable `who` on c");
    }
}
