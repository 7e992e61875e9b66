//! Values as people read them: text as it is, lists and maps as tables, equal answers of hosts together.

use super::Paint;
use serde_json::{Map, Value};

/// A value in lines.
pub fn lines(value: &Value, paint: Paint, width: usize) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) if text.trim().is_empty() => vec![literal(value)],
        Value::String(text) => text.trim_end_matches('\n').lines().map(str::to_owned).collect(),
        Value::Array(items) => list(items, paint, width),
        Value::Object(fields) if fields.is_empty() => vec![literal(value)],
        Value::Object(fields) => map(fields, paint, width),
        other => vec![other.to_string()],
    }
}

fn list(items: &[Value], paint: Paint, width: usize) -> Vec<String> {
    let rows: Vec<&Map<String, Value>> = items.iter().filter_map(Value::as_object).collect();
    if !items.is_empty() && rows.len() == items.len() {
        return table(&rows, paint, width);
    }
    let whole = literal(&Value::Array(items.to_vec()));
    if whole.chars().count() <= width { vec![whole] } else { items.iter().map(cell).collect() }
}

fn map(fields: &Map<String, Value>, paint: Paint, width: usize) -> Vec<String> {
    let longest = fields.keys().map(|key| key.chars().count()).max().unwrap_or_default();
    let mut shown = Vec::new();
    for (key, value) in fields {
        let label = paint.cyan(&format!("{key:<longest$}"));
        let text = cell(value);
        match text.contains('\n') {
            false => shown.push(cut(&format!("{label}  {text}"), width + label.len() - longest)),
            true => {
                shown.push(label);
                shown.extend(text.lines().map(|line| format!("  {line}")));
            }
        }
    }
    shown
}

/// Maps with the same keys, one per row.
fn table(rows: &[&Map<String, Value>], paint: Paint, width: usize) -> Vec<String> {
    let mut columns: Vec<&String> = Vec::new();
    for key in rows.iter().flat_map(|row| row.keys()) {
        if !columns.contains(&key) {
            columns.push(key);
        }
    }
    let text = |row: &Map<String, Value>, key: &String| row.get(key).map(cell).unwrap_or_default().replace('\n', "⏎");
    let size = |key: &&String| {
        let cells = rows.iter().map(|row| text(row, key).chars().count());
        cells.chain([key.chars().count()]).max().unwrap_or_default()
    };
    let sizes: Vec<usize> = columns.iter().map(size).collect();
    let line = |cells: Vec<String>| {
        let padded = cells.iter().zip(&sizes).map(|(cell, size)| format!("{cell:<size$}"));
        cut(padded.collect::<Vec<_>>().join("  ").trim_end(), width)
    };
    let head = paint.cyan(&line(columns.iter().map(|key| (*key).clone()).collect()));
    let body = rows.iter().map(|row| line(columns.iter().map(|key| text(row, key)).collect()));
    std::iter::once(head).chain(body).collect()
}

fn cut(line: &str, width: usize) -> String {
    match line.chars().count() > width && width > 1 {
        true => line.chars().take(width - 1).chain(['…']).collect(),
        false => line.to_owned(),
    }
}

/// A value in a table.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.trim_end().to_owned(),
        other => literal(other),
    }
}

/// A value as one would type it.
pub fn literal(value: &Value) -> String {
    match value {
        Value::Null => "()".to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) if fields.is_empty() => "#{}".to_owned(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{key}: {}", literal(value)));
            format!("#{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Answers of hosts, equal ones together: beside the names where each is one line, below them otherwise. One
/// host alone needs no name.
pub fn by_host(answers: &[(String, Vec<String>)], paint: Paint) -> Vec<String> {
    if let [(_, lines)] = answers {
        return lines.clone();
    }
    let mut groups: Vec<(Vec<&str>, &Vec<String>)> = Vec::new();
    for (host, lines) in answers.iter().filter(|(_, lines)| !lines.is_empty()) {
        match groups.iter_mut().find(|(_, known)| *known == lines) {
            Some((hosts, _)) => hosts.push(host),
            None => groups.push((vec![host], lines)),
        }
    }
    let names: Vec<String> = groups.iter().map(|(hosts, _)| hosts.join(", ")).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    let short = groups.iter().all(|(_, lines)| lines.len() == 1);
    let mut shown = Vec::new();
    for (name, (_, lines)) in names.iter().zip(&groups) {
        let pad = " ".repeat(longest - name.chars().count());
        match short {
            true => shown.extend(lines.iter().map(|line| format!("{}:{pad} {line}", paint.bold(name)))),
            false => {
                shown.push(format!("{}:", paint.bold(name)));
                shown.extend(lines.iter().map(|line| format!("  {line}").trim_end().to_owned()));
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_shown_as_a_person_reads_it() {
        for (value, shown) in [
            (json!(null), ""),
            (json!("a\nb\n"), "a|b"),
            (json!(""), "\"\""),
            (json!(true), "true"),
            (json!(1.5), "1.5"),
            (json!(["a", 1]), "[\"a\", 1]"),
            (json!([]), "[]"),
            (json!({}), "#{}"),
            (json!(["a".repeat(20), "b".repeat(20)]), "aaaaaaaaaaaaaaaaaaaa|bbbbbbbbbbbbbbbbbbbb"),
            (json!({"a": 1, "long": [1, {"x": "y"}], "n": null}), "a     1|long  [1, #{ x: \"y\" }]|n     "),
            (json!([{"a": 1, "b": "x"}, {"a": 22}]), "a   b|1   x|22"),
            (json!([{"text": "z".repeat(50)}]), "text|zzzzzzzzzzzzzzzzzzzzzzzzzzzzz…"),
        ] {
            assert_eq!(lines(&value, Paint(false), 30).join("|"), shown, "{value}");
        }
    }

    #[test]
    fn equal_answers_of_hosts_stand_together() {
        let answers = |all: &[(&str, &str)]| {
            let lines = |text: &str| text.lines().map(str::to_owned).collect();
            let all: Vec<_> = all.iter().map(|(host, text)| ((*host).to_owned(), lines(text))).collect();
            by_host(&all, Paint(false)).join("|")
        };
        assert_eq!(answers(&[("a", "1")]), "1");
        assert_eq!(answers(&[("a", "1"), ("nas", "2"), ("c", "1")]), "a, c: 1|nas:  2");
        assert_eq!(answers(&[("a", "1\n2"), ("b", "3"), ("c", "")]), "a:|  1|  2|b:|  3");
    }
}
