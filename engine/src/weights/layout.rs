//! From stored blocks to the layout of [`Part`]: each part of many blocks together.
//!
//! Bits are moved, never computed with, so the change is lossless. It runs in a buffer of bounded size.

use super::{BlockType, Part};
use crate::error::Result;
use crate::ports::ByteSource;

/// Stored bytes that are held while they are taken apart.
const BUFFER_BYTES: usize = 64 << 10;

/// Elements of a group: what one word of bits, or one scale of the older types, stands for.
const GROUP: usize = 32;

/// Most bytes that a block has in a part.
const MAX_PART_BYTES: usize = 128;

/// Takes the bytes of `part` out of one stored block.
///
/// stored: `[block_bytes]`, out: `[block_part_bytes]`. A part that the type does not have leaves `out` as it is.
pub(super) fn part_of_block(block: BlockType, part: Part, stored: &[u8], out: &mut [u8]) {
    use Part::{High, Scales, SuperScales, Values};
    // Where the fields of each block begin: ggml-common.h, `block_q4_0` to `block_q6_K`.
    match (block, part) {
        (BlockType::F32 | BlockType::F16 | BlockType::Bf16, Values) => copy(stored, 0, out),
        (BlockType::Q4_0 | BlockType::Q8_0, Values) => copy(stored, 2, out),
        (BlockType::Q4_1, Values) => copy(stored, 4, out),
        (BlockType::Q5_0, Values) => copy(stored, 6, out),
        (BlockType::Q5_0, High) => copy(stored, 2, out),
        (BlockType::Q5_1, Values) => copy(stored, 8, out),
        (BlockType::Q5_1, High) => copy(stored, 4, out),
        (BlockType::Q2K, Scales) => copy(stored, 0, out),
        (BlockType::Q2K, Values) => neighbours::<2>(out, |g, j| two_bits(stored, 16, g, j)),
        (BlockType::Q2K, SuperScales) => copy(stored, 80, out),
        (BlockType::Q3K, High) => neighbours::<1>(out, |g, j| one_bit(stored, 0, g, j)),
        (BlockType::Q3K, Values) => neighbours::<2>(out, |g, j| two_bits(stored, 32, g, j)),
        (BlockType::Q3K, Scales) => copy(stored, 96, out),
        (BlockType::Q3K, SuperScales) => copy(stored, 108, out),
        (BlockType::Q4K, Values) => halves(out, |g, j| four_bits(stored, 16, g, j)),
        (BlockType::Q5K, High) => neighbours::<1>(out, |g, j| one_bit(stored, 16, g, j)),
        (BlockType::Q5K, Values) => halves(out, |g, j| four_bits(stored, 48, g, j)),
        (BlockType::Q6K, Values) => halves(out, |g, j| {
            // Four groups share 64 bytes: the first two their low halves, the others their high ones.
            byte(stored, g / 4 * 64 + g % 2 * GROUP + j) >> (g % 4 / 2 * 4) & 15
        }),
        (BlockType::Q6K, High) => neighbours::<2>(out, |g, j| two_bits(stored, 128, g, j)),
        (BlockType::Q6K, Scales) => copy(stored, 192, out),
        (BlockType::Q6K, SuperScales) => copy(stored, 208, out),
        (_, Scales) => copy(stored, 0, out),
        (_, High | SuperScales) => {}
    }
}

fn copy(stored: &[u8], start: usize, out: &mut [u8]) {
    if let Some(bytes) = stored.get(start..start + out.len()) {
        out.copy_from_slice(bytes);
    }
}

fn byte(stored: &[u8], place: usize) -> u8 {
    stored.get(place).copied().unwrap_or(0)
}

/// Element `j` of `group`: two groups share 32 bytes.
fn four_bits(stored: &[u8], start: usize, group: usize, j: usize) -> u8 {
    byte(stored, start + group / 2 * GROUP + j) >> (group % 2 * 4) & 15
}

/// Element `j` of `group`: four groups share 32 bytes.
fn two_bits(stored: &[u8], start: usize, group: usize, j: usize) -> u8 {
    byte(stored, start + group / 4 * GROUP + j) >> (group % 4 * 2) & 3
}

/// Element `j` of `group`: all eight groups share 32 bytes.
fn one_bit(stored: &[u8], start: usize, group: usize, j: usize) -> u8 {
    byte(stored, start + j) >> group & 1
}

/// Packs elements of `BITS` bits side by side, the first lowest.
fn neighbours<const BITS: usize>(out: &mut [u8], element: impl Fn(usize, usize) -> u8) {
    for (group, out) in out.chunks_exact_mut(GROUP * BITS / 8).enumerate() {
        for (place, out) in out.iter_mut().enumerate() {
            let first = place * 8 / BITS;
            let bits = (0..8 / BITS).map(|j| element(group, first + j) << (j * BITS));
            *out = bits.fold(0, |all, bits| all | bits);
        }
    }
}

/// Packs elements of 4 bits: element j in the low half of byte j, element j + 16 in its high half.
fn halves(out: &mut [u8], element: impl Fn(usize, usize) -> u8) {
    for (group, out) in out.chunks_exact_mut(GROUP / 2).enumerate() {
        for (j, out) in out.iter_mut().enumerate() {
            *out = element(group, j) | element(group, j + GROUP / 2) << 4;
        }
    }
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
        let len = self.block.block_part_bytes(part);
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
        let mut scratch = [0; MAX_PART_BYTES];
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
            for stored in buffer.chunks_exact(block_bytes) {
                let taken = (len - skip).min(out.len());
                let (head, tail) = out.split_at_mut(taken);
                if taken == len {
                    part_of_block(self.block, part, stored, head);
                } else {
                    let whole = &mut scratch[..len];
                    part_of_block(self.block, part, stored, whole);
                    head.copy_from_slice(&whole[skip..skip + taken]);
                }
                at += taken as u64;
                out = tail;
                skip = 0;
            }
        }
        Ok(())
    }
}
