//! Hashes of passwords, as `/etc/shadow` keeps them.

use serde::{Deserialize, Deserializer, de};

/// A parameter that is a hash, refused before any host is touched if it is none: a password in the clear would
/// be stored as it is, and nobody could log in. The error never repeats it.
pub fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let given = Option::<String>::deserialize(deserializer)?;
    match given.as_deref().is_none_or(valid) {
        true => Ok(given),
        false => Err(de::Error::custom(
            "this is no hash of a password: `mkpasswd -m yescrypt` or `openssl passwd -6` makes one, and \"*\" is a \
             password that nobody can give",
        )),
    }
}

fn valid(password: &str) -> bool {
    let hash = unlocked(password);
    let crypt = hash.starts_with('$') && hash.matches('$').count() >= 3;
    let none = !password.is_empty() && ["", "*"].contains(&hash);
    !password.contains([':', '\n', '\0']) && (none || crypt)
}

/// Whether a lock is put before a hash.
pub fn locked(hash: &str) -> bool {
    hash.starts_with('!')
}

/// A hash without the lock before it.
pub fn unlocked(hash: &str) -> &str {
    hash.trim_start_matches('!')
}
