//! Imports: `import "lib/gates" as gates` is a file beside the importing one, or in the project's
//! playbooks. A playbook cannot read anything else.

use rhai::{Engine, EvalAltResult, Module, ModuleResolver, Position, Scope, Shared};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use stdlib::contract::{Error, Site, nearest};

/// The texts of a playbook and what it imports, by the name that messages use.
#[derive(Debug, Clone, Default)]
pub struct Sources(Arc<Mutex<BTreeMap<String, Arc<str>>>>);

impl Sources {
    /// Remember a text.
    pub fn put(&self, name: &str, text: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), text.into());
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
