//! Self-attention of the text decoder: grouped queries, normalised heads, rotary positions.

use burn::tensor::Tensor;

use super::config::TextConfig;
use super::kv_cache::LayerCache;
use super::loader::Loader;
use crate::error::{Error, Result};
use crate::kernels::{AttentionParams, HeadParams, Matrix, StepParams, StepState};

/// Attention weights of one layer.
#[derive(Debug)]
pub struct Attention {
    qkv: Matrix,      // [(heads + 2 * kv_heads) * head_dim, hidden]: queries, keys, values
    out: Matrix,      // [hidden, heads * head_dim]
    norms: Tensor<1>, // [2 * head_dim]: of queries, of keys
    window: usize,
}

/// Where the tokens of a call stand.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// Position of the first token.
    pub position: usize,
    /// Whether the tokens are one picture, whose tokens all see each other.
    pub picture: bool,
    /// After how many layers the device begins with them.
    pub layers_per_submit: usize,
}

impl Attention {
    pub(super) fn load(loader: &mut Loader<'_>, config: &TextConfig, layer: usize) -> Result<Self> {
        let hidden = config.hidden_size;
        let (q_width, kv_width) = (
            config.heads * config.head_dim,
            config.kv_heads * config.head_dim,
        );
        let name = |part: &str| format!("blk.{layer}.attn_{part}.weight");
        let qkv = [
            (&*name("q"), q_width),
            (&*name("k"), kv_width),
            (&*name("v"), kv_width),
        ];
        Ok(Self {
            qkv: loader.stacked(&qkv, hidden)?,
            out: loader.matrix(&name("output"), hidden, q_width)?,
            norms: loader.vectors(&[&name("q_norm"), &name("k_norm")], config.head_dim)?,
            window: if config.is_sliding(layer) {
                config.sliding_window
            } else {
                0
            },
        })
    }

    /// x: [tokens, hidden], angles: [positions * head_dim] -> [tokens, hidden]
    pub(super) fn forward(
        &self,
        x: Tensor<2>,
        angles: &Tensor<1>,
        cache: &mut LayerCache,
        span: Span,
        config: &TextConfig,
    ) -> Result<Tensor<2>> {
        let [tokens, _] = x.dims();
        let head = HeadParams {
            tokens,
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_dim: config.head_dim,
            position: span.position,
            capacity: cache.capacity(),
            epsilon: config.norm_epsilon,
            cache: cache.cache_type(),
        };
        let params = AttentionParams {
            tokens,
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_dim: config.head_dim,
            position: span.position,
            capacity: cache.capacity(),
            window: self.window,
            bidirectional: span.picture,
            scale: config.query_scale,
        };
        let qkv = self.qkv.linear(x);
        let attended = cache.attend(qkv, &self.norms, angles, head, params);
        Ok(self.out.linear(attended.ok_or_else(empty)?))
    }

    /// [`forward`](Self::forward) for the one token that `state` places. x: [1, hidden] -> [1, hidden]
    pub(super) fn step(
        &self,
        x: Tensor<2>,
        angles: &Tensor<1>,
        cache: &mut LayerCache,
        state: &StepState,
        config: &TextConfig,
    ) -> Result<Tensor<2>> {
        let params = StepParams {
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_dim: config.head_dim,
            capacity: cache.capacity(),
            window: self.window,
            scale: config.query_scale,
            epsilon: config.norm_epsilon,
            cache: cache.cache_type(),
        };
        let qkv = self.qkv.linear(x);
        let attended = cache.step(qkv, &self.norms, angles, state, params);
        Ok(self.out.linear(attended.ok_or_else(empty)?))
    }
}

fn empty() -> Error {
    Error::Device {
        device: "key-value cache".to_owned(),
        detail: "an earlier failure left it empty".to_owned(),
    }
}
