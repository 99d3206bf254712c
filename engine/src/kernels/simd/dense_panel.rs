//! Products of many tokens with weights that are numbers: a few rows become f32 once, and are met by every token while they
//! are in the fastest cache.
//!
//! Work is cut into pieces of `TOKENS` tokens and `COLS` columns, whose part of `x` is copied together; a panel of `ROWS`
//! rows is decoded at a time; tiles of rows and tokens keep their sums in registers ([`Lanes::TILE`]). A weight is decoded
//! once for every `TOKENS` tokens, and a number of `x` is read from the second cache once for every `ROWS` rows.

use std::marker::PhantomData;

use super::decode::Format;
use super::dense::widen;
use super::lanes::{Aligned, LANES, Lanes};
use super::level::Work;
use super::rows::Rows;
use super::tile::{Target, put};

/// Columns of a panel: whole vectors.
const COLS: usize = 512;

/// Vectors of a row of a panel.
const VECTORS: usize = COLS / LANES;

/// Rows of a panel.
const ROWS: usize = 16;

/// Tokens that a decoded panel meets.
const TOKENS: usize = 192;

/// x: [tokens, x_cols], y: [tokens, out_cols], of which columns `first_row..first_row + rows` are written.
pub(super) struct DensePanels<'a, F> {
    pub(super) rows: Rows<'a>,
    pub(super) x: &'a [f32],
    pub(super) x_cols: usize,
    pub(super) first_row: usize,
    pub(super) out_cols: usize,
    pub(super) y: &'a mut [f32],
    pub(super) format: PhantomData<F>,
}

impl<F: Format> Work for DensePanels<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let (rows, bytes) = (self.rows, F::BLOCK.block_bytes());
        let mut panel = vec![Aligned::ZERO; ROWS * VECTORS];
        let tokens = TOKENS.min(self.y.len() / self.out_cols);
        let mut packed = vec![Aligned::ZERO; tokens * VECTORS];
        let x = self.x.chunks(TOKENS * self.x_cols);
        let y = self.y.chunks_mut(TOKENS * self.out_cols);
        for (x, y) in x.zip(y) {
            for start in (0..rows.cols).step_by(COLS) {
                let end = rows.cols.min(start + COLS);
                let xs = x.chunks_exact(self.x_cols);
                for (x, packed) in xs.zip(packed.chunks_exact_mut(VECTORS)) {
                    let packed = bytemuck::cast_slice_mut(packed);
                    packed[..end - start].copy_from_slice(&x[start..end]);
                    packed[end - start..].fill(0.0);
                }
                for first in (0..rows.rows).step_by(ROWS) {
                    let count = ROWS.min(rows.rows - first);
                    for (r, out) in panel.chunks_exact_mut(VECTORS).take(count).enumerate() {
                        let values = &rows.row(first + r).0[0][start * bytes..end * bytes];
                        widen::<L, F>(lanes, values, out);
                    }
                    let mut met = Met {
                        panel: &panel,
                        panel_stride: VECTORS,
                        packed: &packed,
                        packed_stride: VECTORS,
                        vectors: (end - start).div_ceil(LANES),
                        target: Target {
                            y: &mut *y,
                            out_cols: self.out_cols,
                            first: self.first_row + first,
                            rows: count,
                            add: start > 0,
                        },
                    };
                    match L::TILE {
                        (4, 3) => met.all::<L, 4, 3>(lanes),
                        (4, 2) => met.all::<L, 4, 2>(lanes),
                        _ => met.all::<L, 2, 2>(lanes),
                    }
                }
            }
        }
    }
}

/// A panel and the tokens that meet it.
pub(super) struct Met<'a> {
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

impl Met<'_> {
    #[inline(always)]
    pub(super) fn all<L: Lanes, const R: usize, const T: usize>(&mut self, lanes: L) {
        let (tokens, rows) = (self.target.tokens(), self.target.rows);
        let whole = tokens - tokens % T;
        for token in (0..whole).step_by(T) {
            for row in (0..rows).step_by(R) {
                self.tile::<L, R, T>(lanes, row, token);
            }
        }
        for token in whole..tokens {
            for row in (0..rows).step_by(R) {
                self.tile::<L, R, 1>(lanes, row, token);
            }
        }
    }

    /// Rows `row..row + R` and tokens `token..token + T`.
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
        let mut sums = [[lanes.splat(0.0); T]; R];
        for i in 0..self.vectors {
            let mut values = [lanes.splat(0.0); T];
            for t in 0..T {
                values[t] = lanes.load(&x[t][i].0);
            }
            for r in 0..R {
                let weights = lanes.load(&w[r][i].0);
                for t in 0..T {
                    sums[r][t] = lanes.mul_add(weights, values[t], sums[r][t]);
                }
            }
        }
        put(lanes, &sums, &mut self.target, row, token);
    }
}
