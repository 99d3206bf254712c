//! Products of packed weights with many tokens at once.
//!
//! A workgroup has a tile of as many rows as tokens. For each group of 32 columns it decodes its rows and copies its tokens
//! into workgroup memory; then each thread adds up the sums of `square` rows and `square` tokens in registers. So a weight
//! is decoded once for a whole tile of tokens, and a number that is read from workgroup memory serves `square` products.
//!
//! Where halves are wanted, the tiles hold f16, and a group's products are multiplied and added up in f16, a quad at a time; the
//! sums of groups are f32. So that nothing overflows, the tokens' numbers of a group are divided by the largest of them.

use burn::backend::wgpu::CubeTensor;
use cubecl::prelude::*;

use super::super::params::LinearParams;
use super::decode::{
    GROUP, OCTET, PlaneStarts, SCALES, decode_octet, group_words, load_row, octet_quads,
};
use super::linear::{Sizes, sizes, starts};
use super::{UNITS, arg, elements, grid};
use crate::weights::BlockType;

/// Threads along each side of a tile.
const SIDE: usize = 8;

/// Quads of a group.
const QUADS: usize = GROUP / 4;

/// Where quad `quad` of row or token `slot` lies in a tile. Neighbouring slots have their quads in another order, so that
/// threads that read the same quad of theirs use different banks of memory.
#[cube]
fn place(slot: usize, quad: usize) -> usize {
    slot * comptime!(QUADS) + (quad ^ (slot % comptime!(QUADS)))
}

/// `cols` is `GROUP · n + tail`; only dense types have a tail, a multiple of 8.
#[cube(launch_unchecked)]
fn tiled_kernel<F: Float>(
    weights: &[Vector<u32, Const<4>>],
    x: &[Vector<f32, Const<4>>],
    y: &mut [f32],
    sizes: Sizes,
    planes: PlaneStarts,
    #[comptime] block: BlockType,
    #[comptime] square: usize,
    #[comptime] tail: usize,
    #[comptime] halves: bool,
) {
    let unit = UNIT_POS as usize;
    let tile = comptime!(SIDE * square);
    let first_row = CUBE_POS_X as usize * tile;
    let first_token = CUBE_POS_Y as usize * tile;
    let groups = sizes.cols as usize / comptime!(GROUP);
    // Neighbouring threads have neighbouring rows, so that they write neighbours.
    let own_row = unit % comptime!(SIDE);
    let own_token = unit / comptime!(SIDE);

    let mut row_tile = Shared::<[Vector<F, Const<4>>]>::new_slice(comptime!(tile * QUADS));
    let mut token_tile = Shared::<[Vector<F, Const<4>>]>::new_slice(comptime!(tile * QUADS));
    // What the tokens' numbers were divided by.
    let mut scales = Shared::<[f32]>::new_slice(comptime!(if halves { tile } else { 1 }));
    let mut sums = Array::<f32>::new(comptime!(square * square));
    #[unroll]
    for i in 0..comptime!(square * square) {
        sums[i] = 0.0f32;
    }
    let first = (first_row, first_token);
    let own = (own_row, own_token);
    for group in 0..groups {
        fill(
            weights,
            x,
            &mut row_tile,
            &mut token_tile,
            &mut scales,
            &sizes,
            &planes,
            first,
            group,
            block,
            tile,
            GROUP,
            halves,
        );
        add_tiles(
            &row_tile,
            &token_tile,
            &scales,
            &mut sums,
            own,
            square,
            halves,
        );
    }
    if comptime!(tail > 0) {
        fill(
            weights,
            x,
            &mut row_tile,
            &mut token_tile,
            &mut scales,
            &sizes,
            &planes,
            first,
            groups,
            block,
            tile,
            tail,
            halves,
        );
        add_tiles(
            &row_tile,
            &token_tile,
            &scales,
            &mut sums,
            own,
            square,
            halves,
        );
    }
    #[unroll]
    for r in 0..square {
        #[unroll]
        for t in 0..square {
            let row = first_row + own_row + comptime!(r * SIDE);
            let token = first_token + own_token + comptime!(t * SIDE);
            if row < sizes.rows as usize && token < sizes.tokens as usize {
                y[token * sizes.out_cols as usize + sizes.first_row as usize + row] =
                    sums[comptime!(r * square + t)];
            }
        }
    }
}

/// Puts the first `count` values of a group of the tile's rows and tokens into workgroup memory, and zeros after them. Rows
/// and tokens past the end are those at the end again; their sums are not stored.
#[cube]
fn fill<F: Float>(
    weights: &[Vector<u32, Const<4>>],
    x: &[Vector<f32, Const<4>>],
    row_tile: &mut Shared<[Vector<F, Const<4>>]>,
    token_tile: &mut Shared<[Vector<F, Const<4>>]>,
    scales: &mut Shared<[f32]>,
    sizes: &Sizes,
    planes: &PlaneStarts,
    first: (usize, usize),
    group: usize,
    #[comptime] block: BlockType,
    #[comptime] tile: usize,
    #[comptime] count: usize,
    #[comptime] halves: bool,
) {
    let unit = UNIT_POS as usize;
    let last_row = sizes.rows as usize - 1usize;
    let last_token = sizes.tokens as usize - 1usize;
    let cols = sizes.cols as usize;
    // Where a tile has no more rows than half of the threads, the other half has its tokens.
    let slot = unit % tile;
    if comptime!(tile == UNITS) || unit < tile {
        fill_row(
            weights,
            row_tile,
            planes,
            slot,
            min(first.0 + slot, last_row),
            cols,
            group,
            block,
            count,
        );
    }
    if comptime!(tile == UNITS) || unit >= tile {
        let base = (min(first.1 + slot, last_token) * cols) / 4usize + group * comptime!(QUADS);
        let mut inverse = 1.0f32;
        if comptime!(halves) {
            // Of a group of zeros the inverse would be no number.
            let mut largest = 1e-30f32;
            #[unroll]
            for quad in 0..comptime!(count / 4) {
                let four = x[base + quad];
                #[unroll]
                for i in 0..4usize {
                    largest = max(largest, max(four.extract(i), -four.extract(i)));
                }
            }
            scales[slot] = largest;
            inverse = 1.0f32 / largest;
        }
        #[unroll]
        for quad in 0..comptime!(QUADS) {
            let mut four = Vector::<f32, Const<4>>::new(0.0f32);
            if comptime!(4 * quad < count) {
                four = x[base + quad];
            }
            if comptime!(halves) {
                four *= Vector::new(inverse);
            }
            token_tile[place(slot, quad)] = Vector::cast_from(four);
        }
    }
}

/// Decodes a group of row `row`.
#[cube]
fn fill_row<F: Float>(
    weights: &[Vector<u32, Const<4>>],
    tile: &mut Shared<[Vector<F, Const<4>>]>,
    planes: &PlaneStarts,
    slot: usize,
    row: usize,
    cols: usize,
    group: usize,
    #[comptime] block: BlockType,
    #[comptime] count: usize,
) {
    let mut words = Array::<u32>::new(comptime!(group_words(block)));
    let mut scales = Array::<f32>::new(SCALES);
    let mut values = Array::<f32>::new(OCTET);
    load_row(
        weights,
        planes,
        row,
        cols,
        group,
        &mut words,
        &mut scales,
        0usize,
        block,
        count,
    );
    #[unroll]
    for octet in 0..comptime!(GROUP / OCTET) {
        let mut low = Vector::<f32, Const<4>>::new(0.0f32);
        let mut high = Vector::<f32, Const<4>>::new(0.0f32);
        if comptime!(OCTET * octet < count) {
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
            #[unroll]
            for i in 0..4usize {
                low.insert(i, values[i]);
                high.insert(i, values[comptime!(4 + i)]);
            }
        }
        tile[place(slot, comptime!(octet_quads(block, octet).0).runtime())] =
            Vector::cast_from(low);
        tile[place(slot, comptime!(octet_quads(block, octet).1).runtime())] =
            Vector::cast_from(high);
    }
}

/// Waits until the tiles are full, and adds what they give to the sums of a thread, [square, square] of rows and tokens `SIDE` apart.
#[cube]
fn add_tiles<F: Float>(
    row_tile: &Shared<[Vector<F, Const<4>>]>,
    token_tile: &Shared<[Vector<F, Const<4>>]>,
    scales: &Shared<[f32]>,
    sums: &mut Array<f32>,
    own: (usize, usize),
    #[comptime] square: usize,
    #[comptime] halves: bool,
) {
    sync_cube();
    let mut rows = Array::<Vector<F, Const<4>>>::new(square);
    // A group's sums, in f16, of each place in a quad.
    let mut parts =
        Array::<Vector<F, Const<4>>>::new(comptime!(if halves { square * square } else { 1 }));
    if comptime!(halves) {
        #[unroll]
        for i in 0..comptime!(square * square) {
            parts[i] = Vector::new(F::new(0.0));
        }
    }
    for quad in 0..comptime!(QUADS) {
        #[unroll]
        for r in 0..square {
            rows[r] = row_tile[place(own.0 + comptime!(r * SIDE), quad)];
        }
        #[unroll]
        for t in 0..square {
            let token = token_tile[place(own.1 + comptime!(t * SIDE), quad)];
            #[unroll]
            for r in 0..square {
                if comptime!(halves) {
                    parts[comptime!(r * square + t)] += rows[r] * token;
                } else {
                    #[unroll]
                    for i in 0..4usize {
                        sums[comptime!(r * square + t)] +=
                            f32::cast_from(rows[r].extract(i) * token.extract(i));
                    }
                }
            }
        }
    }
    if comptime!(halves) {
        #[unroll]
        for t in 0..square {
            let scale = scales[own.1 + comptime!(t * SIDE)];
            #[unroll]
            for r in 0..square {
                let four = parts[comptime!(r * square + t)];
                let mut part = 0.0f32;
                #[unroll]
                for i in 0..4usize {
                    part += f32::cast_from(four.extract(i));
                }
                sums[comptime!(r * square + t)] += part * scale;
            }
        }
    }
    // Whoever fills the tiles next waits for every thread.
    sync_cube();
}

/// Writes the piece's columns of `y`; the columns of the matrix divide by 8. `square` is 4 or 8.
pub fn tiled(
    x: &CubeTensor,
    weights: &CubeTensor,
    y: &CubeTensor,
    p: &LinearParams,
    square: usize,
    halves: bool,
) {
    let tile = SIDE * square;
    let launch = match halves {
        true => tiled_kernel::launch_unchecked::<half::f16>,
        false => tiled_kernel::launch_unchecked::<f32>,
    };
    // SAFETY: lengths follow from the shapes; rows and tokens past the end are read where the last ones are.
    unsafe {
        launch(
            &x.client,
            grid(p.rows.div_ceil(tile), p.tokens.div_ceil(tile)),
            CubeDim::new_1d(UNITS as u32),
            arg(weights, elements(weights) / 4),
            arg(x, p.tokens * p.cols / 4),
            arg(y, p.tokens * p.out_cols),
            sizes(p),
            starts(p.planes),
            p.block,
            square,
            p.cols % GROUP,
            halves,
        );
    }
}
