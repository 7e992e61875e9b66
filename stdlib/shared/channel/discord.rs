//! Discord: an embed, which has a title, a link and a colour. Nobody is mentioned by what a text contains.

use super::text::{Unit, fit, no_markdown, plain};
use super::{Message, Service, post, unguessable};
use crate::contract::{By, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// A webhook of a Discord channel.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Discord {
    /// The webhook's address, as Discord gives it.
    url: String,
    /// The name that the messages come from.
    username: Option<String>,
    /// The address of a picture for it.
    avatar_url: Option<String>,
}

impl Service for Discord {
    fn message(&self, message: &Message) -> Result<By> {
        let spell = if message.markdown() { plain } else { no_markdown };
        let mut embed = json!({ "color": message.priority.color() });
        if let Some(title) = message.title(256) {
            embed["title"] = title.into();
        }
        if !message.body.is_empty() {
            embed["description"] = fit(&message.body, 4096, Unit::Utf16, spell).into();
        }
        if let Some(url) = &message.url {
            embed["url"] = url.clone().into();
        }
        if !message.tags.is_empty() {
            embed["footer"] = json!({ "text": fit(&message.tags.join(" "), 500, Unit::Utf16, plain) });
        }
        let mut body = json!({ "embeds": [embed], "allowed_mentions": { "parse": [] } });
        for (key, value) in [("username", &self.username), ("avatar_url", &self.avatar_url)] {
            if let Some(value) = value {
                body[key] = value.clone().into();
            }
        }
        Ok(By::Http(Box::new(post(self.url.clone(), &body))))
    }
    fn secrets(&self) -> Vec<String> {
        unguessable(&self.url)
    }
}
