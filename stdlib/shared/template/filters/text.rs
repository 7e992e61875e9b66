//! Filters on text, paths and digests.

use super::{Answer, Args, Filter, items, wrong};
use crate::shared::template::print::print;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use minijinja::value::ValueKind;
use minijinja::{State, Value};
use sha2::Digest;

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("lower", |_, value, _| print(value).map(|t| Value::from(t.to_lowercase()))),
    ("upper", |_, value, _| print(value).map(|t| Value::from(t.to_uppercase()))),
    ("trim", trim),
    ("replace", replace),
    ("split", split),
    ("truncate", truncate),
    ("indent", indent),
    ("wordwrap", wordwrap),
    ("wordcount", |_, value, _| print(value).map(|t| Value::from(t.split_whitespace().count()))),
    ("center", center),
    ("percent", percent),
    ("e", |_, value, _| escape(value)),
    ("escape", |_, value, _| escape(value)),
    ("striptags", striptags),
    ("quote", quote),
    ("comment", comment),
    ("b64encode", b64encode),
    ("b64decode", b64decode),
    ("hash", |_, value, args| digest(value, &args.text(0, "hashtype", "sha1")?)),
    ("checksum", |_, value, _| digest(value, "sha1")),
    ("sha1", |_, value, _| digest(value, "sha1")),
    ("md5", |_, value, _| digest(value, "md5")),
    ("to_uuid", to_uuid),
    ("basename", |_, value, _| path(value, |p| p.rsplit('/').next().unwrap_or_default().to_owned())),
    ("dirname", |_, value, _| path(value, dirname)),
    ("commonpath", commonpath),
    ("splitext", splitext),
    ("path_join", path_join),
    ("normpath", |_, value, _| path(value, normal)),
    ("relpath", relpath),
];

fn trim(_: &mut State, value: &Value, args: &Args) -> Answer {
    let text = print(value)?;
    let chars = args.get(0, "chars")?.filter(|v| !v.is_none()).map(|v| print(&v)).transpose()?;
    Ok(Value::from(match chars {
        Some(chars) => text.trim_matches(|c| chars.contains(c)),
        None => text.trim(),
    }))
}

fn replace(_: &mut State, value: &Value, args: &Args) -> Answer {
    let (old, new) = (print(&args.need(0, "old")?)?, print(&args.need(1, "new")?)?);
    let text = print(value)?;
    Ok(Value::from(match usize::try_from(args.number(2, "count", -1)?) {
        Ok(count) => text.replacen(&old, &new, count),
        Err(_) => text.replace(&old, &new),
    }))
}

fn split(_: &mut State, value: &Value, args: &Args) -> Answer {
    let text = print(value)?;
    let separator = args.get(0, "sep")?.filter(|v| !v.is_none()).map(|v| print(&v)).transpose()?;
    let limit = usize::try_from(args.number(1, "maxsplit", -1)?).ok();
    Ok(Value::from(super::methods::split(&text, separator.as_deref(), limit)?))
}

fn truncate(_: &mut State, value: &Value, args: &Args) -> Answer {
    let text = print(value)?;
    let length = usize::try_from(args.number(0, "length", 255)?).unwrap_or(0);
    let (kill, end) = (args.flag(1, "killwords", false)?, args.text(2, "end", "...")?);
    let leeway = usize::try_from(args.number(3, "leeway", 5)?).unwrap_or(0);
    if text.chars().count() <= length + leeway {
        return Ok(Value::from(text));
    }
    let kept: String = text.chars().take(length.saturating_sub(end.chars().count())).collect();
    let kept = if kill { kept.as_str() } else { kept.rsplit_once(' ').map_or(kept.as_str(), |(head, _)| head) };
    Ok(Value::from(format!("{kept}{end}")))
}

fn indent(_: &mut State, value: &Value, args: &Args) -> Answer {
    let text = print(value)?;
    let width = match args.get(0, "width")? {
        Some(width) if width.as_str().is_some() => print(&width)?,
        Some(width) => " ".repeat(super::whole(&width).unwrap_or(4).clamp(0, 1000) as usize),
        None => "    ".to_owned(),
    };
    let (first, blank) = (args.flag(1, "first", false)?, args.flag(2, "blank", false)?);
    let mut out = String::new();
    for (i, line) in text.split('\n').enumerate() {
        if i > 0 {
            out.push('\n');
        }
        if (i > 0 && (blank || !line.is_empty())) || (i == 0 && first) {
            out.push_str(&width);
        }
        out.push_str(line);
    }
    Ok(Value::from(out))
}

fn wordwrap(_: &mut State, value: &Value, args: &Args) -> Answer {
    let text = print(value)?;
    let width = usize::try_from(args.number(0, "width", 79)?).unwrap_or(79).max(1);
    let long = args.flag(1, "break_long_words", true)?;
    let with = args.text(2, "wrapstring", "\n")?;
    args.get(3, "break_on_hyphens")?;
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut current = String::new();
        for word in line.split_whitespace() {
            let (mut word, mut size) = (word, word.chars().count());
            // A word that is too long for any line fills the one that has begun.
            while long && size > width {
                let begun = if current.is_empty() { 0 } else { current.chars().count() + 1 };
                let room = width.saturating_sub(begun);
                let (head, tail) = word.split_at(word.char_indices().nth(room).map_or(word.len(), |(at, _)| at));
                let blank = if begun > 0 && room > 0 { " " } else { "" };
                lines.push(format!("{}{blank}{head}", std::mem::take(&mut current)));
                (word, size) = (tail, size - room);
            }
            if !current.is_empty() && current.chars().count() + 1 + size > width {
                lines.push(std::mem::take(&mut current));
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
        }
        lines.push(current);
    }
    Ok(Value::from(lines.join(&with)))
}

fn center(_: &mut State, value: &Value, args: &Args) -> Answer {
    let width = usize::try_from(args.number(0, "width", 80)?).unwrap_or(80).min(10_000);
    Ok(Value::from(format!("{:^width$}", print(value)?)))
}

/// Python's `'...' % values`, which the template is rewritten to.
fn percent(_: &mut State, value: &Value, args: &Args) -> Answer {
    let given = args.need(0, "values")?;
    let values = if given.is_tuple() { items(&given)? } else { vec![given] };
    let text = minijinja::formatting::format(minijinja::formatting::FormatStyle::Printf, &print(value)?, &values)?;
    Ok(Value::from(text))
}

/// As MarkupSafe escapes: what is escaped already stays.
fn escape(value: &Value) -> Answer {
    if value.is_safe() {
        return Ok(value.clone());
    }
    let text = print(value)?.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Ok(Value::from_safe_string(text.replace('\'', "&#39;").replace('"', "&#34;")))
}

/// Text without tags and comments, its entities as what they stand for.
fn striptags(_: &mut State, value: &Value, _: &Args) -> Answer {
    let (mut text, mut rest) = (String::new(), print(value)?);
    for (start, end) in [("<!--", "-->"), ("<", ">")] {
        text.clear();
        while let Some((at, stop)) = rest.find(start).and_then(|at| Some((at, at + rest[at..].find(end)?))) {
            text += &rest[..at];
            rest.drain(..stop + end.len());
        }
        rest.insert_str(0, &text);
    }
    let mut out = rest.split_whitespace().collect::<Vec<_>>().join(" ");
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&nbsp;", "\u{a0}")];
    for (entity, plain) in entities.into_iter().chain([("&amp;", "&")]) {
        out = out.replace(entity, plain);
    }
    Ok(Value::from(out))
}

fn quote(_: &mut State, value: &Value, _: &Args) -> Answer {
    let text = if value.is_none() { String::new() } else { print(value)? };
    let safe = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    Ok(Value::from(if !text.is_empty() && text.chars().all(safe) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\"'\"'"))
    }))
}

fn comment(_: &mut State, value: &Value, args: &Args) -> Answer {
    let style = args.text(0, "style", "plain")?;
    let (beginning, decoration, end) = match style.as_str() {
        "plain" => ("", "# ", ""),
        "erlang" => ("", "% ", ""),
        "c" => ("", "// ", ""),
        "cblock" => ("/*", " * ", " */"),
        "xml" => ("<!--", " - ", "-->"),
        other => return Err(wrong(format!("comment has no style `{other}`; it has plain, erlang, c, cblock, xml"))),
    };
    let decoration = args.text(9, "decoration", decoration)?;
    let newline = args.text(9, "newline", "\n")?;
    let beginning = args.text(9, "beginning", beginning)?;
    let prefix = args.text(9, "prefix", decoration.trim_end())?;
    let postfix = args.text(9, "postfix", decoration.trim_end())?;
    let end = args.text(9, "end", end)?;
    let count = |name| Ok::<usize, minijinja::Error>(usize::try_from(args.number(9, name, 1)?).unwrap_or(0).min(100));
    let mut out = String::new();
    if !beginning.is_empty() {
        out += &format!("{beginning}{newline}");
    }
    let line = if prefix == newline { newline.clone() } else { format!("{prefix}{newline}") };
    if !prefix.is_empty() {
        out += &line.repeat(count("prefix_count")?);
    }
    let body = format!("{decoration}{}", print(value)?.replace(&newline, &format!("{newline}{decoration}")));
    out += &body.replace(&format!("{decoration}{newline}"), &format!("{}{newline}", decoration.trim_end()));
    out += &format!("{newline}{postfix}").repeat(count("postfix_count")?);
    if !end.is_empty() {
        out += &format!("{newline}{end}");
    }
    Ok(Value::from(out))
}

fn b64encode(_: &mut State, value: &Value, args: &Args) -> Answer {
    let text = print(value)?;
    args.get(0, "encoding")?;
    let engine = if args.flag(1, "urlsafe", false)? { &URL_SAFE } else { &STANDARD };
    Ok(Value::from(engine.encode(text)))
}

fn b64decode(_: &mut State, value: &Value, args: &Args) -> Answer {
    let text: String = print(value)?.split_whitespace().collect();
    args.get(0, "encoding")?;
    let engine = if args.flag(1, "urlsafe", false)? { &URL_SAFE } else { &STANDARD };
    let bytes = engine.decode(text).map_err(|e| wrong(format!("b64decode: {e}")))?;
    String::from_utf8(bytes).map(Value::from).map_err(|_| wrong("b64decode: the content is not UTF-8 text"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest(value: &Value, kind: &str) -> Answer {
    let text = print(value)?;
    Ok(Value::from(match kind {
        "sha1" => hex(&sha1::Sha1::digest(text)),
        "md5" => hex(&md5::Md5::digest(text)),
        "sha224" => hex(&sha2::Sha224::digest(text)),
        "sha256" => hex(&sha2::Sha256::digest(text)),
        "sha384" => hex(&sha2::Sha384::digest(text)),
        "sha512" => hex(&sha2::Sha512::digest(text)),
        other => return Err(wrong(format!("hash has no `{other}`; it has md5, sha1, sha224, sha256, sha384, sha512"))),
    }))
}

/// A name as UUID, version 5, in Ansible's namespace.
fn to_uuid(_: &mut State, value: &Value, args: &Args) -> Answer {
    let namespace = args.text(0, "namespace", "361E6D51-FAEC-444A-9079-341386DA8E2E")?.replace('-', "");
    let bytes = (0..16).map(|i| namespace.get(i * 2..i * 2 + 2).and_then(|h| u8::from_str_radix(h, 16).ok()));
    let bytes = bytes.collect::<Option<Vec<u8>>>().ok_or_else(|| wrong("`namespace` is no UUID"))?;
    let mut id: Vec<u8> = sha1::Sha1::new().chain_update(bytes).chain_update(print(value)?).finalize().to_vec();
    id[6] = (id[6] & 0x0f) | 0x50;
    id[8] = (id[8] & 0x3f) | 0x80;
    let text = hex(&id[..16]);
    Ok(Value::from(format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])))
}

fn path(value: &Value, how: fn(&str) -> String) -> Answer {
    Ok(Value::from(how(&print(value)?)))
}

fn dirname(path: &str) -> String {
    let head = path.rfind('/').map_or("", |i| &path[..=i]);
    if head.chars().all(|c| c == '/') { head.to_owned() } else { head.trim_end_matches('/').to_owned() }
}

fn splitext(_: &mut State, value: &Value, _: &Args) -> Answer {
    let path = print(value)?;
    let name = path.rfind('/').map_or(0, |i| i + 1);
    let lead = path[name..].len() - path[name..].trim_start_matches('.').len();
    let dot = path[name + lead..].rfind('.').map(|i| name + lead + i);
    let (root, end) = path.split_at(dot.unwrap_or(path.len()));
    Ok(Value::from(vec![root.to_owned(), end.to_owned()]))
}

fn path_join(_: &mut State, value: &Value, _: &Args) -> Answer {
    if value.kind() == ValueKind::String {
        return Ok(value.clone());
    }
    let mut out = String::new();
    for part in items(value)? {
        let part = print(&part)?;
        if part.starts_with('/') {
            out = part;
        } else {
            if !out.is_empty() && !out.ends_with('/') {
                out.push('/');
            }
            out += &part;
        }
    }
    Ok(Value::from(out))
}

/// The path that all of them begin with.
fn commonpath(_: &mut State, value: &Value, _: &Args) -> Answer {
    let paths = items(value)?.iter().map(print).collect::<Answer<Vec<_>>>()?;
    let Some(first) = paths.first() else { return Ok(Value::from("")) };
    let root = first.starts_with('/');
    if paths.iter().any(|path| path.starts_with('/') != root) {
        return Err(wrong("commonpath: the paths must all be absolute, or all relative"));
    }
    let parts = |path: &str| -> Vec<String> {
        path.split('/').filter(|p| !p.is_empty() && *p != ".").map(str::to_owned).collect()
    };
    let common = paths
        .iter()
        .map(|path| parts(path))
        .reduce(|a, b| a.into_iter().zip(b).take_while(|(a, b)| a == b).map(|(a, _)| a).collect());
    Ok(Value::from(format!("{}{}", if root { "/" } else { "" }, common.unwrap_or_default().join("/"))))
}

fn normal(path: &str) -> String {
    let root = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|p| !p.is_empty() && *p != ".") {
        match (part, parts.last()) {
            ("..", Some(last)) if *last != ".." => drop(parts.pop()),
            ("..", None) if root => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (root, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

fn relpath(_: &mut State, value: &Value, args: &Args) -> Answer {
    let (path, start) = (normal(&print(value)?), normal(&print(&args.need(0, "start")?)?));
    if path.starts_with('/') != start.starts_with('/') {
        return Err(wrong("relpath: both paths must be absolute, or both relative"));
    }
    let parts = |path: &str| -> Vec<String> {
        path.split('/').filter(|p| !p.is_empty() && *p != ".").map(str::to_owned).collect()
    };
    let (path, start) = (parts(&path), parts(&start));
    let same = path.iter().zip(&start).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", start.len() - same);
    let steps: Vec<&str> = up.chain(path.iter().skip(same).map(String::as_str)).collect();
    Ok(Value::from(if steps.is_empty() { ".".to_owned() } else { steps.join("/") }))
}
