//! Reading a stream up to a marker.

use memchr::memmem;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// A stream and what was read from it ahead.
pub struct Scanner<R> {
    reader: R,
    ahead: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Scanner<R> {
    /// A stream from its beginning.
    pub fn new(reader: R) -> Scanner<R> {
        Scanner { reader, ahead: Vec::new() }
    }
    /// Everything before the next `marker`, which is taken away; an error if the stream ends first.
    pub async fn until(&mut self, marker: &[u8]) -> io::Result<Vec<u8>> {
        let mut searched = 0;
        loop {
            if let Some(at) = memmem::find(&self.ahead[searched..], marker).map(|at| at + searched) {
                let rest = self.ahead.split_off(at + marker.len());
                let mut found = std::mem::replace(&mut self.ahead, rest);
                found.truncate(at);
                return Ok(found);
            }
            searched = self.ahead.len().saturating_sub(marker.len() - 1);
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
    /// Read more; the number of bytes, 0 at the end.
    pub async fn fill(&mut self) -> io::Result<usize> {
        self.ahead.reserve(64 * 1024);
        self.reader.read_buf(&mut self.ahead).await
    }
    /// What was read and not taken yet.
    pub fn ahead(&mut self) -> &mut Vec<u8> {
        &mut self.ahead
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // the test's own async runtime
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_marker_is_found_wherever_the_reads_cut_it() {
        let (mut write, read) = tokio::io::duplex(3);
        let task = tokio::spawn(async move {
            tokio::io::AsyncWriteExt::write_all(&mut write, b"one\0\n--END 0\ntwo\n--END 7\nrest").await.unwrap();
        });
        let mut scanner = Scanner::new(read);
        assert_eq!(scanner.until(b"\n--END ").await.unwrap(), b"one\0");
        assert_eq!(scanner.until(b"\n").await.unwrap(), b"0");
        assert_eq!(scanner.until(b"\n--END ").await.unwrap(), b"two");
        assert_eq!(scanner.until(b"\n").await.unwrap(), b"7");
        assert!(scanner.until(b"\n--END ").await.is_err());
        task.await.unwrap();
    }
}
