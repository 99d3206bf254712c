//! From stored blocks to the layout of [`Part`]: the scales of many blocks together, and their quants together.
//!
//! Bytes are moved, never computed, so the change is lossless. It runs in a buffer of bounded size.

use super::{BlockType, Part};
use crate::error::Result;
use crate::ports::ByteSource;

/// Stored bytes that are held while they are taken apart.
const BUFFER_BYTES: usize = 64 << 10;

/// Where the bytes of a part lie in a stored block: `start..start + len`.
pub(super) struct Stripe {
    start: usize,
    pub(super) len: usize,
}

/// The stripe of `part` in blocks of type `block`; empty if the type has no such part.
pub(super) fn stripe(block: BlockType, part: Part) -> Stripe {
    let (start, len) = match (block, part) {
        (BlockType::F32, Part::Values) => (0, 4),
        (BlockType::F16 | BlockType::Bf16, Part::Values) => (0, 2),
        (BlockType::Q8_0, Part::Values) => (2, 32),
        (BlockType::Q4_0, Part::Values) => (2, 16),
        (BlockType::Q8_0 | BlockType::Q4_0, Part::Scales) => (0, 2),
        (BlockType::F32 | BlockType::F16 | BlockType::Bf16, Part::Scales) => (0, 0),
    };
    Stripe { start, len }
}

/// A tensor's blocks as a GGUF file stores them.
pub(super) struct StoredBlocks<'a, S> {
    pub(super) source: &'a S,
    /// Where they begin in the source.
    pub(super) offset: u64,
    pub(super) block: BlockType,
    /// Elements, in whole blocks.
    pub(super) elements: u64,
}

impl<S: ByteSource> StoredBlocks<'_, S> {
    /// Fills `buf` with bytes `offset..` of `part`, which need not begin or end at a block. Past the end there are zeros.
    pub(super) fn read(&self, part: Part, offset: u64, buf: &mut [u8]) -> Result<()> {
        let Stripe { start, len } = stripe(self.block, part);
        let blocks = self.elements / self.block.block_elements() as u64;
        let left = blocks
            .saturating_mul(len as u64)
            .saturating_sub(offset)
            .min(buf.len() as u64);
        let (mut out, padding) = buf.split_at_mut(left as usize);
        padding.fill(0);

        let block_bytes = self.block.block_bytes();
        if len == block_bytes {
            return match out.is_empty() {
                true => Ok(()),
                false => self.source.read_exact_at(self.offset + offset, out),
            };
        }
        let mut buffer = Vec::new();
        let mut at = offset;
        while !out.is_empty() {
            let mut skip = (at % len as u64) as usize;
            let count = (skip + out.len())
                .div_ceil(len)
                .min(BUFFER_BYTES / block_bytes);
            buffer.resize(count * block_bytes, 0);
            let first = at / len as u64 * block_bytes as u64;
            self.source
                .read_exact_at(self.offset + first, &mut buffer)?;
            for block in buffer.chunks_exact(block_bytes) {
                let bytes = &block[start + skip..start + len];
                let (head, tail) = out.split_at_mut(bytes.len().min(out.len()));
                head.copy_from_slice(&bytes[..head.len()]);
                at += head.len() as u64;
                out = tail;
                skip = 0;
            }
        }
        Ok(())
    }
}
