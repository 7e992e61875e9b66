//! What the answer of a service means: sent, try again, or never.

use crate::contract::{By, Delivery, Output};
use crate::shared::web::date;
use serde_json::Value;
use std::time::Duration;

/// What an answer means.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// It was taken.
    Sent,
    /// Not now, for this reason; the service may say when.
    Later(String, Option<Duration>),
    /// Not at all, for this reason.
    Never(String),
}

/// What the answer to a delivery means.
pub fn reply(delivery: &Delivery, output: &Output) -> Reply {
    let said = said(output);
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    let refused = format!("{} answered {}{said}", delivery.kind, output.code);
    match (&delivery.by, output.code) {
        // Of a check that there is not, healthchecks.io says OK with a remark.
        (By::Http(_), 200..=299) if delivery.kind == "healthchecks" && output.text().starts_with("OK (") => {
            Reply::Never(refused)
        }
        (_, 200..=299) => Reply::Sent,
        (By::Mail(_), 400..=499) => Reply::Later(refused, None),
        // Of Pushover this means: no more this month.
        (By::Http(_), 429) if delivery.kind == "pushover" => Reply::Never(refused),
        (By::Http(_), 408 | 425 | 429 | 500..=599) => Reply::Later(refused, asked(output)),
        _ => Reply::Never(refused),
    }
}

/// What a service says of itself, in one line.
fn said(output: &Output) -> String {
    let text = [output.text(), output.stderr_text()].concat();
    let json: Option<Value> = serde_json::from_str(text.trim()).ok();
    let told = json.as_ref().and_then(|json| {
        let told = ["errors", "errorDescription", "description", "error", "message", "msg", "detail"];
        told.iter().filter_map(|key| json.get(key)).find_map(|told| match told {
            Value::String(text) => Some(text.clone()),
            Value::Array(several) => Some(several.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")),
            _ => None,
        })
    });
    let line = || text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('<'));
    told.unwrap_or_else(|| line().unwrap_or_default().to_owned()).chars().take(200).collect()
}

/// How long a service asks to wait: in a header, as seconds or as a date, or in its answer.
fn asked(output: &Output) -> Option<Duration> {
    let header = output.header("retry-after");
    let seconds = header.and_then(|text| text.trim().parse::<f64>().ok());
    let until = || Some((date(header?)? - date(output.header("date")?)?) as f64);
    let json = || serde_json::from_str::<Value>(&output.text()).ok();
    let body = || {
        let json = json()?;
        json["retry_after"].as_f64().or_else(|| json["parameters"]["retry_after"].as_f64())
    };
    Duration::try_from_secs_f64(seconds.or_else(until).or_else(body)?).ok()
}

/// How long to wait before the next try, after so many; nothing if there is to be none.
pub fn pause(tries: u32, asked: Option<Duration>) -> Option<Duration> {
    const TRIES: u32 = 4;
    const LONGEST: Duration = Duration::from_secs(60);
    let own = Duration::from_secs(1 << tries.saturating_sub(1).min(5));
    (tries < TRIES).then(|| asked.unwrap_or(own)).filter(|wait| *wait <= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Mail, Request};

    fn answer(code: i32, headers: &[(&str, &str)], body: &str) -> Output {
        let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Output { code, stdout: body.into(), headers: Some(headers), ..Output::default() }
    }

    fn told(kind: &str, output: &Output) -> Reply {
        let by = if kind == "mail" { By::Mail(Box::<Mail>::default()) } else { By::Http(Box::<Request>::default()) };
        reply(&Delivery { channel: "ops".to_owned(), kind: kind.to_owned(), by, keep: None }, output)
    }

    fn later(reason: &str, seconds: Option<f64>) -> Reply {
        Reply::Later(reason.to_owned(), seconds.map(Duration::from_secs_f64))
    }

    #[test]
    fn every_service_is_understood() {
        let never = |reason: &str| Reply::Never(reason.to_owned());
        let dates = [("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT"), ("date", "Wed, 21 Oct 2026 07:28:00 GMT")];
        for (kind, output, means) in [
            ("discord", answer(204, &[], ""), Reply::Sent),
            ("slack", answer(200, &[], "ok"), Reply::Sent),
            ("slack", answer(404, &[], "no_service"), never("slack answered 404: no_service")),
            (
                "discord",
                answer(429, &[], r#"{"message":"You are being rate limited.","retry_after":1.5,"global":false}"#),
                later("discord answered 429: You are being rate limited.", Some(1.5)),
            ),
            (
                "telegram",
                answer(429, &[], r#"{"ok":false,"description":"Too Many Requests","parameters":{"retry_after":7}}"#),
                later("telegram answered 429: Too Many Requests", Some(7.0)),
            ),
            (
                "ntfy",
                answer(429, &[], r#"{"code":42901,"http":429,"error":"limit reached"}"#),
                later("ntfy answered 429: limit reached", None),
            ),
            (
                "pushover",
                answer(429, &[("retry-after", "3")], r#"{"status":0,"errors":["over quota"]}"#),
                never("pushover answered 429: over quota"),
            ),
            ("slack", answer(503, &dates, ""), later("slack answered 503", Some(30.0))),
            ("webhook", answer(502, &[], "<html>"), later("webhook answered 502", None)),
            ("healthchecks", answer(200, &[], "OK"), Reply::Sent),
            ("healthchecks", answer(200, &[], "OK (not found)"), never("healthchecks answered 200: OK (not found)")),
            ("mail", answer(250, &[], ""), Reply::Sent),
            ("mail", answer(451, &[], "try later"), later("mail answered 451: try later", None)),
            ("mail", answer(535, &[], "no"), never("mail answered 535: no")),
        ] {
            assert_eq!(told(kind, &output), means);
        }
    }

    #[test]
    fn it_is_tried_again_in_growing_steps_and_not_for_ever() {
        let seconds = |tries| pause(tries, None).map(|wait| wait.as_secs());
        assert_eq!([1, 2, 3, 4].map(seconds), [Some(1), Some(2), Some(4), None]);
        let asked = |seconds| pause(1, Some(Duration::from_secs(seconds)));
        assert_eq!(asked(30), Some(Duration::from_secs(30)));
        assert_eq!(asked(3600), None, "nobody waits for an hour");
    }
}
