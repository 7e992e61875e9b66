//! The way of an event from where it happens to everyone who wants to know.

use super::event::{Envelope, Event, VERSION};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};
use std::thread::JoinHandle;

/// Someone who wants to know. Called on one thread, in the order of events. Nothing for a while calls
/// `idle`, so that what waits for company can be shown without it.
pub trait Listener: Send {
    /// An event.
    fn hear(&mut self, envelope: &Envelope);
    /// Nothing happened for a moment.
    fn idle(&mut self) {}
    /// Someone is about to be asked something: show everything there is to show.
    fn settle(&mut self) {}
}

impl<F: FnMut(&Envelope) + Send> Listener for F {
    fn hear(&mut self, envelope: &Envelope) {
        self(envelope);
    }
}

/// What goes over the bus.
enum Message {
    /// An event.
    Event(Box<Envelope>),
    /// Tell when everything before has been heard and shown.
    Settle(mpsc::Sender<()>),
}

/// Takes events from every thread of a run. Slow listeners slow the run down rather than lose events.
#[derive(Clone)]
pub struct Bus {
    run: Arc<str>,
    seq: Arc<Mutex<u64>>,
    send: mpsc::SyncSender<Message>,
    secrets: Arc<RwLock<Vec<String>>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Bus {
    /// A bus for a run.
    pub fn new(run: &str, mut listeners: Vec<Box<dyn Listener>>) -> Bus {
        let (send, receive) = mpsc::sync_channel::<Message>(1024);
        let thread = std::thread::spawn(move || {
            loop {
                match receive.recv_timeout(std::time::Duration::from_millis(200)) {
                    Ok(Message::Settle(settled)) => {
                        listeners.iter_mut().for_each(|l| l.settle());
                        let _ = settled.send(());
                    }
                    Ok(Message::Event(envelope)) => {
                        listeners.iter_mut().for_each(|l| l.hear(&envelope));
                        if matches!(envelope.event, Event::RunEnd { .. }) {
                            return;
                        }
                    }
                    Err(mpsc::RecvTimeoutError::Timeout) => listeners.iter_mut().for_each(|l| l.idle()),
                    Err(mpsc::RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        let thread = Arc::new(Mutex::new(Some(thread)));
        Bus { run: run.into(), seq: Arc::default(), send, secrets: Arc::default(), thread }
    }
    /// Never show this text again.
    pub fn hide(&self, secret: &str) {
        let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        secrets.extend(forms(secret).into_iter().filter(|form| form.len() >= 3));
        // The longest first: one may be a part of another.
        secrets.sort_by_key(|form| std::cmp::Reverse(form.len()));
        secrets.dedup();
    }
    /// Tell everyone.
    pub fn emit(&self, event: Event) {
        let event = self.redact(event);
        // Held while sending, so that events arrive in the order of their numbers.
        let mut last = self.seq.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        let (seq, ts) = (*last, timestamp());
        // After the last event nobody listens any more; nothing that matters comes then.
        let envelope = Envelope { v: VERSION, ts, run: self.run.to_string(), seq, event };
        let _ = self.send.send(Message::Event(Box::new(envelope)));
    }
    /// Wait until everything told so far is shown.
    pub fn settle(&self) {
        let (send, settled) = mpsc::channel();
        if self.send.send(Message::Settle(send)).is_ok() {
            let _ = settled.recv();
        }
    }
    /// Wait until everyone has heard everything. The last event must be `run.end`.
    pub fn finish(&self) {
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
    /// A text without what must never be shown.
    pub fn redacted(&self, text: &str) -> String {
        let mut value = Value::String(text.to_owned());
        hide(&mut value, &self.secrets.read().unwrap_or_else(PoisonError::into_inner), &[]);
        value.as_str().unwrap_or_default().to_owned()
    }
    fn redact(&self, event: Event) -> Event {
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        if secrets.is_empty() {
            return event;
        }
        let Ok(mut value) = serde_json::to_value(&event) else { return event };
        let mut bare = value.clone();
        hide(&mut value, &secrets, &[]);
        // A secret may be a word of ours, such as `ok`.
        hide(&mut bare, &secrets, &["event", "status", "kind"]);
        let shown = serde_json::from_value(value).or_else(|_| serde_json::from_value(bare));
        shown.unwrap_or_else(|_| Event::Warning { message: "something cannot be shown without its secrets".to_owned() })
    }
}

/// What a secret looks like in commands, in JSON, and line by line in a difference.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned(), secret.trim().to_owned()];
    if secret.contains('\'') {
        forms.push(secret.replace('\'', r"'\''"));
    }
    let json = Value::from(secret).to_string();
    forms.push(json[1..json.len() - 1].to_owned());
    let lines = secret.lines().map(str::trim).filter(|line| line.len() >= 8 && *line != secret);
    forms.extend(lines.map(str::to_owned));
    forms.sort();
    forms.dedup();
    forms
}

/// Secrets out of every text, except below these keys.
fn hide(value: &mut Value, secrets: &[String], except: &[&str]) {
    match value {
        Value::String(text) => {
            for secret in secrets.iter().filter(|s| !s.is_empty()) {
                if text.contains(secret.as_str()) {
                    *text = text.replace(secret.as_str(), "‹secret›");
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|v| hide(v, secrets, except)),
        Value::Object(fields) => {
            let fields = fields.iter_mut().filter(|(key, _)| !except.contains(&key.as_str()));
            fields.for_each(|(_, v)| hide(v, secrets, except));
        }
        _ => {}
    }
}

/// Now, in UTC, as RFC 3339 with milliseconds.
pub fn timestamp() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_in_every_form_it_takes() {
        let bus = Bus::new("r", Vec::new());
        bus.hide("it's \"me\"");
        bus.hide("-----BEGIN KEY-----\nabcdefghij\n-----END KEY-----\n");
        bus.hide("warning");
        let shown = |text: &str| match bus.redact(Event::Warning { message: text.to_owned() }) {
            Event::Warning { message } => message,
            other => panic!("{other:?}"),
        };
        for (text, want) in [
            ("x it's \"me\"", "x ‹secret›"),
            (r#"echo 'it'\''s "me"'"#, "echo '‹secret›'"),
            (r#"{"a": "it's \"me\""}"#, r#"{"a": "‹secret›"}"#),
            ("+abcdefghij", "+‹secret›"),
            // A word of ours is hidden in texts, and the event is still the event.
            ("a warning", "a ‹secret›"),
        ] {
            assert_eq!(shown(text), want);
        }
    }
}
