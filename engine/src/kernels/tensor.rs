//! The operations on burn's tensors, on whichever device they are.

use burn::backend::Dispatch;
use burn::tensor::{Int, Tensor};

use super::ops::EngineOps;
use super::params::{
    Activation, AttentionParams, CacheType, CopyParams, NormParams, PoolParams, RopeParams,
};

/// `x / √(mean(x²) + ε) · weight`. x: [rows, cols], weight: `[cols]` -> [rows, cols]
pub fn rms_norm(x: Tensor<2>, weight: &Tensor<1>, epsilon: f32) -> Tensor<2> {
    let [rows, cols] = x.dims();
    Tensor::from_dispatch(Dispatch::rms_norm(
        x.into_dispatch(),
        weight.clone().into_dispatch(),
        NormParams {
            rows,
            cols,
            epsilon,
        },
    ))
}

/// `residual + rms_norm(x)`. x, residual: [rows, cols], weight: `[cols]` -> [rows, cols]
pub fn rms_norm_add(
    x: Tensor<2>,
    weight: &Tensor<1>,
    residual: Tensor<2>,
    epsilon: f32,
) -> Tensor<2> {
    let [rows, cols] = x.dims();
    Tensor::from_dispatch(Dispatch::rms_norm_add(
        x.into_dispatch(),
        weight.clone().into_dispatch(),
        residual.into_dispatch(),
        NormParams {
            rows,
            cols,
            epsilon,
        },
    ))
}

/// `(x - mean) / √(var + ε) · weight + bias`. x: [rows, cols], weight, bias: `[cols]` -> [rows, cols]
pub fn layer_norm(x: Tensor<2>, weight: &Tensor<1>, bias: &Tensor<1>, epsilon: f32) -> Tensor<2> {
    let [rows, cols] = x.dims();
    Tensor::from_dispatch(Dispatch::layer_norm(
        x.into_dispatch(),
        weight.clone().into_dispatch(),
        bias.clone().into_dispatch(),
        NormParams {
            rows,
            cols,
            epsilon,
        },
    ))
}

/// RMS norm of each head, then rotation by the angles of its position.
///
/// x: [tokens, heads * head_dim], weight: `[head_dim]`, table: [positions * head_dim], cosine and sine of each
/// pair; the first token stands at `position`.
pub fn head_norm_rope(
    x: Tensor<2>,
    weight: &Tensor<1>,
    table: &Tensor<1>,
    position: usize,
    epsilon: f32,
) -> Tensor<2> {
    let [tokens, cols] = x.dims();
    let [head_dim] = weight.dims();
    Tensor::from_dispatch(Dispatch::head_norm_rope(
        x.into_dispatch(),
        weight.clone().into_dispatch(),
        table.clone().into_dispatch(),
        RopeParams {
            tokens,
            heads: cols / head_dim,
            head_dim,
            position,
            epsilon,
        },
    ))
}

/// Copies `rows` rows into `target`, in place. source: [_, cols], target: [target_rows, cols], a ring: row
/// `target_row + i` lands in `(target_row + i) % target_rows`.
pub fn copy_rows(
    target: Tensor<2>,
    source: Tensor<2>,
    source_row: usize,
    target_row: usize,
    rows: usize,
) -> Tensor<2> {
    let [target_rows, cols] = target.dims();
    Tensor::from_dispatch(Dispatch::copy_rows(
        target.into_dispatch(),
        source.into_dispatch(),
        CopyParams {
            rows,
            cols,
            source_row,
            target_row,
            target_rows,
        },
    ))
}

/// `softmax(scale · q kᵀ) v` over the positions that each query may see.
///
/// q: [tokens, heads * head_dim], k, v: [capacity, kv_heads * head_dim] -> [tokens, heads * head_dim]
pub fn attention(q: Tensor<2>, k: Tensor<2>, v: Tensor<2>, params: AttentionParams) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::attention(
        q.into_dispatch(),
        k.into_dispatch(),
        v.into_dispatch(),
        params,
    ))
}

/// Stores `rows` rows in a ring, in place. source: [_, cols], ring: the words of [target_rows, cols]; row
/// `target_row + i` lands in `(target_row + i) % target_rows`.
pub fn store_rows(
    ring: Tensor<2, Int>,
    source: Tensor<2>,
    target_row: usize,
    cache: CacheType,
) -> Tensor<2, Int> {
    let [target_rows, _] = ring.dims();
    let [rows, cols] = source.dims();
    Tensor::from_dispatch(Dispatch::store_rows(
        ring.into_dispatch(),
        source.into_dispatch(),
        CopyParams {
            rows,
            cols,
            source_row: 0,
            target_row,
            target_rows,
        },
        cache,
    ))
}

/// [`attention`] over rings that [`store_rows`] filled.
pub fn cached_attention(
    q: Tensor<2>,
    k: Tensor<2, Int>,
    v: Tensor<2, Int>,
    params: AttentionParams,
    cache: CacheType,
) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::cached_attention(
        q.into_dispatch(),
        k.into_dispatch(),
        v.into_dispatch(),
        params,
        cache,
    ))
}

/// `gelu_tanh(gate) · up`. gate, up: [tokens, cols]
pub fn geglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::geglu(gate.into_dispatch(), up.into_dispatch()))
}

/// `activation(x + bias)`. x: [rows, cols], bias: `[cols]`
pub fn bias_activation(x: Tensor<2>, bias: &Tensor<1>, activation: Activation) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::bias_activation(
        x.into_dispatch(),
        bias.clone().into_dispatch(),
        activation,
    ))
}

/// `a + b`. Both [rows, cols].
pub fn add(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::add(a.into_dispatch(), b.into_dispatch()))
}

/// Mean over `kernel` x `kernel` patches of a square grid. x: [side², cols] -> [(side / kernel)², cols]
pub fn average_pool(x: Tensor<2>, side: usize, kernel: usize) -> Tensor<2> {
    let [_, cols] = x.dims();
    Tensor::from_dispatch(Dispatch::average_pool(
        x.into_dispatch(),
        PoolParams { side, kernel, cols },
    ))
}
