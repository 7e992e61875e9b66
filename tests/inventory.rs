//! The inventory as users write it: each case is files in, an answer out.

#![allow(clippy::unwrap_used)] // a test may stop at once

use hlrun::inventory::{Inventory, Kind, Overlay};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// A directory that is gone when the test ends.
struct Dir(PathBuf);

impl Dir {
    /// A directory with these files; a file begins with `== PATH`.
    fn new(name: &str, files: &str) -> Dir {
        let dir = std::env::temp_dir().join(format!("hlrun-inventory-{}-{name}", std::process::id()));
        for file in files.split("== ").skip(1) {
            let (path, text) = file.split_once('\n').unwrap();
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Dir(dir)
    }
    fn load(&self) -> Result<Inventory, Vec<String>> {
        self.load_with(json!({}))
    }
    fn load_with(&self, extra: Value) -> Result<Inventory, Vec<String>> {
        let Value::Object(extra) = extra else { panic!() };
        let beside = self.0.join("play");
        let beside: Option<&Path> = beside.is_dir().then_some(&beside);
        Inventory::load(&[self.0.join("inventory.yaml")], beside, extra).map_err(|errors| {
            let line = |e: &stdlib::contract::Error| {
                let at = e.at.as_ref().map(ToString::to_string).unwrap_or_default();
                let at = at.replace(&format!("{}/", self.0.display()), "");
                format!("{at} {} [{}]", e.message, e.hints.join("; "))
            };
            errors.iter().map(line).collect()
        })
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

const LAB: &str = "\
== inventory.yaml
all:
  vars: {who: all, domain: lan}
  hosts:
    alone:
  children:
    docker:
      hosts:
        nas: {ansible_host: 10.0.0.2, ansible_port: '2222', ansible_become: 'yes'}
        web[01:03]:
      vars: {who: docker, stack: '{{ root }}/stacks'}
    storage:
      hosts: {nas: {disks: [a, b]}}
      children:
        fast:
          hosts: {ssd: {connection: local, user: me, key_file: /k}}
          vars: {who: fast}
offline:
  hosts: {web02: }
== group_vars/all.yml
root: /srv
who: file-all
paths: {base: '{{ root }}', data: '{{ paths.base }}/data', port: '{{ number }}'}
number: 8080
listed: '{{ [root, number] }}'
a: '{{ b }}'
b: '{{ a }}'
typo: '{{ rooot }}'
url: 'http://{{ inventory_hostname }}.{{ domain }}'
peer: '{{ hostvars[\"nas\"].url }} {{ groups.docker | length }} {{ group_names | join(\",\") }}'
fact: '{{ [ansible_default_ipv4.address] }}'
secret: !unsafe '{{ not a template }}'
== group_vars/docker/main.yml
who: file-docker
== group_vars/docker/z.yml
port: 8096
== host_vars/nas.yaml
who: host
";

#[test]
fn hosts_and_groups_are_ansibles() {
    let dir = Dir::new("hosts", LAB);
    let lab = dir.load().unwrap();
    assert_eq!(lab.hosts().join(" "), "alone nas web01 web02 web03 ssd");
    assert_eq!(lab.groups_of("ssd").join(" "), "fast storage");
    assert_eq!(lab.groups_of("alone").join(" "), "ungrouped");
    assert_eq!(Inventory::localhost().connection("localhost", &Overlay::default()).unwrap().kind, Kind::Local);
}

#[test]
fn patterns_select_as_ansibles_do() {
    let dir = Dir::new("select", LAB);
    let lab = dir.load().unwrap();
    for (pattern, want) in [
        ("all", "alone nas web01 web02 web03 ssd"),
        ("*", "alone nas web01 web02 web03 ssd"),
        ("docker:&storage", "nas"),
        ("docker:!offline", "nas web01 web03"),
        ("docker,!offline", "nas web01 web03"),
        ("!docker", "alone ssd"),
        ("web*", "web01 web02 web03"),
        ("web0[!2]", "web01 web03"),
        ("~web0(1|3)", "web01 web03"),
        ("docker[0]", "nas"),
        ("docker[1:2]", "web01 web02"),
        ("docker[2:]", "web02 web03"),
        ("docker[-1]", "web03"),
        ("storage", "nas ssd"),
        ("localhost", "localhost"),
        ("web01:alone", "web01 alone"),
        ("web01 : alone", "web01 alone"),
        ("~[[:alpha:]]eb0[1-2]$,", "web01 web02"),
        ("offline:!web02", ""),
    ] {
        assert_eq!(lab.select(pattern).unwrap().join(" "), want, "{pattern}");
    }
    for (pattern, want) in [
        ("dokcer", "`dokcer` matches no host and no group [did you mean `docker`?]"),
        ("all:!of", "`of` matches no host and no group [`hlrun hosts` shows what the inventory has]"),
        ("docker[9]", "`docker[9]` means no host: `docker` has 4 [slices count from 0, or from the end with -1]"),
        ("x*", "`x*` matches no host and no group [`hlrun hosts` shows what the inventory has]"),
        ("~[", "`~[` in the pattern `~[` opens a bracket and does not close it []"),
        ("nas:web01[", "`web01[` in the pattern `nas:web01[` opens a bracket and does not close it []"),
        ("nas]", "`nas]` in the pattern `nas]` closes a bracket that is not open []"),
        ("nas[[0]", "`nas[[` in the pattern `nas[[0]` opens a bracket in a bracket []"),
        ("nas:!", "`!` in the pattern `nas:!` is followed by nothing [write it as !name or &name, without a blank]"),
        (
            "all,! nas",
            "`!` in the pattern `! nas` is followed by nothing [write it as !name or &name, without a blank]",
        ),
        ("~(", "`~(` is no pattern: error: unclosed group []"),
        ("all::nas", "the pattern `all::nas` has an empty term []"),
        ("", "`` names no host [`all` is every host]"),
    ] {
        let error = lab.select(pattern).unwrap_err();
        assert_eq!(format!("{} [{}]", error.message, error.hints.join("; ")), want);
    }
}

#[test]
fn the_nearest_definition_wins_and_knows_its_place() {
    let dir = Dir::new("vars", LAB);
    let lab = dir.load().unwrap();
    let who = |host: &str| {
        let vars = lab.variables(host).unwrap();
        let var = &vars["who"];
        let file = Path::new(&var.origin.file).strip_prefix(&dir.0).unwrap().display().to_string();
        format!("{} {file}:{} {}", var.value.as_str().unwrap(), var.origin.line, var.shadowed.len())
    };
    assert_eq!(who("nas"), "host host_vars/nas.yaml:1 4");
    assert_eq!(who("web01"), "file-docker group_vars/docker/main.yml:1 3");
    // A child group in the inventory file is weaker than group_vars/all: as Ansible documents it.
    assert_eq!(who("ssd"), "file-all group_vars/all.yml:2 2");
    let extra = dir.load_with(json!({"who": "me"})).unwrap();
    assert_eq!(extra.resolve("nas", "who", &json!({"who": "play"}).as_object().unwrap().clone().into()).unwrap(), "me");
}

#[test]
fn jinja_is_rendered_when_asked_for() {
    let dir = Dir::new("jinja", LAB);
    let lab = dir.load().unwrap();
    let none = Overlay::default();
    for (name, want) in [
        ("stack", json!("/srv/stacks")),
        ("paths", json!({"base": "/srv", "data": "/srv/data", "port": 8080})),
        ("listed", json!(["/srv", 8080])),
        ("url", json!("http://web01.lan")),
        ("peer", json!("http://nas.lan 4 docker")),
        ("secret", json!("{{ not a template }}")),
    ] {
        assert_eq!(lab.resolve("web01", name, &none).unwrap(), want, "{name}");
    }
    let error = |name: &str| {
        let error = lab.resolve("web01", name, &none).unwrap_err();
        let at = error.at.clone().unwrap();
        format!("{}:{} {} [{}]", at.file.rsplit('/').next().unwrap(), at.line, error.message, error.hints.join("; "))
    };
    assert_eq!(error("typo"), "all.yml:8 in the variable `typo`: `rooot` is undefined [did you mean `root`?]");
    assert_eq!(error("a"), "all.yml:6 `a` is defined by itself: `a` -> `b` -> `a` [break the circle]");
    let used = lab.names_used("web01", "{{ url }} {{ ansible_facts.fqdn | default('') }} {{ fact }}", &none).unwrap();
    let used: Vec<_> = used.iter().map(String::as_str).collect();
    assert_eq!(used.join(" "), "ansible_default_ipv4.address ansible_facts.fqdn domain fact inventory_hostname url");
    let text = "{{ paths.data }} {{ hostvars.nas.ansible_host }} {{ 'x' if inventory_hostname in groups['docker'] }}\n";
    assert_eq!(lab.render("web01", "a.j2", text, &none).unwrap(), "/srv/data 10.0.0.2 x\n");
    let facts: Map<String, Value> = json!({"root": "{{ evil }}"}).as_object().unwrap().clone();
    let overlay = Overlay { facts, ..Overlay::default() };
    assert_eq!(lab.resolve("web01", "stack", &overlay).unwrap(), "{{ evil }}/stacks");
}

#[test]
fn a_value_keeps_its_type_as_in_ansible() {
    let chain: String = (0..60).map(|i| format!("c{i}: '{{{{ c{} }}}}'\n", i + 1)).collect();
    let dir = Dir::new(
        "types",
        &format!(
            "== inventory.yaml
all: {{hosts: {{h: }}}}
== group_vars/all.yml
text: \"{{{{ '5' }}}}\"
two: '{{{{ 5 }}}}{{{{ 6 }}}}'
list: '{{{{ [1, 2] }}}}'
spaced: ' {{{{ [1, 2] }}}}'
block: '{{% if true %}}{{{{ [1] }}}}{{% endif %}}'
trimmed: \"x{{% if true %}}\\ny{{% endif %}}\\nz\\n\"
none: '{{{{ none }}}}'
flag: '{{{{ not true }}}}'
mixed: \"{{{{ true }}}} {{{{ none }}}} {{{{ 1.0 }}}} {{{{ {{'a': [1, 'b', true, none]}} }}}}\"
regex: \"{{{{ 'a1' | regex_replace('(\\\\d)', '<\\\\1>') }}}}\"
nested: {{a: ['{{{{ list }}}}', {{b: '{{{{ flag }}}}'}}]}}
left_out: '{{{{ nope | default(omit) }}}}'
{chain}c60: end
"
        ),
    );
    let lab = dir.load().unwrap();
    for (name, want) in [
        ("text", json!("5")),
        ("two", json!("56")),
        ("list", json!([1, 2])),
        ("spaced", json!(" [1, 2]")),
        ("block", json!([1])),
        ("trimmed", json!("xyz\n")),
        ("none", json!(null)),
        ("flag", json!(false)),
        ("mixed", json!("True  1.0 {'a': [1, 'b', True, None]}")),
        ("regex", json!("a<1>")),
        ("nested", json!({"a": [[1, 2], {"b": false}]})),
        ("left_out", json!(stdlib::shared::template::OMIT)),
        ("c25", json!("end")),
    ] {
        assert_eq!(lab.resolve("h", name, &Overlay::default()).unwrap(), want, "{name}");
    }
    let deep = lab.resolve("h", "c0", &Overlay::default()).unwrap_err();
    assert!(deep.message.starts_with("`c41` is nested too deep"), "{deep}");
}

#[test]
fn connections_come_from_variables() {
    let dir = Dir::new("connection", LAB);
    let lab = dir.load().unwrap();
    let to = |host: &str| lab.connection(host, &Overlay::default()).unwrap();
    let nas = to("nas");
    assert_eq!((nas.address.as_str(), nas.port, nas.r#become.wanted), ("10.0.0.2", Some(2222), Some(true)));
    let ssd = to("ssd");
    assert_eq!((ssd.kind, ssd.user.as_deref(), ssd.key_file), (Kind::Local, Some("me"), Some("/k".into())));
    // `port: 8096` in group_vars is an application's.
    assert_eq!(to("web01").port, None);
    assert_eq!(to("localhost").kind, Kind::Local);
    let args =
        json!({"ansible_ssh_common_args": "-o ProxyCommand='ssh -W %h:%p gate' -J b"}).as_object().unwrap().clone();
    let words = lab.connection("nas", &args.into()).unwrap().ssh_args;
    assert_eq!(words, ["-o", "ProxyCommand=ssh -W %h:%p gate", "-J", "b"]);
    for (vars, want) in [
        (json!({"ansible_port": 99999}), "`ansible_port` must be a port from 1 to 65535, not `99999`"),
        (json!({"ansible_connection": "docker"}), "the connection `docker` is not supported"),
        (json!({"ansible_password": "x"}), "`ansible_password`: hlrun logs in with keys, not with passwords"),
        (json!({"ansible_become": "maybe"}), "`ansible_become` must be true or false, not `maybe`"),
    ] {
        let overlay = vars.as_object().unwrap().clone().into();
        assert_eq!(lab.connection("nas", &overlay).unwrap_err().message, want);
    }
}

#[test]
fn everything_wrong_is_said_at_once() {
    let dir = Dir::new(
        "wrong",
        "== inventory.yaml
web:
  host:
    nas:
  hosts: [a, b]
db:
  hosts:
    x[3:1]:
    y: 5
  children:
    inner:
      children: {db: }
  vars: {ansible_group_priority: high}
hosts: {}
== group_vars/web.yml
a: !vault |
  $ANSIBLE_VAULT;1.1;AES256
a: 2
== group_vars/db.yml
- a
== host_vars/x.yml
$ANSIBLE_VAULT;1.1;AES256
",
    );
    let errors = dir.load().unwrap_err();
    let want = "\
inventory.yaml:2:3 unknown key `host` in the group `web` [did you mean `hosts`?]
inventory.yaml:4:10 `hosts` must be a map, and this is a list [write each name with a colon and without a dash: `nas:`]
inventory.yaml:7:5 `[3:1]` is no range: write [1:9], [01:12], [0:8:2] or [a:f] []
inventory.yaml:8:8 the variables of `y` must be a map, and this is a number [write `ansible_host: ADDRESS` below it]
inventory.yaml:11:18 `db` cannot be under `inner`: `inner` is under it already [groups go down, never in a circle]
inventory.yaml:12:34 `ansible_group_priority` is a whole number []
inventory.yaml:13:1 `hosts` stands at the top, where groups do [put it under a group: `all:`]
group_vars/db.yml:1:1 variables are a map, and this is a list [write `name: value`]
group_vars/web.yml:1:4 `!vault` values are not read yet [decrypt it with `ansible-vault decrypt_string`, or give it with -e]
group_vars/web.yml:3:1 `a` is written twice [the first is at line 1; only one can count]
host_vars/x.yml a file encrypted with ansible-vault is not read yet [ansible-vault decrypt DIR/host_vars/x.yml]";
    assert_eq!(errors.join("\n").replace(&dir.0.display().to_string(), "DIR"), want);
}

#[test]
fn what_is_not_read_yet_says_so() {
    for (name, text, want) in [
        ("ini", "[web]\nnas ansible_host=1\n", "an inventory in INI form is not read yet"),
        ("bare", "nas\n", "an inventory in INI form is not read yet"),
        ("script", "#!/bin/sh\n", "an inventory script is not run yet"),
        ("plugin", "plugin: docker\n", "inventory plugins such as `\"docker\"` are not read yet"),
    ] {
        let dir = Dir::new(name, &format!("== inventory.yaml\n{text}"));
        let errors = dir.load().unwrap_err();
        assert!(errors[0].contains(want), "{errors:?}");
    }
}
