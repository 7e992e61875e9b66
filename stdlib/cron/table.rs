//! Where entries are: the crontab of a user, or a file in `/etc/cron.d`.

use crate::bail;
use crate::contract::{Command, Error, Look, Result, Step};
use crate::shared::{AccountName, Attributes, FileState, HostPath, Id, Keep, Mode, Reading};

/// A text with entries.
#[derive(Debug)]
pub struct Table {
    place: Place,
    backup: bool,
}

#[derive(Debug)]
enum Place {
    /// Of this user, or of who is logged in.
    Crontab(Option<String>),
    File(HostPath),
}

/// The text of a state.
pub fn text(state: &FileState) -> Option<&str> {
    state.content.as_ref()?.text.as_deref()
}

/// The state with what is left of its text; a file goes when that is nothing.
pub fn left(now: &FileState, left: Option<String>, file: bool) -> FileState {
    let empty = |left: &str| left.trim().is_empty() && text(now) != Some(left);
    match left {
        Some(left) if file && empty(&left) => FileState { real: now.real.clone(), ..FileState::default() },
        left => FileState { content: left.map(FileState::text), ..now.clone() },
    }
}

const NOT_INSTALLED: &str = "apt::installed(\"cron\") brings it on Debian; on Fedora and Arch the package is cronie";

/// The error of a step, with what usually helps.
pub fn explain(error: Error) -> Error {
    if error.message.ends_with(" is not installed") {
        return error.hint(NOT_INSTALLED);
    }
    if error.message.contains("must be privileged") {
        return error.hint("within(#{ become: \"root\" }, || ...) may write another user's crontab");
    }
    if error.message.contains("nknown") && error.message.contains("user") {
        return error.hint("user::present(name) makes him");
    }
    error
}

/// Keeps a crontab's old text where only its reader can read it.
const BACKUP: &str = r#"f=$(mktemp /tmp/crontab.XXXXXX) && crontab "$@" >"$f" && echo "$f""#;

impl Table {
    /// The table that parameters name.
    pub fn new(user: Option<&AccountName>, file: Option<&str>, backup: bool) -> Result<Table> {
        let Some(file) = file else {
            return Ok(Table { place: Place::Crontab(user.map(|user| user.to_string())), backup });
        };
        let path = if file.starts_with('/') { file.to_owned() } else { format!("/etc/cron.d/{file}") };
        let path = match HostPath::parse(&path) {
            Ok(path) if path.as_str() == "/etc/crontab" => {
                bail!(playbook: "/etc/crontab is the system's own: put entries into a file in /etc/cron.d"; hint: "cron_file: \"homelab\"")
            }
            Ok(path) if !file.is_empty() && !file.ends_with('/') => path,
            _ => {
                bail!(playbook: "`cron_file`: \"{file}\" is no file"; hint: "write a name in /etc/cron.d, or a whole path")
            }
        };
        Ok(Table { place: Place::File(path), backup })
    }

    /// Refuses a file that cron would never read.
    pub fn check(&self) -> Result<()> {
        let Place::File(path) = &self.place else { return Ok(()) };
        let name = path.rsplit('/').next().unwrap_or_default();
        if path.parent() == "/etc/cron.d" && !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) {
            bail!(playbook: "`cron_file`: cron passes over /etc/cron.d/{name}, because of its name";
                hint: "use letters, digits, `_` and `-` only");
        }
        Ok(())
    }

    fn crontab(user: Option<&str>, args: &[&str]) -> Command {
        let command = Command::new("crontab").args(args.iter().copied().filter(|arg| *arg != "-"));
        let command = command.args(user.iter().flat_map(|user| ["-u", user]));
        command.args(args.iter().copied().filter(|arg| *arg == "-"))
    }

    /// Reads it in one round trip.
    pub async fn read(&self, host: &dyn Look) -> Result<FileState> {
        let user = match &self.place {
            Place::Crontab(user) => user.as_deref(),
            Place::File(path) => {
                // They are nobody's to decide, but a file that goes comes back with them.
                let (mode, id) = (Mode::octal(0), Id::from(0));
                let all = Attributes { mode: Some(&mode), owner: Some(&id), group: Some(&id) };
                let mut now = FileState::read(host, path, all, Reading::Text).await?;
                if let (Some(mode), Some(owner), Some(group)) = (now.mode.take(), now.owner.take(), now.group.take()) {
                    now.had = Some((mode, owner, group));
                }
                return Ok(now);
            }
        };
        let output = host.run(&Table::crontab(user, &["-l"]).env("LC_ALL", "C")).await?;
        let said = output.stderr_text();
        let said = said.trim();
        // busybox has no words of its own for it.
        let none = said.contains("no crontab for") || said.contains("No such file or directory");
        match output.code {
            0 => {}
            1 if none => return Ok(FileState::default()),
            127 => bail!("crontab is not installed"; hint: "{NOT_INSTALLED}"),
            code if said.is_empty() => bail!("crontab exited with {code}"),
            _ => return Err(explain(Error::host(said.lines().last().unwrap_or_default()))),
        }
        match String::from_utf8(output.stdout) {
            Ok(text) => Ok(FileState { content: Some(FileState::text(text)), ..FileState::default() }),
            Err(_) => bail!("the crontab is not UTF-8 text, so it is left alone"),
        }
    }

    /// The steps from one state to another.
    pub fn steps(&self, now: &FileState, want: &FileState) -> Result<Vec<Step>> {
        let user = match &self.place {
            Place::File(path) => {
                let mut want = want.clone();
                if let (None, Some((mode, owner, group))) = (&now.content, want.had.take()) {
                    (want.mode, want.owner, want.group) = (Some(mode), Some(owner), Some(group));
                }
                return now.steps(path, &want, None, &Keep { backup: self.backup, ..Keep::default() });
            }
            Place::Crontab(user) => user.as_deref(),
        };
        let mut steps: Vec<Step> = Vec::new();
        if self.backup && now.content.is_some() {
            steps.push(Command::sh(BACKUP).args(Table::crontab(user, &["-l"]).args).into());
        }
        steps.push(match text(want) {
            Some(text) => Table::crontab(user, &["-"]).stdin(text).into(),
            None => Table::crontab(user, &["-r"]).into(),
        });
        Ok(steps)
    }

    /// What must be there before: the directory of a new file.
    pub async fn premise(&self, host: &dyn Look, now: &FileState) -> Result<()> {
        let Place::File(path) = &self.place else { return Ok(()) };
        now.place(host, path).await.map_err(|error| match path.parent() {
            "/etc/cron.d" => error.hint(NOT_INSTALLED),
            _ => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_and_goes_where_it_is() {
        let some = FileState { content: Some(FileState::text("x\n".to_owned())), ..FileState::default() };
        let none = FileState::default();
        let user = AccountName::parse("media").unwrap();
        let lines = |table: &Table, now, want| -> Vec<String> {
            table.steps(now, want).unwrap().iter().map(Step::line).collect()
        };
        let mine = Table::new(None, None, false).unwrap();
        assert_eq!(lines(&mine, &none, &some), ["crontab -"]);
        let his = Table::new(Some(&user), None, true).unwrap();
        let backup = r#"sh -c 'f=$(mktemp /tmp/crontab.XXXXXX) && crontab "$@" >"$f" && echo "$f"' sh -l -u media"#;
        assert_eq!(lines(&his, &some, &none), [backup, "crontab -r -u media"]);
        let file = Table::new(Some(&user), Some("homelab"), true).unwrap();
        assert_eq!(lines(&file, &none, &some), ["write /etc/cron.d/homelab"]);
        assert_eq!(lines(&file, &some, &none), ["rm -f -- /etc/cron.d/homelab"]);
        let had = Some(("0600".to_owned(), "0".to_owned(), "8".to_owned()));
        let back = FileState { had, ..some.clone() };
        assert_eq!(lines(&file, &none, &back), ["write /etc/cron.d/homelab mode=0600 owner=0 group=8"]);
    }

    #[test]
    fn a_file_that_cron_never_reads_is_refused() {
        let wrong = |file: &str| Table::new(None, Some(file), false).and_then(|table| table.check()).is_err();
        assert!(["", "a.b", "a b", "/etc/crontab", "/etc/cron.d/x~"].into_iter().all(wrong));
        assert!(!["homelab", "/etc/cron.d/home_lab-1", "/srv/my.cron"].into_iter().any(wrong));
    }
}
