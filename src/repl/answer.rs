//! What a line evaluated to, in lines for a person.

use super::Answered;
use crate::report::{Paint, is_question, values};
use crate::script::Shown;

/// An answer in lines. What operations did is told by the report while they do it, and not again.
pub fn lines(answered: &Answered, paint: Paint, width: usize) -> Vec<String> {
    match answered {
        Answered::Once(shown) => one(shown, paint, width),
        Answered::Hosts(all) => {
            let all: Vec<(String, Vec<String>)> =
                all.iter().map(|(host, shown)| (host.clone(), one(shown, paint, width))).collect();
            values::by_host(&all, paint)
        }
    }
}

fn one(shown: &Shown, paint: Paint, width: usize) -> Vec<String> {
    match shown {
        Shown::Record(record) if is_question(&record.operation) => {
            let mut lines: Vec<String> = record.stdout.lines().map(str::to_owned).collect();
            lines.extend(record.stderr.lines().map(|line| paint.dim(line)));
            lines.extend(record.rc.filter(|rc| *rc != 0).map(|rc| paint.red(&format!("exit code {rc}"))));
            lines
        }
        Shown::Nothing | Shown::Record(_) => Vec::new(),
        Shown::Data(data) => values::lines(data, paint, width),
        Shown::Words(words) => vec![words.clone()],
    }
}
