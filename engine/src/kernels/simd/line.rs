//! One token's product with quantised weights: every byte of them is read once, and met by 16-bit integers.
//!
//! A group adds `d · s · Σ q x - m · s Σ x`, with the token's integers `x` and their scale `s`. The sums with `q` are integers:
//! eight products of at most 128 · 32767 meet in a lane, 2²⁵ (Q8_0; the other types have |q| below 64), far from 2³¹. Each is
//! rounded once, to f32.

use std::marker::PhantomData;

use super::activations::{BLOCK, Block, GROUPS};
use super::decode::{
    Format, Padded, Row, Stored, factors, groups_of_tail, has_halves, has_minimum, integers, zero,
};
use super::lanes::Lanes;
use super::level::Work;
use super::rows::Rows;

/// x: integers of `[cols]`, y: `[rows]`
pub(super) struct Line<'a, F> {
    pub(super) rows: Rows<'a>,
    pub(super) x: &'a [Block],
    pub(super) y: &'a mut [f32],
    pub(super) format: PhantomData<F>,
}

impl<F: Format> Work for Line<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        match L::LINE_ROWS {
            1 => self.by::<L, 1>(lanes),
            _ => self.by::<L, 2>(lanes),
        }
    }
}

impl<F: Format> Line<'_, F> {
    /// Everything, `R` rows at a time; the last ones alone.
    #[inline(always)]
    fn by<L: Lanes, const R: usize>(self, lanes: L) {
        let mut padded = Padded::new();
        let (several, rest) = self.y.as_chunks_mut::<R>();
        for (i, y) in several.iter_mut().enumerate() {
            let mut rows = [self.rows.row(R * i); R];
            for (r, row) in rows.iter_mut().enumerate() {
                *row = self.rows.row(R * i + r);
            }
            *y = rows_of_line::<L, F, R>(lanes, rows, self.x, self.rows.cols, &mut padded);
        }
        for (r, y) in rest.iter_mut().enumerate() {
            let row = self.rows.row(several.len() * R + r);
            [*y] = rows_of_line::<L, F, 1>(lanes, [row], self.x, self.rows.cols, &mut padded);
        }
    }
}

/// What a row has been found to be so far.
struct Sums<L: Lanes> {
    /// `Σ d s Σ q x`
    products: L::F32,
    /// `Σ m s Σ x`, or with `d` for `m` where the type has a zero instead of minima.
    taken: L::F32,
}

#[inline(always)]
fn rows_of_line<L: Lanes, F: Format, const R: usize>(
    lanes: L,
    rows: [Row; R],
    x: &[Block],
    cols: usize,
    padded: &mut Padded,
) -> [f32; R] {
    let mut sums = [const { None }; R].map(|_: Option<()>| Sums::<L> {
        products: lanes.splat(0.0),
        taken: lanes.splat(0.0),
    });
    let whole = cols / BLOCK;
    for (index, x) in x.iter().take(whole).enumerate() {
        for r in 0..R {
            rows[r].prefetch::<L, F>(lanes, index);
            add_block::<L, F>(lanes, &rows[r].block::<F>(index), x, GROUPS, &mut sums[r]);
        }
    }
    if let Some(x) = x.get(whole) {
        let groups = groups_of_tail(cols);
        for r in 0..R {
            let stored = rows[r].tail::<F>(whole, padded);
            add_block::<L, F>(lanes, &stored, x, groups, &mut sums[r]);
        }
    }
    let mut y = [0.0; R];
    for (y, sums) in y.iter_mut().zip(&sums) {
        let factor = match zero(F::BLOCK) {
            0 => -1.0,
            zero => -f32::from(zero),
        };
        *y = lanes.sum(lanes.mul_add(sums.taken, lanes.splat(factor), sums.products));
    }
    y
}

/// Adds the first `groups` groups of a block.
#[inline(always)]
fn add_block<L: Lanes, F: Format>(
    lanes: L,
    stored: &Stored,
    x: &Block,
    groups: usize,
    sums: &mut Sums<L>,
) {
    let factors = factors::<L, F>(lanes, stored, groups);
    let scales = lanes.load(&x.scales);
    let mut spread = [[0.0; 8]; 2];
    lanes.store(lanes.mul(factors.d[0], scales), &mut spread[0]);
    if has_halves(F::BLOCK) {
        lanes.store(lanes.mul(factors.d[1], scales), &mut spread[1]);
    }
    if has_minimum(F::BLOCK) || zero(F::BLOCK) != 0 {
        let taken = match has_minimum(F::BLOCK) {
            true => factors.m,
            false => factors.d,
        };
        let [first, second] = [lanes.load(&x.sums[0]), lanes.load(&x.sums[1])];
        sums.taken = match has_halves(F::BLOCK) {
            true => lanes.mul_add(taken[1], second, lanes.mul_add(taken[0], first, sums.taken)),
            false => lanes.mul_add(taken[0], lanes.add(first, second), sums.taken),
        };
    }
    for (pair, x) in x
        .values
        .as_chunks::<4>()
        .0
        .iter()
        .take(groups.div_ceil(2))
        .enumerate()
    {
        let q = integers::<L, F>(lanes, stored, pair);
        let first = lanes.add_i32(
            lanes.dot(q[0], lanes.load_i16(&x[0])),
            lanes.dot(q[1], lanes.load_i16(&x[1])),
        );
        let second = lanes.add_i32(
            lanes.dot(q[2], lanes.load_i16(&x[2])),
            lanes.dot(q[3], lanes.load_i16(&x[3])),
        );
        let factor = lanes.spread(&spread[0], pair);
        sums.products = match has_halves(F::BLOCK) {
            true => {
                let other = lanes.spread(&spread[1], pair);
                let products = lanes.mul_add(lanes.to_f32(first), factor, sums.products);
                lanes.mul_add(lanes.to_f32(second), other, products)
            }
            false => {
                let both = lanes.to_f32(lanes.add_i32(first, second));
                lanes.mul_add(both, factor, sums.products)
            }
        };
    }
}
