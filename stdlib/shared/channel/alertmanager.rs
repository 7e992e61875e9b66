//! Prometheus' Alertmanager: the message as an alert, which it routes, groups and silences like any other.

use super::{Message, Service, base, post};
use crate::contract::{By, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// An Alertmanager.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alertmanager {
    /// The server, such as `http://alertmanager:9093`.
    url: String,
    /// Labels of the alerts beside `alertname` (`hlrun`) and `severity`, or instead of them.
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

impl Service for Alertmanager {
    fn message(&self, message: &Message) -> Result<By> {
        let mut labels = json!({
            "alertname": "hlrun",
            "severity": message.priority.of(["info", "info", "info", "warning", "critical"]),
        });
        for (name, value) in &self.labels {
            labels[name] = value.clone().into();
        }
        let mut alert = json!({ "labels": labels, "annotations": { "summary": super::one_line(&message.first()), "description": message.body } });
        if !message.tags.is_empty() {
            alert["annotations"]["tags"] = message.tags.join(" ").into();
        }
        if let Some(url) = &message.url {
            alert["generatorURL"] = url.clone().into();
        }
        let request = post(format!("{}/api/v2/alerts", base(&self.url)), &Value::Array(vec![alert]));
        Ok(By::Http(Box::new(request)))
    }
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}
