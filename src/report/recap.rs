//! Ansible's recap line, to the letter: scripts look for `failed=0` in it.

use super::Stats;

/// One host's line.
pub fn recap(host: &str, s: &Stats) -> String {
    format!(
        "{host:<26} : ok={:<4} changed={:<4} unreachable={:<4} failed={:<4} skipped={:<4} rescued={:<4} ignored={:<4}",
        s.ok, s.changed, s.unreachable, s.failures, s.skipped, s.rescued, s.ignored
    )
    .trim_end()
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recap_is_ansibles() {
        let stats = Stats { ok: 4, changed: 2, skipped: 2, ..Stats::default() };
        let line = "h1                         : ok=4    changed=2    unreachable=0    failed=0    skipped=2    rescued=0    ignored=0";
        assert_eq!(recap("h1", &stats), line);
    }
}
