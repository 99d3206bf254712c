//! Queries, keys and values between their product and attention: normalised, rotated, stored.

use burn::backend::wgpu::CubeTensor;
use cubecl::prelude::*;

use super::super::params::{CacheType, HeadParams};
use super::cache::{per_word, stored_word};
use super::norm::sum_over_units;
use super::{UNITS, arg, elements, grid};

/// The numbers of a call that do not shape the kernel.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Place {
    heads: u32,
    kv_heads: u32,
    position: u32,
    capacity: u32,
}

/// One workgroup a head of a token: `x / √(mean(x²) + ε) · w`, then the pairs `(j, j + head_dim / 2)` turned by the angle
/// of the position. Heads of keys and values go to the rings.
#[cube(launch_unchecked)]
fn prepare_heads_kernel(
    qkv: &[f32],
    norms: &[f32],
    table: &[f32],
    queries: &mut [f32],
    keys: &mut [u32],
    values: &mut [u32],
    place: Place,
    epsilon: f32,
    #[comptime] head_dim: usize,
    #[comptime] cache: CacheType,
) {
    let unit = UNIT_POS as usize;
    let half = comptime!(head_dim / 2);
    let index = CUBE_POS_X as usize;
    let token = CUBE_POS_Y as usize;
    let heads = place.heads as usize;
    let kv_heads = place.kv_heads as usize;
    let position = place.position as usize + token;
    let start = (token * (heads + 2usize * kv_heads) + index) * head_dim;

    let mut scratch = Shared::<[f32]>::new_slice(UNITS);
    let mut head = Shared::<[f32]>::new_slice(head_dim);
    let mut squares = 0.0f32;
    let mut d = unit;
    while d < head_dim {
        let value = qkv[start + d];
        head[d] = value;
        squares += value * value;
        d += comptime!(UNITS);
    }
    let sum = sum_over_units(&mut scratch, squares);
    let inverse = (sum / f32::cast_from(head_dim) + epsilon).inverse_sqrt();
    if index < heads + kv_heads {
        let norm = select(index < heads, 0usize, head_dim);
        let mut j = unit;
        while j < half {
            let angle = position * head_dim + 2usize * j;
            let a = head[j] * inverse * norms[norm + j];
            let b = head[half + j] * inverse * norms[norm + half + j];
            head[j] = a * table[angle] - b * table[angle + 1usize];
            head[half + j] = b * table[angle] + a * table[angle + 1usize];
            j += comptime!(UNITS);
        }
    }
    sync_cube();
    if index < heads {
        let mut d = unit;
        while d < head_dim {
            queries[(token * heads + index) * head_dim + d] = head[d];
            d += comptime!(UNITS);
        }
    } else {
        let per_word = comptime!(per_word(cache));
        let words = comptime!(head_dim / per_word);
        let row = (position % place.capacity as usize) * kv_heads * words;
        let mut word = unit;
        while word < words {
            let stored = stored_word(&head, word * per_word, cache);
            if index < heads + kv_heads {
                keys[row + (index - heads) * words + word] = stored;
            } else {
                values[row + (index - heads - kv_heads) * words + word] = stored;
            }
            word += comptime!(UNITS);
        }
    }
}

/// qkv: [tokens, (heads + 2 kv_heads) * head_dim], norms: `[2 * head_dim]`, table: [positions, head_dim / 2, 2], queries:
/// [tokens, heads * head_dim], keys, values: words of [capacity, kv_heads * head_dim]
pub fn prepare_heads(
    (qkv, norms, table): (&CubeTensor, &CubeTensor, &CubeTensor),
    queries: &CubeTensor,
    (keys, values): (&CubeTensor, &CubeTensor),
    p: &HeadParams,
) {
    // SAFETY: one workgroup a head of a token; lengths follow from the shapes, rows wrap at the rings' capacity.
    unsafe {
        prepare_heads_kernel::launch_unchecked(
            &qkv.client,
            grid(p.heads + 2 * p.kv_heads, p.tokens),
            CubeDim::new_1d(UNITS as u32),
            arg(qkv, elements(qkv)),
            arg(norms, elements(norms)),
            arg(table, elements(table)),
            arg(queries, elements(queries)),
            arg(keys, elements(keys)),
            arg(values, elements(values)),
            PlaceLaunch::new(
                p.heads as u32,
                p.kv_heads as u32,
                p.position as u32,
                p.capacity as u32,
            ),
            p.epsilon,
            p.head_dim,
            p.cache,
        );
    }
}
