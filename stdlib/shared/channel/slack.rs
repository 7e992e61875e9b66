//! Slack, and what takes its webhooks, such as Mattermost: an attachment, which has a title, a link and a colour.

use super::text::{Unit, fit, html};
use super::{Message, Service, post, unguessable};
use crate::contract::{By, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// An incoming webhook of Slack or Mattermost.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slack {
    /// The webhook's address.
    url: String,
    /// Another channel than the webhook's own, where the server allows it.
    channel: Option<String>,
    /// The name that the messages come from, where the server allows it.
    username: Option<String>,
}

/// Slack cuts at 40000, markup included.
const TEXT: usize = 35000;

impl Service for Slack {
    fn message(&self, message: &Message) -> Result<By> {
        let first = fit(&super::one_line(&message.first()), 150, Unit::Char, html);
        let mut attachment = json!({
            "fallback": first,
            "color": format!("#{:06X}", message.priority.color()),
            "mrkdwn_in": if message.markdown() { vec!["text"] } else { Vec::new() },
        });
        if let Some(title) = &message.title {
            attachment["title"] = fit(&super::one_line(title), 150, Unit::Char, html).into();
        }
        attachment["text"] = fit(&message.body, TEXT, Unit::Char, html).into();
        if let Some(url) = &message.url {
            attachment["title_link"] = url.clone().into();
        }
        if !message.tags.is_empty() {
            attachment["footer"] = fit(&message.tags.join(" "), 300, Unit::Char, html).into();
        }
        let mut body = json!({ "attachments": [attachment] });
        for (key, value) in [("channel", &self.channel), ("username", &self.username)] {
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
