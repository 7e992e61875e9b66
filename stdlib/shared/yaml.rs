//! The one YAML door: text in, a tree that knows where each key stands out; and JSON values back to text.
//!
//! Scalars are read as Ansible (PyYAML, YAML 1.1) reads them: `yes` is true, `0644` is octal, `12:30` is a
//! number in base 60. A file that is JSON is read by JSON's rules. `!vault` and `!unsafe` text become maps with
//! one key, [`VAULT`] or [`UNSAFE`], as in Ansible's own JSON.

use crate::contract::{Error, Site};
use regex::Regex;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Map, Number, Value};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// The one key of a map that stands for encrypted text.
pub const VAULT: &str = "__ansible_vault";
/// The one key of a map that stands for text that is never a template.
pub const UNSAFE: &str = "__ansible_unsafe";

/// The text of a map that stands for marked text: [`VAULT`] or [`UNSAFE`].
pub fn marked<'a>(mark: &str, value: &'a Value) -> Option<&'a str> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    map.get(mark)?.as_str()
}

fn mark(mark: &str, text: &str) -> Value {
    Value::Object(Map::from_iter([(mark.to_owned(), Value::from(text))]))
}

/// A value and where it begins.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub data: Data,
    /// Where it begins.
    pub site: Site,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub enum Data {
    /// Null, a boolean, a number or text.
    Scalar(Value),
    /// A list.
    List(Vec<Arc<Node>>),
    /// A map, in the order of the file.
    Map(Vec<Entry>),
}

/// One key of a map.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key as text.
    pub key: String,
    /// Where the key stands.
    pub site: Site,
    /// Its value.
    pub value: Arc<Node>,
}

impl Node {
    /// The same as JSON, without places.
    pub fn to_json(&self) -> Value {
        match &self.data {
            Data::Scalar(value) => value.clone(),
            Data::List(items) => items.iter().map(|item| item.to_json()).collect(),
            Data::Map(entries) => {
                Value::Object(entries.iter().map(|e| (e.key.clone(), e.value.to_json())).collect::<Map<_, _>>())
            }
        }
    }
    /// Whether there is nothing here.
    pub fn is_null(&self) -> bool {
        matches!(self.data, Data::Scalar(Value::Null))
    }
    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        match &self.data {
            Data::Scalar(Value::Null) => "nothing",
            Data::Scalar(Value::Bool(_)) => "a boolean",
            Data::Scalar(Value::Number(_)) => "a number",
            Data::Scalar(_) => "text",
            Data::List(_) => "a list",
            Data::Map(_) => "a map",
        }
    }
}

/// Reads one document; `file` is its name in errors. All that is wrong comes back at once, each error with its
/// line and column. An empty document is null.
pub fn parse(file: &str, text: &str) -> Result<Node, Vec<Error>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let json: Option<Value> = text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten();
    let mut reader = Reader {
        file,
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        errors: Vec::new(),
        nodes: 0,
        json: json.is_some(),
        r#unsafe: 0,
    };
    match (reader.document(), json) {
        (Ok(node), _) if reader.errors.is_empty() => Ok(node),
        // JSON that YAML cannot read: its values count, without their places.
        (Err(_), Some(value)) => Ok(unplaced(&value, &Site { file: file.to_owned(), ..Site::default() })),
        (Ok(_), _) => Err(reader.errors),
        (Err(error), None) => Err(vec![error]),
    }
}

/// A value whose parts are all in one place.
fn unplaced(value: &Value, site: &Site) -> Node {
    let node = |value: &Value| Arc::new(unplaced(value, site));
    let data = match value {
        Value::Array(items) => Data::List(items.iter().map(node).collect()),
        Value::Object(map) => {
            let entry =
                |(key, value): (&String, &Value)| Entry { key: key.clone(), site: site.clone(), value: node(value) };
            Data::Map(map.iter().map(entry).collect())
        }
        scalar => Data::Scalar(scalar.clone()),
    };
    Node { data, site: site.clone() }
}

struct Reader<'a> {
    file: &'a str,
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Arc<Node>>,
    errors: Vec<Error>,
    nodes: usize,
    /// The file is JSON.
    json: bool,
    /// How many `!unsafe` there are around.
    r#unsafe: usize,
}

impl<'a> Reader<'a> {
    fn site(&self, span: &Span) -> Site {
        Site { file: self.file.to_owned(), line: span.start.line(), column: span.start.col() + 1 }
    }
    fn next(&mut self) -> Result<(Event<'a>, Span), Error> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let at = error.marker();
                let site = Site { file: self.file.to_owned(), line: at.line(), column: at.col() + 1 };
                let wrong = Error::playbook(format!("not YAML: {}", error.info())).at(site);
                Err(wrong.hint("indent with spaces, and quote text that begins with `{`, `*`, `&`, `%` or `@`"))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }
    fn document(&mut self) -> Result<Node, Error> {
        let site = Site { file: self.file.to_owned(), line: 1, column: 1 };
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root.unwrap_or(Node { data: Data::Scalar(Value::Null), site })),
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
                _ if root.is_some() => {
                    let wrong = Error::playbook("a second document in one file");
                    return Err(wrong.at(self.site(&span)).hint("keep one document, without a `---` in between"));
                }
                event => root = Some(Arc::unwrap_or_clone(self.node(event, &span, 0)?)),
            }
        }
    }
    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Arc<Node>, Error> {
        let site = self.site(span);
        self.nodes += 1;
        if depth > 100 || self.nodes > 1_000_000 {
            return Err(Error::playbook("too deep or too large to be meant").at(site));
        }
        let (data, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(&text, style, tag.as_deref(), &site);
                (Data::Scalar(value), anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                let within = usize::from(is_unsafe(tag.as_deref()));
                self.r#unsafe += within;
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.node(event, &span, depth + 1)?),
                    }
                }
                self.r#unsafe -= within;
                (Data::List(items), anchor)
            }
            Event::MappingStart(anchor, tag) => {
                let within = usize::from(is_unsafe(tag.as_deref()));
                self.r#unsafe += within;
                let map = self.map(depth)?;
                self.r#unsafe -= within;
                (Data::Map(map), anchor)
            }
            Event::Alias(id) => {
                let node = self.anchors.get(&id).cloned();
                return node.ok_or_else(|| Error::playbook("an alias inside of its own anchor").at(site));
            }
            _ => return Err(Error::playbook("not YAML: the document ends too early").at(site)),
        };
        let node = Arc::new(Node { data, site });
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }
    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, Error> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, _) if text == "<<");
            let plain = match &event {
                Event::Scalar(text, ..) => Some(text.to_string()),
                _ => None,
            };
            let within = std::mem::take(&mut self.r#unsafe);
            let key = self.node(event, &span, depth + 1)?;
            self.r#unsafe = within;
            let (event, span) = self.next()?;
            let value = self.node(event, &span, depth + 1)?;
            let name = match (&key.data, plain) {
                (Data::Scalar(Value::String(text)), _) => text.clone(),
                // A key that only looks like a number or boolean is taken as it is written.
                (Data::Scalar(_), Some(text)) => text,
                _ => {
                    self.errors.push(
                        Error::playbook("a key must be a word")
                            .at(key.site.clone())
                            .hint("a value that begins with `{{` must be quoted: \"{{ name }}\""),
                    );
                    continue;
                }
            };
            if merge {
                merged.extend(self.merge(&value));
            } else if let Some(first) = entries.iter().find(|e| e.key == name) {
                let wrong = Error::playbook(format!("`{name}` is written twice")).at(key.site.clone());
                self.errors.push(wrong.hint(format!("the first is at line {}; only one can count", first.site.line)));
            } else {
                entries.push(Entry { key: name, site: key.site.clone(), value });
            }
        }
        for entry in merged {
            if entries.iter().all(|e| e.key != entry.key) {
                entries.push(entry);
            }
        }
        Ok(entries)
    }
    /// The entries that `<<: value` brings.
    fn merge(&mut self, value: &Node) -> Vec<Entry> {
        match &value.data {
            Data::Map(entries) => entries.clone(),
            Data::List(items) => items.iter().flat_map(|item| self.merge(item)).collect(),
            Data::Scalar(_) => {
                self.errors.push(Error::playbook("`<<` takes a map or a list of maps").at(value.site.clone()));
                Vec::new()
            }
        }
    }
    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, site: &Site) -> Value {
        let plain = |text: &str| if self.json { serde_json::from_str(text).unwrap_or_default() } else { plain(text) };
        let value = match tag.map(|tag| (tag.is_yaml_core_schema(), tag.suffix.as_str())) {
            Some((false, "vault" | "vault-encrypted")) => return mark(VAULT, text),
            Some((true, "int" | "float" | "bool" | "null")) => plain(text),
            Some((true, _)) => Value::from(text),
            Some((false, "unsafe")) | None if style == ScalarStyle::Plain => plain(text),
            Some((false, name)) if name != "unsafe" => {
                let wrong = Error::playbook(format!("unknown tag `!{name}`")).at(site.clone());
                self.errors.push(wrong.hint("`!vault` and `!unsafe` are known"));
                Value::Null
            }
            _ => Value::from(text),
        };
        match value {
            Value::String(text) if self.r#unsafe > 0 || is_unsafe(tag) => mark(UNSAFE, &text),
            value => value,
        }
    }
}

fn is_unsafe(tag: Option<&Tag>) -> bool {
    tag.is_some_and(|tag| !tag.is_yaml_core_schema() && tag.suffix == "unsafe")
}

/// A plain scalar as YAML 1.1 (PyYAML) reads it.
pub fn plain(text: &str) -> Value {
    static INT: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"^[-+]?(0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*(:[0-5]?[0-9])+)$").ok()
    });
    static FLOAT: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"^([-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?|\.[0-9][0-9_]*([eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*)$").ok()
    });
    let is = |regex: &LazyLock<Option<Regex>>| regex.as_ref().is_some_and(|r| r.is_match(text));
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Value::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Value::Bool(false),
        _ => {}
    }
    let number = if is(&INT) {
        int(&text.replace('_', "")).map(Number::from)
    } else if is(&FLOAT) {
        float(&text.replace('_', "")).and_then(Number::from_f64)
    } else {
        None
    };
    number.map_or_else(|| Value::String(moment(text).unwrap_or_else(|| text.to_owned())), Value::Number)
}

/// A date with a time, in the one form that Ansible gives it.
fn moment(text: &str) -> Option<String> {
    static MOMENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"^(\d{4})-(\d{1,2})-(\d{1,2})(?:[Tt]|[ \t]+)(\d{1,2}):(\d\d):(\d\d)(?:\.(\d*))?[ \t]*(?:(Z)|([-+])(\d{1,2})(?::(\d\d))?)?$").ok()
    });
    let found = MOMENT.as_ref()?.captures(text)?;
    let part = |i: usize| found.get(i).map_or("", |m| m.as_str());
    let mut moment = format!("{}-{:0>2}-{:0>2}T{:0>2}:{}:{}", part(1), part(2), part(3), part(4), part(5), part(6));
    let micros: String = part(7).chars().chain("000000".chars()).take(6).collect();
    if micros != "000000" {
        moment += &format!(".{micros}");
    }
    match (part(8), part(9)) {
        ("Z", _) => moment += "+00:00",
        (_, "") => {}
        (_, sign) => moment += &format!("{sign}{:0>2}:{:0>2}", part(10), part(11)),
    }
    Some(moment)
}

fn float(text: &str) -> Option<f64> {
    if !text.contains(':') {
        return text.parse().ok();
    }
    let digits = text.trim_start_matches(['-', '+']);
    let number = digits.split(':').try_fold(0.0, |sum: f64, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))?;
    Some(if text.starts_with('-') { -number } else { number })
}

fn int(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let number = if let Some(binary) = digits.strip_prefix("0b") {
        i64::from_str_radix(binary, 2).ok()?
    } else if let Some(hex) = digits.strip_prefix("0x") {
        i64::from_str_radix(hex, 16).ok()?
    } else if digits.contains(':') {
        digits.split(':').try_fold(0i64, |sum, part| sum.checked_mul(60)?.checked_add(part.parse().ok()?))?
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8).ok()?
    } else {
        digits.parse().ok()?
    };
    Some(sign * number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scalars_are_read_as_ansible_reads_them() {
        let cases = [
            ("~", json!(null)),
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("y", json!("y")),
            ("0644", json!(420)),
            ("0o14", json!("0o14")),
            ("0x1f", json!(31)),
            ("1_000", json!(1000)),
            ("12:30:45", json!(45045)),
            ("1.0", json!(1.0)),
            ("1e5", json!("1e5")),
            ("2020-01-01", json!("2020-01-01")),
            ("2020-1-2 3:04:05.5 +2", json!("2020-01-02T03:04:05.500000+02:00")),
            ("2020-01-02t03:04:05Z", json!("2020-01-02T03:04:05+00:00")),
            ("'0644'", json!("0644")),
            ("!!str 12", json!("12")),
            ("!unsafe '{{ x }}'", json!({ "__ansible_unsafe": "{{ x }}" })),
            ("!unsafe [a, 5, {b: c}]", json!([{ "__ansible_unsafe": "a" }, 5, { "b": { "__ansible_unsafe": "c" } }])),
            ("!vault x", json!({ "__ansible_vault": "x" })),
            ("!!int '5'", json!(5)),
            ("190:20:30.5", json!(685230.5)),
            (r#"{"a": 1e3, "b": "\ud83d\ude00", "c": [null]}"#, json!({"a": 1000.0, "b": "😀", "c": [null]})),
            ("1.2.3.4", json!("1.2.3.4")),
            ("-5", json!(-5)),
        ];
        for (text, want) in cases {
            assert_eq!(parse("f", text).unwrap().to_json(), want, "{text}");
        }
    }

    #[test]
    fn anchors_and_merges_are_followed() {
        let text = "base: &b {a: 1, b: 2}\nx:\n  <<: *b\n  a: 3\n";
        assert_eq!(parse("f", text).unwrap().to_json()["x"], json!({"a": 3, "b": 2}));
    }

    #[test]
    fn every_error_has_its_place() {
        let text = "a: 1\nb: !valt x\na: 2\n";
        let errors = parse("f.yml", text).unwrap_err();
        let places: Vec<_> = errors.iter().map(|e| (e.at.clone().unwrap().to_string(), e.message.clone())).collect();
        assert_eq!(places[0], ("f.yml:2:4".to_owned(), "unknown tag `!valt`".to_owned()));
        assert_eq!(places[1].0, "f.yml:3:1");
        let broken = &parse("f.yml", "a: [1\nb: 2\n").unwrap_err()[0];
        assert!(broken.at.as_ref().unwrap().line > 0, "{broken}");
    }
}
