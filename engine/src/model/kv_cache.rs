//! Keys and values of past positions. A sliding layer keeps only what its window can still see.

use burn::tensor::{DType, Device, Int, Tensor};

use super::config::TextConfig;
use crate::kernels::{
    AttentionParams, CacheType, HeadParams, StepParams, StepState, attention_step,
    cached_attention, prepare_heads,
};

/// Most bytes of a cache in f32, unless the caller asks for it: what a small model needs for a long context.
const MAX_F32_BYTES: u64 = 64 << 20;

/// Rows that are overwritten at a time.
const ERASED_ROWS: usize = 256;

/// Keys and values of one layer: two rings [capacity, kv_heads * head_dim].
#[derive(Debug)]
pub struct LayerCache {
    // Taken while they are written, so that the CPU backend sees a unique owner and writes in place.
    rings: Option<(Tensor<2, Int>, Tensor<2, Int>)>,
    capacity: usize,
    window: usize,
    cache: CacheType,
}

impl LayerCache {
    fn new(
        (capacity, window): (usize, usize),
        width: usize,
        cache: CacheType,
        device: &Device,
    ) -> Self {
        let ring = || {
            let shape = [capacity, cache.words(width)];
            device
                .memory_persistent_allocations((), |()| Tensor::zeros(shape, (device, DType::I32)))
        };
        Self {
            rings: Some((ring(), ring())),
            capacity,
            window,
            cache,
        }
    }

    /// Rows of each ring.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How keys and values are kept.
    pub fn cache_type(&self) -> CacheType {
        self.cache
    }

    /// Stores the keys and values of `qkv` for the positions of `head`, and attends to all that is visible.
    ///
    /// qkv: [tokens, (heads + 2 kv_heads) * head_dim], norms: `[2 * head_dim]`, angles: [positions * head_dim]
    /// -> [tokens, heads * head_dim]; `None` after a failure in the middle of an earlier call.
    pub fn attend(
        &mut self,
        qkv: Tensor<2>,
        norms: &Tensor<1>,
        angles: &Tensor<1>,
        head: HeadParams,
        params: AttentionParams,
    ) -> Option<Tensor<2>> {
        let rings = self.rings.take()?;
        let (q, keys, values) = prepare_heads(qkv, norms, angles, rings, head);
        self.rings = Some((keys.clone(), values.clone()));
        Some(cached_attention(q, keys, values, params, self.cache))
    }

    /// Overwrites keys and values with zeros in the same buffers, as if tokens of nothing were stored at every position.
    fn erase(&mut self, kv_heads: usize, head_dim: usize) {
        let Some(mut rings) = self.rings.take() else {
            return;
        };
        let device = rings.0.device();
        let norms = Tensor::zeros([2 * head_dim], &device);
        let angles = Tensor::zeros([self.capacity * head_dim], &device);
        for position in (0..self.capacity).step_by(ERASED_ROWS) {
            let head = HeadParams {
                tokens: ERASED_ROWS.min(self.capacity - position),
                heads: kv_heads,
                kv_heads,
                head_dim,
                position,
                capacity: self.capacity,
                epsilon: 1.0,
                cache: self.cache,
            };
            let nothing = Tensor::zeros([head.tokens, head.width()], &device);
            let (_, keys, values) = prepare_heads(nothing, &norms, &angles, rings, head);
            rings = (keys, values);
        }
        self.rings = Some(rings);
    }

    /// [`attend`](Self::attend) for the one token that `state` places.
    ///
    /// qkv: [1, (heads + 2 kv_heads) * head_dim] -> [1, heads * head_dim]
    pub fn step(
        &mut self,
        qkv: Tensor<2>,
        norms: &Tensor<1>,
        angles: &Tensor<1>,
        state: &StepState,
        params: StepParams,
    ) -> Option<Tensor<2>> {
        let rings = self.rings.take()?;
        let (out, keys, values) = attention_step(qkv, norms, angles, rings, state.words(), params);
        self.rings = Some((keys, values));
        Some(out)
    }
}

/// The cache of all layers.
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<LayerCache>,
    kv_heads: usize,
    head_dim: usize,
    cache: CacheType,
    context_tokens: usize,
    chunk_tokens: usize,
    bytes: u64,
}

impl KvCache {
    /// A cache for `context_tokens` positions, filled with at most `chunk_tokens` at a time. Where `cache` is not given,
    /// it is f32 as long as that takes few bytes, and f16 beyond.
    ///
    /// A ring holds the window before a chunk and the chunk itself: the chunk is written before its first
    /// query has read the oldest key it may see.
    pub fn new(
        config: &TextConfig,
        context_tokens: usize,
        chunk_tokens: usize,
        cache: Option<CacheType>,
        device: &Device,
    ) -> Self {
        let width = config.kv_heads * config.head_dim;
        let shape = |layer: usize| ring_shape(config, layer, context_tokens, chunk_tokens);
        let cache = Self::type_for(config, context_tokens, chunk_tokens, cache);
        Self {
            layers: (0..config.layers)
                .map(|layer| LayerCache::new(shape(layer), width, cache, device))
                .collect(),
            kv_heads: config.kv_heads,
            head_dim: config.head_dim,
            cache,
            context_tokens,
            chunk_tokens,
            bytes: bytes(config, context_tokens, chunk_tokens, cache),
        }
    }

    /// How a cache keeps keys and values: as `wanted` where that is possible, else f32 as long as that takes few bytes.
    pub fn type_for(
        config: &TextConfig,
        context_tokens: usize,
        chunk_tokens: usize,
        wanted: Option<CacheType>,
    ) -> CacheType {
        // A quad of halves must not reach into the next head.
        let halves_fit = config.head_dim.is_multiple_of(8);
        let f32_bytes = bytes(config, context_tokens, chunk_tokens, CacheType::F32);
        match wanted {
            Some(CacheType::F16) | None if !halves_fit => CacheType::F32,
            None if f32_bytes > MAX_F32_BYTES => CacheType::F16,
            wanted => wanted.unwrap_or(CacheType::F32),
        }
    }

    /// How keys and values are kept.
    pub fn cache_type(&self) -> CacheType {
        self.cache
    }

    /// Overwrites all keys and values with zeros, where they are.
    pub fn erase(&mut self) {
        for layer in &mut self.layers {
            layer.erase(self.kv_heads, self.head_dim);
        }
    }

    /// The cache of one layer.
    pub fn layer(&mut self, layer: usize) -> Option<&mut LayerCache> {
        self.layers.get_mut(layer)
    }

    /// Whether, after positions up to `written` were stored, the token at `position` would still find all that it sees.
    pub fn can_go_back(&self, written: usize, position: usize) -> bool {
        self.layers.iter().all(|layer| {
            let lost = written.saturating_sub(layer.capacity);
            match layer.window {
                0 => lost == 0,
                window => lost <= (position + 1).saturating_sub(window),
            }
        })
    }

    /// Positions that fit.
    pub fn context_tokens(&self) -> usize {
        self.context_tokens
    }

    /// Most tokens that one call may add.
    pub fn chunk_tokens(&self) -> usize {
        self.chunk_tokens
    }

    /// Bytes on the device.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Rows and window of a layer's rings.
fn ring_shape(
    config: &TextConfig,
    layer: usize,
    context_tokens: usize,
    chunk_tokens: usize,
) -> (usize, usize) {
    match config.is_sliding(layer) {
        true => {
            let window = config.sliding_window;
            let rows = window.saturating_add(chunk_tokens).min(context_tokens);
            (rows, window)
        }
        false => (context_tokens, 0),
    }
}

/// Bytes of all rings.
fn bytes(config: &TextConfig, context_tokens: usize, chunk_tokens: usize, cache: CacheType) -> u64 {
    let rows = |layer| ring_shape(config, layer, context_tokens, chunk_tokens).0;
    let rows: usize = (0..config.layers).map(rows).sum();
    let width = config.kv_heads * config.head_dim;
    8 * rows as u64 * cache.words(width) as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use burn::tensor::TensorData;

    use super::*;
    use crate::kernels::{ComputeDevice, DeviceChoice};

    #[test]
    fn an_erased_cache_holds_zeros() {
        let (kv_heads, head_dim) = (2, 8);
        for (choice, capacity, cache) in [
            (DeviceChoice::Cpu, ERASED_ROWS + 3, CacheType::F32),
            (DeviceChoice::Cpu, 3 * ERASED_ROWS, CacheType::F16),
            (DeviceChoice::Gpu, ERASED_ROWS + 3, CacheType::F32),
            (DeviceChoice::Gpu, 1, CacheType::F16),
        ] {
            let device = pollster::block_on(ComputeDevice::open(choice)).unwrap();
            let shape = [capacity, cache.words(kv_heads * head_dim)];
            let full = || {
                let words = vec![0x3c00_3c00_i32; shape[0] * shape[1]];
                Tensor::from_data(TensorData::new(words, shape), (device.burn(), DType::I32))
            };
            let mut layer = LayerCache {
                rings: Some((full(), full())),
                capacity,
                window: 0,
                cache,
            };
            layer.erase(kv_heads, head_dim);
            let (keys, values) = layer.rings.unwrap();
            for ring in [keys, values] {
                assert_eq!(ring.dims(), shape);
                let data = pollster::block_on(ring.into_data_async()).unwrap();
                let words = data.try_to_vec::<i32>().unwrap();
                assert!(
                    words.iter().all(|word| *word == 0),
                    "{choice:?}, {capacity}, {cache:?}"
                );
            }
        }
    }
}
