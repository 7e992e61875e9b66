//! Shell patterns for paths below a directory.

use crate::contract::{Error, Result};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Patterns such as `*.bak` (names at any depth) and `cache/**` (paths from the root).
#[derive(Debug, Clone, Default)]
pub struct Globs(GlobSet);

impl Globs {
    /// Patterns; `parameter` is where they were given.
    pub fn new(parameter: &str, patterns: &[String]) -> Result<Globs> {
        let wrong = |e: globset::Error| {
            Error::playbook(format!("`{parameter}`: {e}"))
                .hint("`*` and `?` stop at a `/`, `**` does not, `[a-c]` is one of")
        };
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            let rooted = pattern.trim_end_matches('/').contains('/');
            let below = pattern.trim_matches('/');
            let below = if rooted { below.to_owned() } else { format!("**/{below}") };
            // With a directory goes what it contains.
            for pattern in [below.clone(), format!("{below}/**")] {
                set.add(GlobBuilder::new(&pattern).literal_separator(true).build().map_err(wrong)?);
            }
        }
        set.build().map(Globs).map_err(wrong)
    }
    /// Whether a path below the root matches one of them.
    pub fn matches(&self, below: &str) -> bool {
        self.0.is_match(below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_matches_at_any_depth_and_a_path_from_the_root() {
        let globs =
            Globs::new("exclude", &["*.bak".into(), "/cache/".into(), "a/*.log".into(), ".git".into()]).unwrap();
        for (path, matches) in [
            ("x.bak", true),
            ("a/b/x.bak", true),
            ("cache", true),
            ("cache/x/y", true),
            ("b/cache", true),
            ("a/x.log", true),
            ("a/b/x.log", false),
            (".git/config", true),
            ("x.bak2", false),
        ] {
            assert_eq!(globs.matches(path), matches, "{path}");
        }
        assert!(Globs::new("exclude", &["[a".into()]).unwrap_err().message.contains("exclude"));
    }
}
