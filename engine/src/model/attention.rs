//! Self-attention of the text decoder: grouped queries, normalised heads, rotary positions.

use burn::tensor::Tensor;

use super::config::TextConfig;
use super::kv_cache::LayerCache;
use super::loader::Loader;
use crate::error::{Error, Result};
use crate::kernels::{AttentionParams, Matrix, head_norm_rope};

/// Attention weights of one layer.
#[derive(Debug)]
pub struct Attention {
    q: Matrix,         // [heads * head_dim, hidden]
    k: Matrix,         // [kv_heads * head_dim, hidden]
    v: Matrix,         // [kv_heads * head_dim, hidden]
    out: Matrix,       // [hidden, heads * head_dim]
    q_norm: Tensor<1>, // [head_dim]
    k_norm: Tensor<1>, // [head_dim]
    window: usize,
}

/// Where the tokens of a call stand.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// Position of the first token.
    pub position: usize,
    /// Whether the tokens are one picture, whose tokens all see each other.
    pub picture: bool,
}

impl Attention {
    pub(super) fn load(loader: &mut Loader<'_>, config: &TextConfig, layer: usize) -> Result<Self> {
        let hidden = config.hidden_size;
        let (q_width, kv_width) = (
            config.heads * config.head_dim,
            config.kv_heads * config.head_dim,
        );
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        Ok(Self {
            q: loader.matrix(&name("attn_q"), q_width, hidden)?,
            k: loader.matrix(&name("attn_k"), kv_width, hidden)?,
            v: loader.matrix(&name("attn_v"), kv_width, hidden)?,
            out: loader.matrix(&name("attn_output"), hidden, q_width)?,
            q_norm: loader.vector(&name("attn_q_norm"), &[config.head_dim])?,
            k_norm: loader.vector(&name("attn_k_norm"), &[config.head_dim])?,
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
        let epsilon = config.norm_epsilon;
        let q = self.q.linear(x.clone());
        let k = self.k.linear(x.clone());
        let v = self.v.linear(x);
        let q = head_norm_rope(q, &self.q_norm, angles, span.position, epsilon);
        let k = head_norm_rope(k, &self.k_norm, angles, span.position, epsilon);
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
        let attended = cache.attend(q, k, v, params).ok_or_else(|| Error::Device {
            device: "key-value cache".to_owned(),
            detail: "an earlier failure left it empty".to_owned(),
        })?;
        Ok(self.out.linear(attended))
    }
}
