//! How compose is called for a stack, and what its refusals mean.

use crate::contract::{Command, Error};
use crate::shared::{HostPath, Many};

/// Compose for one stack.
#[derive(Debug, Clone)]
pub struct Cli {
    dir: String,
    words: Vec<String>,
    /// Whether the playbook names the files.
    given: bool,
    standalone: bool,
}

/// Declares what is asked of a stack: a struct with these parameters, and those that say which stack it is.
macro_rules! of_a_stack {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$about:meta])* $vis:vis $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The directory of the stack on the host, or its compose file.
            pub path: $crate::shared::HostPath,
            $($(#[$about])* $vis $field: $type,)*
            /// Compose files other than `compose.yaml` and its like, below the directory or absolute.
            #[serde(default)]
            pub files: $crate::shared::Many<String>,
            /// The project's name; without it, as compose finds it: `name` in the file, or the directory's.
            pub project_name: Option<String>,
            /// Files with variables in place of `.env`.
            #[serde(default)]
            pub env_files: $crate::shared::Many<String>,
            /// Profiles to enable.
            #[serde(default)]
            pub profiles: $crate::shared::Many<String>,
        }

        impl $name {
            /// Finds compose on the host, and resolves the files.
            async fn resolve(&self, host: &dyn $crate::contract::Look) -> $crate::contract::Result<$crate::compose::project::Project> {
                let cli = $crate::compose::cli::Cli::new(
                    &self.path, &self.files, self.project_name.as_ref(), &self.env_files, &self.profiles,
                );
                $crate::compose::project::Project::read(host, cli).await
            }
        }
    };
}
pub(super) use of_a_stack;

/// Whether a path names a compose file, and not the directory of one.
fn is_file(path: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|end| path.ends_with(end))
}

/// The stack's directory, and its files, which may lie elsewhere.
pub fn sources(path: &HostPath, files: &Many<String>, env_files: &Many<String>) -> Vec<String> {
    let files = files.as_slice().iter().chain(env_files.as_slice()).cloned();
    std::iter::once(directory(path).to_owned()).chain(files).collect()
}

/// The directory of a stack that is named by it or by its compose file.
fn directory(path: &HostPath) -> &str {
    if is_file(path) { path.parent() } else { path }
}

impl Cli {
    /// What a playbook says of a stack.
    pub fn new(
        path: &HostPath,
        files: &Many<String>,
        project_name: Option<&String>,
        env_files: &Many<String>,
        profiles: &Many<String>,
    ) -> Cli {
        let (dir, own) = (directory(path), is_file(path).then(|| path.rsplit('/').next()).flatten());
        let files: Vec<&str> = own.into_iter().chain(files.as_slice().iter().map(String::as_str)).collect();
        let mut words = Vec::new();
        let mut option = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
        files.iter().for_each(|file| option("-f", file));
        project_name.into_iter().for_each(|name| option("-p", name));
        env_files.as_slice().iter().for_each(|file| option("--env-file", file));
        profiles.as_slice().iter().for_each(|profile| option("--profile", profile));
        Cli { dir: dir.to_owned(), words, given: !files.is_empty(), standalone: false }
    }
    /// The same by the program of its own, `docker-compose`.
    pub fn standalone(self, standalone: bool) -> Cli {
        Cli { standalone, ..self }
    }
    /// The same with one more file, read from standard input; `found` are the files that compose finds by itself.
    pub fn overridden(&self, found: &[String]) -> Cli {
        let found = found.iter().filter(|_| !self.given).flat_map(|file| ["-f".to_owned(), file.clone()]);
        let more = ["-f".to_owned(), "-".to_owned()];
        Cli { words: found.chain(self.words.iter().cloned()).chain(more).collect(), ..self.clone() }
    }
    /// The directory of the stack.
    pub fn dir(&self) -> &str {
        &self.dir
    }
    /// The options that say which stack it is.
    pub fn words(&self) -> &[String] {
        &self.words
    }
    /// What compose is called on the host.
    pub fn program(&self) -> &'static str {
        if self.standalone { "docker-compose" } else { "docker compose" }
    }
    /// Whether the playbook names the files.
    pub fn given(&self) -> bool {
        self.given
    }
    /// A command of compose.
    pub fn command<S: Into<String>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let program =
            if self.standalone { Command::new("docker-compose") } else { Command::new("docker").arg("compose") };
        program.args(self.words.iter().cloned()).args(words).cwd(Some(&self.dir))
    }
}

/// What compose's own words mean, and what to try next.
pub fn explain(error: Error, dir: &str) -> Error {
    let said = format!("{} {}", error.message, error.stderr);
    let has = |text: &str| said.contains(text);
    if has("docker compose is not installed") || has("compose v2 is needed") {
        return error.hint(
            "Debian and Ubuntu have it as docker-compose-v2 or docker-compose, docker's own repository as \
             docker-compose-plugin: apt::installed(...) brings it",
        );
    }
    if has("permission denied while trying to connect") {
        return error.hint("within(#{ become: \"root\" }, || ...), or a user in the group docker");
    }
    if has("Cannot connect to the Docker daemon") || has("error during connect") {
        return error.hint("systemd::running(\"docker\") starts it; run the playbook again when it answers");
    }
    match error.rc {
        Some(15) => error.hint(format!("`docker compose config` in {dir} shows what is wrong with the file")),
        Some(18) => error.hint("an image could not be pulled; what runs, runs on with the image it has"),
        _ if has("is required by") || has("No such image") || has("pull access denied") => {
            error.hint("pull: \"missing\" pulls images that are not there, build: \"always\" builds them")
        }
        _ => error,
    }
}
