//! Host patterns: `nas:&docker:!offline`, globs, `~regex`, slices.

use super::model::{Inventory, is_localhost};
use indexmap::IndexSet;
use regex::Regex;
use std::sync::LazyLock;
use stdlib::contract::{Error, Result, nearest};

impl Inventory {
    /// The hosts a pattern means, in inventory order of its terms. `a:b` or `a,b` is both, `&c` keeps what is
    /// also in c, `!d` leaves out; a term is a host, a group, a glob, a `~regex`, `all` or `*`, each with a slice
    /// such as `[0]`, `[0:2]` (both ends), `[-1]`. `localhost` is always there. A term that means nothing is an
    /// error with the nearest name.
    pub fn select(&self, pattern: &str) -> Result<Vec<String>> {
        // An IPv6 address is a name with colons.
        if pattern.contains("::") && self.0.hosts.contains_key(pattern.trim()) {
            return Ok(vec![pattern.trim().to_owned()]);
        }
        let terms = split(pattern)?;
        if terms.is_empty() {
            return Err(Error::playbook(format!("`{pattern}` names no host")).hint("`all` is every host"));
        }
        let (mut plain, mut both, mut without) = (Vec::new(), Vec::new(), Vec::new());
        for term in &terms {
            match term.chars().next() {
                Some('&') => both.push(self.term(&term[1..])?),
                Some('!') => without.push(self.term(&term[1..])?),
                _ => plain.push(self.term(term)?),
            }
        }
        if plain.is_empty() {
            plain.push(self.term("all")?);
        }
        let mut hosts: IndexSet<String> = plain.into_iter().flatten().collect();
        for kept in both {
            hosts.retain(|host| kept.contains(host));
        }
        for gone in without {
            hosts.retain(|host| !gone.contains(host));
        }
        Ok(hosts.into_iter().collect())
    }

    fn term(&self, term: &str) -> Result<Vec<String>> {
        let data = &self.0;
        if data.hosts.contains_key(term) && !data.groups.contains_key(term) {
            return Ok(vec![term.to_owned()]);
        }
        let (name, slice) = slice(term)?;
        let name = if name == "*" { "all" } else { name };
        let mut hosts: IndexSet<&str> = IndexSet::new();
        let mut known = false;
        if data.groups.contains_key(name) {
            known = true;
            hosts.extend(self.hosts_of(name));
        } else if let Some((host, _)) = data.hosts.get_key_value(name) {
            known = true;
            hosts.insert(host);
        } else if let Some(regex) = matcher(name)? {
            for group in data.groups.keys().filter(|g| regex.is_match(g)) {
                known = true;
                hosts.extend(self.hosts_of(group));
            }
            let found = self.hosts().into_iter().filter(|host| regex.is_match(host));
            let before = hosts.len();
            hosts.extend(found);
            known |= hosts.len() > before;
        } else if is_localhost(name) {
            return Ok(vec![name.to_owned()]);
        }
        if !known {
            return Err(self.nothing(name));
        }
        let hosts: Vec<String> = hosts.into_iter().map(str::to_owned).collect();
        match slice {
            None => Ok(hosts),
            Some((first, last)) => cut(&hosts, first, last).ok_or_else(|| {
                Error::playbook(format!("`{term}` means no host: `{name}` has {}", hosts.len()))
                    .hint("slices count from 0, or from the end with -1")
            }),
        }
    }

    fn nothing(&self, name: &str) -> Error {
        let names = self.0.groups.keys().chain(self.0.hosts.keys()).map(String::as_str);
        let error = Error::playbook(format!("`{name}` matches no host and no group"));
        match nearest(name, names) {
            Some(meant) => error.hint(format!("did you mean `{meant}`?")),
            None => error.hint("`hlrun hosts` shows what the inventory has"),
        }
    }
}

/// The terms of a pattern: commas separate, and colons and blanks outside of brackets.
fn split(pattern: &str) -> Result<Vec<String>> {
    let wrong = |term: &str, why: &str| Error::playbook(format!("`{term}` in the pattern `{pattern}` {why}"));
    let empty = || Error::playbook(format!("the pattern `{pattern}` has an empty term"));
    if pattern.contains(',') {
        let parts: Vec<&str> = pattern.strip_suffix(',').unwrap_or(pattern).split(',').map(str::trim).collect();
        if parts.contains(&"") {
            return Err(empty());
        }
        return Ok(parts.into_iter().map(split).collect::<Result<Vec<_>>>()?.concat());
    }
    if is_localhost(pattern.trim()) {
        return Ok(vec![pattern.trim().to_owned()]);
    }
    // Between colons, what blanks separate.
    let mut parts: Vec<Vec<String>> = vec![vec![String::new()]];
    let (mut depth, mut escaped) = (0, false);
    for c in pattern.trim().chars() {
        let part = parts.last_mut();
        if depth == 0 && !escaped && c == ':' {
            parts.push(vec![String::new()]);
            continue;
        }
        let Some(part) = part else { break };
        if depth == 0 && c.is_whitespace() {
            part.push(String::new());
            continue;
        }
        let Some(term) = part.last_mut() else { break };
        term.push(c);
        let regex = term.trim_start_matches(['!', '&']).starts_with('~');
        match c {
            _ if escaped => {}
            '[' if depth > 0 && !regex => return Err(wrong(term, "opens a bracket in a bracket")),
            '[' => depth += 1,
            ']' if depth == 0 => return Err(wrong(term, "closes a bracket that is not open")),
            ']' => depth -= 1,
            _ => {}
        }
        escaped = regex && c == '\\' && !escaped;
    }
    if depth > 0 {
        let term = parts.last().and_then(|part| part.last()).map_or("", String::as_str);
        return Err(wrong(term, "opens a bracket and does not close it"));
    }
    if pattern.trim().is_empty() {
        return Ok(Vec::new());
    }
    parts.iter_mut().for_each(|part| part.retain(|term| !term.is_empty()));
    if parts.iter().any(Vec::is_empty) {
        return Err(empty());
    }
    let terms = parts.concat();
    match terms.iter().find(|term| matches!(term.as_str(), "!" | "&" | "~" | "!~" | "&~")) {
        Some(term) => Err(wrong(term, "is followed by nothing").hint("write it as !name or &name, without a blank")),
        None => Ok(terms),
    }
}

type Slice = (i64, Option<Option<i64>>);

/// `name[0]`, `name[0:2]`, `name[1:]` apart. A regex has no slice, and a glob's class is none.
fn slice(term: &str) -> Result<(&str, Option<Slice>)> {
    static SLICE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^(.+)\[(?:(-?[0-9]+)|([0-9]+)[:-]([0-9]*))\]$").ok());
    let found = SLICE.as_ref().filter(|_| !term.starts_with('~')).and_then(|regex| regex.captures(term));
    let Some(found) = found else { return Ok((term, None)) };
    let number = |text: &str| {
        text.parse::<i64>().map_err(|_| Error::playbook(format!("`{text}` in `{term}` is too large a number")))
    };
    let name = found.get(1).map_or(term, |m| m.as_str());
    if let Some(one) = found.get(2) {
        return Ok((name, Some((number(one.as_str())?, None))));
    }
    let first = found.get(3).map_or(Ok(0), |m| number(m.as_str()))?;
    let last = match found.get(4).map(|m| m.as_str()).filter(|text| !text.is_empty()) {
        Some(text) => Some(number(text)?),
        None => None,
    };
    Ok((name, Some((first, Some(last)))))
}

fn cut(hosts: &[String], first: i64, last: Option<Option<i64>>) -> Option<Vec<String>> {
    let count = hosts.len() as i64;
    let from = if first < 0 { first + count } else { first };
    let to = match last {
        None => from,
        Some(last) => last.unwrap_or(count - 1).min(count - 1),
    };
    let range = usize::try_from(from).ok()?..usize::try_from(to + 1).ok()?;
    hosts.get(range).filter(|part| !part.is_empty()).map(<[String]>::to_vec)
}

/// A regex for `~regex` (from the start of the name) or for a glob (the whole name); none for a plain name.
fn matcher(name: &str) -> Result<Option<Regex>> {
    let source = match name.strip_prefix('~') {
        Some(regex) => format!("^(?:{regex})"),
        None if name.contains(['*', '?', '[']) => glob(name),
        None => return Ok(None),
    };
    Regex::new(&source).map(Some).map_err(|e| {
        let why = e.to_string();
        Error::playbook(format!("`{name}` is no pattern: {}", why.lines().last().unwrap_or_default()))
    })
}

fn glob(pattern: &str) -> String {
    let mut out = "^".to_owned();
    let mut class = false;
    for c in pattern.chars() {
        match c {
            ']' if class => (class, out) = (false, out + "]"),
            '!' if class && out.ends_with('[') => out.push('^'),
            _ if class => out.push(c),
            '[' => (class, out) = (true, out + "["),
            '*' => out += ".*",
            '?' => out.push('.'),
            c => out += &regex::escape(&c.to_string()),
        }
    }
    out + "$"
}
