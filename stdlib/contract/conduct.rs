//! The one place where an operation meets time: read, compare, change, and verify by reading again.

use super::host::{refusal, refused};
use super::{
    Action, Change, Error, Halfway, Host, Kind, Need, Operation, Output, Refresh, Rescue, Result, Status, Step, diff,
    docker,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whether changes are made, or only predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Make them.
    Apply,
    /// Predict them. `pending` says that changes predicted above were not made, so that a read may
    /// fail for their lack: then the answer is `unknown`, neither a failure nor a guess.
    Check {
        /// Whether an earlier change on this host was only predicted.
        pending: bool,
    },
}

/// What came of an operation or action, before the engine makes a [`super::Record`] of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// The differences found.
    pub diff: Vec<Change>,
    /// What was done, or would be.
    pub steps: Vec<Step>,
    /// The state before.
    pub before: Value,
    /// The state after a change, as it was read to prove it.
    pub after: Value,
    /// What the last command printed.
    pub output: Option<Output>,
    /// Why it was skipped or is unknown.
    pub reason: Option<String>,
    /// What a person should know besides.
    pub notes: Vec<String>,
    /// Whether its content is withheld.
    pub sensitive: bool,
    /// Of what was only foretold, the paths of which nobody knows what they would contain, and other things by name.
    pub alters: Vec<String>,
}

impl Outcome {
    pub(super) fn new(status: Status) -> Outcome {
        Outcome {
            status,
            diff: Vec::new(),
            steps: Vec::new(),
            before: Value::Null,
            after: Value::Null,
            output: None,
            reason: None,
            notes: Vec::new(),
            sensitive: false,
            alters: Vec::new(),
        }
    }
    /// Nothing was done, for a reason.
    pub fn skipped(reason: impl Into<String>) -> Outcome {
        Outcome { reason: Some(reason.into()), ..Outcome::new(Status::Skipped) }
    }
    /// It cannot be known, for a reason.
    pub fn unknown(reason: impl Into<String>) -> Outcome {
        Outcome { reason: Some(reason.into()), ..Outcome::new(Status::Unknown) }
    }
}

/// Make an operation true of a host, or say what that would take.
pub async fn conduct<O: Operation>(mut op: O, host: &dyn Host, mode: Mode) -> Result<Outcome> {
    let mut outcome = outcome_of(&mut op, host, mode).await?;
    if matches!(outcome.status, Status::WouldChange | Status::Unknown) {
        outcome.alters = op.alters();
    }
    Ok(outcome)
}

async fn outcome_of<O: Operation>(op: &mut O, host: &dyn Host, mode: Mode) -> Result<Outcome> {
    let sensitive = op.sensitive();
    // Why a refusal of the host may come from changes that check mode did not make.
    let mut doubt = (mode == Mode::Check { pending: true }).then(|| "depends on changes above".to_owned());
    let planned = plan(op, host, mode, &mut doubt).await;
    let (refresh, now, want, changes) = match (planned, doubt) {
        (Ok(planned), _) => planned,
        (Err(error), Some(doubt)) if error.kind == Kind::Host => {
            return Ok(Outcome::unknown(format!("{doubt}: {}", error.message)));
        }
        (Err(error), _) => return Err(error),
    };
    if mode == (Mode::Check { pending: true })
        && let Some(subject) = op.depends().into_iter().find(|subject| host.foretold(subject))
    {
        return Ok(Outcome::unknown(format!("depends on {subject}, which would change")));
    }
    let before = serialize(&now)?;
    let check = matches!(mode, Mode::Check { .. });
    if check && refresh.decides {
        let steps = refresh.steps;
        return Ok(Outcome { steps, before, sensitive, ..Outcome::unknown(refresh.instead.unwrap_or_default()) });
    }
    let reason = refresh.instead.filter(|_| check).or_else(|| op.remark());
    if changes.is_empty() {
        let (notes, steps) = (op.notes(&[]), refresh.steps);
        return Ok(Outcome { before, sensitive, reason, notes, steps, ..Outcome::new(Status::Ok) });
    }
    if mode == (Mode::Check { pending: false }) {
        op.premise(host.look(), &now).await?;
    }
    let mut steps = op.steps(&now, &want)?;
    if check {
        steps.splice(0..0, refresh.steps);
        let notes = op.notes(&[]);
        return Ok(Outcome {
            diff: changes,
            steps,
            before,
            sensitive,
            reason,
            notes,
            ..Outcome::new(Status::WouldChange)
        });
    }
    let (mut said, after) = apply(op, host, &now, &want, &steps, diff).await?;
    steps.splice(0..0, refresh.steps);
    let (notes, output) = (op.notes(&said), said.pop());
    let done = Outcome::new(Status::Changed);
    Ok(Outcome { diff: changes, steps, before, after, output, sensitive, reason, notes, ..done })
}

/// Keep what goes away, take the steps, and read again: what the steps printed, and the state then, which must compare
/// as the wanted one.
pub(super) async fn apply<O: Operation>(
    op: &O,
    host: &dyn Host,
    now: &O::State,
    want: &O::State,
    steps: &[Step],
    compare: fn(&Value, &Value) -> Vec<Change>,
) -> Result<(Vec<Output>, Value)> {
    for keepsake in op.keeps(now, want) {
        host.keep(&keepsake).await;
    }
    let mut said = Vec::new();
    if let Err(error) = take(host, steps, &mut said).await {
        let rescue = steps.get(said.len()).and_then(|failed| op.rescue(now, want, failed));
        let mut error = op.explain(error);
        if !rescued(&mut error, rescue, host).await {
            error.halfway = reached(op, &error, host, serialize(now)?).await;
        }
        return Err(error);
    }
    let after = serialize(&op.read(host.look()).await?)?;
    let left = compare(&after, &serialize(want)?);
    if let Some(first) = left.first() {
        let rest = if left.len() > 1 { format!(" (and {} more)", left.len() - 1) } else { String::new() };
        let mut error = Error::host(format!("applied, but the host still differs: {}{rest}", first.summary()))
            .hint("something on the host puts it back, or the command that should change it did nothing");
        error.halfway = Some(Halfway::between(serialize(now)?, after, op.sensitive()));
        return Err(error);
    }
    Ok((said, after))
}

/// How far it came. Where the host does not answer, or may still be at work, nobody knows.
async fn reached<O: Operation>(op: &O, error: &Error, host: &dyn Host, before: Value) -> Option<Halfway> {
    if error.kind != Kind::Host {
        return None;
    }
    let after = serialize(&op.reached(host.look()).await.ok()?).ok()?;
    Some(Halfway::between(before, after, op.sensitive()))
}

type Plan<S> = (Refresh, S, S, Vec<Change>);

async fn plan<O: Operation>(
    op: &mut O,
    host: &dyn Host,
    mode: Mode,
    doubt: &mut Option<String>,
) -> Result<Plan<O::State>> {
    op.prepare(host.look()).await?;
    let refresh = op.refresh(host.look()).await?;
    match mode {
        Mode::Apply => {
            take(host, &refresh.steps, &mut Vec::new()).await.map_err(|error| op.explain(error))?;
        }
        Mode::Check { .. } => *doubt = refresh.instead.clone().or(doubt.take()),
    }
    let now = op.read(host.look()).await?;
    let want = op.want(&now)?;
    let changes = diff(&serialize(&now)?, &serialize(&want)?);
    Ok((refresh, now, want, changes))
}

/// Run an action, unless there is no need or the mode is check. With `any_code`, an exit code that the
/// command does not accept is an outcome like any other: the playbook decides what failure means.
pub async fn act<A: Action>(mut action: A, host: &dyn Host, mode: Mode, any_code: bool) -> Result<Outcome> {
    let sensitive = action.sensitive();
    let ready = async {
        action.prepare(host.look()).await?;
        action.need(host.look()).await
    };
    match ready.await {
        Ok(Need::Run) => {}
        Ok(Need::Skip(reason)) => return Ok(Outcome::skipped(reason)),
        Err(error) if mode == (Mode::Check { pending: true }) && error.kind == Kind::Host => {
            return Ok(Outcome::unknown(format!("depends on changes above: {}", error.message)));
        }
        Err(error) => return Err(error),
    }
    let steps = action.steps()?;
    if matches!(mode, Mode::Check { .. }) {
        let status = if action.harmless() { Status::Skipped } else { Status::Unknown };
        let reason = Some(action.foretold().to_owned());
        return Ok(Outcome { steps, sensitive, reason, ..Outcome::new(status) });
    }
    let output = if any_code {
        let mut last = None;
        for step in &steps {
            last = Some(host.change(step).await?);
        }
        last
    } else {
        let mut said = Vec::new();
        take(host, &steps, &mut said).await.map_err(|error| action.explain(error))?;
        said.pop()
    };
    let changed = !action.harmless() && output.as_ref().is_none_or(|output| action.changed(output));
    let status = if changed { Status::Changed } else { Status::Ok };
    Ok(Outcome { steps, output, sensitive, ..Outcome::new(status) })
}

/// Save what can be saved after a failure: whether it is, and its error says so. Where the host does not answer, nothing can.
async fn rescued(error: &mut Error, rescue: Option<Rescue>, host: &dyn Host) -> bool {
    let Some(rescue) = rescue.filter(|_| matches!(error.kind, Kind::Host | Kind::Timeout)) else { return false };
    match take(host, &rescue.steps, &mut Vec::new()).await {
        Ok(()) => {
            error.message += &format!("; {}", rescue.done);
            true
        }
        Err(second) => {
            error.message += &format!("; and the way back failed: {}", second.message);
            error.hints.extend(second.hints.clone());
            false
        }
    }
}

/// Take the steps, one after the other; `said` is what those printed that succeeded.
async fn take(host: &dyn Host, steps: &[Step], said: &mut Vec<Output>) -> Result<()> {
    for step in steps {
        let output = host.change(step).await?;
        match step {
            Step::Run(command) if !command.accepts(output.code) => return Err(refusal(command, &output)),
            Step::Http(request) if !request.accepts(output.code) => return Err(refused(request, &output)),
            Step::Docker(call) if !call.accepts(output.code) => return Err(docker::refused(call, &output)),
            Step::Await(wait) if !wait.until.accepts(output.code) => {
                let mut error = refusal(&wait.until, &output);
                error.message += &format!(" ({} s after {})", wait.timeout.as_secs(), wait.after);
                return Err(error);
            }
            _ => said.push(output),
        }
    }
    Ok(())
}

pub(super) fn serialize<T: Serialize>(state: &T) -> Result<Value> {
    serde_json::to_value(state).map_err(|e| Error::bug(format!("a state cannot be written as JSON: {e}")))
}

#[cfg(test)]
mod tests {
    use super::super::replay::Replay;
    use super::*;
    use crate::contract::{Command, Error, Look};
    use futures_util::FutureExt;
    use schemars::JsonSchema;
    use serde::Deserialize;

    /// A number in a file, read after the file was fetched.
    #[derive(Deserialize, JsonSchema)]
    struct Number {
        wanted: String,
    }

    impl Operation for Number {
        type State = String;
        async fn refresh(&self, _host: &dyn Look) -> Result<Refresh> {
            let steps = Command::new("fetch").into();
            Ok(Refresh { steps, instead: Some("predicted from an old file".to_owned()), decides: self.wanted == "?" })
        }
        async fn read(&self, host: &dyn Look) -> Result<String> {
            host.text(&Command::new("show")).await
        }
        fn want(&self, _now: &String) -> Result<String> {
            Ok(self.wanted.clone())
        }
        fn steps(&self, _now: &String, want: &String) -> Result<Vec<Step>> {
            Ok(Command::new("set").arg(want).into())
        }
        fn explain(&self, _error: Error) -> Error {
            Error::host("explained")
        }
    }

    fn conducted(wanted: &str, transcript: &str, mode: Mode) -> Result<Outcome> {
        let host = Replay::new(transcript)?;
        let number = Number { wanted: wanted.to_owned() };
        conduct(number, &host, mode).now_or_never().unwrap()
    }

    #[test]
    fn a_refresh_comes_first_and_is_no_change() {
        let same = conducted("1", "! fetch\n? show\n= 1\n", Mode::Apply).unwrap();
        assert_eq!((same.status, same.steps.len(), same.reason), (Status::Ok, 1, None));
        let other = conducted("2", "! fetch\n? show\n= 1\n! set 2\n? show\n= 2\n", Mode::Apply).unwrap();
        assert_eq!((other.status, other.steps.len()), (Status::Changed, 2));
    }

    #[test]
    fn check_mode_leaves_a_refresh_out_and_says_so() {
        let checked = conducted("2", "? show\n= 1\n", Mode::Check { pending: false }).unwrap();
        assert_eq!(checked.status, Status::WouldChange);
        assert_eq!(checked.reason.as_deref(), Some("predicted from an old file"));
        assert_eq!(checked.steps.len(), 2);
    }

    #[test]
    fn what_a_refresh_decides_is_unknown() {
        let checked = conducted("?", "? show\n= 1\n", Mode::Check { pending: false }).unwrap();
        assert_eq!((checked.status, checked.steps.len()), (Status::Unknown, 1));
    }

    #[test]
    fn what_a_refresh_might_mend_is_unknown() {
        let checked = conducted("2", "? show\n* 1\n", Mode::Check { pending: false }).unwrap();
        assert_eq!(checked.status, Status::Unknown);
        assert_eq!(checked.reason.as_deref(), Some("predicted from an old file: show exited with 1"));
    }

    #[test]
    fn what_fails_is_explained_and_what_did_nothing_is_noticed() {
        let failed = conducted("2", "! fetch\n? show\n= 1\n! set 2\n* 1\n", Mode::Apply).unwrap_err();
        assert_eq!(failed.message, "explained");
        assert!(failed.halfway.is_none());
        let half = conducted("2", "! fetch\n? show\n= 1\n! set 2\n* 1\n? show\n= 3\n", Mode::Apply).unwrap_err();
        let halfway = half.halfway.clone().unwrap();
        assert_eq!((halfway.past.before, halfway.past.after), (Value::from("1"), Value::from("3")));
        let idle = conducted("2", "! fetch\n? show\n= 1\n! set 2\n? show\n= 1\n", Mode::Apply).unwrap_err();
        assert!(idle.message.contains("still differs"), "{idle}");
    }

    /// A number whose way back is known.
    #[derive(Deserialize, JsonSchema)]
    struct Careful {
        wanted: String,
    }

    impl Operation for Careful {
        type State = String;
        async fn read(&self, host: &dyn Look) -> Result<String> {
            host.text(&Command::new("show")).await
        }
        fn want(&self, _now: &String) -> Result<String> {
            Ok(self.wanted.clone())
        }
        fn steps(&self, _now: &String, want: &String) -> Result<Vec<Step>> {
            Ok(vec![Command::new("fetch").into(), Command::new("set").arg(want).into()])
        }
        fn rescue(&self, now: &String, _want: &String, failed: &Step) -> Option<Rescue> {
            let begun = failed.line().starts_with("set");
            begun.then(|| Rescue { steps: Command::new("set").arg(now).into(), done: format!("{now} is back") })
        }
        fn remark(&self) -> Option<String> {
            Some("by the way".to_owned())
        }
    }

    #[test]
    fn a_way_that_fails_is_gone_back_if_it_was_begun() {
        let told = |transcript: &str| {
            let host = Replay::new(transcript).unwrap();
            let careful = Careful { wanted: "2".to_owned() };
            let told = conduct(careful, &host, Mode::Apply).now_or_never().unwrap();
            assert!(host.unmade().is_empty(), "{:?}", host.unmade());
            told.map(|outcome| outcome.reason.unwrap()).unwrap_or_else(|error| error.message.clone())
        };
        let begun = "? show\n= 1\n! fetch\n! set 2\n- no\n* 1\n";
        assert_eq!(told("? show\n= 1\n! fetch\n! set 2\n? show\n= 2\n"), "by the way");
        assert_eq!(told("? show\n= 1\n! fetch\n- no\n* 1\n"), "fetch exited with 1: no");
        assert_eq!(told(&format!("{begun}! set 1\n")), "set exited with 1: no; 1 is back");
        let stuck = told(&format!("{begun}! set 1\n- stuck\n* 1\n"));
        assert_eq!(stuck, "set exited with 1: no; and the way back failed: set exited with 1: stuck");
    }
}
