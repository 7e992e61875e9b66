//! The rules of the house: who may know whom.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // an integration test is no `cfg(test)` to clippy

use std::path::{Path, PathBuf};

/// Every Rust file below a folder, with its text without comments and tests.
fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap_or_default().lines();
                let code: Vec<&str> = code.filter(|line| !line.trim_start().starts_with("//")).collect();
                found.push((path, code.join("\n")));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no Rust files");
    found
}

/// `word` stands in `code` as a whole word.
fn mentions(code: &str, word: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(word)
        .any(|(at, _)| !is_word(code[..at].chars().next_back()) && !is_word(code[at + word.len()..].chars().next()))
}

fn violations(folder: &str, except: &[&str], forbidden: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for (path, code) in files(folder) {
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        if except.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        for word in forbidden.iter().filter(|word| mentions(&code, word)) {
            found.push(format!("{name} names {word}"));
        }
    }
    found
}

#[track_caller]
fn none(found: Vec<String>) {
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn stdlib_is_pure() {
    let forbidden = [
        "rhai",
        "tokio",
        "openssh::",
        "bollard",
        "reqwest",
        "git2",
        "std::process",
        "std::fs",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "ToSocketAddrs",
        // No clock and no chance of its own: what time it is and what nobody can foresee comes from the caller.
        "SystemTime",
        "Instant",
        "Zoned::now",
        "Timestamp::now",
        "TimeZone::system",
        "getrandom",
        "rand",
        "thread_rng",
        "RandomState",
    ];
    none(violations("stdlib", &[], &forbidden));
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib/Cargo.toml")).unwrap();
    for forbidden in ["tokio", "rhai", "openssh", "bollard", "reqwest", "git2", "getrandom", "rand ="] {
        assert!(!manifest.contains(forbidden), "stdlib/Cargo.toml names {forbidden}");
    }
}

#[test]
fn src_names_no_module() {
    let modules: Vec<String> = stdlib::modules().iter().map(|m| format!("stdlib::{}", m.name)).collect();
    none(violations("src", &[], &modules.iter().map(String::as_str).collect::<Vec<_>>()));
}

#[test]
fn libraries_stay_in_their_rooms() {
    let rooms: [(&str, &[&str]); 9] = [
        ("rhai", &["src/script"]),
        ("openssh", &["src/transport"]),
        ("bollard", &["src/transport"]),
        ("reqwest", &["src/transport", "src/report"]),
        ("lettre", &["src/transport"]),
        ("hickory_proto", &["src/transport"]),
        ("tokio_rustls", &["src/transport"]),
        ("git2", &["src/daemon"]),
        ("clap", &["src/cli"]),
    ];
    for (library, rooms) in rooms {
        none(violations("src", rooms, &[&format!("{library}::")]));
    }
}

#[test]
fn modules_never_use_each_other() {
    let names: Vec<&str> = stdlib::modules().iter().map(|m| m.name).collect();
    for name in &names {
        let others: Vec<String> =
            names.iter().filter(|other| *other != name).map(|other| format!("crate::{other}")).collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let own = [format!("stdlib/{name}.rs"), format!("stdlib/{name}/")];
        for (path, code) in files("stdlib") {
            let path = path.to_string_lossy().into_owned();
            if own.iter().any(|own| path.contains(own.as_str())) {
                let found: Vec<&&str> = others.iter().filter(|other| mentions(&code, other)).collect();
                assert!(found.is_empty(), "{path} uses {found:?}");
            }
        }
    }
}

#[test]
fn shared_and_contract_know_no_module() {
    let modules: Vec<String> = stdlib::modules().iter().map(|m| format!("crate::{}", m.name)).collect();
    let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
    none(violations("stdlib/shared", &[], &modules));
    none(violations("stdlib/contract", &[], &modules));
    none(violations("stdlib/contract", &[], &["crate::shared"]));
}

#[test]
fn folders_know_only_what_is_below_them() {
    let rules: [(&str, &[&str]); 5] = [
        ("src/script", &["crate::transport", "crate::run", "crate::inventory", "crate::report", "crate::cli"]),
        ("src/transport", &["crate::script", "crate::run", "crate::inventory", "crate::report", "crate::cli"]),
        ("src/inventory", &["crate::script", "crate::run", "crate::transport", "crate::report", "crate::cli"]),
        ("src/report", &["crate::script", "crate::run", "crate::transport", "crate::inventory", "crate::cli"]),
        ("src/run", &["crate::cli"]),
    ];
    for (folder, forbidden) in rules {
        none(violations(folder, &[], forbidden));
    }
}

#[test]
fn every_module_file_is_in_the_list() {
    let names: Vec<&str> = stdlib::modules().iter().map(|m| m.name).collect();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib")).unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "rs") && path.file_stem().is_some_and(|s| s != "lib") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            assert!(names.contains(&name.as_str()), "stdlib/{name}.rs is not in modules![...]");
        }
    }
}

#[test]
fn scripts_wait_for_the_world_in_one_place() {
    none(violations("src", &["src/run/shared.rs", "src/cli/runs.rs"], &["block_on"]));
}
