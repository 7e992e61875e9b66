//! What only its owner may read: sealed with a key of the state directory, so that neither a journal nor a
//! stored content alone ever shows a secret.

use chacha20poly1305::aead::{Aead, Generate, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use std::fs::{File, FileTimes};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;
use stdlib::contract::{Content, Error, Result};

/// All stored contents together; beyond it, the oldest go first.
const MOST: u64 = 1 << 30;

/// The length of a nonce.
const NONCE: usize = 24;

/// Seals and unseals, and stores contents by their digest.
pub(super) struct Vault {
    blobs: PathBuf,
    key: Key,
    grew: AtomicBool,
}

impl Vault {
    /// The vault of a state directory; its key is made when it is first needed.
    pub fn open(state: &Path) -> Result<Vault> {
        let path = state.join("key");
        let failed = |e: std::io::Error| Error::playbook(format!("no key to seal with in {}: {e}", path.display()));
        let blobs = state.join("blobs");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&blobs).map_err(failed)?;
        if !path.exists() {
            // Beside its place first: whoever opens it meanwhile sees all of it or nothing.
            let new = state.join(format!("key.{}", crate::transport::nonce()));
            let mut file = File::options().create_new(true).write(true).mode(0o600).open(&new).map_err(failed)?;
            file.write_all(&Key::generate()).and_then(|()| file.sync_all()).map_err(failed)?;
            let linked = std::fs::hard_link(&new, &path);
            std::fs::remove_file(&new).map_err(failed)?;
            if let Err(e) = linked.or_else(|e| if path.exists() { Ok(()) } else { Err(e) }) {
                return Err(failed(e));
            }
        }
        let bytes = std::fs::read(&path).map_err(failed)?;
        let key = Key::try_from(bytes.as_slice());
        let key = key.map_err(|_| Error::playbook(format!("{} is no key of hlrun", path.display())))?;
        Ok(Vault { blobs, key, grew: AtomicBool::new(false) })
    }

    /// Seal something; `about` must be the same to unseal it.
    pub fn seal(&self, plain: &[u8], about: &str) -> Result<Vec<u8>> {
        let nonce = XNonce::generate();
        let payload = Payload { msg: plain, aad: about.as_bytes() };
        let sealed = XChaCha20Poly1305::new(&self.key).encrypt(&nonce, payload);
        let sealed = sealed.map_err(|_| Error::bug("something cannot be sealed"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// What was sealed; nothing if it is not ours, or not whole.
    pub fn unseal(&self, sealed: &[u8], about: &str) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        let payload = Payload { msg: sealed, aad: about.as_bytes() };
        XChaCha20Poly1305::new(&self.key).decrypt(&XNonce::try_from(nonce).ok()?, payload).ok()
    }

    /// Where a content is stored: under a name that tells nothing about it.
    fn blob(&self, sha256: &str) -> PathBuf {
        self.blobs.join(Content::digest(&[self.key.as_slice(), sha256.as_bytes()].concat()))
    }

    /// Whether a content is stored.
    pub fn has(&self, sha256: &str) -> bool {
        self.blob(sha256).exists()
    }

    /// Store a content once; its time is that of the last run that has a use for it.
    pub fn put(&self, bytes: &[u8]) -> Result<String> {
        let sha256 = Content::digest(bytes);
        let path = self.blob(&sha256);
        let failed = |e: std::io::Error| Error::playbook(format!("cannot keep a content in {}: {e}", path.display()));
        if let Ok(file) = File::options().write(true).open(&path) {
            file.set_times(FileTimes::new().set_modified(SystemTime::now())).map_err(failed)?;
            return Ok(sha256);
        }
        let new = path.with_extension(crate::transport::nonce());
        let mut file = File::options().create_new(true).write(true).mode(0o600).open(&new).map_err(failed)?;
        let written = file.write_all(&self.seal(bytes, &sha256)?).and_then(|()| std::fs::rename(&new, &path));
        if let Err(e) = written {
            let _ = std::fs::remove_file(&new);
            return Err(failed(e));
        }
        self.grew.store(true, Ordering::Relaxed);
        Ok(sha256)
    }

    /// Whether something new was stored.
    pub fn grew(&self) -> bool {
        self.grew.load(Ordering::Relaxed)
    }

    /// A content that is stored.
    pub fn get(&self, sha256: &str) -> Option<Vec<u8>> {
        self.unseal(&std::fs::read(self.blob(sha256)).ok()?, sha256)
    }

    /// Remove what no run since then has a use for, and the oldest of what is too much.
    pub fn prune(&self, since: Option<SystemTime>) {
        let entries = std::fs::read_dir(&self.blobs).into_iter().flatten().flatten();
        let mut blobs: Vec<(SystemTime, u64, PathBuf)> = entries
            .filter_map(|entry| {
                let meta = entry.metadata().ok()?;
                Some((meta.modified().ok()?, meta.len(), entry.path()))
            })
            .collect();
        blobs.sort();
        let mut total: u64 = blobs.iter().map(|(_, size, _)| size).sum();
        for (time, size, path) in blobs {
            if total > MOST || since.is_some_and(|since| time < since) {
                let _ = std::fs::remove_file(path);
                total -= size;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_the_key_opens_what_is_sealed() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let vault = Vault::open(one.path()).unwrap();
        let sealed = vault.seal(b"hunter2", "run").unwrap();
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
        assert_eq!(Vault::open(one.path()).unwrap().unseal(&sealed, "run").as_deref(), Some(&b"hunter2"[..]));
        assert_eq!(vault.unseal(&sealed, "another run"), None);
        assert_eq!(vault.unseal(&sealed[..30], "run"), None);
        assert_eq!(Vault::open(two.path()).unwrap().unseal(&sealed, "run"), None);
        let mode = one.path().join("key").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_content_is_stored_once_and_goes_with_its_runs() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path()).unwrap();
        let sha256 = vault.put(b"a content").unwrap();
        assert_eq!(vault.put(b"a content").unwrap(), sha256);
        assert_eq!(std::fs::read_dir(dir.path().join("blobs")).unwrap().count(), 1);
        assert_eq!(vault.get(&sha256).as_deref(), Some(&b"a content"[..]));
        vault.prune(Some(SystemTime::UNIX_EPOCH));
        assert!(vault.has(&sha256));
        vault.prune(Some(SystemTime::now() + std::time::Duration::from_secs(60)));
        assert!(!vault.has(&sha256));
    }
}
