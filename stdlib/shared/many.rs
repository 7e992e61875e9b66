//! A parameter that takes one thing or a list of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One value or a list of them: `"curl"` or `["curl", "jq"]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Many<T> {
    /// One.
    One(T),
    /// Several.
    Several(Vec<T>),
}

impl<T> Many<T> {
    /// Both as a slice.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Many::One(one) => std::slice::from_ref(one),
            Many::Several(several) => several,
        }
    }
}

impl<T> Default for Many<T> {
    fn default() -> Many<T> {
        Many::Several(Vec::new())
    }
}
