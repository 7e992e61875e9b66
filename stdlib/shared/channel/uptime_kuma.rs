//! A push monitor of Uptime Kuma, which knows up and down.

use super::text::{Unit, encoded, fit, plain};
use super::{Ping, Service, State, base, unguessable};
use crate::contract::{By, Request, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// A push monitor of Uptime Kuma.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UptimeKuma {
    /// The push address, such as `https://kuma.example.com/api/push/TOKEN`; what stands after a `?` does not matter.
    url: String,
}

impl Service for UptimeKuma {
    fn ping(&self, ping: &Ping) -> Result<Option<By>> {
        let status = match ping.state {
            State::Success => "up",
            State::Fail => "down",
            State::Start | State::Log => return Ok(None),
        };
        let url = base(self.url.split('?').next().unwrap_or_default());
        let message = if ping.message.is_empty() { "OK" } else { &ping.message };
        let message = encoded(&fit(&super::one_line(message), 250, Unit::Char, plain));
        let took = ping.took.map(|took| took.as_millis().to_string()).unwrap_or_default();
        Ok(Some(By::Http(Box::new(Request::get(format!("{url}?status={status}&msg={message}&ping={took}"))))))
    }
    fn secrets(&self) -> Vec<String> {
        unguessable(&self.url)
    }
}
