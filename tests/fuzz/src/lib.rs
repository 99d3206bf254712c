//! What the fuzz targets share: bounded memory, sources of bytes, and what must hold for every source and every error.

pub mod config;
mod memory;
mod picks;
mod sources;
pub mod vault_ports;
mod weights_laws;

use std::fmt::Display;

// Where `config` looks for them.
use outpost_engine::{error, weights};

pub use memory::{live_bytes, within};
pub use picks::Picks;
pub use sources::{Bytes, Padded};
pub use weights_laws::{check_same, check_source};

/// Longest message that is still one: a few names of the greatest length, and what is wrong with them.
const MAX_MESSAGE_BYTES: usize = 2_048;

/// What holds for every error: it says what happened and what to do, briefly and in printable characters, so that no
/// file speaks to a terminal through it.
pub fn check_error(error: &impl Display) {
    let text = error.to_string();
    let (what, remedy) = text.split_once("; ").unwrap_or_default();
    assert!(!what.is_empty() && !remedy.is_empty(), "{text:?}");
    assert!(text.len() <= MAX_MESSAGE_BYTES, "{} bytes", text.len());
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

/// The value; an error is checked and dropped, and must leave nothing behind of what `work` took.
pub fn opened<T, E: Display>(limit: u64, work: impl FnOnce() -> Result<T, E>) -> Option<T> {
    let before = live_bytes();
    match within(limit, work) {
        Ok(value) => Some(value),
        Err(error) => {
            check_error(&error);
            drop(error);
            assert_eq!(live_bytes(), before, "a failure keeps memory");
            None
        }
    }
}
