//! What the tests share: a disk without mercy, models to put on it, and random numbers.

// Each test file uses its own part of this.
#![allow(dead_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

pub mod calls;
pub mod checks;
pub mod disk;
pub mod histories;
pub mod models;
pub mod old_journal;
pub mod random;
pub mod run;
pub mod survival;
