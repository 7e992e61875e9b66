//! Names and values of parameters, and the lines that set them.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use std::borrow::Cow;

/// A parameter: `net.ipv4.ip_forward` or `net/ipv4/ip_forward`. Whichever separator comes first is one; the other
/// is a part of a name, as in `net.ipv4.conf.eth0/100.forwarding` or `net/ipv4/conf/eth0.100/forwarding`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    name: String,
    /// Below `/proc/sys`.
    path: String,
}

impl Key {
    /// Reads a name, if it is one.
    pub fn parse(name: &str) -> Option<Key> {
        let dotted = name.find(['.', '/']).is_none_or(|at| name[at..].starts_with('.'));
        let swap = |c| match c {
            '.' => '/',
            '/' => '.',
            c => c,
        };
        let path: String = if dotted { name.chars().map(swap).collect() } else { name.to_owned() };
        let plain = !name.contains(|c: char| c.is_whitespace() || c.is_control() || "=#;*?".contains(c));
        let parts = path.split('/').all(|part| !["", ".", ".."].contains(&part));
        (plain && parts && !name.starts_with('-')).then(|| Key { name: name.to_owned(), path })
    }
    /// As it was given.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Where the kernel shows it.
    pub fn path(&self) -> String {
        format!("/proc/sys/{}", self.path)
    }
    /// Whether a line sets it: the value that it sets.
    fn value_in<'a>(&self, line: &'a str) -> Option<&'a str> {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            return None;
        }
        // A dash says that errors do not matter.
        let (name, value) = line.strip_prefix('-').unwrap_or(line).split_once('=')?;
        (Key::parse(name.trim())?.path == self.path).then_some(value)
    }
    /// A text that sets it to a value, once.
    pub fn set_in(&self, text: &str, value: &str) -> String {
        let mut done = false;
        let mut lines: Vec<String> = Vec::new();
        for line in text.split_inclusive('\n') {
            match self.value_in(line) {
                None => lines.push(line.to_owned()),
                Some(_) if done => {}
                Some(old) => {
                    let dash = if line.trim_start().starts_with('-') { "-" } else { "" };
                    let same = normal(old) == value;
                    lines.push(if same { line.to_owned() } else { format!("{dash}{}={value}\n", self.name) });
                    done = true;
                }
            }
        }
        let mut text = lines.concat();
        if !done {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text += &format!("{}={value}\n", self.name);
        }
        text
    }
    /// A text that does not set it.
    pub fn taken_from(&self, text: &str) -> String {
        text.split_inclusive('\n').filter(|line| self.value_in(line).is_none()).collect()
    }
}

/// A value with one blank between its parts: the kernel writes tabs.
pub fn normal(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        let name = String::deserialize(deserializer)?;
        Key::parse(name.trim())
            .ok_or_else(|| de::Error::custom(format!("`{name}` is no parameter, such as \"vm.swappiness\"")))
    }
}

impl JsonSchema for Key {
    fn schema_name() -> Cow<'static, str> {
        "Key".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// A value: text, a number, or true and false.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting(String);

impl Setting {
    /// As the kernel takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Setting, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Setting;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a value such as 1 or \"4096 87380 16777216\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Setting, E> {
                let text = normal(text);
                match text.to_ascii_lowercase().as_str() {
                    "" => Err(E::custom("a parameter has a value: this one is empty")),
                    "yes" | "on" | "true" => Ok(Setting("1".to_owned())),
                    "no" | "off" | "false" => Ok(Setting("0".to_owned())),
                    _ => Ok(Setting(text)),
                }
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Setting, E> {
                Ok(Setting(u8::from(value).to_string()))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Setting, E> {
                Ok(Setting(value.to_string()))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Setting, E> {
                Ok(Setting(value.to_string()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Setting {
    fn schema_name() -> Cow<'static, str> {
        "Setting".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer", "boolean"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_where_the_kernel_has_it() {
        for (name, path) in [
            ("vm.swappiness", "vm/swappiness"),
            ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
            ("net.ipv4.conf.eth0/100.forwarding", "net/ipv4/conf/eth0.100/forwarding"),
            ("net/ipv4/conf/eth0.100/forwarding", "net/ipv4/conf/eth0.100/forwarding"),
        ] {
            assert_eq!(Key::parse(name).unwrap().path(), format!("/proc/sys/{path}"));
        }
        for wrong in ["", "..", "a..b", "/etc/passwd", "net/../../x", "a b", "a=1", "-vm.x", "net.*.x"] {
            assert_eq!(Key::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_line_is_set_once_and_the_others_stay() {
        let key = Key::parse("net.ipv4.tcp_rmem").unwrap();
        let text = "# net.ipv4.tcp_rmem=1\n -net/ipv4/tcp_rmem = 1 2 3\nvm.x=1 \nnet.ipv4.tcp_rmem=9";
        assert_eq!(key.set_in(text, "4 5 6"), "# net.ipv4.tcp_rmem=1\n-net.ipv4.tcp_rmem=4 5 6\nvm.x=1 \n");
        let same = "net.ipv4.tcp_rmem =\t1\t2  3\nx";
        assert_eq!(key.set_in(same, "1 2 3"), same);
        assert_eq!(key.set_in("x", "1"), "x\nnet.ipv4.tcp_rmem=1\n");
        assert_eq!(key.set_in("", "1"), "net.ipv4.tcp_rmem=1\n");
        assert_eq!(key.taken_from(text), "# net.ipv4.tcp_rmem=1\nvm.x=1 \n");
    }

    #[test]
    fn a_value_is_what_the_kernel_takes() {
        for (given, value) in [("1", "1"), ("true", "1"), ("\"off\"", "0"), ("\"4096\\t87380  16\"", "4096 87380 16")] {
            assert_eq!(serde_json::from_str::<Setting>(given).unwrap().as_str(), value);
        }
        assert!(serde_json::from_str::<Setting>("\" \"").is_err());
    }
}
