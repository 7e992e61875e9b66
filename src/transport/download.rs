//! Files from the web to a host: by the host's own curl where it has one, so that the bytes travel once, and
//! else through us. Either way beside the place, checked, and then renamed over it.

use super::http::send;
use super::{Become, Connection, Keep, live};
use std::sync::atomic::AtomicU32;
use stdlib::contract::{Command, Content, Download, Error, Output, Request, Result, refused};
use tokio::io::AsyncWriteExt;

/// `HOW PATH MODE OWNER GROUP BACKUP CHECKSUM MTIME NAME STALL`. `curl` fetches and finishes, its configuration on
/// standard input; `stdin` only takes the content, because its end may not be the true one; `finish` puts it in
/// its place. What curl leaves unfinished is taken up by the next try where a checksum tells whether the whole
/// is right.
const DOWNLOAD: &str = r#"
set -e
umask 077
trap '' PIPE HUP
how=$1 path=$2 mode=$3 owner=$4 group=$5 backup=$6 sum=$7 mtime=$8 name=$9 stall=${10}
if [ "$how" = curl ]; then command -v curl >/dev/null || exit 69; fi
if [ -L "$path" ]; then path=$(readlink -f -- "$path"; echo x); path=${path%?x}; fi
case $path in */*) dir=${path%/*}; [ -n "$dir" ] || dir=/ ;; *) dir=. ;; esac
new=$dir/.hlrun.$name.part
case $how in
  curl)
    if [ -n "$sum" ]; then resume='-C -'; else resume=; rm -f -- "$new"; trap 'rm -f -- "$new"' EXIT; fi
    curl -sSfL --proto =http,https --retry 2 --connect-timeout "$stall" --speed-limit 1 --speed-time "$stall" $resume -o "$new" -K - ||
      { code=$?; case $code in 33 | 36) rm -f -- "$new" ;; esac; exit 1; } ;;
  stdin) cat >"$new"; exit ;;
  drop) rm -f -- "$new"; exit ;;
esac
if [ -n "$sum" ]; then
  is=$("${sum%%:*}sum" <"$new"); is=${is%% *}
  [ "$is" = "${sum#*:}" ] || { rm -f -- "$new"; echo "what was fetched has the checksum ${sum%%:*}:$is, not $sum" >&2; exit 65; }
fi
if [ -e "$path" ]; then
  old=$(stat -c '%a %u:%g' -- "$path")
  [ -n "$mode" ] || mode=${old%% *}
  had=${old#* }
  [ -n "$owner" ] || owner=${had%:*}
  [ -n "$group" ] || group=${had#*:}
fi
[ -z "$owner$group" ] || [ "$(stat -c '%u:%g' -- "$new")" = "$owner:$group" ] || chown -- "$owner${group:+:$group}" "$new"
chmod -- "${mode:-0644}" "$new"
[ -z "$mtime" ] || touch -d "@$mtime" -- "$new"
[ -z "$backup" ] || [ ! -e "$path" ] || cp -p -- "$path" "$backup"
mv -f -- "$new" "$path"
"#;

/// The exit code for a host that has no curl.
const NO_CURL: i32 = 69;

/// Bring a file from the web to the host.
pub async fn download(
    connection: &dyn Connection,
    whom: Option<&Become>,
    file: &Download,
    group: &AtomicU32,
) -> Result<Output> {
    let request = &file.request;
    // What curl would need as files, and what only the connection can do, goes through us.
    if request.ca.is_none() && request.identity.is_none() && request.socket.is_none() {
        let command = command("curl", file).stdin(config(request));
        let output = live(connection, whom, &command, None, &|_, _| {}, Keep::All, group).await?;
        if output.code != NO_CURL {
            return ended(file, output);
        }
    }
    let mut response = send(connection, request).await?;
    let code = i32::from(response.status().as_u16());
    if !request.accepts(code) {
        return Err(refused(request, &Output { code, ..Output::default() }));
    }
    let (mut into, mut from) = tokio::io::duplex(256 * 1024);
    let pump = async move {
        while let Some(chunk) = response.chunk().await? {
            if into.write_all(&chunk).await.is_err() {
                break; // the host has ended it, and says why
            }
        }
        Ok::<(), reqwest::Error>(())
    };
    let command = |how: &str| command(how, file);
    let take = command("stdin");
    let (pumped, taken) = tokio::join!(pump, async {
        let taken = live(connection, whom, &take, Some(&mut from), &|_, _| {}, Keep::All, group).await;
        drop(from);
        taken
    });
    let broken = pumped.err().map(|e| {
        Error::host(format!("the answer of {} broke off: {}", request.url, e.without_url())).hint("try it again")
    });
    let failed = match (broken, taken) {
        (Some(error), _) | (None, Err(error)) => Some(error),
        (None, Ok(output)) => ended(file, output).err(),
    };
    let last = command(if failed.is_none() { "finish" } else { "drop" });
    let output = live(connection, whom, &last, None, &|_, _| {}, Keep::All, group).await;
    match failed {
        Some(error) => Err(error),
        None => ended(file, output?),
    }
}

fn command(how: &str, file: &Download) -> Command {
    let word = |value: &Option<String>| value.clone().unwrap_or_default();
    let stall = file.request.timeout.map_or(30, |limit| limit.as_secs().max(1));
    // The same file of the same address is the same unfinished piece.
    let name = Content::digest(format!("{}\0{}", file.request.url, file.path).as_bytes());
    Command::sh(DOWNLOAD).args([
        how.to_owned(),
        file.path.clone(),
        word(&file.mode),
        word(&file.owner),
        word(&file.group),
        word(&file.backup),
        word(&file.checksum),
        file.mtime.map(|mtime| mtime.to_string()).unwrap_or_default(),
        name[..12].to_owned(),
        stall.to_string(),
    ])
}

/// The request as curl's configuration: on standard input, where nobody else on the host sees it.
fn config(request: &Request) -> String {
    let quoted = |text: &str| text.replace('\\', r"\\").replace('"', "\\\"").replace(['\n', '\r'], "");
    let mut config = format!("url = \"{}\"\nuser-agent = \"hlrun\"\n", quoted(&request.url));
    for (name, value) in &request.headers {
        config += &format!("header = \"{}: {}\"\n", quoted(name), quoted(value));
    }
    if request.insecure {
        config += "insecure\n";
    }
    config
}

fn ended(file: &Download, output: Output) -> Result<Output> {
    if output.success() {
        return Ok(output);
    }
    let said = output.stderr_text();
    let said = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("no reason given");
    let error = Error::host(format!("cannot download {}: {said}", file.request.url));
    Err(match said {
        _ if output.code == 65 => error.hint("the old file is untouched; is the checksum that of this version?"),
        _ if said.contains("No space left") => error.hint("free some space on the host (df -h), then run it again"),
        _ if said.contains("nonexistent") || said.contains("Failed to open") || said.contains("No such file") => {
            error.hint(format!("does the directory of {} exist? file::directory makes it", file.path))
        }
        _ => error.hint("the old file is untouched"),
    }
    .with_output(&output))
}
