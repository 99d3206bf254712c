//! The Gemma 3 text decoder.
//!
//! ```text
//! x = x + post_attention_norm(attention(attention_norm(x)))
//! x = x + post_mlp_norm(mlp(mlp_norm(x)))
//! ```
//! The residual stream is f32 throughout: Gemma 3's activations exceed what f16 holds.

use burn::tensor::Tensor;

use super::attention::{Attention, Span};
use super::config::TextConfig;
use super::kv_cache::{KvCache, LayerCache};
use super::loader::Loader;
use super::mlp::Mlp;
use super::rope;
use super::trace::Trace;
use crate::error::{Error, Result};
use crate::kernels::{Matrix, StepState, add_norm, copy_rows, rms_norm, submit};

/// One layer.
#[derive(Debug)]
struct Layer {
    attention_norm: Tensor<1>, // [hidden]
    attention: Attention,
    post_attention_norm: Tensor<1>, // [hidden]
    mlp_norm: Tensor<1>,            // [hidden]
    mlp: Mlp,
    post_mlp_norm: Tensor<1>, // [hidden]
}

/// Embedding, layers and output.
#[derive(Debug)]
pub struct Decoder {
    config: TextConfig,
    embedding: Matrix,      // [vocab, hidden], also the output matrix
    output: Option<Matrix>, // [vocab, hidden], where a file does not tie them
    layers: Vec<Layer>,
    norm: Tensor<1>, // [hidden]
    angles_full: Tensor<1>,
    angles_sliding: Tensor<1>,
    context_tokens: usize,
}

impl Decoder {
    /// Loads all weights; `context_tokens` positions will be usable, or as many as the model was made for.
    pub fn load(loader: &mut Loader<'_>, context_tokens: usize) -> Result<Self> {
        let vocab_size = loader
            .source()
            .tensor("token_embd.weight")
            .ok_or_else(|| Error::MissingTensor {
                name: "token_embd.weight".to_owned(),
            })?
            .rows();
        let config = TextConfig::from_metadata(loader.source().metadata(), vocab_size)?;
        let hidden = config.hidden_size;
        let embedding = loader.matrix("token_embd.weight", config.vocab_size, hidden)?;
        let output = match loader.source().tensor("output.weight") {
            Some(_) => Some(loader.matrix("output.weight", config.vocab_size, hidden)?),
            None => None,
        };
        let layers = (0..config.layers)
            .map(|layer| {
                let name = |part: &str| format!("blk.{layer}.{part}.weight");
                Ok(Layer {
                    attention_norm: loader.vector(&name("attn_norm"), &[hidden])?,
                    attention: Attention::load(loader, &config, layer)?,
                    post_attention_norm: loader.vector(&name("post_attention_norm"), &[hidden])?,
                    mlp_norm: loader.vector(&name("ffn_norm"), &[hidden])?,
                    mlp: Mlp::load(loader, &config, layer)?,
                    post_mlp_norm: loader.vector(&name("post_ffw_norm"), &[hidden])?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let norm = loader.vector("output_norm.weight", &[hidden])?;
        // Bounded by the model, so that no request makes tables without end.
        let context_tokens = config.usable_positions(context_tokens);
        let device = loader.device().burn();
        let dim = config.head_dim;
        Ok(Self {
            angles_full: rope::table(
                context_tokens,
                dim,
                config.rope_base_full,
                config.rope_factor,
                device,
            ),
            angles_sliding: rope::table(context_tokens, dim, config.rope_base_sliding, 1.0, device),
            embedding,
            output,
            layers,
            norm,
            context_tokens,
            config,
        })
    }

    /// The model's shape.
    pub fn config(&self) -> &TextConfig {
        &self.config
    }

    /// Positions that have rotary angles.
    pub fn context_tokens(&self) -> usize {
        self.context_tokens
    }

    /// Bytes of an embedding that only looks up inputs; 0 where it is the output matrix too.
    pub fn input_only_bytes(&self) -> u64 {
        match &self.output {
            Some(_) => self.embedding.bytes(),
            None => 0,
        }
    }

    /// Embeddings of `ids`, each below the vocabulary's size -> [tokens, hidden]
    pub fn embed(&self, ids: &[u32]) -> Tensor<2> {
        self.embedding
            .embed(ids, (self.config.hidden_size as f32).sqrt())
    }

    /// Runs all layers over `x` and adds its keys and values to the cache.
    ///
    /// x: [tokens, hidden] -> [tokens, hidden], normalised. The caller keeps within the cache.
    pub fn forward(
        &self,
        x: Tensor<2>,
        span: Span,
        cache: &mut KvCache,
        trace: &mut Trace,
    ) -> Result<Tensor<2>> {
        let mut done = 0;
        self.layers(x, cache, trace, |layer, h, angles, cache| {
            if done > 0 && done % span.layers_per_submit.max(1) == 0 {
                submit(&h);
            }
            done += 1;
            let attention = &layer.attention;
            attention.forward(h, angles, cache, span, &self.config)
        })
    }

    /// Looks up the one token that `state` names, runs all layers over it and scores the next one. -> [1, vocab]
    ///
    /// Nothing here depends on which token it is or where it stands but the numbers in `state`.
    pub fn step(&self, state: &StepState, cache: &mut KvCache) -> Result<Tensor<2>> {
        let scale = (self.config.hidden_size as f32).sqrt();
        let x = self.embedding.embed_step(state.words(), scale);
        let h = self.layers(x, cache, &mut Trace::off(), |layer, h, angles, cache| {
            let attention = &layer.attention;
            attention.step(h, angles, cache, state, &self.config)
        })?;
        Ok(self.logits(h))
    }

    /// x: [tokens, hidden] -> [tokens, hidden], normalised
    fn layers(
        &self,
        mut x: Tensor<2>,
        cache: &mut KvCache,
        trace: &mut Trace,
        mut attend: impl FnMut(&Layer, Tensor<2>, &Tensor<1>, &mut LayerCache) -> Result<Tensor<2>>,
    ) -> Result<Tensor<2>> {
        let epsilon = self.config.norm_epsilon;
        trace.add("embed", &x);
        // What a layer begins with, and what follows the last one.
        let norm_before = |index: usize| {
            let layer = self.layers.get(index);
            layer.map_or(&self.norm, |layer| &layer.attention_norm)
        };
        let mut h = rms_norm(x.clone(), norm_before(0), epsilon);
        for (index, layer) in self.layers.iter().enumerate() {
            let cache = cache.layer(index).ok_or_else(|| Error::Device {
                device: "key-value cache".to_owned(),
                detail: format!("it has no layer {index}"),
            })?;
            let angles = if self.config.is_sliding(index) {
                &self.angles_sliding
            } else {
                &self.angles_full
            };
            let next = norm_before(index + 1);
            h = attend(layer, h, angles, cache)?;
            (x, h) = add_norm(h, &layer.post_attention_norm, x, &layer.mlp_norm, epsilon);
            h = layer.mlp.forward(h);
            (x, h) = add_norm(h, &layer.post_mlp_norm, x, next, epsilon);
            trace.add(&format!("layer.{index}.out"), &x);
        }
        trace.add("final_norm", &h);
        Ok(h)
    }

    /// Scores of the next token after each row. h: [tokens, hidden], normalised -> [tokens, vocab]
    pub fn logits(&self, h: Tensor<2>) -> Tensor<2> {
        self.output.as_ref().unwrap_or(&self.embedding).linear(h)
    }

    /// Scores of the next token after the last row. h: [tokens, hidden], normalised -> [1, vocab]
    pub fn last_logits(&self, h: Tensor<2>) -> Tensor<2> {
        let [tokens, hidden] = h.dims();
        let last = match tokens {
            1 => h,
            _ => copy_rows(Tensor::empty([1, hidden], &h.device()), h, tokens - 1, 0, 1),
        };
        self.logits(last)
    }
}
