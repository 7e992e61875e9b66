//! The engine: Ansible's settings, headers and hooks.

use super::{
    error::told,
    prepare::{prepare, readable},
    print,
};
use crate::contract::{Error, Result};
use jiff::Zoned;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, ErrorKind, State, UndefinedBehavior, Value};
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

/// What `omit` stands for: an argument with this value is to be left out.
pub const OMIT: &str = "__omit_place_holder__hlrun__";

/// What a template asks of the controller: `lookup('file', 'motd', errors='ignore')`.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Which lookup: `env`, `file`, `template`, `pipe`, `password`...
    pub name: String,
    /// What it is given.
    pub terms: Vec<Json>,
    /// Its named arguments.
    pub options: Map<String, Json>,
}

/// Answers a lookup; the error is the reader's own.
pub type Lookup = dyn Fn(&Ask) -> Result<Json> + Send + Sync;
/// Finds the template that an `include`, `import` or `extends` names.
pub type Load = dyn Fn(&str) -> Result<Option<String>> + Send + Sync;

/// How a template reaches outside of itself. Nothing given: it cannot.
#[derive(Clone, Default)]
pub struct Hooks {
    /// Answers `lookup(...)` and `query(...)`.
    pub lookup: Option<Arc<Lookup>>,
    /// Finds included templates.
    pub load: Option<Arc<Load>>,
    /// Tells the time and draws numbers.
    pub world: Option<World>,
}

/// What a template may know of the world besides: this crate has neither a clock nor chance of its own.
#[derive(Debug, Clone, Copy)]
pub struct World {
    /// What time it is, in the controller's zone.
    pub now: fn() -> Zoned,
    /// 64 bits that nobody can foresee.
    pub chance: fn() -> u64,
}

/// Renders templates. Cheap to share; make one for each set of hooks.
pub struct Engine {
    env: Environment<'static>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

/// What a rendering printed: how many expressions, and the last of them.
#[derive(Default)]
struct Printed {
    count: usize,
    last: Option<(Value, String)>,
}

impl Default for Engine {
    fn default() -> Engine {
        Engine::new(Hooks::default())
    }
}

impl Engine {
    /// An engine that reaches outside through these hooks.
    pub fn new(hooks: Hooks) -> Engine {
        let mut env = Environment::new();
        if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).keep_trailing_newline(true).build() {
            env.set_syntax(syntax);
        }
        // In release builds too: only so do errors know which expression was undefined.
        env.set_debug(true);
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        env.set_recursion_limit(150);
        env.set_formatter(|out, state, value| {
            let text = print::top(value)?;
            let printed = state.get_or_insert_extension_with(Printed::default);
            printed.count += 1;
            printed.last = Some((value.clone(), text.clone()));
            out.write_str(&text).map_err(minijinja::Error::from)
        });
        env.add_global("omit", OMIT);
        super::filters::add(&mut env, hooks.world);
        add_lookups(&mut env, hooks.lookup);
        if let Some(load) = hooks.load {
            env.set_loader(move |name| match load(name) {
                Ok(text) => Ok(text.map(|text| prepare(&text, false))),
                Err(error) => Err(super::wrapped(error)),
            });
        }
        Engine { env }
    }

    /// Renders a template file: blocks are trimmed, the last newline stays, a first line
    /// `#jinja2: trim_blocks:False, lstrip_blocks:True` is obeyed. `name` is the file in errors.
    pub fn render(&self, name: &str, text: &str, context: Value) -> Result<String> {
        let (header, body) = header(name, text)?;
        let own = header.map(|header| self.with(header)).transpose()?;
        let env = own.as_ref().unwrap_or(&self.env);
        let body = prepare(body, false);
        let template = env.template_from_named_str(name, &body);
        let result = template.and_then(|template| template.render(context.clone()));
        result.map_err(|error| {
            let mut error = told(name, &body, env, &context, &error);
            if body.len() != text.len()
                && text.starts_with(HEADER)
                && let Some(at) = error.at.as_mut().filter(|at| at.file == name && at.line > 0)
            {
                at.line += 1;
            }
            error
        })
    }

    /// Renders the text of a variable: exactly one expression keeps its type, everything else is text.
    pub fn native(&self, name: &str, text: &str, context: Value) -> Result<Value> {
        if !is_template(text) {
            return Ok(Value::from(text));
        }
        let env = &self.env;
        let text = prepare(text, true);
        let template = env.template_from_named_str(name, &text);
        let captured = template.and_then(|template| template.render_captured(context.clone()));
        let captured = captured.map_err(|error| told(name, &text, env, &context, &error))?;
        match captured.state().get_extension::<Printed>() {
            Some(Printed { count: 1, last: Some((value, printed)) }) if printed == captured.output() => {
                Ok(value.clone())
            }
            _ => Ok(Value::from(captured.output())),
        }
    }

    /// Evaluates one bare expression, such as the condition `x is defined and x > 1`.
    pub fn expression(&self, name: &str, text: &str, context: Value) -> Result<Value> {
        let wrapped = prepare(&format!("{{{{ {text} }}}}"), true);
        let bare = wrapped.strip_prefix("{{ ").and_then(|t| t.strip_suffix(" }}")).unwrap_or(text);
        let result = self.env.compile_expression(bare).and_then(|e| e.eval(context.clone()));
        result.map_err(|error| told(name, bare, &self.env, &context, &error))
    }

    /// The same environment with the settings of a header.
    fn with(&self, header: Header) -> Result<Environment<'static>> {
        let mut env = self.env.clone();
        let mut syntax = env.syntax().to_builder();
        syntax.trim_blocks(header.trim_blocks.unwrap_or(true)).lstrip_blocks(header.lstrip_blocks.unwrap_or(false));
        if let (Some(start), Some(end)) = (header.variable_start, header.variable_end) {
            syntax.variable_delimiters(start, end);
        }
        if let (Some(start), Some(end)) = (header.block_start, header.block_end) {
            syntax.block_delimiters(start, end);
        }
        env.set_syntax(syntax.build().map_err(|e| Error::playbook(e.to_string()))?);
        Ok(env)
    }
}

/// Renders a template with no way outside: no lookups, no includes.
pub fn render(name: &str, text: &str, context: Value) -> Result<String> {
    static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);
    ENGINE.render(name, text, context)
}

/// Whether a text has anything to render.
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// The variables that a template asks of its context, sorted, as far down as it names them: `user.name`. A text
/// that is no template asks for none.
pub fn names(text: &str) -> BTreeSet<String> {
    let env = Environment::new();
    let body = text.strip_prefix(HEADER).map_or(text, |rest| rest.split_once('\n').map_or("", |(_, body)| body));
    match env.template_from_str(&readable(body)) {
        Ok(template) => template.undeclared_variables(true).into_iter().collect(),
        Err(_) => BTreeSet::new(),
    }
}

const HEADER: &str = "#jinja2:";

#[derive(Default)]
struct Header {
    trim_blocks: Option<bool>,
    lstrip_blocks: Option<bool>,
    variable_start: Option<String>,
    variable_end: Option<String>,
    block_start: Option<String>,
    block_end: Option<String>,
}

/// The settings in a template's first line, and the rest.
fn header<'a>(name: &str, text: &'a str) -> Result<(Option<Header>, &'a str)> {
    let Some(rest) = text.strip_prefix(HEADER) else { return Ok((None, text)) };
    let mut header = Header::default();
    let (line, body) = rest.split_once('\n').unwrap_or((rest, ""));
    for setting in line.trim().split(',').filter(|s| !s.trim().is_empty()) {
        let (key, value) = setting.split_once(':').unwrap_or((setting, ""));
        let value = value.trim();
        let flag = Some(value.eq_ignore_ascii_case("true"));
        let word = Some(value.trim_matches(['"', '\'']).to_owned());
        match key.trim() {
            "trim_blocks" => header.trim_blocks = flag,
            "lstrip_blocks" => header.lstrip_blocks = flag,
            "variable_start_string" => header.variable_start = word,
            "variable_end_string" => header.variable_end = word,
            "block_start_string" => header.block_start = word,
            "block_end_string" => header.block_end = word,
            other => {
                let site = crate::contract::Site { file: name.to_owned(), line: 1, column: 1 };
                let wrong = Error::playbook(format!("unknown setting `{other}` in the `#jinja2:` line")).at(site);
                return Err(wrong.hint("known are trim_blocks, lstrip_blocks and the start and end strings"));
            }
        }
    }
    Ok((Some(header), body))
}

fn add_lookups(env: &mut Environment<'static>, hook: Option<Arc<Lookup>>) {
    let answer = move |state: &State, name: &str, terms: Vec<Value>, options: Kwargs| {
        let name = name.strip_prefix("ansible.builtin.").unwrap_or(name);
        if name == "vars" {
            let values = terms.iter().map(|term| {
                let found = state.lookup(term.as_str().unwrap_or_default()).filter(|v| !v.is_undefined());
                match found {
                    Some(value) => Ok(value),
                    None => options.get::<Value>("default").map_err(|_| {
                        minijinja::Error::new(ErrorKind::UndefinedError, format!("no variable named {term}"))
                    }),
                }
            });
            return values.collect::<std::result::Result<Vec<Value>, _>>();
        }
        let Some(hook) = &hook else {
            let wrong = Error::playbook(format!("`lookup('{name}', ...)` cannot be answered here"));
            return Err(super::wrapped(wrong.hint("give the value as a variable")));
        };
        let mut named = Map::new();
        for key in options.args() {
            named.insert(key.to_owned(), print::to_json(&options.get::<Value>(key)?)?);
        }
        let terms = terms.iter().map(print::to_json).collect::<std::result::Result<Vec<Json>, _>>()?;
        let ask = Ask { name: name.to_owned(), terms, options: named };
        match hook(&ask).map_err(super::wrapped)? {
            Json::Array(items) => Ok(items.iter().map(print::from_json).collect()),
            one => Ok(vec![print::from_json(&one)]),
        }
    };
    let answer = Arc::new(answer);
    let lookup = answer.clone();
    env.add_function("lookup", move |state: &State, name: &str, terms: Rest<Value>, options: Kwargs| {
        let list = options.get::<Option<bool>>("wantlist").ok().flatten().unwrap_or(false);
        let mut values = lookup(state, name, terms.0, options)?;
        Ok::<Value, minijinja::Error>(match values.len() {
            1 if !list => values.remove(0),
            _ if list => Value::from(values),
            _ if values.iter().all(|v| v.as_str().is_some()) => {
                Value::from(values.iter().filter_map(|v| v.as_str()).collect::<Vec<_>>().join(","))
            }
            _ => Value::from(values),
        })
    });
    for name in ["query", "q"] {
        let query = answer.clone();
        env.add_function(name, move |state: &State, name: &str, terms: Rest<Value>, options: Kwargs| {
            query(state, name, terms.0, options).map(Value::from)
        });
    }
}
