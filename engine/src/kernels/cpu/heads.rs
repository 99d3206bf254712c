//! What happens to queries, keys and values between their product and attention.

use super::super::params::{CopyParams, HeadParams, RopeParams};
use super::elementwise;

/// Normalises and rotates queries and keys by `turn` ([`super::norm::head_norm_rope`] or one that is as good), and stores
/// keys and values.
///
/// qkv: [tokens, (heads + 2 kv_heads) * head_dim], norms: `[2 * head_dim]`, table: [positions, head_dim / 2, 2], keys,
/// values: words of [capacity, kv_heads * head_dim] -> queries [tokens, heads * head_dim]
pub fn prepare(
    qkv: &[f32],
    norms: &[f32],
    table: &[f32],
    keys: &mut [u32],
    values: &mut [u32],
    p: &HeadParams,
    turn: impl Fn(&[f32], &[f32], &[f32], &RopeParams) -> Vec<f32>,
) -> Vec<f32> {
    let (q_width, kv_width) = (p.heads * p.head_dim, p.kv_heads * p.head_dim);
    let columns = |first: usize, width: usize| -> Vec<f32> {
        let rows = qkv.chunks_exact(p.width());
        rows.flat_map(|row| &row[first..first + width])
            .copied()
            .collect()
    };
    let (q_norm, k_norm) = norms.split_at(p.head_dim);
    let rope = |heads: usize| RopeParams {
        tokens: p.tokens,
        heads,
        head_dim: p.head_dim,
        position: p.position,
        epsilon: p.epsilon,
    };
    let stored = CopyParams {
        rows: p.tokens,
        cols: kv_width,
        source_row: 0,
        target_row: p.position,
        target_rows: p.capacity,
    };
    let k = columns(q_width, kv_width);
    let k = turn(&k, k_norm, table, &rope(p.kv_heads));
    elementwise::store_rows(keys, &k, &stored, p.cache);
    let v = columns(q_width + kv_width, kv_width);
    elementwise::store_rows(values, &v, &stored, p.cache);
    turn(&columns(0, q_width), q_norm, table, &rope(p.heads))
}
