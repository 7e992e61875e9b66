//! Stacks of containers on a host with docker, from images of a registry of the lab.

use super::lab::{Done, Promise, REGISTRY, Room, STACKS, Undo, address, flavoured, inside, until};
use serde_json::Value;

pub const PROMISES: &[Promise] = &[
    ("compose: a stack comes up as foretold, and stays", up),
    ("compose: another image under the same name is pulled, and only its service made anew", pulled),
    ("compose: only the service whose configuration changed is made anew, and its secrets stay secret", configured),
    ("compose: a mounted file that changed is seen, one that was touched is not", mounted),
    ("compose: so are files that came or went, and the text of a config", listed),
    ("compose: who shares a network follows, and who asks for it", followed),
    ("compose: what compose would only find at work is said before", foretold),
    ("compose: files of variables, jobs that run once and services without containers are no difference", content),
    ("compose: an image that is not healthy gives way to the old one, by digest", sick),
    ("compose: so does one of another name", sick_by_another_name),
    ("compose: while the registry is down, what runs runs on", registry_down),
    ("compose: a docker that restarts in mid-call is said, and the next run goes on", restarted),
    ("compose: orphans go on request", orphans),
    ("compose: up and down are undone, and a volume that is gone is said before", undone),
    ("compose: stacks and services are told, and a host without compose says so", told),
];

const HOST: &str = STACKS[0];

/// A room, and a docker without anything.
struct Lab {
    room: Room,
    registry: String,
}

impl Lab {
    fn new() -> Lab {
        flavoured(HOST, "docker");
        flavoured(REGISTRY, "registry");
        let room = Room::with(&STACKS);
        until(HOST, "docker version");
        until(REGISTRY, "docker version && systemctl start docker-registry");
        inside(
            HOST,
            "for c in $(docker ps -aq); do docker rm -fv $c; done; docker network prune -f; docker volume prune -af
             docker image prune -af; rm -rf /srv/app /srv/broken /srv/linked /opt/linked /root/.local; mkdir -p /srv/app",
        );
        Lab { room, registry: format!("{}:5000", address(REGISTRY)) }
    }
    /// Have an image of a web server in the registry whose page says its version, and whose health is that of a path.
    fn image(&self, name: &str, version: &str, path: &str) {
        // What is well is hardly looked at again: a look a second in each container is what slows the lab down.
        let pace = if path == "/" { "--start-period=1m --start-interval=300ms" } else { "--interval=1s --retries=3" };
        let script = format!(
            r#"set -e; d=$(mktemp -d); cd $d; cp /bin/busybox .; mkdir www; echo {version} >www/index.html
            printf 'FROM scratch\nCOPY busybox /bin/busybox\nCOPY www /www\nSTOPSIGNAL SIGKILL\nHEALTHCHECK {pace} CMD ["/bin/busybox","wget","-qO-","http://127.0.0.1{path}"]\nENTRYPOINT ["/bin/busybox","httpd","-f","-p","80","-h","/www"]\n' >Dockerfile
            DOCKER_BUILDKIT=0 docker build -q -t 127.0.0.1:5000/{name} . >/dev/null 2>&1; docker push -q 127.0.0.1:5000/{name}; rm -rf $d"#
        );
        inside(REGISTRY, &script);
    }
    /// Write the stack: services, one a line; `R` is the registry.
    fn stack(&self, services: &str) {
        let text = format!("services:\n{services}\n").replace("R/", &format!("{}/", self.registry));
        inside(HOST, &format!("cat >/srv/app/compose.yaml <<'E'\n{text}E\n"));
    }
    fn run(&self, call: &str, args: &[&str]) -> Done {
        self.room.play(&format!("play(\"p\", \"all\", |host| {{ {call}; }});"), &[&["--json"], args].concat())
    }
    /// Check and apply: both say the same; a third run changes nothing. What changed.
    #[track_caller]
    fn changes(&self, call: &str) -> String {
        let predicted = self.run(call, &["--check"]).exits(0).records()[0]["diff"].clone();
        let made = self.run(call, &[]).exits(0).records()[0].clone();
        assert_eq!(made["status"], "changed");
        assert_eq!(predicted, made["diff"], "predicted, and made");
        self.nothing(call);
        made["diff"].to_string()
    }
    #[track_caller]
    fn nothing(&self, call: &str) {
        let again = self.run(call, &[]).exits(0).records()[0].clone();
        assert_eq!(again["status"], "ok", "{}", again["diff"]);
    }
    /// The id of a service's container.
    fn id(&self, service: &str) -> String {
        inside(HOST, &format!("docker inspect app-{service}-1 --format '{{{{.Id}}}}'"))
    }
    fn page(&self) -> String {
        inside(HOST, "curl -sf localhost:8080").trim().to_owned()
    }
    /// The digest under which the registry knows the image of a container.
    fn digest(&self, service: &str) -> String {
        let image = inside(HOST, &format!("docker inspect app-{service}-1 --format '{{{{.Image}}}}'"));
        inside(HOST, &format!("docker image inspect {} --format '{{{{index .RepoDigests 0}}}}'", image.trim()))
            .trim()
            .to_owned()
    }
    fn message(&self, done: Done) -> String {
        done.exits(2).records()[0]["error"]["message"].as_str().expect("a message").to_owned()
    }
}

const WEB: &str = r#"  web: { image: "R/web:1", ports: ["8080:80"], stop_grace_period: 1s }"#;
const PAIR: &str = r#"  web: { image: "R/web:1", ports: ["8080:80"], stop_grace_period: 1s }
  other: { image: "R/other:1", depends_on: [web], stop_grace_period: 1s }"#;
const UP: &str = r#"compose::up("/srv/app")"#;
const PULL: &str = r#"compose::up("/srv/app", #{ pull: "always", wait: "1m" })"#;

fn up() {
    let lab = Lab::new();
    lab.image("web:1", "one", "/");
    lab.image("other:1", "other", "/");
    lab.stack(PAIR);
    let diff = lab.changes(PULL);
    assert!(diff.contains("services.web.state") && diff.contains(&lab.digest("web")), "{diff}");
    assert_eq!(lab.page(), "one");
    // What a file above decides is not known while that was only predicted.
    let both = r#"file::line("/srv/app/compose.yaml", #{ line: "name: app" }); compose::up("/srv/app")"#;
    let foretold = lab.run(both, &["--check"]).exits(0).records();
    assert_eq!(
        (&foretold[0]["status"], &foretold[1]["status"]),
        (&"would_change".into(), &"unknown".into()),
        "{foretold:?}"
    );
    assert_eq!(foretold[1]["reason"], "depends on /srv/app, which would change");
}

fn pulled() {
    let lab = Lab::new();
    lab.image("web:1", "one", "/");
    lab.image("other:1", "other", "/");
    lab.stack(PAIR);
    lab.run(UP, &[]).exits(0);
    let (old, other, web) = (lab.digest("web"), lab.id("other"), lab.id("web"));
    lab.image("web:1", "two", "/");
    lab.nothing(UP);
    let diff = lab.changes(PULL);
    assert_eq!((lab.page().as_str(), lab.id("other") == other, lab.id("web") == web), ("two", true, false));
    assert!(diff.contains(&old) && diff.contains(&lab.digest("web")) && !diff.contains("services.other"), "{diff}");
    lab.image("web:1", "three", "/");
    assert!(lab.changes(r#"compose::pulled("/srv/app")"#).contains("images."));
    assert_eq!(lab.page(), "two");
    lab.changes(UP);
    assert_eq!(lab.page(), "three");
}

fn configured() {
    let lab = Lab::new();
    lab.image("web:1", "one", "/");
    lab.image("other:1", "other", "/");
    let stack = PAIR.replacen("ports", "environment: { A: first, DB_PASSWORD: hush-one, X: \"${NOPE}\" }, ports", 1);
    lab.stack(&stack);
    let done = lab.run(UP, &[]).exits(0);
    assert!(done.records()[0]["reason"].to_string().contains("NOPE is not set"), "{}", done.stdout);
    let (other, web) = (lab.id("other"), lab.id("web"));
    lab.stack(&stack.replace("first", "second").replace("hush-one", "hush-two"));
    let diff = lab.changes(UP);
    assert_eq!((lab.id("other") == other, lab.id("web") == web), (true, false));
    assert!(diff.contains("services.web.config.environment.A") && diff.contains("environment.DB_PASSWORD"), "{diff}");
    assert!(!lab.room.kept().contains("hush-"), "a secret was kept");
}

fn mounted() {
    let lab = Lab::new();
    lab.image("web:1", "one", "/");
    lab.image("other:1", "other", "/");
    inside(HOST, "mkdir /srv/app/www; echo old >/srv/app/page; echo x >/srv/app/www/x");
    let volumes = r#"volumes: ["./page:/www/index.html", "./www:/www/more:ro"], ports"#;
    lab.stack(&PAIR.replacen("ports", volumes, 1));
    lab.run(UP, &[]).exits(0);
    let other = lab.id("other");
    inside(HOST, "cd /srv/app; touch page www/x; echo new >page.new; mv page.new page");
    let diff = lab.changes(UP);
    assert!(diff.contains("services.web.files./srv/app/page") && !diff.contains("other"), "{diff}");
    assert_eq!((lab.page().as_str(), lab.id("other") == other), ("new", true));
    inside(HOST, "cd /srv/app; touch page www/x");
    lab.nothing(UP);
    inside(HOST, "echo y >/srv/app/www/x");
    assert!(lab.changes(UP).contains("services.web.files./srv/app/www/x"));
    // What the container writes to its own file is its own affair.
    inside(HOST, "docker exec app-web-1 /bin/busybox sh -c 'echo mine >/www/index.html'");
    lab.nothing(UP);
}

fn listed() {
    let lab = Lab::new();
    lab.image("web:1", "one", "/");
    inside(HOST, "mkdir /srv/app/conf; echo a >/srv/app/conf/a; echo old >/srv/old; touch -d 2020-01-01 /srv/old");
    let volumes = r#"volumes: ["./conf:/conf:ro"], configs: [motd], ports"#;
    let stack = format!("{}\nconfigs: {{ motd: {{ content: hello }} }}", WEB.replacen("ports", volumes, 1));
    lab.stack(&stack);
    lab.changes(UP);
    inside(HOST, "mv /srv/old /srv/app/conf/b");
    let came = lab.changes(UP);
    assert!(came.contains("services.web.files./srv/app/conf/b") && !came.contains("conf/a"), "{came}");
    inside(HOST, "rm /srv/app/conf/a");
    let went = lab.changes(UP);
    assert!(went.contains("services.web.files./srv/app/conf/a") && !went.contains("conf/b"), "{went}");
    lab.stack(&stack.replace("hello", "good bye"));
    assert!(lab.changes(UP).contains("services.web.files.config motd"));
}

fn foretold() {
    let lab = Lab::new();
    lab.image("web:1", "one", "/");
    let fails = |stack: &str, what: &str| {
        lab.stack(stack);
        let error = lab.run(UP, &["--check"]).exits(2).records()[0]["error"].clone();
        assert!(error["message"].to_string().contains(what), "{error}");
        assert!(lab.message(lab.run(UP, &[])).len() > 1, "foretold, and did not come");
        inside(HOST, "cd /srv/app && docker compose down -t 0");
    };
    let with = |what: &str, more: &str| format!("{}\n{more}", WEB.replacen("ports", &format!("{what}, ports"), 1));
    let proxy = with("networks: [proxy]", "networks: { proxy: { external: true } }");
    fails(&proxy, "there is no network proxy, which web needs");
    let data = with("volumes: [\"data:/data\"]", "volumes: { data: { external: true, name: pool } }");
    fails(&data, "there is no volume pool, which web needs");
    fails(&with("secrets: [key]", "secrets: { key: { file: ./key } }"), "there is no /srv/app/key on the host");
    inside(HOST, &format!("docker run -d --name taken {}/web:1", lab.registry));
    fails(&with("container_name: taken", ""), "web is to be called taken, as a container of no stack is already");
    // What is made above is not missing.
    lab.stack(&proxy);
    lab.run(&format!("docker::network(\"proxy\"); {UP}"), &["--check"]).exits(0);
    lab.stack(WEB);
    lab.run(UP, &[]).exits(0);
    inside(HOST, "docker pause app-web-1");
    for args in [&["--check"][..], &[]] {
        assert!(lab.message(lab.run(UP, args)).contains("web is paused"));
    }
    inside(HOST, "docker unpause app-web-1; printf 'FROM scratch\nCOPY compose.yaml /\n' >/srv/app/Dockerfile");
    lab.stack(&with("build: .", ""));
    let built = lab.run(r#"compose::up("/srv/app", #{ build: "always" })"#, &["--check"]).exits(0).records();
    assert_eq!(built[0]["status"], "unknown");
}

fn followed() {
    let lab = Lab::new();
    lab.image("web:1", "one", "/");
    let side = r#"  side: { image: "R/web:1", entrypoint: ["/bin/busybox", "sleep", "inf"], network_mode: "service:web", healthcheck: { disable: true }, stop_grace_period: 1s }"#;
    let stack = format!("{WEB}\n{side}");
    lab.stack(&stack);
    lab.run(UP, &[]).exits(0);
    lab.nothing(UP);
    lab.stack(&stack.replacen("ports", "environment: { A: b }, ports", 1));
    let diff = lab.changes(UP);
    assert!(diff.contains("services.side.state") && diff.contains("services.side.because_of"), "{diff}");
    let page = inside(HOST, "docker exec app-side-1 /bin/busybox wget -qO- http://127.0.0.1/");
    assert_eq!(page.trim(), "one", "it has no network, or another's");
    // A stack that others have brought up is as good as one's own.
    inside(HOST, "rm -r /root/.local; cd /srv/app && docker compose down -t 0 && docker compose up -d");
    lab.nothing(UP);
    // Somebody else made it anew, and the other lost its network.
    inside(HOST, "cd /srv/app && docker compose up -d --force-recreate web");
    let diff = lab.changes(UP);
    assert!(diff.contains("services.side.cut_off_from"), "{diff}");
    // So it did when that was only started again.
    inside(HOST, "docker restart -t 1 app-web-1");
    let diff = lab.changes(UP);
    assert!(diff.contains("services.side.cut_off_from"), "{diff}");
    let needs = "network_mode: \"service:web\"";
    let asks = stack.replacen(needs, "depends_on: { web: { condition: service_started, restart: true } }", 1);
    lab.stack(&asks);
    lab.run(UP, &[]).exits(0);
    lab.stack(&asks.replacen("ports", "environment: { A: c }, ports", 1));
    let diff = lab.changes(UP);
    assert!(diff.contains("services.side.state"), "{diff}");
}

fn sick() {
    let lab = Lab::new();
    lab.image("web:1", "one", "/");
    lab.stack(WEB);
    lab.run(PULL, &[]).exits(0);
    let old = lab.digest("web");
    lab.image("web:1", "two", "/nowhere");
    let message = lab.message(lab.run(PULL, &[]));
    assert!(
        message.contains("unhealthy") && message.contains(&format!("rolled back: web has {old} back, and healthy")),
        "{message}"
    );
    assert_eq!((lab.page().as_str(), lab.digest("web")), ("one", old));
    inside(HOST, "docker image prune -f");
    lab.nothing(r#"compose::up("/srv/app", #{ wait: "1m" })"#);
    // What was ill before and is not touched is no reason to go back.
    lab.image("ill:1", "ill", "/nowhere");
    let pair = format!("{WEB}\n  ill: {{ image: \"R/ill:1\", stop_grace_period: 1s }}");
    lab.stack(&pair);
    lab.run(UP, &[]).exits(0);
    until(HOST, "docker inspect app-ill-1 --format '{{.State.Health.Status}}' | grep -q unhealthy");
    lab.image("web:3", "three", "/");
    lab.stack(&pair.replace("web:1", "web:3"));
    let message = lab.message(lab.run(r#"compose::up("/srv/app", #{ wait: "1m" })"#, &[]));
    assert!(message.contains("app-ill-1 is unhealthy") && !message.contains("rolled back"), "{message}");
    assert_eq!(lab.page(), "three");
    inside(HOST, "docker rm -f app-ill-1");
    lab.stack(WEB);
    lab.run(UP, &[]).exits(0);
    // Without the way back it stays as it is, and is said.
    let message =
        lab.message(lab.run(r#"compose::up("/srv/app", #{ pull: "always", wait: "1m", rollback: false })"#, &[]));
    assert!(message.contains("unhealthy") && !message.contains("rolled back"), "{message}");
}

fn sick_by_another_name() {
    let lab = Lab::new();
    lab.image("web:1", "one", "/");
    lab.image("web:2", "two", "/nowhere");
    lab.stack(WEB);
    lab.run(PULL, &[]).exits(0);
    let old = lab.digest("web");
    lab.stack(&WEB.replace("web:1", "web:2"));
    let message = lab.message(lab.run(r#"compose::up("/srv/app", #{ wait: "1m" })"#, &[]));
    assert!(message.contains(&format!("web has {old} back, and healthy")), "{message}");
    assert_eq!((lab.page().as_str(), lab.digest("web")), ("one", old));
    let next = lab.run(UP, &["--check"]).exits(0).records()[0]["diff"].to_string();
    assert!(next.contains("services.web.config.image"), "the next run would not try again: {next}");
}

fn registry_down() {
    let lab = Lab::new();
    lab.image("web:1", "one", "/");
    lab.stack(WEB);
    lab.run(UP, &[]).exits(0);
    let web = lab.id("web");
    lab.image("web:1", "two", "/");
    let _back = Undo(|| drop(inside(REGISTRY, "systemctl start docker-registry")));
    inside(REGISTRY, "systemctl stop docker-registry");
    let message = lab.message(lab.run(PULL, &[]));
    assert!(message.contains("does not answer"), "{message}");
    lab.nothing(UP);
    assert_eq!((lab.page().as_str(), lab.id("web") == web), ("one", true));
}

fn restarted() {
    let lab = Lab::new();
    lab.image("web:1", "one", "/");
    // While it is waited, it is waited on.
    let late = r#"healthcheck: { test: ["CMD", "/bin/busybox", "test", "-e", "/www/well"], interval: 1s, start_period: 10m }, restart: always, ports"#;
    let stack = WEB.replacen("ports", late, 1);
    lab.stack(&stack);
    let waits = r#"compose::up("/srv/app", #{ wait: "2m" })"#;
    lab.room.write("up.rhai", format!("play(\"p\", \"all\", |host| {{ {waits}; }});"));
    let run = lab.room.start(&["up.rhai", "--json"]);
    until(HOST, "docker inspect app-web-1 --format '{{.State.Health.Status}}' | grep -q starting");
    inside(HOST, "systemctl restart docker");
    until(HOST, "docker exec app-web-1 /bin/busybox touch /www/well");
    run.done().exits(0);
    // While compose stops the old container, which takes its time, compose is cut off.
    let slow = ["ports", "environment: { A: b }, stop_signal: SIGTERM, ports"];
    lab.stack(&stack.replacen(slow[0], slow[1], 1).replace("stop_grace_period: 1s", "stop_grace_period: 15s"));
    lab.room.play(&format!("play(\"p\", \"all\", |host| {{ {UP}; }});"), &["--json"]).exits(0);
    lab.stack(
        &stack
            .replacen(slow[0], &slow[1].replace("A: b", "A: c"), 1)
            .replace("stop_grace_period: 1s", "stop_grace_period: 15s"),
    );
    lab.room.write("up.rhai", format!("play(\"p\", \"all\", |host| {{ {UP}; }});"));
    let run = lab.room.start(&["up.rhai", "--json"]);
    until(HOST, "docker ps -a --filter status=created --format '{{.Names}}' | grep -q '_app-web-1$'");
    inside(HOST, "systemctl restart docker");
    let error = run.done().exits(2).records()[0]["error"].clone();
    assert!(error["message"].to_string().contains("docker exited with"), "{error}");
    until(HOST, "docker version");
    lab.run(UP, &[]).exits(0);
    lab.nothing(UP);
    assert_eq!(lab.page(), "one");
    assert_eq!(inside(HOST, "docker ps -aq | wc -l").trim(), "1", "something was left");
}

fn content() {
    let lab = Lab::new();
    lab.image("web:1", "one", "/");
    lab.image("job:1", "job", "/none");
    inside(HOST, "echo COLOR=blue >/srv/app/web.env");
    lab.stack(
        r#"  web: { image: "R/web:1", env_file: [web.env], depends_on: { job: { condition: service_completed_successfully } }, stop_grace_period: 1s }
  job: { image: "R/job:1", entrypoint: [/bin/busybox, sleep, "5"] }
  off: { image: "R/web:1", deploy: { replicas: 0 } }"#,
    );
    // The files may lie elsewhere, as the stack's own variables say.
    inside(HOST, "cd /srv/app; mv compose.yaml app.yaml; echo COMPOSE_FILE=app.yaml >.env");
    let call = r#"compose::up("/srv/app", #{ wait: "1m" })"#;
    lab.changes(call);
    let (web, job) = (lab.id("web"), lab.id("job"));
    inside(HOST, "echo COLOR=red >/srv/app/web.env");
    let diff = lab.changes(call);
    assert!(diff.contains("red") && lab.id("web") != web && lab.id("job") == job, "{diff}");
    assert!(diff.contains("ran again"), "compose starts it again: {diff}");
    inside(HOST, "rm /srv/app/.env");
    // One of a profile that is not enabled goes with the stack.
    lab.stack(&format!("{WEB}\n  more: {{ image: \"R/web:1\", profiles: [more], stop_grace_period: 1s }}"));
    lab.run(r#"compose::up("/srv/app", #{ profiles: "more" })"#, &[]).exits(0);
    lab.run(r#"compose::down("/srv/app", #{ remove_orphans: true })"#, &[]).exits(0);
    assert_eq!(inside(HOST, "docker ps -aq"), "");
    lab.stack(r#"  once: { image: "R/web:1", entrypoint: [/bin/busybox, "true"] }"#);
    lab.run(call, &[]).exits(0);
}

fn orphans() {
    let lab = Lab::new();
    lab.image("web:1", "one", "/");
    lab.image("other:1", "other", "/");
    lab.stack(PAIR);
    lab.run(UP, &[]).exits(0);
    lab.stack(WEB);
    lab.nothing(UP);
    let diff = lab.changes(r#"compose::up("/srv/app", #{ remove_orphans: true })"#);
    assert!(diff.contains("orphans"), "{diff}");
    assert_eq!(inside(HOST, "docker ps -aq --filter name=app-other-1"), "");
}

/// Undo the last run.
fn undo(lab: &Lab, run: &str) -> Done {
    lab.room.hlrun(&["undo", run, "--yes", "--json"])
}

fn number(done: &Done) -> String {
    done.events()[0]["run"].as_str().expect("a run").to_owned()
}

fn undone() {
    let lab = Lab::new();
    lab.image("web:1", "one", "/");
    lab.stack(&format!("{}\nvolumes: {{ data: }}", WEB.replacen("ports", "volumes: [\"data:/data\"], ports", 1)));
    lab.run(UP, &[]).exits(0);
    let old = lab.digest("web");
    lab.image("web:1", "two", "/");
    let second = lab.run(PULL, &[]).exits(0);
    assert_eq!(lab.page(), "two");
    undo(&lab, &number(&second)).exits(0);
    assert_eq!((lab.page().as_str(), lab.digest("web")), ("one", old));
    undo(&lab, "last").exits(0);
    assert_eq!(lab.page(), "two");
    let down = lab.run(r#"compose::down("/srv/app")"#, &[]).exits(0);
    assert_eq!(inside(HOST, "docker ps -aq; docker volume ls -q").trim(), "app_data");
    undo(&lab, &number(&down)).exits(0);
    assert_eq!(lab.page(), "two");
    let stopped = lab.run(r#"compose::stopped("/srv/app")"#, &[]).exits(0);
    undo(&lab, &number(&stopped)).exits(0);
    assert_eq!(lab.page(), "two");
    let gone = lab.run(r#"compose::down("/srv/app", #{ volumes: true })"#, &[]).exits(0);
    let plan = lab.room.hlrun(&["undo", &number(&gone), "--yes"]);
    plan.says("the volume app_data was removed with everything in it, and cannot come back")
        .says("nothing can go back");
}

fn told() {
    let lab = Lab::new();
    lab.image("web:1", "one", "/");
    lab.stack(WEB);
    inside(
        HOST,
        "mkdir -p /opt/linked; cp /srv/app/compose.yaml /opt/linked; ln -sfn /opt/linked /srv/linked; mkdir -p /srv/broken; echo 'services: { a: { image: \"${KEY:?is missing}\" } }' >/srv/broken/docker-compose.yml",
    );
    lab.run(r#"compose::up("/srv/app", #{ wait: "1m" })"#, &[]).exits(0);
    let facts = r#"print(compose::stacks("/srv").map(|s| `${s.path} ${s.name} ${s.state} ${s.error != ()}`)); let s = compose::services("/srv/app")[0]; print([s.name, s.state, s.health, s.digest, s.ports[0]])"#;
    let said = lab.run(facts, &[]).exits(0).prints().join("\n");
    let digest = lab.digest("web");
    for what in [
        "/srv/app app running false",
        "/srv/broken broken absent true",
        "/srv/linked linked absent false",
        "healthy",
        digest.as_str(),
        "0.0.0.0:8080->80/tcp",
    ] {
        assert!(said.contains(what), "nothing of {what} in {said}");
    }
    let broken = lab.run(r#"compose::up("/srv/broken")"#, &[]).exits(2).records()[0]["error"].clone();
    assert!(broken["message"].to_string().contains("is missing") && broken["rc"] == 15, "{broken}");
    let hide = |there: bool| {
        let (from, to) = if there { ("", ".hidden") } else { (".hidden", "") };
        let files = ["/usr/libexec/docker/cli-plugins/docker-compose", "/usr/bin/docker-compose"];
        let moves =
            files.map(|file| format!("[ ! -e {file}{from} ] && [ ! -L {file}{from} ] || mv {file}{from} {file}{to}"));
        inside(HOST, &moves.join("\n"));
    };
    let _back = Undo(|| hide(false));
    hide(true);
    let missing: Value = lab.run(UP, &[]).exits(2).records()[0]["error"].clone();
    assert!(
        missing.to_string().contains("docker compose is not installed")
            && missing["hints"].to_string().contains("apt::installed"),
        "{missing}"
    );
}
