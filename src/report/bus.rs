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
        if secret.len() >= 3 {
            self.secrets.write().unwrap_or_else(PoisonError::into_inner).push(secret.to_owned());
        }
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
        hide(&mut value, &self.secrets.read().unwrap_or_else(PoisonError::into_inner));
        value.as_str().unwrap_or_default().to_owned()
    }
    fn redact(&self, event: Event) -> Event {
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        if secrets.is_empty() {
            return event;
        }
        let Ok(mut value) = serde_json::to_value(&event) else { return event };
        hide(&mut value, &secrets);
        serde_json::from_value(value).unwrap_or(event)
    }
}

fn hide(value: &mut Value, secrets: &[String]) {
    match value {
        Value::String(text) => {
            for secret in secrets.iter().filter(|s| !s.is_empty()) {
                if text.contains(secret.as_str()) {
                    *text = text.replace(secret.as_str(), "‹secret›");
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|v| hide(v, secrets)),
        Value::Object(fields) => fields.values_mut().for_each(|v| hide(v, secrets)),
        _ => {}
    }
}

/// Now, in UTC, as RFC 3339 with milliseconds.
pub fn timestamp() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
