//! `json_query`: JMESPath, with the keys of maps in the order in which they were written.

use super::{Answer, Args, Filter, wrong};
use crate::shared::template::print::{from_json, print, to_json};
use jmespath::ast::Ast;
use minijinja::{State, Value};
use serde_json::Value as Json;
use std::collections::HashMap;

pub(super) const FILTERS: &[(&str, Filter)] = &[("json_query", json_query)];

fn json_query(_: &mut State, value: &Value, args: &Args) -> Answer {
    let text = print(&args.need(0, "expr")?)?;
    let failed = |error: jmespath::JmespathError| {
        let said = error.to_string();
        wrong(format!("json_query: `{text}`: {}", said.lines().next().unwrap_or_default()))
    };
    let query = jmespath::compile(&literals(&text)).map_err(failed)?;
    let data = to_json(value)?;
    let mut orders = Orders::new();
    written(query.as_ast(), &mut orders);
    seen(&data, &mut orders);
    let found = query.search(&data).map_err(failed)?;
    let found = serde_json::to_value(&*found).map_err(|e| wrong(format!("json_query: {e}")))?;
    Ok(from_json(&ordered(found, &orders)))
}

/// Python's JMESPath takes `[?state == `up`]`, a literal that is no JSON, for text.
fn literals(query: &str) -> String {
    let mut out = String::with_capacity(query.len() + 8);
    let mut rest = query;
    while let Some(start) = rest.find(['\'', '"', '`']) {
        let (before, quoted) = rest.split_at(start);
        let mark = quoted.chars().next().unwrap_or_default();
        let mut escaped = false;
        let end = quoted[1..].find(|c| {
            let ends = c == mark && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let Some(end) = end else { break };
        let inner = &quoted[1..end + 1];
        out += before;
        if mark == '`' && serde_json::from_str::<Json>(&inner.replace("\\`", "`")).is_err() {
            out += &format!("`{}`", Json::from(inner.trim_start()));
        } else {
            out += &quoted[..end + 2];
        }
        rest = &quoted[end + 2..];
    }
    out + rest
}

/// The order of keys that belong together, by the keys in alphabetical order: the library forgets it.
type Orders = HashMap<Vec<String>, Vec<String>>;

fn note(orders: &mut Orders, keys: Vec<String>) {
    let mut sorted = keys.clone();
    sorted.sort();
    orders.entry(sorted).or_insert(keys);
}

/// The orders in an expression: `{name: x, id: y}`.
fn written(ast: &Ast, orders: &mut Orders) {
    match ast {
        Ast::MultiHash { elements, .. } => {
            note(orders, elements.iter().map(|element| element.key.clone()).collect());
            elements.iter().for_each(|element| written(&element.value, orders));
        }
        Ast::MultiList { elements, .. } => elements.iter().for_each(|element| written(element, orders)),
        Ast::Function { args, .. } => args.iter().for_each(|arg| written(arg, orders)),
        Ast::Comparison { lhs, rhs, .. }
        | Ast::Projection { lhs, rhs, .. }
        | Ast::And { lhs, rhs, .. }
        | Ast::Or { lhs, rhs, .. }
        | Ast::Subexpr { lhs, rhs, .. } => {
            written(lhs, orders);
            written(rhs, orders);
        }
        Ast::Condition { predicate, then, .. } => {
            written(predicate, orders);
            written(then, orders);
        }
        Ast::Not { node, .. } | Ast::Flatten { node, .. } | Ast::ObjectValues { node, .. } => written(node, orders),
        Ast::Expref { ast, .. } => written(ast, orders),
        Ast::Identity { .. } | Ast::Field { .. } | Ast::Index { .. } | Ast::Slice { .. } | Ast::Literal { .. } => {}
    }
}

/// The orders in the data.
fn seen(data: &Json, orders: &mut Orders) {
    match data {
        Json::Array(items) => items.iter().for_each(|item| seen(item, orders)),
        Json::Object(map) => {
            note(orders, map.keys().cloned().collect());
            map.values().for_each(|item| seen(item, orders));
        }
        _ => {}
    }
}

fn ordered(data: Json, orders: &Orders) -> Json {
    match data {
        Json::Array(items) => items.into_iter().map(|item| ordered(item, orders)).collect(),
        Json::Object(mut map) => {
            let sorted: Vec<String> = map.keys().cloned().collect();
            let keys = orders.get(&sorted).cloned().unwrap_or(sorted);
            let entry = |key: String| map.shift_remove(&key).map(|item| (key, ordered(item, orders)));
            Json::Object(keys.into_iter().filter_map(entry).collect())
        }
        plain => plain,
    }
}
