//! Requests and downloads over HTTP.
//!
//! Requests are made from the host's point of view: `http://localhost:8080` is the host's own port 8080, and names
//! are those that the host can resolve. The connection to the host carries them, so the host needs neither curl nor
//! Python. Certificates are checked as the controller would; `ca_path` names an authority of your own.
//!
//! What is secret stays so: headers such as `Authorization`, passwords and tokens are in no report and no
//! journal, and neither is what is sent. The answer has `.status` (also `.rc`), `.headers` (names in lower
//! case), `.body` and `.json()`. To wait for an answer that is right: `within(#{ retries: 10, delay: "3s",
//! until: |r| r.json().ready }, || http::get(url))`.

mod downloaded;

pub use downloaded::Downloaded;

use crate::bail;
use crate::contract::{Action, Body, Fact, Look, Module, Output, Request as Wire, Result, Step};
use crate::shared::web::Web;
use crate::shared::{Many, Span};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.fact::<Get>().action::<Request>().operation::<Downloaded>();
}

fn yes() -> bool {
    true
}

/// Ask for a document (GET). Check mode asks, too.
///
/// ```rhai
/// http::get("http://localhost:8080/health", #{ timeout: "5s" });
/// ```
/// ```transcript
/// ? http GET http://localhost:8080/health
/// = {"status":"up"}
/// - content-type: application/json
/// * 200
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The address, as the host sees it.
    pub url: String,
    /// Headers by name.
    pub headers: Option<BTreeMap<String, Value>>,
    /// The user for basic authentication, which is sent at once (Ansible's `force_basic_auth`).
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// A token, sent as `Authorization: Bearer TOKEN`.
    pub bearer: Option<String>,
    /// The statuses that are right; any other is an error. 200 without it.
    #[serde(default)]
    pub status: Many<u16>,
    /// The longest that the answer may take; 30 s without it.
    pub timeout: Option<Span>,
    /// Go where an answer points to.
    #[serde(default = "yes")]
    pub follow_redirects: bool,
    /// Refuse a server whose certificate nobody vouches for.
    #[serde(default = "yes")]
    pub validate_certs: bool,
    /// A file with certificates (PEM) that vouch, too: an absolute path is on the host, any other on the controller.
    pub ca_path: Option<String>,
    /// A file with the certificate (PEM) that says who asks; it may contain the key.
    pub client_cert: Option<String>,
    /// A file with the key (PEM) to `client_cert`.
    pub client_key: Option<String>,
    /// A unix socket on the host to talk to, such as `/run/app.sock`; the URL's host is then only a name.
    pub unix_socket: Option<String>,
}

impl Fact for Get {
    type Answer = Value;

    async fn ask(&self, host: &dyn Look) -> Result<Value> {
        let web = Web {
            url: &self.url,
            headers: self.headers.as_ref(),
            user: self.user.as_ref(),
            password: self.password.as_ref(),
            bearer: self.bearer.as_ref(),
            timeout: self.timeout,
            validate_certs: self.validate_certs,
            ca_path: self.ca_path.as_ref(),
            client_cert: self.client_cert.as_ref(),
            client_key: self.client_key.as_ref(),
        };
        let request = Wire {
            follow: self.follow_redirects,
            socket: self.unix_socket.clone(),
            ok: self.status.as_slice().to_vec(),
            ..web.request(host).await?
        };
        let output = host.http(&request).await?;
        if !request.accepts(output.code) {
            return Err(crate::contract::refused(&request, &output));
        }
        let headers = output.headers.clone().unwrap_or_default();
        Ok(json!({ "rc": output.code, "stdout": output.text(), "stderr": "", "headers": headers }))
    }
}

/// Make a request that may change something: POST, PUT, PATCH, DELETE.
///
/// It counts as a change unless it is a GET, HEAD or OPTIONS, or `changed_when` says otherwise. In check mode it is
/// not made, and its record is unknown.
///
/// ```rhai
/// http::request("http://localhost:8080/api/users", #{
///     method: "POST", json: #{ name: "anna" }, bearer: "t0ken", status: [200, 201],
/// });
/// ```
/// ```transcript
/// ! http POST http://localhost:8080/api/users
/// = {"id":7}
/// - location: /api/users/7
/// * 201
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The address, as the host sees it.
    pub url: String,
    /// GET, POST, PUT, PATCH, DELETE, ...
    #[serde(default = "get")]
    pub method: String,
    /// Headers by name.
    pub headers: Option<BTreeMap<String, Value>>,
    /// What is sent, as it is.
    pub body: Option<String>,
    /// What is sent, as JSON.
    pub json: Option<Value>,
    /// What is sent, as the fields of a form; a list sends its field several times.
    pub form: Option<BTreeMap<String, Value>>,
    /// The user for basic authentication, which is sent at once (Ansible's `force_basic_auth`).
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// A token, sent as `Authorization: Bearer TOKEN`.
    pub bearer: Option<String>,
    /// The statuses that are right; any other is an error. 200 without it.
    #[serde(default)]
    pub status: Many<u16>,
    /// The longest that the answer may take; 30 s without it.
    pub timeout: Option<Span>,
    /// Go where an answer points to.
    #[serde(default = "yes")]
    pub follow_redirects: bool,
    /// Refuse a server whose certificate nobody vouches for.
    #[serde(default = "yes")]
    pub validate_certs: bool,
    /// A file with certificates (PEM) that vouch, too: an absolute path is on the host, any other on the controller.
    pub ca_path: Option<String>,
    /// A file with the certificate (PEM) that says who asks; it may contain the key.
    pub client_cert: Option<String>,
    /// A file with the key (PEM) to `client_cert`.
    pub client_key: Option<String>,
    /// A unix socket on the host to talk to, such as `/run/app.sock`; the URL's host is then only a name.
    pub unix_socket: Option<String>,
    /// Whether the record has the body of the answer.
    #[serde(default = "yes")]
    pub return_content: bool,
    /// Keep all of it out of the report and the journal.
    #[serde(default)]
    pub sensitive: bool,
    /// The request itself, once all that it names is loaded.
    #[serde(skip)]
    wire: Wire,
}

fn get() -> String {
    "GET".to_owned()
}

impl Request {
    /// What is sent, and of which type it is.
    fn sent(&self) -> Result<Option<(String, &'static str)>> {
        let given = [("body", self.body.is_some()), ("json", self.json.is_some()), ("form", self.form.is_some())];
        let given: Vec<&str> = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        if let [first, second, ..] = given[..] {
            bail!(playbook: "`{first}` and `{second}` both say what is sent: give one of them");
        }
        if let Some(json) = &self.json {
            return Ok(Some((json.to_string(), "application/json")));
        }
        if let Some(form) = &self.form {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let mut fields = Vec::new();
            for (name, value) in form {
                match value {
                    Value::Array(items) => fields.extend(items.iter().map(|item| (name.clone(), text(item)))),
                    one => fields.push((name.clone(), text(one))),
                }
            }
            let pairs = fields.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
            let text = pairs.collect::<Vec<_>>().join("&");
            return Ok(Some((text, "application/x-www-form-urlencoded")));
        }
        Ok(self.body.clone().map(|body| (body, "text/plain; charset=utf-8")))
    }
}

/// A word as forms spell it.
fn escape(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._*".contains(&b);
    let spell = |b: u8| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") };
    word.bytes().map(|b| if b == b' ' { "+".to_owned() } else { spell(b) }).collect()
}

impl Action for Request {
    const STAYS: &'static str = "the request was made, and nothing unmakes what the server did about it";

    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        let sent = self.sent()?;
        let web = Web {
            url: &self.url,
            headers: self.headers.as_ref(),
            user: self.user.as_ref(),
            password: self.password.as_ref(),
            bearer: self.bearer.as_ref(),
            timeout: self.timeout,
            validate_certs: self.validate_certs,
            ca_path: self.ca_path.as_ref(),
            client_cert: self.client_cert.as_ref(),
            client_key: self.client_key.as_ref(),
        };
        let mut wire = Wire {
            method: self.method.to_uppercase(),
            follow: self.follow_redirects,
            socket: self.unix_socket.clone(),
            ok: self.status.as_slice().to_vec(),
            want: if self.return_content { Body::All } else { Body::Nothing },
            ..web.request(host).await?
        };
        if let Some((body, kind)) = sent {
            wire.headers.entry("content-type".to_owned()).or_insert_with(|| kind.to_owned());
            wire.body = Some(body);
        }
        self.wire = wire;
        Ok(())
    }
    fn steps(&self) -> Result<Vec<Step>> {
        Ok(vec![Step::Http(self.wire.clone())])
    }
    fn changed(&self, _output: &Output) -> bool {
        !self.wire.reads()
    }
    fn sensitive(&self) -> bool {
        self.sensitive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_spelled_as_browsers_do() {
        let form = json!({ "a b": "ü&=+", "n": 5, "l": ["x", "y"] });
        let request: Request = serde_json::from_value(json!({ "url": "http://h/", "form": form })).unwrap();
        let (body, _) = request.sent().unwrap().unwrap();
        assert_eq!(body, "a+b=%C3%BC%26%3D%2B&l=x&l=y&n=5");
    }
}
