//! `systemd::unit`: unit files and drop-ins.

use super::manager::{Scope, Shown, UnitName, explain, told};
use crate::bail;
use crate::contract::{Command, Error, Keepsake, Look, Operation, Result, Step};
use crate::shared::{Attributes, FileState, Given, HostPath, Keep, Loaded, Mode, Reading};
use futures_util::try_join;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Make sure a unit file has this content, and that systemd has read it.
///
/// The file lies in `/etc/systemd/system`, or in the user's `~/.config/systemd/user`. Running units are
/// not restarted: look at `.changed`, or `defer` a `systemd::restarted`. With `dropin`, it is a file that
/// changes a unit of somebody else.
///
/// ```rhai
/// systemd::unit("backup.timer", #{ content: "[Timer]\nOnCalendar=daily\n\n[Install]\nWantedBy=timers.target\n" });
/// ```
/// ```transcript
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/systemd/system/backup.timer
/// - stat: cannot statx '/etc/systemd/system/backup.timer': No such file or directory
/// * 1
/// ? find /etc/systemd/system/backup.timer -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// - find: ‘/etc/systemd/system/backup.timer’: No such file or directory
/// * 1
/// ? systemctl show -p NeedDaemonReload -- backup.timer
/// = NeedDaemonReload=no
/// ! write /etc/systemd/system/backup.timer mode=0644
/// + [Timer]
/// + OnCalendar=daily
/// +
/// + [Install]
/// + WantedBy=timers.target
/// ! systemctl daemon-reload
/// ? LC_ALL=C stat -c %a:%U:%G:%u:%g:%s:%Y:%F -- /etc/systemd/system/backup.timer
/// = 644:root:root:0:0:60:1763666100:regular file
/// ? find /etc/systemd/system/backup.timer -maxdepth 0 -type f -exec sha256sum '{}' ';'
/// = d6dbfcd909081545c3ca74cf199eaa2c54c1e22a800b9a989cc9f4c5d1498821  /etc/systemd/system/backup.timer
/// ? systemctl show -p NeedDaemonReload -- backup.timer
/// = NeedDaemonReload=no
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// The unit; without a suffix, a service.
    pub name: UnitName,
    /// The content itself.
    pub content: Option<String>,
    /// The file on the controller that has the content, looked for beside the playbook.
    pub src: Option<String>,
    /// The Jinja template on the controller that makes the content.
    pub template: Option<String>,
    /// Variables for the template, beside those of the host.
    #[serde(default)]
    pub vars: BTreeMap<String, Value>,
    /// The name of a drop-in: the file is `NAME.d/DROPIN.conf`.
    pub dropin: Option<String>,
    /// Permissions.
    #[serde(default = "readable")]
    pub mode: Mode,
    /// Whether the file should be there; with false, a unit is stopped and disabled before it goes.
    #[serde(default = "yes")]
    pub present: bool,
    /// `"system"`, or `"user"` for a unit of the user's own.
    #[serde(default)]
    pub scope: Scope,
    #[serde(skip)]
    path: Option<HostPath>,
    #[serde(skip)]
    loaded: Option<Loaded>,
    /// Whether it is on the way back.
    #[serde(skip)]
    back: bool,
}

/// Remove directories as far as they are empty.
const EMPTIED: &str = r#"for d; do rmdir -- "$d" 2>/dev/null || break; done"#;

fn readable() -> Mode {
    Mode::octal(0o644)
}

fn yes() -> bool {
    true
}

/// A unit file, and whether systemd knows another version of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UnitState {
    #[serde(flatten)]
    file: FileState,
    /// Whether it changed since systemd read it.
    stale: bool,
    /// Whether the unit runs, where its file goes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    running: bool,
    /// Whether it starts at boot, where its file goes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    enabled: bool,
}

impl Unit {
    /// Where the file is.
    async fn locate(&self, host: &dyn Look) -> Result<HostPath> {
        let directory = match self.scope {
            Scope::System => "/etc/systemd/system".to_owned(),
            Scope::User => {
                let home = host.text(&Command::sh(r#"printf %s "$HOME""#)).await?;
                format!("{home}/.config/systemd/user")
            }
        };
        let file = match &self.dropin {
            None => self.name.to_string(),
            Some(dropin) => {
                let dropin = dropin.strip_suffix(".conf").unwrap_or(dropin);
                if dropin.is_empty() || dropin.contains(['/', '\0']) {
                    bail!(playbook: "`dropin` is the name of a file, such as \"limits\"");
                }
                format!("{}.d/{dropin}.conf", self.name)
            }
        };
        HostPath::parse(&format!("{directory}/{file}")).map_err(Error::bug)
    }
    fn path(&self) -> Result<&HostPath> {
        self.path.as_ref().ok_or_else(|| Error::bug("systemd::unit was not prepared"))
    }
    fn attributes(&self) -> Attributes<'_> {
        Attributes { mode: Some(&self.mode), ..Attributes::default() }
    }
}

impl Operation for Unit {
    type State = UnitState;

    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        self.path = Some(self.locate(host).await?);
        let given = Given { content: &self.content, src: &self.src, template: &self.template, vars: &self.vars };
        self.loaded = given.load(host, self.path()?).await?;
        if self.present && self.loaded.is_none() {
            bail!(playbook: "systemd::unit needs `content`, `src` or `template`";
                hint: "systemd::running(name) starts a unit that exists, present: false takes a file away");
        }
        Ok(())
    }

    async fn read(&self, host: &dyn Look) -> Result<UnitState> {
        let reading = match &self.loaded {
            Some(loaded) => Reading::Digest(&loaded.content.sha256),
            None => Reading::Digest(""),
        };
        let file = FileState::read(host, self.path()?, self.attributes(), reading);
        let goes = !self.present && self.dropin.is_none();
        let properties = if goes { "NeedDaemonReload,ActiveState,UnitFileState" } else { "NeedDaemonReload" };
        let shown = Shown::ask(host, self.scope, &self.name, properties);
        let (file, shown) = try_join!(file, shown)?;
        let (running, enabled) = (goes && shown.active() == "active", goes && shown.enabled() == Some(true));
        Ok(UnitState { file, stale: shown.stale(), running, enabled })
    }

    fn want(&self, now: &UnitState) -> Result<UnitState> {
        let file = match &self.loaded {
            Some(loaded) if self.present => {
                FileState { content: Some(loaded.content.clone()), ..self.attributes().on(&now.file) }
            }
            _ => FileState::default(),
        };
        Ok(UnitState { file, stale: false, running: false, enabled: false })
    }

    fn steps(&self, now: &UnitState, want: &UnitState) -> Result<Vec<Step>> {
        let path = self.path()?;
        let mut steps: Vec<Step> = Vec::new();
        if want.file.content.is_none() && now.file.content.is_some() && self.dropin.is_none() {
            steps.push(self.scope.systemctl(["disable", "--now", "--", self.name.as_str()]).into());
        }
        let nested = self.dropin.is_some() || self.scope == Scope::User;
        if want.file.content.is_some() && now.file.content.is_none() && nested {
            steps.push(Command::new("mkdir").args(["-p", "--", path.parent()]).into());
        }
        let loaded = self.loaded.as_ref().filter(|loaded| want.file.content.as_ref() == Some(&loaded.content));
        let source = loaded.and_then(|loaded| loaded.source.clone());
        steps.extend(now.file.steps(path, &want.file, source, &Keep::default())?);
        if now.stale || now.file.content.as_ref().map(|c| &c.sha256) != want.file.content.as_ref().map(|c| &c.sha256) {
            steps.push(self.scope.systemctl(["daemon-reload"]).into());
        }
        if self.back && nested && want.file.content.is_none() {
            // Directories that were made for it go, as far as they are empty then.
            let above = path.parent().rsplit_once('/').map_or("", |(above, _)| above);
            let user = (self.scope == Scope::User).then_some(above);
            steps.push(Command::sh(EMPTIED).arg(path.parent()).args(user).into());
        }
        if want.enabled && !now.enabled {
            steps.push(self.scope.systemctl(["enable", "--", self.name.as_str()]).into());
        }
        if want.running && !now.running {
            steps.push(told(self.scope, "start", &self.name, false).into());
        }
        Ok(steps)
    }
    fn keeps(&self, now: &UnitState, want: &UnitState) -> Vec<Keepsake> {
        self.path.iter().flat_map(|path| now.file.keeps(path, &want.file)).collect()
    }
    async fn recall(&mut self, host: &dyn Look, before: UnitState, _after: &UnitState) -> Result<UnitState> {
        self.back = true;
        self.path = Some(self.locate(host).await?);
        let content = before.file.content.clone().unwrap_or_default();
        self.loaded = Some(Loaded { content, source: None });
        Ok(UnitState { stale: false, ..before })
    }
    fn explain(&self, error: Error) -> Error {
        explain(error)
    }
}
