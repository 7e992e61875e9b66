//! `random`, `shuffle` and `password_hash`: with a seed or a salt always the same, as in Ansible.

use super::{Answer, Args, Filter, items, whole, wrong};
use crate::shared::chance::Chance;
use crate::shared::crypt::Scheme;
use crate::shared::template::{print::print, wrapped};
use minijinja::value::ValueKind;
use minijinja::{State, Value};

pub(super) const FILTERS: &[(&str, Filter)] =
    &[("random", random), ("shuffle", shuffle), ("password_hash", password_hash)];

/// What draws: the seed's own numbers, or the world's chance.
fn drawing(args: &Args, seed: Option<Value>) -> Answer<Chance> {
    match seed {
        None => Ok(Chance::Free(args.world()?.chance)),
        Some(seed) if seed.as_str().is_some() => Ok(Chance::of_text(seed.as_str().unwrap_or_default())),
        Some(seed) if seed.kind() == ValueKind::Bool => Ok(Chance::of_number(i64::from(seed.is_true()))),
        Some(seed) => seed.as_i64().map(Chance::of_number).ok_or_else(|| wrong("a seed is text or a whole number")),
    }
}

fn random(_: &mut State, value: &Value, args: &Args) -> Answer {
    let (start, step) = (args.number(0, "start", 0)?, args.number(1, "step", 1)?);
    let mut chance = drawing(args, args.get(2, "seed")?.filter(|seed| !seed.is_none()))?;
    let Some(end) = value.as_i64().filter(|_| value.is_number()) else {
        if start != 0 || step != 1 {
            return Err(wrong("random: start and step are for numbers"));
        }
        let list = match value.as_str() {
            Some(text) => text.chars().map(Value::from).collect(),
            None => items(value)?,
        };
        return chance.pick(&list).cloned().ok_or_else(|| wrong("random: there is nothing to choose from"));
    };
    let step = if step == 0 { 1 } else { step };
    let (width, size) = (end.saturating_sub(start), step.unsigned_abs());
    if width.signum() != step.signum() {
        return Err(wrong(format!("random: there is no number from {start} to {end}")));
    }
    let place = chance.below(width.unsigned_abs().div_ceil(size));
    Ok(Value::from(start + step * place as i64))
}

fn shuffle(_: &mut State, value: &Value, args: &Args) -> Answer {
    let mut list = items(value)?;
    drawing(args, args.get(0, "seed")?.filter(Value::is_true))?.shuffle(&mut list);
    Ok(Value::from(list))
}

fn password_hash(_: &mut State, value: &Value, args: &Args) -> Answer {
    let scheme = Scheme::named(&args.text(0, "hashtype", "sha512")?).map_err(wrapped)?;
    let text = |place, name| -> Answer<Option<String>> {
        Ok(args.get(place, name)?.filter(Value::is_true).map(|value| print(&value)).transpose()?)
    };
    let (salt, ident) = (text(1, "salt")?, text(4, "ident")?);
    let size = args.get(2, "salt_size")?.and_then(|size| whole(&size)).and_then(|size| usize::try_from(size).ok());
    let rounds = args.get(3, "rounds")?.and_then(|rounds| whole(&rounds)).filter(|rounds| *rounds != 0);
    let rounds = rounds.map(u32::try_from).transpose().map_err(|_| wrong("password_hash: `rounds` is no number"))?;
    let salt = match salt {
        Some(salt) => salt,
        None => {
            let salt = scheme.salt(&mut Chance::Free(args.world()?.chance));
            salt.chars().take(size.unwrap_or(usize::MAX)).collect()
        }
    };
    scheme.hash(&print(value)?, &salt, rounds, ident.as_deref()).map(Value::from).map_err(wrapped)
}
