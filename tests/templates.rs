//! Templates render as Ansible renders them. `tests/templates/cases` holds templates with what ansible-core 2.19
//! (Jinja2 3.1) makes of them, `tests/templates/against_jinja2.py` writes and checks that; the older form is
//! `tests/templates/NAME.j2` with `NAME.out`. All of them see `vars.yaml`.

#![allow(clippy::unwrap_used)] // a test may stop at once

use jiff::{Timestamp, tz::TimeZone};
use similar::TextDiff;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stdlib::shared::template::minijinja::Value;
use stdlib::shared::template::{self, Engine, Hooks, World};
use stdlib::shared::yaml;

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates")
}

/// An engine as Ansible was set up when it wrote the cases: includes from `include`, the time zone UTC.
fn engine() -> Engine {
    let load = |name: &str| Ok(fs::read_to_string(dir().join("include").join(name)).ok());
    let now = || Timestamp::from_second(1_772_368_245).unwrap().to_zoned(TimeZone::UTC);
    let world = World { now, chance: || 0x1234_5678_9abc_def0 };
    Engine::new(Hooks { load: Some(Arc::new(load)), world: Some(world), ..Hooks::default() })
}

fn vars() -> Value {
    let vars = yaml::parse("vars.yaml", &fs::read_to_string(dir().join("vars.yaml")).unwrap()).unwrap();
    let mut vars = vars.to_json();
    vars["ansible_managed"] = "Ansible managed".into();
    template::from_json(&vars)
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == extension));
    paths.sort();
    assert!(!paths.is_empty(), "{} has no .{extension}", folder.display());
    paths
}

/// Says how a template renders otherwise than it should; `want` is none where it must be refused.
fn differs(name: &str, text: &str, want: Option<&str>) -> Option<String> {
    match (engine().render(name, text, vars()), want) {
        (Ok(got), Some(want)) if got == want => None,
        (Ok(got), Some(want)) => {
            let diff = TextDiff::from_lines(want, &got);
            Some(format!("{name}\n{}", diff.unified_diff().context_radius(1).header("ansible", "hlrun")))
        }
        (Ok(got), None) => Some(format!("{name}\n  Ansible refuses it, hlrun renders {got:?}")),
        (Err(_), None) => None,
        (Err(error), Some(_)) => Some(format!("{name}\n  {error} {:?} at {:?}", error.hints, error.at)),
    }
}

#[test]
fn templates_render_as_ansible_renders_them() {
    let mut failures = Vec::new();
    for path in files(&dir(), "j2") {
        let want = fs::read_to_string(path.with_extension("out")).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        failures.extend(differs(name, &fs::read_to_string(&path).unwrap(), Some(&want)));
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn every_case_renders_as_ansible_renders_it_or_fails_as_it_fails_there() {
    let (mut failures, mut count) = (Vec::new(), 0);
    for path in files(&dir().join("cases"), "txt") {
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = format!("\n{}", fs::read_to_string(&path).unwrap());
        for case in text.split("\n=== ").skip(1) {
            count += 1;
            let (name, body) = case.split_once('\n').unwrap();
            // The very last case keeps the end of its line.
            let body = if text.ends_with(case) { body.strip_suffix('\n').unwrap_or(body) } else { body };
            let (template, said) = body.split_once("\n--- ").unwrap();
            let (said, ours) = said.split_once("\n--- hlrun\n").map_or((said, None), |(s, o)| (s, Some(o)));
            let (said, why) = said.split_once("\n--- why\n").map_or((said, None), |(s, why)| (s, Some(why)));
            assert_eq!(ours.is_some(), why.is_some(), "{file}: {name}: `hlrun` and `why` go together");
            let want = said.strip_prefix("out\n");
            assert!(want.is_some() || said == "error", "{file}: {name}: neither `out` nor `error`");
            let want = ours.map_or(want, |ours| Some(ours).filter(|ours| *ours != "<error>"));
            failures.extend(differs(&format!("{file}: {name}"), template, want));
        }
    }
    assert!(count >= 790, "{count} cases");
    assert!(failures.is_empty(), "\n{} of {count} cases differ\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn a_template_from_windows_renders_as_any_other() {
    let text = "{% if true %}\r\n{{ name }}\r\n{% endif %}\r\nb\r\n";
    assert_eq!(engine().render("t.j2", text, vars()).unwrap(), "nas\nb\n");
}

#[test]
fn what_is_wrong_in_a_template_is_named_with_its_place() {
    let context = || {
        let vars = serde_json::json!({"name": "nas", "ports": [1], "user": {"shell": "/bin/sh"}, "nothing": null});
        template::from_json(&vars)
    };
    let mut wrong = Vec::new();
    for (text, want) in [
        ("a\n{{ nam }}", "t.j2:2:4 `nam` is undefined [did you mean `name`?]"),
        ("{{ user.shel }}", "t.j2:1:4 `user.shel` is undefined [did you mean `shell`?]"),
        ("{{ xyz | lower }}", "t.j2:1:10 `xyz` is undefined [define it, or write `xyz | default(...)`]"),
        ("{{ xyz.a.b }}", "t.j2:1:4 `xyz` is undefined [define it, or write `xyz | default(...)`]"),
        ("{% if xyz %}{% endif %}", "t.j2:1:7 `xyz` is undefined [define it, or write `xyz | default(...)`]"),
        ("{% for x in xyz %}{% endfor %}", "t.j2:1:13 `xyz` is undefined [define it, or write `xyz | default(...)`]"),
        ("{{ xyz == 1 }}", "t.j2:1:1 `xyz` is undefined [define it, or write `xyz | default(...)`]"),
        ("{{ name | lowr }}", "t.j2:1:11 template: filter lowr is unknown [did you mean `lower`?]"),
        ("{{ name is defind }}", "t.j2:1:12 template: test defind is unknown [did you mean `defined`?]"),
        ("{% if x %}", "t.j2:1:9 template: unexpected end of input, expected end of block []"),
        (
            "{{ lookup('pipe', 'ls') }}",
            "t.j2:1:4 `lookup('pipe', ...)` cannot be answered here [give the value as a variable]",
        ),
        ("{{ ports | vault }}", "t.j2:1:12 the filter `vault` is not supported [vault is not read yet]"),
        (
            "#jinja2: trim_block:False\n",
            "t.j2:1:1 unknown setting `trim_block` in the `#jinja2:` line [known are trim_blocks, lstrip_blocks and the start and end strings]",
        ),
        ("#jinja2: trim_blocks:False\na\n{{ nam }}", "t.j2:3:4 `nam` is undefined [did you mean `name`?]"),
        (
            "{% set _ = ports.append(1) %}",
            "t.j2:1:17 changing a given list with `append` is not supported [change a copy: {% set copy = list.copy() %}]",
        ),
        (
            "{{ name | regex_replace('(', '') }}",
            "t.j2:1:11 template: `(` is no regular expression: Parsing error at position 1: Opening parenthesis without closing parenthesis []",
        ),
        (
            "{{ undefined_thing | mandatory }}",
            "t.j2:1:22 `undefined_thing` is undefined [define it, or write `undefined_thing | default(...)`]",
        ),
    ] {
        let error = template::render("t.j2", text, context()).unwrap_err();
        let at = error.at.clone().unwrap();
        let got = format!("{at} {} [{}]", error.message, error.hints.join("; "));
        if got != want {
            wrong.push(format!("- {want}\n+ {got}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
