//! The parameters of a playbook as flags.

use super::Cli;
use crate::script::Param;
use clap::{Arg, ArgMatches, Command};
use serde_json::{Map, Value};
use stdlib::contract::Error;

/// Parameters that would be flags which hlrun has already.
pub fn taken(params: &[Param]) -> Vec<Error> {
    let command = <Cli as clap::CommandFactory>::command();
    let run = command.get_subcommands().filter(|sub| sub.get_name() == "run");
    let flags: Vec<String> =
        run.flat_map(|run| run.get_arguments().filter_map(|arg| arg.get_long())).map(str::to_owned).collect();
    let ours = |flag: &str| flags.iter().map(String::as_str).chain(["help", "version"]).any(|known| known == flag);
    let taken = params.iter().filter(|param| ours(&param.name.replace('_', "-")));
    taken
        .map(|param| {
            let flag = param.name.replace('_', "-");
            let error =
                Error::playbook(format!("parameter `{}` would be --{flag}, a flag of hlrun itself", param.name));
            error.hint("give it another name").at(param.at.clone())
        })
        .collect()
}

/// The command line of a playbook: its parameters are flags, and its help begins with what it says itself.
pub fn with_playbook(command: Command, name: &str, docs: &str, params: &[Param]) -> Command {
    command.mut_subcommand("run", |mut run| {
        run = run.override_usage(format!("hlrun {name} [OPTIONS]"));
        if !docs.trim().is_empty() {
            run = run.about(docs.trim().to_owned()).long_about(None);
        }
        for param in params {
            let flag = param.name.replace('_', "-");
            let default = param.default.as_ref().map(shown).unwrap_or_default();
            let help =
                if default.is_empty() { param.help.clone() } else { format!("{} [default: {default}]", param.help) };
            let mut arg = Arg::new(id(&param.name)).long(flag.clone()).value_name("VALUE").help(help.trim().to_owned());
            if flag != param.name {
                arg = arg.alias(param.name.clone());
            }
            if matches!(param.default, Some(Value::Bool(_))) {
                arg = arg.num_args(0..=1).require_equals(true).default_missing_value("true");
            }
            if matches!(param.default, Some(Value::Number(_)) | None) {
                arg = arg.allow_negative_numbers(true);
            }
            run = run.arg(arg.help_heading("Parameters of the playbook"));
        }
        run
    })
}

fn id(name: &str) -> String {
    format!("param:{name}")
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The parameters given on the command line, with the types of their defaults; the error says what is wrong.
pub fn given(matches: &ArgMatches, params: &[Param]) -> Result<Map<String, Value>, String> {
    let mut given = Map::new();
    let Some(("run", matches)) = matches.subcommand() else { return Ok(given) };
    for param in params {
        let Ok(Some(text)) = matches.try_get_one::<String>(&id(&param.name)) else { continue };
        let value = typed(text, param.default.as_ref());
        let flag = param.name.replace('_', "-");
        given.insert(param.name.clone(), value.map_err(|expected| format!("--{flag} takes {expected}, not `{text}`"))?);
    }
    Ok(given)
}

/// A flag's text with the type of the parameter's default, or what is expected instead.
fn typed(text: &str, default: Option<&Value>) -> Result<Value, &'static str> {
    match default {
        Some(Value::Array(like)) => {
            let like = element(like);
            // Some write it as JSON.
            let json: Option<Vec<Value>> = serde_json::from_str(text).ok();
            let text = json.map_or_else(|| text.to_owned(), |items| shown(&Value::Array(items)));
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            let items: Result<_, _> = items.map(|item| typed(item, Some(&like))).collect();
            items.map(Value::Array).map_err(|_| match like {
                Value::Bool(_) => "true or false, several with commas",
                Value::Number(n) if n.is_i64() => "whole numbers with commas between them",
                _ => "numbers with commas between them",
            })
        }
        Some(Value::Object(_)) => match serde_json::from_str(text) {
            Ok(object @ Value::Object(_)) => Ok(object),
            _ => Err("a JSON object"),
        },
        Some(Value::Bool(_)) => match text.to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(Value::Bool(true)),
            "false" | "no" | "off" | "0" => Ok(Value::Bool(false)),
            _ => Err("true or false"),
        },
        Some(Value::Number(n)) if n.is_i64() => text.parse::<i64>().map(Value::from).map_err(|_| "a whole number"),
        Some(Value::Number(_)) => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Value::from(number)),
            _ => Err("a number"),
        },
        Some(Value::String(_) | Value::Null) => Ok(Value::String(text.to_owned())),
        // The default is computed when the playbook runs: its type is not known yet.
        None => Ok(match serde_json::from_str(text) {
            Ok(scalar @ (Value::Number(_) | Value::Bool(_))) => scalar,
            _ => Value::String(text.to_owned()),
        }),
    }
}

/// A value of the type that all elements of a list have; text where they differ or there are none.
fn element(like: &[Value]) -> Value {
    let all = |is: fn(&Value) -> bool| !like.is_empty() && like.iter().all(is);
    match () {
        () if all(Value::is_i64) => Value::from(0),
        () if all(Value::is_number) => Value::from(0.5),
        () if all(Value::is_boolean) => Value::Bool(false),
        () => Value::String(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_parameter_has_the_type_of_its_default() {
        let ok = |text: &str, default: Value| typed(text, Some(&default)).unwrap();
        assert_eq!(ok("8, 9", json!([1, 2])), json!([8, 9]));
        assert_eq!(ok("8,9.5", json!([1, 2.5])), json!([8.0, 9.5]));
        assert_eq!(ok("yes,off", json!([true])), json!([true, false]));
        assert_eq!(ok("8,9", json!([])), json!(["8", "9"]));
        assert_eq!(ok(r#"["a", "b"]"#, json!([])), json!(["a", "b"]));
        assert_eq!(ok("8", json!("a")), json!("8"));
        assert_eq!(typed("8,x", Some(&json!([1]))), Err("whole numbers with commas between them"));
        assert_eq!(typed("nan", Some(&json!(1.5))), Err("a number"));
        assert_eq!(typed("[1]", Some(&json!({}))), Err("a JSON object"));
        let unknown = ["3", "1.5", "true", "null", "[1]", "x"].map(|text| typed(text, None).unwrap());
        assert_eq!(json!(unknown), json!([3, 1.5, true, "null", "[1]", "x"]));
    }
}
