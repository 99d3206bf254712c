//! SHA-256 of shards.

use sha2::{Digest, Sha256};

use super::manifest::Shard;
use crate::error::{Error, Result};

/// SHA-256 of bytes that arrive in pieces.
#[derive(Debug, Clone, Default)]
pub struct Sha256Stream {
    state: Sha256,
}

impl Sha256Stream {
    /// Nothing hashed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
    }

    /// The hash of all bytes.
    pub fn finish(self) -> [u8; 32] {
        self.state.finalize().into()
    }
}

/// Checks that `pieces`, one after the other, are the bytes that the manifest promises.
///
/// # Errors
/// [`Error::Truncated`] for too few bytes, [`Error::Malformed`] for too many or for others, and the first error among
/// the pieces.
pub fn verify_shard<B: AsRef<[u8]>>(
    shard: &Shard,
    pieces: impl IntoIterator<Item = Result<B>>,
) -> Result<()> {
    let mut hash = Sha256Stream::new();
    let mut bytes = 0u64;
    for piece in pieces {
        let piece = piece?;
        bytes = bytes.saturating_add(piece.as_ref().len() as u64);
        hash.update(piece.as_ref());
    }
    shard.check_bytes(bytes)?;
    let found = to_hex(&hash.finish());
    match found == shard.sha256 {
        true => Ok(()),
        false => Err(Error::Malformed {
            format: "shard",
            detail: format!(
                "`{}` has the SHA-256 {found} where {} belongs",
                shard.name, shard.sha256
            ),
        }),
    }
}

/// Lower-case hexadecimal digits.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
