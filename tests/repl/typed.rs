//! What a person at the prompt can rely on.

use super::screen::Screen;
use std::os::unix::fs::PermissionsExt;

pub const PROMISES: &[(&str, fn())] = &[
    ("the prompt shows the hosts and that nothing is changed", || {
        with(TWO, |screen| {
            screen.shows("no hosts check>").enter(":on a").shows("a check>");
            screen.enter(":on a,b").shows("a,b (2) check>").enter(":become media").shows("a,b (2) as media check>");
            screen.enter(":become off").enter("host.name").shows("a: a").shows("b: b");
        });
    }),
    ("apply is deliberate and cannot be overlooked", || {
        with("", |screen| {
            let red = |line: String| line.contains("\x1b[31m") || line.contains(";31m");
            screen.shows("localhost check>");
            assert!(!red(screen.coloured("check>")), "{}", screen.coloured("check>"));
            let file = screen.dir.join("made");
            let line = format!("file::file({file:?}, #{{ content: \"x\" }})");
            screen.enter(&line).shows("would change localhost");
            assert!(!file.exists());
            screen.enter(":apply").shows("localhost  APPLY >");
            assert!(red(screen.coloured("APPLY")), "{}", screen.coloured("APPLY"));
            screen.enter(&line).shows("changed      localhost");
            assert!(file.exists());
            screen.enter(":check").shows("localhost check>");
        });
    }),
    ("Tab completes", || {
        with(TWO, |screen| {
            screen.shows("check>").types("apt::insta").press("Tab").shows("> apt::installed(");
            screen.types("\"x\", #{ update_c").press("Tab").shows("#{ update_cache:");
            screen.press("C-u").types(":on al").press("Tab").shows("> :on all").press("Enter").shows("all (2) check>");
            screen.types("file::li").press("Tab").shows("\nlink(").shows("\nline(");
        });
    }),
    ("a line that is not finished goes on", || {
        with("", |screen| {
            screen
                .shows("check>")
                .enter("fn twice(x) {")
                .shows("\n               .")
                .enter("x * 2")
                .enter("}")
                .shows(". }");
            screen.enter("twice(`${1").enter("}1`.parse_int())").answers("22");
        });
    }),
    ("history outlives the session, and is for nobody else", || {
        let dir = tempfile::tempdir().unwrap();
        let first = Screen::open(dir.path(), "");
        first.shows("check>").enter("1 + 41").answers("42").enter(" \"hidden\"").answers("hidden");
        first.press("C-d").ends();
        drop(first);
        let history = dir.path().join("state/hlrun/repl-history");
        assert_eq!(std::fs::metadata(&history).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&history).unwrap(), "1 + 41\n");
        let second = Screen::open(dir.path(), "");
        second.shows("check>").press("Up").shows("> 1 + 41").press("Enter").answers("42");
        second.enter(":history").answers("1 + 41");
    }),
    ("Ctrl-C stops the line under way and nothing else", || {
        with("--apply", |screen| {
            let begun = screen.dir.join("begun");
            let script = format!("echo $$ > {0}.new; mv {0}.new {0}; sleep 600", begun.display());
            screen.shows("APPLY").enter("let kept = 42;").enter(&format!("shell::run({script:?})"));
            screen.until("the command to begin", |_| begun.exists());
            let process = std::fs::read_to_string(&begun).unwrap();
            let process = std::path::Path::new("/proc").join(process.trim());
            screen.press("C-c").shows("interrupted").until("the command to end", |_| !process.exists());
            screen.enter("kept").answers("42").enter("shell::query(\"echo again\").stdout").answers("again");
            screen.types("never entered").shows("> never entered").press("C-c").answers("localhost  APPLY >");
            screen.enter("`${kept} still`").answers("42 still");
        });
    }),
    ("an endless script is stopped by Ctrl-C too", || {
        with("", |screen| {
            screen.shows("check>").enter("print(\"begins\"); loop { }").answers("begins").press("C-c");
            screen.answers("interrupted").enter("6 * 7").answers("42");
        });
    }),
    ("output is shown when it is printed", || {
        with("--apply", |screen| {
            let go = screen.dir.join("go");
            let script = format!("echo first; until [ -e {} ]; do sleep 0.05; done; echo second", go.display());
            screen.shows("APPLY").enter(&format!("shell::run({script:?})")).answers("| first");
            std::fs::write(&go, "").unwrap();
            screen.answers("| second").shows("changed      localhost");
        });
    }),
    ("what is wrong is drawn, and the session goes on", || {
        with("", |screen| {
            screen.shows("check>").enter("apt::instaled(\"jq\")").shows("hint: did you mean apt::installed?");
            screen.shows("repl[1]:1:6").shows("     ^^^^^^^^").enter(":aply").shows("hint: did you mean :apply?");
            screen.enter("6 * 7").answers("42").enter("file?").shows("file::directory ");
        });
    }),
    ("Ctrl-D and :quit leave", || {
        with("", |screen| screen.shows("check>").press("C-d").ends());
        with("", |screen| screen.shows("check>").enter(":quit").ends());
    }),
];

/// Two names of this machine.
const TWO: &str = "-i a,b, -e ansible_connection=local";

fn with(args: &str, session: impl Fn(&Screen)) {
    let dir = tempfile::tempdir().unwrap();
    session(&Screen::open(dir.path(), args));
}
