//! What a schema or grammar may ask of memory and time, so that a hostile one is refused and nothing runs away.

use crate::error::{Error, Result};

/// Most bytes of a schema or grammar.
pub const MAX_SOURCE_BYTES: usize = 512 * 1024;

/// Most nodes of a compiled one.
pub const MAX_NODES: usize = 50_000;

/// Most members of an object, and most values of an `enum`: each may be one way of going on.
pub const MAX_WAYS: u64 = 2_000;

/// How deep the schema's own parts may lie within each other.
pub const MAX_SOURCE_DEPTH: usize = 64;

/// How deep an answer may nest. serde_json and most other readers end at 128.
pub const MAX_DEPTH: u32 = 100;

/// Most states of one pattern's nondeterministic automaton.
pub const MAX_PATTERN_PARTS: usize = 20_000;

/// Most states of one pattern's deterministic automaton.
pub const MAX_PATTERN_STATES: usize = 4_000;

/// Most parts that are looked at to make one deterministic: less than a second.
pub const MAX_PATTERN_STEPS: u64 = 2_000_000;

/// Most states of all patterns together.
pub const MAX_ALL_PATTERN_STATES: usize = 20_000;

/// Largest number that a repetition, a length or a count of items may have.
pub const MAX_COUNT: u64 = 1_000_000;

/// Most ways of reading an answer that are followed at once.
pub const MAX_STACKS: usize = 4_000;

/// Steps that are taken to find what may follow one byte.
pub const MAX_STEPS: usize = 100_000;

/// States from which on what was worked out of earlier ones is forgotten, 1 KiB each.
pub const KEPT_STATES: usize = 6_000;

/// States that one token's mask may need beside them.
pub const MAX_STATES: usize = 30_000;

/// Fails if `value` is above `limit`.
pub fn within(what: &str, value: u64, limit: u64) -> Result<()> {
    if value <= limit {
        return Ok(());
    }
    Err(Error::LimitExceeded {
        what: what.to_owned(),
        value,
        limit,
    })
}
