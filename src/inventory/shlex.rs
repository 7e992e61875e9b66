//! The words of an INI host line, as Python's `shlex` splits them: quotes, backslashes, and `#` anywhere.

/// The words; the error says what is wrong with the quotes.
pub(super) fn split(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            // Within a word, too.
            '#' => break,
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(chars.next().ok_or("a backslash stands before nothing")?),
            '\'' | '"' => quoted(c, &mut chars, word.get_or_insert_default())?,
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(mark: char, chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), &'static str> {
    let open = "a quote is opened and not closed";
    loop {
        match chars.next().ok_or(open)? {
            c if c == mark => return Ok(()),
            '\\' if mark == '"' => {
                let next = chars.next().ok_or(open)?;
                if next != '"' && next != '\\' {
                    word.push('\\');
                }
                word.push(next);
            }
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_are_pythons() {
        for (line, want) in [
            ("nas a=1  b=2", "nas|a=1|b=2"),
            ("nas a='x y' b=\"z w\"c # no", "nas|a=x y|b=z wc"),
            ("nas a=b#c d=e", "nas|a=b"),
            (r"nas a=b\ c d='\n' e=\d", r"nas|a=b c|d=\n|e=d"),
            (r#"nas a="\"q\" \n""#, r#"nas|a="q" \n"#),
            ("nas a='' ''", "nas|a=|"),
        ] {
            assert_eq!(split(line).unwrap().join("|"), want, "{line}");
        }
        assert!(split("nas a='x").is_err());
        assert!(split("nas a=x\\").is_err());
    }
}
