//! Certificates: how long they last, whom they name, who vouches for them. Of a file on a host, or of a server that
//! speaks TLS.
//!
//! A server is asked by hlrun itself, from the host's point of view; the host needs no openssl. Whether anybody vouches for
//! the certificate does not matter here: `http::get` refuses a server that nobody vouches for. What day it is, is what the
//! host says.

use crate::bail;
use crate::contract::{Ask, Command, Content, Dial, Error, Fact, Look, Module, Result};
use crate::shared::{Many, Span};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name, parse_x509_pem};

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.fact::<Info>().fact::<Valid>();
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Certificate {
    subject: String,
    issuer: String,
    serial: String,
    names: Vec<String>,
    not_before: String,
    not_after: String,
    days: i64,
    valid: bool,
    sha256: String,
}

/// Where a certificate is.
struct Place<'a> {
    of: &'a str,
    name: Option<&'a String>,
    timeout: Option<Span>,
}

impl Place<'_> {
    /// The server, its port and the name that it is asked for; nothing for a file.
    fn server(&self) -> Result<Option<(String, u16, String)>> {
        if self.of.starts_with('/') {
            return Ok(None);
        }
        let wrong = || {
            Error::playbook(format!("`{}` is neither a path on the host nor a server", self.of))
                .hint("write \"/etc/ssl/nas.pem\", \"nas.example.com\" or \"nas.example.com:8443\"")
        };
        let (host, port) = match self.of.rsplit_once(':') {
            // An IPv6 address has colons of its own.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong())?)
            }
            _ => (self.of, 443),
        };
        let host = host.trim_matches(['[', ']']).to_owned();
        if host.is_empty() || host.contains('/') {
            return Err(wrong());
        }
        let name = self.name.unwrap_or(&host).clone();
        Ok(Some((host, port, name)))
    }

    async fn read(&self, host: &dyn Look) -> Result<Certificate> {
        let bytes = match self.server()? {
            Some((server, port, name)) => {
                let timeout = self.timeout.map_or(Duration::from_secs(10), |limit| limit.0);
                host.dial(&Dial { server, port, ask: Ask::Tls { name }, timeout }).await?.stdout
            }
            None => host.expect(&Command::new("cat").args(["--", self.of])).await?.stdout,
        };
        let now = host.text(&Command::new("date").args(["-u", "+%s"])).await?;
        let now: i64 = now.trim().parse().map_err(|_| Error::host(format!("the host says that it is `{now}`")))?;
        certificate(self.of, &bytes, now)
    }
}

/// A certificate in PEM or DER form: the first, where there are several.
fn certificate(of: &str, bytes: &[u8], now: i64) -> Result<Certificate> {
    let none = || Error::host(format!("{of} holds no certificate"));
    let text = String::from_utf8_lossy(bytes);
    let der = match text.find("-----BEGIN CERTIFICATE-----") {
        Some(begin) => parse_x509_pem(&text.as_bytes()[begin..]).map_err(|_| none())?.1.contents,
        None => bytes.to_vec(),
    };
    let (_, read) = X509Certificate::from_der(&der).map_err(|_| none())?;
    let (from, until) = (read.validity().not_before.timestamp(), read.validity().not_after.timestamp());
    let names = match read.subject_alternative_name() {
        Ok(Some(names)) => names.value.general_names.iter().filter_map(name).collect(),
        _ => Vec::new(),
    };
    Ok(Certificate {
        subject: common(read.subject()),
        issuer: common(read.issuer()),
        serial: read.raw_serial_as_string(),
        names,
        not_before: day(from),
        not_after: day(until),
        days: (until - now).div_euclid(86400),
        valid: from <= now && now <= until,
        sha256: Content::digest(&der),
    })
}

/// The name in a subject that people know it by.
fn common(name: &X509Name) -> String {
    let common = name.iter_common_name().next().and_then(|name| name.as_str().ok());
    common.map_or_else(|| name.to_string(), str::to_owned)
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| IpAddr::V4(Ipv4Addr::from(b)).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|b| IpAddr::V6(Ipv6Addr::from(b)).to_string()),
        },
        _ => None,
    }
}

fn day(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

impl Certificate {
    /// Whether it is for this name.
    fn names(&self, wanted: &str) -> bool {
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(domain) => wanted.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain)),
            None => name.eq_ignore_ascii_case(wanted),
        })
    }
}

/// Ask what a certificate says.
///
/// The answer has `subject`, `issuer`, `names` (those it is for), `not_before`, `not_after`, `days` (left; below 0 when it
/// is over), `valid` (whether it is between the two), `serial` and `sha256`.
///
/// ```rhai
/// let found = certificate::info("nas.example.com:8443");
/// print(`${found.subject} has ${found.days} days left`);
/// ```
/// ```transcript
/// ? tls nas.example.com:8443 name=nas.example.com
/// = -----BEGIN CERTIFICATE-----
/// = MIIBUjCB+aADAgECAgISZzAKBggqhkjOPQQDAjASMRAwDgYDVQQDDAdIb21lIENB
/// = MB4XDTI2MDkwMTAwMDAwMFoXDTI2MTEzMDAwMDAwMFowGjEYMBYGA1UEAwwPbmFz
/// = LmV4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEmti/TVA8DQqB
/// = tBxSalReXlzHhr/vuquNzY0FqwjFZ1amEj5uFIYBX8JkqhifijLyvHgT/VfVdMqn
/// = UlYPnQhYBKM3MDUwMwYDVR0RBCwwKoIPbmFzLmV4YW1wbGUuY29tghEqLmxhYi5l
/// = eGFtcGxlLmNvbYcEwAACBzAKBggqhkjOPQQDAgNIADBFAiEAt4WbONe/LklFuR0b
/// = NPfIaGu2sDYUVcFXu1oZvCrtPuMCIEbo0cqFG8KTpSCVRAIpJ7PXtOBj4EGgUxGr
/// = z6v3EHbT
/// = -----END CERTIFICATE-----
/// ? date -u +%s
/// = 1795219200
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Info {
    /// A file on the host, by its full path; or a server, with its port if that is not 443.
    pub of: String,
    /// The name that the server is asked for, if it is not the one it is reached by.
    pub name: Option<String>,
    /// The longest that a server may take; 10 s without it.
    pub timeout: Option<Span>,
}

impl Fact for Info {
    type Answer = Certificate;

    async fn ask(&self, host: &dyn Look) -> Result<Certificate> {
        Place { of: &self.of, name: self.name.as_ref(), timeout: self.timeout }.read(host).await
    }
}

fn fortnight() -> i64 {
    14
}

/// Ask that a certificate lasts: one that is over soon, not yet valid or for other names is an error. The answer is that
/// of `certificate::info`.
///
/// ```rhai
/// certificate::valid("/etc/ssl/nas.pem", #{ days: 7, names: ["nas.example.com", "tv.lab.example.com"] });
/// ```
/// ```transcript
/// ? cat -- /etc/ssl/nas.pem
/// = -----BEGIN CERTIFICATE-----
/// = MIIBUjCB+aADAgECAgISZzAKBggqhkjOPQQDAjASMRAwDgYDVQQDDAdIb21lIENB
/// = MB4XDTI2MDkwMTAwMDAwMFoXDTI2MTEzMDAwMDAwMFowGjEYMBYGA1UEAwwPbmFz
/// = LmV4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEmti/TVA8DQqB
/// = tBxSalReXlzHhr/vuquNzY0FqwjFZ1amEj5uFIYBX8JkqhifijLyvHgT/VfVdMqn
/// = UlYPnQhYBKM3MDUwMwYDVR0RBCwwKoIPbmFzLmV4YW1wbGUuY29tghEqLmxhYi5l
/// = eGFtcGxlLmNvbYcEwAACBzAKBggqhkjOPQQDAgNIADBFAiEAt4WbONe/LklFuR0b
/// = NPfIaGu2sDYUVcFXu1oZvCrtPuMCIEbo0cqFG8KTpSCVRAIpJ7PXtOBj4EGgUxGr
/// = z6v3EHbT
/// = -----END CERTIFICATE-----
/// ? date -u +%s
/// = 1795219200
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Valid {
    /// A file on the host, by its full path; or a server, with its port if that is not 443.
    pub of: String,
    /// How many days it must last.
    #[serde(default = "fortnight")]
    pub days: i64,
    /// Names that it must be for; of a server, the one it is asked for by default.
    pub names: Option<Many<String>>,
    /// The name that the server is asked for, if it is not the one it is reached by.
    pub name: Option<String>,
    /// The longest that a server may take; 10 s without it.
    pub timeout: Option<Span>,
}

impl Fact for Valid {
    type Answer = Certificate;

    async fn ask(&self, host: &dyn Look) -> Result<Certificate> {
        let place = Place { of: &self.of, name: self.name.as_ref(), timeout: self.timeout };
        let (found, of) = (place.read(host).await?, &self.of);
        let (from, until, days) = (&found.not_before, &found.not_after, found.days);
        match (found.valid, days) {
            (false, ..0) => bail!("the certificate of {of} is over since {until}"),
            (false, _) => {
                bail!("the certificate of {of} is not valid before {from}"; hint: "is the host's clock right?")
            }
            _ if days < self.days => {
                bail!("the certificate of {of} lasts {days} days more, until {until}: less than {}", self.days)
            }
            _ => {}
        }
        let usual = || place.server().map(|server| server.map(|(_, _, name)| name).into_iter().collect());
        let names: Vec<String> = self.names.as_ref().map_or_else(usual, |names| Ok(names.as_slice().to_vec()))?;
        if let Some(name) = names.iter().find(|name| !found.names(name)) {
            bail!("the certificate of {of} is not for {name}"; hint: "it is for {}", found.names.join(", "));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::replay::Replay;
    use futures_util::FutureExt;
    use serde_json::{Value, json};

    /// The certificate of the examples.
    fn pem() -> String {
        let lines = include_str!("certificate.rs").lines().skip_while(|line| !line.starts_with("/// = -----BEGIN"));
        let lines = lines.map_while(|line| line.strip_prefix("/// "));
        lines.take_while(|line| line.starts_with('=')).map(|line| format!("{line}\n")).collect()
    }

    fn asked(args: Value, read: &str, now: i64) -> Result<Certificate, String> {
        let fact: Valid = serde_json::from_value(args).unwrap();
        let host = Replay::new(&format!("? {read}\n{}? date -u +%s\n= {now}\n", pem())).unwrap();
        fact.ask(&host).now_or_never().unwrap().map_err(|e| e.message.clone())
    }

    const NOW: i64 = 1_795_219_200;
    const DAY: i64 = 86_400;

    #[test]
    fn a_certificate_says_what_is_in_it() {
        let found = asked(json!({ "of": "/c.pem", "days": 9 }), "cat -- /c.pem", NOW).unwrap();
        assert_eq!(
            (found.subject.as_str(), found.issuer.as_str(), found.serial.as_str()),
            ("nas.example.com", "Home CA", "12:67")
        );
        assert_eq!(found.names, ["nas.example.com", "*.lab.example.com", "192.0.2.7"]);
        assert_eq!((found.not_after.as_str(), found.days), ("2026-11-30T00:00:00Z", 9));
    }

    #[test]
    fn what_is_wrong_with_a_certificate_is_said() {
        let said = |more: Value, now: i64| {
            let mut args = json!({ "of": "/c.pem" });
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            asked(args, "cat -- /c.pem", now).unwrap_err()
        };
        let soon = "the certificate of /c.pem lasts 9 days more, until 2026-11-30T00:00:00Z: less than 14";
        assert_eq!(said(json!({}), NOW), soon);
        assert_eq!(said(json!({}), NOW + 10 * DAY), "the certificate of /c.pem is over since 2026-11-30T00:00:00Z");
        let early = "the certificate of /c.pem is not valid before 2026-09-01T00:00:00Z";
        assert_eq!(said(json!({}), NOW - 100 * DAY), early);
        let other = json!({ "days": 1, "names": ["a.lab.example.com", "a.b.lab.example.com"] });
        assert_eq!(said(other, NOW), "the certificate of /c.pem is not for a.b.lab.example.com");
        let host = Replay::new("? cat -- /c.pem\n= nothing\n? date -u +%s\n= 1\n").unwrap();
        let fact: Valid = serde_json::from_value(json!({ "of": "/c.pem" })).unwrap();
        let none = fact.ask(&host).now_or_never().unwrap().unwrap_err();
        assert_eq!(none.message, "/c.pem holds no certificate");
    }

    #[test]
    fn a_server_is_asked_for_its_name() {
        let server = |of: &str| Place { of, name: None, timeout: None }.server().map_err(|e| e.message.clone());
        let is = |host: &str, port| Ok(Some((host.to_owned(), port, host.to_owned())));
        assert_eq!(server("nas"), is("nas", 443));
        assert_eq!(server("nas:8443"), is("nas", 8443));
        assert_eq!(server("[2001:db8::1]:8443"), is("2001:db8::1", 8443));
        assert_eq!(server("2001:db8::1"), is("2001:db8::1", 443));
        assert_eq!(server("/etc/x.pem"), Ok(None));
        assert!(server("nas:https").is_err() && server("https://nas").is_err());
        let found = asked(
            json!({ "of": "nas:1", "days": 1, "name": "x.lab.example.com" }),
            "tls nas:1 name=x.lab.example.com",
            NOW,
        );
        assert!(found.is_ok(), "{found:?}");
        let other = asked(json!({ "of": "nas:1", "days": 1 }), "tls nas:1 name=nas", NOW).unwrap_err();
        assert_eq!(other, "the certificate of nas:1 is not for nas");
    }
}
