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
        kept.extend_from_slice(bytes);
        if let Some(end) = memchr::memrchr(b'\n', kept) {
            let rest = kept.split_off(end + 1);
            kept.pop();
            tell(stream, String::from_utf8_lossy(kept).into_owned());
            *kept = rest;
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
