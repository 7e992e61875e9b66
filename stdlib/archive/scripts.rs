//! What the host's shell does for `archive::unpacked`.

/// What is remembered of a file, as `mode:uid:gid:size:mtime:kind:name`; of a directory neither size nor time. Reads
/// names below the working directory, one a line.
pub const LISTING: &str = r#"
listing() {
  sed 's,^,./,' | tr '\n' '\0' | LC_ALL=C xargs -0 -r stat -c '%a:%u:%g:%s:%Y:%F:%n' 2>/dev/null |
    awk '{ n = split($0, f, ":"); name = $0; for (i = 0; i < 6; i++) name = substr(name, index(name, ":") + 1)
      if (f[6] == "directory") f[4] = f[5] = ""
      print f[1] ":" f[2] ":" f[3] ":" f[4] ":" f[5] ":" f[6] ":" substr(name, 3) }'
}
"#;

/// `DEST MARK NEWER NEW`: the digest that was kept, how it was unpacked, and the names that are not as they were. With
/// NEWER, what was written later is as good. Then, after a line `//`, the names of what is unpacked in NEW, if none has a
/// line break.
pub const READ: &str = r#"
dest=$1 mark=$2 newer=$3 new=$4
if [ -f "$mark" ]; then
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
fi
[ -d "$new" ] && cd -- "$new" && [ -z "$(find . -name '*
*')" ] || exit 0
echo //
find . ! -name . | sed 's,^\./,,' | LC_ALL=C sort
"#;

/// `DEST NEW ARCHIVE NAME OWNER GROUP MODE PATTERNS ARGUMENTS...`: unpacks into NEW with these arguments of tar or unzip,
/// and gives all of it its attributes. The archive goes if it was brought for this.
pub const BESIDE: &str = r#"
set -e
dest=$1 new=$2 archive=$3 name=$4 owner=$5 group=$6 mode=$7 patterns=$8
shift 8
trap 'code=$?; [ $code = 0 ] || rm -rf -- "$new"; case $archive in */.hlrun-archive.part) rm -f -- "$archive" ;; esac' EXIT
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
rm -rf -- "$new"
mkdir -m 700 -- "$new"
cd -- "$new"
"$tool" "$@"
for f in * .[!.]* ..?*; do
  [ -e "$f" ] || [ -L "$f" ] || continue
  [ -z "$owner$group" ] || chown -hR -- "$owner${group:+:$group}" "$f"
  [ -z "$mode" ] || chmod -R -- "$mode" "$f"
done
"#;

/// `DEST NEW NEWER MARK DIGEST HOW`: copies what was unpacked beside into place, and notes what is there then.
pub const PLACE: &str = r#"
set -e
dest=$1 new=$2 newer=$3 mark=$4 digest=$5 how=$6
trap 'rm -rf -- "$new"' EXIT
cd -- "$new"
for f in * .[!.]* ..?*; do
  [ -e "$f" ] || [ -L "$f" ] || continue
  cp -af$newer -- "$f" "$dest/"
done
[ -n "$mark" ] || exit 0
names=$(find . ! -name . ! -name '*
*' | sed 's,^\./,,')
cd -- "$dest"
{ printf '%s\n%s\n' "$digest" "$how"; [ -z "$names" ] || printf '%s\n' "$names" | listing; } >"$new/.mark"
mv -f -- "$new/.mark" "$mark"
"#;
