//! Bytes that the engine reads. It must never ask for any that are not there: it knows the length.

use outpost_engine::error::Result;
use outpost_engine::ports::ByteSource;

/// An input as it is.
#[derive(Debug, Clone, Copy)]
pub struct Bytes<'a>(pub &'a [u8]);

/// An input followed by zeros, up to any length.
#[derive(Debug, Clone, Copy)]
pub struct Padded<'a> {
    /// What it begins with.
    pub bytes: &'a [u8],
    /// Its length.
    pub len: u64,
}

impl ByteSource for Bytes<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let start = usize::try_from(offset).expect("an offset in the file");
        let end = start.checked_add(buf.len()).expect("an end in the file");
        buf.copy_from_slice(&self.0[start..end]);
        Ok(())
    }

    fn label(&self) -> &str {
        "input"
    }
}

impl ByteSource for Padded<'_> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let end = offset.checked_add(buf.len() as u64);
        assert!(
            end.is_some_and(|end| end <= self.len),
            "a read past the end"
        );
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let there = self.bytes.get(from..).unwrap_or_default();
        let count = there.len().min(buf.len());
        buf[..count].copy_from_slice(&there[..count]);
        buf[count..].fill(0);
        Ok(())
    }

    fn label(&self) -> &str {
        "input"
    }
}
