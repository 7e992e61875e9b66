//! Requests over HTTP, made of what playbooks say.

use super::Span;
use crate::bail;
use crate::contract::{Command, Error, Look, Request, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::BTreeMap;

/// What every request may be given.
#[derive(Debug, Default)]
pub struct Web<'a> {
    /// The address.
    pub url: &'a str,
    /// Headers.
    pub headers: Option<&'a BTreeMap<String, Value>>,
    /// Who asks.
    pub user: Option<&'a String>,
    /// The password.
    pub password: Option<&'a String>,
    /// A token.
    pub bearer: Option<&'a String>,
    /// The longest it may take.
    pub timeout: Option<Span>,
    /// Whether certificates are checked.
    pub validate_certs: bool,
    /// Who vouches for the server, too.
    pub ca_path: Option<&'a String>,
    /// Who we are.
    pub client_cert: Option<&'a String>,
    /// The key to that.
    pub client_key: Option<&'a String>,
}

impl Web<'_> {
    /// The request: a GET so far, redirects followed.
    pub async fn request(&self, host: &dyn Look) -> Result<Request> {
        let (scheme, rest) = self.url.split_once("://").unwrap_or(("", self.url));
        if scheme != "http" && scheme != "https" {
            bail!(playbook: "`{}` is no address of a web server", self.url; hint: "write it out, such as \"https://example.com/x\"");
        }
        if rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@')) {
            bail!(playbook: "the URL names a user or password, and URLs are shown in reports";
                hint: "give them as `user` and `password`");
        }
        let mut request = Request::get(self.url);
        for (name, value) in self.headers.into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            request.headers.insert(name.to_lowercase(), value);
        }
        let authorization = match (self.user, self.password, self.bearer) {
            (None, None, None) => None,
            (Some(user), password, None) => {
                let password = password.map(String::as_str).unwrap_or_default();
                Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            }
            (None, None, Some(token)) => Some(format!("Bearer {token}")),
            (None, Some(_), _) => bail!(playbook: "`password` needs a `user`"),
            (Some(_), _, Some(_)) => bail!(playbook: "`user` and `bearer` both say who asks: give one of them"),
        };
        request.hidden.extend(self.password.cloned());
        if let Some(value) = authorization {
            request.headers.insert("authorization".to_owned(), value);
        }
        request.timeout = self.timeout.map(|limit| limit.0);
        request.insecure = !self.validate_certs;
        if let Some(path) = self.ca_path {
            request.ca = Some(pem(host, path, "ca_path").await?);
        }
        request.identity = match (self.client_cert, self.client_key) {
            (None, None) => None,
            (Some(cert), None) => Some(pem(host, cert, "client_cert").await?),
            (Some(cert), Some(key)) => {
                Some(format!("{}\n{}", pem(host, cert, "client_cert").await?, pem(host, key, "client_key").await?))
            }
            (None, Some(_)) => bail!(playbook: "`client_key` needs a `client_cert`"),
        };
        Ok(request)
    }
}

/// A certificate or key: an absolute path is on the host, any other on the controller.
async fn pem(host: &dyn Look, path: &str, parameter: &str) -> Result<String> {
    if path.starts_with('/') {
        return host.text(&Command::new("cat").args(["--", path])).await.map_err(|e| {
            Error::host(format!("`{parameter}`: {}", e.message))
                .hint("an absolute path is one on the host; others are on the controller")
        });
    }
    match host.asset(path).await?.and_then(|asset| asset.content).map(String::from_utf8) {
        Some(Ok(text)) => Ok(text),
        Some(Err(_)) => bail!(playbook: "`{parameter}`: `{path}` is not in PEM form"),
        None => {
            bail!(playbook: "`{parameter}`: no file `{path}` on the controller"; hint: "an absolute path is one on the host")
        }
    }
}

/// Seconds since 1970 of a date as servers write it.
pub fn date(text: &str) -> Option<i64> {
    let date = httpdate::parse_http_date(text).ok()?;
    i64::try_from(date.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs()).ok()
}

/// A date as servers write it.
pub fn date_text(seconds: i64) -> String {
    let since = std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + since)
}
