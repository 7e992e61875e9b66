//! Amounts as people say them: `"2G"`, `"10%"`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use std::borrow::Cow;

/// An amount, or a share of something.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// So much.
    Amount(u64),
    /// So many percent of all.
    Percent(f64),
}

impl Bound {
    /// How much that is, of all there is.
    pub fn of(&self, all: u64) -> u64 {
        match self {
            Bound::Amount(amount) => *amount,
            Bound::Percent(percent) => (all as f64 * percent / 100.0) as u64,
        }
    }
    /// Reads `2G`, `512 MiB`, `1000`, `10%`.
    pub fn parse(text: &str) -> Result<Bound, String> {
        let wrong = || format!("`{text}` is no amount: write it as \"2G\", \"500M\" or \"10%\"");
        let text = text.trim();
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let number: f64 = text[..split].parse().map_err(|_| wrong())?;
        let unit = text[split..].trim();
        if unit == "%" {
            return if number <= 100.0 { Ok(Bound::Percent(number)) } else { Err(wrong()) };
        }
        let unit = unit.trim_end_matches(['B', 'b']).trim_end_matches('i').to_uppercase();
        let power = ["", "K", "M", "G", "T", "P"].iter().position(|known| *known == unit).ok_or_else(wrong)?;
        Ok(Bound::Amount((number * 1024_f64.powi(power as i32)) as u64))
    }
}

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Bound, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "an amount: \"2G\", \"10%\", or a number")]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(from)? {
            Written::Number(amount) => Ok(Bound::Amount(amount)),
            Written::Text(text) => Bound::parse(&text).map_err(de::Error::custom),
        }
    }
}

impl JsonSchema for Bound {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Bound".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}

/// A size in bytes as people say it.
pub fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let power = (0..5).take_while(|power| bytes >> (10 * (power + 1)) > 0).count();
    match power {
        0 => format!("{bytes} B"),
        power => format!("{:.1} {}", bytes as f64 / 1024_f64.powi(power as i32), units[power]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_they_are_written() {
        for (text, amount) in [("2G", 2 << 30), ("1.5 KiB", 1536), ("7", 7), ("500mb", 500 << 20), ("1T", 1 << 40)] {
            assert_eq!(Bound::parse(text), Ok(Bound::Amount(amount)), "{text}");
        }
        assert_eq!(Bound::parse("12.5%").unwrap().of(800), 100);
        for text in ["", "G", "2X", "-1G", "101%", "2G free"] {
            assert!(Bound::parse(text).is_err(), "{text}");
        }
        assert_eq!([size(0), size(1536), size(3 << 40)], ["0 B", "1.5 KiB", "3.0 TiB"]);
    }
}
