//! What the hosts and plays of one run share.

use super::keep::Keep;
use super::link::{Link, Place};
use super::memory::{Frame, Memory, Start};
use super::owed::{Debt, Debts, Owing};
use super::record::Recorder;
use super::resume::Replay;
use super::summary::Story;
use super::vault::Vault;
use super::{Options, stage::Person, stage::Prompt};
use crate::inventory::{Connection, Inventory, Overlay};
use crate::report::{Bus, Event, Owed, Stats};
use crate::script::{Order, PlaySpec, Survey};
use crate::transport::{HostKeys, Target};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;
use stdlib::contract::{Error, Look, Result, Site};
use stdlib::shared::template::Engine;
use tokio_util::sync::CancellationToken;

/// What the hosts and plays of one run share.
pub(super) struct Shared {
    pub id: String,
    pub playbook: String,
    pub inventory: Inventory,
    pub options: Options,
    pub bus: Bus,
    pub cancel: CancellationToken,
    pub templates: Engine,
    /// Where files of the controller are looked for.
    pub roots: Vec<PathBuf>,
    /// What outlives the run where it is one of several.
    pub keep: Arc<Keep>,
    /// Whether reads are remembered for the next run.
    pub remembers: bool,
    /// Notes what hosts are asked and told.
    pub recorder: Option<Arc<Recorder>>,
    pub debts: Option<Debts>,
    /// The hosts of `--limit`, if there is one.
    pub limit: Option<BTreeSet<String>>,
    pub prompt: Option<Prompt>,
    /// What the run remembers; nothing in check mode, and where nothing is called.
    memory: OnceLock<Memory>,
    /// Where contents are kept.
    pub vault: Option<Arc<Vault>>,
    /// What the run that is resumed saw.
    pub replay: Option<Replay>,
    /// Who is at the terminal.
    pub person: Option<Person>,
    pub began: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stats: BTreeMap<String, Stats>,
    lost: BTreeMap<String, &'static str>,
    /// Hosts that could not be reached, and the play in which that was.
    missed: BTreeMap<String, String>,
    started: BTreeSet<String>,
    facts: HashMap<String, Map<String, Value>>,
    asked: HashMap<String, BTreeSet<String>>,
    owed: Vec<Owed>,
    story: Story,
    /// Why the run cannot go on where another one stopped.
    diverged: Option<Error>,
}

impl Shared {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        id: String,
        playbook: String,
        inventory: Inventory,
        options: Options,
        bus: Bus,
        cancel: CancellationToken,
        roots: Vec<PathBuf>,
        limit: Option<BTreeSet<String>>,
        prompt: Option<Prompt>,
        keep: Arc<Keep>,
    ) -> Shared {
        let debts = options.state.as_deref().map(Debts::open);
        let templates = crate::lookup::engine(&roots);
        let mut state = State::default();
        let vault = options.state.as_deref().and_then(|dir| match Vault::open(dir) {
            Ok(vault) => Some(Arc::new(vault)),
            Err(error) => {
                bus.emit(Event::Warning { message: format!("{}; this run cannot be undone", error.message) });
                None
            }
        });
        let replay = match (&options.resume, &options.state) {
            (Some(resume), Some(dir)) => match Replay::open(dir, resume) {
                Ok(replay) => Some(replay),
                // Without it, everything would be done twice.
                Err(error) => {
                    state.diverged = Some(error);
                    cancel.cancel();
                    None
                }
            },
            _ => None,
        };
        if let Some(password) = &options.become_password {
            bus.hide(password);
        }
        Shared {
            id,
            playbook,
            inventory,
            options,
            bus,
            cancel,
            templates,
            roots,
            keep,
            remembers: true,
            recorder: None,
            debts,
            limit,
            prompt,
            memory: OnceLock::new(),
            vault,
            replay,
            person: None,
            began: Instant::now(),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the script waits for the world: the one place.
    #[allow(clippy::disallowed_methods)]
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.keep.runtime.block_on(work)
    }

    /// The line to a host, the same for the whole run and for those after it that share what is kept.
    pub fn link(&self, host: &str, connection: &Connection) -> Arc<Link> {
        let place = self.place(connection);
        let (bus, name) = (self.bus.clone(), host.to_owned());
        let connected = move |took: std::time::Duration| {
            let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            bus.emit(Event::HostConnect { host: name.clone(), duration_ms });
        };
        self.keep.link(host, place, &self.options.runtime, &self.cancel, connected)
    }

    /// Where a host is.
    pub fn place(&self, connection: &Connection) -> Place {
        match connection.kind {
            crate::inventory::Kind::Local => Place::Local,
            crate::inventory::Kind::Ssh => Place::Ssh(self.target(connection)),
        }
    }

    fn target(&self, connection: &Connection) -> Target {
        let options = &self.options;
        let lines = crate::transport::config_lines(&connection.ssh_args);
        Target {
            address: connection.address.clone(),
            port: connection.port,
            user: connection.user.clone().or_else(|| options.user.clone()),
            key: connection.key_file.clone().or_else(|| options.key.clone()),
            host_keys: HostKeys::said(&lines).unwrap_or(match connection.host_key_checking {
                Some(false) => HostKeys::Off,
                Some(true) => HostKeys::Strict,
                None => options.host_keys,
            }),
            options: lines,
            connect_timeout: options.connect_timeout,
            persist: options.persist,
        }
    }

    /// Remember this run from now on; `late` only once something is called.
    pub fn remember(&self, start: Start, late: bool) {
        let state = self.options.state.as_deref().filter(|_| !self.options.check);
        let (Some(state), Some(vault)) = (state, &self.vault) else { return };
        let memory = self.memory.get_or_init(|| Memory::new(state, &self.id, Arc::clone(vault), self.bus.clone()));
        memory.note(&Frame::Start(Box::new(start)));
        if !late {
            memory.begin();
        }
    }

    /// Remember something of the run.
    pub fn note(&self, frame: impl FnOnce() -> Frame) {
        if let Some(memory) = self.memory.get() {
            memory.note(&frame());
        }
    }

    /// The playbook does not go the way it went in the run that is resumed: nothing more is done.
    pub fn diverge(&self, error: Error) -> Error {
        self.state().diverged.get_or_insert_with(|| error.clone());
        self.cancel.cancel();
        error
    }

    /// Why the run could not go on, if that is why it ended.
    pub fn diverged(&self) -> Option<Error> {
        self.state().diverged.clone()
    }

    /// Count something on a host.
    pub fn count(&self, host: &str, how: impl FnOnce(&mut Stats)) {
        how(self.state().stats.entry(host.to_owned()).or_default());
    }

    /// What was counted.
    pub fn stats(&self) -> BTreeMap<String, Stats> {
        self.state().stats.clone()
    }

    /// What is told at the end.
    pub fn story<T>(&self, of: impl FnOnce(&mut Story) -> T) -> T {
        of(&mut self.state().story)
    }

    /// A host that takes no further part from a play on.
    pub fn lose(&self, host: &str, play: &str, why: &'static str) {
        let mut state = self.state();
        state.lost.insert(host.to_owned(), why);
        if why == "unreachable" {
            state.missed.insert(host.to_owned(), play.to_owned());
        }
    }

    /// At the end of a run: what hosts that could not be reached have missed is owed, and paid where a host came
    /// to the end of the whole playbook.
    pub fn reckon<T>(&self, result: &Result<T>) {
        let options = &self.options;
        let Some(debts) = self.debts.as_ref().filter(|_| !options.check) else { return };
        let whole = options.tags.is_empty() && options.skip_tags.is_empty() && options.start_at_task.is_none();
        let whole = whole && !options.only_owed && result.is_ok();
        let state = self.state();
        let known = debts.all();
        let missed =
            |host: &String, play: &String| Debt { kind: Owing::Missed, ..self.debt(play, host, "", Value::Null) };
        for (host, stats) in &state.stats {
            let done = match state.missed.get(host) {
                Some(play) => debts.owe(missed(host, play)),
                None if !whole || stats.failures > 0 => continue,
                None if known.iter().all(|d| d.kind != Owing::Missed || d.host != *host) => continue,
                None => debts.pay(&missed(host, &String::new())),
            };
            if let Err(error) = done {
                self.bus.emit(Event::Warning { message: error.message.clone() });
            }
        }
    }

    /// What is known of a host.
    pub fn facts(&self, host: &str) -> Map<String, Value> {
        self.state().facts.get(host).cloned().unwrap_or_default()
    }

    /// Ask the host for the facts that a text names, itself or through variables, and that are not known yet.
    /// Whether it names any.
    pub async fn learn(&self, host: &str, text: &str, vars: &Map<String, Value>, look: &dyn Look) -> Result<bool> {
        let mut names = self.inventory.names_used(host, text, &Overlay::from(vars.clone()))?;
        names.retain(|name| name.starts_with("ansible_"));
        let any = !names.is_empty();
        let wanted: Vec<String> = {
            let mut state = self.state();
            let asked = state.asked.entry(host.to_owned()).or_default();
            names.into_iter().filter(|name| asked.insert(name.clone())).collect()
        };
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let learned = stdlib::shared::facts::gather(&wanted, look).await?;
        let mut state = self.state();
        let facts = state.facts.entry(host.to_owned()).or_default();
        for (name, value) in learned {
            match (facts.get_mut(&name), value) {
                (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
                (_, value) => drop(facts.insert(name, value)),
            }
        }
        Ok(any)
    }

    /// What a host said of itself may be different now.
    pub fn unlearn(&self, host: &str) {
        let mut state = self.state();
        state.facts.remove(host);
        state.asked.remove(host);
    }

    /// Tasks before `--start-at-task` are left out, on each host.
    pub fn start_at(&self, host: &str, task: &str) {
        if self.options.start_at_task.as_deref() == Some(task) {
            self.state().started.insert(host.to_owned());
        }
    }

    /// Why calls with these tags are left out on a host, if they are.
    pub fn left_out(&self, host: &str, tags: &[String]) -> Option<String> {
        if self.options.start_at_task.is_some() && !self.state().started.contains(host) {
            return Some("before --start-at-task".to_owned());
        }
        super::tags::left_out(tags, &self.options.tags, &self.options.skip_tags)
    }

    /// Ask the person, with `--step`.
    pub fn step(&self, task: Option<&str>, operation: &str, subject: &str, at: &Site) -> Result<Option<String>> {
        match &self.prompt {
            Some(prompt) => {
                self.bus.settle();
                // Who quits here wants no more of anything.
                prompt.ask(task, operation, subject, at).inspect_err(|_| self.cancel.cancel())
            }
            None => Ok(None),
        }
    }

    pub(super) fn debt(&self, play: &str, host: &str, handler: &str, captures: Value) -> Debt {
        let word = str::to_owned;
        Debt {
            kind: Owing::Handler,
            playbook: self.playbook.clone(),
            play: word(play),
            host: word(host),
            handler: word(handler),
            captures,
            run: self.id.clone(),
        }
    }

    /// A handler was asked for. It is written down at once: what happens next may be a power cut.
    pub fn owe(&self, play: &str, host: &str, handler: &str, captures: Value) {
        if self.options.check {
            return;
        }
        let owed = Owed {
            host: host.to_owned(),
            play: play.to_owned(),
            handler: handler.to_owned(),
            run: self.id.clone(),
            payable: false,
        };
        self.state().owed.push(owed);
        if let Some(debts) = &self.debts
            && let Err(error) = debts.owe(self.debt(play, host, handler, captures))
        {
            self.bus.emit(Event::Warning { message: error.message.clone() });
        }
    }

    /// A handler has run.
    pub fn pay(&self, play: &str, host: &str, handler: &str) {
        if self.options.check {
            return;
        }
        self.state().owed.retain(|o| (o.host.as_str(), o.play.as_str(), o.handler.as_str()) != (host, play, handler));
        if let Some(debts) = &self.debts {
            let debt = self.debt(play, host, handler, Value::Null);
            if debts
                .all()
                .iter()
                .any(|d| d.run != self.id && d.host == host && d.handler == handler && d.playbook == self.playbook)
            {
                let word = str::to_owned;
                self.bus.emit(Event::Debt {
                    host: word(host),
                    play: word(play),
                    handler: word(handler),
                    state: "paid".to_owned(),
                });
            }
            if let Err(error) = debts.pay(&debt) {
                self.bus.emit(Event::Warning { message: error.message.clone() });
            }
        }
    }

    /// What a host says of its boot: a reboot that is due is owed until another boot is seen.
    pub fn due(&self, play: &str, host: &str, answer: &Value) {
        let Some(debts) = self.debts.as_ref().filter(|_| !self.options.check) else { return };
        let mut captures = answer.clone();
        captures["seen"] = Value::String(self.id.clone());
        let mut debt = Debt { kind: Owing::Reboot, ..self.debt(play, host, "reboot", captures) };
        let known = debts.all().into_iter().find(|known| known.kind == Owing::Reboot && known.host == host);
        if debt.reasons().is_empty() {
            if let Some(known) = known {
                self.rebooted(&known.play, host);
            }
            return;
        }
        match known.filter(|known| known.boot() == debt.boot()) {
            Some(known) => debt.run = known.run,
            None => self.told(play, host, "owed"),
        }
        if let Err(error) = debts.owe(debt) {
            self.bus.emit(Event::Warning { message: error.message.clone() });
        }
    }

    /// A host has been rebooted, or needs it no longer.
    pub fn rebooted(&self, play: &str, host: &str) {
        let Some(debts) = self.debts.as_ref().filter(|_| !self.options.check) else { return };
        if debts.all().iter().any(|known| known.kind == Owing::Reboot && known.host == host) {
            self.told(play, host, "paid");
            if let Err(error) = debts.pay(&Debt { kind: Owing::Reboot, ..self.debt(play, host, "reboot", Value::Null) })
            {
                self.bus.emit(Event::Warning { message: error.message.clone() });
            }
        }
    }

    fn told(&self, play: &str, host: &str, state: &str) {
        let (host, play, state) = (host.to_owned(), play.to_owned(), state.to_owned());
        self.bus.emit(Event::Debt { host, play, handler: "a reboot".to_owned(), state });
    }

    /// What earlier runs owe a host in a play.
    pub fn debts(&self, play: &str, host: &str) -> Vec<(String, Value)> {
        if self.options.skip_owed {
            return Vec::new();
        }
        let all = self.debts.as_ref().map(Debts::all).unwrap_or_default().into_iter();
        let all = all.filter(|d| d.kind == Owing::Handler);
        let mine = all.filter(|d| d.playbook == self.playbook && d.play == play && d.host == host && d.run != self.id);
        mine.map(|d| (d.handler, d.captures)).collect()
    }

    /// What is owed at the end: by this run, and by earlier ones of the same playbook.
    pub fn owed(&self, survey: &Survey) -> Vec<Owed> {
        let Some(debts) = &self.debts else { return self.state().owed.clone() };
        let all = debts.all().into_iter().filter(|d| d.kind == Owing::Handler);
        let mine = all.filter(|d| d.playbook == self.playbook);
        mine.map(|d| Owed {
            payable: survey.pays(&d.play, &d.handler, &d.captures),
            host: d.host,
            play: d.play,
            handler: d.handler,
            run: d.run,
        })
        .collect()
    }

    /// The hosts that a play may touch, in its order.
    pub fn hosts(&self, spec: &PlaySpec) -> Result<Vec<String>> {
        let mut hosts = self.inventory.select(&spec.pattern)?;
        if !spec.nested {
            let state = self.state();
            hosts.retain(|host| !state.lost.contains_key(host));
            hosts.retain(|host| self.limit.as_ref().is_none_or(|limit| limit.contains(host)));
            hosts.retain(|host| self.replay.as_ref().is_none_or(|replay| !replay.left_alone.contains(host)));
            if self.options.only_owed {
                let among = |host: &String| self.options.owed_hosts.as_ref().is_none_or(|hosts| hosts.contains(host));
                hosts.retain(|host| among(host) && !self.debts(&spec.name, host).is_empty());
            }
        }
        arrange(&mut hosts, spec.order);
        Ok(hosts)
    }
}

/// Hosts in the order that a play wants.
pub fn arrange(hosts: &mut [String], order: Order) {
    match order {
        Order::Inventory => {}
        Order::ReverseInventory => hosts.reverse(),
        Order::Sorted => hosts.sort(),
        Order::ReverseSorted => hosts.sort_by(|a, b| b.cmp(a)),
        Order::Shuffle => {
            use std::hash::BuildHasher;
            let chance = std::hash::RandomState::new();
            hosts.sort_by_key(|host| chance.hash_one(host));
        }
    }
}
