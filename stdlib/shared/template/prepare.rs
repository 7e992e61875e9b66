//! Small rewritings that make minijinja read what Jinja2 reads. They touch code only, never text, strings or
//! comments, and lines do not move.

use super::changeable::METHODS;
use minijinja::syntax::SyntaxConfig;
use regex::{Captures, Regex};
use std::sync::LazyLock;

/// A template's text as minijinja must see it. In `variable`s every backslash stands for itself, as in Ansible's
/// YAML; in template files only those that begin no escape of Python's do.
pub(super) fn prepare(text: &str, syntax: &SyntaxConfig, variable: bool) -> String {
    let changes = METHODS.iter().any(|method| text.contains(&format!(".{method}(")));
    rewrite(text, syntax, &|code| {
        let code = strings(code, variable);
        soften(&if changes { literals(&code) } else { code })
    })
}

/// A template's text in a form that can be parsed, to look at its names: chains stay as they are.
pub(super) fn readable(text: &str) -> String {
    rewrite(text, &SyntaxConfig::default(), &|code| plain(&strings(code, false)))
}

fn rewrite(text: &str, syntax: &SyntaxConfig, change: &dyn Fn(&str) -> String) -> String {
    let (block, comment) = (syntax.block_delimiters(), syntax.comment_delimiters());
    let marks = [syntax.variable_delimiters(), block, comment];
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    let mut raw = false;
    // The first mark, and of two in one place the longer.
    let next = |rest: &str| {
        let found = marks.iter().filter_map(|mark| rest.find(mark.0).map(|at| (at, mark.0.len(), *mark)));
        found.min_by_key(|(at, length, _)| (*at, std::cmp::Reverse(*length)))
    };
    while let Some((start, length, mark)) = next(rest) {
        out += &rest[..start];
        rest = &rest[start..];
        let end = if mark == comment {
            rest[length..].find(mark.1).map(|i| i + length + mark.1.len())
        } else {
            code_end(rest, length, mark.1)
        };
        let Some(end) = end else { break };
        let code = &rest[..end];
        let word = code[length..].trim_start_matches(['-', '+']).trim_start();
        if raw || mark == comment {
            if raw && mark == block && word.starts_with("endraw") {
                (raw, out, rest) = (false, out + code, &rest[end..]);
            } else if raw {
                // Inside of raw only its end matters; go on right after the mark.
                (out, rest) = (out + &rest[..length], &rest[length..]);
            } else {
                (out, rest) = (out + code, &rest[end..]);
            }
            continue;
        }
        raw = mark == block && word.starts_with("raw");
        let inside = &code[..end - mark.1.len()];
        if raw && !inside.ends_with(['-', '+']) {
            // In Jinja2 the newline behind this one stays.
            out += &format!("{inside}+{}", mark.1);
        } else {
            out += &change(code);
        }
        rest = &rest[end..];
    }
    out + rest
}

/// Where a block of code ends: its closing mark outside of strings.
fn code_end(code: &str, open: usize, close: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    let mut depth = 0usize;
    for (i, c) in code.char_indices().filter(|(i, _)| *i >= open) {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(mark), c) if c == mark => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') if depth > 0 => depth -= 1,
            (None, _) if code[i..].starts_with(close) => return Some(i + close.len()),
            _ => {}
        }
    }
    None
}

/// The same code with the backslashes in its strings doubled where they stand for themselves.
fn strings(code: &str, variable: bool) -> String {
    if !code.contains('\\') {
        return code.to_owned();
    }
    let mut out = String::with_capacity(code.len() + 8);
    let mut quote = None;
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(mark), c) if c == mark => quote = None,
            (Some(mark), '\\') => match chars.peek().copied() {
                Some(next) if next == mark => out.extend(chars.next()),
                Some('\\') if !variable => out.extend(chars.next()),
                // Python counts `\1` to `\377` in eights.
                Some('0'..='7') if !variable => {
                    let mut code = 0;
                    for _ in 0..3 {
                        let Some(digit) = chars.peek().and_then(|c| c.to_digit(8)) else { break };
                        code = code * 8 + digit;
                        chars.next();
                    }
                    out += &format!("u{code:04x}");
                }
                Some('n' | 't' | 'r' | 'x' | 'u' | '"' | '\'') if !variable => out.extend(chars.next()),
                _ => out.push('\\'),
            },
            _ => {}
        }
    }
    out
}

/// Every list and map that is written out becomes one that can be changed: `[1]` is `([1]|changeable)`.
fn literals(code: &str) -> String {
    let mut out = String::with_capacity(code.len() + 32);
    let (mut quote, mut escaped, mut open) = (None, false, Vec::new());
    let inside = 2..code.len().saturating_sub(2);
    for (at, c) in code.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(mark), c) if c == mark => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') if inside.contains(&at) => {
                let literal = c == '{' || !subscripted(&code[..at]);
                open.push(literal);
                out += if literal { "(" } else { "" };
            }
            (None, ']' | '}') if inside.contains(&at) && open.pop() == Some(true) => {
                out.push(c);
                out += "|changeable)";
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

/// Whether a `[` behind this code asks for an item.
fn subscripted(before: &str) -> bool {
    let before = before.trim_end();
    let word = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    let operator = ["in", "not", "and", "or", "if", "elif", "else", "is"].contains(&word);
    !operator && before.ends_with(|c: char| c.is_alphanumeric() || "_)]}\"'".contains(c))
}

/// Names of collections (`| ansible.builtin.quote`) are left out, and some operators become filters.
fn plain(code: &str) -> String {
    static COLLECTION: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(\|\s*|\bis\s+(?:not\s+)?)[a-z_]\w*\.[a-z_]\w*\.([a-z_]\w*)").ok());
    let code = match COLLECTION.as_ref() {
        Some(collection) => collection.replace_all(code, "${1}${2}"),
        None => code.into(),
    };
    if code.contains('%') || dated(&code) { operators(&code) } else { code.into_owned() }
}

/// Whether dates are near.
fn dated(code: &str) -> bool {
    code.contains("to_datetime") || code.contains("now(")
}

/// What minijinja's operators cannot do becomes a filter: `'%s' % x` is `'%s'|percent(x)`, and where dates are near
/// `a - b` is `a|minus(b)`.
fn operators(code: &str) -> String {
    let mut out = String::with_capacity(code.len() + 16);
    let (mut quote, mut open, mut skip) = (None, Vec::new(), 0);
    // Where the last text or group in front of the current place begins, and what it ends with.
    let (mut last, mut end) = (0, ' ');
    for (at, c) in code.char_indices() {
        if at < skip {
            continue;
        }
        let filter = match (quote, c) {
            (None, '%') if matches!(end, '"' | '\'') && !code[at..].starts_with("%}") => Some("percent"),
            (None, '-') if end == ')' => Some("minus"),
            _ => None,
        };
        if let Some(filter) = filter {
            let right = code[at + 1..].trim_start();
            let start = code.len() - right.len();
            let stop = start + operand(right);
            let name = code[..last].rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |i| i + 1);
            if stop > start && (filter == "percent" || dated(&code[start..stop]) || dated(&code[name..at])) {
                out.truncate(out.trim_end().len());
                out += &format!("|{filter}({})", operators(&code[start..stop]));
                (skip, end) = (stop, ')');
                continue;
            }
        }
        match (quote, c) {
            (Some(mark), c) if c == mark => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => (quote, last) = (Some(c), at),
            (None, '(') => open.push(at),
            (None, ')') => last = open.pop().unwrap_or(at),
            _ => {}
        }
        if quote.is_some() || !c.is_whitespace() {
            end = if quote.is_some() { ' ' } else { c };
        }
        out.push(c);
    }
    out
}

/// How long the value is with which the code begins: a name, a text or a group, and the calls and filters behind it.
fn operand(code: &str) -> usize {
    static STEP: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let text = r#""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"#;
        let level = format!(r#"(?:[^()'"]|{text})*"#);
        let group = format!(r"\({level}(?:\({level}(?:\({level}\){level})*\){level})*\)");
        Regex::new(&format!(r"^(?:{text}|[\w.]+|{group})(?:{group}|\.\w+|\[[^\]]*\]|\s*\|\s*\w+)*")).ok()
    });
    STEP.as_ref().and_then(|step| step.find(code)).map_or(0, |found| found.end())
}

/// In Ansible `a.b.c | default(x)` and `a.b.c is defined` hold even if `a` is undefined; strict Jinja stops at
/// `a.b`. So a chain in front of these is written `((a|default({})).b|default({})).c`.
fn soften(code: &str) -> String {
    static CHAIN: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let part = r#"(?:\.[A-Za-z_]\w*|\[(?:'[^'\]]*'|"[^"\]]*"|-?\d+|[A-Za-z_]\w*)\])"#;
        let after = r"\s*\|\s*(?:default|d)\b|\s+is\s+(?:not\s+)?(?:un)?defined\b";
        Regex::new(&format!(r"(?P<before>[^\w.\])'])(?P<chain>[A-Za-z_]\w*{part}+)(?P<after>{after})")).ok()
    });
    static PART: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"\.[A-Za-z_]\w*|\[(?:'[^'\]]*'|"[^"\]]*"|[^\]'"]+)\]"#).ok());
    let code = plain(code);
    let (Some(chain), Some(part)) = (CHAIN.as_ref(), PART.as_ref()) else { return code };
    chain
        .replace_all(&code, |found: &Captures<'_>| {
            let whole = &found["chain"];
            let Some(first) = part.find(whole) else { return found[0].to_owned() };
            let mut out = whole[..first.start()].to_owned();
            for step in part.find_iter(whole) {
                out = format!("({out}|default({{}})){}", step.as_str());
            }
            format!("{}{out}{}", &found["before"], &found["after"])
        })
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::prepare;
    use minijinja::syntax::SyntaxConfig;

    #[test]
    fn only_code_is_touched() {
        for (text, variable, want) in [
            ("{{ a.b | default(1) }}", false, "{{ (a|default({})).b | default(1) }}"),
            (
                "{{ x if a.b['c'] is not defined }}",
                false,
                "{{ x if ((a|default({})).b|default({}))['c'] is not defined }}",
            ),
            ("a.b | default {# a.b is defined #}", false, "a.b | default {# a.b is defined #}"),
            (
                "{% raw %}{{ a.b | d }}{% endraw %}{{ a.b|d }}",
                false,
                "{% raw +%}{{ a.b | d }}{% endraw %}{{ (a|default({})).b|d }}",
            ),
            (r"{{ x | r('\d\n') }}", false, r"{{ x | r('\\d\n') }}"),
            (r"{{ x | r('\1\0011') }}", false, r"{{ x | r('\u0001\u00011') }}"),
            (r"{{ x | r('\d\\1\n') }}", true, r"{{ x | r('\\d\\\\1\\n') }}"),
            ("{{ (a - b) - (c | int) }}", false, "{{ (a - b) - (c | int) }}"),
            (
                "{{ ((a | to_datetime) - ('x' | to_datetime('%Y'))).days }}",
                false,
                "{{ ((a | to_datetime)|minus(('x' | to_datetime('%Y')))).days }}",
            ),
            ("{{ (now() - x|to_datetime).days }}", false, "{{ (now()|minus(x|to_datetime)).days }}"),
            ("{{ '}}' | ansible.builtin.quote }}", false, "{{ '}}' | quote }}"),
            ("{{ {'a': {'b': 1}} }}", false, "{{ {'a': {'b': 1}} }}"),
            (
                "{% set l = [a[0], {'x': []}] %}{% do l.append(']') %}",
                false,
                "{% set l = ([a[0], ({'x': ([]|changeable)}|changeable)]|changeable) %}{% do l.append(']') %}",
            ),
            ("{{ open", false, "{{ open"),
        ] {
            assert_eq!(prepare(text, &SyntaxConfig::default(), variable), want);
        }
    }
}
