//! Documents on the web, for modules that read a key or a release list.

use std::sync::LazyLock;
use std::time::Duration;
use stdlib::contract::{Error, Kind, Result};

static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
    let agent = concat!("hlrun/", env!("CARGO_PKG_VERSION"));
    let builder = reqwest::Client::builder().user_agent(agent).connect_timeout(Duration::from_secs(10));
    builder.timeout(Duration::from_secs(60)).build().unwrap_or_default()
});

/// The body at `url`: GET, redirects followed, within 60 s. Any status but 2xx is an error.
pub async fn get(url: &str) -> Result<Vec<u8>> {
    let failed = |e: reqwest::Error| {
        let kind = if e.is_timeout() { Kind::Timeout } else { Kind::Host };
        let why = std::error::Error::source(&e).map(|s| format!(": {s}")).unwrap_or_default();
        Error::new(kind, format!("cannot get {url}: {}{why}", e.without_url()))
    };
    let response = CLIENT.get(url).send().await.map_err(failed)?.error_for_status().map_err(failed)?;
    Ok(response.bytes().await.map_err(failed)?.to_vec())
}
