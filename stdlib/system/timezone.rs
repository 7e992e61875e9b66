//! `system::timezone`.

use crate::bail;
use crate::contract::{Command, Error, Keepsake, Look, Operation, Result, Source, Step, Write, nearest};
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
    /// Where the link leads, to the letter: relative, or not.
    #[serde(rename = "$$link", default, skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    /// What it is where it is no link.
    #[serde(rename = "$$copy", default, skip_serializing_if = "Option::is_none")]
    copy: Option<Copied>,
}

/// A file in the link's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Copied {
    sha256: String,
    mode: String,
    owner: String,
    group: String,
}

impl Copied {
    fn parse(text: &str) -> Option<Copied> {
        let mut words = text.split(' ').map(str::to_owned);
        let (sha256, mode, owner, group) = (words.next()?, words.next()?, words.next()?, words.next()?);
        Some(Copied { sha256, mode: format!("{mode:0>4}"), owner, group })
    }
}

/// A zone that is a copy, not a link, is found by its content. Known zones are listed only if this one is not.
const ASKED: &str = r#"z=/usr/share/zoneinfo; l=$(readlink /etc/localtime); if [ -n "$l" ]; then echo "link $l"; echo "zone ${l##*zoneinfo/}"; elif [ -e /etc/localtime ]; then echo "copy $(sha256sum </etc/localtime | cut -c 1-64) $(stat -c "%a %u %g" /etc/localtime)"; n=$z/$1; cmp -s /etc/localtime "$n" || n=$(find $z -type f -exec cmp -s {} /etc/localtime \; -print | head -n 1); echo "zone ${n#$z/}"; fi; [ ! -e /etc/timezone ] || echo "file $(cat /etc/timezone)"; if [ ! -d $z ]; then echo missing; elif [ ! -f "$z/$1" ]; then cd $z && find . -type f -path "./*/*" | sed "s/^../known /"; fi"#;

const LOCALTIME: &str = "/etc/localtime";

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
        let text = host
            .text(&Command::gist("readlink /etc/localtime; /etc/timezone; /usr/share/zoneinfo", ASKED).arg(&self.name))
            .await?;
        let said =
            |mark: &str| text.lines().find_map(|line| line.strip_prefix(mark)).map(|word| word.trim().to_owned());
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
        let copy = said("copy ").and_then(|copy| Copied::parse(&copy));
        Ok(TimezoneState { zone: said("zone "), file: said("file "), link: said("link "), copy })
    }
    fn want(&self, now: &TimezoneState) -> Result<TimezoneState> {
        let file = now.file.as_ref().map(|_| self.name.clone());
        Ok(TimezoneState { zone: Some(self.name.clone()), file, link: None, copy: None })
    }
    fn steps(&self, now: &TimezoneState, want: &TimezoneState) -> Result<Vec<Step>> {
        let mut steps: Vec<Step> = Vec::new();
        match (&want.zone, &want.link, &want.copy) {
            (_, Some(link), _) => steps.push(Command::new("ln").args(["-sfn", "--", link, LOCALTIME]).into()),
            (_, _, Some(copy)) => {
                let write = Write {
                    mode: Some(copy.mode.clone()),
                    owner: Some(copy.owner.clone()),
                    group: Some(copy.group.clone()),
                    ..Write::new(LOCALTIME, Source::Kept(copy.sha256.clone()))
                };
                // Otherwise it would be written where the link leads.
                steps.extend([Command::new("rm").args(["-f", LOCALTIME]).into(), write.into()]);
            }
            (Some(zone), ..) if now.zone != want.zone => steps.push(Command::sh(SET).arg(zone).into()),
            (None, ..) if now.zone.is_some() => steps.push(Command::new("rm").args(["-f", LOCALTIME]).into()),
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
    fn keeps(&self, now: &TimezoneState, _want: &TimezoneState) -> Vec<Keepsake> {
        let copy = now.copy.iter();
        let command = Command::new("cat").arg(LOCALTIME);
        copy.map(|copy| Keepsake { command: command.clone(), sha256: copy.sha256.clone(), size: 0 }).collect()
    }
}
