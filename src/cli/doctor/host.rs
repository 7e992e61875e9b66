//! One host, from its name to its health: each step only if the one before went well.

use super::{Finding, Mend, health};
use crate::cli::pin::{Asked, ask_to_pin};
use crate::run::Visit;
use crate::transport::Target;
use crate::transport::keys::{Way, copy_key, known, scan, ssh_words, way};
use std::io::IsTerminal;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use stdlib::contract::{Command, Error, Result};

/// Several hosts are looked at at the same time, and a person is asked one thing.
static TERMINAL: Mutex<()> = Mutex::new(());

/// Look at a host.
pub fn look(visit: Result<Visit>, limit: Duration, mend: Mend) -> Vec<Finding> {
    let mut found = Vec::new();
    let visit = match visit {
        Ok(visit) => visit,
        Err(error) => return vec![of(Finding::failed("inventory", error.message.clone()), &error)],
    };
    if let Some(target) = &visit.target
        && !network(target, limit, mend, &mut found)
    {
        return found;
    }
    if !login(&visit, mend, &mut found) {
        return found;
    }
    let before = SystemTime::now();
    match visit.ask(&Command::sh(health::QUESTION)) {
        Ok(answer) => {
            let answer = answer.text();
            let user = answer.lines().find_map(|line| line.strip_prefix("user ")).unwrap_or_default();
            found.extend(root(&visit, user));
            found.extend(health::findings(&answer, before, SystemTime::now()));
        }
        Err(error) => found.push(of(Finding::failed("health", error.message.clone()), &error)),
    }
    found
}

/// A finding with what the error says of the way out.
fn of(finding: Finding, error: &Error) -> Finding {
    match error.hints.last() {
        Some(hint) => finding.remedy(hint.clone()),
        None => finding,
    }
}

/// Name, port and host key. Whether it makes sense to go on.
fn network(target: &Target, limit: Duration, mend: Mend, found: &mut Vec<Finding>) -> bool {
    let way = match way(target) {
        Ok(way) => way,
        Err(error) => {
            found.push(Finding::failed("ssh", error.message.clone()));
            return false;
        }
    };
    if way.indirect {
        found.push(Finding::ok("network", "reached through another host: see the login"));
        return true;
    }
    let addresses: Vec<_> = match (way.host.as_str(), way.port).to_socket_addrs() {
        Ok(addresses) => addresses.collect(),
        Err(_) => {
            let remedy = "give it an address in the inventory (ansible_host), or fix DNS";
            found.push(Finding::unreachable("name", format!("{} does not resolve", way.host)).remedy(remedy));
            return false;
        }
    };
    let tried = addresses.iter().map(|address| TcpStream::connect_timeout(address, limit));
    match tried.fold(None, |best, next| if matches!(best, Some(Ok(_))) { best } else { Some(next) }) {
        Some(Ok(_)) => found.push(Finding::ok("network", format!("{} port {} answers", way.host, way.port))),
        Some(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            let message = format!("{} refuses connections on port {}", way.host, way.port);
            found.push(Finding::unreachable("network", message).remedy("on the host: systemctl enable --now ssh"));
            return false;
        }
        _ => {
            let message = format!("{} does not answer on port {}", way.host, way.port);
            found.push(Finding::unreachable("network", message).remedy(format!("ping {}", way.host)));
            return false;
        }
    }
    match key(&way, target, limit, mend) {
        Ok((finding, go_on)) => {
            found.push(finding);
            go_on
        }
        Err(error) => {
            found.push(of(Finding::unreachable("host key", error.message.clone()), &error));
            false
        }
    }
}

/// Whether the host shows the key that is known. An unknown one is pinned, if that is wanted.
fn key(way: &Way, target: &Target, limit: Duration, mend: Mend) -> Result<(Finding, bool)> {
    if target.host_keys == crate::transport::HostKeys::Off {
        return Ok((
            Finding::warning("host key", "is not checked: anybody can be this host")
                .remedy("remove `host_key_checking: false`, or `StrictHostKeyChecking=no` from the arguments of ssh"),
            true,
        ));
    }
    let known = known(way);
    let shown = match scan(way, limit) {
        Ok(shown) => shown,
        // A busy sshd turns away who only looks; ssh itself compares the key when we log in.
        Err(_) if !known.is_empty() => return Ok((Finding::ok("host key", "known; compared at the login"), true)),
        Err(error) => return Err(error),
    };
    if let Some(same) = shown.iter().find(|key| known.contains(key)) {
        return Ok((Finding::ok("host key", same.fingerprint()?), true));
    }
    let Some(best) = shown.first() else { return Err(Error::bug("a scan without keys")) };
    let print = format!("{} {}", best.kind, best.fingerprint()?);
    if !known.is_empty() {
        let message = format!("has changed: it now shows {print}. It was reinstalled, or someone is in between");
        let remedy = format!(
            "ssh-keygen -R {0} && ssh-keyscan -p {1} {2} >> ~/.ssh/known_hosts",
            word(&way.known_as),
            way.port,
            way.host
        );
        return Ok((
            Finding::unreachable("host key", message).remedy(format!("if it was reinstalled: {remedy}")),
            false,
        ));
    }
    if target.host_keys == crate::transport::HostKeys::AcceptNew {
        return Ok((Finding::ok("host key", format!("{print}, not known yet: the first connection keeps it")), true));
    }
    if mend.fix {
        let _one = TERMINAL.lock().unwrap_or_else(PoisonError::into_inner);
        if let Asked::Pinned(file) = ask_to_pin(way, best, mend.accept)? {
            let message = format!("{print} pinned in {}", file.display());
            return Ok((Finding::fixed("host key", message), true));
        }
    }
    let remedy = format!("if that is the fingerprint it has: {}", mend.pin);
    Ok((Finding::unreachable("host key", format!("is not known: it shows {print}")).remedy(remedy), false))
}

/// A word of a shell line: brackets are patterns there.
fn word(text: &str) -> String {
    stdlib::contract::quote(text)
}

/// Whether we get in. Where our key is not known, it can be copied while a person is there to type a password.
fn login(visit: &Visit, mend: Mend, found: &mut Vec<Finding>) -> bool {
    let user = visit.target.as_ref().and_then(|target| target.user.clone());
    let user = user.map(|user| format!(" as {user}")).unwrap_or_default();
    let error = match visit.ask(&Command::new("true")) {
        Ok(_) => {
            let how = if visit.is_local() { "this machine" } else { "let in" };
            found.push(Finding::ok("login", format!("{how}{user}")));
            return true;
        }
        Err(error) => error,
    };
    let Some(target) = &visit.target else {
        found.push(Finding::failed("login", error.message.clone()));
        return false;
    };
    let refused = error.stderr.contains("Permission denied");
    if refused
        && mend.fix
        && std::io::stdin().is_terminal()
        && copied(target)
        && visit.ask(&Command::new("true")).is_ok()
    {
        found.push(Finding::fixed("login", format!("our public key was copied, and lets us in{user}")));
        return true;
    }
    let finding = Finding::unreachable("login", error.message.clone());
    found.push(match refused {
        true => finding
            .remedy(format!("ssh-copy-id {}", ssh_words(target).iter().map(|w| word(w)).collect::<Vec<_>>().join(" "))),
        false => of(finding, &error),
    });
    false
}

fn copied(target: &Target) -> bool {
    let _one = TERMINAL.lock().unwrap_or_else(PoisonError::into_inner);
    copy_key(target).unwrap_or(false)
}

/// Whether one becomes root, without hanging.
fn root(visit: &Visit, user: &str) -> Option<Finding> {
    if user == "root" {
        return None;
    }
    let method = visit.root.method.name();
    Some(match visit.ask_as_root(&Command::new("true")) {
        Ok(_) => Finding::ok("become", format!("{user} becomes root with {method}")),
        Err(error) if error.message.contains("wants a password") => {
            let remedy = "give it with -K, or: echo \"USER ALL=(ALL) NOPASSWD: ALL\" > /etc/sudoers.d/USER";
            Finding::warning("become", error.message.clone()).remedy(remedy.replace("USER", user))
        }
        Err(error) => of(Finding::failed("become", error.message.clone()), &error),
    })
}
