//! Telling people: the project's channels, deliveries that are tried again, and those that are owed.

use super::keep::Keep;
use super::owed::{Debt, Owing};
use super::shared::Shared;
use super::{Options, Runtime, identity};
use crate::inventory::{Inventory, Overlay};
use crate::report::{Bus, Event};
use crate::script::Survey;
use crate::transport::{Local, http, mail};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use stdlib::contract::{By, Delivery, Error, Kind, Output, Result, nearest};
use stdlib::shared::channel::{Channel, Message, Reply, pause, reply};
use tokio_util::sync::CancellationToken;

/// The variable that a channel's configuration is, while its templates are filled in.
const NAME: &str = "channel";

/// A channel of the project, all that is to be filled in filled in: its configuration, and what it is.
pub(super) fn channel(inventory: &Inventory, options: &Options, name: &str) -> Result<(Value, Channel)> {
    let Some((config, site)) = options.channels.get(name) else {
        let error = Error::playbook(format!("there is no channel `{name}`"));
        return Err(match nearest(name, options.channels.keys().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None if options.channels.is_empty() => {
                error.hint(format!("hlrun.yaml names them: channels: {{ {name}: {{ kind: ntfy, topic: homelab }} }}"))
            }
            None => {
                let names: Vec<&str> = options.channels.keys().map(String::as_str).collect();
                error.hint(format!("hlrun.yaml has {}", names.join(", ")))
            }
        });
    };
    let overlay = Overlay::from(Map::from_iter([(NAME.to_owned(), config.clone())]));
    let config = inventory.resolve("localhost", NAME, &overlay).map_err(|mut error| {
        let why = error.message.replace(&format!("in the variable `{NAME}`: "), "");
        error.message = format!("channel `{name}`: {why}");
        error.host = None;
        error.at = None;
        error.at(site.clone())
    })?;
    let channel = Channel::new(name, &config).map_err(|error| error.at(site.clone()))?;
    Ok((config, channel))
}

/// What of the channels that a playbook names is wrong, each with its place.
pub(super) fn wrong(inventory: &Inventory, options: &Options, survey: &Survey) -> Vec<Error> {
    let mut seen = BTreeSet::new();
    let named = survey.channels.iter().filter(|(name, _)| !options.channels.contains_key(name) || seen.insert(name));
    named.filter_map(|(name, at)| Some(channel(inventory, options, name).err()?.at(at.clone()))).collect()
}

/// Send something, again and again if the service asks for it. The error is why it was given up.
async fn send(delivery: &Delivery, cancel: &CancellationToken) -> std::result::Result<(), String> {
    let mut tries = 0;
    loop {
        let answer = match &delivery.by {
            By::Http(request) => http(&Local, request).await,
            By::Mail(letter) => mail(letter).await,
        };
        tries += 1;
        let (why, wait) = match answer {
            Ok(output) => match reply(delivery, &output) {
                Reply::Sent => return Ok(()),
                Reply::Never(why) => return Err(why),
                Reply::Later(why, asked) => (why, pause(tries, asked)),
            },
            // Neither does what is wrong here mend itself, nor a certificate.
            Err(error) if error.kind == Kind::Playbook || error.message.contains("certificate") => {
                return Err(error.message.clone());
            }
            Err(error) => (error.message.clone(), pause(tries, None)),
        };
        let Some(wait) = wait else { return Err(why) };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = cancel.cancelled() => return Err(why),
        }
    }
}

impl Shared {
    /// Deliver something. It never fails: what was not delivered is told, and owed if it is worth that.
    pub async fn deliver(&self, delivery: &Delivery) -> Output {
        let Err(why) = send(delivery, &self.cancel).await else {
            return Output { stdout: format!("sent to {}\n", delivery.channel).into_bytes(), ..Output::default() };
        };
        let owed = match (&delivery.keep, &self.debts) {
            (Some(message), Some(debts)) => {
                let captures = json!({ "channel": delivery.channel, "message": message });
                let debt = Debt { kind: Owing::Message, ..self.debt("", "", &delivery.channel, captures) };
                match debts.owe(debt) {
                    Ok(()) => "; it is owed: hlrun owed --pay sends it".to_owned(),
                    Err(error) => format!("; {}", error.message),
                }
            }
            _ => String::new(),
        };
        let message = format!("not delivered to {}: {why}{owed}", delivery.channel);
        self.bus.emit(Event::Warning { message });
        Output { code: 1, stderr: why.into_bytes(), ..Output::default() }
    }
}

impl Runtime {
    /// Send the messages that runs of a playbook owe by these channels, or by all. What came of each: its channel, its title, and why it is
    /// still owed, if it is.
    pub fn pay_messages(self, playbook: &Path, channels: &[String]) -> Result<Vec<(String, String, Option<String>)>> {
        let (bus, cancel) = (Bus::new("owed", Vec::new()), self.cancel.clone());
        let keep = Keep::new()?;
        let (id, name) = ("owed".to_owned(), identity(playbook));
        let shared =
            Shared::new(id, name.clone(), self.inventory, self.options, bus, cancel, Vec::new(), None, None, keep);
        let shared = Arc::new(shared);
        let Some(debts) = &shared.debts else { return Ok(Vec::new()) };
        let due = debts.all().into_iter().filter(|debt| debt.kind == Owing::Message && debt.playbook == name);
        let due = due.filter(|debt| channels.is_empty() || channels.contains(&debt.handler));
        let mut paid = Vec::new();
        for debt in due {
            let message: Message = serde_json::from_value(debt.captures["message"].clone())
                .map_err(|e| Error::bug(format!("a message that is owed cannot be read: {e}")))?;
            let made = channel(&shared.inventory, &shared.options, &debt.handler)
                .and_then(|(_, channel)| Ok((channel.message(&message)?, channel.secrets())));
            let why = match made {
                Ok((delivery, secrets)) => {
                    secrets.iter().for_each(|secret| shared.bus.hide(secret));
                    shared.wait(send(&delivery, &shared.cancel)).err()
                }
                Err(error) => Some(error.message.clone()),
            };
            if why.is_none() {
                debts.pay(&debt)?;
            }
            let title = message.title.unwrap_or_else(|| message.body.lines().next().unwrap_or_default().to_owned());
            paid.push((debt.handler, title, why.map(|why| shared.bus.redacted(&why))));
        }
        Ok(paid)
    }
}
