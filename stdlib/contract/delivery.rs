//! Messages to people, and signs of life, as data. The controller sends them: the host may be what is down.

use super::{Request, quote};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

/// Something to be sent by a channel of the project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Delivery {
    /// The channel, as the project names it.
    pub channel: String,
    /// What kind of channel that is.
    pub kind: String,
    /// What is sent, and where to.
    pub by: By,
    /// What is kept until it can be sent, where it is worth something later: a sign of life is not.
    #[serde(skip)]
    pub keep: Option<Value>,
}

/// How something is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A request over HTTP.
    Http(Box<Request>),
    /// A letter over SMTP.
    Mail(Box<Mail>),
}

/// A letter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Mail {
    /// The server that takes it.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the way there is encrypted.
    pub tls: Tls,
    /// Whether a certificate that nobody vouches for is accepted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// Who logs in there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// With which password.
    #[serde(skip)]
    pub password: Option<String>,
    /// Who it is from.
    pub from: String,
    /// Who gets it.
    pub to: Vec<String>,
    /// Its subject: one line.
    pub subject: String,
    /// Its headers beside those that every letter has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Its text; kept by its size only.
    #[serde(serialize_with = "size_only")]
    pub text: String,
}

fn size_only<S: Serializer>(text: &str, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format!("‹{} bytes›", text.len()))
}

/// How the way to a mail server is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// After a plain beginning (STARTTLS), and never without.
    #[default]
    Starttls,
    /// From the first byte.
    Tls,
    /// Not at all.
    None,
}

impl Delivery {
    /// As a transcript shows it.
    pub fn line(&self) -> String {
        let by = match &self.by {
            By::Http(request) => request.line(),
            By::Mail(mail) => format!("mail {}:{} to={}", mail.server, mail.port, quote(&mail.to.join(","))),
        };
        format!("send {} {by}", quote(&self.channel))
    }
    /// What is sent, line by line.
    pub fn lines(&self) -> Vec<String> {
        let text = match &self.by {
            By::Http(request) => request.body.clone().unwrap_or_default(),
            By::Mail(mail) => {
                let more = mail.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
                format!("Subject: {}\n{}\n{}", mail.subject, more.collect::<String>(), mail.text)
            }
        };
        text.lines().map(str::to_owned).collect()
    }
}
