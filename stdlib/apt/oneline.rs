//! A repository as one line, as older files and most instructions on the web write it.

use crate::bail;
use crate::contract::Result;

/// The parts of `deb [arch=amd64 signed-by=/x.asc] https://host/debian trixie main`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OneLine {
    /// `deb` or `deb-src`.
    pub kind: String,
    /// The address.
    pub uri: String,
    /// The suite.
    pub suite: String,
    /// The components.
    pub components: Vec<String>,
    /// The architectures it is limited to.
    pub architectures: Vec<String>,
    /// The key on the host.
    pub signed_by: Option<String>,
    /// Whether it needs no signature.
    pub trusted: bool,
}

/// Reads one line; an option that hlrun does not know is an error, so that none gets lost.
pub fn parse(line: &str) -> Result<OneLine> {
    let mut parsed = OneLine::default();
    let (kind, rest) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
    if !matches!(kind, "deb" | "deb-src") {
        bail!(playbook: "`repo` starts with `{kind}`, not with `deb` or `deb-src`"; hint: "ppa: is Ubuntu's alone; write the line it stands for");
    }
    parsed.kind = kind.to_owned();
    let mut rest = rest.trim_start();
    if let Some((options, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        for option in options.split_whitespace() {
            match option.split_once('=') {
                Some(("arch", value)) => parsed.architectures = value.split(',').map(str::to_owned).collect(),
                Some(("signed-by", value)) => parsed.signed_by = Some(value.to_owned()),
                Some(("trusted", value)) => parsed.trusted = value == "yes",
                _ => bail!(playbook: "`repo` has an option that apt::repository does not know: {option}"),
            }
        }
        rest = after;
    }
    let mut words = rest.split_whitespace().map(str::to_owned);
    let (Some(uri), Some(suite)) = (words.next(), words.next()) else {
        bail!(playbook: "`repo` needs an address and a suite"; hint: "such as \"deb https://deb.debian.org/debian trixie main\"");
    };
    (parsed.uri, parsed.suite, parsed.components) = (uri, suite, words.collect());
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_read_in_parts() {
        let line = "deb [arch=amd64,arm64 signed-by=/etc/apt/keyrings/x.asc]  https://x.org/debian trixie main contrib";
        let parsed = parse(line).unwrap();
        assert_eq!((parsed.uri.as_str(), parsed.suite.as_str()), ("https://x.org/debian", "trixie"));
        assert_eq!(parsed.components, ["main", "contrib"]);
        assert_eq!(parsed.architectures, ["amd64", "arm64"]);
        assert_eq!(parsed.signed_by.as_deref(), Some("/etc/apt/keyrings/x.asc"));
        assert_eq!(parse("deb http://10.0.0.2 ./").unwrap().suite, "./");
        for wrong in ["", "ppa:x/y", "deb http://x", "deb [lang=de] http://x trixie"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
