//! `password`: made once and kept in a file on the controller, in Ansible's form `PASSWORD salt=SALT`.

use super::{files, only, option, words};
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use stdlib::contract::{Error, Result};
use stdlib::shared::template::Ask;
use stdlib::shared::{chance::Chance, crypt::Scheme};

const OPTIONS: [&str; 5] = ["length", "chars", "encrypt", "ident", "seed"];
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// One at a time, so that hosts that ask at once get the same. In it: what check mode made up.
static MADE_UP: LazyLock<Mutex<HashMap<PathBuf, String>>> = LazyLock::new(Mutex::default);

/// What a password file holds.
#[derive(Debug, Clone, Default, PartialEq)]
struct Kept {
    password: String,
    salt: Option<String>,
    ident: Option<String>,
}

impl Kept {
    fn parse(content: &str) -> Kept {
        let content = content.trim_end();
        let Some((password, rest)) = content.rsplit_once(" salt=") else {
            return Kept { password: content.to_owned(), ..Kept::default() };
        };
        let (salt, ident) = rest.rsplit_once(" ident=").map_or((rest, None), |(salt, ident)| (salt, Some(ident)));
        let salt = Some(salt.to_owned()).filter(|salt| !salt.is_empty());
        Kept { password: password.to_owned(), salt, ident: ident.map(str::to_owned) }
    }

    fn text(&self) -> String {
        let mut text = self.password.clone();
        for (name, value) in [("salt", &self.salt), ("ident", &self.ident)] {
            if let Some(value) = value {
                text += &format!(" {name}={value}");
            }
        }
        text + "\n"
    }
}

pub(super) fn password(ask: &Ask, places: &[PathBuf]) -> Result<Vec<Value>> {
    only(ask, &OPTIONS)?;
    words(ask).map(|term| one(&inline(ask, &term)?, places)).collect()
}

/// The older form, all in one text: `path length=12 chars=digits`. The path is the only term that is left.
fn inline(ask: &Ask, term: &str) -> Result<Ask> {
    let mut ask = ask.clone();
    let (mut path, mut open) = (Vec::new(), true);
    for word in term.split(' ') {
        match word.split_once('=') {
            Some((name, value)) if OPTIONS.contains(&name) => {
                ask.options.insert(name.to_owned(), Value::from(value.trim_matches(['"', '\''])));
                open = false;
            }
            _ if open => path.push(word),
            _ => return Err(Error::playbook(format!("lookup('password'): `{word}` after the options"))),
        }
    }
    ask.terms = vec![Value::from(path.join(" "))];
    Ok(ask)
}

fn one(ask: &Ask, places: &[PathBuf]) -> Result<Value> {
    let named = words(ask).next().unwrap_or_default();
    let beside = ask.beside.as_ref().map(PathBuf::from).or_else(|| places.first().cloned()).unwrap_or_default();
    let path = beside.join(files::home(&named));
    let forgotten = path == Path::new("/dev/null");
    let mut made_up = MADE_UP.lock().unwrap_or_else(PoisonError::into_inner);
    let content = match made_up.get(&path) {
        _ if forgotten => None,
        Some(content) if ask.check && !path.exists() => Some(content.clone()),
        _ if path.exists() => Some(files::text(&path)?),
        _ => None,
    };
    let before = content.as_deref().map(Kept::parse);
    let mut kept = match &before {
        Some(kept) => kept.clone(),
        None => Kept { password: fresh(ask)?, ..Kept::default() },
    };
    let scheme = option(ask, "encrypt").filter(|word| !word.is_empty()).map(|word| Scheme::named(&word)).transpose()?;
    if let Some(scheme) = scheme {
        kept.salt.get_or_insert_with(|| scheme.salt(&mut system()));
        let asked = option(ask, "ident").or_else(|| (scheme == Scheme::Bcrypt).then(|| "2b".to_owned()));
        if let (Some(stored), Some(asked)) = (&kept.ident, option(ask, "ident"))
            && *stored != asked
        {
            return Err(Error::playbook(format!("{}: `ident` is {stored} there, not {asked}", path.display())));
        }
        kept.ident = kept.ident.or(asked);
    }
    if before.as_ref() != Some(&kept) && !forgotten {
        if ask.check {
            made_up.insert(path, kept.text());
        } else if let Some(theirs) = write(&path, &kept, before.is_none())? {
            kept = theirs;
        }
    }
    match (scheme, &kept.salt) {
        (Some(scheme), Some(salt)) => scheme.hash(&kept.password, salt, None, kept.ident.as_deref()).map(Value::from),
        _ => Ok(Value::from(kept.password)),
    }
}

fn system() -> Chance {
    Chance::Free(super::WORLD.chance)
}

/// A new password.
fn fresh(ask: &Ask) -> Result<String> {
    let length = option(ask, "length").map_or(Ok(20), |text| text.parse());
    let length = length.map_err(|_| Error::playbook("lookup('password'): `length` is no number"))?;
    let chars = match ask.options.get("chars") {
        Some(Value::Array(sets)) => sets.iter().filter_map(Value::as_str).map(set).collect(),
        Some(Value::String(text)) => {
            let comma = if text.contains(",,") { "," } else { "" };
            let sets = text.replace(",,", ",");
            let sets: String = sets.split(',').filter(|name| !name.is_empty()).map(set).collect();
            format!("{comma}{sets}")
        }
        _ => ["ascii_letters", "digits", ".,:-_"].map(set).concat(),
    };
    let chars = chars.replace(['"', '\''], "");
    if chars.is_empty() {
        return Err(Error::playbook("lookup('password'): `chars` has no characters"));
    }
    let mut chance = option(ask, "seed").map_or_else(system, |seed| Chance::of_text(&seed));
    Ok(chance.text(length, &chars))
}

/// The characters that a name of Python's `string` stands for; any other text stands for itself.
fn set(name: &str) -> String {
    match name {
        "ascii_letters" => format!("{LOWER}{UPPER}"),
        "ascii_lowercase" => LOWER.to_owned(),
        "ascii_uppercase" => UPPER.to_owned(),
        "digits" => "0123456789".to_owned(),
        "hexdigits" => "0123456789abcdefABCDEF".to_owned(),
        "octdigits" => "01234567".to_owned(),
        "punctuation" => PUNCTUATION.to_owned(),
        "whitespace" => " \t\n\r\u{b}\u{c}".to_owned(),
        "printable" => format!("0123456789{LOWER}{UPPER}{PUNCTUATION} \t\n\r\u{b}\u{c}"),
        other => other.to_owned(),
    }
}

/// Writes the file whole or not at all, for its owner only. A new one that another process has written meanwhile
/// stays, and is the answer.
fn write(path: &Path, kept: &Kept, new: bool) -> Result<Option<Kept>> {
    let failed = |e: std::io::Error| Error::playbook(format!("cannot write {}: {e}", path.display()));
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let draft = dir.join(format!(".{name}.{}.tmp", std::process::id()));
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft).map_err(failed)?;
    let written = file.write_all(kept.text().as_bytes()).and_then(|()| file.sync_all());
    let placed = written.and_then(|()| if new { fs::hard_link(&draft, path) } else { fs::rename(&draft, path) });
    match placed {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            fs::remove_file(&draft).map_err(failed)?;
            Ok(Some(Kept::parse(&files::text(path)?)))
        }
        Err(e) => {
            drop(fs::remove_file(&draft));
            Err(failed(e))
        }
        Ok(()) if new => fs::remove_file(&draft).map_err(failed).map(|()| None),
        Ok(()) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::{Ask, Kept, password};
    use serde_json::{Value, json};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    fn asked(dir: &Path, term: &str, options: Value, check: bool) -> String {
        let options = options.as_object().cloned().unwrap_or_default();
        let beside = Some(dir.to_string_lossy().into_owned());
        let ask = Ask { name: "password".to_owned(), terms: vec![term.into()], options, check, beside };
        password(&ask, &[]).unwrap()[0].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_file_is_read_as_ansible_writes_it_and_written_back_the_same() {
        for text in ["pw\n", "p w salt=abc\n", "pw salt=abc ident=2b\n", "a salt=b salt=c\n"] {
            assert_eq!(Kept::parse(text).text(), text);
        }
        assert_eq!(Kept::parse("a salt=b salt=c").password, "a salt=b");
    }

    #[test]
    fn a_password_is_made_once_and_kept_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let made = asked(dir.path(), "a/pw length=12 chars=ascii_lowercase,digits", json!({}), false);
        assert!(made.len() == 12 && made.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{made}");
        let file = dir.path().join("a/pw");
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("{made}\n"));
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path().join("a")).unwrap().count(), 1);
        assert_eq!(asked(dir.path(), "a/pw", json!({}), false), made);
        // A salt that a hash needs is kept too, so that the hash stays the same.
        let hash = asked(dir.path(), "a/pw", json!({"encrypt": "md5_crypt"}), false);
        assert_eq!(asked(dir.path(), "a/pw", json!({"encrypt": "md5_crypt"}), false), hash);
        let salt = hash.split('$').nth(2).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("{made} salt={salt}\n"));
    }

    #[test]
    fn check_mode_makes_a_password_up_and_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let made = asked(dir.path(), "pw", json!({}), true);
        assert_eq!(asked(dir.path(), "pw", json!({}), true), made);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_seed_makes_the_password_that_ansible_makes() {
        let options = json!({"seed": "nas", "length": 10, "chars": ["ascii_letters", "digits"]});
        assert_eq!(asked(Path::new("/"), "/dev/null", options, false), "rEkQS3IOga");
    }
}
