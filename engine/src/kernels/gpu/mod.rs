//! The operations on wgpu, as CubeCL kernels: Vulkan, Metal and DirectX natively, WebGPU in a page.
//!
//! What every kernel keeps to, so that it runs on the smallest WebGPU device: f32 arithmetic, at most
//! 256 threads and 16 KiB of workgroup memory, at most 8 bindings, no subgroups, and loops around a
//! barrier bounded by values that are the same for the whole workgroup. Products have variants that ask for more
//! ([`Arithmetic`], [`Tuning`]), which the device has to offer.

mod attention;
mod cache;
mod candidates;
pub mod counters;
mod decode;
mod elementwise;
mod heads;
mod integer;
mod linear;
mod norm;
mod step;
mod tiled;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::wgpu::{CubeBackend, CubeTensor};
use burn::tensor::{DType, Shape};
use cubecl::prelude::*;

use super::ops::EngineOps;
use super::params::{
    Activation, Arithmetic, AttentionParams, CacheType, CandidateParams, CopyParams, EmbedParams,
    HeadParams, LinearParams, NormParams, PoolParams, StepParams, Tuning,
};

/// Threads of a workgroup, in every kernel.
const UNITS: usize = 64;

/// A buffer as `len` elements of the kernel's type.
fn arg(tensor: &CubeTensor, len: usize) -> BufferArg {
    // SAFETY: callers pass the number of elements that the tensor's shape gives.
    unsafe { BufferArg::from_raw_parts(tensor.handle.clone(), len) }
}

/// A new f32 tensor beside `like`, its contents undefined.
fn empty(like: &CubeTensor, shape: &[usize]) -> CubeTensor {
    let count: usize = shape.iter().product();
    let handle = like.client.empty(count * size_of::<f32>());
    CubeTensor::new_contiguous(
        like.client.clone(),
        like.device.clone(),
        Shape::from(shape.to_vec()),
        handle,
        DType::F32,
    )
}

fn elements(tensor: &CubeTensor) -> usize {
    tensor.meta.shape().iter().product()
}

/// Hands the work so far to the GPU.
pub fn submit(tensor: CubeTensor) {
    if let Err(error) = tensor.client.flush() {
        log::warn!("a submit failed: {error}");
    }
    counters::submitted(false);
}

/// The grid of one dispatch, which it counts.
fn grid(x: usize, y: usize) -> CubeCount {
    counters::dispatched(1);
    CubeCount::Static(x as u32, y as u32, 1)
}

/// The place of a thread in a [`flat_grid`].
#[cube]
fn flat_position() -> usize {
    (CUBE_POS_Y as usize * CUBE_COUNT_X as usize + CUBE_POS_X as usize) * comptime!(UNITS)
        + UNIT_POS as usize
}

/// Workgroups for one thread an element, over two dimensions because one holds only 65,535.
fn flat_grid(elements: usize) -> CubeCount {
    const ROW: usize = 32_768;
    let groups = elements.div_ceil(UNITS);
    grid(groups.min(ROW), groups.div_ceil(ROW))
}

impl EngineOps for CubeBackend {
    fn linear(
        x: FloatTensor<Self>,
        weights: IntTensor<Self>,
        y: FloatTensor<Self>,
        params: LinearParams,
        tuning: Tuning,
    ) -> FloatTensor<Self> {
        match tuning.arithmetic(&params) {
            Arithmetic::I8 => {
                integer::linear(&x, &weights, &y, &params, tuning);
            }
            _ => linear::linear(&x, &weights, &y, &params, tuning),
        }
        y
    }

    fn linear_geglu(
        x: FloatTensor<Self>,
        weights: IntTensor<Self>,
        y: FloatTensor<Self>,
        params: LinearParams,
        tuning: Tuning,
    ) -> FloatTensor<Self> {
        match tuning.arithmetic(&params) {
            Arithmetic::I8 => {
                integer::linear_geglu(&x, &weights, &y, &params, tuning.threads_per_row);
            }
            _ => linear::linear_geglu(&x, &weights, &y, &params, tuning),
        }
        y
    }

    fn linear_transposed(
        x: FloatTensor<Self>,
        weights: IntTensor<Self>,
        params: LinearParams,
    ) -> FloatTensor<Self> {
        let y = empty(&x, &[params.tokens, params.cols]);
        linear::linear_transposed(&x, &weights, &y, &params);
        y
    }

    fn embed(
        ids: IntTensor<Self>,
        weights: IntTensor<Self>,
        y: FloatTensor<Self>,
        params: EmbedParams,
    ) -> FloatTensor<Self> {
        linear::embed(&ids, &weights, &y, &params);
        y
    }

    fn rms_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        params: NormParams,
    ) -> FloatTensor<Self> {
        let y = empty(&x, &[params.rows, params.cols]);
        norm::rms_norm(&x, &weight, &y, &params);
        y
    }

    fn add_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        next_weight: FloatTensor<Self>,
        params: NormParams,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let shape = [params.rows, params.cols];
        let (sums, y) = (empty(&x, &shape), empty(&x, &shape));
        norm::add_norm(&x, &weight, &residual, &next_weight, (&sums, &y), &params);
        (sums, y)
    }

    fn layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        params: NormParams,
    ) -> FloatTensor<Self> {
        let y = empty(&x, &[params.rows, params.cols]);
        norm::layer_norm(&x, &weight, &bias, &y, &params);
        y
    }

    fn prepare_heads(
        qkv: FloatTensor<Self>,
        norms: FloatTensor<Self>,
        table: FloatTensor<Self>,
        keys: IntTensor<Self>,
        values: IntTensor<Self>,
        params: HeadParams,
    ) -> (FloatTensor<Self>, IntTensor<Self>, IntTensor<Self>) {
        let q = empty(&qkv, &[params.tokens, params.heads * params.head_dim]);
        heads::prepare_heads((&qkv, &norms, &table), &q, (&keys, &values), &params);
        (q, keys, values)
    }

    fn attention_step(
        qkv: FloatTensor<Self>,
        norms: FloatTensor<Self>,
        table: FloatTensor<Self>,
        keys: IntTensor<Self>,
        values: IntTensor<Self>,
        state: IntTensor<Self>,
        params: StepParams,
    ) -> (FloatTensor<Self>, IntTensor<Self>, IntTensor<Self>) {
        let out = empty(&qkv, &[1, params.heads * params.head_dim]);
        let inputs = (&qkv, &norms, &table);
        step::attention_step(inputs, (&keys, &values), &state, &out, &params);
        (out, keys, values)
    }

    fn copy_rows(
        target: FloatTensor<Self>,
        source: FloatTensor<Self>,
        params: CopyParams,
    ) -> FloatTensor<Self> {
        elementwise::copy_rows(&target, &source, &params);
        target
    }

    fn attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        params: AttentionParams,
    ) -> FloatTensor<Self> {
        let out = empty(&q, &[params.tokens, params.heads * params.head_dim]);
        attention::attention(&q, &k, &v, &out, &params, CacheType::F32);
        out
    }

    fn cached_attention(
        q: FloatTensor<Self>,
        k: IntTensor<Self>,
        v: IntTensor<Self>,
        params: AttentionParams,
        cache: CacheType,
    ) -> FloatTensor<Self> {
        let out = empty(&q, &[params.tokens, params.heads * params.head_dim]);
        attention::attention(&q, &k, &v, &out, &params, cache);
        out
    }

    fn geglu(gate_up: FloatTensor<Self>) -> FloatTensor<Self> {
        let [tokens, width] = gate_up.meta.shape().dims();
        let y = empty(&gate_up, &[tokens, width / 2]);
        elementwise::geglu(&gate_up, &y, width / 2);
        y
    }

    fn bias_activation(
        x: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let y = empty(&x, x.meta.shape());
        elementwise::bias_activation(&x, &bias, &y, activation);
        y
    }

    fn add(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let y = empty(&a, a.meta.shape());
        elementwise::add(&a, &b, &y);
        y
    }

    fn average_pool(x: FloatTensor<Self>, params: PoolParams) -> FloatTensor<Self> {
        let side = params.side / params.kernel;
        let y = empty(&x, &[side * side, params.cols]);
        elementwise::average_pool(&x, &y, &params);
        y
    }

    fn top_candidates(
        logits: FloatTensor<Self>,
        rules: IntTensor<Self>,
        params: CandidateParams,
    ) -> FloatTensor<Self> {
        let [rows, _] = logits.meta.shape().dims();
        let out = empty(&logits, &[2 * rows, params.count]);
        candidates::top_candidates(&logits, &rules, &out, &params);
        out
    }
}
