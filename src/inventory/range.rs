//! Ranges in host names: `web[01:12]`, `db[a:f]`, `rack[0:8:2]-node[1:3]`.

/// The names that a name with ranges stands for, in order; the error says what is wrong with the range.
pub(super) fn expand(name: &str) -> Result<Vec<String>, String> {
    let Some((head, rest)) = name.split_once('[') else { return Ok(vec![name.to_owned()]) };
    let Some((range, tail)) = rest.split_once(']') else {
        return Err(format!("`{name}` opens a range and does not close it"));
    };
    let tails = expand(tail)?;
    let items =
        items(range).ok_or_else(|| format!("`[{range}]` is no range: write [1:9], [01:12], [0:8:2] or [a:f]"))?;
    Ok(items.iter().flat_map(|item| tails.iter().map(move |tail| format!("{head}{item}{tail}"))).collect())
}

fn items(range: &str) -> Option<Vec<String>> {
    let mut parts = range.split(':');
    let (from, to, step) = (parts.next()?, parts.next()?, parts.next().unwrap_or("1"));
    let step: usize = step.parse().ok().filter(|step| *step > 0)?;
    if parts.next().is_some() || to.is_empty() {
        return None;
    }
    let from = if from.is_empty() { "0" } else { from };
    if let (Ok(first), Ok(last)) = (from.parse::<u32>(), to.parse::<u32>()) {
        let padded = from.len() > 1 && from.starts_with('0');
        if (padded && from.len() != to.len()) || first > last || last - first > 100_000 {
            return None;
        }
        let width = if padded { from.len() } else { 0 };
        return Some((first..=last).step_by(step).map(|n| format!("{n:0width$}")).collect());
    }
    let letters: Vec<char> = ('a'..='z').chain('A'..='Z').collect();
    let place = |text: &str| letters.iter().position(|c| text.chars().eq([*c]));
    let (first, last) = (place(from)?, place(to)?);
    (first <= last).then(|| (first..=last).step_by(step).filter_map(|i| letters.get(i)).map(char::to_string).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn ranges_expand_as_ansible_expands_them() {
        for (name, want) in [
            ("nas", "nas"),
            ("web[01:03].lan", "web01.lan web02.lan web03.lan"),
            ("n[8:11]", "n8 n9 n10 n11"),
            ("n[0:6:3]", "n0 n3 n6"),
            ("db[a:c]", "dba dbb dbc"),
            ("r[1:2]n[a:b]", "r1na r1nb r2na r2nb"),
            ("n[:2]", "n0 n1 n2"),
            ("n[y:B:2]", "ny nA"),
        ] {
            assert_eq!(super::expand(name).unwrap().join(" "), want);
        }
        for wrong in ["web[1:", "web[1]", "web[3:1]", "web[01:100]", "web[a:3]"] {
            assert!(super::expand(wrong).is_err(), "{wrong}");
        }
    }
}
