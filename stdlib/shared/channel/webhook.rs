//! A webhook of one's own: the message as JSON, in its own words.

use super::{Message, Service, post, unguessable};
use crate::bail;
use crate::contract::{By, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Something that takes JSON over HTTP.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// The address.
    url: String,
    /// `POST`, `PUT` or `PATCH`.
    #[serde(default = "usual")]
    method: String,
    /// Headers by name.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// More fields of the JSON that is sent.
    #[serde(default)]
    fields: Map<String, Value>,
}

fn usual() -> String {
    "POST".to_owned()
}

impl Service for Webhook {
    fn message(&self, message: &Message) -> Result<By> {
        let method = self.method.to_uppercase();
        if !["POST", "PUT", "PATCH"].contains(&method.as_str()) {
            bail!(playbook: "`method` is POST, PUT or PATCH, not {method}");
        }
        let mut body = json!({
            "title": message.title.as_deref().map(super::one_line),
            "message": message.body,
            "priority": message.priority,
            "tags": message.tags,
            "url": message.url,
        });
        for (name, value) in &self.fields {
            body[name] = value.clone();
        }
        let mut request = post(self.url.clone(), &body);
        request.method = method;
        for (name, value) in &self.headers {
            if name.chars().chain(value.chars()).any(char::is_control) {
                bail!(playbook: "the header `{}` has a line break", super::one_line(name));
            }
            request.headers.insert(name.to_lowercase(), value.clone());
        }
        Ok(By::Http(Box::new(request)))
    }
    fn secrets(&self) -> Vec<String> {
        let words = ["authorization", "token", "key", "secret", "password"];
        let headers = self.headers.iter().filter(|(name, _)| words.iter().any(|w| name.to_lowercase().contains(w)));
        headers.map(|(_, value)| value.clone()).chain(unguessable(&self.url)).collect()
    }
}
