//! Each call as bollard makes it.

use super::streams::{Sink, printed, pulled};
use super::{Engine, Trouble};
use crate::transport::Stream;
use bollard::auth::DockerCredentials;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::query_parameters as query;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use stdlib::contract::docker::{Auth, Call, Condition, Exec, Filters, Kind, Until, Verb, layout};
use stdlib::contract::{Error, Output};
use tokio::io::AsyncWriteExt;

type Answer<T> = Result<T, Trouble>;

/// How often a container is looked at that is waited for.
const LOOK: Duration = Duration::from_millis(500);

impl Engine {
    /// The answer to a call. A refusal of the engine is an answer, too.
    pub async fn call(&self, call: &Call, sink: Sink<'_>) -> Answer<Output> {
        self.answer(&call.verb, sink).await.or_else(Trouble::answer)
    }

    async fn answer(&self, verb: &Verb, sink: Sink<'_>) -> Answer<Output> {
        let docker = &self.docker;
        match verb {
            Verb::Version => told(docker.version().await?),
            Verb::Info => told(docker.info().await?),
            Verb::BuilderUsage => self.raw("system/df?type=build-cache", None).await,
            Verb::Inspect { kind, name } => self.inspect(*kind, named(name)?).await,
            Verb::List { kind, all, filters } => self.list(*kind, *all, map(filters)).await,
            Verb::Distribution { image, auth } => {
                told(docker.inspect_registry_image(named(image)?, auth.as_ref().map(credentials)).await?)
            }
            Verb::Logs { name, tail, since, until, timestamps } => {
                let seconds = |at: &Option<i64>| at.and_then(|at| i32::try_from(at).ok()).unwrap_or_default();
                let options = query::LogsOptions {
                    stdout: true,
                    stderr: true,
                    since: seconds(since),
                    until: seconds(until),
                    timestamps: *timestamps,
                    tail: tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string()),
                    ..Default::default()
                };
                printed(Box::pin(docker.logs(named(name)?, Some(options))), sink).await
            }
            Verb::Await { name, until, timeout } => self.wait(named(name)?, *until, *timeout, sink).await,
            Verb::Create { kind, name, body, platform } => {
                let made = self.create(*kind, name, body, platform.as_ref()).await?;
                // What the engine leaves out, such as a limit that its kernel does not know.
                let answer: Value = serde_json::from_slice(&made.stdout).unwrap_or_default();
                for warning in answer["Warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    sink(Stream::Stderr, format!("{warning}\n").as_bytes());
                }
                Ok(made)
            }
            Verb::Remove { kind, name, force, volumes } => self.remove(*kind, named(name)?, *force, *volumes).await,
            Verb::Start { name } => done(docker.start_container(named(name)?, None).await),
            Verb::Stop { name, timeout, signal } => {
                let options = query::StopContainerOptions { t: timeout.map(seconds), signal: signal.clone() };
                done(docker.stop_container(named(name)?, Some(options)).await)
            }
            Verb::Restart { name, timeout } => {
                let options = query::RestartContainerOptions { t: timeout.map(seconds), signal: None };
                done(docker.restart_container(named(name)?, Some(options)).await)
            }
            Verb::Kill { name, signal } => {
                let options = query::KillContainerOptions { signal: signal.clone() };
                done(docker.kill_container(named(name)?, Some(options)).await)
            }
            Verb::Pause { name } => done(docker.pause_container(named(name)?).await),
            Verb::Unpause { name } => done(docker.unpause_container(named(name)?).await),
            Verb::Rename { name, to } => {
                let options = query::RenameContainerOptions { name: to.clone() };
                done(docker.rename_container(named(name)?, options).await)
            }
            Verb::Update { name, body } => done(docker.update_container(named(name)?, typed(body)?).await),
            Verb::Pull { image, platform, auth } => {
                let options = query::CreateImageOptions {
                    from_image: Some(named(image)?.to_owned()),
                    platform: platform.clone().unwrap_or_default(),
                    ..Default::default()
                };
                let news = docker.create_image(Some(options), None, auth.as_ref().map(credentials));
                pulled(Box::pin(news), sink).await
            }
            Verb::Tag { image, to } => {
                let (repo, tag) = to.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).unwrap_or((to, "latest"));
                let options = query::TagImageOptions { repo: Some(repo.to_owned()), tag: Some(tag.to_owned()) };
                done(docker.tag_image(named(image)?, Some(options)).await)
            }
            Verb::Connect { network, container, endpoint } => {
                let body = json!({ "Container": container, "EndpointConfig": endpoint });
                done(docker.connect_network(named(network)?, typed(&body)?).await)
            }
            Verb::Disconnect { network, container, force } => {
                let body = json!({ "Container": container, "Force": force });
                done(docker.disconnect_network(named(network)?, typed(&body)?).await)
            }
            Verb::Exec(exec) => self.exec(exec, sink).await,
            Verb::Prune { kind, filters } => self.prune(*kind, map(filters)).await,
            Verb::Login { auth } => self.login(auth).await,
        }
    }

    async fn inspect(&self, kind: Kind, name: &str) -> Answer<Output> {
        match kind {
            Kind::Container => told(self.docker.inspect_container(name, None).await?),
            Kind::Image => told(self.docker.inspect_image(name).await?),
            Kind::Network => told(self.docker.inspect_network(name, None).await?),
            Kind::Volume => told(self.docker.inspect_volume(name).await?),
            Kind::Builder => Err(no_such_call("a builder cannot be inspected")),
        }
    }

    async fn list(&self, kind: Kind, all: bool, filters: Option<HashMap<String, Vec<String>>>) -> Answer<Output> {
        match kind {
            Kind::Container => {
                let options = query::ListContainersOptions { all, filters, ..Default::default() };
                told(self.docker.list_containers(Some(options)).await?)
            }
            Kind::Image => {
                let options = query::ListImagesOptions { all, filters, ..Default::default() };
                told(self.docker.list_images(Some(options)).await?)
            }
            Kind::Network => told(self.docker.list_networks(Some(query::ListNetworksOptions { filters })).await?),
            Kind::Volume => {
                let answer = self.docker.list_volumes(Some(query::ListVolumesOptions { filters })).await?;
                told(answer.volumes.unwrap_or_default())
            }
            Kind::Builder => Err(no_such_call("a builder cannot be listed")),
        }
    }

    async fn create(&self, kind: Kind, name: &str, body: &Value, platform: Option<&String>) -> Answer<Output> {
        match kind {
            Kind::Container => {
                let platform = platform.cloned().unwrap_or_default();
                let options = query::CreateContainerOptions { name: Some(name.to_owned()), platform };
                told(self.docker.create_container(Some(options), typed(body)?).await?)
            }
            Kind::Network => told(self.docker.create_network(typed(&with_name(name, body))?).await?),
            Kind::Volume => {
                let body: bollard::models::VolumeCreateRequest = typed(&with_name(name, body))?;
                told(self.docker.create_volume(body).await?)
            }
            Kind::Image | Kind::Builder => Err(no_such_call("images are pulled")),
        }
    }

    async fn remove(&self, kind: Kind, name: &str, force: bool, volumes: bool) -> Answer<Output> {
        match kind {
            Kind::Container => {
                let options = query::RemoveContainerOptions { force, v: volumes, link: false };
                done(self.docker.remove_container(name, Some(options)).await)
            }
            Kind::Image => {
                let options = query::RemoveImageOptions { force, ..Default::default() };
                told(self.docker.remove_image(name, Some(options), None).await?)
            }
            Kind::Network => done(self.docker.remove_network(name).await),
            Kind::Volume => done(self.docker.remove_volume(name, Some(query::RemoveVolumeOptions { force })).await),
            Kind::Builder => Err(no_such_call("a builder cannot be removed")),
        }
    }

    async fn prune(&self, kind: Kind, filters: Option<HashMap<String, Vec<String>>>) -> Answer<Output> {
        match kind {
            Kind::Container => {
                told(self.docker.prune_containers(Some(query::PruneContainersOptions { filters })).await?)
            }
            Kind::Image => told(self.docker.prune_images(Some(query::PruneImagesOptions { filters })).await?),
            Kind::Network => told(self.docker.prune_networks(Some(query::PruneNetworksOptions { filters })).await?),
            Kind::Volume => told(self.docker.prune_volumes(Some(query::PruneVolumesOptions { filters })).await?),
            Kind::Builder => {
                let all = filters.as_ref().is_some_and(|filters| filters.contains_key("all"));
                let filters = filters.map(|mut filters| {
                    filters.remove("all");
                    filters
                });
                let options = query::PruneBuildOptions { all: Some(all), filters, ..Default::default() };
                told(self.docker.prune_build(Some(options)).await?)
            }
        }
    }

    async fn exec(&self, exec: &Exec, sink: Sink<'_>) -> Answer<Output> {
        let options = CreateExecOptions {
            attach_stdin: Some(exec.stdin.is_some()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(exec.tty),
            env: Some(exec.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            cmd: Some(exec.argv.clone()),
            privileged: Some(exec.privileged),
            user: exec.user.clone(),
            working_dir: exec.workdir.clone(),
            ..Default::default()
        };
        let id = self.docker.create_exec(named(&exec.name)?, options).await?.id;
        let start = StartExecOptions { detach: exec.detach, tty: exec.tty, ..Default::default() };
        let StartExecResults::Attached { output, mut input } = self.docker.start_exec(&id, Some(start)).await? else {
            return Ok(Output::default());
        };
        let feed = async move {
            // A command that does not read to the end is no error of ours: its exit code tells.
            if let Some(text) = &exec.stdin {
                let _ = input.write_all(text.as_bytes()).await;
                let _ = input.shutdown().await;
            }
            input
        };
        let (output, _) = tokio::join!(printed(output, sink), feed);
        let mut output = output?;
        let ended = self.docker.inspect_exec(&id).await.map_err(|error| match Trouble::from(error) {
            // An engine that was restarted meanwhile knows nothing of it.
            Trouble::Refused(404, _) => Trouble::Silent("it does not know the command any more".to_owned()),
            other => other,
        })?;
        let code = ended.exit_code;
        output.code = code.and_then(|code| i32::try_from(code).ok()).unwrap_or_default();
        Ok(output)
    }

    /// Look at a container until it is as it is waited for, or never will be, or the time is over.
    async fn wait(&self, name: &str, until: Until, timeout: Duration, sink: Sink<'_>) -> Answer<Output> {
        let began = Instant::now();
        let (mut told, mut started) = (String::new(), String::new());
        loop {
            let container = serde_json::to_value(self.docker.inspect_container(name, None).await?);
            let container = container.map_err(|e| no_such_call(&e.to_string()))?;
            let state = Condition::of(&container);
            let mut verdict = state.verdict(until);
            // What has no health check may be in a loop of restarts: it is looked at once more.
            let seen = std::mem::replace(&mut started, state.started.clone());
            let checked = state.health.is_some() && until != Until::Running;
            if until != Until::Exited && !checked && seen != started {
                verdict = verdict.filter(|verdict| !verdict);
            }
            let late = began.elapsed() >= timeout;
            if verdict == Some(true) {
                return Ok(Output { stdout: layout(&container).into_bytes(), ..Output::default() });
            }
            if verdict == Some(false) || late {
                let late = if verdict.is_none() { format!(" after {} s", timeout.as_secs()) } else { String::new() };
                let logged = if state.status == "running" { String::new() } else { self.last_lines(name).await };
                let why = format!("{logged}{}{name} is {}{late}\n", state.last_words(), state.words());
                return Ok(Output { code: 1, stderr: why.into_bytes(), ..Output::default() });
            }
            let words = state.words();
            if words != told {
                sink(Stream::Stderr, format!("waiting for {name}: it is {words}\n").as_bytes());
                told = words;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What a container has printed last; a log driver that does not tell is no reason to fail.
    async fn last_lines(&self, name: &str) -> String {
        let options = query::LogsOptions { stdout: true, stderr: true, tail: "5".to_owned(), ..Default::default() };
        let output = printed(self.docker.logs(name, Some(options)), &|_, _| {}).await.unwrap_or_default();
        format!("{}{}", output.text(), output.stderr_text())
    }

    async fn login(&self, auth: &Auth) -> Answer<Output> {
        let body = serde_json::to_string(&credentials(auth)).map_err(|e| no_such_call(&e.to_string()))?;
        self.raw("auth", Some(body)).await
    }

    /// A call that bollard does not know, or of which it understands the newest engine's answer only.
    async fn raw(&self, path: &str, body: Option<String>) -> Answer<Output> {
        let silent = |e: reqwest::Error| Trouble::Silent(e.without_url().to_string());
        let client = reqwest::Client::builder().unix_socket(self.here()).build().map_err(silent)?;
        let url = format!("http://docker/{path}");
        let sent = match body {
            Some(body) => client.post(url).header("content-type", "application/json").body(body),
            None => client.get(url),
        };
        let answer = sent.send().await.map_err(silent)?;
        let status = answer.status();
        let text = answer.bytes().await.map_err(silent)?;
        let json: Value = serde_json::from_slice(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(Output { stdout: layout(&json).into_bytes(), ..Output::default() });
        }
        let said = json.get("message").and_then(Value::as_str).unwrap_or("docker gave no reason");
        Err(Trouble::Refused(status.as_u16(), said.to_owned()))
    }
}

/// A name as it may stand in the address of a call.
fn named(name: &str) -> Answer<&str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-./:@".contains(c);
    if name.is_empty() || !name.chars().all(fits) || name.contains("..") || name.starts_with('/') {
        return Err(Trouble::Ours(Error::playbook(format!("`{name}` is no name that docker knows"))));
    }
    Ok(name)
}

fn with_name(name: &str, body: &Value) -> Value {
    let mut body = body.clone();
    body["Name"] = Value::from(name);
    body
}

fn credentials(auth: &Auth) -> DockerCredentials {
    DockerCredentials {
        username: auth.user.clone(),
        password: auth.password.clone(),
        identitytoken: auth.token.clone(),
        serveraddress: Some(auth.server.clone()),
        ..Default::default()
    }
}

fn map(filters: &Filters) -> Option<HashMap<String, Vec<String>>> {
    (!filters.is_empty()).then(|| filters.clone().into_iter().collect())
}

fn seconds(span: Duration) -> i32 {
    i32::try_from(span.as_secs()).unwrap_or(i32::MAX)
}

fn no_such_call(why: &str) -> Trouble {
    Trouble::Ours(Error::bug(format!("no such call of docker: {why}")))
}

fn done(answer: Result<(), bollard::errors::Error>) -> Answer<Output> {
    answer?;
    Ok(Output::default())
}

/// An answer as text, always in the same order.
fn told(answer: impl Serialize) -> Answer<Output> {
    let mut answer = serde_json::to_value(answer).map_err(|e| no_such_call(&e.to_string()))?;
    answer.sort_all_objects();
    Ok(Output { stdout: layout(&answer).into_bytes(), ..Output::default() })
}

/// A body as bollard has it. What bollard does not know would be lost without a word.
fn typed<T: DeserializeOwned + Serialize>(body: &Value) -> Answer<T> {
    let wrong = |e: serde_json::Error| Trouble::Ours(Error::playbook(format!("docker would not understand this: {e}")));
    let typed = T::deserialize(body).map_err(wrong)?;
    let back = serde_json::to_value(&typed).map_err(wrong)?;
    match lost("", body, &back) {
        None => Ok(typed),
        Some(path) => Err(no_such_call(&format!("it has no `{path}`"))),
    }
}

/// The first part of a body that is not in the other.
fn lost(path: &str, body: &Value, other: &Value) -> Option<String> {
    let Value::Object(fields) = body else { return None };
    fields.iter().filter(|(_, value)| !value.is_null()).find_map(|(name, value)| {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match other.get(name) {
            Some(other) => lost(&path, value, other),
            None => Some(path),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_taken_whole_or_not_at_all() {
        let body = json!({
            "Image": "x", "ExposedPorts": { "80/tcp": {} }, "Volumes": { "/data": {} }, "Healthcheck": null,
            "HostConfig": { "Tmpfs": { "/tmp": "" }, "PortBindings": { "80/tcp": [{ "HostPort": "80" }] } },
        });
        let typed: bollard::models::ContainerCreateBody = typed(&body).unwrap();
        assert_eq!(serde_json::to_value(&typed).unwrap()["Volumes"], body["Volumes"]);
        let Err(Trouble::Ours(error)) =
            super::typed::<bollard::models::ContainerCreateBody>(&json!({ "HostConfig": { "Mempry": 1 } }))
        else {
            panic!("it was taken");
        };
        assert!(error.message.contains("HostConfig.Mempry"), "{error}");
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        for name in ["web", "registry:5000/team/app:1.2", "app@sha256:0f", "a_b-c.d"] {
            assert!(named(name).is_ok(), "{name}");
        }
        for name in ["", "/x", "../info", "x?force=1", "a b", "x#y", "a%2fb"] {
            assert!(named(name).is_err(), "{name}");
        }
    }
}
