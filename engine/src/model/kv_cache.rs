//! Keys and values of past positions. A sliding layer keeps only what its window can still see.

use burn::tensor::{Device, Tensor};

use super::config::TextConfig;
use crate::kernels::copy_rows;

/// Keys and values of one layer: two rings [capacity, kv_heads * head_dim].
#[derive(Debug)]
pub struct LayerCache {
    // Taken while they are written, so that the CPU backend sees a unique owner and writes in place.
    rings: Option<(Tensor<2>, Tensor<2>)>,
    capacity: usize,
}

impl LayerCache {
    fn new(capacity: usize, width: usize, device: &Device) -> Self {
        let ring = || Tensor::zeros([capacity, width], device);
        Self {
            rings: Some((ring(), ring())),
            capacity,
        }
    }

    /// Rows of each ring.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Stores the rows of `k` and `v` for positions `position..` and returns both rings.
    ///
    /// k, v: [tokens, kv_heads * head_dim] -> [capacity, kv_heads * head_dim]
    pub fn append(
        &mut self,
        k: Tensor<2>,
        v: Tensor<2>,
        position: usize,
    ) -> Option<(Tensor<2>, Tensor<2>)> {
        let (keys, values) = self.rings.take()?;
        let [tokens, _] = k.dims();
        let keys = copy_rows(keys, k, 0, position, tokens);
        let values = copy_rows(values, v, 0, position, tokens);
        self.rings = Some((keys.clone(), values.clone()));
        Some((keys, values))
    }
}

/// The cache of all layers.
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<LayerCache>,
    context_tokens: usize,
    chunk_tokens: usize,
    bytes: u64,
}

impl KvCache {
    /// A cache for `context_tokens` positions, filled with at most `chunk_tokens` at a time.
    ///
    /// A ring holds the window before a chunk and the chunk itself: the chunk is written before its first
    /// query has read the oldest key it may see.
    pub fn new(
        config: &TextConfig,
        context_tokens: usize,
        chunk_tokens: usize,
        device: &Device,
    ) -> Self {
        let width = config.kv_heads * config.head_dim;
        let capacity = |layer: usize| {
            if config.is_sliding(layer) {
                config
                    .sliding_window
                    .saturating_add(chunk_tokens)
                    .min(context_tokens)
            } else {
                context_tokens
            }
        };
        let rows: usize = (0..config.layers).map(capacity).sum();
        Self {
            layers: (0..config.layers)
                .map(|layer| LayerCache::new(capacity(layer), width, device))
                .collect(),
            context_tokens,
            chunk_tokens,
            bytes: (rows * width * 2 * size_of::<f32>()) as u64,
        }
    }

    /// The cache of one layer.
    pub fn layer(&mut self, layer: usize) -> Option<&mut LayerCache> {
        self.layers.get_mut(layer)
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
