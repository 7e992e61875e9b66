//! The engine: Ansible's settings, headers and hooks.

use super::{
    error::told,
    prepare::{prepare, readable},
    print,
};
use crate::contract::{Error, Result};
use jiff::Zoned;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value};
use serde_json::{Map, Value as Json};
use std::borrow::Cow;
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
    /// Its named arguments, without `wantlist` and `errors`.
    pub options: Map<String, Json>,
    /// Whether nothing may be changed.
    pub check: bool,
    /// The playbook's directory.
    pub beside: Option<String>,
}

/// Answers a lookup, once for each of its terms as a rule; the error is the reader's own.
pub type Lookup = dyn Fn(&Ask) -> Result<Vec<Json>> + Send + Sync;
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
        super::lookups::add(&mut env, hooks.lookup, hooks.load.clone());
        if let Some(load) = hooks.load {
            let syntax = env.syntax().clone();
            // What is included loses its last newline, in Ansible too.
            let whole = move |text: String| {
                let text = text.replace("\r\n", "\n");
                prepare(text.strip_suffix('\n').unwrap_or(&text), &syntax, false)
            };
            env.set_loader(move |name| match load(name) {
                Ok(text) => Ok(text.map(&whole)),
                Err(error) => Err(super::wrapped(error)),
            });
        }
        Engine { env }
    }

    /// Renders a template file: blocks are trimmed, the last newline stays, a first line
    /// `#jinja2: trim_blocks:False, lstrip_blocks:True` is obeyed. `name` is the file in errors.
    pub fn render(&self, name: &str, text: &str, context: Value) -> Result<String> {
        let (env, body) = opened(&self.env, name, text)?;
        let template = env.template_from_named_str(name, &body);
        let result = template.and_then(|template| template.render(context.clone()));
        result.map_err(|error| {
            let mut error = told(name, &body, &env, &context, &error);
            if text.starts_with(HEADER)
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
        let text = prepare(text, env.syntax(), true);
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
        let wrapped = prepare(&format!("{{{{ {text} }}}}"), self.env.syntax(), true);
        let bare = wrapped.strip_prefix("{{ ").and_then(|t| t.strip_suffix(" }}")).unwrap_or(text);
        let result = self.env.compile_expression(bare).and_then(|e| e.eval(context.clone()));
        result.map_err(|error| told(name, bare, &self.env, &context, &error))
    }
}

/// What renders a template file, and its text as it must see that: a header has settings of its own.
pub(super) fn opened<'e, 's>(
    env: &'e Environment<'s>,
    name: &str,
    text: &str,
) -> Result<(Cow<'e, Environment<'s>>, String)> {
    let text = text.replace("\r\n", "\n");
    let (header, body) = header(name, &text)?;
    let env = match header {
        Some(header) => Cow::Owned(with(env, header)?),
        None => Cow::Borrowed(env),
    };
    let body = prepare(body, env.syntax(), false);
    Ok((env, body))
}

/// The same environment with the settings of a header.
fn with<'s>(env: &Environment<'s>, header: Header) -> Result<Environment<'s>> {
    let mut env = env.clone();
    let mut syntax = env.syntax().to_builder();
    syntax.trim_blocks(header.trim_blocks.unwrap_or(true)).lstrip_blocks(header.lstrip_blocks.unwrap_or(false));
    if let (Some(start), Some(end)) = (header.variable_start, header.variable_end) {
        syntax.variable_delimiters(start, end);
    }
    if let (Some(start), Some(end)) = (header.block_start, header.block_end) {
        syntax.block_delimiters(start, end);
    }
    if let (Some(start), Some(end)) = (header.comment_start, header.comment_end) {
        syntax.comment_delimiters(start, end);
    }
    if let Some(prefix) = header.line_statement_prefix {
        syntax.line_statement_prefix(prefix);
    }
    if let Some(prefix) = header.line_comment_prefix {
        syntax.line_comment_prefix(prefix);
    }
    env.set_syntax(syntax.build().map_err(|e| Error::playbook(e.to_string()))?);
    Ok(env)
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
    line_statement_prefix: Option<String>,
    line_comment_prefix: Option<String>,
    comment_start: Option<String>,
    comment_end: Option<String>,
    variable_start: Option<String>,
    variable_end: Option<String>,
    block_start: Option<String>,
    block_end: Option<String>,
}

/// The settings in a template's first line, and the rest.
fn header<'a>(name: &str, text: &'a str) -> Result<(Option<Header>, &'a str)> {
    let Some(rest) = text.strip_prefix(HEADER) else { return Ok((None, text)) };
    let mut header = Header::default();
    let wrong = |message: String| {
        Error::playbook(message).at(crate::contract::Site { file: name.to_owned(), line: 1, column: 1 })
    };
    let Some((line, body)) = rest.split_once('\n') else {
        return Err(wrong("the `#jinja2:` line is the whole template".to_owned()).hint("end the line"));
    };
    for setting in line.trim().split(',').filter(|s| !s.trim().is_empty()) {
        let (key, value) = setting.split_once(':').unwrap_or((setting, ""));
        let value = value.trim();
        let flag = Some(value.eq_ignore_ascii_case("true"));
        let word = Some(value.trim_matches(['"', '\'']).to_owned());
        match key.trim() {
            "trim_blocks" => header.trim_blocks = flag,
            "lstrip_blocks" => header.lstrip_blocks = flag,
            // Ansible knows it, and keeps the newline all the same.
            "keep_trailing_newline" => {}
            "line_statement_prefix" => header.line_statement_prefix = word,
            "line_comment_prefix" => header.line_comment_prefix = word,
            "comment_start_string" => header.comment_start = word,
            "comment_end_string" => header.comment_end = word,
            "variable_start_string" => header.variable_start = word,
            "variable_end_string" => header.variable_end = word,
            "block_start_string" => header.block_start = word,
            "block_end_string" => header.block_end = word,
            other => {
                let wrong = wrong(format!("unknown setting `{other}` in the `#jinja2:` line"));
                return Err(wrong.hint("known are trim_blocks, lstrip_blocks and the start and end strings"));
            }
        }
    }
    Ok((Some(header), body))
}
