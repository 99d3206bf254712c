//! Attention over a ring of keys and values, with a softmax that runs along.
//!
//! The queries that share a head of keys, `group` for each token, are taken `QUERIES` at a time; they meet the positions
//! that any of them sees, `KEYS` at a time. Of those, keys and values are copied together as f32 (half-precision ones are
//! widened then), scores are a product of two panels ([`super::panel`]), and each query keeps the largest score so
//! far, the sum of its weights and their sum with the values. When the largest score rises, both sums are scaled down
//! (Milakov and Gimelshein 2018, Online normalizer calculation for softmax).

use std::marker::PhantomData;
use std::ops::Range;

use super::decode::{F16, F32, Format};
use super::dense::widen;
use super::lanes::{Aligned, LANES, Lanes};
use super::level::{Level, Work};
use super::math::exp;
use super::panel::FloatPanel;
use super::tile::Target;
use crate::kernels::params::{AttentionParams, CacheType};

/// Queries that a copy of keys and values meets.
const QUERIES: usize = 48;

/// Positions that are taken together.
const KEYS: usize = 32;

/// q: [tokens, heads * head_dim], k, v: [capacity, kv_heads * head_dim], out: [tokens, heads * head_dim]
///
/// Does nothing where a slice is shorter than that.
pub fn attention(
    level: Level,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    out: &mut [f32],
    p: &AttentionParams,
) {
    let (k, v) = (bytemuck::cast_slice(k), bytemuck::cast_slice(v));
    of_format::<F32>(level, q, k, v, out, p);
}

/// The same with keys and values as they are kept. k, v: words of [capacity, kv_heads * head_dim]
pub fn cached_attention(
    level: Level,
    q: &[f32],
    k: &[u32],
    v: &[u32],
    out: &mut [f32],
    p: &AttentionParams,
    cache: CacheType,
) {
    let (k, v) = (bytemuck::cast_slice(k), bytemuck::cast_slice(v));
    match cache {
        CacheType::F32 => of_format::<F32>(level, q, k, v, out, p),
        CacheType::F16 => of_format::<F16>(level, q, k, v, out, p),
    }
}

fn of_format<F: Format>(
    level: Level,
    q: &[f32],
    k: &[u8],
    v: &[u8],
    out: &mut [f32],
    p: &AttentionParams,
) {
    let numbers = p.tokens.saturating_mul(p.heads).saturating_mul(p.head_dim);
    let row_bytes = p
        .kv_heads
        .saturating_mul(p.head_dim)
        .saturating_mul(F::BLOCK.block_bytes());
    let ring_bytes = p.capacity.saturating_mul(row_bytes);
    let sound = numbers > 0
        && numbers <= q.len().min(out.len())
        && ring_bytes > 0
        && ring_bytes <= k.len().min(v.len())
        && p.heads.is_multiple_of(p.kv_heads);
    if sound {
        level.run(Attention::<F> {
            q,
            k,
            v,
            out,
            p,
            row_bytes,
            format: PhantomData,
        });
    }
}

struct Attention<'a, F> {
    q: &'a [f32],
    /// Little endian, rows of `row_bytes`.
    k: &'a [u8],
    v: &'a [u8],
    out: &'a mut [f32],
    p: &'a AttentionParams,
    row_bytes: usize,
    format: PhantomData<F>,
}

/// What a few queries and a few positions need. A row of `head_dim` numbers is `dim` vectors, filled up with zeros.
struct Room {
    dim: usize,
    /// [QUERIES, dim]
    q: Vec<Aligned>,
    /// [KEYS, dim]
    k: Vec<Aligned>,
    v: Vec<Aligned>,
    /// [QUERIES, KEYS]: scores, then weights.
    scores: Vec<f32>,
    /// [QUERIES, dim]
    out: Vec<Aligned>,
    /// Of each query.
    running: [Running; QUERIES],
}

/// A softmax on its way.
#[derive(Clone, Copy)]
struct Running {
    largest: f32,
    /// Sum of the weights, as if the largest score were 0.
    total: f32,
}

impl<F: Format> Work for Attention<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        let p = self.p;
        let group = p.heads / p.kv_heads;
        let dim = p.head_dim.div_ceil(LANES);
        let mut room = Room {
            dim,
            q: vec![Aligned::ZERO; QUERIES * dim],
            k: vec![Aligned::ZERO; KEYS * dim],
            v: vec![Aligned::ZERO; KEYS * dim],
            scores: vec![0.0; QUERIES * KEYS],
            out: vec![Aligned::ZERO; QUERIES * dim],
            running: [Running {
                largest: f32::NEG_INFINITY,
                total: 0.0,
            }; QUERIES],
        };
        for kv_head in 0..p.kv_heads {
            // Query `i` is that of token `i / group` and head `i % group` of those that share these keys.
            let queries = p.tokens * group;
            for first in (0..queries).step_by(QUERIES) {
                let block = first..queries.min(first + QUERIES);
                self.few_queries(lanes, kv_head, block, &mut room);
            }
        }
    }
}

impl<F: Format> Attention<'_, F> {
    #[inline(always)]
    fn few_queries<L: Lanes>(
        &mut self,
        lanes: L,
        kv_head: usize,
        queries: Range<usize>,
        room: &mut Room,
    ) {
        let p = self.p;
        let (group, dim) = (p.heads / p.kv_heads, room.dim);
        let place = |query: usize| {
            let head = kv_head * group + query % group;
            let start = (query / group * p.heads + head) * p.head_dim;
            start..start + p.head_dim
        };
        for (query, to) in queries.clone().zip(room.q.chunks_exact_mut(dim)) {
            let to = bytemuck::cast_slice_mut(to);
            to[..p.head_dim].copy_from_slice(&self.q[place(query)]);
        }
        room.out.fill(Aligned::ZERO);
        room.running.fill(Running {
            largest: f32::NEG_INFINITY,
            total: 0.0,
        });
        // A later token sees neither less far ahead nor further back.
        let last = (queries.end - 1) / group;
        let seen = p.visible(queries.start / group).start..p.visible(last).end;
        for start in seen.clone().step_by(KEYS) {
            let keys = start..seen.end.min(start + KEYS);
            self.few_keys(lanes, kv_head, &queries, keys, room);
        }
        let rows = room.out.chunks_exact(dim).zip(&room.running);
        for (query, (from, running)) in queries.zip(rows) {
            let inverse = 1.0 / running.total;
            let from: &[f32] = bytemuck::cast_slice(from);
            for (to, from) in self.out[place(query)].iter_mut().zip(from) {
                *to = from * inverse;
            }
        }
    }

    #[inline(always)]
    fn few_keys<L: Lanes>(
        &self,
        lanes: L,
        kv_head: usize,
        queries: &Range<usize>,
        keys: Range<usize>,
        room: &mut Room,
    ) {
        let p = self.p;
        let group = p.heads / p.kv_heads;
        let bytes = F::BLOCK.block_bytes() * p.head_dim;
        for (i, position) in keys.clone().enumerate() {
            let start = position % p.capacity * self.row_bytes + kv_head * bytes;
            let to = i * room.dim..(i + 1) * room.dim;
            widen::<L, F>(lanes, &self.k[start..][..bytes], &mut room.k[to.clone()]);
            widen::<L, F>(lanes, &self.v[start..][..bytes], &mut room.v[to]);
        }
        let met = FloatPanel {
            panel: &room.k,
            panel_stride: room.dim,
            packed: &room.q,
            packed_stride: room.dim,
            vectors: room.dim,
            target: Target {
                y: &mut room.scores[..queries.len() * KEYS],
                out_cols: KEYS,
                first: 0,
                rows: keys.len(),
                add: false,
            },
        };
        lanes.call(met);
        let rows = room.scores.as_chunks_mut::<KEYS>().0.iter_mut();
        let rows = rows
            .zip(&mut room.running)
            .zip(room.out.chunks_exact_mut(room.dim));
        for (query, ((scores, running), out)) in queries.clone().zip(rows) {
            let visible = p.visible(query / group);
            let from = visible.start.clamp(keys.start, keys.end) - keys.start;
            let to = visible.end.clamp(keys.start, keys.end) - keys.start;
            scores[..from].fill(f32::NEG_INFINITY);
            scores[to..].fill(f32::NEG_INFINITY);
            let factor = weigh(lanes, scores, p.scale, running);
            if factor != 1.0 {
                for out in bytemuck::cast_slice_mut::<_, f32>(out) {
                    *out *= factor;
                }
            }
        }
        lanes.call(AddValues {
            queries: queries.len(),
            keys: keys.len(),
            room,
        });
    }
}

/// Scores become weights. Gives the factor for what was summed up before.
#[inline(always)]
fn weigh<L: Lanes>(lanes: L, scores: &mut [f32; KEYS], scale: f32, running: &mut Running) -> f32 {
    let vectors = scores.as_chunks_mut::<LANES>().0;
    let mut most = lanes.splat(f32::NEG_INFINITY);
    for scores in &mut *vectors {
        let scaled = lanes.mul(lanes.load(scores), lanes.splat(scale));
        most = lanes.max(most, scaled);
        lanes.store(scaled, scores);
    }
    let mut each = [0.0; LANES];
    lanes.store(most, &mut each);
    let mut largest = running.largest;
    for score in each {
        largest = largest.max(score);
    }
    if largest == f32::NEG_INFINITY {
        // None of these positions is seen, and none was before.
        scores.fill(0.0);
        return 1.0;
    }
    let mut total = lanes.splat(0.0);
    for scores in vectors {
        let weights = exp(lanes, lanes.sub(lanes.load(scores), lanes.splat(largest)));
        total = lanes.add(total, weights);
        lanes.store(weights, scores);
    }
    let mut factor = [0.0; LANES];
    lanes.store(
        exp(lanes, lanes.splat(running.largest - largest)),
        &mut factor,
    );
    running.total = running.total * factor[0] + lanes.sum(total);
    running.largest = largest;
    factor[0]
}

/// Adds the values of `keys` positions, weighted, to what `queries` queries have.
struct AddValues<'a> {
    queries: usize,
    keys: usize,
    room: &'a mut Room,
}

impl Work for AddValues<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        match L::TILE {
            (4, 3) => add_values::<L, 4, 3>(lanes, self.room, self.queries, self.keys),
            (2, 2) => add_values::<L, 2, 2>(lanes, self.room, self.queries, self.keys),
            _ => add_values::<L, 1, 2>(lanes, self.room, self.queries, self.keys),
        }
    }
}

/// `Q` queries and `V` vectors at a time.
#[inline(always)]
fn add_values<L: Lanes, const Q: usize, const V: usize>(
    lanes: L,
    room: &mut Room,
    queries: usize,
    keys: usize,
) {
    let whole = queries - queries % Q;
    for first in (0..whole).step_by(Q) {
        add_row::<L, Q, V>(lanes, room, first, keys);
    }
    for first in whole..queries {
        add_row::<L, 1, V>(lanes, room, first, keys);
    }
}

/// The same for queries `first..first + Q`.
#[inline(always)]
fn add_row<L: Lanes, const Q: usize, const V: usize>(
    lanes: L,
    room: &mut Room,
    first: usize,
    keys: usize,
) {
    let whole = room.dim - room.dim % V;
    for start in (0..whole).step_by(V) {
        add_tile::<L, Q, V>(lanes, room, first, start, keys);
    }
    for start in whole..room.dim {
        add_tile::<L, Q, 1>(lanes, room, first, start, keys);
    }
}

/// The same for queries `first..first + Q` and vectors `start..start + V` of the values.
#[inline(always)]
fn add_tile<L: Lanes, const Q: usize, const V: usize>(
    lanes: L,
    room: &mut Room,
    first: usize,
    start: usize,
    keys: usize,
) {
    let dim = room.dim;
    let mut weights = [&[0.0; KEYS]; Q];
    for (i, weights) in weights.iter_mut().enumerate() {
        *weights = &room.scores.as_chunks().0[first + i];
    }
    let mut sums = [[lanes.splat(0.0); V]; Q];
    for (i, sums) in sums.iter_mut().enumerate() {
        let out = &room.out[(first + i) * dim + start..][..V];
        for (sum, out) in sums.iter_mut().zip(out) {
            *sum = lanes.load(&out.0);
        }
    }
    for (key, values) in room.v.chunks_exact(dim).take(keys.min(KEYS)).enumerate() {
        let mut loaded = [lanes.splat(0.0); V];
        for (loaded, values) in loaded.iter_mut().zip(&values[start..][..V]) {
            *loaded = lanes.load(&values.0);
        }
        for (sums, weights) in sums.iter_mut().zip(weights) {
            let weight = lanes.splat(weights[key]);
            for (sum, values) in sums.iter_mut().zip(loaded) {
                *sum = lanes.mul_add(weight, values, *sum);
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        let out = &mut room.out[(first + i) * dim + start..][..V];
        for (sum, out) in sums.iter().zip(out) {
            lanes.store(*sum, &mut out.0);
        }
    }
}
