//! `hlrun vault`: files and values in Ansible's vault format.

use super::args::{EncryptString, RekeyArgs, VaultAction, VaultArgs, VaultCommand, VaultFiles};
use super::{screen, secrets};
use crate::inventory::{Key, Vault, vault as format};
use std::io::{IsTerminal, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use stdlib::contract::{Error, Result, Site};

/// Encrypt, decrypt, show or edit. Returns the exit code.
pub fn vault(command: &VaultCommand) -> u8 {
    let keys = &command.keys;
    let done = match &command.action {
        VaultAction::Encrypt(files) => encrypt(keys, files),
        VaultAction::Decrypt(files) => decrypt(keys, files),
        VaultAction::View(files) => view(keys, files),
        VaultAction::Edit(files) => files.files.iter().try_for_each(|path| edit(keys, files, path)),
        VaultAction::Rekey(args) => rekey(keys, args),
        VaultAction::EncryptString(args) => encrypt_string(keys, args),
    };
    match done {
        Ok(()) => 0,
        Err(error) => screen::fail(&[error]),
    }
}

/// The keys that open; without any flag the password is asked for.
fn opening(args: &VaultArgs) -> Vault {
    let vault = secrets::vault(args);
    if vault.keys().is_empty() { Vault::new(vec![secrets::from_terminal("default", false)]) } else { vault }
}

/// The one key to encrypt with. What is typed is asked for twice.
fn sealing(args: &VaultArgs, id: Option<&str>) -> Result<Key> {
    let mut keys: Vec<Key> = args.vault_id.iter().map(|id| secrets::key(id, true)).collect();
    keys.extend(args.vault_password_file.iter().map(|path| secrets::from_file("default", path.clone())));
    keys.extend((args.ask_vault_pass || keys.is_empty()).then(|| secrets::from_terminal("default", true)));
    let labels = keys.iter().map(|key| key.id.clone()).collect::<Vec<_>>().join(", ");
    match id {
        Some(id) => keys.into_iter().find(|key| key.id == id).ok_or_else(|| {
            Error::playbook(format!("no vault password is for the vault id `{id}`"))
                .hint(format!("there are: {labels}; give it with --vault-id {id}@FILE"))
        }),
        None if keys.iter().any(|key| key.id != keys[0].id) => {
            Err(Error::playbook(format!("several vault ids could encrypt: {labels}"))
                .hint("say which with --encrypt-vault-id LABEL"))
        }
        None => keys.into_iter().next().ok_or_else(|| Error::bug("no key to encrypt with")),
    }
}

fn sealed(plain: &[u8], key: &Key) -> Result<String> {
    format::seal(plain, key.password()?, Some(&key.id))
}

fn encrypt(keys: &VaultArgs, args: &VaultFiles) -> Result<()> {
    let mut plain = Vec::new();
    for path in &args.files {
        let bytes = read(path)?;
        if std::str::from_utf8(&bytes).is_ok_and(format::is_encrypted) {
            return Err(at(Error::playbook(format!("{} is encrypted already", path.display())), path)
                .hint("hlrun vault rekey gives it another password"));
        }
        plain.push(bytes);
    }
    let key = sealing(keys, args.encrypt_vault_id.as_deref())?;
    for (path, plain) in args.files.iter().zip(plain) {
        write(path, sealed(&plain, &key)?.as_bytes())?;
    }
    Ok(())
}

/// A file, what is in it, and the vault id it names.
type Opened<'a> = (&'a PathBuf, Vec<u8>, Option<String>);

/// What is in encrypted files. Nothing is written before all of them could be opened.
fn opened<'a>(files: &'a [PathBuf], vault: &Vault) -> Result<Vec<Opened<'a>>> {
    let mut all = Vec::new();
    for path in files {
        let bytes = read(path)?;
        let text = std::str::from_utf8(&bytes).ok().filter(|text| format::is_encrypted(text));
        let text = text.ok_or_else(|| at(Error::playbook(format!("{} is not encrypted", path.display())), path))?;
        let (plain, _) = vault.open(text).map_err(|error| at(error, path))?;
        all.push((path, plain, format::Envelope::parse(text)?.id));
    }
    Ok(all)
}

fn decrypt(keys: &VaultArgs, args: &VaultFiles) -> Result<()> {
    for (path, plain, _) in opened(&args.files, &opening(keys))? {
        write(path, &plain)?;
    }
    Ok(())
}

fn view(keys: &VaultArgs, args: &VaultFiles) -> Result<()> {
    for (_, plain, _) in opened(&args.files, &opening(keys))? {
        write(Path::new("-"), &plain)?;
    }
    Ok(())
}

fn rekey(keys: &VaultArgs, args: &RekeyArgs) -> Result<()> {
    let all = opened(&args.files, &opening(keys))?;
    let key = match (&args.new_vault_id, &args.new_vault_password_file) {
        (Some(id), _) => secrets::key(id, true),
        (None, Some(path)) => secrets::from_file("default", path.clone()),
        (None, None) => secrets::from_terminal("default", true),
    };
    for (path, plain, _) in all {
        write(path, sealed(&plain, &key)?.as_bytes())?;
    }
    Ok(())
}

fn encrypt_string(keys: &VaultArgs, args: &EncryptString) -> Result<()> {
    let text = match &args.text {
        Some(text) => text.clone(),
        None if std::io::stdin().is_terminal() => secrets::ask("Value: ")?,
        None => {
            let text = String::from_utf8(read(Path::new("-"))?).map_err(|_| Error::playbook("not UTF-8 text"))?;
            text.strip_suffix('\n').unwrap_or(&text).to_owned()
        }
    };
    let text = sealed(text.as_bytes(), &sealing(keys, args.encrypt_vault_id.as_deref())?)?;
    let name = args.name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
    screen::out(&format!("{name}!vault |"));
    text.lines().for_each(|line| screen::out(&format!("          {line}")));
    Ok(())
}

/// Edits a file with $VISUAL or $EDITOR, by way of a private copy; a new file is encrypted when it is saved.
fn edit(keys: &VaultArgs, args: &VaultFiles, path: &PathBuf) -> Result<()> {
    let vault = opening(keys);
    let before = if path.exists() { opened(std::slice::from_ref(path), &vault)?.pop() } else { None };
    let (plain, label) = before.map_or((Vec::new(), None), |(_, plain, label)| (plain, Some(label)));
    let failed = |e: std::io::Error| at(Error::playbook(format!("cannot edit {}: {e}", path.display())), path);
    // In memory, where the system offers that.
    let place = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_dir());
    let end = path.extension().map(|end| format!(".{}", end.to_string_lossy())).unwrap_or_default();
    let mut copy = tempfile::Builder::new();
    let copy = copy.prefix("hlrun-vault-").suffix(&end).tempfile_in(place.unwrap_or_else(std::env::temp_dir));
    let mut copy = copy.map_err(failed)?;
    copy.write_all(&plain).map_err(failed)?;
    editor(copy.path())?;
    // Editors replace files: what counts is what has the name now.
    let now = std::fs::read(copy.path()).map_err(failed)?;
    if now == plain {
        screen::out("nothing changed");
        return Ok(());
    }
    let text = match label {
        // The same password and the same label as before.
        Some(label) => {
            let before = String::from_utf8(read(path)?).map_err(|_| Error::bug("an encrypted file is text"))?;
            let (_, key) = vault.open(&before)?;
            format::seal(&now, key.password()?, label.as_deref())?
        }
        None => sealed(&now, &sealing(keys, args.encrypt_vault_id.as_deref())?)?,
    };
    write(path, text.as_bytes())
}

#[allow(clippy::disallowed_methods)] // a program of the user's own, on the controller
fn editor(path: &Path) -> Result<()> {
    let named = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| "vi".to_owned());
    // An editor may come with arguments: `code --wait`.
    let mut command = std::process::Command::new("sh");
    let status = command.args(["-c", &format!("{editor} \"$1\""), "sh"]).arg(path).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Error::playbook(format!("`{editor}` ended with {status}: nothing was saved"))),
        Err(e) => Err(Error::playbook(format!("cannot start `{editor}`: {e}")).hint("set EDITOR")),
    }
}

fn at(error: Error, path: &Path) -> Error {
    error.at(Site { file: path.display().to_string(), line: 1, column: 1 })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let failed = |e: std::io::Error| Error::playbook(format!("cannot read {}: {e}", path.display()));
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        return std::io::stdin().read_to_end(&mut bytes).map(|_| bytes).map_err(failed);
    }
    std::fs::read(path).map_err(failed)
}

/// Replaces a file whole, or not at all; it keeps its mode and owner. A new one is private.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |e: std::io::Error| Error::playbook(format!("cannot write {}: {e}", path.display()));
    if path == Path::new("-") {
        return std::io::stdout().lock().write_all(bytes).map_err(failed);
    }
    // A link stays one.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new().prefix(".hlrun-vault-").tempfile_in(dir).map_err(failed)?;
    new.write_all(bytes).map_err(failed)?;
    if let Ok(old) = path.metadata() {
        std::os::unix::fs::chown(new.path(), Some(old.uid()), Some(old.gid())).map_err(failed)?;
        let mode = std::fs::Permissions::from_mode(old.permissions().mode() & 0o7777);
        std::fs::set_permissions(new.path(), mode).map_err(failed)?;
    }
    new.as_file().sync_all().map_err(failed)?;
    new.persist(path).map(drop).map_err(|e| failed(e.error))
}
