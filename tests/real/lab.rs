//! The lab and hlrun from outside: hosts by name, a room of one's own for each trial, what a run said.

use super::pty::{converse, on_a_terminal};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A name that reads as a promise, and what proves it.
pub type Promise = (&'static str, fn());

pub const HOSTS: [&str; 10] =
    ["host01", "host02", "host03", "host04", "host05", "host06", "host07", "host08", "host09", "host10"];

/// A host of another kind: it has Python.
pub const PYTHON: [&str; 1] = ["host-py01"];

/// Hosts of another kind: they have dnf and not apt, dnf 4 and dnf 5.
pub const DNF: [&str; 2] = ["host-dnf01", "host-d501"];

/// A host of another kind: it has pacman and not apt.
pub const PACMAN: [&str; 1] = ["host-pm01"];

/// Hosts with a docker engine, and the registry beside them.
pub const DOCKER: [&str; 3] = ["dk01", "dk02", "rg01"];

/// A host with a docker engine for stacks.
pub const STACKS: [&str; 1] = ["host-cp01"];

/// The registry of [`STACKS`].
pub const REGISTRY: &str = "host-cr01";

/// A virtual machine whose root file system is ZFS; there only where `HLRUN_LAB_VM` asks for it.
pub const ZFS: [&str; 1] = ["zfs01"];

/// The longest that a run may take before it counts as hanging.
const HANG: Duration = Duration::from_secs(300);

fn work() -> PathBuf {
    std::env::var_os("HLRUN_LAB").expect("HLRUN_LAB").into()
}

/// What is used by one trial at a time, of however many processes: a host, or the lab itself. Given back when it is dropped.
#[must_use]
fn locked(name: &str) -> File {
    let dir = work().join("locks");
    std::fs::create_dir_all(&dir).expect("a directory for locks");
    let file = File::create(dir.join(name)).expect("a lock");
    file.lock().expect("a lock");
    file
}

fn hlrun() -> PathBuf {
    let built = option_env!("CARGO_BIN_EXE_hlrun").map(PathBuf::from);
    std::env::var_os("HLRUN_BIN").map(PathBuf::from).or(built).expect("HLRUN_BIN")
}

/// The container of a host: another fleet of the lab, if `HLRUN_LAB_PREFIX` says so.
fn container(host: &str) -> String {
    host.replace("host", &std::env::var("HLRUN_LAB_PREFIX").unwrap_or_else(|_| "host".to_owned()))
}

pub fn address(host: &str) -> String {
    lab(&["ip", &container(host)]).trim().to_owned()
}

/// A script of tests/lab.
fn script(name: &str) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab").join(name));
    command.env("LAB_WORK", work());
    command
}

/// Run a script as root inside a host; past ssh and the network, where the host is a container.
pub fn try_inside(host: &str, script: &str) -> Result<String, String> {
    let mut command = if ZFS.contains(&host) { self::script("lab.sh") } else { Command::new("docker") };
    if ZFS.contains(&host) {
        command.args(["ssh", host, "sh"]);
    } else {
        command.args(["exec", "-i", &container(host), "sh"]);
    }
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("docker");
    child.stdin.take().expect("stdin").write_all(script.as_bytes()).expect("docker exec");
    let out = child.wait_with_output().expect("docker exec");
    let (said, wrong) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    if out.status.success() {
        Ok(said.into_owned())
    } else {
        Err(format!("{host}: {:.200}\n{}{wrong}", script.trim(), tail(&said)))
    }
}

#[track_caller]
pub fn inside(host: &str, script: &str) -> String {
    try_inside(host, script).unwrap_or_else(|e| panic!("{e}"))
}

/// The same on many hosts at once.
pub fn inside_all(hosts: &[&str], script: &str) -> Vec<String> {
    on_all(hosts, |host| inside(host, script))
}

pub fn on_all<T: Send>(hosts: &[&str], work: impl Fn(&str) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = hosts.iter().map(|host| scope.spawn(|| work(host))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|e| std::panic::resume_unwind(e))).collect()
    })
}

/// Wait until a script inside a host succeeds.
#[track_caller]
pub fn until(host: &str, script: &str) {
    let begun = Instant::now();
    while try_inside(host, script).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{host}: never came true: {script}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Call tests/lab/lab.sh.
#[track_caller]
pub fn lab(args: &[&str]) -> String {
    called(script("lab.sh"), args)
}

/// Have a virtual machine running; where there has been none yet, that takes a quarter of an hour.
pub fn machine(host: &str) {
    called(script("vm.sh"), &["up", host]);
}

#[track_caller]
fn called(mut script: Command, args: &[&str]) -> String {
    let out = script.args(args).output().expect("a script of the lab");
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{args:?}: {said}");
    said
}

/// Only packages of version 1.0 on these hosts, and fresh lists of the toy repository with 2.0 in it.
pub fn toys(hosts: &[&str]) {
    if hosts.iter().any(|host| DNF.contains(host) || PACMAN.contains(host)) {
        inside_all(hosts, "toys reset");
        return;
    }
    lab(&["apt-repo", "serve"]);
    lab(&["apt-repo", "publish", "2"]);
    on_all(hosts, |host| lab(&["apt-repo", "host", &container(host)]));
}

/// Have the hosts with dnf running.
pub fn fedoras() {
    for (host, image) in DNF.into_iter().zip(["dnf", "dnf5"]) {
        flavoured(host, image);
    }
}

/// Have a host of another kind running.
pub fn flavoured(host: &str, image: &str) {
    let (name, _lab) = (container(host), locked("lab"));
    if !lab(&["ls"]).lines().any(|line| line.starts_with(&format!("{name} ")) && line.contains(" running ")) {
        lab(&["up", "1", name.trim_end_matches("01"), &format!("lab/trixie-{image}")]);
    }
}

/// Have the hosts with docker running, and images in their registry; toy:latest is `latest`.
pub fn docker(latest: &str) {
    static UP: std::sync::Once = std::sync::Once::new();
    UP.call_once(|| {
        let _lab = locked("lab");
        lab(&["up", "1", "rg", "lab/trixie-registry"]);
        lab(&["up", "2", "dk", "lab/trixie-docker"]);
    });
    lab(&["images", "publish", latest]);
}

/// A fault of a host, taken back at the end.
pub struct Fault(&'static str);

impl Fault {
    pub fn on(host: &'static str, what: &[&str]) -> Fault {
        lab(&[&["fault", what[0], &container(host)], &what[1..]].concat());
        Fault(host)
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        lab(&["fault", "heal", &container(self.0)]);
    }
}

/// What is undone at the end of a trial, however it ends.
pub struct Undo<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for Undo<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A directory, a state directory, an inventory: all that a run needs, used by one trial only. The hosts
/// are locked as long as it is there.
pub struct Room {
    dir: tempfile::TempDir,
    _locks: Vec<File>,
}

impl Room {
    /// A room whose inventory has these hosts, logged in to as root.
    pub fn with(hosts: &[&'static str]) -> Room {
        // In one order everywhere, so that nobody waits for somebody who waits.
        let ordered: BTreeSet<_> = hosts.iter().map(|host| container(host)).collect();
        let locks = ordered.iter().map(|host| locked(host)).collect();
        let room = Room { dir: tempfile::tempdir().expect("a temporary directory"), _locks: locks };
        for dir in ["state", "run", "home"] {
            std::fs::DirBuilder::new().mode(0o700).create(room.path(dir)).expect("a directory");
        }
        room.inventory(&hosts.iter().map(|host| (*host, *host, "root")).collect::<Vec<_>>());
        room
    }
    /// An inventory of (name, host of the lab, user).
    pub fn inventory(&self, entries: &[(&str, &str, &str)]) {
        let hosts = entries.iter().map(|(name, host, user)| entry(name, &address(host), user, ""));
        self.write("inventory.yaml", format!("all:\n  hosts:\n{}", hosts.collect::<String>()));
    }
    /// One more host, with more variables.
    pub fn also(&self, name: &str, address: &str, user: &str, more: &str) {
        let text = std::fs::read_to_string(self.path("inventory.yaml")).expect("the inventory");
        self.write("inventory.yaml", &(text + &entry(name, address, user, more)));
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(&path, content).expect("a file");
        path
    }
    pub fn executable(&self, name: &str, content: &str) {
        let path = self.write(name, content);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    }
    /// Write a playbook and run it.
    #[track_caller]
    pub fn play(&self, text: &str, args: &[&str]) -> Done {
        self.write("play.rhai", text);
        self.hlrun(&[&["play.rhai"], args].concat())
    }
    #[track_caller]
    pub fn hlrun(&self, args: &[&str]) -> Done {
        self.start(args).done()
    }
    pub fn start(&self, args: &[&str]) -> Running {
        let file = |name: &str| File::create(self.path(name)).expect("a file");
        let mut command = Command::new(hlrun());
        self.furnish(&mut command).args(args).stdin(Stdio::null());
        command.stdout(file("stdout")).stderr(file("stderr"));
        Running { child: command.spawn().expect("hlrun"), begun: Instant::now(), dir: self.dir.path().to_owned() }
    }
    /// Write a playbook and run it; as soon as it says that it waits, this script on a host lets it go on.
    #[track_caller]
    pub fn waits(&self, text: &str, what: &str, host: &str, release: &str) -> Done {
        self.write("play.rhai", text);
        let waiting = self.start(&["play.rhai", "--stuck-after", "1s"]);
        waiting.says(what);
        inside(host, release);
        waiting.done()
    }
    /// Write a playbook, run it on a terminal and answer what is asked: the screen and the exit code.
    #[track_caller]
    pub fn converse(&self, text: &str, args: &str, talk: &[(&str, &str)]) -> (String, i32) {
        self.write("play.rhai", text);
        let mut command = on_a_terminal(&hlrun().display().to_string(), &format!("play.rhai {args}"));
        converse(self.furnish(&mut command), talk)
    }
    /// Here, and with nothing of whoever runs the tests.
    fn furnish<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let inherited = std::env::vars_os().map(|(name, _)| name);
        for name in inherited.filter(|name| name.to_string_lossy().starts_with("HLRUN_")) {
            command.env_remove(name);
        }
        command.env("HLRUN_INVENTORY", "inventory.yaml").env("HOME", self.path("home")).env_remove("SSH_AUTH_SOCK");
        command.env("XDG_STATE_HOME", self.path("state")).env("XDG_RUNTIME_DIR", self.path("run"));
        command.current_dir(self.dir.path())
    }
    /// Every byte that hlrun keeps between runs.
    pub fn kept(&self) -> String {
        let mut text = String::new();
        let mut open = vec![self.path("state")];
        while let Some(path) = open.pop() {
            match std::fs::read_dir(&path) {
                Ok(entries) => open.extend(entries.map(|entry| entry.expect("an entry").path())),
                Err(_) => text += &format!("{}\n", String::from_utf8_lossy(&std::fs::read(&path).expect("a file"))),
            }
        }
        text
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.hlrun(&["disconnect"]);
    }
}

fn entry(name: &str, address: &str, user: &str, more: &str) -> String {
    let work = work();
    format!(
        "    {name}:\n      ansible_host: {address}\n      ansible_user: {user}\n      \
         ansible_ssh_private_key_file: {key}\n      \
         ansible_ssh_common_args: -o UserKnownHostsFile={known} -o IdentitiesOnly=yes\n{more}",
        key = work.join("id_ed25519").display(),
        known = work.join("known_hosts").display(),
    )
}

/// hlrun while it runs.
pub struct Running {
    child: Child,
    begun: Instant,
    dir: PathBuf,
}

impl Running {
    pub fn interrupt(&self) {
        self.signal("-INT");
    }
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill").success());
    }
    /// Wait until it has said something.
    #[track_caller]
    pub fn says(&self, what: &str) {
        self.until(&format!("nothing about {what:?}"), || {
            let (stdout, stderr) = self.said();
            stdout.contains(what) || stderr.contains(what)
        });
    }
    /// Wait until something is so; `otherwise` says what is wrong if it never is.
    #[track_caller]
    pub fn until(&self, otherwise: &str, so: impl Fn() -> bool) {
        while !so() {
            assert!(self.begun.elapsed() < HANG, "{otherwise}; it said {:?}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    /// Wait for its end; it is killed, and the trial fails, if it takes far too long.
    #[track_caller]
    pub fn done(mut self) -> Done {
        let status = format!("/proc/{}/status", self.child.id());
        let mut peak_kb = 0;
        let code = loop {
            let memory = std::fs::read_to_string(&status).unwrap_or_default();
            let peak = memory.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
            peak_kb = peak.and_then(|kb| kb.trim().parse().ok()).unwrap_or(0).max(peak_kb);
            if let Some(status) = self.child.try_wait().expect("hlrun") {
                break status.code();
            }
            if self.begun.elapsed() > HANG {
                let _ = self.child.kill();
                panic!("hlrun hangs; it said {}", self.said().0);
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let took = self.begun.elapsed();
        let (stdout, stderr) = self.said();
        Done { code, stdout, stderr, took, peak_kb }
    }
    fn said(&self) -> (String, String) {
        let read = |name| String::from_utf8_lossy(&std::fs::read(self.dir.join(name)).expect("output")).into_owned();
        (read("stdout"), read("stderr"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a run said.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
    pub peak_kb: u64,
}

impl Done {
    #[track_caller]
    pub fn exits(self, code: i32) -> Done {
        assert_eq!(self.code, Some(code), "\n--- stdout\n{}\n--- stderr\n{}", tail(&self.stdout), tail(&self.stderr));
        self
    }
    #[track_caller]
    pub fn says(self, what: &str) -> Done {
        let all = format!("{}{}", self.stdout, self.stderr);
        assert!(all.contains(what), "nothing about {what:?} in\n{}", tail(&all));
        self
    }
    #[track_caller]
    pub fn within(self, limit: Duration) -> Done {
        assert!(self.took < limit, "it took {:?}, not {limit:?}\n{}\n{}", self.took, tail(&self.stdout), self.stderr);
        self
    }
    /// The events of `--json`: every line is one, and all are there.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("not an event: {line:?}: {e}"));
        let events: Vec<Value> = self.stdout.lines().map(parse).collect();
        let counts: BTreeSet<u64> = events.iter().filter_map(|event| event["seq"].as_u64()).collect();
        assert_eq!(counts, (1..=events.len() as u64).collect(), "an event is missing");
        assert_eq!(events.first().map(|event| &event["event"]), Some(&"run.start".into()), "{}", self.stderr);
        assert_eq!(events.last().map(|event| &event["event"]), Some(&"run.end".into()), "{}", self.stderr);
        events
    }
    /// The records of `--json`.
    #[track_caller]
    pub fn records(&self) -> Vec<Value> {
        self.named("task.end")
    }
    #[track_caller]
    pub fn named(&self, name: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["event"] == name).collect()
    }
    /// What the playbook printed, sorted.
    #[track_caller]
    pub fn prints(&self) -> Vec<String> {
        let mut texts: Vec<_> =
            self.named("print").iter().map(|p| p["text"].as_str().expect("text").to_owned()).collect();
        texts.sort();
        texts
    }
    /// A number of a host's recap.
    #[track_caller]
    pub fn stat(&self, host: &str, what: &str) -> u64 {
        self.named("run.end")[0]["stats"][host][what].as_u64().unwrap_or_else(|| panic!("no {what} of {host}"))
    }
}

/// The last 2000 bytes or so; of events, those that tell of errors.
pub fn tail(text: &str) -> String {
    if text.starts_with("{\"v\":") {
        let wrong: Vec<&str> = text.lines().filter(|line| line.contains("\"error\":")).take(6).collect();
        return wrong.join("\n");
    }
    let mut from = text.len().saturating_sub(2000);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text[from..].to_owned()
}

/// A text as a literal of the language.
pub fn literal(text: &str) -> String {
    let escape = |c: char| match c {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}
