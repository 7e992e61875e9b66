//! Modules as data: names, documentation, parameters, and the way to call what they offer.

use super::{
    Action, Back, Error, Fact, Host, Look, Mode, Operation, Outcome, Past, Reboot, Restored, Result, act, conduct,
    nearest, restore,
};
use async_trait::async_trait;
use schemars::{JsonSchema, Schema, schema_for};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::marker::PhantomData;

/// The format, in a schema, of a parameter that names a channel of the project.
pub const CHANNEL: &str = "channel";

/// A module: one file, one namespace in playbooks.
pub struct Module {
    /// Its name, such as `zfs`.
    pub name: &'static str,
    /// What its file says at the top.
    pub docs: String,
    /// What it offers, in the order of its file.
    pub entries: Vec<Entry>,
}

/// What kind of thing an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Something that should be true.
    Operation,
    /// Something that just runs.
    Action,
    /// A question.
    Fact,
}

/// One function of a module.
pub struct Entry {
    /// The module's name.
    pub module: &'static str,
    /// The function's name.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Its documentation, in Markdown.
    pub docs: String,
    /// Its parameters in the order of the struct; the first required one is the subject.
    pub parameters: Vec<Parameter>,
    /// Whether undo can go back from it.
    pub reversible: bool,
    /// Why undo cannot, if that is so for every call.
    pub stays: &'static str,
    /// What it has to do with reboots.
    pub reboot: Reboot,
    /// The JSON Schema of its parameters.
    pub schema: Schema,
    /// The way to call it.
    pub typed: Box<dyn Typed>,
}

/// One parameter of an entry.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its documentation.
    pub docs: String,
    /// Whether it must be given.
    pub required: bool,
    /// What it takes, in words: `string`, `boolean`, `list of string`...
    pub takes: String,
    /// The values it can have, if they are few.
    pub values: Vec<String>,
}

/// An entry's types, hidden: arguments come as JSON.
#[async_trait]
pub trait Typed: Send + Sync {
    /// Whether the arguments have the right types.
    fn check(&self, args: &Value) -> Result<()>;
    /// Conduct an operation, or run an action (`any_code`: see [`act`]).
    async fn conduct(&self, args: Value, host: &dyn Host, mode: Mode, any_code: bool) -> Result<Outcome>;
    /// Take an operation's change back, or say what that would take.
    async fn restore(&self, _args: Value, _past: &Past, _host: &dyn Host, _back: Back) -> Result<Restored> {
        Err(Error::bug("only operations can be taken back"))
    }
    /// Ask a fact.
    async fn ask(&self, args: Value, host: &dyn Look) -> Result<Value>;
}

impl Module {
    /// An empty module; `source` is the text of its file, whose `//!` lines are its documentation.
    pub fn new(name: &'static str, source: &str) -> Module {
        let docs: Vec<&str> = source
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect();
        Module { name, docs: docs.join("\n"), entries: Vec::new() }
    }
    /// Offer an operation; its name is the type's in snake case.
    pub fn operation<O: Operation>(&mut self) -> &mut Module {
        self.entry::<O>(
            Role::Operation,
            O::REVERSIBLE,
            ("it has no way back", O::REBOOT),
            Box::new(OperationOf::<O>(PhantomData)),
        )
    }
    /// Offer an action.
    pub fn action<A: Action>(&mut self) -> &mut Module {
        self.entry::<A>(Role::Action, false, (A::STAYS, A::REBOOT), Box::new(ActionOf::<A>(PhantomData)))
    }
    /// Offer a fact.
    pub fn fact<F: Fact>(&mut self) -> &mut Module {
        self.entry::<F>(Role::Fact, false, ("it was only asked", F::REBOOT), Box::new(FactOf::<F>(PhantomData)))
    }
    fn entry<T: JsonSchema>(
        &mut self,
        role: Role,
        reversible: bool,
        (stays, reboot): (&'static str, Reboot),
        typed: Box<dyn Typed>,
    ) -> &mut Module {
        let schema = schema_for!(T);
        let docs = schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
        let parameters = parameters(&schema);
        let name = snake(&T::schema_name());
        self.entries.push(Entry {
            module: self.name,
            name,
            role,
            docs,
            parameters,
            reversible,
            stays,
            reboot,
            schema,
            typed,
        });
        self
    }
}

impl Entry {
    /// `module::name`.
    pub fn path(&self) -> String {
        format!("{}::{}", self.module, self.name)
    }
    /// Whether it speaks by a channel of the project, from the controller, so that it needs no host.
    pub fn sends(&self) -> bool {
        self.subject().is_some_and(|subject| self.schema.as_value()["properties"][&subject.name]["format"] == CHANNEL)
    }
    /// The parameter that comes first in a call.
    pub fn subject(&self) -> Option<&Parameter> {
        self.parameters.iter().find(|p| p.required)
    }
    /// The first sentence of the documentation.
    pub fn summary(&self) -> &str {
        self.docs.split("\n\n").next().unwrap_or_default().trim()
    }
    /// The arguments of a call as one object: the subject under its name, beside the named ones.
    /// Unknown names, missing ones and wrong types are errors, each with the nearest right name.
    pub fn arguments(&self, subject: Option<Value>, options: Map<String, Value>) -> Result<Value> {
        let mut args = Map::new();
        match (subject, self.subject()) {
            (Some(value), Some(parameter)) if !options.contains_key(&parameter.name) => {
                args.insert(parameter.name.clone(), value);
            }
            (Some(_), Some(parameter)) => {
                return Err(Error::playbook(format!("{}: `{}` is given twice", self.path(), parameter.name)));
            }
            (Some(value), None) => {
                return Err(Error::playbook(format!("{} takes no subject, but got {value}", self.path()))
                    .hint(format!("its parameters are named: {}", self.usage())));
            }
            (None, _) => {}
        }
        args.extend(options);
        if let Some(error) = self.unknown(args.keys().map(String::as_str)).into_iter().next() {
            return Err(error);
        }
        for parameter in self.parameters.iter().filter(|p| p.required) {
            if !args.contains_key(&parameter.name) {
                return Err(Error::playbook(format!("{} needs `{}`", self.path(), parameter.name)).hint(self.usage()));
            }
        }
        let args = Value::Object(args);
        self.typed.check(&args).map_err(|e| {
            let message = format!("{}: {}", self.path(), e.message);
            e.hints.iter().fold(Error::playbook(message), |error, hint| error.hint(hint.clone()))
        })?;
        Ok(args)
    }
    /// One error for each name that is no parameter.
    pub fn unknown<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<Error> {
        let known = || self.parameters.iter().map(|p| p.name.as_str());
        names
            .filter(|name| known().all(|k| k != *name))
            .map(|name| {
                let error = Error::playbook(format!("unknown argument `{name}` for {}", self.path()));
                match nearest(name, known()) {
                    Some(meant) => error.hint(format!("did you mean `{meant}`?")),
                    None => error.hint(self.usage()),
                }
            })
            .collect()
    }
    /// One line: how it is called.
    pub fn usage(&self) -> String {
        let subject = self.subject();
        let named = self.parameters.iter().filter(|p| subject.is_none_or(|s| s.name != p.name));
        let named = named.map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ");
        let mut args: Vec<String> = subject.map(|s| s.name.clone()).into_iter().collect();
        if !named.is_empty() {
            args.push(format!("#{{ {named} }}"));
        }
        format!("{}({})", self.path(), args.join(", "))
    }
}

struct OperationOf<O>(PhantomData<fn() -> O>);
struct ActionOf<A>(PhantomData<fn() -> A>);
struct FactOf<F>(PhantomData<fn() -> F>);

#[async_trait]
impl<O: Operation> Typed for OperationOf<O> {
    fn check(&self, args: &Value) -> Result<()> {
        parse::<O>(args).map(drop)
    }
    async fn conduct(&self, args: Value, host: &dyn Host, mode: Mode, _any_code: bool) -> Result<Outcome> {
        conduct(parse::<O>(&args)?, host, mode).await
    }
    async fn restore(&self, args: Value, past: &Past, host: &dyn Host, back: Back) -> Result<Restored> {
        restore(parse::<O>(&args)?, past, host, back).await
    }
    async fn ask(&self, _args: Value, _host: &dyn Look) -> Result<Value> {
        Err(Error::bug("an operation was asked as a fact"))
    }
}

#[async_trait]
impl<A: Action> Typed for ActionOf<A> {
    fn check(&self, args: &Value) -> Result<()> {
        parse::<A>(args).map(drop)
    }
    async fn conduct(&self, args: Value, host: &dyn Host, mode: Mode, any_code: bool) -> Result<Outcome> {
        act(parse::<A>(&args)?, host, mode, any_code).await
    }
    async fn ask(&self, _args: Value, _host: &dyn Look) -> Result<Value> {
        Err(Error::bug("an action was asked as a fact"))
    }
}

#[async_trait]
impl<F: Fact> Typed for FactOf<F> {
    fn check(&self, args: &Value) -> Result<()> {
        parse::<F>(args).map(drop)
    }
    async fn conduct(&self, _args: Value, _host: &dyn Host, _mode: Mode, _any: bool) -> Result<Outcome> {
        Err(Error::bug("a fact was conducted as an operation"))
    }
    async fn ask(&self, args: Value, host: &dyn Look) -> Result<Value> {
        let answer = parse::<F>(&args)?.ask(host).await?;
        serde_json::to_value(answer).map_err(|e| Error::bug(format!("an answer cannot be written as JSON: {e}")))
    }
}

fn parse<T: DeserializeOwned>(args: &Value) -> Result<T> {
    serde_path_to_error::deserialize(args).map_err(|e| {
        let at = e.path().to_string();
        let what = e.into_inner().to_string();
        if at == "." || at == "?" { Error::playbook(what) } else { Error::playbook(format!("`{at}`: {what}")) }
    })
}

/// The parameters that a schema describes.
pub fn parameters(schema: &Schema) -> Vec<Parameter> {
    let root = schema.as_value();
    let required: Vec<&str> = root["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = root["properties"].as_object().into_iter().flatten();
    properties
        .map(|(name, property)| {
            let (takes, values) = takes(property, root);
            let docs = property["description"].as_str().unwrap_or_default().to_owned();
            Parameter { name: name.clone(), docs, required: required.contains(&name.as_str()), takes, values }
        })
        .collect()
}

/// What a schema accepts, in words, and its values if it lists them.
fn takes(schema: &Value, root: &Value) -> (String, Vec<String>) {
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/")) {
        return takes(&root["$defs"][name], root);
    }
    let literals: Vec<String> = match (&schema["enum"], &schema["const"]) {
        (Value::Array(values), _) => values.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        (_, Value::String(value)) => vec![value.clone()],
        _ => Vec::new(),
    };
    if !literals.is_empty() {
        return ("string".to_owned(), literals);
    }
    if let Some(options) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
        let options = options.iter().filter(|o| o["type"] != "null").map(|o| takes(o, root));
        let (mut words, values): (Vec<String>, Vec<Vec<String>>) = options.unzip();
        words.dedup();
        return (words.join(" or "), values.concat());
    }
    let kind = |kind: &str| match kind {
        "array" => format!("list of {}", takes(&schema["items"], root).0),
        "object" => "map".to_owned(),
        other => other.to_owned(),
    };
    let words = match &schema["type"] {
        Value::String(one) => kind(one),
        Value::Array(several) => {
            let several = several.iter().filter_map(Value::as_str).filter(|k| *k != "null");
            several.map(kind).collect::<Vec<_>>().join(" or ")
        }
        _ => "anything".to_owned(),
    };
    (words, Vec::new())
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for (i, c) in name.chars().enumerate() {
        if c.is_uppercase() && i > 0 {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}
