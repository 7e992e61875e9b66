//! What an engine tells while it works: the progress of a pull, what a container prints.

use super::super::Stream;
use super::Trouble;
use bollard::container::LogOutput;
use bollard::models::CreateImageInfo;
use futures_util::{Stream as Items, StreamExt};
use std::collections::HashMap;
use stdlib::contract::Output;

/// Where output goes as it comes.
pub type Sink<'a> = &'a (dyn Fn(Stream, &[u8]) + Send + Sync);

/// What a container prints, as it comes and whole.
pub async fn printed(
    mut pieces: impl Items<Item = Result<LogOutput, bollard::errors::Error>> + Unpin,
    sink: Sink<'_>,
) -> Result<Output, Trouble> {
    let mut output = Output::default();
    while let Some(piece) = pieces.next().await {
        let (stream, bytes) = match piece? {
            LogOutput::StdErr { message } => (Stream::Stderr, message),
            LogOutput::StdOut { message } | LogOutput::Console { message } => (Stream::Stdout, message),
            LogOutput::StdIn { .. } => continue,
        };
        sink(stream, &bytes);
        match stream {
            Stream::Stdout => output.stdout.extend_from_slice(&bytes),
            Stream::Stderr => output.stderr.extend_from_slice(&bytes),
        }
    }
    Ok(output)
}

/// How a pull goes: a line per layer that comes, one per tenth of what there is to load, and how it ended. The
/// answer has the last.
pub async fn pulled(
    mut news: impl Items<Item = Result<CreateImageInfo, bollard::errors::Error>> + Unpin,
    sink: Sink<'_>,
) -> Result<Output, Trouble> {
    let mut output = Output::default();
    let mut progress = Progress::default();
    while let Some(piece) = news.next().await {
        let piece = piece?;
        let Some(status) = piece.status else { continue };
        match piece.id {
            Some(layer) => {
                let detail = piece.progress_detail.unwrap_or_default();
                if let Some(line) = progress.heard(&layer, &status, detail.current, detail.total) {
                    sink(Stream::Stdout, format!("{line}\n").as_bytes());
                }
            }
            None => {
                sink(Stream::Stdout, format!("{status}\n").as_bytes());
                output.stdout.extend_from_slice(format!("{status}\n").as_bytes());
            }
        }
    }
    Ok(output)
}

/// The layers of a pull that is under way.
#[derive(Default)]
struct Progress {
    layers: HashMap<String, (i64, i64)>,
    told: i64,
}

impl Progress {
    /// What is worth a line of what was heard.
    fn heard(&mut self, layer: &str, status: &str, current: Option<i64>, total: Option<i64>) -> Option<String> {
        match (status, current, total) {
            ("Downloading", Some(current), Some(total)) if total > 0 => {
                self.layers.insert(layer.to_owned(), (current, total));
                let (loaded, all) = self.layers.values().fold((0, 0), |(a, b), (c, t)| (a + c, b + t));
                let tenth = loaded * 10 / all;
                // More layers may become known, and with them the share be smaller.
                let more = tenth > self.told;
                self.told = self.told.max(tenth);
                // What is small is here before it can be read.
                (more && all >= 1_000_000).then(|| format!("{} of {} loaded", size(loaded), size(all)))
            }
            ("Download complete", ..) => {
                if let Some((current, total)) = self.layers.get_mut(layer) {
                    *current = *total;
                }
                None
            }
            ("Pull complete" | "Already exists", ..) => Some(format!("{layer} {}", status.to_lowercase())),
            _ => None,
        }
    }
}

fn size(bytes: i64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1000),
        1_000_000..10_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_tells_what_is_worth_a_line() {
        let mut progress = Progress::default();
        let mut told = Vec::new();
        let mut hear = |layer: &str, status: &str, current: Option<i64>, total: Option<i64>| {
            told.extend(progress.heard(layer, status, current, total));
        };
        hear("a", "Pulling fs layer", None, None);
        for percent in 0..=100 {
            hear("a", "Downloading", Some(percent * 100_000), Some(10_000_000));
        }
        hear("b", "Downloading", Some(0), Some(30_000_000));
        hear("b", "Downloading", Some(30_000_000), Some(30_000_000));
        hear("a", "Download complete", None, None);
        hear("a", "Extracting", Some(1), Some(2));
        hear("a", "Pull complete", None, None);
        assert_eq!(told.len(), 11, "{told:?}");
        assert_eq!((told[0].as_str(), told[9].as_str()), ("1 MB of 10 MB loaded", "10 MB of 10 MB loaded"));
        assert_eq!(told[10], "a pull complete");
    }
}
