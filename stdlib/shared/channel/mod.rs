//! Channels: the ways to tell people and watching services something, each kind one file. What is sent is composed
//! here; the controller sends it.

mod alertmanager;
mod config;
mod discord;
mod gotify;
mod healthchecks;
mod mail;
mod ntfy;
mod pushover;
mod reply;
mod slack;
mod telegram;
mod text;
mod uptime_kuma;
mod webhook;

pub use config::{Channels, read};
pub use reply::{Reply, pause, reply};

use crate::bail;
use crate::contract::{By, Delivery, Error, Parameter, Request, Result, nearest, parameters};
use schemars::{JsonSchema, schema_for};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use text::{Unit, fit, one_line};

/// A kind of channel.
pub struct Kind {
    /// Its name in a configuration.
    pub name: &'static str,
    /// Its keys.
    pub keys: fn() -> Vec<Parameter>,
    parse: fn(Value) -> Parsed,
}

/// A service, or which of its keys is wrong and why.
type Parsed = std::result::Result<Box<dyn Service>, serde_path_to_error::Error<serde_json::Error>>;

const fn kind<T: Service + DeserializeOwned + JsonSchema + 'static>(name: &'static str) -> Kind {
    Kind {
        name,
        keys: || parameters(&schema_for!(T)),
        parse: |value| serde_path_to_error::deserialize::<_, T>(value).map(|service| Box::new(service) as _),
    }
}

/// Every kind of channel.
pub static KINDS: [Kind; 11] = [
    kind::<alertmanager::Alertmanager>("alertmanager"),
    kind::<discord::Discord>("discord"),
    kind::<gotify::Gotify>("gotify"),
    kind::<healthchecks::Healthchecks>("healthchecks"),
    kind::<mail::Letters>("mail"),
    kind::<ntfy::Ntfy>("ntfy"),
    kind::<pushover::Pushover>("pushover"),
    kind::<slack::Slack>("slack"),
    kind::<telegram::Telegram>("telegram"),
    kind::<uptime_kuma::UptimeKuma>("uptime_kuma"),
    kind::<webhook::Webhook>("webhook"),
];

/// A service that takes messages, or signs of life.
trait Service: Send + Sync {
    /// How it is told a message.
    fn message(&self, _message: &Message) -> Result<By> {
        bail!(playbook: "it takes signs of life, no messages"; hint: "notify::ping(channel, #{{ state: \"success\" }})")
    }
    /// How it is given a sign of life; nothing if it has no word for this one.
    fn ping(&self, _ping: &Ping) -> Result<Option<By>> {
        bail!(playbook: "it takes messages, no signs of life"; hint: "notify::send(channel, #{{ title, body }})")
    }
    /// What of its configuration must never be shown.
    fn secrets(&self) -> Vec<String>;
}

/// How much a message matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// It can be read at any time, and makes no sound.
    Min,
    /// It makes no sound.
    Low,
    /// As messages are.
    #[default]
    Normal,
    /// It is to be read soon.
    High,
    /// It wakes people up.
    Urgent,
}

impl Priority {
    /// One of five values, from the least to the most urgent.
    fn of<T: Copy>(self, values: [T; 5]) -> T {
        values[self as usize]
    }
    /// The colour of it, where there is one.
    fn color(self) -> u32 {
        self.of([0x808080, 0x808080, 0x3AA3E3, 0xE8A33D, 0xC0392B])
    }
}

/// How a text is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// As it is: what looks like markup is shown as it is written.
    #[default]
    Plain,
    /// In the service's own Markdown, where it has one.
    Markdown,
}

/// A message to people.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Message {
    /// What it is about, in one line.
    pub title: Option<String>,
    /// What there is to say.
    pub body: String,
    /// How much it matters.
    pub priority: Priority,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Where there is more.
    pub url: Option<String>,
    /// How the body is written.
    pub format: Format,
}

impl Message {
    /// What it is about, cut to so many characters.
    fn title(&self, limit: usize) -> Option<String> {
        let title = self.title.as_deref().map(one_line).filter(|title| !title.is_empty());
        title.map(|title| fit(&title, limit, Unit::Char, text::plain))
    }
    /// The first that there is to read.
    fn first(&self) -> String {
        let line = || self.body.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("hlrun").to_owned();
        self.title.clone().filter(|title| !title.trim().is_empty()).unwrap_or_else(line)
    }
    fn markdown(&self) -> bool {
        self.format == Format::Markdown
    }
}

/// What a sign of life says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The work begins.
    Start,
    /// It ended well.
    #[default]
    Success,
    /// It did not.
    Fail,
    /// Something to be noted, which is neither.
    Log,
}

/// A sign of life.
#[derive(Debug, Clone, Default)]
pub struct Ping {
    /// What it says.
    pub state: State,
    /// What there is to say beside.
    pub message: String,
    /// How long the work took.
    pub took: Option<Duration>,
}

/// A channel of the project, ready to be used.
pub struct Channel {
    name: String,
    kind: &'static Kind,
    service: Box<dyn Service>,
    validate_certs: bool,
}

impl Channel {
    /// A channel by its configuration, all that is to be filled in filled in.
    pub fn new(name: &str, config: &Value) -> Result<Channel> {
        let wrong = |why: String| Error::playbook(format!("channel `{name}`: {why}"));
        let mut keys = config.as_object().cloned().ok_or_else(|| wrong("its configuration is a map".to_owned()))?;
        let given = keys.remove("kind").unwrap_or_default();
        let kind = find(given.as_str().unwrap_or_default()).map_err(|error| {
            error.hints.iter().fold(wrong(error.message.clone()), |error, hint| error.hint(hint.clone()))
        })?;
        let validate_certs = keys.remove("validate_certs").is_none_or(|value| value != Value::Bool(false));
        let parsed = (kind.parse)(Value::Object(keys));
        let service = parsed.map_err(|e| wrong(format!("`{}`: {}", e.path(), e.inner())))?;
        Ok(Channel { name: name.to_owned(), kind, service, validate_certs })
    }
    /// What of it must never be shown.
    pub fn secrets(&self) -> Vec<String> {
        self.service.secrets().into_iter().filter(|secret| !secret.is_empty()).collect()
    }
    /// What kind of channel it is.
    pub fn kind(&self) -> &'static str {
        self.kind.name
    }
    /// The delivery of a message.
    pub fn message(&self, message: &Message) -> Result<Delivery> {
        let by = self.service.message(message).map_err(|error| self.blame(error))?;
        Ok(self.delivery(by, Some(json!(message))))
    }
    /// The delivery of a sign of life; nothing if the service has no word for this one.
    pub fn ping(&self, ping: &Ping) -> Result<Option<Delivery>> {
        let by = self.service.ping(ping).map_err(|error| self.blame(error))?;
        Ok(by.map(|by| self.delivery(by, None)))
    }
    fn delivery(&self, by: By, keep: Option<Value>) -> Delivery {
        let by = match by {
            By::Http(mut request) => {
                request.insecure = !self.validate_certs;
                request.timeout = Some(PATIENCE);
                // What leads elsewhere loses its body on the way, and would tell its headers to others.
                request.follow = request.method == "GET" && request.headers.is_empty();
                By::Http(request)
            }
            By::Mail(mut mail) => {
                mail.insecure = !self.validate_certs;
                By::Mail(mail)
            }
        };
        Delivery { channel: self.name.clone(), kind: self.kind.name.to_owned(), by, keep }
    }
    fn blame(&self, error: Error) -> Error {
        let message = format!("channel `{}` is of kind {}: {}", self.name, self.kind.name, error.message);
        error.hints.iter().fold(Error::playbook(message), |error, hint| error.hint(hint.clone()))
    }
}

/// How long a service may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// The kind of this name.
fn find(name: &str) -> Result<&'static Kind> {
    if let Some(kind) = KINDS.iter().find(|kind| kind.name == name) {
        return Ok(kind);
    }
    let names = || KINDS.iter().map(|kind| kind.name);
    let error = Error::playbook(match name {
        "" => "it needs a `kind`".to_owned(),
        name => format!("there is no kind of channel `{name}`"),
    });
    let usual = [("email", "mail"), ("smtp", "mail"), ("kuma", "uptime_kuma"), ("mattermost", "slack")];
    let usual = usual.iter().find(|(known, _)| *known == name).map(|(_, meant)| *meant);
    Err(match usual.or_else(|| nearest(name, names())) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("the kinds are {}", names().collect::<Vec<_>>().join(", "))),
    })
}

/// A POST of JSON.
fn post(url: impl Into<String>, body: &Value) -> Request {
    let mut request = Request::get(url);
    request.method = "POST".to_owned();
    request.headers.insert("content-type".to_owned(), "application/json".to_owned());
    request.body = Some(body.to_string());
    request
}

/// The parts of an address that nobody could guess.
fn unguessable(url: &str) -> Vec<String> {
    let (_, path) = url.split_once("://").unwrap_or(("", url));
    let words = path.split(['/', '?', '&', '=', '@', '#', ':']).skip(1);
    words
        .filter(|word| word.len() >= 8 && word.chars().any(|c| c.is_ascii_digit() || c.is_ascii_uppercase()))
        .map(str::to_owned)
        .collect()
}

/// An address without what it ends in.
fn base(url: &str) -> &str {
    url.trim_end_matches('/')
}
