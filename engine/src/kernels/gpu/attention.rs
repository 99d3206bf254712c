//! Attention over a ring of keys and values, with a running softmax: no score matrix in memory.
//!
//! One workgroup serves one query of one head. It walks the visible positions in tiles of `UNITS`: each
//! thread scores one key, then each thread adds the weighted values of the tile into its own dimensions.
//! Bytes read: the query once, every visible key and value once for each head.

use burn::backend::wgpu::CubeTensor;
use cubecl::prelude::*;

use super::super::params::AttentionParams;
use super::{UNITS, arg, grid};

/// Below every score, and safe to subtract from itself.
const LOWEST: f32 = -1.0e30;

#[cube(launch_unchecked)]
fn attention_kernel(
    q: &[f32],
    k: &[Vector<f32, Const<4>>],
    v: &[f32],
    out: &mut [f32],
    tokens: u32,
    heads: u32,
    kv_heads: u32,
    position: u32,
    capacity: u32,
    window: u32,
    scale: f32,
    #[comptime] head_dim: usize,
    #[comptime] bidirectional: bool,
) {
    let unit = UNIT_POS as usize;
    let head = CUBE_POS_X;
    let token = CUBE_POS_Y;
    let kv_head = (head / (heads / kv_heads)) as usize;
    let row = kv_heads as usize * head_dim;
    let start = (token * heads + head) as usize * head_dim;
    let capacity = capacity as usize;

    // Bounds come from scalars and the workgroup's own place, so the whole workgroup agrees on them.
    let past = position + token + 1u32;
    let mut end = past;
    if comptime!(bidirectional) {
        end = position + tokens;
    }
    let mut first = 0u32;
    if window > 0u32 && past > window {
        first = past - window;
    }

    let mut query = Shared::<[f32]>::new_slice(head_dim);
    let mut scores = Shared::<[f32]>::new_slice(UNITS);
    let mut weights = Shared::<[f32]>::new_slice(UNITS);
    let mut d = unit;
    while d < head_dim {
        query[d] = q[start + d] * scale;
        d += comptime!(UNITS);
    }
    sync_cube();

    let dims = comptime!(head_dim.div_ceil(UNITS));
    let mut sums = Array::<f32>::new(dims);
    let mut largest = comptime!(LOWEST).runtime();
    let mut total = 0.0f32;
    let tiles = (end - first).div_ceil(comptime!(UNITS as u32));
    for tile in 0..tiles {
        let base = (first + tile * comptime!(UNITS as u32)) as usize;
        let count = min(end as usize - base, UNITS);
        let mut score = comptime!(LOWEST).runtime();
        if unit < count {
            let key = ((base + unit) % capacity * row + kv_head * head_dim) / 4usize;
            let mut sum = 0.0f32;
            for i in 0..comptime!(head_dim / 4) {
                let quad = k[key + i];
                #[unroll]
                for j in 0..4usize {
                    sum += query[4usize * i + j] * quad.extract(j);
                }
            }
            score = sum;
        }
        scores[unit] = score;
        sync_cube();
        let mut peak = largest;
        for other in 0..count {
            peak = max(peak, scores[other]);
        }
        let mut weight = 0.0f32;
        if unit < count {
            weight = (score - peak).exp();
        }
        weights[unit] = weight;
        sync_cube();
        let fade = (largest - peak).exp();
        largest = peak;
        total *= fade;
        for other in 0..count {
            total += weights[other];
        }
        #[unroll]
        for i in 0..dims {
            let d = unit + comptime!(i * UNITS);
            if d < head_dim {
                let mut sum = sums[i] * fade;
                for other in 0..count {
                    let value = (base + other) % capacity * row + kv_head * head_dim + d;
                    sum += weights[other] * v[value];
                }
                sums[i] = sum;
            }
        }
    }
    #[unroll]
    for i in 0..dims {
        let d = unit + comptime!(i * UNITS);
        if d < head_dim {
            out[start + d] = sums[i] / total;
        }
    }
}

/// q, out: [tokens, heads * head_dim], k, v: [capacity, kv_heads * head_dim]; `head_dim` divides by 4.
pub fn attention(
    q: &CubeTensor,
    k: &CubeTensor,
    v: &CubeTensor,
    out: &CubeTensor,
    p: &AttentionParams,
) {
    let cache = p.capacity * p.kv_heads * p.head_dim;
    let count = p.tokens * p.heads * p.head_dim;
    // SAFETY: one workgroup a query and head; positions wrap at the capacity of the ring.
    unsafe {
        attention_kernel::launch_unchecked(
            &q.client,
            grid(p.heads, p.tokens),
            CubeDim::new_1d(UNITS as u32),
            arg(q, count),
            arg(k, cache / 4),
            arg(v, cache),
            arg(out, count),
            p.tokens as u32,
            p.heads as u32,
            p.kv_heads as u32,
            p.position as u32,
            p.capacity as u32,
            p.window as u32,
            p.scale,
            p.head_dim,
            p.bidirectional,
        );
    }
}
