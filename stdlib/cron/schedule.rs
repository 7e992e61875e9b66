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

/// The least and greatest number of a field, and the names that numbers have in it.
type Range = (u32, u32, &'static [&'static str]);

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Declares how each field is read: cron passes over a file with a time that it cannot read, so a wrong one is an
/// error before any host is touched.
macro_rules! fields {
    ($($name:ident: $least:literal to $greatest:literal $names:expr;)*) => {
        $(pub fn $name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Field, D::Error> {
            checked(deserializer, ($least, $greatest, $names))
        })*
    };
}

fields! {
    minute: 0 to 59 &[];
    hour: 0 to 23 &[];
    day: 1 to 31 &[];
    month: 1 to 12 MONTHS;
    weekday: 0 to 7 DAYS;
}

fn checked<'de, D: Deserializer<'de>>(deserializer: D, range: Range) -> Result<Field, D::Error> {
    let field = Field::deserialize(deserializer)?;
    if field.0.split(',').all(|part| valid(part, range)) {
        return Ok(field);
    }
    let (text, (least, greatest, _)) = (&field.0, range);
    Err(de::Error::custom(format!(
        "\"{text}\" is no time: write {least} to {greatest}, \"*\", \"*/2\", \"{least}-{greatest}\", or several with commas"
    )))
}

/// When a job runs, as a playbook gives it.
pub struct Schedule<'a> {
    /// Minute, hour, day, month, weekday.
    pub fields: [&'a Field; 5],
    /// A named time instead of them.
    pub special: Option<Special>,
}

impl Schedule<'_> {
    /// As it stands in the line.
    pub fn text(&self) -> Result<String> {
        let fields: Vec<&str> = self.fields.iter().map(|field| field.0.as_str()).collect();
        match self.special {
            None => Ok(fields.join(" ")),
            Some(special) if fields.iter().all(|field| *field == "*") => Ok(format!("@{}", special.as_str())),
            Some(_) => {
                bail!(playbook: "`special_time` and `minute`, `hour`, `day`, `month` or `weekday` both say when: give one of them")
            }
        }
    }
}

/// Whether a part of a field is one that cron reads.
fn valid(part: &str, (least, greatest, names): Range) -> bool {
    let number = |text: &str| {
        let named =
            || names.iter().position(|name| text.eq_ignore_ascii_case(name)).and_then(|i| u32::try_from(i).ok());
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = if digits { text.parse().ok() } else { named().map(|i| i + least) };
        number.filter(|number| (least..=greatest).contains(number))
    };
    let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
    // `~` is a random time between two, in cronie and newer crons.
    let several = range == "*"
        || range
            .split_once(['-', '~'])
            .is_some_and(|(a, b)| matches!((number(a), number(b)), (Some(a), Some(b)) if a <= b));
    match step {
        None => several || number(range).is_some(),
        Some(step) => several && step.parse::<u32>().is_ok_and(|step| step > 0),
    }
}

#[cfg(test)]
mod tests {
    use crate::cron::Present;
    use serde_json::json;

    fn line(time: &str, special: Option<&str>) -> Option<String> {
        let fields: Vec<&str> = time.split(' ').collect();
        let mut given = json!({ "name": "a", "job": "true", "special_time": special });
        for (name, field) in ["minute", "hour", "day", "month", "weekday"].iter().zip(fields) {
            given[name] = json!(field);
        }
        serde_json::from_value::<Present>(given).ok()?.line().ok()
    }

    #[test]
    fn a_time_is_one_that_cron_reads() {
        for good in ["0 0 1 1 0", "*/5 8-18/2 1,15 jan-MAR mon,fri", "59 23 31 12 7", "0~59 * * * sun"] {
            assert_eq!(line(good, None), Some(format!("{good} true")));
        }
        for wrong in [
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "*/0 * * * *",
            "5-1 * * * *",
            "a * * * *",
            "5/2 * * * *",
            "1,,2 * * * *",
            "-1 * * * *",
        ] {
            assert_eq!(line(wrong, None), None, "{wrong}");
        }
        assert_eq!(line("* * * * *", Some("reboot")).as_deref(), Some("@reboot true"));
        assert_eq!(line("1 * * * *", Some("daily")), None);
    }
}
