//! How full file systems are: a fact, and a gate for before an upgrade or a backup.

use crate::contract::{Command, Error, Fact, Look, Module, Result};
use crate::shared::facts::used_percent;
use crate::shared::{Bound, HostPath, size};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.fact::<Usage>().fact::<Free>();
}

/// How full a file system is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fill {
    size: u64,
    free: u64,
    used_percent: u64,
    inodes: u64,
    inodes_free: u64,
}

async fn fill(host: &dyn Look, path: &str) -> Result<Fill> {
    let command = Command::new("stat").args(["-f", "-c", "%S %b %f %a %c %d", "--", path]);
    let text = host.text(&command).await.map_err(|e| match e.stderr.contains("No such file") {
        true => Error::host(format!("{path} does not exist")),
        false => e,
    })?;
    let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [block, total, unused, free, inodes, inodes_free] = numbers[..] else {
        return Err(Error::host(format!("stat -f answered `{text}`")));
    };
    let used_percent = used_percent(total, unused, free);
    let (size, free) = (block.saturating_mul(total), block.saturating_mul(free));
    Ok(Fill { size, free, used_percent, inodes, inodes_free })
}

/// Ask how full the file system is that a path lies in.
///
/// The answer has `size` and `free` in bytes for users other than root, `used_percent` as `df` has it, `inodes` and
/// `inodes_free`; where a file system makes inodes as it needs them (btrfs), both are 0. `facts::mounts()` lists all mounts.
///
/// ```rhai
/// if disk::usage("/var/lib/docker").used_percent > 80 { warn("docker is filling the disk"); }
/// ```
/// ```transcript
/// ? stat -f -c '%S %b %f %a %c %d' -- /var/lib/docker
/// = 4096 7738464 5520000 5120000 1966080 1700000
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// A file or directory.
    pub path: HostPath,
}

impl Fact for Usage {
    type Answer = Fill;

    async fn ask(&self, host: &dyn Look) -> Result<Fill> {
        fill(host, self.path.as_str()).await
    }
}

fn tenth() -> Bound {
    Bound::Percent(10.0)
}

fn twentieth() -> Bound {
    Bound::Percent(5.0)
}

/// Ask for room: too little of it is an error. The answer is that of `disk::usage`.
///
/// ```rhai
/// disk::free("/", #{ at_least: "2G" });
/// ```
/// ```transcript
/// ? stat -f -c '%S %b %f %a %c %d' -- /
/// = 4096 7738464 5520000 5120000 1966080 1700000
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Free {
    /// A file or directory in the file system.
    pub path: HostPath,
    /// What must be free: a size such as `"2G"` (of 1024), or a share such as `"10%"`.
    #[serde(default = "tenth")]
    pub at_least: Bound,
    /// How many inodes must be free: a number, or a share such as `"5%"`.
    #[serde(default = "twentieth")]
    pub inodes: Bound,
}

impl Fact for Free {
    type Answer = Fill;

    async fn ask(&self, host: &dyn Look) -> Result<Fill> {
        let (fill, path) = (fill(host, self.path.as_str()).await?, self.path.as_str());
        let least = self.at_least.of(fill.size);
        if fill.free < least {
            let (free, size, least) = (size(fill.free), size(fill.size), size(least));
            let error = Error::host(format!("{path} has {free} of {size} free, less than {least}"));
            return Err(error.hint(format!("du -xh --max-depth=2 {path} | sort -h | tail shows what takes it")));
        }
        let least = self.inodes.of(fill.inodes);
        if fill.inodes > 0 && fill.inodes_free < least {
            let (free, all) = (fill.inodes_free, fill.inodes);
            return Err(Error::host(format!("{path} has {free} of {all} inodes free, less than {least}"))
                .hint("many small files take them: df -i shows where"));
        }
        Ok(fill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::replay::Replay;
    use futures_util::FutureExt;
    use serde_json::json;

    #[test]
    fn room_is_measured_as_it_is_asked_for() {
        let asked = |at_least: &str, numbers: &str| {
            let fact: Free = serde_json::from_value(json!({ "path": "/", "at_least": at_least })).unwrap();
            let host = Replay::new(&format!("? stat -f -c '%S %b %f %a %c %d' -- /\n= {numbers}\n")).unwrap();
            fact.ask(&host).now_or_never().unwrap().map(|fill| fill.used_percent).map_err(|e| e.message.clone())
        };
        let (full, few) = ("4096 2621440 262144 262144 1000 100", "4096 2621440 2000000 2000000 1000 49");
        assert_eq!(asked("10%", full), Ok(90));
        assert_eq!(asked("1G", full), Ok(90));
        assert_eq!(asked("2G", full), Err("/ has 1.0 GiB of 10.0 GiB free, less than 2.0 GiB".to_owned()));
        assert_eq!(asked("11%", full), Err("/ has 1.0 GiB of 10.0 GiB free, less than 1.1 GiB".to_owned()));
        assert_eq!(asked("1M", few), Err("/ has 49 of 1000 inodes free, less than 50".to_owned()));
        // btrfs has no number of inodes, and some kernels' file systems no size.
        assert_eq!(asked("1M", "4096 2621440 2621440 2621440 0 0"), Ok(0));
        assert_eq!(asked("10%", "4096 0 0 0 0 0"), Ok(0));
    }
}
