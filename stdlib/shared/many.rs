//! A parameter that takes one thing or a list of them.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::{self, Deserialize, Deserializer, IntoDeserializer, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// One value or a list of them: `"curl"` or `["curl", "jq"]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Many<T> {
    /// One.
    One(T),
    /// Several.
    Several(Vec<T>),
}

impl<T> Many<T> {
    /// Both as a slice.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Many::One(one) => std::slice::from_ref(one),
            Many::Several(several) => several,
        }
    }
}

impl<T> Default for Many<T> {
    fn default() -> Many<T> {
        Many::Several(Vec::new())
    }
}

/// Not derived: an untagged enum only says that nothing fits, and not what would.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Many<T>, D::Error> {
        deserializer.deserialize_any(OneOrSeveral(PhantomData))
    }
}

struct OneOrSeveral<T>(PhantomData<T>);

impl<T> OneOrSeveral<T> {
    /// What one is, in words.
    fn what() -> &'static str {
        match std::any::type_name::<T>().rsplit("::").next().unwrap_or_default() {
            "String" => "string",
            "bool" => "boolean",
            "f32" | "f64" => "number",
            "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize" => "whole number",
            _ => "value",
        }
    }
}

impl<'de, T: Deserialize<'de>> OneOrSeveral<T> {
    fn one<E: de::Error>(self, value: impl IntoDeserializer<'de, E>, unexpected: de::Unexpected) -> Result<Many<T>, E> {
        let one = T::deserialize(value.into_deserializer()).map(Many::One);
        one.map_err(|_| E::invalid_type(unexpected, &self))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrSeveral<T> {
    type Value = Many<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = Self::what();
        write!(f, "a {what} or a list of {what}s")
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Many<T>, E> {
        self.one(value, de::Unexpected::Bool(value))
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Many<T>, E> {
        self.one(value, de::Unexpected::Signed(value))
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Many<T>, E> {
        self.one(value, de::Unexpected::Unsigned(value))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Many<T>, E> {
        self.one(value, de::Unexpected::Float(value))
    }
    fn visit_str<E: de::Error>(self, value: &str) -> Result<Many<T>, E> {
        self.one(value, de::Unexpected::Str(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Many<T>, A::Error> {
        let mut several = Vec::new();
        while let Some(one) = seq.next_element()? {
            several.push(one);
        }
        Ok(Many::Several(several))
    }
    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Many<T>, A::Error> {
        T::deserialize(de::value::MapAccessDeserializer::new(map)).map(Many::One)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn what_does_not_fit_is_told_in_the_words_of_who_wrote_it() {
        let strings = |value: Value| serde_json::from_value::<Many<String>>(value).map_err(|e| e.to_string());
        assert_eq!(strings(json!("a")), Ok(Many::One("a".to_owned())));
        assert_eq!(strings(json!(["a"])), Ok(Many::Several(vec!["a".to_owned()])));
        for (value, why) in [
            (json!(3), "invalid type: integer `3`, expected a string or a list of strings"),
            (json!(null), "invalid type: null, expected a string or a list of strings"),
            (json!({}), "invalid type: map, expected a string"),
            (json!(["a", 1]), "invalid type: integer `1`, expected a string"),
        ] {
            assert_eq!(strings(value), Err(why.to_owned()));
        }
        let number = serde_json::from_value::<Many<u16>>(json!("7")).unwrap_err().to_string();
        assert_eq!(number, "invalid type: string \"7\", expected a whole number or a list of whole numbers");
        assert_eq!(serde_json::from_value::<Many<u16>>(json!(7)).unwrap(), Many::One(7));
    }
}
