//! Playbooks from text to program, and programs run.

use super::finally::Last;
use super::resolve::{Resolver, Sources};
use super::stage::Stage;
use super::survey::Survey;
use super::value::{Rhai, throw};
use super::{Tag, error, lint, play};
use rhai::packages::{Package, StandardPackage};
use rhai::{AST, Dynamic, Engine, ImmutableString, NativeCallContext, Scope};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stdlib::contract::{Content, Error, Kind};
use stdlib::shared::Span;

/// What a script may use up.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Operations of the interpreter per host; 0 means no limit.
    pub operations: u64,
    /// Depth of calls.
    pub depth: usize,
    /// Size of a string in bytes, also of what a command prints.
    pub string: usize,
    /// Items in an array or map: as many as a long output has lines. Rhai counts them at every change, so that
    /// filling one takes a time that grows with the square of it.
    pub items: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { operations: 200_000_000, depth: 128, string: 256 << 20, items: 2_000_000 }
    }
}

/// A playbook, compiled and surveyed.
pub struct Program {
    /// Its name for messages.
    pub name: String,
    /// SHA-256 of its text.
    pub digest: String,
    /// The directory of its file.
    pub dir: PathBuf,
    /// The texts of it and of what it imports.
    pub sources: Sources,
    /// What it declares: parameters, plays, tasks, tags.
    pub survey: Survey,
    engine: Engine,
    ast: AST,
}

/// Compile a playbook file. All its errors at once, those of its imports included.
pub fn compile(path: &Path, project: Option<&Path>, limits: &Limits) -> Result<Program, Vec<Error>> {
    sound(inspect(path, project, limits))
}

fn sound((program, errors): (Option<Program>, Vec<Error>)) -> Result<Program, Vec<Error>> {
    program.filter(|_| errors.is_empty()).ok_or(errors)
}

/// All that is wrong with a playbook file, and the program as far as it can be read: with errors it is for
/// more checks, and not to be run.
pub fn inspect(path: &Path, project: Option<&Path>, limits: &Limits) -> (Option<Program>, Vec<Error>) {
    let name = display(path);
    let unreadable = |e: std::io::Error| {
        let error = Error::playbook(format!("cannot read the playbook {name}: {e}"));
        let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let names: Vec<String> = std::fs::read_dir(dir)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|file| file.ends_with(".rhai"))
            .collect();
        let wanted = path.file_name().map(|f| f.to_string_lossy().into_owned()).unwrap_or_default();
        match stdlib::contract::nearest(&wanted, names.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean {}?", dir.join(near).display())),
            None => error,
        }
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) => return (None, vec![unreadable(e)]),
    };
    let dir = path.parent().map(Path::to_path_buf).unwrap_or_default();
    program(&text, name, dir, project, limits)
}

/// Compile a playbook that is a text at hand.
pub fn compile_text(text: &str, name: &str, dir: &Path, limits: &Limits) -> Result<Program, Vec<Error>> {
    sound(program(text, name.to_owned(), dir.to_path_buf(), None, limits))
}

fn program(
    text: &str,
    name: String,
    dir: PathBuf,
    project: Option<&Path>,
    limits: &Limits,
) -> (Option<Program>, Vec<Error>) {
    let sources = Sources::default();
    sources.put(&name, text);
    let roots = project.into_iter().flat_map(|root| [root.join("playbooks"), root.to_path_buf()]).collect();
    let resolver = Resolver::new(sources.clone(), roots);
    let engine = engine(&resolver, limits);
    let (survey, ast, errors) =
        lint::survey(&engine, &|| self::engine(&resolver, limits), &name, text, &resolver, None);
    let digest = Content::digest(text.as_bytes());
    (ast.map(|(ast, _)| Program { name, digest, dir, sources, survey, engine, ast }), errors)
}

impl Program {
    /// Run it on a stage. Its value, or the error that stopped it.
    pub fn run(&mut self, stage: &Arc<dyn Stage>) -> Result<Dynamic, Error> {
        let last = stand(&mut self.engine, stage, &self.survey);
        let ran: Rhai<Dynamic> = self.engine.eval_ast_with_scope(&mut Scope::new(), &self.ast);
        let told = |e: Box<rhai::EvalAltResult>| {
            let error = error::translate(&e, &self.name);
            if stage.interrupted() { Error::new(Kind::Interrupted, "interrupted") } else { error }
        };
        let ran = ran.map_err(told);
        // What stopped the playbook is told rather than what came of telling it.
        let ended = last.run(&self.engine, stage, ran.as_ref().err()).map_err(told);
        ran.and_then(|value| ended.map(|()| value))
    }
}

/// Put an engine on a stage. What it is asked to do at the end comes back.
pub(super) fn stand(engine: &mut Engine, stage: &Arc<dyn Stage>, survey: &Survey) -> Last {
    let watch = Arc::clone(stage);
    engine.on_progress(move |_| watch.interrupted().then_some(Dynamic::UNIT));
    let printer = Arc::clone(stage);
    engine.on_print(move |text| printer.print(play::here().as_deref(), text));
    let debug = Arc::clone(stage);
    engine.on_debug(move |text, source, pos| {
        let place = source.map(|file| format!("{file}:{pos} ")).unwrap_or_default();
        debug.print(play::here().as_deref(), &format!("{place}{text}"));
    });
    let (survey, last) = (Arc::new(survey.clone()), Last::default());
    let tag = Tag { stage: Arc::clone(stage), host: None, survey, last: last.clone() };
    engine.set_default_tag(Dynamic::from(tag));
    last
}

#[cfg(test)]
impl Program {
    /// Run it without a stage: for what needs none.
    pub(super) fn evaluate(&self) -> Result<Dynamic, Error> {
        self.engine.eval_ast_with_scope(&mut Scope::new(), &self.ast).map_err(|e| error::translate(&e, &self.name))
    }
}

/// An engine that knows our words, our modules and our limits, and nothing of the controller.
pub(super) fn engine(resolver: &Resolver, limits: &Limits) -> Engine {
    let mut engine = Engine::new_raw();
    StandardPackage::new().register_into_engine(&mut engine);
    engine.set_strict_variables(true);
    engine.set_fail_on_invalid_map_property(true);
    engine.set_max_operations(limits.operations);
    engine.set_max_call_levels(limits.depth);
    engine.set_max_expr_depths(128, 128);
    engine.set_max_string_size(limits.string);
    engine.set_max_array_size(limits.items);
    engine.set_max_map_size(limits.items);
    engine.disable_symbol("eval");
    engine.set_module_resolver(resolver.clone());
    // Words that Rhai keeps for the future and that people want as names of options.
    #[allow(deprecated)]
    engine.on_parse_token(|token, pos, _| match token {
        rhai::Token::Underscore if super::line::is_result(pos) => rhai::Token::Identifier(Box::new("_".into())),
        rhai::Token::Until => rhai::Token::Identifier(Box::new("until".into())),
        rhai::Token::Reserved(word) if FREED.contains(&word.as_str()) => rhai::Token::Identifier(word),
        other => other,
    });
    engine.register_fn("sleep", |ctx: NativeCallContext, seconds: i64| {
        sleep(&ctx, Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
    });
    engine.register_fn("sleep", |ctx: NativeCallContext, seconds: f64| {
        sleep(&ctx, Duration::try_from_secs_f64(seconds).unwrap_or_default())
    });
    engine.register_fn("sleep", |ctx: NativeCallContext, span: &str| {
        let span =
            Span::parse(span).map_err(|e| throw(Error::playbook(format!("sleep(): {e}")), ctx.call_position()))?;
        sleep(&ctx, span.0)
    });
    // Rhai's own answers nothing, so that `if out.trim() == "x"` would be false without a word.
    engine.register_fn("trim", |text: &mut ImmutableString| {
        *text = text.trim().into();
        text.clone()
    });
    super::finally::register(&mut engine);
    super::include::register(&mut engine);
    super::pause::register(&mut engine);
    super::value::register(&mut engine);
    play::register(&mut engine);
    super::bridge::register(&mut engine);
    engine
}

/// Wait, but not longer than the run lasts: Rhai's own would not hear Ctrl-C.
pub(super) fn sleep(ctx: &NativeCallContext, span: Duration) -> Rhai<()> {
    let tag = Tag::of(ctx);
    if tag.as_ref().and_then(|tag| tag.host.as_ref()).is_some_and(|host| host.actor.replaying()) {
        return Ok(());
    }
    let stage = tag.map(|tag| tag.stage);
    let began = Instant::now();
    while let Some(left) = span.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
        if stage.as_ref().is_some_and(|stage| stage.interrupted()) {
            return Err(throw(Error::new(Kind::Interrupted, "interrupted"), ctx.call_position()));
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
    Ok(())
}

/// Reserved words that are options of operations.
const FREED: &[&str] = &["default", "match", "with", "use", "package", "module", "public", "shared"];

/// A path as the user would name it: relative to where he stands, if it is below.
pub(crate) fn display(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let clean: PathBuf = path.components().collect();
    clean.strip_prefix(&here).unwrap_or(&clean).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(text: &str) -> Result<Dynamic, Error> {
        compile_text(text, "test", Path::new(""), &Limits::default()).unwrap().evaluate()
    }

    #[test]
    fn a_list_without_end_is_stopped() {
        let limits = Limits { items: 1000, ..Limits::default() };
        let program = compile_text("let s = []; loop { s.push(1); }", "test", Path::new(""), &limits).unwrap();
        assert!(program.evaluate().unwrap_err().message.contains("array"));
    }

    #[test]
    fn trim_answers() {
        let text = r#"let text = " a "; [" b\n".trim(), #{ stdout: " c " }.stdout.trim(), text.trim(), text]"#;
        let answers = evaluate(text).unwrap().into_typed_array::<String>().unwrap();
        assert_eq!(answers, ["b", "c", "a", "a"]);
    }

    #[test]
    fn what_is_right_is_not_refused() {
        let text = r#"
            const LEAST = 1;
            fn least(host) { global::LEAST }
            fn deploy(opts) { within(opts + #{ retries: 1 }, || { shell::query("true"); }); }
            let methods = #{ run: |a| a };
            methods.run(1);
            let wanted = "x";
            let closure = |host| print(wanted);
            for share in ["50%", 2] {
                play(`Play ${share}`, "all", #{ serial: share, tags: "a" }, |host| {
                    deploy(#{ timeout: "5s" });
                    on(host, || defer("later", |h| print(h.name)));
                    within(#{ until: |r| r.stdout == wanted, delay: least(host) }, || shell::query("true"));
                    shell::run(#{ command: "true", changed_when: false, failed_when: |r| r.rc > 1 });
                });
            }
            play("Pointer", "all", Fn("least"));
            play("Variable", "all", closure);
        "#;
        let wrong = compile_text(text, "test", Path::new(""), &Limits::default()).err();
        assert!(wrong.is_none(), "{wrong:?}");
    }

    #[test]
    fn sleep_takes_numbers_and_spans() {
        let began = Instant::now();
        let slept = evaluate("sleep(0); sleep(-1); sleep(0.01); sleep(\"1ms\");");
        assert!(slept.is_ok(), "{slept:?}");
        assert!(began.elapsed() >= Duration::from_millis(11));
        assert!(evaluate("sleep(\"soon\")").is_err());
    }
}
