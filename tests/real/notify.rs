//! Messages to servers that are real: ntfy, Alertmanager, a mail server.

use super::lab::{Promise, Room, Undo, address, flavoured, inside, until};
use serde_json::Value;

pub const PROMISES: &[Promise] = &[(
    "notify: real servers get the message, and what one missed while it was down arrives when it is paid",
    delivered,
)];

const SERVERS: &str = "rg01";

fn delivered() {
    flavoured(SERVERS, "registry");
    let room = Room::with(&[SERVERS]);
    let at = address(SERVERS);
    room.write(
        "hlrun.yaml",
        format!(
            "channels:\n  \
             phone: {{ kind: ntfy, url: \"http://{at}:2586\", topic: real, user: ann, password: lab-pw-3 }}\n  \
             alerts: {{ kind: alertmanager, url: \"http://{at}:9093\", labels: {{ house: ours }} }}\n  \
             mail: {{ kind: mail, server: {at}, port: 2525, tls: none, from: hlrun@example.com, to: [ann@example.com] }}\n"
        ),
    );
    let _up = Undo(|| drop(inside(SERVERS, "systemctl start ntfy")));
    until(SERVERS, "curl -sf http://127.0.0.1:2586/v1/health && curl -sf http://127.0.0.1:9093/-/ready");
    inside(SERVERS, "rm -f /var/lib/letters/box/new/*; systemctl stop ntfy");
    let play = r#"
        play("p", "all", |host| { shell::run("true"); });
        for channel in ["phone", "alerts", "mail"] {
            notify::send(channel, #{ title: "Wöchentlich: alles gut ✓", body: "3 Änderungen\n.\nauf 2 Hosts", priority: "high", tags: ["house"] });
        }
    "#;
    let done = room.play(play, &[]).exits(0).says("not delivered to phone");
    let said = format!("{}{}", done.stdout, done.stderr);
    assert_eq!(said.matches("not delivered to").count(), 1, "{said}");

    let json = |script: &str| serde_json::from_str::<Value>(&inside(SERVERS, script)).expect("JSON");
    let alert = json("curl -sf http://127.0.0.1:9093/api/v2/alerts");
    assert_eq!(alert.pointer("/0/labels/house"), Some(&"ours".into()), "{alert}");
    assert_eq!(alert.pointer("/0/annotations/summary"), Some(&"Wöchentlich: alles gut ✓".into()), "{alert}");
    let read = r#"import email, glob, json, sys; from email import policy
letter = email.message_from_binary_file(open(glob.glob("/var/lib/letters/box/new/*")[0], "rb"), policy=policy.default)
print(json.dumps([letter["to"], letter["subject"], letter.get_content().strip()]))"#;
    let letter = json(&format!("python3 - <<'P'\n{read}\nP\n"));
    assert_eq!(
        letter,
        serde_json::json!(["ann@example.com", "Wöchentlich: alles gut ✓", "3 Änderungen\n.\nauf 2 Hosts"])
    );

    inside(SERVERS, "systemctl start ntfy");
    until(SERVERS, "curl -sf http://127.0.0.1:2586/v1/health");
    room.hlrun(&["owed", "--pay"]).exits(0).says("sent to phone");
    room.hlrun(&["owed"]).exits(0).says("nothing is owed");
    let message = json("curl -sf -u ann:lab-pw-3 'http://127.0.0.1:2586/real/json?poll=1' | tail -n 1");
    assert_eq!(message["title"], "Wöchentlich: alles gut ✓", "{message}");
    assert_eq!(message["message"], "3 Änderungen\n.\nauf 2 Hosts", "{message}");
    assert_eq!((&message["priority"], &message["tags"][0]), (&4.into(), &"house".into()), "{message}");
}
