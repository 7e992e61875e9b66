//! Imports: `import "lib/gates" as gates` is a file beside the importing one, or in the project's
//! playbooks. A playbook cannot read anything else.

use rhai::{Engine, EvalAltResult, Module, ModuleResolver, Position, Scope, Shared};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use stdlib::contract::{Content, Error, Site, nearest};

/// The texts of a playbook and what it imports, by the name that messages use.
#[derive(Debug, Clone, Default)]
pub struct Sources(Arc<Mutex<BTreeMap<String, Arc<str>>>>);

impl Sources {
    /// Remember a text.
    pub fn put(&self, name: &str, text: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), text.into());
    }
    /// The digests of all of them, by name.
    pub fn digests(&self) -> BTreeMap<String, String> {
        let texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.iter().map(|(name, text)| (name.clone(), Content::digest(text.as_bytes()))).collect()
    }
    /// The text of a file: one of the playbook's, or any that can be read (an inventory).
    pub fn text(&self, name: &str) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).map(ToString::to_string);
        known.or_else(|| std::fs::read_to_string(name).ok())
    }
}

/// Where imports are looked for.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    sources: Sources,
    roots: Vec<PathBuf>,
    loaded: Arc<Mutex<BTreeMap<PathBuf, Shared<Module>>>>,
}

impl Resolver {
    /// Imports are looked for beside the importing file, then in these directories.
    pub fn new(sources: Sources, roots: Vec<PathBuf>) -> Resolver {
        Resolver { sources, roots, loaded: Arc::default() }
    }
    /// Read files anew that are imported from now on.
    pub fn forget(&self) {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
    /// The file that an import means.
    pub fn find(&self, importer: Option<&str>, path: &str) -> Result<PathBuf, Error> {
        let file = if path.ends_with(".rhai") { path.to_owned() } else { format!("{path}.rhai") };
        let beside = importer.and_then(|file| Path::new(file).parent()).map(Path::to_path_buf);
        let dirs: Vec<PathBuf> = beside.into_iter().chain(self.roots.iter().cloned()).collect();
        if let Some(found) = dirs.iter().map(|dir| dir.join(&file)).find(|candidate| candidate.is_file()) {
            return Ok(found);
        }
        let parent = Path::new(&file).parent().unwrap_or(Path::new(""));
        let names: Vec<String> = dirs
            .iter()
            .flat_map(|dir| std::fs::read_dir(dir.join(parent)).into_iter().flatten().flatten())
            .filter_map(|entry| entry.path().file_stem().map(|s| parent.join(s).to_string_lossy().into_owned()))
            .collect();
        let error = Error::playbook(format!("there is no playbook file `{path}` to import"));
        Err(match nearest(path, names.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("imports are looked for beside the importing file and in the project's playbooks"),
        })
    }
}

/// The error of files that import each other.
pub(crate) fn circle<'a>(names: impl Iterator<Item = &'a str>) -> Error {
    let mut names: Vec<&str> = names.collect();
    names.extend(names.first().copied());
    let error = match names[..] {
        [one, _] => Error::playbook(format!("{one} imports itself")),
        _ => Error::playbook(format!("these files import each other: {}", names.join(" -> "))),
    };
    error.hint("move what both need into a file of its own")
}

thread_local! {
    /// The files that this thread is importing, each the importer of the next: real path and name.
    static IMPORTING: RefCell<Vec<(PathBuf, String)>> = const { RefCell::new(Vec::new()) };
}

/// An import under way; ends when dropped.
struct Importing;

impl Importing {
    fn begin(path: &Path, name: &str) -> Result<Importing, Error> {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        IMPORTING.with_borrow_mut(|stack| {
            if let Some(first) = stack.iter().position(|(known, _)| *known == real) {
                return Err(circle(stack.iter().skip(first).map(|(_, name)| name.as_str())));
            }
            stack.push((real, name.to_owned()));
            Ok(Importing)
        })
    }
}

impl Drop for Importing {
    fn drop(&mut self) {
        IMPORTING.with_borrow_mut(|stack| drop(stack.pop()));
    }
}

impl ModuleResolver for Resolver {
    fn resolve(
        &self,
        engine: &Engine,
        source: Option<&str>,
        path: &str,
        pos: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let fail = |error: Error| {
            let at = Site {
                file: source.unwrap_or_default().to_owned(),
                line: pos.line().unwrap_or_default(),
                column: pos.position().unwrap_or_default(),
            };
            super::value::throw(error.at(at), pos)
        };
        let found = self.find(source, path).map_err(fail)?;
        if let Some(module) = self.loaded.lock().unwrap_or_else(PoisonError::into_inner).get(&found) {
            return Ok(Shared::clone(module));
        }
        let name = super::engine::display(&found);
        let _importing = Importing::begin(&found, &name).map_err(fail)?;
        let text =
            std::fs::read_to_string(&found).map_err(|e| fail(Error::playbook(format!("cannot read {name}: {e}"))))?;
        self.sources.put(&name, &text);
        let mut ast =
            engine.compile(&text).map_err(|e| super::value::throw(super::error::parse_error(&e, &name), pos))?;
        ast.set_source(name.as_str());
        let module = Module::eval_ast_as_new(Scope::new(), &ast, engine)?;
        let module: Shared<Module> = module.into();
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).insert(found, Shared::clone(&module));
        Ok(module)
    }
}

#[cfg(test)]
mod tests {
    use crate::script::{Limits, compile};

    #[test]
    fn files_that_import_each_other_are_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("a.rhai", "import \"b\" as b;");
        write("b.rhai", "\n import \"./a\" as a;\na::f();");
        write("c.rhai", "import \"c\" as c;");
        let errors = |name: &str| {
            let errors = compile(&dir.path().join(name), None, &Limits::default()).err().unwrap();
            let place = format!("{}/", dir.path().display());
            let lines = errors.iter().map(|e| format!("{}: {e}", e.at.clone().unwrap()).replace(&place, ""));
            lines.collect::<Vec<_>>()
        };
        assert_eq!(errors("a.rhai"), ["b.rhai:2:2: these files import each other: a.rhai -> b.rhai -> a.rhai"]);
        write("broken.rhai", "let x = ;");
        write("twice.rhai", "import \"broken\" as x; import \"./broken\" as y; x::f(); y::g();");
        assert_eq!(errors("twice.rhai").len(), 1, "{:?}", errors("twice.rhai"));
        assert_eq!(errors("c.rhai"), ["c.rhai:1:1: c.rhai imports itself"]);
    }

    #[test]
    fn a_circle_is_an_error_when_it_is_only_found_at_run_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d.rhai");
        std::fs::write(dir.path().join("e.rhai"), "let name = \"e\"; import name as e;").unwrap();
        std::fs::write(&path, "import \"e\" as e;").unwrap();
        let program = compile(&path, None, &Limits::default()).unwrap();
        let error = program.evaluate().unwrap_err();
        assert!(error.message.ends_with("e.rhai imports itself"), "{error:?}");
    }
}
