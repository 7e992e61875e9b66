//! Regular expressions and what replaces their matches, as people who come from Python write them.

use crate::contract::{Error, Result};
use regex::{Captures, Regex, RegexBuilder};

/// A pattern for one line.
pub fn line(parameter: &str, pattern: &str) -> Result<Regex> {
    build(parameter, RegexBuilder::new(pattern))
}

/// A pattern for a text of many lines: `^` and `$` mean those of each line.
pub fn lines(parameter: &str, pattern: &str) -> Result<Regex> {
    let mut builder = RegexBuilder::new(pattern);
    builder.multi_line(true);
    build(parameter, builder)
}

/// A pattern where `.` means a newline too.
pub fn section(parameter: &str, pattern: &str) -> Result<Regex> {
    let mut builder = RegexBuilder::new(pattern);
    builder.dot_matches_new_line(true);
    build(parameter, builder)
}

fn build(parameter: &str, builder: RegexBuilder) -> Result<Regex> {
    builder.build().map_err(|wrong| {
        let what = match wrong {
            regex::Error::Syntax(text) => text.lines().last().unwrap_or_default().trim().to_owned(),
            other => other.to_string(),
        };
        let what = what.strip_prefix("error: ").unwrap_or(&what).to_owned();
        let error = Error::playbook(format!("`{parameter}` is no regular expression: {what}"));
        if what.contains("look-around") || what.contains("backreferences") {
            error.hint("match more than needed, and put the rest back with a group: `(keep)change` and `\\1changed`")
        } else {
            error.hint("write patterns as raw strings: #\"^\\s*Port\\b\"#")
        }
    })
}

/// What `template` becomes for a match: `\1` and `\g<name>` are groups, `\n` and `\t` themselves.
pub fn expand(template: &str, captures: &Captures<'_>) -> Result<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()).min(2);
        if digits > 0 {
            out.push_str(group(template, captures, &rest[..digits])?);
            rest = &rest[digits..];
        } else if let Some((name, after)) = rest.strip_prefix("g<").and_then(|rest| rest.split_once('>')) {
            out.push_str(group(template, captures, name)?);
            rest = after;
        } else {
            let escape = rest.chars().next();
            match escape {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('\\') | None => out.push('\\'),
                Some(other) => out.extend(['\\', other]),
            }
            rest = &rest[escape.map_or(0, char::len_utf8)..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn group<'c>(template: &str, captures: &'c Captures<'_>, name: &str) -> Result<&'c str> {
    let found = match name.parse::<usize>() {
        Ok(number) if number < captures.len() => Some(captures.get(number)),
        Ok(_) => None,
        Err(_) => captures.name(name).map(Some),
    };
    match found {
        Some(found) => Ok(found.map_or("", |found| found.as_str())),
        None => Err(Error::playbook(format!("`{template}` names a group that the pattern does not have: {name}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_named_as_in_python() {
        let pattern = line("regexp", r"^(\w+)=(?P<value>\w*)(x)?$").unwrap();
        let captures = pattern.captures("port=22").unwrap();
        assert_eq!(expand(r"\1: \g<value>\3 \\ $1 \d\n", &captures).unwrap(), "port: 22 \\ $1 \\d\n");
        assert!(expand(r"\4", &captures).is_err());
        let error = line("regexp", "(?=x)").unwrap_err();
        assert!(error.message.contains("look-around"), "{error}");
    }
}
