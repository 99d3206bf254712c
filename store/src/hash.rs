//! SHA-256: its text, and of a file in pieces between which a person can stop; with the checksums of the same bytes.

use std::fmt;
use std::str::FromStr;

use outpost_engine::weights::shards::Sha256Stream;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::disk::{DiskError, DiskFile};
use crate::error::{At, Error, Result};
use crate::sums::{SumStream, Sums};

/// Long work asks whether to go on after so many bytes.
pub const PIECE_BYTES: u64 = 1 << 20;

/// A SHA-256; as text 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sha256(pub [u8; 32]);

/// Long work was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// Sees long work pass and may stop it.
#[expect(
    async_fn_in_trait,
    reason = "wasm32 has one thread, and nobody asks for Send"
)]
pub trait Watch {
    /// `done_bytes` of `total_bytes` are through. Whoever waits here lets others have the thread.
    ///
    /// # Errors
    /// [`Stopped`] ends the work with [`Error::Stopped`].
    async fn piece(&mut self, done_bytes: u64, total_bytes: u64) -> Result<(), Stopped>;
}

/// Nobody watches.
impl Watch for () {
    async fn piece(&mut self, _done_bytes: u64, _total_bytes: u64) -> Result<(), Stopped> {
        Ok(())
    }
}

impl From<Stopped> for Error {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

/// SHA-256 and checksums of bytes that arrive in pieces.
#[derive(Debug, Clone)]
pub(crate) struct HashStream {
    sha256: Sha256Stream,
    sums: SumStream,
}

impl HashStream {
    /// Nothing has arrived.
    pub(crate) fn new() -> Self {
        Self {
            sha256: Sha256Stream::new(),
            sums: SumStream::new(),
        }
    }

    /// The next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.sums.update(bytes);
    }

    /// Those of all bytes.
    pub(crate) fn finish(self) -> (Sha256, Sums) {
        (Sha256(self.sha256.finish()), self.sums.finish())
    }
}

/// Work of several files, as one to whoever watches.
pub(crate) struct Course<'w, W> {
    pub(crate) watch: &'w mut W,
    pub(crate) done_bytes: u64,
    pub(crate) total_bytes: u64,
}

impl<W: Watch> Course<'_, W> {
    /// Hashes and sums the first `bytes` of a file.
    pub(crate) async fn hash(
        &mut self,
        file: &impl DiskFile,
        path: &str,
        bytes: u64,
    ) -> Result<HashStream> {
        let mut hash = HashStream::new();
        // Bounded by PIECE_BYTES, so it fits.
        let mut buffer = vec![0; bytes.min(PIECE_BYTES) as usize];
        let mut offset = 0;
        while offset < bytes {
            let count = (bytes - offset).min(PIECE_BYTES);
            let piece = buffer.get_mut(..count as usize).unwrap_or_default();
            file.read_exact_at(offset, piece).at(path)?;
            hash.update(piece);
            offset += count;
            self.advance(count).await?;
        }
        Ok(hash)
    }

    /// Passes bytes that need no work.
    pub(crate) async fn advance(&mut self, bytes: u64) -> Result<(), Stopped> {
        self.done_bytes += bytes;
        self.watch.piece(self.done_bytes, self.total_bytes).await
    }
}

/// A whole small file, `None` if there is none or it is longer than `limit`.
pub(crate) fn read_whole(file: &impl DiskFile, limit: u64) -> Result<Option<Vec<u8>>, DiskError> {
    let bytes = file.bytes()?;
    if bytes > limit {
        return Ok(None);
    }
    let mut whole = vec![0; usize::try_from(bytes).unwrap_or_default()];
    file.read_exact_at(0, &mut whole)?;
    Ok(Some(whole))
}

impl Sha256 {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hash = Sha256Stream::new();
        hash.update(bytes);
        Self(hash.finish())
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sha256 {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::Request {
            problem: format!("`{}` is no SHA-256", text.escape_debug()),
            remedy: "give 64 hexadecimal digits",
        };
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            let digits = text.get(index * 2..index * 2 + 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_hash_and_its_text_are_the_same() {
        // FIPS 180-4, the example of one block.
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Sha256::of(b"abc").to_string(), text);
        assert_eq!(text.parse::<Sha256>().unwrap(), Sha256::of(b"abc"));
        for wrong in ["", "ab", &"g".repeat(64), &"ä".repeat(32)] {
            assert!(wrong.parse::<Sha256>().is_err(), "{wrong}");
        }
    }
}
