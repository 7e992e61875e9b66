//! Images by name, and who we are to their registries: what everything needs that runs containers.

use crate::contract::docker::{Auth, Call, Kind, Verb};
use crate::contract::{Command, Error, Look, Output, Result};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::Value;

/// The registry of images whose name has none, as credentials know it.
pub const HUB: &str = "https://index.docker.io/v1/";

/// An image with the tag that is meant: `nginx` is `nginx:latest`.
pub fn tagged(image: &str) -> String {
    let (_, last) = image.rsplit_once('/').unwrap_or(("", image));
    if last.contains(':') || image.contains('@') { image.to_owned() } else { format!("{image}:latest") }
}

/// The name of an image without tag and digest: `nginx` of `nginx:1.27@sha256:...`.
pub fn repository(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

/// The registry that an image comes from, as credentials know it: `ghcr.io`, or [`HUB`].
pub fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => server(first),
        _ => HUB,
    }
}

/// A registry as credentials know it.
pub fn server(name: &str) -> &str {
    match name {
        "" | "docker.io" | "index.docker.io" | "registry-1.docker.io" | "hub.docker.com" => HUB,
        other => other,
    }
}

/// A repository with everything that may be left out: `docker.io/library/nginx`.
fn full(repository: &str) -> String {
    match repository.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
            format!("{}/{rest}", if server(first) == HUB { "docker.io" } else { first })
        }
        Some(_) => format!("docker.io/{repository}"),
        None => format!("docker.io/library/{repository}"),
    }
}

/// The digest under which the registry of `image` knows an image that was inspected or listed; nothing if it was
/// built or imported here.
pub fn digest(image: &str, inspected: &Value) -> Option<String> {
    digests(image, inspected).next().map(str::to_owned)
}

/// All digests under which that registry knows it.
pub fn digests<'a>(image: &str, inspected: &'a Value) -> impl Iterator<Item = &'a str> {
    let own = full(repository(image));
    let known = inspected["RepoDigests"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let known = known.filter_map(|known| known.split_once('@'));
    known.filter(move |(repository, _)| full(repository) == own).map(|(_, digest)| digest)
}

/// The beginning of the names that keep images for the way back.
pub const PREVIOUS: &str = "hlrun-previous/";

/// The name that keeps the image which a container had before, so that pruning leaves it and undo finds it.
pub fn previous(container: &str) -> String {
    format!("{PREVIOUS}{}:latest", container.to_lowercase())
}

/// The digest that a pull of an image would bring, asked of its registry by the engine. Nothing if the registry does
/// not have it.
pub async fn offered(
    host: &dyn Look,
    socket: Option<&String>,
    image: &str,
    auth: Option<Auth>,
) -> Result<Option<String>> {
    let call = Verb::Distribution { image: tagged(image), auth }.at(socket);
    let answer = host.docker_json(&call).await.map_err(|error| unanswered(error, image))?;
    let answer = answer.as_ref().and_then(|answer| answer["Descriptor"]["digest"].as_str());
    Ok(answer.map(str::to_owned))
}

/// The error of a registry that does not answer, or of an image that it does not give.
pub fn unanswered(error: Error, image: &str) -> Error {
    let said = error.message.to_lowercase();
    let unreachable = ["dial tcp", "connection refused", "no such host", "i/o timeout", "tls handshake", "eof"];
    let registry = registry(image);
    let mut error = error;
    if said.contains("http response to https client") {
        error.message = format!("the registry {registry} speaks no HTTPS: {}", error.message);
        return error
            .hint(format!("if it is yours: {{\"insecure-registries\": [\"{registry}\"]}} in /etc/docker/daemon.json"));
    }
    if unreachable.iter().any(|word| said.contains(word)) {
        error.message = format!("the registry {registry} does not answer: {}", error.message);
        return error.hint("nothing was touched: what runs, runs on with the image it has");
    }
    if said.contains("manifest unknown") || said.contains("not found") {
        return error.hint(format!("is the tag right? {image}"));
    }
    error
}

/// An image as the engine has it; nothing if it does not.
pub async fn image(host: &dyn Look, socket: Option<&String>, image: &str) -> Result<Option<Value>> {
    host.docker_json(&Verb::inspect(Kind::Image, tagged(image)).at(socket)).await
}

/// The file in which the docker program of the user keeps credentials, and what it contains.
pub async fn config(host: &dyn Look) -> Result<(String, String)> {
    let script = r#"f=${DOCKER_CONFIG:-$HOME/.docker}/config.json; echo "$f"; [ ! -e "$f" ] || cat "$f""#;
    let text = host.text(&Command::gist("credentials of docker", script)).await?;
    let (path, content) = text.split_once('\n').unwrap_or((&text, ""));
    Ok((path.to_owned(), content.to_owned()))
}

/// The credentials for a registry in such a file: user and password, or user and token.
pub fn credentials(config: &str, registry: &str) -> Option<Auth> {
    let config: Value = serde_json::from_str(config).ok()?;
    let auths = config.get("auths")?.as_object()?;
    let bare = |name: &str| server(name.trim_start_matches("https://").trim_end_matches('/')).to_owned();
    let (_, entry) = auths.iter().find(|(name, _)| *name == registry || bare(name) == bare(registry))?;
    let pair = BASE64_STANDARD.decode(entry.get("auth")?.as_str()?).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (user, password) = pair.split_once(':')?;
    let token = entry.get("identitytoken").and_then(Value::as_str).filter(|token| !token.is_empty());
    Some(Auth {
        server: registry.to_owned(),
        user: Some(user.to_owned()),
        password: Some(password.to_owned()).filter(|_| token.is_none()),
        token: token.map(str::to_owned),
    })
}

/// Who we are to the registry of an image, as `docker::login` or `docker login` wrote it down on the host.
pub async fn auth(host: &dyn Look, image: &str) -> Result<Option<Auth>> {
    let (_, config) = config(host).await?;
    let registry = registry(image);
    let Some(auth) = credentials(&config, registry) else {
        return helper(host, &config, registry).await;
    };
    if let Some(secret) = auth.password.as_ref().or(auth.token.as_ref()) {
        host.hide(secret);
    }
    Ok(Some(auth))
}

/// The same where a program keeps them.
async fn helper(host: &dyn Look, config: &str, registry: &str) -> Result<Option<Auth>> {
    let config: Value = serde_json::from_str(config).unwrap_or_default();
    let own = config.get("credHelpers").and_then(|helpers| helpers.get(registry)).and_then(Value::as_str);
    let Some(name) = own.or_else(|| config.get("credsStore").and_then(Value::as_str)) else { return Ok(None) };
    let ask = Command::new(format!("docker-credential-{name}")).arg("get").stdin(registry);
    let output: Output = host.run(&ask).await?;
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let (Some(user), Some(secret)) = (answer["Username"].as_str(), answer["Secret"].as_str()) else { return Ok(None) };
    host.hide(secret);
    let token = user == "<token>";
    Ok(Some(Auth {
        server: registry.to_owned(),
        user: Some(user.to_owned()).filter(|_| !token),
        password: Some(secret.to_owned()).filter(|_| !token),
        token: Some(secret.to_owned()).filter(|_| token),
    }))
}

/// The step that fetches an image.
pub fn pull(socket: Option<&String>, image: &str, platform: Option<&String>, auth: Option<Auth>) -> Call {
    Verb::Pull { image: tagged(image), platform: platform.cloned(), auth }.at(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_of_an_image_is_read_as_docker_reads_it() {
        for (image, tag, repository_, registry_) in [
            ("nginx", "nginx:latest", "nginx", HUB),
            ("grafana/grafana:11", "grafana/grafana:11", "grafana/grafana", HUB),
            ("ghcr.io/a/b", "ghcr.io/a/b:latest", "ghcr.io/a/b", "ghcr.io"),
            ("nas:5000/b:1", "nas:5000/b:1", "nas:5000/b", "nas:5000"),
            ("nas:5000/b", "nas:5000/b:latest", "nas:5000/b", "nas:5000"),
            ("nginx@sha256:00", "nginx@sha256:00", "nginx", HUB),
            ("docker.io/library/nginx:1", "docker.io/library/nginx:1", "docker.io/library/nginx", HUB),
        ] {
            assert_eq!((tagged(image).as_str(), repository(image), registry(image)), (tag, repository_, registry_));
        }
    }

    #[test]
    fn a_digest_is_that_of_the_same_repository_however_it_is_spelled() {
        let inspected = json!({ "RepoDigests": ["ghcr.io/a/nginx@sha256:aa", "nginx@sha256:bb"] });
        assert_eq!(digest("docker.io/library/nginx:1", &inspected).as_deref(), Some("sha256:bb"));
        assert_eq!(digest("ghcr.io/a/nginx:1", &inspected).as_deref(), Some("sha256:aa"));
        assert_eq!(digest("other", &inspected), None);
    }

    #[test]
    fn credentials_are_found_as_docker_writes_them() {
        let config = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"YW5uOmEgcGFzczp3b3Jk"},"ghcr.io":{"auth":"Ym9iOg==","identitytoken":"tok"}}}"#;
        let hub = credentials(config, HUB).unwrap();
        assert_eq!((hub.user.as_deref(), hub.password.as_deref()), (Some("ann"), Some("a pass:word")));
        let ghcr = credentials(config, "ghcr.io").unwrap();
        assert_eq!((ghcr.password, ghcr.token.as_deref()), (None, Some("tok")));
        assert_eq!(credentials(config, "quay.io"), None);
        assert_eq!(credentials("", HUB), None);
    }
}
