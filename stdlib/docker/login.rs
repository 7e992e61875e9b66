//! Who we are to registries.

use crate::bail;
use crate::contract::docker::{Auth, Verb, refused};
use crate::contract::{Command, Content, Error, Look, Operation, Result, Source, Step, Write};
use crate::shared::docker::{HUB, config, credentials, server};
use base64::prelude::{BASE64_STANDARD, Engine};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is written down about a registry.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LoginState {
    #[serde(default)]
    user: Option<String>,
    /// By its digest, so that no report shows it.
    #[serde(default)]
    password: Option<Password>,
    /// The file it is written in, and what it contains.
    #[serde(skip)]
    path: String,
    #[serde(skip)]
    content: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Password {
    sha256: String,
    size: u64,
    /// For the way back.
    value: String,
}

impl Password {
    fn of(value: &str) -> Password {
        let sha256 = Content::digest(value.as_bytes());
        Password { sha256, size: value.len() as u64, value: value.to_owned() }
    }
}

async fn read(host: &dyn Look, registry: &str) -> Result<LoginState> {
    let (path, content) = config(host).await?;
    if !content.trim().is_empty() && serde_json::from_str::<Value>(&content).is_err() {
        bail!("{path} is no JSON"; hint: "mend it by hand, or move it away");
    }
    let known = credentials(&content, registry);
    let password = known.as_ref().and_then(|auth| auth.password.as_ref().or(auth.token.as_ref()));
    if let Some(password) = password {
        host.hide(password);
    }
    let password = password.map(|password| Password::of(password));
    Ok(LoginState { user: known.and_then(|auth| auth.user), password, path, content })
}

/// The file with or without credentials for a registry.
fn write(now: &LoginState, registry: &str, want: &LoginState) -> Result<Vec<Step>> {
    let mut config: Value = serde_json::from_str(&now.content).unwrap_or_else(|_| json!({}));
    if let Some(helper) = config.get("credsStore").and_then(Value::as_str) {
        bail!("docker keeps credentials with docker-credential-{helper} on this host, and {} cannot have them", now.path; hint: "take \"credsStore\" out of it, or log in with `docker login` on the host");
    }
    if !config["auths"].is_object() {
        config["auths"] = json!({});
    }
    if let Some(auths) = config["auths"].as_object_mut() {
        auths.retain(|name, _| {
            let bare = name.trim_start_matches("https://").trim_end_matches('/');
            name != registry && server(bare) != registry
        });
        if let (Some(user), Some(password)) = (&want.user, &want.password) {
            let pair = BASE64_STANDARD.encode(format!("{user}:{}", password.value));
            auths.insert(registry.to_owned(), json!({ "auth": pair }));
        }
    }
    let text = serde_json::to_string_pretty(&config).map_err(|e| Error::bug(e.to_string()))? + "\n";
    let mut steps: Vec<Step> = Vec::new();
    let dir = now.path.rsplit_once('/').map_or(".", |(dir, _)| dir);
    if now.content.is_empty() {
        steps.push(Command::new("mkdir").args(["-p", "-m", "700", "--", dir]).into());
    }
    let file = Write::private(now.path.clone(), Source::Text(text));
    steps.push(file.into());
    Ok(steps)
}

/// Make sure the host is logged in to a registry, as `docker login` does it.
///
/// The registry is asked first whether it accepts user and password; a wrong one changes nothing. They are written to the
/// `.docker/config.json` of the user, which nobody else can read: `docker::image`, `docker::container`, `compose` and
/// the docker program on the host all find them there. So log in as the same user as the calls that pull.
///
/// ```rhai
/// docker::login("ghcr.io", #{ user: "ann", password: "hush-hush" });
/// ```
/// ```transcript
/// ? sh -c '(credentials of docker)' sh
/// = /root/.docker/config.json
/// ! docker login --username ann ghcr.io
/// = {"Status":"Login Succeeded"}
/// ! mkdir -p -m 700 -- /root/.docker
/// ! write /root/.docker/config.json mode=0600
/// + (content withheld)
/// ? sh -c '(credentials of docker)' sh
/// = /root/.docker/config.json
/// = {"auths":{"ghcr.io":{"auth":"YW5uOmh1c2gtaHVzaA=="}}}
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The registry, such as `ghcr.io` or `nas:5000`; `docker.io` is Docker's own.
    pub registry: String,
    /// The user.
    pub user: String,
    /// The password or access token.
    pub password: String,
    /// The engine's socket on the host; `/var/run/docker.sock` without it.
    pub socket: Option<String>,
    /// On the way back, where nobody is asked.
    #[serde(skip)]
    back: bool,
}

impl Login {
    fn registry(&self) -> &str {
        server(self.registry.trim_start_matches("https://").trim_end_matches('/'))
    }
    fn ask(&self) -> Verb {
        let (user, password) = (Some(self.user.clone()), Some(self.password.clone()));
        Verb::Login { auth: Auth { server: self.registry().to_owned(), user, password, token: None } }
    }
}

impl Operation for Login {
    type State = LoginState;

    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        host.hide(&self.password);
        host.hide(&BASE64_STANDARD.encode(format!("{}:{}", self.user, self.password)));
        Ok(())
    }
    async fn read(&self, host: &dyn Look) -> Result<LoginState> {
        read(host, self.registry()).await
    }
    fn want(&self, now: &LoginState) -> Result<LoginState> {
        let password = Some(Password::of(&self.password));
        Ok(LoginState { user: Some(self.user.clone()), password, ..now.clone() })
    }
    fn steps(&self, now: &LoginState, want: &LoginState) -> Result<Vec<Step>> {
        let mut steps = write(now, self.registry(), want)?;
        if !self.back {
            steps.insert(0, self.ask().at(self.socket.as_ref()).into());
        }
        Ok(steps)
    }
    async fn premise(&self, host: &dyn Look, _now: &LoginState) -> Result<()> {
        let call = self.ask().at(self.socket.as_ref());
        let output = host.docker(&call).await?;
        if call.accepts(output.code) { Ok(()) } else { Err(self.explain(refused(&call, &output))) }
    }
    async fn recall(&mut self, host: &dyn Look, before: LoginState, _after: &LoginState) -> Result<LoginState> {
        self.back = true;
        host.hide(&self.password);
        before.password.iter().for_each(|was| host.hide(&was.value));
        Ok(before)
    }
    fn explain(&self, error: Error) -> Error {
        let said = error.message.to_lowercase();
        if error.rc == Some(401) || said.contains("unauthorized") || said.contains("incorrect") {
            let what = if self.registry() == HUB { "docker.io" } else { self.registry() };
            return error
                .hint(format!("{what} does not know this user and password; many want an access token in its place"));
        }
        error
    }
}

/// Make sure the host is not logged in to a registry.
///
/// ```rhai
/// docker::logged_out("ghcr.io");
/// ```
/// ```transcript
/// ? sh -c '(credentials of docker)' sh
/// = /root/.docker/config.json
/// = {"auths":{"ghcr.io":{"auth":"YW5uOmh1c2gtaHVzaA=="}}}
/// ! write /root/.docker/config.json mode=0600
/// + (content withheld)
/// ? sh -c '(credentials of docker)' sh
/// = /root/.docker/config.json
/// = {"auths":{}}
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoggedOut {
    /// The registry, such as `ghcr.io`; `docker.io` is Docker's own.
    pub registry: String,
}

impl LoggedOut {
    fn registry(&self) -> &str {
        server(self.registry.trim_start_matches("https://").trim_end_matches('/'))
    }
}

impl Operation for LoggedOut {
    type State = LoginState;

    async fn read(&self, host: &dyn Look) -> Result<LoginState> {
        read(host, self.registry()).await
    }
    async fn recall(&mut self, host: &dyn Look, before: LoginState, _after: &LoginState) -> Result<LoginState> {
        before.password.iter().for_each(|was| host.hide(&was.value));
        Ok(before)
    }
    fn want(&self, now: &LoginState) -> Result<LoginState> {
        Ok(LoginState { user: None, password: None, ..now.clone() })
    }
    fn steps(&self, now: &LoginState, want: &LoginState) -> Result<Vec<Step>> {
        write(now, self.registry(), want)
    }
}
