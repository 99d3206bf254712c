//! Attention over a ring of keys and values, with a running softmax: no score matrix in memory.
//!
//! One workgroup serves a few neighbouring queries of one head. It walks the visible positions in tiles of `UNITS`: each
//! thread scores one key against every query, then adds the weighted values of the tile into its own dimensions. Bytes
//! read: each query once, every visible key and value once for each head and workgroup.

use burn::backend::wgpu::CubeTensor;
use cubecl::prelude::*;

use super::super::params::{AttentionParams, CacheType};
use super::cache::{number, per_word};
use super::{UNITS, arg, grid};

/// Below every score, and safe to subtract from itself.
const LOWEST: f32 = -1.0e30;

/// The numbers of a call that do not shape the kernel.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Place {
    tokens: u32,
    heads: u32,
    kv_heads: u32,
    position: u32,
    capacity: u32,
    window: u32,
}

/// First position that the query at `token` sees.
#[cube]
fn first_visible(place: &Place, token: u32) -> u32 {
    let past = place.position + token + 1u32;
    let mut first = 0u32;
    if place.window > 0u32 && past > place.window {
        first = past - place.window;
    }
    first
}

/// Position after the last that the query at `token` sees.
#[cube]
fn end_visible(place: &Place, token: u32, #[comptime] bidirectional: bool) -> u32 {
    let mut end = place.position + token + 1u32;
    if comptime!(bidirectional) {
        end = place.position + place.tokens;
    }
    end
}

#[cube(launch_unchecked)]
fn attention_kernel(
    q: &[f32],
    k: &[Vector<u32, Const<4>>],
    v: &[u32],
    out: &mut [f32],
    place: Place,
    scale: f32,
    #[comptime] head_dim: usize,
    #[comptime] queries: usize,
    #[comptime] bidirectional: bool,
    #[comptime] cache: CacheType,
) {
    let unit = UNIT_POS as usize;
    let head = CUBE_POS_X;
    let first_token = CUBE_POS_Y * comptime!(queries as u32);
    let last_token = place.tokens - 1u32;
    let kv_head = (head / (place.heads / place.kv_heads)) as usize;
    let per_word = comptime!(per_word(cache));
    let head_words = comptime!(head_dim / per_word);
    let row_words = place.kv_heads as usize * head_words;
    let capacity = place.capacity as usize;

    // Bounds come from scalars and the workgroup's own place, so the whole workgroup agrees on them.
    let first = first_visible(&place, first_token);
    let end = end_visible(
        &place,
        min(first_token + comptime!(queries as u32 - 1), last_token),
        bidirectional,
    );

    let mut query = Shared::<[f32]>::new_slice(comptime!(queries * head_dim));
    let mut scores = Shared::<[f32]>::new_slice(comptime!(queries * UNITS));
    let mut weights = Shared::<[f32]>::new_slice(comptime!(queries * UNITS));
    let mut peaks = Shared::<[f32]>::new_slice(queries);
    let mut fades = Shared::<[f32]>::new_slice(queries);
    let mut totals = Shared::<[f32]>::new_slice(queries);
    let mut d = unit;
    while d < comptime!(queries * head_dim) {
        let token = min(first_token + (d / head_dim) as u32, last_token);
        let start = (token * place.heads + head) as usize * head_dim;
        query[d] = q[start + d % head_dim] * scale;
        d += comptime!(UNITS);
    }
    if unit < queries {
        peaks[unit] = comptime!(LOWEST).runtime();
        totals[unit] = 0.0f32;
    }
    sync_cube();

    // The words of a value that this thread adds up.
    let own = comptime!(head_words.div_ceil(UNITS));
    let mut sums = Array::<f32>::new(comptime!(queries * own * per_word));
    #[unroll]
    for i in 0..comptime!(queries * own * per_word) {
        sums[i] = 0.0f32;
    }
    let mut dots = Array::<f32>::new(queries);
    let tiles = (end - first).div_ceil(comptime!(UNITS as u32));
    for tile in 0..tiles {
        let base = (first + tile * comptime!(UNITS as u32)) as usize;
        let count = min(end as usize - base, UNITS);
        let position = (base + unit) as u32;
        #[unroll]
        for t in 0..queries {
            dots[t] = 0.0f32;
        }
        if unit < count {
            let key = ((base + unit) % capacity * row_words + kv_head * head_words) / 4usize;
            for i in 0..comptime!(head_words / 4) {
                let quad = k[key + i];
                #[unroll]
                for j in 0..comptime!(4 * per_word) {
                    let value = number(
                        quad.extract(comptime!(j / per_word)),
                        comptime!(j % per_word),
                        cache,
                    );
                    let d = comptime!(4 * per_word) * i + j;
                    #[unroll]
                    for t in 0..queries {
                        dots[t] += query[comptime!(t * head_dim) + d] * value;
                    }
                }
            }
        }
        #[unroll]
        for t in 0..queries {
            let token = min(first_token + comptime!(t as u32), last_token);
            let seen = unit < count
                && position >= first_visible(&place, token)
                && position < end_visible(&place, token, bidirectional);
            let lowest = comptime!(LOWEST).runtime();
            dots[t] = select(seen, dots[t], lowest);
            scores[comptime!(t * UNITS) + unit] = dots[t];
        }
        sync_cube();
        if unit < queries {
            let before = peaks[unit];
            let mut peak = before;
            for other in 0..count {
                peak = max(peak, scores[unit * comptime!(UNITS) + other]);
            }
            peaks[unit] = peak;
            fades[unit] = (before - peak).exp();
        }
        sync_cube();
        #[unroll]
        for t in 0..queries {
            let weight = (dots[t] - peaks[t]).exp();
            // Where nothing has been seen yet, the peak is as low as what is hidden.
            weights[comptime!(t * UNITS) + unit] =
                select(dots[t] > comptime!(0.5 * LOWEST), weight, 0.0f32);
        }
        sync_cube();
        if unit < queries {
            let mut total = totals[unit] * fades[unit];
            for other in 0..count {
                total += weights[unit * comptime!(UNITS) + other];
            }
            totals[unit] = total;
        }
        #[unroll]
        for i in 0..own {
            let column = unit + comptime!(i * UNITS);
            if column < head_words {
                #[unroll]
                for t in 0..queries {
                    #[unroll]
                    for n in 0..per_word {
                        sums[comptime!((t * own + i) * per_word + n)] *= fades[t];
                    }
                }
                for other in 0..count {
                    let word =
                        v[(base + other) % capacity * row_words + kv_head * head_words + column];
                    #[unroll]
                    for n in 0..per_word {
                        let value = number(word, n, cache);
                        #[unroll]
                        for t in 0..queries {
                            sums[comptime!((t * own + i) * per_word + n)] +=
                                weights[comptime!(t * UNITS) + other] * value;
                        }
                    }
                }
            }
        }
    }
    sync_cube();
    #[unroll]
    for t in 0..queries {
        let token = first_token + comptime!(t as u32);
        if token <= last_token {
            let start = (token * place.heads + head) as usize * head_dim;
            #[unroll]
            for i in 0..own {
                let column = unit + comptime!(i * UNITS);
                if column < head_words {
                    #[unroll]
                    for n in 0..per_word {
                        out[start + column * per_word + n] =
                            sums[comptime!((t * own + i) * per_word + n)] / totals[t];
                    }
                }
            }
        }
    }
}

/// Queries of a workgroup: as many as 16 KiB of workgroup memory and a thread's registers bear.
fn queries(p: &AttentionParams) -> usize {
    match p.head_dim {
        _ if p.tokens == 1 => 1,
        0..=128 => 8,
        129..=256 => 4,
        _ => 2,
    }
}

/// q, out: [tokens, heads * head_dim], k, v: [capacity, kv_heads * head_dim] as `cache` says; `head_dim` divides by four
/// words.
pub fn attention(
    q: &CubeTensor,
    k: &CubeTensor,
    v: &CubeTensor,
    out: &CubeTensor,
    p: &AttentionParams,
    cache: CacheType,
) {
    let words = cache.words(p.capacity * p.kv_heads * p.head_dim);
    let count = p.tokens * p.heads * p.head_dim;
    let queries = queries(p);
    // SAFETY: one workgroup for a head and its queries; positions wrap at the capacity of the ring.
    unsafe {
        attention_kernel::launch_unchecked(
            &q.client,
            grid(p.heads, p.tokens.div_ceil(queries)),
            CubeDim::new_1d(UNITS as u32),
            arg(q, count),
            arg(k, words / 4),
            arg(v, words),
            arg(out, count),
            PlaceLaunch::new(
                p.tokens as u32,
                p.heads as u32,
                p.kv_heads as u32,
                p.position as u32,
                p.capacity as u32,
                p.window as u32,
            ),
            p.scale,
            p.head_dim,
            queries,
            p.bidirectional,
            cache,
        );
    }
}
