//! Products of many tokens: a few rows become f32 once, and are met by every token while they are in the fastest cache.
//!
//! Work is cut into pieces of `TOKENS` tokens and `COLS` columns, whose part of `x` is copied together; a panel of `ROWS`
//! rows is decoded at a time; tiles of rows and tokens keep their sums in registers ([`Lanes::TILE`]). A weight is decoded
//! once for every `TOKENS` tokens, and a number of `x` is read from the second cache once for every `ROWS` rows.
//!
//! Rows of quantised weights are in the order in which masks and shifts give their elements ([`integers`]). That of `x` is
//! the same, so the sums do not change.

use std::marker::PhantomData;
use std::ops::Range;

use super::activations::{BLOCK, GROUP, GROUPS};
use super::decode::{
    Format, Padded, Stored, factors, groups_of_tail, has_halves, has_minimum, integers, zero,
};
use super::dense::widen;
use super::lanes::{Aligned, CacheLine, LANES, Lanes};
use super::level::Work;
use super::rows::Rows;
use super::tile::{Met, Target, put};

/// Columns of a panel: whole blocks.
const COLS: usize = 512;

/// Vectors of a row of a panel.
const VECTORS: usize = COLS / LANES;

/// Rows of a panel.
const ROWS: usize = 16;

/// Tokens that a decoded panel meets.
const TOKENS: usize = 192;

/// x: [tokens, x_cols], y: [tokens, out_cols], of which columns `first_row..first_row + rows` are written.
pub(super) struct Panels<'a, F> {
    pub(super) rows: Rows<'a>,
    pub(super) x: &'a [f32],
    pub(super) x_cols: usize,
    pub(super) first_row: usize,
    pub(super) out_cols: usize,
    pub(super) y: &'a mut [f32],
    pub(super) format: PhantomData<F>,
}

impl<F: Format> Work for Panels<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let rows = self.rows;
        let mut panel = vec![CacheLine::ZERO; ROWS * VECTORS / 2];
        let panel: &mut [Aligned] = bytemuck::cast_slice_mut(&mut panel);
        let tokens = TOKENS.min(self.y.len() / self.out_cols);
        let mut packed = vec![CacheLine::ZERO; tokens * VECTORS / 2];
        let packed: &mut [Aligned] = bytemuck::cast_slice_mut(&mut packed);
        let x = self.x.chunks(TOKENS * self.x_cols);
        let y = self.y.chunks_mut(TOKENS * self.out_cols);
        for (x, y) in x.zip(y) {
            for start in (0..rows.cols).step_by(COLS) {
                let end = rows.cols.min(start + COLS);
                let xs = x.chunks_exact(self.x_cols);
                for (x, packed) in xs.zip(packed.chunks_exact_mut(VECTORS)) {
                    pack::<F>(&x[start..end], packed);
                }
                for first in (0..rows.rows).step_by(ROWS) {
                    let count = ROWS.min(rows.rows - first);
                    for (r, out) in panel.chunks_exact_mut(VECTORS).take(count).enumerate() {
                        decode_row::<L, F>(lanes, &rows, first + r, start..end, out);
                    }
                    let met = FloatPanel {
                        panel,
                        panel_stride: VECTORS,
                        packed,
                        packed_stride: VECTORS,
                        vectors: (end - start).next_multiple_of(pack_of::<F>()) / LANES,
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
pub(super) struct FloatPanel<'a> {
    /// Rows of `panel_stride` vectors; rows up to the next whole tile are there.
    pub(super) panel: &'a [Aligned],
    pub(super) panel_stride: usize,
    /// Tokens of `packed_stride` vectors.
    pub(super) packed: &'a [Aligned],
    pub(super) packed_stride: usize,
    /// Vectors of each that are multiplied.
    pub(super) vectors: usize,
    pub(super) target: Target<'a>,
}

impl Work for FloatPanel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        match L::TILE {
            (4, 6) => self.all::<L, 4, 6>(lanes),
            (4, 3) => self.all::<L, 4, 3>(lanes),
            (2, 2) => self.all::<L, 2, 2>(lanes),
            _ => self.all::<L, 1, 2>(lanes),
        }
    }
}

impl Met for FloatPanel<'_> {
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
            *w = &self.panel[(row + r) * self.panel_stride..][..self.vectors];
        }
        let mut x = [&[][..]; T];
        for (t, x) in x.iter_mut().enumerate() {
            *x = &self.packed[(token + t) * self.packed_stride..][..self.vectors];
        }
        let sums = lanes.products(w, x);
        put(lanes, &sums, &mut self.target, row, token);
    }
}

/// Columns whose order is changed together: a pair of groups, or none.
const fn pack_of<F: Format>() -> usize {
    match F::BLOCK.is_dense() {
        true => LANES,
        false => 2 * GROUP,
    }
}

/// A token's numbers in the order of the rows that it meets, and zeros after them.
#[inline(always)]
fn pack<F: Format>(x: &[f32], out: &mut [Aligned]) {
    let numbers: &mut [f32] = bytemuck::cast_slice_mut(out);
    if F::BLOCK.is_dense() {
        numbers[..x.len()].copy_from_slice(x);
        numbers[x.len()..].fill(0.0);
        return;
    }
    numbers.fill(0.0);
    for (x, out) in x.chunks(GROUP).zip(0..) {
        // Groups by turns, a vector of even columns and one of odd columns for each half.
        let first = out / 2 * 2 * GROUP + out % 2 * LANES;
        for (column, x) in x.iter().enumerate() {
            let (half, place) = (column / 16, column % 16);
            numbers[first + (2 * half + place % 2) * 2 * LANES + place / 2] = *x;
        }
    }
}

/// Columns `range` of a row, and zeros up to the next whole pack. out: `[COLS]`
#[inline(always)]
fn decode_row<L: Lanes, F: Format>(
    lanes: L,
    rows: &Rows,
    row: usize,
    range: Range<usize>,
    out: &mut [Aligned],
) {
    let (row, cols) = (rows.row(row), rows.cols);
    if F::BLOCK.is_dense() {
        let bytes = F::BLOCK.block_bytes();
        return widen::<L, F>(
            lanes,
            &row.0[0][range.start * bytes..range.end * bytes],
            out,
        );
    }
    let blocks = out.chunks_exact_mut(BLOCK / LANES);
    for (start, out) in range.step_by(BLOCK).zip(blocks) {
        let index = start / BLOCK;
        if cols - start >= BLOCK {
            decode_block::<L, F>(lanes, &row.block::<F>(index), GROUPS, out);
        } else {
            let mut padded = Padded::new();
            let stored = row.tail::<F>(index, &mut padded);
            decode_block::<L, F>(lanes, &stored, groups_of_tail(cols), out);
        }
    }
}

/// The first `groups` groups of a block. out: `[256]`
#[inline(always)]
fn decode_block<L: Lanes, F: Format>(
    lanes: L,
    stored: &Stored,
    groups: usize,
    out: &mut [Aligned],
) {
    let factors = factors::<L, F>(lanes, stored, groups);
    let (mut d, mut m) = ([[0.0; GROUPS]; 2], [[0.0; GROUPS]; 2]);
    for half in 0..2 {
        lanes.store(factors.d[half], &mut d[half]);
        let minus = lanes.sub(lanes.splat(0.0), factors.m[half]);
        lanes.store(minus, &mut m[half]);
    }
    let zero = lanes.splat_i16(zero(F::BLOCK));
    let pairs = out.as_chunks_mut::<8>().0.iter_mut();
    for (pair, out) in pairs.take(groups.div_ceil(2)).enumerate() {
        let q = integers::<L, F>(lanes, stored, pair);
        for i in 0..4 {
            let half = if has_halves(F::BLOCK) { i / 2 } else { 0 };
            let (first, second) = lanes.widen(lanes.sub_i16(q[i], zero));
            let scaled = |values, group: usize| {
                let d = lanes.splat(d[half][group]);
                match has_minimum(F::BLOCK) {
                    true => lanes.mul_add(values, d, lanes.splat(m[half][group])),
                    false => lanes.mul(values, d),
                }
            };
            lanes.store(scaled(first, 2 * pair), &mut out[2 * i].0);
            lanes.store(scaled(second, 2 * pair + 1), &mut out[2 * i + 1].0);
        }
    }
}
