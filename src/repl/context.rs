//! Where in a call the cursor stands.

use super::lex::{Kind, Piece};

/// An open bracket around the cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame<'a> {
    /// `(`, `[`, `{`, `#{` or `${`.
    pub open: &'a str,
    /// What is called, where it is the bracket of a call: `["file", "line"]`.
    pub callee: Vec<&'a str>,
    /// How many arguments or elements are complete.
    pub before: usize,
    /// The keys that a map has so far.
    pub keys: Vec<&'a str>,
    /// The key whose value is being written.
    pub key: Option<&'a str>,
}

/// The open brackets around the end of these pieces, the innermost last.
pub fn frames<'a>(pieces: &[Piece<'a>]) -> Vec<Frame<'a>> {
    let solid: Vec<&Piece> = pieces.iter().filter(|p| !matches!(p.kind, Kind::Blank | Kind::Comment)).collect();
    let mut frames: Vec<Frame> = vec![Frame::default()];
    for (index, piece) in solid.iter().enumerate() {
        let back = |n: usize| index.checked_sub(n).and_then(|at| solid.get(at)).copied();
        match (piece.kind, piece.text) {
            (Kind::Open, open) => {
                let mut callee = Vec::new();
                let mut at = 1;
                while let Some(word) = back(at).filter(|p| open == "(" && p.kind == Kind::Word) {
                    callee.insert(0, word.text);
                    if back(at + 1).is_none_or(|sign| sign.text != "::") {
                        break;
                    }
                    at += 2;
                }
                frames.push(Frame { open, callee, ..Frame::default() });
            }
            (Kind::Close, _) if frames.len() > 1 => drop(frames.pop()),
            (Kind::Sign, ",") => {
                if let Some(frame) = frames.last_mut() {
                    (frame.before, frame.key) = (frame.before + 1, None);
                }
            }
            (Kind::Sign, ":") => {
                if let (Some(frame), Some(key)) = (frames.last_mut().filter(|f| f.open == "#{"), back(1)) {
                    let key = key.text.trim_matches(['"', '\'']);
                    frame.keys.push(key);
                    frame.key = Some(key);
                }
            }
            _ => {}
        }
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repl::lex::pieces;

    #[test]
    fn the_innermost_call_is_found() {
        for (text, open, callee, before, key) in [
            ("", "", "", 0, None),
            ("file::line(", "(", "file::line", 0, None),
            ("file::line(\"/a, b\", #{ line: f(1, 2), mode: ", "#{", "", 1, Some("mode")),
            ("on(\"a\", || { let x = [1, 2]; g(x), ", "{", "", 1, None),
            ("(1 + 2", "(", "", 0, None),
            ("x.map(", "(", "map", 0, None),
        ] {
            let pieces = pieces(text);
            let frames = frames(&pieces);
            let last = frames.last().unwrap();
            assert_eq!(
                (last.open, last.callee.join("::").as_str(), last.before, last.key),
                (open, callee, before, key),
                "{text}"
            );
        }
    }
}
