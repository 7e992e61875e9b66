//! ntfy: its own JSON form, published to the server's root.

use super::text::{Unit, fit, plain};
use super::{Message, Service, base, post, unguessable};
use crate::contract::{By, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// An ntfy topic.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ntfy {
    /// The topic.
    topic: String,
    /// The server; `https://ntfy.sh` without it.
    #[serde(default = "public")]
    url: String,
    /// An access token (`tk_...`).
    token: Option<String>,
    /// A user, where there is no token.
    user: Option<String>,
    /// The password to that.
    password: Option<String>,
}

fn public() -> String {
    "https://ntfy.sh".to_owned()
}

/// From 4096 bytes on it would come as a file, or be refused.
const BODY: usize = 4095;

impl Service for Ntfy {
    fn message(&self, message: &Message) -> Result<By> {
        let mut body = json!({ "topic": self.topic, "priority": message.priority as u8 + 1 });
        if let Some(title) = message.title(250) {
            body["title"] = title.into();
        }
        body["message"] = fit(&message.body, BODY, Unit::Byte, plain).into();
        if !message.tags.is_empty() {
            body["tags"] = message.tags.clone().into();
        }
        if let Some(url) = &message.url {
            body["click"] = url.clone().into();
        }
        if message.markdown() {
            body["markdown"] = true.into();
        }
        let mut request = post(format!("{}/", base(&self.url)), &body);
        let basic = || {
            let (user, password) = (self.user.as_ref()?, self.password.as_deref().unwrap_or_default());
            Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
        };
        if let Some(authorization) = self.token.as_ref().map(|token| format!("Bearer {token}")).or_else(basic) {
            request.headers.insert("authorization".to_owned(), authorization);
        }
        Ok(By::Http(Box::new(request)))
    }
    fn secrets(&self) -> Vec<String> {
        let given = [&self.token, &self.password].into_iter().flatten().cloned();
        given.chain(unguessable(&self.url)).collect()
    }
}
