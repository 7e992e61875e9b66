//! Python's loose versions: numbers and letters, compared piece by piece.

use std::cmp::Ordering;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Number(u64),
    Word(String),
}

fn pieces(version: &str) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut rest = version;
    while let Some(first) = rest.chars().next() {
        let same = |c: char| match first {
            c0 if c0.is_ascii_digit() => c.is_ascii_digit(),
            c0 if c0.is_ascii_lowercase() => c.is_ascii_lowercase(),
            _ => !c.is_ascii_digit() && !c.is_ascii_lowercase() && c != '.',
        };
        if first == '.' {
            rest = &rest[1..];
            continue;
        }
        let end = rest.find(|c| !same(c)).unwrap_or(rest.len());
        let piece = &rest[..end];
        out.push(piece.parse().map_or_else(|_| Piece::Word(piece.to_owned()), Piece::Number));
        rest = &rest[end..];
    }
    out
}

/// How one version stands to another.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    pieces(a).cmp(&pieces(b))
}
