//! Products with packed weights, and rows looked up in them.
//!
//! `y[t, r] = Σ_k x[t, k] · W[r, k]`. `threads_per_row` neighbouring threads walk the groups of the same rows of `W`, so that
//! a workgroup reads `UNITS / threads_per_row` sets of rows in order. A thread has `tile_rows` rows and meets them with
//! `tile_tokens` tokens, eight values at a time, so that each value of `x` that it reads serves all its rows. Partial sums
//! meet in workgroup memory, or within a subgroup, where all threads of a row belong to one. Each weight is read once for every `tile_tokens` tokens, so once in all when decoding.

use burn::backend::wgpu::CubeTensor;
use cubecl::prelude::*;

use super::super::params::{Arithmetic, EmbedParams, FEW_TOKENS, LinearParams, Tuning};
use super::decode::{
    GROUP, OCTET, OCTETS, PlaneStarts, PlaneStartsLaunch, SCALES, decode_dense, decode_octet,
    group_quads, group_words, load_group, load_row, load_scales, octet_quads,
};
use super::elementwise::gelu_tanh;
use super::tiled::tiled;
use super::{UNITS, arg, elements, flat_grid, flat_position, grid};
use crate::weights::BlockType;

/// Rows and tokens that a thread has when there are several tokens: as many as its registers bear.
const TILE: (usize, usize) = (4, 4);

/// Most tokens of a tile that is kept in registers.
const MOST_REGISTERS: usize = 4;

/// The same where a processor emulates the GPU: decoding costs most there, and registers are memory anyway.
const EMULATED_TILE: (usize, usize) = (8, 16);

/// Rows and tokens that a thread has for a single token.
const LINE: (usize, usize) = (1, 1);

/// The same where a processor emulates the GPU: reading a number of `x` takes as long as several products.
const EMULATED_LINE: (usize, usize) = (4, 1);

/// The numbers of a product that do not shape the kernel.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct Sizes {
    pub tokens: u32,
    pub rows: u32,
    pub cols: u32,
    pub first_row: u32,
    pub out_cols: u32,
}

/// `cols` is `GROUP · n + tail`; only dense types have a tail, a multiple of 8.
#[cube(launch_unchecked)]
fn linear_kernel(
    weights: &[Vector<u32, Const<4>>],
    x: &[Vector<f32, Const<4>>],
    y: &mut [f32],
    sizes: Sizes,
    planes: PlaneStarts,
    #[comptime] block: BlockType,
    #[comptime] tile_rows: usize,
    #[comptime] tile_tokens: usize,
    #[comptime] threads_per_row: usize,
    #[comptime] tail: usize,
    #[comptime] paired: bool,
    #[comptime] subgroups: bool,
) {
    let unit = UNIT_POS as usize;
    let lane = unit % threads_per_row;
    let mut first_row =
        CUBE_POS_X as usize * comptime!(UNITS / threads_per_row) + unit / threads_per_row;
    let mut rows = sizes.rows as usize;
    let mut row_step = 1usize;
    if comptime!(paired) {
        // A gate's row and, below all of them, its partner.
        row_step = rows / 2usize;
        rows = row_step;
    } else {
        first_row *= tile_rows;
    }
    let first_token = CUBE_POS_Y as usize * tile_tokens;
    let last_token = sizes.tokens as usize - 1usize;
    let groups = sizes.cols as usize / comptime!(GROUP);

    let mut sums = Array::<f32>::new(comptime!(tile_rows * tile_tokens));
    #[unroll(tile_tokens <= MOST_REGISTERS)]
    for i in 0..comptime!(tile_rows * tile_tokens) {
        sums[i] = 0.0f32;
    }
    if first_row < rows {
        let mut group = lane;
        while group < groups {
            add_group(
                weights,
                x,
                &mut sums,
                &sizes,
                &planes,
                first_row,
                row_step,
                first_token,
                group,
                block,
                tile_rows,
                tile_tokens,
                GROUP,
            );
            group += threads_per_row;
        }
        // The outer condition decides whether there is any such code.
        #[allow(clippy::collapsible_if)]
        if comptime!(tail > 0) {
            if groups % threads_per_row == lane {
                add_group(
                    weights,
                    x,
                    &mut sums,
                    &sizes,
                    &planes,
                    first_row,
                    row_step,
                    first_token,
                    groups,
                    block,
                    tile_rows,
                    tile_tokens,
                    tail,
                );
            }
        }
    }

    if comptime!(subgroups) {
        // Afterwards every thread of a row has its sums.
        #[unroll]
        for i in 0..comptime!(tile_rows * tile_tokens) {
            #[unroll]
            for bit in 0..comptime!(threads_per_row.ilog2()) {
                sums[i] += plane_shuffle_xor(sums[i], comptime!(1u32 << bit));
            }
        }
    }
    if comptime!(paired) {
        let mut gate = sums[0];
        let mut up = sums[1];
        if comptime!(threads_per_row > 1 && !subgroups) {
            let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS * 2));
            shared[2usize * unit] = gate;
            shared[2usize * unit + 1usize] = up;
            sync_cube();
            if lane == 0usize {
                for other in 1..threads_per_row {
                    gate += shared[2usize * (unit + other)];
                    up += shared[2usize * (unit + other) + 1usize];
                }
            }
        }
        if lane == 0usize && first_row < rows {
            y[first_row] = gelu_tanh(gate) * up;
        }
    } else if comptime!(threads_per_row == 1 || subgroups) {
        #[unroll(tile_tokens <= MOST_REGISTERS)]
        for i in 0..comptime!(tile_rows * tile_tokens) {
            let row = first_row + i / tile_tokens;
            let token = first_token + i % tile_tokens;
            if lane == i % threads_per_row && row < rows && token <= last_token {
                y[token * sizes.out_cols as usize + sizes.first_row as usize + row] = sums[i];
            }
        }
    } else {
        let tile = comptime!(tile_rows * tile_tokens);
        let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS * tile_rows * tile_tokens));
        #[unroll]
        for i in 0..tile {
            shared[unit * tile + i] = sums[i];
        }
        sync_cube();
        // The threads of a row share its results among them.
        #[unroll]
        for round in 0..comptime!(tile.div_ceil(threads_per_row)) {
            let i = lane + round * threads_per_row;
            let row = first_row + i / tile_tokens;
            let token = first_token + i % tile_tokens;
            if i < tile && row < rows && token <= last_token {
                let mut sum = 0.0f32;
                for other in 0..threads_per_row {
                    sum += shared[(unit - lane + other) * tile + i];
                }
                y[token * sizes.out_cols as usize + sizes.first_row as usize + row] = sum;
            }
        }
    }
}

/// Adds what the first `count` values of a group give to the sums, [tile_rows, tile_tokens]. Rows and tokens past the end
/// are those at the end again; their sums are not stored.
#[cube]
fn add_group(
    weights: &[Vector<u32, Const<4>>],
    x: &[Vector<f32, Const<4>>],
    sums: &mut Array<f32>,
    sizes: &Sizes,
    planes: &PlaneStarts,
    first_row: usize,
    row_step: usize,
    first_token: usize,
    group: usize,
    #[comptime] block: BlockType,
    #[comptime] tile_rows: usize,
    #[comptime] tile_tokens: usize,
    #[comptime] count: usize,
) {
    let words_of_row = comptime!(group_words(block));
    let cols = sizes.cols as usize;
    let last_row = sizes.rows as usize - 1usize;
    let last_token = sizes.tokens as usize - 1usize;
    let mut words = Array::<u32>::new(comptime!(tile_rows * words_of_row));
    let mut scales = Array::<f32>::new(comptime!(tile_rows * SCALES));
    #[unroll]
    for r in 0..tile_rows {
        load_row(
            weights,
            planes,
            min(first_row + r * row_step, last_row),
            cols,
            group,
            &mut words,
            &mut scales,
            r,
            block,
            count,
        );
    }
    let mut values = Array::<f32>::new(comptime!(tile_rows * OCTET));
    #[unroll]
    for octet in 0..comptime!(count.div_ceil(OCTET).min(OCTETS)) {
        #[unroll]
        for r in 0..tile_rows {
            decode_octet(
                &words,
                &scales,
                &mut values,
                octet,
                comptime!(r * OCTET),
                comptime!(r * words_of_row),
                comptime!(r * SCALES),
                block,
            );
        }
        // Written out where the sums are registers; elsewhere that would only make the kernel long.
        #[unroll(tile_tokens <= MOST_REGISTERS)]
        for t in 0..tile_tokens {
            let token = min(first_token + t, last_token);
            let base = (token * cols) / 4usize + group * comptime!(GROUP / 4);
            let low = x[base + comptime!(octet_quads(block, octet).0)];
            let high = x[base + comptime!(octet_quads(block, octet).1)];
            #[unroll]
            for r in 0..tile_rows {
                let mut part = 0.0f32;
                #[unroll]
                for i in 0..4usize {
                    part += values[comptime!(r * OCTET + i)] * low.extract(i);
                    part += values[comptime!(r * OCTET + 4 + i)] * high.extract(i);
                }
                sums[comptime!(r * tile_tokens) + t] += part;
            }
        }
    }
}

/// The same for dense rows whose length is no multiple of 8: element by element.
#[cube(launch_unchecked)]
fn linear_ragged_kernel(
    weights: &[Vector<u32, Const<4>>],
    x: &[f32],
    y: &mut [f32],
    sizes: Sizes,
    #[comptime] block: BlockType,
) {
    let row = CUBE_POS_X as usize * comptime!(UNITS) + UNIT_POS as usize;
    let token = CUBE_POS_Y as usize;
    let cols = sizes.cols as usize;
    if row < sizes.rows as usize && token < sizes.tokens as usize {
        let mut sum = 0.0f32;
        for k in 0..cols {
            sum += x[token * cols + k] * decode_dense(weights, row * cols + k, block);
        }
        y[token * sizes.out_cols as usize + sizes.first_row as usize + row] = sum;
    }
}

/// `y[t, n] = Σ_k x[t, k] · W[k, n]`, one thread a result; neighbours read neighbouring weights.
#[cube(launch_unchecked)]
fn linear_transposed_kernel(
    weights: &[Vector<u32, Const<4>>],
    x: &[f32],
    y: &mut [f32],
    sizes: Sizes,
    #[comptime] block: BlockType,
) {
    let n = CUBE_POS_X as usize * comptime!(UNITS) + UNIT_POS as usize;
    let token = CUBE_POS_Y as usize;
    let cols = sizes.cols as usize;
    let rows = sizes.rows as usize;
    if n < cols && token < sizes.tokens as usize {
        let mut sum = 0.0f32;
        for k in 0..rows {
            sum += x[token * rows + k] * decode_dense(weights, k * cols + n, block);
        }
        y[token * cols + n] = sum;
    }
}

/// `y[t] = factor · W[ids[t]]` where the piece of `W` holds that row, one thread a group of values.
#[cube(launch_unchecked)]
fn embed_kernel(
    ids: &[u32],
    weights: &[Vector<u32, Const<4>>],
    y: &mut [f32],
    sizes: Sizes,
    planes: PlaneStarts,
    factor: f32,
    #[comptime] block: BlockType,
) {
    let place = flat_position();
    let groups = sizes.cols as usize / comptime!(GROUP);
    let token = place / groups;
    if token < sizes.tokens as usize {
        let id = ids[token];
        if id >= sizes.first_row && id - sizes.first_row < sizes.rows {
            let index = (id - sizes.first_row) as usize * groups + place % groups;
            let mut quad = index * comptime!(group_quads(block));
            if comptime!(group_quads(block) == 0) {
                quad = index / 2usize;
            }
            let mut words = Array::<u32>::new(comptime!(group_words(block)));
            let mut scales = Array::<f32>::new(SCALES);
            let mut values = Array::<f32>::new(OCTET);
            load_group(weights, &planes, quad, index, &mut words, 0usize, block);
            load_scales(weights, &planes, index, &mut scales, 0usize, block);
            #[unroll]
            for octet in 0..OCTETS {
                decode_octet(
                    &words,
                    &scales,
                    &mut values,
                    octet,
                    0usize,
                    0usize,
                    0usize,
                    block,
                );
                let low = comptime!(4 * octet_quads(block, octet).0);
                let high = comptime!(4 * octet_quads(block, octet).1);
                #[unroll]
                for i in 0..4usize {
                    y[place * comptime!(GROUP) + comptime!(low + i)] = values[i] * factor;
                    y[place * comptime!(GROUP) + comptime!(high + i)] =
                        values[comptime!(4 + i)] * factor;
                }
            }
        }
    }
}

/// The same for dense rows whose length is no multiple of 32: one thread a value.
#[cube(launch_unchecked)]
fn embed_ragged_kernel(
    ids: &[u32],
    weights: &[Vector<u32, Const<4>>],
    y: &mut [f32],
    sizes: Sizes,
    factor: f32,
    #[comptime] block: BlockType,
) {
    let place = flat_position();
    let cols = sizes.cols as usize;
    let token = place / cols;
    if token < sizes.tokens as usize {
        let id = ids[token];
        if id >= sizes.first_row && id - sizes.first_row < sizes.rows {
            let element = (id - sizes.first_row) as usize * cols + place % cols;
            y[place] = decode_dense(weights, element, block) * factor;
        }
    }
}

/// Rows and tokens that a thread has.
pub fn tile_by_row(tokens: usize, threads_per_row: usize) -> (usize, usize) {
    match (tokens, threads_per_row) {
        // One thread a row is what emulated GPUs get.
        (1, 1) => EMULATED_LINE,
        (1, _) => LINE,
        (_, 1) => EMULATED_TILE,
        _ => TILE,
    }
}

/// The numbers of a product, for a kernel.
pub fn sizes(p: &LinearParams) -> SizesLaunch {
    SizesLaunch::new(
        p.tokens as u32,
        p.rows as u32,
        p.cols as u32,
        p.first_row as u32,
        p.out_cols as u32,
    )
}

/// Writes the piece's columns of `y`.
pub fn linear(
    x: &CubeTensor,
    weights: &CubeTensor,
    y: &CubeTensor,
    p: &LinearParams,
    tuning: Tuning,
) {
    let client = &x.client;
    let quads = elements(weights) / 4;
    let sizes = sizes(p);
    if !p.cols.is_multiple_of(OCTET) {
        // SAFETY: lengths follow from the shapes; the kernel checks rows and tokens.
        unsafe {
            linear_ragged_kernel::launch_unchecked(
                client,
                grid(p.rows.div_ceil(UNITS), p.tokens),
                CubeDim::new_1d(UNITS as u32),
                arg(weights, quads),
                arg(x, p.tokens * p.cols),
                arg(y, p.tokens * p.out_cols),
                sizes,
                p.block,
            );
        }
        return;
    }
    if p.tokens > FEW_TOKENS && tuning.square > 0 {
        let halves = tuning.arithmetic(p) == Arithmetic::F16;
        tiled(x, weights, y, p, tuning.square, halves);
        return;
    }
    let threads_per_row = tuning.threads_per_row;
    let (tile_rows, tile_tokens) = tile_by_row(p.tokens, threads_per_row);
    let rows_of_group = UNITS / threads_per_row * tile_rows;
    // SAFETY: lengths follow from the shapes; rows and tokens past the end are read where the last ones are.
    unsafe {
        linear_kernel::launch_unchecked(
            client,
            grid(
                p.rows.div_ceil(rows_of_group),
                p.tokens.div_ceil(tile_tokens),
            ),
            CubeDim::new_1d(UNITS as u32),
            arg(weights, quads),
            arg(x, p.tokens * p.cols / 4),
            arg(y, p.tokens * p.out_cols),
            sizes,
            starts(p.planes),
            p.block,
            tile_rows,
            tile_tokens,
            threads_per_row,
            p.cols % GROUP,
            false,
            tuning.subgroups,
        );
    }
}

/// `y = gelu_tanh(x · Gᵀ) · (x · Uᵀ)` for one token: a thread has a row of `G` and its partner in `U`.
pub fn linear_geglu(
    x: &CubeTensor,
    weights: &CubeTensor,
    y: &CubeTensor,
    p: &LinearParams,
    tuning: Tuning,
) {
    let inner = p.rows / 2;
    let threads_per_row = tuning.threads_per_row;
    // SAFETY: lengths follow from the shapes; the kernel checks rows.
    unsafe {
        linear_kernel::launch_unchecked(
            &x.client,
            grid(inner.div_ceil(UNITS / threads_per_row), 1),
            CubeDim::new_1d(UNITS as u32),
            arg(weights, elements(weights) / 4),
            arg(x, p.cols / 4),
            arg(y, inner),
            SizesLaunch::new(1, p.rows as u32, p.cols as u32, 0, inner as u32),
            starts(p.planes),
            p.block,
            2,
            1,
            threads_per_row,
            p.cols % GROUP,
            true,
            tuning.subgroups,
        );
    }
}

/// Writes all of `y`.
pub fn linear_transposed(x: &CubeTensor, weights: &CubeTensor, y: &CubeTensor, p: &LinearParams) {
    // SAFETY: lengths follow from the shapes; the kernel checks columns and tokens.
    unsafe {
        linear_transposed_kernel::launch_unchecked(
            &x.client,
            grid(p.cols.div_ceil(UNITS), p.tokens),
            CubeDim::new_1d(UNITS as u32),
            arg(weights, elements(weights) / 4),
            arg(x, p.tokens * p.rows),
            arg(y, p.tokens * p.cols),
            SizesLaunch::new(p.tokens as u32, p.rows as u32, p.cols as u32, 0, 0),
            p.block,
        );
    }
}

/// Writes the rows of `y` whose ids the piece holds.
pub fn embed(ids: &CubeTensor, weights: &CubeTensor, y: &CubeTensor, p: &EmbedParams) {
    let client = &y.client;
    let quads = elements(weights) / 4;
    let sizes = SizesLaunch::new(
        p.tokens as u32,
        p.rows as u32,
        p.cols as u32,
        p.first_row as u32,
        0,
    );
    let count = p.tokens * p.cols;
    // SAFETY: lengths follow from the shapes; the kernels check tokens and rows.
    unsafe {
        if p.cols.is_multiple_of(GROUP) {
            embed_kernel::launch_unchecked(
                client,
                flat_grid(count / GROUP),
                CubeDim::new_1d(UNITS as u32),
                arg(ids, p.tokens),
                arg(weights, quads),
                arg(y, count),
                sizes,
                starts(p.planes),
                p.scale,
                p.block,
            );
        } else {
            embed_ragged_kernel::launch_unchecked(
                client,
                flat_grid(count),
                CubeDim::new_1d(UNITS as u32),
                arg(ids, p.tokens),
                arg(weights, quads),
                arg(y, count),
                sizes,
                p.scale,
                p.block,
            );
        }
    }
}

/// Where the parts of a piece begin, for a kernel.
pub fn starts(planes: crate::kernels::params::Planes) -> PlaneStartsLaunch {
    PlaneStartsLaunch::new(
        planes.high as u32,
        planes.scales as u32,
        planes.super_scales as u32,
    )
}
