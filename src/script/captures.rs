//! Closures in a playbook's tree, and what becomes of the variables they capture.

use super::file::File;
use rhai::{AST, ASTNode, Expr, FnCallExpr, FnPtr, Position, Stmt};
use std::collections::BTreeSet;
use stdlib::contract::Error;

/// Calls found in a body, with the names for what is around them.
pub(super) fn calls<'a>(node: &ASTNode<'a>) -> Option<(&'a FnCallExpr, Position, bool)> {
    match node {
        ASTNode::Stmt(Stmt::FnCall(call, pos)) | ASTNode::Expr(Expr::FnCall(call, pos)) => Some((call, *pos, false)),
        ASTNode::Expr(Expr::MethodCall(call, pos)) => Some((call, *pos, true)),
        _ => None,
    }
}

/// The closure that a call ends with: its function's name and how many variables it captures.
pub(super) fn closure(call: &FnCallExpr) -> Option<(String, usize)> {
    pointer(call).map(|(function, captured)| (function.fn_name().to_owned(), captured))
}

/// The same as a pointer that can be called, without the captured values.
pub(super) fn pointer(call: &FnCallExpr) -> Option<(FnPtr, usize)> {
    pointer_of(call.args.last()?)
}

/// A closure that is written out, and how many variables it captures.
pub(super) fn pointer_of(expr: &Expr) -> Option<(FnPtr, usize)> {
    let function = |expr: &Expr| match expr {
        Expr::DynamicConstant(value, _) => value.read_lock::<FnPtr>().map(|f| f.clone()),
        _ => None,
    };
    if let Some(function) = function(expr) {
        return Some((function, 0));
    }
    let curried = |call: &FnCallExpr| {
        let function = call.args.first().and_then(function)?;
        (call.name == "curry").then_some((function, call.args.len() - 1))
    };
    match expr {
        Expr::FnCall(inner, _) => curried(inner),
        // A closure with captures is a block that shares the variables first.
        Expr::Stmt(block) => block.statements().iter().rev().find_map(|stmt| match stmt {
            Stmt::FnCall(inner, _) => curried(inner),
            Stmt::Expr(expr) => match &**expr {
                Expr::FnCall(inner, _) => curried(inner),
                _ => None,
            },
            _ => None,
        }),
        _ => None,
    }
}

/// Methods that change what they are called on.
const MUTATORS: &[&str] = &[
    "push",
    "append",
    "insert",
    "pop",
    "shift",
    "remove",
    "clear",
    "truncate",
    "set",
    "extend",
    "splice",
    "sort",
    "reverse",
    "mixin",
    "fill_with",
];

/// What `inside` changes although it has only a copy of it.
pub(super) fn changes(
    file: &File,
    body: &AST,
    outside: &BTreeSet<String>,
    inside: &str,
    hint: &str,
    errors: &mut Vec<Error>,
) {
    if outside.is_empty() {
        return;
    }
    let mut inner = Vec::new();
    let mut complain = |name: &str, pos: Position| {
        let error =
            Error::playbook(format!("`{name}` is a copy inside {inside}: changing it there changes nothing outside"));
        errors.push(error.hint(hint).at(file.site(pos)));
    };
    body.walk(&mut |path| {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Assignment(x))) => {
                if let Some((name, pos)) = root_variable(&x.1.lhs).filter(|(name, _)| outside.contains(*name)) {
                    complain(name, pos);
                }
            }
            Some(ASTNode::Expr(Expr::Dot(x, ..))) => {
                if let (Expr::Variable(variable, _, pos), Expr::MethodCall(call, _)) = (&x.lhs, &x.rhs)
                    && outside.contains(variable.1.as_str())
                    && MUTATORS.contains(&call.name.as_str())
                {
                    complain(variable.1.as_str(), *pos);
                }
            }
            _ => {}
        }
        if let Some((call, ..)) = path.last().and_then(calls) {
            inner.extend(closure(call));
        }
        true
    });
    for (name, captured) in inner {
        let Some((params, body)) = file.function(&name) else { continue };
        let still: BTreeSet<String> = params.into_iter().take(captured).filter(|p| outside.contains(p)).collect();
        changes(file, &body, &still, inside, hint, errors);
    }
}

/// The variable that an assignment changes: `x`, `x.y`, `x[0]`.
fn root_variable(expr: &Expr) -> Option<(&str, Position)> {
    match expr {
        Expr::Variable(variable, _, pos) => Some((variable.1.as_str(), *pos)),
        Expr::Dot(x, ..) | Expr::Index(x, ..) => root_variable(&x.lhs),
        _ => None,
    }
}
