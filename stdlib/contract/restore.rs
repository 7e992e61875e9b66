//! The way back: the same operation conducted with the state before as the wanted one.

use super::conduct::{apply, serialize};
use super::{Change, Command, Error, Host, Operation, Outcome, Result, Status, diff_back};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Contents up to this size are kept for undo.
pub const KEPT: u64 = 16 * 1024 * 1024;

/// Something that steps take away and that undo puts back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keepsake {
    /// The command that prints it.
    pub command: Command,
    /// SHA-256 of it, in hex: what prints something else meanwhile is not kept.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
}

/// The states that a change led from and to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Past {
    /// Before it.
    pub before: Value,
    /// After it.
    pub after: Value,
}

/// How to go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// Only say what it would take.
    Check,
    /// Go back, unless the host has changed since.
    Apply,
    /// Go back, whatever the host is like now.
    Force,
}

/// What came of going back.
#[derive(Debug, Clone)]
pub struct Restored {
    /// What was done, or would be.
    pub outcome: Outcome,
    /// What has changed since, by somebody else or by what is still to be taken back.
    pub drift: Vec<Change>,
    /// The differences between the states after and before, whatever the host is like now.
    pub expected: Vec<Change>,
    /// Why there is no way back, whatever else goes back before.
    pub refused: Option<Error>,
    /// What stays although the change brought it, in words.
    pub leaves: Vec<String>,
}

/// Take a change back, or say what that would take.
pub async fn restore<O: Operation>(mut op: O, past: &Past, host: &dyn Host, back: Back) -> Result<Restored> {
    let sensitive = op.sensitive();
    let was: O::State = parse(&past.after)?;
    let want = op.recall(host.look(), parse(&past.before)?, &was).await?;
    let now = op.read(host.look()).await?;
    let (current, wanted) = (serialize(&now)?, serialize(&want)?);
    let changes = diff_back(&current, &wanted);
    let expected = diff_back(&past.after, &wanted);
    let drift = diff_back(&past.after, &current);
    let leaves = op.leaves();
    if changes.is_empty() {
        let outcome = Outcome { before: current, sensitive, ..Outcome::new(Status::Ok) };
        return Ok(Restored { outcome, drift, expected, refused: None, leaves });
    }
    match back {
        Back::Check => {
            // What is to be taken back before this one brings the host to where this one left it.
            let steps = op.steps(if drift.is_empty() { &now } else { &was }, &want);
            let returnable = match drift.is_empty() {
                true => op.returnable(host.look(), &now, &want).await,
                false => Ok(()),
            };
            let (steps, refused) = match steps.and_then(|steps| returnable.map(|()| steps)) {
                Ok(steps) => (steps, None),
                Err(error) => (Vec::new(), Some(error)),
            };
            let outcome =
                Outcome { diff: changes, steps, before: current, sensitive, ..Outcome::new(Status::WouldChange) };
            return Ok(Restored { outcome, drift, expected, refused, leaves });
        }
        Back::Apply if !drift.is_empty() => {
            return Err(Error::host(format!("it has changed since: {}", drift[0].summary()))
                .hint("--force goes back all the same"));
        }
        Back::Apply | Back::Force => {}
    }
    let steps = op.steps(&now, &want)?;
    let (mut said, after) = apply(&op, host, &now, &want, &steps, diff_back).await?;
    let output = said.pop();
    let done = Outcome::new(Status::Changed);
    let outcome = Outcome { diff: changes, steps, before: current, after, output, sensitive, ..done };
    Ok(Restored { outcome, drift, expected, refused: None, leaves })
}

fn parse<T: DeserializeOwned>(state: &Value) -> Result<T> {
    T::deserialize(state).map_err(|e| {
        Error::host(format!("the state that was kept cannot be read any longer: {e}"))
            .hint("it is another version of hlrun that kept it")
    })
}

#[cfg(test)]
mod tests {
    use super::super::replay::Replay;
    use super::super::{Look, Mode, Step, conduct};
    use super::*;
    use futures_util::FutureExt;
    use schemars::JsonSchema;
    use serde_json::json;

    /// A word in a file.
    #[derive(Deserialize, JsonSchema)]
    struct Word {
        wanted: String,
    }

    impl Operation for Word {
        type State = String;
        async fn read(&self, host: &dyn Look) -> Result<String> {
            host.text(&Command::new("show")).await
        }
        fn want(&self, _now: &String) -> Result<String> {
            Ok(self.wanted.clone())
        }
        fn steps(&self, _now: &String, want: &String) -> Result<Vec<Step>> {
            Ok(Command::new("set").arg(want).into())
        }
    }

    fn word() -> Word {
        Word { wanted: "new".to_owned() }
    }

    fn restored(transcript: &str, back: Back) -> Result<Restored> {
        let past = Past { before: json!("old"), after: json!("new") };
        let host = Replay::new(transcript)?;
        restore(word(), &past, &host, back).now_or_never().unwrap()
    }

    #[test]
    fn what_was_conducted_goes_back_and_forth() {
        let host = Replay::new("? show\n= old\n! set new\n? show\n= new\n").unwrap();
        let made = conduct(word(), &host, Mode::Apply).now_or_never().unwrap().unwrap();
        assert_eq!((made.before, made.after), (json!("old"), json!("new")));
        let back = restored("? show\n= new\n! set old\n? show\n= old\n", Back::Apply).unwrap().outcome;
        assert_eq!((back.status, back.before, back.after), (Status::Changed, json!("new"), json!("old")));
    }

    #[test]
    fn a_plan_changes_nothing() {
        let plan = restored("? show\n= new\n", Back::Check).unwrap();
        assert_eq!((plan.outcome.status, plan.outcome.steps.len(), plan.drift.len()), (Status::WouldChange, 1, 0));
    }

    #[test]
    fn what_somebody_changed_since_is_left_alone() {
        let plan = restored("? show\n= other\n", Back::Check).unwrap();
        assert_eq!(plan.drift[0].summary(), "new -> other");
        let refused = restored("? show\n= other\n", Back::Apply).unwrap_err();
        assert_eq!(refused.message, "it has changed since: new -> other");
        let forced = restored("? show\n= other\n! set old\n? show\n= old\n", Back::Force).unwrap();
        assert_eq!(forced.outcome.status, Status::Changed);
    }

    #[test]
    fn what_is_back_already_is_no_change() {
        let back = restored("? show\n= old\n", Back::Apply).unwrap();
        assert_eq!((back.outcome.status, back.drift.len()), (Status::Ok, 1));
    }

    #[test]
    fn a_way_back_that_does_nothing_is_noticed() {
        let idle = restored("? show\n= new\n! set old\n? show\n= new\n", Back::Apply).unwrap_err();
        assert!(idle.message.contains("still differs"), "{idle}");
    }
}
