//! Gotify: an application's token, and extras for what it has no field for.

use super::{Message, Service, base, post};
use crate::contract::{By, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// An application of a Gotify server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gotify {
    /// The server, such as `https://gotify.example.com`.
    url: String,
    /// The application's token.
    token: String,
}

impl Service for Gotify {
    fn message(&self, message: &Message) -> Result<By> {
        let kind = if message.markdown() { "text/markdown" } else { "text/plain" };
        // Gotify refuses a message without a text.
        let text = if message.body.is_empty() { message.first() } else { message.body.clone() };
        let mut body = json!({
            "message": text,
            "priority": message.priority.of([0, 2, 5, 8, 10]),
            "extras": { "client::display": { "contentType": kind } },
        });
        if let Some(title) = message.title(1000) {
            body["title"] = title.into();
        }
        if let Some(url) = &message.url {
            body["extras"]["client::notification"] = json!({ "click": { "url": url } });
        }
        let mut request = post(format!("{}/message", base(&self.url)), &body);
        request.headers.insert("x-gotify-key".to_owned(), self.token.clone());
        Ok(By::Http(Box::new(request)))
    }
    fn secrets(&self) -> Vec<String> {
        vec![self.token.clone()]
    }
}
