//! A terminal that a test types into and looks at.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The longest that anything may take to appear.
const PATIENCE: Duration = Duration::from_secs(30);

/// A prompt on a screen, in a folder of its own.
pub struct Screen {
    pub dir: PathBuf,
    socket: PathBuf,
}

impl Screen {
    /// Begin a session. A folder given twice is the same home, with its history.
    pub fn open(dir: &Path, args: &str) -> Screen {
        // A server that is about to end must not be taken for the next one.
        static SERVERS: AtomicU32 = AtomicU32::new(0);
        let socket = dir.join(format!("tmux{}", SERVERS.fetch_add(1, Ordering::Relaxed)));
        let screen = Screen { dir: dir.to_owned(), socket };
        let home = dir.display();
        let line = format!(
            "env HOME={home} XDG_STATE_HOME={home}/state XDG_CONFIG_HOME={home} {} repl {args}",
            env!("CARGO_BIN_EXE_hlrun")
        );
        let size = ["-x", "100", "-y", "30"];
        let start = ["-f", "/dev/null", "new-session", "-d", "-c", dir.to_str().unwrap()];
        let output = screen.tmux(&[&start[..], &size, &[&line]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        screen
    }

    fn tmux(&self, args: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        // What colours are wanted is for the terminal to say, not for the tests' surroundings.
        command.env_remove("NO_COLOR").env_remove("TMUX").arg("-S").arg(&self.socket).args(args);
        command.output().unwrap()
    }

    /// Type a text.
    pub fn types(&self, text: &str) -> &Screen {
        assert!(self.tmux(&["send-keys", "-l", "--", text]).status.success(), "cannot type {text}");
        self
    }

    /// Press a key, by tmux's name of it.
    pub fn press(&self, key: &str) -> &Screen {
        assert!(self.tmux(&["send-keys", key]).status.success(), "cannot press {key}");
        self
    }

    /// Type a line, and Enter.
    pub fn enter(&self, line: &str) -> &Screen {
        self.types(line).press("Enter")
    }

    fn look(&self, colours: bool) -> String {
        let how = if colours { &["capture-pane", "-p", "-e"][..] } else { &["capture-pane", "-p"] };
        String::from_utf8_lossy(&self.tmux(how).stdout).into_owned()
    }

    /// Wait until the screen shows something.
    #[track_caller]
    pub fn shows(&self, text: &str) -> &Screen {
        self.until(&format!("`{text}` to be shown"), |screen| screen.look(false).contains(text))
    }

    /// Wait until a line on the screen is just this.
    #[track_caller]
    pub fn answers(&self, line: &str) -> &Screen {
        self.until(&format!("the answer `{line}`"), |screen| screen.look(false).lines().any(|l| l.trim_end() == line))
    }

    /// Wait until something holds.
    #[track_caller]
    pub fn until(&self, what: &str, holds: impl Fn(&Screen) -> bool) -> &Screen {
        let began = Instant::now();
        while !holds(self) {
            assert!(began.elapsed() < PATIENCE, "waited in vain for {what}; the screen shows\n{}", self.look(false));
            std::thread::sleep(Duration::from_millis(20));
        }
        self
    }

    /// The last line that has this text, with its colours.
    pub fn coloured(&self, text: &str) -> String {
        self.look(true).lines().rfind(|line| line.contains(text)).unwrap_or_default().to_owned()
    }

    /// Wait until the session is over.
    #[track_caller]
    pub fn ends(&self) {
        self.until("the end", |screen| !screen.tmux(&["has-session"]).status.success());
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}
