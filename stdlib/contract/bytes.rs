//! Bytes as they are kept: text where they are text, base64 where they are not.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form<'a> {
    Text(Cow<'a, str>),
    Other { base64: String },
}

/// Bytes as text, or as `{"base64": "..."}`.
pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    let form = match std::str::from_utf8(bytes) {
        Ok(text) => Form::Text(text.into()),
        Err(_) => Form::Other { base64: BASE64_STANDARD.encode(bytes) },
    };
    form.serialize(to)
}

/// The bytes that [`serialize`] was given.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    match Form::deserialize(from)? {
        Form::Text(text) => Ok(text.into_owned().into_bytes()),
        Form::Other { base64 } => BASE64_STANDARD.decode(base64).map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Output;

    #[test]
    fn what_hosts_print_is_kept_byte_by_byte() {
        for (stdout, kept) in [(&b"a\0\n\xc3\xa4"[..], r#""a\u0000\nä""#), (b"\xff\0", r#"{"base64":"/wA="}"#)] {
            let output = Output { stdout: stdout.to_owned(), ..Output::default() };
            let json = serde_json::to_string(&output).unwrap();
            assert!(json.contains(kept), "{json}");
            assert_eq!(serde_json::from_str::<Output>(&json).unwrap(), output);
        }
    }
}
