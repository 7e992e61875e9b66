//! Filters on addresses of the web.

use super::{Answer, Args, Filter, items, wrong};
use crate::shared::template::print::print;
use minijinja::value::ValueKind;
use minijinja::{State, Value};

pub(super) const FILTERS: &[(&str, Filter)] =
    &[("urlencode", urlencode), ("urldecode", urldecode), ("urlsplit", urlsplit)];

/// The scheme of an address, and what names its host.
pub(super) fn scheme(text: &str) -> (String, String) {
    let (scheme, rest) = text.split_once(':').filter(|(s, _)| !s.is_empty() && !s.contains('/')).unwrap_or(("", text));
    let netloc = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    (scheme.to_lowercase(), netloc.to_owned())
}

/// Python's `unquote_plus`.
fn urldecode(_: &mut State, value: &Value, _: &Args) -> Answer {
    let text = print(value)?.replace('+', " ");
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let code = code.filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = code.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    Ok(Value::from(String::from_utf8_lossy(&bytes)))
}

fn urlencode(_: &mut State, value: &Value, _: &Args) -> Answer {
    let escape = |text: &str, safe: &str| -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-~".contains(&b) || safe.as_bytes().contains(&b);
        text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
    };
    if value.kind() != ValueKind::Map {
        return Ok(Value::from(escape(&print(value)?, "/")));
    }
    let mut pairs = Vec::new();
    for key in items(value)? {
        let (name, value) = (print(&key)?, print(&value.get_item(&key)?)?);
        pairs.push(format!("{}={}", escape(&name, " ").replace(' ', "+"), escape(&value, " ").replace(' ', "+")));
    }
    Ok(Value::from(pairs.join("&")))
}

fn urlsplit(_: &mut State, value: &Value, args: &Args) -> Answer {
    let text = print(value)?;
    let (scheme, rest) = text.split_once(':').filter(|(s, _)| !s.is_empty() && !s.contains('/')).unwrap_or(("", &text));
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (netloc, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let (login, address) = netloc.rsplit_once('@').map_or((None, netloc), |(login, address)| (Some(login), address));
    let (user, password) = match login.map(|login| login.split_once(':').map_or((login, None), |(u, p)| (u, Some(p)))) {
        Some((user, password)) => (Some(user), password),
        None => (None, None),
    };
    let (hostname, port) = match address.rsplit_once(':') {
        Some((hostname, port)) if port.parse::<u16>().is_ok() => (hostname, port.parse::<u16>().ok()),
        _ => (address, None),
    };
    let hostname = hostname.trim_matches(['[', ']']).to_lowercase();
    let optional = |part: Option<&str>| part.map_or(Value::from(()), Value::from);
    let parts = [
        ("fragment", Value::from(fragment)),
        ("hostname", optional(Some(hostname.as_str()).filter(|h| !h.is_empty()))),
        ("netloc", Value::from(netloc)),
        ("password", optional(password)),
        ("path", Value::from(path)),
        ("port", port.map_or(Value::from(()), Value::from)),
        ("query", Value::from(query)),
        ("scheme", Value::from(scheme)),
        ("username", optional(user)),
    ];
    match args.text(0, "query", "")?.as_str() {
        "" => Ok(Value::from_pairs(parts)),
        part => {
            let found = parts.into_iter().find(|(name, _)| *name == part);
            found.map(|(_, value)| value).ok_or_else(|| wrong(format!("urlsplit has no part `{part}`")))
        }
    }
}
