//! Commands as lines of shell: quoted by us, interpreted by nobody.

use stdlib::contract::{Command, quote};

/// Names that a shell would take for its own. `env` finds the program instead.
const BUILTINS: &[&str] = &[
    ".",
    ":",
    "alias",
    "bg",
    "bind",
    "break",
    "builtin",
    "caller",
    "cd",
    "command",
    "compgen",
    "complete",
    "continue",
    "declare",
    "dirs",
    "disown",
    "enable",
    "eval",
    "exec",
    "exit",
    "export",
    "fc",
    "fg",
    "getopts",
    "hash",
    "help",
    "history",
    "jobs",
    "let",
    "local",
    "logout",
    "mapfile",
    "popd",
    "pushd",
    "read",
    "readarray",
    "readonly",
    "return",
    "set",
    "shift",
    "shopt",
    "source",
    "suspend",
    "times",
    "trap",
    "type",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
    "unset",
    "wait",
];

/// The command as one line of shell, without its standard input. With `replace` the shell becomes the
/// command, instead of waiting for it.
pub fn line(command: &Command, replace: bool) -> String {
    let mut words: Vec<String> = Vec::new();
    let env = !command.env.is_empty() || BUILTINS.contains(&command.program.as_str());
    if replace {
        words.push("exec".to_owned());
    }
    if env || command.program.contains('=') {
        words.push("env".to_owned());
        words.extend(command.env.iter().map(|(name, value)| quote(&format!("{name}={value}"))));
        if command.program.contains('=') {
            // `env` would read it as an assignment: let a shell find it by its quoted name.
            words.extend(["sh", "-c", "'exec \"$@\"'", "sh"].map(str::to_owned));
        }
    }
    words.push(quoted(&command.program));
    words.extend(command.args.iter().map(|arg| quoted(arg)));
    let line = words.join(" ");
    match &command.cwd {
        Some(dir) if replace => format!("cd -- {} && {line}", quoted(dir)),
        Some(dir) => format!("(cd -- {} && exec {line})", quoted(dir)),
        None => line,
    }
}

/// A word that is no keyword of the shell either.
fn quoted(word: &str) -> String {
    let keyword = ["if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until", "for", "in"];
    if keyword.contains(&word) { format!("'{word}'") } else { quote(word) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_for_a_shell_to_interpret() {
        let cases = [
            (Command::new("echo").arg("$(reboot) `x` 'y' \"z\""), r#"echo '$(reboot) `x` '\''y'\'' "z"'"#),
            (Command::new("exit").arg("3"), "env exit 3"),
            (Command::new("if"), "'if'"),
            (Command::new("a b").env("X", "1 2"), "env 'X=1 2' 'a b'"),
            (Command::new("ls").cwd(Some("/a b")), "(cd -- '/a b' && exec ls)"),
            (Command::new("A=b"), r#"env sh -c 'exec "$@"' sh A=b"#),
        ];
        for (command, expected) in cases {
            assert_eq!(line(&command, false), expected);
        }
    }
}
