//! Output as it comes, in whole lines.

use crate::transport::Stream;
use std::sync::{Mutex, PoisonError};

/// Cuts a stream into whole lines.
pub(super) struct Lines(Mutex<[Vec<u8>; 2]>);

impl Lines {
    pub fn new() -> Lines {
        Lines(Mutex::default())
    }
    pub fn add(&self, stream: Stream, bytes: &[u8], tell: &dyn Fn(Stream, String)) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = &mut kept[usize::from(stream == Stream::Stderr)];
        // Only what is new can end a line; a line may be as long as it likes.
        match memchr::memrchr(b'\n', bytes) {
            Some(end) => {
                kept.extend_from_slice(&bytes[..end]);
                tell(stream, String::from_utf8_lossy(kept).into_owned());
                *kept = bytes[end + 1..].to_vec();
            }
            None => kept.extend_from_slice(bytes),
        }
    }
    pub fn rest(&self, tell: &dyn Fn(Stream, String)) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (kept, stream) in kept.iter_mut().zip([Stream::Stdout, Stream::Stderr]) {
            if !kept.is_empty() {
                tell(stream, String::from_utf8_lossy(kept).into_owned());
                kept.clear();
            }
        }
    }
}
