//! A docker engine over the same connection as everything else: images that move, registries and engines that go away,
//! users who may not open the socket.

use super::lab::{Promise, Room, Undo, address, docker, inside, until};
use serde_json::Value;

pub const PROMISES: &[Promise] = &[
    ("docker: a tag that moved is seen by check mode, fetched, and taken back by its digest", moved),
    ("docker: while the registry is down, what runs runs on", registry_down),
    ("docker: a new container that cannot start, or is not healthy, gives way to the old one", kept),
    ("docker: a container that does not get healthy, or ends at once, is an error with its last words", sick),
    ("docker: a setting that is not given any longer is the engine's business again", dropped),
    ("docker: what cannot be is said before, and a limit that the kernel lacks is left out", impossible),
    ("docker: whoever may not open the socket becomes somebody who may, and no docker program is needed", relayed),
    ("docker: sshd that forwards no sockets is no hindrance", unforwarded),
    ("docker: an engine that is not there is told from one that does not run", engines),
    ("docker: an engine restarted in mid-call is said, and the next call finds it again", restarted),
    ("docker: what a command prints in a container is shown while it runs", streamed),
    ("docker: a private image is fetched by whoever is logged in", private),
    ("docker: no secret of a container is in any report or journal", secrets),
];

pub const EMPTY: &str =
    "docker ps -aq | xargs -r docker rm -f -v >/dev/null; docker image prune -af >/dev/null; rm -rf /root/.docker";

/// A room with one host, whose engine is empty, and the registry as it is wanted.
fn room(host: &'static str, latest: &str) -> Room {
    // What is in the registry, and whether it is there, is one trial's business at a time.
    let room = Room::with(&[host, "rg01"]);
    room.inventory(&[(host, host, "root")]);
    docker(latest);
    inside(host, EMPTY);
    room
}

fn says(host: &str) -> String {
    inside(host, "curl -s http://127.0.0.1:8080/").trim().to_owned()
}

const WEB: &str = r#"play("p", "dk01", |host| {
    docker::container("web", #{ image: "registry:5000/toy", pull: "always", ports: "8080:80", wait: "60s" });
});"#;

fn only(records: &[Value]) -> &Value {
    assert_eq!(records.len(), 1, "{records:#?}");
    &records[0]
}

fn moved() {
    let room = room("dk01", "one");
    room.play(WEB, &["--json"]).exits(0);
    assert_eq!(says("dk01"), "I am one");
    docker("two");
    let check = room.play(WEB, &["--json", "--check"]).exits(0).records();
    assert_eq!(says("dk01"), "I am one");
    assert!(inside("dk01", "docker images -q").lines().count() == 1, "check mode fetched something");
    let made = room.play(WEB, &["--json"]).exits(0);
    let run = made.events()[0]["run"].as_str().expect("a run").to_owned();
    let made = made.records();
    assert_eq!(
        (only(&check)["diff"].clone(), only(&check)["status"].clone()),
        (only(&made)["diff"].clone(), "would_change".into())
    );
    let paths: Vec<&str> =
        only(&made)["diff"].as_array().unwrap().iter().map(|c| c["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["image"], "{made:#?}");
    assert_eq!(says("dk01"), "I am two");
    let again = room.play(WEB, &["--json"]).exits(0).records();
    assert_eq!(only(&again)["status"], "ok");
    // A cleaning in between leaves what undo needs, and the registry need not answer for it.
    room.play(r#"play("p", "dk01", |host| { docker::prune(#{ images: "all" }); });"#, &[]).exits(0);
    let _up = stop("rg01", "docker-registry");
    room.hlrun(&["undo", &run, "--yes"]).exits(0);
    assert_eq!(says("dk01"), "I am one");
}

/// A service of a host stopped, until the trial is over.
fn stop(host: &'static str, unit: &'static str) -> Undo<impl FnMut()> {
    inside(host, &format!("systemctl stop {unit}"));
    Undo(move || drop(inside(host, &format!("systemctl start {unit}"))))
}

/// The error of the only host.
fn failure(events: &[Value]) -> (String, Vec<String>) {
    let end = events.iter().find(|event| event["event"] == "host.end").expect("an end");
    let hints = end["error"]["hints"].as_array().into_iter().flatten().filter_map(Value::as_str);
    (end["error"]["message"].as_str().unwrap_or_default().to_owned(), hints.map(str::to_owned).collect())
}

fn registry_down() {
    let room = room("dk01", "one");
    room.play(WEB, &[]).exits(0);
    docker("two");
    {
        let _up = stop("rg01", "docker-registry");
        for args in [&["--json", "--check"][..], &["--json"]] {
            let (message, hints) = failure(&room.play(WEB, args).exits(2).events());
            assert!(message.contains("registry:5000 does not answer"), "{message}");
            assert!(hints.iter().any(|hint| hint.contains("what runs, runs on")), "{hints:?}");
        }
        assert_eq!(says("dk01"), "I am one");
    }
    until("rg01", "ss -tln | grep -q :5000");
    room.play(WEB, &[]).exits(0);
    assert_eq!(says("dk01"), "I am two");
}

fn kept() {
    let room = room("dk01", "one");
    let shares = r#", pid_mode: "host", security_opts: ["no-new-privileges:true"]"#;
    let old = WEB.replace(", wait", &format!("{shares}, wait"));
    room.play(&old, &["--json"]).exits(0);
    assert_eq!(room.play(&old, &["--json"]).exits(0).stat("dk01", "changed"), 0);
    let id = || inside("dk01", "docker inspect -f '{{.Id}} {{.State.Running}}' web; docker ps -aq | wc -l");
    let before = id();
    assert!(before.ends_with(" true\n1\n"), "{before}");
    // sshd has that port.
    for (was, is) in [("8080:80", "22:80"), ("registry:5000/toy", "registry:5000/toy:sick")] {
        let (message, _) = failure(&room.play(&old.replace(was, is), &["--json"]).exits(2).events());
        assert!(message.ends_with("web is again as it was"), "{message}");
        assert_eq!(id(), before);
        assert_eq!(says("dk01"), "I am one");
    }
    room.play(&old.replace("8080:80", "8082:80"), &["--json"]).exits(0);
    assert_eq!(inside("dk01", "docker ps -aq | wc -l"), "1\n");
    // Whoever comes back is called as before, image and all.
    let called = || inside("dk01", "docker inspect -f '{{.Config.Image}} {{.HostConfig.PortBindings}}' web");
    let before = called();
    room.play(&old.replace("8080:80", "8083:80"), &["--json"]).exits(0);
    assert_ne!(called(), before);
    room.hlrun(&["undo", "--yes"]).exits(0);
    assert_eq!(called(), before);
}

fn sick() {
    let room = room("dk01", "one");
    let play = WEB.replace("registry:5000/toy", "registry:5000/toy:sick");
    let (message, _) = failure(&room.play(&play, &["--json"]).exits(2).events());
    assert!(message.contains("web is unhealthy"), "{message}");
    let ends = r#"play("p", "dk01", |host| {
        docker::container("ends", #{ image: "registry:5000/toy:1", entrypoint: ["/bin/busybox", "sh", "-c", "echo no database; exit 3"] });
    });"#;
    room.play(ends, &[])
        .exits(2)
        .says("ends is exited (exit code 3)")
        .says("= no database")
        .says("✗ 1 of 1 host failed · ");
    inside("dk01", "docker rm ends");
    let list = r#"play("p", "dk01", |host| { for c in docker::containers() { print(`${c.name} ${c.health}`); } });"#;
    assert_eq!(room.play(list, &["--json"]).exits(0).prints(), ["web unhealthy"]);
}

fn impossible() {
    let room = room("dk01", "one");
    let play = |calls: &str| format!("play(\"p\", \"dk01\", |host| {{ {calls} }});");
    let _gone = Undo(|| drop(inside("dk01", "docker rm -fv holder; docker volume rm -f used")));
    inside("dk01", "docker run -d --name holder -v used:/data registry:5000/toy:1");
    for mode in [&["--check"][..], &[]] {
        let absent = play(r#"docker::volume_absent("used");"#);
        room.play(&absent, mode).exits(2).says("in use").says(if mode.is_empty() { "used" } else { "by holder" });
    }
    let known = inside("dk01", "docker info -f '{{.CPUCfsQuota}} {{.MemoryLimit}}'");
    let (cpus, memory) = known.trim().split_once(' ').expect("what the kernel knows");
    let given = play(r#"docker::container("some", #{ image: "registry:5000/toy:1", cpus: 0.5 });"#);
    for mode in [&["--check"][..], &[]] {
        match cpus {
            "false" => drop(room.play(&given, mode).exits(2).says("kernel").says(if mode.is_empty() {
                "CPUs"
            } else {
                "`cpus`"
            })),
            _ => drop(room.play(&given, mode).exits(0).says("some")),
        }
    }
    let given = play(r#"docker::container("some", #{ image: "registry:5000/toy:1", memory: "64M" });"#);
    let done = room.play(&given, &["--verbose"]).exits(0);
    if memory == "false" {
        done.says("memory");
    }
    assert_eq!(room.play(&given, &["--json"]).exits(0).stat("dk01", "changed"), 0);
}

fn dropped() {
    let room = room("dk01", "one");
    inside("dk01", "docker network inspect real-drop >/dev/null 2>&1 || docker network create real-drop");
    let more = r#", init: true, hostname: "toy", ulimits: #{ nofile: "512:1024" }, log_options: #{ "max-size": "1m" }, shm_size: "8M""#;
    let play = |more: &str| {
        WEB.replace("registry:5000/toy", "registry:5000/toy:1").replace(", wait", &format!("{more}, wait"))
    };
    let changes = |play: &str| {
        let foretold = room.play(play, &["--json", "--check"]).exits(0).records();
        let made = room.play(play, &["--json"]).exits(0).records();
        assert_eq!(only(&foretold)["diff"], only(&made)["diff"]);
        assert_eq!(room.play(play, &["--json"]).exits(0).stat("dk01", "changed"), 0);
        let paths =
            only(&made)["diff"].as_array().unwrap().iter().map(|change| change["path"].as_str().unwrap().to_owned());
        paths.collect::<Vec<_>>().join(" ")
    };
    changes(&play(more));
    let gone = changes(&play(""));
    assert_eq!(gone, "hostname init log_driver log_options shm_size ulimits", "{gone}");
    inside("dk01", "docker rm -f web");
    changes(&play(r#", networks: "real-drop""#));
    let gone = changes(&play(""));
    assert!(gone.contains("networks.real-drop") && gone.contains("networks.bridge"), "{gone}");
    // So do those of a container that is made anew for another reason.
    inside("dk01", "docker rm -f web");
    changes(&play(r#", networks: "real-drop""#));
    let gone = changes(&play(r#", env: #{ A: 1 }"#));
    assert!(gone.contains("networks.real-drop") && gone.contains("env.A"), "{gone}");
    changes(&play(r#", env: #{ A: 1 }, networks: ["bridge", "real-drop"]"#));
    let gone = changes(&play(r#", env: #{ A: 2 }"#));
    assert!(gone.contains("networks.real-drop") && gone.contains("env.A"), "{gone}");
    // What somebody else has made is left as it is.
    inside("dk01", "docker rm -f web; docker run -d --init --name web -p 8080:80 registry:5000/toy:1");
    until("dk01", "docker inspect -f '{{.State.Health.Status}}' web | grep -q ^healthy");
    assert_eq!(room.play(&play(""), &["--json"]).exits(0).stat("dk01", "changed"), 0);
}

const WHO: &str = r#"play("p", "all", |host| { print(docker::info().ServerVersion.len() > 3); });"#;

fn relayed() {
    let room = room("dk02", "one");
    room.inventory(&[("dk02", "dk02", "admin")]);
    let (message, hints) = failure(&room.play(WHO, &["--json"]).exits(2).events());
    assert!(message.contains("admin may not open /var/run/docker.sock"), "{message}");
    assert!(hints.iter().any(|hint| hint.contains("become")), "{hints:?}");
    inside("dk02", "mv /usr/bin/docker /usr/bin/docker-away");
    let _back = Undo(|| drop(inside("dk02", "mv /usr/bin/docker-away /usr/bin/docker")));
    let play = r#"play("p", "all", #{ become: true }, |host| {
        docker::container("relayed", #{ image: "registry:5000/toy:1", wait: "60s" });
        print(docker::exec("relayed", #{ command: "/bin/busybox cat", stdin: "through sudo" }).stdout);
    });"#;
    assert_eq!(room.play(play, &["--json"]).exits(0).prints(), ["through sudo"]);
    // With a password for sudo, too; pw may open the socket himself, so he is put out of the group for it.
    inside("dk02", "gpasswd -d pw docker");
    let _in = Undo(|| drop(inside("dk02", "gpasswd -a pw docker")));
    room.write("inventory.yaml", "all:\n  hosts:\n");
    room.also("dk02", &address("dk02"), "pw", "      ansible_become_password: lab-pw-1\n      ansible_become: true\n");
    assert_eq!(room.play(WHO, &["--json"]).exits(0).prints(), ["true"]);
}

fn unforwarded() {
    let room = room("dk02", "one");
    inside("dk02", "echo AllowStreamLocalForwarding no >/etc/ssh/sshd_config.d/real.conf; systemctl reload ssh");
    let _mended = Undo(|| drop(inside("dk02", "rm /etc/ssh/sshd_config.d/real.conf; systemctl reload ssh")));
    assert_eq!(room.play(WHO, &["--json"]).exits(0).prints(), ["true"]);
}

fn engines() {
    let room = room("dk02", "one");
    {
        let _up = stop("dk02", "docker.socket docker");
        let (message, hints) = failure(&room.play(WHO, &["--json"]).exits(2).events());
        assert!(message.contains("docker does not answer at /var/run/docker.sock"), "{message}");
        assert!(hints.iter().any(|hint| hint.contains("systemd::running(\"docker\")")), "{hints:?}");
        inside("dk02", "mv /run/docker.sock /run/docker.sock.away");
        let (message, _) = failure(&room.play(WHO, &["--json"]).exits(2).events());
        assert!(message.contains("docker does not run on the host"), "{message}");
        let elsewhere = WHO.replace("docker::info()", r#"docker::info(#{ socket: "/run/no/such.sock" })"#);
        failure(&room.play(&elsewhere, &["--json"]).exits(2).events());
        inside("dk02", "rm -f /run/docker.sock.away");
    }
    assert_eq!(room.play(WHO, &["--json"]).exits(0).prints(), ["true"]);
}

fn restarted() {
    let room = room("dk01", "one");
    room.play(WEB, &[]).exits(0);
    room.write(
        "play.rhai",
        r#"play("p", "dk01", |host| {
            try { docker::exec("web", #{ command: ["/bin/busybox", "sh", "-c", "echo begun; sleep 100"] }); }
            catch (e) { print(e.message); }
            within(#{ retries: 20, delay: "1s" }, || print(docker::info().ServerVersion.len() > 3));
        });"#,
    );
    let run = room.start(&["play.rhai", "--json"]);
    run.says("begun");
    inside("dk01", "systemctl restart docker");
    let prints = run.done().exits(0).prints();
    assert_eq!(prints.len(), 2, "{prints:?}");
    assert!(prints.iter().any(|print| print.contains("docker")) && prints.contains(&"true".to_owned()), "{prints:?}");
}

fn streamed() {
    let room = room("dk01", "one");
    room.play(WEB, &[]).exits(0);
    room.write(
        "play.rhai",
        r#"play("p", "dk01", |host| {
            let r = docker::exec("web", #{ command: ["/bin/busybox", "sh", "-c", "echo logged >/proc/1/fd/1; echo early; while [ ! -e /www/go ]; do sleep 0.1; done; echo late >&2; exit 3"], failed_when: |r| r.rc != 3 });
            print(`${r.stdout}${r.stderr}${r.rc}`);
            print(docker::logs("web").lines.contains("logged"));
        });"#,
    );
    let run = room.start(&["play.rhai", "--json"]);
    // It is told before it can end.
    run.says("early");
    inside("dk01", "docker exec web /bin/busybox touch /www/go");
    assert_eq!(run.done().exits(0).prints(), ["earlylate3", "true"]);
}

fn private() {
    let room = room("dk02", "one");
    let image = r#"docker::image("registry:5001/toy:private");"#;
    let play = |first: &str, rest: &str| format!(r#"play("p", "dk02", |host| {{ {first} {rest} }});"#);
    let (_, hints) = failure(&room.play(&play("", image), &["--json"]).exits(2).events());
    assert!(hints.iter().any(|hint| hint.contains("docker::login")), "{hints:?}");
    let login =
        |password: &str| format!(r#"docker::login("registry:5001", #{{ user: "ann", password: "{password}" }});"#);
    for args in [&["--json", "--check"][..], &["--json"]] {
        let (_, hints) = failure(&room.play(&play(&login("wrong-one"), ""), args).exits(2).events());
        assert!(hints.iter().any(|hint| hint.contains("does not know this user")), "{hints:?}");
    }
    assert_eq!(inside("dk02", "ls /root/.docker 2>/dev/null || true"), "");
    room.play(&play(&login("lab-pw-3"), image), &[]).exits(0);
    assert_eq!(inside("dk02", "stat -c %a /root/.docker/config.json"), "600\n");
    // What we wrote down, docker's own program finds.
    inside("dk02", "docker image rm registry:5001/toy:private && docker pull -q registry:5001/toy:private");
    assert!(!room.kept().contains("lab-pw-3"));
}

fn secrets() {
    let room = room("dk01", "one");
    let play = r#"play("p", "dk01", |host| {
        docker::volume("nas", #{ options: #{ type: "cifs", device: "//nas/x", o: "username=u,password=turbot" } });
        print(docker::inspect("nas", #{ kind: "volume" }));
        docker::container("db", #{ image: "registry:5000/toy:1", env: #{ DB_PASSWORD: "swordfish", MODE: "seen" }, labels: #{ "app.token": "halibut" },
            healthcheck: #{ test: "redis-cli -a octopus ping || true" } });
    });"#;
    let mut all = String::new();
    for (password, args) in
        [("swordfish", &["--check", "--diff"][..]), ("swordfish", &["--diff", "-vvv"]), ("hedgehog", &["--diff"])]
    {
        let done = room.play(&play.replace("swordfish", password), args).exits(0);
        all += &(done.stdout + &done.stderr);
    }
    all += &room.hlrun(&["undo", "--yes", "--diff"]).exits(0).stdout;
    all += &room.hlrun(&["show", "last", "--diff"]).exits(0).stdout;
    all += &room.kept();
    assert!(all.contains("seen") && all.contains("DB_PASSWORD"));
    // The line of the playbook that an error shows has them too.
    let taken = play.replace("env:", "ports: \"22:80\", env:");
    all += &room.play(&taken, &[]).exits(2).stdout;
    for secret in ["swordfish", "hedgehog", "halibut", "octopus", "turbot"] {
        assert!(!all.contains(secret), "{secret} is told");
    }
    assert!(inside("dk01", "docker inspect -f '{{.Config.Env}}' db").contains("DB_PASSWORD=swordfish"));
    assert!(inside("dk01", "docker volume inspect nas").contains("password=turbot"));
    inside("dk01", "docker volume rm nas");
}
