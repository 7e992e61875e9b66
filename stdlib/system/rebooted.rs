//! `system::rebooted`: a reboot that is proven.

use crate::bail;
use crate::contract::{Action, Await, Command, Look, Reboot, Result, Step};
use crate::shared::{Many, Span};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// Reboot the machine and wait until it is back.
///
/// It is back when it answers over a fresh connection with another boot id than before (or another start of process
/// 1, where a container shares its machine's boot id), and when `test_command` succeeds. What it waits for is shown.
/// A host that does not come back in time is *unreachable*; one that still runs its old boot has failed.
///
/// ```rhai
/// if system::reboot_required() {
///     system::rebooted(#{ timeout: "10m", message: "new kernel", test_command: "systemctl is-active docker" });
/// }
/// ```
/// ```transcript
/// ? sh -c '(/run/reboot-required; needs-restarting -r; uname -r against /lib/modules)' sh
/// = required
/// = package linux-image-6.1.0-39-amd64
/// ? sh -c 's=$(cat /proc/1/stat 2>/dev/null); s=${s##*) }; set -- $s; echo "$(cat /proc/sys/kernel/random/boot_id) ${20}"' sh
/// = 5c2f3f6e-7b0b-4f1e-9d4c-0a4f3b1d2e6a 3
/// ! sh -c 'PATH=$PATH:/usr/sbin:/sbin; if command -v shutdown >/dev/null; then exec shutdown -r now "$1"; fi; if command -v systemctl >/dev/null; then exec systemctl reboot; fi; exec reboot' sh 'new kernel'
/// ! await within=600s sh -c '(boot_id and the start of process 1, against those before)' sh 5c2f3f6e-7b0b-4f1e-9d4c-0a4f3b1d2e6a 3
/// = boot 5c2f3f6e-7b0b-4f1e-9d4c-0a4f3b1d2e6a -> 0b1f7c52-9d0e-4c3a-8a44-6a1f2b3c4d5e
/// ! await within=600s sh -c 'systemctl is-active docker'
/// = active
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rebooted {
    /// The longest to wait until it is back, and again until `test_command` succeeds.
    #[serde(default = "ten_minutes")]
    pub timeout: Span,
    /// How long to wait before the reboot.
    pub delay: Option<Span>,
    /// How long to wait when it is back, before `test_command`.
    pub post_delay: Option<Span>,
    /// What users who are logged in are told.
    #[serde(default = "message")]
    pub message: String,
    /// A command that must succeed when it is back: a list of arguments, or one line for the shell.
    pub test_command: Option<Many<String>>,
    /// The command that reboots, instead of `shutdown -r now`: a list of arguments, or one line for the shell.
    pub command: Option<Many<String>>,
    /// This boot: its id, and when process 1 started.
    #[serde(skip)]
    boot: (String, String),
}

fn ten_minutes() -> Span {
    Span(Duration::from_secs(600))
}

fn message() -> String {
    "hlrun reboots this machine".to_owned()
}

/// The boot id, and the 22nd field of the status of process 1: when it started.
pub(super) const BOOT: &str =
    r#"s=$(cat /proc/1/stat 2>/dev/null); s=${s##*) }; set -- $s; echo "$(cat /proc/sys/kernel/random/boot_id) ${20}""#;

const PROOF: &str = r#"o=$1 p=$2; b=$(cat /proc/sys/kernel/random/boot_id) || exit; s=$(cat /proc/1/stat 2>/dev/null); s=${s##*) }; set -- $s; if [ "$b" != "$o" ] || { [ -n "$p" ] && [ "${20:-$p}" != "$p" ]; }; then echo "boot $o -> $b"; else echo "it still runs the boot from before" >&2; exit 1; fi"#;

const REBOOT: &str = r#"PATH=$PATH:/usr/sbin:/sbin; if command -v shutdown >/dev/null; then exec shutdown -r now "$1"; fi; if command -v systemctl >/dev/null; then exec systemctl reboot; fi; exec reboot"#;

/// How long the reboot may keep its own connection waiting for an answer.
const PARTING: Duration = Duration::from_secs(60);

fn command(given: &Many<String>) -> Command {
    match given {
        Many::One(line) => Command::new("sh").arg("-c").arg(line),
        Many::Several(words) => Command::new(words.first().cloned().unwrap_or_default()).args(words.iter().skip(1)),
    }
}

impl Rebooted {
    fn wait(&self, until: Command) -> Step {
        Await { after: "its reboot".to_owned(), until, timeout: self.timeout.0 }.into()
    }
}

fn pause(span: Span) -> Step {
    Command::new("sleep").arg(span.0.as_secs_f64().to_string()).long().into()
}

impl Action for Rebooted {
    const REBOOT: Reboot = Reboot::Made;

    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        for (name, given) in [("command", &self.command), ("test_command", &self.test_command)] {
            if given.as_ref().is_some_and(|given| given.as_slice().first().is_none_or(|word| word.trim().is_empty())) {
                bail!(playbook: "system::rebooted: `{name}` is empty");
            }
        }
        let text = host.text(&Command::sh(BOOT)).await?;
        let (id, start) = text.split_once(' ').unwrap_or((&text, ""));
        if id.is_empty() {
            bail!("this boot cannot be told from the next: /proc/sys/kernel/random/boot_id is empty");
        }
        self.boot = (id.to_owned(), start.trim().to_owned());
        Ok(())
    }
    fn steps(&self) -> Result<Vec<Step>> {
        let reboot = match &self.command {
            Some(given) => command(given),
            None => Command::sh(REBOOT).arg(&self.message),
        };
        let mut steps: Vec<Step> = self.delay.map(pause).into_iter().collect();
        steps.push(reboot.timeout(Some(PARTING)).may_disconnect().into());
        steps.push(
            self.wait(
                Command::gist("boot_id and the start of process 1, against those before", PROOF)
                    .args([&self.boot.0, &self.boot.1]),
            ),
        );
        steps.extend(self.post_delay.map(pause));
        steps.extend(self.test_command.as_ref().map(|test| self.wait(command(test))));
        Ok(steps)
    }
    fn foretold(&self) -> &str {
        "it would reboot, and what comes up is not known before"
    }
}
