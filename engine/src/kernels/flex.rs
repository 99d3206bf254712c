//! The operations on burn's CPU backend: its tensors handed to [`super::cpu`] as slices.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::{DType, Shape};
use burn_flex::{Flex, FlexTensor, Layout};

use super::cpu::{attention, elementwise, linear, norm};
use super::ops::EngineOps;
use super::params::{
    Activation, AttentionParams, CacheType, CopyParams, EmbedParams, LinearParams, NormParams,
    PoolParams, RopeParams,
};

/// Calls `body` with the elements of a contiguous f32 tensor.
fn floats(tensor: &FlexTensor) -> &[f32] {
    // Every tensor the engine makes is contiguous; an empty slice would fail loudly in the shape checks.
    tensor.as_slice::<f32>().unwrap_or(&[])
}

/// Words that are no numbers for burn.
fn words(tensor: &FlexTensor) -> &[u32] {
    bytemuck::cast_slice(tensor.as_slice::<i32>().unwrap_or(&[]))
}

/// The packed bytes of a weight.
fn bytes(tensor: &FlexTensor) -> &[u8] {
    bytemuck::cast_slice(words(tensor))
}

fn from_floats(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
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
        _threads_per_row: usize,
    ) -> FloatTensor<Self> {
        linear::linear(floats(&x), bytes(&weights), y.storage_mut::<f32>(), &params);
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
        let y = norm::rms_norm(floats(&x), floats(&weight), None, &params);
        from_floats(y, &[params.rows, params.cols])
    }

    fn rms_norm_add(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        params: NormParams,
    ) -> FloatTensor<Self> {
        let y = norm::rms_norm(
            floats(&x),
            floats(&weight),
            Some(floats(&residual)),
            &params,
        );
        from_floats(y, &[params.rows, params.cols])
    }

    fn layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        params: NormParams,
    ) -> FloatTensor<Self> {
        let y = norm::layer_norm(floats(&x), floats(&weight), floats(&bias), &params);
        from_floats(y, &[params.rows, params.cols])
    }

    fn head_norm_rope(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        table: FloatTensor<Self>,
        params: RopeParams,
    ) -> FloatTensor<Self> {
        let y = norm::head_norm_rope(floats(&x), floats(&weight), floats(&table), &params);
        from_floats(y, &[params.tokens, params.heads * params.head_dim])
    }

    fn copy_rows(
        mut target: FloatTensor<Self>,
        source: FloatTensor<Self>,
        params: CopyParams,
    ) -> FloatTensor<Self> {
        elementwise::copy_rows(target.storage_mut::<f32>(), floats(&source), &params);
        target
    }

    fn store_rows(
        mut ring: IntTensor<Self>,
        source: FloatTensor<Self>,
        params: CopyParams,
        cache: CacheType,
    ) -> IntTensor<Self> {
        let words = bytemuck::cast_slice_mut(ring.storage_mut::<i32>());
        elementwise::store_rows(words, floats(&source), &params, cache);
        ring
    }

    fn attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        params: AttentionParams,
    ) -> FloatTensor<Self> {
        let out = attention::attention(floats(&q), floats(&k), floats(&v), &params);
        from_floats(out, &[params.tokens, params.heads * params.head_dim])
    }

    fn cached_attention(
        q: FloatTensor<Self>,
        k: IntTensor<Self>,
        v: IntTensor<Self>,
        params: AttentionParams,
        cache: CacheType,
    ) -> FloatTensor<Self> {
        let (k, v) = (
            elementwise::stored_floats(words(&k), cache),
            elementwise::stored_floats(words(&v), cache),
        );
        let out = attention::attention(floats(&q), &k, &v, &params);
        from_floats(out, &[params.tokens, params.heads * params.head_dim])
    }

    fn geglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        let y = elementwise::geglu(floats(&gate), floats(&up));
        from_floats(y, &gate.layout().shape().to_vec())
    }

    fn bias_activation(
        x: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let y = elementwise::bias_activation(floats(&x), floats(&bias), activation);
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
}
