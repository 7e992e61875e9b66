//! A session as a playbook: lines for the same hosts are one play.

use crate::run::Console;
use crate::script::Line;

/// A line that ended well.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    text: String,
    /// The hosts it ran on, and whom it became; nothing if it ran once.
    place: Option<(String, Option<String>)>,
    defines: bool,
    uses_result: bool,
    plays: bool,
    acted: bool,
}

impl Kept {
    /// A line before it runs.
    pub fn of(line: &Line, text: &str, console: &Console) -> Kept {
        let pattern = console.pattern().unwrap_or_default().to_owned();
        let place = line.needs_host().then(|| (pattern, console.r#become().map(str::to_owned)));
        Kept {
            text: text.trim().to_owned(),
            place,
            defines: line.defines(),
            uses_result: line.uses_result(),
            plays: !line.survey.plays.is_empty(),
            acted: false,
        }
    }
    /// The line, after it did call operations or did not.
    pub fn acted(self, acted: bool) -> Kept {
        Kept { acted, ..self }
    }
    /// Whether a playbook is less without it: it does something, or defines something.
    pub fn wanted(&self) -> bool {
        self.defines || self.plays || self.acted
    }
    /// The line as a statement. What works with the last result is for a person to rewrite.
    fn statement(&self) -> String {
        let end = if self.text.ends_with([';', '}']) { "" } else { ";" };
        match self.uses_result {
            false => format!("{}{end}", self.text),
            true => {
                self.text.lines().map(|line| format!("// `_` was the result of the line before: {line}\n")).collect()
            }
        }
    }
}

/// Lines as a playbook.
pub fn playbook(lines: &[Kept]) -> String {
    let mut text = String::from("//! A session of hlrun repl.\n");
    let mut open: Option<&(String, Option<String>)> = None;
    for kept in lines.iter().filter(|kept| kept.wanted()) {
        if open.is_some() && kept.place.as_ref() != open {
            text += "});\n";
            open = None;
        }
        match &kept.place {
            Some(place) if open.is_none() => {
                let (pattern, user) = place;
                let options = user.as_ref().map(|user| format!("#{{ become: {user:?} }}, ")).unwrap_or_default();
                text += &format!("\nplay(\"On {}\", {pattern:?}, {options}|host| {{\n", pattern.replace('"', "'"));
                open = Some(place);
            }
            Some(_) => {}
            None => text.push('\n'),
        }
        let margin = if kept.place.is_some() { "    " } else { "" };
        text += &indented(&kept.statement(), margin);
    }
    if open.is_some() {
        text += "});\n";
    }
    text
}

fn indented(text: &str, margin: &str) -> String {
    // Inside of a text over several lines a margin would change it.
    let margin = if text.contains('`') && text.contains('\n') { "" } else { margin };
    text.lines().map(|line| format!("{margin}{line}").trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Inventory;
    use crate::run::Options;
    use crate::script::{Limits, compile_text};

    #[test]
    fn a_session_is_a_playbook() {
        let inventory = Inventory::load(&["a,b,".into()], None, Default::default()).unwrap();
        let options = Options { check: true, state: None, ..Options::default() };
        let mut console = Console::new(inventory, options).unwrap();
        let mut kept = Vec::new();
        let mut enter = |hosts: &str, user: Option<&str>, line: &str, acted: bool| {
            console.choose(hosts).unwrap();
            console.set_become(user);
            let checked = console.check_line(line).unwrap_or_else(|e| panic!("{e:?}"));
            kept.push(Kept { acted, ..Kept::of(&checked, line, &console) });
            console.run(checked, Vec::new());
        };
        enter("a", None, "let tools = [\"jq\"]", false);
        enter("a", None, "tools.len()", false);
        enter("a", None, "fn both(x) {\n    apt::installed(x);\n}", false);
        enter("a", Some("root"), "let name = host.name + \"!\"", false);
        enter("a", Some("root"), "shell::query(\"true\")", false);
        enter("a", Some("root"), "both(tools)", true);
        enter("a,b", None, "apt::absent(\"nano\")", true);
        enter("a,b", None, "print(_ + host)", true);
        let text = playbook(&kept);
        let expected = r#"//! A session of hlrun repl.

let tools = ["jq"];

fn both(x) {
    apt::installed(x);
}

play("On a", "a", #{ become: "root" }, |host| {
    let name = host.name + "!";
    both(tools);
});

play("On a,b", "a,b", |host| {
    apt::absent("nano");
    // `_` was the result of the line before: print(_ + host)
});
"#;
        assert_eq!(text, expected);
        assert!(compile_text(&text, "saved", std::path::Path::new(""), &Limits::default()).is_ok());
    }
}
