//! Permissions as people write them.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;

/// Permissions: octal in quotes such as `"0644"`, or symbolic such as `"u=rw,g=r,o="` or `"a+rX"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode {
    text: String,
    clauses: Vec<Clause>,
}

/// `ug+rw`: whose bits, what to do, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Clause {
    who: u32,
    op: char,
    bits: u32,
    /// `X`: execute, but only for directories and what someone may execute already.
    conditional: bool,
}

/// All bits that a mode can have.
const ALL: u32 = 0o7777;

impl Mode {
    /// Exactly these bits.
    pub fn octal(bits: u32) -> Mode {
        let clause = Clause { who: ALL, op: '=', bits, conditional: false };
        Mode { text: format!("{bits:04o}"), clauses: vec![clause] }
    }
    /// Reads octal or symbolic permissions. The error says what is expected.
    pub fn parse(text: &str) -> Result<Mode, String> {
        let wrong = || format!("`{text}` are no permissions: write \"0644\" or \"u=rw,g=r,o=r\"");
        let octal = text.strip_prefix("0o").unwrap_or(text);
        if !octal.is_empty() && octal.len() <= 5 && octal.chars().all(|c| c.is_digit(8)) {
            let bits = u32::from_str_radix(octal, 8).ok().filter(|bits| *bits <= ALL).ok_or_else(wrong)?;
            return Ok(Mode::octal(bits));
        }
        let mut clauses = Vec::new();
        for part in text.split(',') {
            let at = part.find(['+', '-', '=']).ok_or_else(wrong)?;
            let mut who = 0;
            for c in part[..at].chars() {
                who |= match c {
                    'u' => 0o4700,
                    'g' => 0o2070,
                    'o' => 0o1007,
                    'a' => ALL,
                    _ => return Err(wrong()),
                };
            }
            let who = if who == 0 { ALL } else { who };
            let mut rest = &part[at..];
            while let Some(op) = rest.chars().next() {
                let end = rest[1..].find(['+', '-', '=']).map_or(rest.len(), |i| i + 1);
                let mut clause = Clause { who, op, bits: 0, conditional: false };
                for c in rest[1..end].chars() {
                    match c {
                        'r' => clause.bits |= 0o444,
                        'w' => clause.bits |= 0o222,
                        'x' => clause.bits |= 0o111,
                        's' => clause.bits |= 0o6000,
                        't' => clause.bits |= 0o1000,
                        'X' => clause.conditional = true,
                        _ => return Err(wrong()),
                    }
                }
                // `t` counts for whomever it is said.
                clause.who |= clause.bits & 0o1000;
                clauses.push(clause);
                rest = &rest[end..];
            }
        }
        Ok(Mode { text: text.to_owned(), clauses })
    }
    /// As `chmod` takes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// What becomes of permissions, as four octal digits.
    pub fn of(&self, now: u32, directory: bool) -> String {
        let mut mode = now;
        for clause in &self.clauses {
            let execute = clause.conditional && (directory || mode & 0o111 != 0);
            let bits = (clause.bits | if execute { 0o111 } else { 0 }) & clause.who;
            // Like chmod, `g=rx` keeps the special bits of a directory; octal and `a=` say them all.
            let cleared = if clause.who == ALL || !directory { clause.who } else { clause.who & 0o777 };
            mode = match clause.op {
                '+' => mode | bits,
                '-' => mode & !bits,
                _ => mode & !cleared | bits,
            };
        }
        format!("{mode:04o}")
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Mode, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Mode;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("permissions in quotes, such as \"0644\" or \"u=rw,g=r,o=r\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Mode, E> {
                Mode::parse(text).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Mode, E> {
                Err(E::custom(format!("permissions are octal: write them in quotes, such as \"0644\" (not {number})")))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Mode, E> {
                self.visit_i64(number.try_into().unwrap_or(i64::MAX))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Mode {
    fn schema_name() -> Cow<'static, str> {
        "Mode".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_what_chmod_makes_of_them() {
        for (text, now, directory, after) in [
            ("644", 0o777, false, "0644"),
            ("0o1777", 0, true, "1777"),
            ("u=rw,g=r,o=", 0o777, false, "0640"),
            ("u+x", 0o644, false, "0744"),
            ("a+rX", 0o600, false, "0644"),
            ("a+rX", 0o700, false, "0755"),
            ("u=rwX,go=rX", 0o600, true, "0755"),
            ("g+s,o-rwx", 0o755, true, "2750"),
            ("+t", 0o777, true, "1777"),
            ("u+s", 0o755, false, "4755"),
            ("g=rx", 0o2770, true, "2750"),
        ] {
            let mode = Mode::parse(text).unwrap();
            assert_eq!(mode.of(now, directory), after, "{text} on {now:o}");
        }
        for wrong in ["", "rw", "0888", "u=q", "77777", "preserve"] {
            assert!(Mode::parse(wrong).is_err(), "{wrong}");
        }
    }
}
