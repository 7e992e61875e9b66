//! `password_hash`: SHA-256 and SHA-512 crypt, as `/etc/shadow` has them.

use super::{Answer, Args, Filter, wrong};
use crate::shared::template::print::print;
use minijinja::{State, Value};
use sha2::{Digest, Sha256, Sha512};

pub(super) const FILTERS: &[(&str, Filter)] = &[("password_hash", password_hash)];

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn password_hash(_: &mut State, value: &Value, args: &Args) -> Answer {
    let kind = args.text(0, "hashtype", "sha512")?;
    let salt = args.get(1, "salt")?.map(|salt| print(&salt)).transpose()?.filter(|salt| !salt.is_empty());
    args.get(2, "salt_size")?;
    let rounds = args.get(3, "rounds")?.and_then(|r| super::whole(&r));
    args.get(4, "ident")?;
    let Some(salt) = salt else {
        return Err(super::unsupported(
            "password_hash without a salt",
            "a random salt makes every run a change: write password_hash('sha512', 'yourSalt')",
        ));
    };
    if salt.len() > 16 || !salt.bytes().all(|b| ALPHABET.contains(&b)) {
        return Err(wrong("password_hash: a salt is up to 16 of the characters ./0-9A-Za-z"));
    }
    // Ansible leaves the number of rounds to passlib; these are its defaults.
    let (prefix, default) = match kind.as_str() {
        "sha512" => ("$6$", 656_000),
        "sha256" => ("$5$", 535_000),
        other => return Err(super::unsupported(&format!("password_hash('{other}')"), "sha512 and sha256 are")),
    };
    let rounds = rounds.unwrap_or(default).clamp(1000, 999_999_999) as usize;
    let (password, salt_bytes) = (print(value)?.into_bytes(), salt.as_bytes());
    let digest = match kind.as_str() {
        "sha512" => encode(&crypt::<Sha512>(&password, salt_bytes, rounds), &ORDER512),
        _ => encode(&crypt::<Sha256>(&password, salt_bytes, rounds), &ORDER256),
    };
    let shown = if rounds == 5000 { String::new() } else { format!("rounds={rounds}$") };
    Ok(Value::from(format!("{prefix}{shown}{salt}${digest}")))
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
