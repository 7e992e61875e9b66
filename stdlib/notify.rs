//! Messages to people, and signs of life: by the channels that `hlrun.yaml` names.
//!
//! ```yaml
//! channels:
//!   ops: { kind: ntfy, url: https://ntfy.example.com, topic: homelab, token: "{{ ntfy_token }}" }
//!   mail: { kind: mail, server: mail.example.com, user: hlrun, password: !vault "...", from: hlrun@example.com, to: [ann@example.com] }
//!   nightly: { kind: healthchecks, url: "https://hc-ping.com/{{ lookup('file', '~/.config/hc-uuid') }}" }
//! ```
//!
//! | kind | keys |
//! |---|---|
//! | `alertmanager` | `url`, `labels` |
//! | `discord` | `url`, `username`, `avatar_url` |
//! | `gotify` | `url`, `token` |
//! | `healthchecks` | `url` |
//! | `mail` | `server`, `port`, `tls` (`starttls`, `tls`, `none`), `user`, `password`, `from`, `to` |
//! | `ntfy` | `topic`, `url`, `token`, `user`, `password` |
//! | `pushover` | `token`, `user`, `device`, `sound`, `url` |
//! | `slack` (also Mattermost) | `url`, `channel`, `username` |
//! | `telegram` | `token`, `chat_id`, `thread_id`, `url` |
//! | `uptime_kuma` | `url` |
//! | `webhook` | `url`, `method`, `headers`, `fields` |
//!
//! All take `validate_certs: false`, too. Values are templates with the variables of `localhost`, so a secret may be
//! encrypted, or come from a file or the environment. A name that `hlrun.yaml` does not have is an error before any
//! host is touched.
//!
//! Messages are sent by the controller, wherever they are called: in a play, or after the last one, where they need
//! no host. Services that ask to wait are waited for, up to a minute; others are tried four times. A channel that is
//! dead fails nothing: a message that was not delivered is owed (`hlrun owed`), and `.rc` of the record is not 0.
//! What is hidden in reports is hidden in messages. In check mode nothing is sent.
//!
//! One message for a whole run, whatever becomes of it: `finally(|run| notify::send("ops", #{ title: run.title, body:
//! run.body }))`.

use crate::contract::{Action, Delivery, Look, Module, Need, Result, Step};
use crate::shared::channel::{Channel, Format, Message, Ping as Sign, Priority, State};
use crate::shared::{Many, Span};
use schemars::JsonSchema;
use serde::Deserialize;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.action::<Send>().action::<Ping>();
}

/// Send a message.
///
/// It is cut to what the service takes, and says so. `urgent` wakes people up: Pushover repeats it each minute for an
/// hour, until somebody has seen it.
///
/// ```rhai
/// notify::send("ops", #{ title: "Weekly", body: "3 hosts, 7 changes", priority: "high", tags: ["homelab"] });
/// ```
/// ```transcript
/// ? channel ops
/// = {"kind": "ntfy", "url": "https://ntfy.example.com", "topic": "homelab", "token": "tk_secret"}
/// ! send ops http POST https://ntfy.example.com/
/// + {"topic":"homelab","priority":4,"title":"Weekly","message":"3 hosts, 7 changes","tags":["homelab"]}
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// The channel, as `hlrun.yaml` names it.
    #[schemars(extend("format" = "channel"))]
    pub channel: String,
    /// What it is about, in one line.
    pub title: Option<String>,
    /// What there is to say.
    #[serde(default)]
    pub body: String,
    /// How much it matters: `min` and `low` make no sound, `urgent` wakes people up.
    #[serde(default)]
    pub priority: Priority,
    /// Words to find it by; ntfy shows the names of emoji as such.
    #[serde(default)]
    pub tags: Many<String>,
    /// Where there is more; a tap on the message goes there.
    pub url: Option<String>,
    /// `plain`, or `markdown` as the service understands it.
    #[serde(default)]
    pub format: Format,
    /// The message, composed for its channel.
    #[serde(skip)]
    delivery: Option<Box<Delivery>>,
    #[serde(skip)]
    foretold: String,
}

impl Action for Send {
    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        let channel = Channel::new(&self.channel, &host.channel(&self.channel).await?)?;
        let safe = |text: &String| host.redacted(text);
        let message = Message {
            title: self.title.as_ref().map(safe),
            body: safe(&self.body),
            priority: self.priority,
            tags: self.tags.as_slice().iter().map(safe).collect(),
            url: self.url.as_ref().map(safe),
            format: self.format,
        };
        self.delivery = Some(Box::new(channel.message(&message)?));
        let what = message.title.as_deref().or(message.body.lines().next()).unwrap_or_default();
        self.foretold = format!("not sent in check mode: \"{what}\" by {}", channel.kind());
        Ok(())
    }
    fn steps(&self) -> Result<Vec<Step>> {
        Ok(self.delivery.iter().map(|delivery| Step::Send(*delivery.clone())).collect())
    }
    fn harmless(&self) -> bool {
        true
    }
    fn foretold(&self) -> &str {
        &self.foretold
    }
}

/// Tell a service that watches how work goes: healthchecks.io, or a push monitor of Uptime Kuma.
///
/// Uptime Kuma knows `success` (up) and `fail` (down) only; the others are left out there. A sign of life that was not
/// delivered is not owed: it says how things are now, and not how they were.
///
/// ```rhai
/// notify::ping("nightly", #{ state: "fail", message: "nas: no space left on device" });
/// ```
/// ```transcript
/// ? channel nightly
/// = {"kind": "healthchecks", "url": "https://hc-ping.com/5f0c8a8e-1d6b-4f5e-9a3b-2f2d5a6c7b8d"}
/// ! send nightly http POST https://hc-ping.com/5f0c8a8e-1d6b-4f5e-9a3b-2f2d5a6c7b8d/fail
/// + nas: no space left on device
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// The channel, as `hlrun.yaml` names it.
    #[schemars(extend("format" = "channel"))]
    pub channel: String,
    /// `start`, `success`, `fail` or `log`.
    #[serde(default)]
    pub state: State,
    /// What there is to say beside, such as the end of a log.
    #[serde(default)]
    pub message: String,
    /// How long the work took, such as `"2m"`: Uptime Kuma draws it.
    pub took: Option<Span>,
    #[serde(skip)]
    delivery: Option<Box<Delivery>>,
    #[serde(skip)]
    foretold: String,
}

impl Action for Ping {
    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        let channel = Channel::new(&self.channel, &host.channel(&self.channel).await?)?;
        let message = host.redacted(&self.message);
        let sign = Sign { state: self.state, message, took: self.took.map(|took| took.0) };
        self.delivery = channel.ping(&sign)?.map(Box::new);
        let state = format!("{:?}", self.state).to_lowercase();
        self.foretold = match self.delivery {
            Some(_) => format!("not sent in check mode: {state} by {}", channel.kind()),
            None => format!("{} has no word for {state}", channel.kind()),
        };
        Ok(())
    }
    async fn need(&self, _host: &dyn Look) -> Result<Need> {
        Ok(if self.delivery.is_some() { Need::Run } else { Need::Skip(self.foretold.clone()) })
    }
    fn steps(&self) -> Result<Vec<Step>> {
        Ok(self.delivery.iter().map(|delivery| Step::Send(*delivery.clone())).collect())
    }
    fn harmless(&self) -> bool {
        true
    }
    fn foretold(&self) -> &str {
        &self.foretold
    }
}
