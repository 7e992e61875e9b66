//! Vault passwords: found when the first secret is needed, tried in order, and what they open is remembered so
//! that it is never shown.

use super::vault::Envelope;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use stdlib::contract::{Error, Result, Site, nearest};
use stdlib::shared::yaml::{VAULT, marked};

/// Where a password comes from: called once, when it is needed.
pub type Open = Box<dyn Fn() -> Result<Vec<u8>> + Send + Sync>;

/// A password with the vault id it is for.
pub struct Key {
    /// The vault id; `default` where none is given.
    pub id: String,
    /// Where the password comes from, in words.
    pub source: String,
    open: Open,
    password: OnceLock<Result<Vec<u8>>>,
}

impl Key {
    /// A password that is not known yet.
    pub fn new(id: impl Into<String>, source: impl Into<String>, open: Open) -> Key {
        Key { id: id.into(), source: source.into(), open, password: OnceLock::new() }
    }
    /// A password at hand.
    pub fn known(id: impl Into<String>, password: impl Into<Vec<u8>>) -> Key {
        let password = password.into();
        Key::new(id, "given", Box::new(move || Ok(password.clone())))
    }
    /// The password.
    pub fn password(&self) -> Result<&[u8]> {
        self.password.get_or_init(|| (self.open)()).as_deref().map_err(Clone::clone)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key {{ {} from {} }}", self.id, self.source)
    }
}

/// The keys of a run and the secrets they opened. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Vault(Arc<Inner>);

type Watcher = Box<dyn Fn(&str) + Send>;

#[derive(Default)]
struct Inner {
    keys: Vec<Key>,
    places: Mutex<HashMap<String, Site>>,
    opened: Mutex<HashMap<String, Result<String>>>,
    secrets: Mutex<Vec<String>>,
    watchers: Mutex<Vec<Watcher>>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.0.keys).finish()
    }
}

/// What stands for a secret.
pub const HIDDEN: &str = "‹vault›";

impl Vault {
    /// A vault with these keys.
    pub fn new(keys: Vec<Key>) -> Vault {
        Vault(Arc::new(Inner { keys, ..Inner::default() }))
    }
    /// The keys, in the order they are tried.
    pub fn keys(&self) -> &[Key] {
        &self.0.keys
    }
    /// Opens an encrypted text: first with the keys of its vault id, then with all others. The key that fits is
    /// named, too.
    pub fn open(&self, text: &str) -> Result<(Vec<u8>, &Key)> {
        let envelope = Envelope::parse(text)?;
        let id = envelope.id.as_deref().unwrap_or("default");
        let keys = &self.0.keys;
        for key in keys.iter().filter(|key| key.id == id).chain(keys.iter().filter(|key| key.id != id)) {
            if let Some(plain) = envelope.open(key.password()?) {
                return Ok((plain, key));
            }
        }
        Err(self.closed(id))
    }
    /// Why nothing opens a text of this vault id.
    fn closed(&self, id: &str) -> Error {
        let of = if id == "default" { String::new() } else { format!(" (vault id `{id}`)") };
        let keys = &self.0.keys;
        if keys.is_empty() {
            let how = if id == "default" {
                "--vault-password-file FILE or --ask-vault-pass".to_owned()
            } else {
                format!("--vault-id {id}@FILE or --vault-id {id}@prompt")
            };
            return Error::playbook(format!("it is encrypted{of}, and no vault password was given"))
                .hint(format!("give it with {how}"));
        }
        let tried: Vec<String> = keys.iter().map(|key| format!("`{}` from {}", key.id, key.source)).collect();
        let which = if keys.len() == 1 { "the vault password does not fit" } else { "no vault password fits" };
        let error = Error::playbook(format!("{which}{of}")).hint(format!("tried {}", tried.join(", ")));
        match nearest(id, keys.iter().map(|key| key.id.as_str()).filter(|known| *known != id && *known != "default")) {
            Some(near) if id != "default" => error.hint(format!("did you mean the vault id `{near}`?")),
            _ => error,
        }
    }
    /// The text in an encrypted value. It is a secret from now on.
    pub fn reveal(&self, text: &str) -> Result<String> {
        if let Some(known) = lock(&self.0.opened).get(text) {
            return known.clone();
        }
        let plain = self.open(text).and_then(|(plain, _)| {
            String::from_utf8(plain).map_err(|_| Error::playbook("the encrypted value is not UTF-8 text"))
        });
        let place = lock(&self.0.places).get(text).cloned();
        let plain = plain.map_err(|error| place.into_iter().fold(error, Error::at));
        if let Ok(plain) = &plain {
            self.keep(plain);
        }
        lock(&self.0.opened).insert(text.to_owned(), plain.clone());
        plain
    }
    /// A text that must never be shown.
    pub fn keep(&self, secret: &str) {
        let mut secrets = lock(&self.0.secrets);
        if !secret.is_empty() && !secrets.iter().any(|known| known == secret) {
            secrets.push(secret.to_owned());
            lock(&self.0.watchers).iter().for_each(|watch| watch(secret));
        }
    }
    /// No text in a value, and no number of four digits or more, may ever be shown.
    pub fn keep_all(&self, value: &Value) {
        match value {
            Value::String(text) => self.keep(text),
            Value::Number(number) if number.to_string().len() > 3 => self.keep(&number.to_string()),
            Value::Array(items) => items.iter().for_each(|item| self.keep_all(item)),
            Value::Object(map) => map.values().for_each(|item| self.keep_all(item)),
            _ => {}
        }
    }
    /// Tells of every secret there is, and of each that will be, before it is used.
    pub fn watch(&self, watch: impl Fn(&str) + Send + 'static) {
        lock(&self.0.secrets).iter().for_each(|secret| watch(secret));
        lock(&self.0.watchers).push(Box::new(watch));
    }
    /// A text without its secrets.
    pub fn hide(&self, text: &str) -> String {
        let mut secrets = lock(&self.0.secrets).clone();
        // One or two letters are everywhere.
        secrets.retain(|secret| text == secret || (secret.chars().count() > 2 && text.contains(secret.as_str())));
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), HIDDEN))
    }
    /// A value as it may be shown: encrypted texts and all that was in one are hidden.
    pub fn shown(&self, value: &Value) -> Value {
        if marked(VAULT, value).is_some() {
            return Value::from(HIDDEN);
        }
        match value {
            Value::String(text) => Value::String(self.hide(text)),
            Value::Array(items) => items.iter().map(|item| self.shown(item)).collect(),
            Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), self.shown(value))).collect(),
            other => other.clone(),
        }
    }
    /// A value with its encrypted texts opened.
    pub fn opened(&self, value: &Value) -> Result<Value> {
        if let Some(text) = marked(VAULT, value) {
            return self.reveal(text).map(Value::String);
        }
        match value {
            Value::Array(items) => items.iter().map(|item| self.opened(item)).collect(),
            Value::Object(map) => map.iter().map(|(key, value)| Ok((key.clone(), self.opened(value)?))).collect(),
            other => Ok(other.clone()),
        }
    }
    /// Where an encrypted text stands, for errors.
    pub(super) fn found(&self, text: &str, site: &Site) {
        lock(&self.0.places).entry(text.to_owned()).or_insert_with(|| site.clone());
    }
    /// One encrypted text for each vault id, the first there is, with a key that should fit: whether it does is
    /// worth knowing before a host is touched.
    pub(super) fn test(&self) -> Vec<Error> {
        if self.0.keys.is_empty() {
            return Vec::new();
        }
        let mut places: Vec<(String, Site)> =
            lock(&self.0.places).iter().map(|(text, site)| (text.clone(), site.clone())).collect();
        places.sort_by(|(_, a), (_, b)| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        let mut seen: Vec<Option<String>> = Vec::new();
        let mut errors = Vec::new();
        for (text, site) in places {
            let id = match Envelope::parse(&text) {
                Ok(envelope) => envelope.id,
                Err(error) => {
                    errors.push(error.at(site));
                    continue;
                }
            };
            // A label that no key has may belong to hosts that are not meant today.
            let foreign = id.as_ref().is_some_and(|id| self.0.keys.iter().all(|key| key.id != *id));
            if foreign || seen.contains(&id) {
                continue;
            }
            seen.push(id);
            errors.extend(self.reveal(&text).err());
        }
        errors
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
