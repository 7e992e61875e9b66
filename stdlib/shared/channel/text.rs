//! Texts as services take them: spelled in their way, and no longer than they allow.

use std::borrow::Cow;

/// What a service counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of UTF-8.
    Byte,
    /// Characters.
    Char,
    /// Halves of UTF-16, in which characters such as emoji count twice.
    Utf16,
}

impl Unit {
    fn size(self, text: &str) -> usize {
        match self {
            Unit::Byte => text.len(),
            Unit::Char => text.chars().count(),
            Unit::Utf16 => text.encode_utf16().count(),
        }
    }
}

/// What stands where a text was cut.
pub const CUT: &str = "… (cut)";

/// How a character is spelled; the text before it tells whether it begins a line.
pub type Spelling = fn(char, &str) -> Cow<'static, str>;

/// A text in a service's spelling, cut between two characters if it is longer than the service allows.
pub fn fit(text: &str, limit: usize, unit: Unit, spell: Spelling) -> String {
    let room = limit.saturating_sub(unit.size(CUT));
    let (mut out, mut size, mut short) = (String::new(), 0, 0);
    for c in text.chars() {
        let spelled = spell(c, &out);
        size += unit.size(&spelled);
        out += &spelled;
        if size <= room {
            short = out.len();
        }
        if size > limit {
            out.truncate(short);
            return out + CUT;
        }
    }
    out
}

/// As it is.
pub fn plain(c: char, _before: &str) -> Cow<'static, str> {
    c.to_string().into()
}

/// As HTML has it.
pub fn html(c: char, _before: &str) -> Cow<'static, str> {
    match c {
        '&' => "&amp;".into(),
        '<' => "&lt;".into(),
        '>' => "&gt;".into(),
        other => other.to_string().into(),
    }
}

/// So that Markdown shows it as it is.
pub fn no_markdown(c: char, before: &str) -> Cow<'static, str> {
    let begins = before.is_empty() || before.ends_with('\n');
    match c {
        '\\' | '*' | '_' | '~' | '`' | '|' => format!("\\{c}").into(),
        '#' | '>' | '-' | '+' if begins => format!("\\{c}").into(),
        other => other.to_string().into(),
    }
}

/// A text in one line: nothing in it ends a line or a header.
pub fn one_line(text: &str) -> String {
    text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A word as forms and addresses spell it.
pub fn encoded(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    word.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_says_so() {
        assert_eq!(fit("12345678", 8, Unit::Char, plain), "12345678");
        assert_eq!(fit("123456789", 8, Unit::Char, plain), format!("1{CUT}"));
        // The dots take three bytes, an umlaut two: what fits is whole.
        let cut = fit(&"ü".repeat(20), 16, Unit::Byte, plain);
        assert_eq!((cut.as_str(), cut.len()), (format!("ü{}{CUT}", "ü".repeat(2)).as_str(), 15));
        assert_eq!(Unit::Utf16.size(&fit(&"🙂".repeat(9), 10, Unit::Utf16, plain)), 9);
        // What is spelled in several characters stays whole.
        assert_eq!(fit("&&&&&", 14, Unit::Char, html), format!("&amp;{CUT}"));
        assert_eq!(fit("", 4, Unit::Char, plain), "");
    }

    #[test]
    fn markup_in_a_plain_text_is_text() {
        assert_eq!(fit("- a_b *c*\n# 1 - 2", 99, Unit::Char, no_markdown), "\\- a\\_b \\*c\\*\n\\# 1 - 2");
        assert_eq!(fit("a < b && c", 99, Unit::Char, html), "a &lt; b &amp;&amp; c");
    }

    #[test]
    fn a_title_cannot_smuggle_a_header() {
        assert_eq!(one_line("done\r\nBcc: eve@example.com\n"), "done Bcc: eve@example.com");
    }
}
