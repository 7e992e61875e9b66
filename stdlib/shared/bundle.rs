//! What lies at some names below a directory before it is replaced: looked at as a whole, kept as one archive.

use super::HostPath;
use crate::bail;
use crate::contract::{Command, Content, KEPT, Keepsake, Look, Output, Result, Source, Step, Write};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What lies at some names below a directory, by name. Of a state, it is what undo goes back to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// The content of a file, or words such as `directory` and `link to x`.
    files: BTreeMap<String, Thing>,
    /// Permissions, in octal digits; a link has none of its own.
    mode: BTreeMap<String, String>,
    /// Owner and group, by number.
    owner: BTreeMap<String, String>,
}

/// What lies at a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Thing {
    /// A file that is small enough to be kept.
    File(Content),
    /// Anything else, in words.
    Other(String),
}

/// `DIRECTORY LIMIT TAKER`, names on standard input, one a line. Prints what lies there, and what TAKER makes of an archive
/// of it that is the same for the same things, where all files together have at most LIMIT bytes; or, without LIMIT, the archive.
const LOOK: &str = r#"cd -- "$1" 2>/dev/null || exit 0
s=$(sed 's,^,./,' | tr '\n' '\0' | LC_ALL=C xargs -0 -r stat -c '%a:%u:%g:%s:%Y:%F:%n' 2>/dev/null)
[ -n "$s" ] || exit 0
kind() { printf '%s\n' "$s" | awk -F: -v k="$1" -v max="$2" '$6 ~ k && (max == "" || $4 <= max + 0) { n = $0; for (i = 0; i < 6; i++) n = substr(n, index(n, ":") + 1); print n }'; }
pack() { kind . | tr '\n' '\0' | tar -c --no-recursion --numeric-owner --format=posix --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime --null -T - -f -; }
[ -n "$2" ] || { pack; exit; }
printf '%s\n' "$s"
kind '^regular' "$2" | tr '\n' '\0' | xargs -0 -r sha256sum
kind '^symbolic' | while IFS= read -r n; do printf 'link %s\n%s\n' "$n" "$(readlink -- "$n")"; done
t=$(printf '%s\n' "$s" | awk -F: '$6 ~ /^regular/ { t += $4 } END { printf "%d", t }')
[ "$t" -le "$2" ] && tar --sort=name --version >/dev/null 2>&1 && printf 'kept %s\n' "$(pack | $3)""#;

/// `DIRECTORY`, names on standard input: deletes files.
const DELETE: &str = r#"cd -- "$1" && tr '\n' '\0' | xargs -0 -r rm -f --"#;
/// The same of directories that are empty, the deepest first.
const EMPTY: &str = r#"cd -- "$1" && tr '\n' '\0' | xargs -0 -r rmdir --"#;
/// `ARCHIVE DIRECTORY`: puts back what was kept.
const UNPACK: &str = r#"tar -xp --numeric-owner -f "$1" -C "$2"; code=$?; rm -f -- "$1"; exit $code"#;
/// `DIRECTORY`, names of directories on standard input: what is in them.
const BELOW: &str = r#"cd -- "$1" && tr '\n' '\0' | xargs -0 -r sh -c 'for d; do find "$d" -mindepth 1; done' sh"#;

fn look(root: &str, names: &str, limit: &str) -> Command {
    let gist = "stat; sha256sum; readlink; tar of what will be replaced";
    Command::gist(gist, LOOK).args([root, limit, "sha256sum"]).stdin(format!("{names}\n"))
}

impl Bundle {
    /// Looks at these names below a directory (one a line), and what keeps them: the digest of an archive.
    pub async fn read(host: &dyn Look, root: &str, names: &str) -> Result<(Bundle, Option<String>)> {
        if names.is_empty() {
            return Ok(Default::default());
        }
        Ok(Bundle::parse(&host.run(&look(root, names, &KEPT.to_string())).await?))
    }

    fn parse(output: &Output) -> (Bundle, Option<String>) {
        let (mut bundle, mut kept) = (Bundle::default(), None);
        let text = output.text();
        let mut lines = text.lines();
        let plain = |name: &str| name.strip_prefix("./").unwrap_or(name).to_owned();
        while let Some(line) = lines.next() {
            if let Some(name) = line.strip_prefix("link ") {
                let target = format!("link to {}", lines.next().unwrap_or_default());
                bundle.files.insert(plain(name), Thing::Other(target));
            } else if let Some(digest) = line.strip_prefix("kept ") {
                kept = digest.get(..64).map(str::to_owned);
            } else if let Some((sha256, name)) =
                line.split_once("  ./").filter(|(head, _)| head.trim_start_matches('\\').len() == 64)
            {
                // A backslash before the digest means that those in the name are doubled.
                let escaped = sha256.starts_with('\\');
                let name = if escaped { name.replace(r"\\", r"\") } else { name.to_owned() };
                let size = match bundle.files.get(&name) {
                    Some(Thing::Other(words)) => words.rsplit(' ').next().and_then(|size| size.parse().ok()),
                    _ => None,
                };
                let sha256 = sha256.trim_start_matches('\\').to_owned();
                bundle.files.insert(name, Thing::File(Content { sha256, size: size.unwrap_or_default(), text: None }));
            } else if let [mode, uid, gid, size, time, kind, name] = line.splitn(7, ':').collect::<Vec<_>>()[..] {
                let name = plain(name);
                let words = match kind {
                    "directory" => "directory".to_owned(),
                    _ if kind.starts_with("regular") => format!("file of {time}, bytes: {size}"),
                    other => other.to_owned(),
                };
                if kind != "symbolic link" {
                    bundle.mode.insert(name.clone(), format!("{mode:0>4}"));
                }
                bundle.owner.insert(name.clone(), format!("{uid}:{gid}"));
                bundle.files.insert(name, Thing::Other(words));
            }
        }
        (bundle, kept)
    }

    fn is_directory(&self, name: &str) -> bool {
        self.files.get(name) == Some(&Thing::Other("directory".to_owned()))
    }

    /// What must be kept of it.
    pub fn keeps(&self, root: &str, names: &str, kept: Option<&String>) -> Option<Keepsake> {
        let kept = kept.filter(|_| !self.files.is_empty());
        kept.map(|sha256| Bundle::keepsake(root, names, sha256))
    }

    /// What lies at these names below a directory, by the digest of its archive.
    pub fn keepsake(root: &str, names: &str, kept: &str) -> Keepsake {
        Keepsake { command: look(root, names, ""), sha256: kept.to_owned(), size: 0 }
    }

    /// The steps that put back below a directory what was kept.
    pub fn unpack(root: &str, kept: &str) -> Vec<Step> {
        let part = format!("{}/.hlrun-{kept:.12}.tar", root.trim_end_matches('/'));
        let write = Write::private(part.clone(), Source::Kept(kept.to_owned()));
        vec![write.into(), Command::sh(UNPACK).args([part.as_str(), root]).into()]
    }

    /// The names that go on the way to another, files and directories; a file that comes where a directory is counts too.
    fn gone<'a>(&'a self, want: &'a Bundle) -> (Vec<&'a str>, Vec<&'a str>) {
        let goes = |name: &&String| match want.files.get(*name) {
            None => true,
            Some(_) => self.is_directory(name) != want.is_directory(name),
        };
        self.files.keys().filter(goes).map(String::as_str).partition(|name| !self.is_directory(name))
    }

    /// The steps from this to another, which is kept under this digest.
    pub fn steps(&self, root: &HostPath, want: &Bundle, kept: Option<&String>) -> Result<Vec<Step>> {
        let mut steps: Vec<Step> = Vec::new();
        let (files, mut directories) = self.gone(want);
        directories.reverse();
        for (script, gist, names) in [(DELETE, "rm -f", files), (EMPTY, "rmdir", directories)] {
            if !names.is_empty() {
                let names: String = names.iter().map(|name| format!("./{name}\n")).collect();
                steps.push(Command::gist(gist, script).arg(root.as_str()).stdin(names).into());
            }
        }
        let missing = want.files.iter().find(|(name, thing)| self.files.get(*name) != Some(*thing));
        if let Some((name, _)) = missing {
            let Some(sha256) = kept else {
                bail!("what {} contained was not kept", root.join(name);
                    hint: "up to {} MiB are kept, where the host has GNU tar", KEPT >> 20)
            };
            steps.extend(Bundle::unpack(root, sha256));
            return Ok(steps);
        }
        for (name, owner) in want.owner.iter().filter(|(name, owner)| self.owner.get(*name) != Some(*owner)) {
            steps.push(Command::new("chown").args(["-h", owner, "--", &root.join(name)]).into());
        }
        // A new owner takes the special bits away: permissions come last.
        let moved = |name: &String| self.owner.get(name) != want.owner.get(name);
        for (name, mode) in want.mode.iter().filter(|(name, mode)| self.mode.get(*name) != Some(*mode) || moved(name)) {
            steps.push(Command::new("chmod").args([&format!("0{mode}"), "--", &root.join(name)]).into());
        }
        Ok(steps)
    }

    /// The way back takes directories away: nothing of somebody else's may lie in them.
    pub async fn returnable(&self, host: &dyn Look, root: &HostPath, want: &Bundle) -> Result<()> {
        let (_, directories) = self.gone(want);
        if directories.is_empty() {
            return Ok(());
        }
        let names: String = directories.iter().map(|name| format!("./{name}\n")).collect();
        let found = host.expect(&Command::gist("find", BELOW).arg(root.as_str()).stdin(names)).await?;
        let text = found.text();
        let known = |line: &&str| line.strip_prefix("./").is_none_or(|name| self.files.contains_key(name));
        if let Some(other) = text.lines().find(|line| !known(line)) {
            bail!("{} was not there then, and would go with its directory", root.join(other.trim_start_matches("./"));
                hint: "move it away, or delete it")
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(text: &str) -> (Bundle, Option<String>) {
        Bundle::parse(&Output { stdout: text.into(), ..Output::default() })
    }

    fn lines(now: &Bundle, want: &Bundle, kept: Option<&String>) -> Vec<String> {
        let root = HostPath::parse("/srv").unwrap();
        now.steps(&root, want, kept).unwrap().iter().map(Step::line).collect()
    }

    #[test]
    fn what_was_there_comes_back_and_what_was_not_goes() {
        let digest = Content::digest(b"a");
        let (before, kept) = bundle(&format!("640:1:2:1:7:regular file:./a:b\n\\{digest}  ./a:b\nkept {digest}  -\n"));
        let (after, _) = bundle(
            "644:0:0:9:8:regular file:./a:b\n755:0:0:4096:8:directory:./d\n777:0:0:1:8:symbolic link:./d/l\nlink ./d/l\nx y\n",
        );
        assert_eq!(after.files["d/l"], Thing::Other("link to x y".to_owned()));
        let back = lines(&after, &before, kept.as_ref());
        assert_eq!(back[..2], ["sh -c '(rm -f)' sh /srv", "sh -c '(rmdir)' sh /srv"]);
        assert_eq!(back[2], format!("write /srv/.hlrun-{0}.tar mode=0600 kept={0}", &digest[..12]));
        let root = HostPath::parse("/srv").unwrap();
        assert!(after.steps(&root, &before, None).unwrap_err().message.contains("/srv/a:b contained was not kept"));
    }

    #[test]
    fn permissions_alone_need_nothing_that_was_kept() {
        let (old, new) = ("600:1:1:99:7:regular file:./f\n", "644:0:0:99:7:regular file:./f\n");
        assert_eq!(lines(&bundle(new).0, &bundle(old).0, None), ["chown -h 1:1 -- /srv/f", "chmod 00600 -- /srv/f"]);
    }
}
