//! Users and groups, by name or number.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::borrow::Cow;

/// A user or group: a name such as `"www-data"`, or a number such as `1000`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    /// As `chown` takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Of a name and a number, the one that this is written as: what to compare it with.
    pub fn like<'a>(&self, name: &'a str, number: &'a str) -> &'a str {
        if self.0.chars().all(|c| c.is_ascii_digit()) { number } else { name }
    }
}

impl From<u32> for Id {
    fn from(number: u32) -> Id {
        Id(number.to_string())
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Id;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a name such as \"www-data\" or a number such as 1000")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Id, E> {
                if text.is_empty() || text.starts_with('-') || text.contains([':', '\0', '\n']) {
                    return Err(E::custom(format!("`{text}` is no user or group")));
                }
                Ok(Id(text.to_owned()))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Id, E> {
                Ok(Id(number.to_string()))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Id, E> {
                u64::try_from(number).map_err(|_| E::custom("an id is not negative")).and_then(|n| self.visit_u64(n))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Id {
    fn schema_name() -> Cow<'static, str> {
        "Id".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}
