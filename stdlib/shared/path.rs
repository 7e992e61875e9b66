//! Paths on a host.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

/// An absolute path on the host. A relative one would depend on where the connection happens to start,
/// and `~` on who is logged in, so both are refused before any host is touched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct HostPath(String);

impl HostPath {
    /// Reads a path: `//`, `/./` and a `/` at the end are dropped. The error says what is expected.
    pub fn parse(text: &str) -> Result<HostPath, String> {
        if text.starts_with('~') {
            return Err(format!(
                "`{text}`: `~` depends on who is logged in; write the home directory out, such as \"/home/me/...\""
            ));
        }
        if !text.starts_with('/') {
            return Err(format!("`{text}` is no absolute path: write it from the root, such as \"/etc/motd\""));
        }
        if text.contains('\0') {
            return Err("a path cannot contain a NUL character".to_owned());
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        Ok(HostPath(format!("/{}", parts.join("/"))))
    }
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The directory it lies in; the root lies in itself.
    pub fn parent(&self) -> &str {
        match self.0.rfind('/') {
            Some(0) | None => "/",
            Some(at) => &self.0[..at],
        }
    }
    /// The path of something below it.
    pub fn join(&self, below: &str) -> String {
        if self.0 == "/" { format!("/{below}") } else { format!("{}/{below}", self.0) }
    }
}

/// Whether a path lies below a directory; none lies below itself.
pub fn is_below(path: &str, dir: &str) -> bool {
    path.strip_prefix(dir.trim_end_matches('/')).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'))
}

impl Deref for HostPath {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for HostPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HostPath, D::Error> {
        HostPath::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for HostPath {
    fn schema_name() -> Cow<'static, str> {
        "HostPath".into()
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
    fn a_path_is_absolute_and_plain() {
        let path = HostPath::parse("//srv/./a b/$(x)/-rf/").unwrap();
        assert_eq!((path.as_str(), path.parent()), ("/srv/a b/$(x)/-rf", "/srv/a b/$(x)"));
        assert_eq!(HostPath::parse("/").unwrap().as_str(), "/");
        for wrong in ["", "etc/motd", "~/x", "-rf", "/a\0"] {
            assert!(HostPath::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn below_means_whole_names() {
        for (path, dir, below) in [
            ("/srv/www", "/srv", true),
            ("/srv/www", "/srv/", true),
            ("/srv", "/", true),
            ("/srv", "/srv", false),
            ("/srv/", "/srv", false),
            ("/", "/", false),
            ("/srv2", "/srv", false),
        ] {
            assert_eq!(is_below(path, dir), below, "{path} below {dir}");
        }
    }
}
