//! healthchecks.io, or a server of one's own: a dead man's switch.

use super::text::{Unit, fit, plain};
use super::{Ping, Service, State, base, unguessable};
use crate::contract::{By, Request, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// A check of healthchecks.io.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Healthchecks {
    /// The check's address, such as `https://hc-ping.com/UUID`.
    url: String,
}

/// healthchecks.io keeps the first 100 kB.
const BODY: usize = 100_000;

impl Service for Healthchecks {
    fn ping(&self, ping: &Ping) -> Result<Option<By>> {
        let word = match ping.state {
            State::Start => "/start",
            State::Success => "",
            State::Fail => "/fail",
            State::Log => "/log",
        };
        let mut request = Request::get(format!("{}{word}", base(&self.url)));
        request.method = "POST".to_owned();
        request.headers.insert("content-type".to_owned(), "text/plain; charset=utf-8".to_owned());
        request.body = Some(fit(&ping.message, BODY, Unit::Byte, plain));
        Ok(Some(By::Http(Box::new(request))))
    }
    fn secrets(&self) -> Vec<String> {
        unguessable(&self.url)
    }
}
