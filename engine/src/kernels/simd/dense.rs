//! Weights that are numbers: eight at a time, and one token's product with them.

use std::marker::PhantomData;

use super::decode::{Format, chunk};
use super::lanes::{Aligned, LANES, Lanes};
use super::level::Work;
use super::rows::Rows;
use crate::weights::BlockType;

/// Columns that are in flight at once.
const AT_ONCE: usize = 4 * LANES;

/// Bytes of the widest type.
const MOST_BYTES: usize = 4;

/// Eight numbers, little endian.
#[inline(always)]
pub(super) fn eight<L: Lanes, F: Format>(lanes: L, bytes: &[u8]) -> L::F32 {
    match F::BLOCK {
        BlockType::F16 => lanes.halves(chunk(bytes, 0)),
        BlockType::Bf16 => lanes.bfloats(chunk(bytes, 0)),
        _ => {
            let mut values = [0.0; LANES];
            for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
                *value = f32::from_le_bytes(*bytes);
            }
            lanes.load(&values)
        }
    }
}

/// Numbers as f32, and zeros up to the next whole vector.
#[inline(always)]
pub(super) fn widen<L: Lanes, F: Format>(lanes: L, bytes: &[u8], out: &mut [Aligned]) {
    let size = LANES * F::BLOCK.block_bytes();
    for (bytes, out) in bytes.chunks(size).zip(out) {
        if bytes.len() == size {
            lanes.store(eight::<L, F>(lanes, bytes), &mut out.0);
        } else {
            let mut padded = [0; LANES * MOST_BYTES];
            padded[..bytes.len()].copy_from_slice(bytes);
            lanes.store(eight::<L, F>(lanes, &padded), &mut out.0);
        }
    }
}

/// x: `[cols]`, y: `[rows]`
pub(super) struct DenseLine<'a, F> {
    pub(super) rows: Rows<'a>,
    pub(super) x: &'a [f32],
    pub(super) y: &'a mut [f32],
    pub(super) format: PhantomData<F>,
}

impl<F: Format> Work for DenseLine<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let bytes = F::BLOCK.block_bytes();
        let (x, tail) = self.x[..self.rows.cols].as_chunks::<AT_ONCE>();
        let mut padded_x = [0.0; AT_ONCE];
        padded_x[..tail.len()].copy_from_slice(tail);
        for (r, y) in self.y.iter_mut().enumerate() {
            let row = &self.rows.row(r).0[0][..self.rows.cols * bytes];
            let mut sums = [lanes.splat(0.0); AT_ONCE / LANES];
            let chunks = row.chunks_exact(AT_ONCE * bytes);
            let mut padded = [0; AT_ONCE * MOST_BYTES];
            padded[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
            for (weights, x) in chunks.zip(x) {
                add_chunk::<L, F>(lanes, weights, x, &mut sums);
            }
            if !tail.is_empty() {
                add_chunk::<L, F>(lanes, &padded, &padded_x, &mut sums);
            }
            let [a, b, c, d] = sums;
            *y = lanes.sum(lanes.add(lanes.add(a, b), lanes.add(c, d)));
        }
    }
}

#[inline(always)]
fn add_chunk<L: Lanes, F: Format>(
    lanes: L,
    weights: &[u8],
    x: &[f32; AT_ONCE],
    sums: &mut [L::F32; AT_ONCE / LANES],
) {
    let bytes = LANES * F::BLOCK.block_bytes();
    for (i, x) in x.as_chunks().0.iter().enumerate() {
        let weights = eight::<L, F>(lanes, &weights[i * bytes..][..bytes]);
        sums[i] = lanes.mul_add(weights, lanes.load(x), sums[i]);
    }
}
