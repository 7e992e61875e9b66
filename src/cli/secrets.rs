//! Passwords: from files, from programs, from whoever sits at the terminal.

use super::args::VaultArgs;
use super::silent::Silent;
use crate::inventory::{Key, Vault};
use std::io::IsTerminal;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use stdlib::contract::{Error, Result};

/// The vault passwords that the flags name, each opened when it is needed. In Ansible's order: vault ids, files,
/// the one that is asked for.
pub fn vault(args: &VaultArgs) -> Vault {
    let ids = args.vault_id.iter().map(|id| key(id, false));
    let files = args.vault_password_file.iter().map(|path| from_file("default", path.clone()));
    let asked = args.ask_vault_pass.then(|| from_terminal("default", false));
    Vault::new(ids.chain(files).chain(asked).collect())
}

/// The key that `LABEL@SOURCE` means; a new one is asked for twice.
pub fn key(id: &str, new: bool) -> Key {
    let (label, source) = id.split_once('@').unwrap_or(("default", id));
    match source {
        "prompt" => from_terminal(label, new),
        path => from_file(label, PathBuf::from(path)),
    }
}

/// A password in a file, or printed by a program.
pub fn from_file(label: &str, path: PathBuf) -> Key {
    let (id, source) = (label.to_owned(), path.display().to_string());
    let open = move || {
        let text = read(&path, Some(&id))?;
        let text = if is_program(&path) { text.trim_ascii_end().to_vec() } else { text.trim_ascii().to_vec() };
        if text.is_empty() {
            return Err(Error::playbook(format!("no password from {}: it is empty", path.display())));
        }
        Ok(text)
    };
    Key::new(label, source, Box::new(open))
}

/// A password that is asked for; a new one twice.
pub fn from_terminal(label: &str, new: bool) -> Key {
    let of = if label == "default" { String::new() } else { format!(" ({label})") };
    let open = move || {
        let first = ask(&format!("{} password{of}: ", if new { "New vault" } else { "Vault" }))?;
        if first.is_empty() {
            return Err(Error::playbook("the vault password is empty"));
        }
        if new && ask(&format!("The same again{of}: "))? != first {
            return Err(Error::playbook("the two passwords differ"));
        }
        Ok(first.into_bytes())
    };
    Key::new(label, "the terminal", Box::new(open))
}

/// Ask without an echo.
pub fn ask(prompt: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::playbook("a password is needed, and there is no terminal to ask on"));
    }
    let _silent = Silent::begin();
    rpassword::prompt_password(prompt).map_err(|e| Error::playbook(format!("no password: {e}")))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// What is in a file, or what an executable one prints. A program called `...-client` is told the vault id.
#[allow(clippy::disallowed_methods)] // a program of the user's own, on the controller
pub fn read(path: &Path, id: Option<&str>) -> Result<Vec<u8>> {
    let failed = |why: String| Error::playbook(format!("no password from {}: {why}", path.display()));
    if !is_program(path) {
        return std::fs::read(path).map_err(|e| failed(e.to_string()));
    }
    let full = std::path::absolute(path).map_err(|e| failed(e.to_string()))?;
    let mut command = std::process::Command::new(full);
    let client = path.file_stem().is_some_and(|name| name.to_string_lossy().ends_with("-client"));
    if let Some(id) = id.filter(|_| client) {
        command.args(["--vault-id", id]);
    }
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|e| failed(e.to_string()).hint("if it is no program, take its executable bit away: chmod -x"))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    Ok(output.stdout)
}
