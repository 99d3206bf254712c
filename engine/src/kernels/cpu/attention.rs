//! Attention over a ring of keys and values, one query and head at a time.

use super::super::params::AttentionParams;
use super::linear::dot;

/// q: [tokens, heads * head_dim], k, v: [capacity, kv_heads * head_dim] -> [tokens, heads * head_dim]
pub fn attention(q: &[f32], k: &[f32], v: &[f32], p: &AttentionParams) -> Vec<f32> {
    let group = p.heads / p.kv_heads;
    let row = p.kv_heads * p.head_dim;
    let mut out = vec![0.0; q.len()];
    let mut weights = Vec::new();
    let heads = q
        .chunks_exact(p.head_dim)
        .zip(out.chunks_exact_mut(p.head_dim));
    for (index, (q, out)) in heads.enumerate() {
        let (token, head) = (index / p.heads, index % p.heads);
        let offset = head / group * p.head_dim;
        let at = |position: usize| {
            let start = position % p.capacity * row + offset;
            start..start + p.head_dim
        };
        weights.clear();
        for position in p.visible(token) {
            weights.push(dot(q, &k[at(position)]) * p.scale);
        }
        let largest = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut total = 0.0;
        for weight in &mut weights {
            *weight = (*weight - largest).exp();
            total += *weight;
        }
        for (position, weight) in p.visible(token).zip(&weights) {
            let weight = weight / total;
            for (out, v) in out.iter_mut().zip(&v[at(position)]) {
                *out += weight * v;
            }
        }
    }
    out
}
