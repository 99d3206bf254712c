//! The operations on burn's CPU backend: its tensors handed to [`super::cpu`] as slices.

use std::cell::Cell;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::{DType, Shape};
use burn_flex::{Flex, FlexTensor, Layout};

use super::cpu::{attention, candidates, elementwise, heads, linear, norm};
use super::ops::EngineOps;
use super::params::{
    Activation, Arithmetic, AttentionParams, CacheType, CandidateParams, CopyParams, EmbedParams,
    HeadParams, LinearParams, NormParams, PoolParams, StepParams, Tuning,
};
use super::simd::{self, Activations, Level};

thread_local! {
    /// Which vector instructions this thread's operations use, products apart, which say so themselves; `None` for the
    /// plain reference.
    static LEVEL: Cell<Option<Level>> = Cell::new(Some(Level::detect()));
}

/// Has this thread's operations use these vector instructions, or none.
pub fn use_level(level: Option<Level>) {
    LEVEL.set(level);
}

/// Does something with these vector instructions on this thread, or with none.
pub fn with_level<T>(level: Option<Level>, work: impl FnOnce() -> T) -> T {
    let before = LEVEL.replace(level);
    let result = work();
    LEVEL.set(before);
    result
}

/// The elements of a contiguous f32 tensor.
pub fn floats(tensor: &FlexTensor) -> &[f32] {
    // Every tensor the engine makes is contiguous; an empty slice would fail loudly in the shape checks.
    tensor.as_slice::<f32>().unwrap_or(&[])
}

/// Words that are no numbers for burn.
pub fn words(tensor: &FlexTensor) -> &[u32] {
    bytemuck::cast_slice(tensor.as_slice::<i32>().unwrap_or(&[]))
}

/// The packed bytes of a weight.
pub fn bytes(tensor: &FlexTensor) -> &[u8] {
    bytemuck::cast_slice(words(tensor))
}

/// A tensor of these elements, row by row.
pub fn from_floats(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    let bytes = burn::tensor::Bytes::from_elems(values);
    FlexTensor::new(
        bytes,
        Layout::contiguous(Shape::from(shape.to_vec())),
        DType::F32,
    )
}

impl EngineOps for Flex {
    fn linear(
        x: FloatTensor<Self>,
        weights: IntTensor<Self>,
        mut y: FloatTensor<Self>,
        params: LinearParams,
        tuning: Tuning,
    ) -> FloatTensor<Self> {
        let (x, weights) = (floats(&x), bytes(&weights));
        product(x, weights, y.storage_mut::<f32>(), &params, tuning);
        y
    }

    fn linear_geglu(
        x: FloatTensor<Self>,
        weights: IntTensor<Self>,
        mut y: FloatTensor<Self>,
        params: LinearParams,
        tuning: Tuning,
    ) -> FloatTensor<Self> {
        let mut both = vec![0.0; params.out_cols];
        product(floats(&x), bytes(&weights), &mut both, &params, tuning);
        y.storage_mut::<f32>()
            .copy_from_slice(&geglu(&both, both.len()));
        y
    }

    fn linear_transposed(
        x: FloatTensor<Self>,
        weights: IntTensor<Self>,
        params: LinearParams,
    ) -> FloatTensor<Self> {
        let y = linear::linear_transposed(floats(&x), bytes(&weights), &params);
        from_floats(y, &[params.tokens, params.cols])
    }

    fn embed(
        ids: IntTensor<Self>,
        weights: IntTensor<Self>,
        mut y: FloatTensor<Self>,
        params: EmbedParams,
    ) -> FloatTensor<Self> {
        linear::embed(
            words(&ids),
            bytes(&weights),
            y.storage_mut::<f32>(),
            &params,
        );
        y
    }

    fn rms_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        params: NormParams,
    ) -> FloatTensor<Self> {
        let y = rms_norm(floats(&x), floats(&weight), None, &params);
        from_floats(y, &[params.rows, params.cols])
    }

    fn add_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        next_weight: FloatTensor<Self>,
        params: NormParams,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let residual = Some(floats(&residual));
        let sum = rms_norm(floats(&x), floats(&weight), residual, &params);
        let y = rms_norm(&sum, floats(&next_weight), None, &params);
        let shape = [params.rows, params.cols];
        (from_floats(sum, &shape), from_floats(y, &shape))
    }

    fn layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        params: NormParams,
    ) -> FloatTensor<Self> {
        let (x, weight, bias) = (floats(&x), floats(&weight), floats(&bias));
        let y = match LEVEL.get() {
            Some(level) => simd::layer_norm(level, x, weight, bias, &params),
            None => norm::layer_norm(x, weight, bias, &params),
        };
        from_floats(y, &[params.rows, params.cols])
    }

    fn prepare_heads(
        qkv: FloatTensor<Self>,
        norms: FloatTensor<Self>,
        table: FloatTensor<Self>,
        mut keys: IntTensor<Self>,
        mut values: IntTensor<Self>,
        params: HeadParams,
    ) -> (FloatTensor<Self>, IntTensor<Self>, IntTensor<Self>) {
        let q = heads::prepare(
            floats(&qkv),
            floats(&norms),
            floats(&table),
            bytemuck::cast_slice_mut(keys.storage_mut::<i32>()),
            bytemuck::cast_slice_mut(values.storage_mut::<i32>()),
            &params,
            |x, weight, table, rope| match LEVEL.get() {
                Some(level) => simd::head_norm_rope(level, x, weight, table, rope),
                None => norm::head_norm_rope(x, weight, table, rope),
            },
        );
        let q = from_floats(q, &[params.tokens, params.heads * params.head_dim]);
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
        let position = words(&state).get(1).copied().unwrap_or_default() as usize;
        let head = HeadParams {
            tokens: 1,
            heads: params.heads,
            kv_heads: params.kv_heads,
            head_dim: params.head_dim,
            position,
            capacity: params.capacity,
            epsilon: params.epsilon,
            cache: params.cache,
        };
        let (q, keys, values) = Self::prepare_heads(qkv, norms, table, keys, values, head);
        let attention = AttentionParams {
            tokens: 1,
            heads: params.heads,
            kv_heads: params.kv_heads,
            head_dim: params.head_dim,
            position,
            capacity: params.capacity,
            window: params.window,
            bidirectional: false,
            scale: params.scale,
        };
        let out = Self::cached_attention(q, keys.clone(), values.clone(), attention, params.cache);
        (out, keys, values)
    }

    fn copy_rows(
        mut target: FloatTensor<Self>,
        source: FloatTensor<Self>,
        params: CopyParams,
    ) -> FloatTensor<Self> {
        elementwise::copy_rows(target.storage_mut::<f32>(), floats(&source), &params);
        target
    }

    fn attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        params: AttentionParams,
    ) -> FloatTensor<Self> {
        let (q, k, v) = (floats(&q), floats(&k), floats(&v));
        let out = match LEVEL.get() {
            Some(level) => {
                let mut out = vec![0.0; q.len()];
                simd::attention(level, q, k, v, &mut out, &params);
                out
            }
            None => attention::attention(q, k, v, &params),
        };
        from_floats(out, &[params.tokens, params.heads * params.head_dim])
    }

    fn cached_attention(
        q: FloatTensor<Self>,
        k: IntTensor<Self>,
        v: IntTensor<Self>,
        params: AttentionParams,
        cache: CacheType,
    ) -> FloatTensor<Self> {
        let (q, k, v) = (floats(&q), words(&k), words(&v));
        let out = match LEVEL.get() {
            Some(level) => {
                let mut out = vec![0.0; q.len()];
                simd::cached_attention(level, q, k, v, &mut out, &params, cache);
                out
            }
            None => {
                let (k, v) = (
                    elementwise::stored_floats(k, cache),
                    elementwise::stored_floats(v, cache),
                );
                attention::attention(q, &k, &v, &params)
            }
        };
        from_floats(out, &[params.tokens, params.heads * params.head_dim])
    }

    fn geglu(gate_up: FloatTensor<Self>) -> FloatTensor<Self> {
        let shape = gate_up.layout().shape().to_vec();
        let y = geglu(floats(&gate_up), shape[1]);
        from_floats(y, &[shape[0], shape[1] / 2])
    }

    fn bias_activation(
        x: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let y = match LEVEL.get() {
            Some(level) => simd::bias_activation(level, floats(&x), floats(&bias), activation),
            None => elementwise::bias_activation(floats(&x), floats(&bias), activation),
        };
        from_floats(y, &x.layout().shape().to_vec())
    }

    fn add(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let y = elementwise::add(floats(&a), floats(&b));
        from_floats(y, &a.layout().shape().to_vec())
    }

    fn average_pool(x: FloatTensor<Self>, params: PoolParams) -> FloatTensor<Self> {
        let y = elementwise::average_pool(floats(&x), &params);
        let side = params.side / params.kernel;
        from_floats(y, &[side * side, params.cols])
    }

    fn top_candidates(
        logits: FloatTensor<Self>,
        rules: IntTensor<Self>,
        params: CandidateParams,
    ) -> FloatTensor<Self> {
        let [rows, vocab] = logits.layout().shape().dims();
        let logits = floats(&logits).chunks_exact(vocab.max(1));
        let found = logits.flat_map(|logits| candidates::top(logits, words(&rules), params));
        from_floats(found.collect(), &[2 * rows, params.count])
    }
}

/// x: [tokens, cols], y: [tokens, out_cols], of which the piece's columns are written.
pub fn product(x: &[f32], weights: &[u8], y: &mut [f32], p: &LinearParams, tuning: Tuning) {
    match tuning.level {
        Some(level) => {
            let x = match p.block.is_dense() {
                true => Activations::floats(level, x, p.tokens, p.cols),
                false => Activations::with_level(level, x, p.tokens, p.cols),
            };
            simd::linear_with(&x, weights, y, p);
        }
        None => match tuning.arithmetic(p) {
            Arithmetic::F32 | Arithmetic::F16 => linear::linear(x, weights, y, p),
            Arithmetic::I8 => linear::linear(&linear::rounded_to_i8(x), weights, y, p),
        },
    }
}

/// gate_up: [tokens, width], gates first -> [tokens, width / 2]
fn geglu(gate_up: &[f32], width: usize) -> Vec<f32> {
    let rows = gate_up.chunks_exact(width.max(1));
    rows.flat_map(|row| {
        let (gate, up) = row.split_at(width / 2);
        match LEVEL.get() {
            Some(level) => simd::geglu(level, gate, up),
            None => elementwise::geglu(gate, up),
        }
    })
    .collect()
}

/// x, residual: [rows, cols], weight: `[cols]` -> [rows, cols]
fn rms_norm(x: &[f32], weight: &[f32], residual: Option<&[f32]>, p: &NormParams) -> Vec<f32> {
    match LEVEL.get() {
        Some(level) => simd::rms_norm(level, x, weight, residual, p),
        None => norm::rms_norm(x, weight, residual, p),
    }
}
