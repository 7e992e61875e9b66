//! The same work by Ansible and by hlrun on twin hosts: afterwards the hosts are the same.
//!
//!     tests/lab/lab.sh up 2 twin lab/trixie-python
//!     HLRUN_LAB=/var/tmp/hlrun-lab cargo test --test compat
//!
//! Each `compat/NAME.pairs` is one trial. In it, `## name` begins a pair, `$ lines` make both hosts ready, then
//! come Ansible's tasks (and after `handlers:` its handlers), `----`, and the same in Rhai. All tasks of a file are one
//! play; `uses: toys` at its head asks for the toy packages. What is compared is what each host became against what it
//! was: files with modes, owners and contents, packages, units, crontabs, users, groups, mounts, checkouts, virtual
//! environments, names. Where hlrun is different on purpose, a pair says so in its name, and the difference is in it. Applied a second time, hlrun changes nothing, but for the pairs that say `(again)`.
//! Ansible comes from PyPI, into the lab's directory. Without `HLRUN_LAB` every trial is listed as ignored.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stderr)] // an integration test is no `cfg(test)` to clippy

#[path = "lab/late.rs"]
mod late;

use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const ANSIBLE: &str = "ansible-core==2.19.14";
/// Where `ansible.posix` and `community.general` come from: of this, nothing else is kept.
const COLLECTIONS: &str = "ansible==12.3.0";
const TWINS: [&str; 2] = ["twin01", "twin02"];

/// What a host is, a line each: no times, no salts.
const FINGERPRINT: &str = r#"
set -e
export LC_ALL=C
find /srv /etc /root /home /opt /usr/local /var/spool/cron /tmp -xdev \( -path /root/.ansible -o -path /home/admin/.ansible -o -path '/tmp/systemd-private*' -o -path '/srv/compat/*/.git' -o -path /srv/compat/venv \) -prune \
    -o \( -name '.hlrun*' -o -name '*-' -o -name machine-id -o -name .updated -o -name .pwd.lock -o -name ld.so.cache \) -o -printf '%p %y%m %u:%g %l\n' | sed 's/\(apt\|dpkg\)\.[0-9]*$/\1/; s/\(\.[0-9][0-9]*\)\{0,1\}\.[^./ ]*~ / backup /' | sort
find /srv /etc /root /home /opt /usr/local -xdev \( -path /root/.ansible -o -path '/srv/compat/*/.git' -o -path /srv/compat/venv -o -name '*~' \) -prune -o -type f \
    ! -name '*-' ! -name '.hlrun*' ! -path '*/sources.list.d/compat*' ! -name 'shadow*' ! -name 'ssh_host*' ! -name hostname ! -name hosts ! -name ld.so.cache ! -name machine-id ! -name .updated -exec sha256sum {} + | sort
sed 's/^\([^:]*\):\([^:]\).*\(:[^:]*:[^:]*:[^:]*:[^:]*:[^:]*:[^:]*\)$/\1:\2\3/; s/^\([^:]*:[^:]*:\)[^:]*/\1/' /etc/shadow
dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n'; apt-mark showhold | sed 's/^/hold /'; apt-mark showmanual | sed 's/^/manual /'
systemctl list-unit-files --no-legend --plain | grep -v '^srv-compat-.*mount'
systemctl list-units --all --no-legend --plain --type=service,timer,socket | awk '{print $1, $2, $3}' | grep -v '^user@\|^user-runtime\|^systemd-[a-z]*d.service'
sysctl net.ipv4.ip_forward net.ipv4.tcp_keepalive_time net.ipv4.tcp_fin_timeout
sed -n 's/^[0-9]* [0-9]* [^ ]* \([^ ]* [^ ]*compat[^ ]* [^ ]*\).* - /\1 /p' /proc/self/mountinfo | sed 's/,lowerdir=.*//'
grep -v '^# DO NOT EDIT\|^# (.* installed on \|^# (Cron version' /var/spool/cron/crontabs/* /dev/null || true
for git in $(ls -d /srv/compat/*/.git 2>/dev/null); do
    d=${git%/.git}; echo "$d"; git -C "$d" status --porcelain; git -C "$d" symbolic-ref -q HEAD || true; git -C "$d" branch -r; git -C "$d" remote -v; git -C "$d" rev-parse HEAD --is-shallow-repository
done
grep -v '^X-Repolib-Name' /etc/apt/sources.list.d/compat* /dev/null || true
[ ! -e /srv/compat/venv ] || /srv/compat/venv/bin/pip list --format=freeze
uname -n; locale -a; date +%Z
"#;

/// Takes back what pairs leave. What a pair makes is below /srv/compat or is called compat-something.
const CLEAN: &str = r#"
for path in $(grep -o '/srv/compat[^ ]*' /proc/self/mountinfo); do umount -l $path; done; sed -i /compat/d /etc/fstab; rm -f /etc/modules-load.d/compat* /etc/modprobe.d/compat*
hostname $host; echo $host >/etc/hostname; sysctl -qw net.ipv4.tcp_keepalive_time=7200 net.ipv4.tcp_fin_timeout=60
sed -i 's/^[a-z]/# &/' /etc/locale.gen; rm -rf /usr/lib/locale/locale-archive /usr/lib/locale/*_*; [ ! -e /run/compat-web ] || kill $(cat /run/compat-web); rm -f /run/compat-web
systemctl -q disable --now $(cd /etc/systemd/system; ls -d compat-* 2>/dev/null) 2>/dev/null
rm -rf /srv/compat /etc/systemd/system/*compat-* /etc/cron.d/compat-* /etc/sysctl.d/*compat* /etc/apt/sources.list.d/compat*
for user in $(getent passwd | sed -n 's/^\(compat-[^:]*\):.*/\1/p'); do userdel -rf $user; done
for group in $(getent group | sed -n 's/^\(compat-[^:]*\):.*/\1/p'); do groupdel $group; done
crontab -r; rm -f /etc/sysctl.conf.*; systemctl daemon-reload; mkdir -p /srv/compat; true
"#;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g";

/// What an inventory says of all hosts.
const VARS: &str = "\
site: house
users: { ann: { shell: /bin/bash, uid: 4001 }, bob: { shell: /bin/sh, uid: 4002 } }
";

fn main() {
    let mut args = Arguments::from_args();
    let lab = std::env::var_os("HLRUN_LAB").map(PathBuf::from);
    if lab.is_none() && !args.list {
        eprintln!("Ansible left out; to have it: tests/lab/lab.sh up 2 twin lab/trixie-python, then HLRUN_LAB");
    }
    args.test_threads = Some(1);
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "pairs"));
    files.sort();
    let trials = files.into_iter().map(|file| {
        let name = format!("Ansible and hlrun: {}", file.file_stem().unwrap().to_string_lossy());
        let ignored = lab.is_none();
        let lab = lab.clone();
        let work = move |name: &str| match late::late(name) {
            true => Ok(()),
            false => trial(&lab.expect("HLRUN_LAB"), &file),
        };
        Trial::test(name.clone(), move || work(&name)).with_ignored_flag(ignored)
    });
    libtest_mimic::run(&args, trials.collect()).exit();
}

/// A pair of a file.
struct Pair<'a> {
    name: &'a str,
    ready: String,
    tasks: String,
    calls: String,
}

fn pairs(text: &str) -> Vec<Pair<'_>> {
    let pair = |text| {
        let (name, rest): (&str, &str) = Option::expect(str::split_once(text, '\n'), "a name and a pair");
        let (left, calls) = rest.split_once("\n----\n").unwrap_or_else(|| panic!("{name}: no ----"));
        let (ready, tasks): (Vec<_>, Vec<_>) = left.lines().partition(|line| line.starts_with("$ "));
        let ready = ready.iter().map(|line| format!("{}\n", &line[2..])).collect();
        Pair { name, ready, tasks: tasks.join("\n    "), calls: calls.trim_end().replace('\n', "\n        ") }
    };
    text.split("## ").skip(1).map(pair).collect()
}

fn trial(lab: &Path, file: &Path) -> Result<(), Failed> {
    let text = std::fs::read_to_string(file)?;
    let pairs = pairs(&text);
    let room = tempfile::tempdir()?;
    let (mut tasks, mut handlers) = (String::new(), String::new());
    for Pair { name, tasks: text, .. } in &pairs {
        let (first, last) = text.split_once("handlers:\n").unwrap_or((text, ""));
        tasks += &format!("    # {name}\n    {first}\n");
        handlers += &format!("{last}\n");
    }
    let play = format!("- hosts: {}\n  gather_facts: true\n  tasks:\n{tasks}  handlers:\n{handlers}", TWINS[0]);
    std::fs::write(room.path().join("site.yml"), play)?;
    let calls =
        pairs.iter().map(|pair| format!("    task(\"{}\", || {{\n        {}\n    }});\n", pair.name, pair.calls));
    let play = format!("play(\"twin\", \"{}\", |host| {{\n{}}});\n", TWINS[1], calls.collect::<String>());
    std::fs::write(room.path().join("site.rhai"), play)?;
    std::fs::write(room.path().join("inventory.yaml"), inventory(lab)?)?;
    std::fs::write(room.path().join("text.j2"), "{{ ansible_os_family }} {{ who | default('nobody') }}\n")?;
    std::fs::write(room.path().join("plain.txt"), "plain\n")?;
    std::fs::write(
        room.path().join("users.j2"),
        "{% for u in users | dict2items %}{{ u.key }}: {{ u.value.shell }}\n{% endfor %}{{ site }}\n",
    )?;
    std::fs::write(room.path().join("key.pub"), format!("{KEY} me@laptop\n"))?;
    std::fs::create_dir(room.path().join("group_vars"))?;
    std::fs::write(room.path().join("group_vars/all.yml"), format!("{VARS}room: {}\n", room.path().display()))?;
    std::os::unix::fs::symlink(room.path(), room.path().join("files"))?;
    for name in ["tree/a", "tree/b c/d", "tree/.e"] {
        std::fs::create_dir_all(room.path().join(name).parent().unwrap())?;
        std::fs::write(room.path().join(name), name)?;
    }
    said(Command::new("tar").args(["-czf", "tree.tar.gz", "tree"]).current_dir(room.path()).output(), "tar")?;

    let ready = format!("{CLEAN}set -e\n{}", pairs.iter().map(|pair| pair.ready.as_str()).collect::<String>());
    for twin in TWINS {
        inside(twin, &format!("host={twin}\n{ready}"))?;
    }
    if text.starts_with("uses: toys") {
        for args in [&["serve"][..], &["publish", "2"], &["host", TWINS[0], TWINS[1]]] {
            said(lab_script(lab).arg("apt-repo").args(args).output(), "lab.sh apt-repo")?;
        }
    }
    let before = TWINS.map(|twin| inside(twin, FINGERPRINT));
    let (first_a, first_h) = (play_ansible(lab, room.path())?, play_hlrun(room.path())?);
    let after = TWINS.map(|twin| inside(twin, FINGERPRINT));
    let [(was_a, was_h), (is_a, is_h)] = [before, after].map(|[a, h]| (a, h));
    let (became_a, became_h) = (became(&was_a?, &is_a?, TWINS[0]), became(&was_h?, &is_h?, TWINS[1]));
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>().join("\n  ");
    let (ansible_only, hlrun_only) = (only(&became_a, &became_h), only(&became_h, &became_a));
    if !ansible_only.is_empty() || !hlrun_only.is_empty() {
        return Err(format!("only with Ansible:\n  {ansible_only}\nonly with hlrun:\n  {hlrun_only}").into());
    }
    if became_h.is_empty() {
        return Err(format!("nothing happened: {first_a}\n{first_h}").into());
    }
    let again = pairs.iter().filter(|pair| pair.name.contains("(again)")).count();
    let changed = changes(&play_hlrun(room.path())?);
    if changed > again {
        return Err(format!("a second time, hlrun changed {changed} of {again} that may").into());
    }
    Ok(())
}

/// How many changes the recap counts.
fn changes(said: &str) -> usize {
    let mut recap =
        said.lines().filter_map(|line| line.split("changed=").nth(1)?.split_whitespace().next()?.parse().ok());
    recap.next_back().unwrap_or(usize::MAX)
}

/// The lines that came and went, without the host's own name.
fn became(before: &str, after: &str, host: &str) -> BTreeSet<String> {
    let lines = |text: &str| text.replace(host, "twin").lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (before, after) = (lines(before), lines(after));
    let gone = before.difference(&after).map(|line| format!("- {line}"));
    gone.chain(after.difference(&before).map(|line| format!("+ {line}"))).collect()
}

/// The two collections out of the wheel of them all.
const FETCH: &str = r#"
set -e; mkdir -p "$2"; "$1/bin/pip" download -q --disable-pip-version-check --no-deps -d "$2" "$3"
"$1/bin/python" - "$2" <<'PY'
import glob, sys, zipfile
for name in glob.glob(sys.argv[1] + "/ansible-*.whl"):
    with zipfile.ZipFile(name) as wheel:
        wanted = "ansible_collections/ansible/posix/", "ansible_collections/community/general/"
        wheel.extractall(sys.argv[1], [entry for entry in wheel.namelist() if entry.startswith(wanted)])
PY
rm "$2"/ansible-*.whl
"#;

fn play_ansible(lab: &Path, room: &Path) -> Result<String, String> {
    let venv = lab.join("venv");
    if !venv.join("bin/ansible-playbook").exists() {
        let script = r#"python3 -m venv "$1" && "$1/bin/pip" install -q --disable-pip-version-check "$2""#;
        said(Command::new("sh").args(["-c", script, "sh"]).arg(&venv).arg(ANSIBLE).output(), "pip")?;
    }
    let collections = lab.join("collections");
    if !collections.join("ansible_collections/community/general").exists() {
        said(
            Command::new("sh").args(["-c", FETCH, "sh"]).args([&venv, &collections]).arg(COLLECTIONS).output(),
            "pip",
        )?;
    }
    let mut command = Command::new(venv.join("bin/ansible-playbook"));
    command.env("ANSIBLE_COLLECTIONS_PATH", collections);
    command.args(["-i", "inventory.yaml", "site.yml"]).current_dir(room).stdin(Stdio::null());
    command.env("HOME", room).env("ANSIBLE_PIPELINING", "1").env("LC_ALL", "C.UTF-8").env("ANSIBLE_NOCOLOR", "1");
    said(command.output(), "Ansible")
}

fn play_hlrun(room: &Path) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hlrun"));
    command.args(["-i", "inventory.yaml", "site.rhai"]).current_dir(room).stdin(Stdio::null());
    command.env("HOME", room).env("XDG_STATE_HOME", room).env("XDG_RUNTIME_DIR", room).env("NO_COLOR", "1");
    said(command.output(), "hlrun")
}

fn inside(host: &str, script: &str) -> Result<String, String> {
    let mut docker = Command::new("docker");
    docker.args(["exec", "-i", host, "sh"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = docker.spawn().map_err(|e| format!("docker: {e}"))?;
    child.stdin.take().unwrap().write_all(script.as_bytes()).map_err(|e| e.to_string())?;
    said(child.wait_with_output(), host)
}

fn said(output: std::io::Result<Output>, who: &str) -> Result<String, String> {
    let output = output.map_err(|e| format!("{who}: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(format!("{who}: {}\n{text}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}

fn lab_script(lab: &Path) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab.sh"));
    command.env("LAB_WORK", lab);
    command
}

fn inventory(lab: &Path) -> Result<String, String> {
    let text = said(lab_script(lab).args(["inventory", "twin"]).output(), "lab.sh")?;
    let known = format!("-o UserKnownHostsFile={} -o IdentitiesOnly=yes", lab.join("known_hosts").display());
    Ok(format!(
        "{text}  vars:\n    ansible_ssh_common_args: {known}\n    ansible_python_interpreter: /usr/bin/python3\n"
    ))
}
