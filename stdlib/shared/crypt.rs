//! Passwords as `/etc/shadow` has them: what Ansible's `password_hash` and `password` make with passlib.

use super::chance::Chance;
use crate::contract::{Error, Result, nearest};
use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest, Sha256, Sha512};

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How a password is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `$1$`
    Md5,
    /// `$2b$`
    Bcrypt,
    /// `$5$`
    Sha256,
    /// `$6$`
    Sha512,
}

impl Scheme {
    /// The scheme by Ansible's name, `sha512`, or passlib's, `sha512_crypt`.
    pub fn named(name: &str) -> Result<Scheme> {
        Ok(match name {
            "md5" | "md5_crypt" => Scheme::Md5,
            "blowfish" | "bcrypt" => Scheme::Bcrypt,
            "sha256" | "sha256_crypt" => Scheme::Sha256,
            "sha512" | "sha512_crypt" => Scheme::Sha512,
            other => {
                let error = Error::playbook(format!("there is no password hash `{other}`"));
                let names = ["md5", "bcrypt", "blowfish", "sha256", "sha512", "sha512_crypt"];
                return Err(match nearest(other, names) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint("there are md5, bcrypt (blowfish), sha256 and sha512"),
                });
            }
        })
    }

    /// A salt by chance, of the length that Ansible gives it.
    pub fn salt(self, chance: &mut Chance) -> String {
        let size = match self {
            Scheme::Md5 => 8,
            Scheme::Bcrypt => 22,
            Scheme::Sha256 | Scheme::Sha512 => 16,
        };
        chance.text(size, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./")
    }

    /// The hash, with Ansible's number of rounds unless another is given. `ident` is bcrypt's version, `2b`.
    pub fn hash(self, password: &str, salt: &str, rounds: Option<u32>, ident: Option<&str>) -> Result<String> {
        let longest = match self {
            Scheme::Md5 => 8,
            Scheme::Bcrypt => return bcrypt_hash(password, salt, rounds.unwrap_or(12), ident.unwrap_or("2b")),
            Scheme::Sha256 | Scheme::Sha512 => 16,
        };
        if salt.len() > longest || !salt.bytes().all(|b| ALPHABET.contains(&b)) {
            return Err(Error::playbook(format!("a salt is up to {longest} of the characters ./0-9A-Za-z")));
        }
        let (key, grain) = (password.as_bytes(), salt.as_bytes());
        if self == Scheme::Md5 {
            return Ok(String::from_utf8_lossy(&md5crypt::md5crypt(key, grain)).into_owned());
        }
        let sha512 = self == Scheme::Sha512;
        // Ansible leaves the number of rounds to passlib; these are its defaults.
        let rounds = rounds.unwrap_or(if sha512 { 656_000 } else { 535_000 });
        if !(1000..=999_999_999).contains(&rounds) {
            return Err(Error::playbook(format!("{rounds} rounds: there are 1000 to 999999999")));
        }
        let digest = if sha512 {
            encode(&crypt::<Sha512>(key, grain, rounds as usize), &ORDER512)
        } else {
            encode(&crypt::<Sha256>(key, grain, rounds as usize), &ORDER256)
        };
        let shown = if rounds == 5000 { String::new() } else { format!("rounds={rounds}$") };
        Ok(format!("${}${shown}{salt}${digest}", if sha512 { 6 } else { 5 }))
    }
}

fn bcrypt_hash(password: &str, salt: &str, cost: u32, ident: &str) -> Result<String> {
    let lenient = GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true);
    let base64 = GeneralPurpose::new(&BCRYPT, lenient);
    let grain = base64.decode(salt).ok().and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    let Some(grain) = grain else {
        return Err(Error::playbook("a salt for bcrypt is 22 of the characters ./0-9A-Za-z"));
    };
    if !(4..=31).contains(&cost) {
        return Err(Error::playbook(format!("{cost} rounds: bcrypt has 4 to 31")));
    }
    if !["2a", "2b", "2y"].contains(&ident) {
        return Err(Error::playbook(format!("bcrypt has no version `{ident}`; it has 2a, 2b and 2y")));
    }
    if password.contains('\0') {
        return Err(Error::playbook("bcrypt takes no password with a zero byte in it"));
    }
    let mut key = password.as_bytes().to_vec();
    key.push(0);
    key.truncate(72);
    let digest = bcrypt::bcrypt(cost, grain, &key);
    Ok(format!("${ident}${cost:02}${}{}", base64.encode(grain), base64.encode(digest.get(..23).unwrap_or_default())))
}

/// Ulrich Drepper's SHA-crypt.
fn crypt<D: Digest>(password: &[u8], salt: &[u8], rounds: usize) -> Vec<u8> {
    let size = <D as Digest>::output_size();
    let fill = |digest: &[u8], length: usize| -> Vec<u8> { digest.iter().cycle().take(length).copied().collect() };
    let b = D::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut a = D::new().chain_update(password).chain_update(salt).chain_update(fill(&b, password.len()));
    let mut length = password.len();
    while length > 0 {
        a = if length & 1 == 1 { a.chain_update(&b) } else { a.chain_update(password) };
        length >>= 1;
    }
    let mut a = a.finalize().to_vec();
    let mut dp = D::new();
    (0..password.len()).for_each(|_| dp.update(password));
    let p = fill(&dp.finalize(), password.len());
    let mut ds = D::new();
    (0..16 + usize::from(a.first().copied().unwrap_or(0))).for_each(|_| ds.update(salt));
    let s = fill(&ds.finalize(), salt.len());
    debug_assert_eq!(a.len(), size);
    for round in 0..rounds {
        let mut c = D::new();
        c.update(if round % 2 == 1 { &p } else { &a });
        if round % 3 != 0 {
            c.update(&s);
        }
        if round % 7 != 0 {
            c.update(&p);
        }
        c.update(if round % 2 == 1 { &a } else { &p });
        a = c.finalize().to_vec();
    }
    a
}

const ORDER512: [[usize; 3]; 21] = [
    [0, 21, 42],
    [22, 43, 1],
    [44, 2, 23],
    [3, 24, 45],
    [25, 46, 4],
    [47, 5, 26],
    [6, 27, 48],
    [28, 49, 7],
    [50, 8, 29],
    [9, 30, 51],
    [31, 52, 10],
    [53, 11, 32],
    [12, 33, 54],
    [34, 55, 13],
    [56, 14, 35],
    [15, 36, 57],
    [37, 58, 16],
    [59, 17, 38],
    [18, 39, 60],
    [40, 61, 19],
    [62, 20, 41],
];
const ORDER256: [[usize; 3]; 10] = [
    [0, 10, 20],
    [21, 1, 11],
    [12, 22, 2],
    [3, 13, 23],
    [24, 4, 14],
    [15, 25, 5],
    [6, 16, 26],
    [27, 7, 17],
    [18, 28, 8],
    [9, 19, 29],
];

fn encode(digest: &[u8], order: &[[usize; 3]]) -> String {
    let byte = |i: usize| u32::from(digest.get(i).copied().unwrap_or(0));
    let mut out = String::new();
    let mut push = |mut bits: u32, count: usize| {
        for _ in 0..count {
            out.push(char::from(ALPHABET[(bits & 63) as usize]));
            bits >>= 6;
        }
    };
    for [a, b, c] in order {
        push(byte(*a) << 16 | byte(*b) << 8 | byte(*c), 4);
    }
    match digest.len() {
        64 => push(byte(63), 2),
        _ => push(byte(31) << 8 | byte(30), 3),
    }
    out
}
