//! Attention of a single token, from its product with the weights to the heads' results.
//!
//! One workgroup serves the query heads that share a key head, over a share of the visible positions: it normalises and
//! rotates its queries and its own key, scores every position of its share (a thread a position), turns the scores into
//! weights, and adds up the values (a thread a word of them). Where there are several shares, a second dispatch joins them.
//! Position and token id come from a buffer, so that the same dispatches serve every token. Bytes read: every visible key
//! and value once.

use burn::backend::wgpu::CubeTensor;
use cubecl::prelude::*;

use super::super::params::{CacheType, StepParams};
use super::cache::{number, per_word, rounded, stored_word};
use super::norm::sum_over_units;
use super::{UNITS, arg, elements, empty, grid};

/// Below every score, and safe to subtract from itself.
const LOWEST: f32 = -1.0e30;

/// Most scores that a workgroup keeps: 8 KiB of its memory.
const MOST_SCORES: usize = 2048;

/// Numbers beside the sums of a head in a share's result: its largest score, and the sum of its weights.
const EXTRA: usize = 2;

/// The numbers of a call that do not shape the kernel.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Place {
    heads: u32,
    kv_heads: u32,
    capacity: u32,
    window: u32,
}

/// The largest `value` of the workgroup, in every thread. `scratch`: `[UNITS]`, free for reuse afterwards.
#[cube]
fn max_over_units(scratch: &mut Shared<[f32]>, value: f32) -> f32 {
    scratch[UNIT_POS as usize] = value;
    sync_cube();
    let mut most = scratch[0];
    for unit in 1..comptime!(UNITS) {
        most = max(most, scratch[unit]);
    }
    sync_cube();
    most
}

#[cube(launch_unchecked)]
fn attention_step_kernel(
    qkv: &[f32],
    norms: &[f32],
    table: &[f32],
    keys: &mut [Vector<u32, Const<4>>],
    values: &mut [u32],
    state: &[u32],
    out: &mut [f32],
    place: Place,
    scale: f32,
    epsilon: f32,
    #[comptime] head_dim: usize,
    #[comptime] group: usize,
    #[comptime] shares: usize,
    #[comptime] cache: CacheType,
) {
    let unit = UNIT_POS as usize;
    let kv_head = CUBE_POS_X as usize;
    let share = CUBE_POS_Y as usize;
    let heads = place.heads as usize;
    let kv_heads = place.kv_heads as usize;
    let capacity = place.capacity as usize;
    let position = state[1] as usize;
    let half = comptime!(head_dim / 2);
    let per_word = comptime!(per_word(cache));
    let words = comptime!(head_dim / per_word);
    let row_words = kv_heads * words;
    let own_row = (position % capacity) * row_words + kv_head * words;
    let value_start = (heads + kv_heads + kv_head) * head_dim;

    // The queries, and after them this token's own key.
    let mut scratch = Shared::<[f32]>::new_slice(UNITS);
    let mut turned = Shared::<[f32]>::new_slice(comptime!((group + 1) * head_dim));
    let mut own_value = Shared::<[f32]>::new_slice(head_dim);
    #[unroll]
    for h in 0..comptime!(group + 1) {
        let mut start = (kv_head * group + h) * head_dim;
        if comptime!(h == group) {
            start = (heads + kv_head) * head_dim;
        }
        let mut squares = 0.0f32;
        let mut d = unit;
        while d < head_dim {
            let value = qkv[start + d];
            squares += value * value;
            d += comptime!(UNITS);
        }
        let sum = sum_over_units(&mut scratch, squares);
        let inverse = (sum / f32::cast_from(head_dim) + epsilon).inverse_sqrt();
        let norm = comptime!(if h == group { head_dim } else { 0 });
        let first = comptime!(h * head_dim);
        let mut j = unit;
        while j < half {
            let angle = position * head_dim + 2usize * j;
            let a = qkv[start + j] * inverse * norms[norm + j];
            let b = qkv[start + half + j] * inverse * norms[norm + half + j];
            let low = a * table[angle] - b * table[angle + 1usize];
            let high = b * table[angle] + a * table[angle + 1usize];
            if comptime!(h == group) {
                turned[first + j] = rounded(low, cache);
                turned[first + half + j] = rounded(high, cache);
            } else {
                turned[first + j] = low * scale;
                turned[first + half + j] = high * scale;
            }
            j += comptime!(UNITS);
        }
    }
    let mut d = unit;
    while d < head_dim {
        own_value[d] = rounded(qkv[value_start + d], cache);
        d += comptime!(UNITS);
    }
    sync_cube();
    if share == 0usize {
        // No other thread of the dispatch reads this row.
        let mut quad = unit;
        while quad < comptime!(words / 4) {
            let first = comptime!(group * head_dim) + quad * comptime!(4 * per_word);
            let mut stored = Vector::<u32, Const<4>>::empty();
            #[unroll]
            for i in 0..4usize {
                stored.insert(
                    i,
                    stored_word(&turned, first + comptime!(i * per_word), cache),
                );
            }
            keys[own_row / 4usize + quad] = stored;
            quad += comptime!(UNITS);
        }
        let mut word = unit;
        while word < words {
            values[own_row + word] = stored_word(&own_value, word * per_word, cache);
            word += comptime!(UNITS);
        }
    }

    // This share of the positions [first, position].
    let mut first = 0usize;
    if place.window > 0u32 && position + 1usize > place.window as usize {
        first = position + 1usize - place.window as usize;
    }
    let each = (position + 1usize - first).div_ceil(comptime!(shares));
    let begin = min(first + share * each, position + 1usize);
    let count = min(begin + each, position + 1usize) - begin;

    let most = comptime!(MOST_SCORES / group);
    let mut scores = Shared::<[f32]>::new_slice(comptime!(MOST_SCORES));
    let mut peaks = Array::<f32>::new(group);
    let mut dots = Array::<f32>::new(group);
    #[unroll]
    for t in 0..group {
        peaks[t] = comptime!(LOWEST).runtime();
    }
    let mut index = unit;
    while index < count {
        #[unroll]
        for t in 0..group {
            dots[t] = 0.0f32;
        }
        let at = begin + index;
        if at == position {
            for d in 0..head_dim {
                let value = turned[comptime!(group * head_dim) + d];
                #[unroll]
                for t in 0..group {
                    dots[t] += turned[comptime!(t * head_dim) + d] * value;
                }
            }
        } else {
            let key = ((at % capacity) * row_words + kv_head * words) / 4usize;
            for i in 0..comptime!(words / 4) {
                let quad = keys[key + i];
                #[unroll]
                for j in 0..comptime!(4 * per_word) {
                    let value = number(
                        quad.extract(comptime!(j / per_word)),
                        comptime!(j % per_word),
                        cache,
                    );
                    let d = comptime!(4 * per_word) * i + j;
                    #[unroll]
                    for t in 0..group {
                        dots[t] += turned[comptime!(t * head_dim) + d] * value;
                    }
                }
            }
        }
        #[unroll]
        for t in 0..group {
            scores[comptime!(t * most) + index] = dots[t];
            peaks[t] = max(peaks[t], dots[t]);
        }
        index += comptime!(UNITS);
    }
    let mut totals = Array::<f32>::new(group);
    #[unroll]
    for t in 0..group {
        let peak = max_over_units(&mut scratch, peaks[t]);
        peaks[t] = peak;
        let mut total = 0.0f32;
        let mut index = unit;
        while index < count {
            let weight = (scores[comptime!(t * most) + index] - peak).exp();
            scores[comptime!(t * most) + index] = weight;
            total += weight;
            index += comptime!(UNITS);
        }
        // Its barriers also put the weights before their readers.
        totals[t] = sum_over_units(&mut scratch, total);
    }

    let mut sums = Array::<f32>::new(comptime!(group * per_word));
    #[unroll]
    for round in 0..comptime!(words.div_ceil(UNITS)) {
        let column = unit + comptime!(round * UNITS);
        if column < words {
            #[unroll]
            for i in 0..comptime!(group * per_word) {
                sums[i] = 0.0f32;
            }
            for index in 0..count {
                let at = begin + index;
                let word = values[(at % capacity) * row_words + kv_head * words + column];
                #[unroll]
                for n in 0..per_word {
                    let stored = number(word, n, cache);
                    let value = select(at == position, own_value[column * per_word + n], stored);
                    #[unroll]
                    for t in 0..group {
                        sums[comptime!(t * per_word + n)] +=
                            scores[comptime!(t * most) + index] * value;
                    }
                }
            }
            #[unroll]
            for t in 0..group {
                let head = kv_head * group + t;
                #[unroll]
                for n in 0..per_word {
                    let sum = sums[comptime!(t * per_word + n)];
                    let d = column * per_word + n;
                    if comptime!(shares == 1) {
                        out[head * head_dim + d] = sum / totals[t];
                    } else {
                        let row = share * heads + head;
                        out[row * comptime!(head_dim + EXTRA) + d] = sum;
                    }
                }
            }
        }
    }
    // The outer condition decides whether there is any such code.
    #[allow(clippy::collapsible_if)]
    if comptime!(shares > 1) {
        if unit == 0usize {
            #[unroll]
            for t in 0..group {
                let row = share * heads + kv_head * group + t;
                out[row * comptime!(head_dim + EXTRA) + head_dim] = peaks[t];
                out[row * comptime!(head_dim + EXTRA) + comptime!(head_dim + 1)] = totals[t];
            }
        }
    }
}

/// `Σ e^(mₛ - m) sumsₛ / Σ e^(mₛ - m) totalₛ` over the shares of a head, `m` the largest of their scores; one workgroup a
/// head.
#[cube(launch_unchecked)]
fn join_shares_kernel(
    shares: &[f32],
    out: &mut [f32],
    heads: u32,
    #[comptime] head_dim: usize,
    #[comptime] count: usize,
) {
    let head = CUBE_POS_X as usize;
    let step = heads as usize * comptime!(head_dim + EXTRA);
    let first = head * comptime!(head_dim + EXTRA);
    let mut peak = comptime!(LOWEST).runtime();
    for share in 0..count {
        peak = max(peak, shares[first + share * step + head_dim]);
    }
    let mut total = 0.0f32;
    for share in 0..count {
        let row = first + share * step;
        total += (shares[row + head_dim] - peak).exp() * shares[row + head_dim + 1usize];
    }
    let mut d = UNIT_POS as usize;
    while d < head_dim {
        let mut sum = 0.0f32;
        for share in 0..count {
            let row = first + share * step;
            sum += (shares[row + head_dim] - peak).exp() * shares[row + d];
        }
        out[head * head_dim + d] = sum / total;
        d += comptime!(UNITS);
    }
}

/// Shares of the positions: as few as the scores' memory allows, since each further dispatch costs more than it saves.
pub fn shares(p: &StepParams) -> usize {
    let visible = match p.window {
        0 => p.capacity,
        window => window.min(p.capacity),
    };
    visible.div_ceil(MOST_SCORES / (p.heads / p.kv_heads))
}

/// qkv: [1, (heads + 2 kv_heads) * head_dim], norms: `[2 * head_dim]`, table: [positions, head_dim / 2, 2], keys, values:
/// words of [capacity, kv_heads * head_dim], state: `[2]`, out: [1, heads * head_dim]
pub fn attention_step(
    (qkv, norms, table): (&CubeTensor, &CubeTensor, &CubeTensor),
    (keys, values): (&CubeTensor, &CubeTensor),
    state: &CubeTensor,
    out: &CubeTensor,
    p: &StepParams,
) {
    let shares = shares(p);
    let partial = match shares {
        1 => out.clone(),
        _ => empty(out, &[shares * p.heads, p.head_dim + EXTRA]),
    };
    // SAFETY: one workgroup for the heads of a key head and their share; positions wrap at the rings' capacity, and a share
    // has no more positions than the workgroup's memory has scores.
    unsafe {
        attention_step_kernel::launch_unchecked(
            &qkv.client,
            grid(p.kv_heads, shares),
            CubeDim::new_1d(UNITS as u32),
            arg(qkv, elements(qkv)),
            arg(norms, elements(norms)),
            arg(table, elements(table)),
            arg(keys, elements(keys) / 4),
            arg(values, elements(values)),
            arg(state, elements(state)),
            arg(&partial, elements(&partial)),
            PlaceLaunch::new(
                p.heads as u32,
                p.kv_heads as u32,
                p.capacity as u32,
                p.window as u32,
            ),
            p.scale,
            p.epsilon,
            p.head_dim,
            p.heads / p.kv_heads,
            shares,
            p.cache,
        );
        if shares > 1 {
            join_shares_kernel::launch_unchecked(
                &qkv.client,
                grid(p.heads, 1),
                CubeDim::new_1d(UNITS as u32),
                arg(&partial, elements(&partial)),
                arg(out, elements(out)),
                p.heads as u32,
                p.head_dim,
                shares,
            );
        }
    }
}
