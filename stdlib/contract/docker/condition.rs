//! How a container is, from what the engine says of it.

use super::Until;
use serde_json::Value;

/// How a container is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
    pub status: String,
    /// `starting`, `healthy` or `unhealthy`; nothing without a health check.
    pub health: Option<String>,
    /// What it exited with the last time.
    pub exit_code: i64,
    /// When it was started the last time.
    pub started: String,
    /// Whether nothing starts it again when it has ended.
    pub once: bool,
    said: String,
}

impl Condition {
    /// The condition of a container as it was inspected.
    pub fn of(container: &Value) -> Condition {
        let state = &container["State"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let health = &state["Health"];
        let logged = health["Log"].as_array().and_then(|log| log.last()).map(|last| text(&last["Output"]));
        let said = match logged {
            Some(logged) if health["Status"] != "healthy" => logged,
            _ => text(&state["Error"]),
        };
        Condition {
            status: text(&state["Status"]),
            health: health["Status"].as_str().filter(|s| !s.is_empty() && *s != "none").map(str::to_owned),
            exit_code: state["ExitCode"].as_i64().unwrap_or_default(),
            started: text(&state["StartedAt"]),
            once: ["", "no"].contains(&text(&container["HostConfig"]["RestartPolicy"]["Name"]).as_str()),
            said: said.trim().to_owned(),
        }
    }
    /// When it was started the last time; nothing if it never was.
    pub fn started(&self) -> Option<jiff::Timestamp> {
        self.started.parse().ok()
    }
    /// Whether it is as it is waited for; nothing as long as that may still come.
    pub fn verdict(&self, until: Until) -> Option<bool> {
        let over = ["exited", "dead", "removing"].contains(&self.status.as_str());
        match (until, self.status.as_str(), self.health.as_deref()) {
            (Until::Running, "running", _) => Some(true),
            (Until::Running, "restarting", _) => Some(false),
            (Until::Exited, ..) => over.then_some(true),
            (Until::Well, "exited", _) if self.once && self.exit_code == 0 => Some(true),
            (_, "paused", _) => Some(false),
            _ if over => Some(false),
            (_, "running", None | Some("healthy")) => Some(true),
            (_, "running", Some("unhealthy")) => Some(false),
            _ => None,
        }
    }
    /// In a word or two.
    pub fn words(&self) -> String {
        match (self.status.as_str(), &self.health) {
            ("running", Some(health)) => health.clone(),
            ("exited" | "dead" | "restarting", _) => format!("{} (exit code {})", self.status, self.exit_code),
            (status, _) => status.to_owned(),
        }
    }
    /// What its health check or its start said last, as a line; empty if it said nothing.
    pub fn last_words(&self) -> String {
        if self.said.is_empty() { String::new() } else { format!("{}\n", self.said) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn healthy_is_what_the_check_says_and_running_is_what_there_is_without_one() {
        for (state, verdict, words) in [
            (json!({ "Status": "running" }), Some(true), "running"),
            (json!({ "Status": "running", "Health": { "Status": "none" } }), Some(true), "running"),
            (json!({ "Status": "running", "Health": { "Status": "starting" } }), None, "starting"),
            (json!({ "Status": "running", "Health": { "Status": "healthy" } }), Some(true), "healthy"),
            (json!({ "Status": "running", "Health": { "Status": "unhealthy" } }), Some(false), "unhealthy"),
            (json!({ "Status": "restarting", "ExitCode": 1 }), None, "restarting (exit code 1)"),
            (json!({ "Status": "exited", "ExitCode": 137 }), Some(false), "exited (exit code 137)"),
            (json!({ "Status": "created" }), None, "created"),
        ] {
            let condition = Condition::of(&json!({ "State": state }));
            assert_eq!((condition.verdict(Until::Healthy), condition.words().as_str()), (verdict, words), "{state}");
        }
    }

    #[test]
    fn the_last_words_are_those_of_the_check_that_failed() {
        let log = json!([{ "Output": "old" }, { "Output": "connection refused\n" }]);
        let state = json!({ "Status": "running", "Health": { "Status": "unhealthy", "Log": log } });
        assert_eq!(Condition::of(&json!({ "State": state })).last_words(), "connection refused\n");
    }
}
