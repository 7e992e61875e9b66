//! Rhai as the line editor sees it: pieces with a kind, however unfinished the text is.

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A word.
    Word,
    /// A number.
    Number,
    /// A string, quotes included; the parts of a text with `${...}` around those.
    Text,
    /// A comment.
    Comment,
    /// Blanks and newlines.
    Blank,
    /// An opening bracket: `(`, `[`, `{`, `#{`, `${`.
    Open,
    /// A closing bracket.
    Close,
    /// Anything else: operators, commas, colons.
    Sign,
}

/// A piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What it is.
    pub kind: Kind,
    /// Where it begins, in bytes.
    pub at: usize,
    /// The text.
    pub text: &'a str,
    /// Whether it ends where it should: an open string or comment does not.
    pub whole: bool,
}

/// Signs of more than one character, the longest first.
const SIGNS: &[&str] = &[
    "...", "..=", "<<=", ">>=", "**=", "::", "..", "=>", "==", "!=", "<=", ">=", "&&", "||", "+=", "-=", "*=", "/=",
    "%=", "&=", "|=", "^=", "**", "<<", ">>", "??", "?.",
];

/// The pieces of a text. Nothing is left out: together they are the text.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    // Inside of texts with `${`: how many brackets are open since.
    let mut inside: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let resumes = rest.starts_with('}') && inside.last() == Some(&0);
        let (kind, length, whole) = if resumes {
            inside.pop();
            found.push(Piece { kind: Kind::Close, at, text: &text[at..at + 1], whole: true });
            at += 1;
            if at == text.len() {
                found.push(Piece { kind: Kind::Text, at, text: "", whole: false });
                break;
            }
            let (length, whole) = template(&text[at..], 0);
            (Kind::Text, length, whole)
        } else {
            piece(rest)
        };
        match kind {
            Kind::Open => inside.iter_mut().last().into_iter().for_each(|depth| *depth += 1),
            Kind::Close => inside.iter_mut().last().into_iter().for_each(|depth| *depth = depth.saturating_sub(1)),
            _ => {}
        }
        if length > 0 {
            found.push(Piece { kind, at, text: &text[at..at + length], whole });
        }
        at += length;
        let template = kind == Kind::Text && (resumes || rest.starts_with('`'));
        if template && whole && text[at..].starts_with("${") {
            found.push(Piece { kind: Kind::Open, at, text: &text[at..at + 2], whole: true });
            inside.push(0);
            at += 2;
        }
    }
    found
}

fn piece(rest: &str) -> (Kind, usize, bool) {
    let span = |is: fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
    let Some(first) = rest.chars().next() else { return (Kind::Blank, 0, true) };
    match first {
        c if c.is_whitespace() => (Kind::Blank, span(char::is_whitespace), true),
        '/' if rest.starts_with("//") => (Kind::Comment, rest.find('\n').unwrap_or(rest.len()), true),
        '/' if rest.starts_with("/*") => {
            let (length, whole) = block_comment(rest);
            (Kind::Comment, length, whole)
        }
        '"' => {
            let (length, whole) = quoted(rest, '"');
            (Kind::Text, length, whole)
        }
        '\'' => {
            let (length, whole) = quoted(rest, '\'');
            (Kind::Text, length, whole)
        }
        '`' => {
            let (length, whole) = template(rest, 1);
            (Kind::Text, length, whole)
        }
        '#' if rest.starts_with("#{") => (Kind::Open, 2, true),
        '#' if rest.trim_start_matches('#').starts_with('"') => {
            let marks = rest.len() - rest.trim_start_matches('#').len();
            let end = format!("\"{}", "#".repeat(marks));
            let found = rest[marks + 1..].find(&end).map(|at| marks + 1 + at + end.len());
            (Kind::Text, found.unwrap_or(rest.len()), found.is_some())
        }
        '(' | '[' | '{' => (Kind::Open, 1, true),
        ')' | ']' | '}' => (Kind::Close, 1, true),
        c if c.is_ascii_digit() => {
            let mut length = span(|c| c.is_ascii_alphanumeric() || c == '_');
            if rest[length..].starts_with('.') && rest[length + 1..].starts_with(|c: char| c.is_ascii_digit()) {
                let after = &rest[length + 1..];
                length += 1 + after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
            }
            (Kind::Number, length, true)
        }
        c if c.is_alphabetic() || c == '_' => (Kind::Word, span(|c| c.is_alphanumeric() || c == '_'), true),
        c => {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            (Kind::Sign, sign.map_or(c.len_utf8(), |sign| sign.len()), true)
        }
    }
}

/// The length of a text in quotes, and whether it ends.
fn quoted(rest: &str, mark: char) -> (usize, bool) {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            // Such a text ends with its line, unless the newline is escaped.
            '\n' => return (at, false),
            c if c == mark => return (at + 1, true),
            _ => {}
        }
    }
    (rest.len(), false)
}

/// The length of a text in backticks up to its end or the next `${`, and whether it comes to one.
fn template(rest: &str, from: usize) -> (usize, bool) {
    let end = rest[from..].find('`').map(|at| from + at + 1);
    let hole = rest[from..].find("${").map(|at| from + at);
    match (end, hole) {
        (Some(end), Some(hole)) if hole < end => (hole, true),
        (Some(end), _) => (end, true),
        (None, Some(hole)) => (hole, true),
        (None, None) => (rest.len(), false),
    }
}

/// The length of a comment with comments in it, and whether it ends.
fn block_comment(rest: &str) -> (usize, bool) {
    let mut depth = 0usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return (at, true);
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    (rest.len(), false)
}

/// Whether more lines must come before a text can be read: something is open, or it ends in an operator.
pub fn unfinished(text: &str) -> bool {
    if text.trim_start().starts_with(':') {
        return false;
    }
    let all = pieces(text);
    let mut depth = 0i64;
    for piece in &all {
        match piece.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth -= 1,
            // A text in double quotes that does not end with its line is an error, not a beginning.
            Kind::Text if !piece.whole => return !piece.text.starts_with(['"', '\'']) || piece.text.ends_with('\\'),
            Kind::Comment if !piece.whole => return true,
            _ => {}
        }
    }
    let last = all.iter().rev().find(|piece| !matches!(piece.kind, Kind::Blank | Kind::Comment));
    // `||` alone is a closure without arguments as well.
    let waits =
        last.is_some_and(|piece| piece.kind == Kind::Sign && !matches!(piece.text, ";" | "?" | "!" | "|" | "_"));
    depth > 0 || (depth == 0 && waits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_line_goes_on() {
        for text in [
            "play(\"x\", \"all\", |host| {",
            "let map = #{",
            "[1,",
            "f(1, 2",
            "`a ${1 + 2} b",
            "`a ${ 1 +",
            "`a ${x}",
            "1 +",
            "let x =",
            "a &&",
            "/* a /* b */",
            "#\"raw \" text",
            "if x { 1 } else {",
            "\"a \\",
        ] {
            assert!(unfinished(text), "{text}");
        }
    }

    #[test]
    fn a_finished_or_hopeless_line_is_taken() {
        for text in [
            "",
            "1",
            "1;",
            "f(1)",
            "\"{\"",
            "\"a",
            "'x",
            "`a ${f(`b ${c} }`)} d`",
            "// {",
            "/* { */",
            "f(1))",
            "}",
            ":on a:!b,",
            ":save (",
            "file::line?",
            "#\"raw { text\"#",
            "\"quoted \\\" { text\"",
            "x.map(|i| i * 2)",
            "let c = '{';",
        ] {
            assert!(!unfinished(text), "{text}");
        }
    }

    #[test]
    fn the_pieces_are_the_text() {
        for text in ["`a ${f(`b ${c} }`)} d` + 1.5e3..2 #{ a: \"é\" } // ü", "`${", "`${}", "#", "ß(1", "/* é", "\"é\\"]
        {
            let joined: String = pieces(text).iter().map(|piece| piece.text).collect();
            assert_eq!(joined, text);
        }
    }
}
