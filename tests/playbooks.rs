//! The playbooks that ship are fine, and so is everything they import.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // an integration test is no `cfg(test)` to clippy

use hlrun::script::{Limits, compile};
use std::path::{Path, PathBuf};

fn playbooks(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(playbooks(&path));
        } else if path.extension().is_some_and(|e| e == "rhai") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_playbook_is_fine() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = playbooks(&root.join("playbooks"));
    assert!(all.len() >= 3);
    for path in all {
        match compile(&path, Some(root), &Limits::default()) {
            Ok(program) => assert!(!program.survey.docs.is_empty(), "{} does not say what it is for", path.display()),
            Err(errors) => panic!("{}: {errors:?}", path.display()),
        }
    }
}

#[test]
fn the_playbook_of_the_readme_is_fine() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```rhai\n").unwrap();
    let playbook = rest.split_once("```").unwrap().0;
    if let Err(errors) = hlrun::script::compile_text(playbook, "README.md", root, &Limits::default()) {
        panic!("{errors:?}");
    }
}

#[test]
fn the_example_inventory_is_fine() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks/inventory.yaml");
    let inventory = hlrun::inventory::Inventory::load(&[path], None, Default::default()).unwrap();
    assert_eq!(inventory.select("pihole:&all").unwrap(), ["pi1", "pi2"]);
}
