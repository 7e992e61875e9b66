use super::*;
use serde_json::{Value, json};

fn present(mut options: Value) -> Present {
    options["name"] = json!("media");
    serde_json::from_value(options).unwrap()
}

fn state(value: Value) -> UserState {
    serde_json::from_value(value).unwrap()
}

fn lines(steps: Result<Vec<Step>>) -> Vec<String> {
    steps.unwrap().iter().map(Step::line).collect()
}

#[test]
fn every_state_can_be_reached() {
    let none = json!({ "exists": false });
    for (options, now, want, steps) in [
        (json!({}), none.clone(), json!({ "exists": true, "home_exists": true }), vec!["useradd -m media"]),
        (json!({}), json!({ "exists": true, "home_exists": true }), none.clone(), vec!["userdel media"]),
        (
            json!({ "create_home": false, "system": true, "uid": 300 }),
            none.clone(),
            json!({ "exists": true, "uid": 300, "group": "video", "groups": { "a": true, "b": true }, "expires": "never" }),
            vec!["useradd -r -u 300 -g video -G a,b -M media"],
        ),
        (
            json!({}),
            json!({ "exists": true, "groups": { "a": true, "b": true } }),
            json!({ "exists": true, "groups": {} }),
            vec!["usermod -G '' media"],
        ),
        (
            json!({ "home": "/srv/media", "move_home": true }),
            json!({ "exists": true, "home": "/home/media", "home_exists": false, "expires": "2027-01-31" }),
            json!({ "exists": true, "home": "/srv/media", "home_exists": true, "expires": "never" }),
            vec!["usermod -d /srv/media -m -e '' media"],
        ),
        (
            json!({ "password": "*" }),
            json!({ "exists": true, "password": "$6$a$b", "locked": false }),
            json!({ "exists": true, "password": "", "locked": true }),
            vec!["chpasswd -e"],
        ),
        (
            json!({ "password_lock": true }),
            json!({ "exists": true, "locked": false }),
            json!({ "exists": true, "locked": true }),
            vec!["usermod -L media"],
        ),
        (
            json!({ "generate_ssh_key": true }),
            json!({ "exists": true, "ssh_key": true }),
            json!({ "exists": true, "ssh_key": false }),
            vec![
                r#"sh -c 'f=$(getent passwd "$1" | cut -d: -f6)/$2; rm -f -- "$f" "$f.pub" && { [ -z "$3" ] || rmdir -- "${f%/*}" 2>/dev/null || true; }' sh media .ssh/id_rsa ''"#,
            ],
        ),
        (
            json!({}),
            json!({ "exists": true, "home_exists": true }),
            json!({ "exists": false, "home_exists": false }),
            vec!["userdel media", "sh -c '(rm -rf, if nothing differs from the skeleton)' sh '' /etc/skel ''"],
        ),
    ] {
        assert_eq!(lines(present(options).steps(&state(now.clone()), &state(want.clone()))), steps, "{now} -> {want}");
    }
}

fn gone(relic: Value) -> UserState {
    let account = json!({ "sha256": "1234567890abcdef", "uid": 1000 });
    let gone = json!([{ "path": "/home/media", "relic": relic }]);
    state(json!({ "exists": true, "uid": 1000, "home_exists": true, "$$account": account, "$$gone": gone }))
}

#[test]
fn a_user_comes_back_with_all_that_was_his() {
    let absent: Absent = serde_json::from_value(json!({ "name": "media", "remove": true })).unwrap();
    let whole =
        gone(json!({ "kind": "directory", "mode": "0700", "owner": "1000:1000", "archive": "feedbeef00000000" }));
    let steps = lines(absent.steps(&UserState::default(), &whole));
    assert_eq!(steps[0], "write /run/.hlrun-1234567890ab.account mode=0600 kept=1234567890ab");
    assert_eq!(steps[2], "write /home/.hlrun-feedbeef0000.tar mode=0600 kept=feedbeef0000");
    let kept = absent.keeps(&whole, &UserState::default());
    assert_eq!(kept.iter().map(|k| k.sha256.as_str()).collect::<Vec<_>>(), ["1234567890abcdef", "feedbeef00000000"]);
    let large = gone(json!({ "kind": "directory", "mode": "0700", "owner": "1000:1000" }));
    let refused = absent.steps(&UserState::default(), &large).unwrap_err();
    assert!(refused.message.contains("/home/media was a directory, and what it contained was not kept"), "{refused}");
}

#[test]
fn a_password_comes_back_with_its_day_and_its_lock() {
    let back = |now: Value, want: Value| {
        let steps = present(json!({ "password": "*" })).steps(&state(now), &state(want)).unwrap();
        let Some(Step::Run(first)) = steps.first() else { panic!("{steps:?}") };
        (first.stdin.clone().unwrap(), lines(Ok(steps)).pop().unwrap())
    };
    let now = json!({ "exists": true, "password": "$6$new$x", "locked": false, "$$lock": ["", "20000"] });
    let was = json!({ "exists": true, "password": "$6$old$x", "locked": true, "$$lock": ["!!", "18262"] });
    assert_eq!(back(now.clone(), was), ("media:!!$6$old$x\n".to_owned(), "chage -d 18262 media".to_owned()));
    let none = json!({ "exists": true, "password": "", "locked": false, "$$lock": ["", ""] });
    assert_eq!(back(now, none), ("media:\n".to_owned(), "chage -d -1 media".to_owned()));
}

#[test]
fn the_hash_goes_through_standard_input_with_the_lock_it_should_have() {
    for (now, want, stdin) in [
        (json!({ "exists": false }), json!({ "password": "$6$a$b", "locked": false }), "media:$6$a$b\n"),
        (json!({ "exists": true, "password": "" }), json!({ "password": "$6$a$b", "locked": true }), "media:!$6$a$b\n"),
        (json!({ "exists": true, "password": "$6$a$b" }), json!({ "password": "", "locked": false }), "media:!\n"),
    ] {
        let mut want = want;
        want["exists"] = json!(true);
        let steps = present(json!({ "password": "*" })).steps(&state(now), &state(want)).unwrap();
        let Some(Step::Run(command)) = steps.last() else { panic!("{steps:?}") };
        assert_eq!((command.line().as_str(), command.stdin.as_deref()), ("chpasswd -e", Some(stdin)));
    }
}

#[test]
fn a_password_is_wanted_as_update_password_says() {
    let now = state(json!({ "exists": true, "home_exists": true, "password": "$6$old$x", "locked": true }));
    let want = |options: Value| {
        let want = present(options).want(&now).unwrap();
        (want.password.unwrap(), want.locked.unwrap())
    };
    let hash = |hash: &str, locked: bool| (hash.to_owned(), locked);
    assert_eq!(want(json!({ "password": "$6$new$x" })), hash("$6$new$x", false));
    assert_eq!(want(json!({ "password": "$6$old$x" })), hash("$6$old$x", true));
    assert_eq!(want(json!({ "password": "$6$new$x", "update_password": "on_create" })), hash("$6$old$x", true));
    assert_eq!(want(json!({ "password": "$6$new$x", "password_lock": true })), hash("$6$new$x", true));
    assert!(present(json!({ "password_lock": false })).want(&UserState::default()).is_err());
}

#[test]
fn what_is_no_hash_is_refused_and_not_repeated() {
    let read = |password: &str| serde_json::from_value::<Present>(json!({ "name": "media", "password": password }));
    for good in ["$6$salt$hash", "!$y$j9T$salt$hash", "*", "!", "!!"] {
        assert!(read(good).is_ok(), "{good}");
    }
    for wrong in ["", "hunter2", "abJnggxhB/yWI", "$6$", "$6$a:b$c\n"] {
        let error = read(wrong).unwrap_err().to_string();
        assert!(wrong.is_empty() || !error.contains(wrong), "{error}");
    }
}
