//! Attention over a ring of keys and values, with a running softmax: no score matrix in memory.
//!
//! One workgroup serves some neighbouring queries of one head. It walks the visible positions in tiles of `UNITS`: its
//! threads stand in `SIDE` rows of queries and `SIDE` columns. A thread scores its queries against its share of the tile's
//! keys, and adds the tile's weighted values into its queries' share of the dimensions, both in registers, so that a number
//! that it reads serves several products. Bytes read: each query once for a tile, every visible key and value once for each
//! head and workgroup.

use burn::backend::wgpu::CubeTensor;
use cubecl::prelude::*;

use super::super::params::{AttentionParams, CacheType};
use super::cache::{number, per_word};
use super::{UNITS, arg, grid};

/// Below every score, and safe to subtract from itself.
const LOWEST: f32 = -1.0e30;

/// Threads along each side of a workgroup.
const SIDE: usize = 8;

/// Keys of a tile that a thread scores: neighbours.
const OWN_KEYS: usize = UNITS / SIDE;

/// Quads of a query's weights for a tile, with one more so that queries begin in different banks of memory.
const WEIGHT_QUADS: usize = UNITS / 4 + 1;

/// Numbers of which a thread keeps the sums, at most.
const MOST_SUMS: usize = 64;

/// Queries of a thread, at most. With four, SwiftShader takes minutes to compile the kernel.
const MOST_QUERIES: usize = 2;

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

/// Row of a ring, `ahead` rows after row `start`; both below its capacity.
#[cube]
fn wrapped(start: usize, ahead: usize, capacity: usize) -> usize {
    let row = start + ahead;
    select(row >= capacity, row - min(row, capacity), row)
}

#[cube(launch_unchecked)]
fn attention_kernel(
    q: &[Vector<f32, Const<4>>],
    k: &[Vector<u32, Const<4>>],
    v: &[Vector<u32, Const<4>>],
    out: &mut [f32],
    place: Place,
    scale: f32,
    #[comptime] head_dim: usize,
    #[comptime] own_queries: usize,
    #[comptime] bidirectional: bool,
    #[comptime] cache: CacheType,
) {
    let unit = UNIT_POS as usize;
    let side_row = unit / comptime!(SIDE);
    let side_column = unit % comptime!(SIDE);
    let queries = comptime!(own_queries * SIDE);
    let head = CUBE_POS_X;
    let first_token = CUBE_POS_Y * comptime!((own_queries * SIDE) as u32);
    let last_token = place.tokens - 1u32;
    let kv_head = (head / (place.heads / place.kv_heads)) as usize;
    // A quad of words is `of_quad` numbers, and so many quads of a query.
    let of_quad = comptime!(4 * per_word(cache));
    let head_quads = comptime!(head_dim / of_quad);
    let row_quads = place.kv_heads as usize * head_quads;
    let capacity = place.capacity as usize;

    // Bounds come from scalars and the workgroup's own place, so the whole workgroup agrees on them.
    let first = first_visible(&place, first_token);
    let end = end_visible(
        &place,
        min(
            first_token + comptime!((own_queries * SIDE - 1) as u32),
            last_token,
        ),
        bidirectional,
    );

    let mut peaks_of_shares = Shared::<[f32]>::new_slice(comptime!(queries * SIDE));
    let mut totals_of_shares = Shared::<[f32]>::new_slice(comptime!(queries * SIDE));
    let mut weights =
        Shared::<[Vector<f32, Const<4>>]>::new_slice(comptime!(queries * WEIGHT_QUADS));

    let mut peaks = Array::<f32>::new(own_queries);
    let mut totals = Array::<f32>::new(own_queries);
    let mut query_starts = Array::<usize>::new(own_queries);
    let mut firsts = Array::<u32>::new(own_queries);
    let mut ends = Array::<u32>::new(own_queries);
    let own_quads = comptime!(head_quads.div_ceil(SIDE));
    let mut sums = Array::<f32>::new(comptime!(own_queries * own_quads * of_quad));
    #[unroll]
    for t in 0..own_queries {
        let token = min(
            first_token + side_row as u32 + comptime!((t * SIDE) as u32),
            last_token,
        );
        query_starts[t] = (token * place.heads + head) as usize * comptime!(head_dim / 4);
        firsts[t] = first_visible(&place, token);
        ends[t] = end_visible(&place, token, bidirectional);
        peaks[t] = comptime!(LOWEST).runtime();
        totals[t] = 0.0f32;
        #[unroll]
        for i in 0..comptime!(own_quads * of_quad) {
            sums[comptime!(t * own_quads * of_quad + i)] = 0.0f32;
        }
    }
    let mut key_starts = Array::<usize>::new(OWN_KEYS);
    let mut dots = Array::<f32>::new(comptime!(own_queries * OWN_KEYS));

    let tiles = (end - first).div_ceil(comptime!(UNITS as u32));
    for tile in 0..tiles {
        let base = first + tile * comptime!(UNITS as u32);
        let start = base as usize % capacity;
        let last = min(end - base, comptime!(UNITS as u32)) as usize - 1usize;

        // Scores. Keys past the end are the last one again; nobody sees them.
        #[unroll]
        for s in 0..comptime!(OWN_KEYS) {
            let ahead = min(side_column * comptime!(OWN_KEYS) + s, last);
            key_starts[s] = wrapped(start, ahead, capacity) * row_quads + kv_head * head_quads;
            #[unroll]
            for t in 0..own_queries {
                dots[comptime!(t * OWN_KEYS + s)] = 0.0f32;
            }
        }
        for quad in 0..head_quads {
            add_scores(
                q,
                k,
                &query_starts,
                &key_starts,
                quad,
                &mut dots,
                own_queries,
                cache,
            );
        }
        #[unroll]
        for t in 0..own_queries {
            let mut peak = comptime!(LOWEST).runtime();
            #[unroll]
            for s in 0..comptime!(OWN_KEYS) {
                let position = base + (side_column * comptime!(OWN_KEYS) + s) as u32;
                let seen = position >= firsts[t] && position < ends[t];
                let dot = dots[comptime!(t * OWN_KEYS + s)] * scale;
                let hidden = comptime!(LOWEST).runtime();
                dots[comptime!(t * OWN_KEYS + s)] = select(seen, dot, hidden);
                peak = max(peak, dots[comptime!(t * OWN_KEYS + s)]);
            }
            peaks_of_shares[(side_row + comptime!(t * SIDE)) * comptime!(SIDE) + side_column] =
                peak;
        }
        sync_cube();

        // Weights, beside the largest score so far.
        #[unroll]
        for t in 0..own_queries {
            let query = side_row + comptime!(t * SIDE);
            let mut peak = peaks[t];
            #[unroll]
            for share in 0..comptime!(SIDE) {
                peak = max(peak, peaks_of_shares[query * comptime!(SIDE) + share]);
            }
            let fade = (peaks[t] - peak).exp();
            peaks[t] = peak;
            totals[t] *= fade;
            #[unroll]
            for i in 0..comptime!(own_quads * of_quad) {
                sums[comptime!(t * own_quads * of_quad + i)] *= fade;
            }
            let mut total = 0.0f32;
            #[unroll]
            for four in 0..comptime!(OWN_KEYS / 4) {
                let mut quad = Vector::<f32, Const<4>>::new(0.0f32);
                #[unroll]
                for i in 0..4usize {
                    let dot = dots[comptime!(t * OWN_KEYS + 4 * four + i)];
                    // Where nothing has been seen yet, the peak is as low as what is hidden.
                    let weight = select(dot > comptime!(0.5 * LOWEST), (dot - peak).exp(), 0.0f32);
                    total += weight;
                    quad.insert(i, weight);
                }
                weights[query * comptime!(WEIGHT_QUADS)
                    + side_column * comptime!(OWN_KEYS / 4)
                    + four] = quad;
            }
            totals_of_shares[query * comptime!(SIDE) + side_column] = total;
        }
        sync_cube();

        // Values, four positions at a time.
        #[unroll]
        for t in 0..own_queries {
            #[unroll]
            for share in 0..comptime!(SIDE) {
                totals[t] +=
                    totals_of_shares[(side_row + comptime!(t * SIDE)) * comptime!(SIDE) + share];
            }
        }
        for four in 0..last / 4usize + 1usize {
            add_values(
                v,
                &weights,
                (side_row, side_column),
                four,
                (start, last, capacity),
                (row_quads, kv_head * head_quads),
                &mut sums,
                head_quads,
                own_queries,
                cache,
            );
        }
    }

    #[unroll]
    for t in 0..own_queries {
        let token = first_token + side_row as u32 + comptime!((t * SIDE) as u32);
        if token <= last_token {
            let out_start = (token * place.heads + head) as usize * head_dim;
            #[unroll]
            for m in 0..own_quads {
                let quad = side_column + comptime!(m * SIDE);
                if quad < head_quads {
                    #[unroll]
                    for n in 0..of_quad {
                        out[out_start + quad * of_quad + n] =
                            sums[comptime!((t * own_quads + m) * of_quad + n)] / totals[t];
                    }
                }
            }
        }
    }
}

/// Adds what quad `quad` of the keys gives to the scores, [own_queries, OWN_KEYS].
#[cube]
fn add_scores(
    q: &[Vector<f32, Const<4>>],
    k: &[Vector<u32, Const<4>>],
    query_starts: &Array<usize>,
    key_starts: &Array<usize>,
    quad: usize,
    dots: &mut Array<f32>,
    #[comptime] own_queries: usize,
    #[comptime] cache: CacheType,
) {
    let per_word = comptime!(per_word(cache));
    // As many quads of a query as a quad of words has numbers to a word.
    let mut own = Array::<Vector<f32, Const<4>>>::new(comptime!(own_queries * per_word));
    #[unroll]
    for t in 0..own_queries {
        #[unroll]
        for part in 0..per_word {
            own[comptime!(t * per_word + part)] = q[query_starts[t] + quad * per_word + part];
        }
    }
    #[unroll]
    for s in 0..comptime!(OWN_KEYS) {
        let words = k[key_starts[s] + quad];
        #[unroll]
        for n in 0..comptime!(4 * per_word) {
            let value = number(
                words.extract(comptime!(n / per_word)),
                comptime!(n % per_word),
                cache,
            );
            #[unroll]
            for t in 0..own_queries {
                let query = own[comptime!(t * per_word + n / 4)];
                dots[comptime!(t * OWN_KEYS + s)] += query.extract(comptime!(n % 4)) * value;
            }
        }
    }
}

/// Adds four positions' weighted values to the sums, [own_queries, own_quads, of_quad]. Positions past the end are the last
/// one again, with no weight.
#[cube]
fn add_values(
    v: &[Vector<u32, Const<4>>],
    weights: &Shared<[Vector<f32, Const<4>>]>,
    own: (usize, usize),
    four: usize,
    ring: (usize, usize, usize),
    rows: (usize, usize),
    sums: &mut Array<f32>,
    #[comptime] head_quads: usize,
    #[comptime] own_queries: usize,
    #[comptime] cache: CacheType,
) {
    let (start, last, capacity) = ring;
    let (row_quads, first_quad) = rows;
    let of_quad = comptime!(4 * per_word(cache));
    let own_quads = comptime!(head_quads.div_ceil(SIDE));
    let mut own_weights = Array::<Vector<f32, Const<4>>>::new(own_queries);
    #[unroll]
    for t in 0..own_queries {
        own_weights[t] = weights[(own.0 + comptime!(t * SIDE)) * comptime!(WEIGHT_QUADS) + four];
    }
    #[unroll]
    for i in 0..4usize {
        let row = wrapped(start, min(four * 4usize + i, last), capacity);
        #[unroll]
        for m in 0..own_quads {
            // Threads that have a quad less than others add up their last one for nothing.
            let quad = min(own.1 + comptime!(m * SIDE), comptime!(head_quads - 1));
            let words = v[row * row_quads + first_quad + quad];
            #[unroll]
            for n in 0..of_quad {
                let value = number(
                    words.extract(comptime!(n / per_word(cache))),
                    comptime!(n % per_word(cache)),
                    cache,
                );
                #[unroll]
                for t in 0..own_queries {
                    sums[comptime!((t * own_quads + m) * of_quad + n)] +=
                        own_weights[t].extract(i) * value;
                }
            }
        }
    }
}

/// Queries of a thread: as many as its registers bear the sums of, and no more than there are.
fn own_queries(p: &AttentionParams, cache: CacheType) -> usize {
    let of_quad = 4 * per_word(cache);
    let sums = (p.head_dim / of_quad).div_ceil(SIDE) * of_quad;
    let bearable = (MOST_SUMS / sums).clamp(1, MOST_QUERIES);
    bearable.min(p.tokens.div_ceil(SIDE))
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
    let own_queries = own_queries(p, cache);
    // SAFETY: one workgroup for a head and its queries; positions wrap at the capacity of the ring.
    unsafe {
        attention_kernel::launch_unchecked(
            &q.client,
            grid(p.heads, p.tokens.div_ceil(own_queries * SIDE)),
            CubeDim::new_1d(UNITS as u32),
            arg(q, count / 4),
            arg(k, words / 4),
            arg(v, words / 4),
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
            own_queries,
            p.bidirectional,
            cache,
        );
    }
}
