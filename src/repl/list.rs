//! Lists that the commands of the prompt show: hosts, variables, facts.

use super::{Face, Repl, Turn, answer};
use crate::inventory::Kind;
use crate::report::values;
use crate::script::Answered;
use serde_json::{Map, Value};
use stdlib::contract::{Error, Result};

/// The script behind `:facts`.
const FACTS: &str = include_str!("../../playbooks/lib/facts.rhai");

impl<F: Face> Repl<F> {
    /// Hosts of the inventory, the chosen ones marked.
    pub(super) fn hosts(&self, pattern: &str) -> Result<()> {
        let inventory = self.console.inventory();
        let (hosts, paint) = (inventory.select(pattern)?, self.face.paint());
        let width = hosts.iter().map(String::len).max().unwrap_or_default();
        for host in &hosts {
            let connection = inventory.connection(host, &Default::default())?;
            let user = connection.user.map(|user| format!("{user}@")).unwrap_or_default();
            let place = match connection.kind {
                Kind::Local => "local".to_owned(),
                Kind::Ssh => format!("{user}{}", connection.address),
            };
            let chosen = self.console.chosen().contains(host);
            let name = format!("{} {host:<width$}", if chosen { "*" } else { " " });
            let name = if chosen { paint.bold(&name) } else { name };
            let groups = paint.dim(&inventory.groups_of(host).join(", "));
            self.face.say(format!("{name}  {place:<24}  {groups}").trim_end());
        }
        Ok(())
    }

    /// The variables of a host, and where each comes from.
    pub(super) fn host_variables(&self, host: &str) -> Result<()> {
        let paint = self.face.paint();
        for (name, variable) in self.console.inventory().variables(host)?.iter() {
            let origin = paint.dim(&format!("{} ({})", variable.origin, variable.layer));
            self.face.say(&format!("{} = {}  {origin}", paint.cyan(name), values::literal(&variable.value)));
        }
        Ok(())
    }

    /// The variables of the session.
    pub(super) fn variables(&self) {
        let (paint, width) = (self.face.paint(), self.face.width());
        for (name, answered) in self.console.lines().values() {
            let lines = answer::lines(&answered, paint, width);
            let name = paint.cyan(&name);
            match (&answered, lines.as_slice()) {
                (Answered::Once(_), [line]) => self.face.say(&format!("{name} = {line}")),
                (_, []) => self.face.say(&format!("{name} = {}", paint.dim("what came of a call"))),
                _ => {
                    self.face.say(&format!("{name} ="));
                    self.say(lines.into_iter().map(|line| format!("  {line}")));
                }
            }
        }
    }

    /// What the chosen hosts are.
    pub(super) fn facts(&mut self) -> Result<Turn, Vec<Error>> {
        let Some(pattern) = self.console.pattern().map(str::to_owned) else {
            return Err(vec![Error::playbook("no host is chosen").hint("choose some: :on PATTERN")]);
        };
        self.console.set_param("pattern", Value::String(pattern));
        let line = self.console.check_line(FACTS)?;
        let listeners = self.face.listeners(self.settings, self.console.check(), self.console.lines().sources());
        let entered = self.console.run(line, listeners);
        if let Some(Answered::Hosts(hosts)) = entered.answered.filter(|_| !self.settings.silent) {
            let row = |(host, shown): (String, crate::script::Shown)| {
                let mut row = Map::from_iter([("host".to_owned(), Value::String(host))]);
                row.extend(shown.json().as_object().cloned().unwrap_or_default());
                Value::Object(row)
            };
            let rows = Value::Array(hosts.into_iter().map(row).collect());
            self.say(values::lines(&rows, self.face.paint(), self.face.width()));
        }
        Ok(Turn::Done(entered.exit))
    }
}
