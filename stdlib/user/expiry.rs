//! The day on which an account ends.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use std::borrow::Cow;
use std::fmt;

/// A day such as `"2027-01-31"`, seconds since 1970, or `"never"` (also -1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry(Option<i64>);

const DAY: i64 = 86_400;

impl Expiry {
    /// The day as `/etc/shadow` has it: days since 1970, or nothing.
    pub fn from_shadow(days: &str) -> Expiry {
        Expiry(days.parse().ok().filter(|days| *days >= 0))
    }
    fn parse(text: &str) -> Option<Expiry> {
        if ["never", ""].contains(&text) {
            return Some(Expiry(None));
        }
        let mut parts = text.splitn(3, '-').map(|part| part.parse::<i64>().ok());
        let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
        let days = days(year, month, day);
        // A day that is not in the calendar comes back as another.
        (year >= 1970 && civil(days) == (year, month, day)).then_some(Expiry(Some(days)))
    }
    fn seconds(seconds: i64) -> Expiry {
        Expiry((seconds >= 0).then_some(seconds / DAY))
    }
}

/// Days since 1970 of a date (Howard Hinnant's algorithm: years begin in March).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day since 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.map(civil) {
            Some((year, month, day)) => write!(f, "{year:04}-{month:02}-{day:02}"),
            None => f.write_str("never"),
        }
    }
}

impl<'de> Deserialize<'de> for Expiry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Expiry, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Expiry;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a day such as \"2027-01-31\", \"never\", or seconds since 1970")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Expiry, E> {
                Expiry::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Expiry, E> {
                Ok(Expiry::seconds(seconds))
            }
            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Expiry, E> {
                i64::try_from(seconds).map_err(E::custom).map(Expiry::seconds)
            }
            #[allow(clippy::cast_possible_truncation)] // what is too large becomes the last day there is
            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Expiry, E> {
                Ok(Expiry::seconds(seconds as i64))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Expiry {
    fn schema_name() -> Cow<'static, str> {
        "Expiry".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_day_is_read_as_people_and_shadow_write_it() {
        let read = |value: Value| serde_json::from_value::<Expiry>(value).map(|e| e.to_string()).ok();
        for (value, day) in [
            (json!("2027-01-31"), "2027-01-31"),
            (json!("2028-02-29"), "2028-02-29"),
            (json!(1_422_403_387), "2015-01-28"),
            (json!(951_782_400.5), "2000-02-29"),
            (json!(-1), "never"),
            (json!("never"), "never"),
        ] {
            assert_eq!(read(value.clone()).as_deref(), Some(day), "{value}");
        }
        for wrong in [json!("2027-02-29"), json!("31.1.2027"), json!("soon"), json!("2027-13-01"), json!(true)] {
            assert_eq!(read(wrong.clone()), None, "{wrong}");
        }
        for (days, day) in [("0", "1970-01-01"), ("20819", "2027-01-01"), ("", "never"), ("-1", "never")] {
            assert_eq!(Expiry::from_shadow(days).to_string(), day);
        }
    }
}
