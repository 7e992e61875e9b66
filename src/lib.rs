//! HOW and WHEN: the machine that carries out what `stdlib` says can be done.

pub mod inventory;
