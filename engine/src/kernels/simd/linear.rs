//! `y = x · Wᵀ` for every type of weights: which kernel, for which rows and tokens.

use std::marker::PhantomData;

use super::activations::{Activations, BLOCK, FEW_TOKENS};
use super::decode::{
    Bf16, F16, F32, Format, Q2K, Q3K, Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0,
};
use super::dense::DenseLine;
use super::integer_panel::IntegerPanels;
use super::level::Level;
use super::line::Line;
use super::panel::Panels;
use super::rows::Rows;
use crate::kernels::params::LinearParams;
use crate::weights::BlockType;

/// x: [tokens, cols], y: [tokens, out_cols], of which the piece's columns are written.
///
/// As `cpu::linear::linear`, but for rounding. What the slices have no room for is left out.
pub fn linear(x: &[f32], weights: &[u8], y: &mut [f32], p: &LinearParams) {
    let x = match p.block.is_dense() {
        true => Activations::floats(Level::detect(), x, p.tokens, p.cols),
        false => Activations::new(x, p.tokens, p.cols),
    };
    linear_with(&x, weights, y, p);
}

/// The same for activations that several matrices share.
pub fn linear_with(x: &Activations, weights: &[u8], y: &mut [f32], p: &LinearParams) {
    let sound = x.cols == p.cols
        && p.cols > 0
        && p.cols.is_multiple_of(p.block.block_elements())
        && p.out_cols > 0
        && p.first_row <= p.out_cols;
    if !sound {
        return;
    }
    let rows = p.rows.min(p.out_cols - p.first_row);
    let rows = Rows::new(weights, p.block, p.planes, rows, p.cols);
    let tokens = x.tokens.min(p.tokens).min(y.len() / p.out_cols);
    let product = Product {
        x,
        rows,
        tokens,
        p,
        y: &mut y[..tokens * p.out_cols],
    };
    match p.block {
        BlockType::Q4_0 => product.quantised::<Q4_0>(),
        BlockType::Q4_1 => product.quantised::<Q4_1>(),
        BlockType::Q5_0 => product.quantised::<Q5_0>(),
        BlockType::Q5_1 => product.quantised::<Q5_1>(),
        BlockType::Q8_0 => product.quantised::<Q8_0>(),
        BlockType::Q2K => product.quantised::<Q2K>(),
        BlockType::Q3K => product.quantised::<Q3K>(),
        BlockType::Q4K => product.quantised::<Q4K>(),
        BlockType::Q5K => product.quantised::<Q5K>(),
        BlockType::Q6K => product.quantised::<Q6K>(),
        BlockType::F32 => product.dense::<F32>(),
        BlockType::F16 => product.dense::<F16>(),
        BlockType::Bf16 => product.dense::<Bf16>(),
    }
}

/// A product whose sizes agree.
struct Product<'a> {
    x: &'a Activations<'a>,
    rows: Rows<'a>,
    tokens: usize,
    p: &'a LinearParams,
    /// [tokens, out_cols]
    y: &'a mut [f32],
}

impl Product<'_> {
    fn quantised<F: Format>(self) {
        if self.tokens > FEW_TOKENS && !self.x.level.prefers_integers() {
            return self.panels::<F>();
        }
        let blocks = self.x.blocks();
        if self.tokens > FEW_TOKENS {
            return self.x.level.run(IntegerPanels::<F> {
                rows: self.rows,
                x: &blocks,
                first_row: self.p.first_row,
                out_cols: self.p.out_cols,
                y: self.y,
                format: PhantomData,
            });
        }
        let tokens = blocks.chunks_exact(self.p.cols.div_ceil(BLOCK));
        for (x, y) in tokens.zip(self.y.chunks_exact_mut(self.p.out_cols)) {
            self.x.level.run(Line::<F> {
                rows: self.rows,
                x,
                y: &mut y[self.p.first_row..][..self.rows.rows],
                format: PhantomData,
            });
        }
    }

    fn dense<F: Format>(self) {
        if self.tokens != 1 {
            return self.panels::<F>();
        }
        self.x.level.run(DenseLine::<F> {
            rows: self.rows,
            x: self.x.x,
            y: &mut self.y[self.p.first_row..][..self.rows.rows],
            format: PhantomData,
        });
    }

    fn panels<F: Format>(self) {
        self.x.level.run(Panels::<F> {
            rows: self.rows,
            x: self.x.x,
            x_cols: self.p.cols,
            first_row: self.p.first_row,
            out_cols: self.p.out_cols,
            y: self.y,
            format: PhantomData,
        });
    }
}
