//! Python's regular expressions: `\1` and `\g<name>` in replacements, look-around, inline flags.

use super::{Answer, Args, Filter, wrong};
use crate::shared::template::print::print;
use fancy_regex::{Captures, Regex};
use minijinja::{State, Value};

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("regex_replace", regex_replace),
    ("regex_search", regex_search),
    ("regex_findall", regex_findall),
    ("regex_escape", |_, value, _| print(value).map(|text| Value::from(escape(&text)))),
];

/// A pattern as Python writes it.
pub(super) fn compile(pattern: &str, ignorecase: bool, multiline: bool) -> Answer<Regex> {
    let mut flags = String::new();
    flags.extend(ignorecase.then_some('i'));
    flags.extend(multiline.then_some('m'));
    let pattern = pattern.replace(r"\Z", r"\z");
    let source = if flags.is_empty() { pattern.clone() } else { format!("(?{flags}){pattern}") };
    Regex::new(&source).map_err(|e| wrong(format!("`{pattern}` is no regular expression: {e}")))
}

fn given(args: &Args) -> Answer<(bool, bool)> {
    let flag = |name| Ok::<_, minijinja::Error>(args.named.get::<Option<bool>>(name)?.unwrap_or(false));
    Ok((flag("ignorecase")?, flag("multiline")?))
}

fn failed(error: fancy_regex::Error) -> minijinja::Error {
    wrong(format!("the regular expression gave up: {error}"))
}

fn group(found: &Captures<'_>, index: usize) -> String {
    found.get(index).map_or_else(String::new, |m| m.as_str().to_owned())
}

/// A replacement with `\1` and `\g<name>` filled in.
fn fill(found: &Captures<'_>, template: &str) -> String {
    let mut out = String::new();
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('g') if chars.peek() == Some(&'<') => {
                chars.next();
                let name: String = chars.by_ref().take_while(|c| *c != '>').collect();
                match name.parse() {
                    Ok(index) => out += &group(found, index),
                    Err(_) => out += found.name(&name).map_or("", |m| m.as_str()),
                }
            }
            Some(digit) if digit.is_ascii_digit() => {
                let mut index = digit.to_digit(10).unwrap_or_default() as usize;
                if let Some(next) = chars.peek().and_then(|c| c.to_digit(10)) {
                    index = index * 10 + next as usize;
                    chars.next();
                }
                out += &group(found, index);
            }
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('\\') => out.push('\\'),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

fn regex_replace(_: &mut State, value: &Value, args: &Args) -> Answer {
    let text = print(value)?;
    let (pattern, with) = (args.text(0, "pattern", "")?, args.text(1, "replacement", "")?);
    let ignorecase = args.flag(2, "ignorecase", false)?;
    let multiline = args.flag(3, "multiline", false)?;
    let limit = usize::try_from(args.number(4, "count", 0)?).unwrap_or(0);
    args.get(5, "mandatory_count")?;
    let regex = compile(&pattern, ignorecase, multiline)?;
    let (mut out, mut last) = (String::new(), 0);
    for (i, found) in regex.captures_iter(&text).enumerate() {
        let found = found.map_err(failed)?;
        if limit > 0 && i >= limit {
            break;
        }
        if let Some(whole) = found.get(0) {
            out += text.get(last..whole.start()).unwrap_or_default();
            out += &fill(&found, &with);
            last = whole.end();
        }
    }
    out += text.get(last..).unwrap_or_default();
    Ok(Value::from(out))
}

fn regex_search(_: &mut State, value: &Value, args: &Args) -> Answer {
    let (ignorecase, multiline) = given(args)?;
    let text = print(value)?;
    let regex = compile(&args.text(0, "regex", "")?, ignorecase, multiline)?;
    let Some(found) = regex.captures(&text).map_err(failed)? else { return Ok(Value::from(())) };
    if args.positional.len() < 2 {
        return Ok(Value::from(group(&found, 0)));
    }
    let mut groups = Vec::new();
    for asked in &args.positional[1..] {
        let asked = print(asked)?;
        let known = asked.starts_with("\\g<") || asked.trim_start_matches('\\').parse::<usize>().is_ok();
        if !known {
            return Err(wrong(format!("regex_search: `{asked}` is no group: write '\\\\1' or '\\\\g<name>'")));
        }
        groups.push(Value::from(fill(&found, &asked)));
    }
    Ok(Value::from(groups))
}

fn regex_findall(_: &mut State, value: &Value, args: &Args) -> Answer {
    let multiline = args.flag(1, "multiline", false)?;
    let ignorecase = args.flag(2, "ignorecase", false)?;
    let text = print(value)?;
    let regex = compile(&args.text(0, "regex", "")?, ignorecase, multiline)?;
    let groups = regex.captures_len();
    let mut all = Vec::new();
    for found in regex.captures_iter(&text) {
        let found = found.map_err(failed)?;
        all.push(match groups {
            1 => Value::from(group(&found, 0)),
            2 => Value::from(group(&found, 1)),
            _ => Value::from((1..groups).map(|i| group(&found, i)).collect::<Vec<_>>()),
        });
    }
    Ok(Value::from(all))
}

/// Python's `re.escape`.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
