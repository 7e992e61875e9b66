//! The two questions, and what their answers mean. Pure: tried on recorded answers.

use std::collections::{BTreeMap, BTreeSet};

/// Every process, every lock, the files that package managers lock, and how full the disks are.
pub(super) const SURVEY: &str = r#"
echo "$$"
cat /proc/[0-9]*/stat 2>/dev/null
echo --locks; cat /proc/locks 2>/dev/null
echo --files; stat -c '%i %n' /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock \
  /var/cache/apt/archives/lock /var/lib/rpm/.rpm.lock /usr/lib/sysimage/rpm/.rpm.lock /lib/apk/db/lock 2>/dev/null
echo --pids
for f in /run/dnf.pid /var/cache/dnf/metadata_lock.pid /var/lib/dnf/rpmdb_lock.pid /run/yum.pid; do
  [ ! -r "$f" ] || { read -r p <"$f"; echo "$p $f"; }
done
[ ! -e /var/lib/pacman/db.lck ] || echo "0 /var/lib/pacman/db.lck"
echo --disks; timeout 3 df -P / /var /tmp 2>/dev/null
:"#;

/// Of each process named: command line, standard input, system call. Then the mounts that do not answer.
pub(super) const DETAILS: &str = r#"
uname -m
for p; do
  echo "$p"
  { tr '\0\n' '  ' <"/proc/$p/cmdline"; } 2>/dev/null; echo
  if [ -p "/proc/$p/fd/0" ]; then echo pipe:; else readlink "/proc/$p/fd/0" 2>/dev/null || echo; fi
  c=; { read -r c <"/proc/$p/syscall"; } 2>/dev/null; echo "$c"
done
echo --mounts
remote() {
  while read -r device place type rest; do
    case $type in nfs | nfs4 | cifs | smb3 | 9p | ceph | glusterfs | fuse.*) echo "$type $device $place" ;; esac
  done </proc/mounts
}
[ -n "$(remote)" ] || exit 0
remote | while read -r type device place; do
  stat -f -- "$place" >/dev/null 2>&1 &
  asked=$!
  for i in 1 2; do kill -0 "$asked" 2>/dev/null || continue 2; sleep 1; done
  ! kill -0 "$asked" 2>/dev/null || { echo "$type $device $place"; kill -9 "$asked" 2>/dev/null; }
done
:"#;

/// What a call waits for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub waits: String,
    pub hint: Option<String>,
}

#[derive(Debug)]
struct Process {
    parent: u32,
    state: char,
    name: String,
}

/// A host at one moment.
#[derive(Debug, Default)]
pub(super) struct Picture {
    processes: BTreeMap<u32, Process>,
    /// What runs over our connection, without ourselves.
    ours: BTreeSet<u32>,
    /// The ends of its tree: what everything else waits for.
    leaves: Vec<u32>,
    /// By inode: who holds a lock, and who waits for it.
    locks: Vec<(u64, u32, Vec<u32>)>,
    files: Vec<(u64, String)>,
    pids: Vec<(u32, String)>,
    full: Vec<String>,
}

const SHELLS: [&str; 5] = ["sh", "dash", "bash", "ash", "busybox"];
const ELEVATORS: [&str; 3] = ["sudo", "su", "doas"];
const PACKAGERS: [&str; 12] =
    ["apt", "apt-get", "aptitude", "dpkg", "unattended-upgr", "dnf", "dnf5", "yum", "rpm", "pacman", "apk", "zypper"];

impl Picture {
    /// Read the answer to [`SURVEY`]; `controller` is our own process where the host is this machine.
    pub fn read(text: &str, controller: u32) -> Picture {
        let mut picture = Picture::default();
        let mut lines = text.lines();
        let own: u32 = lines.next().and_then(|line| line.trim().parse().ok()).unwrap_or_default();
        let mut part = "";
        for line in lines {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |i: usize| words.get(i).and_then(|word| word.parse::<u64>().ok());
            let pid = |i: usize| number(i).and_then(|n| u32::try_from(n).ok());
            match part {
                _ if line.starts_with("--") => part = line,
                "" => picture.processes.extend(process(line)),
                "--locks" => picture.lock(&words),
                "--files" => picture.files.extend(number(0).zip(words.get(1).map(ToString::to_string))),
                "--pids" => picture.pids.extend(pid(0).zip(words.get(1).map(ToString::to_string))),
                "--disks" if words.get(4) == Some(&"100%") => {
                    picture.full.extend(words.get(5).map(ToString::to_string));
                }
                _ => {}
            }
        }
        picture.full.dedup();
        picture.family(own, controller);
        picture
    }

    /// `1: POSIX ADVISORY WRITE 812 08:01:1234 0 EOF`; who waits has `->` behind the number.
    fn lock(&mut self, words: &[&str]) {
        let waits = words.get(1) == Some(&"->");
        let words = &words[usize::from(waits).min(words.len())..];
        let pid = words.get(4).and_then(|word| word.parse().ok());
        let inode = words.get(5).and_then(|file| file.rsplit(':').next()).and_then(|inode| inode.parse().ok());
        let (Some(pid), Some(inode)) = (pid, inode) else { return };
        match self.locks.last_mut().filter(|_| waits) {
            Some((.., waiting)) => waiting.push(pid),
            None => self.locks.push((inode, pid, Vec::new())),
        }
    }

    fn parent(&self, pid: u32) -> u32 {
        self.processes.get(&pid).map_or(0, |process| process.parent)
    }

    fn name(&self, pid: u32) -> &str {
        self.processes.get(&pid).map_or("", |process| process.name.as_str())
    }

    /// Find what runs over our connection: everything below the server that we are below ourselves.
    fn family(&mut self, own: u32, controller: u32) {
        let above = |pid: u32| std::iter::successors(Some(pid), |pid| Some(self.parent(*pid)).filter(|p| *p > 1));
        let is_server = |pid: &u32| {
            *pid == controller || ["sshd", "dropbear", "tinyssh"].iter().any(|name| self.name(*pid).starts_with(name))
        };
        let Some(server) = above(own).find(is_server) else { return };
        let branch = above(own).take_while(|pid| *pid != server).last().unwrap_or(own);
        let ours = self.processes.keys().copied().filter(|pid| {
            let mut up = above(*pid).skip(1);
            up.any(|pid| pid == server) && *pid != branch && above(*pid).all(|pid| pid != branch)
        });
        let ours: BTreeSet<u32> = ours.collect();
        let busy = |pid: &u32| {
            let parent = above(*pid).skip(1).find(|pid| !ELEVATORS.contains(&self.name(*pid)));
            // A shell right below the server waits for what we say to it.
            !(SHELLS.contains(&self.name(*pid)) && parent == Some(server))
        };
        let leaf = |pid: &u32| self.processes.values().all(|process| process.parent != *pid);
        let leaves = ours.iter().copied().filter(leaf).filter(busy).collect();
        (self.ours, self.leaves) = (ours, leaves);
    }

    /// Whether a process may be between two looks of a shell's loop.
    fn sleeps(&self, pid: u32) -> bool {
        self.name(pid) == "sleep" && SHELLS.contains(&self.name(self.parent(pid)))
    }

    /// The lock that package managers wait for, or a shell that looks again and again: its file and its holder.
    fn packages(&self, polls: bool) -> Option<(&str, u32)> {
        if !polls && !self.ours.iter().any(|pid| PACKAGERS.contains(&self.name(*pid))) {
            return None;
        }
        let known = self.files.iter().filter_map(|(inode, file)| {
            let (_, holder, _) = self.locks.iter().find(|(locked, ..)| locked == inode)?;
            Some((file.as_str(), *holder))
        });
        let written = self.pids.iter().map(|(pid, file)| (file.as_str(), *pid));
        let alive = |pid: u32| pid == 0 || self.processes.contains_key(&pid);
        known.chain(written).find(|(_, pid)| alive(*pid) && !self.ours.contains(pid))
    }

    /// The lock that one of ours waits for in the kernel: its file, if that is known, and its holder.
    fn locked(&self) -> Option<(Option<&str>, u32)> {
        let (inode, holder, _) =
            self.locks.iter().find(|(.., waiting)| waiting.iter().any(|p| self.ours.contains(p)))?;
        Some((self.files.iter().find(|(known, _)| known == inode).map(|(_, file)| file.as_str()), *holder))
    }

    /// The processes to ask more about.
    pub fn suspects(&self) -> Vec<u32> {
        let holders = self.locked().map(|(_, pid)| pid).into_iter();
        let polls = self.leaves.iter().any(|pid| self.sleeps(*pid));
        let holders = holders.chain(self.packages(polls).map(|(_, pid)| pid));
        let leaves = self.leaves.iter().rev().copied().take(8);
        holders.filter(|pid| *pid > 0).chain(leaves).collect()
    }

    /// What is waited for; `quiet` names programs without their arguments.
    pub fn explain(&self, details: &str, quiet: bool) -> Answer {
        let (machine, processes, mounts) = details_of(details);
        let line = |pid: u32| {
            let full = processes.get(&pid).map(|more| more.line.as_str()).filter(|line| !quiet && !line.is_empty());
            let line: String = full.unwrap_or(self.name(pid)).chars().take(100).collect();
            if line.is_empty() { format!("process {pid}") } else { format!("`{line}` (pid {pid})") }
        };
        let answer = |waits: String, hint: String| Answer { waits, hint: Some(hint) };
        let second = |pid: &u32| processes.get(pid).is_some_and(|more| more.line.trim() == "sleep 1");
        let polls = self.leaves.iter().any(|pid| self.sleeps(*pid) && second(pid));
        if let Some((file, holder)) =
            self.locked().map(|(file, pid)| (file.unwrap_or("on a file"), pid)).or(self.packages(polls))
        {
            let who = if holder == 0 { "somebody".to_owned() } else { line(holder) };
            let hint = format!("it goes on when that one is done; on the host: ps -fp {holder}");
            return answer(format!("the lock {file}, which {who} holds"), hint);
        }
        let state =
            |of: char| self.leaves.iter().copied().find(|pid| self.processes.get(pid).is_some_and(|p| p.state == of));
        if let Some(mount) = mounts.first() {
            let place = mount.rsplit(' ').next().unwrap_or_default();
            let who = state('D').map(|pid| format!(" ({} hangs in the kernel)", line(pid))).unwrap_or_default();
            let hint = format!("is its server up? To give the mount up, on the host: umount -f -l {place}");
            return answer(format!("a mount that does not answer: {mount}{who}"), hint);
        }
        if let Some(pid) = state('D') {
            let hint = "the last words of the kernel, on the host: dmesg | tail".to_owned();
            return answer(format!("a disk or a mount: {} hangs in the kernel (state D)", line(pid)), hint);
        }
        if let Some(pid) = self.leaves.iter().copied().find(|pid| ELEVATORS.contains(&self.name(*pid))) {
            let hint =
                "let hlrun do it: within(#{ become: \"root\" }, || ...) in place of sudo in the command".to_owned();
            return answer(format!("a password, or whoever checks it: {} got no further", line(pid)), hint);
        }
        if let Some(pid) = state('T').or(state('t')) {
            return answer(format!("{}, which is stopped", line(pid)), format!("on the host: kill -CONT {pid}"));
        }
        let reads = |pid: &&u32| processes.get(pid).is_some_and(|more| more.reads(&machine));
        if let Some(pid) = self.leaves.iter().find(reads) {
            let hint = "give it with stdin, or look for an option that needs no answer (-y, --batch, --yes)".to_owned();
            return answer(format!("something to read: {} waits for its standard input", line(*pid)), hint);
        }
        if !self.full.is_empty() {
            let full = self.full.join(" and ");
            return answer(
                format!("free space, perhaps: {full} is full"),
                "on the host: df -h; du -xh / | sort -h | tail".to_owned(),
            );
        }
        match self.leaves.last() {
            Some(pid) => {
                let computes = self.processes.get(pid).is_some_and(|process| process.state == 'R');
                let what = if computes { "which is computing" } else { "which is still running" };
                Answer { waits: format!("{}, {what}", line(*pid)), hint: None }
            }
            None => Answer { waits: "nothing that runs on the host".to_owned(), hint: None },
        }
    }
}

/// A line of `/proc/PID/stat`: the name stands in parentheses and may contain anything.
fn process(line: &str) -> Option<(u32, Process)> {
    let (pid, rest) = line.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let mut rest = rest.split(' ');
    let state = rest.next()?.chars().next()?;
    Some((pid.parse().ok()?, Process { parent: rest.next()?.parse().ok()?, state, name: name.to_owned() }))
}

/// More about a process.
struct More {
    line: String,
    input: String,
    call: String,
}

impl More {
    /// Whether it reads its standard input and nothing comes: `read` is another number on every machine.
    fn reads(&self, machine: &str) -> bool {
        let read = match machine {
            "x86_64" => "0",
            "aarch64" | "riscv64" => "63",
            _ => "3",
        };
        let open = ["pipe:", "/dev/pts/", "/dev/tty", "socket:"].iter().any(|kind| self.input.starts_with(kind));
        open && self.call.strip_prefix(read).is_some_and(|rest| rest.starts_with(" 0x0 "))
    }
}

fn details_of(text: &str) -> (String, BTreeMap<u32, More>, Vec<String>) {
    let mut lines = text.lines();
    let machine = lines.next().unwrap_or_default().trim().to_owned();
    let mut processes = BTreeMap::new();
    while let Some(pid) = lines.next().filter(|line| *line != "--mounts") {
        let mut next = || lines.next().unwrap_or_default().trim().to_owned();
        let (line, input, call) = (next(), next(), next());
        if let Ok(pid) = pid.parse() {
            processes.insert(pid, More { line, input, call });
        }
    }
    (machine, processes, lines.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// We are 40 below sshd 10; 20 is the shell of the run, and what is below it is the call.
    const TREE: &str =
        "40\n1 (systemd) S 0 1\n10 (sshd-session) S 1 1\n20 (sh) S 10 1\n30 (sh) S 10 1\n40 (sh) S 30 1\n";

    fn ask(more: &str, details: &str) -> String {
        Picture::read(&format!("{TREE}{more}"), 0).explain(details, false).waits
    }

    #[test]
    fn what_a_call_waits_for_is_told() {
        let apt = "21 (apt-get) S 20 1\n--locks\n1: POSIX  ADVISORY  WRITE 812 00:1e:77 0 EOF\n--files\n77 /lock\n";
        let holder = "812 (unattended-upgr) S 1 1\n";
        let poll = apt.replace("21 (apt-get) S 20 1", "21 (sh) S 20 1\n22 (sleep) S 21 1");
        let cases = [
            (format!("{holder}{poll}"), "x86_64\n812\ndpkg -i x\n\n\n22\nsleep 1 \n\n\n", "the lock /lock, which `dpkg -i x` (pid 812) holds"),
            (format!("{holder}{poll}"), "x86_64\n812\ndpkg -i x\n\n\n22\nsleep 9 \n\n\n", "`sleep 9` (pid 22), which is still running"),
            (format!("{holder}{apt}"), "x86_64\n812\npython3 /usr/bin/unattended\n\n\n--mounts\n", "the lock /lock, which `python3 /usr/bin/unattended` (pid 812) holds"),
            ("21 (flock) S 20 1\n9 (dd) S 1 1\n--locks\n1: FLOCK ADVISORY WRITE 9 00:1e:5 0 EOF\n1: -> FLOCK ADVISORY WRITE 21 00:1e:5 0 EOF\n".to_owned(), "x86_64\n", "the lock on a file, which `dd` (pid 9) holds"),
            ("21 (apt-get) S 20 1\n--pids\n0 /db.lck\n".to_owned(), "x86_64\n", "the lock /db.lck, which somebody holds"),
            ("21 (ls (x) y) D 20 1\n".to_owned(), "x86_64\n--mounts\nnfs4 nas:/media /mnt/media\n", "a mount that does not answer: nfs4 nas:/media /mnt/media (`ls (x) y` (pid 21) hangs in the kernel)"),
            ("21 (dd) D 20 1\n".to_owned(), "x86_64\n", "a disk or a mount: `dd` (pid 21) hangs in the kernel (state D)"),
            ("21 (sh) S 20 1\n22 (sudo) S 21 1\n".to_owned(), "x86_64\n", "a password, or whoever checks it: `sudo` (pid 22) got no further"),
            ("21 (cat) T 20 1\n".to_owned(), "x86_64\n", "`cat` (pid 21), which is stopped"),
            ("21 (cat) S 20 1\n".to_owned(), "aarch64\n21\ncat\npipe:[1]\n63 0x0 0xff\n--mounts\n", "something to read: `cat` (pid 21) waits for its standard input"),
            ("21 (cat) S 20 1\n--disks\n/dev/sda1 9 9 0 100% /\n".to_owned(), "x86_64\n21\ncat\n/dev/null\n0 0x0 0xff\n", "free space, perhaps: / is full"),
            ("21 (sh) S 20 1\n22 (sleep) S 21 1\n".to_owned(), "x86_64\n22\nsleep 300 \n\n\n", "`sleep 300` (pid 22), which is still running"),
            ("21 (yes) R 20 1\n".to_owned(), "", "`yes` (pid 21), which is computing"),
            (String::new(), "", "nothing that runs on the host"),
        ];
        for (picture, details, waits) in cases {
            assert_eq!(ask(&picture, details), waits);
        }
    }

    #[test]
    fn what_others_run_is_not_ours() {
        let other = "11 (sshd-session) S 1 1\n12 (sh) S 11 1\n13 (sleep) S 12 1\n";
        assert_eq!(ask(other, ""), "nothing that runs on the host");
        let ours = Picture::read(&format!("{TREE}21 (sudo) S 20 1\n22 (sh) S 21 1\n23 (vi) S 22 1\n"), 0);
        assert_eq!(ours.suspects(), [23]);
        let local = Picture::read("40\n7 (hlrun) S 1 1\n20 (sh) S 7 1\n21 (vi) S 20 1\n40 (sh) S 7 1\n", 7);
        assert_eq!(local.suspects(), [21]);
    }

    #[test]
    fn arguments_are_withheld_where_the_call_is() {
        let picture = Picture::read(&format!("{TREE}21 (mysql) S 20 1\n"), 0);
        let answer = picture.explain("x86_64\n21\nmysql -ps3cr3t\n\n\n", true);
        assert_eq!(answer.waits, "`mysql` (pid 21), which is still running");
    }
}
