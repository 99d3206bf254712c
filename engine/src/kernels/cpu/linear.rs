//! Products with packed weights: a row is dequantised once and met by every token.

use super::super::params::{EmbedParams, LinearParams};
use crate::weights::{BlockType, Part, block};

/// Lanes of the dot product: enough for the compiler to keep several vector registers busy.
const LANES: usize = 16;

/// x: [tokens, cols], y: [tokens, out_cols], of which the piece's columns are written.
pub fn linear(x: &[f32], values: &[u32], scales: &[u32], y: &mut [f32], p: &LinearParams) {
    let mut row = vec![0.0; p.cols];
    for r in 0..p.rows {
        dequantise_row(p.block, values, scales, r, p.cols, &mut row);
        for (x, y) in x.chunks_exact(p.cols).zip(y.chunks_exact_mut(p.out_cols)) {
            y[p.first_row + r] = dot(x, &row);
        }
    }
}

/// x: [tokens, rows], values: [rows, cols] -> [tokens, cols]
pub fn linear_transposed(x: &[f32], values: &[u32], p: &LinearParams) -> Vec<f32> {
    let mut y = vec![0.0; p.tokens * p.cols];
    let mut row = vec![0.0; p.cols];
    for r in 0..p.rows {
        dequantise_row(p.block, values, &[], r, p.cols, &mut row);
        for (x, y) in x.chunks_exact(p.rows).zip(y.chunks_exact_mut(p.cols)) {
            for (y, w) in y.iter_mut().zip(&row) {
                *y += x[r] * w;
            }
        }
    }
    y
}

/// ids: `[tokens]`, y: [tokens, cols]
pub fn embed(ids: &[u32], values: &[u32], scales: &[u32], y: &mut [f32], p: &EmbedParams) {
    for (id, y) in ids.iter().zip(y.chunks_exact_mut(p.cols)) {
        let Some(row) = (*id as usize)
            .checked_sub(p.first_row)
            .filter(|row| *row < p.rows)
        else {
            continue;
        };
        dequantise_row(p.block, values, scales, row, p.cols, y);
        for y in y {
            *y *= p.scale;
        }
    }
}

fn dequantise_row(
    block: BlockType,
    values: &[u32],
    scales: &[u32],
    row: usize,
    cols: usize,
    out: &mut [f32],
) {
    let part = |part: Part, words: &[u32]| -> std::ops::Range<usize> {
        // A row of whole blocks, or of dense values, starts on a whole byte.
        let bytes = match (block, part) {
            (BlockType::F32, _) => 4 * cols,
            (BlockType::F16 | BlockType::Bf16, _) => 2 * cols,
            (BlockType::Q8_0, Part::Values) => cols,
            (BlockType::Q4_0, Part::Values) => cols / 2,
            (BlockType::Q8_0 | BlockType::Q4_0, Part::Scales) => cols / 32 * 2,
        };
        let start = (row * bytes).min(words.len() * 4);
        start..(start + bytes).min(words.len() * 4)
    };
    let value_bytes = &bytemuck::cast_slice::<u32, u8>(values)[part(Part::Values, values)];
    let scale_bytes = &bytemuck::cast_slice::<u32, u8>(scales)[part(Part::Scales, scales)];
    block::dequantise_layout(block, value_bytes, scale_bytes, out);
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail: f32 = a_chunks
        .remainder()
        .iter()
        .zip(b_chunks.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for i in 0..LANES {
            lanes[i] += a[i] * b[i];
        }
    }
    lanes.iter().sum::<f32>() + tail
}
