//! Telegram: a bot's message in HTML, whose text shows as it is.

use super::text::{Unit, fit, html};
use super::{Message, Service, base, post};
use crate::contract::{By, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// A chat with a Telegram bot.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Telegram {
    /// The bot's token, `123456:ABC...`.
    token: String,
    /// The chat: a number, or a channel's name with `@`.
    chat_id: Chat,
    /// The thread of a group with topics.
    thread_id: Option<i64>,
    /// The server; `https://api.telegram.org` without it.
    #[serde(default = "public")]
    url: String,
}

/// A chat.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "it is a number or text")]
enum Chat {
    Number(i64),
    Name(String),
}

fn public() -> String {
    "https://api.telegram.org".to_owned()
}

const TEXT: usize = 4096;

impl Service for Telegram {
    fn message(&self, message: &Message) -> Result<By> {
        let title = message.title.as_deref().map(super::one_line).filter(|title| !title.is_empty());
        let head = title.map(|title| format!("<b>{}</b>\n", fit(&title, 250, Unit::Utf16, html))).unwrap_or_default();
        let link =
            |url: &String| format!("\n<a href=\"{0}\">{0}</a>", fit(url, 1000, Unit::Utf16, html).replace('"', "%22"));
        let foot = message.url.as_ref().map(link).unwrap_or_default();
        let room = TEXT.saturating_sub(head.encode_utf16().count() + foot.encode_utf16().count());
        let text = format!("{head}{}{foot}", fit(&message.body, room, Unit::Utf16, html));
        let chat = match &self.chat_id {
            Chat::Number(number) => json!(number),
            Chat::Name(name) => json!(name),
        };
        let mut body = json!({
            "chat_id": chat,
            "text": text,
            "parse_mode": "HTML",
            "disable_web_page_preview": true,
            "disable_notification": message.priority.of([true, true, false, false, false]),
        });
        if let Some(thread) = self.thread_id {
            body["message_thread_id"] = thread.into();
        }
        let url = format!("{}/bot{}/sendMessage", base(&self.url), self.token);
        Ok(By::Http(Box::new(post(url, &body))))
    }
    fn secrets(&self) -> Vec<String> {
        vec![self.token.clone()]
    }
}
