//! Products with packed weights, and rows looked up in them.
//!
//! `y[t, r] = Σ_k x[t, k] · W[r, k]`. `threads_per_row` neighbouring threads walk the blocks of one row of
//! `W`, so that a workgroup reads `UNITS / threads_per_row` rows in order; each thread dequantises a block
//! into registers and meets it with `TILE` tokens. Partial sums meet in workgroup memory. Each weight is
//! read once for every `TILE` tokens, so once in all when decoding.

use burn::backend::wgpu::CubeTensor;
use cubecl::prelude::*;

use super::super::params::{EmbedParams, LinearParams};
use super::decode::{decode_block, decode_element};
use super::{UNITS, arg, elements, flat_grid, grid};
use crate::weights::BlockType;

/// Tokens that share one reading of a block when there are several.
const TILE: usize = 4;

/// Values of a block.
const BLOCK: usize = 32;

#[cube(launch_unchecked)]
fn linear_kernel(
    values: &[Vector<u32, Const<4>>],
    scales: &[u32],
    x: &[Vector<f32, Const<4>>],
    y: &mut [f32],
    tokens: u32,
    rows: u32,
    blocks: u32,
    first_row: u32,
    out_cols: u32,
    #[comptime] block: BlockType,
    #[comptime] tile: usize,
    #[comptime] threads_per_row: usize,
) {
    let unit = UNIT_POS as usize;
    let lane = unit % threads_per_row;
    let row = CUBE_POS_X as usize * comptime!(UNITS / threads_per_row) + unit / threads_per_row;
    let first_token = CUBE_POS_Y as usize * tile;
    let blocks = blocks as usize;
    let last_token = tokens as usize - 1usize;

    let mut sums = Array::<f32>::new(tile);
    let mut weights = Array::<f32>::new(32usize);
    if row < rows as usize {
        let mut b = lane;
        while b < blocks {
            decode_block(values, scales, row * blocks + b, &mut weights, block);
            #[unroll]
            for t in 0..tile {
                // Past the last token its row is read again; the result is not stored.
                let token = min(first_token + t, last_token);
                let base = (token * blocks + b) * 8usize;
                let mut part = 0.0f32;
                #[unroll]
                for i in 0..8usize {
                    let quad = x[base + i];
                    #[unroll]
                    for j in 0..4usize {
                        part += weights[comptime!(4 * i + j)] * quad.extract(j);
                    }
                }
                sums[t] += part;
            }
            b += threads_per_row;
        }
    }

    if comptime!(threads_per_row == 1) {
        #[unroll]
        for t in 0..tile {
            let token = first_token + t;
            if row < rows as usize && token <= last_token {
                y[token * out_cols as usize + first_row as usize + row] = sums[t];
            }
        }
    } else {
        let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS * tile));
        #[unroll]
        for t in 0..tile {
            shared[unit * tile + t] = sums[t];
        }
        sync_cube();
        // One thread of the row adds up one token.
        #[unroll]
        for round in 0..comptime!(tile.div_ceil(threads_per_row)) {
            let t = lane + round * threads_per_row;
            let token = first_token + t;
            if t < tile && row < rows as usize && token <= last_token {
                let mut sum = 0.0f32;
                for other in 0..threads_per_row {
                    sum += shared[(unit - lane + other) * tile + t];
                }
                y[token * out_cols as usize + first_row as usize + row] = sum;
            }
        }
    }
}

/// The same for dense rows whose length is no multiple of 32: element by element.
#[cube(launch_unchecked)]
fn linear_ragged_kernel(
    values: &[u32],
    x: &[f32],
    y: &mut [f32],
    tokens: u32,
    rows: u32,
    cols: u32,
    first_row: u32,
    out_cols: u32,
    #[comptime] block: BlockType,
) {
    let row = CUBE_POS_X as usize * comptime!(UNITS) + UNIT_POS as usize;
    let token = CUBE_POS_Y as usize;
    let cols = cols as usize;
    if row < rows as usize && token < tokens as usize {
        let mut sum = 0.0f32;
        for k in 0..cols {
            sum += x[token * cols + k] * decode_element(values, values, row * cols + k, block);
        }
        y[token * out_cols as usize + first_row as usize + row] = sum;
    }
}

/// `y[t, n] = Σ_k x[t, k] · W[k, n]`, one thread a result; neighbours read neighbouring weights.
#[cube(launch_unchecked)]
fn linear_transposed_kernel(
    values: &[u32],
    x: &[f32],
    y: &mut [f32],
    tokens: u32,
    rows: u32,
    cols: u32,
    #[comptime] block: BlockType,
) {
    let n = CUBE_POS_X as usize * comptime!(UNITS) + UNIT_POS as usize;
    let token = CUBE_POS_Y as usize;
    let cols = cols as usize;
    let rows = rows as usize;
    if n < cols && token < tokens as usize {
        let mut sum = 0.0f32;
        for k in 0..rows {
            sum += x[token * rows + k] * decode_element(values, values, k * cols + n, block);
        }
        y[token * cols + n] = sum;
    }
}

/// `y[t] = scale · W[ids[t]]` where the piece of `W` holds that row, one thread a value.
#[cube(launch_unchecked)]
fn embed_kernel(
    ids: &[u32],
    values: &[u32],
    scales: &[u32],
    y: &mut [f32],
    tokens: u32,
    rows: u32,
    cols: u32,
    first_row: u32,
    scale: f32,
    #[comptime] block: BlockType,
) {
    let place = (CUBE_POS_Y as usize * CUBE_COUNT_X as usize + CUBE_POS_X as usize)
        * comptime!(UNITS)
        + UNIT_POS as usize;
    let cols = cols as usize;
    let token = place / cols;
    if token < tokens as usize {
        let id = ids[token];
        if id >= first_row && id - first_row < rows {
            let element = (id - first_row) as usize * cols + place % cols;
            y[place] = decode_element(values, scales, element, block) * scale;
        }
    }
}

/// Writes the piece's columns of `y`.
pub fn linear(
    x: &CubeTensor,
    values: &CubeTensor,
    scales: &CubeTensor,
    y: &CubeTensor,
    p: &LinearParams,
    threads_per_row: usize,
) {
    let client = &x.client;
    let words = elements(values);
    if !p.cols.is_multiple_of(BLOCK) {
        // SAFETY: lengths follow from the shapes; the kernel checks rows and tokens.
        unsafe {
            linear_ragged_kernel::launch_unchecked(
                client,
                grid(p.rows.div_ceil(UNITS), p.tokens),
                CubeDim::new_1d(UNITS as u32),
                arg(values, words),
                arg(x, p.tokens * p.cols),
                arg(y, p.tokens * p.out_cols),
                p.tokens as u32,
                p.rows as u32,
                p.cols as u32,
                p.first_row as u32,
                p.out_cols as u32,
                p.block,
            );
        }
        return;
    }
    let tile = if p.tokens == 1 { 1 } else { TILE };
    let rows_per_group = UNITS / threads_per_row;
    // SAFETY: as above; a piece holds whole blocks, so its words divide by four.
    unsafe {
        linear_kernel::launch_unchecked(
            client,
            grid(p.rows.div_ceil(rows_per_group), p.tokens.div_ceil(tile)),
            CubeDim::new_1d(UNITS as u32),
            arg(values, words / 4),
            arg(scales, elements(scales)),
            arg(x, p.tokens * p.cols / 4),
            arg(y, p.tokens * p.out_cols),
            p.tokens as u32,
            p.rows as u32,
            (p.cols / BLOCK) as u32,
            p.first_row as u32,
            p.out_cols as u32,
            p.block,
            tile,
            threads_per_row,
        );
    }
}

/// Writes all of `y`.
pub fn linear_transposed(x: &CubeTensor, values: &CubeTensor, y: &CubeTensor, p: &LinearParams) {
    // SAFETY: lengths follow from the shapes; the kernel checks columns and tokens.
    unsafe {
        linear_transposed_kernel::launch_unchecked(
            &x.client,
            grid(p.cols.div_ceil(UNITS), p.tokens),
            CubeDim::new_1d(UNITS as u32),
            arg(values, elements(values)),
            arg(x, p.tokens * p.rows),
            arg(y, p.tokens * p.cols),
            p.tokens as u32,
            p.rows as u32,
            p.cols as u32,
            p.block,
        );
    }
}

/// Writes the rows of `y` whose ids the piece holds.
pub fn embed(
    ids: &CubeTensor,
    values: &CubeTensor,
    scales: &CubeTensor,
    y: &CubeTensor,
    p: &EmbedParams,
) {
    // SAFETY: lengths follow from the shapes; the kernel checks tokens and rows.
    unsafe {
        embed_kernel::launch_unchecked(
            &y.client,
            flat_grid(p.tokens * p.cols),
            CubeDim::new_1d(UNITS as u32),
            arg(ids, p.tokens),
            arg(values, elements(values)),
            arg(scales, elements(scales)),
            arg(y, p.tokens * p.cols),
            p.tokens as u32,
            p.rows as u32,
            p.cols as u32,
            p.first_row as u32,
            p.scale,
            p.block,
        );
    }
}
