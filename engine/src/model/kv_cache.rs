//! Keys and values of past positions. A sliding layer keeps only what its window can still see.

use burn::tensor::{DType, Device, Int, Tensor};

use super::config::TextConfig;
use crate::kernels::{
    AttentionParams, CacheType, HeadParams, StepParams, StepState, attention_step,
    cached_attention, prepare_heads,
};

/// Most bytes of a cache in f32, unless the caller asks for it: what a small model needs for a long context.
const MAX_F32_BYTES: u64 = 64 << 20;

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
