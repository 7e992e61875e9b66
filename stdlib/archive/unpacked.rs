//! `archive::unpacked`.

use crate::bail;
use crate::contract::{Command, Content, Download, Look, Operation, Request, Result, Source, Step, Write};
use crate::shared::{HostPath, Id, Many, Mode, stat};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Make sure a directory has what an archive contains.
///
/// The archive is a file of the controller (`src`), lies on the host (`remote_src`) or on the web (`url`). Its digest
/// is kept in the directory, in a file `.hlrun-archive-NAME`, and with it size, time, owner and permissions of every
/// file that came out of it. So the same archive is not unpacked twice, but another one from the same place is, and
/// so is the same one when a file of it was changed or deleted, or when a parameter is another. Nothing but that
/// list is looked at: no content is read and no archive opened to see that all is well. Files that an earlier archive
/// had and this one has not stay. With `creates`, all that counts is whether that path exists. An archive with a name
/// that leads out of the directory is refused as a whole.
///
/// ```rhai
/// archive::unpacked("/opt/tool", #{ src: "tool.tar.gz", strip: 1, owner: "root" });
/// ```
/// ```transcript
/// ? asset tool.tar.gz
/// = hello
/// ? sh -s -- /opt/tool /opt/tool/.hlrun-archive-69d11cdf ''
/// ! write /opt/tool/.hlrun-archive.part mode=0600 from=tool.tar.gz
/// ! sh -s -- /opt/tool /opt/tool/.hlrun-archive.part tool.tar.gz root '' '' '' /opt/tool/.hlrun-archive-69d11cdf 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 'strip=1 owner=root' '' -x -f /opt/tool/.hlrun-archive.part --strip-components=1
/// ? sh -s -- /opt/tool /opt/tool/.hlrun-archive-69d11cdf ''
/// = 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
/// = strip=1 owner=root
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unpacked {
    /// The directory on the host; it exists.
    pub dest: HostPath,
    /// The archive on the controller, looked for beside the playbook.
    pub src: Option<String>,
    /// The archive on the host.
    pub remote_src: Option<HostPath>,
    /// The archive on the web, as the host sees it; with `checksum` or `creates`.
    pub url: Option<String>,
    /// The SHA-256 of the archive at `url`, in hexadecimal digits.
    pub checksum: Option<String>,
    /// Do nothing if this path exists already.
    pub creates: Option<HostPath>,
    /// Leave out so many leading directories of each name; for tar.
    #[serde(default)]
    pub strip: u32,
    /// The owner of everything unpacked, by name or number; without it, whom the archive names (as root, with tar).
    pub owner: Option<Id>,
    /// The group of everything unpacked, by name or number.
    pub group: Option<Id>,
    /// Permissions of everything unpacked, as chmod takes them: `"u=rwX,go=rX"` makes files executable only if they
    /// are so already.
    pub mode: Option<Mode>,
    /// Leave these out, as patterns that tar and unzip know.
    #[serde(default)]
    pub exclude: Many<String>,
    /// Take these only: names as the archive has them, or patterns that tar and unzip know.
    #[serde(default)]
    pub include: Many<String>,
    /// Leave a file alone that was written later than the archive's.
    #[serde(default)]
    pub keep_newer: bool,
    /// More options for tar or unzip, such as `"--transform=s/^x/y/"`.
    #[serde(default)]
    pub extra_opts: Many<String>,
    /// The digest of the archive, once it is known.
    #[serde(skip)]
    digest: String,
}

/// What was unpacked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UnpackedState {
    /// The digest of the archive, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    archive: Option<String>,
    /// The parameters that make a difference, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    how: Option<String>,
    /// Files that are gone or not as they were unpacked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    not_as_unpacked: Vec<String>,
    /// Whether the path that it creates exists, if that is what counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<bool>,
}

/// What is remembered of a file, as `mode:uid:gid:size:mtime:kind:name`; of a directory neither size nor time. Reads
/// names below the working directory, one a line.
const LISTING: &str = r#"
listing() {
  sed 's,^,./,' | tr '\n' '\0' | LC_ALL=C xargs -0 -r stat -c '%a:%u:%g:%s:%Y:%F:%n' 2>/dev/null |
    awk '{ n = split($0, f, ":"); name = $0; for (i = 0; i < 6; i++) name = substr(name, index(name, ":") + 1)
      if (f[6] == "directory") f[4] = f[5] = ""
      print f[1] ":" f[2] ":" f[3] ":" f[4] ":" f[5] ":" f[6] ":" substr(name, 3) }'
}
"#;

/// `DEST MARK NEWER`: the digest that was kept, how it was unpacked, and the names that are not as they were. With
/// NEWER, what was written later is as good.
const READ: &str = r#"
dest=$1 mark=$2 newer=$3
[ -f "$mark" ] || exit 0
cd -- "$dest" || exit
head -n 2 "$mark"
{ sed 1,2d "$mark" | cut -d: -f7- | listing | sed 's/^/=/'; sed '1,2d; s/^/-/' "$mark"; } | awk -v newer="$newer" '
  { sign = substr($0, 1, 1); line = substr($0, 2); split(line, f, ":"); name = line
    for (i = 0; i < 6; i++) name = substr(name, index(name, ":") + 1) }
  sign == "=" { is[name] = line; mtime[name] = f[5] + 0; next }
  name in is && (is[name] == line || newer && mtime[name] > f[5] + 0) { next }
  ++count <= 20 { print name }
  END { if (count > 20) print "and " count - 20 " more" }
'
"#;

/// `DEST ARCHIVE NAME OWNER GROUP MODE NEWER MARK DIGEST HOW PATTERNS ARGUMENTS...`: unpacks beside with these arguments
/// of tar or unzip, gives all of it its attributes, copies it into place, and notes what is there then. The archive
/// goes if it was brought for this.
const UNPACK: &str = r#"
set -e
dest=$1 archive=$2 name=$3 owner=$4 group=$5 mode=$6 newer=$7 mark=$8 digest=$9
shift 9
how=$1 patterns=$2
shift 2
new=$dest/.hlrun.$$.tmp
trap 'rm -rf -- "$new"; case $archive in */.hlrun-archive.part) rm -f -- "$archive" ;; esac' EXIT
need() { command -v "$1" >/dev/null || { echo "$1 is not installed, and $name needs it" >&2; exit 69; }; }
case $name in
  *.zip | *.jar | *.war) tool=unzip; need unzip; names=$(unzip -Z1 "$archive") ;;
  *)
    tool=tar; need tar
    case $name in *.gz | *.tgz) need gzip ;; *.bz2 | *.tbz*) need bzip2 ;; *.xz | *.txz) need xz ;; *.zst) need zstd ;; esac
    names=$(tar -tf "$archive")
    [ -z "$patterns" ] || ! tar --version 2>/dev/null | grep -q GNU || set -- --wildcards "$@" ;;
esac
printf '%s\n' "$names" | grep -E '^/|(^|/)\.\.(/|$)' | head -n 1 | { ! IFS= read -r odd || { echo "the archive would write outside $dest: $odd" >&2; exit 65; }; }
mkdir -m 700 -- "$new"
cd -- "$new"
"$tool" "$@"
for f in * .[!.]* ..?*; do
  [ -e "$f" ] || [ -L "$f" ] || continue
  [ -z "$owner$group" ] || chown -hR -- "$owner${group:+:$group}" "$f"
  [ -z "$mode" ] || chmod -R -- "$mode" "$f"
  cp -af$newer -- "$f" "$dest/"
done
[ -n "$mark" ] || exit 0
names=$(find . ! -name . ! -name '*
*' | sed 's,^\./,,')
cd -- "$dest"
{ printf '%s\n%s\n' "$digest" "$how"; [ -z "$names" ] || printf '%s\n' "$names" | listing; } >"$new/.mark"
mv -f -- "$new/.mark" "$mark"
"#;

impl Unpacked {
    /// Where the archive is, as the playbook says it.
    fn from(&self) -> &str {
        let remote = self.remote_src.as_ref().map(HostPath::as_str);
        self.src.as_deref().or(remote).or(self.url.as_deref()).unwrap_or_default()
    }
    fn name(&self) -> String {
        let name = self.from().split(['?', '#']).next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        name.to_lowercase()
    }
    /// What makes a difference to what is unpacked, in words.
    fn how(&self) -> String {
        let id = |id: &Option<Id>| id.iter().map(|id| id.as_str().to_owned()).collect();
        let mode = self.mode.iter().map(|mode| mode.as_str().to_owned()).collect();
        let strip = if self.strip == 0 { Vec::new() } else { vec![self.strip.to_string()] };
        let many = |words: &Many<String>| words.as_slice().to_vec();
        let all: [(&str, Vec<String>); 7] = [
            ("strip", strip),
            ("owner", id(&self.owner)),
            ("group", id(&self.group)),
            ("mode", mode),
            ("include", many(&self.include)),
            ("exclude", many(&self.exclude)),
            ("extra_opts", many(&self.extra_opts)),
        ];
        let words = all.iter().flat_map(|(name, values)| values.iter().map(move |value| format!("{name}={value}")));
        words.collect::<Vec<_>>().join(" ").replace('\n', " ")
    }
    /// What tar or unzip is told.
    fn arguments(&self, archive: &str) -> Vec<String> {
        let zip = [".zip", ".jar", ".war"].iter().any(|end| self.name().ends_with(end));
        let options = self.extra_opts.as_slice().iter().cloned();
        let (include, exclude) = (self.include.as_slice().iter().cloned(), self.exclude.as_slice().iter().cloned());
        let archive = archive.to_owned();
        if zip {
            let without = exclude.clone().next().map(|_| "-x".to_owned());
            let words = std::iter::once("-qo".to_owned()).chain(options).chain([archive]).chain(include);
            return words.chain(without).chain(exclude).collect();
        }
        let strip = (self.strip > 0).then(|| format!("--strip-components={}", self.strip));
        let words = ["-x".to_owned(), "-f".to_owned(), archive].into_iter().chain(options).chain(strip);
        words.chain(exclude.map(|pattern| format!("--exclude={pattern}"))).chain(include).collect()
    }
    /// The file that keeps what was unpacked.
    fn mark(&self) -> String {
        self.dest.join(&format!(".hlrun-archive-{}", &Content::digest(self.from().as_bytes())[..8]))
    }
}

impl Operation for Unpacked {
    type State = UnpackedState;
    const REVERSIBLE: bool = false;

    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        let given = [self.src.is_some(), self.remote_src.is_some(), self.url.is_some()];
        if given.iter().filter(|given| **given).count() != 1 {
            bail!(playbook: "archive::unpacked needs one of `src` (on the controller), `remote_src` (on the host) and `url`");
        }
        if self.creates.is_some() {
            return Ok(());
        }
        if let Some(src) = &self.src {
            match host.asset(src).await? {
                Some(asset) if !asset.directory => self.digest = asset.sha256,
                _ => bail!(playbook: "no archive `{src}` on the controller";
                    hint: "it is looked for beside the playbook, in its `files`, and in the project"),
            }
        } else if let Some(path) = &self.remote_src {
            match stat::digest_answer(&host.run(&stat::following(stat::digest(path))).await?) {
                Some(digest) => self.digest = digest,
                None => bail!("there is no archive {path} on the host that may be read"),
            }
        } else {
            let given = self.checksum.as_deref().unwrap_or_default().to_lowercase();
            let digest = given.strip_prefix("sha256:").unwrap_or(&given);
            if digest.len() != 64 || !digest.chars().all(|c| c.is_ascii_hexdigit()) {
                bail!(playbook: "an archive from a `url` needs its `checksum` (SHA-256), or `creates`";
                    hint: "without either, nobody could tell whether it was unpacked already");
            }
            self.digest = digest.to_owned();
        }
        Ok(())
    }

    async fn read(&self, host: &dyn Look) -> Result<UnpackedState> {
        let empty = UnpackedState { archive: None, how: None, not_as_unpacked: Vec::new(), created: None };
        if let Some(path) = &self.creates {
            let created = host.succeeds(&Command::new("test").args(["-e", path])).await?;
            return Ok(UnpackedState { created: Some(created), ..empty });
        }
        let newer = if self.keep_newer { "1" } else { "" };
        let ask = Command::new("sh").args(["-s", "--", &self.dest, &self.mark(), newer]);
        let kept = host.expect(&ask.stdin(format!("{LISTING}{READ}"))).await?.lines();
        let line = |at: usize| kept.get(at).cloned();
        let not_as_unpacked = kept.get(2..).unwrap_or_default().to_vec();
        Ok(UnpackedState { archive: line(0), how: line(1), not_as_unpacked, created: None })
    }

    fn want(&self, _now: &UnpackedState) -> Result<UnpackedState> {
        let created = self.creates.as_ref().map(|_| true);
        Ok(UnpackedState {
            archive: created.is_none().then(|| self.digest.clone()),
            how: created.is_none().then(|| self.how()),
            not_as_unpacked: Vec::new(),
            created,
        })
    }

    fn steps(&self, _now: &UnpackedState, want: &UnpackedState) -> Result<Vec<Step>> {
        let part = self.dest.join(".hlrun-archive.part");
        let mut steps = Vec::new();
        let archive = match (&self.src, &self.remote_src, &self.url) {
            (_, Some(path), _) => path.to_string(),
            (Some(src), ..) => {
                steps.push(Step::Write(Write {
                    path: part.clone(),
                    source: Source::Asset(src.clone()),
                    mode: Some("0600".to_owned()),
                    owner: None,
                    group: None,
                    backup: None,
                    validate: None,
                    sensitive: false,
                }));
                part
            }
            (.., url) => {
                steps.push(Step::Download(Download {
                    request: Request::get(url.clone().unwrap_or_default()),
                    path: part.clone(),
                    checksum: self.checksum.as_ref().map(|sum| format!("sha256:{}", sum.trim_start_matches("sha256:"))),
                    mtime: None,
                    mode: Some("0600".to_owned()),
                    owner: None,
                    group: None,
                    backup: None,
                }));
                part
            }
        };
        let word = |id: &Option<Id>| id.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default();
        let mode = self.mode.as_ref().map(|mode| mode.as_str().to_owned()).unwrap_or_default();
        let mark = if want.created.is_some() { String::new() } else { self.mark() };
        let arguments = self.arguments(&archive);
        let args = [
            self.dest.to_string(),
            archive,
            self.name(),
            word(&self.owner),
            word(&self.group),
            mode,
            if self.keep_newer { "u" } else { "" }.to_owned(),
            mark,
            self.digest.clone(),
            self.how(),
            self.include.as_slice().first().map(|_| "yes".to_owned()).unwrap_or_default(),
        ];
        let command = Command::new("sh").args(["-s", "--"]).args(args).args(arguments);
        steps.push(command.stdin(format!("{LISTING}{UNPACK}")).long().into());
        Ok(steps)
    }

    async fn premise(&self, host: &dyn Look, _now: &UnpackedState) -> Result<()> {
        if host.succeeds(&Command::new("test").args(["-d", &self.dest])).await? {
            return Ok(());
        }
        bail!("{} does not exist", self.dest; hint: "make it first with file::directory")
    }
}
