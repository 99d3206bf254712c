//! Products with packed weights: a row is dequantised once and met by every token.

use super::super::params::{EmbedParams, LinearParams, Planes};
use crate::weights::{BlockType, Part, block};

/// Lanes of the dot product: enough for the compiler to keep several vector registers busy.
const LANES: usize = 16;

/// x: [tokens, cols], y: [tokens, out_cols], of which the piece's columns are written.
pub fn linear(x: &[f32], weights: &[u8], y: &mut [f32], p: &LinearParams) {
    let piece = Piece::new(weights, p.block, p.planes, p.cols);
    let mut row = vec![0.0; p.cols];
    for r in 0..p.rows {
        piece.dequantise_row(r, &mut row);
        for (x, y) in x.chunks_exact(p.cols).zip(y.chunks_exact_mut(p.out_cols)) {
            y[p.first_row + r] = dot(x, &row);
        }
    }
}

/// What `x` is once it was rounded to integers of 8 bits, each 32 with a scale of their own: the largest of them is ±127.
pub fn rounded_to_i8(x: &[f32]) -> Vec<f32> {
    let groups = x.chunks(32).flat_map(|group| {
        let largest = group.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        // Below that, its inverse is no number.
        let (scale, inverse) = match largest > 1e-30 {
            true => (largest / 127.0, 127.0 / largest),
            false => (0.0, 0.0),
        };
        let rounded = move |x: &f32| (x * inverse).round_ties_even() * scale;
        group.iter().map(rounded)
    });
    groups.collect()
}

/// x: [tokens, rows], weights: [rows, cols] -> [tokens, cols]
pub fn linear_transposed(x: &[f32], weights: &[u8], p: &LinearParams) -> Vec<f32> {
    let piece = Piece::new(weights, p.block, p.planes, p.cols);
    let mut y = vec![0.0; p.tokens * p.cols];
    let mut row = vec![0.0; p.cols];
    for r in 0..p.rows {
        piece.dequantise_row(r, &mut row);
        for (x, y) in x.chunks_exact(p.rows).zip(y.chunks_exact_mut(p.cols)) {
            for (y, w) in y.iter_mut().zip(&row) {
                *y += x[r] * w;
            }
        }
    }
    y
}

/// ids: `[tokens]`, y: [tokens, cols]
pub fn embed(ids: &[u32], weights: &[u8], y: &mut [f32], p: &EmbedParams) {
    let piece = Piece::new(weights, p.block, p.planes, p.cols);
    for (id, y) in ids.iter().zip(y.chunks_exact_mut(p.cols)) {
        let Some(row) = (*id as usize)
            .checked_sub(p.first_row)
            .filter(|row| *row < p.rows)
        else {
            continue;
        };
        piece.dequantise_row(row, y);
        for y in y {
            *y *= p.scale;
        }
    }
}

/// Rows of a matrix, part after part.
struct Piece<'a> {
    block: BlockType,
    /// The bytes from the beginning of each part on.
    parts: [&'a [u8]; 4],
    /// Bytes of a row in each part.
    row_bytes: [usize; 4],
}

impl<'a> Piece<'a> {
    fn new(weights: &'a [u8], block: BlockType, planes: Planes, cols: usize) -> Self {
        let starts = [0, planes.high, planes.scales, planes.super_scales];
        // A row holds whole blocks, so it begins on a whole byte of each part.
        let blocks = cols / block.block_elements();
        Self {
            block,
            parts: starts.map(|quads| weights.get(16 * quads..).unwrap_or_default()),
            row_bytes: Part::ALL.map(|part| block.block_part_bytes(part) * blocks),
        }
    }

    /// out: `[cols]`
    fn dequantise_row(&self, row: usize, out: &mut [f32]) {
        let part = |part: Part| {
            let bytes = self.row_bytes[part as usize];
            let start = row * bytes;
            self.parts[part as usize]
                .get(start..start + bytes)
                .unwrap_or_default()
        };
        block::dequantise_parts(self.block, Part::ALL.map(part), out);
    }
}

/// `Σ a b` over the shorter of the two.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
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
