//! Names, as a host resolves them: a gate for what serves DNS, and for what needs it.
//!
//! The question is asked from the host's point of view, over TCP, by hlrun itself: the host needs neither dig nor
//! nslookup. Without `server`, its own name servers are asked, those of `/etc/resolv.conf`, one after the other; what
//! stands in `/etc/hosts` does not count. Pi-hole, AdGuard Home, unbound, dnsmasq, BIND and systemd-resolved all answer
//! over TCP.
//!
//! To wait for a server that comes up: `within(#{ retries: 10, delay: "3s" }, || dns::resolves(...))`.

use crate::bail;
use crate::contract::{Ask, Command, Dial, Error, Fact, Look, Module, Output, Result};
use crate::shared::{Many, Span};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.fact::<Resolves>();
}

/// The types of records that can be asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)] // they are what they are called
pub enum Kind {
    #[default]
    A,
    Aaaa,
    Caa,
    Cname,
    Mx,
    Ns,
    Ptr,
    Soa,
    Srv,
    Txt,
}

fn usual() -> u16 {
    53
}

/// Ask for the records of a name; that there are none is an error, and so is another answer than the expected one.
///
/// The answer is a list of what they say: addresses, names, texts.
///
/// ```rhai
/// dns::resolves("nas.home.arpa", #{ server: "192.0.2.53", expect: "192.0.2.7" });
/// ```
/// ```transcript
/// ? dns nas.home.arpa A @192.0.2.53:53
/// = nas.home.arpa. 300 IN A 192.0.2.7
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolves {
    /// The name.
    pub name: String,
    /// Who is asked, instead of the host's own name servers.
    pub server: Option<String>,
    /// The port there.
    #[serde(default = "usual")]
    pub port: u16,
    /// The type of the records: `A`, `AAAA`, `CNAME`, `MX`, `TXT`, ...
    #[serde(default)]
    pub r#type: Kind,
    /// What must be among the answers: all of these.
    #[serde(default)]
    pub expect: Many<String>,
    /// The longest that a server may take; 5 s without it.
    pub timeout: Option<Span>,
}

impl Fact for Resolves {
    type Answer = Vec<String>;

    async fn ask(&self, host: &dyn Look) -> Result<Vec<String>> {
        let kind = format!("{:?}", self.r#type).to_uppercase();
        let servers = match &self.server {
            Some(server) => vec![server.clone()],
            None => own(&host.text(&Command::new("cat").arg("/etc/resolv.conf")).await?)?,
        };
        let mut failed = None;
        for server in &servers {
            let ask = Ask::Dns { name: self.name.clone(), kind: kind.clone() };
            let timeout = self.timeout.map_or(Duration::from_secs(5), |limit| limit.0);
            let dial = Dial { server: server.clone(), port: self.port, ask, timeout };
            match host.dial(&dial).await {
                // A server that cannot answer is as good as none; one that says no has answered.
                Ok(output) if ![0, 3].contains(&output.code) => {
                    failed = Some(Error::host(format!("{server} answered {}", verdict(output.code))));
                }
                Ok(output) => return self.judge(server, &kind, &output),
                Err(error) if error.kind == crate::contract::Kind::Playbook => return Err(error),
                Err(error) => failed = Some(error),
            }
        }
        let mut error = failed.unwrap_or_else(|| Error::host("no name server was asked"));
        error.message = format!("{} does not resolve: {}", self.name, error.message);
        Err(error)
    }
}

impl Resolves {
    fn judge(&self, server: &str, kind: &str, output: &Output) -> Result<Vec<String>> {
        if output.code == 3 {
            bail!("{} does not resolve: {server} says that there is no such name", self.name);
        }
        let found: Vec<String> = output.lines().iter().filter_map(|line| data(line, kind)).collect();
        if found.is_empty() {
            bail!("{} does not resolve: {server} has no {kind} record of it", self.name);
        }
        let same = |a: &str, b: &str| a.trim_end_matches('.').eq_ignore_ascii_case(b.trim_end_matches('.'));
        let missing = self.expect.as_slice().iter().find(|want| found.iter().all(|have| !same(have, want)));
        if let Some(missing) = missing {
            bail!("{} resolves to {}, not to {missing}, says {server}", self.name, found.join(", "));
        }
        Ok(found)
    }
}

/// What a record of this type says.
fn data(line: &str, kind: &str) -> Option<String> {
    let mut words = line.splitn(5, ' ');
    let (is, data) = (words.nth(3)?, words.next()?);
    (is == kind).then(|| data.trim().to_owned())
}

fn verdict(code: i32) -> String {
    let word = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
    let word = usize::try_from(code).ok().and_then(|code| word.get(code));
    word.map_or_else(|| format!("code {code}"), |word| (*word).to_owned())
}

/// The name servers of a host.
fn own(resolv: &str) -> Result<Vec<String>> {
    let lines = resolv.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let servers: Vec<String> = lines.filter_map(|rest| rest.split_whitespace().next()).map(str::to_owned).collect();
    if servers.is_empty() {
        bail!("/etc/resolv.conf names no name server");
    }
    Ok(servers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::replay::Replay;
    use futures_util::FutureExt;
    use serde_json::json;

    fn asked(args: serde_json::Value, transcript: &str) -> std::result::Result<Vec<String>, String> {
        let fact: Resolves = serde_json::from_value(args).unwrap();
        let host = Replay::new(transcript).unwrap();
        fact.ask(&host).now_or_never().unwrap().map_err(|e| e.message.clone())
    }

    #[test]
    fn an_answer_is_judged_by_what_was_asked() {
        let two = "? dns w.example A @s:53\n= w.example. 60 IN CNAME x.example.\n= x.example. 60 IN A 192.0.2.1\n";
        let said = |args: serde_json::Value| asked(args, two).unwrap_or_else(|e| vec![e]).join(" ");
        assert_eq!(said(json!({ "name": "w.example", "server": "s" })), "192.0.2.1");
        assert_eq!(said(json!({ "name": "w.example", "server": "s", "expect": ["192.0.2.1"] })), "192.0.2.1");
        let other = said(json!({ "name": "w.example", "server": "s", "expect": "192.0.2.9" }));
        assert_eq!(other, "w.example resolves to 192.0.2.1, not to 192.0.2.9, says s");
        let args = json!({ "name": "w.example", "server": "s", "type": "MX" });
        let none = asked(args.clone(), "? dns w.example MX @s:53\n").unwrap_err();
        assert_eq!(none, "w.example does not resolve: s has no MX record of it");
        let unknown = asked(args, "? dns w.example MX @s:53\n* 3\n").unwrap_err();
        assert_eq!(unknown, "w.example does not resolve: s says that there is no such name");
    }

    #[test]
    fn the_hosts_own_servers_are_asked_in_turn() {
        let transcript = "? cat /etc/resolv.conf\n= search lan\n= nameserver 192.0.2.1\n= nameserver ::1\n\
            ? dns w A @192.0.2.1:53\n* 2\n? dns w A @::1:53\n= w. 1 IN A 192.0.2.5\n";
        assert_eq!(asked(json!({ "name": "w" }), transcript), Ok(vec!["192.0.2.5".to_owned()]));
        let refused = transcript.replace("= w. 1 IN A 192.0.2.5", "* 5");
        assert_eq!(asked(json!({ "name": "w" }), &refused), Err("w does not resolve: ::1 answered REFUSED".to_owned()));
    }
}
