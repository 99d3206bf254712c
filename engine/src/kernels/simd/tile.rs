//! A panel of rows and the tokens that meet it, tile by tile, and where the sums of a tile go.

use super::lanes::Lanes;

/// Columns of `y` that belong to a panel of rows.
pub(super) struct Target<'a> {
    /// [tokens, out_cols]
    pub(super) y: &'a mut [f32],
    pub(super) out_cols: usize,
    /// Column of the panel's first row.
    pub(super) first: usize,
    /// Rows of the panel.
    pub(super) rows: usize,
    /// Whether there are sums in `y` to add to.
    pub(super) add: bool,
}

impl Target<'_> {
    pub(super) fn tokens(&self) -> usize {
        self.y.len() / self.out_cols
    }
}

/// A panel and the tokens that meet it.
pub(super) trait Met {
    /// Where their sums go.
    fn target(&self) -> &Target<'_>;

    /// Rows `row..row + R` and tokens `token..token + T`.
    fn tile<L: Lanes, const R: usize, const T: usize>(
        &mut self,
        lanes: L,
        row: usize,
        token: usize,
    );

    /// Everything, in tiles of `R` rows and `T` tokens; the last tokens alone.
    #[inline(always)]
    fn all<L: Lanes, const R: usize, const T: usize>(&mut self, lanes: L) {
        let (tokens, rows) = (self.target().tokens(), self.target().rows);
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
}

/// Adds up the vectors of rows `row..row + R`, of which those past the end are left out, and tokens `token..token + T`.
///
/// Sums are reached by constant indices: through iterators, compilers move them from registers to memory.
#[inline(always)]
#[allow(clippy::needless_range_loop)]
pub(super) fn put<L: Lanes, const R: usize, const T: usize>(
    lanes: L,
    sums: &[[L::F32; T]; R],
    target: &mut Target,
    row: usize,
    token: usize,
) {
    let count = R.min(target.rows - row);
    for t in 0..T {
        let mut of_rows = [0.0; R];
        if R == 4 {
            let four = [sums[0][t], sums[1 % R][t], sums[2 % R][t], sums[3 % R][t]];
            of_rows.copy_from_slice(&lanes.sums(four)[..R]);
        } else {
            for r in 0..R {
                of_rows[r] = lanes.sum(sums[r][t]);
            }
        }
        let y = &mut target.y[(token + t) * target.out_cols + target.first + row..][..count];
        match (<&mut [f32; R]>::try_from(&mut *y), target.add) {
            (Ok(y), false) => *y = of_rows,
            (Ok(y), true) => {
                for r in 0..R {
                    y[r] += of_rows[r];
                }
            }
            (Err(_), add) => {
                for (y, sum) in y.iter_mut().zip(of_rows) {
                    *y = if add { *y + sum } else { sum };
                }
            }
        }
    }
}
