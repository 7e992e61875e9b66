//! Requests over HTTP, as data. They are made from the host's point of view, by us: the host needs no program
//! for it. What is secret in them reaches no report and no journal.

use super::{Output, quote};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::time::Duration;

/// A request. Its answer is an [`Output`]: the body on standard output, the status as exit code, and headers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Request {
    /// GET, POST, ...
    pub method: String,
    /// Where to; names in it are those that the host knows.
    pub url: String,
    /// Headers, names in lower case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", serialize_with = "plain_headers")]
    pub headers: BTreeMap<String, String>,
    /// What is sent; kept by its size only.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "size_only")]
    pub body: Option<String>,
    /// The statuses that mean success; empty means 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ok: Vec<u16>,
    /// The longest that the answer may take to begin and, but for a download, to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Whether to go where an answer points to.
    #[serde(default)]
    pub follow: bool,
    /// Whether a certificate that nobody vouches for is accepted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// Certificates (PEM) that vouch too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The certificate and key (PEM) that say who we are.
    #[serde(skip)]
    pub identity: Option<String>,
    /// What must not be seen anywhere beside the headers that are secret by their names, such as a password.
    #[serde(skip)]
    pub hidden: Vec<String>,
    /// A unix socket on the host to talk to, instead of the address in the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
    /// What is answered of the body.
    #[serde(default)]
    pub want: Body,
}

/// What is answered of a body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// All of it, up to 16 MiB.
    #[default]
    All,
    /// Nothing.
    Nothing,
    /// Its digest as `sha256:HEX` and its size in bytes, of any size.
    Digest,
}

/// The statuses that mean: look elsewhere.
pub const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

impl Request {
    /// A GET of a document, redirects followed.
    pub fn get(url: impl Into<String>) -> Request {
        Request { method: "GET".to_owned(), url: url.into(), follow: true, ..Request::default() }
    }
    /// Whether it only reads, by what HTTP says of its method.
    pub fn reads(&self) -> bool {
        ["GET", "HEAD", "OPTIONS"].contains(&self.method.as_str())
    }
    /// Whether a status means success.
    pub fn accepts(&self, status: i32) -> bool {
        if self.ok.is_empty() { status == 200 } else { self.ok.iter().any(|ok| i32::from(*ok) == status) }
    }
    /// As a transcript shows it: nothing secret in it.
    pub fn line(&self) -> String {
        let socket = self.socket.as_ref().map(|path| format!(" socket={}", quote(path))).unwrap_or_default();
        format!("http {} {}{socket}", self.method, quote(&self.url))
    }
    /// What of it must not be seen anywhere.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let headers = self.headers.iter().filter(|(name, _)| secret(name)).flat_map(|(_, value)| {
            // `Bearer TOKEN` is as bad without its first word.
            [Some(value.as_str()), value.split_once(' ').map(|(_, rest)| rest)].into_iter().flatten()
        });
        headers.chain(self.hidden.iter().map(String::as_str))
    }
}

/// Whether a header is a secret, by its name.
fn secret(name: &str) -> bool {
    ["authorization", "cookie", "token", "key", "secret", "password"].iter().any(|word| name.contains(word))
}

fn plain_headers<S: Serializer>(headers: &BTreeMap<String, String>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(headers.iter().map(|(name, value)| (name, if secret(name) { "‹secret›" } else { value.as_str() })))
}

fn size_only<S: Serializer>(body: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format!("‹{} bytes›", body.as_ref().map_or(0, String::len)))
}

/// A file to be fetched over HTTP: beside its place, checked, then renamed over it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Download {
    /// What to ask for.
    pub request: Request,
    /// The file on the host.
    pub path: String,
    /// What it must come to, as `ALGORITHM:HEX`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// When the server's file was changed, in seconds since 1970: the file here gets the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtime: Option<i64>,
    /// Octal permissions; nothing keeps what is there, or 0644 for a new file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The owner; nothing keeps what is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The group; nothing keeps what is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Keep a copy of the old file under this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
}

impl Download {
    /// As a transcript shows it.
    pub fn line(&self) -> String {
        let mut line = format!("download {} from={}", quote(&self.path), quote(&self.request.url));
        let words = [("mode", &self.mode), ("owner", &self.owner), ("group", &self.group), ("backup", &self.backup)];
        for (name, value) in words.into_iter().chain([("checksum", &self.checksum)]) {
            if let Some(value) = value {
                line += &format!(" {name}={}", quote(value));
            }
        }
        line
    }
}

impl Output {
    /// A header of an answer over HTTP.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.as_ref()?.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_not_written_down() {
        let mut request = Request::get("http://localhost/");
        request.headers = [("authorization", "Bearer hush"), ("x-api-key", "hush"), ("accept", "text/plain")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into();
        request.body = Some("hush".to_owned());
        request.identity = Some("hush".to_owned());
        let text = serde_json::to_string(&request).unwrap() + &request.line();
        assert!(!text.contains("hush") && text.contains("text/plain") && text.contains("4 bytes"), "{text}");
        assert_eq!(request.secrets().collect::<Vec<_>>(), ["Bearer hush", "hush", "hush"]);
    }
}
