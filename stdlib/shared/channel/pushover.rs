//! Pushover: a form. What is urgent is repeated each minute for an hour, until somebody has seen it.

use super::text::{Unit, encoded, fit, plain};
use super::{Message, Service, base};
use crate::contract::{By, Request, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// An application of Pushover.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pushover {
    /// The application's token.
    token: String,
    /// The key of the user or group that gets the message.
    user: String,
    /// One device of the user, instead of all.
    device: Option<String>,
    /// A sound, by its name.
    sound: Option<String>,
    /// The server; `https://api.pushover.net` without it.
    #[serde(default = "public")]
    url: String,
}

fn public() -> String {
    "https://api.pushover.net".to_owned()
}

impl Service for Pushover {
    fn message(&self, message: &Message) -> Result<By> {
        let priority = message.priority.of([-2, -1, 0, 1, 2]);
        // A message needs a text.
        let text = if message.body.is_empty() { message.first() } else { message.body.clone() };
        let mut fields = vec![
            ("token", self.token.clone()),
            ("user", self.user.clone()),
            ("message", fit(&text, 1024, Unit::Char, plain)),
            ("priority", priority.to_string()),
        ];
        fields.extend(message.title(250).map(|title| ("title", title)));
        fields.extend(self.device.clone().map(|device| ("device", device)));
        fields.extend(self.sound.clone().map(|sound| ("sound", sound)));
        // A longer address would be refused, and a cut one leads nowhere.
        fields.extend(message.url.clone().filter(|url| url.chars().count() <= 512).map(|url| ("url", url)));
        if priority == 2 {
            fields.extend([("retry", "60".to_owned()), ("expire", "3600".to_owned())]);
        }
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let mut request = Request::get(format!("{}/1/messages.json", base(&self.url)));
        request.method = "POST".to_owned();
        request.headers.insert("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned());
        request.body = Some(body.join("&"));
        Ok(By::Http(Box::new(request)))
    }
    fn secrets(&self) -> Vec<String> {
        vec![self.token.clone(), self.user.clone()]
    }
}
