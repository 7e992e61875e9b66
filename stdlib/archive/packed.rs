//! `archive::packed`.

use crate::bail;
use crate::contract::{Command, Error, Keepsake, Look, Operation, Result, Step};
use crate::shared::stat::{self, Kind};
use crate::shared::{Bundle, HostPath, Id, Many, Mode, directory_of};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// How an archive is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Uncompressed tar.
    Tar,
    /// tar and gzip.
    Gz,
    /// tar and bzip2.
    Bz2,
    /// tar and xz.
    Xz,
    /// tar and zstd.
    Zst,
    /// zip, which keeps no owners.
    Zip,
}

impl Format {
    fn word(self) -> &'static str {
        match self {
            Format::Tar => "tar",
            Format::Gz => "gz",
            Format::Bz2 => "bz2",
            Format::Xz => "xz",
            Format::Zst => "zst",
            Format::Zip => "zip",
        }
    }
    /// The format that a file has by its name.
    fn of(name: &str) -> Option<Format> {
        let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        match name {
            _ if ends(&[".tar"]) => Some(Format::Tar),
            _ if ends(&[".tar.gz", ".tgz"]) => Some(Format::Gz),
            _ if ends(&[".tar.bz2", ".tbz", ".tbz2"]) => Some(Format::Bz2),
            _ if ends(&[".tar.xz", ".txz"]) => Some(Format::Xz),
            _ if ends(&[".tar.zst", ".tzst"]) => Some(Format::Zst),
            _ if ends(&[".zip"]) => Some(Format::Zip),
            _ => None,
        }
    }
}

/// Make sure an archive has what these paths have.
///
/// What was packed is remembered beside the archive, in `.NAME.packed`: a digest over name, kind, permissions, owner,
/// size and time of everything below the paths, and size and time of the archive. While both are the same, nothing is
/// read but directories; a change of content that leaves size and time of a file alone is not noticed. The same
/// files give the same archive to the byte. Names in it begin in the directory that the paths have in common:
/// `/srv/app` is packed as `app/...`. What changes while it is read is an error, and the old archive stays.
///
/// ```rhai
/// archive::packed("/var/backups/app.tar.gz", #{ paths: "/srv/app", exclude: "*.log", mode: "0600" });
/// ```
/// ```transcript
/// ? LC_ALL=C stat -L -c %a:%U:%G:%u:%g:%s:%Y:%F -- /var/backups/app.tar.gz
/// - stat: cannot statx '/var/backups/app.tar.gz': No such file or directory
/// * 1
/// ? sh -s -- /var/backups/app.tar.gz /var/backups/.app.tar.gz.packed /srv gz 1 ./app '(' -name '*.log' ')' -prune -o '!' -type s -print0
/// = aa33c1a1 -
/// ? sh -c '(stat; sha256sum; readlink; tar of what will be replaced)' sh /var/backups 16777216 sha256sum
/// ! sh -s -- /var/backups/app.tar.gz /var/backups/.app.tar.gz.packed /srv gz 0600 '' '' ./app '(' -name '*.log' ')' -prune -o '!' -type s -print0
/// ? LC_ALL=C stat -L -c %a:%U:%G:%u:%g:%s:%Y:%F -- /var/backups/app.tar.gz
/// = 600:root:root:0:0:120:1763666100:regular file
/// ? sh -s -- /var/backups/app.tar.gz /var/backups/.app.tar.gz.packed /srv gz 1 ./app '(' -name '*.log' ')' -prune -o '!' -type s -print0
/// = aa33c1a1 aa33c1a1
/// ? sh -c '(stat; sha256sum; readlink; tar of what will be replaced)' sh /var/backups 16777216 sha256sum
/// = 644:0:0:75:1763666100:regular file:./.app.tar.gz.packed
/// = 600:0:0:120:1763666100:regular file:./app.tar.gz
/// = 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae  ./.app.tar.gz.packed
/// = fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9  ./app.tar.gz
/// = kept baa5a0964d3320fbc0c6a922140453c8513ea24ab8fd0577034804a967248096
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Packed {
    /// The archive on the host.
    pub path: HostPath,
    /// The files and directories to pack; they exist.
    pub paths: Many<HostPath>,
    /// Leave out what has such a name, as shell patterns (`"*.log"`, `"cache"`), with all that is below it.
    #[serde(default)]
    pub exclude: Many<String>,
    /// `"gz"`, `"xz"`, `"bz2"`, `"zst"`, `"tar"` or `"zip"`; without it, what the archive's name says.
    pub format: Option<Format>,
    /// Permissions such as `"0600"`; without it, those it has, or 0644 for a new one.
    pub mode: Option<Mode>,
    /// The owner, by name or number.
    pub owner: Option<Id>,
    /// The group, by name or number.
    pub group: Option<Id>,
    /// Whether there was anything to change at the first look: then undo needs to know the archive.
    #[serde(skip)]
    differs: OnceLock<bool>,
    /// Whether it is on the way back.
    #[serde(skip)]
    back: bool,
}

/// An archive as it is or should be. What is not compared is left out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PackedState {
    /// The digest of what it was made of.
    content: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    /// The archive and what is remembered beside it, so that they can come back.
    #[serde(default, rename = "$there", skip_serializing_if = "Option::is_none")]
    there: Option<Bundle>,
    /// What keeps them.
    #[serde(default, rename = "$$kept", skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
    /// The digest of what there is to pack; not compared.
    #[serde(skip)]
    found: String,
}

/// The rest of the arguments tells `find` what is packed, from the directory that the paths have in common.
const COMMON: &str = r#"
names() { find "$@" | LC_ALL=C sort -z; }
digest() { { echo "$format"; names "$@" | TZ=UTC LC_ALL=C xargs -0 -r stat -c '%n %F %a %u %g %s %y'; } | sha256sum | cut -c1-64; }
itself() { TZ=UTC stat -L -c '%s %y' -- "$path"; }
"#;

/// `PATH MARK DIRECTORY FORMAT COUNT ARGUMENTS...`: the digest of what there is to pack, and that of what is packed.
const READ: &str = r#"
path=$1 mark=$2 dir=$3 format=$4 count=$5
shift 5
cd -- "$dir" || exit
for name in "$@"; do
  [ "$count" -gt 0 ] || break
  count=$((count - 1))
  [ -e "$name" ] || [ -L "$name" ] || { echo "${dir%/}/${name#./} does not exist and cannot be packed" >&2; exit 66; }
done
was=-
if [ -f "$path" ] && [ -f "$mark" ]; then
  { read -r kept; read -r file; } <"$mark"
  [ "$file" != "$(itself)" ] || was=$kept
fi
echo "$(digest "$@") $was"
"#;

/// `PATH MARK DIRECTORY FORMAT MODE OWNER GROUP ARGUMENTS...`: packs beside, and notes what was packed.
const PACK: &str = r#"
set -e
umask 077
path=$1 mark=$2 dir=$3 format=$4 mode=$5 owner=$6 group=$7
shift 7
if [ -L "$path" ]; then path=$(readlink -f -- "$path"); fi
new=${path%/*}/.hlrun.$$.tmp
trap 'rm -f -- "$new" "$new.failed"' EXIT
need() { command -v "$1" >/dev/null || { echo "$1 is not installed, and $path needs it" >&2; exit 69; }; }
cd -- "$dir"
before=$(digest "$@")
case $format in
  tar) set -- cat "$@" ;; gz) set -- 'gzip -nc' "$@" ;; bz2) set -- 'bzip2 -c' "$@" ;;
  xz) set -- 'xz -T1 -c' "$@" ;; zst) set -- 'zstd -qc' "$@" ;; zip) set -- zip "$@" ;;
esac
through=$1; shift
need "${through%% *}"
if [ "$format" = zip ]; then
  names "$@" | tr '\0' '\n' | TZ=UTC zip -qXy "$new" -@
else
  need tar
  { names "$@" | tar --null --no-recursion --numeric-owner --format=gnu --transform='s,^\./,,S' -cf - -T - ||
    echo "$?" >"$new.failed"; } | $through >"$new"
  [ ! -e "$new.failed" ] || { echo "tar could not pack all of it; the old archive is untouched" >&2; exit 74; }
fi
after=$(digest "$@")
[ "$before" = "$after" ] || { echo "it changed while it was packed; the old archive is untouched" >&2; exit 75; }
if [ -e "$path" ]; then
  old=$(stat -c '%a %u:%g' -- "$path")
  had=${old#* }
  [ -n "$mode" ] || mode=${old%% *}
  [ -n "$owner" ] || owner=${had%:*}
  [ -n "$group" ] || group=${had#*:}
fi
[ -z "$owner$group" ] || chown -- "$owner${group:+:$group}" "$new"
chmod -- "${mode:-0644}" "$new"
mv -f -- "$new" "$path"
{ echo "$after"; itself; } >"$new"
mv -f -- "$new" "$mark"
"#;

impl Packed {
    fn format(&self) -> Result<Format> {
        match self.format.or_else(|| Format::of(&self.path)) {
            Some(format) => Ok(format),
            None => bail!(playbook: "the name of {} does not say which archive it is", self.path;
                hint: "end it in .tar.gz or .zip, or give `format`"),
        }
    }
    /// Where it is remembered what was packed.
    fn mark(&self) -> String {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        format!("{}/.{name}.packed", self.path.parent().trim_end_matches('/'))
    }
    /// The archive and what is remembered beside it, by name.
    fn names(&self) -> String {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        format!(".{name}.packed\n{name}")
    }
    fn directory(&self) -> Result<HostPath> {
        HostPath::parse(self.path.parent()).map_err(Error::bug)
    }
    /// The directory that all paths have in common; names in the archive begin below it.
    fn common(&self) -> String {
        let mut common: Option<Vec<&str>> = None;
        for path in self.paths.as_slice() {
            let parts: Vec<&str> = path.parent().split('/').filter(|part| !part.is_empty()).collect();
            let same = |known: Vec<&'_ str>| known.iter().zip(&parts).take_while(|(a, b)| a == b).count();
            let length = common.map_or(parts.len(), same);
            common = Some(parts[..length].to_vec());
        }
        format!("/{}", common.unwrap_or_default().join("/"))
    }
    /// What `find` is told.
    fn found(&self) -> Vec<String> {
        let common = self.common();
        let below = |path: &HostPath| format!("./{}", path[common.len()..].trim_start_matches('/'));
        let mut words: Vec<String> = self.paths.as_slice().iter().map(below).collect();
        if let [first, rest @ ..] = self.exclude.as_slice() {
            words.extend(["(", "-name", first].map(str::to_owned));
            rest.iter().for_each(|name| words.extend(["-o", "-name", name].map(str::to_owned)));
            words.extend([")", "-prune", "-o"].map(str::to_owned));
        }
        words.extend(["!", "-type", "s", "-print0"].map(str::to_owned));
        words
    }
}

impl Packed {
    fn differs(&self, now: &PackedState) -> bool {
        let id = |id: &Option<Id>| id.as_ref().map(|id| id.as_str().to_owned());
        let bits = now.mode.as_deref().and_then(|mode| u32::from_str_radix(mode, 8).ok());
        let mode = self.mode.as_ref().map(|mode| mode.of(bits.unwrap_or(0o644), false));
        now.content.as_ref() != Some(&now.found)
            || (&now.mode, &now.owner, &now.group) != (&mode, &id(&self.owner), &id(&self.group))
    }
}

impl Operation for Packed {
    type State = PackedState;

    async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
        self.format()?;
        if self.paths.as_slice().is_empty() {
            bail!(playbook: "`paths` is empty: there is nothing to pack");
        }
        let inside = |path: &&HostPath| self.path.starts_with(&path.join(""));
        if let Some(path) = self.paths.as_slice().iter().find(inside) {
            bail!(playbook: "{} lies in {path}, which it packs", self.path; hint: "an archive cannot contain itself: put it elsewhere");
        }
        Ok(())
    }

    fn alters(&self) -> Vec<String> {
        vec![self.path.to_string()]
    }

    async fn read(&self, host: &dyn Look) -> Result<PackedState> {
        let found = stat::answer(&self.path, &host.run(&stat::following(stat::command(&self.path))).await?)?;
        if let Some(found) = found.as_ref().filter(|found| found.kind != Kind::File) {
            bail!("{} is {}, not a file", self.path, found.kind.words(); hint: "name the archive that is made");
        }
        // On the way back it does not matter whether there still is what was packed.
        let count = if self.back { 0 } else { self.paths.as_slice().len() }.to_string();
        let words =
            [&self.path, self.mark().as_str(), &self.common(), self.format()?.word(), &count].map(str::to_owned);
        let ask = Command::new("sh").args(["-s", "--"]).args(words).args(self.found());
        let said = host.text(&ask.stdin(format!("{COMMON}{READ}"))).await?;
        let (to_pack, packed) = said.split_once(' ').unwrap_or((&said, "-"));
        let known = found.as_ref();
        let mut now = PackedState {
            content: known.filter(|_| packed != "-").map(|_| packed.to_owned()),
            mode: known.and_then(|found| self.mode.as_ref().map(|_| format!("{:04o}", found.mode))),
            owner: known.and_then(|found| self.owner.as_ref().map(|id| found.owner_like(id))),
            group: known.and_then(|found| self.group.as_ref().map(|id| found.group_like(id))),
            there: None,
            kept: None,
            found: to_pack.to_owned(),
        };
        if *self.differs.get_or_init(|| self.differs(&now)) {
            let (there, kept) = Bundle::read(host, &self.directory()?, &self.names()).await?;
            (now.there, now.kept) = (Some(there), kept);
        }
        Ok(now)
    }

    fn want(&self, now: &PackedState) -> Result<PackedState> {
        let bits = now.mode.as_deref().and_then(|mode| u32::from_str_radix(mode, 8).ok());
        Ok(PackedState {
            content: Some(now.found.clone()),
            mode: self.mode.as_ref().map(|mode| mode.of(bits.unwrap_or(0o644), false)),
            owner: self.owner.as_ref().map(|id| id.as_str().to_owned()),
            group: self.group.as_ref().map(|id| id.as_str().to_owned()),
            there: None,
            kept: None,
            found: now.found.clone(),
        })
    }

    fn steps(&self, now: &PackedState, want: &PackedState) -> Result<Vec<Step>> {
        if self.back {
            let (Some(now), Some(there)) = (&now.there, &want.there) else {
                bail!("what {} was before is not known", self.path)
            };
            return now.steps(&self.directory()?, there, want.kept.as_ref());
        }
        if now.content == want.content {
            return Ok(stat::attributes(
                &self.path,
                [&now.mode, &now.owner, &now.group],
                [&want.mode, &want.owner, &want.group],
            ));
        }
        let word = |value: &Option<String>| value.clone().unwrap_or_default();
        let command = Command::new("sh").args(["-s", "--", &self.path, &self.mark(), &self.common()]);
        let command =
            command.args([self.format()?.word().to_owned(), word(&want.mode), word(&want.owner), word(&want.group)]);
        Ok(command.args(self.found()).stdin(format!("{COMMON}{PACK}")).long().into())
    }

    fn explain(&self, error: Error) -> Error {
        match error.rc {
            Some(75) => error.hint("stop what writes there, or pack a snapshot of it"),
            _ => error,
        }
    }

    fn keeps(&self, now: &PackedState, _want: &PackedState) -> Vec<Keepsake> {
        let directory = self.path.parent();
        now.there.iter().filter_map(|there| there.keeps(directory, &self.names(), now.kept.as_ref())).collect()
    }

    async fn recall(&mut self, host: &dyn Look, before: PackedState, _after: &PackedState) -> Result<PackedState> {
        self.prepare(host).await?;
        self.differs = OnceLock::from(true);
        self.back = true;
        Ok(before)
    }

    async fn premise(&self, host: &dyn Look, _now: &PackedState) -> Result<()> {
        directory_of(host, &self.path).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_begin_in_the_directory_that_all_paths_have_in_common() {
        let cases = [
            (json!("/srv/app"), "/srv", "./app"),
            (json!(["/srv/app/a", "/srv/app/b"]), "/srv/app", "./a ./b"),
            (json!(["/srv/app", "/srv/application"]), "/srv", "./app ./application"),
            (json!(["/etc/a", "/srv/b"]), "/", "./etc/a ./srv/b"),
            (json!(["/srv/app", "/srv/app/in"]), "/srv", "./app ./app/in"),
        ];
        for (paths, common, below) in cases {
            let packed: Packed = serde_json::from_value(json!({ "path": "/x.tgz", "paths": paths })).unwrap();
            assert_eq!(packed.common(), common);
            assert_eq!(packed.found().join(" "), format!("{below} ! -type s -print0"));
        }
    }
}
