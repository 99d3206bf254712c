//! The operations on burn's tensors, on whichever device they are.

use burn::backend::Dispatch;
use burn::backend::wgpu::CubeBackend;
use burn::tensor::{Int, Tensor};

use super::device::DeviceKind;
use super::gpu::counters;
use super::ops::EngineOps;
use super::params::{
    Activation, AttentionParams, CacheType, CandidateParams, CopyParams, HeadParams, NormParams,
    PoolParams, StepParams,
};
use super::token_rules::TokenRules;
use crate::error::{Error, Result};

/// The values of a tensor, row by row.
///
/// # Errors
/// [`Error::Device`] if the device fails.
pub async fn read(tensor: Tensor<2>, kind: DeviceKind) -> Result<Vec<f32>> {
    let failed = |detail: String| Error::Device {
        device: kind.to_string(),
        detail,
    };
    if kind == DeviceKind::Gpu {
        counters::submitted(true);
    }
    let data = tensor.into_data_async().await;
    let data = data.map_err(|error| failed(error.to_string()))?;
    data.try_to_vec::<f32>()
        .map_err(|error| failed(format!("{error:?}")))
}

/// Has the device begin with the work so far, on which `tensor` depends; it would wait for more of it, or for a read.
pub fn submit<const D: usize>(tensor: &Tensor<D>) {
    if let Ok(tensor) = tensor.clone().try_into_primitive::<CubeBackend>() {
        super::gpu::submit(tensor);
    }
}

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

/// The sum `s = residual + rms_norm(x)` and its norm for what comes next, `rms_norm(s)` by `next_weight`.
///
/// x, residual: [rows, cols], weight, next_weight: `[cols]` -> two of [rows, cols]
pub fn add_norm(
    x: Tensor<2>,
    weight: &Tensor<1>,
    residual: Tensor<2>,
    next_weight: &Tensor<1>,
    epsilon: f32,
) -> (Tensor<2>, Tensor<2>) {
    let [rows, cols] = x.dims();
    let (sum, y) = Dispatch::add_norm(
        x.into_dispatch(),
        weight.clone().into_dispatch(),
        residual.into_dispatch(),
        next_weight.clone().into_dispatch(),
        NormParams {
            rows,
            cols,
            epsilon,
        },
    );
    (Tensor::from_dispatch(sum), Tensor::from_dispatch(y))
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

/// RMS norm of each query and key head, then rotation by the angles of its position; keys and values go to their rings.
///
/// qkv: [tokens, (heads + 2 kv_heads) * head_dim], norms: `[2 * head_dim]` (of queries, of keys), table:
/// [positions * head_dim], cosine and sine of each pair, keys, values: words of [capacity, kv_heads * head_dim]
/// -> queries [tokens, heads * head_dim], keys, values
pub fn prepare_heads(
    qkv: Tensor<2>,
    norms: &Tensor<1>,
    table: &Tensor<1>,
    (keys, values): (Tensor<2, Int>, Tensor<2, Int>),
    params: HeadParams,
) -> (Tensor<2>, Tensor<2, Int>, Tensor<2, Int>) {
    let (q, keys, values) = Dispatch::prepare_heads(
        qkv.into_dispatch(),
        norms.clone().into_dispatch(),
        table.clone().into_dispatch(),
        keys.into_dispatch(),
        values.into_dispatch(),
        params,
    );
    (
        Tensor::from_dispatch(q),
        Tensor::from_dispatch(keys),
        Tensor::from_dispatch(values),
    )
}

/// [`prepare_heads`] and attention for the one token that `state` places.
///
/// qkv: [1, (heads + 2 kv_heads) * head_dim], state: `[2]`, id and position -> [1, heads * head_dim], keys, values
pub fn attention_step(
    qkv: Tensor<2>,
    norms: &Tensor<1>,
    table: &Tensor<1>,
    (keys, values): (Tensor<2, Int>, Tensor<2, Int>),
    state: &Tensor<1, Int>,
    params: StepParams,
) -> (Tensor<2>, Tensor<2, Int>, Tensor<2, Int>) {
    let (out, keys, values) = Dispatch::attention_step(
        qkv.into_dispatch(),
        norms.clone().into_dispatch(),
        table.clone().into_dispatch(),
        keys.into_dispatch(),
        values.into_dispatch(),
        state.clone().into_dispatch(),
        params,
    );
    (
        Tensor::from_dispatch(out),
        Tensor::from_dispatch(keys),
        Tensor::from_dispatch(values),
    )
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

/// [`attention`] over rings that [`prepare_heads`] filled.
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

/// `gelu_tanh(gate) · up`. gate_up: [tokens, 2 * cols], gates first -> [tokens, cols]
pub fn geglu(gate_up: Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::geglu(gate_up.into_dispatch()))
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

/// The `count` largest logits of each row with their places, the largest first; of equals the lower place. What there is
/// not is minus infinity, what is not a number infinity.
///
/// logits: [rows, vocab] -> [2 * rows, count]: logits, places, of one row after the other
pub fn top_candidates(logits: Tensor<2>, count: usize) -> Tensor<2> {
    let no_rules = Tensor::<1, Int>::empty([1], &logits.device());
    let params = CandidateParams {
        count,
        penalty: None,
    };
    Tensor::from_dispatch(Dispatch::top_candidates(
        logits.into_dispatch(),
        no_rules.into_dispatch(),
        params,
    ))
}

/// [`top_candidates`] of the tokens that `rules` allow, by their logits once those of tokens that have occurred are divided by
/// `penalty`, or multiplied where they are negative. The logits come out as they were.
pub fn top_candidates_under(
    logits: Tensor<2>,
    count: usize,
    rules: &TokenRules,
    penalty: f32,
) -> Tensor<2> {
    let params = CandidateParams {
        count,
        penalty: Some(penalty),
    };
    Tensor::from_dispatch(Dispatch::top_candidates(
        logits.into_dispatch(),
        rules.words().clone().into_dispatch(),
        params,
    ))
}
