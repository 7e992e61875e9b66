//! Hashes of passwords, as `/etc/shadow` keeps them.

use crate::bail;
use crate::contract::Result;

/// Refuses what is no hash: a password in the clear would be stored as it is, and nobody could log in. The
/// error never repeats it.
pub fn check(password: &str) -> Result<()> {
    let hash = unlocked(password);
    let crypt = |hash: &str| hash.starts_with('$') && hash.matches('$').count() >= 3;
    let des = |hash: &str| hash.len() == 13 && hash.chars().all(|c| c.is_ascii_alphanumeric() || "./".contains(c));
    let none = !password.is_empty() && ["", "*", "x"].contains(&hash);
    if password.contains([':', '\n', '\0']) || !(none || crypt(hash) || des(hash)) {
        bail!(playbook: "`password` is no hash of a password";
            hint: "`mkpasswd -m yescrypt` or `openssl passwd -6` makes one; \"*\" is a password that nobody can give");
    }
    Ok(())
}

/// Whether a lock is put before a hash.
pub fn locked(hash: &str) -> bool {
    hash.starts_with('!')
}

/// A hash without the lock before it.
pub fn unlocked(hash: &str) -> &str {
    hash.trim_start_matches('!')
}
