//! When a job runs.

use crate::bail;
use crate::contract::Result;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use std::borrow::Cow;

/// One of the five fields of a time: a number, or a text such as `"*/5"` or `"1-5,20"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field(String);

impl Default for Field {
    fn default() -> Field {
        Field("*".to_owned())
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Field, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Field;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number such as 30 or a text such as \"*/5\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Field, E> {
                Ok(Field(text.trim().to_owned()))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Field, E> {
                Ok(Field(number.to_string()))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Field, E> {
                Ok(Field(number.to_string()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Field {
    fn schema_name() -> Cow<'static, str> {
        "Field".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}

/// A time that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Special {
    /// When the machine has started.
    Reboot,
    /// On the first of January.
    Yearly,
    /// The same as yearly.
    Annually,
    /// On the first of the month.
    Monthly,
    /// On Sunday.
    Weekly,
    /// At midnight.
    Daily,
    /// At the full hour.
    Hourly,
}

impl Special {
    fn as_str(self) -> &'static str {
        match self {
            Special::Reboot => "reboot",
            Special::Yearly => "yearly",
            Special::Annually => "annually",
            Special::Monthly => "monthly",
            Special::Weekly => "weekly",
            Special::Daily => "daily",
            Special::Hourly => "hourly",
        }
    }
}

/// A field's name, its least and greatest number, and the names that numbers have in it.
type Range = (&'static str, u32, u32, &'static [&'static str]);

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const RANGES: [Range; 5] =
    [("minute", 0, 59, &[]), ("hour", 0, 23, &[]), ("day", 1, 31, &[]), ("month", 1, 12, MONTHS), ("weekday", 0, 7, DAYS)];

/// When a job runs, as a playbook gives it.
pub struct Schedule<'a> {
    /// Minute, hour, day, month, weekday.
    pub fields: [&'a Field; 5],
    /// A named time instead of them.
    pub special: Option<Special>,
}

impl Schedule<'_> {
    /// As it stands in the line. cron passes over a file with a time that it cannot read, so a wrong one is
    /// an error here.
    pub fn text(&self) -> Result<String> {
        let fields: Vec<&str> = self.fields.iter().map(|field| field.0.as_str()).collect();
        if let Some(special) = self.special {
            return match fields.iter().all(|field| *field == "*") {
                true => Ok(format!("@{}", special.as_str())),
                false => bail!(playbook: "`special_time` and `minute`, `hour`, `day`, `month` or `weekday` both say when: give one of them"),
            };
        }
        for (field, range) in fields.iter().zip(RANGES) {
            if !field.split(',').all(|part| valid(part, range)) {
                bail!(playbook: "`{}`: \"{field}\" is no time", range.0;
                    hint: "write {} to {}, \"*\", \"*/2\", \"{}-{}\", or several with commas between", range.1, range.2, range.1, range.2);
            }
        }
        Ok(fields.join(" "))
    }
}

/// Whether a part of a field is one that cron reads.
fn valid(part: &str, (_, least, greatest, names): Range) -> bool {
    let number = |text: &str| {
        let named = || names.iter().position(|name| text.eq_ignore_ascii_case(name)).and_then(|i| u32::try_from(i).ok());
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = if digits { text.parse().ok() } else { named().map(|i| i + least) };
        number.filter(|number| (least..=greatest).contains(number))
    };
    let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
    // `~` is a random time between two, in cronie and newer crons.
    let several = range == "*"
        || range.split_once(['-', '~']).is_some_and(|(a, b)| matches!((number(a), number(b)), (Some(a), Some(b)) if a <= b));
    match step {
        None => several || number(range).is_some(),
        Some(step) => several && step.parse::<u32>().is_ok_and(|step| step > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(fields: [&str; 5], special: Option<Special>) -> Result<String> {
        let fields = fields.map(|field| Field(field.to_owned()));
        let [a, b, c, d, e] = &fields;
        Schedule { fields: [a, b, c, d, e], special }.text()
    }

    #[test]
    fn a_time_is_one_that_cron_reads() {
        for good in ["0 0 1 1 0", "*/5 8-18/2 1,15 jan-MAR mon,fri", "59 23 31 12 7", "0~59 * * * sun"] {
            let fields: Vec<&str> = good.split(' ').collect();
            assert_eq!(text(fields.try_into().unwrap(), None).unwrap(), good);
        }
        for wrong in ["60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *", "5-1 * * * *", "a * * * *", "5/2 * * * *", "1,,2 * * * *", "-1 * * * *"] {
            let fields: Vec<&str> = wrong.split(' ').collect();
            assert!(text(fields.try_into().unwrap(), None).is_err(), "{wrong}");
        }
        assert_eq!(text(["*"; 5], Some(Special::Reboot)).unwrap(), "@reboot");
        assert!(text(["1", "*", "*", "*", "*"], Some(Special::Daily)).is_err());
    }
}
