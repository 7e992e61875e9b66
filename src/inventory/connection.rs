//! How a host is reached, from its variables.

use super::layer::Layer;
use super::lazy::{Overlay, Scope};
use super::model::{Inventory, is_localhost};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use stdlib::contract::{Error, Result, Site, nearest};
use stdlib::shared::template::{to_json, told_plainly};

/// The way to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Over SSH.
    Ssh,
    /// It is this machine.
    Local,
}

/// How one becomes another user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `sudo`.
    Sudo,
    /// `su`.
    Su,
    /// `doas`.
    Doas,
}

/// What the inventory says about becoming another user; nothing set means that the play decides.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Become {
    /// Whether to.
    pub wanted: Option<bool>,
    /// Whom.
    pub user: Option<String>,
    /// How.
    pub method: Option<Method>,
    /// The password. Never print it; `Debug` does not.
    pub password: Option<String>,
}

impl std::fmt::Debug for Become {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let password = self.password.as_ref().map(|_| "***");
        write!(f, "Become {{ {:?} {:?} {:?} {password:?} }}", self.wanted, self.user, self.method)
    }
}

/// How a host is reached. What is not set is left to `~/.ssh/config` and the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// SSH or this machine.
    pub kind: Kind,
    /// The address or alias to connect to.
    pub address: String,
    /// The port.
    pub port: Option<u16>,
    /// The user to log in as.
    pub user: Option<String>,
    /// The private key.
    pub key_file: Option<PathBuf>,
    /// More arguments for `ssh`, such as `-o ProxyJump=bastion`, as words.
    pub ssh_args: Vec<String>,
    /// Becoming another user.
    pub r#become: Become,
    /// Whether the host's key is checked; nothing means that the run decides.
    pub host_key_checking: Option<bool>,
}

impl Inventory {
    /// How a host is reached. Ansible's names (`ansible_host`, `ansible_user`...) count from everywhere; the
    /// plain ones (`address`, `user`, `port`, `connection`, `become`, `key_file`...) only from the inventory file
    /// itself, because `port: 8080` in `group_vars` is an application's. A value that makes no sense, or
    /// something hlrun cannot do (SSH passwords, other connections), is an error at its line.
    pub fn connection(&self, host: &str, overlay: &Overlay) -> Result<Connection> {
        let scope = Scope::new(self, host, overlay.clone())?;
        let ask = Ask { inventory: self, host, scope };
        if let Some((_, name)) = ask.value(&["ansible_password", "ansible_ssh_pass", "ansible_ssh_password"])? {
            return Err(ask
                .wrong(&name, format!("`{name}`: hlrun logs in with keys, not with passwords"))
                .hint(format!("ssh-copy-id {host}, then remove the variable")));
        }
        let implicit = self.0.hosts.get(host).map_or(is_localhost(host), |h| h.implicit);
        let kind = match ask.text(&["ansible_connection", "connection"])? {
            None if implicit => Kind::Local,
            None => Kind::Ssh,
            Some((word, name)) => match word.rsplit('.').next().unwrap_or_default() {
                "local" => Kind::Local,
                "ssh" | "smart" | "paramiko" | "paramiko_ssh" | "openssh" => Kind::Ssh,
                other => {
                    let error = ask.wrong(&name, format!("the connection `{word}` is not supported"));
                    return Err(match nearest(other, ["local", "ssh"]) {
                        Some(meant) => error.hint(format!("did you mean `{meant}`?")),
                        None => error.hint("hlrun reaches hosts by `ssh` and this machine by `local`"),
                    });
                }
            },
        };
        let address = ask.text(&["ansible_host", "ansible_ssh_host", "address"])?;
        let key = ask.text(&["ansible_ssh_private_key_file", "ansible_private_key_file", "key_file"])?;
        let mut ssh_args = Vec::new();
        for name in ["ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args"] {
            if let Some((line, name)) = ask.text(&[name])? {
                ssh_args.extend(words(&line).ok_or_else(|| ask.wrong(&name, format!("`{name}` has an open quote")))?);
            }
        }
        let method = match ask.text(&["ansible_become_method", "become_method"])? {
            None => None,
            Some((word, name)) => Some(match word.rsplit('.').next().unwrap_or_default() {
                "sudo" => Method::Sudo,
                "su" => Method::Su,
                "doas" => Method::Doas,
                _ => {
                    let error = ask.wrong(&name, format!("the become method `{word}` is not supported"));
                    return Err(error.hint("sudo, su and doas are"));
                }
            }),
        };
        let text = |names: &[&str]| ask.text(names).map(|found| found.map(|(text, _)| text));
        Ok(Connection {
            kind,
            address: address.map_or_else(|| host.to_owned(), |(address, _)| address),
            port: ask.port(&["ansible_port", "ansible_ssh_port", "port"])?,
            user: text(&["ansible_user", "ansible_ssh_user", "user"])?,
            key_file: key.map(|(path, _)| home(&path)),
            ssh_args,
            r#become: Become {
                wanted: ask.flag(&["ansible_become", "become"])?,
                user: text(&["ansible_become_user", "become_user"])?,
                method,
                password: text(&[
                    "ansible_become_password",
                    "ansible_become_pass",
                    "ansible_sudo_pass",
                    "ansible_sudo_password",
                ])?,
            },
            host_key_checking: ask.flag(&["ansible_host_key_checking", "ansible_ssh_host_key_checking"])?,
        })
    }
}

struct Ask<'a> {
    inventory: &'a Inventory,
    host: &'a str,
    scope: Arc<Scope>,
}

impl Ask<'_> {
    fn origin(&self, name: &str) -> Option<(Site, Layer)> {
        let vars = self.inventory.variables(self.host).ok()?;
        vars.get(name).map(|v| (v.origin.clone(), v.layer.clone()))
    }
    fn wrong(&self, name: &str, message: String) -> Error {
        let error = Error::playbook(self.inventory.vault().hide(&message)).on(self.host);
        match self.origin(name) {
            Some((site, _)) => error.at(site),
            None => error,
        }
    }
    /// The first of these that is set, and its name. Plain names count from the inventory file only.
    fn value(&self, names: &[&str]) -> Result<Option<(Value, String)>> {
        for name in names {
            let plain = !name.starts_with("ansible_");
            if plain && !self.origin(name).is_some_and(|(_, layer)| layer.in_inventory()) {
                continue;
            }
            let Some(value) = self.scope.get(name) else { continue };
            let value = to_json(&value).map_err(|error| told_plainly(name, &error).on(self.host))?;
            if !value.is_null() {
                return Ok(Some((value, (*name).to_owned())));
            }
        }
        Ok(None)
    }
    fn text(&self, names: &[&str]) -> Result<Option<(String, String)>> {
        match self.value(names)? {
            None => Ok(None),
            Some((Value::String(text), _)) if text.is_empty() => Ok(None),
            Some((Value::String(text), name)) => Ok(Some((text, name))),
            Some((Value::Number(number), name)) => Ok(Some((number.to_string(), name))),
            Some((_, name)) => Err(self.wrong(&name, format!("`{name}` must be text"))),
        }
    }
    fn port(&self, names: &[&str]) -> Result<Option<u16>> {
        let Some((text, name)) = self.text(names)? else { return Ok(None) };
        match text.trim().parse::<u16>() {
            Ok(port) if port > 0 => Ok(Some(port)),
            _ => Err(self.wrong(&name, format!("`{name}` must be a port from 1 to 65535, not `{text}`"))),
        }
    }
    fn flag(&self, names: &[&str]) -> Result<Option<bool>> {
        let Some((value, name)) = self.value(names)? else { return Ok(None) };
        let word = match &value {
            Value::Bool(flag) => return Ok(Some(*flag)),
            Value::String(text) => text.to_lowercase(),
            other => other.to_string(),
        };
        match word.as_str() {
            "yes" | "true" | "on" | "1" | "y" | "t" => Ok(Some(true)),
            "no" | "false" | "off" | "0" | "n" | "f" => Ok(Some(false)),
            _ => Err(self.wrong(&name, format!("`{name}` must be true or false, not `{word}`"))),
        }
    }
}

fn home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}

/// The words of a line as a shell splits them; none if a quote stays open.
fn words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut open, mut any) = (Vec::new(), String::new(), None, false);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, open) {
            (c, Some(mark)) if c == mark => open = None,
            ('\\', None | Some('"')) => word.push(chars.next()?),
            (c, Some(_)) => word.push(c),
            ('\'' | '"', None) => (open, any) = (Some(c), true),
            (c, None) if c.is_whitespace() => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            (c, None) => word.push(c),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    open.is_none().then_some(words)
}
