//! hlrun: an embedded scripting runtime for homelab automation.
//!
//! HOW and WHEN: the machine that carries out what `stdlib` says can be done.
//!
//! - [`inventory`]: hosts, groups and variables, from Ansible's files
//! - [`lookup`]: what templates may ask of the controller
//! - [`script`]: the language of playbooks, all of Rhai
//! - [`transport`]: the effects on hosts (ssh, local, files, HTTP)
//! - [`run`]: one entry point, sessions, the journal
//! - [`report`]: what a run tells people and machines
//! - [`repl`]: a script line by line, at a prompt
//! - [`cli`]: the command line

pub mod cli;
pub mod inventory;
pub mod lookup;
pub mod repl;
pub mod report;
pub mod run;
pub mod script;
pub mod transport;
