//! `pipe` and `lines`: what a program on the controller prints.

use super::{only, words};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Stdio;
use stdlib::contract::{Error, Result};
use stdlib::shared::template::Ask;

pub(super) fn pipe(ask: &Ask, _: &[PathBuf]) -> Result<Vec<Value>> {
    only(ask, &[])?;
    words(ask).map(|command| Ok(Value::from(output(ask, &command)?.trim_end()))).collect()
}

pub(super) fn lines(ask: &Ask, _: &[PathBuf]) -> Result<Vec<Value>> {
    only(ask, &[])?;
    let mut found = Vec::new();
    for command in words(ask) {
        found.extend(output(ask, &command)?.lines().map(Value::from));
    }
    Ok(found)
}

/// What a shell's command prints, from the playbook's directory.
#[allow(clippy::disallowed_methods)] // not for a host: the playbook's own helper, on the controller
fn output(ask: &Ask, command: &str) -> Result<String> {
    let failed = |why: String| Error::playbook(format!("lookup('{}'): `{command}`: {why}", ask.name));
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-c", command]).stdin(Stdio::null());
    if let Some(dir) = &ask.beside {
        shell.current_dir(dir);
    }
    let output = shell.output().map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        let error = failed(output.status.to_string());
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(if said.is_empty() { error } else { error.hint(format!("it said: {said}")) });
    }
    String::from_utf8(output.stdout).map_err(|_| failed("it printed what is not UTF-8 text".to_owned()))
}
