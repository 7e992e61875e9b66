//! Events as a log: one line each, in the order and at the time they happened.

use super::Envelope;
use super::event::Event;
use super::style::Paint;
use super::words::{first_line, plural, seconds, shorten};
use stdlib::contract::Status;

/// The lines that a log has for an event; none for what is no news there.
pub fn log(envelope: &Envelope, paint: Paint) -> Vec<String> {
    let time = paint.dim(&time(&envelope.ts));
    let line = |host: &str, text: String| format!("{time} {}{text}", paint.bold(&format!("{host:<12} ")));
    let one = |host: &str, text: String| vec![line(host, text)];
    match &envelope.event {
        Event::RunStart { playbook, check, hosts, .. } => {
            let mode = if *check { " (check)" } else { "" };
            let count = hosts.len();
            one("", format!("run {} of {playbook}{mode}, {count} hosts may be touched", envelope.run))
        }
        Event::PlayStart { play, hosts, .. } => one("", paint.bold(&format!("play \"{play}\" on {}", hosts.join(" ")))),
        Event::HostResume { host, done } => one(host, format!("resumes      after {}", plural(*done, "finished call"))),
        Event::TaskStart { host, operation, subject, .. } => {
            one(host, paint.dim(&format!("begins       {}", named(operation, subject))))
        }
        Event::TaskOutput { host, text, stream, .. } => {
            let mark = if stream == "stderr" { "!" } else { "|" };
            text.lines().map(|text| line(host, format!("{} {text}", paint.dim(mark)))).collect()
        }
        Event::TaskRetry { host, operation, subject, left, reason } => {
            let reason = first_line(reason);
            one(host, paint.purple(&format!("retries      {} ({left} left): {reason}", named(operation, subject))))
        }
        Event::TaskStuck { host, operation, subject, waits, .. } => {
            one(host, paint.purple(&format!("waits        {}: it waits for {waits}", named(operation, subject))))
        }
        Event::TaskEnd { record } => {
            let word = format!("{:<12}", if record.ignored { "ignored" } else { record.status.word() });
            let word = match record.status {
                Status::Ok => paint.green(&word),
                Status::Changed | Status::WouldChange => paint.yellow(&word),
                Status::Skipped => paint.cyan(&word),
                Status::Unknown => paint.purple(&word),
                Status::Failed | Status::Unreachable => paint.red(&word),
            };
            let took = paint.dim(&format!("  {}", seconds(record.duration_ms)));
            let mut lines = one(&record.host, format!("{word} {}{took}", named(&record.operation, &record.subject)));
            lines.extend(
                record.error.iter().map(|error| line(&record.host, paint.red(&format!("  {}", error.message)))),
            );
            lines
        }
        Event::Print { host, text } => one(host.as_deref().unwrap_or_default(), text.clone()),
        Event::Value { host, value } => one(host.as_deref().unwrap_or_default(), format!("= {value}")),
        Event::PlanUnknown { host, message, .. } => one(host, paint.purple(&format!("unknown      {message}"))),
        Event::Warning { message } => one("", paint.purple(&format!("warning: {message}"))),
        Event::Debt { host, handler, state, .. } => one(host, format!("{state:<12} {handler}")),
        Event::HostEnd { host, result, error, .. } if result != "ok" => {
            let why = error.as_ref().map(|error| format!(": {}", error.message)).unwrap_or_default();
            one(host, paint.red(&format!("{result}{why}")))
        }
        Event::RunEnd { exit, duration_ms, .. } => {
            one("", format!("ended with {exit} after {}", seconds(*duration_ms)))
        }
        Event::BatchStart { .. } | Event::HostConnect { .. } | Event::HostEnd { .. } | Event::PlayEnd { .. } => {
            Vec::new()
        }
    }
}

fn named(operation: &str, subject: &str) -> String {
    format!("{operation} {}", shorten(subject, 80)).trim_end().to_owned()
}

/// The time of day where the reader is.
fn time(ts: &str) -> String {
    let zoned = ts.parse::<jiff::Timestamp>().map(|at| at.to_zoned(jiff::tz::TimeZone::system()));
    zoned.map_or_else(|_| ts.to_owned(), |at| at.strftime("%H:%M:%S").to_string())
}
