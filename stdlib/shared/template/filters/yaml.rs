//! `to_yaml`, `to_nice_yaml` and `from_yaml`. Written as PyYAML's emitter writes it, byte for byte, so that a
//! template moved from Ansible renders the same file.

use super::{Answer, Args, Filter, whole, wrong};
use crate::shared::template::print::{float, from_json, to_json};
use crate::shared::yaml::{parse, plain};
use minijinja::{State, Value};
use regex::Regex;
use serde_json::Value as Json;
use std::sync::LazyLock;

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("from_yaml", from_yaml),
    ("from_yaml_all", from_yaml_all),
    ("to_yaml", |_, value, args| to_yaml(value, args, 2, None)),
    ("to_nice_yaml", |_, value, args| to_yaml(value, args, 4, Some(false))),
];

fn from_yaml(_: &mut State, value: &Value, _: &Args) -> Answer {
    match value.as_str() {
        Some(text) => document(text),
        None => Ok(value.clone()),
    }
}

/// Every document of a text, between lines that begin with `---`.
fn from_yaml_all(_: &mut State, value: &Value, _: &Args) -> Answer {
    let Some(text) = value.as_str() else { return Ok(value.clone()) };
    let mut documents = vec![String::new()];
    for line in text.lines() {
        let begins = line == "---" || line.starts_with("--- ");
        if begins && (documents.len() > 1 || !documents[0].trim().is_empty()) {
            documents.push(String::new());
        }
        if let Some(last) = documents.last_mut() {
            *last += &format!("{}\n", if begins { &line[3..] } else { line });
        }
    }
    documents.iter().map(|text| document(text)).collect::<Answer<Vec<_>>>().map(Value::from)
}

fn document(text: &str) -> Answer {
    let node = parse("from_yaml", text).map_err(|errors| {
        let first = errors.into_iter().next();
        first.map_or_else(|| wrong("from_yaml: not YAML"), |e| wrong(format!("from_yaml: {}", e.message)))
    })?;
    Ok(from_json(&node.to_json()))
}

fn to_yaml(value: &Value, args: &Args, indent: i64, flow: Option<bool>) -> Answer {
    let size = |value: Option<Value>, default: i64| value.and_then(|v| whole(&v)).unwrap_or(default);
    let indent = size(args.get(0, "indent")?, indent);
    let width = size(args.get(9, "width")?, 80);
    let flow = match args.get(9, "default_flow_style")? {
        Some(value) if value.is_none() => None,
        Some(value) => Some(value.is_true()),
        None => flow,
    };
    let sort = args.flag(9, "sort_keys", true)?;
    let start = args.flag(9, "explicit_start", false)?;
    args.get(9, "allow_unicode")?;
    let indent = if (2..10).contains(&indent) { indent as usize } else { 2 };
    let width = usize::try_from(width).ok().filter(|width| *width > indent * 2).unwrap_or(80);
    let text = emit(&to_json(value)?, indent, width, flow, sort);
    Ok(Value::from(if start {
        format!("---{}{text}", if text.starts_with(['-', '{']) { "\n" } else { " " })
    } else {
        text
    }))
}

/// A value as YAML text.
fn emit(json: &Json, indent: usize, width: usize, flow: Option<bool>, sort: bool) -> String {
    let mut emitter = Emitter {
        out: String::new(),
        column: 0,
        step: indent,
        width,
        flow,
        sort,
        indent: None,
        whitespace: true,
        indention: true,
        level: 0,
    };
    emitter.node(json, false, false);
    if !emitter.out.ends_with('\n') {
        emitter.out.push('\n');
    }
    emitter.out
}

struct Emitter {
    out: String,
    column: usize,
    step: usize,
    width: usize,
    flow: Option<bool>,
    sort: bool,
    indent: Option<usize>,
    whitespace: bool,
    indention: bool,
    level: usize,
}

impl Emitter {
    fn write(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }
    fn indicator(&mut self, mark: &str, need_space: bool, whitespace: bool, indention: bool) {
        if need_space && !self.whitespace {
            self.write(" ");
        }
        self.write(mark);
        self.whitespace = whitespace;
        self.indention = self.indention && indention;
    }
    fn line_break(&mut self) {
        self.out.push('\n');
        (self.column, self.whitespace, self.indention) = (0, true, true);
    }
    fn write_indent(&mut self) {
        let indent = self.indent.unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.line_break();
        }
        if self.column < indent {
            self.write(&" ".repeat(indent - self.column));
            self.whitespace = true;
        }
    }
    fn deeper(&mut self, flow: bool, indentless: bool) -> Option<usize> {
        let before = self.indent;
        self.indent = match self.indent {
            None => Some(if flow { self.step } else { 0 }),
            Some(indent) if indentless => Some(indent),
            Some(indent) => Some(indent + self.step),
        };
        before
    }
    fn is_flow(&self, json: &Json) -> bool {
        let leaf = |value: &Json| !value.is_array() && !value.is_object();
        let empty = match json {
            Json::Array(items) => items.is_empty(),
            Json::Object(map) => map.is_empty(),
            _ => true,
        };
        let simple = match json {
            Json::Array(items) => items.iter().all(leaf),
            Json::Object(map) => map.values().all(leaf),
            _ => true,
        };
        self.level > 0 || empty || self.flow.unwrap_or(simple)
    }
    fn node(&mut self, json: &Json, in_map: bool, key: bool) {
        match json {
            Json::Array(items) if self.is_flow(json) => {
                self.indicator("[", true, true, false);
                self.level += 1;
                let before = self.deeper(true, false);
                for (i, item) in items.iter().enumerate() {
                    self.flow_item(i);
                    self.node(item, false, false);
                }
                self.indent = before;
                self.level -= 1;
                self.indicator("]", false, false, false);
            }
            Json::Object(map) if self.is_flow(json) => {
                self.indicator("{", true, true, false);
                self.level += 1;
                let before = self.deeper(true, false);
                for (i, (name, value)) in self.entries(map).into_iter().enumerate() {
                    self.flow_item(i);
                    self.pair(name, value);
                }
                self.indent = before;
                self.level -= 1;
                self.indicator("}", false, false, false);
            }
            Json::Array(items) => {
                let before = self.deeper(false, in_map && !self.indention);
                for item in items {
                    self.write_indent();
                    self.indicator("-", true, false, true);
                    self.node(item, false, false);
                }
                self.indent = before;
            }
            Json::Object(map) => {
                let before = self.deeper(false, false);
                for (name, value) in self.entries(map) {
                    self.write_indent();
                    self.pair(name, value);
                }
                self.indent = before;
            }
            Json::String(text) => {
                let before = self.deeper(true, false);
                self.text(text, key);
                self.indent = before;
            }
            Json::Number(number) if number.is_f64() => {
                let text = float(number.as_f64().unwrap_or_default());
                let text = if text.contains('.') { text } else { text.replacen('e', ".0e", 1) };
                self.plain(&text, !key);
            }
            scalar => self.plain(&scalar.to_string(), !key),
        }
    }
    fn entries<'a>(&self, map: &'a serde_json::Map<String, Json>) -> Vec<(&'a str, &'a Json)> {
        let mut entries: Vec<_> = map.iter().map(|(name, value)| (name.as_str(), value)).collect();
        if self.sort {
            entries.sort_by(|a, b| a.0.chars().cmp(b.0.chars()));
        }
        entries
    }
    fn flow_item(&mut self, place: usize) {
        if place > 0 {
            self.indicator(",", false, false, false);
        }
        if self.column > self.width {
            self.write_indent();
        }
    }
    fn pair(&mut self, name: &str, value: &Json) {
        let simple = !name.is_empty() && !name.contains('\n') && name.chars().count() < 128;
        if simple {
            self.node(&Json::from(name), false, true);
            self.indicator(":", false, false, false);
        } else {
            self.indicator("?", true, false, true);
            self.node(&Json::from(name), false, false);
            self.write_indent();
            self.indicator(":", true, false, true);
        }
        self.node(value, true, false);
    }
    fn text(&mut self, text: &str, key: bool) {
        let allowed = Allowed::of(text);
        let plain = if self.level > 0 { allowed.flow_plain } else { allowed.block_plain };
        let unfit = key && (text.is_empty() || allowed.multiline);
        if plain && !unfit && resolves_to_text(text) {
            self.plain(text, !key);
        } else if allowed.single && !(key && allowed.multiline) {
            self.single(text, !key);
        } else {
            self.double(text, !key);
        }
    }
    fn plain(&mut self, text: &str, split: bool) {
        if text.is_empty() {
            return;
        }
        if !self.whitespace {
            self.write(" ");
        }
        (self.whitespace, self.indention) = (false, false);
        self.words(text, split, false);
    }
    /// Words and single spaces; a line that is too long is broken at a space.
    fn words(&mut self, text: &str, split: bool, quoted: bool) {
        let chars: Vec<char> = text.chars().collect();
        let mut i = 0;
        while i < chars.len() {
            let run = |test: fn(&char) -> bool| chars[i..].iter().take_while(|c| test(c)).count();
            let spaces = run(|c| *c == ' ');
            let breaks = run(|c| *c == '\n');
            if spaces > 0 {
                let inner = i > 0 && i + spaces < chars.len();
                if spaces == 1 && self.column > self.width && split && (inner || !quoted) {
                    self.write_indent();
                    (self.whitespace, self.indention) = (false, false);
                } else {
                    self.write(&" ".repeat(spaces));
                }
                i += spaces;
            } else if breaks > 0 {
                for _ in 0..=breaks {
                    self.line_break();
                }
                self.write_indent();
                i += breaks;
            } else {
                let word: String = chars[i..].iter().take_while(|c| **c != ' ' && **c != '\n').collect();
                i += word.chars().count();
                (self.whitespace, self.indention) = (false, false);
                self.write(&if quoted { word.replace('\'', "''") } else { word });
            }
        }
    }
    fn single(&mut self, text: &str, split: bool) {
        self.indicator("'", true, false, false);
        self.words(text, split, true);
        (self.whitespace, self.indention) = (false, false);
        self.indicator("'", false, false, false);
    }
    fn double(&mut self, text: &str, split: bool) {
        self.indicator("\"", true, false, false);
        let chars: Vec<char> = text.chars().collect();
        let mut spaces = false;
        for (i, c) in chars.iter().enumerate() {
            let inside = i > 0 && i + 1 < chars.len();
            if *c == ' ' && split && !spaces && inside && self.column > self.width {
                self.write_indent();
                if chars.get(i + 1) == Some(&' ') {
                    self.write("\\");
                }
                (self.whitespace, self.indention, spaces) = (false, false, true);
                continue;
            }
            spaces = *c == ' ';
            match escape(*c) {
                Some(escaped) => self.write(&escaped),
                None => self.write(c.encode_utf8(&mut [0; 4])),
            }
        }
        self.indicator("\"", false, false, false);
    }
}

fn escape(c: char) -> Option<String> {
    let short = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => return None,
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        c if (' '..='~').contains(&c) => return None,
        c if printable(c) => return None,
        c if (c as u32) < 0x100 => return Some(format!("\\x{:02X}", c as u32)),
        c if (c as u32) < 0x10000 => return Some(format!("\\u{:04X}", c as u32)),
        c => return Some(format!("\\U{:08X}", c as u32)),
    };
    Some(format!("\\{short}"))
}

fn printable(c: char) -> bool {
    c == '\u{85}' || (c >= '\u{a0}' && c != '\u{feff}' && c < '\u{10ffff}' && !('\u{fffe}'..='\u{ffff}').contains(&c))
}

/// The styles that a text may be written in; PyYAML's analysis.
struct Allowed {
    flow_plain: bool,
    block_plain: bool,
    single: bool,
    multiline: bool,
}

impl Allowed {
    fn of(text: &str) -> Allowed {
        let chars: Vec<char> = text.chars().collect();
        let Some((first, last)) = chars.first().zip(chars.last()) else {
            return Allowed { flow_plain: false, block_plain: true, single: true, multiline: false };
        };
        let is_break = |c: char| matches!(c, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}');
        let blank = |c: Option<&char>| c.is_none_or(|c| is_break(*c) || matches!(c, '\0' | ' ' | '\t' | '\r'));
        let document = text.starts_with("---") || text.starts_with("...");
        let (mut flow, mut block) = (document, document);
        let (mut multiline, mut special, mut break_space, mut space_break) = (false, false, false, false);
        for (i, c) in chars.iter().enumerate() {
            let (before, after) = (i.checked_sub(1).and_then(|i| chars.get(i)), chars.get(i + 1));
            match c {
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`'
                    if i == 0 =>
                {
                    (flow, block) = (true, true);
                }
                '?' | ':' if i == 0 => (flow, block) = (true, block || blank(after)),
                '-' if i == 0 && blank(after) => (flow, block) = (true, true),
                ',' | '?' | '[' | ']' | '{' | '}' => flow = true,
                ':' => (flow, block) = (true, block || blank(after)),
                '#' if blank(before) => (flow, block) = (true, true),
                _ => {}
            }
            multiline |= is_break(*c);
            special |= !(*c == '\n' || (' '..='~').contains(c) || printable(*c));
            break_space |= *c == ' ' && before.is_some_and(|c| is_break(*c));
            space_break |= is_break(*c) && before == Some(&' ');
        }
        let edges = [first, last].into_iter().any(|c| *c == ' ' || is_break(*c));
        let plain = !(edges || break_space || space_break || special || multiline);
        Allowed {
            flow_plain: plain && !flow,
            block_plain: plain && !block,
            single: !(break_space || space_break || special),
            multiline,
        }
    }
}

/// Whether a plain scalar is read back as text.
fn resolves_to_text(text: &str) -> bool {
    static OTHER: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(concat!(
            r"^(\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?([Tt]|[ \t]+)\d\d?:\d\d:\d\d(\.\d*)?([ \t]*(Z|[-+]\d\d?(:\d\d)?))?",
            r"|[-+]?\d[\d_]*(:[0-5]?\d)+\.[\d_]*|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)|<<|=|[-+]?\d+)$"
        ))
        .ok()
    });
    !text.is_empty() && plain(text).is_string() && !OTHER.as_ref().is_some_and(|other| other.is_match(text))
}
