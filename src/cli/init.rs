//! `hlrun init`: a working example homelab. Its files lie in `examples/homelab`, as they are written.

use super::args::InitArgs;
use super::screen;
use std::path::Path;
use stdlib::contract::{Error, Result};

macro_rules! files {
    ($($name:literal),* $(,)?) => { &[$(($name, include_str!(concat!("../../examples/homelab/", $name)))),*] };
}

const FILES: &[(&str, &str)] = files![
    "README.md",
    "hlrun.yaml",
    "inventory.yaml",
    "group_vars/all.yaml",
    "group_vars/servers.yaml",
    "host_vars/localhost.yaml",
    "playbooks/hello.rhai",
    "playbooks/base.rhai",
    "playbooks/services.rhai",
    "playbooks/lib/stacks.rhai",
    "playbooks/templates/motd.j2",
    "services/whoami.yaml",
    ".gitignore",
    ".editorconfig",
    ".vscode/extensions.json",
    ".vscode/settings.json",
    "Rhai.toml",
];

macro_rules! shared {
    ($($name:literal),* $(,)?) => { &[$((concat!("playbooks/", $name), include_str!(concat!("../../playbooks/", $name)))),*] };
}

/// Playbooks for every homelab.
const SHARED: &[(&str, &str)] = shared![
    "maintenance/weekly.rhai",
    "maintenance/daily.rhai",
    "maintenance/health.rhai",
    "lib/updates.rhai",
    "lib/health.rhai",
];

/// What the editor knows of the modules; generated, so that it is never older than they are.
const DEFINITIONS: &str = ".rhai/hlrun.d.rhai";

/// Make a homelab. Returns the exit code.
pub fn init(args: &InitArgs) -> u8 {
    match write(&args.dir) {
        Ok(count) => {
            let dir = args.dir.display();
            screen::out(&format!("{count} files in {dir}; README.md tells what each is for"));
            screen::out(&format!("next:\n  cd {dir}"));
            screen::out("  hlrun playbooks/hello.rhai                          this machine tells what it is");
            screen::out("  hlrun playbooks/base.rhai --check                   what would change on it");
            screen::out("  hlrun host add nas root@192.168.1.10 --group servers");
            screen::out("  git init");
            0
        }
        Err(error) => screen::fail(&[error]),
    }
}

fn write(dir: &Path) -> Result<usize> {
    let definitions = crate::script::definitions() + "\n";
    let all: Vec<(&str, &str)> =
        FILES.iter().chain(SHARED).copied().chain([(DEFINITIONS, definitions.as_str())]).collect();
    // Looked at first, so that nothing is written where something would be in the way.
    let there: Vec<&str> =
        all.iter().map(|(name, _)| *name).filter(|name| dir.join(name).symlink_metadata().is_ok()).collect();
    if !there.is_empty() {
        let error = Error::playbook(format!("{} has {} already: nothing was written", dir.display(), there.join(", ")));
        return Err(error.hint("name a directory that is not there yet"));
    }
    for (name, text) in &all {
        let path = dir.join(name);
        let failed = |e: std::io::Error| Error::playbook(format!("cannot write {}: {e}", path.display()));
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut file = std::fs::File::create_new(&path).map_err(failed)?;
        std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)?;
    }
    Ok(all.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_example_is_written() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/homelab");
        let (mut found, mut open) = (Vec::new(), vec![root.clone()]);
        while let Some(dir) = open.pop() {
            for path in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
                match path.is_dir() {
                    true => open.push(path),
                    false => found.push(path.strip_prefix(&root).unwrap().to_string_lossy().into_owned()),
                }
            }
        }
        found.sort();
        let mut embedded: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        embedded.sort_unstable();
        assert_eq!(found, embedded);
    }
}
