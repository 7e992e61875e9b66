//! Messages: what is sent is what another client sends, and what becomes of a message is told.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // an integration test is no `cfg(test)` to clippy

use serde_json::{Map, Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use stdlib::contract::{By, Request};
use stdlib::shared::channel::{Channel, KINDS, Message, Ping, State};

/// A body as JSON, whatever it is written in.
fn fields(headers: &Value, body: &str) -> Value {
    if headers["content-type"].as_str().is_some_and(|kind| kind.contains("form")) {
        let pairs = reqwest::Url::parse(&format!("http://h/?{body}")).unwrap();
        let number = |text: &str| text.parse::<i64>().map_or_else(|_| json!(text), |n| json!(n));
        return pairs.query_pairs().map(|(k, v)| (k.into_owned(), number(&v))).collect::<Map<_, _>>().into();
    }
    serde_json::from_str(body).unwrap_or_else(|_| body.into())
}

fn posted(config: &Value, message: &Message) -> Request {
    match Channel::new("ops", config).unwrap().message(message).unwrap().by {
        By::Http(request) => *request,
        By::Mail(_) => panic!("a letter"),
    }
}

#[test]
fn what_is_sent_is_what_apprise_sends() {
    let asked: Value = serde_json::from_str(include_str!("notify/cases.json")).unwrap();
    let theirs: Value = serde_json::from_str(include_str!("notify/apprise.json")).unwrap();
    let message: Message = serde_json::from_value(asked["message"].clone()).unwrap();
    for (name, case) in asked["cases"].as_object().unwrap() {
        let config = case["channel"].to_string().replace("{base}", "http://recorder");
        let ours = posted(&serde_json::from_str(&config).unwrap(), &message);
        let theirs = &theirs["requests"][name];
        let path = ours.url.splitn(4, '/').last().unwrap();
        assert_eq!(
            (ours.method.as_str(), format!("/{path}").as_str()),
            ("POST", theirs["path"].as_str().unwrap()),
            "{name}"
        );
        assert!(!ours.follow, "{name}: what leads elsewhere would lose its body, and tell its headers to others");
        let headers = json!(ours.headers.iter().collect::<std::collections::BTreeMap<_, _>>());
        let (mine, their) = (
            fields(&headers, ours.body.as_ref().unwrap()),
            fields(&theirs["headers"], theirs["body"].as_str().unwrap()),
        );
        for (a, b) in case["same"].as_object().unwrap() {
            let (a, b) = (mine.pointer(a), their.pointer(b.as_str().unwrap()));
            assert!(a.is_some() && a == b, "{name}: we say {a:?} and Apprise says {b:?}");
        }
        for header in case["headers"].as_array().into_iter().flatten() {
            let header = header.as_str().unwrap();
            assert_eq!(
                ours.headers.get(header).map(String::as_str),
                theirs["headers"][header].as_str(),
                "{name}: {header}"
            );
        }
    }
}

#[test]
fn nothing_is_longer_than_its_service_takes() {
    let long = "🙂 <&*\n".repeat(20_000);
    let message = Message {
        title: Some(long.clone()),
        body: long,
        url: Some("https://example.com/x".to_owned()),
        ..Message::default()
    };
    let token = json!("token-0123456789");
    let limits: [(Value, &str, usize); 5] = [
        (json!({ "kind": "ntfy", "topic": "t" }), "/message", 4095),
        (json!({ "kind": "discord", "url": "http://h/x" }), "/embeds/0/description", 4096),
        (json!({ "kind": "slack", "url": "http://h/x" }), "/attachments/0/text", 35_000),
        (json!({ "kind": "telegram", "token": token, "chat_id": "@c" }), "/text", 4096),
        (json!({ "kind": "pushover", "token": token, "user": "u" }), "/message", 1024),
    ];
    for (config, pointer, limit) in limits {
        let request = posted(&config, &message);
        let body = fields(&json!(request.headers), request.body.as_ref().unwrap());
        let text = body.pointer(pointer).unwrap().as_str().unwrap();
        // Each service counts in its own way; bytes are what ntfy counts.
        let size = match config["kind"].as_str().unwrap() {
            "ntfy" => text.len(),
            "discord" | "telegram" => text.encode_utf16().count(),
            _ => text.chars().count(),
        };
        assert!(size <= limit && size > limit - 40 && text.contains("… (cut)"), "{config}: {size}");
        let title = ["/title", "/embeds/0/title", "/attachments/0/title"].iter().find_map(|p| body.pointer(p));
        assert!(title.is_none_or(|title| !title.as_str().unwrap().contains('\n')), "{config}");
    }
}

#[test]
fn signs_of_life_are_what_their_services_know() {
    let kuma =
        json!({ "kind": "uptime_kuma", "url": "https://k.example.com/api/push/Abcdefgh12?status=up&msg=OK&ping=" });
    let checks = json!({ "kind": "healthchecks", "url": "https://hc-ping.com/5f0c8a8e-1d6b-4f5e-9a3b-2f2d5a6c7b8d" });
    let told = |config: &Value, state| {
        let ping = Ping { state, message: "a&b\nc".to_owned(), took: Some(std::time::Duration::from_secs(2)) };
        let delivery = Channel::new("ops", config).unwrap().ping(&ping).unwrap()?;
        let By::Http(request) = delivery.by else { panic!("a letter") };
        assert!(delivery.keep.is_none(), "a sign of life is not owed");
        Some((request.method, request.url.rsplit('/').next().unwrap().to_owned(), request.body))
    };
    let asked =
        |word: &str| Some(("GET".to_owned(), format!("Abcdefgh12?status={word}&msg=a%26b%20c&ping=2000"), None));
    assert_eq!(told(&kuma, State::Success), asked("up"));
    assert_eq!(told(&kuma, State::Fail), asked("down"));
    assert_eq!(told(&kuma, State::Start), None);
    for (state, word) in [(State::Start, "start"), (State::Fail, "fail"), (State::Log, "log")] {
        assert_eq!(told(&checks, state), Some(("POST".to_owned(), word.to_owned(), Some("a&b\nc".to_owned()))));
    }
    let wrong = Channel::new("ops", &checks).unwrap().message(&Message::default()).unwrap_err();
    assert!(wrong.message.contains("takes signs of life, no messages"), "{wrong}");
}

#[test]
fn every_key_of_every_kind_is_documented() {
    for kind in &KINDS {
        for key in (kind.keys)() {
            assert!(!key.docs.is_empty(), "{}: {}", kind.name, key.name);
        }
        let row = stdlib::modules().iter().find(|m| m.name == "notify").unwrap();
        let row = row.docs.lines().find(|line| line.starts_with(&format!("| `{}`", kind.name))).unwrap();
        for key in (kind.keys)() {
            assert!(row.contains(&format!("`{}`", key.name)), "{row} does not name {}", key.name);
        }
    }
}

/// A service that answers as it is told to, one answer after another, the last one for good; and what it was asked.
struct Service {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<Vec<String>>>,
}

impl Service {
    fn new(answers: &[&str]) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let queue = Arc::new(Mutex::new(answers.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>()));
        let (heard, answers) = (Arc::clone(&asked), Arc::clone(&queue));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut head, mut size) = (String::new(), 0);
                while reader.read_line(&mut head).is_ok_and(|n| n > 2) {
                    let last = head.lines().last().unwrap_or_default().to_lowercase();
                    size = last.strip_prefix("content-length: ").map_or(size, |n| n.parse().unwrap());
                }
                let mut body = vec![0; size];
                reader.read_exact(&mut body).unwrap();
                heard.lock().unwrap().push(format!("{head}{}", String::from_utf8(body).unwrap()));
                let mut answers = answers.lock().unwrap();
                let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
                stream
                    .write_all(
                        format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes(),
                    )
                    .unwrap();
            }
        });
        Service { url, asked, answers: queue }
    }
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
    fn answer(&self, answer: &str) {
        *self.answers.lock().unwrap() = vec![answer.to_owned()];
    }
}

/// A project with a channel `ops` and a playbook.
struct Project(tempfile::TempDir);

impl Project {
    fn new(channel: &str, playbook: &str) -> Project {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("hlrun.yaml", &format!("inventory: hosts.yaml\nchannels:\n  ops: {channel}\n"));
        write(
            "hosts.yaml",
            "all:\n  vars: { ansible_connection: local, word: hunter2-hunter2 }\n  hosts: { nas: {}, pi: {} }\n",
        );
        write("weekly.rhai", playbook);
        Project(dir)
    }
    fn path(&self) -> &Path {
        self.0.path()
    }
    fn hlrun(&self, args: &[&str]) -> (i32, String) {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hlrun"));
        let output = command.args(args).current_dir(self.path()).env("XDG_STATE_HOME", self.path()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    }
}

fn ntfy(service: &Service) -> String {
    format!("{{ kind: ntfy, url: \"{}\", topic: homelab, token: \"{{{{ word }}}}\" }}", service.url)
}

const TELLING: &str = r#"
    finally(|run| notify::send("ops", #{ title: run.title, body: run.body, priority: if run.ok { "low" } else { "high" } }));
    play("Work", "all", |host| {
        file::file(`${host.vars.at}/${host.name}`, #{ content: "x" });
        if host.name == host.vars.get("bad", "") { fail(`it is ${host.vars.word}`); }
    });
"#;

#[test]
fn one_message_tells_what_became_of_a_run_whatever_that_is() {
    let service = Service::new(&["200 OK"]);
    let project = Project::new(&ntfy(&service), TELLING);
    let at = format!("at={}", project.path().display());
    let told = |more: &[&str], code: i32| {
        let (exit, said) = project.hlrun(&[&["weekly.rhai", "-e", &at], more].concat());
        assert_eq!(exit, code, "{said}");
        assert!(!said.contains("hunter2") && !said.contains("localhost"), "{said}");
        let asked = service.asked();
        let (head, body) = asked.first()?.split_once("\r\n\r\n")?;
        assert!(asked.len() == 1 && head.contains("authorization: Bearer hunter2-hunter2"), "{asked:?}");
        Some(serde_json::from_str::<Value>(body).unwrap())
    };
    assert_eq!(told(&["--check"], 0), None);
    assert_eq!(told(&["--tags", "always"], 0).unwrap()["title"], "✓ weekly: nothing to do");
    let first = told(&[], 0).unwrap();
    assert_eq!(first["title"], "✓ weekly: 2 changes on 2 hosts");
    assert!(first["message"].as_str().unwrap().contains(&format!("nas: file::file {}/nas", project.path().display())));
    let second = told(&[], 0).unwrap();
    assert_eq!((&second["title"], &second["priority"]), (&json!("✓ weekly: nothing to do"), &json!(2)));
    assert_eq!(second["message"], "2 hosts are as they should be");
    let third = told(&["-e", "bad=nas"], 2).unwrap();
    assert_eq!((&third["title"], &third["priority"]), (&json!("✗ weekly: FAILED on nas"), &json!(4)));
    assert!(third["message"].as_str().unwrap().contains("✗ nas: it is ‹secret›"), "{third}");
    // A play that loses all its hosts ends the run; the message is sent all the same.
    let fourth = told(&["-e", "bad=nas", "--limit", "nas"], 2).unwrap();
    assert_eq!(fourth["title"], "✗ weekly: FAILED on nas");
}

#[test]
fn a_resumed_run_tells_its_own_end() {
    let service = Service::new(&["200 OK"]);
    let text = r#"
        play("Work", "nas", |host| {
            notify::send("ops", #{ title: "begun" });
            shell::run(["touch", `${host.vars.at}/made`]);
            shell::run(["test", "-e", `${host.vars.at}/ready`]);
        });
    "#;
    let project =
        Project::new(&ntfy(&service), &format!("finally(|run| notify::send(\"ops\", #{{ title: run.title }}));{text}"));
    let at = format!("at={}", project.path().display());
    let titles = || -> Vec<Value> {
        let body = |asked: &String| {
            serde_json::from_str::<Value>(asked.split_once("\r\n\r\n").unwrap().1).unwrap()["title"].clone()
        };
        service.asked().iter().map(body).collect()
    };
    assert_eq!(project.hlrun(&["weekly.rhai", "-e", &at]).0, 2);
    assert_eq!(titles(), ["begun", "✗ weekly: FAILED on nas"]);
    std::fs::write(project.path().join("ready"), "").unwrap();
    let (exit, said) = project.hlrun(&["resume"]);
    assert_eq!(exit, 0, "{said}");
    assert_eq!(titles(), ["✓ weekly: 1 change on 1 host"], "{said}");
}

#[test]
fn a_service_that_asks_to_wait_is_waited_for() {
    let service = Service::new(&[
        "429 Too Many Requests\r\nretry-after: 0",
        "503 Service Unavailable\r\nretry-after: 0",
        "200 OK",
    ]);
    let project = Project::new(&ntfy(&service), "notify::send(\"ops\", #{ body: \"hello\" });");
    let (exit, said) = project.hlrun(&["weekly.rhai"]);
    assert_eq!((exit, service.asked().len()), (0, 3), "{said}");
    assert!(!said.contains("not delivered"), "{said}");
}

#[test]
fn a_dead_channel_fails_nothing_and_what_it_missed_is_owed_until_it_is_sent() {
    let service = Service::new(&["404 Not Found"]);
    let text =
        r#"let r = notify::send("ops", #{ title: "Weekly", body: "it is hunter2-hunter2" }); print(`rc ${r.rc}`);"#;
    let project = Project::new(&ntfy(&service), text);
    let (exit, said) = project.hlrun(&["weekly.rhai"]);
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("not delivered to ops: ntfy answered 404; it is owed: hlrun owed --pay sends it"), "{said}");
    assert!(said.contains("rc 1"), "{said}");
    let owed = || project.hlrun(&["owed"]).1;
    assert!(owed().starts_with("notification to ops: \"Weekly\" (weekly.rhai, run "), "{}", owed());
    let (exit, said) = project.hlrun(&["owed", "--pay"]);
    assert!(exit == 2 && said.contains("not delivered to ops: ntfy answered 404; it is still owed"), "{said}");
    service.answer("200 OK");
    service.asked();
    let (exit, said) = project.hlrun(&["owed", "--pay"]);
    assert!(exit == 0 && said.contains("sent to ops: \"Weekly\""), "{said}");
    let asked = service.asked();
    assert!(asked.len() == 1 && asked[0].contains("it is ‹secret›"), "{asked:?}");
    assert_eq!(owed(), "nothing is owed\n");
    assert!(!project.hlrun(&["show", "last", "-vv"]).1.contains("hunter2"));
}

#[test]
fn a_channel_that_there_is_not_is_an_error_before_anything_is_done() {
    let text = r#"
        play("Work", "nas", |host| { shell::run("touch made"); notify::send("opps", #{ body: "x" }); });
        notify::ping("ops");
        notify::send("ops", #{ bdy: "x" });
    "#;
    let project = Project::new("{ kind: ntfy, topic: t, token: \"{{ wrod }}\" }", text);
    let (exit, said) = project.hlrun(&["weekly.rhai"]);
    assert_eq!(exit, 1, "{said}");
    for part in [
        "unknown argument `bdy` for notify::send",
        "there is no channel `opps`",
        "weekly.rhai:2:72",
        "did you mean `ops`?",
        "channel `ops`: `wrod` is undefined",
        "hlrun.yaml:3:3",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    assert!(!project.path().join("made").exists());
    let project = Project::new("{ kind: ntfi, topc: t }", text);
    let (exit, said) = project.hlrun(&["weekly.rhai"]);
    assert!(exit == 1 && said.contains("hlrun.yaml:3:") && said.contains("did you mean `ntfy`?"), "{said}");
}

#[test]
fn a_letter_arrives_and_a_refused_one_is_owed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let letters: Arc<Mutex<Vec<String>>> = Arc::default();
    let box_of = Arc::clone(&letters);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut say, mut letter, mut inside) =
                (|text: &str| stream.write_all(format!("{text}\r\n").as_bytes()), String::new(), false);
            say("220 sink").unwrap();
            let mut line = String::new();
            while {
                line.clear();
                reader.read_line(&mut line).is_ok_and(|n| n > 0)
            } {
                letter += &line;
                let word = line.split([' ', '\r']).next().unwrap_or_default().to_uppercase();
                let answer = match word.as_str() {
                    _ if inside && line != ".\r\n" => continue,
                    "." => {
                        inside = false;
                        "250 taken"
                    }
                    "DATA" => {
                        inside = true;
                        "354 go on"
                    }
                    "RCPT" if line.contains("nobody@") => "550 5.1.1 no such user",
                    "QUIT" => {
                        let _ = say("221 bye");
                        break;
                    }
                    _ => "250 fine",
                };
                say(answer).unwrap();
            }
            box_of.lock().unwrap().push(letter);
        }
    });
    let channel = |to: &str| {
        format!(
            "{{ kind: mail, server: 127.0.0.1, port: {port}, tls: none, from: Homelab <hlrun@example.com>, to: {to} }}"
        )
    };
    let text = r#"notify::send("ops", #{ title: "Weekly\r\nBcc: eve@example.com", body: "all well\n.\nreally", priority: "high" });"#;
    let project = Project::new(&channel("[ann@example.com, bob@example.com]"), text);
    let (exit, said) = project.hlrun(&["weekly.rhai"]);
    assert!(exit == 0 && !said.contains("not delivered"), "{said}");
    let letter = letters.lock().unwrap().remove(0);
    for part in [
        "MAIL FROM:<hlrun@example.com>",
        "RCPT TO:<ann@example.com>",
        "RCPT TO:<bob@example.com>",
        "Subject: Weekly Bcc: eve@example.com\r\n",
        "X-Priority: 1",
        "\r\n..\r\nreally",
    ] {
        assert!(letter.contains(part), "{part} is not in {letter}");
    }
    let project = Project::new(&channel("nobody@example.com"), text);
    let (exit, said) = project.hlrun(&["weekly.rhai"]);
    assert!(
        exit == 0 && said.contains("not delivered to ops: mail answered 550") && said.contains("no such user"),
        "{said}"
    );
    assert!(project.hlrun(&["owed"]).1.starts_with("notification to ops: "));
}
