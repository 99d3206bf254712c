//! The operations that the model needs beyond burn's own, as an extension of burn's backends.
//!
//! `Cube` is wgpu (Vulkan, Metal, DirectX and WebGPU), in [`super::gpu`]; `Flex` is burn's portable CPU
//! backend, in [`super::cpu`], which is also the plain reference that the GPU kernels are tested against.
//! All float tensors are contiguous f32; weights are words of the packed layout (see [`crate::weights`]).

use burn::backend::{
    Backend, backend_extension,
    tensor::{FloatTensor, IntTensor},
};

use super::params::{
    Activation, AttentionParams, CacheType, CandidateParams, CopyParams, EmbedParams, HeadParams,
    LinearParams, NormParams, PoolParams, StepParams, Tuning,
};

/// Operations on backend tensors. [`super`] wraps each one for [`burn::Tensor`].
#[backend_extension(Cube, Flex)]
pub trait EngineOps: Backend {
    /// Writes `x · Wᵀ` into its columns of `y`. x: [tokens, cols], y: [tokens, out_cols].
    fn linear(
        x: FloatTensor<Self>,
        weights: IntTensor<Self>,
        y: FloatTensor<Self>,
        params: LinearParams,
        tuning: Tuning,
    ) -> FloatTensor<Self>;

    /// Writes `gelu_tanh(x · Gᵀ) * (x · Uᵀ)` to `y`; the rows of `G` and those of `U` after them are one piece.
    /// x: [1, cols], y: [1, rows / 2]; `params` are those of the product with both.
    fn linear_geglu(
        x: FloatTensor<Self>,
        weights: IntTensor<Self>,
        y: FloatTensor<Self>,
        params: LinearParams,
        tuning: Tuning,
    ) -> FloatTensor<Self>;

    /// `x · W` for a dense `W`. x: [tokens, rows], weights: [rows, cols] -> [tokens, cols].
    fn linear_transposed(
        x: FloatTensor<Self>,
        weights: IntTensor<Self>,
        params: LinearParams,
    ) -> FloatTensor<Self>;

    /// Writes the rows `ids` of a matrix into `y`, where this piece holds them. ids: `[tokens]`, y: [tokens, cols].
    fn embed(
        ids: IntTensor<Self>,
        weights: IntTensor<Self>,
        y: FloatTensor<Self>,
        params: EmbedParams,
    ) -> FloatTensor<Self>;

    /// `x / rms(x) * weight`. x: [rows, cols], weight: `[cols]` -> [rows, cols].
    fn rms_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        params: NormParams,
    ) -> FloatTensor<Self>;

    /// The sum `s = residual + x / rms(x) * weight` and its norm `s / rms(s) * next_weight`.
    /// x, residual: [rows, cols], weight, next_weight: `[cols]` -> two of [rows, cols].
    fn add_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        next_weight: FloatTensor<Self>,
        params: NormParams,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// `(x - mean) / std * weight + bias`. x: [rows, cols], weight, bias: `[cols]` -> [rows, cols].
    fn layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        params: NormParams,
    ) -> FloatTensor<Self>;

    /// RMS norm of each query and key head, then rotation of pairs `(j, j + head_dim / 2)`; keys and values go to their
    /// rings, in place. qkv: [tokens, (heads + 2 kv_heads) * head_dim], norms: `[2 * head_dim]` (of queries, of keys),
    /// table: [positions, head_dim / 2, 2] (cosine, sine), keys, values: words of [capacity, kv_heads * head_dim]
    /// -> queries [tokens, heads * head_dim], keys, values.
    fn prepare_heads(
        qkv: FloatTensor<Self>,
        norms: FloatTensor<Self>,
        table: FloatTensor<Self>,
        keys: IntTensor<Self>,
        values: IntTensor<Self>,
        params: HeadParams,
    ) -> (FloatTensor<Self>, IntTensor<Self>, IntTensor<Self>);

    /// [`prepare_heads`](Self::prepare_heads) and attention for the token at position `state[1]`.
    /// qkv: [1, (heads + 2 kv_heads) * head_dim], state: `[2]` -> [1, heads * head_dim], keys, values.
    fn attention_step(
        qkv: FloatTensor<Self>,
        norms: FloatTensor<Self>,
        table: FloatTensor<Self>,
        keys: IntTensor<Self>,
        values: IntTensor<Self>,
        state: IntTensor<Self>,
        params: StepParams,
    ) -> (FloatTensor<Self>, IntTensor<Self>, IntTensor<Self>);

    /// Copies rows of `source` into `target` in place.
    fn copy_rows(
        target: FloatTensor<Self>,
        source: FloatTensor<Self>,
        params: CopyParams,
    ) -> FloatTensor<Self>;

    /// `softmax(scale · q kᵀ) v` over the visible positions.
    /// q: [tokens, heads * head_dim], k, v: [capacity, kv_heads * head_dim] -> [tokens, heads * head_dim].
    fn attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        params: AttentionParams,
    ) -> FloatTensor<Self>;

    /// The same over rings that [`prepare_heads`](Self::prepare_heads) filled.
    fn cached_attention(
        q: FloatTensor<Self>,
        k: IntTensor<Self>,
        v: IntTensor<Self>,
        params: AttentionParams,
        cache: CacheType,
    ) -> FloatTensor<Self>;

    /// `gelu_tanh(gate) * up`, elementwise. gate_up: [tokens, 2 * cols], gates first -> [tokens, cols].
    fn geglu(gate_up: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `activation(x + bias)`. x: [rows, cols], bias: `[cols]`.
    fn bias_activation(
        x: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self>;

    /// `a + b` elementwise; `b` repeats when it is shorter.
    fn add(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Mean over `kernel` x `kernel` patches. x: [side * side, cols] -> [(side / kernel)², cols].
    fn average_pool(x: FloatTensor<Self>, params: PoolParams) -> FloatTensor<Self>;

    /// The `count` largest logits of each row with their places, the largest first; of equals the lower place. What there is not is
    /// minus infinity, what is not a number infinity. Where there is a penalty, only allowed logits count, by their size
    /// after it; they come out as they were. logits: [rows, vocab], rules: [2, ceil(vocab / 32)], what is allowed and what has
    /// occurred, or anything without a penalty -> [2 * rows, count]: logits, places, of one row after the other.
    fn top_candidates(
        logits: FloatTensor<Self>,
        rules: IntTensor<Self>,
        params: CandidateParams,
    ) -> FloatTensor<Self>;
}
