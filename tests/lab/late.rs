//! A time after which no trial on a real host is begun any more, for machines that are slow and may not take all day.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::time::SystemTime;

/// Whether it is too late to begin a trial: `HLRUN_LAB_UNTIL`, in seconds since 1970, has passed. Whoever is left out
/// is written to the file `left-out` of the lab, which `tests/run` reads out at the end.
pub fn late(trial: &str) -> bool {
    let Ok(until) = std::env::var("HLRUN_LAB_UNTIL") else { return false };
    let until: u64 = until.parse().expect("HLRUN_LAB_UNTIL: seconds since 1970");
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_secs();
    if now < until {
        return false;
    }
    let path = PathBuf::from(std::env::var_os("HLRUN_LAB").expect("HLRUN_LAB")).join("left-out");
    let mut file =
        OpenOptions::new().create(true).append(true).open(path).expect("the list of trials that are left out");
    file.write_all(format!("{trial}\n").as_bytes()).expect("a line");
    true
}
