//! HTTP from a host's point of view: our client, its bytes carried by the connection to the host. So names are
//! resolved there, `localhost` is that host, certificates are checked against the name in the URL, and nothing
//! is needed on the host.

use super::{Connection, Endpoint};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::time::Duration;
use stdlib::contract::{Body, Error, Kind, Output, REDIRECTS, Request, Result};

/// The largest body that is answered.
const LARGEST: usize = 16 << 20;

/// How long an answer may take, where nothing is said.
const PATIENCE: Duration = Duration::from_secs(30);

/// Redirects that are followed.
const HOPS: usize = 10;

/// The body at `url` as the controller sees it: GET, redirects followed, within 60 s. Any status but 200 is an
/// error.
pub async fn get(url: &str) -> Result<Vec<u8>> {
    let request = Request { timeout: Some(Duration::from_secs(60)), ..Request::get(url) };
    let output = http(&super::Local, &request).await?;
    if request.accepts(output.code) {
        return Ok(output.stdout);
    }
    Err(Error::host(format!("cannot get {url}: the server answered {}", output.code)))
}

/// The answer to a request that is made by the host at the other end.
pub async fn http(connection: &dyn Connection, request: &Request) -> Result<Output> {
    let limit = request.timeout.unwrap_or(PATIENCE);
    let late = || Error::new(Kind::Timeout, format!("{} did not answer within {} s", request.url, limit.as_secs()));
    let late = |_| late().hint("give it more with `timeout: \"2m\"`");
    if request.want == Body::Digest {
        // As large as it may be: the limit is for silence.
        let response = tokio::time::timeout(limit, send(connection, request)).await.map_err(late)??;
        return collect(response, request, Some(limit)).await;
    }
    let answer = async { collect(send(connection, request).await?, request, None).await };
    tokio::time::timeout(limit, answer).await.map_err(late)?
}

/// The answer before its body was read, wherever redirects lead.
pub(super) async fn send(connection: &dyn Connection, request: &Request) -> Result<reqwest::Response> {
    let mut request = request.clone();
    for _ in 0..HOPS {
        let response = once(connection, &request).await?;
        let status = response.status().as_u16();
        let to = response.headers().get("location").and_then(|to| to.to_str().ok());
        let Some(to) = to.filter(|_| request.follow && REDIRECTS.contains(&status)) else { return Ok(response) };
        let next = response.url().join(to);
        let next =
            next.map_err(|e| Error::host(format!("{} points to `{to}`, which is no address: {e}", request.url)))?;
        // What was meant for one server is not told to another.
        if next.origin() != response.url().origin() {
            request.headers.retain(|name, _| name != "authorization" && name != "cookie");
            request.socket = None;
        }
        if status == 303 || (status < 303 && request.method == "POST") {
            request.method = "GET".to_owned();
            request.body = None;
        }
        request.url = next.to_string();
    }
    Err(Error::host(format!("{} points elsewhere, and so on, {HOPS} times", request.url)))
}

async fn once(connection: &dyn Connection, request: &Request) -> Result<reqwest::Response> {
    let wrong = |e: String| Error::playbook(format!("{}: {e}", request.url));
    let url = reqwest::Url::parse(&request.url).map_err(|e| wrong(e.to_string()))?;
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(wrong("this is no address of a web server".to_owned()));
    };
    let endpoint = match &request.socket {
        Some(path) => Endpoint::Unix(PathBuf::from(path)),
        None => Endpoint::Tcp(host.trim_matches(['[', ']']).to_owned(), port),
    };
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("hlrun/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .tls_danger_accept_invalid_certs(request.insecure)
        .pool_max_idle_per_host(0);
    if let Some(path) = connection.forward(&endpoint).await? {
        builder = builder.unix_socket(path);
    }
    if let Some(pem) = &request.ca {
        let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes());
        let certificates = certificates.map_err(|_| Error::playbook("`ca_path` holds no certificate in PEM form"))?;
        builder = builder.tls_certs_merge(certificates);
    }
    if let Some(pem) = &request.identity {
        let identity = reqwest::Identity::from_pem(pem.as_bytes());
        let wrong = "`client_cert` and `client_key` are no certificate and key in PEM form";
        builder = builder.identity(identity.map_err(|_| Error::playbook(wrong))?);
    }
    let client = builder.build().map_err(|e| Error::bug(format!("no HTTP client: {e}")))?;
    let method = reqwest::Method::from_bytes(request.method.as_bytes()).map_err(|e| wrong(e.to_string()))?;
    let mut sent = client.request(method, url.clone());
    for (name, value) in &request.headers {
        sent = sent.header(name, value);
    }
    if let Some(body) = &request.body {
        sent = sent.body(body.clone());
    }
    match sent.send().await {
        Ok(response) => Ok(response),
        Err(error) => Err(explain(&request.url, error, connection.complaint(&endpoint))),
    }
}

/// What went wrong, in the words of whoever knows best.
fn explain(url: &str, error: reqwest::Error, complaint: Option<String>) -> Error {
    let mut reasons = Vec::new();
    let mut source = std::error::Error::source(&error);
    while let Some(reason) = source {
        reasons.push(reason.to_string());
        source = reason.source();
    }
    let said = complaint.or_else(|| reasons.last().cloned()).unwrap_or_else(|| error.to_string());
    let has =
        |text: &str| said.to_lowercase().contains(text) || reasons.iter().any(|r| r.to_lowercase().contains(text));
    let kind = if error.is_timeout() { Kind::Timeout } else { Kind::Host };
    let failed = Error::new(kind, format!("no answer from {url}: {said}"));
    if has("prohibited") {
        return failed.hint(
            "sshd on the host does not forward connections: AllowTcpForwarding yes (and AllowStreamLocalForwarding)",
        );
    }
    if has("refused") {
        return failed.hint("nothing listens there, seen from the host: ss -tlnp on it lists what does");
    }
    if has("certificate") || has("unknownissuer") {
        return failed
            .hint("name its certificate authority: ca_path: \"ca.pem\" (or validate_certs: false, if you must)");
    }
    failed
}

/// The whole answer, which may be silent no longer than `silence`.
async fn collect(mut response: reqwest::Response, request: &Request, silence: Option<Duration>) -> Result<Output> {
    let url = request.url.clone();
    let broken = |e: reqwest::Error| Error::host(format!("the answer of {url} broke off: {}", e.without_url()));
    let code = i32::from(response.status().as_u16());
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let headers = Some(headers.collect());
    let mut stdout = Vec::new();
    match request.want {
        Body::Nothing => {}
        Body::All => {
            while let Some(chunk) = response.chunk().await.map_err(broken)? {
                if stdout.len() + chunk.len() > LARGEST {
                    return Err(Error::host(format!("the answer of {url} is larger than {} MiB", LARGEST >> 20))
                        .hint("http::downloaded(path, #{ url }) takes files of any size"));
                }
                stdout.extend_from_slice(&chunk);
            }
        }
        Body::Digest => {
            let (mut sha256, mut size) = (Sha256::default(), 0);
            let silence = silence.unwrap_or(PATIENCE);
            let silent = |_| Error::new(Kind::Timeout, format!("{url} fell silent for {} s", silence.as_secs()));
            while let Some(chunk) =
                tokio::time::timeout(silence, response.chunk()).await.map_err(silent)?.map_err(broken)?
            {
                size += chunk.len();
                sha256.update(&chunk);
            }
            let hex: String = sha256.finalize().iter().map(|b| format!("{b:02x}")).collect();
            stdout = format!("sha256:{hex} {size}").into_bytes();
        }
    }
    Ok(Output { code, stdout, stderr: Vec::new(), headers })
}
