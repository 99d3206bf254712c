//! Products of many tokens with quantised weights in integers, where that is faster than in f32 ([`super::panel`]): without
//! fused products, which WebAssembly does not have.
//!
//! A few rows become 16-bit integers once, and are met by every token while they are in the fastest cache. Work is cut into
//! pieces of `TOKENS` tokens and `BLOCKS` blocks of columns; a panel of `ROWS` rows is decoded at a time;
//! tiles of rows and tokens keep their sums in registers ([`Lanes::INTEGER_TILE`]). A weight is decoded once for every
//! `TOKENS` tokens.
//!
//! Integers are multiplied and added as in [`super::line`], but [`zero`] is taken away from the weights beforehand, and
//! where halves of groups have scales of their own, which are integers too, the weights are multiplied with those. Eight
//! products meet in a lane, none above 32 · 128 · 32767 (Q6_K; the others stay below 128 · 32767): 2³⁰ in all, so nothing
//! overflows.

use std::marker::PhantomData;

use super::activations::{BLOCK, Block, GROUPS};
use super::decode::{
    Format, Padded, Stored, factors, groups_of_tail, half_scales, has_halves, has_minimum,
    integers, super_factor, zero,
};
use super::lanes::{LANES, Lanes};
use super::level::Work;
use super::rows::Rows;
use super::tile::{Met, Target, put};

/// Blocks of a row of a panel.
const BLOCKS: usize = 4;

/// Rows of a panel.
const ROWS: usize = 8;

/// Tokens that a decoded panel meets.
const TOKENS: usize = 256;

/// x: [tokens, cols / 256, rounded up], y: [tokens, out_cols], of which columns `first_row..first_row + rows` are written.
pub(super) struct IntegerPanels<'a, F> {
    pub(super) rows: Rows<'a>,
    pub(super) x: &'a [Block],
    pub(super) first_row: usize,
    pub(super) out_cols: usize,
    pub(super) y: &'a mut [f32],
    pub(super) format: PhantomData<F>,
}

/// 256 elements of a row as integers and factors.
#[derive(Clone)]
#[repr(C, align(64))]
struct Decoded {
    /// In the order of [`Block::values`].
    q: [[i16; 2 * LANES]; BLOCK / 2 / LANES],
    /// Of each pair of groups: the factors of both in the lanes that their products are in.
    d: [[f32; LANES]; 4],
    /// Minima of the first halves and of the second ones.
    m: [[f32; LANES]; 2],
}

impl<F: Format> Work for IntegerPanels<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let rows = self.rows;
        let stride = rows.cols.div_ceil(BLOCK);
        let nothing = Decoded {
            q: [[0; 2 * LANES]; BLOCK / 2 / LANES],
            d: [[0.0; LANES]; 4],
            m: [[0.0; LANES]; 2],
        };
        let mut panel = vec![nothing; ROWS * BLOCKS];
        let x = self.x.chunks(TOKENS * stride);
        let y = self.y.chunks_mut(TOKENS * self.out_cols);
        for (x, y) in x.zip(y) {
            for start in (0..stride).step_by(BLOCKS) {
                let blocks = BLOCKS.min(stride - start);
                for first in (0..rows.rows).step_by(ROWS) {
                    let count = ROWS.min(rows.rows - first);
                    for (r, out) in panel.chunks_exact_mut(BLOCKS).take(count).enumerate() {
                        decode_row::<L, F>(lanes, &rows, first + r, start, &mut out[..blocks]);
                    }
                    let met = IntegerPanel {
                        panel: &panel,
                        x,
                        stride,
                        start,
                        blocks,
                        has_minimum: has_minimum(F::BLOCK),
                        target: Target {
                            y: &mut *y,
                            out_cols: self.out_cols,
                            first: self.first_row + first,
                            rows: count,
                            add: start > 0,
                        },
                    };
                    lanes.call(met);
                }
            }
        }
    }
}

/// A panel and the tokens that meet it.
struct IntegerPanel<'a> {
    /// [ROWS, BLOCKS]
    panel: &'a [Decoded],
    /// [tokens, stride]
    x: &'a [Block],
    stride: usize,
    /// The first block of a token that is in use.
    start: usize,
    /// Blocks that are in use.
    blocks: usize,
    /// Whether there are minima other than zeros.
    has_minimum: bool,
    target: Target<'a>,
}

impl Work for IntegerPanel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        match L::INTEGER_TILE {
            (4, 2) => self.all::<L, 4, 2>(lanes),
            (2, 2) => self.all::<L, 2, 2>(lanes),
            _ => self.all::<L, 1, 2>(lanes),
        }
    }
}

impl Met for IntegerPanel<'_> {
    fn target(&self) -> &Target<'_> {
        &self.target
    }

    #[inline(always)]
    fn tile<L: Lanes, const R: usize, const T: usize>(
        &mut self,
        lanes: L,
        row: usize,
        token: usize,
    ) {
        let mut w = [&[][..]; R];
        for (r, w) in w.iter_mut().enumerate() {
            *w = &self.panel[(row + r) * BLOCKS..][..self.blocks];
        }
        let mut x = [&[][..]; T];
        for (t, x) in x.iter_mut().enumerate() {
            *x = &self.x[(token + t) * self.stride + self.start..][..self.blocks];
        }
        let mut sums = [[lanes.splat(0.0); T]; R];
        for block in 0..self.blocks {
            for pair in 0..4 {
                for t in 0..T {
                    let x = &x[t][block];
                    let values = &x.values.as_chunks::<4>().0[pair];
                    let mut loaded = [lanes.splat_i16(0); 4];
                    for (loaded, values) in loaded.iter_mut().zip(values) {
                        *loaded = lanes.load_i16(values);
                    }
                    let scale = lanes.spread(&x.scales, pair);
                    for r in 0..R {
                        sums[r][t] =
                            add_pair::<L>(lanes, &w[r][block], pair, loaded, scale, sums[r][t]);
                    }
                }
            }
            if self.has_minimum {
                for t in 0..T {
                    for half in 0..2 {
                        let of_x = lanes.load(&x[t][block].sums[half]);
                        for r in 0..R {
                            let minimum = lanes.load(&w[r][block].m[half]);
                            sums[r][t] = lanes.mul_add(minimum, of_x, sums[r][t]);
                        }
                    }
                }
            }
        }
        put(lanes, &sums, &mut self.target, row, token);
    }
}

/// Adds what a pair of groups gives.
#[inline(always)]
fn add_pair<L: Lanes>(
    lanes: L,
    w: &Decoded,
    pair: usize,
    x: [L::I16; 4],
    scale: L::F32,
    sum: L::F32,
) -> L::F32 {
    let q = &w.q.as_chunks::<4>().0[pair];
    let first = lanes.add_i32(
        lanes.dot(x[0], lanes.load_i16(&q[0])),
        lanes.dot(x[1], lanes.load_i16(&q[1])),
    );
    let second = lanes.add_i32(
        lanes.dot(x[2], lanes.load_i16(&q[2])),
        lanes.dot(x[3], lanes.load_i16(&q[3])),
    );
    let factor = lanes.mul(scale, lanes.load(&w.d[pair]));
    lanes.mul_add(lanes.to_f32(lanes.add_i32(first, second)), factor, sum)
}

/// Blocks `start..` of a row.
#[inline(always)]
fn decode_row<L: Lanes, F: Format>(
    lanes: L,
    rows: &Rows,
    row: usize,
    start: usize,
    out: &mut [Decoded],
) {
    let row = rows.row(row);
    for (index, out) in (start..).zip(out) {
        if index < rows.cols / BLOCK {
            decode::<L, F>(lanes, &row.block::<F>(index), GROUPS, out);
        } else {
            let mut padded = Padded::new();
            let stored = row.tail::<F>(index, &mut padded);
            decode::<L, F>(lanes, &stored, groups_of_tail(rows.cols), out);
        }
    }
}

/// The first `groups` groups of a block; the others keep integers and have zeros as factors.
#[inline(always)]
fn decode<L: Lanes, F: Format>(lanes: L, stored: &Stored, groups: usize, out: &mut Decoded) {
    let factors = factors::<L, F>(lanes, stored, groups);
    let mut d = [0.0; LANES];
    let scales = half_scales::<F>(stored, false);
    if has_halves(F::BLOCK) {
        d[..groups].fill(super_factor::<L, F>(lanes, stored));
    } else {
        lanes.store(factors.d[0], &mut d);
    }
    for (half, m) in out.m.iter_mut().enumerate() {
        lanes.store(lanes.sub(lanes.splat(0.0), factors.m[half]), m);
    }
    for (pair, out) in out.d.iter_mut().enumerate() {
        lanes.store(lanes.spread(&d, pair), out);
    }
    let zero = lanes.splat_i16(zero(F::BLOCK));
    let pairs = out.q.as_chunks_mut::<4>().0.iter_mut();
    for (pair, out) in pairs.take(groups.div_ceil(2)).enumerate() {
        let q = integers::<L, F>(lanes, stored, pair);
        for (i, out) in out.iter_mut().enumerate() {
            let mut q = lanes.sub_i16(q[i], zero);
            if has_halves(F::BLOCK) {
                let (first, second) = (scales[i / 2][2 * pair], scales[i / 2][2 * pair + 1]);
                let mut of_lanes = [i16::from(first); 2 * LANES];
                of_lanes[LANES..].fill(i16::from(second));
                q = lanes.mul_i16(q, lanes.load_i16(&of_lanes));
            }
            lanes.store_i16(q, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::activations::Activations;
    use super::super::decode::{Q2K, Q4_0, Q5_1, Q6K, Q8_0};
    use super::super::level::Level;
    use super::*;
    use crate::kernels::cpu;
    use crate::kernels::params::{LinearParams, Planes};
    use crate::weights::{BlockType, Part};

    /// Bytes of which every half is a small number.
    fn weights(block: BlockType, rows: usize, cols: usize) -> (Vec<u8>, Planes) {
        let mut bytes = Vec::new();
        let [_, high, scales, super_scales] = Part::ALL.map(|part| {
            bytes.resize(bytes.len().next_multiple_of(16), 0);
            let start = bytes.len() / 16;
            let count = block.part_bytes(part, (rows * cols) as u64) as usize;
            let halves =
                part == Part::SuperScales || part == Part::Scales && block.block_elements() == 32;
            bytes.extend((0..count).map(|i| match halves {
                true => (i * 7 % 250) as u8 & [255, 0b1010_0111][i % 2],
                false => (i * i * 31 + i * 113 + i / 256) as u8,
            }));
            start
        });
        let planes = Planes {
            high,
            scales,
            super_scales,
        };
        (bytes, planes)
    }

    fn matches<F: Format>(tokens: usize, rows: usize, cols: usize) {
        let (bytes, planes) = weights(F::BLOCK, rows, cols);
        let number = |i: usize| ((i * 7919) % 1000) as f32 / 500.0 - 1.0;
        let x: Vec<f32> = (0..tokens * cols).map(number).collect();
        let p = LinearParams {
            block: F::BLOCK,
            planes,
            tokens,
            rows,
            cols,
            first_row: 2,
            out_cols: rows + 3,
        };
        let mut expected = vec![7.0; tokens * p.out_cols];
        cpu::linear::linear(&x, &bytes, &mut expected, &p);
        let largest = expected.iter().fold(0.0f32, |most, y| most.max(y.abs()));
        for level in Level::available() {
            let mut y = vec![7.0; tokens * p.out_cols];
            level.run(IntegerPanels::<F> {
                rows: Rows::new(&bytes, F::BLOCK, planes, rows, cols),
                x: &Activations::with_level(level, &x, tokens, cols).blocks(),
                first_row: 2,
                out_cols: p.out_cols,
                y: &mut y,
                format: PhantomData,
            });
            for (found, expected) in y.iter().zip(&expected) {
                let off = (found - expected).abs();
                let name = F::BLOCK.name();
                assert!(
                    off <= 1e-4 * largest,
                    "{name} {level:?}: {found}, plainly {expected}"
                );
            }
        }
    }

    #[test]
    fn integers_give_what_the_plain_kernel_gives() {
        for (tokens, rows) in [(1, 1), (2, 9), (5, 17), (300, 3)] {
            matches::<Q4_0>(tokens, rows, 352);
            matches::<Q5_1>(tokens, rows, 32);
            matches::<Q8_0>(tokens, rows, 1312);
            matches::<Q2K>(tokens, rows, 256);
            matches::<Q6K>(tokens, rows, 1280);
        }
    }
}
