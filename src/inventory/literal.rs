//! Python's literals, as Ansible reads the values of INI inventories: `80`, `['a', 1]`, `{'k': None}`. What is no
//! literal is text.

use serde_json::{Map, Number, Value};

/// The value of a text: what Python's `ast.literal_eval` makes of it, or the text itself.
pub(super) fn value(text: &str) -> Value {
    literal(text).unwrap_or_else(|| Value::String(text.to_owned()))
}

fn literal(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text.trim_start_matches([' ', '\t']), depth: 0 };
    let value = reader.tuple(&[])?;
    reader.space();
    // A comment may follow, as in any line of Python.
    (reader.rest.is_empty() || reader.rest.starts_with('#')).then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\x0c']);
    }
    /// Whether this comes next; if so, past it.
    fn eat(&mut self, token: &str) -> bool {
        self.space();
        self.rest.strip_prefix(token).map(|rest| self.rest = rest).is_some()
    }
    fn ends(&mut self, ends: &[&str]) -> bool {
        self.space();
        match ends {
            [] => self.rest.is_empty() || self.rest.starts_with('#'),
            ends => ends.iter().any(|end| self.rest.starts_with(end)),
        }
    }
    /// One value, or several with commas, which are a list.
    fn tuple(&mut self, ends: &[&str]) -> Option<Value> {
        let first = self.one()?;
        if !self.eat(",") {
            return Some(first);
        }
        let mut items = vec![first];
        items.extend(self.items(ends)?);
        Some(Value::Array(items))
    }
    /// Values with commas between them and perhaps after them.
    fn items(&mut self, ends: &[&str]) -> Option<Vec<Value>> {
        let mut items = Vec::new();
        while !self.ends(ends) {
            items.push(self.one()?);
            if !self.eat(",") {
                break;
            }
        }
        Some(items)
    }
    fn one(&mut self) -> Option<Value> {
        self.space();
        self.depth += 1;
        if self.depth > 90 {
            return None;
        }
        let value = match self.rest.chars().next()? {
            '[' => {
                self.eat("[");
                let items = self.items(&["]"])?;
                self.eat("]").then_some(Value::Array(items))
            }
            '(' => {
                self.eat("(");
                let value = if self.ends(&[")"]) { Value::Array(Vec::new()) } else { self.tuple(&[")"])? };
                self.eat(")").then_some(value)
            }
            '{' => self.braces(),
            '+' | '-' | '.' | '0'..='9' => self.number(),
            _ => self.word(),
        };
        self.depth -= 1;
        value
    }
    fn braces(&mut self) -> Option<Value> {
        self.eat("{");
        if self.eat("}") {
            return Some(Value::Object(Map::new()));
        }
        let first = self.one()?;
        if !self.eat(":") {
            // A set: a list, without what is there twice.
            let mut items = vec![first];
            if self.eat(",") {
                items.extend(self.items(&["}"])?);
            }
            // What changes cannot be in one: `{{ [1] }}` is a template.
            if items.iter().any(|item| item.is_array() || item.is_object()) {
                return None;
            }
            let mut set: Vec<Value> = Vec::new();
            items.into_iter().for_each(|item| {
                if !set.contains(&item) {
                    set.push(item)
                }
            });
            return self.eat("}").then_some(Value::Array(set));
        }
        let mut map = Map::new();
        map.insert(key(&first)?, self.one()?);
        while self.eat(",") && !self.ends(&["}"]) {
            let name = self.one()?;
            self.eat(":").then_some(())?;
            map.insert(key(&name)?, self.one()?);
        }
        self.eat("}").then_some(Value::Object(map))
    }
    fn number(&mut self) -> Option<Value> {
        if self.rest.starts_with("...") {
            self.rest = &self.rest[3..];
            return Some(Value::from("..."));
        }
        let signed = self.rest.starts_with(['+', '-']);
        let minus = self.rest.starts_with('-');
        if signed {
            self.rest = &self.rest[1..];
            self.space();
        }
        let exponent = |before: &str, c: char| {
            matches!(c, '+' | '-')
                && before.ends_with(['e', 'E'])
                && !before.starts_with("0x")
                && !before.starts_with("0X")
        };
        let mut end = 0;
        for (at, c) in self.rest.char_indices() {
            if !(c.is_ascii_alphanumeric() || c == '_' || c == '.' || exponent(&self.rest[..at], c)) {
                break;
            }
            end = at + 1;
        }
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        let number = number(digits)?;
        Some(match (minus, number.as_i64(), number.as_u64()) {
            (false, ..) => Value::Number(number),
            (true, Some(number), _) => Value::from(-number),
            (true, None, Some(_)) => return None,
            (true, None, None) => Value::from(-number.as_f64()?),
        })
    }
    fn word(&mut self) -> Option<Value> {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        if self.rest[end..].starts_with(['\'', '"']) {
            return self.strings();
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "True" => Some(Value::Bool(true)),
            "False" => Some(Value::Bool(false)),
            "None" => Some(Value::Null),
            // The one call that is a literal.
            "set" if self.eat("(") && self.eat(")") => Some(Value::Array(Vec::new())),
            _ => None,
        }
    }
    /// Strings that follow each other are one.
    fn strings(&mut self) -> Option<Value> {
        let mut text = String::new();
        loop {
            let prefix = self.rest.find(['\'', '"'])?;
            let (letters, rest) = self.rest.split_at(prefix);
            let letters = letters.to_lowercase();
            if !matches!(letters.as_str(), "" | "r" | "u" | "b" | "br" | "rb") {
                return None;
            }
            self.rest = rest;
            self.string(letters.contains('r'), letters.contains('b'), &mut text)?;
            self.space();
            let end = self.rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(self.rest.len());
            if !self.rest[end..].starts_with(['\'', '"']) {
                return Some(Value::String(text));
            }
        }
    }
    fn string(&mut self, raw: bool, bytes: bool, text: &mut String) -> Option<()> {
        let long = ["'''", "\"\"\""].into_iter().find(|mark| self.rest.starts_with(mark));
        let mark = long.unwrap_or(&self.rest[..1]);
        self.rest = &self.rest[mark.len()..];
        loop {
            if let Some(rest) = self.rest.strip_prefix(mark) {
                self.rest = rest;
                return Some(());
            }
            let mut chars = self.rest.chars();
            let c = chars.next()?;
            self.rest = chars.as_str();
            if bytes && !c.is_ascii() {
                return None;
            }
            if c != '\\' {
                text.push(c);
            } else if raw {
                text.push(c);
                text.push(chars.next()?);
                self.rest = chars.as_str();
            } else {
                self.escape(bytes, text)?;
            }
        }
    }
    fn escape(&mut self, bytes: bool, text: &mut String) -> Option<()> {
        let c = self.rest.chars().next()?;
        if c.is_digit(8) {
            let count = self.rest.chars().take(3).take_while(|c| c.is_digit(8)).count();
            return self.code(count, 8, text);
        }
        self.rest = &self.rest[c.len_utf8()..];
        let plain = match c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0c',
            'v' => '\x0b',
            '\\' | '\'' | '"' => c,
            'x' => return self.code(2, 16, text),
            'u' if !bytes => return self.code(4, 16, text),
            'U' if !bytes => return self.code(8, 16, text),
            'N' if !bytes => return None,
            other => {
                text.push('\\');
                other
            }
        };
        text.push(plain);
        Some(())
    }
    fn code(&mut self, count: usize, radix: u32, text: &mut String) -> Option<()> {
        let digits = self.rest.get(..count)?;
        text.push(char::from_u32(u32::from_str_radix(digits, radix).ok()?)?);
        self.rest = &self.rest[count..];
        Some(())
    }
}

/// A key of a map as JSON writes it.
fn key(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => None,
        scalar => Some(scalar.to_string()),
    }
}

/// A number without its sign; none if Python would not read it, or JSON could not hold it.
fn number(text: &str) -> Option<Number> {
    let bare = |text: &str, digit: fn(char) -> bool| {
        let single = !text.starts_with('_') && !text.ends_with('_') && !text.contains("__");
        (single && !text.is_empty() && text.chars().all(|c| digit(c) || c == '_')).then(|| text.replace('_', ""))
    };
    let lower = text.to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = lower.strip_prefix(prefix) {
            let digits = bare(digits.strip_prefix('_').unwrap_or(digits), |c| c.is_ascii_hexdigit())?;
            return u64::from_str_radix(&digits, radix).ok().map(Number::from);
        }
    }
    if let Some(digits) = bare(&lower, |c| c.is_ascii_digit()) {
        let zeros = digits.starts_with('0') && digits.bytes().any(|digit| digit != b'0');
        return if zeros { None } else { digits.parse::<u64>().ok().map(Number::from) };
    }
    let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| if text.is_empty() { Some(String::new()) } else { bare(text, |c| c.is_ascii_digit()) };
    let (whole, part) = (digits(whole)?, digits(part)?);
    let exponent = bare(exponent.strip_prefix(['+', '-']).unwrap_or(exponent), |c| c.is_ascii_digit())
        .map(|digits| if exponent.starts_with('-') { format!("-{digits}") } else { digits })?;
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let number: f64 = format!("{whole}.{part}e{exponent}").parse().ok()?;
    Number::from_f64(number)
}

#[cfg(test)]
mod tests {
    use super::value;
    use serde_json::json;

    #[test]
    fn values_are_read_as_python_reads_literals() {
        for (text, want) in [
            ("", json!("")),
            ("5", json!(5)),
            ("-5", json!(-5)),
            ("+ 5", json!(5)),
            ("--5", json!("--5")),
            ("0644", json!("0644")),
            ("00", json!(0)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("0b101", json!(5)),
            ("1_000", json!(1000)),
            ("1__0", json!("1__0")),
            ("1e3", json!(1000.0)),
            ("1.", json!(1.0)),
            (".5", json!(0.5)),
            ("-1.5E-2", json!(-0.015)),
            (".", json!(".")),
            ("...", json!("...")),
            ("1.2.3", json!("1.2.3")),
            ("1+1", json!("1+1")),
            ("5 # five", json!(5)),
            ("five # 5", json!("five # 5")),
            ("True", json!(true)),
            ("true", json!("true")),
            ("None", json!(null)),
            ("80,443", json!([80, 443])),
            ("5,", json!([5])),
            ("a,b", json!("a,b")),
            ("()", json!([])),
            ("(1, (2,), 'x',)", json!([1, [2], "x"])),
            ("[1, 'a', [True, None], ]", json!([1, "a", [true, null]])),
            ("[a]", json!("[a]")),
            ("[,]", json!("[,]")),
            ("{'a': 1, 2: [3], None: 4,}", json!({"a": 1, "2": [3], "null": 4})),
            ("{1, 1, 2}", json!([1, 2])),
            ("{}", json!({})),
            ("set()", json!([])),
            ("'a' \"b\"", json!("ab")),
            (r"'a\tb\x41\101\u00e9\q'", json!("a\tbAAé\\q")),
            (r"r'a\tb'", json!("a\\tb")),
            ("b'x'", json!("x")),
            ("f'x'", json!("f'x'")),
            ("'''a'b'''", json!("a'b")),
            ("'open", json!("'open")),
            ("it's", json!("it's")),
            ("{{ x }}", json!("{{ x }}")),
            ("{{ [1, 2] }}", json!("{{ [1, 2] }}")),
            ("{{ 5 }}", json!("{{ 5 }}")),
            ("2020-01-01", json!("2020-01-01")),
            ("99999999999999999999999", json!("99999999999999999999999")),
        ] {
            assert_eq!(value(text), want, "{text}");
        }
    }
}
