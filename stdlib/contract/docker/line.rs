//! Calls as an operator would type them, and bodies as an operator would read them.

use super::secret::{bare, masked_pair};
use super::{Call, Exec, Filters, Kind, Until, Verb};
use crate::contract::quote;
use serde_json::Value;

impl Call {
    /// The call in one line, close to what the docker program would be told; nothing secret is in it.
    pub fn line(&self) -> String {
        let mut line = Line("docker".to_owned());
        if let Some(socket) = &self.socket {
            line.option("host", Some(format!("unix://{socket}")));
        }
        line.verb(&self.verb);
        line.0
    }
    /// What a change puts there, line by line, as a transcript shows it after `+ `.
    pub fn written(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match &self.verb {
            Verb::Create { body, .. } => flat("", &bare(body), &mut lines),
            Verb::Update { body, .. } => flat("", body, &mut lines),
            Verb::Connect { endpoint, .. } => flat("", endpoint, &mut lines),
            _ => {}
        }
        lines
    }
}

struct Line(String);

impl Line {
    fn words<S: AsRef<str>>(&mut self, words: impl IntoIterator<Item = S>) {
        for word in words {
            self.0 += &format!(" {}", quote(word.as_ref()));
        }
    }
    fn flag(&mut self, name: &str, on: bool) {
        if on {
            self.0 += &format!(" --{name}");
        }
    }
    fn option(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.0 += &format!(" --{name}");
            self.words([value.to_string()]);
        }
    }
    fn filters(&mut self, filters: &Filters) {
        for (name, values) in filters {
            for value in values {
                self.option("filter", Some(format!("{name}={value}")));
            }
        }
    }
    fn verb(&mut self, verb: &Verb) {
        match verb {
            Verb::Version => self.words(["version"]),
            Verb::Info => self.words(["info"]),
            Verb::BuilderUsage => self.words(["builder", "du"]),
            Verb::Inspect { kind, name } => self.words([word(*kind), "inspect", name]),
            Verb::List { kind, all, filters } => {
                self.words([word(*kind), "ls"]);
                self.flag("all", *all);
                self.filters(filters);
            }
            Verb::Distribution { image, .. } => self.words(["distribution", "inspect", image]),
            Verb::Logs { name, tail, since, until, timestamps } => {
                self.words(["logs"]);
                self.option("tail", *tail);
                self.option("since", *since);
                self.option("until", *until);
                self.flag("timestamps", *timestamps);
                self.words([name]);
            }
            Verb::Await { name, until, timeout } => {
                let until = match until {
                    Until::Running => "running",
                    Until::Healthy => "healthy",
                    Until::Well => "healthy or done",
                    Until::Exited => "exited",
                };
                self.words(["await", until]);
                self.option("timeout", Some(timeout.as_secs()));
                self.words([name]);
            }
            Verb::Create { kind, name, platform, .. } => {
                self.words([word(*kind), "create"]);
                self.option("platform", platform.as_ref());
                self.words([name]);
            }
            Verb::Remove { kind, name, force, volumes } => {
                self.words([word(*kind), "rm"]);
                self.flag("force", *force);
                self.flag("volumes", *volumes);
                self.words([name]);
            }
            Verb::Start { name } => self.words(["start", name]),
            Verb::Stop { name, timeout, signal } => {
                self.words(["stop"]);
                self.option("timeout", timeout.map(|t| t.as_secs()));
                self.option("signal", signal.as_ref());
                self.words([name]);
            }
            Verb::Restart { name, timeout } => {
                self.words(["restart"]);
                self.option("timeout", timeout.map(|t| t.as_secs()));
                self.words([name]);
            }
            Verb::Kill { name, signal } => self.words(["kill", "--signal", signal, name]),
            Verb::Pause { name } => self.words(["pause", name]),
            Verb::Unpause { name } => self.words(["unpause", name]),
            Verb::Rename { name, to } => self.words(["rename", name, to]),
            Verb::Update { name, .. } => self.words(["update", name]),
            Verb::Pull { image, platform, .. } => {
                self.words(["pull"]);
                self.option("platform", platform.as_ref());
                self.words([image]);
            }
            Verb::Tag { image, to } => self.words(["tag", image, to]),
            Verb::Connect { network, container, .. } => self.words(["network", "connect", network, container]),
            Verb::Disconnect { network, container, force } => {
                self.words(["network", "disconnect"]);
                self.flag("force", *force);
                self.words([network, container]);
            }
            Verb::Exec(exec) => self.exec(exec),
            Verb::Prune { kind, filters } => {
                self.words([word(*kind), "prune"]);
                self.filters(filters);
            }
            Verb::Login { auth } => {
                self.words(["login"]);
                self.option("username", auth.user.as_ref());
                self.words([&auth.server]);
            }
        }
    }
    fn exec(&mut self, exec: &Exec) {
        self.words(["exec"]);
        self.flag("interactive", exec.stdin.is_some());
        self.flag("tty", exec.tty);
        self.flag("detach", exec.detach);
        self.flag("privileged", exec.privileged);
        self.option("user", exec.user.as_ref());
        self.option("workdir", exec.workdir.as_ref());
        for (name, value) in &exec.env {
            self.option("env", Some(masked_pair(&format!("{name}={value}"))));
        }
        self.words([&exec.name]);
        self.words(&exec.argv);
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Container => "container",
        Kind::Image => "image",
        Kind::Network => "network",
        Kind::Volume => "volume",
        Kind::Builder => "builder",
    }
}

/// JSON as lines `Path.to value`, a list of plain values item by item.
fn flat(path: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flat(&path, value, lines);
            }
            if fields.is_empty() && !path.is_empty() {
                lines.push(format!("{path} {{}}"));
            }
        }
        Value::Array(items) if !items.is_empty() => items.iter().for_each(|item| match item {
            Value::Object(_) | Value::Array(_) => lines.push(format!("{path} {item}")),
            plain => flat(path, plain, lines),
        }),
        Value::String(text) if !text.is_empty() && !text.contains('\n') => lines.push(format!("{path} {text}")),
        other => lines.push(format!("{path} {other}")),
    }
}

/// An answer as text: a line per field, or per item of a list.
pub fn layout(answer: &Value) -> String {
    let rows = |rows: Vec<String>| rows.join(",\n");
    match answer {
        Value::Object(fields) if !fields.is_empty() => {
            format!(
                "{{\n{}\n}}\n",
                rows(fields.iter().map(|(k, v)| format!("{}:{v}", Value::from(k.as_str()))).collect())
            )
        }
        Value::Array(items) if !items.is_empty() => {
            format!("[\n{}\n]\n", rows(items.iter().map(Value::to_string).collect()))
        }
        other => format!("{other}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Auth;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_call_is_one_line_and_what_it_puts_there_are_more() {
        let body = json!({
            "Image": "postgres:17", "Env": ["TZ=UTC", "POSTGRES_PASSWORD=hush hush", "DEBUG_TOKENS=true"], "Labels": {},
            "HostConfig": { "Binds": ["/a:/b"], "Init": true, "Mounts": [{ "Type": "tmpfs" }] },
        });
        let create = Verb::Create { kind: Kind::Container, name: "db".to_owned(), body, platform: None };
        let call = create.at(Some(&"/run/user/1000/docker.sock".to_owned()));
        assert_eq!(call.line(), "docker --host unix:///run/user/1000/docker.sock container create db");
        let written = [
            "Image postgres:17",
            "Env TZ=UTC",
            "Env POSTGRES_PASSWORD=‹secret›",
            "Env DEBUG_TOKENS=true",
            "Labels {}",
            "HostConfig.Binds /a:/b",
            "HostConfig.Init true",
            r#"HostConfig.Mounts {"Type":"tmpfs"}"#,
        ];
        assert_eq!(call.written(), written);
        assert_eq!(call.secrets(), ["hush hush"]);
        assert!(!serde_json::to_string(&call).unwrap().contains("hush"));
    }

    #[test]
    fn a_password_is_never_written_down() {
        let auth = Auth {
            server: "ghcr.io".to_owned(),
            user: Some("ann".to_owned()),
            password: Some("hush".to_owned()),
            token: None,
        };
        let call = Call::from(Verb::Login { auth });
        assert_eq!(call.line(), "docker login --username ann ghcr.io");
        assert!(!serde_json::to_string(&call).unwrap().contains("hush"));
        assert_eq!(call.secrets(), ["hush"]);
    }

    #[test]
    fn an_answer_has_a_line_per_field_and_is_still_json() {
        for answer in [json!({ "a": [1, 2], "b": null }), json!([{ "a": 1 }, { "b": 2 }]), json!([]), json!({})] {
            let text = layout(&answer);
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), answer);
        }
        assert_eq!(layout(&json!({ "a": [1, 2], "b": null })), "{\n\"a\":[1,2],\n\"b\":null\n}\n");
    }
}
