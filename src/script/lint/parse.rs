//! A file's text, read by Rhai: with every variable that there is not, and not only the first.

use super::super::error;
use regex::Regex;
use rhai::{AST, Engine, ParseErrorType};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use stdlib::contract::{Error, nearest};

/// A file's text as Rhai reads it.
pub(super) struct Parsed {
    /// The tree; none if the text is no Rhai at all.
    pub ast: Option<AST>,
    /// What is wrong.
    pub errors: Vec<Error>,
    /// A module that there is not, or not yet: for where the checker has no better word for it.
    pub module: Option<Error>,
}

/// Variables that there are not are errors, all at once: Rhai stops at the first, so it is told of each and
/// asked again.
pub(super) fn parse(engine: &Engine, spare: &dyn Fn() -> Engine, text: &str, name: &str, scope: rhai::Scope) -> Parsed {
    let mut missing = scope;
    let mut modules: BTreeSet<String> = BTreeSet::new();
    let mut tolerant: Option<Engine> = None;
    let mut parsed = Parsed { ast: None, errors: Vec::new(), module: None };
    loop {
        let wrong = match tolerant.as_ref().unwrap_or(engine).compile_with_scope(&missing, text) {
            Ok(mut ast) => {
                ast.set_source(name);
                parsed.ast = Some(ast);
                return parsed;
            }
            Err(wrong) => wrong,
        };
        let error = error::parse_error(&wrong, name);
        match wrong.err_type() {
            ParseErrorType::VariableUndefined(variable) if !missing.contains(variable) => {
                parsed.errors.push(undefined(variable, text, error));
                missing.push(variable.clone(), ());
            }
            ParseErrorType::ModuleUndefined(module) if modules.insert(module.clone()) => {
                let mut error = error.hint("an import must stand before what uses it");
                error.message = format!("there is no module `{module}` here");
                parsed.module.get_or_insert(error);
                tolerant.get_or_insert_with(spare).register_static_module(module, rhai::Module::new().into());
            }
            _ => {
                parsed.errors.push(error);
                parsed.errors.extend(parsed.module.take());
                return parsed;
            }
        }
    }
}

/// The error of a variable that there is not, with the name that may be meant.
fn undefined(name: &str, text: &str, error: Error) -> Error {
    static NAMES: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"\b(let|const|for)\s+\(?\s*(\w+)(?:\s*,\s*(\w+))?|(?:\|\s*|\bfn\s+\w+\s*\(\s*)(\w+(?:\s*,\s*\w+)*)\s*[|)]",
        )
        .ok()
    });
    let mut constants: BTreeSet<&str> = BTreeSet::new();
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    for found in code.flat_map(|line| NAMES.iter().flat_map(move |names| names.captures_iter(line))) {
        if found.get(1).is_some_and(|word| word.as_str() == "const") {
            constants.extend(found.get(2).map(|m| m.as_str()));
        }
        names.extend([found.get(2), found.get(3)].into_iter().flatten().map(|m| m.as_str()));
        names.extend(found.get(4).iter().flat_map(|m| m.as_str().split(',').map(str::trim)));
    }
    let mut error = error;
    error.message = format!("there is no variable `{name}`");
    if constants.contains(name) {
        return error.hint(format!("inside a function, a constant of the file is `global::{name}`"));
    }
    if names.contains(name) {
        return error.hint(format!(
            "`{name}` is declared elsewhere: a function sees only its own parameters, a block what is before it"
        ));
    }
    let modules = stdlib::modules().iter().map(|module| module.name);
    match nearest(name, names.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None if modules.into_iter().any(|module| module == name) => {
            error.hint(format!("`{name}` is a module: {name}::..."))
        }
        None => error,
    }
}
