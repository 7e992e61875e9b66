//! Archives, unpacked on a host.
//!
//! The host's own tools do the work: tar (with gzip, bzip2, xz or zstd for what is compressed so) and unzip.
//! What is missing is said by name.

use crate::bail;
use crate::contract::{Command, Content, Download, Look, Module, Operation, Request, Result, Source, Step, Write};
use crate::shared::{HostPath, Id, Many, Mode, stat};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.operation::<Unpacked>();
}

/// Make sure a directory has what an archive contains.
///
/// The archive is a file of the controller (`src`), lies on the host (`remote_src`) or on the web (`url`). Its digest
/// is kept in the directory, in a file `.hlrun-archive-NAME`: the same archive is not unpacked twice, another one
/// from the same place is. Files that were changed or deleted since are not noticed. With `creates`, all that counts is
/// whether that path exists. An archive with a name that leads out of the directory is refused as a whole.
///
/// ```rhai
/// archive::unpacked("/opt/tool", #{ src: "tool.tar.gz", strip: 1, owner: "root" });
/// ```
/// ```transcript
/// ? asset tool.tar.gz
/// = hello
/// ? cat /opt/tool/.hlrun-archive-69d11cdf
/// - cat: /opt/tool/.hlrun-archive-69d11cdf: No such file or directory
/// * 1
/// ! write /opt/tool/.hlrun-archive.part mode=0600 from=tool.tar.gz
/// ! sh -s -- /opt/tool /opt/tool/.hlrun-archive.part tool.tar.gz 1 root '' '' /opt/tool/.hlrun-archive-69d11cdf 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
/// ? cat /opt/tool/.hlrun-archive-69d11cdf
/// = 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
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
    /// The owner of everything unpacked, by name or number.
    pub owner: Option<Id>,
    /// The group of everything unpacked, by name or number.
    pub group: Option<Id>,
    /// Permissions of everything unpacked, as chmod takes them: `"u=rwX,go=rX"` makes files executable only if they
    /// are so already.
    pub mode: Option<Mode>,
    /// Leave these out, as patterns that tar and unzip know.
    pub exclude: Option<Many<String>>,
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
    /// Whether the path that it creates exists, if that is what counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<bool>,
}

/// `DEST ARCHIVE NAME STRIP OWNER GROUP MODE MARK DIGEST EXCLUDE...`: unpacks beside, gives all of it its attributes,
/// and then copies it into place. The archive goes if it was brought for this.
const UNPACK: &str = r#"
set -e
dest=$1 archive=$2 name=$3 strip=$4 owner=$5 group=$6 mode=$7 mark=$8 digest=$9
shift 9
new=$dest/.hlrun.$$.tmp
trap 'rm -rf -- "$new"; case $archive in */.hlrun-archive.part) rm -f -- "$archive" ;; esac' EXIT
need() { command -v "$1" >/dev/null || { echo "$1 is not installed, and $name needs it" >&2; exit 69; }; }
case $name in
  *.zip | *.jar | *.war) kind=zip; need unzip; names=$(unzip -Z1 "$archive") ;;
  *)
    kind=tar; need tar
    case $name in *.gz | *.tgz) need gzip ;; *.bz2 | *.tbz*) need bzip2 ;; *.xz | *.txz) need xz ;; *.zst) need zstd ;; esac
    names=$(tar -tf "$archive") ;;
esac
printf '%s\n' "$names" | grep -E '^/|(^|/)\.\.(/|$)' | head -n 1 | { ! IFS= read -r odd || { echo "the archive would write outside $dest: $odd" >&2; exit 65; }; }
mkdir -m 700 -- "$new"
if [ "$kind" = zip ]; then
  [ $# -eq 0 ] || set -- -x "$@"
  unzip -qo "$archive" -d "$new" "$@"
else
  n=$#
  while [ "$n" -gt 0 ]; do set -- "$@" --exclude="$1"; shift; n=$((n - 1)); done
  [ "$strip" = 0 ] || set -- --strip-components="$strip" "$@"
  tar -C "$new" -xof "$archive" "$@"
fi
for f in "$new"/* "$new"/.[!.]* "$new"/..?*; do
  [ -e "$f" ] || [ -L "$f" ] || continue
  [ -z "$owner$group" ] || chown -hR -- "$owner${group:+:$group}" "$f"
  [ -z "$mode" ] || chmod -R -- "$mode" "$f"
  cp -af -- "$f" "$dest/"
done
[ -z "$mark" ] || printf '%s\n' "$digest" >"$mark"
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
    /// The file that keeps the digest of what was unpacked.
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
        if let Some(path) = &self.creates {
            let created = host.succeeds(&Command::new("test").args(["-e", path])).await?;
            return Ok(UnpackedState { archive: None, created: Some(created) });
        }
        let kept = host.run(&Command::new("cat").arg(self.mark())).await?;
        let archive = kept.success().then(|| kept.text().trim().to_owned());
        Ok(UnpackedState { archive, created: None })
    }

    fn want(&self, _now: &UnpackedState) -> Result<UnpackedState> {
        let created = self.creates.as_ref().map(|_| true);
        Ok(UnpackedState { archive: created.is_none().then(|| self.digest.clone()), created })
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
        let args = [
            self.dest.to_string(),
            archive,
            self.name(),
            self.strip.to_string(),
            word(&self.owner),
            word(&self.group),
            mode,
            mark,
            self.digest.clone(),
        ];
        let command = Command::new("sh").args(["-s", "--"]).args(args);
        let command = command.args(self.exclude.as_ref().map_or(&[][..], Many::as_slice).to_vec());
        steps.push(command.stdin(UNPACK).long().into());
        Ok(steps)
    }

    async fn premise(&self, host: &dyn Look, _now: &UnpackedState) -> Result<()> {
        if host.succeeds(&Command::new("test").args(["-d", &self.dest])).await? {
            return Ok(());
        }
        bail!("{} does not exist", self.dest; hint: "make it first with file::directory")
    }
}
