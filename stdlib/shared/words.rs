//! A command line split into words, without a shell.

use super::Many;
use crate::contract::{Command, Error, Result};

/// The words of a line: blanks separate, quotes and backslashes keep together, and nothing else has a
/// meaning: no variables, no globs, no pipes.
pub fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(q), c) if q == c => quote = None,
            (None | Some('"'), '\\') => word.get_or_insert_default().push(chars.next()?),
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// The command that checks a new file before it takes the old one's place: its `%s` is the new file.
pub fn validation(check: &Many<String>) -> Result<Command> {
    let words = match check {
        Many::Several(words) => Some(words.clone()),
        Many::One(line) => words(line),
    };
    let wrong = |what: &str| {
        Error::playbook(format!("`validate` {what}"))
            .hint("write it as \"visudo -cf %s\" or [\"visudo\", \"-cf\", \"%s\"]; %s is the path of the new file")
    };
    let words = words.ok_or_else(|| wrong("has a quote that does not end"))?;
    if !words.iter().any(|word| word.contains("%s")) {
        return Err(wrong("does not name the file to check"));
    }
    let mut words = words.into_iter();
    let program = words.next().ok_or_else(|| wrong("is empty"))?;
    Ok(Command::new(program).args(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_as_a_shell_would_without_being_one() {
        assert_eq!(words(r#"sshd -t -f "%s" 'a b'\ c $(x)"#).unwrap(), ["sshd", "-t", "-f", "%s", "a b c", "$(x)"]);
        assert_eq!(words("it's"), None);
        assert!(validation(&Many::One("visudo -cf".to_owned())).is_err());
    }
}
