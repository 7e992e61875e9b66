//! A call that takes much longer than usual: the host is asked once, over a second channel of the same
//! connection and without changing anything, what it waits for.

mod probe;
mod usual;

use super::link::Link;
use super::shared::Shared;
use crate::report::Event;
use crate::transport::Become;
use probe::{Answer, Picture};
use std::time::{Duration, Instant};
use stdlib::contract::{Command, Result, Site};

/// A call under way, as reports may show it.
pub(super) struct Call {
    pub host: String,
    pub operation: String,
    pub subject: String,
    pub at: Site,
}

/// What is faster than this is never stuck, however fast it was before.
const LEAST: Duration = Duration::from_secs(10);

/// How many times as long as usual is much longer.
const MUCH: u32 = 3;

/// Wait until the call has taken much longer than usual; then tell what it waits for, once.
pub(super) async fn watch(run: &Shared, link: &Link, whom: Option<&Become>, call: &Call, quiet: bool) {
    let began = Instant::now();
    let patience = run.options.stuck_after;
    if patience.is_zero() {
        return;
    }
    let least = patience.min(LEAST);
    tokio::time::sleep(least).await;
    let usual = usual::usual(run, call).await;
    let limit = usual.map_or(patience, |usual| (usual * MUCH).max(least));
    tokio::time::sleep(limit.saturating_sub(began.elapsed())).await;
    let Answer { waits, hint } = ask(link, whom, quiet).await;
    let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    run.bus.emit(Event::TaskStuck {
        host: call.host.clone(),
        operation: call.operation.clone(),
        subject: call.subject.clone(),
        duration_ms: ms(began.elapsed()),
        usual_ms: usual.map(ms),
        waits,
        hint,
    });
}

/// Ask the host: as the user the call works as, who sees most; if that cannot be, as the one who logged in.
async fn ask(link: &Link, whom: Option<&Become>, quiet: bool) -> Answer {
    if let Some(whom) = whom
        && let Ok(answer) = look(link, Some(whom), quiet).await
    {
        return answer;
    }
    look(link, None, quiet).await.unwrap_or_else(|error| Answer {
        waits: "an answer from the host: a second question on the same connection is not answered either".to_owned(),
        hint: Some(format!("is the machine still there? {}", error.message)),
    })
}

async fn look(link: &Link, whom: Option<&Become>, quiet: bool) -> Result<Answer> {
    let controller = if link.is_local() { std::process::id() } else { 0 };
    let first = link.aside(&Command::sh(probe::SURVEY), whom).await?;
    let picture = Picture::read(&first.text(), controller);
    let suspects: Vec<String> = picture.suspects().iter().map(ToString::to_string).collect();
    let second = link.aside(&Command::sh(probe::DETAILS).args(suspects), whom).await?;
    Ok(picture.explain(&second.text(), quiet))
}
