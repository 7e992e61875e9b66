//! Entries put into a text and taken out of it; every other line stays as it is.

/// What stands before the name in the line above a job.
pub const MARK: &str = "#Ansible: ";

/// The lines of a text, without the line break at the end of each, whatever else they contain.
pub fn lines(text: &str) -> Vec<&str> {
    match text.strip_suffix('\n').unwrap_or(text) {
        "" => Vec::new(),
        text => text.split('\n').collect(),
    }
}

fn join(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A text with a job in it.
pub fn present(text: Option<&str>, name: &str, job: &str) -> String {
    let mark = format!("{MARK}{name}");
    let mut lines = lines(text.unwrap_or_default());
    let mut at = 0;
    let mut found = false;
    while let Some(place) = lines.iter().skip(at).position(|line| *line == mark).map(|i| i + at) {
        found = true;
        match lines.get(place + 1) {
            Some(next) if !next.starts_with(MARK) => lines[place + 1] = job,
            // A name without a job.
            _ => lines.insert(place + 1, job),
        }
        at = place + 2;
    }
    if found {
        return join(&lines);
    }
    let unnamed = |i: usize| i == 0 || !lines[i - 1].starts_with(MARK);
    match (0..lines.len()).find(|i| lines[*i] == job && unnamed(*i)) {
        Some(place) => lines.insert(place, &mark),
        None => lines.extend([mark.as_str(), job]),
    }
    join(&lines)
}

/// A text without a job.
pub fn absent(text: &str, name: &str) -> String {
    let mark = format!("{MARK}{name}");
    let mut lines = lines(text);
    if !lines.contains(&mark.as_str()) {
        return text.to_owned();
    }
    while let Some(place) = lines.iter().position(|line| *line == mark) {
        let job = lines.get(place + 1).is_some_and(|next| !next.starts_with(MARK));
        lines.drain(place..=place + usize::from(job));
    }
    join(&lines)
}

/// Where a new variable goes.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// Above everything.
    First,
    /// Below the line of another variable.
    After(&'a str),
    /// Above it.
    Before(&'a str),
}

fn declares(line: &str, name: &str) -> bool {
    line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
}

/// A text with a variable in it; an error names the variable that the new one should stand beside and that is
/// not there.
pub fn env<'a>(text: Option<&str>, name: &str, line: &str, place: Place<'a>) -> Result<String, &'a str> {
    let mut lines = lines(text.unwrap_or_default());
    let mut found = false;
    for old in lines.iter_mut().filter(|old| declares(old, name)) {
        *old = line;
        found = true;
    }
    if !found {
        let of = |other: &'a str| lines.iter().position(|line| declares(line, other)).ok_or(other);
        let at = match place {
            Place::First => 0,
            Place::After(other) => of(other)? + 1,
            Place::Before(other) => of(other)?,
        };
        lines.insert(at, line);
    }
    Ok(join(&lines))
}

/// A text without a variable.
pub fn env_absent(text: &str, name: &str) -> String {
    if !lines(text).iter().any(|line| declares(line, name)) {
        return text.to_owned();
    }
    join(&lines(text).into_iter().filter(|line| !declares(line, name)).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "A=1\r\n\n#Ansible: a\n* * * * * x\n  # mine  \n0 0 * * * y\n";

    #[test]
    fn a_job_is_found_by_its_name_or_by_its_line() {
        let with = |name, job| present(Some(OLD), name, job);
        assert_eq!(with("a", "@daily z"), OLD.replace("* * * * * x", "@daily z"));
        assert_eq!(with("b", "0 0 * * * y"), OLD.replace("0 0 * * * y", "#Ansible: b\n0 0 * * * y"));
        assert_eq!(with("c", "@daily z"), format!("{OLD}#Ansible: c\n@daily z\n"));
        assert_eq!(with("b", "* * * * * x"), format!("{OLD}#Ansible: b\n* * * * * x\n"));
        assert_eq!(present(None, "a", "x"), "#Ansible: a\nx\n");
        assert_eq!(present(Some("#Ansible: a\n#Ansible: b\ny\n"), "a", "x"), "#Ansible: a\nx\n#Ansible: b\ny\n");
        for (name, job) in [("a", "@daily z"), ("b", "0 0 * * * y"), ("c", "q")] {
            let once = with(name, job);
            assert_eq!(present(Some(&once), name, job), once);
        }
    }

    #[test]
    fn a_job_goes_and_the_rest_stays() {
        assert_eq!(absent(OLD, "a"), OLD.replace("#Ansible: a\n* * * * * x\n", ""));
        assert_eq!(absent(OLD, "A"), OLD);
        assert_eq!(absent("no newline", "a"), "no newline");
        assert_eq!(absent("#Ansible: a\n#Ansible: b\ny\n#Ansible: a\nz\n", "a"), "#Ansible: b\ny\n");
        assert_eq!(absent(&present(None, "a", "x"), "a"), "");
    }

    #[test]
    fn a_variable_stands_where_it_is_told() {
        assert_eq!(env(Some("A=1\nB = 2\nx"), "B", "B=\"3\"", Place::First), Ok("A=1\nB=\"3\"\nx\n".to_owned()));
        assert_eq!(env(Some("A=1\nx\n"), "B", "B=2", Place::First), Ok("B=2\nA=1\nx\n".to_owned()));
        assert_eq!(env(Some("A=1\nx\n"), "B", "B=2", Place::After("A")), Ok("A=1\nB=2\nx\n".to_owned()));
        assert_eq!(env(Some("Z=1\nA=1\n"), "B", "B=2", Place::Before("A")), Ok("Z=1\nB=2\nA=1\n".to_owned()));
        assert_eq!(env(None, "B", "B=2", Place::After("A")), Err("A"));
        assert_eq!(env_absent("A=1\nAB=2\nx\n", "A"), "AB=2\nx\n");
        assert_eq!(env_absent("AB=2", "A"), "AB=2");
    }
}
