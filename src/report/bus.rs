//! The way of an event from where it happens to everyone who wants to know.

use super::event::{Envelope, Event, VERSION};
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};
use std::thread::JoinHandle;

/// Someone who wants to know. Called on one thread, in the order of events. Nothing for a while calls
/// `idle`, so that what waits for company can be shown without it.
pub trait Listener: Send {
    /// An event.
    fn hear(&mut self, envelope: &Envelope);
    /// Nothing happened for a moment.
    fn idle(&mut self) {}
}

impl<F: FnMut(&Envelope) + Send> Listener for F {
    fn hear(&mut self, envelope: &Envelope) {
        self(envelope);
    }
}

/// Takes events from every thread of a run. Slow listeners slow the run down rather than lose events.
#[derive(Clone)]
pub struct Bus {
    run: Arc<str>,
    seq: Arc<AtomicU64>,
    send: mpsc::SyncSender<Envelope>,
    secrets: Arc<RwLock<Vec<String>>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Bus {
    /// A bus for a run.
    pub fn new(run: &str, mut listeners: Vec<Box<dyn Listener>>) -> Bus {
        let (send, receive) = mpsc::sync_channel::<Envelope>(1024);
        let thread = std::thread::spawn(move || {
            loop {
                match receive.recv_timeout(std::time::Duration::from_millis(200)) {
                    Ok(envelope) => {
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
        let seq = self.seq.fetch_add(1, Ordering::Relaxed) + 1;
        let event = self.redact(event);
        let ts = timestamp();
        // After the last event nobody listens any more; nothing that matters comes then.
        let _ = self.send.send(Envelope { v: VERSION, ts, run: self.run.to_string(), seq, event });
    }
    /// Wait until everyone has heard everything. The last event must be `run.end`.
    pub fn finish(&self) {
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
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
