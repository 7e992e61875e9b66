//! `/etc/fstab`: one line changed, all others as they were.

use crate::shared::mountinfo::{escape, unescape};

/// What fstab says of one mount point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub src: String,
    pub path: String,
    pub fstype: String,
    pub opts: String,
    pub dump: u32,
    pub passno: u32,
}

impl Entry {
    /// Reads a line; comments and empty lines are none.
    pub fn parse(line: &str) -> Option<Entry> {
        let mut words = line.split_whitespace().take_while(|word| !word.starts_with('#'));
        let mut word = || words.next().map(unescape);
        let (src, path, fstype) = (word()?, word()?, word()?);
        let opts = word().unwrap_or_else(|| "defaults".to_owned());
        let mut number = || word().and_then(|word| word.parse().ok()).unwrap_or(0);
        Some(Entry { src, path, fstype, opts, dump: number(), passno: number() })
    }

    fn words(&self) -> [String; 6] {
        let Entry { src, path, fstype, opts, dump, passno } = self;
        [escape(src), escape(path), escape(fstype), escape(opts), dump.to_string(), passno.to_string()]
    }

    /// The line, without its end.
    pub fn line(&self) -> String {
        self.words().join(" ")
    }

    /// The line in place of an old one, whose blanks and comment stay.
    fn instead(&self, old: &str) -> String {
        let mut words = self.words().into_iter().peekable();
        let mut line = String::new();
        let mut rest = old;
        while words.peek().is_some() {
            let start = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
            let (blanks, from) = rest.split_at(start);
            if from.is_empty() || from.starts_with('#') {
                break;
            }
            line += blanks;
            line += &words.next().unwrap_or_default();
            rest = &from[from.find(char::is_whitespace).unwrap_or(from.len())..];
        }
        for word in words {
            line += " ";
            line += &word;
        }
        line + rest.trim_end_matches('\n')
    }
}

/// The entry of a mount point, the last if there are several: that is the one seen.
pub fn find(text: &str, path: &str) -> Option<Entry> {
    text.lines().filter_map(Entry::parse).rfind(|entry| entry.path == path)
}

/// The lines of a mount point, to the letter, and which lines they are.
pub fn lines(text: &str, path: &str) -> Vec<(usize, String)> {
    let of = |(_, line): &(usize, &str)| Entry::parse(line).is_some_and(|entry| entry.path == path);
    text.split_inclusive('\n').enumerate().filter(of).map(|(at, line)| (at, line.to_owned())).collect()
}

/// The text with these lines for a mount point, and no others.
pub fn put_back(text: &str, path: &str, lines: &[(usize, String)]) -> String {
    let other = |line: &&str| Entry::parse(line).is_none_or(|entry| entry.path != path);
    let mut all: Vec<&str> = text.split_inclusive('\n').filter(other).collect();
    for (at, line) in lines {
        all.insert((*at).min(all.len()), line);
    }
    all.concat()
}

/// The text with this entry for a mount point, or without one.
pub fn edit(text: &str, path: &str, entry: Option<&Entry>) -> String {
    let mut entry = entry;
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        if Entry::parse(line).is_none_or(|found| found.path != path) {
            out += line;
        } else if let Some(entry) = entry.take() {
            out += &entry.instead(line);
            out += "\n";
        }
    }
    if let Some(entry) = entry {
        if !out.is_empty() && !out.ends_with('\n') {
            out += "\n";
        }
        out += &entry.line();
        out += "\n";
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# <file system>\nUUID=1  /          ext4  errors=remount-ro 0 1\n#/dev/sdb1 /srv ext4\n\
                        nas:/a   /mnt/my\\040nas  nfs   defaults  0 0  # the big one\n";

    #[test]
    fn lines_come_back_to_the_letter_and_to_their_place() {
        let text = "# mine\n/dev/a  /  ext4\n\t/dev/b\t/mnt ext4 ro # b\n/dev/c /mnt/c ext4\n";
        let was = lines(text, "/mnt");
        assert_eq!(was, [(2, "\t/dev/b\t/mnt ext4 ro # b\n".to_owned())]);
        let gone = edit(text, "/mnt", None);
        assert_ne!(gone, text);
        assert_eq!(put_back(&gone, "/mnt", &was), text);
        assert_eq!(put_back(text, "/mnt", &[]), gone);
    }

    #[test]
    fn one_line_changes_and_the_rest_stays_to_the_byte() {
        let entry = find(TEXT, "/mnt/my nas").unwrap();
        assert_eq!((entry.src.as_str(), entry.passno), ("nas:/a", 0));
        let other = Entry { opts: "ro,soft".to_owned(), ..entry.clone() };
        let changed = edit(TEXT, "/mnt/my nas", Some(&other));
        assert_eq!(changed, TEXT.replace("nfs   defaults", "nfs   ro,soft"));
        assert_eq!(edit(&changed, "/mnt/my nas", Some(&entry)), TEXT);
        let gone = edit(TEXT, "/mnt/my nas", None);
        assert_eq!(gone, TEXT.split_inclusive('\n').take(3).collect::<String>());
        let new = Entry { src: "tmpfs".into(), path: "/a b".into(), fstype: "tmpfs".into(), ..entry };
        assert_eq!(edit("x", "/a b", Some(&new)), "x\ntmpfs /a\\040b tmpfs defaults 0 0\n");
    }

    #[test]
    fn short_lines_and_doubles_become_one_whole_line() {
        let entry = find("a /x ext4\nb /x ext4 ro\n", "/x").unwrap();
        assert_eq!((entry.src.as_str(), entry.opts.as_str()), ("b", "ro"));
        assert_eq!(edit("a\t/x ext4 # old\nb /x ext4 ro\n", "/x", Some(&entry)), "b\t/x ext4 ro 0 0 # old\n");
    }
}
