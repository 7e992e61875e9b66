//! Ansible's vault format, 1.1 and 1.2: AES-256 in counter mode, its keys by PBKDF2, sealed with an HMAC.

use aes::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use stdlib::contract::{Error, Result};

/// How every encrypted text begins.
pub const HEADER: &str = "$ANSIBLE_VAULT";

/// Whether a text is encrypted.
pub fn is_encrypted(text: &str) -> bool {
    text.trim_start().starts_with(HEADER)
}

/// An encrypted text, taken apart.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// The vault id it names, if it names one.
    pub id: Option<String>,
    salt: Vec<u8>,
    seal: Vec<u8>,
    body: Vec<u8>,
}

impl Envelope {
    /// Takes a text apart; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Envelope> {
        let damaged = |what: &str| {
            Error::playbook(format!("encrypted text is damaged: {what}"))
                .hint("it begins with $ANSIBLE_VAULT;1.1;AES256 and goes on with lines of digits 0-9 and a-f")
        };
        let mut lines = text.trim().lines().map(str::trim);
        let header: Vec<&str> = lines.next().unwrap_or_default().split(';').map(str::trim).collect();
        let [HEADER, version, cipher, id @ ..] = header.as_slice() else { return Err(damaged("its first line")) };
        if !matches!(*version, "1.1" | "1.2") {
            return Err(Error::playbook(format!("the vault format {version} is not supported")).hint("1.1 and 1.2 are"));
        }
        if *cipher != "AES256" {
            return Err(Error::playbook(format!("the cipher {cipher} is not supported")).hint("AES256 is"));
        }
        let outer = unhex(lines.collect::<String>().as_bytes()).ok_or_else(|| damaged("a line is no hexadecimal"))?;
        let parts: Vec<Vec<u8>> = outer.splitn(3, |byte| *byte == b'\n').filter_map(unhex).collect();
        let [salt, seal, body] = <[Vec<u8>; 3]>::try_from(parts).map_err(|_| damaged("a part is missing"))?;
        let id = id.first().filter(|id| !id.is_empty()).map(|id| (*id).to_owned());
        Ok(Envelope { id, salt, seal, body })
    }

    /// The plain text, if this is the password.
    pub fn open(&self, password: &[u8]) -> Option<Vec<u8>> {
        let keys = Keys::new(password, &self.salt);
        keys.mac(&self.body)?.verify_slice(&self.seal).ok()?;
        let mut plain = self.body.clone();
        keys.cipher()?.apply_keystream(&mut plain);
        let padding = usize::from(*plain.last()?);
        let length = plain.len().checked_sub(padding).filter(|_| (1..=16).contains(&padding))?;
        plain.truncate(length);
        Some(plain)
    }
}

/// A text encrypted with a password, as `ansible-vault` writes it: 1.2 with a vault id, else 1.1.
pub fn seal(plain: &[u8], password: &[u8], id: Option<&str>) -> Result<String> {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(|e| Error::bug(format!("no random numbers: {e}")))?;
    sealed(plain, password, id, &salt).ok_or_else(|| Error::bug("the cipher refused its key"))
}

fn sealed(plain: &[u8], password: &[u8], id: Option<&str>, salt: &[u8]) -> Option<String> {
    let keys = Keys::new(password, salt);
    let padding = 16 - plain.len() % 16;
    let mut body = plain.to_vec();
    body.resize(plain.len() + padding, u8::try_from(padding).ok()?);
    keys.cipher()?.apply_keystream(&mut body);
    let seal = keys.mac(&body)?.finalize().into_bytes();
    let inner = [hex(salt), hex(&seal), hex(&body)].join("\n");
    let mut text = match id.filter(|id| *id != "default") {
        Some(id) => format!("{HEADER};1.2;AES256;{id}\n"),
        None => format!("{HEADER};1.1;AES256\n"),
    };
    for (at, digit) in hex(inner.as_bytes()).chars().enumerate() {
        if at > 0 && at % 80 == 0 {
            text.push('\n');
        }
        text.push(digit);
    }
    Some(text + "\n")
}

/// What a password and a salt make: the key of the cipher, the key of the seal, the first counter.
struct Keys([u8; 80]);

impl Keys {
    fn new(password: &[u8], salt: &[u8]) -> Keys {
        Keys(pbkdf2::pbkdf2_hmac_array::<Sha256, 80>(password, salt, 10_000))
    }
    fn mac(&self, body: &[u8]) -> Option<Hmac<Sha256>> {
        Some(Hmac::new_from_slice(&self.0[32..64]).ok()?.chain_update(body))
    }
    fn cipher(&self) -> Option<ctr::Ctr128BE<aes::Aes256>> {
        ctr::Ctr128BE::new_from_slices(&self.0[..32], &self.0[64..]).ok()
    }
}

fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

fn unhex(digits: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    base16ct::mixed::decode_vec(digits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by `ansible-vault encrypt_string`; the password is `secret`.
    const THEIRS: &str = "\
$ANSIBLE_VAULT;1.2;AES256;prod
33653262393338396333653164633836353836393965623465616466306163343366333937366265
6532336533373637656136386336366238393433633638620a616636313535356530643534366539
64346437643033333163393166656535376366396530623930653363383230353834386365653161
3633313665383730320a336234313336306439336434326166653065346336633837646632383763
66393965373332366430633733386639386161333033316666353636633033343536
";

    #[test]
    fn what_ansible_encrypted_is_read_and_written_to_the_letter() {
        let theirs = Envelope::parse(THEIRS).unwrap();
        let plain = theirs.open(b"secret").unwrap();
        assert_eq!(plain, b"nested: {a: [1]}\n");
        assert_eq!(theirs.id.as_deref(), Some("prod"));
        assert_eq!(sealed(&plain, b"secret", Some("prod"), &theirs.salt).unwrap(), THEIRS);
        assert_eq!(theirs.open(b"Secret"), None);
    }

    #[test]
    fn every_length_comes_back_as_it_was() {
        for length in [0, 1, 15, 16, 17, 100] {
            let plain = vec![b'x'; length];
            let text = seal(&plain, b"p", None).unwrap();
            assert!(text.starts_with("$ANSIBLE_VAULT;1.1;AES256\n"), "{text}");
            assert_eq!(Envelope::parse(&text).unwrap().open(b"p"), Some(plain));
        }
    }

    #[test]
    fn damage_is_told() {
        let flipped = THEIRS.replace("3435360a", "343537").replace("33343536", "33343537");
        for (text, want) in [
            ("", "encrypted text is damaged: its first line"),
            ("$ANSIBLE_VAULT;1.1;AES256", "encrypted text is damaged: a part is missing"),
            ("$ANSIBLE_VAULT;1.1;AES256\nxy", "encrypted text is damaged: a line is no hexadecimal"),
            ("$ANSIBLE_VAULT;1.0;AES\n00", "the vault format 1.0 is not supported"),
            ("$ANSIBLE_VAULT;1.1;DES\n00", "the cipher DES is not supported"),
        ] {
            assert_eq!(Envelope::parse(text).unwrap_err().message, want, "{text}");
        }
        assert_eq!(Envelope::parse(&flipped).unwrap().open(b"secret"), None);
    }
}
