//! Templates render as Ansible renders them: `tests/templates/NAME.j2` with `vars.yaml` is `NAME.out`, which
//! ansible-core 2.19 with Jinja2 3.1 wrote.

#![allow(clippy::unwrap_used)] // a test may stop at once

use std::fs;
use std::path::Path;
use stdlib::shared::{template, yaml};

#[test]
fn templates_render_as_ansible_renders_them() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates");
    let vars = yaml::parse("vars.yaml", &fs::read_to_string(dir.join("vars.yaml")).unwrap()).unwrap();
    let mut vars = vars.to_json();
    vars["ansible_managed"] = "Ansible managed".into();
    let vars = template::from_json(&vars);
    let mut failures = Vec::new();
    let mut names: Vec<_> = fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    for path in names.into_iter().filter(|path| path.extension().is_some_and(|e| e == "j2")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let want = fs::read_to_string(path.with_extension("out")).unwrap();
        match template::render(name, &fs::read_to_string(&path).unwrap(), vars.clone()) {
            Ok(got) if got == want => {}
            Ok(got) => {
                let lines = want.lines().zip(got.lines()).enumerate().filter(|(_, (want, got))| want != got);
                let shown = lines.take(40).map(|(i, (w, g))| format!("{name}.out:{}\n- {w}\n+ {g}", i + 1));
                failures.push(shown.collect::<Vec<_>>().join("\n"));
            }
            Err(error) => failures.push(format!("{name}: {error} {:?} at {:?}", error.hints, error.at)),
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
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
        (
            "{{ ports | ipaddr }}",
            "t.j2:1:12 the filter `ipaddr` is not supported [compute the address in the playbook]",
        ),
        (
            "#jinja2: trim_block:False\n",
            "t.j2:1:1 unknown setting `trim_block` in the `#jinja2:` line [known are trim_blocks, lstrip_blocks and the start and end strings]",
        ),
        ("#jinja2: trim_blocks:False\na\n{{ nam }}", "t.j2:3:4 `nam` is undefined [did you mean `name`?]"),
        (
            "{% set l = [] %}{% set _ = l.append(1) %}",
            "t.j2:1:29 changing a list with `append` is not supported [make a new list: {% set list = list + [item] %}, inside a loop with namespace()]",
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
