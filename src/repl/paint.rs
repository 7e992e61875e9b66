//! The colours of a line while it is typed.

use super::Known;
use super::lex::{Kind, Piece, pieces};
use crate::script::KEYWORDS;

/// What a piece of a line is to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Nothing special.
    Plain,
    /// `let`, `if`, `for`...
    Keyword,
    /// `play`, `on`, `task`...
    Play,
    /// A module or an import, with what is called in it.
    Module,
    /// What there is not: a module, or a function in it.
    Wrong,
    /// A text.
    Text,
    /// A number, `true`, `false`.
    Number,
    /// The name of an argument.
    Argument,
    /// A comment.
    Comment,
    /// A command of the prompt.
    Command,
    /// The host, and the last result.
    Special,
}

/// A line in pieces, each with its class.
pub fn classes<'a>(text: &'a str, known: &Known) -> Vec<(Class, &'a str)> {
    let margin = text.len() - text.trim_start().len();
    if text[margin..].starts_with(':') {
        let end = text[margin..].find(char::is_whitespace).map_or(text.len(), |at| margin + at);
        return vec![(Class::Command, &text[..end]), (Class::Plain, &text[end..])];
    }
    let all = pieces(text);
    (0..all.len()).map(|index| (class(&all, index, known), all[index].text)).collect()
}

fn class(all: &[Piece], index: usize, known: &Known) -> Class {
    let piece = all[index];
    let sign = |at: Option<usize>| at.and_then(|at| all.get(at)).map_or("", |piece| piece.text);
    let (before, after) = (sign(index.checked_sub(1)), sign(Some(index + 1)));
    match piece.kind {
        Kind::Text => Class::Text,
        Kind::Comment => Class::Comment,
        Kind::Number => Class::Number,
        Kind::Word if after == "::" => {
            if known.has_module(piece.text) {
                Class::Module
            } else {
                Class::Wrong
            }
        }
        Kind::Word if before == "::" => {
            let module = sign(index.checked_sub(2));
            let typing = index + 1 == all.len();
            let good = known.has(module, piece.text) || (typing && known.begins(module, piece.text));
            if good { Class::Module } else { Class::Wrong }
        }
        Kind::Word => word(piece.text, before, after),
        Kind::Blank | Kind::Open | Kind::Close | Kind::Sign => Class::Plain,
    }
}

fn word(word: &str, before: &str, after: &str) -> Class {
    match word {
        _ if before == "." => Class::Plain,
        "true" | "false" => Class::Number,
        "host" | "_" => Class::Special,
        _ if after == ":" => Class::Argument,
        _ if KEYWORDS.contains(&word) => Class::Keyword,
        _ if crate::script::word(word).is_some() => Class::Play,
        _ => Class::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_has_its_colour() {
        let known = Known { imports: vec![("lib".to_owned(), vec!["up".to_owned()])], ..Known::default() };
        for (text, classes) in [
            ("let x = 1;", "let=Keyword 1=Number"),
            ("file::line(\"/a\", #{ line: \"b\" })", "file=Module line=Module \"/a\"=Text line=Argument \"b\"=Text"),
            ("fiel::line()", "fiel=Wrong line=Wrong"),
            ("file::lin", "file=Module lin=Module"),
            ("file::lni", "file=Module lni=Wrong"),
            ("file::lin()", "file=Module lin=Wrong"),
            ("lib::up()", "lib=Module up=Module"),
            ("on(\"a\", || host.name) // all", "on=Play \"a\"=Text host=Special // all=Comment"),
            ("_.len()", "_=Special"),
            ("  :on web", "  :on=Command"),
            ("`a ${1}`", "`a =Text 1=Number `=Text"),
        ] {
            let found = super::classes(text, &known);
            let joined: String = found.iter().map(|(_, text)| *text).collect();
            assert_eq!(joined, text);
            let shown = found.iter().filter(|(class, _)| *class != Class::Plain);
            let shown: Vec<String> = shown.map(|(class, text)| format!("{text}={class:?}")).collect();
            assert_eq!(shown.join(" "), classes, "{text}");
        }
    }
}
