//! `system::timezone`.

use crate::bail;
use crate::contract::{Command, Error, Look, Operation, Result, Step, nearest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Make sure the machine's clock shows the time of this zone.
///
/// Sets `/etc/localtime`, and `/etc/timezone` where a machine has one. A zone that the machine does not know is an
/// error that names the nearest one it knows.
///
/// ```rhai
/// system::timezone("Europe/Berlin");
/// ```
/// ```transcript
/// ? sh -c '(readlink /etc/localtime; /etc/timezone; /usr/share/zoneinfo)' sh Europe/Berlin
/// = zone Etc/UTC
/// = file Etc/UTC
/// ! sh -c 'timedatectl set-timezone "$1" 2>/dev/null || ln -sfn "/usr/share/zoneinfo/$1" /etc/localtime' sh Europe/Berlin
/// ! sh -c 'printf "%s\n" "$1" >/etc/timezone' sh Europe/Berlin
/// ? sh -c '(readlink /etc/localtime; /etc/timezone; /usr/share/zoneinfo)' sh Europe/Berlin
/// = zone Europe/Berlin
/// = file Europe/Berlin
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timezone {
    /// The zone, as the IANA database names it: `Europe/Berlin`, `Etc/UTC`.
    pub name: String,
}

/// The zone of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimezoneState {
    /// What `/etc/localtime` is; nothing means UTC, for want of a file.
    zone: Option<String>,
    /// What `/etc/timezone` says, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

/// A zone that is a copy, not a link, is found by its content. Known zones are listed only if this one is not.
const ASKED: &str = r#"z=/usr/share/zoneinfo; l=$(readlink /etc/localtime); if [ -n "$l" ]; then echo "zone ${l##*zoneinfo/}"; elif [ -e /etc/localtime ]; then n=$z/$1; cmp -s /etc/localtime "$n" || n=$(find $z -type f -exec cmp -s {} /etc/localtime \; -print | head -n 1); echo "zone ${n#$z/}"; fi; [ ! -e /etc/timezone ] || echo "file $(cat /etc/timezone)"; if [ ! -d $z ]; then echo missing; elif [ ! -f "$z/$1" ]; then cd $z && find . -type f -path "./*/*" | sed "s/^../known /"; fi"#;

const SET: &str = r#"timedatectl set-timezone "$1" 2>/dev/null || ln -sfn "/usr/share/zoneinfo/$1" /etc/localtime"#;

impl Operation for Timezone {
    type State = TimezoneState;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_+-/".contains(c);
        if self.name.is_empty() || self.name.starts_with(['/', '-']) || !self.name.chars().all(plain) {
            bail!(playbook: "`{}` is no time zone", self.name; hint: "write it as \"Europe/Berlin\" or \"Etc/UTC\"");
        }
        Ok(())
    }
    async fn read(&self, host: &dyn Look) -> Result<TimezoneState> {
        let text = host.text(&Command::gist("readlink /etc/localtime; /etc/timezone; /usr/share/zoneinfo", ASKED).arg(&self.name)).await?;
        let said = |mark: &str| text.lines().find_map(|line| line.strip_prefix(mark)).map(|word| word.trim().to_owned());
        let known: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("known ")).collect();
        if text.lines().any(|line| line == "missing") {
            bail!("the machine knows no time zones"; hint: "apt::installed(\"tzdata\") brings them");
        }
        if !known.is_empty() {
            let error = Error::host(format!("the machine knows no time zone `{}`", self.name));
            return Err(match nearest(&self.name, known) {
                Some(meant) => error.hint(format!("did you mean `{meant}`?")),
                None => error.hint("timedatectl list-timezones shows them; old names are in Debian's tzdata-legacy"),
            });
        }
        Ok(TimezoneState { zone: said("zone "), file: said("file ") })
    }
    fn want(&self, now: &TimezoneState) -> Result<TimezoneState> {
        Ok(TimezoneState { zone: Some(self.name.clone()), file: now.file.as_ref().map(|_| self.name.clone()) })
    }
    fn steps(&self, now: &TimezoneState, want: &TimezoneState) -> Result<Vec<Step>> {
        let mut steps: Vec<Step> = Vec::new();
        match &want.zone {
            Some(zone) if zone.is_empty() => {
                bail!("the time zone from before was a file of the machine's own, and was not kept")
            }
            Some(zone) if now.zone != want.zone => steps.push(Command::sh(SET).arg(zone).into()),
            None if now.zone.is_some() => steps.push(Command::new("rm").args(["-f", "/etc/localtime"]).into()),
            _ => {}
        }
        // Setting the zone may have written this file too: it is written last.
        match &want.file {
            Some(file) => steps.push(Command::sh(r#"printf "%s\n" "$1" >/etc/timezone"#).arg(file).into()),
            None if now.file.is_some() => steps.push(Command::new("rm").args(["-f", "/etc/timezone"]).into()),
            None => {}
        }
        Ok(steps)
    }
}
