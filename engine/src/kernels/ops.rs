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
    Activation, AttentionParams, CacheType, CopyParams, EmbedParams, LinearParams, NormParams,
    PoolParams, RopeParams,
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
        threads_per_row: usize,
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

    /// `residual + x / rms(x) * weight`. x, residual: [rows, cols], weight: `[cols]` -> [rows, cols].
    fn rms_norm_add(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        params: NormParams,
    ) -> FloatTensor<Self>;

    /// `(x - mean) / std * weight + bias`. x: [rows, cols], weight, bias: `[cols]` -> [rows, cols].
    fn layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        params: NormParams,
    ) -> FloatTensor<Self>;

    /// RMS norm of each head, then rotation of pairs `(j, j + head_dim / 2)`.
    /// x: [tokens, heads * head_dim], weight: `[head_dim]`, table: [positions, head_dim / 2, 2] (cosine, sine).
    fn head_norm_rope(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        table: FloatTensor<Self>,
        params: RopeParams,
    ) -> FloatTensor<Self>;

    /// Copies rows of `source` into `target` in place.
    fn copy_rows(
        target: FloatTensor<Self>,
        source: FloatTensor<Self>,
        params: CopyParams,
    ) -> FloatTensor<Self>;

    /// Stores rows of `source` in `ring` in place, as `cache` says. ring: words of [target_rows, cols].
    fn store_rows(
        ring: IntTensor<Self>,
        source: FloatTensor<Self>,
        params: CopyParams,
        cache: CacheType,
    ) -> IntTensor<Self>;

    /// `softmax(scale · q kᵀ) v` over the visible positions.
    /// q: [tokens, heads * head_dim], k, v: [capacity, kv_heads * head_dim] -> [tokens, heads * head_dim].
    fn attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        params: AttentionParams,
    ) -> FloatTensor<Self>;

    /// The same over rings that [`store_rows`](Self::store_rows) filled.
    fn cached_attention(
        q: FloatTensor<Self>,
        k: IntTensor<Self>,
        v: IntTensor<Self>,
        params: AttentionParams,
        cache: CacheType,
    ) -> FloatTensor<Self>;

    /// `gelu_tanh(gate) * up`, elementwise. gate, up: [tokens, cols].
    fn geglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self>;

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
}
