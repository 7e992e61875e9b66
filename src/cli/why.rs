//! `hlrun why`: which definition of a variable counts for a host, and which ones lose.

use super::args::WhyArgs;
use super::{run, screen};
use crate::inventory::{HIDDEN, Inventory, Overlay, Variable};
use crate::run::is_secret;
use serde_json::{Value, json};
use std::path::Path;
use stdlib::contract::Error;
use stdlib::shared::template::is_template;
use stdlib::shared::yaml::{VAULT, marked};

/// Show where a variable comes from. Returns the exit code.
pub fn why(args: &WhyArgs) -> u8 {
    match explain(args) {
        Ok(None) => 0,
        // What is defined is shown; what it comes to is not known.
        Ok(Some(error)) => screen::fail(&[error]),
        Err(errors) => screen::fail(&errors),
    }
}

fn explain(args: &WhyArgs) -> Result<Option<Error>, Vec<Error>> {
    let beside = args.playbook.as_deref().and_then(Path::parent);
    let beside = beside.map(|dir| if dir.as_os_str().is_empty() { Path::new(".") } else { dir });
    let inventory = run::inventory(&args.inventory, beside)?;
    let (host, name) = (args.host.as_str(), args.variable.as_str());
    let variables = inventory.variables(host).map_err(|e| vec![e])?;
    let found = variables.get(name);
    let in_play = match &args.playbook {
        Some(path) => run::compiled(path)?.0.survey.vars.is_some_and(|vars| vars.contains(name)),
        None => false,
    };
    let resolved = inventory.resolve(host, name, &Overlay::default());
    if found.is_none() && !in_play && resolved.is_err() {
        return Err(resolved.err().into_iter().collect());
    }
    let view = View { inventory: &inventory, name, reveal: args.reveal };
    let shown = resolved.as_ref().ok().map(|value| view.resolved(value, found)).transpose().map_err(|e| vec![e])?;
    let note = args.playbook.as_ref().filter(|_| in_play).map(|path| {
        format!("a play of {} sets `{name}` in its `vars`: there that wins over all but --extra-vars", path.display())
    });
    if args.json {
        let winner = found.map(|v| view.json(v)).transpose().map_err(|e| vec![e])?;
        let losers = found.iter().flat_map(|v| &v.shadowed).map(|v| view.json(v));
        let losers: Vec<Value> = losers.collect::<Result<_, _>>().map_err(|e| vec![e])?;
        let answer = json!({ "host": host, "variable": name, "value": shown, "winner": winner, "losers": losers, "set_by_play": in_play });
        screen::out(&answer.to_string());
    } else {
        let value = shown.map_or_else(|| "(not known)".to_owned(), |value| brief(&value));
        screen::out(&format!("{host}: {name} = {value}"));
        let rows =
            found.iter().map(|v| ("wins", *v)).chain(found.iter().flat_map(|v| &v.shadowed).map(|v| ("loses", v)));
        let mut table = Vec::new();
        for (word, variable) in rows {
            let value = view.written(variable).map_err(|e| vec![e])?;
            let layer = format!("{} (level {})", variable.layer, variable.layer.level as u8);
            table.push([word.to_owned(), brief(&value), variable.origin.to_string(), layer]);
        }
        lines(&table);
        if found.is_none() && !in_play {
            screen::out("  built in: no file says it");
        }
        note.iter().for_each(|note| screen::out(&format!("  {note}")));
    }
    Ok(resolved.err().filter(|_| found.is_some()))
}

/// Values as they may be shown.
struct View<'a> {
    inventory: &'a Inventory,
    name: &'a str,
    reveal: bool,
}

impl View<'_> {
    /// A definition as it is written.
    fn written(&self, variable: &Variable) -> Result<Value, Error> {
        shown(self.inventory, self.name, variable, self.reveal)
    }
    /// What it comes to.
    fn resolved(&self, value: &Value, from: Option<&Variable>) -> Result<Value, Error> {
        if self.reveal {
            return Ok(value.clone());
        }
        match from {
            Some(variable) if variable.secret || marked(VAULT, &variable.value).is_some() => Ok(Value::from(HIDDEN)),
            _ if is_secret(self.name) => Ok(Value::from("‹secret›")),
            _ => Ok(self.inventory.vault().shown(value)),
        }
    }
    fn json(&self, variable: &Variable) -> Result<Value, Error> {
        let at = &variable.origin;
        let (level, layer) = (variable.layer.level as u8, variable.layer.to_string());
        let secret = variable.secret || is_secret(self.name) || marked(VAULT, &variable.value).is_some();
        Ok(json!({
            "value": self.written(variable)?, "secret": secret, "level": level, "layer": layer,
            "group": variable.layer.group, "file": at.file, "line": at.line, "column": at.column,
        }))
    }
}

/// A variable as it is written, without what is encrypted or called a secret, unless that is asked for.
pub fn shown(inventory: &Inventory, name: &str, variable: &Variable, reveal: bool) -> Result<Value, Error> {
    if reveal {
        return inventory.vault().opened(&variable.value).map_err(|e| e.at(variable.origin.clone()));
    }
    let encrypted = variable.secret || marked(VAULT, &variable.value).is_some();
    Ok(match &variable.value {
        _ if encrypted => Value::from(HIDDEN),
        // A template is no secret; what it comes to is.
        Value::String(text) if is_secret(name) && !is_template(text) => Value::from("‹secret›"),
        Value::Number(_) if is_secret(name) => Value::from("‹secret›"),
        value => inventory.vault().shown(value),
    })
}

/// A value on one line, not too long.
fn brief(value: &Value) -> String {
    let text = match value {
        Value::String(text) if [HIDDEN, "‹secret›"].contains(&text.as_str()) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(120) {
        Some((at, _)) => format!("{}… ({} characters; --json shows all)", &text[..at], text.chars().count()),
        None => text,
    }
}

fn lines(table: &[[String; 4]]) {
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let (value, place) = (width(1).min(40), width(2).min(60));
    for [word, text, at, layer] in table {
        screen::out(&format!("  {word:<5}  {text:<value$}  {at:<place$}  {layer}"));
    }
}
