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

/// A semantic version: three numbers, and what comes before the release. What follows a `+` does not count.
fn semantic(version: &str) -> Option<([u64; 3], Option<Vec<Piece>>)> {
    let core = version.split('+').next().unwrap_or_default();
    let (core, before) = core.split_once('-').map_or((core, None), |(core, before)| (core, Some(before)));
    let numbers: Vec<u64> = core.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let piece = |part: &str| part.parse().map_or_else(|_| Piece::Word(part.to_owned()), Piece::Number);
    Some((numbers.try_into().ok()?, before.map(|before| before.split('.').map(piece).collect())))
}

/// How one semantic version stands to another; none if one of them is none.
pub(super) fn compare_semantic(a: &str, b: &str) -> Option<Ordering> {
    let ((a, before_a), (b, before_b)) = (semantic(a)?, semantic(b)?);
    Some(a.cmp(&b).then_with(|| match (before_a, before_b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => a.cmp(&b),
    }))
}
