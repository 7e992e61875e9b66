//! Jinja2 templates as Ansible renders them, on minijinja.
//!
//! Undefined variables are errors, values print as Python prints them, a value that is exactly one
//! expression keeps its type. Pure: what a template may look up (files, the environment) comes through [`Hooks`].
//!
//! What minijinja makes impossible, and `tests/templates/cases` shows beside what Ansible does:
//! - macros have no `varargs` and `kwargs`, and a default cannot use an earlier argument;
//! - `without context` is not obeyed, imports and blocks see the names around them;
//! - `with a = 1, b = a` sets one name after the other, and a loop over none is a loop over nothing;
//! - operators order values of different kinds, where Python refuses.
//!
//! Lists and maps can be changed (`append`, `update`) if the template itself wrote them as `[...]` or `{...}`. What
//! `+` made of such a list is not a copy yet: what is appended afterwards shows in it too.

mod changeable;
mod engine;
mod error;
mod filters;
mod lookups;
mod prepare;
mod print;

pub use engine::{Ask, Engine, Hooks, OMIT, World, is_template, names, render};
pub use error::{told, told_plainly, wrapped};
pub use lookups::LOOKUPS;
pub use minijinja;
pub use print::{from_json, print, to_json};
