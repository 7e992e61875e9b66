//! The inventory as users write it: each case is files in, an answer out.

#![allow(clippy::unwrap_used)] // a test may stop at once

use hlrun::inventory::{Inventory, Key, Kind, Overlay, Vault};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

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
a: !valt x
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
inventory.yaml:12:10 `ansible_group_priority` is a whole number []
inventory.yaml:13:1 `hosts` stands at the top, where groups do [put it under a group: `all:`]
group_vars/db.yml:1:1 variables are a map, and this is a list [write `name: value`]
group_vars/web.yml:1:4 unknown tag `!valt` [`!vault` and `!unsafe` are known]
group_vars/web.yml:2:1 `a` is written twice [the first is at line 1; only one can count]
host_vars/x.yml:1:1 encrypted text is damaged: a part is missing [it begins with $ANSIBLE_VAULT;1.1;AES256 and goes on with lines of digits 0-9 and a-f]";
    assert_eq!(errors.join("\n").replace(&dir.0.display().to_string(), "DIR"), want);
}

#[test]
fn what_hlrun_cannot_ask_is_named_with_the_remedy() {
    let save = "[save what it says: `ansible-inventory -i DIR/inventory.yaml --list --yaml --export > hosts.yml`]";
    for (name, text, want) in [
        ("script", "#!/bin/sh\n", "inventory.yaml `inventory.yaml` is a program: inventory scripts are not supported"),
        ("plugin", "plugin: docker\n", "inventory.yaml:1:1 inventory plugins such as `docker` are not supported"),
        (
            "constructed",
            "---\nplugin: constructed\nstrict: false\n",
            "inventory.yaml:2:1 inventory plugins such as `constructed` are not supported",
        ),
        (
            "printed",
            "{\"_meta\": {\"hostvars\": {}}, \"web\": {\"hosts\": [\"nas\"]}}",
            "inventory.yaml:1:2 this is what an inventory script prints, not an inventory",
        ),
    ] {
        let dir = Dir::new(name, &format!("== inventory.yaml\n{text}"));
        let error = dir.load().unwrap_err().remove(0).replace(&dir.0.display().to_string(), "DIR");
        let save = if name == "printed" { save.replace("DIR/inventory.yaml", "SCRIPT") } else { save.to_owned() };
        assert_eq!(error, format!("{want} {save}"));
    }
}

#[test]
fn what_is_wrong_in_an_ini_inventory_is_said_at_once() {
    let dir = Dir::new(
        "ini-wrong",
        "== inventory.yaml
[web servers]
nas 'open
nas: x=1
media oops
web[1:]
[db:chldren]
[db:children]
two words
[db:vars]
nothing
",
    );
    let want = "\
inventory.yaml:1:1 `[web servers]` is no section [write [group], [group:children] or [group:vars], without blanks]
inventory.yaml:2:1 a quote is opened and not closed in `nas 'open` [put values with blanks or quotes into quotes: name='two words']
inventory.yaml:3:1 `nas:` ends with a colon [a port goes behind it: nas:2222]
inventory.yaml:4:1 `oops` is no variable of `media` [write name=value; one host (or one range) on a line]
inventory.yaml:5:1 `[1:]` is no range: write [1:9], [01:12], [0:8:2] or [a:f] []
inventory.yaml:6:1 a section has no kind `chldren` [did you mean [db:children]?]
inventory.yaml:8:1 `two words` is no name of a group [one group on a line; their hosts go under their own [group]]
inventory.yaml:10:1 `nothing` is no variable [write name=value, one on a line]";
    assert_eq!(dir.load().unwrap_err().join("\n"), want);
    let dir =
        Dir::new("ini-groups", "== inventory.yaml\n[docker]\nnas\n[dokcer:vars]\nx=1\n[a:children]\nghosts\ndocker\n");
    let want = "\
inventory.yaml:3:1 [dokcer:vars] is for a group that is nowhere [did you mean `docker`?]
inventory.yaml:6:1 [a:children] names a group that is nowhere [begin it with [ghosts], even if it has no hosts]";
    assert_eq!(dir.load().unwrap_err().join("\n"), want);
}

#[test]
fn a_mistyped_variable_is_told_once_with_its_place() {
    let dir = Dir::new(
        "mistyped",
        "== inventory.yaml
[web]
nas ansible_hots=10.0.0.2
media ansible_hots=10.0.0.3
[nas]
nas
== group_vars/web.yml
ansible_ssh_private_key: ~/.ssh/id
ansible_mine: fine
== group_vars/web/more.yml
x: 1
",
    );
    let lab = dir.load().unwrap();
    let warnings = lab.warnings().iter().map(|e| {
        let at = e.at.as_ref().unwrap().to_string().replace(&format!("{}/", dir.0.display()), "");
        format!("{at} {} [{}]", e.message, e.hints.join("; ").replace(&dir.0.display().to_string(), "DIR"))
    });
    let want = "\
group_vars/web.yml not read: the variables of `web` are in two places [only DIR/group_vars/web counts; put both into one directory]
inventory.yaml:2:5 `nas` is a host and a group [Ansible gives its variables to the group: rename one]
inventory.yaml:2:5 nothing reads the variable `ansible_hots` [did you mean `ansible_host`?]";
    assert_eq!(warnings.collect::<Vec<_>>().join("\n"), want);
}

/// `hunter2`, encrypted with `secret`, once without a vault id and once with `prod`.
const HUNTER: [&str; 2] = [
    "\
$ANSIBLE_VAULT;1.1;AES256
62353134393733393166633263373533646139336333353437303735313435376431323461363633
3132376232663563636534346439363434613632303264610a376565303338646436303261646136
61656661646266333632313931323138346332306265383435636435636537363663366366316535
3130326164386132380a363135636636656265376263333238613736343132326336333435303833
3063",
    "\
$ANSIBLE_VAULT;1.2;AES256;prod
62356134336137393638363161343765376362323531643535353764306364353664356637376336
3365376161333534633166653138356631343638373936610a323962616164356433336434643964
32653534343336323939396630383634396434646435363139396138653236346638393935663334
6532666564353738390a383238623137643437353433393266376161366536313134613064383435
6430",
];

#[test]
fn encrypted_values_open_when_they_are_used() {
    let indent = |text: &str| text.replace('\n', "\n  ");
    let files = format!(
        "== inventory.yaml
all: {{hosts: {{nas: }}}}
== group_vars/all.yml
plain: !vault |
  {}
labelled: !vault |
  {}
user: 'me:{{{{ plain }}}}'
deep: {{list: ['{{{{ labelled }}}}', 1]}}
ansible_become_password: '{{{{ plain }}}}'
",
        indent(HUNTER[0]),
        indent(HUNTER[1])
    );
    let dir = Dir::new("vault", &files);
    let load = |keys: Vec<Key>| {
        Inventory::load_with(&[dir.0.join("inventory.yaml")], None, Vec::new(), Vault::new(keys)).unwrap()
    };
    let none = Overlay::default();
    let lab = load(vec![Key::known("default", "other"), Key::known("prod", "secret")]);
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let hear = Arc::clone(&heard);
    lab.vault().watch(move |secret| hear.lock().unwrap().push(secret.to_owned()));
    assert!(heard.lock().unwrap().is_empty(), "nothing is opened before it is used");
    assert_eq!(lab.resolve("nas", "user", &none).unwrap(), "me:hunter2");
    assert_eq!(lab.resolve("nas", "deep", &none).unwrap(), json!({"list": ["hunter2", 1]}));
    assert_eq!(lab.connection("nas", &none).unwrap().r#become.password.as_deref(), Some("hunter2"));
    assert_eq!(*heard.lock().unwrap(), ["hunter2"]);
    assert_eq!(lab.vault().hide("x hunter2 y"), "x ‹vault› y");
    assert!(lab.test_vault().is_empty());

    let error = |lab: &Inventory, name: &str| {
        let error = lab.resolve("nas", name, &none).unwrap_err();
        let at = error.at.clone().unwrap();
        let file = at.file.rsplit('/').next().unwrap();
        format!("{file}:{} {} [{}]", at.line, error.message, error.hints.join("; "))
    };
    let wrong = load(vec![Key::known("default", "other"), Key::known("prdo", "another")]);
    let tried = "tried `default` from given, `prdo` from given";
    assert_eq!(error(&wrong, "plain"), format!("all.yml:1 cannot open `plain`: no vault password fits [{tried}]"));
    assert_eq!(
        error(&wrong, "user"),
        format!("all.yml:1 cannot open `plain`: no vault password fits [{tried}]"),
        "the place is the secret's"
    );
    let label = "no vault password fits (vault id `prod`)";
    assert_eq!(
        error(&wrong, "labelled"),
        format!("all.yml:8 cannot open `labelled`: {label} [{tried}; did you mean the vault id `prdo`?]")
    );
    // The label that nobody has a key for may be for other hosts; the other one is wrong for sure.
    assert_eq!(wrong.test_vault().len(), 1);
    let without = load(Vec::new());
    assert!(without.test_vault().is_empty());
    let want = "all.yml:8 cannot open `labelled`: it is encrypted (vault id `prod`), and no vault password was given [give it with --vault-id prod@FILE or --vault-id prod@prompt]";
    assert_eq!(error(&without, "labelled"), want);
}

/// A case of the corpus: `hlrun hosts --json` with its arguments, and what it should print.
struct Case {
    dir: PathBuf,
    args: Vec<String>,
}

impl Case {
    fn all() -> Vec<Case> {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inventory/corpus");
        let mut dirs: Vec<PathBuf> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
        dirs.sort();
        let args = |dir: &Path| match fs::read_to_string(dir.join("args")) {
            Ok(args) => args,
            Err(_) => {
                let names = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
                format!("-i @/{}", names.into_iter().find(|name| name.starts_with("hosts")).unwrap())
            }
        };
        let case = |dir: PathBuf| {
            let root = format!("{}/", dir.display());
            // The words of a shell, as far as the corpus needs them.
            let args = args(&dir).replace("@/", &root).replace('\'', "");
            let mut words: Vec<String> = Vec::new();
            for word in args.split_whitespace() {
                match words.last_mut().filter(|last| last.starts_with('{') && !last.ends_with('}')) {
                    Some(last) => *last += &format!(" {word}"),
                    None => words.push(word.to_owned()),
                }
            }
            Case { args: words, dir }
        };
        dirs.into_iter().map(case).collect()
    }
    fn name(&self) -> String {
        self.dir.file_name().unwrap().to_string_lossy().into_owned()
    }
    fn expected(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.dir.join("expected.json")).unwrap()).unwrap()
    }
    /// What hlrun prints, or its errors.
    #[allow(clippy::disallowed_methods)] // an integration test is no `cfg(test)` to clippy
    fn hosts(&self, more: &[&str]) -> Result<String, String> {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hlrun"));
        let output =
            command.arg("hosts").args(more).args(&self.args).current_dir(std::env::temp_dir()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

/// Two answers as one: what the first hides is shown by the second.
fn unhidden(hidden: &Value, shown: &Value) -> Value {
    match (hidden, shown) {
        (Value::String(text), shown) if text == hlrun::inventory::HIDDEN => shown.clone(),
        (Value::Object(hidden), Value::Object(shown)) => {
            hidden.iter().map(|(key, value)| (key.clone(), unhidden(value, shown.get(key).unwrap_or(value)))).collect()
        }
        (hidden, _) => hidden.clone(),
    }
}

#[test]
fn an_inventory_means_what_it_means_to_ansible() {
    let mut wrong = Vec::new();
    let cases = Case::all();
    assert!(cases.len() > 90);
    for case in cases {
        let (name, expected) = (case.name(), case.expected());
        let stricter = fs::read_to_string(case.dir.join("stricter")).ok();
        match (case.hosts(&["--json"]), stricter) {
            (Err(error), Some(why)) if error.contains(why.trim()) => {}
            (Err(error), None) if expected.is_null() && error.starts_with("error: ") => {}
            (Ok(text), None) => {
                let hidden: Value = serde_json::from_str(&text).unwrap();
                // Without a password nothing is revealed, and nothing was hidden that must be.
                let shown = case.hosts(&["--json", "--reveal"]).ok();
                let shown = shown.map_or(hidden.clone(), |text| serde_json::from_str(&text).unwrap());
                let said = unhidden(&hidden, &shown);
                if said != expected {
                    wrong.push(format!("{name}: hlrun says {said:#}\nand Ansible {expected:#}"));
                }
            }
            (said, _) => wrong.push(format!("{name}: hlrun says {}", said.unwrap_or_else(|error| error))),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn what_was_encrypted_is_never_shown_unless_asked_for() {
    let mut seen = 0;
    for case in Case::all().iter().filter(|case| case.name().starts_with("vault-") && !case.expected().is_null()) {
        for more in [&["--json"][..], &["--vars"], &["--graph"], &[]] {
            let said = case.hosts(more).unwrap_or_else(|error| error);
            for secret in ["hunter2", "deeper", "from a program", "extra secret"] {
                assert!(!said.contains(secret), "{}: {said}", case.name());
            }
        }
        seen += usize::from(case.hosts(&["--vars", "--reveal"]).is_ok());
    }
    assert!(seen >= 6, "{seen}");
}
