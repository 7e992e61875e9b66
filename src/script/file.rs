//! One file of a playbook as the checker sees it.

use rhai::{AST, ASTFlags, Dynamic, Expr, Position, Stmt};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use stdlib::contract::Site;

/// One file: the playbook or something it imports.
pub(super) struct File {
    pub name: String,
    pub text: String,
    pub ast: AST,
    pub imports: BTreeMap<String, Rc<File>>,
    /// The aliases of imports that could not be read, or that are chosen when the playbook runs.
    pub unknown: BTreeSet<String>,
}

impl File {
    pub fn site(&self, pos: Position) -> Site {
        Site {
            file: self.name.clone(),
            line: pos.line().unwrap_or_default(),
            column: pos.position().unwrap_or_default(),
        }
    }
    /// A function of this file: its parameters, and a tree of nothing but its body.
    pub fn function(&self, name: &str) -> Option<(Vec<String>, AST)> {
        let (.., found) = self.ast.shared_lib().iter_script_fn_info().find(|(_, _, known, ..)| *known == name)?;
        // Not `clone_functions_only_filtered`: in rhai 1.27 it clones all of them.
        let mut body = self.ast.clone_functions_only();
        body.retain_functions(|_, _, known, _| known == name);
        Some((found.params.iter().map(ToString::to_string).collect(), body))
    }
    /// The keys of a map that is written out, with their places.
    pub fn keys(&self, expr: &Expr) -> Vec<(String, Position)> {
        self.entries(expr).into_iter().map(|(key, pos, _)| (key, pos)).collect()
    }
    /// The keys of a map that is written out, with their places and values. Rhai keeps only the map's own
    /// place where all its values are constants, so the keys are looked for in the text behind it.
    pub fn entries(&self, expr: &Expr) -> Vec<(String, Position, Expr)> {
        let entries = map_entries(expr).into_iter();
        entries.map(|(key, pos, value)| (key.clone(), self.locate(&key, pos), value)).collect()
    }
    fn locate(&self, key: &str, pos: Position) -> Position {
        let (Some(line), Some(column)) = (pos.line(), pos.position()) else { return pos };
        for (number, text) in self.text.lines().enumerate().skip(line - 1).take(40) {
            let start = if number + 1 == line { column - 1 } else { 0 };
            let chars: Vec<char> = text.chars().collect();
            let word: Vec<char> = key.chars().collect();
            let is_word = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric() || *c == '_');
            for at in start..chars.len().saturating_sub(word.len()) {
                let end = at + word.len();
                if chars[at..end] == word[..] && !is_word(chars.get(end)) && (at == 0 || !is_word(chars.get(at - 1))) {
                    let (Ok(line), Ok(column)) = (u16::try_from(number + 1), u16::try_from(at + 1)) else { return pos };
                    return Position::new(line, column);
                }
            }
        }
        pos
    }
    /// The variables and constants that others see who import this file.
    pub fn exports(&self) -> Vec<String> {
        let exported = |stmt: &Stmt| match stmt {
            Stmt::Var(x, flags, _) if flags.intersects(ASTFlags::EXPORTED) => Some(x.0.name.to_string()),
            Stmt::Export(x, _) if x.1.name.is_empty() => Some(x.0.name.to_string()),
            Stmt::Export(x, _) => Some(x.1.name.to_string()),
            _ => None,
        };
        self.ast.statements().iter().filter_map(exported).collect()
    }
    pub fn functions(&self) -> impl Iterator<Item = (&str, usize)> {
        self.ast.shared_lib().iter_script_fn_info().map(|(_, _, name, params, _)| (name, params))
    }
}

/// The keys of a map that is written out, with their places and values.
fn map_entries(expr: &Expr) -> Vec<(String, Position, Expr)> {
    match expr {
        Expr::Map(map, _) => map.0.iter().map(|(key, value)| (key.name.to_string(), key.pos, value.clone())).collect(),
        Expr::DynamicConstant(value, pos) => match value.as_map_ref() {
            Ok(map) => map.iter().map(|(key, value)| (key.to_string(), *pos, constant(value.clone(), *pos))).collect(),
            Err(_) => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn constant(value: Dynamic, pos: Position) -> Expr {
    Expr::DynamicConstant(value.into(), pos)
}
