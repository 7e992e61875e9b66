//! What a host says of its own health, in one question.

use super::Finding;
use super::controller::SKEW;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nothing in it changes anything; what may hang on a dead mount has a limit.
pub(super) const QUESTION: &str = r#"
echo "clock $(date +%s)"
echo "user $(id -un)"
for tool in cat chmod chown cp date dd getent id ln mkdir mktemp mv readlink rm sed stat sync tr wc; do
  command -v "$tool" >/dev/null 2>&1 || echo "missing $tool"
done
limit() { if command -v timeout >/dev/null 2>&1; then timeout "$@"; else shift; "$@"; fi; }
{ limit 5 df -P -l || limit 5 df -P / /var /tmp; } 2>/dev/null | sed -n '2,$s/^/disk /p'
{ limit 5 df -P -l -i || limit 5 df -P -i /; } 2>/dev/null | sed -n '2,$s/^/inodes /p'
for file in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/lib/rpm/.rpm.lock; do
  inode=$(stat -c %i "$file" 2>/dev/null) || continue
  while read -r number type advisory mode pid place rest; do
    case $place in *:"$inode") echo "lock $file $pid $(cat "/proc/$pid/comm" 2>/dev/null)" ;; esac
  done </proc/locks
done 2>/dev/null
limit 10 systemctl --failed --plain --no-legend --no-pager 2>/dev/null | while read -r unit rest; do echo "unit $unit"; done
if [ -e /run/reboot-required ] || [ -e /var/run/reboot-required ]; then
  echo "reboot $(sort -u /run/reboot-required.pkgs 2>/dev/null | tr '\n' ' ')"
elif command -v needs-restarting >/dev/null 2>&1; then
  limit 30 needs-restarting -r >/dev/null 2>&1; [ $? -ne 1 ] || echo "reboot"
fi
:"#;

/// Read the answer; the controller's clock was looked at before and after.
pub(super) fn findings(answer: &str, before: SystemTime, after: SystemTime) -> Vec<Finding> {
    let mut found = Vec::new();
    let of = |word: &str| {
        let lines = answer.lines().filter_map(|line| line.split_once(' ')).filter(move |(key, _)| *key == word);
        lines.map(|(_, rest)| rest.trim().to_owned()).collect::<Vec<_>>()
    };
    found.extend(of("clock").first().and_then(|seconds| clock(seconds.parse().ok()?, before, after)));
    let missing = of("missing");
    found.push(match missing.is_empty() {
        true => Finding::ok("tools", "sh and all that hlrun needs"),
        false => Finding::failed("tools", format!("missing: {}", missing.join(" ")))
            .remedy("apt install coreutils sed libc-bin, or what they are called there"),
    });
    found.extend(full("disk", &of("disk")));
    found.extend(full("inodes", &of("inodes")));
    for lock in of("lock") {
        let mut words = lock.split(' ');
        let (file, pid) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let who = words.collect::<Vec<_>>().join(" ");
        let message = format!("{file} is held by {who} (pid {pid}): packages must wait");
        found.push(Finding::warning("packages", message).remedy(format!("ps -fp {pid}")));
    }
    for unit in of("unit") {
        found.push(Finding::warning("units", format!("{unit} has failed")).remedy(format!("systemctl status {unit}")));
    }
    if let Some(why) =
        of("reboot").first().cloned().or_else(|| answer.lines().find(|l| *l == "reboot").map(|_| String::new()))
    {
        let why = if why.is_empty() { String::new() } else { format!(" for {why}") };
        found.push(Finding::warning("reboot", format!("it waits for a reboot{why}")).remedy("systemctl reboot"));
    }
    found
}

fn clock(theirs: f64, before: SystemTime, after: SystemTime) -> Option<Finding> {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map(|d| d.as_secs_f64()).ok();
    let (before, after) = (seconds(before)?, seconds(after)?);
    // They count whole seconds, and answered at some moment between ours.
    let apart = if theirs + 1.0 < before { theirs + 1.0 - before } else { (theirs - after).max(0.0) };
    let shown = format!("{:.0} s {}", apart.abs(), if apart < 0.0 { "behind" } else { "ahead" });
    Some(match Duration::from_secs_f64(apart.abs()) {
        span if span <= SKEW => Finding::ok("clock", "as here"),
        _ => Finding::warning("clock", format!("{shown} of here")).remedy("timedatectl set-ntp true"),
    })
}

/// File systems that are nearly full; otherwise the fullest.
pub(super) fn full(check: &'static str, lines: &[String]) -> Vec<Finding> {
    let entry = |line: &String| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let percent = words.get(4)?.strip_suffix('%')?.parse::<u8>().ok()?;
        let real = !["tmpfs", "devtmpfs", "udev", "squashfs", "efivarfs", "overlay"].contains(words.first()?)
            && !words.first()?.starts_with("/dev/loop")
            || words.get(5) == Some(&"/");
        real.then(|| (words[0].to_owned(), words.get(5).unwrap_or(&"?").to_string(), percent))
    };
    // What is mounted in several places is told of once, by its shortest name.
    let mut entries: Vec<(String, String, u8)> = lines.iter().filter_map(entry).collect();
    entries.sort_by_key(|(device, place, _)| (device.clone(), place.len()));
    entries.dedup_by(|a, b| a.0 == b.0);
    let mut entries: Vec<(u8, String)> = entries.into_iter().map(|(_, place, percent)| (percent, place)).collect();
    entries.sort();
    let message = |percent: &u8, place: &String| format!("{place} is {percent} % full");
    let remedy = match check {
        "disk" => "du -xh / 2>/dev/null | sort -h | tail",
        _ => "du -x --inodes / 2>/dev/null | sort -n | tail",
    };
    let bad = entries.iter().filter(|(percent, _)| *percent >= 90).map(|(percent, place)| match percent {
        90..98 => Finding::warning(check, message(percent, place)).remedy(remedy),
        _ => Finding::failed(check, message(percent, place)).remedy(remedy),
    });
    let bad: Vec<Finding> = bad.collect();
    if bad.is_empty() {
        entries.last().map(|(p, place)| Finding::ok(check, message(p, place))).into_iter().collect()
    } else {
        bad
    }
}
