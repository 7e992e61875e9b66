//! The controller itself as a host.

use super::{BOOT, Channel, Connection};
use async_trait::async_trait;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use stdlib::contract::{Error, Result};

/// This machine.
#[derive(Debug, Default)]
pub struct Local;

#[async_trait]
impl Connection for Local {
    #[allow(clippy::disallowed_methods)] // the one place
    async fn open(&self) -> Result<Channel> {
        let mut child = tokio::process::Command::new("/bin/sh")
            .args(["-c", BOOT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| Error::host(format!("cannot start /bin/sh: {e}")))?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Error::bug("a child process without pipes"));
        };
        let exit = async move {
            let status = child.wait().await.map_err(|e| Error::host(format!("cannot wait for a process: {e}")))?;
            Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
        };
        Ok(Channel { stdin: Box::new(stdin), stdout: Box::new(stdout), stderr: Box::new(stderr), exit: Box::pin(exit) })
    }
    async fn alive(&self) -> bool {
        true
    }
    async fn close(&self) {}
}
