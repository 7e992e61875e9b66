//! Jinja2 templates as Ansible renders them, on minijinja.
//!
//! Undefined variables are errors, values print as Python prints them, a value that is exactly one
//! expression keeps its type. Pure: what a template may look up (files, the environment) comes through [`Hooks`].

mod engine;
mod error;
mod filters;
mod prepare;
mod print;

pub use engine::{Ask, Engine, Hooks, OMIT, World, is_template, names, render};
pub use error::{told, told_plainly, wrapped};
pub use minijinja;
pub use print::{from_json, print, to_json};
